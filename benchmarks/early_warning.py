"""Train the early warning of anode effects on simulated plants, and score it on unseen ones.

    python -m benchmarks.early_warning [--training 6] [--testing 8] [--write]

Plants of two kinds are simulated, each with a seed of its own. In *starved* plants every second
cell has a blocked feeder (flow 0-0.5 for 30-70 minutes); *plain* plants have only the faults that
the simulator makes by itself. The model learns on some seeds, takes its threshold from others and
is scored on a third set. With --write the model file, the table in
docs/early-warning.md and the plot beside it are made anew; without, the score is printed only.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat import early_warning
from analytics.beat.early_warning import FEATURES, NEVER, Model, weigh
from benchmarks._early_warning_plants import CELLS, HOURS, Run, plant, record, run
from benchmarks._early_warning_plot import draw
from plant.batch import SECOND

Floats = NDArray[np.float64]

ROOT = Path(__file__).parent.parent
MODEL = Path(early_warning.__file__).with_suffix(".json")
PAGE = ROOT / "docs" / "early-warning.md"
PLOT = ROOT / "docs" / "early-warning.svg"
MARKER = "<!-- made by python -m benchmarks.early_warning --write -->"

HORIZON_S = 300.0
EARLIEST_S = 1800.0  # a warning longer before an anode effect is not of that one
JOIN_S = 600.0  # warnings closer than this are one
LEADS_S = (30, 60, 120, 300)
LIKELY_AEF = 0.05  # anode effects a cell and day of a good line: 0.01-0.1
RIDGE = 3e-6


def rate_weight(runs: list[Run]) -> float:
    """What a prone cell counts for beside the others, so that together they have as many anode
    effects a cell and day as a good line."""
    return LIKELY_AEF * sum(r.days(False) for r in runs) / sum(r.count for r in runs)


def cell_weights(of: Run, rate: float) -> Floats:
    """float64[cells]"""
    return np.where(of.prone, rate, 1.0)


def fit(runs: list[Run], trained_on: str) -> Model:
    """Logistic regression by Newton's method, at the rate of a good line, so that a risk is a
    chance there."""
    rate = rate_weight(runs)
    x = np.concatenate([r.x.reshape(len(FEATURES), -1) for r in runs], 1)
    y = np.concatenate([r.label(0, HORIZON_S).ravel() for r in runs]).astype(np.float64)
    v = np.concatenate([np.tile(cell_weights(r, rate), len(r.times)) for r in runs])
    known = np.isfinite(x).all(0)
    x, y, v = x[:, known], y[known], v[known] / v[known].mean()
    mean, scale = x.mean(1), x.std(1)
    z = np.vstack([np.ones(x.shape[1]), (x - mean[:, None]) / scale[:, None]])
    ridge = RIDGE * x.shape[1] * np.diag([0.0, *np.ones(len(FEATURES))])
    w = np.zeros(len(z))
    for _ in range(100):
        p = 1 / (1 + np.exp(-w @ z))
        step = np.linalg.solve((z * (v * p * (1 - p))) @ z.T + ridge, z @ (v * (y - p)) - ridge @ w)
        w += step
        if np.abs(step).max() < 1e-9:
            break
    return Model(mean, scale, w[1:], float(w[0]), np.nan, HORIZON_S, trained_on)


def risks(model: Model, of: Run) -> Floats:
    """float64[blocks, cells]"""
    out = np.empty(of.x.shape[1:])
    chance = np.full(out.shape[1], np.nan)
    for i, risk in enumerate(out):
        weigh(of.x[:, i], model.mean, model.scale, model.weights, model.intercept, chance, risk)
    return out


def warnings(of: Run, risk: Floats, threshold: float) -> list[list[int]]:
    """Times by cell at which a warning begins: at the threshold, when there was none for ten
    minutes or the risk was unknown in between, as after an anode effect."""
    begins = []
    for row in risk.T:
        on = np.flatnonzero(row >= threshold)
        unknown = np.cumsum(np.isnan(row))[on]
        late = np.diff(of.times[on], prepend=NEVER // 2) > JOIN_S * SECOND
        fresh = late | (np.diff(unknown, prepend=0) > 0)
        begins.append([int(t) for t in of.times[on[fresh]]])
    return begins


def ahead_s(begins: list[int], starts: list[int]) -> Floats:
    """float64[warnings, anode effects]: how long before the next anode effect of its cell a warning
    begins; NaN for all later ones, and beyond half an hour."""
    ahead = (np.array(starts)[None, :] - np.array(begins)[:, None]) / SECOND
    following = (ahead > 0) & (np.cumsum(ahead > 0, axis=1) == 1)
    return np.where(following & (ahead <= EARLIEST_S), ahead, np.nan)


@dataclass(frozen=True, slots=True)
class Score:
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total > 0 else 0.0


def score_events(
    runs: list[Run], given: list[list[list[int]]], lead_s: float, rate: float
) -> Score:
    """By event: a warning is true when the next anode effect of its cell begins between lead_s and
    half an hour after it; an anode effect is foretold when there is such a warning. A warning that
    comes too late is a false one and its anode effect is missed. rate: what a prone cell counts."""
    true = given_all = foretold = effects = 0.0
    for r, warned in zip(runs, given, strict=True):
        cells = zip(cell_weights(r, rate), warned, r.effects, strict=True)
        for weight, begins, starts in cells:
            pairs = ahead_s(begins, starts) >= lead_s
            true += weight * pairs.any(1).sum()
            foretold += weight * pairs.any(0).sum()
            given_all += weight * len(begins)
            effects += weight * len(starts)
    return Score(true / given_all if given_all else 0.0, foretold / effects if effects else 0.0)


def score_samples(
    runs: list[Run], risk: list[Floats], threshold: float, lead_s: float, rate: float
) -> Score:
    """By sample, each half minute of each cell: positive when an anode effect begins in the five
    minutes after t + lead_s; samples closer to one than lead_s are left out."""
    hits = said = there = 0.0
    for r, p in zip(runs, risk, strict=True):
        weight = cell_weights(r, rate)
        asked = np.isfinite(p) & ~r.label(0, lead_s)
        positive = r.label(lead_s, lead_s + HORIZON_S) & asked
        raised = (p >= threshold) & asked
        hits += float(weight @ (positive & raised).sum(0))
        said += float(weight @ raised.sum(0))
        there += float(weight @ positive.sum(0))
    return Score(hits / said if said else 0.0, hits / there if there else 0.0)


def leads(runs: list[Run], given: list[list[list[int]]]) -> Floats:
    """Seconds from the first warning within half an hour to the anode effect; 0 without one."""
    found = []
    for r, warned in zip(runs, given, strict=True):
        for begins, starts in zip(warned, r.effects, strict=True):
            found += np.nan_to_num(ahead_s(begins, starts)).max(0, initial=0.0).tolist()
    return np.array(found)


def best_threshold(model: Model, runs: list[Run]) -> float:
    """The threshold with the greatest F1 by event at 60 s, at the rate of a good line."""
    rate = rate_weight(runs)
    risk = [risks(model, r) for r in runs]

    def f1(threshold: float) -> float:
        given = [warnings(r, p, threshold) for r, p in zip(runs, risk, strict=True)]
        return score_events(runs, given, 60.0, rate).f1

    return max((round(float(th), 3) for th in np.geomspace(0.01, 0.8, 40)), key=f1)


def report(model: Model, runs: list[Run]) -> tuple[str, Floats, dict[float, Score]]:
    """The score as Markdown; the lead times; the score by event by lead time."""
    rate = rate_weight(runs)
    risk = [risks(model, r) for r in runs]
    given = [warnings(r, p, model.threshold) for r, p in zip(runs, risk, strict=True)]
    found = leads(runs, given)

    def false(prone: bool) -> int:
        return sum(
            int(np.isnan(ahead_s(begins, starts)).all(1).sum())
            for r, warned in zip(runs, given, strict=True)
            for is_prone, begins, starts in zip(r.prone, warned, r.effects, strict=True)
            if is_prone == prone
        )

    def row(name: str, s: Score) -> str:
        return f"| {name} | {s.precision:.2f} | {s.recall:.2f} | **{s.f1:.2f}** |"

    rows = ["| score | precision | recall | F1 |", "|---|---|---|---|"]
    for lead in LEADS_S:
        name = f"by event, at least {lead} s ahead"
        rows.append(row(f"{name}, {LIKELY_AEF} AE/cell-day", score_events(runs, given, lead, rate)))
    every = score_events(runs, given, 60, 1.0)
    rows.append(row("by event, at least 60 s ahead, all simulated cells alike", every))
    for lead in LEADS_S:
        name = f"by half minute, {lead} s ahead, {LIKELY_AEF} AE/cell-day"
        rows.append(row(name, score_samples(runs, risk, model.threshold, lead, rate)))
    quiet, prone = (sum(r.days(which) for r in runs) for which in (False, True))
    tenths = " | ".join(f"{s:.0f}" for s in np.percentile(found, [10, 25, 50, 75, 90]))
    table = "\n".join(rows)
    text = f"""{len(runs)} unseen plants of {CELLS} cells for {HOURS} h, {quiet + prone:.0f} \
