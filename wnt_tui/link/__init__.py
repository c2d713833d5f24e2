"""The link to the terminal: how much it carries, and which part of the picture goes over it next."""
