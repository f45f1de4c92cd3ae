"""Load of alarms on an operator, from the times at which they came."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analytics.formula.columns import FILE, from_file, read_columns
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result
from analytics.kernel import Floats
from analytics.studies.statistics import FLOOD_ABOVE, PERIOD_S, AlarmLoad, alarm_load, chatters


def _alarm_rate(given: Given) -> Mapping[str, Any]:
    times, names, priorities = _alarms(given)
    span_s = times.max() - times.min()
    hours = given.get("period_h", 0.0)
    if hours and hours * 3600 < span_s:
        raise FormulaError(f"period_h = {hours:g}: the alarms span {span_s / 3600:.2f} h")
    load = alarm_load(times, math.ceil(hours * 3600 / PERIOD_S))
    counts = load.counts
    seconds = hours * 3600 or len(counts) * PERIOD_S
    average = len(times) / seconds * PERIOD_S
    share = 100 * float((counts > FLOOD_ABOVE).mean())
    by_name = defaultdict(list)
    for name, time in zip(names, times, strict=False):
        by_name[name].append(time)
    chattering = [n for n, at in by_name.items() if chatters(np.array(at))]
    if priorities:
        given.note("priorities of a good system: about 80, 15 and 5 %, lowest first (EEMUA 191)")
    return {
        "alarms": len(times),
        "per_10min": average,
        "per_day": 86400 * len(times) / seconds,
        "max_per_10min": counts.max(),
        "share_above_10_percent": share,
        "floods": [_flood(load, first, end) for first, end in load.floods],
        "chattering": chattering if names else None,
        "priorities_percent": {
            level: 100 * priorities.count(level) / len(times) for level in sorted(set(priorities))
        }
        or None,
        "verdicts": _verdicts(average, int(counts.max()), share),
    }


def _alarms(given: Given) -> tuple[Floats, list[str], list[str]]:
    """Times since the epoch [s], names and priorities of the alarms; [] where not given."""
    others = [name for name in ("alarm_columns", "priority_column") if name in given]
    if not from_file(given):
        if others:
            raise FormulaError(f"{others[0]} goes with file; leave it out with values")
        return np.array(given["values"]), [], []
    path = given["file"]
    identity = [name.strip() for name in given.get("alarm_columns", "").split(",") if name.strip()]
    priority = [given["priority_column"]] if "priority_column" in given else []
    texts, *rest = read_columns(path, [given["column"], *identity, *priority])
    times = np.array([_time(text, f"{path}, row {i}") for i, text in enumerate(texts, 1)])
    names = [" ".join(parts) for parts in zip(*rest[: len(identity)], strict=True)]
    return times, names, rest[-1] if priority else []


def _time(text: str, where: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; one without a zone counts as UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise FormulaError(f"{where}: {text!r} is not a time; write 2026-11-21T11:40:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _flood(load: AlarmLoad, first: int, end: int) -> dict[str, Any]:
    start = datetime.fromtimestamp(load.start_s + first * PERIOD_S, UTC)
    minutes = (end - first) * PERIOD_S / 60
    return {
        "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "minutes": minutes,
        "alarms": int(load.counts[first:end].sum()),
    }


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
    expression="alarms per 10 min of the clock; flood: from more than 10 until fewer than 5",
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
            "time that was watched; else from the first to the last alarm",
            0,
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
