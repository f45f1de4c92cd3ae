"""Times as the sources write them, to ns since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """A zoned time as µs since the epoch. TypeError when it carries no zone."""
    return (time - _EPOCH) // _MICROSECOND


def _iso8601(value: object) -> int:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return microseconds(datetime.fromisoformat(value)) * 1000


def _unix(unit_ns: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value * unit_ns
        if isinstance(value, float):
            return round(value * unit_ns / 1000) * 1000 if unit_ns >= 1000 else round(value)
        raise TypeError("not a number")

    return parse


PARSERS: dict[str, Callable[[object], int]] = {
    "iso8601": _iso8601,
    "unix_s": _unix(1_000_000_000),
    "unix_ms": _unix(1_000_000),
    "unix_us": _unix(1_000),
    "unix_ns": _unix(1),
}
"""Format name -> value to ns. A float is taken to the microsecond. ValueError, TypeError or
OverflowError for what is no time; an ISO time without a zone is none."""

TIME_ERRORS = (ValueError, TypeError, OverflowError)
