"""The book over a real spool and store: written at a day's end, and again for what comes late."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from math import nan
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.table.book_rows import BOOK
from collector.bookkeeping import Bookkeeper
from plant.batch import SECOND, Batch
from plant.load import load
from store.contract import FigureBlock
from store.embedded import EmbeddedStore
from store.entries import Entries, Entry
from store.history import History
from store.spool import Spool

DEMO = Path(__file__).parents[2] / "deploy" / "plants" / "demo.toml"
ZONE = ZoneInfo("Asia/Shanghai")
END = datetime(2026, 11, 21, tzinfo=ZONE)
DAY = 86_400 * SECOND
HOUR = 3600 * SECOND
CELL = "L1-003"


def ns(days_before: float = 0.0) -> int:
    return int((END - timedelta(days=days_before)).timestamp()) * SECOND


@pytest.fixture(scope="module")
def plant():
    demo = load(DEMO)
    settings = dataclasses.replace(demo.store, raw_days=0, figures_days=0)
    return dataclasses.replace(demo, store=settings)


class House:
    """A plant of two months of steady days at 3.95 V, in a folder."""

    def __init__(self, folder, plant, days=45):
        self.plant = plant
        self.spool = Spool(folder / "spool.sqlite", plant)
        self.store = EmbeddedStore(folder / "store", plant)
        self.store.open()
        self.entries = Entries(folder / "entries.sqlite")
        self.history = History(self.store, self.spool)
        self.was = []
        self.kept = []
        self.keeper = self.bookkeeper()
        self.sample("L1-001.bath_temperature", ns(days), 950.0)
        if days:
            self.day(*(ns(day) for day in reversed(range(days))))
        self.sample("L1-001.bath_temperature", ns() + SECOND, 951.0)

    def bookkeeper(self):
        return Bookkeeper(self.plant, self.history, self.entries, self.keep, self.was.append)

    def keep(self, block):
        self.kept.append(block)
        self.spool.commit_beats([block], (), None)

    def day(self, *ends, voltage=3.95, part=1.0):
        """Keep the closing figures of days that end at these times."""
        cells = self.plant.entities("cell")
        charge = 600 * 24 * part
        figures = {
            "voltage_day": voltage,
            "energy_day": charge * voltage,
            "charge_day": charge,
            "coverage_day": 1.0,
        }
        values = np.empty((len(ends), len(figures), len(cells)))
        values[:] = np.array(list(figures.values()))[:, None]
        at = np.array(ends, np.int64)
        block = FigureBlock("cell", tuple(figures), cells, at, values)
        self.spool.commit_beats([block], (), None)

    def sample(self, tag, time, value):
        column = self.plant.column_of[tag]
        batch = Batch.of([column], [time], [value])
        source = self.plant.tags[column].source
        self.spool.append(batch, {source: 1}, {}, [], np.zeros(1, np.bool_))
        return column

    def late(self, *rows):
        """Tell of late samples. rows: (column, time)."""
        tags, times = zip(*rows, strict=True)
        self.keeper.touched(np.array(tags, np.int32), np.array(times, np.int64))

    def enter(self, signal, days_before, value, entered_days_before=0.0, cell=CELL):
        row = Entry(f"{cell}.{signal}", ns(days_before), ns(entered_days_before), value, "Li Wei")
        self.entries.add([row])

    def figure(self, name, day=0, scope="cell", entity=CELL):
        block = self.history.figures(scope, [name], [entity], ns(day), ns(day) + 1)
        return float(block.values[0, 0, 0]) if len(block.times) else nan

    def all(self):
        """Every figure of the book that is kept, as bytes."""
        return [
            self.history.figures(
                scope, [row.name for row in rows], None, ns(60), ns() + 1
            ).values.tobytes()
            for scope, rows in BOOK.items()
        ]

    def close(self):
        self.entries.close()
        self.store.close()
        self.spool.close()


@pytest.fixture
def house(tmp_path, plant):
    house = House(tmp_path, plant)
    yield house
    house.close()


def test_a_day_is_closed(house):
    assert house.keeper.close_day(ns()) == [ns()]
    assert house.figure("energy_30d") == pytest.approx(30 * 600 * 24 * 3.95)
    assert house.figure("dc_specific_energy_30d", scope="line", entity="L1") == pytest.approx(
        12589.2, abs=0.1
    )
    assert house.keeper.close_day(ns()) == []  # nothing differs
    assert house.keeper.refresh() == []


def test_an_entry_touches_the_rows_that_rest_on_it_and_no_others(house):
    house.keeper.refresh(ns(45))
    house.enter("tap_mass", 5.5, 4500.0)
    house.kept.clear()
    changed = house.keeper.refresh()
    assert changed == [ns(day) for day in (5, 4, 3, 2, 1, 0)]
    assert {block.scope for block in house.kept} == {"cell", "line"}
    for block in house.kept:
        assert block.entities == ((CELL,) if block.scope == "cell" else ("L1",))
        assert set(block.names) <= {"tapped_30d", "days_since_tap"}
    assert house.figure("days_since_tap") == 5.5
    assert np.isnan(house.figure("days_since_tap", 6))


def test_a_tap_counts_for_thirty_days(house):
    house.keeper.refresh(ns(45))
    house.enter("tap_mass", 40.5, 4500.0)
    assert house.keeper.refresh() == [ns(day) for day in range(40, 10, -1)]


def test_a_withdrawn_value_leaves_nothing_behind(house):
    house.keeper.close_day(ns())
    house.enter("tap_mass", 5.5, 4500.0, entered_days_before=5)
    house.keeper.refresh()
    house.enter("tap_mass", 5.5, nan, entered_days_before=4)
    assert house.keeper.refresh()
    assert np.isnan(house.figure("tapped_30d"))
    assert house.was[-1].scope == "line"
    assert float(np.nanmax(house.was[-1].values)) == 4.5


def test_an_entry_stands_before_a_sample_of_the_same_time(house):
    tag = house.sample(f"{CELL}.bath_temperature", ns(0.5), 955.0)
    house.late((tag, ns(0.5)))
    house.keeper.refresh()
    assert house.figure("bath_temperature_last") == 955.0
    house.enter("bath_temperature", 0.5, 961.0)
    house.keeper.refresh()
    assert house.figure("bath_temperature_last") == 961.0
    house.enter("bath_temperature", 0.5, nan, entered_days_before=-0.1)
    house.keeper.refresh()
    assert np.isnan(house.figure("bath_temperature_last"))


def test_a_late_sample_is_seen_though_its_day_was_read_before(house):
    house.keeper.close_day(ns())
    tag = house.sample(f"{CELL}.bath_temperature", ns(1.5), 955.0)
    house.late((tag, ns(1.5)))
    assert house.keeper.refresh() == [ns(1), ns()]


def test_many_late_samples_touch_what_each_of_them_does(house):
    house.keeper.close_day(ns())
    rows = [
        (house.sample(f"{cell}.{signal}", ns(day), value), ns(day))
        for cell in (CELL, "L1-001")
        for signal, value in (("bath_temperature", 955.0), ("alf3_percent", 11.0), ("voltage", 4.0))
        for day in (3.5, 3.49, 7.25, 0.5, 12.0)
    ]
    one_by_one = set[int]()
    for row in rows:
        house.late(row)
        one_by_one |= set(house.keeper.refresh())
    assert len(one_by_one) > 5
    house.late(*rows)
    assert days_marked(house) == one_by_one


def days_marked(house):
    """The days that a refresh would look at."""
    for late in house.keeper._late:
        house.keeper._mark(*late)
    first, last = house.keeper._closed()
    return {day for day in house.keeper._due if first <= day <= last}


def test_samples_of_other_signals_touch_nothing(house):
    house.keeper.close_day(ns())
    house.late((house.plant.column_of[f"{CELL}.voltage"], ns(3.5)))
    assert house.keeper.refresh() == []


def test_the_counter_of_tapped_metal_where_no_tap_is_weighed(house):
    """Rises are taps at their time; a counter that was set back counts nothing there."""
    for cell in (CELL, "L1-004"):
        for days, reading in ((6.0, 9000.0), (5.5, 13_500.0), (5.4, 13_500.0), (4.5, 0.0),
                              (3.5, 4400.0)):  # fmt: skip
            house.sample(f"{cell}.metal_tapped", ns(days), reading)
    house.enter("tap_mass", 5.5, 4480.0, cell="L1-004")
    house.keeper.close_day(ns())
    assert house.figure("tapped_30d") == 8900
    assert house.figure("days_since_tap") == 3.5
    assert house.figure("tapped_30d", entity="L1-004") == 4480


def test_a_restated_day(house):
    house.keeper.refresh(ns(45))
    house.day(ns(3), voltage=4.10)
    house.keeper.restated(ns(3.5), ns(3.2))
    changed = house.keeper.refresh()
    assert changed == [ns(3), ns(2), ns(1), ns()]
    mean = 3.95 + 0.15 / 30
    assert house.figure("voltage_30d") == pytest.approx(mean)
    assert house.figure("voltage_30d", 4) == pytest.approx(3.95)


def test_the_last_beat_of_a_day_that_was_cut_short(tmp_path, plant):
    """The beats stopped at 18:00: the day's figures are those of 18:00, and cover 18 hours."""
    house = House(tmp_path, plant, days=3)
    house.day(ns(-1) - 6 * HOUR, part=0.75)
    house.keeper.close_day(ns(-1))
    assert house.figure("energy_30d", -1) == pytest.approx(3.75 * 600 * 24 * 3.95)
    assert house.figure("coverage_30d", -1) == pytest.approx(3.75 / 30)
    house.close()


