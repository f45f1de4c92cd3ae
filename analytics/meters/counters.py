"""What a cumulative counter counted, whatever became of it: energy that is never negative and never
a spike.

The rule, reading by reading (`_step`). `height` is the value from which counting goes on.

- A rise is counted if the counter can have counted it at its greatest rate since its last change
  (which may have been one reading earlier than it was seen).
- A larger rise is another meter (or a false reading): nothing is counted, counting goes on there.
- A fall by at most what is counted in `JITTER_S`, and less than half the height, is jitter: nothing
  is counted until the counter is past its height again.
- Another fall is a roll-over if the modulus is known and the rise through it is possible; otherwise
  a restart: what it shows is counted if it can have counted that from 0 since the reading before.
- If the next value is back on the old count, the jump before it was a false reading: counting goes
  on from the old height as if it had not been.

So over any stretch: last - first height = counted + set aside, and set aside is the meter's doing.

When it was counted: between the two readings. An increment belongs to the beat of its later
reading as a whole; sums of beats then add up to the counter, and at the edge of a window at most
one reading's increment stands on the other side. After a gap (longer than `gap_ns`), and when the
rise is too large for the time since the reading before (a register that stood still), it is spread
evenly since the reading before or the last change: each window gets the share of its own time;
what belongs to windows that have ended is in none of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.frame import NEVER
from analytics.kernel import kernel, part
from plant.batch import SECOND
from plant.model import EntityKind, Plant

JITTER_S = 10.0
"""A filter or a float of few digits may let a counter fall by what it counts in this time [s]."""

LEAST_GAP_S = 60.0

COUNTER = np.dtype(
    [
        ("time", np.int64),  # of the last reading, ns; NEVER before the first
        ("changed", np.int64),  # of the reading that first showed the height
        ("height", np.float64),
        # where it stood before a jump that the next value may show to have been a false reading
        ("former_changed", np.int64),  # NEVER when there is none
        ("former_height", np.float64),
        ("former_counted", np.float64),  # of the jump
    ]
)

RISE, GAP, JITTER, ROLLED, RESTARTED, REPLACED, RETURNED = (1 << k for k in range(7))
MARKS = {
    GAP: "gap",
    JITTER: "jitter",
    ROLLED: "rolled over",
    RESTARTED: "restarted",
    REPLACED: "jumped",
    RETURNED: "false reading before",
}
"""What became of a counter at a reading; RISE alone is the usual."""

ENERGY: tuple[tuple[EntityKind, str, str], ...] = (
    ("rectifier", "ac_energy", "ac_power"),
    ("meter", "energy", "power"),
)
"""Entity kind, its energy counter [MWh] and the power [MW] whose upper limit bounds its rate."""


def new_counters(n: int) -> NDArray[np.void]:
    """COUNTER[n] before the first reading."""
    state = np.zeros(n, COUNTER)
    state["time"] = state["former_changed"] = NEVER
    return state


@dataclass(frozen=True, slots=True)
class Counters:
    """The energy counters of a plant, as `count` takes them; all of length n."""

    entities: tuple[str, ...]
    tags: NDArray[np.int32]
    power_tags: NDArray[np.int32]  # of the same entity, -1 where none
    max_rate_per_s: NDArray[np.float64]  # MWh/s
    rollover: NDArray[np.float64]  # MWh, NaN: it never does
    gap_ns: NDArray[np.int64]

    @classmethod
    def of(cls, plant: Plant) -> Counters:
        rows = []
        for kind, energy, power in ENERGY:
            signal = plant.signals.get(f"{kind}.{power}")
            for entity in plant.entities(kind):
                column = plant.column_of.get(f"{entity}.{energy}")
                if column is None or signal is None:
                    continue
                tag = plant.tags[column]
                gauge = plant.column_of.get(f"{entity}.{power}", -1)
                most_MW = plant.tags[gauge].high if gauge >= 0 else signal.high
                gap_s = max(LEAST_GAP_S, 3 * tag.interval_s)
                rows.append((entity, column, gauge, most_MW / 3600, tag.rollover, gap_s))
        column_of = [np.array(column) for column in zip(*rows, strict=True)] or [np.zeros(0)] * 6
        entities, tags, gauges, rates, rollovers, gaps = column_of
        return cls(
            tuple(entities.tolist()),
            tags.astype(np.int32),
            gauges.astype(np.int32),
            rates.astype(np.float64),
            rollovers.astype(np.float64),
            (gaps * SECOND).astype(np.int64),
        )

    def only(self, entities: tuple[str, ...]) -> Counters:
        """Those of these entities."""
        rows = [i for i, entity in enumerate(self.entities) if entity in entities]
        return Counters(
            tuple(self.entities[i] for i in rows),
            self.tags[rows],
            self.power_tags[rows],
            self.max_rate_per_s[rows],
            self.rollover[rows],
            self.gap_ns[rows],
        )


@part
def _step(
    c: Any, time: int, value: float, max_rate: float, rollover: float, gap: int
) -> tuple[float, float, int, int]:
    """Take a reading. -> counted, set aside, since when it was counted [ns], mark.

    The time is NEVER for an increment that belongs to its beat as a whole. Changes c.
    """
    if c.time == NEVER:
        c.time = c.changed = time
        c.height = value
        return 0.0, 0.0, NEVER, 0
    silent = time - c.time
    mark = RISE
    since = NEVER
    if silent > gap:
        mark = GAP
        since = c.time
    rise = value - c.height
    if rise == 0:
        c.time = time
        return 0.0, 0.0, since, mark
    rate = max_rate / 1e9
    stood = rise
    already = 0.0
    if c.former_changed != NEVER:
        back = value - c.former_height
        fell_again = rise < 0 or c.height < c.former_height
        most = rate * (time - c.former_changed + silent)
        if fell_again and 0 <= back <= most:
            rise = back
            already = c.former_counted
            c.height = c.former_height
            c.changed = c.former_changed
            mark |= RETURNED
        c.former_changed = NEVER
    most = rate * (time - c.changed + silent)
    counted = 0.0
    if rise >= 0 and rise <= most:
        counted = max(rise - already, 0.0)
    elif rise > most:
        mark |= REPLACED
    elif -rise <= JITTER_S * max_rate and -rise < c.height / 2:
        c.time = time
        return 0.0, 0.0, since, mark | JITTER
    elif 0 <= rise + rollover <= most:  # False where the modulus is NaN
        counted = rise + rollover
        mark |= ROLLED
    else:
        counted = value if value <= rate * silent else 0.0
        mark |= RESTARTED
    if counted > rate * silent and time - c.changed > gap:
        since = c.changed
    if mark & (REPLACED | RESTARTED):
        c.former_changed = c.changed
        c.former_height = c.height
        c.former_counted = counted
    c.time = c.changed = time
    c.height = value
    return counted, stood - counted, since, mark


@kernel
def add_counted(
    windows: NDArray[np.int64],
    tags: NDArray[np.int32],
    max_rate_per_s: NDArray[np.float64],
    rollover: NDArray[np.float64],
    gap_ns: NDArray[np.int64],
    gauge: NDArray[np.int64],
    r: Any,
    state: Any,
    sums: NDArray[np.float64],
) -> None:
    """Add what each counter [MWh] counted in a frame to sums[0, w, gauge] [MW·s] and the time that
    it and standstill stand for to sums[1, w, gauge] [s], reading by reading.

    windows: int64[w] ns, their starts, the shortest first, none after the frame's. What windows
    share goes to the first alone: a minute's sums join the longer ones when it ends (see
    analytics.beat.sums). Per counter [n]: tags (columns), max_rate_per_s [MWh/s], rollover [MWh],
    gap_ns; state COUNTER[n], changed. r: Readings; NaN and negative values are none.
    Slow twin: tests/analytics/meters/test_counters.py.
    """
    for k in range(len(tags)):
        g = gauge[k]
        c = state[k]
        for row in range(r.offsets[tags[k]], r.offsets[tags[k] + 1]):
            value = r.values[row]
            if not value >= 0:
                continue
            now = r.times[row]
            before = c.time
            counted, _, since, mark = _step(
                c, now, value, max_rate_per_s[k], rollover[k], gap_ns[k]
            )
            if mark == 0 or mark & REPLACED or (mark & RESTARTED and counted == 0):
                continue
            in_minute = in_minute_s = 0.0
            for w in range(len(windows)):
                own = counted
                own_s = (now - (before if since == NEVER else since)) / 1e9
                if since != NEVER and since < windows[w]:
                    own = counted * ((now - windows[w]) / (now - since))
                    own_s = (now - windows[w]) / 1e9
                if w == 0:
                    in_minute, in_minute_s = own, own_s
                    sums[0, 0, g] += 3600 * own
                    sums[1, 0, g] += own_s
                elif own_s > in_minute_s:
                    sums[0, w, g] += 3600 * (own - in_minute)
                    sums[1, w, g] += own_s - in_minute_s


@kernel
def readings(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    max_rate_per_s: float,
    rollover: float,
    gap_ns: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """One counter's readings by the same rule: counted[n], set aside[n] [unit], since[n] [ns] (the
    reading before, unless it was counted since an earlier change) and marks[n].

    times: int64[n] ns, ascending; values: float64[n] [unit].
    """
    n = len(times)
    counted = np.zeros(n)
    aside = np.zeros(n)
    since = times.copy()
    marks = np.zeros(n, np.uint8)
    state = np.zeros(1, COUNTER)
    c = state[0]
    c.time = NEVER
    c.former_changed = NEVER
    for k in range(n):
        if not values[k] >= 0:
            continue
        before = c.time
        counted[k], aside[k], began, marks[k] = _step(
            c, times[k], values[k], max_rate_per_s, rollover, gap_ns
        )
        if before != NEVER:
            since[k] = before if began == NEVER else began
    return counted, aside, since, marks


def between(
    edges: NDArray[np.int64],
    times: NDArray[np.int64],
    counted: NDArray[np.float64],
    since: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What was counted in each [edges[i], edges[i+1]), every increment spread evenly over the time
    in which it was counted. int64[m] ns and the `readings` of a counter -> float64[m-1] [unit]

    Any partition of a stretch adds up to the whole. NaN where a window holds no time between the
    first and the last reading.
    """
    if not len(times):
        return np.full(len(edges) - 1, np.nan)
    rises = np.flatnonzero(counted > 0)
    length = np.maximum(times[rises] - since[rises], 1)
    share = np.clip((edges[:, None] - since[rises]) / length, 0.0, 1.0)
    result: NDArray[np.float64] = np.diff(share, axis=0) @ counted[rises]
    result[(edges[1:] <= times[0]) | (edges[:-1] >= times[-1])] = np.nan
    return result
