"""The anode-effect machine of one cell, on source samples; used live and on recorded traces.

A run is a stretch of readings that begins strictly above v_on and goes on while above v_off, and
lasts at least t_on: from its first reading to the reading that ends it. Shorter ones are spikes.
Readings missing for at most `hold` beyond the expected interval are bridged; a longer gap closes
the run one interval after its last reading and marks the event incomplete. Runs that follow each
other in less than t_merge are one anode effect: times above add. Source: docs, figure page;
International Aluminium Institute practice, every parameter in the plant file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import part
from plant.batch import SECOND
from plant.model import AnodeEffectRule

NONE = np.iinfo(np.int64).min

RULE = np.dtype(
    [
        ("v_on", np.float64),
        ("v_off", np.float64),
        ("t_on", np.int64),  # ns, as all that follow
        ("t_merge", np.int64),
        ("hold", np.int64),
        ("interval", np.int64),  # expected between two readings
    ],
    align=True,
)
"""AnodeEffectRule as a kernel reads it."""

MACHINE = np.dtype(
    [
        ("last", np.int64),  # newest reading's time; NONE before the first
        ("value", np.float64),  # and voltage
        ("target", np.float64),  # and target voltage
        ("settled", np.int64),  # integrals are complete up to here
        ("run_start", np.int64),  # NONE when there is no run
        ("confirmed", np.int64),  # 1: the run has lasted t_on
        ("run_max", np.float64),
        ("run_volt_s", np.float64),
        ("loose_positive", np.float64),  # overvoltage since midnight that no anode effect owns yet:
        ("loose_algebraic", np.float64),  # of a run not confirmed, of the time that a merger fills
        ("event_start", np.int64),  # NONE before the first event
        ("event_end", np.int64),
        ("event_above", np.int64),
        ("event_max", np.float64),
        ("event_volt_s", np.float64),
        ("event_runs", np.int64),
        ("event_incomplete", np.int64),
        ("changed", np.int64),  # 1: the event is to be emitted
        ("count", np.int64),  # events begun since midnight
        ("spikes", np.int64),
        ("positive", np.float64),  # their overvoltage since midnight, V·s
        ("algebraic", np.float64),
    ]
)
"""State of a cell's machine. Every field takes 8 bytes: no padding, whose bits would be left to
chance in a saved state."""


def rule_row(rule: AnodeEffectRule, interval_ns: int) -> tuple[float, float, int, int, int, int]:
    """A row of RULE."""
    return (
        rule.v_on_V,
        rule.v_off_V,
        round(rule.t_on_s * SECOND),
        round(rule.t_merge_s * SECOND),
        round(rule.hold_s * SECOND),
        interval_ns,
    )


def new_machines(cells: int) -> NDArray[np.void]:
    """MACHINE[cells] that have seen nothing."""
    machines = np.zeros(cells, MACHINE)
    for name in ("last", "run_start", "event_start", "event_end", "settled"):
        machines[name] = NONE
    return machines


@part
def emit(m: Any, rule: Any, cell: int, now: int, out: Any, written: Any) -> None:
    """Write the machine's event as known at `now` to `out`; written: int64[1], rows in it."""
    row = out[written[0]]
    row.cell = cell
    row.start = m.event_start
    row.end = m.event_end
    above = m.event_above
    volt_s = m.event_volt_s
    top = m.event_max
    if m.confirmed:
        row.end = max(m.settled, min(now, m.last + rule.interval))
        above += row.end - m.run_start
        volt_s += m.run_volt_s + m.value * (row.end - m.settled) / 1e9
        top = max(top, m.run_max)
    row.above_s = above / 1e9
    row.elapsed_s = (row.end - m.event_start) / 1e9
    row.max_V = top
    row.mean_V = volt_s / row.above_s if above > 0 else top
    row.runs = m.event_runs
    row.incomplete = m.event_incomplete != 0
    m.changed = 0
    written[0] += 1


@part
def mergeable(m: Any, rule: Any, time: int) -> bool:
    """Would a run that starts at `time` belong to the former anode effect?"""
    return bool(m.event_start != NONE and time - m.event_end < rule.t_merge)


@part
def confirm(m: Any, rule: Any, cell: int, midnight: int, out: Any, written: Any) -> None:
    """The run has lasted t_on: it joins the former event or begins one."""
    if not mergeable(m, rule, m.run_start):
        if m.changed:
            emit(m, rule, cell, m.event_end, out, written)
        m.event_start = m.run_start
        m.event_end = m.run_start
        m.event_above = 0
        m.event_max = 0.0
        m.event_volt_s = 0.0
        m.event_runs = 0
        m.event_incomplete = 0
        if m.run_start >= midnight:
            m.count += 1
    m.confirmed = 1
    m.changed = 1
    m.event_runs += 1
    m.positive += m.loose_positive
    m.algebraic += m.loose_algebraic
    m.loose_positive = 0.0
    m.loose_algebraic = 0.0


