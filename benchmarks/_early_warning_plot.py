"""The plot of docs/early-warning.md, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 860, 330
LEFT, TOP, WIDE, HIGH, GAP = 55, 30, 340, 240, 90
PUBLIC_LEAD_S, PUBLIC_F1 = 60.0, 0.32
COLOURS = {"precision": "#2b6cb0", "recall": "#b7791f", "f1": "#1a202c"}


class Scored(Protocol):
    @property
    def precision(self) -> float: ...
    @property
    def recall(self) -> float: ...
    @property
    def f1(self) -> float: ...


class Panel:
    """One pair of axes. x, y: ranges in data units."""

    def __init__(self, left: float, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.left, self.x, self.y = left, x, y
        self.parts: list[str] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * WIDE, TOP + (1 - up) * HIGH

    def axes(self, title: str, below: str, x_step: float, y_step: float) -> None:
        for x in np.arange(self.x[0], self.x[1] + 1e-9, x_step):
            a, b = self.at(x, self.y[0])
            self.parts.append(f'<path d="M{a:.1f},{b:.1f}v5" stroke="#666"/>')
            self.text(a, b + 18, f"{x:g}", "middle")
        for y in np.arange(self.y[0], self.y[1] + 1e-9, y_step):
            a, b = self.at(self.x[0], y)
            self.parts.append(f'<path d="M{a:.1f},{b:.1f}h{WIDE}" stroke="#ddd"/>')
            self.text(a - 8, b + 4, f"{y:g}", "end")
        self.text(self.left, TOP - 12, title)
        self.text(self.left + WIDE / 2, TOP + HIGH + 38, below, "middle")

    def text(self, x: float, y: float, words: str, anchor: str = "start") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>')

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        path = " ".join("{:.1f},{:.1f}".format(*self.at(*p)) for p in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )

    def name(self, place: int, words: str, colour: str) -> None:
        """In the upper right corner, one below the other."""
        x, y = self.left + WIDE - 70, TOP + 16 + 18 * place
        self.parts.append(f'<path d="M{x - 24},{y - 4}h18" stroke="{colour}" stroke-width="2"/>')
        self.text(x, y, words)


def draw(leads_s: NDArray[np.float64], curve: Mapping[float, Scored]) -> str:
    """Score by event against the lead asked for [s], and how far ahead the warnings came."""
    score = Panel(LEFT, (0, max(curve)), (0, 1))
    score.axes(
        "simulated plants, unseen seeds, by event",
        "warned at least so many seconds ahead",
        150,
        0.2,
    )
    for place, (name, colour) in enumerate(COLOURS.items()):
        score.line([(s, getattr(row, name)) for s, row in curve.items()], colour)
        score.name(place, "F1" if name == "f1" else name, colour)
    a, b = score.at(PUBLIC_LEAD_S, PUBLIC_F1)
    score.parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="#c53030"/>')
    score.text(a + 8, b + 4, f"public reference, F1 {PUBLIC_F1}, real cells")

    counts, edges = np.histogram(leads_s, np.arange(0, 1801, 60))
    top = float(-(-max(counts.max(), 1) // 10) * 10)
    ahead = Panel(LEFT + WIDE + GAP, (0, 1800), (0, top))
    ahead.axes(
        "anode effects by lead time, 0 without a warning",
        "seconds from the first warning",
        300,
        top / 5,
    )
    for count, edge in zip(counts, edges, strict=False):
        x, y = ahead.at(edge, count)
        height = TOP + HIGH - y
        ahead.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{WIDE / 30 - 1:.1f}" height="{height:.1f}" '
            f'fill="{COLOURS["precision"]}"/>'
        )
    body = "\n".join(score.parts + ahead.parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 40} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )
