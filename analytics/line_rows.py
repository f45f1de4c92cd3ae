"""The rows of scopes line and site."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.figure import Figure
from analytics.rows import EFFECT, EFFECT_SOURCE, STEP, Rows, effects, powers, totals


def line_rows() -> Iterator[Figure]:
    t = Rows("line")
    t.one("current", "kA", 1, "Line current", "系列电流", "mean of I over the beat",
          "line.current", STEP, "measured")  # fmt: skip
    t.one("voltage", "V", 1, "Line voltage", "系列电压", "Σ cells", "cell.voltage",
          "Σ of what is known", "measured")  # fmt: skip
    powers(t)
    t.one("cells_in_anode_effect", "1", 0, "Cells in anode effect", "效应槽数", "Σ cells",
          "cell.anode_effect", EFFECT, EFFECT_SOURCE)  # fmt: skip
    totals(t, "cell")
    effects(t, "cell.anode_effects_day cell.anode_effect_minutes_day")
    yield from t.rows


def site_rows() -> Iterator[Figure]:
    t = Rows("site")
    powers(t)
    totals(t, "line")
    yield from t.rows
