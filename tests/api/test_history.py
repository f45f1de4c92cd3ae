"""Figures, samples, events, gaps and the ledger, over a real spool and store."""

import numpy as np
import pytest

from analytics.table.figures import beat_figures, figures
from plant.batch import SECOND, Batch, Quality
from store.contract import FigureBlock
from store.spool import Event, Gap
from store.writer import Writer

HOUR = 3600 * SECOND
VOLTAGE = "L1-001.voltage"


async def get(house, path, **query):
    async with house.client() as client:
        answer = await client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keep_samples(house, times, values, quality=None):
    column = house.plant.column_of[VOLTAGE]
    batch = Batch.of(np.full(len(times), column), times, values, quality)
    source = house.plant.tags[column].source
    house.spool.append(batch, {source: len(batch)}, {}, (), np.zeros(len(batch), bool))


async def test_samples_of_spool_and_store_as_they_are(house):
    times = house.now - np.arange(10, 0, -1) * SECOND
    values = np.linspace(3.9, 4.1, 10)
    quality = np.zeros(10, np.uint8)
    values[3], quality[3] = np.nan, Quality.BAD
    keep_samples(house, times[:5], values[:5], quality[:5])
    writer = Writer(house.spool, house.store)
    writer.step()
    keep_samples(house, times[5:], values[5:], quality[5:])
    body = await get(house, "/samples", tag=VOLTAGE)
    assert body["unit"] == "V"
    assert body["hold_s"] == 10.0
    assert body["decimated"] is False
    assert body["time_ms"] == (times // 1_000_000).tolist()
    assert body["min"] == body["max"] == [None if np.isnan(v) else v for v in values]
    assert body["quality"] == quality.tolist()


async def test_samples_are_thinned_with_their_extremes(house):
    times = house.now - np.arange(3000, 0, -1) * SECOND
    values = np.full(3000, 4.0)
    values[1234], values[2345] = 35.0, 0.5
    quality = np.zeros(3000, np.uint8)
    quality[7] = Quality.UNCERTAIN | Quality.BACKFILLED
    keep_samples(house, times, values, quality)
    body = await get(house, "/samples", tag=VOLTAGE, points=100)
    assert body["decimated"] is True
    assert len(body["time_ms"]) == len(body["min"]) == len(body["quality"]) <= 100
    assert max(body["max"]) == 35.0
    assert min(body["min"]) == 0.5
    assert body["quality"][0] == Quality.UNCERTAIN | Quality.BACKFILLED


def keep_figures(house, beats):
    names = tuple(f.name for f in figures()["cell"])
    cells = house.plant.entities("cell")
    times = house.now - np.arange(beats, 0, -1) * 5 * SECOND
    values = np.arange(beats * len(names) * len(cells), dtype=float)
    block = FigureBlock("cell", names, cells, times, values.reshape(beats, len(names), len(cells)))
    house.spool.commit_beats([block], [], None)
    return block


async def test_figures_by_entity_and_name(house):
    block = keep_figures(house, 4)
    body = await get(
        house, "/figures", scope="cell", figure=["voltage", "power"], entity=["L1-002", "L2-024"]
    )
    assert body["entities"] == ["L1-002", "L2-024"]
    assert body["unit"] == {"voltage": "V", "power": "kW"}
    assert body["time_ms"] == (block.times // 1_000_000).tolist()
    power = block.names.index("power")
    assert body["values"]["L2-024"]["power"] == block.values[:, power, -1].tolist()


async def test_figures_of_all_entities_are_thinned(house):
    block = keep_figures(house, 400)
    body = await get(house, "/figures", scope="cell", figure="voltage", points=50)
    assert body["decimated"] is True
    assert len(body["time_ms"]) <= 50
    assert len(body["values"]) == 48
    series = block.values[:, block.names.index("voltage"), 0]
    shown = body["values"]["L1-001"]["voltage"]
    assert (shown[0], shown[-1]) == (series[0], series[-1])


async def test_no_figures_are_empty_columns(house):
    body = await get(house, "/figures", scope="line", figure="current")
    assert body["time_ms"] == []
    assert body["values"] == {"L1": {"current": []}, "L2": {"current": []}}


@pytest.mark.parametrize("scope", ["cell", "line", "boiler", "site"])
async def test_every_figure_of_the_newest_beat_explains_itself(house, scope):
    house.beat(every=1.5)
    entity = house.plant.entities(scope)[0]
    for figure in beat_figures()[scope]:
        body = await get(house, "/explain", scope=scope, entity=entity, figure=figure.name)
        assert body["value"] == 1.5
        assert body["unit"] == figure.unit
        assert body["time"] == "2026-11-21T11:40:00Z"
        assert len(body["inputs"]) == len(figure.inputs)


async def test_a_kept_figure_is_explained_with_the_readings_that_stood(house):
    block = keep_figures(house, 4)
    keep_samples(house, house.now - np.array([12, 11, 9]) * SECOND, [3.9, 4.2, 5.0])
    body = await get(house, "/explain", scope="cell", entity="L1-001", figure="voltage", at="-6s")
    assert body["value"] == block.values[2, 0, 0]
    assert {
        "name": "cell.voltage",
        "entity": "L1-001",
        "value": 4.2,
        "unit": "V",
        "uncertainty": 0.0025,
    } in body["inputs"]
    (record,) = body["samples"]
    assert (record["signal"], record["tags"], record["source"]) == ("cell.voltage", 1, "pots-L1")
    assert record["count"] == 2  # the one of now-9 s came later
    assert record["address"]["node"] == "s=L1.001.voltage"
    assert record["address"]["url"] == "opc.tcp://127.0.0.1:48401"
    assert record["last"] == "2026-11-21T11:39:49Z"
    assert body["uncertainty"]["standard"] is None or body["uncertainty"]["standard"] > 0


async def test_an_explanation_gives_its_uncertainty_and_no_secret(house):
    house.beat(every=1.5)
    body = await get(
        house, "/explain", scope="line", entity="L1", figure="total_specific_energy_hour"
    )
    causes = {part["cause"] for part in body["uncertainty"]["parts"]}
    assert {"current", "current_efficiency", "rectifiers", "auxiliaries"} <= causes
    assert body["uncertainty"]["expanded"] == pytest.approx(1.96 * body["uncertainty"]["standard"])
    assert {record["signal"] for record in body["samples"]} >= {"line.current", "meter.power"}
    for record in body["samples"]:
        assert not set(record["address"]) & {"username", "password_file", "password_env"}


async def test_anode_effects_of_a_cell(house):
    rows = [
        Event(
            "anode_effect",
            {
                "key": f"{cell}@{start}",
                "time": start,
                "cell": cell,
                "line": "L1",
                "start": start,
                "end": start + 90 * SECOND,
                "above_s": 80.0,
                "elapsed_s": 90.0,
                "max_V": 32.5,
                "mean_V": 25.0,
                "runs": 1,
                "incomplete": False,
            },
        )
        for cell, start in (("L1-003", house.now - HOUR // 2), ("L1-004", house.now - HOUR // 3))
    ]
    house.spool.commit_beats((), rows, None)
    Writer(house.spool, house.store).step()
    assert len((await get(house, "/anode-effects"))["anode_effects"]) == 2
    (only,) = (await get(house, "/anode-effects", cell="L1-003"))["anode_effects"]
    assert only["start"] == "2026-11-21T11:10:00Z"
    assert only["max_V"] == 32.5
    assert (await get(house, "/anode-effects", to="-2h"))["anode_effects"] == []


async def test_gaps_and_ledger(house):
    source = house.plant.tags[house.plant.column_of[VOLTAGE]].source
    gap = Gap(VOLTAGE, house.now - 60 * SECOND, house.now - 30 * SECOND, "disconnected")
    house.spool.append(
        Batch.empty(), {source: 2}, {(source, "not_finite"): 2}, [gap], np.empty(0, bool)
    )
    (row,) = (await get(house, "/gaps", tag=VOLTAGE))["gaps"]
    assert row == {
        "tag": VOLTAGE,
        "start": "2026-11-21T11:39:00Z",
        "end": "2026-11-21T11:39:30Z",
        "cause": "disconnected",
    }
    ledger = (await get(house, "/ledger"))["sources"][source]
    assert ledger["received"] == 2
    assert ledger["rejected"] == {"not_finite": 2}
    assert ledger["balance"] == 0
