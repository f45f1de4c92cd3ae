"""`potline doctor`: each check against the thing itself, and the whole as a user has it."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from harness import potline, unused_port, write_plant
from peers.authority import make

from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from potline.doctor import certificates, kept, machine, plant_file, reach
from store.spool import Spool


@pytest.fixture
def file(tmp_path: Path) -> Path:
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\nraw_days = 0\n'
    api = f"\n[api]\nport = {unused_port()}\n"
    return write_plant(tmp_path, store + api, mqtt=unused_port())


@pytest.fixture
def plant(file: Path) -> Plant:
    return load(file)


def with_source(plant: Plant, id_: str, **options: object) -> Plant:
    """The plant with these options of one source."""
    sources = tuple(
        dataclasses.replace(s, options={**s.options, **options}) if s.id == id_ else s
        for s in plant.sources
    )
    return dataclasses.replace(plant, sources=sources)


def states(findings) -> dict[str, str]:
    return {f.subject: f.state for f in findings}


# -- as a user has it


def test_absent_servers_are_out_of_reach_and_nothing_else_is_wrong(file):
    done = potline("doctor", file, "--json", status=3)
    document = json.loads(done.stdout)
    failed = [f for f in document["findings"] if f["state"] == "fail"]
    assert {(f["area"], f["subject"]) for f in failed} == {("reach", "pots"), ("reach", "meters")}
    assert all(f["remedy"] for f in document["findings"] if f["state"] != "ok")
    assert {f["area"] for f in document["findings"]} >= {
        "clock", "disk", "limits", "spool", "plant file", "ports", "reach"
    }  # fmt: skip
    assert not document["ok"]
    assert not (file.parent / "var").exists(), "nothing is made"


def test_what_is_wrong_here_comes_before_servers(file):
    with socket.create_server(("127.0.0.1", load(file).api["port"])):
        done = potline("doctor", file, status=1)
    assert "taken by another program" in done.stdout
    assert "-> stop that one, or write another port in [api]" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("3 failed")


def test_a_plant_file_that_is_wrong_is_told_as_ever(tmp_path):
    (tmp_path / "plant.toml").write_text("[site]\nid = 1\n")
    assert "site.id" in potline("doctor", tmp_path / "plant.toml", status=2).stderr


# -- the machine


def test_file_systems_are_those_of_the_kernel():
    assert machine.mounted(Path("/proc/self")) == ("proc", False)
    if Path("/dev/shm").is_mount():
        assert machine.mounted(Path("/dev/shm"))[0] == "tmpfs"


def test_a_folder_that_is_lost_at_power_off_is_told(plant):
    shm = dataclasses.replace(plant, store=dataclasses.replace(plant.store, path="/dev/shm/p"))
    found = {f.subject: f for f in machine.disk(shm)}
    assert found["file system"].state == "warn"
    assert "when the power fails" in found["file system"].found
    assert not Path("/dev/shm/p").exists()


def test_a_folder_that_cannot_be_written_fails(plant):
    there = dataclasses.replace(plant, store=dataclasses.replace(plant.store, path="/proc/self"))
    assert states(machine.disk(there))["writable"] == "fail"


def test_a_spool_that_may_outgrow_the_disk_is_told(plant):
    spool = dataclasses.replace(plant.spool, max_GB=1e6)
    found = {f.subject: f for f in machine.disk(dataclasses.replace(plant, spool=spool))}
    assert found["space"].state == "warn"
    assert "may still grow by 1000000.0 GB" in found["space"].found


def test_the_narrowest_limit_of_memory_counts(tmp_path):
    group = tmp_path / "sys/fs/cgroup/a/b"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    assert machine.available_bytes(tmp_path) == (8000 << 10, "")
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000\n")
    (group.parent / "memory.max").write_text("5000\n")
    (group.parent / "memory.current").write_text("3000\n")
    free, by = machine.available_bytes(tmp_path)
    assert free == 2000
    assert str(group.parent) in by


def test_the_clock_is_told_as_the_kernel_has_it():
    finding = machine.clock()
    assert finding.state in ("ok", "warn")
    assert bool(finding.remedy) == (finding.state == "warn")


# -- certificates


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (61.5, "ok", "until"),
        (59.5, "warn", "less than 60"),
        (29.5, "warn", "less than 30"),
        (6.5, "fail", "less than 7"),
        (-0.5, "fail", "expired on"),
    ],
)
def test_expiry_is_told_at_60_30_and_7_days(plant, tmp_path, days, state, said):
    file, key = make("client", days=(-2, days)).files(tmp_path, "client")
    secured = with_source(plant, "meters", client_certificate_file=file, client_key_file=key)
    (finding,) = certificates.examine(secured)
    assert (finding.subject, finding.state) == ("client of meters", state)
    assert said in finding.found
    assert bool(finding.remedy) == (state != "ok")


def test_certificates_of_every_kind_are_looked_at(plant, tmp_path):
    pki = Path(plant.store.path) / "pki"
    for state in ("own", "trusted", "issuers"):
        (pki / state).mkdir(parents=True)
    (pki / "own" / "certificate.der").write_bytes(make("own").der)
    (pki / "trusted" / "server.pem").write_bytes(make("server").pem)
    (pki / "issuers" / "authority.pem").write_bytes(make("authority").pem)
    (pki / "trusted" / "torn.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAA")
    missing = with_source(plant, "meters", ca_file=tmp_path / "nowhere.pem")
    found = [(f.subject, f.state) for f in certificates.examine(missing)]
    assert sorted(found) == [
        ("CA of meters", "fail"),
        ("issuer", "ok"),
        ("own", "ok"),
        ("trusted", "fail"),
        ("trusted", "ok"),
    ]


def test_a_secured_source_needs_a_certificate_of_our_own(plant):
    secured = with_source(plant, "pots", security="Basic256Sha256")
    (finding,) = certificates.examine(secured)
    assert finding.state == "warn"
    assert "potline trust show" in finding.remedy


# -- the spool


def test_the_spool_tells_what_waits_and_what_was_set_aside(plant):
    path = Path(plant.store.path) / "spool.sqlite"
    assert states(kept.examine(plant)) == {"segments": "ok"}
    assert not path.exists()
    spool = Spool(path, plant)
    now = 1_700_000_000 * SECOND
    batch = Batch.of([0, 0], [now, now + SECOND], [3.9, 4.0])
    for _ in range(2):
        spool.append(batch, {plant.tags[0].source: 2}, {}, (), np.zeros(2, np.bool_))
    found = {f.subject: f for f in kept.examine(plant)}
    assert found["segments"].state == "warn"  # the samples are years old
    assert found["segments"].found.startswith("2 wait")
    assert found["quarantine"].state == "ok"
    with spool._write() as db:
        db.execute("UPDATE blobs SET blob = x'00' WHERE id = 1")
    spool.pending(10)
    spool.close()
    found = {f.subject: f for f in kept.examine(plant)}
    assert found["quarantine"].state == "warn"
    assert found["spool_corrupt"].found.startswith("2 samples")
    path.write_bytes(b"no database at all" * 1000)
    (damaged,) = kept.examine(plant)
    assert damaged.state == "fail"
    assert path.read_bytes().startswith(b"no database"), "left as it is"


# -- the plant file


def test_a_short_retention_takes_slow_samples_from_the_book(plant):
    short = dataclasses.replace(plant, store=dataclasses.replace(plant.store, raw_days=30))
    assert states(plant_file.examine(short))["store.raw_days"] == "warn"
    long = dataclasses.replace(plant, store=dataclasses.replace(plant.store, raw_days=31))
    assert states(plant_file.examine(long))["store.raw_days"] == "ok"


def test_accuracies_are_missed_only_where_some_are_stated(plant):
    assert states(plant_file.examine(plant))["accuracy"] == "ok"
    first = dataclasses.replace(plant.tags[0], accuracy_percent=0.5)
    some = dataclasses.replace(plant, tags=(first, *plant.tags[1:]))
    finding = next(f for f in plant_file.examine(some) if f.subject == "accuracy")
    assert finding.state == "warn"
    assert "L1-002.voltage" in finding.found
    assert "target_voltage" not in finding.found  # a set value is not measured


def test_secrets_that_others_can_read(plant, tmp_path):
    secret = tmp_path / "password"
    named = with_source(plant, "meters", username="u", password_file=str(secret))
    assert states(plant_file.examine(named))["meters"] == "fail"
    secret.write_text("hunter2")
    secret.chmod(0o644)
    told = next(f for f in plant_file.examine(named) if f.subject == "meters")
    assert told.state == "warn"
    assert told.remedy == f"chmod o-rw {secret}"
    assert "hunter2" not in str(told)
    secret.chmod(0o600)
    assert states(plant_file.examine(named))["meters"] == "ok"


def test_an_api_beyond_loopback_is_told(plant):
    assert states(plant_file.examine(plant))["api.host"] == "ok"
    wide = dataclasses.replace(plant, api={**plant.api, "host": "0.0.0.0"})
    assert states(plant_file.examine(wide))["api.host"] == "warn"


# -- reach


def test_the_network_is_told_from_the_protocol(plant):
    """Something listens and does not speak OPC UA."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"opc.tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        refused = {f.subject: f for f in reach.examine(with_source(plant, "pots", url=url))}
    assert "no TCP" in refused["pots"].found
    port = refused[f"127.0.0.1:{plant.api['port']}"]
    assert port.state == "ok"
    assert port.found.startswith("free")


def test_each_of_redundant_servers_is_tried(plant):
    urls = ["opc.tcp://127.0.0.1:1", "opc.tcp://127.0.0.1:2"]
    found = states(reach.examine(with_source(plant, "pots", url=urls[0], urls=urls)))
    assert [found[f"pots {url}"] for url in urls] == ["fail", "fail"]
    assert "pots" not in found


@pytest.mark.parametrize(
    ("skew_s", "state"),
    [(0.2, "ok"), (-0.9, "ok"), (1.5, "warn"), (11.0, "fail"), (-4.0, "warn")],
)
def test_clocks_of_sources_against_ours(plant, skew_s, state):
    """max_future_s is 10, lateness_s is 3."""
    assert reach._skew(plant, {"id": "pots", "skew_s": skew_s}).state == state


def test_variables_are_looked_for(plant, monkeypatch):
    monkeypatch.delenv("POTLINE_TEST_SECRET", raising=False)
    named = with_source(plant, "meters", username="u", password_env="POTLINE_TEST_SECRET")
    assert states(plant_file.examine(named))["meters"] == "warn"
    monkeypatch.setitem(os.environ, "POTLINE_TEST_SECRET", "x")
    assert states(plant_file.examine(named))["meters"] == "ok"
