"""The dashboard with its keys and collaborators, and the dialogs that lie over it."""
