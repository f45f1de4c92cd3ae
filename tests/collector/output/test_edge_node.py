"""The edge node against Mosquitto: births, changes, death, its one command, its primary host."""

from __future__ import annotations

import json

import numpy as np
import pytest
from harness import until
from sparkplug import PAYLOAD, metric, payload

from collector.output.edge_node import EdgeNode, asks_for_birth
from collector.output.publisher import Message

pytestmark = pytest.mark.servers
NODE = "spBv1.0/Smelter/{}/potline"
STATE = "spBv1.0/STATE/scada"


def output(port: int, *more: str) -> str:
    own = ['id = "scada"', 'kind = "sparkplug"', 'host = "127.0.0.1"', f"port = {port}"]
    own += ['client_id = "edge"', 'group = "Smelter"', 'edge_node = "potline"', "every_s = 1.0"]
    return "\n".join([*own, *more])


def of(witness, kind: str) -> list:
    """Payloads of one kind, in their order."""
    return [PAYLOAD.FromString(c) for t, c in witness.heard if t.split("/")[2] == kind]


def kinds(witness) -> list[str]:
    return [t.split("/")[2] for t, _ in witness.heard if "/Smelter/" in t]


def value(m) -> float:
    return m.double_value if not m.is_null else float("nan")


def test_births_changes_rebirth_and_death(plant_with, mosquitto, witness, running, beat):
    plant = plant_with(output(mosquitto.port, 'scope = ["cell"]', 'figures = ["voltage", "power"]'))
    n = len(plant.cells)
    with running(plant) as outputs:
        until("births", lambda: len(witness.heard) == 1 + n)
        assert kinds(witness) == ["NBIRTH"] + ["DBIRTH"] * n
        birth = of(witness, "NBIRTH")[0]
        assert [(m.name, m.datatype) for m in birth.metrics] == [
            ("bdSeq", 4), ("Node Control/Rebirth", 11)
        ]  # fmt: skip
        assert not birth.metrics[1].boolean_value
        aliases = {}
        for topic, content in witness.heard[1:]:
            for m in PAYLOAD.FromString(content).metrics:
                assert m.is_null
                assert m.HasField("timestamp")
                aliases[m.alias] = topic.split("/")[-1], m.name
                unit = dict(zip(m.properties.keys, m.properties.values, strict=True))["engUnit"]
                assert (m.name, unit.string_value) in {
                    ("voltage", "V"),
                    ("temperature", "°C"),
                } or unit
        assert len(aliases) == sum(len(p.metrics) for p in of(witness, "DBIRTH"))
        outputs(None, beat(plant, 0, voltage=4.5))
        until("data", lambda: len(of(witness, "DDATA")) == n)
        told = {aliases[m.alias]: value(m) for p in of(witness, "DDATA") for m in p.metrics}
        assert told == {(cell.id, "voltage"): 4.5 for cell in plant.cells}
        witness.say(
            NODE.format("NCMD"), payload([metric("Node Control/Rebirth", True, datatype=11)])
        )
        until("births again", lambda: len(of(witness, "DBIRTH")) == 2 * n)
        again = of(witness, "DBIRTH")[n]
        assert value(next(m for m in again.metrics if m.name == "voltage")) == 4.5
        seqs = [
            PAYLOAD.FromString(c).seq
            for t, c in witness.heard
            if "/Smelter/" in t and "CMD" not in t
        ]
        assert seqs == [*range(2 * n + 1), *range(n + 1)]
    until("death", lambda: of(witness, "NDEATH"))
    death = of(witness, "NDEATH")[0].metrics[0]
    assert (death.name, death.long_value) == ("bdSeq", birth.metrics[0].long_value)
    assert len(of(witness, "NDEATH")) == 1


