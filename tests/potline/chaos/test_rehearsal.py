"""The plant of a storm is the user's own, and nothing of it leaves this machine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from plant.load import load
from plant.model import Plant
from potline.chaos.rehearsal import Layout, Rehearsal
from potline.exits import Failure

PLANTS = Path(__file__).parents[3] / "deploy" / "plants"
REMOTE = """
[[source]]
id = "far"
kind = "opcua"
url = "opc.tcp://plc7.plant.example:4840/server"
namespace = "urn:vendor:pots"
security = "Basic256Sha256"
security_mode = "Sign"
username = "potline"
password_env = "POTLINE_FAR"

[[source]]
id = "meters"
kind = "mqtt"
host = "broker.plant.example"
port = 8883
client_id = "potline"
tls = true
ca_file = "ca.pem"
username = "potline"
password_file = "secret"

[[output]]
id = "mes"
kind = "mqtt"
host = "mes.plant.example"
client_id = "potline-out"
prefix = "potline/out"

[[meter]]
id = "M"

[[tags]]
each = "meter"
source = "meters"
topic = "meter/{id}"
pointer = "/P"
time = "/t"
signals = ["power"]

[[tags]]
each = "meter"
source = "far"
node = "s={id}.E"
signals = ["energy"]
"""
SITE = """
[site]
id = "s"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"

[store]
kind = "influxdb"
path = "var/remote"
url = "https://influx.plant.example:8086"
org = "plant"
token_env = "POTLINE_INFLUX"
"""


def rehearse(path: Path, folder: Path, rate: float = 0.0) -> tuple[Plant, Layout, Rehearsal]:
    plant = load(path)
    layout = Layout.of(plant, with_influxd=True)
    return plant, layout, Rehearsal(path, plant, layout, folder, folder / "kept", rate, False, 4)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote.toml"
    path.write_text(SITE + REMOTE)
    return path


@pytest.mark.parametrize("name", ["demo", "smelter"])
def test_tags_and_rules_are_the_users_own(name, tmp_path):
    plant, layout, rehearsal = rehearse(PLANTS / f"{name}.toml", tmp_path)
    for side in ("server", "proxy"):
        copy = load(rehearsal.write(side))
        assert [tag.id for tag in copy.tags] == [tag.id for tag in plant.tags]
        assert np.array_equal(copy.interval_ns, plant.interval_ns)
        assert copy.alarms == plant.alarms
        for before, after in zip(plant.sources, copy.sources, strict=True):
            assert (after.id, after.kind) == (before.id, before.kind)
            if after.kind == "opcua":
                port = getattr(layout.servers[after.id], side)
                assert after.options["url"] == f"opc.tcp://127.0.0.1:{port}"


def test_nothing_leaves_this_machine_and_no_secret_is_used(remote, tmp_path):
    _, layout, rehearsal = rehearse(remote, tmp_path)
    (tmp_path / "token").write_text("t")
    text = rehearsal.write("proxy").read_text()
    assert not re.search(r"plant\.example|POTLINE_|secret|ca\.pem|username", text)
    copy = load(tmp_path / "behind-proxy.toml")
    far, meters = copy.sources
    assert layout.secured
    assert (far.options["security"], far.options["security_mode"]) == ("Basic256Sha256", "Sign")
    assert meters.options["host"] == copy.outputs[0].options["host"] == "127.0.0.1"
    assert meters.options["port"] != copy.outputs[0].options["port"], "two brokers stay two"
    assert copy.store.path == str(tmp_path / "kept")


def test_a_rate_shortens_intervals_of_opcua_alone(tmp_path):
    plant, _, rehearsal = rehearse(PLANTS / "smelter.toml", tmp_path, rate=20_000)
    copy = load(rehearsal.write("proxy"))
    rate = (1e9 / copy.interval_ns).sum()
    assert rate == pytest.approx(20_000, rel=0.01)
    kinds = {source.id: source.kind for source in plant.sources}
    for before, after in zip(plant.tags, copy.tags, strict=True):
        assert after.interval_s <= before.interval_s
        if kinds[before.source] != "opcua" or before.signal.pace == "slow":
            assert after.interval_s == before.interval_s


def test_what_cannot_be_simulated_is_refused(remote, tmp_path):
    remote.write_text(
        remote.read_text() + '[[source]]\nid = "old"\nkind = "replay"\npath = "var/demo"\n'
    )
    with pytest.raises(Failure, match="old of kind replay has no place in a storm"):
        rehearse(remote, tmp_path)[2].write("proxy")
