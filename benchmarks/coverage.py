"""How often the stated 95 % intervals hold the truth, over simulated plants with sensor errors.

    python -m benchmarks.coverage [--plants 500] [--seed 1] [--gaps 0.0]

Each plant is one line of six cells with a rectifier and a meter of its own, for an hour with an
anode effect. What is wrong with it is drawn from what its plant file states: a constant bias and
gain of every tag, the true current efficiency, net carbon, grid factor and PFC coefficients; the
interval is then ±1.96 standard uncertainties about the figure of the real calculation. The truth
comes from the simulator's charge, energy and anode effects. That the slope method itself holds is
taken for granted: its own spread over plants is what the coefficients' uncertainty stands for.

Fifty lines are run at once as one plant file; nothing but the file is common to them.
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
from collector.frames import FrameBuilder
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from simulators.offline import simulate
from simulators.scenario import Fault

Floats = NDArray[np.float64]

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


def run(plant: Plant, seed: int, gaps: float) -> dict[Scope, dict[str, tuple[Floats, ...]]]:
    """Figure -> (value, standard uncertainty, truth), each [entities], at the end of the hour."""
    rng = np.random.default_rng((seed, 1))
    bias, gain = drawn(plant, rng)
    silent = rng.random((len(plant.tags), SPELLS)) < gaps
    simulation = simulate(plant, START, HOUR_S, seed, starved(plant, rng))
    frames, state = FrameBuilder(plant, START), new_state(plant)
    for batch in simulation:  # a minute each
        heard = ~silent[batch.tags, (batch.times - START) * SPELLS // (HOUR_S * SECOND)]
        values = batch.values * (1 + gain[batch.tags]) + bias[batch.tags]
        frames.add(Batch(batch.tags, batch.times, values, batch.quality).take(heard))
        state, assessment = assess(plant, state, frames.close(MINUTE_BEATS))
    u = uncertainties(plant, assessment.figures)
    truth = true_figures(plant, simulation.truth.tables(), rng)
    return {
        scope: {
            name: (
                assessment.figures[scope][index(scope, name)],
                u[scope][index(scope, name)],
                true,
            )
            for name, true in named.items()
        }
        for scope, named in truth.items()
    }


def true_figures(
    plant: Plant, tables: Mapping[str, Any], rng: np.random.Generator
) -> dict[Scope, dict[str, Floats]]:
    """What really happened: the simulator's charge, energy and anode effects with true values of
    what the plant file only states, drawn for each line."""
    n, of = len(plant.lines), plant.line_of_cell
    factors = plant.factors
    line = plant.lines[0]

    def lines(values: Floats) -> Floats:
        return np.bincount(of, values, n)

    def around(value: float, limits_percent: float) -> Floats:
        return value * (1 + rng.normal(0, limits_percent / 200, n))

    def factor(name: str) -> Floats:
        return around(factors[name].value, factors[name].uncertainty_percent)

    def column(table: str, name: str) -> Floats:
        return tables[table][name].to_numpy().astype(np.float64)

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gaps", type=float, default=0.0, help="share of ten-minute spells lost")
    given = parser.parse_args()
    runs = -(-given.plants // TOGETHER)
    found: dict[tuple[Scope, str], list[Floats]] = defaultdict(list)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        plant = made(Path(folder))
        for n in range(runs):
            for scope, named in run(plant, given.seed + n, given.gaps).items():
                for name, columns in named.items():
                    found[scope, name].append(np.stack(columns))
            print(f"{n + 1} of {runs} runs of {TOGETHER} plants", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    print(f"{runs * TOGETHER} plants of {CELLS} cells, one hour, seed {given.seed}, ", end="")
    print(f"{given.gaps:.0%} of ten-minute spells lost; {seconds:.0f} s")
    print(f"{'figure':34}{'n':>6}{'held':>9}{'u / value':>11}{'error / u':>11}")
    bad = 0
    for (scope, name), parts in found.items():
        value, u, truth = np.concatenate(parts, axis=1)
        z = (value - truth) / u
        held = float(np.mean(np.abs(z) <= COVERAGE_FACTOR))
        low, high = limits(len(z) if scope == "line" else runs * TOGETHER)
        bad += not low <= held <= high and not given.gaps
        rms = float(np.sqrt(np.mean(z**2)))
        share = float(np.nanmedian(u / value))
        print(f"{scope + '.' + name:34}{len(z):6}{held:9.1%}{share:11.2%}{rms:11.2f}")
    return 1 if bad else 0


def limits(plants: int) -> tuple[float, float]:
    """Held between 93 and 97 %, widened by two standard deviations of a count of so many."""
    luck = 2 * (0.95 * 0.05 / plants) ** 0.5
    return 0.93 - luck, 0.97 + luck


if __name__ == "__main__":
    sys.exit(main())
