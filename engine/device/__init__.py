"""Devices: which one is used, its memory, and how numbers leave it."""