@part
def settle(m: Any, rule: Any, until: int, midnight: int) -> None:
    """Carry the run's integral and the overvoltage up to `until` with the reading that stands."""
    in_run = m.run_start != NONE
    if in_run:
        m.run_volt_s += m.value * (until - m.settled) / 1e9
    if in_run or mergeable(m, rule, m.settled):
        over = (m.value - m.target) * max(0, until - max(m.settled, midnight)) / 1e9
        if m.confirmed:
            m.positive += max(over, 0.0)
            m.algebraic += over
        else:
            m.loose_positive += max(over, 0.0)
            m.loose_algebraic += over
    m.settled = until


@part
def close(
    m: Any,
    rule: Any,
    cell: int,
    end: int,
    now: int,
    windows: Any,
    above: Any,
    out: Any,
    written: Any,
) -> None:
    """End the run at `end`, noticed at `now`: later when readings are missing. A spike is written
    to `out` with runs = 0.

    windows: int64[4], starts of minute, hour, shift, day; above: int64[4] ns, the time above the
    threshold in each, to which an anode effect adds what fell into it.
    """
    start = m.run_start
    if not m.confirmed and end - start >= rule.t_on:
        confirm(m, rule, cell, windows[3], out, written)
    if m.confirmed:
        m.event_end = end
        m.event_above += end - start
        m.event_volt_s += m.run_volt_s
        m.event_max = max(m.event_max, m.run_max)
        m.event_incomplete = 1 if m.event_incomplete or now > end else 0
        for w in range(4):
            above[w] += max(0, end - max(start, windows[w]))
        m.confirmed = 0
        m.changed = 1
    else:
        row = out[written[0]]
        row.cell = cell
        row.start = start
        row.end = end
        row.above_s = (end - start) / 1e9
        row.elapsed_s = row.above_s
        row.max_V = m.run_max
        row.mean_V = m.run_volt_s / row.above_s if end > start else m.run_max
        row.runs = 0
        row.incomplete = now > end
        written[0] += 1
        if start >= windows[3]:
            m.spikes += 1
    m.run_start = NONE


@part
def lapse(
    m: Any, rule: Any, cell: int, now: int, windows: Any, above: Any, out: Any, written: Any
) -> None:
    """No reading since `last`: close the run when that is longer than readings are held."""
    if m.last != NONE and m.settled == m.last and now - m.last > rule.interval + rule.hold:
        end = m.last + rule.interval
        settle(m, rule, end, windows[3])
        if m.run_start != NONE:
            close(m, rule, cell, end, now, windows, above, out, written)


@part
def read(
    m: Any,
    rule: Any,
    cell: int,
    time: int,
    volt: float,
    target: float,
    windows: Any,
    above: Any,
    out: Any,
    written: Any,
) -> None:
    """Take a reading that is newer than all before it; NaN is no reading."""
    lapse(m, rule, cell, time, windows, above, out, written)
    if m.settled == m.last and m.last != NONE:
        settle(m, rule, time, windows[3])
    if m.run_start != NONE:
        if volt > rule.v_off:
            m.run_max = max(m.run_max, volt)
            if not m.confirmed and time - m.run_start >= rule.t_on:
                confirm(m, rule, cell, windows[3], out, written)
        else:
            close(m, rule, cell, time, time, windows, above, out, written)
    elif volt > rule.v_on:
        m.run_start = time
        m.run_max = volt
        m.run_volt_s = 0.0
        if not mergeable(m, rule, time):
            m.loose_positive = 0.0
            m.loose_algebraic = 0.0
    stand(m, time, volt, target)


@part
def stand(m: Any, time: int, volt: float, target: float) -> None:
    """The reading that stands from now on."""
    m.last = time
    m.value = volt
    m.target = target
    m.settled = time


@part
def quiet(m: Any, rule: Any) -> bool:
    """Neither in a run nor where a run could still merge: a reading below v_on changes nothing."""
    return m.run_start == NONE and not mergeable(m, rule, m.settled)


@part
def look(
    m: Any, rule: Any, cell: int, now: int, windows: Any, above: Any, out: Any, written: Any
) -> None:
    """The end of a beat: confirm the run in progress if it has lasted long enough by now."""
    lapse(m, rule, cell, now, windows, above, out, written)
    if m.run_start != NONE and not m.confirmed:
        known = min(now, m.last + rule.interval)
        if known - m.run_start >= rule.t_on:
            confirm(m, rule, cell, windows[3], out, written)


@part
def tidy(m: Any, rule: Any, now: int) -> None:
    """The end of a beat: a machine that is in no run, and whose former event nothing can merge with
    any more, forgets all but what it has counted: it wakes with the next reading above v_on, and
    does not remember for ever."""
    if m.run_start != NONE or (m.event_start != NONE and now - m.event_end < rule.t_merge):
        return
    m.run_max = 0.0
    m.run_volt_s = 0.0
    m.loose_positive = 0.0
    m.loose_algebraic = 0.0
    m.event_start = NONE
    m.event_end = NONE
    m.event_above = 0
    m.event_max = 0.0
    m.event_volt_s = 0.0
    m.event_runs = 0
    m.event_incomplete = 0
    m.last = NONE
    m.value = 0.0
    m.target = 0.0
    m.settled = NONE
