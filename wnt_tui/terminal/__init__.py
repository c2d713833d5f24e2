"""The terminal: what it must be able to do, how it is written to, what happens when it goes."""
