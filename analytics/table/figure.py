"""What a figure is: one row of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analytics.beat.assessment import Scope

Window = Literal["beat", "minute", "hour", "shift", "day", "30d", "book"]
WINDOWS: tuple[Window, ...] = ("minute", "hour", "shift", "day")
"""Calendar windows in the site's time zone, from their start to the beat. Beside them, once a local
day at its end: "30d", of the last 30 local days; "book", as it stands at that time."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A derived number. `name` ends in its window unless that is the beat or the book."""

    name: str
    scope: Scope
    window: Window
    unit: str
    formula: str
    inputs: tuple[
        str, ...
    ]  # signals (dotted: "cell.voltage"), figures, or plant keys ("line.current_efficiency")
    factors: tuple[str, ...]  # prefixes of plant.factors that it uses
    method: str
    source: str
    coverage: str  # the figure of the same scope that tells how much of the window is known
    decimals: int
    label: str
    label_zh: str
