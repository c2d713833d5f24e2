"""The grid of panels and the lines around it: header, tabs, key numbers, timeline, footer and its prompt."""
