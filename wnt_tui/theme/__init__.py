"""Colours, characters and words."""
