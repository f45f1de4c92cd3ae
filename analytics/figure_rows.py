"""Every row of the table of figures, scope by scope; docs/figures.md is made from them."""

from __future__ import annotations

from analytics.boiler_rows import boiler_rows
from analytics.cell_rows import cell_rows
from analytics.figure import Figure
from analytics.line_rows import line_rows, site_rows


def rows() -> tuple[Figure, ...]:
    """Every figure there is, scope by scope."""
    return tuple(cell_rows()) + tuple(line_rows()) + tuple(boiler_rows()) + tuple(site_rows())
