"""Early warning of anode effects: the chance, cell by cell, that one begins within minutes.

A starved cell shows itself: its voltage climbs the steep side of voltage against alumina while the
controller feeds and lowers the beam in vain. Voltage is kept as means of half a minute over twenty
minutes, freed of the beam's own moves; where a block ends, a logistic model weighs rise, slopes,
noise and feed state. Nothing older than the twenty minutes is remembered, so a restatement ends.

The model's numbers are in analytics/beat/early_warning.json, made and scored by
`python -m benchmarks.early_warning` on simulated plants. Slow twin: tests/analytics.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import kernel, part
from plant.batch import SECOND

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]

NEVER = np.iinfo(np.int64).min
BLOCK_S = 30
BLOCK_NS = BLOCK_S * SECOND
BLOCKS = 40  # twenty minutes
LEAST_KNOWN = 10  # blocks; with fewer there is no risk figure
LEAST_BEATS = 5  # known ones that make a block's mean
SPIKE_MV = 400.0  # a beat this far above or below the set voltage is no state of a quiet cell
JUMP_MV = 30.0  # within two blocks: an anode was changed or metal moved; starving climbs slower
RAISED_MM = 20.0  # a beam that moved further was raised, not controlled
MV_PER_MM = 34.5  # of beam: dV/dD 0.345 V/cm of the 600 kA reference cell
OVER, QUENCH = 2.0, 3.0  # feed modes
MOST_OVERFEED = BLOCKS  # longer overfeeds count as this long

FEATURES = (
    "rise_mV",  # newest minute above the lowest block
    "slope_2min_mV_per_min",
    "slope_5min_mV_per_min",
    "slope_20min_mV_per_min",
    "distance_mV",  # normalised voltage above its set point, newest block
    "noise_log_ratio",  # newest two minutes against the twenty
    "overfeed",  # 0/1
    "overfeed_min",  # since it began
    "rise_in_overfeed_mV",
    "slope_in_overfeed_mV_per_min",
    "projected_squared",  # ((rise + 5 min of the 5-minute slope) / 100 mV)², 0 to 9
    "climb_min",  # since the lowest block
    "step_mV",  # largest from one block to the next in five minutes
    "suddenness",  # the same as a share of the rise: a jump is no starvation
)

# Rows of state["warning_sums"], of the block in progress
_SUM, _DISTANCE, _COUNT, _SQUARES, _STEPS, _LAST = range(6)
# Rows of state["warning_held"]: what stands from block to block
_BEAM, _TAPPED, _MODE, _OVERFEED, _DISTANCE_MEAN, _CHANCE, RISK = range(7)


class Watched(NamedTuple):
    """The arrays of the state that a beat adds to."""

    means: NDArray[np.float32]
    noise: NDArray[np.float32]
    sums: Floats
    held: Floats

    @classmethod
    def of(cls, state: Arrays) -> Watched:
        return cls(*(state[f"warning_{name}"] for name in cls._fields))


@dataclass(frozen=True, slots=True)
class Model:
    """Logistic regression on FEATURES. mean, scale, weights: float64[features]."""

    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float
    threshold: float  # risk from which a warning is given
    horizon_s: float  # the risk is of an anode effect that begins within this time
    trained_on: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> Model:
        if tuple(document["features"]) != FEATURES:
            raise ValueError(
                "early-warning model: its features are not those of this version; "
                "run python -m benchmarks.early_warning"
            )
        rows = np.array(list(document["features"].values()), np.float64)
        return cls(
            rows[:, 0].copy(),
            rows[:, 1].copy(),
            rows[:, 2].copy(),
            document["intercept"],
            document["threshold"],
            document["horizon_s"],
            document["trained_on"],
        )


@cache
def shipped_model() -> Model:
    """The model that ships with potline."""
    path = Path(__file__).with_name("early_warning.json")
    return Model.of(json.loads(path.read_text(encoding="utf-8")))


def new_state(cells: int) -> Arrays:
    """The state before the first beat."""
    sums = np.zeros((6, cells))
    sums[_LAST] = np.nan
    held = np.full((7, cells), np.nan)
    held[_OVERFEED] = 0.0
    return {
        "warning_means": np.full((BLOCKS, cells), np.nan, np.float32),  # mV, freed of the beam
        "warning_noise": np.full((BLOCKS, cells), np.nan, np.float32),  # mV
        "warning_sums": sums,
        "warning_held": held,
        "warning_block": np.full(1, NEVER, np.int64),  # in progress, counted from the epoch
    }


def step(
    model: Model,
    state: Arrays,
    start_ns: int,
    end_ns: int,
    normalised_voltage: Floats,
    target_voltage: Floats,
    anode_effect: Floats,
    feed_mode: Floats,
    beam_mm: Floats,
    tapped_kg: Floats,
) -> Floats:
    """Take the beat [start_ns, end_ns) into `state`. -> float64[cells], the risk that stands.

    normalised_voltage, target_voltage [V]; anode_effect 0/1; feed_mode 0-3, beam_mm (up is more)
    and the counter tapped_kg as they stand. All float64[cells], NaN where unknown: without a feed
    mode no cell overfeeds, without beam position or tap counter nothing was moved or tapped. The
    risk is NaN after an anode effect or tapping, until five minutes are known again.
    """
    if advance(
        state, start_ns, end_ns, normalised_voltage, target_voltage, anode_effect, feed_mode,
        beam_mm, tapped_kg,
    ):  # fmt: skip
        conclude(model, state)
    risk: Floats = state["warning_held"][RISK].copy()
    return risk


def advance(
    state: Arrays,
    start_ns: int,
    end_ns: int,
    normalised_voltage: Floats,
    target_voltage: Floats,
    anode_effect: Floats,
    feed_mode: Floats,
    beam_mm: Floats,
    tapped_kg: Floats,
) -> bool:
    """What `step` remembers of a beat. -> whether a block ends with it: the features are new."""
    begin(state, start_ns)
    observe_all(
        normalised_voltage, target_voltage, anode_effect, feed_mode, beam_mm, tapped_kg,
        state["warning_means"], state["warning_noise"], state["warning_sums"],
        state["warning_held"],
    )  # fmt: skip
    return _turned(state, end_ns)


def begin(state: Arrays, start_ns: int) -> None:
    """A frame starts: blocks for which no beat came are unknown."""
    progress = state["warning_block"]
    if progress[0] == NEVER:
        progress[0] = start_ns // BLOCK_NS
    if _turned(state, start_ns):
        state["warning_held"][_CHANCE] = np.nan
        state["warning_held"][RISK] = np.nan


def end(model: Model, state: Arrays, end_ns: int) -> None:
    """A frame ends, and with it perhaps a block: the risk is weighed again."""
    if _turned(state, end_ns):
        conclude(model, state)


def conclude(model: Model, state: Arrays) -> None:
    """Weigh the features of the block that has just ended."""
    weigh(
        features(state), model.mean, model.scale, model.weights, model.intercept,
        state["warning_held"][_CHANCE], state["warning_held"][RISK],
    )  # fmt: skip


def _turned(state: Arrays, time_ns: int) -> bool:
    if state["warning_block"][0] == time_ns // BLOCK_NS:  # as nearly always
        return False
    return turn(
        time_ns // BLOCK_NS, state["warning_means"], state["warning_noise"],
        state["warning_sums"], state["warning_held"], state["warning_block"],
    )  # fmt: skip


def features(state: Arrays) -> Floats:
    """float64[features, cells] as the last block ended; NaN where too little is known."""
    out = np.empty((len(FEATURES), state["warning_means"].shape[1]))
    describe(
        state["warning_block"][0] - 1, state["warning_means"], state["warning_noise"],
        state["warning_held"], out,
    )  # fmt: skip
    return out


@kernel
def observe_all(
    voltage: Floats,
    target: Floats,
    anode_effect: Floats,
    feed_mode: Floats,
    beam: Floats,
    tapped: Floats,
    means: NDArray[np.float32],
    noise: NDArray[np.float32],
    sums: Floats,
    held: Floats,
) -> None:
    """A beat of every cell. anode_effect: 0/1."""
    observe(0, len(voltage), True, voltage, target, anode_effect, 0.5, feed_mode, beam, tapped,
            means, noise, sums, held)  # fmt: skip


@part
def observe(
    first: int,
    last: int,
    news: bool,
    voltage: Any,
    target: Any,
    effect: Any,
    limit: float,
    feed_mode: Any,
    beam: Any,
    tapped: Any,
    means: Any,
    noise: Any,
    sums: Any,
    held: Any,
) -> None:
    """Add a beat of the cells [first, last) to their blocks; forget the blocks of a cell where
    something was done or `effect` is above `limit`. voltage to tapped: of these cells, their
    length last - first. news: whether feed, beam or taps of one of them may be told other than
    before, or its effect be above the limit."""
    own = slice(first, last)
    if news:
        if _disturbed(effect, limit, beam, tapped, held[_BEAM, own], held[_TAPPED, own]):
            for i in range(len(effect)):
                cell, one = slice(first + i, first + i + 1), slice(i, i + 1)
                if _disturbed(
                    effect[one], limit, beam[one], tapped[one], held[_BEAM, cell],
                    held[_TAPPED, cell],
                ):  # fmt: skip
                    _forget(first + i, means, noise, sums, held)
        _copy(beam, held[_BEAM, own])
        _copy(tapped, held[_TAPPED, own])
        _copy(feed_mode, held[_MODE, own])
    total, distances, counts = sums[_SUM, own], sums[_DISTANCE, own], sums[_COUNT, own]
    squares, steps, before = sums[_SQUARES, own], sums[_STEPS, own], sums[_LAST, own]
    for i in range(len(voltage)):  # a choice a value: what has two to make stops the vectors
        distance = 1000 * (voltage[i] - target[i])
        near = 1.0 if abs(distance) < SPIKE_MV else 0.0
        counted = 0.0 if effect[i] > limit else near
        moved = MV_PER_MM * beam[i] if beam[i] == beam[i] else 0.0
        total[i] += 1000 * voltage[i] - moved if counted > 0 else 0.0
        distances[i] += distance if counted > 0 else 0.0
        counts[i] += counted
        change = distance - before[i]
        follows = counted if change == change else 0.0
        step = change if follows > 0 else 0.0
        squares[i] += step * step
        steps[i] += follows
        before[i] = distance if counted > 0 else np.nan


@part
def _disturbed(
    effect: Any, limit: float, beam: Any, tapped: Any, beam_before: Any, tapped_before: Any
) -> bool:
    """Something was done to one of the cells, or its voltage is above the limit."""
    count = 0
    for i in range(len(effect)):
        raised = abs(beam[i] - beam_before[i]) > RAISED_MM
        other_scale = (beam[i] == beam[i]) != (beam_before[i] == beam_before[i])
        tapping = tapped[i] > tapped_before[i]
        count += (effect[i] > limit) | raised | other_scale | tapping
    return count > 0


@part
def _forget(c: int, means: Any, noise: Any, sums: Any, held: Any) -> None:
    for b in range(BLOCKS):
        means[b, c] = np.nan
        noise[b, c] = np.nan
    for row in range(_LAST):
        sums[row, c] = 0.0
    sums[_LAST, c] = np.nan
    held[_CHANCE, c] = held[RISK, c] = np.nan


@part
def _copy(a: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = a[i]


@kernel
def turn(
    block: int,
    means: NDArray[np.float32],
    noise: NDArray[np.float32],
    sums: Floats,
    held: Floats,
    progress: NDArray[np.int64],
) -> bool:
    """Close the block in progress if it is not `block`; those left out are unknown."""
    ended = progress[0]
    if block == ended:
        return False
    row = ended % BLOCKS
    for c in range(means.shape[1]):
        mean = distance = nervous = np.nan
        if sums[_COUNT, c] >= LEAST_BEATS:
            mean = sums[_SUM, c] / sums[_COUNT, c]
            distance = sums[_DISTANCE, c] / sums[_COUNT, c]
            if sums[_STEPS, c] >= LEAST_BEATS - 1:
                # successive differences of white noise have twice its variance
                nervous = np.sqrt(sums[_SQUARES, c] / sums[_STEPS, c] / 2)
        last, before = means[(ended - 1) % BLOCKS, c], means[(ended - 2) % BLOCKS, c]
        if abs(mean - last) > JUMP_MV or abs(mean - before) > JUMP_MV:
            means[:, c] = np.nan
            noise[:, c] = np.nan
        means[row, c] = mean
        noise[row, c] = nervous
        held[_DISTANCE_MEAN, c] = distance
        for r in range(6):
            sums[r, c] = 0.0
        sums[_LAST, c] = np.nan
        if held[_MODE, c] == OVER or held[_MODE, c] == QUENCH:
            held[_OVERFEED, c] = min(held[_OVERFEED, c] + 1, MOST_OVERFEED)
        else:
            held[_OVERFEED, c] = 0.0
    for skipped in range(ended + 1, min(block, ended + BLOCKS)):
        means[skipped % BLOCKS] = np.nan
        noise[skipped % BLOCKS] = np.nan
    progress[0] = block
    return True


@part
def slope(recent: Floats, blocks: int) -> float:
    """Least squares through the known of the newest blocks, [mV/min]; NaN below three."""
    n = sx = sy = sxx = sxy = 0.0
    for age in range(blocks):
        y = recent[age]
        if y == y:
            x = -age * (BLOCK_S / 60)
            n += 1
            sx += x
            sy += y
            sxx += x * x
            sxy += x * y
    if n < 3:
        return np.nan
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


@part
def mean_of(recent: Floats, blocks: int) -> float:
    """Mean of the known of the newest blocks, NaN when there is none."""
    n = total = 0.0
    for age in range(blocks):
        if recent[age] == recent[age]:
            n += 1
            total += recent[age]
    return total / n if n > 0 else np.nan


@part
def largest_step(recent: Floats, blocks: int) -> float:
    """Largest rise from one known block to the next among the newest, [mV]; 0 when none rises."""
    largest = 0.0
    for age in range(blocks - 1):
        step = recent[age] - recent[age + 1]
        if step > largest:  # not where one of them is unknown
            largest = step
    return largest


@kernel
def describe(
    newest: int,
    means: NDArray[np.float32],
    noise: NDArray[np.float32],
    held: Floats,
    out: Floats,
) -> None:
    """The features of each cell after block `newest`. out: float64[features, cells]."""
    rows = (newest - np.arange(BLOCKS)) % BLOCKS  # newest first
    recent = np.empty(BLOCKS)
    restless = np.empty(BLOCKS)
    for c in range(means.shape[1]):
        known = 0
        lowest = np.inf
        climb = 0
        for age in range(BLOCKS):
            value = float(means[rows[age], c])
            recent[age] = value
            restless[age] = noise[rows[age], c]
            if value == value:
                known += 1
                if value < lowest:
                    lowest = value
                    climb = age
        out[:, c] = np.nan
        if known < LEAST_KNOWN or recent[0] != recent[0]:
            continue
        rise = mean_of(recent, 2) - lowest
        fast = slope(recent, 4)
        middle = slope(recent, 10)
        overfeed = 1.0 if held[_OVERFEED, c] > 0 else 0.0
        ratio = mean_of(restless, 4) / mean_of(restless, BLOCKS)
        projected = min(max(rise + 5 * middle, 0.0) / 100, 3.0)
        step = largest_step(recent, 10)
        out[0, c] = rise
        out[1, c] = fast if fast == fast else middle
        out[2, c] = middle
        out[3, c] = slope(recent, BLOCKS)
        out[4, c] = held[_DISTANCE_MEAN, c]
        out[5, c] = np.log(ratio) if ratio > 0 else 0.0
        out[6, c] = overfeed
        out[7, c] = held[_OVERFEED, c] * (BLOCK_S / 60)
        out[8, c] = overfeed * rise
        out[9, c] = overfeed * middle
        out[10, c] = projected * projected
        out[11, c] = climb * (BLOCK_S / 60)
        out[12, c] = step
        out[13, c] = min(step / max(rise, 10.0), 1.0)


@kernel
def weigh(
    x: Floats,
    mean: Floats,
    scale: Floats,
    weights: Floats,
    intercept: float,
    chance: Floats,
    risk: Floats,
) -> None:
    """chance[cells] = logistic(intercept + Σ weight · (feature − mean) / scale); as the risk the
    smaller of this block's and the last one's, so that one odd half minute is no warning."""
    for c in range(x.shape[1]):
        score = intercept
        for f in range(x.shape[0]):
            score += weights[f] * (x[f, c] - mean[f]) / scale[f]
        last = chance[c]
        chance[c] = 1 / (1 + np.exp(-score))
        risk[c] = min(chance[c], last) if last == last else np.nan
