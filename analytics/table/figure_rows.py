"""Every row of the table of figures, scope by scope; docs/figures.md is made from them."""

from __future__ import annotations

from analytics.table.boiler_rows import boiler_rows
from analytics.table.cell_rows import cell_rows
from analytics.table.figure import Figure
from analytics.table.line_rows import line_rows, site_rows


def rows() -> tuple[Figure, ...]:
    """Every figure there is, scope by scope."""
    return tuple(cell_rows()) + tuple(line_rows()) + tuple(boiler_rows()) + tuple(site_rows())
