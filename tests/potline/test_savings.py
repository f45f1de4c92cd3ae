"""`potline baseline`, `compare` and `what-if` as a user has them, over a real store."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from harness import write_plant
from typer.testing import CliRunner

from plant.batch import SECOND, Batch
from plant.load import load
from potline.exits import Failure
from potline.main import app
from store.contract import FigureBlock
from store.open import open_store
from store.spool import Spool

DAY = 86_400 * SECOND
MARCH = 1_772_294_400 * SECOND  # 2026-03-01 00:00 in Shanghai
DAYS = 40
AFTER = 20  # first day with the measure


def potline(*arguments):
    """What the command prints. Raises Failure, as it would end with."""
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Forty days of closing figures: two of the cells lose 45 mV on the 21st day."""
    folder = tmp_path_factory.mktemp("plant")
    store = f'[store]\nkind = "embedded"\npath = "{folder / "var"}"\n'
    path = write_plant(folder, store, mqtt=1883, opcua=4840)
    model = load(path)
    rng = np.random.default_rng(7)
    cells = model.entities("cell")
    ends = MARCH + (np.arange(DAYS) + 1) * DAY
    season = 0.01 * np.sin(np.arange(DAYS) / 5)[:, None]
    volts = 3.95 + season + rng.normal(0, 0.004, (DAYS, len(cells)))
    volts[AFTER:, :2] -= 0.045
    specific = 2979.98 * volts / 0.935
    charge = 600 * 24 * (1 + 0.01 * rng.standard_normal((DAYS, 1))) * np.ones_like(volts)
    energy = volts * charge
    metal = charge * 0.935 / 2.97998
    names = ("voltage_day", "dc_specific_energy_day", "charge_day", "energy_day", "metal_day")
    block = FigureBlock(
        "cell", names, cells, ends, np.stack([volts, specific, charge, energy, metal], 1)
    )
    opened = open_store(model)
    Spool(folder / "var" / "spool.sqlite", model).close()
    opened.open()
    opened.write_figures(block)
    opened.close()
    return path


def test_a_set_point_campaign(plant):
    cells = load(plant).entities("cell")
    done = potline(
        "compare", plant, "--cells", f"{cells[0]}..{cells[1]}", "--control", ",".join(cells[2:4]),
        "--before", "2026-03-01,2026-03-21", "--after", "2026-03-21,2026-04-10", "--json",
    )  # fmt: skip
    found = json.loads(done)
    rows = {row["figure"]: row for row in found["figures"]}
    effect = rows["voltage_day"]["effect"]
    assert effect["value"] == pytest.approx(-0.045, abs=0.003)
    assert abs(effect["value"] + 0.045) <= effect["uncertainty_95"]
    energy = rows["dc_specific_energy_day"]["effect"]
    assert energy["value"] == pytest.approx(-4.5 * 31.87, abs=10)
    assert rows["dc_specific_energy_day"]["treated_cells"] == 2
    assert rows["anode_effects_day"]["effect"] is None
    assert "at least 2 are needed" in rows["anode_effects_day"]["notes"][0]
    shown = potline(
        "compare", plant, "--cells", ",".join(cells[:2]), "--control", ",".join(cells[2:4]),
        "--before", "2026-03-01,2026-03-21", "--after", "2026-03-21,2026-04-10",
        "--figure", "dc_specific_energy_day",
    )  # fmt: skip
    assert " ± " in shown


def test_baseline_of_cells_from_the_store(plant):
    cells = load(plant).entities("cell")
    done = potline(
        "baseline", plant, "--of", f"{cells[0]}..{cells[1]}", "--baseline", "2026-03-01,2026-03-21",
        "--report", "2026-03-21,2026-04-10", "--json",
    )  # fmt: skip
    found = json.loads(done)
    assert found["energy"] == "energy_day"
    saved = found["savings"]
    expected = 0.045 * 600 * 24 * 2 * 20  # kWh
    assert saved["total"] == pytest.approx(expected, abs=saved["uncertainty_95"])
    assert saved["significant"]


