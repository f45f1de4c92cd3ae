"""A line's charge as a function of time, so that a cell's ∫V·I dt is Σ V · ΔQ.

The current is a step function; over one beat its integral is a broken line, kept as a table of the
corners. A cell's voltage step from t1 to t2 then takes V · (Q(t2) − Q(t1)).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import inlined, kernel


class Readings(NamedTuple):
    """What a kernel needs of a frame. All but times and values have length tags (offsets + 1)."""

    hold_ns: NDArray[np.int64]
    held_times: NDArray[np.int64]
    held_values: NDArray[np.float64]
    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class Charges(NamedTuple):
    """The charge of a line over each beat of a frame, as a table of corners."""

    first: NDArray[np.int64]  # [beats + 1]: the corners of each beat
    at: NDArray[np.int64]  # time of a corner [ns]
    charge: NDArray[np.float64]  # since the beat's start [kA·s]
    known: NDArray[np.int64]  # time in which the current is known, since the beat's start [ns]
    amp: NDArray[np.float64]  # from the corner on [kA], 0 while unknown
    on: NDArray[np.int64]  # from the corner on: 1 while known
    mean: NDArray[np.float64]  # [beats], current [kA], NaN where unknown
    total: NDArray[np.float64]  # [beats] [kA·s]
    total_ns: NDArray[np.int64]  # [beats], time in which it is known
    square: NDArray[np.float64]  # [beats], ∫I² dt [kA²·s]

    @classmethod
    def room(cls, beats: int, rows: int) -> Charges:
        """For so many beats and readings. A reading and its expiry make a corner each; pages that
        are not touched cost nothing."""
        most = 2 * (rows + beats)
        return cls(
            np.empty(beats + 1, np.int64),
            np.empty(most, np.int64), np.empty(most), np.empty(most, np.int64), np.empty(most),
            np.empty(most, np.int64), np.empty(beats), np.empty(beats), np.empty(beats, np.int64),
            np.empty(beats),
        )  # fmt: skip


@kernel
def tabulate(start: int, beat_ns: int, beats: int, tag: int, r: Any, table: Any) -> None:
    """Fill the table with a line's current. tag: its column, -1 for none; r: Readings."""
    n = 0
    row, stop, value, time, hold = 0, 0, np.nan, start, 0
    if tag >= 0:
        row, stop, hold = r.offsets[tag], r.offsets[tag + 1], r.hold_ns[tag]
        value, time = r.held_values[tag], r.held_times[tag]
    table.first[0] = 0
    for b in range(beats):
        now = start + b * beat_ns
        end = now + beat_ns
        q = squares = moment = 0.0
        ns = 0
        base = np.nan
        while now < end:
            if row < stop and r.times[row] == now:
                time = now
                value = r.values[row]
                row += 1
            until = min(end, r.times[row]) if row < stop else end
            knows = value == value and time + hold > now
            if knows:
                until = min(until, time + hold)
            table.at[n] = now
            table.charge[n] = q
            table.known[n] = ns
            table.amp[n] = value if knows else 0.0
            table.on[n] = 1 if knows else 0
            n += 1
            if knows:
                length = until - now
                if base != base:
                    base = value
                moment += (value - base) * length
                ns += length
                q += value * (length / 1e9)
                squares += value * value * (length / 1e9)
            now = until
        table.first[b + 1] = n
        table.total[b] = q
        table.total_ns[b] = ns
        table.square[b] = squares
        table.mean[b] = base + moment / ns if ns else np.nan


@inlined
def integrate(
    start: int,
    end: int,
    volt: float,
    volt_until: int,
    hold: int,
    row: int,
    stop: int,
    r: Any,
    v_on: float,
    begin: int,
    corner_stop: int,
    table: Any,
) -> Any:
    """∫V·I dt of one voltage over the beat [start, end), on the corners [begin, corner_stop).

    volt stands at `start` until volt_until; row: the voltage's next reading. -> energy [kJ],
    charge [kA·s] and time [ns] while both are known, the voltage's known time [ns], energy and
    charge without the time above v_on, mean and maximum voltage (NaN and -inf where unknown),
    row, volt, volt_until at the end.
    """
    energy = all_charge = quiet_energy = quiet_charge = moment = 0.0
    both = volt_ns = 0
    base = np.nan
    top = -np.inf
    now = start
    k = begin
    while True:
        following = r.times[row] if row < stop else end
        if following >= end:
            following = end
        until = min(following, volt_until)
        if volt == volt and until > now:
            while k + 1 < corner_stop and table.at[k + 1] <= now:
                k += 1
            q = table.charge[k] + table.amp[k] * ((now - table.at[k]) / 1e9)
            ns = table.known[k] + table.on[k] * (now - table.at[k])
            while k + 1 < corner_stop and table.at[k + 1] < until:
                k += 1
            q = table.charge[k] + table.amp[k] * ((until - table.at[k]) / 1e9) - q
            both += table.known[k] + table.on[k] * (until - table.at[k]) - ns
            volt_ns += until - now
            if base != base:
                base = volt
            moment += (volt - base) * (until - now)
            all_charge += q
            energy += volt * q
            if volt <= v_on:
                quiet_charge += q
                quiet_energy += volt * q
            top = max(top, volt)
        if following == end:
            break
        now = following
        volt = r.values[row]
        volt_until = now + hold
        row += 1
    mean = base + moment / volt_ns if volt_ns else np.nan
    return (
        energy, all_charge, both, volt_ns, quiet_energy, quiet_charge, mean, top,
        row, volt, volt_until,
    )  # fmt: skip
