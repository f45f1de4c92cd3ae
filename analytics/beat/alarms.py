"""Alarms: one pure state machine for each (rule, entity), stepped once a beat.

An alarm is raised when its condition has held for on_delay and cleared when the value has been
back inside the limit by the dead band for off_delay. An unknown value (NaN) neither raises nor
clears, and no delay runs while it lasts. Delays count the beats themselves: a rule can be run over
any past. A drop of a line's current is one alarm: meanwhile that line's cells raise nothing but
anode effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.arrays import Floats
from analytics.beat.assessment import SCOPES, TRANSITION, Scope, State
from analytics.beat.frame import NEVER, Frame
from analytics.beat.layout import layout, once
from analytics.kernel import kernel, part
from analytics.table.figures import index
from plant.batch import SECOND
from plant.model import Plant

Bools = NDArray[np.bool_]
_NOTHING = np.empty(0)

SIGNAL_MEAN, SIGNAL_LAST, FIGURE, SILENCE = range(4)
"""What a rule compares: the mean of a gauge over the beat, a state or counter at its end, a figure,
or how long a source has been silent [s]."""

RULE = np.dtype(
    [
        ("value", np.int64),  # SIGNAL_MEAN to SILENCE
        ("scope", np.int64),  # of a figure, as in SCOPES
        ("row", np.int64),  # of a figure
        ("first", np.int64),  # the rule's entities in the flat state
        ("last", np.int64),
        ("high", np.float64),
        ("low", np.float64),
        ("dead_band", np.float64),
        ("on_delay", np.int64),  # ns
        ("off_delay", np.int64),
        ("drop", np.bool_),  # of a line's current; its value is a share of the nominal current
        ("silenced", np.bool_),  # by such a drop
        ("rule", np.int32),  # index into plant.alarms
    ],
    align=True,
)
"""An AlarmRule as the kernel reads it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The plant's rules as they are stepped: drops of line current first, the others listen."""

    rows: NDArray[np.void]  # RULE
    columns: NDArray[np.int32]  # [flat state], of a signal's tag, -1 for none
    parts: tuple[slice, ...]  # of the flat state, by plant.alarms
    on_signals: bool  # some rule looks at readings, not only at figures
    stretches: NDArray[np.int64]  # [k, 3]: a source and the first and last of its tags in a row


def rules_of(plant: Plant) -> Rules:
    """The plant's rules as they are stepped, made once."""
    return once(plant, Rules, _prepare)


def _prepare(plant: Plant) -> Rules:
    sizes = [len(plant.entities(rule.each)) for rule in plant.alarms]
    ends = np.cumsum(sizes).tolist()
    parts = tuple(slice(e - n, e) for n, e in zip(sizes, ends, strict=True))
    columns = np.full(sum(sizes), -1, np.int32)
    rows = np.zeros(len(parts), RULE)
    for r, (rule, own) in enumerate(zip(plant.alarms, parts, strict=True)):
        signal = plant.signals.get(f"{rule.each}.{rule.on}") if rule.kind == "limit" else None
        row = rows[r]
        if signal is not None:
            row["value"] = SIGNAL_MEAN if signal.kind == "gauge" else SIGNAL_LAST
            columns[own] = plant.columns(rule.each, rule.on)
        elif rule.kind == "stale_source":
            row["value"] = SILENCE
        else:
            row["value"] = FIGURE
            row["scope"] = SCOPES.index(rule.each)
            row["row"] = index(rule.each, rule.on)
        row["first"], row["last"] = own.start, own.stop
        row["high"] = 0.0 if rule.kind == "anode_effect" else np.nan_to_num(rule.high, nan=np.inf)
        row["low"] = np.nan_to_num(rule.low, nan=-np.inf)
        row["dead_band"] = rule.dead_band
        row["on_delay"] = round(rule.on_delay_s * SECOND)
        row["off_delay"] = round(rule.off_delay_s * SECOND)
        row["drop"] = rule.kind == "line_current_drop"
        row["silenced"] = rule.each == "cell" and rule.kind != "anode_effect"
        row["rule"] = r
    return Rules(
        rows[np.argsort(~rows["drop"], kind="stable")],
        columns,
        parts,
        bool(np.isin(rows["value"], (SIGNAL_MEAN, SIGNAL_LAST)).any()),
        _stretches(plant.source_of_tag),
    )


def _stretches(source_of_tag: NDArray[np.int32]) -> NDArray[np.int64]:
    changes = np.flatnonzero(np.diff(source_of_tag)) + 1
    edges = np.concatenate([[0], changes, [len(source_of_tag)]])
    first, last = edges[:-1], edges[1:]
    return np.stack([source_of_tag[first], first, last], 1).astype(np.int64)


def new_state(plant: Plant) -> dict[str, NDArray[Any]]:
    """The alarms' part of the state: every alarm inactive."""
    n = sum(len(plant.entities(rule.each)) for rule in plant.alarms)
    return {
        "alarm_active": np.zeros(n, np.bool_),
        "alarm_timer": np.zeros(n, np.int64),
        "newest": np.full(len(plant.sources), NEVER),  # time of each source's newest sample
        "first": np.full(1, NEVER),  # start of the first beat
    }


