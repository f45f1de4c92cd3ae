"""The page of one figure as Markdown: its rows of the table, its doubt, its example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby

import numpy as np

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.examples import (
    MONTH,
    Example,
    ends_at,
    example_plant,
    examples,
    readings,
    story,
    table,
)
from analytics.table.figure import Figure
from analytics.table.figures import beat_figures
from analytics.table.rows import PERIODS
from analytics.uncertainty.budget import CAUSES, quantities
from analytics.uncertainty.cell import FACTOR
from analytics.uncertainty.explain import KEY_UNITS, factor_names
from analytics.uncertainty.lineage import tags_of
from analytics.uncertainty.notes import factor_notes, uncertainty_notes
from plant.factors import shipped_signals
from plant.model import Factor

DAY = "2026-11-20"
"""For which the notes say whether a factor is valid: the day of the examples."""
READINGS = "../../analytics/table/examples_by_hand/readings.toml"


def base(variant: str) -> str:
    """What a figure is called without its window."""
    return variant.removesuffix("_{w}").replace("_30d", "")


def address(scope: str, variant: str) -> str:
    """File of a figure's page, in docs/figures."""
    return f"{scope}-{base(variant)}.md"


def labels(row: Figure) -> tuple[str, str]:
    """The row's label and label_zh without their window."""
    en, zh = PERIODS.get(row.window, ("", ""))
    if row.window == "30d":
        en, zh = "last 30 days", "近30天"
    return row.label.removesuffix(f", {en}"), row.label_zh.removeprefix(zh)


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing without rows."""
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in (header, ["---"] * len(header), *lines)
    )


def figure_page(scope: Scope, name: str) -> str:
    """name: as `base` gives it."""
    variants = [v for v in table()[scope] if base(v) == name]
    label, label_zh = labels(table()[scope][variants[0]][0])
    parts = [f"# {label} · {label_zh}", f"A figure of scope {scope}. [All figures](../figures.md)"]
    for variant in variants:
        parts += _section(scope, variant)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(scope: Scope, variant: str) -> Iterator[str]:
    rows, example = table()[scope][variant], examples()[scope, variant]
    row = rows[-1]
    plant = example_plant()
    used = [plant.factors[name] for name in factor_names(plant, row, example.entity)]
    yield f"## `{variant}`"
    yield f"{example.what or 'The same over the last 30 local days'}."
    yield grid(
        ("", ""),
        [
            ("formula", row.formula),
            ("unit", row.unit),
            ("window", windows(rows)),
            ("method", row.method),
            ("source", row.source),
            ("known part", _link(scope, row.coverage)[0]),
        ],
    )
    yield grid(("input", "what", "unit"), [_link(scope, name) for name in row.inputs])
    yield grid(("factor", "value", "unit", "source", "certainty"), map(_factor, used))
    yield _doubt(scope, variant, example)
    yield from _example(row, example)


def windows(rows: Sequence[Figure]) -> str:
    """The windows that a variant has, as words."""
    words = {
        "beat": "the beat",
        "30d": "the last 30 local days, at the end of each",
        "book": "as it stands at the end of each local day",
    }
    return ", ".join(words.get(row.window, row.window) for row in rows)


def _figure(scope: Scope, name: str) -> tuple[Scope, str]:
    """Scope and variant of an input that is a figure."""
    kind, _, plain = name.rpartition(".")
    of = next((own for own in SCOPES if own == kind), scope)
    return of, _variants(of)[plain]


@cache
def _variants(scope: Scope) -> dict[str, str]:
    return {row.name: variant for variant, group in table()[scope].items() for row in group}


def _link(scope: Scope, name: str) -> tuple[str, str, str]:
    """An input: the way to its page where it is a figure, what it is, unit."""
    if name.rpartition(".")[2] in KEY_UNITS:
        unit = KEY_UNITS[name.rpartition(".")[2]]
        return f"`{name}`", "key of the [plant file](../plant-file.md)", unit
    if signal := shipped_signals().get(name):
        return f"`{name}`", f"reading: {signal.label} {signal.label_zh}", signal.unit
    kind, variant = _figure(scope, name)
    row = table()[kind][variant][0]
    shown = variant if kind == scope else f"{kind}.{variant}"
    return f"[`{shown}`]({address(kind, variant)})", labels(row)[0], row.unit


def _factor(f: Factor) -> tuple[str, str, str, str, str]:
    year = f", {f.year}" if f.year else ""
    return f"`{f.name}`", f"{f.value:.12g}", f.unit, f.source + year, f.certainty


@cache
def _behind(scope: Scope, variant: str) -> tuple[Factor, ...]:
    """The factors of a figure and of the figures that it is made of."""
    plant, row = example_plant(), table()[scope][variant][-1]
    names = factor_names(plant, row, examples()[scope, variant].entity)
    found = {name: plant.factors[name] for name in names}
    for name in row.inputs:
        if name.rpartition(".")[2] not in KEY_UNITS and name not in shipped_signals():
            found |= {f.name: f for f in _behind(*_figure(scope, name))}
    return tuple(found.values())


@cache
def _causes() -> dict[tuple[Scope, str], list[str]]:
    """What enters the uncertainty of each variant, in words; no number counts here."""
    plant = example_plant()
    ones = {
        scope: np.ones((len(beat_figures()[scope]), len(plant.entities(scope)))) for scope in SCOPES
    }
    with np.errstate(all="ignore"):
        found = {
            (scope, name): list(quantity.parts) for scope, name, quantity in quantities(plant, ones)
        }
    return {
        key: [CAUSES[c][0] for c in causes if c in CAUSES]
        + [f"factor {c.removeprefix(FACTOR)}" for c in causes if _is_doubted(c)]
        for key, causes in found.items()
    }


def _is_doubted(cause: str) -> bool:
    name = cause.removeprefix(FACTOR)
    return name != cause and not np.isnan(example_plant().factors[name].uncertainty_percent)


def _doubt(scope: Scope, variant: str, example: Example) -> str:
    plain = variant.replace("{w}", "day")
    causes = _causes().get((scope, variant), _causes().get((scope, plain)))
    own = f"{variant}_u"
    if causes:
        said = f"Uncertainty by: {', '.join(causes)}."
    elif own in table()[scope]:
        said = f"Its standard uncertainty is [`{own}`]({address(scope, own)})."
    else:
        said = "No uncertainty is stated for it."
    used = _behind(scope, variant)
    notes = factor_notes(used, DAY)
    if causes:
        notes += uncertainty_notes(example_plant(), scope, example.entity, [], used)
    return "\n".join([f"**Doubt.** {said}", *(f"- {note['en']}" for note in notes)])


def _example(row: Figure, example: Example) -> Iterator[str]:
    at = f", at {ends_at(example)}" if example.case != MONTH else ""
    yield f"**Example.** {story(example.case)}{at}, `{example.figure}` of {example.entity}:"
    yield grid(("tag", "readings"), _readings(example))
    arithmetic = _symbols(example.by_hand)
    same = arithmetic == example.value
    shown = example.value if same else f"{arithmetic} = {example.value}"
    yield f"```\n{shown}{'' if row.unit == '1' else ' ' + row.unit}\n```"
    yield _symbols(example.note)
    if example.formula:
        yield f"By the formula: `potline formula {example.formula}`"
    yield f"[Plant](../../analytics/table/examples_by_hand/plant.toml), [all readings]({READINGS})"


def _symbols(arithmetic: str) -> str:
    return arithmetic.replace(" ** ", "^").replace(" * ", " · ").replace(" - ", " − ")


def _readings(example: Example) -> Iterator[tuple[str, str]]:
    """What is given of the tags that the figure comes from."""
    plant, given = example_plant(), readings(example.case)
    for tag in tags_of(plant, example.scope, example.entity, example.figure):
        if tag.id in given:
            unit = tag.signal.unit
            yield f"`{tag.id}`", "; ".join(_said(row, unit) for row in given[tag.id])


def _said(row: Sequence[float | str], unit: str) -> str:
    """A row of the readings in words."""
    runs = [(value, len(list(group))) for value, group in groupby(row[1:])]
    values = ", ".join(f"{v}" + (f" ({n} times)" if n > 1 else "") for v, n in runs)
    values = values.replace("nan", "bad")
    turn = " in turn" if len(runs) > 1 else ""
    daily = "every day " if len(str(row[0])) == len("07:00") else ""
    return f"{daily}{row[0]} {values}{'' if unit == '1' or values == 'bad' else ' ' + unit}{turn}"
