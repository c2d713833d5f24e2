"""What surrounds the panels: header, tabs, key numbers, timeline, footer and its prompt."""
