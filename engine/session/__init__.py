"""The session file, the only interface between the engine and its viewers; needs no torch and no terminal.

``reader.SessionReader`` reads one, ``writer.SessionWriter`` records one under ``liveness.EngineLock``,
``commands.send`` asks its engine for something.
"""
