"""Data as broken sources send them: one spoiled datum right after a good one of the same tag."""

from __future__ import annotations

import math

from plant.batch import SECOND

BAD_DATA: dict[str, tuple[str, ...]] = {
    "nan": ("opcua", "mqtt"),
    "infinity": ("opcua", "mqtt"),
    "beyond_limits": ("opcua", "mqtt"),
    "counter_backwards": ("opcua", "mqtt"),
    "same_time": ("opcua", "mqtt"),
    "hour_ahead": ("opcua", "mqtt"),
    "year_1601": ("opcua", "mqtt"),
    "wrong_type": ("opcua", "mqtt"),
    "bad_status": ("opcua",),
    "text": ("mqtt",),
    "truncated": ("mqtt",),
    "binary": ("mqtt",),
    "huge": ("mqtt",),
    "no_value": ("mqtt",),
    "no_time": ("mqtt",),
    "unknown_topic": ("mqtt",),
}
"""What can be wrong -> kinds of source that can send it."""

_YEAR_1601 = -11_644_473_599 * SECOND  # one second into the year in which OPC UA time begins
_VALUES = {"nan": math.nan, "infinity": math.inf, "beyond_limits": 1e15}


def spoil(what: str, value: float, time: int) -> tuple[float, int]:
    """A good datum -> value and time [ns] of the spoiled one, 1 ms later unless time is its fault.

    What is wrong with neither of them is for the protocol to spoil.
    """
    if what == "hour_ahead":
        return value, time + 3600 * SECOND
    if what == "year_1601":
        return value, _YEAR_1601
    if what == "same_time":
        return value + 1, time
    if what == "counter_backwards":
        return value * 0.9 - 1, time + SECOND // 1000
    return _VALUES.get(what, value), time + SECOND // 1000
