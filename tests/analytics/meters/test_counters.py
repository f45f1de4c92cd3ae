"""Counters that roll over, restart, shiver, stop and are replaced: energy adds and never jumps."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.charge import Readings
from analytics.beat.windows import windows
from analytics.meters.counters import (
    GAP,
    JITTER,
    JITTER_S,
    REPLACED,
    RESTARTED,
    RETURNED,
    ROLLED,
    Counters,
    add_counted,
    between,
    new_counters,
    readings,
)
from plant.batch import SECOND

NAN = float("nan")
MOST = 10.0  # per second


def read(values, rollover=NAN, step_s=1.0, gap_s=60.0, times=None):
    if times is None:
        times = np.round(np.arange(len(values)) * step_s * SECOND).astype(np.int64)
    return readings(times, np.array(values, float), MOST, rollover, round(gap_s * SECOND))


@pytest.mark.parametrize(
    ("values", "expected", "mark"),
    [
        ([5, 6, 8], [0, 1, 2], 0),
        ([5], [0], 0),
        ([5, NAN, 8], [0, 0, 3], 0),
        ([500, 501, 500.8, 500.9, 501.1, 502], [0, 1, 0, 0, 0.1, 0.9], JITTER),
        ([500, 501, 0, 2], [0, 1, 0, 2], RESTARTED),
        ([500, 501, 3, 4], [0, 1, 3, 1], RESTARTED),  # counted three since
        ([500, 501, 300, 301], [0, 1, 0, 1], RESTARTED),  # a lower value: 300 were never counted
        ([500, 501, 4e6, 4e6 + 1], [0, 1, 0, 1], REPLACED),
        ([500, 501, 4e6, 503], [0, 1, 0, 2], RETURNED),  # one false reading
        ([500, 501, 0, 503], [0, 1, 0, 2], RETURNED),
        ([500, 501, 0, 0, 0, 505], [0, 1, 0, 0, 0, 4], RETURNED),
        ([0, 1, 2, 0, 1], [0, 1, 1, 0, 1], RESTARTED),  # a small height is no jitter
        ([500, 501, -7, 503], [0, 1, 0, 2], 0),  # a counter shows no negative value
        ([NAN, NAN, 7, 8], [0, 0, 0, 1], 0),
        ([500, 500, 500, 500, 530, 531], [0, 0, 0, 0, 30, 1], 0),  # a register that stood still
    ],
)
def test_cases(values, expected, mark):
    counted, aside, _, marks = read(values)
    np.testing.assert_allclose(counted, expected, atol=1e-9)
    assert not mark or np.bitwise_or.reduce(marks) & mark
    known = [v for v in values if v >= 0]
    if not np.bitwise_or.reduce(marks) & JITTER:
        assert counted.sum() + aside.sum() == pytest.approx(known[-1] - known[0], rel=1e-12)


def test_roll_over_and_what_looks_like_one():
    counted, aside, _, marks = read([998, 999, 2], rollover=1000.0)
    np.testing.assert_allclose(counted, [0, 1, 3])
    assert marks[2] & ROLLED
    assert aside.tolist() == [0, 0, -1000]
    # too far for a roll-over: it was a restart
    np.testing.assert_allclose(read([500, 501, 2], rollover=1000.0)[0], [0, 1, 2])
    # modulus not known: a restart, and what was missing to the top is not guessed
    np.testing.assert_allclose(read([998, 999, 2])[0], [0, 1, 2])


class Twin:
    """The rule once more, as plain as it can be written, on one counter's list of readings."""

    def __init__(self, most, rollover, gap_s):
        self.most, self.rollover, self.gap = most, rollover, gap_s
        self.last = self.changed = self.height = None
        self.former = None

    def read(self, t, v):
        """-> (counted, since or None); None for no reading or nothing known."""
        if not v >= 0:
            return None
        if self.last is None:
            self.last, self.changed, self.height = t, t, v
            return None
        silent, since, standing = t - self.last, None, self.height
        if silent > self.gap:
            since = self.last
        self.last = t
        if v == standing:
            return 0.0, since
        already, rise = 0.0, v - standing
        former, self.former = self.former, None
        if former:
            seen, height, before = former
            possible = 0 <= v - height <= self.most * (t - seen + silent)
            if possible and (v < standing or standing < height):
                rise, already = v - height, before
                self.changed, self.height = seen, height
        most = self.most * (t - self.changed + silent)
        jumped = False
        if 0 <= rise <= most:
            counted = max(rise - already, 0)
        elif rise > most:
            counted, jumped = None, True
        elif -rise <= JITTER_S * self.most and -rise < self.height / 2:
            return 0.0, since
        elif self.rollover and 0 <= rise + self.rollover <= most:
            counted = rise + self.rollover
        else:
            counted, jumped = (v if v <= self.most * silent else None), True
        if counted is not None and counted > self.most * silent and t - self.changed > self.gap:
            since = self.changed
        if jumped:
            self.former = self.changed, self.height, counted or 0.0
        self.changed, self.height = t, v
        return None if counted is None or (jumped and counted == 0) else (counted, since)


