"""assess: one call a frame, from the frame and the state so far to every figure and alarm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat import alarms as rules
from analytics.beat import early_warning
from analytics.beat.arrays import Floats, Table
from analytics.beat.assessment import TRANSITION, Assessment, State
from analytics.beat.bench import Kept
from analytics.beat.boiler_figures import BOILER_SUMS, Boilers, boiler_figures
from analytics.beat.cell_figures import BEAT_ROWS, SINGLE_ROWS, WINDOW_ROWS
from analytics.beat.cell_state import CellState, LineState, new_cells, new_lines
from analytics.beat.charge import Readings
from analytics.beat.chunk import Chunk, as_batch
from analytics.beat.frame import NEVER, Frame, Held, Rows, frame_of, freeze
from analytics.beat.gauges import integrate_gauges
from analytics.beat.layout import Layout, layout, once
from analytics.beat.line_amounts import AMOUNTS
from analytics.beat.line_figures import (
    LINE_ROWS,
    LINE_WINDOWS,
    SITE_ROWS,
    SITE_WINDOWS,
    site_figures,
)
from analytics.beat.lines import step_lines
from analytics.beat.noise import BLOCK_NS
from analytics.beat.shared import shared
from analytics.beat.slope import MEAN_NS
from analytics.beat.sums import Sums, roll
from analytics.meters.counters import add_counted, new_counters
from analytics.table.figures import index
from plant.batch import SECOND, Batch
from plant.model import Plant

MINUTE_NS = 60 * SECOND
RISK_ROW = index("cell", "anode_effect_risk")


def new_state(plant: Plant) -> State:
    """The state before the first beat."""
    lines = new_lines(len(plant.lines))
    return State(
        {
            "windows": np.full((2, 4), NEVER),  # starts, ends
            "blocks": np.full(2, NEVER),  # numbers of the open block of noise and mean of slope
            **new_cells(len(plant.cells))._asdict(),
            "line_sums": lines.sums,
            "line_ns": lines.ns,
            "gauges": np.zeros((2, 4, len(layout(plant).gauges))),
            "counters": new_counters(len(layout(plant).counted)),
            "boilers": np.zeros((BOILER_SUMS, 4, len(plant.boilers))),
            **early_warning.new_state(len(plant.cells)),
            **rules.new_state(plant),
        }
    )


def assess(
    plant: Plant, state: State, frame: Frame, alarms: bool = True
) -> tuple[State, Assessment]:
    """The figures, anode effects and alarm transitions of one frame; consumes `state`.

    Frames come in the order of time; a time left out between two is a gap. The same beats give the
    same bits, in frames of one or of several; a frame of several may not reach beyond a minute of
    the epoch. Without `alarms` no rule is stepped and their part of the state stays.
    """
    if frame.beats == 1:
        return _assess(plant, state, frame, alarms)
    if frame.start // MINUTE_NS != (frame.end - 1) // MINUTE_NS:
        raise ValueError(
            f"the frame [{frame.start}, {frame.end}) ns holds several beats and a minute begins"
            " within it: end it at the minute"
        )
    within = frame.start // early_warning.BLOCK_NS != (frame.end - 1) // early_warning.BLOCK_NS
    if not within and not (alarms and plant.alarms):
        return _assess(plant, state, frame, alarms)
    parts = [_assess(plant, state, beat, alarms)[1] for beat in _beats_of(plant.hold_ns, frame)]
    return state, replace(
        parts[-1],
        anode_effects=np.concatenate([p.anode_effects for p in parts]),
        transitions=np.concatenate([p.transitions for p in parts]),
    )


def _beats_of(hold_ns: NDArray[np.int64], frame: Frame) -> Iterator[Frame]:
    """The frame's beats, each a frame."""
    rows = as_batch(Rows(frame.offsets, frame.times, frame.values, frame.quality))
    chunk = Chunk.of(rows, len(hold_ns))
    assert chunk is not None
    held = frame.held
    for end in range(frame.start + frame.beat_ns, frame.end + 1, frame.beat_ns):
        beat, held = frame_of(hold_ns, end - frame.beat_ns, end, held, chunk.cut(end))
        yield beat


