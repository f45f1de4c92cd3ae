"""Load of alarms on an operator, from the times at which they came."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analytics.formula.columns import FILE, Floats, column_names, from_file, read_columns
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result, shown
from analytics.studies.statistics import FLOOD_ABOVE, FLOOD_BELOW, PERIOD_S, Indices, chatters

DAY_S = 86_400
YEARS = 10
LONGEST_S = YEARS * 365.25 * DAY_S
NONE = "none"


def _alarm_rate(given: Given) -> Mapping[str, Any]:
    times, names, priorities = _alarms(given)
    index, counts = np.unique(np.floor(times / PERIOD_S).astype(np.int64), return_counts=True)
    periods = int(index[-1] - index[0]) + 1
    watched_s = _watched(given, times, periods)
    periods = max(periods, math.ceil(round(watched_s / PERIOD_S, 2)))  # 0.1667 h are one
    average = len(times) / watched_s * PERIOD_S
    share = 100 * int((counts > FLOOD_ABOVE).sum()) / periods
    if priorities:
        given.note("priorities of a good system: about 80, 15 and 5 %, lowest first (EEMUA 191)")
    if unranked := priorities.count(NONE):
        given.note(f"{unranked} of {len(times)} alarms have no priority: they are under {NONE}")
    if unnamed := names.count(""):
        given.note(f"{unnamed} of {len(times)} alarms have no name: no chattering is seen in them")
    return {
        "alarms": len(times),
        "per_10min": average,
        "per_day": DAY_S * len(times) / watched_s,
        "max_per_10min": counts.max(),
        "share_above_10_percent": share,
        "floods": _floods(index, counts),
        "chattering": _chattering(names, times) if names else None,
        "priorities_percent": {
            level: 100 * priorities.count(level) / len(times) for level in sorted(set(priorities))
        }
        or None,
        "verdicts": _verdicts(average, int(counts.max()), share),
    }


def _watched(given: Given, times: Floats, periods: int) -> float:
    """The time that the alarms are judged over: as given, else so many periods of the clock. [s]"""
    span_s = float(times.max() - times.min())
    if span_s > LONGEST_S:
        raise FormulaError(
            f"the alarms span {span_s / LONGEST_S * YEARS:.1f} years, {YEARS} at most;"
            " check the first time and the last"
        )
    watched_s = float(given.get("period_h", 0.0)) * 3600
    if 0 < watched_s < span_s:
        raise FormulaError(
            f"period_h = {given['period_h']:g}: the alarms span {span_s / 3600:.6g} h; give no less"
        )
    if not watched_s:
        watched_s = periods * PERIOD_S
        given.note(
            "period_h is not given: taken are the clock's ten-minute periods from the first alarm"
            f" to the last, {watched_s / 3600:.2f} h"
        )
    if watched_s < DAY_S:
        given.note(
            f"{watched_s / 3600:.2f} h are too short to judge by: per_day is extrapolated, and the"
            " verdicts hold for this time only"
        )
    return watched_s


def _alarms(given: Given) -> tuple[Floats, list[str], list[str]]:
    """Times since the epoch [s], names and priorities of the alarms; [] where not given."""
    others = [name for name in ("alarm_columns", "priority_column") if name in given]
    if not from_file(given):
        if others:
            raise FormulaError(f"{others[0]} goes with file; leave it out with values")
        return np.array(given["values"]), [], []
    path = given["file"]
    identity = column_names(given, "alarm_columns") if "alarm_columns" in given else []
    priority = [given["priority_column"]] if "priority_column" in given else []
    texts, *rest = read_columns(path, [given["column"], *identity, *priority])
    times = np.array([_time(text, f"{path}, row {i}") for i, text in enumerate(texts, 1)])
    names = [" ".join(filter(None, parts)) for parts in zip(*rest[: len(identity)], strict=True)]
    return times, names, [level or NONE for level in rest[-1]] if priority else []


def _time(text: str, where: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; one without a zone counts as UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        wrong = f"{where}: {shown(text)!r} is not a time"
        raise FormulaError(f"{wrong}; write 2026-11-21T11:40:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _floods(index: Indices, counts: Indices) -> list[dict[str, Any]]:
    """From a period of more than 10 alarms to the one before fewer than 5. [occupied periods] since
    the epoch, alarms in each -> start, minutes and alarms of each flood. Source: ANSI/ISA-18.2"""
    floods: list[list[int]] = []  # first period, the one after the last, alarms
    for period, count in zip(index.tolist(), counts.tolist(), strict=True):
        if floods and floods[-1][1] == period and count >= FLOOD_BELOW:
            floods[-1][1] += 1
            floods[-1][2] += count
        elif count > FLOOD_ABOVE:
            floods.append([period, period + 1, count])
    return [
        {
            "start": f"{np.datetime64(int(first * PERIOD_S), 's')}Z",
            "minutes": (end - first) * PERIOD_S / 60,
            "alarms": alarms,
        }
        for first, end, alarms in floods
    ]


def _chattering(names: list[str], times: Floats) -> list[str]:
    """The alarms that chatter. Names and times [s] of all"""
    by_name = defaultdict(list)
    for name, time in zip(names, times, strict=True):
        by_name[name].append(time)
    return [name for name, at in by_name.items() if name and chatters(np.array(at))]


def _verdicts(average: float, highest: int, share: float) -> dict[str, str]:
    if average <= 1:
        load = "acceptable"
    elif average <= 2:
        load = "manageable"
    else:
        load = "over-demanding" if average <= 10 else "unacceptable"
    return {
        "average (EEMUA 191: 1 per 10 min acceptable, 2 manageable)": load,
        "peak (EEMUA 191: at most 10 in the 10 min after an upset)": (
            "acceptable" if highest <= FLOOD_ABOVE else "flood"
        ),
        "time in flood (ISA-18.2: below 1 % of 10-min periods)": (
            "acceptable" if share < 1 else "too much"
        ),
    }


ALARM_RATE = Formula(
    name="alarm_rate",
    what="Load of alarms on an operator: rates, floods, chattering, priorities",
    what_zh="报警负荷统计",
    expression=(
        "rate = alarms / time watched; max, share and floods by ten-minute periods of the clock;"
        " flood: from more than 10 until fewer than 5"
    ),
    source="EEMUA 191; ANSI/ISA-18.2; IEC 62682",
    certainty="verified",
    keys=(
        *FILE,
        Key(
            "values",
            "s",
            "times since 1970 in seconds, in place of a file",
            low=0,
            high=1e11,
            kind="list",
            required=False,
        ),
        Key(
            "alarm_columns",
            "",
            "columns that name the alarm, commas between",
            kind="text",
            required=False,
        ),
        Key("priority_column", "", "column of the priority", kind="text", required=False),
        Key(
            "period_h",
            "h",
            "time that was watched; else the clock's ten-minute periods from first to last alarm",
            0,
            LONGEST_S / 3600,
            open_low=True,
            required=False,
        ),
    ),
    results=(
        Result("alarms", "1", 0),
        Result("per_10min", "1", 2),
        Result("per_day", "1", 1),
        Result("max_per_10min", "1", 0),
        Result("share_above_10_percent", "%", 2),
        Result("floods", "", 0),
        Result("chattering", "", 0),
        Result("priorities_percent", "%", 1),
        Result("verdicts", "", 0),
    ),
    compute=_alarm_rate,
    example={"values": "0,60,120,180,4000", "period_h": 24},
    expected={"alarms": 5, "per_day": 5, "max_per_10min": 4},
)