cell-days with {sum(r.count for r in runs)} anode effects. Threshold {model.threshold:g}; \
{model.trained_on}.

{table}

| lead time, s | 10 % | 25 % | median | 75 % | 90 % |
|---|---|---|---|---|---|
| from the first warning, 0 without one | {tenths} |

False warnings: **{false(False)} in {quiet:.0f} cell-days** of cells without a fault \
({false(False) / quiet:.3f} a cell and day), {false(True)} in {prone:.0f} cell-days of prone ones \
({false(True) / prone:.2f}), where the feeder is often mended in time.
"""
    curve = {float(s): score_events(runs, given, s, rate) for s in range(0, 901, 15)}
    return text, found, curve


def document(model: Model) -> dict[str, Any]:
    """The model file."""
    rows = zip(model.mean.tolist(), model.scale.tolist(), model.weights.tolist(), strict=True)
    return {
        "what": "chance that an anode effect of the cell begins within horizon_s",
        "horizon_s": model.horizon_s,
        "threshold": model.threshold,
        "intercept": model.intercept,
        "features": {
            name: [float(f"{v:.9g}") for v in row] for name, row in zip(FEATURES, rows, strict=True)
        },
        "trained_on": model.trained_on,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--training", type=int, default=6, help="starved plants, as many again for the threshold"
    )
    parser.add_argument("--testing", type=int, default=8, help="starved plants")
    parser.add_argument("--write", action="store_true", help="model file, docs table and plot")
    asked = parser.parse_args()
    of = plant()

    def simulated(first: int, count: int) -> list[Run]:
        """count starved plants and twice as many plain ones."""
        seeds = range(first, first + 3 * count)
        return [run(record(of, seed, seed < first + count)) for seed in seeds]

    print(f"{platform.machine()}, python {platform.python_version()}, numpy {np.__version__}")
    print(f"command: python -m benchmarks.early_warning {' '.join(sys.argv[1:])}")
    training = simulated(1, asked.training)
    effects = sum(r.count for r in training)
    days = sum(r.days(prone) for r in training for prone in (False, True))
    trained_on = f"trained on {effects} anode effects in {days:.0f} simulated cell-days"
    model = fit(training, trained_on)
    model = replace(model, threshold=best_threshold(model, simulated(1001, asked.training)))
    model = Model.of(document(model))
    text, found, curve = report(model, simulated(4001, asked.testing))
    print(text)
    if asked.write:
        MODEL.write_text(json.dumps(document(model), indent=1) + "\n", encoding="utf-8")
        page, _, _ = PAGE.read_text(encoding="utf-8").partition(MARKER)
        PAGE.write_text(f"{page}{MARKER}\n\n{text}", encoding="utf-8")
        PLOT.write_text(draw(found, curve), encoding="utf-8")


if __name__ == "__main__":
    main()
