"""A simulated week through the real pipeline, each figure against the truth.

    python -m benchmarks.truth [--days 7] [--cells 60] [--seed 1]

Two lines of so many cells with the default faults and with sensor errors drawn from the accuracies
that the plant file states. Samples go through intake, spool, calculation and embedded store; the
figures are read back from there. The truth is the simulator's own, with constants of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analytics.beat.assess import warm
from analytics.beat.assessment import SCOPES, Scope
from analytics.table.figures import beat_figures, index
from analytics.uncertainty.budget import COVERAGE_FACTOR, uncertainties
from collector.intake import Intake
from collector.source import Delivery
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from potline.stack import Stack
from simulators.offline import simulate

HOUR = 3600 * SECOND
START = 1_767_542_400 * SECOND  # 2026-01-05 00:00 in Shanghai
DEMO = Path(__file__).parents[1] / "deploy" / "plants" / "demo.toml"

Floats = NDArray[np.float64]
Tables = dict[str, dict[str, Floats]]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, how often it is taken, and what it truly was: [times, entities]."""

    scope: Scope
    figure: str
    every_h: int
    truth: Callable[[Tables, int], Floats]


def hourly(table: str, column: str, scale: float = 1.0) -> Callable[[Tables, int], Floats]:
    def of(tables: Tables, every_h: int) -> Floats:
        values = tables[table][column]
        whole = len(values) // every_h * every_h
        return scale * values[:whole].reshape(-1, every_h, values.shape[1]).sum(axis=1)

    return of


def over(
    above: Callable[[Tables, int], Floats], below: Callable[[Tables, int], Floats]
) -> Callable[[Tables, int], Floats]:
    def of(tables: Tables, every_h: int) -> Floats:
        return above(tables, every_h) / below(tables, every_h)

    return of


def added(*parts: Callable[[Tables, int], Floats]) -> Callable[[Tables, int], Floats]:
    def of(tables: Tables, every_h: int) -> Floats:
        return np.sum([part(tables, every_h) for part in parts], axis=0)

    return of


def boiler_efficiency(tables: Tables, every_h: int) -> Floats:
    """Heat in steam over heat in fuel, [%]."""
    boilers = tables["boilers"]
    fuel = {"boilers": {"GJ": boilers["heat_GJ"] / boilers["efficiency"], **boilers}}
    return over(hourly("boilers", "heat_GJ", 100), hourly("boilers", "GJ"))(fuel, every_h)


def rows(plant: Plant) -> Iterator[Row]:
    """What is held against the truth."""
    kWh, kAh, kg = (hourly("cells", c) for c in ("energy_kWh", "charge_kAh", "metal_kg"))
    t_kWh = hourly("cells", "energy_kWh", 1000)
    for every in (1, 24):
        w = "hour" if every == 1 else "day"
        yield Row("cell", f"energy_{w}", every, kWh)
        yield Row("cell", f"charge_{w}", every, kAh)
        yield Row("cell", f"voltage_{w}", every, over(kWh, kAh))
        yield Row("cell", f"metal_{w}", every, kg)
        yield Row("cell", f"dc_specific_energy_{w}", every, over(t_kWh, kg))
    yield Row("cell", "anode_effect_minutes_day", 24, hourly("cells", "anode_effect_s", 1 / 60))
    yield Row("cell", "cf4_day", 24, hourly("cells", "cf4_kg"))
    dc, ac, auxiliary = (hourly("lines", c) for c in ("dc_MWh", "ac_MWh", "aux_MWh"))
    dc_kWh, ac_kWh = (hourly("lines", c, 1000) for c in ("dc_MWh", "ac_MWh"))
    metal, anode = hourly("lines", "metal_t"), hourly("lines", "anode_co2_t")
    gwp = [plant.factors[f"gwp.{plant.site.gwp}.{gas}"].value / 1000 for gas in ("CF4", "C2F6")]
    pfc = added(hourly("lines", "cf4_kg", gwp[0]), hourly("lines", "c2f6_kg", gwp[1]))
    site = plant.site
    grid = plant.factors[f"grid.{site.grid_region}.average.{site.grid_year}"].value
    electricity = added(hourly("lines", "ac_MWh", grid), hourly("lines", "aux_MWh", grid))
    for every in (1, 24):
        w = "hour" if every == 1 else "day"
        yield Row("line", f"dc_energy_{w}", every, dc)
        yield Row("line", f"ac_energy_{w}", every, ac)
        yield Row("line", f"auxiliary_energy_{w}", every, auxiliary)
        yield Row("line", f"metal_{w}", every, metal)
        yield Row("line", f"dc_specific_energy_{w}", every, over(dc_kWh, metal))
        yield Row("line", f"ac_specific_energy_{w}", every, over(ac_kWh, metal))
        yield Row("line", f"anode_co2_{w}", every, anode)
        co2e = added(anode, pfc, electricity)
        yield Row("line", f"carbon_intensity_{w}", every, over(co2e, metal))
    yield Row("line", "cf4_day", 24, hourly("lines", "cf4_kg"))
    yield Row("line", "pfc_co2e_day", 24, pfc)
    yield Row("line", "pfc_overvoltage_co2e_day", 24, pfc)
    yield Row("boiler", "efficiency_day", 24, boiler_efficiency)


