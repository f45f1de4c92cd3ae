"""Values entered over the API, with their corrections; and the book that they go into."""

from __future__ import annotations

import numpy as np

from analytics.beat.windows import windows
from analytics.table.book_rows import BOOK
from plant.batch import SECOND
from store.contract import FigureBlock

ENTRY = {"entity": "L1-007", "signal": "bath_temperature", "time": "2026-11-21T06:30:00Z",
         "value": 957.5, "who": " Li Wei ", "comment": "probe 3"}  # fmt: skip
URL = "/api/v1/entries"


async def test_entered_corrected_and_read_back(house):
    async with house.client() as client:
        answer = await client.post(URL, json=ENTRY)
        assert answer.status_code == 200, answer.text
        assert answer.json()["entries"] == [
            {
                "entity": "L1-007",
                "signal": "bath_temperature",
                "unit": "degC",
                "time": "2026-11-21T06:30:00Z",
                "value": 957.5,
                "entered": "2026-11-21T11:40:00Z",
                "who": "Li Wei",
                "comment": "probe 3",
                "stands": True,
            }
        ]
        house.now += 60 * SECOND
        correction = {"value": 1764.5, "unit": "degF", "comment": "misread", "who": "Wang"}
        await client.post(URL, json=ENTRY | correction)
        found = (await client.get(URL, params={"entity": "L1-007"})).json()["entries"]
        assert [(e["value"], e["stands"]) for e in found] == [(962.5, True), (957.5, False)]
        await client.post(URL, json=ENTRY | {"value": None, "entered": "2026-11-21T11:41:00.5Z"})
        found = (await client.get(URL, params={"signal": "bath_temperature"})).json()["entries"]
        assert [(e["value"], e["stands"]) for e in found] == [
            (None, True), (962.5, False), (957.5, False),
        ]  # fmt: skip


async def test_a_correction_that_was_entered_earlier_does_not_stand(house):
    async with house.client() as client:
        await client.post(URL, json=ENTRY)
        late = ENTRY | {"value": 950.0, "entered": "2026-11-21T07:00:00Z"}
        (answer,) = (await client.post(URL, json=[late])).json()["entries"]
        assert not answer["stands"]


async def test_a_list_is_all_or_nothing(house):
    wrong = ENTRY | {"value": 9575.0}
    async with house.client() as client:
        answer = await client.post(URL, json=[ENTRY, wrong])
        assert answer.status_code == 422
        assert "entry 2: L1-007.bath_temperature: 9575 degC is outside" in answer.json()["detail"]
        assert (await client.get(URL)).json()["entries"] == []


async def test_what_cannot_be_entered_is_a_problem(house):
    async with house.client() as client:
        for change, said in (
            ({"entity": "L9-001"}, "no such cell"),
            ({"signal": "voltage"}, "measured all the time"),
            ({"time": "yesterday"}, "not an ISO 8601 time"),
            ({"time": "2026-11-22T06:30:00Z"}, "in the future"),
            ({"who": "  "}, "who"),
            ({"value": "hot"}, "value"),
            ({"unit": "kg"}, "cannot be converted"),
            ({"valeu": 3}, "valeu"),
        ):
            answer = await client.post(URL, json=ENTRY | change)
            assert answer.status_code == 422, change
            assert said in answer.json()["detail"], change
        assert (await client.post(URL, json=[])).status_code == 422
        assert (await client.get(URL, params={"entity": "L9"})).status_code == 404
        foreign = await client.post(
            URL, json=ENTRY, headers={"Origin": "https://elsewhere.example"}
        )
        assert foreign.status_code == 403
        assert (await client.get(URL)).json()["entries"] == []


def keep_book(house, midnight, **cell_figures):
    names = tuple(row.name for row in BOOK["cell"])
    cells = house.plant.entities("cell")
    values = np.full((1, len(names), len(cells)), np.nan)
    for name, column in cell_figures.items():
        values[0, names.index(name)] = column
    at = np.array([midnight], np.int64)
    house.spool.commit_beats([FigureBlock("cell", names, cells, at, values)], (), None)


async def test_the_newest_book_and_the_cells_that_stand_out(house):
    last = int(windows(house.now, house.plant.site.zone, ())[0, 3])
    energy = 12_600 + 10 * (np.arange(len(house.plant.cells)) % 5).astype(float)
    energy[3] = 13_100
    above = np.where(energy > 13_000, 0.15, 0.0)
    code = np.where(energy > 13_000, 3.0, 0.0)
    for day in (0, 1):
        keep_book(
            house, last - day * 86_400 * SECOND, dc_specific_energy_30d=energy,
            voltage_above_set_30d=above, low_efficiency=code,
        )  # fmt: skip
    async with house.client() as client:
        body = (await client.get("/api/v1/book?entity=L1-004&entity=L1-001")).json()
        assert body["time"] == "2026-11-20T16:00:00Z"
        assert body["entities"] == ["L1-004", "L1-001"]
        assert body["values"]["dc_specific_energy_30d"] == [13_100, 12_600]
        assert body["values"]["current_efficiency_30d"] == [None, None]
        assert {row["name"] for row in body["figures"]} == {row.name for row in BOOK["cell"]}

        (low,) = (await client.get("/api/v1/low-efficiency")).json()["cells"]
        assert (low["cell"], low["line"], low["metal_balance"]) == ("L1-004", "L1", False)
        assert low["since"] == "2026-11-19T16:00:00Z"
        assert low["excess_kWh_per_t"] == 480
        assert [r["code"] for r in low["reasons"]] == ["high_voltage"]

        nothing = await client.get("/api/v1/book?scope=line")
        assert nothing.status_code == 404
        assert (await client.get("/api/v1/book?scope=boiler")).status_code == 404
        assert (await client.get("/api/v1/low-efficiency?at=-60d")).status_code == 404
