"""Alarms: one pure state machine for each (rule, entity), stepped once a beat.

An alarm is raised when its condition has held for on_delay and cleared when the value has been
back inside the limit by the dead band for off_delay. An unknown value (NaN) neither raises nor
clears, and no delay runs while it lasts. Delays count the beats themselves: a rule can be run over
any past. A drop of a line's current is one alarm: meanwhile that line's cells raise nothing but
anode effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from analytics.assessment import TRANSITION, Scope, State
from analytics.figures import index
from analytics.frame import NEVER, Frame
from analytics.kernel import kernel
from analytics.layout import layout, once
from analytics.table import Floats, take
from plant.batch import SECOND
from plant.model import AlarmRule, Plant

Bools = NDArray[np.bool_]
Times = NDArray[np.int64]


class Step(NamedTuple):
    """What a rule knows of its entities: is the alarm active, and how long has the change that
    would end this lasted [ns]."""

    active: Bools
    timer: Times


def after(
    rule: AlarmRule, now: Step, values: Floats, beat_ns: int, suppressed: Bools | None = None
) -> Step:
    """The rule's entities one beat later. values: float64[entities], in the unit of the limits.

    suppressed: entities whose alarm is not newly raised, and whose on-delay starts afresh.
    """
    unknown = np.isnan(values)
    beyond = (values > rule.high) | (values < rule.low)
    near = (values > rule.high - rule.dead_band) | (values < rule.low + rule.dead_band)
    back = ~near & ~unknown
    waits = unknown
    if suppressed is not None:
        beyond &= ~suppressed
        waits = unknown & (now.active | ~suppressed)
    turning = np.where(now.active, back, beyond)
    timer = np.where(waits, now.timer, np.where(turning, now.timer + beat_ns, 0))
    delay = np.where(now.active, rule.off_delay_s, rule.on_delay_s) * SECOND
    turned = turning & (timer >= delay)
    return Step(now.active ^ turned, np.where(turned, 0, timer))


@dataclass(frozen=True, slots=True)
class Rules:
    """The plant's rules with the part of the flat state and the frame's columns of each."""

    rules: tuple[AlarmRule, ...]
    parts: tuple[slice, ...]
    columns: tuple[NDArray[np.int32] | None, ...]  # None: the rule is not on a signal
    order: tuple[int, ...]  # line-current drops first: the others listen to them


def rules_of(plant: Plant) -> Rules:
    """The plant's rules as they are stepped, made once."""
    return once(plant, Rules, _prepare)


def _prepare(plant: Plant) -> Rules:
    sizes = [len(plant.entities(rule.each)) for rule in plant.alarms]
    kinds = [rule.kind for rule in plant.alarms]
    return Rules(
        tuple(
            replace(rule, high=0.0) if rule.kind == "anode_effect" else rule
            for rule in plant.alarms
        ),
        tuple(slice(e - n, e) for n, e in zip(sizes, np.cumsum(sizes).tolist(), strict=True)),
        tuple(
            plant.columns(rule.each, rule.on)
            if rule.kind == "limit" and f"{rule.each}.{rule.on}" in plant.signals
            else None
            for rule in plant.alarms
        ),
        tuple(sorted(range(len(kinds)), key=lambda r: kinds[r] != "line_current_drop")),
    )


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
    arrays = state.arrays
    if arrays["first"][0] == NEVER:
        arrays["first"][0] = frame.start
    see_sources(plant.source_of_tag, frame.held.times, frame.offsets, frame.times, arrays["newest"])
    beat_ns = frame.end - frame.start
    dropped = np.zeros(len(plant.lines), np.bool_)
    rows: list[tuple[int, int, bool, int, float]] = []
    rules = rules_of(plant)
    for r in rules.order:
        rule, part = rules.rules[r], rules.parts[r]
        now = Step(arrays["alarm_active"][part], arrays["alarm_timer"][part])
        value = _values(plant, rule, rules.columns[r], state, frame, figures)
        silenced = rule.each == "cell" and rule.kind != "anode_effect" and dropped.any()
        then = after(rule, now, value, beat_ns, dropped[plant.line_of_cell] if silenced else None)
        if rule.kind == "line_current_drop":
            dropped |= then.active | (value < rule.low)
        for entity in np.flatnonzero(then.active != now.active).tolist():
            rows.append((r, entity, bool(then.active[entity]), frame.end, float(value[entity])))
        now.active[:] = then.active
        now.timer[:] = then.timer
    return np.array(sorted(rows), TRANSITION)


def _values(
    plant: Plant,
    rule: AlarmRule,
    columns: NDArray[np.int32] | None,
    state: State,
    frame: Frame,
    figures: Mapping[Scope, Floats],
) -> Floats:
    """float64[entities]: what the rule compares with its limits.

    A gauge is compared by its mean over the beat, a state or counter by the value at its end.
    """
    if columns is not None:
        gauge = plant.signals[f"{rule.each}.{rule.on}"].kind == "gauge"
        return take(frame.mean if gauge else frame.last, columns)
    if rule.kind == "stale_source":
        newest = np.maximum(state.arrays["newest"], state.arrays["first"])
        silent_s: Floats = (frame.end - newest) / SECOND
        return silent_s
    scope = cast(Scope, rule.each)
    value: Floats = figures[scope][index(scope, rule.on)]
    return value / layout(plant).nominal_kA if rule.kind == "line_current_drop" else value


@kernel
def see_sources(
    source_of_tag: NDArray[np.int32],
    held_times: NDArray[np.int64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    newest: NDArray[np.int64],
) -> None:
    """Carry the time of each source's newest sample on to the end of the frame."""
    for tag in range(len(source_of_tag)):
        time = held_times[tag]
        if offsets[tag + 1] > offsets[tag]:
            time = times[offsets[tag + 1] - 1]
        source = source_of_tag[tag]
        newest[source] = max(newest[source], time)
