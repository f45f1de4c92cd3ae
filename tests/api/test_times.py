"""Times in queries and in answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.problems import Problem
from api.times import interval, iso, parse
from plant.batch import SECOND

NOW = 1_795_261_201 * SECOND
HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("now", NOW),
        ("-90s", NOW - 90 * SECOND),
        ("-15m", NOW - 900 * SECOND),
        ("-15min", NOW - 900 * SECOND),
        ("-2h", NOW - 2 * HOUR),
        ("-7d", NOW - 7 * 24 * HOUR),
        ("2026-11-21T11:40:01Z", NOW),
        ("2026-11-21T19:40:01.250+08:00", NOW + SECOND // 4),
    ],
)
def test_times_that_can_be_read(text, ns):
    assert parse(text, NOW) == ns


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-21", "2026-11-21T08:00:00", "-5", "-1y", "1795261201", "-٣h"]
)
def test_times_that_cannot(text):
    with pytest.raises(Problem) as caught:
        parse(text, NOW)
    assert caught.value.status == 422
    assert "write 2026" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ["1601-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "-999999d"],
)
def test_times_of_no_plant(text):
    with pytest.raises(Problem) as caught:
        parse(text, NOW)
    assert caught.value.title == "Not a time of a plant"


@given(st.integers(0, 4_000_000_000_000))
def test_iso_goes_both_ways_to_the_millisecond(ms):
    assert parse(iso(ms * 1_000_000), NOW) == ms * 1_000_000


def test_range_defaults_to_the_last_hour():
    assert interval(None, None, NOW, 1) == (NOW - HOUR, NOW)
    assert interval(None, "-1h", NOW, 1) == (NOW - 2 * HOUR, NOW - HOUR)


@pytest.mark.parametrize(
    ("start", "end", "title"),
    [
        ("now", "now", "Empty time range"),
        ("-1h", "-2h", "Empty time range"),
        ("-3d", None, "Time range too long"),
    ],
)
def test_ranges_that_are_refused(start, end, title):
    with pytest.raises(Problem) as caught:
        interval(start, end, NOW, 2)
    assert caught.value.title == title
