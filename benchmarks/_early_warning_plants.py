"""Simulated plants as the early warning sees them: features of each half minute, and when anode
effects began."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.early_warning import BLOCK_S, advance, features, new_state
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from simulators.offline import simulate
from simulators.scenario import Fault, fault

Floats = NDArray[np.float64]

START = 1_795_190_400 * SECOND
CELLS = 60
HOURS = 3
SIGNALS = ("voltage", "target_voltage", "feed_mode", "beam_position", "metal_tapped")

PLANT = """
[site]
id = "T"
name = "Early warning"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "var/early-warning"
[[line]]
id = "L1"
name = "Line 1"
technology = "PFPB_M"
nominal_current_kA = 600
current_efficiency = 0.935
net_carbon_t_per_t = 0.411
sections = {{ A = "001-{cells:03}" }}
target_voltage_V = 3.95
target_dc_kWh_per_t = 12600
[[source]]
id = "pots"
kind = "opcua"
url = "opc.tcp://127.0.0.1:4840"
namespace = "urn:bench"
anonymous = true
[[tags]]
each = "cell"
source = "pots"
node = "s={{line}}.{{cell}}.{{name}}"
signals = ["voltage"]
interval_s = 1
[[tags]]
each = "cell"
source = "pots"
node = "s={{line}}.{{cell}}.{{name}}"
signals = ["target_voltage", "feed_mode", "beam_position", "metal_tapped"]
interval_s = 60
[[tags]]
each = "line"
source = "pots"
node = "s={{line}}.{{name}}"
signals = ["current"]
interval_s = 1
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated plant: times int64[blocks] ns, x float64[features, blocks, cells], effects by
    cell: ns of their starts; prone: bool[cells], a blocked feeder or an anode effect of its own."""

    times: NDArray[np.int64]
    x: Floats
    effects: list[list[int]]
    prone: NDArray[np.bool_]

    def days(self, prone: bool) -> float:
        """Cell-days in which these cells have a risk figure."""
        return float(np.isfinite(self.x[0][:, self.prone == prone]).sum() * BLOCK_S / 86400)

    @property
    def count(self) -> int:
        return sum(map(len, self.effects))

    def label(self, lead_s: float, until_s: float) -> NDArray[np.bool_]:
        """bool[blocks, cells]: an anode effect begins in (t + lead, t + until]."""
        found = np.zeros(self.x.shape[1:], np.bool_)
        for cell, starts in enumerate(self.effects):
            for start in starts:
                ahead = (start - self.times) / SECOND
                found[:, cell] |= (ahead > lead_s) & (ahead <= until_s)
        return found


def plant() -> Plant:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "early-warning.toml"
        path.write_text(PLANT.format(cells=CELLS), encoding="utf-8")
        return load(path)


def starved(of: Plant, seed: int) -> list[Fault]:
    """Feeders of every second cell blocked, for 30-70 minutes."""
    rng = np.random.default_rng((seed, 77))
    rows = [
        {
            "kind": "block_feeder",
            "cell": of.cells[cell].id,
            "flow": rng.uniform(0, 0.5),
            "at_s": rng.uniform(1200, HOURS * 3600 - 6000),
            "for_s": rng.uniform(1800, 4200),
        }
        for cell in range(0, CELLS, 2)
    ]
    return [fault(row, of, "early warning") for row in rows]


@dataclass(frozen=True, slots=True)
class Record:
    """A simulated plant as the warning sees it: float64[6, seconds, cells] in the order of the
    arguments of `advance`, and when anode effects began, by cell [ns]."""

    seen: Floats
    effects: list[list[int]]
    blocked: NDArray[np.bool_]


def record(of: Plant, seed: int, starve: bool) -> Record:
    faults = starved(of, seed) if starve else []
    offline = simulate(of, START, HOURS * 3600, seed, faults)
    columns = [of.columns("cell", name) for name in SIGNALS]
    current = int(of.columns("line", "current")[0])
    line = of.lines[0]
    v0 = line.extrapolated_voltage_V
    standing = np.full(len(of.tags), np.nan)
    parts = []
    for batch in offline:
        grid = seconds(batch, standing)
        volt, target, mode, beam, tapped = (grid[:, of_cells] for of_cells in columns)
        normal = v0 + (volt - v0) * (line.nominal_current_kA / grid[:, current])[:, None]
        effect = (volt > line.anode_effect.v_on_V).astype(np.float64)
        parts.append(np.stack([normal, target, effect, mode, beam, tapped]))
    effects = begun(of, offline.truth.tables()["anode_effects"])
    blocked = np.zeros(len(of.cells), np.bool_)
    blocked[[row.index for row in faults]] = True
    return Record(np.concatenate(parts, 1), effects, blocked)


def begun(of: Plant, table: Any) -> list[list[int]]:
    """Starts of anode effects by cell; one that follows within t_merge is the same."""
    merge_ns = round(of.lines[0].anode_effect.t_merge_s * SECOND)
    index = {cell.id: i for i, cell in enumerate(of.cells)}
    starts: list[list[int]] = [[] for _ in of.cells]
    ended = [-merge_ns] * len(of.cells)
    for row in table.to_pylist():
        cell = index[row["cell"]]
        if row["start"] - ended[cell] >= merge_ns:
            starts[cell].append(row["start"])
        ended[cell] = row["end"] if row["end"] is not None else sys.maxsize
    return starts


def run(of: Record) -> Run:
    """Take every beat through the code that runs live."""
    state = new_state(of.seen.shape[2])
    times, rows = [], []
    for second in range(of.seen.shape[1]):
        start = START + second * SECOND
        if advance(state, start, start + SECOND, *of.seen[:, second]):
            times.append(start + SECOND)
            rows.append(features(state))
    prone = of.blocked | np.array([bool(starts) for starts in of.effects])
    return Run(np.array(times), np.stack(rows, 1), of.effects, prone)


def seconds(batch: Batch, standing: Floats) -> Floats:
    """float64[seconds, tags]: what stands at the end of each second; carries `standing` on."""
    row = batch.times // SECOND - batch.times.min() // SECOND
    grid = np.full((int(row.max()) + 1, len(standing)), np.nan)
    grid[row, batch.tags] = batch.values
    for values in grid:
        known = values == values
        standing[known] = values[known]
        values[:] = standing
    return grid
