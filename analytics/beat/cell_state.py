"""What is kept of the cells and lines from beat to beat, and what a kernel works with meanwhile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.beat.anode_effect import NONE, new_machines
from analytics.beat.noise import BLOCKS
from analytics.beat.operations import NEVER
from analytics.beat.slope import MEANS
from plant.batch import SECOND

ENERGY, CHARGE, QUIET_ENERGY, QUIET_CHARGE, TARGET = range(5)
"""Rows of a cell's sums: ∫V·I dt [kJ] and ∫I dt [kA·s] while both are known, the two again without
the time above v_on, and target voltage x time while the voltage is known [V·s]."""
KNOWN, VOLTAGE_KNOWN = range(2)
"""Rows of its times [ns]: voltage and current known, voltage known."""
L_ENERGY, L_CHARGE, L_QUIET_ENERGY, L_TARGET_ENERGY, L_CURRENT, L_SQUARE, L_MEASURED = range(7)
"""Rows of a line's sums: over its cells ∫V·I dt [kJ], ∫I dt [kA·s] while both are known, ∫V·I dt
without the time above v_on and what that would be at the cells' target kWh/t [kJ]; ∫I dt [kA·s] and
∫I² dt [kA²·s] of its current; ∫V·I dt of the voltage measured over the whole line [kJ]."""
L_KNOWN, L_VOLTAGE_KNOWN, L_CURRENT_KNOWN, L_MEASURED_KNOWN = range(4)
"""Rows of its times [ns]: the first two over its cells."""
VOLTAGE, RESISTANCE, POWER, NORMALISED, DISTANCE, EFFECT, ELAPSED, LOW = range(8)
"""Figures of the last beat that are written here."""
POSITIVE, ALGEBRAIC, COUNT, SPIKE_COUNT = range(4)
"""Rows of what is counted: overvoltage of the day [V·s], anode effects and spikes begun in it."""
LEAST_CURRENT = 0.01
"""Share of the nominal current below which a resistance says nothing."""
BEAM_QUIET_NS = 60 * SECOND
TAP_QUIET_NS = 900 * SECOND

CELL = np.dtype(
    [
        *((name, np.int32) for name in ("voltage", "target", "mode", "fed", "beam", "tapped")),
        ("target_V", np.float64),  # where no tag tells
        ("low_ns", np.int64),
        ("noisy", np.bool_),  # sampled often enough for noise
    ],
    align=True,
)
"""A cell as the kernel reads it; columns of its tags, -1 for none."""

VOLT, VOLT_BEFORE, X, V1, V2, Q1, QUICK, MEAN, TOP, TARGET_V, OUT, NORMAL, DIFFERS = range(5, 18)
SPARE = 18
WORK = 25
"""Rows of the work of a beat, float64[WORK, cells]. The first five as the sums of the beat. VOLT
stands at the beat's end, VOLT_BEFORE at its start. QUICK 1: V1 stands up to X [ns since the beat's
start], V2 from there, and up to X the charge is Q1. OUT 1: left out of noise and slope.
DIFFERS 1: to be looked at one by one. From SPARE on: what a part needs while it runs."""
ROW, ROW_BEFORE, UNTIL, UNTIL_BEFORE, BOTH_NS, VOLT_NS, SPECIAL = range(7)
WORK_NS = 7
"""Rows of int64[WORK_NS, cells]: next reading and until when the voltage stands; times known in the
beat; SPECIAL 1: the frame has readings of other tags than the voltage."""


class CellState(NamedTuple):
    """What is kept of the cells from beat to beat. Windows: minute, hour, shift, day; a minute's
    sums join the longer ones at its end."""

    sums: NDArray[np.float64]  # [5, windows, cells]
    ns: NDArray[np.int64]  # [2, windows, cells]
    machines: NDArray[np.void]  # [cells]
    awake: NDArray[np.float64]  # [cells], 1: the machine is in a run or could still merge one
    last: NDArray[np.float64]  # [2, cells], last good reading of the voltage, and target then
    last_ns: NDArray[np.int64]  # [cells], its time, NONE before the first
    closed: NDArray[np.int64]  # [cells, windows], ns in anode effects that ended; whole windows
    above: NDArray[np.int64]  # [windows, cells], the same with those in progress
    counted: NDArray[np.float64]  # [4, cells], of the day, with the anode effect in progress
    tracks: NDArray[np.float64]  # [7, cells]: of the open block reference, Σ, Σ², beats; of the
    noise_means: NDArray[np.float64]  # [blocks, cells]          # open mean reference, Σ, beats
    noise_variances: NDArray[np.float64]
    slope_means: NDArray[np.float64]  # [means, cells]
    shown: NDArray[np.float64]  # [3, cells], slope and noise as refreshed last
    told: NDArray[np.float64]  # [4, cells], last good reading of mode, alumina, beam, tapped
    clocks: NDArray[np.int64]  # [3, cells], ns of the last overfeed, tap, beam move
    low_start: NDArray[np.int64]  # [cells], of the stretch of low voltage in progress
    today: NDArray[np.int64]  # [6, cells], see analytics.beat.operations
    kg: NDArray[np.float64]  # [2, cells], alumina fed and metal tapped today


class LineState(NamedTuple):
    sums: NDArray[np.float64]  # [7, windows, lines]
    ns: NDArray[np.int64]  # [4, windows, lines]


def new_cells(cells: int) -> CellState:
    """The state before the first beat."""
    return CellState(
        sums=np.zeros((5, 4, cells)),
        ns=np.zeros((2, 4, cells), np.int64),
        machines=new_machines(cells),
        awake=np.zeros(cells),
        last=np.full((2, cells), np.nan),
        last_ns=np.full(cells, NONE),
        closed=np.zeros((cells, 4), np.int64),
        above=np.zeros((4, cells), np.int64),
        counted=np.zeros((4, cells)),
        tracks=np.zeros((7, cells)),
        noise_means=np.full((BLOCKS, cells), np.nan),
        noise_variances=np.full((BLOCKS, cells), np.nan),
        slope_means=np.full((MEANS, cells), np.nan),
        shown=np.full((3, cells), np.nan),
        told=np.full((4, cells), np.nan),
        clocks=np.full((3, cells), NEVER),
        low_start=np.full(cells, NONE),
        today=np.zeros((6, cells), np.int64),
        kg=np.zeros((2, cells)),
    )


def new_lines(lines: int) -> LineState:
    return LineState(np.zeros((7, 4, lines)), np.zeros((4, 4, lines), np.int64))
