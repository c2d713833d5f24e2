"""The engine process: a run from its first row to its end, and the commands it answers."""
