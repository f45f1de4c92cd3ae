"""Times as people write them on the command line."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from plant.batch import SECOND
from potline.exits import INVALID, Failure

UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises Failure."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Failure(
            INVALID, f"unknown time zone {name!r}: write an IANA name such as Asia/Shanghai"
        ) from None


def parse_time(text: str, zone: ZoneInfo) -> int:
    """ISO 8601 (in the site's zone when it names none) or relative to now as -90s, -15min, -2h,
    -7d; "now". -> ns. Raises Failure."""
    if text == "now":
        return time.time_ns()
    relative = re.fullmatch(r"-(\d+(?:\.\d+)?)(s|min|h|d)", text)
    if relative:
        return time.time_ns() - round(float(relative[1]) * UNITS_S[relative[2]] * SECOND)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            INVALID,
            f"{text!r} is not a time: write ISO 8601 as 2026-11-21T08:00:00+08:00, or -2h, -15min",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1000


def format_time(ns: int, zone: ZoneInfo | None = None) -> str:
    """ISO 8601 with milliseconds, UTC unless a zone is given."""
    moment = datetime.fromtimestamp(ns // SECOND, zone or UTC)
    return moment.replace(microsecond=ns % SECOND // 1000).isoformat(timespec="milliseconds")
