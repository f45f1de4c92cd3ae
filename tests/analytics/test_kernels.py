"""Energy and charge of cells, compared with a slow twin; they add over any partition."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.cells import CELL_SUMS, CHARGE, ENERGY, KNOWN, VOLTAGE_KNOWN, integrate
from analytics.frame import Held, freeze
from analytics.table import by_line
from plant.batch import SECOND, Batch

GRID = SECOND // 10
START = 1000 * SECOND
HOLD = np.array([2 * SECOND, SECOND], np.int64)
V_TAG, I_TAG = np.array([0], np.int32), np.array([1], np.int32)
V_ON = np.array([8.0])


def twin(readings, start, end):
    """Sums of [start, end) by tenths of a second. readings: {tag: [(time, value)]}, on the grid."""

    def value(tag, now):
        past = [r for r in readings[tag] if r[0] <= now]
        if past and now < past[-1][0] + HOLD[tag]:
            return past[-1][1]
        return np.nan

    sums = np.zeros(CELL_SUMS)
    for now in range(start, end, GRID):
        volt, amp, step = value(0, now), value(1, now), GRID / SECOND
        if not np.isnan(volt):
            sums[VOLTAGE_KNOWN] += step
            if not np.isnan(amp):
                row = np.array([volt * amp, amp, 1.0]) * step
                sums[[ENERGY, CHARGE, KNOWN]] += row
                if volt <= 8.0:
                    sums[[4, 5]] += row[:2]
    return sums


def sums_of(batch, edges):
    held, parts = Held.nothing(2), []
    for start, end in itertools.pairwise(edges):
        part = batch.take((batch.times >= start) & (batch.times < end))
        frame, held_after = freeze(HOLD, start, end, held, part)
        out = np.empty((CELL_SUMS, 1))
        integrate(
            start, end, V_TAG, I_TAG, V_ON, HOLD, held.times, held.values,
            frame.offsets, frame.times, frame.values, out,
        )  # fmt: skip
        parts.append(out[:, 0])
        held = held_after
    return np.array(parts)


series = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 99).map(lambda k: START + k * GRID),
        st.sampled_from([3.95, 4.1, 30.0, 0.0, 600.0, np.nan]),
    ),
    max_size=40,
    unique_by=lambda s: s[:2],
)


@settings(deadline=None)
@given(series, st.sets(st.integers(1, 99), max_size=10))
def test_equals_slow_twin_and_adds_over_any_beats(rows, cuts):
    batch = Batch.of(*zip(*rows, strict=True)) if rows else Batch.empty()
    end = START + 100 * GRID
    readings = {tag: sorted(r[1:] for r in rows if r[0] == tag) for tag in (0, 1)}
    expected = twin(readings, START, end)
    whole = sums_of(batch, [START, end])[0]
    np.testing.assert_allclose(whole, expected, rtol=1e-9, atol=1e-9)
    edges = [START, *(START + c * GRID for c in sorted(cuts)), end]
    np.testing.assert_allclose(sums_of(batch, edges).sum(axis=0), whole, rtol=1e-12, atol=1e-9)


def test_a_single_reading_and_a_constant():
    batch = Batch.of([0, 1], [START, START], [4.0, 600.0])
    energy, charge, known, *_ = sums_of(batch, [START, START + 10 * SECOND])[0]
    assert (energy, charge, known) == (2400.0, 600.0, 1.0)  # the current stands for one second
    times = START + np.arange(10) * SECOND
    both = Batch.of(np.repeat([0, 1], 10), np.tile(times, 2), np.repeat([4.0, 600.0], 10))
    assert sums_of(both, [START, START + 10 * SECOND])[0][ENERGY] == 24000.0


def test_never_mean_times_mean():
    """Voltage and current that change together: E = Σ V·I·Δt."""
    times = START + np.arange(2) * SECOND
    batch = Batch.of([0, 0, 1, 1], np.tile(times, 2), [4.0, 2.0, 600.0, 0.0])
    assert sums_of(batch, [START, START + 2 * SECOND])[0][ENERGY] == 2400.0


def test_cells_without_tags_are_unknown():
    frame, _ = freeze(HOLD, START, START + SECOND, Held.nothing(2), Batch.empty())
    out = np.full((CELL_SUMS, 1), np.nan)
    none = np.array([-1], np.int32)
    integrate(
        START, START + SECOND, none, none, V_ON, HOLD, frame.held.times, frame.held.values,
        frame.offsets, frame.times, frame.values, out,
    )  # fmt: skip
    assert out.tolist() == [[0.0]] * CELL_SUMS


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-1e6, 1e6) | st.just(np.nan)), max_size=20))
def test_sums_by_line_leave_gaps_out(pairs):
    values = np.array([[v for _, v in pairs]], np.float64)
    group = np.array([g for g, _ in pairs], np.int32)
    for g, got in enumerate(by_line(values, group, 3)[0]):
        known = [v for k, v in pairs if k == g and v == v]
        total = np.nan
        for v in known:
            total = v if total != total else total + v
        assert got == pytest.approx(total, nan_ok=True)