def active(plant: Plant, state: State) -> list[Bools]:
    """bool[entities] for each rule of plant.alarms: is its alarm active?"""
    return [state.arrays["alarm_active"][part] for part in rules_of(plant).parts]


def step(
    plant: Plant, state: State, frame: Frame, figures: Mapping[Scope, Floats]
) -> NDArray[np.void]:
    """Step every rule by one beat; returns TRANSITION[k]. figures: the assessment's."""
    arrays, rules = state.arrays, rules_of(plant)
    if arrays["first"][0] == NEVER:
        arrays["first"][0] = frame.start
    if not len(rules.rows):
        return np.empty(0, TRANSITION)
    see_sources(rules.stretches, frame.offsets, frame.times, arrays["newest"])
    mean, last = (frame.mean, frame.last) if rules.on_signals else (_NOTHING, _NOTHING)
    out = np.empty(len(rules.columns), TRANSITION)
    turned = step_rules(
        frame.start, frame.end, rules.rows, rules.columns, mean, last,
        figures["cell"], figures["line"], figures["boiler"], figures["site"],
        arrays["newest"], arrays["first"][0], plant.line_of_cell, layout(plant).nominal_kA,
        arrays["alarm_active"], arrays["alarm_timer"], out,
    )  # fmt: skip
    return np.sort(out[:turned], order=("rule", "entity")) if turned else out[:0]


@kernel
def step_rules(
    start: int,
    end: int,
    rules: Any,
    columns: NDArray[np.int32],
    mean: Floats,
    last: Floats,
    cell: Floats,
    line: Floats,
    boiler: Floats,
    site: Floats,
    newest: NDArray[np.int64],
    first_beat: int,
    line_of_cell: NDArray[np.int32],
    nominal_kA: Floats,
    active: Bools,
    timer: NDArray[np.int64],
    out: Any,
) -> int:
    """Each rule's entities one beat later; the turns go to out, their number is returned.

    mean, last: by tag; cell to site: the figures of each scope. active, timer: the flat state, how
    long the change that would end an entity's state has lasted [ns]. Slow twin:
    tests/analytics/beat/test_alarms.py.
    """
    beat_ns = end - start
    dropped = np.zeros(len(nominal_kA), np.bool_)
    turned = 0
    for r in range(len(rules)):
        rule = rules[r]
        if rule.scope == 0:
            figures = cell
        elif rule.scope == 1:
            figures = line
        elif rule.scope == 2:
            figures = boiler
        else:
            figures = site
        high, low, dead_band = rule.high, rule.low, rule.dead_band
        values = figures[rule.row]
        own = slice(rule.first, rule.last)
        calm = rule.value == FIGURE and not rule.drop
        if calm and _at_rest(low, high, values, active[own], timer[own]):
            continue
        for at in range(rule.first, rule.last):
            entity = at - rule.first
            if rule.value == FIGURE:
                value = values[entity]
                if rule.drop:
                    value /= nominal_kA[entity]
            elif rule.value == SILENCE:
                value = (end - max(newest[entity], first_beat)) / 1e9
            elif columns[at] >= 0:
                value = mean[columns[at]] if rule.value == SIGNAL_MEAN else last[columns[at]]
            else:
                value = np.nan
            is_active = active[at]
            if not is_active and low <= value <= high and timer[at] == 0:
                continue  # as nearly always
            suppressed = rule.silenced and dropped[line_of_cell[entity]]
            if value != value and (is_active or not suppressed):
                if rule.drop and is_active:
                    dropped[entity] = True
                continue
            if is_active:
                near = value > high - dead_band or value < low + dead_band
                turning = not near
                delay = rule.off_delay
            else:
                turning = (value > high or value < low) and not suppressed
                delay = rule.on_delay
            timer[at] = timer[at] + beat_ns if turning else 0
            if turning and timer[at] >= delay:
                active[at] = not is_active
                timer[at] = 0
                row = out[turned]
                row.rule = rule.rule
                row.entity = entity
                row.active = not is_active
                row.time = end
                row.value = value
                turned += 1
            if rule.drop:
                dropped[entity] |= active[at] or value < low
    return turned


@part
def _at_rest(low: float, high: float, values: Any, active: Any, timer: Any) -> bool:
    """No entity of a rule is active, on its way, or outside the limits: as nearly always."""
    turned = 0
    for i in range(len(active)):
        turned += active[i]
    for i in range(len(active)):
        turned += timer[i] != 0
    for i in range(len(active)):
        turned += not (low <= values[i] <= high)
    return turned == 0


@kernel
def see_sources(
    stretches: NDArray[np.int64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    newest: NDArray[np.int64],
) -> None:
    """Carry the time of each source's newest sample on. offsets, times: of a frame."""
    for k in range(len(stretches)):
        source, first, last = stretches[k]
        latest = newest[source]
        for time in times[offsets[first] : offsets[last]]:
            latest = max(latest, time)
        newest[source] = latest
