"""Training: full-batch gradient descent, a row at a time, and what it ran on."""