def _assess(
    plant: Plant, state: State, frame: Frame, with_alarms: bool
) -> tuple[State, Assessment]:
    at = layout(plant, frame.start)
    arrays = state.arrays
    roll(at, state, frame.start)
    noise_slots = _slots(arrays, frame, 0, BLOCK_NS, ("noise_means", "noise_variances"))
    slope_slots = _slots(arrays, frame, 1, MEAN_NS, ("slope_means",))

    kept = once(plant, Kept, Kept.of)
    cells = CellState(*(arrays[name] for name in CellState._fields))
    lines = LineState(arrays["line_sums"], arrays["line_ns"])
    readings = Readings(
        at.hold_ns, frame.held.times, frame.held.values, frame.offsets, frame.times, frame.values
    )
    early_warning.begin(arrays, frame.start)
    watched = early_warning.Watched.of(arrays)
    table = Table(at.entities, kept.table())
    figures = table.figures
    currents, now = np.empty(len(plant.lines)), np.empty(len(at.gauges))
    amounts = np.empty((4, len(plant.lines) + 1, AMOUNTS))
    integrate_gauges(
        frame.start, frame.beat_ns, frame.beats, at.gauges, readings, arrays["gauges"], now
    )
    counters = at.counters
    if len(counters.tags):
        add_counted(
            arrays["windows"][0], counters.tags, counters.max_rate_per_s, counters.rollover,
            counters.gap_ns, at.counted, readings, arrays["counters"], arrays["gauges"],
        )  # fmt: skip
    elapsed_s = (frame.end - arrays["windows"][0]) / SECOND

    def run(first: int, last: int) -> NDArray[np.void]:
        bench = kept.bench(len(plant.cells), frame.beats, len(frame.times))
        written = np.zeros(1, np.int64)
        step_lines(
            first, last, frame.start, frame.beat_ns, frame.beats, elapsed_s, at.first_cell,
            at.line_current, at.line_voltage, at.lines, at.cells, at.rules, at.voltage,
            at.patience_ns, at.carbon, at.target_kWh_per_t, at.target_energy, readings,
            bench.charges, arrays["windows"][0],
            noise_slots, slope_slots, cells, lines, watched, arrays["gauges"], now, currents,
            amounts, bench.work, bench.work_ns, BEAT_ROWS, WINDOW_ROWS, SINGLE_ROWS,
            figures["cell"], LINE_ROWS, LINE_WINDOWS, figures["line"], bench.events, written,
        )  # fmt: skip
        told = bench.events[: written[0]]
        told = told[told["runs"] > 0] if len(told) else told.copy()
        kept.benches.append(bench)
        return told

    parts = shared(at.first_cell, frame.beats, run)
    site_figures(
        elapsed_s, at.lines, amounts, arrays["gauges"], now,
        _boilers(at, state, frame, table), LINE_ROWS, figures["line"], SITE_ROWS, SITE_WINDOWS,
        figures["site"],
    )  # fmt: skip
    early_warning.end(early_warning.shipped_model(), arrays, frame.end)
    figures["cell"][RISK_ROW] = arrays["warning_held"][early_warning.RISK]
    transitions = np.empty(0, TRANSITION)
    if with_alarms:
        transitions = rules.step(plant, state, frame, figures)
    effects = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return state, Assessment(frame.end, figures, effects, transitions)


def _slots(
    arrays: Mapping[str, NDArray[Any]], frame: Frame, k: int, length: int, rings: tuple[str, ...]
) -> NDArray[np.int64]:
    """int64[beats]: the slot of the k-th kind of block that ends with the beat, -1 where none
    does. Blocks that no beat came for are marked unknown. length: of a block, ns."""
    slots = len(arrays[rings[0]])
    awaited, begun = int(arrays["blocks"][k]), frame.start // length
    if awaited != begun:
        missing = [b % slots for b in range(max(awaited, begun - slots), begun)]
        for name in rings:
            arrays[name][missing] = np.nan
        arrays["tracks"][4 * k : 4 * k + 4] = 0.0
    arrays["blocks"][k] = frame.end // length
    found = np.full(frame.beats, -1)
    if begun != frame.end // length:
        begins = np.arange(frame.start, frame.end, frame.beat_ns)
        ends = (begins + frame.beat_ns) // length > begins // length
        found[ends] = begins[ends] // length % slots
    return found


def _boilers(at: Layout, state: State, frame: Frame, table: Table) -> Floats:
    """Put the boilers' figures; what line_figures reads of them, float64[13, boilers]."""
    if not at.boilers:
        return np.empty((13, 0))
    tags = at.boiler.tags
    own = frame.of(tags)
    for beat in [own] if own.beats == 1 else _beats_of(at.hold_ns[tags], own):
        boilers = Boilers.of(at, beat)
        state.arrays["boilers"][:, 0] += boilers.sums
    sums = Sums.of(at, state, frame.end)
    with np.errstate(all="ignore"):  # NaN is a gap
        boiler_figures(at, boilers, sums, table)
    return np.vstack(
        [
            table.row("boiler", "fuel_co2"),
            table.windows("boiler", "fuel_co2"),
            sums.fuel_s,
            table.windows("boiler", "coverage"),
        ]
    )


def warm(plant: Plant) -> None:
    """Compile or load every kernel with a beat of nothing, so that the first real one is quick.
    It is the last of a block: only then the early warning weighs what it saw."""
    start = early_warning.BLOCK_NS - plant.beat_ns
    tags = len(plant.tags)
    batch = Batch.of(np.arange(tags), np.full(tags, start), np.full(tags, 1.0))
    frame, _ = freeze(plant.hold_ns, start, early_warning.BLOCK_NS, Held.nothing(tags), batch)
    assess(plant, new_state(plant), frame)
    _ = frame.last  # its kernel runs when it is asked for
