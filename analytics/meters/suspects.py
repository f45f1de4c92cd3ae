"""Tags that are probably wrong although each single reading is possible: stuck, drifting, or shown
in another unit. Found from a stretch of samples of tags that measure the same thing on neighbours
(the cells of a line), or of a tag alone.

How often a sound tag is named: tests/analytics/meters/test_suspects.py measures less than one in
1,000 tag-stretches for each of the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["stuck", "drifting", "unit"]

STUCK_CHANCE = 1e-4  # of a whole stretch of sound tags
STUCK_LEAST = 20  # steps, and of its own past to judge by
STUCK_LONGER = 5  # times the longest standstill that it had before

REFERENCE = 1 / 3  # of the stretch: how the tag usually stands to its neighbours
CUSUM_K, CUSUM_H = 0.5, 12.0  # standard deviations
DRIFT_LEAST = 3.0  # standard deviations between reference and last third
BLOCKS = 90

RATIOS = {1000.0: "1000", 3.6: "3.6", 10.0: "10"}
UNIT_WITHIN = 0.03  # of the level
SPELL = 5  # steps before and after


@dataclass(frozen=True, slots=True)
class Suspect:
    """A finding: in which row, since which step, and how large. `value`: stuck, the steps that it
    stood; drifting, the change [unit]; unit, the factor."""

    row: int
    kind: Kind
    since: int
    value: float
    sentence: str


def on_grid(
    times: NDArray[np.int64], values: Floats, start: int, step: int, steps: int
) -> tuple[Floats, Floats]:
    """Last reading and mean of the readings in each step, float64[steps]; NaN without any.

    times: int64[n] ns, ascending, of one tag; BAD readings are NaN.
    """
    inside = (times >= start) & (times < start + step * steps) & np.isfinite(values)
    cell = (times[inside] - start) // step
    counts = np.bincount(cell, minlength=steps)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(cell, values[inside], steps) / np.where(counts, counts, np.nan)
    last = np.full(steps, np.nan)
    last[cell] = values[inside]
    return last, mean


def stuck(last: Floats) -> list[Suspect]:
    """Rows that stand still although they used to change and their neighbours do.

    last: float64[rows, steps]. The chance of the standstill, by the row's own usual share of steps
    with a change, must be below STUCK_CHANCE for the whole stretch.
    """
    change = np.diff(last, axis=1) != 0
    known = np.isfinite(last[:, 1:]) & np.isfinite(last[:, :-1])
    runs = [_longest_standstill(c, k) for c, k in zip(change, known, strict=True)]
    shares = [_share(change[i], known[i], run) for i, run in enumerate(runs)]
    usual = np.array([s for s in shares if s == s])
    found = []
    for i, (first, length, other) in enumerate(runs):
        if length < STUCK_LEAST or length < STUCK_LONGER * other:
            continue
        during = slice(first, first + length)
        others = np.arange(len(last)) != i
        alive = (change[others, during] & known[others, during]).any(axis=1)
        if len(alive) and alive.mean() < 0.5:
            continue
        share = shares[i]
        if share != share:
            share = float(np.median(usual)) if len(usual) else 0.0
        if (1 - share) ** length < STUCK_CHANCE / change.size:
            sentence = f"has not changed for {length} steps; it used to in {share:.0%} of them" + (
                f", and {alive.mean():.0%} of its neighbours did" if len(alive) else ""
            )
            found.append(Suspect(i, "stuck", first, float(length), sentence))
    return found


def _longest_standstill(
    change: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[int, int, int]:
    """First step and length of the longest, and the length of the second longest."""
    still = np.concatenate(([False], known & ~change, [False]))
    edges = np.flatnonzero(np.diff(still))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(lengths):
        return 0, 0, 0
    order = np.argsort(lengths, kind="stable")
    second = int(lengths[order[-2]]) if len(order) > 1 else 0
    return int(starts[order[-1]]), int(lengths[order[-1]]), second


def _share(change: NDArray[np.bool_], known: NDArray[np.bool_], run: tuple[int, int, int]) -> float:
    """Share of steps with a change outside the run; NaN when there are too few."""
    outside = known.copy()
    outside[run[0] : run[0] + run[1]] = False
    count = int(outside.sum())
    return float(change[outside].mean()) if count >= STUCK_LEAST else np.nan


def beside_neighbours(mean: Floats) -> Floats:
    """Each row less the median of the others, float64[rows, steps]; NaN with fewer than two."""
    result = np.full_like(mean, np.nan)
    rows = np.arange(len(mean))
    if len(rows) < 3:
        return result
    with np.errstate(all="ignore"):
        for i in rows:
            result[i] = mean[i] - _nanmedian(mean[rows != i])
    return result


def drifting(difference: Floats) -> list[Suspect]:
    """Rows that leave their usual difference to what they should agree with.

    difference: float64[rows, steps], to neighbours (`beside_neighbours`) or to a reconciled value.
    Tabular CUSUM of the medians of at most BLOCKS blocks after the first third, in that third's
    robust standard deviations, widened for their autocorrelation. Source: Montgomery, Introduction
    to Statistical Quality Control, ch. 9.
    """
    found = []
    steps = difference.shape[1]
    size = max(1, -(-steps // BLOCKS))
    blocks = steps // size
    for i, row in enumerate(difference):
        level = _nanmedian(row[: blocks * size].reshape(blocks, size).T)
        third = int(blocks * REFERENCE)
        reference = level[:third]
        reference = reference[np.isfinite(reference)]
        if len(reference) < 10:
            continue
        centre = float(np.median(reference))
        sd = _spread(reference)
        if not sd > 0:
            continue
        z = (level[third:] - centre) / sd
        shift = float(_nanmedian(level[-third:]) - centre)
        alarm, since = _cusum(np.sign(shift) * z)
        if alarm and abs(shift) > DRIFT_LEAST * sd:
            sentence = f"has moved by {shift:+.4g} from what it should agree with"
            found.append(Suspect(i, "drifting", (third + since) * size, shift, sentence))
    return found


def _spread(values: Floats) -> float:
    """Standard deviation, robust, times sqrt((1 + r)/(1 - r)) of the lag-1 autocorrelation r."""
    off = values - np.median(values)
    sd = 1.4826 * float(np.median(np.abs(off)))
    power = float(off @ off)
    r = float(off[1:] @ off[:-1]) / power if power > 0 else 0.0
    r = min(max(r, 0.0), 0.95)
    return sd * float(np.sqrt((1 + r) / (1 - r)))


def _cusum(z: Floats) -> tuple[bool, int]:
    """Does the upper CUSUM pass its limit, and the block from which it rose."""
    total, since = 0.0, 0
    for k, value in enumerate(z):
        if value != value:
            continue
        total += value - CUSUM_K
        if total <= 0:
            total, since = 0.0, k + 1
        if total > CUSUM_H:
            return True, since
    return False, 0


def unit_flipped(last: Floats, unit: str = "") -> list[Suspect]:
    """Rows whose level steps by the ratio of two units, at once and alone among their neighbours;
    and rows that stand at such a ratio to all neighbours throughout.

    last: float64[rows, steps]; unit: their unit, "degC" for the step to Fahrenheit and back.
    """
    found = [s for i, row in enumerate(last) if (s := _step(last, i, row, unit)) is not None]
    named = {s.row for s in found}
    return found + [s for s in _against_the_rest(last) if s.row not in named]


def _step(last: Floats, i: int, row: Floats, unit: str) -> Suspect | None:
    steps = np.flatnonzero(np.isfinite(row))
    levels = row[steps]
    if len(levels) < 2 * SPELL:
        return None
    medians = np.median(sliding_window_view(levels, SPELL), axis=1)
    before, after = medians[:-SPELL], medians[SPELL:]
    at_once = levels[SPELL : SPELL + len(after)], levels[SPELL - 1 : SPELL - 1 + len(before)]
    for factor, offset, name in _candidates(unit):
        hit = _near(after, before * factor + offset)
        hit &= _near(at_once[0], at_once[1] * factor + offset, 2)
        hit &= np.abs(after - before) > 0.3 * np.abs(before)
        for k in np.flatnonzero(hit):
            since = int(steps[k + SPELL])
            if _alone(last, i, since):
                sentence = (
                    f"went from {before[k]:.5g} to {after[k]:.5g} at once, as if its unit changed "
                    f"({name}); its neighbours did not"
                )
                return Suspect(i, "unit", since, factor, sentence)
    return None


def _candidates(unit: str) -> list[tuple[float, float, str]]:
    """Factor, offset and name of each change of unit."""
    if unit == "degC":
        return [(1.8, 32.0, "degC to degF"), (1 / 1.8, -32 / 1.8, "degF to degC")]
    up = [(factor, 0.0, f"times {name}") for factor, name in RATIOS.items()]
    return up + [(1 / factor, 0.0, f"divided by {name}") for factor, name in RATIOS.items()]


def _near(levels: Floats, expected: Floats, times: float = 1) -> NDArray[np.bool_]:
    return np.abs(levels - expected) <= times * UNIT_WITHIN * np.abs(expected)


def _alone(last: Floats, i: int, since: int) -> bool:
    """Did the others stay within a third of where they were?"""
    others = np.delete(last, i, axis=0)
    if not len(others):
        return True
    was = _nanmedian(others[:, max(0, since - SPELL) : since].T)
    now = _nanmedian(others[:, since : since + SPELL].T)
    moved = np.abs(now - was) > np.abs(was) / 3
    return bool(moved.mean() < 0.5)


def _against_the_rest(last: Floats) -> list[Suspect]:
    level = _nanmedian(last.T)
    usable = np.isfinite(level) & (level > 0)
    if usable.sum() < 4:
        return []
    logs = np.log(np.where(usable, level, np.nan))
    centre = _nanmedian(logs[:, None])[0]
    spread = 1.4826 * _nanmedian(np.abs(logs - centre)[:, None])[0]
    if not spread < 0.1:  # neighbours that differ so much say nothing of a unit
        return []
    found = []
    for i in np.flatnonzero(usable):
        for factor, _, name in _candidates(""):
            if abs(logs[i] - centre - np.log(factor)) < UNIT_WITHIN + 3 * spread:
                sentence = (
                    f"stands at {level[i]:.5g} where its neighbours stand at "
                    f"{np.exp(centre):.5g}: as if in another unit ({name})"
                )
                found.append(Suspect(int(i), "unit", 0, factor, sentence))
                break
    return found


def _nanmedian(values: Floats) -> Floats:
    """Median over axis 0 of what is known, NaN where nothing is; without numpy's warning."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    ordered = np.sort(np.where(known, values, np.inf), axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    middle = np.stack(
        [
            np.take_along_axis(ordered, np.expand_dims(k, 0), axis=0)[0]
            for k in (low, np.minimum(high, len(values) - 1))
        ]
    ).mean(axis=0)
    result: Floats = np.where(count > 0, middle, np.nan)
    return result
