"""The table of figures: its rows, examples and pages."""
