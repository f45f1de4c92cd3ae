"""Calendar windows, over clock changes in several zones."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from analytics.beat.windows import windows
from plant.batch import SECOND

HOUR = 3600
ZONES = ["Asia/Shanghai", "Europe/Oslo", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut"]
SHIFTS = ("00:00", "08:00", "16:00")


def span(zone: str, text: str, fold: int = 0, shifts: tuple[str, ...] = SHIFTS):
    """(start, end) of minute, hour, shift, day, as local texts, at a local time."""
    z = ZoneInfo(zone)
    at = int(datetime.fromisoformat(text).replace(tzinfo=z, fold=fold).timestamp())
    edges = windows(at * SECOND + 5, z, shifts) // SECOND
    assert (edges[0] <= at).all()
    assert (edges[1] > at).all()
    texts = [
        [datetime.fromtimestamp(int(e), z).strftime("%d %H:%M%z") for e in row] for row in edges
    ]
    return list(zip(*texts, strict=True)), (edges[1] - edges[0]).tolist()


def test_ordinary_day():
    names, lengths = span("Asia/Shanghai", "2026-11-21T19:40:01")
    assert names == [
        ("21 19:40+0800", "21 19:41+0800"),
        ("21 19:00+0800", "21 20:00+0800"),
        ("21 16:00+0800", "22 00:00+0800"),
        ("21 00:00+0800", "22 00:00+0800"),
    ]
    assert lengths == [60, HOUR, 8 * HOUR, 24 * HOUR]


def test_days_of_23_and_25_hours():
    assert span("Europe/Oslo", "2026-03-29T12:00:00")[1][3] == 23 * HOUR
    assert span("Europe/Oslo", "2026-10-25T12:00:00")[1][3] == 25 * HOUR
    assert span("Europe/Oslo", "2026-03-29T01:00:00")[1][2] == 7 * HOUR
    assert span("Europe/Oslo", "2026-10-25T01:00:00")[1][2] == 9 * HOUR


def test_the_repeated_hour_is_two_hours():
    first, _ = span("Europe/Oslo", "2026-10-25T02:30:00", fold=0)
    second, _ = span("Europe/Oslo", "2026-10-25T02:30:00", fold=1)
    assert first[1] == ("25 02:00+0200", "25 02:00+0100")
    assert second[1] == ("25 02:00+0100", "25 03:00+0100")


def test_half_hour_change_cuts_the_hour():
    names, lengths = span("Australia/Lord_Howe", "2026-04-05T01:45:00", fold=1)
    assert names[1] == ("05 01:30+1030", "05 02:00+1030")
    assert lengths[1] == HOUR // 2


def test_a_midnight_that_does_not_exist():
    # Beirut's clocks go from 00:00 to 01:00 on this day
    names, lengths = span("Asia/Beirut", "2026-03-29T05:00:00")
    assert names[3] == ("29 01:00+0300", "30 00:00+0300")
    assert lengths[3] == 23 * HOUR


def test_night_shift_begins_the_day_before():
    names, _ = span("Asia/Shanghai", "2026-11-21T05:00:00", shifts=("07:30", "19:30"))
    assert names[2] == ("20 19:30+0800", "21 07:30+0800")


def test_no_shifts_means_the_day():
    names, _ = span("Asia/Shanghai", "2026-11-21T05:00:00", shifts=())
    assert names[2] == names[3]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("month", [3, 4, 10, 11])
def test_windows_tile_time(zone, month):
    """Each window begins where the last one ended; shorter ones lie within the day and shift."""
    z = ZoneInfo(zone)
    at = int(datetime(2026, month, 1, tzinfo=z).timestamp())
    end = at + 31 * 86400
    previous = windows(at * SECOND, z, SHIFTS)
    while at < end:
        at = int(previous[1, 1]) // SECOND  # hour by hour
        now = windows(at * SECOND, z, SHIFTS)
        for w in range(4):
            same = now[0, w] == previous[0, w] and now[1, w] == previous[1, w]
            assert same or now[0, w] == previous[1, w] or (w == 0 and now[0, 0] == at * SECOND)
        assert now[0, 3] <= now[0, 2] <= now[0, 1] < now[1, 1] <= now[1, 2] <= now[1, 3]
        previous = now
