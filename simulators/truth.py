"""What truly happened, in Parquet, for tests to hold the figures against.

Constants and formulas are the simulator's own. Files: docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plant.batch import SECOND
from plant.model import Plant
from simulators.boilers import LOSSES, Boilers
from simulators.breakdown import voltage_breakdown
from simulators.cell_events import Event
from simulators.cell_state import Cells, metal_kg_per_C
from simulators.electrochemistry import KELVIN, TERMS
from simulators.reality import TrueConstants
from simulators.scenario import Fault
from simulators.utilities import Meters, Rectifiers, Supply

Array = NDArray[np.float64]

HOUR = 3600 * SECOND
_J_PER_KWH = 3.6e6
_OPERATIONS = {
    Event.TAPPED: "tap",
    Event.ANODES: "anode_change",
    Event.BEAM_RAISED: "beam_raise",
    Event.BYPASSED: "bypass",
    Event.RESTARTED: "restart",
}
_SPANS = {
    Event.ABOVE: "anode_effect", Event.BELOW: "anode_effect",
    Event.LOW_START: "low_voltage", Event.LOW_END: "low_voltage",
    Event.BLOCKED: "feeder_blocked", Event.UNBLOCKED: "feeder_blocked",
}  # fmt: skip
_BEGINS = (Event.ABOVE, Event.LOW_START, Event.BLOCKED)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some steps within one hour, as they went."""

    end: int  # ns
    seconds: float
    dt: float
    cells: Cells
    log: NDArray[np.void]
    current_A: Array  # [steps, lines], as the next three
    source_MW: Array
    rectifiers: Rectifiers
    meters: Meters
    supply: Supply
    boilers: Boilers


@dataclass(slots=True)
class Span:
    """Something that lasted; end None: still does."""

    kind: str
    where: str
    start: int
    end: int | None
    amount: float


