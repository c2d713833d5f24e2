"""Recorded runs as something to go back into: checkpoints, exact re-execution, and what differs where it is not."""
