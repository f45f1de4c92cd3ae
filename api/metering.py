"""Whether the meters of a range can be trusted: register, counters, balances, suspects, coverage.

Read from what is kept; the numbers are `analytics`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import hypot, nan

import numpy as np
from numpy.typing import NDArray

from analytics.beat.frame import NEVER
from analytics.meters.balances import Flow, plant_balances
from analytics.meters.counters import Counters
from analytics.meters.instruments import Fitting, Instrument, fitting, live_and_good, register
from analytics.meters.metered import (
    HOUR_NS,
    UNKNOWN,
    Amount,
    Counted,
    counted,
    integrated,
    share_of,
    tag_errors,
    voltage_times_current,
)
from analytics.meters.reconcile import Measured, Reconciliation, reconcile
from analytics.meters.suspects import (
    Suspect,
    beside_neighbours,
    drifting,
    on_grid,
    stuck,
    unit_flipped,
)
from plant.batch import SECOND
from plant.model import MeterRegister, Plant
from store.history import History

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

LOOK_BACK_NS = 2 * HOUR_NS
"""A counter's readings are taken from so long before and after the range, for exact edges."""
STEP_NS = 60 * SECOND
MOST_STEPS = 1440  # minutes that are searched for suspects: the last of the range
DAY_NS = 86400 * SECOND
ALIVE_NS = (600 * SECOND, DAY_NS, 35 * DAY_NS)
"""How far back a tag's newest reading is looked for, the quick ones first."""


@dataclass(frozen=True, slots=True)
class CounterReport:
    """A counter beside the integral of its entity's power. [MWh]"""

    entity: str
    tag: str
    counter: Counted
    integral: Amount

    @property
    def difference_percent(self) -> float:
        """Counter against integral, of the integral."""
        whole = self.integral.value
        return 100 * (self.counter.amount.value - whole) / whole if whole else nan


@dataclass(frozen=True, slots=True)
class FoundSuspect:
    tag: str
    kind: str
    since: int  # ns
    sentence: str


@dataclass(frozen=True, slots=True)
class Metering:
    start: int
    end: int
    register: list[Instrument]
    counters: list[CounterReport]
    reconciliation: Reconciliation
    suspects: list[FoundSuspect]
    coverage: list[Fitting]
    missing: list[str]  # tags that say nothing, or nothing good, at the end


