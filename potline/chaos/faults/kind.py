"""What a kind of fault is, and the table of them, which the modules beside this one fill."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from potline.chaos.storm import Storm

Where = Literal["collector", "clock", "disk", "simulator", "broker", "store", "link", "server"]
Inject = Callable[["Storm", str, random.Random], AbstractAsyncContextManager[None]]
Course = Callable[["Storm", str, random.Random], AsyncIterator[None]]
"""Of a fault: what happens before its one `yield` begins it, what happens after ends it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """where: what it strikes. lasts_s: shortest and longest. silent: the server goes on as if all
    were well, so the collector has to find it."""

    name: str
    where: Where
    lasts_s: tuple[float, float]
    what: str
    inject: Inject
    silent: bool = False


KINDS: dict[str, Kind] = {}


def fault(
    where: Where,
    lasts_s: tuple[float, float],
    what: str,
    *,
    name: str = "",
    silent: bool = False,
) -> Callable[[Course], None]:
    """Put a course into the table, under its own name unless it is given one."""

    def register(course: Course) -> None:
        known = name or course.__name__
        inject = contextlib.asynccontextmanager(course)
        KINDS[known] = Kind(known, where, lasts_s, what, inject, silent)

    return register