def test_baseline_of_a_file(plant, tmp_path):
    rng = np.random.default_rng(1)
    rows = ["day,MWh,t,°C"]
    for i in range(40):
        t, ambient = rng.normal(1080, 25), rng.normal(15, 8)
        mwh = 200 + 12.9 * t + 1.5 * ambient + rng.normal(0, 20) - (300 if i >= 25 else 0)
        rows.append(f"2026-0{3 + i // 31}-{i % 31 + 1:02},{'' if i == 3 else mwh},{t},{ambient}")
    file = tmp_path / "days.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    asked = (
        "baseline", plant, "--of", "anything", "--csv", file, "--energy", "MWh", "--driver", "t",
        "--driver", "°C", "--baseline", "2026-03-01,2026-03-26",
    )  # fmt: skip
    found = json.loads(potline(*asked, "--report", "2026-03-26,2026-04-10", "--json"))
    assert (found["days"], found["days_left_out"]) == (24, 1)
    assert found["terms"][1]["coefficient"] == pytest.approx(12.9, abs=0.6)
    assert found["savings"]["total"] == pytest.approx(
        15 * 300, abs=found["savings"]["uncertainty_95"]
    )
    assert "R²" not in potline(*asked)
    file.write_text("day,MWh,t,°C\n2026-03-01,much,1,2\n", encoding="utf-8")
    with pytest.raises(Failure, match="line 2: MWh = 'much' is not a number"):
        potline(*asked)


def test_what_if_without_samples(plant):
    with pytest.raises(Failure, match="no samples are kept yet") as failure:
        potline("what-if", plant, "--cells", "L1/A", "--mV", "-10")
    assert failure.value.status == 1


def test_what_if_of_the_newest_figures(tmp_path):
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    path = write_plant(tmp_path, store, mqtt=1883, opcua=4840)
    model = load(path)
    opened = open_store(model)
    Spool(tmp_path / "var" / "spool.sqlite", model).close()
    opened.open()
    now = time.time_ns() // SECOND * SECOND  # samples are kept for so many days
    opened.write_samples(Batch.of([0], [now], [3.9]))
    times = np.array([now - 5 * SECOND, now])
    noise, older = [[12.0, 44.0], [np.nan, np.nan]], [[4.2, 4.2], [3.95, 3.95]]
    values = np.stack([np.array(older), np.array(noise)], 1)
    cells = ("L1-001", "L1-002")
    opened.write_figures(FigureBlock("cell", ("voltage_hour", "noise_lf"), cells, times, values))
    current = np.full((2, 1, 1), 600.0)
    opened.write_figures(FigureBlock("line", ("current",), ("L1",), times, current))
    opened.close()
    asked = ("what-if", path, "--cells", "L1-001..L1-002", "--mV", "-10")
    found = json.loads(potline(*asked, "--json"))
    assert [row["voltage_V"] for row in found["cells"]] == [3.95, 3.95]
    assert [row["noise_lf_mV"] for row in found["cells"]] == [12.0, 44.0]  # the last known
    assert found["warned"] == ["L1-002"]
    assert found["kWh_per_t"] == pytest.approx(-31.87, abs=0.005)
    assert found["dc_MWh_per_a"] == pytest.approx(-2 * 6 * 8.76)
    assert "noise 44 mV" in potline(*asked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("what-if", "@", "--cells", "L9-001", "--mV", "-10"), "--cells L9-001: no cell, range"),
        (("baseline", "@", "--of", "L9", "--baseline", "2026-03-01,2026-03-05"), "--of L9: no"),
        (("baseline", "@", "--of", "#", "--baseline", "2026-03-01"), "two times with a comma"),
        (
            ("baseline", "@", "--of", "#", "--baseline", "2026-03-05,2026-03-01"),
            "the first time must be before",
        ),
        (
            ("compare", "@", "--cells", "#", "--control", "#", "--before",
             "2026-03-01,2026-03-05", "--after", "2026-03-05,2026-03-09"),
            "can be in one only",
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_one_clear_line_and_status_2(plant, arguments, said):
    first = load(plant).entities("cell")[0]
    with pytest.raises(Failure, match=said) as failure:
        potline(*({"@": plant, "#": first}.get(a, a) for a in arguments))
    assert failure.value.status == 2