def metering(plant: Plant, history: History, start: int, end: int) -> Metering:
    """The report of [start, end). [ns]"""
    on = datetime.fromtimestamp(end // SECOND, plant.site.zone).date()
    reader = _Reader(plant, history, start, end)
    counters = [reader.counter(i) for i in range(len(reader.counters.entities))]
    network = plant_balances(plant)
    amounts = {f.id: reader.amount(f, counters) for f in network.flows}
    flows = [_measured(f, amounts[f.id]) for f in network.flows]
    coverage, missing = fitting(plant, *_alive(plant, history, end))
    return Metering(
        start, end, register(plant, on), counters, reconcile(flows, network.balances),
        list(_suspects(plant, history, start, end)), coverage, missing,
    )  # fmt: skip


def _measured(flow: Flow, amount: Amount) -> Measured:
    stated = amount.uncertainty if amount.uncertainty > 0 else nan
    return Measured(flow.id, amount.value, stated, flow.unit)


class _Reader:
    """The amounts of a range, each read once."""

    def __init__(self, plant: Plant, history: History, start: int, end: int) -> None:
        self.plant, self.history, self.start, self.end = plant, history, start, end
        self.counters = Counters.of(plant)
        self.registers: Mapping[str, MeterRegister] = {
            r.id: r.register for r in plant.rectifiers
        } | {m.id: m.register for m in plant.meters}

    def series(self, column: int, before: int, after: int = 0) -> tuple[Times, Floats]:
        batch = self.history.samples([column], self.start - before, self.end + after)
        return batch.times, batch.values

    def counter(self, i: int) -> CounterReport:
        found = self.counters
        entity, tag = found.entities[i], self.plant.tags[found.tags[i]]
        own = self.registers[entity]
        energy = counted(
            tag, *self.series(tag.column, LOOK_BACK_NS, LOOK_BACK_NS), self.start, self.end,
            float(found.max_rate_per_s[i]), int(found.gap_ns[i]), own,
        )  # fmt: skip
        gauge = int(found.power_tags[i])
        integral = self.gauge(gauge, own) if gauge >= 0 else UNKNOWN
        return CounterReport(entity, tag.id, energy, integral)

    def gauge(self, column: int, own: MeterRegister | None) -> Amount:
        tag = self.plant.tags[column]
        hold = round(min(tag.hold_s, 86400.0) * SECOND)
        return integrated(tag, *self.series(column, hold), self.start, self.end, own)

    def amount(self, flow: Flow, counters: Sequence[CounterReport]) -> Amount:
        factor, plant = self.plant.factors, self.plant
        if flow.way in ("counter", "gauge"):
            for report in counters:
                if flow.id == report.tag:
                    return report.counter.amount
                if flow.of == report.entity and flow.id != f"{flow.of}.dc_power":
                    return report.integral
            return self.gauge(plant.column_of[flow.id], self.registers[flow.of])
        if flow.way == "losses":
            ac = self.ac(flow.of, counters)
            low, high = (factor[f"rectifier.efficiency_{k}"].value for k in ("low", "high"))
            return share_of(ac, 100 - high, 100 - low)
        if flow.way == "voltage_current":
            tags = [
                plant.tags[plant.column_of[f"{flow.of}.{n}"]] for n in ("line_voltage", "current")
            ]
            read = [self.series(t.column, round(min(t.hold_s, 86400.0) * SECOND)) for t in tags]
            return voltage_times_current(tags[0], read[0], tags[1], read[1], self.start, self.end)
        if flow.way == "cells":
            return self.cells(flow.of)
        if flow.way == "bars":
            return share_of(self.cells(flow.of), 0.0, factor["line.bars_most"].value)
        return self.boiler(flow) if flow.way == "boiler" else UNKNOWN

    def ac(self, rectifier: str, counters: Sequence[CounterReport]) -> Amount:
        """AC energy of a rectifier, from the counter or else the power."""
        for report in counters:
            if report.entity == rectifier:
                known = report.counter.amount.known > 0
                return report.counter.amount if known else report.integral
        column = self.plant.column_of.get(f"{rectifier}.ac_power", -1)
        return UNKNOWN if column < 0 else self.gauge(column, self.registers[rectifier])

    def mean(self, scope: str, entity: str, *names: str) -> dict[str, tuple[float, float]]:
        """Mean of kept figures in the range and the known part of it."""
        block = self.history.figures(scope, names, [entity], self.start + 1, self.end + 1)
        every = round(self.plant.time.figures_every_s * SECOND)
        expected = max((self.end - self.start) // every, 1)
        result = dict.fromkeys(names, (nan, 0.0))
        for name in block.names:
            values = block.values[:, block.names.index(name), 0]
            known = values[np.isfinite(values)]
            if len(known):
                result[name] = float(known.mean()), min(len(known) / expected, 1.0)
        return result

    def cells(self, line: str) -> Amount:
        """DC energy of a line's cells by the figures kept, which add V·I of each."""
        plant = self.plant
        found = self.mean("line", line, "dc_power", "current", "coverage_minute")
        power, known = found["dc_power"]
        amps = found["current"][0]
        if not known >= 0.5:
            return UNKNOWN
        covered = min(known, found["coverage_minute"][0])
        ids = next(row.cells for row in plant.lines if row.id == line)
        columns = [plant.column_of.get(f"{cell}.voltage", -1) for cell in ids]
        current = plant.tags[plant.column_of[f"{line}.current"]]
        volts = 1000 * power / (amps * len(ids))
        each = [tag_errors(plant.tags[c]) if c >= 0 else (nan, nan) for c in columns]
        own = hypot(*(hypot(bias, gain * volts) for bias, gain in each)) * amps / 1000
        bias, gain = tag_errors(current)
        hours = (self.end - self.start) / HOUR_NS
        u = hypot(own, power * hypot(bias / amps, gain), (1 - covered) * power)
        return Amount(power * hours, u * hours, known)

    def boiler(self, flow: Flow) -> Amount:
        """Efficiency by both ways [%]: the direct one as good as its two flows, the indirect one
        as good as the limit at which the two are said to disagree."""
        plant = self.plant
        direct = flow.id.endswith("_direct")
        name = "efficiency" if direct else "efficiency_indirect"
        value, known = self.mean("boiler", flow.of, name)[name]
        if not direct:
            return Amount(value, plant.factors["boiler.efficiency_gap_limit"].value / 2, known)
        u = 0.0
        for signal in ("fuel_flow", "steam_flow"):
            level = self.mean("boiler", flow.of, signal)[signal][0]
            column = plant.column_of.get(f"{flow.of}.{signal}", -1)
            bias, gain = tag_errors(plant.tags[column]) if column >= 0 else (nan, nan)
            u = hypot(u, bias / level if bias else 0.0, gain)
        return Amount(value, value * u, known)


def _alive(plant: Plant, history: History, now: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tags have a reading that stands at `now`, and which a good one."""
    newest = np.full(len(plant.tags), NEVER)
    quality = np.zeros(len(plant.tags), np.uint8)
    for back in ALIVE_NS:
        # only what may stand so long is looked for so far back
        open_ = [
            t.column
            for t in plant.tags
            if newest[t.column] == NEVER
            and (
                back <= ALIVE_NS[0] or not np.isfinite(t.hold_s) or t.hold_s * SECOND > ALIVE_NS[0]
            )
            and (back <= DAY_NS or t.signal.pace == "slow")
        ]
        if not open_:
            continue
        batch = history.samples(open_, now - back, now)
        newest[batch.tags] = batch.times  # by time: the last of a tag stays
        quality[batch.tags] = batch.quality
    return live_and_good(plant, newest, quality, now)


def _groups(plant: Plant) -> Iterator[list[int]]:
    """Columns of gauges that measure the same on neighbours; a tag alone where it has none. What
    stands until it changes (a set point, a position) says nothing by standing still."""
    groups: dict[tuple[str, ...], list[int]] = {}
    line_of = {cell.id: cell.line for cell in plant.cells}
    for tag in plant.tags:
        if tag.signal.kind == "gauge" and np.isfinite(tag.hold_s):
            place = line_of.get(tag.entity, tag.entity)
            key = (place, tag.signal.entity, tag.signal.name)
            groups.setdefault(key, []).append(tag.column)
    yield from groups.values()


def _suspects(plant: Plant, history: History, start: int, end: int) -> Iterator[FoundSuspect]:
    steps = int(min((end - start) // STEP_NS, MOST_STEPS))
    if steps < 1:
        return
    first = end - steps * STEP_NS
    columns = [c for group in _groups(plant) for c in group]
    last, mean = np.full((2, len(plant.tags), steps), np.nan)
    per_hour = HOUR_NS // STEP_NS
    for k in range(0, steps, per_hour):
        n = min(per_hour, steps - k)
        since = first + k * STEP_NS
        batch = history.samples(columns, since, since + n * STEP_NS)
        edges = np.searchsorted(batch.tags, np.arange(len(plant.tags) + 1))
        for c in columns:
            rows = slice(edges[c], edges[c + 1])
            last[c, k : k + n], mean[c, k : k + n] = on_grid(
                batch.times[rows], batch.values[rows], since, STEP_NS, n
            )
    for group in _groups(plant):
        tags = [plant.tags[c] for c in group]
        found: list[Suspect] = [
            *stuck(last[group]),
            *unit_flipped(last[group], tags[0].signal.unit),
        ]
        wrong = {s.row for s in found}
        rest = [i for i in range(len(group)) if i not in wrong]
        drifts = drifting(beside_neighbours(mean[[group[i] for i in rest]]))
        yield from (
            FoundSuspect(tags[s.row].id, s.kind, first + s.since * STEP_NS, s.sentence)
            for s in found
        )
        yield from (
            FoundSuspect(tags[rest[s.row]].id, s.kind, first + s.since * STEP_NS, s.sentence)
            for s in drifts
        )
