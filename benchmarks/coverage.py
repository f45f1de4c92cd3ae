"""How often the stated 95 % intervals hold the truth, over simulated plants with sensor errors.

    python -m benchmarks.coverage [--plants 500] [--seed 1] [--gaps 0.1] [--write]

Each plant is one line of six cells with a rectifier and a meter of its own, for an hour with an
anode effect. What is wrong with it is drawn from what its plant file states: a constant bias and
gain of every tag, the true current efficiency, net carbon, grid factor and PFC coefficients; the
interval is then ±1.96 standard uncertainties about the figure of the real calculation. The truth
comes from the simulator's charge, energy and anode effects. That the slope method itself holds is
taken for granted: its own spread over plants is what the coefficients' uncertainty stands for.

All plants are seen twice: with all their samples, and with a share of the ten-minute spells of each
tag lost. Fifty lines are run at once as one plant file; nothing but the file is common to them.
With --write the table goes to docs/truth.md; the same seed gives the same table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assess import assess, new_state
from analytics.beat.assessment import Scope
from analytics.table.figures import index
from analytics.uncertainty.budget import COVERAGE_FACTOR, uncertainties
from benchmarks._page import put
from collector.frames import FrameBuilder
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from simulators.offline import simulate
from simulators.scenario import Fault

Floats = NDArray[np.float64]
Found = dict[tuple[Scope, str], list[Floats]]
"""(scope, figure) -> value, standard uncertainty, truth, and 1 where an anode effect was cut by a
gap: [4, entities] of each run."""

PAGE = Path(__file__).parents[1] / "docs" / "truth.md"
START = 1_795_190_400 * SECOND
"""Midnight in Shanghai: an hour of the site's clock is one of the truth."""
HOUR_S, CELLS, TOGETHER = 3600, 6, 50
MINUTE_BEATS, SPELLS = 60, 6
ANODE_EFFECT_FROM_S, ANODE_EFFECT_SPREAD_S = 600, 1500

SITE = """
[site]
id = "coverage"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "var/coverage"
[[source]]
id = "all"
kind = "file"
path = "none"
[[factor]]
name = "grid.CN-SD.average.2023"
value = 0.6191
unit = "t/MWh"
source = "benchmark: uncertainty made up"
uncertainty_percent = 3
"""
LINE = """
[[line]]
id = "{line}"
technology = "CWPB"
pfc_factors = "ipcc-2006"
nominal_current_kA = 600
current_efficiency = 0.935
current_efficiency_uncertainty = 0.02
net_carbon_t_per_t = 0.411
net_carbon_uncertainty_percent = 3
sections = {{ A = "1-{cells}" }}
target_voltage_V = 3.95
target_dc_kWh_per_t = 12600
[[rectifier]]
id = "{line}-R"
line = "{line}"
[[meter]]
id = "{line}-M"
line = "{line}"
"""
TAGS = """
[[tags]]
each = "{each}"
source = "all"
column = "{{id}}.{{name}}"
signals = ["{signal}"]
{accuracy}
"""
ACCURACIES = {
    ("cell", "voltage"): "accuracy = 0.005\naccuracy_percent = 0.1",
    ("line", "current"): "accuracy_percent = 0.4",
    ("rectifier", "ac_power"): "accuracy_percent = 0.5",
    ("meter", "power"): "accuracy_percent = 1.0",
}


def made(folder: Path) -> Plant:
    """A plant file of TOGETHER lines."""
    text = SITE + "".join(LINE.format(line=f"L{n}", cells=CELLS) for n in range(TOGETHER))
    for (each, signal), accuracy in ACCURACIES.items():
        text += TAGS.format(each=each, signal=signal, accuracy=accuracy)
    file = folder / "plant.toml"
    file.write_text(text, "utf-8")
    return load(file)


def starved(plant: Plant, rng: np.random.Generator) -> list[Fault]:
    """An anode effect in one cell of each line: alumina taken out, the feeder blocked meanwhile."""
    faults = []
    for line in range(len(plant.lines)):
        cell = line * CELLS + int(rng.integers(CELLS))
        at = ANODE_EFFECT_FROM_S + float(rng.uniform(0, ANODE_EFFECT_SPREAD_S))
        own = plant.cells[cell].id
        faults.append(Fault("alumina", own, cell, 1.0, "", at, np.inf))
        faults.append(Fault("block_feeder", own, cell, 0.0, "", at, 240.0))
    return faults