class Truth:
    """Sums by UTC hour, and what happened; a row also for the hours begun and ended midway."""

    def __init__(
        self, plant: Plant, start: int, step: int, offsets: NDArray[np.int64], true: TrueConstants
    ) -> None:
        """offsets: int64[cells], ns that a cell's voltage changes after the step."""
        self._plant, self._start, self._step, self._offsets = plant, start, step, offsets
        self._true = true
        self._hours: dict[str, list[pa.Table]] = {}
        self._stretch: Stretch | None = None
        self._start_hour()
        self.spans: list[Span] = []
        self._open: dict[tuple[str, int], Span] = {}
        self._faults: list[Span] = []
        self._operations: list[tuple[str, int, str, float]] = []

    def add(self, stretch: Stretch) -> None:
        """A stretch of time, after the one before."""
        self._stretch = stretch
        hours = stretch.dt / 3600
        lines, meters = len(self._plant.lines), stretch.meters
        rectifiers = stretch.rectifiers
        own = np.flatnonzero((meters.kind == "auxiliary") & (meters.line >= 0))
        for name, of, power in (
            ("ac", rectifiers.line, rectifiers.ac_power),
            ("rectifier_dc", rectifiers.line, rectifiers.dc_power),
            ("auxiliary", meters.line[own], meters.power[:, own]),
            ("dc_source", np.arange(lines), stretch.source_MW),
        ):
            self._lines[name] += np.bincount(of, power.sum(axis=0), lines) * hours
        self._meters += meters.power.sum(axis=0) * hours
        supply = stretch.supply
        self._site += np.array([
            stretch.seconds / 3600,
            supply.grid_factor.sum() * hours,
            supply.contracted_power.sum() * hours,
        ])  # fmt: skip
        values = stretch.boilers.values
        names = ("fuel_flow", "steam_flow", "heat_GJ_per_h", *LOSSES)
        fuel_GJ = values["fuel_flow"] * values["fuel_heating_value"]
        sums = [values[name].sum(axis=0) for name in names] + [fuel_GJ.sum(axis=0)]
        self._boilers += np.array(sums) * hours
        for row in stretch.log:
            self._note(Event(row["kind"]), int(row["cell"]), int(row["step"]), float(row["value"]))
        if stretch.end % HOUR == 0:
            self._close_hour()

    def add_faults(self, time: int, started: Sequence[Fault], ended: Iterable[Fault]) -> None:
        """Faults of the scenario that start and end at `time`."""
        for fault in ended:
            span = self._open.pop((fault.kind, id(fault)), None)
            if span is not None:
                span.end = time
        for fault in started:
            span = Span(fault.kind, fault.where, time, None, fault.amount)
            self._faults.append(span)
            if fault.for_s > 0 and fault.kind not in ("alumina", "bad_data"):
                self._open[fault.kind, id(fault)] = span
            else:
                span.end = time

    def _note(self, kind: Event, cell: int, step: int, value: float) -> None:
        time = self._start + step * self._step
        name = self._plant.cells[cell].id
        if kind in _OPERATIONS:
            self._operations.append((name, time, _OPERATIONS[kind], value))
            return
        what = _SPANS[kind]
        if what == "anode_effect":
            time += int(self._offsets[cell])
        if kind in _BEGINS:
            span = Span(what, name, time, None, value)
            self._open[what, cell] = span
            (self._faults if kind is Event.BLOCKED else self.spans).append(span)
        elif (what, cell) in self._open:
            self._open.pop((what, cell)).end = time

    def _start_hour(self) -> None:
        lines, boilers = len(self._plant.lines), len(self._plant.boilers)
        names = ("ac", "rectifier_dc", "auxiliary", "dc_source")
        self._lines = {name: np.zeros(lines) for name in names}  # MWh
        self._meters = np.zeros(len(self._plant.meters))  # MWh
        self._site = np.zeros(3)  # h, grid factor · h, MWh
        self._boilers = np.zeros((4 + len(LOSSES), boilers))

    def _close_hour(self) -> None:
        stretch = self._stretch
        if stretch is None:
            return
        self._stretch = None
        hour = (stretch.end - 1) // HOUR * HOUR
        cells, sums = stretch.cells, stretch.cells.sums
        self._append("cell", "cells", hour, _cell_columns(cells))
        terms = voltage_breakdown(cells.nature, cells.state, stretch.current_A[-1])
        columns = {name: terms[:, n] for n, name in enumerate(TERMS)}
        self._append("cell", "voltage_terms", hour, columns)
        self._append("line", "lines", hour, self._line_columns(cells))
        self._append("meter", "meters", hour, {"energy_MWh": self._meters})
        length, grid, contracted = self._site
        site = {
            "grid_factor_t_per_MWh": np.array([grid / length]),
            "contracted_MWh": np.array([contracted]),
        }
        self._append("site", "site", hour, site)
        fuel, steam, heat, *losses, fuel_GJ = self._boilers
        boiler = {"fuel_t": fuel, "steam_t": steam, "efficiency": heat / fuel_GJ, "heat_GJ": heat}
        boiler |= {name: loss / length for name, loss in zip(LOSSES, losses, strict=True)}
        self._append("boiler", "boilers", hour, boiler)
        sums[:] = 0
        self._start_hour()

    def _line_columns(self, cells: Cells) -> dict[str, Array]:
        def total(values: Array) -> Array:
            of = self._plant.line_of_cell
            return np.bincount(of, values, len(self._plant.lines)).astype(np.float64)

        sums, emits = cells.sums, cells.state["emits"]
        cf4 = total(sums["cf4_kg"])
        return {
            "ac_MWh": self._lines["ac"],
            "aux_MWh": self._lines["auxiliary"],
            "dc_MWh": total(sums["energy_J"] / 3.6e9),
            "metal_t": total(sums["metal_kg"] / 1000),
            "anode_co2_t": total(sums["metal_kg"] * emits / 1000) * self._true.co2_per_metal,
            "cf4_kg": cf4,
            "c2f6_kg": cf4 * self._true.c2f6_per_cf4,
            "cf4_low_voltage_kg": total(sums["cf4_low_voltage_kg"]),
            "rectifier_dc_MWh": self._lines["rectifier_dc"],
            "dc_source_MWh": self._lines["dc_source"],
            "tapped_t": total(sums["tapped_kg"] / 1000),
            "alumina_fed_t": total(sums["arrived_kg"] / 1000),
            "cell_h": total(sums["operating_s"] / 3600),
        }

    def _append(
        self,
        kind: Literal["cell", "line", "boiler", "meter", "site"],
        table: str,
        hour: int,
        values: dict[str, Array],
    ) -> None:
        ids = self._plant.entities(kind)
        columns: dict[str, Any] = {kind: pa.array(ids, pa.string())}
        columns["hour_start"] = np.full(len(ids), hour, np.int64)
        self._hours.setdefault(table, []).append(pa.table(columns | values))

    def tables(self) -> dict[str, pa.Table]:
        """By hour: cells, voltage_terms (at its end), lines, meters, site, boilers. By event:
        anode_effects, low_voltage_effects, operations, faults. And constants. The hour under way
        is cut off here."""
        self._close_hour()
        tables = {name: pa.concat_tables(hours) for name, hours in self._hours.items()}
        spans = sorted(self.spans, key=lambda span: (span.start, span.where))
        for name, kind in (
            ("anode_effects", "anode_effect"), ("low_voltage_effects", "low_voltage"),
        ):  # fmt: skip
            mine = [span for span in spans if span.kind == kind]
            tables[name] = _span_table(mine, "cell", "excess_V" * (kind == "low_voltage"))
        tables["faults"] = _span_table(self._faults, "where", "amount", "kind")
        done = self._operations
        tables["operations"] = pa.table({
            "cell": pa.array([cell for cell, *_ in done], pa.string()),
            "time": pa.array([time for _, time, *_ in done], pa.int64()),
            "kind": pa.array([kind for *_, kind, _ in done], pa.string()),
            "amount": pa.array([amount for *_, amount in done], pa.float64()),
        })  # fmt: skip
        true, of = self._true, self._plant.line_of_cell
        lines = len(self._plant.lines)
        tables["constants"] = pa.table({
            "line": pa.array(self._plant.entities("line"), pa.string()),
            "cf4_slope": true.cf4_slope,
            "c2f6_per_cf4": true.c2f6_per_cf4,
            "anode_co2_t_per_t": true.co2_per_metal,
            "current_efficiency": np.bincount(of, true.efficiency, lines) / np.bincount(of),
        })  # fmt: skip
        return tables

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables().items():
            pq.write_table(table, directory / f"{name}.parquet")


