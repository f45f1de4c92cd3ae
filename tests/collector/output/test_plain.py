"""Figures as plain MQTT, against Mosquitto: values, templates, a broker that is away, the fence."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import until

from collector.output.plain import PlainPublisher
from collector.output.publisher import Message
from plant.load import PlantError

pytestmark = pytest.mark.servers


def output(port: int, *more: str) -> str:
    own = ['id = "mes"', 'kind = "mqtt"', 'host = "127.0.0.1"', f"port = {port}"]
    own += ['client_id = "potline-out"', 'prefix = "figures/here"', "every_s = 1.0", *more]
    return "\n".join(own)


def test_a_number_a_topic_then_what_changed(plant_with, mosquitto, witness, running, beat):
    plant = plant_with(output(mosquitto.port, 'scope = ["cell"]', 'figures = ["voltage"]'))
    cell, line = plant.cells[0], plant.lines[0]
    with running(plant) as outputs:
        outputs(None, beat(plant, 0, voltage=4.25))
        until("values", lambda: len(witness.heard) == len(plant.cells))
        topic = f"figures/here/{line.id}/{cell.id}/voltage"
        assert witness.documents[topic] == {
            "time": "2027-01-15T08:00:00.000Z", "value": 4.25, "unit": "V"
        }  # fmt: skip
        outputs(None, beat(plant, 1, voltage=4.25))
        outputs(None, beat(plant, 2))
        until("unknown", lambda: witness.documents[topic]["value"] is None)
        until("told", lambda: outputs.statuses[0].published == len(witness.heard))
    assert len(witness.heard) == 2 * len(plant.cells)
    assert outputs.statuses[0].link == "connected"


def test_a_document_an_entity(plant_with, mosquitto, witness, running, beat):
    plant = plant_with(output(mosquitto.port, 'topic = "{site}/{line}/{entity}"'))
    with running(plant) as outputs:
        outputs(None, beat(plant, 0, 2.0, voltage=4.25))
        cell = plant.cells[0]
        topic = f"figures/here/{plant.site.id}/{cell.line}/{cell.id}"
        until("documents", lambda: witness.documents.get(topic))
        assert witness.documents[topic]["voltage"] == 4.25
        until(
            "the site", lambda: f"figures/here/{plant.site.id}/{plant.site.id}" in witness.documents
        )


def test_a_broker_that_is_away_delays_no_beat_and_the_newest_is_told(
    plant_with, mosquitto, witness, running, beat
):
    plant = plant_with(output(mosquitto.port, 'scope = ["cell"]', 'figures = ["voltage"]'))
    witness.close()
    mosquitto.kill()
    with running(plant) as outputs:
        began = time.perf_counter()
        for second in range(1000):
            outputs(None, beat(plant, second, voltage=float(second)))
        assert time.perf_counter() - began < 5
        until("trouble told", lambda: outputs.statuses[0].last_error)
        assert outputs.statuses[0].replaced == 999
        mosquitto.start()
        again = type(witness)(mosquitto.port)
        until("the newest", lambda: again.heard)
        until("all", lambda: len(again.heard) == len(plant.cells))
        assert {d["value"] for d in again.documents.values()} == {999.0}
        again.close()


def test_it_publishes_below_its_prefix_only(plant_with, mosquitto):
    plant = plant_with(output(mosquitto.port))
    publisher = PlainPublisher(plant.outputs[0], plant)
    for topic in ("figures/her", "figures/here", "spBv1.0/G/NCMD/N", "x", "figures/here/+"):
        with pytest.raises(ValueError, match="must not publish"):
            publisher._publish(None, Message(topic, b""))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('prefix = "spBv1.0/G"', "cannot begin with"),
        ('prefix = "$SYS"', "cannot begin with"),
        ('topic = "{figure}"', "{entity}"),
        ('topic = "{cell}/{entity}"', "nothing fills {cell}"),
        ('figures = ["votlage"]', 'did you mean "voltage"'),
    ],
)
def test_what_is_wrong_in_the_file_is_said(plant_with, line, problem):
    key = line.partition(" ")[0]
    text = "\n".join(row for row in output(1883).split("\n") if not row.startswith(key))
    with pytest.raises(PlantError, match="output") as error:
        plant_with(f"{text}\n{line}")
    assert problem in str(error.value)


def test_nothing_else_in_the_collector_publishes():
    """Each way to the wire stands in one of two files, behind a check of its topic."""
    root = Path(__file__).parents[3]
    publishing = {
        str(file.relative_to(root))
        for file in (root / "collector").rglob("*.py")
        if ".publish(" in file.read_text() or "will_set(" in file.read_text()
    }
    assert publishing == {
        "collector/output/edge_node.py",  # its own death, as the will
        "collector/output/publisher.py",
        "collector/sparkplug/speech.py",
    }


def test_a_broker_that_talks_nonsense_is_tried_again(plant_with, running):
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def talk() -> None:
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(b"\x20\x00")  # an acknowledgement that acknowledges nothing

        talked = pool.submit(talk)
        with running(plant_with(output(listener.getsockname()[1]))):
            talked.result(timeout=20)
