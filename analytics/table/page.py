"""The docs of the figures: the index below the marker of docs/figures.md, and a page for each in
docs/figures. `python -m analytics.table.page` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.examples import table
from analytics.table.figure_page import address, base, figure_page, grid, labels

DOCS = Path(__file__).parents[2] / "docs"
MARKER = "<!-- made from the table of figures: python -m analytics.table.page -->"
TITLES = {"cell": "Cell", "line": "Line", "boiler": "Boiler", "site": "Site"}


def figures_page() -> str:
    """The index: a section for each scope, a row for each figure with all its windows."""
    return "\n".join(f"## {TITLES[scope]}\n\n{_index(scope)}\n" for scope in SCOPES)


def _index(scope: Scope) -> str:
    return grid(
        ("figure", "unit", "windows", "what", "名称", "formula"),
        [
            (
                f"[`{variant}`](figures/{address(scope, variant)})",
                rows[0].unit,
                ", ".join(row.window for row in rows),
                *labels(rows[0]),
                rows[0].formula,
            )
            for variant, rows in table()[scope].items()
        ],
    )


def pages() -> Mapping[str, str]:
    """File in docs/figures -> text, of every figure."""
    names = dict.fromkeys((scope, base(v)) for scope in SCOPES for v in table()[scope])
    return {address(scope, name): figure_page(scope, name) for scope, name in names}


def write() -> None:
    """Bring docs/figures.md and docs/figures in step with the table."""
    index = DOCS / "figures.md"
    above = index.read_text("utf-8").partition(MARKER)[0]
    index.write_text(f"{above}{MARKER}\n\n{figures_page()}", "utf-8")
    folder = DOCS / "figures"
    folder.mkdir(exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write()
