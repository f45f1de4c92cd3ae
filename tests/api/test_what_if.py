"""POST /api/v1/what-if and GET /api/v1/baseline over a real store."""

from __future__ import annotations

import numpy as np
import pytest

from api.daily import daily, day_ends, last_known
from plant.batch import SECOND
from store.contract import FigureBlock

DAY = 86_400 * SECOND
MIDNIGHT = 1_795_190_400 * SECOND  # 2026-11-21 00:00 in Shanghai


def beat(house, **cell):
    house.beat(
        line__current=600.0, line__dc_energy_hour=98.5, line__ac_energy_hour=100.0,
        cell__voltage_hour=3.95, **cell,
    )  # fmt: skip


async def ask(house, **question):
    async with house.client() as client:
        return await client.post("/api/v1/what-if", json=question)


async def test_ten_millivolts_less_of_one_cell(house):
    beat(house, cell__noise_lf=12.0)
    answer = (await ask(house, cells=["L1-001"], change_mV=-10)).json()
    assert answer["kWh_per_t"] == pytest.approx(-31.87, abs=0.005)
    assert answer["line_kWh_per_t"] == pytest.approx(-31.87 / 24, abs=0.005)
    (cell,) = answer["cells"]
    assert cell["heat_kW"] == pytest.approx(-6.0)
    assert cell["ac_MWh_per_a"] == pytest.approx(-6 * 8.76 / 0.985)
    assert cell["noise_lf_mV"] == 12.0
    assert answer["time"] == "2026-11-21T11:40:00Z"
    factors = {row["name"]: row["certainty"] for row in answer["factors"]}
    assert factors["what_if.voltage_per_cm"] == "unverified"


async def test_noise_stands_against_it(house):
    beat(house, cell__noise_lf=41.0)
    answer = (await ask(house, cells=["L1-001"], change_mV=-10)).json()
    assert any("41 mV is above 30 mV" in text for text in answer["cells"][0]["warnings"])
    assert answer["warned"] == ["L1-001"]


async def test_superheat_comes_from_the_book(house):
    house.store.write_figures(
        FigureBlock("cell", ("superheat",), ("L1-001",), np.array([MIDNIGHT]), np.array([[[6.05]]]))
    )
    beat(house, cell__noise_lf=12.0)
    answer = (await ask(house, cells=["L1-001"], change_mV=-10)).json()
    assert any("superheat may fall to 5.9 K" in text for text in answer["cells"][0]["warnings"])


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"cells": ["L9-001"], "change_mV": -10}, "there is no cell 'L9-001'"),
        ({"cells": ["L1-001"], "change_mV": 0}, "not 0"),
        ({"cells": ["L1-001"], "change_mV": -400}, "change_mV"),
        ({"cells": [], "change_mV": -10}, "cells"),
        ({"cells": ["L1-001"], "change_mV": -10, "write": True}, "write"),
    ],
)
async def test_questions_without_an_answer(house, question, said):
    beat(house)
    answer = await ask(house, **question)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


async def test_before_the_first_beat(house):
    assert (await ask(house, cells=["L1-001"], change_mV=-10)).status_code == 503


def keep_days(house, days, saved=0.0):
    """Closing figures of L1 for some days from MIDNIGHT on: 12.9 MWh/t, from day 20 on less."""
    rng = np.random.default_rng(3)
    metal = 108 + rng.normal(0, 3, days)
    energy = 12.9 * metal + 5 + rng.normal(0, 2, days) - np.where(np.arange(days) < 20, 0, saved)
    ends = MIDNIGHT + (np.arange(days) + 1) * DAY
    line = FigureBlock(
        "line", ("dc_energy_day", "metal_day"), ("L1",), ends,
        np.stack([energy, metal], 1)[:, :, None],
    )  # fmt: skip
    cells = house.plant.lines[0].cells
    volts = np.full((days, 1, len(cells)), 3.95)
    house.store.write_figures(line)
    house.store.write_figures(FigureBlock("cell", ("voltage_day",), cells, ends, volts))
    house.now = int(ends[-1]) + SECOND
    return energy, metal


async def test_baseline_and_savings_of_a_line(house):
    keep_days(house, 30, saved=30.0)
    asked = {
        "of": "L1", "driver": "metal_day", "from": "2026-11-20T16:00:00Z",
        "to": "2026-12-10T16:00:00Z", "report_from": "2026-12-10T16:00:00Z",
    }  # fmt: skip
    async with house.client() as client:
        found = (await client.get("/api/v1/baseline", params=asked)).json()
    assert found["days"] == 20
    assert found["terms"][1]["coefficient"] == pytest.approx(12.9, abs=0.5)
    assert found["r2"] > 0.95
    assert found["unit"] == "MWh"
    assert found["static"]["cells in operation"] == 24
    saved = found["savings"]
    assert saved["days"] == 10
    assert saved["total"] == pytest.approx(300, abs=saved["uncertainty_95"])
    assert saved["significant"]
    assert saved["change"] == "2026-12-11T16:00:00Z"


async def test_no_baseline_says_why(house):
    keep_days(house, 2)
    times = {"from": "2026-11-20T16:00:00Z", "to": "2026-11-22T16:00:00Z"}
    async with house.client() as client:
        few = await client.get("/api/v1/baseline", params={"of": "L1", **times})
        nobody = await client.get("/api/v1/baseline", params={"of": "L9", **times})
        nothing = await client.get(
            "/api/v1/baseline", params={"of": "L1", "driver": "nope", **times}
        )
    assert few.status_code == 422
    assert "take a longer period" in few.json()["detail"]
    assert nobody.status_code == 404
    assert nothing.status_code == 404


def test_days_are_local_and_whole(house):
    energy, _ = keep_days(house, 3)
    start = MIDNIGHT - 3600 * SECOND
    assert day_ends(house.plant, start, MIDNIGHT + 3 * DAY) == [
        MIDNIGHT + DAY, MIDNIGHT + 2 * DAY, MIDNIGHT + 3 * DAY,
    ]  # fmt: skip
    assert day_ends(house.plant, MIDNIGHT + 1, MIDNIGHT + 2 * DAY) == [MIDNIGHT + 2 * DAY]
    found = daily(
        house.plant, house.context.history, "line", ["dc_energy_day"], ["L1", "L2"],
        start, MIDNIGHT + 3 * DAY,
    )  # fmt: skip
    np.testing.assert_array_equal(found.values[:, 0, 0], energy)
    assert np.isnan(found.values[:, 0, 1]).all()


def test_the_last_known_stands(house):
    keep_days(house, 2)
    history = house.context.history
    value = last_known(history, "line", "metal_day", ["L1", "L2"], MIDNIGHT, MIDNIGHT + DAY + 1)
    assert value[0] > 0
    assert np.isnan(value[1])