async def collect(plant: Plant, stack: Stack, batches: Iterable[Batch]) -> None:
    """Every batch through the intake; each minute's beats as they become due."""
    clock = [START]
    intake = Intake(
        plant,
        stack.spool,
        lambda batch: stack.pipeline.feed(batch, clock[0]),
        clock=lambda: clock[0],
    )
    committing = asyncio.create_task(intake.run())
    for batch in batches:
        clock[0] = int(batch.times.max()) + SECOND
        of = plant.source_of_tag[batch.tags]
        for source in np.unique(of).tolist():
            await intake.put(Delivery(plant.sources[source].id, batch.take(of == source)))
        await intake.drain()
        await asyncio.to_thread(stack.step, clock[0])
    clock[0] += 60 * SECOND
    while await asyncio.to_thread(stack.step, clock[0]):
        pass
    committing.cancel()


def plant_file(folder: Path, cells: int) -> Path:
    """The demo's plant with more cells, kept for ever, figures once a minute."""
    half = cells // 2
    text = DEMO.read_text("utf-8")
    text = text.replace('"001-012"', f'"001-{half:03}"').replace(
        '"013-024"', f'"{half + 1:03}-{cells:03}"'
    )
    text = text.replace('path = "var/demo"', f'path = "{folder}"\nraw_days = 0\nfigures_days = 0')
    text = text.replace("figures_every_s = 5", "figures_every_s = 60")
    path = folder / "plant.toml"
    path.write_text(text, "utf-8")
    return path


def tables(plant: Plant, folder: Path) -> Tables:
    """The truth by hour: {table: {column: [hours, entities]}}."""
    found: Tables = {}
    for name, kind in (("cells", "cell"), ("lines", "line"), ("boilers", "boiler")):
        table = pq.read_table(folder / f"{name}.parquet").sort_by("hour_start")
        entities = len(plant.entities(kind))  # type: ignore[arg-type]
        found[name] = {
            column: table[column].to_numpy().reshape(-1, entities)
            for column in table.column_names
            if column not in (kind, "hour_start")
        }
    return found


def kept_figures(plant: Plant, stack: Stack, hours: int) -> list[dict[Scope, Floats]]:
    """All figures at the end of each hour, {scope: [figures, entities]}."""
    found = []
    for hour in range(1, hours + 1):
        at = START + hour * HOUR
        values = {}
        for scope in SCOPES:
            names = [f.name for f in beat_figures()[scope]]
            block = stack.history.figures(scope, names, None, at, at + 1)
            values[scope] = (
                block.values[0] if len(block.times) else np.full(block.values.shape[1:], np.nan)
            )
        found.append(values)
    return found


