"""The formulas as Markdown: what docs/formulas.md holds below its marker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analytics.formula import formulas
from analytics.formula.registry import Formula, Key, limits
from plant.factors import shipped_factors
from plant.model import Factor

MARKER = "<!-- made from the table of formulas: python -m analytics.formula.page -->"


def formulas_page() -> str:
    """A section for each formula."""
    return "\n".join(_section(formula) for formula in formulas().values())


def allowed(key: Key, factors: Mapping[str, Factor]) -> str:
    """The range or the words that a key takes."""
    if options := key.options(factors):
        return ", ".join(options)
    kind = {"text": "text", "file": "path of a file", "list": "numbers with commas between"}
    parts = [kind.get(key.kind, ""), "whole" if key.whole else "", limits(key)]
    return ", ".join(part for part in parts if part)


def command(formula: Formula) -> str:
    """The example as one types it."""
    pairs = " ".join(f"{name}={_typed(value)}" for name, value in formula.example.items())
    return f"potline formula {formula.name} {pairs}"


def _typed(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"'{text}'" if " " in text else text


def _section(formula: Formula) -> str:
    factors = shipped_factors()
    keys = [
        (f"`{k.name}`", k.unit, k.what, allowed(k, factors), _left_out(k)) for k in formula.keys
    ]
    results = [(f"`{r.name}`", r.unit) for r in formula.results]
    expected = "\n".join(f"{name} = {_typed(v)}" for name, v in formula.expected.items())
    parts = [
        f"## `{formula.name}`",
        f"{formula.what}. {formula.what_zh}",
        f"```\n{formula.expression}\n```",
        f"Source: {formula.source}. Certainty: {formula.certainty}.",
        _table(("key", "unit", "what", "allowed", "when left out"), keys),
        _table(("result", "unit"), results),
        f"```\n$ {command(formula)}\n{expected}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _left_out(key: Key) -> str:
    if key.default is not None:
        return f"`{key.default}`"
    return "an error" if key.required else ""


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


if __name__ == "__main__":
    print(formulas_page(), end="")
