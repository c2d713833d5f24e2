"""Charts as pure functions: series, viewport, size and palette in, strips out."""
