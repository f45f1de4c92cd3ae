"""Times at the border: ISO 8601 UTC in JSON, ISO 8601 or relative in a query. Inside, int64 ns."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from api.problems import Problem
from plant.batch import SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
MILLISECOND = 1_000_000
LATEST_YEAR = 2200  # int64 ns end in 2262
LATEST = int(datetime(LATEST_YEAR, 1, 1, tzinfo=UTC).timestamp()) * SECOND

Start = Annotated[
    str | None, Query(alias="from", description="ISO 8601 or -1h; an hour before `to`")
]
End = Annotated[str | None, Query(alias="to", description="ISO 8601 or -1h, exclusive; now")]


def iso(ns: int) -> str:
    """ISO 8601 UTC with a Z; milliseconds only where there are some. [ns]"""
    moment = EPOCH + timedelta(microseconds=ns // 1000)
    whole = ns % SECOND == 0
    text = moment.isoformat(timespec="seconds" if whole else "milliseconds")
    return text.replace("+00:00", "Z")


def parse(text: str, now: int) -> int:
    """ISO 8601 with a zone, `now`, or relative to now as -90s, -15m, -2h, -7d. -> [ns]"""
    ns = _parsed(text, now)
    if ns is None:
        raise Problem(
            422,
            "Not a time",
            f"{text!r} is not an ISO 8601 time with a zone, nor a time relative to now",
            "write 2026-11-21T08:00:00Z, 2026-11-21T16:00:00%2B08:00 (a + in an address is %2B),"
            " -90s, -15m, -2h, -7d or now",
        )
    if not 0 <= ns <= LATEST:
        raise Problem(
            422,
            "Not a time of a plant",
            f"{text!r} is not between 1970 and {LATEST_YEAR}",
            "ask for a time at which the plant was running",
        )
    return ns


def _parsed(text: str, now: int) -> int | None:
    if text == "now":
        return now
    if relative := re.fullmatch(r"-(\d{1,9})(s|m|min|h|d)", text, re.ASCII):
        return now - int(relative[1]) * UNITS_S[relative[2]] * SECOND
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def interval(start: str | None, end: str | None, now: int, most_days: float) -> tuple[int, int]:
    """[start, end) of a query, the last hour when it names neither. [ns]"""
    until = now if end is None else parse(end, now)
    since = until - 3600 * SECOND if start is None else parse(start, now)
    if since >= until:
        raise Problem(
            422,
            "Empty time range",
            f"`from` ({iso(since)}) is not before `to` ({iso(until)})",
            "ask for a range that begins before it ends",
        )
    if until - since > most_days * 86400 * SECOND:
        raise Problem(
            422,
            "Time range too long",
            f"{iso(since)} to {iso(until)} is longer than {most_days:g} days",
            f"ask for at most {most_days:g} days at a time",
        )
    return since, until
