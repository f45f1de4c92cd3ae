"""The plant's own tags on an OPC UA server of another maker: only address and namespace change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import get, get_or_none, until, unused_port, write_plant

from plant.load import load

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]
PEER = Path(__file__).parents[1] / "peers" / "node_opcua"
URI = "urn:of:another:maker"
STANDING = {"voltage": 4.0, "target_voltage": 4.0, "bath_temperature": 958.0, "current": 600.0}


@pytest.fixture
def foreign(tmp_path):
    """node-opcua on a free port: start(plant) serves the plant's OPC UA tags. -> its process"""
    node = shutil.which("node")
    if node is None or not (PEER / "node_modules").exists():
        pytest.skip("no node-opcua on this machine: `make provision` installs it")
    home = PEER / "node_modules" / ".home"
    home.mkdir(exist_ok=True)
    port = unused_port()
    started = []

    def start(plant):
        nodes = {
            t.address["node"].removeprefix("s="): STANDING.get(t.signal.name, 0.0)
            for t in plant.tags
            if t.source == "pots"
        }
        (tmp_path / "nodes.json").write_text(json.dumps(nodes), encoding="utf-8")
        command = [node, PEER / "server.js", str(port), URI, tmp_path / "nodes.json"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        with (tmp_path / "node.log").open("wb") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    yield port, start
    for process in started:
        process.kill()
        process.wait(10)


def test_a_server_of_another_maker_is_collected(tmp_path, processes, foreign):
    port, start = foreign
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    plant_file = write_plant(tmp_path, store, mqtt=unused_port(), opcua=port)
    text = plant_file.read_text(encoding="utf-8")
    plant_file.write_text(text.replace("urn:potline:simulator:L1", URI), encoding="utf-8")
    start(load(plant_file))
    page = unused_port()
    processes("run", "run", plant_file, "--port", page)
    live = f"http://127.0.0.1:{page}/api/v1/live"

    def computed():
        cells = ((get_or_none(live) or {}).get("figures") or {}).get("cell", {})
        values = cells.get("dc_specific_energy_minute", [None])
        return values if None not in values else None

    values = until("the kWh/t of every cell", computed, 60)
    assert values == pytest.approx([2979.98 * 4.0 / 0.935] * 8, rel=1e-4)
    pots = next(s for s in get(live)["sources"] if s["id"] == "pots")
    assert pots["link"] == "connected"
    assert pots["unresolved"] == 0
