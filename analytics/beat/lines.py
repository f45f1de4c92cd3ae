"""A frame of some lines: their cells' beats into the state, their cells' and their own figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.cell_figures import cell_figures
from analytics.beat.cells import step_cells
from analytics.beat.line_figures import line_figures
from analytics.kernel import bare_kernel


@bare_kernel
def step_lines(
    first_line: int,
    last_line: int,
    start: int,
    beat_ns: int,
    beats: int,
    elapsed_s: NDArray[np.float64],
    first_cell: NDArray[np.int64],
    line_current: NDArray[np.int32],
    line_voltage: NDArray[np.int32],
    plant: Any,
    cells: Any,
    rules: Any,
    tags: NDArray[np.int32],
    patience_ns: NDArray[np.int64],
    carbon: NDArray[np.float64],
    target: NDArray[np.float64],
    target_energy: NDArray[np.float64],
    r: Any,
    table: Any,
    windows: NDArray[np.int64],
    noise_slots: NDArray[np.int64],
    slope_slots: NDArray[np.int64],
    state: Any,
    lines: Any,
    warning: Any,
    gauges: NDArray[np.float64],
    gauge_now: NDArray[np.float64],
    currents: NDArray[np.float64],
    amounts: NDArray[np.float64],
    work: NDArray[np.float64],
    work_ns: NDArray[np.int64],
    beat_rows: NDArray[np.int64],
    window_rows: NDArray[np.int64],
    single_rows: NDArray[np.int64],
    cell: NDArray[np.float64],
    line_rows: NDArray[np.int64],
    line_windows: NDArray[np.int64],
    line: NDArray[np.float64],
    out: Any,
    written: NDArray[np.int64],
) -> None:
    """The three kernels, line by line while its numbers are at hand; they say what they take."""
    for k in range(first_line, last_line):
        step_cells(
            k, k + 1, start, beat_ns, beats, first_cell, line_current, line_voltage, plant, cells,
            rules, tags, patience_ns, target_energy, r, table, windows, noise_slots, slope_slots,
            state, lines, warning, work, work_ns, currents, beat_rows, cell, out, written,
        )  # fmt: skip
        cell_figures(
            k, k + 1, start + beats * beat_ns, elapsed_s, first_cell, plant, carbon, target, state,
            lines.sums, lines.ns, work, window_rows, single_rows, cell,
        )  # fmt: skip
        line_figures(
            k, k + 1, elapsed_s, first_cell, plant, carbon, amounts, lines.sums, lines.ns, gauges,
            gauge_now, currents, state.above, state.counted, beat_rows, single_rows, cell,
            line_rows, line_windows, line,
        )  # fmt: skip