def drawn(plant: Plant, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Bias and gain of each tag, from its limits of error."""
    limits = np.array([(t.accuracy, t.accuracy_percent / 100) for t in plant.tags], np.float64)
    bias, gain = rng.normal(0, 1, (2, len(plant.tags))) * np.nan_to_num(limits.T) / 2
    return bias, gain


def run(plant: Plant, seed: int, gaps: float, found: Found) -> None:
    """The figures at the end of the hour, with their truth."""
    rng = np.random.default_rng((seed, 1))
    bias, gain = drawn(plant, rng)
    silent = rng.random((len(plant.tags), SPELLS)) < gaps
    simulation = simulate(plant, START, HOUR_S, seed, starved(plant, rng))
    frames, state = FrameBuilder(plant, START), new_state(plant)
    for batch in simulation:  # a minute each
        heard = ~silent[batch.tags, spell(batch.times)]
        values = batch.values * (1 + gain[batch.tags]) + bias[batch.tags]
        frames.add(Batch(batch.tags, batch.times, values, batch.quality).take(heard))
        state, assessment = assess(plant, state, frames.close(MINUTE_BEATS))
    u = uncertainties(plant, assessment.figures)
    tables = simulation.truth.tables()
    cut = cut_cells(plant, tables["anode_effects"].to_pydict(), silent)
    cuts: dict[Scope, Floats] = {
        "cell": cut,
        "line": by_line(plant, cut),
    }
    for scope, named in true_figures(plant, tables, rng).items():
        for name, true in named.items():
            place = index(scope, name)
            columns = assessment.figures[scope][place], u[scope][place], true, cuts[scope]
            found[scope, name].append(np.stack(columns))


def by_line(plant: Plant, values: Floats) -> Floats:
    """Sums over each line's cells, [cells] -> [lines]."""
    return np.bincount(plant.line_of_cell, values, len(plant.lines)).astype(np.float64)


def spell(time: Any) -> Any:
    """Number of the spell of the hour that a time [ns] lies in."""
    return np.minimum((time - START) * SPELLS // (HOUR_S * SECOND), SPELLS - 1)


def cut_cells(plant: Plant, effects: Mapping[str, Any], silent: NDArray[np.bool_]) -> Floats:
    """1 for cells with an anode effect in a spell whose voltage or current was lost, [cells].

    effects: cell, start, end [ns] of each; silent: bool[tags, spells]."""
    cut = np.zeros(len(plant.cells))
    voltage, current = plant.columns("cell", "voltage"), plant.columns("line", "current")
    place = {cell.id: i for i, cell in enumerate(plant.cells)}
    for cell, start, end in zip(*(effects[k] for k in ("cell", "start", "end")), strict=True):
        i = place[cell]
        lost = silent[voltage[i]] | silent[current[plant.line_of_cell[i]]]
        last = START + HOUR_S * SECOND if end is None else end
        cut[i] = max(cut[i], lost[spell(start) : spell(last) + 1].any())
    return cut


def true_figures(
    plant: Plant, tables: Mapping[str, Any], rng: np.random.Generator
) -> dict[Scope, dict[str, Floats]]:
    """What really happened: the simulator's charge, energy and anode effects with true values of
    what the plant file only states, drawn for each line."""
    n, of = len(plant.lines), plant.line_of_cell
    factors = plant.factors
    line = plant.lines[0]

    def lines(values: Floats) -> Floats:
        return by_line(plant, values)

    def around(value: float, limits_percent: float) -> Floats:
        return value * (1 + rng.normal(0, limits_percent / 200, n))

    def factor(name: str) -> Floats:
        return around(factors[name].value, factors[name].uncertainty_percent)

    def column(table: str, name: str) -> Floats:
        return np.asarray(tables[table][name].to_numpy(), np.float64)

    ce = rng.normal(line.current_efficiency, line.current_efficiency_uncertainty / 2, n)
    pure = factors["constant.molar_mass_Al"].value / (3 * factors["constant.faraday"].value) * 3600
    charge, energy = column("cells", "charge_kAh"), column("cells", "energy_kWh")
    metal = pure * ce[of] * charge  # kg
    minutes = np.zeros(len(of))
    place = {cell.id: i for i, cell in enumerate(plant.cells)}
    effects = tables["anode_effects"].to_pydict()
    stop = START + HOUR_S * SECOND
    for cell, since, until in zip(*(effects[k] for k in ("cell", "start", "end")), strict=True):
        minutes[place[cell]] += (min(until or stop, stop) - since) / SECOND / 60
    cf4 = factor("pfc.ipcc-2006.CWPB.slope")[of] * metal * 24 / 1000 * minutes
    c2f6 = cf4 * factor("pfc.ipcc-2006.CWPB.weight_fraction")[of]
    co2e = (cf4 * factors["gwp.AR5.CF4"].value + c2f6 * factors["gwp.AR5.C2F6"].value) / 1000
    carbon = around(line.net_carbon_t_per_t, line.net_carbon_uncertainty_percent)
    burnt = 1 - (line.anode_sulphur_percent + line.anode_ash_percent) / 100
    made = lines(metal) / 1000  # t
    anode, pfc = carbon * burnt * 44 / 12 * made, lines(co2e)
    ac, auxiliary = column("lines", "ac_MWh"), column("lines", "aux_MWh")
    electricity = factor("grid.CN-SD.average.2023") * (ac + auxiliary)
    return {
        "cell": {
            "voltage_hour": energy / charge,
            "energy_hour": energy,
            "metal_hour": metal,
            "dc_specific_energy_hour": 1000 * energy / metal,
        },
        "line": {
            "dc_energy_hour": lines(energy) / 1000,
            "ac_energy_hour": ac,
            "metal_hour": made,
            "dc_specific_energy_hour": lines(energy) / made,
            "ac_specific_energy_hour": 1000 * ac / made,
            "total_specific_energy_hour": 1000 * (ac + auxiliary) / made,
            "anode_co2_hour": anode,
            "pfc_co2e_hour": pfc,
            "cf4_day": lines(cf4),
            "c2f6_day": lines(c2f6),
            "scope1_co2e_hour": anode + pfc,
            "scope2_co2e_hour": electricity,
            "scope1_intensity_hour": (anode + pfc) / made,
            "scope2_intensity_hour": electricity / made,
            "carbon_intensity_hour": (anode + pfc + electricity) / made,
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gaps", type=float, default=0.1, help="share of ten-minute spells lost")
    parser.add_argument("--write", action="store_true", help="the table into docs/truth.md")
    given = parser.parse_args()
    runs = -(-given.plants // TOGETHER)
    whole: Found = defaultdict(list)
    gappy: Found = defaultdict(list)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        plant = made(Path(folder))
        for n in range(runs):
            run(plant, given.seed + n, 0.0, whole)
            run(plant, given.seed + n, given.gaps, gappy)
            seconds = time.perf_counter() - started
            print(f"{seconds:6.0f} s  {n + 1} of {runs} runs", file=sys.stderr, flush=True)
    head = f"{runs * TOGETHER} plants of {CELLS} cells, one hour, seed {given.seed}; gaps: "
    text = f"{head}{given.gaps:.0%} of ten-minute spells of each tag.\n\n{table(whole, gappy)}"
    print(text)
    if given.write:
        put(PAGE, "coverage", text)
    bad = [name for name, parts in whole.items() if not agrees(parts, runs * TOGETHER)]
    for scope, name in bad:
        print(f"{scope}.{name}: its intervals do not hold the truth 93-97 % of the time")
    return 1 if bad else 0


def table(whole: Found, gappy: Found) -> str:
    lines = [
        "| figure | n | held | stated u | rms error / u | with gaps: held | effect heard "
        "| effect cut |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (scope, name), parts in whole.items():
        value, u, truth, _ = np.concatenate(parts, axis=1)
        z = (value - truth) / u
        gap_value, gap_u, gap_truth, cut = np.concatenate(gappy[scope, name], axis=1)
        gap_held = np.abs(gap_value - gap_truth) <= COVERAGE_FACTOR * gap_u
        cells = [
            f"{scope} {name.replace('_', ' ')}",
            f"{len(z)}",
            f"{held(z):.1%}",
            f"{np.median(u / value):.2%}",
            f"{np.sqrt(np.mean(z**2)):.2f}",
            *(share(gap_held[of]) for of in (cut >= 0, cut == 0, cut > 0)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def share(held: NDArray[np.bool_]) -> str:
    return f"{held.mean():.1%}" if len(held) else "—"


def held(z: Floats) -> float:
    """Share of the errors, in standard uncertainties, that lie within the interval."""
    return float(np.mean(np.abs(z) <= COVERAGE_FACTOR))


def agrees(parts: list[Floats], plants: int) -> bool:
    """Held between 93 and 97 %, widened by two standard deviations of a count of so many plants:
    the cells of one share its current."""
    value, u, truth, _ = np.concatenate(parts, axis=1)
    luck = 2 * (0.95 * 0.05 / plants) ** 0.5
    return bool(0.93 - luck <= held((value - truth) / u) <= 0.97 + luck)


if __name__ == "__main__":
    sys.exit(main())
