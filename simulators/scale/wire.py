"""What the library's objects are made of, from plain numbers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asyncua import ua

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(ns: int) -> ua.DateTime:
    """To the microsecond. [ns since the epoch] -> the library's"""
    return cast(ua.DateTime, _EPOCH + timedelta(microseconds=ns // 1000))


def server_time(skew_ns: int) -> int:
    """ns since the epoch, by a server whose clock is off by so much."""
    return time.time_ns() + skew_ns


def node_id(identifier: Any, index: int = 0) -> ua.NodeId:
    return ua.NodeId(identifier, cast(ua.Int16, index))


def status(code: int = 0) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))
