"""How sure a figure is, and how it came about."""