def compare(
    row: Row, truth: Tables, kept: list[dict[Scope, Floats]], doubt: list[dict[Scope, Floats]]
) -> str:
    """One line of the table."""
    place = index(row.scope, row.figure)
    ends = slice(row.every_h - 1, None, row.every_h)
    estimate = np.array([values[row.scope][place] for values in kept[ends]])
    half = COVERAGE_FACTOR * np.array([values[row.scope][place] for values in doubt[ends]])
    true = row.truth(truth, row.every_h)[: len(estimate)]
    known = np.isfinite(estimate) & np.isfinite(true)
    unit = beat_figures()[row.scope][place].unit
    if not known.any() or not np.abs(true[known]).any():
        return f"| {row.scope} | `{row.figure}` | {unit} | 0 | | | | | | |"
    scale = np.abs(true[known]).mean()
    error = estimate[known] - true[known]
    stated = half[known]
    has = np.isfinite(stated)
    inside = expanded = "not stated"
    if has.any():
        inside = f"{100 * (np.abs(error[has]) <= stated[has]).mean():.1f} %"
        expanded = f"{100 * np.nanmean(stated) / scale:.3f} %"
    return (
        f"| {row.scope} | `{row.figure}` | {unit} | {known.sum()} | {true[known].mean():.6g} | "
        f"{estimate[known].mean():.6g} | {100 * error.mean() / scale:+.3f} % | "
        f"{100 * np.sqrt((error**2).mean()) / scale:.3f} % | "
        f"{expanded} | {inside} |"
    )


HEAD = (
    "| scope | figure | unit | n | truth | figure | mean error | rms error | stated ± (95 %) |"
    " within ± |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def pfc_text(plant: Plant, folder: Path, truth: Tables, kept: list[dict[Scope, Floats]]) -> str:
    """True CF4 against both methods, and where the difference comes from."""
    constants = pq.read_table(folder / "constants.parquet").to_pylist()
    lines = []
    for i, (line, true) in enumerate(zip(plant.lines, constants, strict=True)):
        cf4 = truth["lines"]["cf4_kg"][:, i].sum()
        quiet = truth["lines"]["cf4_low_voltage_kg"][:, i].sum()
        by = {
            name: sum(v["line"][index("line", name), i] for v in kept[23::24])
            for name in ("pfc_co2e_day", "pfc_overvoltage_co2e_day")
        }
        slope = sum(v["line"][index("line", "cf4_day"), i] for v in kept[23::24])
        used = plant.factors[f"pfc.{line.pfc_factors}.{line.technology}.slope"].value
        lines.append(
            f"| {line.id} | {cf4:.2f} | {quiet:.2f} | {slope:.2f} | {used:.4f} | "
            f"{true['cf4_slope']:.4f} | {by['pfc_co2e_day']:.2f} | "
            f"{by['pfc_overvoltage_co2e_day']:.2f} |"
        )
    return "\n".join(
        [
            "| line | true CF4, kg | of it without an anode effect | by slope, kg | slope used |"
            " true slope | CO2e by slope, t | CO2e by overvoltage, t |",
            "|---|---|---|---|---|---|---|---|",
            *lines,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant = load(plant_file(folder, asked.cells))
        warm(plant)
        stack = Stack(plant)
        stack.pipeline.sinks = (stack.keeper, stack.alarm_sink, stack.booking)
        stack.writer.start()
        began = time.perf_counter()
        seconds = asked.days * 24 * 3600
        run = simulate(plant, START, seconds, asked.seed, truth_dir=folder, sensor_errors=True)
        asyncio.run(collect(plant, stack, run))
        stack.keeper.flush()
        stack.writer.stop(drain_s=3600)
        took = time.perf_counter() - began
        truth = tables(plant, folder)
        kept = kept_figures(plant, stack, asked.days * 24)
        doubt = [uncertainties(plant, values) for values in kept]
        received = stack.summary().received
        text = "\n".join(
            [
                f"{asked.days} days, 2 lines of {asked.cells} cells, seed {asked.seed}: "
                f"{received:,} samples simulated, collected and computed in {took:.0f} s.",
                "",
                HEAD,
                *(compare(row, truth, kept, doubt) for row in rows(plant)),
                "",
                pfc_text(plant, folder, truth, kept),
            ]
        )
        stack.close()
    print(text)


if __name__ == "__main__":
    main()
