"""Calibration by date, and instrumentation coverage."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from analytics.beat.frame import NEVER
from analytics.meters.instruments import calibration, fitting, live_and_good, register
from plant.batch import SECOND, Quality
from plant.model import MeterRegister

EXPIRES = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("days_before", "state"),
    [
        (200, "valid"),
        (61, "valid"),
        (60, "expires_60"),
        (31, "expires_60"),
        (30, "expires_30"),
        (8, "expires_30"),
        (7, "expires_7"),
        (0, "expires_7"),  # the last day that is covered
        (-1, "expired"),
    ],
)
def test_calibration_on_a_date(days_before, state):
    row = MeterRegister("site", "0.5S", "1", "2024-12-02", EXPIRES.isoformat())
    on = EXPIRES - timedelta(days=days_before)
    assert calibration(row, on) == (state, days_before)


def test_a_silent_register_is_unknown_never_valid():
    assert calibration(MeterRegister(), EXPIRES) == ("unknown", None)
    assert calibration(MeterRegister(calibrated="2024-12-02"), EXPIRES) == ("unknown", None)
    later = MeterRegister(calibrated="2026-11-01", calibration_expires="2028-10-31")
    assert calibration(later, date(2026, 10, 1))[0] == "unknown"


def test_the_register_holds_rectifiers_and_meters(make_plant):
    plant = make_plant()
    known = MeterRegister("unit", "0.5", "7", "2026-01-01", "2026-11-25")
    plant = replace(plant, meters=(replace(plant.meters[0], register=known), *plant.meters[1:]))
    rows = {row.id: row for row in register(plant, date(2026, 11, 21))}
    assert list(rows) == ["L1-R", "L2-R", "M", "L1-M", "L2-M"]
    assert (rows["L1-R"].kind, rows["L1-R"].calibration) == ("rectifier", "unknown")
    assert (rows["M"].calibration, rows["M"].days_left) == ("expires_7", 4)


def test_coverage_of_each_section_and_class(make_plant):
    plant = make_plant(lines=2, cells=3)
    now = 1_800_000_000 * SECOND
    newest = np.full(len(plant.tags), now - SECOND)
    quality = np.zeros(len(plant.tags), np.uint8)
    at = plant.column_of
    newest[at["L1-001.voltage"]] = now - 11 * SECOND  # its hold time is 10 s
    newest[at["L1-002.voltage"]] = NEVER
    newest[at["L1-003.target_voltage"]] = now - 3600 * SECOND  # it stands until the next
    quality[at["L1-003.voltage"]] = Quality.BAD
    quality[at["L1.current"]] = Quality.UNCERTAIN | Quality.CONFIRMED
    quality[at["L2.current"]] = Quality.CONFIRMED
    rows, missing = fitting(plant, *live_and_good(plant, newest, quality, now))
    by = {(r.line, r.section, r.kind): r for r in rows}
    cells = by["L1", "A", "cell"]
    every = sum(tag.entity in plant.lines[0].cells for tag in plant.tags)
    assert (cells.expected, cells.live, cells.good) == (every, every - 2, every - 3)
    assert cells.share == pytest.approx(1 - 3 / every)
    assert by["L2", "A", "cell"].share == 1
    line = by["L1", "", "line"]
    assert line.live - line.good == 1
    assert by["", "", "boiler"].share == 1
    assert sum(r.expected for r in rows) == len(plant.tags)
    assert missing == ["L1-001.voltage", "L1-002.voltage", "L1-003.voltage", "L1.current"]