def _cell_columns(cells: Cells) -> dict[str, Array]:
    sums, state = cells.sums, cells.state
    operating = np.where(sums["operating_s"] > 0, sums["operating_s"], np.nan)
    ideal = np.where(sums["charge_C"] > 0, metal_kg_per_C(1.0) * sums["charge_C"], np.nan)
    columns = {
        "energy_kWh": sums["energy_J"] / _J_PER_KWH,
        "charge_kAh": sums["charge_C"] / _J_PER_KWH,
    }
    columns |= {
        name: sums[name].copy()
        for name in ("metal_kg", "cf4_kg", "cf4_low_voltage_kg", "tapped_kg")
    }
    columns |= {
        "alumina_dosed_kg": sums["dosed_kg"].copy(),
        "alumina_fed_kg": sums["arrived_kg"].copy(),
        "alumina_consumed_kg": sums["consumed_kg"].copy(),
        "alf3_fed_kg": sums["alf3_fed_kg"].copy(),
        "alf3_lost_kg": sums["alf3_lost_kg"].copy(),
        "operating_h": sums["operating_s"] / 3600,
        "anode_effect_s": sums["effect_s"].copy(),
        "overvoltage_Vs": sums["effect_Vs"].copy(),
        "current_efficiency": sums["metal_kg"] / ideal,
        "bath_temperature_C": sums["kelvin_s"] / operating - KELVIN,
        "superheat_K": sums["superheat_Ks"] / operating,
        "alumina_percent": sums["alumina_s"] / operating,
        "alf3_percent": sums["alf3_s"] / operating,
        "distance_cm": sums["distance_s"] / operating,
        "swing_sd_V": sums["noise_Vs"] / operating,
    }
    columns |= {
        f"{name}_kWh": sums[f"{name}_J"] / _J_PER_KWH
        for name in ("external", "enthalpy", "feed", "top", "wall", "bottom")
    }
    return columns | {
        f"{name}_at_end": state[name].copy()
        for name in ("pad_kg", "ledge_kg", "dissolved_kg", "settled_kg", "alf3_kg")
    }


def _span_table(spans: Sequence[Span], where: str, amount: str, kind: str = "") -> pa.Table:
    columns = {kind: pa.array([span.kind for span in spans], pa.string())} if kind else {}
    columns |= {
        where: pa.array([span.where for span in spans], pa.string()),
        "start": pa.array([span.start for span in spans], pa.int64()),
        "end": pa.array([span.end for span in spans], pa.int64()),
    }
    if amount:
        columns[amount] = pa.array([span.amount for span in spans], pa.float64(), from_pandas=True)
    return pa.table(columns)