def test_a_day_without_beats_is_a_day_without_figures(tmp_path, plant):
    house = House(tmp_path, plant, days=3)
    house.day(ns(-2))
    house.keeper.close_day(ns(-2))
    assert house.figure("energy_30d", -2) == pytest.approx(4 * 600 * 24 * 3.95)
    assert house.figure("coverage_30d", -2) == pytest.approx(4 / 30)
    house.close()


def test_a_row_that_a_kill_prevented_is_written_at_the_next_start(house):
    assert house.bookkeeper().refresh() == [ns()]


def test_entries_made_while_nothing_ran_are_booked_at_the_next_start(house):
    house.keeper.close_day(ns())
    house.enter("tap_mass", 5.5, 4500.0)
    assert house.bookkeeper().refresh() == [ns(day) for day in (5, 4, 3, 2, 1, 0)]
    assert house.bookkeeper().refresh() == []


def test_nothing_is_kept_before_the_first_day_is_over(tmp_path, plant):
    house = House(tmp_path, plant, days=0)
    house.enter("tap_mass", 0.5, 4500.0)
    assert house.keeper.refresh() == []
    house.close()


LATE = [
    ("tap_mass", 8.3, 4500.0, 8.0),
    ("tap_mass", 8.3, 4510.0, 7.0),
    ("tap_mass", 8.3, nan, 6.0),
    ("tap_mass", 7.3, 4450.0, 7.2),
    ("tap_mass", 7.3, 4455.0, 7.2),
    ("metal_level", 29.8, 22.0, 1.0),
    ("metal_level", 0.7, 21.5, 0.5),
    ("anode_changes", 3.4, 2.0, 3.0),
    ("tap_mass", 1.1, 4470.0, 0.1),
]
"""Signal, days before the end at which it was sampled, value, days before it at which entered."""


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(len(LATE) + 2)), st.sets(st.integers(0, len(LATE) + 1)))
def test_any_order_of_arrival_ends_in_the_same_bits(plant, tmp_path_factory, order, pauses):
    """Entries, corrections, a late sample and a restated day, with the book written in between."""

    def run(steps, pauses):
        house = House(tmp_path_factory.mktemp("house"), plant, days=33)
        house.keeper.close_day(ns())
        for step in steps:
            if step < len(LATE):
                house.enter(*LATE[step])
            elif step == len(LATE):
                tag = house.sample(f"{CELL}.bath_temperature", ns(2.2), 957.0)
                house.late((tag, ns(2.2)))
            else:
                house.day(ns(4), voltage=4.05)
                house.keeper.restated(ns(4.5), ns(4.4))
            if step in pauses:
                house.keeper.refresh()
        house.keeper.refresh()
        house.bookkeeper().refresh(ns(9))
        found = house.all(), house.figure("current_efficiency_30d")
        house.close()
        return found

    expected, efficiency = run(range(len(LATE) + 2), set())
    assert efficiency > 0
    assert run(order, pauses)[0] == expected
