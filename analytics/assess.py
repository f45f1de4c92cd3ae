"""assess: one call a beat, from the frame and the state so far to every figure and alarm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics import alarms
from analytics.anode_effect import new_machines
from analytics.assessment import ANODE_EFFECT, Assessment, State
from analytics.boiler_figures import BOILER_SUMS, Boilers, boiler_figures
from analytics.cell_figures import cell_figures
from analytics.cells import CELL_SUMS, integrate, watch
from analytics.frame import Frame, Held, freeze
from analytics.layout import Layout, layout
from analytics.line_figures import line_figures
from analytics.sums import Sums, Watched
from analytics.table import Floats, Table, take
from analytics.windows import windows
from plant.batch import SECOND, Batch
from plant.model import Plant

NEVER = np.iinfo(np.int64).min


def new_state(plant: Plant) -> State:
    """The state before the first beat."""
    n = len(plant.cells)
    return State(
        {
            "windows": np.full((2, 4), NEVER),  # starts, ends
            "cells": np.zeros((CELL_SUMS, 4, n)),
            "machines": new_machines(n),
            "above": np.zeros((n, 4), np.int64),  # ns in anode effects that ended
            "gauges": np.zeros((2, 4, len(layout(plant).gauges))),
            "boilers": np.zeros((BOILER_SUMS, 4, len(plant.boilers))),
            **alarms.new_state(plant),
        }
    )


def assess(plant: Plant, state: State, frame: Frame) -> tuple[State, Assessment]:
    """The figures, anode effects and alarm transitions of one frame; consumes `state`.

    Frames come in the order of time; a time left out between two is a gap. The same frames give
    the same bits.
    """
    at = layout(plant)
    arrays = state.arrays
    _roll(at, state, frame.start)

    beat = _integrate(at, frame)
    arrays["cells"] += beat[:, None]
    watched, events = _watch(at, state, frame)
    gauges = _gauges(at, frame)
    arrays["gauges"] += gauges[:, None]
    boilers = Boilers.of(at, frame)
    arrays["boilers"] += boilers.sums[:, None]

    sums = Sums.of(at, state, frame.end, watched)
    table = Table(at.entities)
    with np.errstate(all="ignore"):  # NaN is a gap
        effects = cell_figures(at, frame, beat, sums, table)
        boiler_figures(at, boilers, sums, table)
        line_figures(at, frame, boilers, sums, effects, table)
    transitions = alarms.step(plant, state, frame, table.figures)
    return state, Assessment(frame.end, table.figures, events, transitions)


def _integrate(at: Layout, frame: Frame) -> Floats:
    """float64[CELL_SUMS, cells]: what the beat adds."""
    beat = np.empty((CELL_SUMS, len(at.voltage)))
    integrate(
        frame.start, frame.end, at.voltage, at.current, at.v_on, at.hold_ns,
        frame.held.times, frame.held.values, frame.offsets, frame.times, frame.values, beat,
    )  # fmt: skip
    return beat


def _watch(at: Layout, state: State, frame: Frame) -> tuple[Watched, NDArray[np.void]]:
    """The anode-effect machines, one beat further."""
    n = len(at.voltage)
    target = take(frame.mean, at.target)
    target = np.where(np.isnan(target), at.target_V, target)
    watched = Watched(np.empty((4, n)), np.empty((2, n)), np.empty(n), np.empty(n))
    out = np.empty(2 * n + len(frame.times), ANODE_EFFECT)
    written = np.zeros(1, np.int64)
    watch(
        frame.end, at.voltage, target, frame.offsets, frame.times, frame.values,
        at.rules, state.arrays["windows"][0], state.arrays["machines"], state.arrays["above"],
        watched.above_s, watched.overvoltage_V_s, watched.active, watched.elapsed_s, out, written,
    )  # fmt: skip
    events = out[: written[0]]
    return watched, events[events["runs"] > 0]


def _gauges(at: Layout, frame: Frame) -> Floats:
    """float64[2, gauges]: reading x seconds over the known part of the beat, and that part."""
    seconds = np.nan_to_num(take(frame.coverage, at.gauges)) * ((frame.end - frame.start) / SECOND)
    return np.stack([np.nan_to_num(take(frame.mean, at.gauges)) * seconds, seconds])


def _roll(at: Layout, state: State, start: int) -> None:
    """Begin the windows that `start` is the first beat of: what they had summed goes."""
    arrays = state.arrays
    edges = arrays["windows"]
    if (start < edges[1]).all():
        return
    fresh = windows(start, at.zone, at.shifts)
    begun = fresh[0] != edges[0]
    edges[:] = fresh
    for name in ("cells", "gauges", "boilers"):
        arrays[name][:, begun] = 0
    arrays["above"][:, begun] = 0
    if begun[3]:
        for name in ("count", "positive", "algebraic", "loose_positive", "loose_algebraic"):
            arrays["machines"][name] = 0


def warm(plant: Plant) -> None:
    """Compile or load every kernel with a beat of nothing, so that the first real one is quick."""
    start = 0
    tags = len(plant.tags)
    batch = Batch.of(np.arange(tags), np.full(tags, start), np.full(tags, 1.0))
    frame, _ = freeze(plant.hold_ns, start, plant.beat_ns, Held.nothing(tags), batch)
    assess(plant, new_state(plant), frame)
