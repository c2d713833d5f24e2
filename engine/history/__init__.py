"""Going back into recorded runs, with torch: checkpoints, exact re-execution, and what differs where it is not."""