SOME = st.one_of(
    st.floats(0, 40),
    st.just(NAN),
    st.sampled_from([0.0, 0.5, 990.0, 999.5, 1e6, -3.0]),
)


def counted_in(starts, rollover, times, values, state):
    """float64[3, windows] of a frame: counted in each window [MWh], the time it stands for [s], and
    what windows before it counted. starts: ns, the longest window first."""
    windows = np.array([*starts[::-1], np.iinfo(np.int64).min])  # the last holds everything
    sums = np.zeros((2, len(windows), 1))
    r = Readings(*[np.zeros(1)] * 3, np.array([0, len(times)]), times, values)
    add_counted(
        windows, np.zeros(1, np.int32), np.array([MOST]), np.array([rollover]),
        np.array([60 * SECOND]), np.zeros(1, np.int64), r, state, sums,
    )  # fmt: skip
    sums[:, 1:] += sums[:, :1]
    amount, seconds = sums[0, :, 0] / 3600, sums[1, :, 0]
    return np.array([amount[:-1], seconds[:-1], amount[-1] - amount[:-1]])[:, ::-1]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(SOME, st.sampled_from([1, 1, 1, 5, 200])), max_size=40),
    st.booleans(),
    st.sampled_from([NAN, 1000.0]),
)
def test_kernel_is_its_slow_twin(steps, cumulative, rollover):
    times, values, now, height = [], [], 0, 950.0
    for value, dt in steps:
        now += dt
        height += value if cumulative and 0 <= value <= 40 else 0
        shown = height % rollover if rollover == rollover else height
        times.append(now)
        values.append(shown if cumulative and 0 <= value <= 40 else value)
    frame_times = np.array(times, np.int64) * SECOND
    state = new_counters(1)
    half = len(values) // 2  # two frames; all but one window begin between them
    edge = times[half] if times else 0
    got = np.zeros((3, 4))
    for part in (slice(0, half), slice(half, None)):
        t, v = frame_times[part], np.array(values[part], float)
        starts = np.array([0, 0, 0, 0] if part.start == 0 else [0, edge - 3, edge - 1, edge])
        got += counted_in(starts * SECOND, rollover, t, v, state)
    twin = Twin(MOST, rollover if rollover == rollover else None, 60)
    want = np.zeros((3, 4))
    before = None
    for row, (t, v) in enumerate(zip(times, values, strict=True)):
        result = twin.read(t, v)
        last, before = before, t if v >= 0 else before
        if result is None:
            continue
        counted, since = result
        for w, start in enumerate((0, edge - 3, edge - 1, edge)):
            start = start if row >= half else 0
            if since is None or since >= start:
                share, time = 1.0, t - (last if since is None else since)
            else:
                share, time = (t - start) / (t - since), t - start
            want[:, w] += counted * share, time, counted * (1 - share)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-7)
    assert (got[0] >= 0).all()
    np.testing.assert_allclose(got[0] + got[2], (got[0] + got[2])[:1].repeat(4), atol=1e-6)


