"""`potline compare`: cells with a measure against cells without it, before and after."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.studies.campaign import Campaign, Group, compare
from analytics.table.figures import figures, index
from api.daily import daily, day_ends
from plant.batch import SECOND
from plant.model import Plant
from potline.asking import checked_names
from potline.exits import FOUND, INVALID, Failure
from potline.opening import Kept, kept
from potline.selecting import cells_of, period
from potline.tables import print_json, print_rows
from potline.times import format_time

Floats = NDArray[np.float64]
Spans = tuple[tuple[int, int], tuple[int, int]]  # before and after, [ns)

DEFAULT = (
    "dc_specific_energy_day", "dc_specific_energy_tapped_30d", "current_efficiency_30d",
    "voltage_day", "normalised_voltage_day", "anode_effects_day", "anode_effect_minutes_day",
)  # fmt: skip
BY_CHARGE = ("dc_specific_energy_day", "voltage_day", "normalised_voltage_day")
"""Means of a day that are weighted with its charge."""
ROLLING = "_30d"
ROLLING_NS = 30 * 86400 * SECOND
LEAST_CELLS = 2


def run_comparison(
    path: Path,
    cells: str,
    control: str,
    before: str,
    after: str,
    asked: list[str] | None,
    as_json: bool,
) -> None:
    with kept(path) as opened:
        plant = opened.plant
        treated, others = cells_of(plant, cells, "--cells"), cells_of(plant, control, "--control")
        periods = period(plant, before, "--before"), period(plant, after, "--after")
        _check(plant, treated, others, periods)
        known = {figure.name for figure in figures()["cell"]}
        names = checked_names("cell", asked) if asked else [n for n in DEFAULT if n in known]
        found = Days.of(opened, names, treated, others, periods)
    rows = [_row(found, name) for name in names]
    if all(row["effect"] is None for row in rows):
        raise Failure(FOUND, *(f"{row['figure']}: {row['notes'][0]}" for row in rows))
    notes = _notes(plant, treated, others)
    if as_json:
        print_json({"cells": treated, "control": others, "figures": rows, "notes": notes})
        return
    header = ("figure", "unit", "with, before", "with, after", "without, before",
              "without, after", "effect (95 %)", "p, relabelled", "placebo (95 %)")  # fmt: skip
    print_rows("effect = change with the measure − change without it", header, [
        (
            row["figure"], row["unit"], row["treated_before"], row["treated_after"],
            row["control_before"], row["control_after"], _text(row["effect"]),
            row["relabelled_p"], _text(row["placebo"]),
        )
        for row in rows
    ])  # fmt: skip
    said = [(row["figure"], note) for row in rows for note in row["notes"]]
    print_rows("", ("of", "note"), [*said, *(("all", note) for note in notes)])


def _check(
    plant: Plant,
    treated: list[str],
    control: list[str],
    periods: Spans,
) -> None:
    if both := [cell for cell in treated if cell in control]:
        raise Failure(INVALID, f"{both[0]} is in --cells and in --control: it can be in one only")
    for option, group in (("--cells", treated), ("--control", control)):
        if len(group) < LEAST_CELLS:
            raise Failure(INVALID, f"{option}: at least {LEAST_CELLS} cells are needed")
    if periods[0][1] > periods[1][0]:
        raise Failure(INVALID, "--before must end before --after begins")
    for option, (start, end) in zip(("--before", "--after"), periods, strict=True):
        if not day_ends(plant, start, end):
            raise Failure(INVALID, f"{option}: there is no whole local day in it")


@dataclass(frozen=True, slots=True)
class Days:
    """Daily figures of the cells with and without the measure, before and after it: values[period]
    is float64[days, names, cells], ends[period] int64[days] ns."""

    names: list[str]
    treated: int  # the first so many cells
    starts: tuple[int, int]
    ends: tuple[NDArray[np.int64], NDArray[np.int64]]
    values: tuple[Floats, Floats]

    @classmethod
    def of(
        cls, kept: Kept, names: list[str], treated: list[str], control: list[str], spans: Spans
    ) -> Days:
        every = list(dict.fromkeys([*names, "charge_day"]))
        cells = [*treated, *control]
        before, after = (
            daily(kept.plant, kept.history, "cell", every, cells, *span) for span in spans
        )
        return cls(
            every,
            len(treated),
            (spans[0][0], spans[1][0]),
            (before.ends, after.ends),
            (before.values, after.values),
        )

    def groups(self, name: str) -> tuple[Group, Group]:
        """The cells with the measure and those without it."""
        parts = [self._part(name, period) for period in (0, 1)]
        if name in BY_CHARGE:
            weights = [self._part("charge_day", period) for period in (0, 1)]
        else:
            weights = [np.ones_like(part) for part in parts]
        with_it, without = slice(0, self.treated), slice(self.treated, None)
        return (
            Group(*(p[with_it] for p in parts), *(w[with_it] for w in weights)),
            Group(*(p[without] for p in parts), *(w[without] for w in weights)),
        )

    def _part(self, name: str, period: int) -> Floats:
        """[cells, days]. A rolling figure counts once all of its 30 days lie in the period."""
        values = self.values[period][:, self.names.index(name)].T.copy()
        if name.endswith(ROLLING):
            values[:, self.ends[period] < self.starts[period] + ROLLING_NS] = np.nan
        return values


def _row(found: Days, name: str) -> dict[str, Any]:
    """One figure's comparison, as JSON."""
    unit = figures()["cell"][index("cell", name)].unit
    try:
        campaign = compare(*found.groups(name))
    except ValueError as error:
        nothing = dict.fromkeys(field.name for field in fields(Campaign))
        return {"figure": name, "unit": unit, **nothing, "notes": [str(error)]}
    row = asdict(campaign)
    for part in ("effect", "trend", "placebo"):
        row[part]["uncertainty_95"] = row[part].pop("uncertainty")
        row[part]["value"] = row[part].pop("effect")
    return {"figure": name, "unit": unit, **row, "notes": list(campaign.notes)}


def _text(difference: dict[str, float] | None) -> str:
    if difference is None or difference["value"] != difference["value"]:
        return "—"
    return f"{difference['value']:+.4g} ± {difference['uncertainty_95']:.2g}"


def _notes(plant: Plant, treated: list[str], control: list[str]) -> list[str]:
    line_of = {cell.id: cell.line for cell in plant.cells}
    lines = [sorted({line_of[cell] for cell in group}) for group in (treated, control)]
    said = [
        "one difference a cell: day-to-day autocorrelation does not narrow the interval",
        "dc_specific_energy_day is with the configured current efficiency: a change of current "
        "efficiency shows in the 30-day figures only",
    ]
    if lines[0] != lines[1]:
        said.append(
            f"the cells are of {', '.join(lines[0])}, the control of {', '.join(lines[1])}: "
            "current and season are matched within one line only"
        )
    changed = [
        f"{cell.id} was rebuilt on {format_time(step.since, plant.site.zone)[:10]}"
        for cell in plant.cells
        if cell.id in control
        for step in cell.history[1:]
    ]
    return [*said, *(f"control cell {text}" for text in changed)]
