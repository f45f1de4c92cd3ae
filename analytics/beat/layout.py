"""The plant as arrays: where each reading stands in a frame and what the formulas multiply with."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.beat.anode_effect import RULE, rule_row
from analytics.beat.assessment import SCOPES, Scope
from analytics.beat.boiler_layout import BoilerLayout, boiler_layout
from analytics.beat.cell_state import CELL
from analytics.beat.line_plant import LinePlant, line_plant
from analytics.formulas import fuel_co2_per_t, metal_per_charge
from analytics.meters.counters import Counters
from plant.batch import SECOND
from plant.model import Boiler, CellPeriod, Plant

Floats = NDArray[np.float64]
Columns = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Layout:
    """The plant in one stretch of its cells' history. Columns are int32, -1 where there is no such
    tag."""

    zone: ZoneInfo
    shifts: tuple[str, ...]
    entities: Mapping[Scope, int]  # how many of each scope
    hold_ns: NDArray[np.int64]
    # cells
    cells: NDArray[np.void]  # CELL
    rules: NDArray[np.void]  # RULE
    first_cell: NDArray[np.int64]  # [lines + 1], the cells of each line stand together
    voltage: Columns  # [cells]
    patience_ns: NDArray[np.int64]  # [cells], how old the last reading of the voltage may be
    carbon: Floats  # [cells], 1: its anodes are of carbon, 0: inert
    target_kWh_per_t: Floats  # [cells]
    target_energy: Floats  # [cells], the same in kJ/(kA·s)
    # lines
    lines: LinePlant
    line_current: Columns
    line_voltage: Columns
    nominal_kA: Floats
    # what is integrated as a gauge: powers of rectifiers and meters, contracted power, fuel
    gauges: Columns
    rectifier_gauges: slice
    fuel_gauges: slice
    counters: Counters  # of rectifiers and meters that tell no power
    counted: NDArray[np.int64]  # [counters], the gauge that each stands for
    # boilers
    boilers: tuple[Boiler, ...]
    boiler: BoilerLayout
    fuel_GJ_per_t: Floats
    fuel_co2: Floats  # t/t
    coal_GJ_per_t: float


def layout(plant: Plant, time: int | None = None) -> Layout:
    """The plant's layout as it holds at `time` [ns], by its cells' history; as it is now without
    one. Made once for each stretch between two changes."""
    changes = once(plant, Changes, _changes)
    k = len(changes.times) if time is None else bisect_right(changes.times, time)
    if changes.layouts[k] is None:
        changes.layouts[k] = _build(plant, changes.times[k - 1] if k else None)
    made = changes.layouts[k]
    assert made is not None
    return made


@dataclass(slots=True)
class Changes:
    """When some cell's anodes change their kind, ascending, and the layouts before, between and
    after, as far as they were asked for."""

    times: list[int]
    layouts: list[Layout | None]


def _changes(plant: Plant) -> Changes:
    times = sorted({p.since for cell in plant.cells for p in cell.history[1:]})
    return Changes(times, [None] * (len(times) + 1))


T = TypeVar("T")


def once(plant: Plant, kind: type[T], build: Callable[[Plant], T]) -> T:
    """What `build` makes of the plant, kept beside the plant's own cached properties."""
    kept = vars(plant)
    if kind.__name__ not in kept:
        kept[kind.__name__] = build(plant)
    made: T = kept[kind.__name__]
    return made


def _carbon(plant: Plant, since: int | None) -> Floats:
    """float64[cells]: 1 where the anodes are of carbon in the stretch from `since` on."""

    def anode(history: tuple[CellPeriod, ...]) -> str:
        now = [p for p in history if since is not None and p.since <= since] or history[:1]
        return now[-1].anode if now else "carbon"

    return np.array([anode(cell.history) == "carbon" for cell in plant.cells], np.float64)


def _cells(plant: Plant, rules: NDArray[np.void]) -> NDArray[np.void]:
    cells = np.zeros(len(plant.cells), CELL)
    for field, signal in (
        ("voltage", "voltage"),
        ("target", "target_voltage"),
        ("mode", "feed_mode"),
        ("fed", "alumina_fed"),
        ("beam", "beam_position"),
        ("tapped", "metal_tapped"),
    ):
        cells[field] = plant.columns("cell", signal)
    cells["target_V"] = [cell.target_voltage_V for cell in plant.cells]
    rule = [line.anode_effect for line in plant.lines]
    cells["low_ns"] = [round(rule[k].low_voltage_s * SECOND) for k in plant.line_of_cell]
    cells["noisy"] = rules["interval"] <= SECOND
    return cells


