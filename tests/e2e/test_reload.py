"""Tags added and removed under load, by SIGHUP: no sample lost, none doubled, no beat left out."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from harness import get_or_none, potline, until, unused_port

from plant.batch import SECOND, Quality
from plant.load import load
from plant.model import Plant
from simulators.wave import Wave
from store.open import open_store

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(180)]

SIGNALS = [f"shell_{k}" for k in range(10)]

HEAD = """
[site]
id = "s"
name = "S"
name_zh = "S"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"

[time]
figures_every_s = 1

[store]
kind = "embedded"
path = "@VAR@"

[[source]]
id = "pots"
kind = "opcua"
url = "opc.tcp://127.0.0.1:@OPCUA@"
namespace = "urn:potline:simulator:L1"
anonymous = true
publishing_interval_s = 0.5

[[source]]
id = "meters"
kind = "mqtt"
host = "127.0.0.1"
port = @MQTT@
client_id = "reload"

[[alarm]]
id = "anode-effect"
kind = "anode_effect"
priority = 1
"""
LINE = """
[[line]]
id = "@ID@"
name = "Line"
name_zh = "系列"
technology = "PFPB_M"
pfc_factors = "cbam-2025"
nominal_current_kA = 600
current_efficiency = 0.935
net_carbon_t_per_t = 0.411
anode_sulphur_percent = 2.0
anode_ash_percent = 0.4
sections = { A = "001-@CELLS@" }
target_voltage_V = 3.95
target_dc_kWh_per_t = 12600

[[rectifier]]
id = "@ID@-R"
name = "Rectifiers"
line = "@ID@"

[[tags]]
each = "line"
lines = ["@ID@"]
source = "pots"
node = "s={line}.{name}"
signals = ["current"]

[[tags]]
each = "rectifier"
lines = ["@ID@"]
source = "meters"
topic = "{line}/{id}"
pointer = "/{name}"
time = "/time"
signals = ["ac_power"]

