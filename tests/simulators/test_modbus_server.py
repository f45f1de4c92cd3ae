"""The simulated meters and boiler over real Modbus TCP, read by a client of its own and by ours."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient

from collector.modbus.plan import Decoder, Item, Request
from collector.modbus.reader import ModbusReader
from plant.load import load
from plant.model import Plant
from plant.registers import WIDTHS
from simulators.modbus_server import ModbusServer, encode
from simulators.serve import serve

PLANT = """
[site]
id = "t"
time_zone = "UTC"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "var/t"
[[line]]
id = "L1"
technology = "PFPB_M"
nominal_current_kA = 400
current_efficiency = 0.94
net_carbon_t_per_t = 0.411
sections = {{ A = "001-002" }}
target_voltage_V = 3.98
target_dc_kWh_per_t = 12700
[[meter]]
id = "M1"
line = "L1"
[[boiler]]
id = "B1"
fuel = "natural_gas"
[[source]]
id = "gateway"
kind = "modbus"
host = "127.0.0.1"
port = {port}
word_order = "little"
numbering = "modicon"
unit_id = 7
[[tags]]
each = "meter"
source = "gateway"
address = "{{name}}"
type = "float32"
signals = {{ power = "30013", energy = "30073" }}
unit = {{ power = "kW" }}
[[tags]]
each = "boiler"
source = "gateway"
unit_id = 9
address = 40101
type = "int16"
scale = 0.01
signals = ["oxygen"]
"""


@pytest.fixture
def plant(tmp_path: Path, free_port: int) -> Plant:
    path = tmp_path / "plant.toml"
    path.write_text(PLANT.format(port=free_port))
    return load(path)


@contextlib.asynccontextmanager
async def client_of(plant: Plant) -> AsyncIterator[AsyncModbusTcpClient]:
    port = plant.sources[0].options["port"]
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, reconnect_delay=0)
    async with asyncio.timeout(20):
        while not await client.connect():  # noqa: ASYNC110  the port tells no one
            await asyncio.sleep(0.1)
    try:
        yield client
    finally:
        client.close()


async def test_the_plant_is_served_and_collected(plant: Plant) -> None:
    task = asyncio.create_task(serve(plant, seed=1))
    try:
        async with client_of(plant) as client:
            async with asyncio.timeout(20):
                answer = await client.read_input_registers(12, count=2, device_id=7)
                while answer.isError():  # busy until the first values are there
                    await asyncio.sleep(0.1)
                    answer = await client.read_input_registers(12, count=2, device_id=7)
            power = client.convert_from_registers(
                answer.registers, client.DATATYPE.FLOAT32, word_order="little"
            )
            assert 10 < power < 1e5
            assert (await client.read_input_registers(12, count=3, device_id=7)).exception_code == 2
            assert (await client.write_register(100, 5, device_id=9)).exception_code == 1
            oxygen = await client.read_holding_registers(100, count=1, device_id=9)
            assert 0 < oxygen.registers[0] < 2100
        reader = ModbusReader(plant.sources[0], plant)
        seen: dict[int, list[float]] = {}
        async with asyncio.timeout(20), aclosing(reader.deliveries()) as deliveries:
            async for delivery in deliveries:
                batch = delivery.batch
                for tag, value in zip(batch.tags.tolist(), batch.values.tolist(), strict=True):
                    seen.setdefault(tag, []).append(value)
                assert abs(time.time_ns() - batch.times).max() < 5e9
                if len(seen) == 3 and min(map(len, seen.values())) >= 3:
                    break
        values = {plant.tags[tag].id: got for tag, got in seen.items()}
        assert values["M1.power"][0] == pytest.approx(power * 0.001, rel=0.5)
        assert all(b >= a for a, b in itertools.pairwise(values["M1.energy"]))
        assert 0 < values["B1.oxygen"][0] < 21
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_the_link_goes_down_and_comes_back(plant: Plant) -> None:
    async with ModbusServer(plant, plant.sources[0]) as server:
        async with client_of(plant) as client:
            busy = await client.read_holding_registers(100, count=1, device_id=9)
            assert busy.exception_code == 6
            await server.set_link(False)
            assert not await AsyncModbusTcpClient(
                "127.0.0.1", port=plant.sources[0].options["port"], reconnect_delay=0
            ).connect()
        server.write(plant.column_of["B1.oxygen"], 321.4)  # goes on meanwhile
        await server.set_link(True)
        async with client_of(plant) as client:
            oxygen = await client.read_holding_registers(100, count=1, device_id=9)
            assert oxygen.registers == [321]
            missing = await client.read_holding_registers(100, count=1, device_id=44)
            assert missing.exception_code == 11


async def test_a_taken_port_is_one_clear_line(plant: Plant) -> None:
    async with ModbusServer(plant, plant.sources[0]):
        with pytest.raises(OSError, match=r"source gateway: cannot listen on 127.0.0.1:\d+; stop"):
            async with ModbusServer(plant, plant.sources[0]):
                pass


@pytest.mark.parametrize("kind", sorted(set(WIDTHS) - {"bool"}))
def test_what_is_encoded_is_decoded(plant: Plant, kind: str) -> None:
    value = 1234.0
    source = plant.sources[0]
    request = Request((Item(1, "holding", 0, WIDTHS[kind], 0, kind, 0),), WIDTHS[kind])
    sent = encode(value, kind)
    assert len(sent) == WIDTHS[kind]
    assert Decoder(source).values(request, sent[::-1].tolist()) == np.array([value])