def _build(plant: Plant, since: int | None) -> Layout:
    def factor(name: str) -> float:
        return plant.factors[name].value

    def oxidation(boiler: Boiler) -> float:
        general = f"fuel.{boiler.fuel}.oxidation"
        own = f"{general}.{boiler.equipment}"
        return factor(own if own in plant.factors else general)

    def meters(kind: str) -> Columns:
        return power[[meter.kind == kind for meter in plant.meters]]

    lines, boilers = plant.lines, plant.boilers
    of = plant.line_of_cell
    if (np.diff(of) < 0).any():
        raise ValueError("the cells of a line must stand together, in the order of the lines")
    voltage = plant.columns("cell", "voltage")
    interval = np.where(voltage < 0, SECOND, np.append(plant.interval_ns, 0)[voltage])
    rules = np.array(
        [rule_row(lines[k].anode_effect, int(i)) for k, i in zip(of, interval, strict=True)], RULE
    )
    pure = metal_per_charge(plant.factors)
    metal = np.array([pure * line.current_efficiency for line in lines])
    carbon = _carbon(plant, since)
    target = np.array([c.target_dc_kWh_per_t for c in plant.cells], np.float64)
    power = plant.columns("meter", "power")
    gauges = {
        "rectifier": plant.columns("rectifier", "ac_power"),
        "rectifier_dc": plant.columns("rectifier", "dc_power"),
        "auxiliary": meters("auxiliary"),
        "dc_source": meters("dc_source"),
        "contracted": plant.columns("site", "contracted_power"),
        "fuel": plant.columns("boiler", "fuel_flow"),
    }
    ends = np.cumsum([len(columns) for columns in gauges.values()]).tolist()
    parts = {
        name: slice(end - len(columns), end)
        for (name, columns), end in zip(gauges.items(), ends, strict=True)
    }
    ncv = [
        b.fuel_GJ_per_t if b.fuel_GJ_per_t is not None else factor(f"fuel.{b.fuel}.ncv")
        for b in boilers
    ]
    site = plant.site
    ids = {
        "rectifier": plant.entities("rectifier"),
        "auxiliary": tuple(m.id for m in plant.meters if m.kind == "auxiliary"),
        "dc_source": tuple(m.id for m in plant.meters if m.kind == "dc_source"),
    }
    silent = {
        entity: parts[name].start + i
        for name, own in ids.items()
        for i, entity in enumerate(own)
        if gauges[name][i] < 0
    }
    counters = Counters.of(plant).only(tuple(silent))
    return Layout(
        counters=counters,
        counted=np.array([silent[entity] for entity in counters.entities], np.int64),
        zone=site.zone,
        shifts=site.shifts,
        entities={scope: len(plant.entities(scope)) for scope in SCOPES},
        hold_ns=plant.hold_ns,
        cells=_cells(plant, rules),
        rules=rules,
        first_cell=np.append(0, np.cumsum(np.bincount(of, minlength=len(lines)))),
        voltage=voltage,
        patience_ns=rules["interval"] + rules["hold"],
        carbon=carbon,
        target_kWh_per_t=target,
        target_energy=target * metal[of] / 1000,
        lines=line_plant(plant, carbon, metal),
        line_current=plant.columns("line", "current"),
        line_voltage=plant.columns("line", "line_voltage"),
        nominal_kA=np.array([line.nominal_current_kA for line in lines]),
        gauges=np.concatenate(list(gauges.values())),
        rectifier_gauges=parts["rectifier"],
        fuel_gauges=parts["fuel"],
        boilers=boilers,
        boiler=boiler_layout(plant),
        fuel_GJ_per_t=np.array(ncv, np.float64),
        fuel_co2=np.array(
            [
                fuel_co2_per_t(value, factor(f"fuel.{b.fuel}.carbon"), oxidation(b))
                for b, value in zip(boilers, ncv, strict=True)
            ],
            np.float64,
        ),
        coal_GJ_per_t=factor("energy.standard_coal"),
    )
