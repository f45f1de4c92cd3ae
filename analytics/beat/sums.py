"""Sums of the running windows: minute, hour, shift, day.

Each array keeps its windows in the last axis but one. A beat adds to the minute alone; when the
minute ends its sum joins the longer windows. So a beat costs one addition a sum, and a long sum
loses nothing to small addends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analytics.beat.arrays import Floats
from analytics.beat.assessment import State
from analytics.beat.layout import Layout
from analytics.beat.windows import windows
from plant.batch import SECOND

Number = TypeVar("Number", np.float64, np.int64)

SUMS = ("sums", "ns", "line_sums", "line_ns", "gauges", "boilers")
"""Arrays of the state that a beat adds to."""
TODAY = ("today", "kg", "counted")
"""Arrays that begin again with the day."""
MACHINE = ("count", "spikes", "positive", "algebraic", "loose_positive", "loose_algebraic")
"""Fields of the anode-effect machines that do."""


def roll(at: Layout, state: State, start: int) -> None:
    """Begin the windows that `start` is the first beat of: what they had summed goes."""
    arrays = state.arrays
    edges = arrays["windows"]
    if start < edges[1, 0]:
        return
    fresh = windows(start, at.zone, at.shifts)
    begun = fresh[0] != edges[0]
    edges[:] = fresh
    for name in SUMS:
        array = arrays[name]
        array[..., 1:, :] += array[..., :1, :]
        array[..., begun, :] = 0
    arrays["above"][begun] = 0
    arrays["closed"][:, begun] = 0
    if begun[3]:
        for name in TODAY:
            arrays[name][:] = 0
        for name in MACHINE:
            arrays["machines"][name] = 0


def running(array: NDArray[Number]) -> NDArray[Number]:
    """[..., 4, n]: the sums of each window up to now."""
    now = array.copy()
    now[..., 1:, :] += array[..., :1, :]
    return now


@dataclass(frozen=True, slots=True)
class Sums:
    """What the boilers' figures read. Rows of all arrays are minute, hour, shift, day."""

    elapsed_s: Floats  # [4, 1], from the window's start to the end of the frame
    fuel: Floats  # [4, boilers], t/h x s
    fuel_s: Floats  # the seconds in which it is known
    boilers: Floats  # [BOILER_SUMS, 4, boilers], see analytics.beat.boiler_figures

    @classmethod
    def of(cls, at: Layout, state: State, end: int) -> Sums:
        amount, seconds = running(state.arrays["gauges"][:, :, at.fuel_gauges])
        return cls(
            elapsed_s=((end - state.arrays["windows"][0]) / SECOND)[:, None],
            fuel=amount,
            fuel_s=seconds,
            boilers=running(state.arrays["boilers"]),
        )
