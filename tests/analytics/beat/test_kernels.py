"""Energy and charge of cells, compared with a slow twin; they add over any partition."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.charge import Charges, Readings, integrate, tabulate
from analytics.beat.frame import Held, freeze
from analytics.kernel import kernel
from plant.batch import SECOND, Batch

GRID = SECOND // 10
START = 1000 * SECOND
HOLD = np.array([2 * SECOND, SECOND], np.int64)
I_TAG = 1
ENERGY, CHARGE, KNOWN, VOLTAGE_KNOWN, QUIET_ENERGY, QUIET_CHARGE, MEAN = range(7)


@kernel
def beat_sums(start, end, tag, r, table, out):
    """out[7]: of one beat of the voltage in column `tag`, -1 for none."""
    row, stop, volt, until, hold = 0, 0, np.nan, start, 0
    if tag >= 0:
        row, stop, hold = r.offsets[tag], r.offsets[tag + 1], r.hold_ns[tag]
        volt, until = r.held_values[tag], r.held_times[tag] + hold
    energy, charge, both, volt_ns, quiet_energy, quiet_charge, mean, _, _, _, _ = integrate(
        start, end, volt, until, hold, row, stop, r, 8.0, table.first[0], table.first[1], table,
    )  # fmt: skip
    sums = (energy, charge, both / 1e9, volt_ns / 1e9, quiet_energy, quiet_charge, mean)
    for k in range(7):
        out[k] = sums[k]


def twin(readings, start, end):
    """Sums of [start, end) by tenths of a second. readings: {tag: [(time, value)]}, on the grid."""

    def value(tag, now):
        past = [r for r in readings[tag] if r[0] <= now]
        if past and now < past[-1][0] + HOLD[tag]:
            return past[-1][1]
        return np.nan

    sums, volts = np.zeros(7), []
    for now in range(start, end, GRID):
        volt, amp, step = value(0, now), value(1, now), GRID / SECOND
        if not np.isnan(volt):
            volts.append(volt)
            sums[VOLTAGE_KNOWN] += step
            if not np.isnan(amp):
                row = np.array([volt * amp, amp, 1.0]) * step
                sums[[ENERGY, CHARGE, KNOWN]] += row
                if volt <= 8.0:
                    sums[[QUIET_ENERGY, QUIET_CHARGE]] += row[:2]
    sums[MEAN] = np.mean(volts) if volts else np.nan
    return sums


def sums_of_frame(frame, tag=0, current=I_TAG):
    readings = Readings(
        HOLD, frame.held.times, frame.held.values, frame.offsets, frame.times, frame.values
    )
    out = np.empty(7)
    table = Charges.room(1, len(frame.times))
    tabulate(frame.start, frame.end - frame.start, 1, current, readings, table)
    beat_sums(frame.start, frame.end, tag, readings, table, out)
    return out


def sums_of(batch, edges):
    held, parts = Held.nothing(2), []
    for start, end in itertools.pairwise(edges):
        part = batch.take((batch.times >= start) & (batch.times < end))
        frame, held_after = freeze(HOLD, start, end, held, part)
        parts.append(sums_of_frame(frame))
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
    parts = sums_of(batch, edges)[:, :MEAN].sum(axis=0)
    np.testing.assert_allclose(parts, whole[:MEAN], rtol=1e-12, atol=1e-9)


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
    sums = sums_of_frame(frame, -1, -1)
    assert sums[:MEAN].tolist() == [0.0] * 6
    assert np.isnan(sums[MEAN])


def test_a_constant_voltage_has_exactly_its_mean():
    times = START + np.arange(100) * 7_000_003
    both = Batch.of(np.repeat([0, 1], 100), np.tile(times, 2), np.repeat([4.1, 600.0], 100))
    assert sums_of(both, [START, START + SECOND])[0][MEAN] == 4.1
