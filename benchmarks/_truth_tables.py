"""The tables of figures against the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.table.figures import beat_figures, index
from analytics.uncertainty.budget import COVERAGE_FACTOR
from benchmarks._truth_figures import all_pfc, true_effects, true_figures
from plant.batch import SECOND
from plant.model import Plant

Floats = NDArray[np.float64]
Ends = dict[str, list[tuple[int, int]]]
"""Start and end [ns] of each cell's anode effects."""

HEAD = (
    "| figure | unit | n | truth | mean error | rms error | largest error | stated ± | within ± |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
HOUR, DAY = ("hour", 1), ("day", 24)
ALL = " against all PFC"
WINDOWS: dict[Scope, tuple[tuple[str, int], ...]] = {
    "cell": (HOUR, DAY), "line": (HOUR, DAY), "boiler": (DAY,), "site": (DAY,)
}  # fmt: skip
PLURAL: dict[Scope, str] = {"cell": "Cells", "line": "Lines", "boiler": "Boiler", "site": "Site"}


@dataclass(frozen=True, slots=True)
class Estimates:
    """What potline kept. values, doubts: float64[hours, figures, entities] by scope; doubts are
    standard uncertainties. efficiency: scope -> current efficiency and its doubt."""

    values: Mapping[Scope, Floats]
    doubts: Mapping[Scope, Floats]
    effects: Sequence[Mapping[str, Any]]
    book: Mapping[str, Floats]
    efficiency: Mapping[Scope, tuple[Floats, Floats]]


def tables(plant: Plant, truth: Mapping[str, Any], found: Estimates) -> str:
    """All of them, Markdown."""
    parts = []
    for scope in ("cell", "line", "boiler", "site"):
        parts += [f"### {PLURAL[scope]}", "\n".join([HEAD, *_rows(plant, truth, found, scope)])]
    parts += ["### Anode effects", _effects(plant, truth, found)]
    parts += ["### PFC by both methods", _pfc(plant, truth, found)]
    parts += [_overvoltage(plant, truth, found)]
    return "\n\n".join(parts)


def _rows(plant: Plant, truth: Mapping[str, Any], found: Estimates, scope: Scope) -> Iterator[str]:
    """A line for each figure that is known at all."""
    named: dict[str, tuple[int, Floats]] = {}
    for window, every in WINDOWS[scope]:
        of_window = true_figures(plant, truth, every)[scope]
        named |= {f"{name}_{window}": (every, true) for name, true in of_window.items()}
    effects = true_effects(plant, truth).get(scope, {})
    named |= {name: (24, true) for name, true in effects.items()}
    if scope == "line":
        named |= {f"{name}{ALL}": (24, true) for name, true in all_pfc(plant, truth).items()}
    for name, (every, true) in named.items():
        place = index(scope, name.removesuffix(ALL))
        value, u = (a[scope][every - 1 :: every, place] for a in (found.values, found.doubts))
        known = np.isfinite(value) & ((value != 0) | (true != 0))
        if known.any():
            unit = beat_figures()[scope][place].unit
            yield compared(name, unit, value[known], u[known], true[known])
    if scope in found.efficiency:
        value, u = found.efficiency[scope]
        known = np.isfinite(value)
        true = _efficiency(plant, truth, scope)[known]
        yield compared("current efficiency by metal balance", "1", value[known], u[known], true)


def compared(name: str, unit: str, value: Floats, u: Floats, true: Floats) -> str:
    """One line of a table. u: standard uncertainty, NaN where none is stated."""
    percent = 100 / np.abs(true).mean()
    error, half = value - true, COVERAGE_FACTOR * u
    has = np.isfinite(half)
    stated, inside = "none", ""
    if has.any():
        stated = f"{percent * half[has].mean():.3g} %"
        inside = f"{100 * np.mean(np.abs(error[has]) <= half[has]):.0f} %"
    largest = error[np.abs(error).argmax()]
    return (
        f"| {name.replace('_', ' ')} | {unit} | {len(true)} | {true.mean():.5g} "
        f"| {percent * error.mean():+.3f} % | {percent * np.sqrt(np.mean(error**2)):.3f} % "
        f"| {percent * largest:+.2f} % | {stated} | {inside} |"
    )


def _efficiency(plant: Plant, truth: Mapping[str, Any], scope: Scope) -> Floats:
    """True current efficiency of the whole time."""
    cells = truth["cells"]
    kg, kAh = (
        cells[name].to_numpy().reshape(-1, len(plant.cells)).sum(axis=0)
        for name in ("metal_kg", "charge_kAh")
    )
    if scope == "line":
        kg, kAh = (np.bincount(plant.line_of_cell, x, len(plant.lines)) for x in (kg, kAh))
    factors = plant.factors
    pure = factors["constant.molar_mass_Al"].value / (3 * factors["constant.faraday"].value) * 3600
    return np.asarray(kg / (pure * kAh))


def _effects(plant: Plant, truth: Mapping[str, Any], found: Estimates) -> str:
    """Anode effects found, missed and invented, and when they were said to begin and end."""
    true, said = true_ends(plant, truth), said_ends(found.effects)
    starts: list[float] = []
    stops: list[float] = []
    missed = 0
    invented = sum(map(len, said.values()))
    for cell, spans in true.items():
        for start, end in spans:
            match = [s for s in said.get(cell, []) if s[0] < end and s[1] > start]
            if not match:
                missed += 1
                continue
            invented -= 1
            starts.append((match[0][0] - start) / SECOND)
            stops.append((match[0][1] - end) / SECOND)
    n = sum(map(len, true.values()))
    lines = [
        f"{n} by the plant file's definition in the true voltage, {n - missed} of them found, "
        f"{missed} missed, {invented} invented.",
        "",
        "| | mean error | largest error |",
        "|---|---|---|",
    ]
    for what, errors in (("begin", starts), ("end", stops)):
        far = max(errors, key=abs)
        lines.append(f"| {what} | {np.mean(errors):+.2f} s | {far:+.2f} s |")
    return "\n".join(lines)


def true_ends(plant: Plant, truth: Mapping[str, Any]) -> Ends:
    """The true times above the threshold, joined and sifted as the plant file's rule has it."""
    rules = {cell.id: plant.lines[of].anode_effect for cell, of in _with_line(plant)}
    rows = truth["anode_effects"].to_pydict()
    joined: Ends = {}
    for cell, start, end in zip(*(rows[k] for k in ("cell", "start", "end")), strict=True):
        rule = rules[cell]
        if end is None or end - start < rule.t_on_s * SECOND:
            continue
        own = joined.setdefault(cell, [])
        if own and start - own[-1][1] <= rule.t_merge_s * SECOND:
            own[-1] = own[-1][0], end
        else:
            own.append((start, end))
    return joined


def _with_line(plant: Plant) -> Iterator[tuple[Any, int]]:
    return zip(plant.cells, plant.line_of_cell.tolist(), strict=True)


def said_ends(events: Sequence[Mapping[str, Any]]) -> Ends:
    ends: Ends = {}
    for row in events:
        ends.setdefault(row["cell"], []).append((row["start"], row["end"]))
    return ends


def ratio(above: float, below: float) -> float:
    """NaN of nothing."""
    return above / below if below else float("nan")


def _pfc(plant: Plant, truth: Mapping[str, Any], found: Estimates) -> str:
    """CF4 of the whole time, and what parts the slope method from the truth."""
    lines = [
        "| line | true CF4, kg | by slope, kg | difference | by the coefficient | by the minutes "
        "| by the metal | without an anode effect |",
        "|---|---|---|---|---|---|---|---|",
    ]
    day = found.values["line"][23::24]
    constants, of_lines = truth["constants"].to_pylist(), truth["lines"]
    minutes = truth["cells"]["anode_effect_s"].to_numpy().reshape(-1, len(plant.cells)) / 60
    for i, line in enumerate(plant.lines):
        of_effects, quiet = (
            of_lines[name].to_numpy().reshape(-1, len(plant.lines))[:, i].sum()
            for name in ("cf4_kg", "cf4_low_voltage_kg")
        )
        by_slope = np.nansum(day[:, index("line", "cf4_day"), i])
        used = plant.factors[f"pfc.{line.pfc_factors}.{line.technology}.slope"].value
        mine = plant.line_of_cell == i
        said = np.nansum(
            found.values["cell"][23::24, index("cell", "anode_effect_minutes_day")][:, mine]
        )
        ratio = used / constants[i]["cf4_slope"]
        longer = said / minutes[:, mine].sum() if said else 1.0
        coefficient = of_effects * (ratio - 1)
        timing = of_effects * ratio * (longer - 1)
        metal = by_slope - of_effects * ratio * longer
        true = of_effects + quiet
        parts = (by_slope - true, coefficient, timing, metal, -quiet)
        lines.append(
            f"| {line.id} {line.technology} | {true:.2f} | {by_slope:.2f} | "
            + " | ".join(f"{part:+.2f} ({100 * part / true:+.1f} %)" for part in parts)
            + " |"
        )
    return "\n".join(lines)


def _overvoltage(plant: Plant, truth: Mapping[str, Any], found: Estimates) -> str:
    """CO2e by both methods as the book has it, and the voltages that tell them apart."""
    reasons = (
        "they agree",
        "effects run above the voltage of agreement",
        "effects run below the voltage of agreement",
        "no overvoltage coefficient",
        "no anode effect",
    )
    lines = [
        "| line | by slope, t CO2e | by overvoltage, t CO2e | gap | mean overvoltage, V | true, V "
        "| methods agree at, V | reason |",
        "|---|---|---|---|---|---|---|---|",
    ]
    volt_s, above_s = (
        truth["cells"][name].to_numpy().reshape(-1, len(plant.cells)).sum(axis=0)
        for name in ("overvoltage_Vs", "anode_effect_s")
    )
    book = found.book
    for i, line in enumerate(plant.lines):
        mine = plant.line_of_cell == i
        values = [
            f"{book['pfc_slope_co2e_30d'][i]:.1f}",
            f"{book['pfc_overvoltage_co2e_30d'][i]:.1f}",
            f"{book['pfc_gap_percent_30d'][i]:+.0f} %",
            f"{book['anode_effect_overvoltage_30d'][i]:.2f}",
            f"{ratio(volt_s[mine].sum(), above_s[mine].sum()):.2f}",
            f"{book['pfc_methods_agree_at'][i]:.2f}",
            reasons[int(book["pfc_gap_reason_30d"][i])],
        ]
        shown = ["—" if "nan" in value else value for value in values]
        lines.append(f"| {line.id} {line.technology} | " + " | ".join(shown) + " |")
    return "\n".join(lines)
