"""The table of figures as Markdown: what docs/figures.md holds below its marker."""

from __future__ import annotations

from analytics.assessment import SCOPES
from analytics.figure import WINDOWS, Figure
from analytics.figures import figures

MARKER = "<!-- made from the table of figures: python -m analytics.page -->"
TITLES = {"cell": "Cell", "line": "Line", "boiler": "Boiler", "site": "Site"}


def figures_page() -> str:
    """A section for each scope; the windows of a figure share a row, `{w}` stands for them."""
    parts = []
    for scope in SCOPES:
        rows = [
            "| figure | unit | 名称 | formula | method | source | factors |",
            "|---|---|---|---|---|---|---|",
        ]
        for f in figures()[scope]:
            if f.window in WINDOWS[1:] and _has_minute(f):
                continue
            rows.append(_row(f))
        parts.append(f"## {TITLES[scope]}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _has_minute(f: Figure) -> bool:
    name = f.name.removesuffix(f.window) + "minute"
    return any(other.name == name for other in figures()[f.scope])


def _row(f: Figure) -> str:
    name, label, label_zh = f.name, f.label, f.label_zh
    if f.window == "minute":
        name = name.removesuffix("minute") + "{w}"
        label, label_zh = label.removesuffix(", this minute"), label_zh.removeprefix("本分钟")
    used = ", ".join(f"`{prefix}`" for prefix in f.factors)
    cells = (f"`{name}` {label}", f.unit, label_zh, f.formula, f.method, f.source, used)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(figures_page(), end="")
