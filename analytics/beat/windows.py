"""Calendar windows of a site: the minute, hour, shift and day that hold a time, in its zone.

A day has 23 or 25 hours where the clocks change; the hour that is repeated is two hours, and an
hour cut by the change ends there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND


def windows(at: int, zone: ZoneInfo, shifts: Sequence[str]) -> NDArray[np.int64]:
    """int64[2, 4]: start and end of the minute, hour, shift and day that hold `at`. [ns] -> [ns]

    shifts: local starts, "HH:MM"; without any the shift is the day.
    """
    second = at // SECOND
    today = datetime.fromtimestamp(second, zone).date()
    days = [today + timedelta(days=d) for d in (-1, 0, 1, 2)]
    midnights = [_instant(day, time(), zone) for day in days]
    starts = sorted(_instant(d, time.fromisoformat(s), zone) for d in days for s in shifts)
    rows = [
        _even(second, 60, zone),
        _even(second, 3600, zone),
        _around(second, starts or midnights),
        _around(second, midnights),
    ]
    return np.array(rows, np.int64).T * SECOND


def _around(second: int, starts: Sequence[int]) -> tuple[int, int]:
    before = [s for s in starts if s <= second]
    return before[-1], starts[len(before)]


def _instant(day: date, local: time, zone: ZoneInfo) -> int:
    """The first instant at which the clock shows `local`; if it is skipped, that of the change."""
    moment = datetime.combine(day, local, zone)
    shown = moment.astimezone(UTC)
    if shown.astimezone(zone).replace(tzinfo=None) == moment.replace(tzinfo=None):
        return int(shown.timestamp())
    second = int(shown.timestamp())
    return _change(second - 86400, second, zone)


def _offset(second: int, zone: ZoneInfo) -> int:
    shift = datetime.fromtimestamp(second, zone).utcoffset()
    assert shift is not None
    return int(shift.total_seconds())


def _even(second: int, length: int, zone: ZoneInfo) -> tuple[int, int]:
    """The stretch of `length` seconds of local time that holds `second`, cut at a clock change."""
    offset = _offset(second, zone)
    start = second - (second + offset) % length
    end = start + length
    if _offset(start, zone) != offset:
        start = _change(start, second, zone)
    if _offset(end - 1, zone) != offset:
        end = _change(second, end - 1, zone)
    return start, end


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The first second with the offset of `after`, later than `before`, which has another."""
    offset = _offset(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == offset:
            after = middle
        else:
            before = middle
    return after
