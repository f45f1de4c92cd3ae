"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def progress_bar() -> Progress:
    """A bar on standard error for long work; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def print_json(value: object) -> None:
    """One JSON document on standard output; NaN becomes null."""
    sys.stdout.buffer.write(
        orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2)
    )
    sys.stdout.buffer.write(b"\n")
    sys.stdout.flush()


def print_rows(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people; numbers to the right."""
    table = Table(title=title or None, title_justify="left")
    for i, name in enumerate(header):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell_text(value)) for value in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)


def cell_text(value: object) -> str:
    if value is None or value != value:  # NaN
        return "—"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