def test_it_obeys_nothing_else(plant_with, mosquitto, witness, running):
    plant = plant_with(output(mosquitto.port, 'scope = ["line"]'))
    with running(plant):
        until("births", lambda: of(witness, "DBIRTH"))
        for content in (
            payload([metric("Node Control/Rebirth", False, datatype=11)]),
            payload([metric("Node Control/Reboot", True, datatype=11)]),
            payload([metric("voltage", 1.0)]),
            b"\xff\xff\x00garbage",
            b"",
        ):
            witness.say(NODE.format("NCMD"), content)
            witness.say("spBv1.0/Smelter/DCMD/potline/L1", content)
        witness.say(
            NODE.format("NCMD"), payload([metric("Node Control/Rebirth", True, datatype=11)])
        )
        until("births again", lambda: len(of(witness, "DBIRTH")) == 2)
    assert len(of(witness, "NBIRTH")) == 2


def test_a_killed_broker_gives_a_new_birth_with_the_next_number(
    plant_with, mosquitto, witness, running
):
    plant = plant_with(output(mosquitto.port, 'scope = ["line"]'))
    with running(plant) as outputs:
        until("birth", lambda: of(witness, "NBIRTH"))
        witness.close()
        mosquitto.kill()
        until("trouble told", lambda: outputs.statuses[0].link == "disconnected")
        mosquitto.start()
        again = type(witness)(mosquitto.port)
        until("a birth", lambda: of(again, "NBIRTH"), 20)
        assert (
            of(again, "NBIRTH")[0].metrics[0].long_value
            > of(witness, "NBIRTH")[0].metrics[0].long_value
        )
        again.close()


def test_births_wait_for_the_primary_host(plant_with, mosquitto, witness, running, beat):
    def state(online: bool, when: int) -> None:
        witness.say(STATE, json.dumps({"online": online, "timestamp": when}).encode(), retain=True)

    state(False, 1000)
    plant = plant_with(output(mosquitto.port, 'primary_host = "scada"', 'scope = ["line"]'))
    with running(plant) as outputs:
        until("connected", lambda: outputs.statuses[0].link == "connected")
        outputs(None, beat(plant, 0, 1.0))
        state(True, 999)  # older than the last
        witness.say("spBv1.0/STATE/other", b'{"online": true, "timestamp": 5000}')
        witness.say(STATE, b"OFFLINE")
        until("heard", lambda: len(witness.heard) == 4)
        assert not kinds(witness)
        state(True, 2000)
        until("birth", lambda: of(witness, "DDATA"))
        assert kinds(witness)[:2] == ["NBIRTH", "DBIRTH"]
        state(False, 3000)
        until("death", lambda: "NDEATH" in kinds(witness))
        until("it waits", lambda: outputs.statuses[0].link == "connected")
        state(True, 4000)
        until("a birth", lambda: len(of(witness, "NBIRTH")) == 2)
        numbers = [p.metrics[0].long_value for p in of(witness, "NBIRTH")]
        assert numbers[0] < numbers[1]


def test_it_publishes_as_its_own_node_only(plant_with):
    plant = plant_with(output(1883))
    node = EdgeNode(plant.outputs[0], plant)
    assert node.may_publish(f"spBv1.0/Smelter/DDATA/potline/{plant.cells[0].id}")
    for topic in (
        "spBv1.0/Smelter/NCMD/potline", "spBv1.0/Smelter/DCMD/potline/L1", STATE,
        "spBv1.0/Smelter/DDATA/other/L1", "spBv1.0/Smelter/DDATA/potline/nobody", "x",
    ):  # fmt: skip
        with pytest.raises(ValueError, match="must not publish"):
            node._publish(None, Message(topic, b""))


def test_only_true_asks_for_births():
    assert asks_for_birth(payload([metric("Node Control/Rebirth", True, datatype=11)]))
    assert not asks_for_birth(payload([metric("Node Control/Rebirth", datatype=11)]))
    assert not asks_for_birth(b"\x12\x02\x0a\x09")
    assert np.isnan(value(PAYLOAD.FromString(payload([metric("x")])).metrics[0]))
