"""`potline browse`: a server's variables, as tags of the plant."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import Server, ua
from typer.testing import CliRunner

from collector.opcua.browse import Variable
from plant.load import load
from potline.browsing import matches, propose
from potline.main import app

URI, OTHER = "urn:test:pots", "urn:test:other"
PLANT = """
[site]
id = "test"
time_zone = "UTC"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "var"
[[line]]
id = "L1"
technology = "PFPB_M"
nominal_current_kA = 400
current_efficiency = 0.94
net_carbon_t_per_t = 0.411
sections = {{ A = "001-012" }}
target_voltage_V = 3.98
target_dc_kWh_per_t = 12700
[[rectifier]]
id = "R1"
line = "L1"
[[boiler]]
id = "B1"
fuel = "natural_gas"
[[source]]
id = "pots"
kind = "opcua"
url = "opc.tcp://127.0.0.1:{port}"
namespace = "urn:test:pots"
anonymous = true
max_per_request = 7
{tags}
"""


@pytest.fixture(scope="module")
def plant_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A plant whose server runs in a thread: twelve cells in folders, one with a unit."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path_factory.mktemp("browse") / "plant.toml"
    file.write_text(PLANT.format(port=port, tags=""), "utf-8")
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        other = await server.register_namespace(OTHER)
        index = await server.register_namespace(URI)
        hall = await server.nodes.objects.add_folder(index, "Hall")
        for n in range(1, 13):
            cell = await hall.add_folder(index, f"L1-{n:03}")
            node = await cell.add_variable(ua.NodeId(f"{n:03}.U", index), "PotVoltage", 3.9 + n)
            if n == 1:
                volt = ua.EUInformation(DisplayName=ua.LocalizedText("V"), UnitId=5655636)
                await node.add_property(0, "EngineeringUnits", volt)
                await node.add_property(0, "EURange", ua.Range(0.0, 10.0))
            await cell.add_variable(ua.NodeId(f"{n:03}.note", index), "Note", "hot")
        await hall.add_variable(ua.NodeId(77, other), "L1 line current", 400.5)
        async with server:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    yield file
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


def test_variables_are_listed_with_type_value_unit_and_proposal(plant_file: Path) -> None:
    result = CliRunner().invoke(app, ["browse", str(plant_file), "pots", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["path"]: row for row in json.loads(result.stdout)}
    assert len(rows) == 25
    assert rows["Hall/L1-001/PotVoltage"] == {
        "path": "Hall/L1-001/PotVoltage", "node": "s=001.U", "namespace": URI, "type": "Double",
        "value": 4.9, "unit": "V", "low": 0.0, "high": 10.0, "entity": "L1-001",
        "signal": "voltage",
    }  # fmt: skip
    assert rows["Hall/L1-002/Note"]["signal"] is None
    current = rows["Hall/L1 line current"]
    assert (current["node"], current["namespace"]) == ("i=77", OTHER)
    assert (current["entity"], current["signal"]) == ("L1", "current")


def test_the_csv_is_read_by_the_plant_file(plant_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    arguments = ["browse", str(plant_file), "pots", "--pattern", "*voltage", "--csv", str(file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (tmp_path / "plant.toml").write_text(
        plant_file.read_text("utf-8") + '[[tags_csv]]\nfile = "tags.csv"\n', "utf-8"
    )
    plant = load(tmp_path / "plant.toml")
    assert [t.id for t in plant.tags] == [f"L1-{n:03}.voltage" for n in range(1, 13)]
    assert plant.tags[0].address["node"] == "s=001.U"


def test_what_has_no_proposal_is_told(plant_file: Path, tmp_path: Path) -> None:
    arguments = ["browse", str(plant_file), "pots", "--csv", str(tmp_path / "all.csv")]
    result = CliRunner().invoke(app, arguments)
    assert "25 tags" in result.output
    assert "12 without entity and signal" in result.output
    assert len((tmp_path / "all.csv").read_text("utf-8").splitlines()) == 26


def test_an_unknown_source_and_an_absent_server_are_told(plant_file: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["browse", str(plant_file), "pot"])
    assert 'did you mean "pots"?' in str(result.exception)
    absent = tmp_path / "plant.toml"
    absent.write_text(PLANT.format(port=1, tags=""), "utf-8")
    result = CliRunner().invoke(app, ["browse", str(absent), "pots"])
    assert result.exception is not None
    assert "opc.tcp://127.0.0.1:1 cannot be browsed" in str(result.exception)


@pytest.mark.parametrize(
    ("path", "unit", "proposed"),
    [
        ("L1/001/Voltage", "V", ("L1-001", "voltage")),
        ("Potroom/L1/Pot 007/槽电压", "", ("L1-007", "voltage")),
        ("L1-003/SetVoltage", "mV", ("L1-003", "target_voltage")),
        ("L1-003/Voltage", "degC", None),  # the unit says that it is something else
        ("L1-003/BathTemp", "degC", ("L1-003", "bath_temperature")),
        ("L1/Amperage", "A", ("L1", "current")),
        ("R1/ActivePower", "kW", ("R1", "ac_power")),
        ("B1/steam_flow", "t/h", ("B1", "steam_flow")),
        ("Pump 9/Voltage", "V", None),
        ("L1-001/Nonsense", "V", None),
    ],
)
def test_the_mapping_is_by_name_and_unit(plant_file: Path, path, unit, proposed) -> None:
    nan = float("nan")
    variable = Variable(path, "i=5", URI, "Double", 1.0, unit, nan, nan)
    assert propose(load(plant_file), variable) == proposed


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("*", True), ("*VOLTAGE*", True), ("voltage", True), ("hall/*/u", False), ("s=0??.U", True)],
)
def test_patterns(pattern, fits) -> None:
    variable = Variable("Hall/1/PotVoltage", "s=001.U", URI, "Double", 1.0, "", 0.0, 1.0)
    assert matches(variable, pattern) == fits
