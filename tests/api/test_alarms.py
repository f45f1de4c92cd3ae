"""Alarms listed, acknowledged once, told to the stream."""

import orjson
import pytest

from plant.batch import SECOND
from store.alarms import Transition


def transition(house, rule, entity, active, value):
    house.alarms.apply([Transition(rule, entity, active, house.now, value)])


async def test_an_alarm_from_raise_to_normal(house):
    house.beat()
    transition(house, "excess-energy", "L1-007", True, 480.2)
    async with house.client() as client:
        (alarm,) = (await client.get("/api/v1/alarms")).json()["alarms"]
        assert alarm == {
            "id": 1,
            "rule": "excess-energy",
            "entity": "L1-007",
            "line": "L1",
            "priority": 2,
            "state": "unack-active",
            "label": alarm["label"],
            "label_zh": alarm["label_zh"],
            "value": 480.2,
            "limit": 300,
            "unit": "kWh/t",
            "raised": "2026-11-21T11:40:00Z",
            "cleared": None,
            "acknowledged": None,
            "acknowledged_by": "",
            "comment": "",
        }
        before = house.live.beat.number
        house.now += 5 * SECOND
        answer = await client.post(
            "/api/v1/alarms/1/acknowledge", json={"who": " Li Wei ", "comment": "beam checked"}
        )
        assert answer.status_code == 200
        assert answer.json()["state"] == "ack-active"
        assert answer.json()["acknowledged"] == "2026-11-21T11:40:05Z"
        assert answer.json()["acknowledged_by"] == "Li Wei"
        assert house.live.beat.number == before + 1
        delta = orjson.loads(house.live.beat.delta)
        assert delta["alarms"] == {"open": 1, "unacknowledged": 0}
        assert b"beam checked" in house.live.beat.alarms

        again = await client.post("/api/v1/alarms/1/acknowledge", json={"who": "Zhang"})
        assert again.status_code == 409
        assert "Li Wei" in again.json()["detail"]

        house.now += SECOND
        transition(house, "excess-energy", "L1-007", False, 190.0)
        assert (await client.get("/api/v1/alarms")).json()["alarms"] == []
        (alarm,) = (await client.get("/api/v1/alarms?state=all&to=-0s")).json()["alarms"]
        assert alarm["state"] == "normal"
        assert alarm["cleared"] == "2026-11-21T11:40:06Z"


async def test_an_unknown_alarm_cannot_be_acknowledged(house):
    async with house.client() as client:
        answer = await client.post("/api/v1/alarms/99/acknowledge", json={"who": "Li Wei"})
    assert answer.status_code == 404
    assert "99" in answer.json()["detail"]


async def test_a_beat_tells_of_alarms_that_were_raised(house):
    house.beat()
    quiet = house.live.beat.alarms
    house.now += SECOND
    house.beat()
    assert house.live.beat.alarms is quiet
    transition(house, "line-current-drop", "L2", True, 0.5)
    house.now += SECOND
    house.beat()
    assert b'"rule":"line-current-drop"' in house.live.beat.alarms
    assert orjson.loads(house.live.beat.delta)["alarms"]["unacknowledged"] == 1


@pytest.mark.parametrize(
    ("rule", "entity", "unit", "line"),
    [
        ("line-current-drop", "L2", "1", "L2"),
        ("stale-source", "meters", "s", ""),
        ("boiler-oxygen", "B1", "%", ""),
        ("bath-temperature-high", "L2-003", "degC", "L2"),
    ],
)
async def test_units_and_lines(house, rule, entity, unit, line):
    transition(house, rule, entity, True, 9.0)
    async with house.client() as client:
        (alarm,) = (await client.get("/api/v1/alarms")).json()["alarms"]
    assert (alarm["unit"], alarm["line"]) == (unit, line)
