"""Snapshots and deltas, without a server."""

import asyncio
import math
import threading

import numpy as np
import orjson
import pytest

from analytics.beat.assessment import SCOPES
from analytics.table.figures import beat_figures
from api.columns import Columns
from plant.batch import SECOND


def merged(snapshot, delta):
    """A snapshot with a delta applied, as a client does it."""
    result = orjson.loads(orjson.dumps(snapshot))
    for key, value in delta.items():
        if key not in ("figures", "signals"):
            result[key] = value
            continue
        for scope, columns in value.items():
            for name, column in columns.items():
                if isinstance(column, dict):
                    for place, v in zip(column["i"], column["v"], strict=True):
                        result[key][scope][name][place] = v
                else:
                    result[key][scope][name] = column
    return result


def test_before_the_first_beat_all_is_unknown_and_stale(house):
    snapshot = orjson.loads(house.live.beat.snapshot)
    assert snapshot["time"] is None
    assert snapshot["stale"] is True
    assert snapshot["figures"]["cell"]["voltage"] == [None] * 48
    assert snapshot["signals"]["line"]["current"] == [None, None]


def test_snapshot_is_columnar_in_the_order_of_the_plant(house):
    house.beat(cell__voltage=3.9512345)
    snapshot = orjson.loads(house.live.beat.snapshot)
    assert snapshot["time"] == "2026-11-21T11:40:00Z"
    assert snapshot["time_ms"] == house.now // 1_000_000
    assert snapshot["stale"] is False
    for scope in SCOPES:
        assert list(snapshot["figures"][scope]) == [f.name for f in beat_figures()[scope]]
    voltage = snapshot["figures"]["cell"]["voltage"]
    decimals = next(f.decimals for f in beat_figures()["cell"] if f.name == "voltage") + 1
    assert voltage == [round(3.9512345, decimals)] + [1.0] * 47
    assert snapshot["signals"]["cell"]["voltage"] == [2.0] * 48
    assert [s["id"] for s in snapshot["sources"]] == [s.id for s in house.plant.sources]
    assert snapshot["alarms"] == {"open": 0, "unacknowledged": 0}


def test_delta_brings_only_what_changed_and_leads_to_the_next_snapshot(house):
    house.beat()
    before = orjson.loads(house.live.beat.snapshot)
    house.now += SECOND
    house.beat(cell__voltage=4.5, line__carbon_intensity_hour=math.nan)
    delta = orjson.loads(house.live.beat.delta)
    assert delta["figures"]["cell"] == {"voltage": {"i": [0], "v": [4.5]}}
    assert delta["figures"]["boiler"] == {}
    assert delta["signals"]["cell"] == {}
    assert "sources" not in delta
    assert merged(before, delta) == orjson.loads(house.live.beat.snapshot)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 1.0])
def test_any_change_survives_the_delta(share):
    random = np.random.default_rng(7)
    columns = Columns.of(["a", "b"], [2, 0])
    old = columns.rounded(random.normal(size=(2, 100)) * 100)
    new = old.copy()
    new[random.random((2, 100)) < share] = np.nan
    delta = orjson.loads(orjson.dumps(columns.changed(new, old), option=orjson.OPT_SERIALIZE_NUMPY))
    snapshot = {"figures": {"cell": {"a": old[0].tolist(), "b": old[1].tolist()}}}
    result = merged(snapshot, {"figures": {"cell": delta}})["figures"]["cell"]
    np.testing.assert_array_equal(np.array([result["a"], result["b"]], float), new)


def test_there_is_no_negative_zero():
    assert str(Columns.of(["a"], [1]).rounded(np.array([[-0.01]]))[0, 0]) == "0.0"


@pytest.mark.parametrize("reason", ["no beat", "old beat", "no source flows"])
def test_stale(house, reason):
    house.beat(house.now - 60 * SECOND if reason == "old beat" else None)
    if reason == "no beat":
        assert not house.live.is_stale()
        house.now += 6 * SECOND
    if reason == "no source flows":
        for source in house.sources:
            source.flowing = False
    assert house.live.is_stale()
    house.now += 3 * SECOND
    assert orjson.loads(house.live.look().snapshot)["stale"] is True


def test_going_stale_is_a_delta(house):
    house.beat()
    house.now += 6 * SECOND
    house.sources[0].flowing = False
    beat = house.live.look()
    delta = orjson.loads(beat.delta)
    assert delta["stale"] is True
    assert delta["sources"][0]["flowing"] is False
    assert "figures" not in delta


async def test_after_returns_at_once_when_another_thread_publishes(house):
    house.beat()
    number = house.live.beat.number
    waiting = asyncio.create_task(house.live.after(number, 20))
    await asyncio.sleep(0)
    house.now += SECOND
    thread = threading.Thread(target=house.beat)
    thread.start()
    beat = await asyncio.wait_for(waiting, 5)
    thread.join()
    assert beat.number == number + 1


async def test_after_returns_what_there_is_when_nothing_comes(house):
    house.beat()
    number = house.live.beat.number
    assert (await house.live.after(number, 0.01)).number == number