[[tags]]
each = "cell"
lines = ["@ID@"]
source = "pots"
node = "s={line}.{cell}.{name}"
signals = @SIGNALS@
interval_s = @INTERVAL@
"""
SHELL = """
[[signal]]
entity = "cell"
name = "@NAME@"
unit = "degC"
kind = "gauge"
low = 0
high = 500
"""
BASE = "L1", "200", ["voltage", *SIGNALS], "{ voltage = 0.1 }"
ADDED = "L0", "100", SIGNALS, "1"


def write(path: Path, text: str) -> Plant:
    path.write_text(text, encoding="utf-8")
    return load(path)


def line(id_: str, cells: str, signals: list[str], interval_s: str) -> str:
    text = LINE.replace("@ID@", id_).replace("@CELLS@", cells).replace("@INTERVAL@", interval_s)
    return text.replace("@SIGNALS@", str(signals).replace("'", '"'))


def outcomes(collector) -> list[dict]:
    found = (json.loads(row) for row in re.findall(r"^\{.*\}$", collector.text, re.MULTILINE))
    return [row for row in found if row["event"].startswith("plant file")]


def ask(collector, path: Path, text: str) -> dict:
    """SIGHUP with another plant file in its place; what potline says of it."""
    path.write_text(text, encoding="utf-8")
    before = len(outcomes(collector))
    collector.popen.send_signal(signal.SIGHUP)
    until("a word on the plant file", lambda: len(outcomes(collector)) > before)
    return outcomes(collector)[-1]


def test_a_thousand_tags_come_and_go_under_load(tmp_path, processes, mosquitto):
    shells = "".join(SHELL.replace("@NAME@", name) for name in SIGNALS)
    head = HEAD.replace("@VAR@", str(tmp_path / "var")).replace("@OPCUA@", str(unused_port()))
    head = head.replace("@MQTT@", str(mosquitto.port)) + shells
    few, many = head + line(*BASE), head + line(*ADDED) + line(*BASE)
    everything = write(tmp_path / "everything.toml", many)
    path = tmp_path / "plant.toml"
    base = write(path, few)
    added = [t.id for t in everything.tags if t.id not in base.column_of]
    assert len(added) == 1002
    assert everything.column_of["L1-001.voltage"] > base.column_of["L1-001.voltage"]

    simulator = processes("simulate", "simulate", tmp_path / "everything.toml", "--fast", "--wave")
    port = unused_port()
    collector = processes("run", "run", path, "--port", port)
    live = f"http://127.0.0.1:{port}/api/v1/live"
    until("live figures", lambda: (get_or_none(live) or {}).get("time"), 60)
    time.sleep(3)
    said = ask(collector, path, many)
    assert said["event"] == "plant file applied", said
    assert (said["tags_added"], said["tags_removed"], said["tags_changed"]) == (1002, 0, 0)
    told = time.time_ns()
    time.sleep(6)
    assert len(get_or_none(live)["figures"]["cell"]["voltage"]) == 300
    said = ask(collector, path, many.replace("L1", "L0", 1) + "\n[[meter]]\nid = 1")
    assert said["event"] == "plant file not applied, all goes on as before"
    assert "meter" in said["reason"]
    said = ask(collector, path, many.replace("Asia/Shanghai", "UTC"))
    assert "[site] time_zone" in said["reason"]
    assert ask(collector, path, many)["event"] == "plant file read again: nothing changed"
    removing = time.time_ns()
    said = ask(collector, path, few)
    assert (said["tags_added"], said["tags_removed"], said["tags_changed"]) == (0, 1002, 0)
    time.sleep(5)
    assert collector.popen.poll() is None
    metrics = f"http://127.0.0.1:{port}/metrics"
    assert 'potline_reloads_total{outcome="applied"} 2.0' in text_of(metrics)
    assert 'potline_reloads_total{outcome="refused"} 2.0' in text_of(metrics)
    assert collector.stop() == 0, collector.text
    simulator.stop()

    report = json.loads(potline("audit", path, "--json").stdout)
    assert report["closes"], report
    for row in report["sources"]:
        assert set(row["rejected"]) <= {"duplicate", "tag_removed", "unknown_topic"}, row

    found = open_store(everything).samples(None, 0, 2**62)
    assert report_of(everything, found, base) == []
    new = np.array([everything.column_of[t] for t in added])
    first, last = np.full(len(everything.tags), 2**62), np.zeros(len(everything.tags), np.int64)
    np.minimum.at(first, found.tags, found.times)
    np.maximum.at(last, found.tags, found.times)
    assert (first[new] < told + 3 * SECOND).all(), "the added tags are read soon"
    assert (last[new] > removing - 2 * SECOND).all(), "and to the end"

    kept = open_store(base).figures("line", ["current"], ["L1"], 0, 2**62)
    assert len(kept.times) > 10
    assert (np.diff(kept.times) == SECOND).all(), "no beat is left out"


def report_of(plant: Plant, found, base: Plant) -> list[str]:
    """What is missing, doubled or wrong among the stored samples, tag by tag, between the first and
    the last of each."""
    wave = Wave(plant, 0)
    fresh = found.take(found.quality == Quality.GOOD)  # nor what stood before, told when asked
    expected = wave.read(fresh.tags, fresh.times)
    wrong = [f"{plant.tags[c].id}: another value"
             for c in np.unique(fresh.tags[fresh.values != expected]).tolist()]  # fmt: skip
    edges = np.searchsorted(fresh.tags, np.arange(len(plant.tags) + 1))
    for tag in plant.tags:
        times = fresh.times[edges[tag.column] : edges[tag.column + 1]]
        every = round(tag.interval_s * SECOND)
        steps = np.diff(times)
        if len(times) < (12 if tag.id in base.column_of else 5) / tag.interval_s:
            wrong.append(f"{tag.id}: only {len(times)} samples")
        elif (steps != every).any():
            at = int(np.argmax(steps != every))
            wrong.append(f"{tag.id}: {steps[at] / SECOND} s after {times[at]}")
    return wrong


def text_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text
