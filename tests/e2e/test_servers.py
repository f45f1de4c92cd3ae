"""Simulator, Mosquitto, influxd and the collector as separate processes; each is killed once."""

from __future__ import annotations

import csv
import io
import json
import math
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import get_or_none, post, potline, until, unused_port, write_plant

from plant.batch import SECOND
from plant.load import load
from simulators.control import send
from store.open import open_store
from store.spool import Spool

PREFIX = "e2e"

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]


def influx_settings(influxd, folder: Path) -> str:
    token = folder / "token"
    token.write_text(influxd.token, encoding="utf-8")
    return (
        f'[store]\nkind = "influxdb"\nurl = "{influxd.url}"\norg = "{influxd.org}"\n'
        f'token_file = "{token}"\nbucket_prefix = "{PREFIX}"\npath = "{folder / "var"}"\n'
    )


def flux(influxd, query: str) -> list[dict[str, str]]:
    """Rows of a Flux query, asked without any code of ours."""
    request = urllib.request.Request(
        f"{influxd.url}/api/v2/query?org={influxd.org}",
        json.dumps({"query": query, "type": "flux"}).encode(),
        {
            "authorization": f"Token {influxd.token}",
            "content-type": "application/json",
            "accept": "application/csv",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    return list(csv.DictReader(io.StringIO(text.replace("\r\n", "\n").strip())))


def count(influxd) -> int:
    """Samples in the raw bucket, by the queries of docs/store.md: one for each value, and one for
    each reading whose status was Bad, which has a quality and no value."""
    every = f'from(bucket: "{PREFIX}_raw") |> range(start: 0) |> filter(fn: (r) => '
    total = " |> group() |> count()"
    values = flux(influxd, every + "r._field !~ /_q$/)" + " |> toFloat()" + total)
    bad = flux(influxd, every + "r._field =~ /_q$/ and r._value % 4 == 2)" + total)
    return sum(int(row["_value"]) for row in (*values, *bad))


def audit(plant) -> dict:
    return json.loads(potline("audit", plant, "--json", status=None).stdout)


def lag_s(live):
    """Age of the newest beat."""
    if not live or live["time_ms"] is None:
        return math.inf
    return time.time() - live["time_ms"] / 1000


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_each_process_is_killed(
    tmp_path, processes, own_influxd, mosquitto
):
    influxd = own_influxd
    plant_file = write_plant(tmp_path, influx_settings(influxd, tmp_path), mosquitto.port)
    plant = load(plant_file)
    truth, control, port = tmp_path / "truth", unused_port(), unused_port()
    simulator = processes(
        "simulate", "simulate", plant_file, "--truth", truth, "--control", control
    )
    collector = processes("run", "run", plant_file, "--port", port)
    live = f"http://127.0.0.1:{port}/api/v1/live"
    until("live figures", lambda: (get_or_none(live) or {}).get("time"), 60)

    began = time.monotonic()

    def at(second: float) -> None:
        time.sleep(max(0.0, began + second - time.monotonic()))

    at(12)
    collector.kill()
    at(16)
    collector = processes("run-again", "run", plant_file, "--port", port)
    at(40)
    influxd.kill()
    at(48)
    influxd.start()
    at(70)
    mosquitto.kill()
    at(77)
    mosquitto.start()
    at(110)
    until("live figures of the last seconds", lambda: lag_s(get_or_none(live)) < 5, 60)
    assert simulator.stop() == 0, simulator.text
    time.sleep(3)
    assert collector.stop() == 0, collector.text

    report = audit(plant_file)
    assert report["closes"], report
    assert all(row["spooled"] == 0 for row in report["sources"])
    no_fault_of_ours = {"duplicate"}
    for row in report["sources"]:
        assert set(row["rejected"]) <= no_fault_of_ours, row

    assert count(influxd) == sum(row["stored"] for row in report["sources"])

    missing = missing_samples(plant, truth)
    tags = plant.tags
    lost = [(tags[t].id, at) for t, at in missing if tags[t].source == "meters"]
    assert lost == [], "what was published over MQTT is in the store"
    with closing(Spool(Path(plant.store.path) / "spool.sqlite", plant)) as spool:
        gaps = [(g.tag, g.start, g.end) for g in spool.gaps()]
    spans = {tag: [(a, b) for t, a, b in gaps if t == tag] for tag in {t for t, *_ in gaps}}
    unexplained = [
        (tags[t].id, at)
        for t, at in missing
        if not any(a <= at <= b for a, b in spans.get(tags[t].id, ()))
    ]
    assert unexplained == [], "what OPC UA could not deliver is on record as a gap of its tag"
    assert {f"{c}.voltage" for c in plant.entities("cell")} <= set(spans)

    replayed = json.loads(potline("replay", plant_file, "--json", status=None).stdout)
    assert replayed["identical"], replayed
    assert replayed["only_live"] == 0
    assert replayed["compared"] > 2_000


def missing_samples(plant, truth: Path) -> list[tuple[int, int]]:
    """(column, time) of what was sent between the first and the last stored sample of its tag, and
    is not stored. Before the first nobody had subscribed to it; what a server still has in its
    queues when it ends is lost with it."""
    sent = pq.read_table(truth / "samples.parquet")
    columns = np.array([plant.column_of[t] for t in sent.column("tag").to_pylist()])
    times = sent.column("time").to_numpy()
    with closing(open_store(plant)) as store:
        stored = store.samples(None, 0, np.iinfo(np.int64).max)
    have = set(zip(stored.tags.tolist(), stored.times.tolist(), strict=True))
    assert len(have) == len(stored), "no sample is stored twice"
    first = np.full(len(plant.tags), np.iinfo(np.int64).max)
    last = np.zeros(len(plant.tags), np.int64)
    np.minimum.at(first, stored.tags, stored.times)
    np.maximum.at(last, stored.tags, stored.times)
    every_second = np.array([tag.interval_s <= 1 for tag in plant.tags])
    assert (last[every_second] > last.max() - 30 * SECOND).all(), "no tag fell silent for good"
    within = (first[columns] < times) & (times <= last[columns])
    return [
        (c, t)
        for c, t in zip(columns[within].tolist(), times[within].tolist(), strict=True)
        if (c, t) not in have
    ]


@pytest.mark.slow
def test_one_cells_set_voltage_raises_its_alarm_only(tmp_path, processes, mosquitto):
    """Raised, acknowledged, still acknowledged after kill -9, cleared when the voltage is back."""
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    plant_file = write_plant(tmp_path, store, mosquitto.port)
    control, port = unused_port(), unused_port()
    processes("simulate", "simulate", plant_file, "--control", control)
    collector = processes("run", "run", plant_file, "--port", port)
    api = f"http://127.0.0.1:{port}/api/v1"
    until("live figures", lambda: (get_or_none(f"{api}/live") or {}).get("time"), 60)

    def excess(state="open"):
        answer = get_or_none(f"{api}/alarms?state={state}") or {"alarms": []}
        return [a for a in answer["alarms"] if a["rule"] == "excess-energy"]

    number = send(control, {"kind": "set_voltage", "cell": "L1-003", "mV": 150})["id"]
    alarm = until("the alarm", excess, 120)[0]
    assert [a["entity"] for a in excess()] == ["L1-003"]
    assert alarm["state"] == "unack-active"
    assert alarm["value"] > 300

    body = {"who": "night shift", "comment": "set voltage was raised"}
    assert post(f"{api}/alarms/{alarm['id']}/acknowledge", body)["state"] == "ack-active"
    collector.kill()
    collector = processes("run-again", "run", plant_file, "--port", port)
    after = until("the alarm after kill -9", excess, 60)
    assert [(a["id"], a["state"], a["acknowledged_by"]) for a in after] == [
        (alarm["id"], "ack-active", "night shift")
    ]

    send(control, {"clear": number})
    until("the alarm to clear", lambda: get_or_none(f"{api}/live") and not excess(), 150)
    cleared = next(a for a in excess("all") if a["id"] == alarm["id"])
    assert cleared["state"] == "normal"
    assert cleared["cleared"] is not None
    assert cleared["comment"] == "set voltage was raised"

    assert collector.stop() == 0, collector.text
    assert audit(plant_file)["closes"]
    replayed = json.loads(potline("replay", plant_file, "--json", status=None).stdout)
    assert replayed["identical"], replayed