@given(st.lists(st.floats(0.001, 9), min_size=2, max_size=60), st.data())
def test_counts_the_truth_through_roll_overs_and_gaps(steps, data):
    truth = 400 + np.cumsum(steps)
    shown = truth % 450.0
    lost = data.draw(st.sets(st.integers(1, len(steps) - 1), max_size=len(steps) // 3))
    values = [NAN if k in lost and k < len(steps) - 1 else v for k, v in enumerate(shown)]
    counted = read(values, rollover=450.0)[0]
    assert counted.sum() == pytest.approx(truth[-1] - truth[0], abs=1e-9)
    assert (counted >= 0).all()


@given(st.lists(st.floats(0, 1e6) | st.just(NAN), max_size=60))
def test_never_negative_never_faster_than_possible_and_adds_up(values):
    counted, aside, _, marks = read(values)
    assert (counted >= 0).all()
    assert counted.sum() <= 2 * MOST * max(1, len(values))
    known = [v for v in values if v >= 0]
    if known and not np.bitwise_or.reduce(marks, initial=0) & JITTER:
        assert counted.sum() + aside.sum() == pytest.approx(known[-1] - known[0], abs=1e-3)


@given(st.data())
def test_jitter_neither_adds_nor_takes(data):
    rises = data.draw(st.lists(st.floats(0.01, 5), min_size=3, max_size=40))
    truth = 5000 + np.cumsum(rises)
    shiver = data.draw(st.lists(st.floats(-2, 0), min_size=len(rises), max_size=len(rises)))
    shown = truth + np.array(shiver)
    shown[0], shown[-1] = truth[0], truth[-1]
    counted, _, _, _ = read(shown)
    assert counted.sum() == pytest.approx(truth[-1] - truth[0], abs=1e-6)


@pytest.mark.parametrize(
    ("zone", "first", "days"),
    [
        ("Asia/Shanghai", (2026, 3, 28), 3),
        ("Europe/Berlin", (2026, 3, 28), 3),  # 23 hours
        ("Europe/Berlin", (2026, 10, 24), 3),  # 25 hours
        ("America/New_York", (2026, 3, 7), 3),
        ("America/New_York", (2026, 10, 31), 3),
        ("Australia/Lord_Howe", (2026, 4, 4), 3),  # half an hour
        ("Australia/Lord_Howe", (2026, 10, 3), 3),
        ("America/St_Johns", (2026, 3, 7), 3),
    ],
)
def test_hours_shifts_and_days_add_up_to_the_counter(zone, first, days):
    """Live windows and those after the fact, through a gap, a restart and a false reading."""
    start = round(datetime(*first, tzinfo=ZoneInfo(zone)).timestamp())
    rng = np.random.default_rng(3)
    moments = start + np.arange(0, days * 86400, 37)
    moments = moments[(moments < start + 30000) | (moments > start + 41000)]  # 3 h without
    values = 5e5 + np.cumsum(rng.uniform(0, 0.5, len(moments)))
    values[4000:] -= values[4000] - 0.01
    values[900] = 9e9
    times = moments * SECOND
    counted, aside, since, marks = read(values, times=times)
    total = counted.sum()
    assert total + aside.sum() == pytest.approx(values[-1] - values[0], rel=1e-9)
    assert total > 0.99 * (values[3999] - values[0])
    assert set(np.unique(marks & (GAP | RESTARTED | REPLACED | RETURNED))) > {0}

    bounds = []
    at = start * SECOND
    while at < times[-1]:
        bounds.append(windows(at, ZoneInfo(zone), ("06:00", "14:00", "22:00")))
        at = int(bounds[-1][1, 1])
    for w in (1, 2, 3):
        edges = np.unique(np.array([[b[0, w], b[1, w]] for b in bounds]))
        parts = between(edges, times, counted, since)
        assert parts[np.isfinite(parts)].sum() == pytest.approx(total, rel=1e-12)
        assert np.nanmax(parts) <= MOST * np.diff(edges).max() / SECOND

    # live: what windows show at their end, and what belonged to one that had ended
    state = new_counters(1)
    shown, late = np.zeros(4), np.zeros(4)
    for b in bounds:
        rows = (times >= b[0, 1]) & (times < b[1, 1])
        inside, _, carried = counted_in(b[0][::-1], NAN, times[rows], values[rows], state)
        shown += inside[::-1]
        late += carried[::-1]
    np.testing.assert_allclose((shown + late)[1:], total, rtol=1e-12)
    assert late[1] > 0  # the gap went over hours; only that is carried
    assert late[1] < 0.2 * total


@given(st.lists(st.integers(0, 4000), min_size=2, max_size=20, unique=True))
def test_any_partition_adds_to_the_whole(cuts):
    times = np.arange(0, 4001, 40, dtype=np.int64) * SECOND
    counted, _, since, _ = read(np.linspace(100, 900, len(times)), times=times)
    edges = np.array(sorted({0, 4001, *cuts}), np.int64) * SECOND
    parts = between(edges, times, counted, since)
    assert np.nansum(parts) == pytest.approx(800, rel=1e-12)
    fine = np.diff(edges)[:-1] / SECOND  # at a constant rate every stretch gets its own time
    np.testing.assert_allclose(np.nan_to_num(parts[:-1]), fine * 0.2, rtol=1e-9)


def test_outside_the_readings_nothing_is_known():
    times = np.array([100, 200], np.int64) * SECOND
    counted, _, since, _ = read([5, 6], times=times)
    parts = between(np.array([0, 50, 150, 250, 300], np.int64) * SECOND, times, counted, since)
    np.testing.assert_allclose(parts, [NAN, 0.5, 0.5, NAN])
    assert np.isnan(between(times, times[:0], counted[:0], since[:0])).all()


def test_the_counters_of_a_plant():
    from pathlib import Path

    from plant.load import load

    plant = load(Path(__file__).parents[3] / "deploy/plants/demo.toml")
    found = Counters.of(plant)
    assert {"L1-R", "L2-R", "L1-AUX", "L2-AUX"} <= set(found.entities)
    at = found.entities.index("L1-AUX")
    assert plant.tags[found.tags[at]].id == "L1-AUX.energy"
    tag = plant.tags[found.power_tags[at]]
    assert tag.id == "L1-AUX.power"
    assert found.max_rate_per_s[at] == pytest.approx(tag.high / 3600)
