"""Modbus TCP against a device written out by hand, byte by byte, with the ways devices behave."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import itertools
import math
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from pymodbus.pdu.register_message import WriteSingleRegisterRequest

from collector.modbus import connection as connection_module
from collector.modbus.connection import ModbusConnection
from collector.modbus.plan import Item, Planner
from collector.modbus.reader import ModbusReader
from plant.batch import SECOND, Quality
from plant.model import Source
from plant.schema.sources import ModbusRow

COIL, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4


class Device:
    """A server on loopback. registers: (unit, function) -> {address: word or bit}."""

    def __init__(self, registers, limit=125):
        self.registers = registers
        self.limit = limit
        self.asked = []  # (unit, function, address, count)
        self.connections = 0
        self.outstanding = self.most_outstanding = 0
        self.delay_s = 0.0
        self.dead = set()  # units that do not answer
        self.absent = set()  # units that the gateway says are not there
        self.failing = 0  # answers of "device failure" still to come
        self.garbage = b""
        self.port = 0
        self._writers = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        self._writers.add(writer)
        answers = set()
        try:
            while True:
                tid, _, length = struct.unpack(">HHH", await reader.readexactly(6))
                unit, code, address, count = struct.unpack(
                    ">BBHH", await reader.readexactly(length)
                )
                self.asked.append((unit, code, address, count))
                self.outstanding += 1
                self.most_outstanding = max(self.most_outstanding, self.outstanding)
                body = self._answer(unit, code, address, count)
                task = asyncio.create_task(self._reply(writer, tid, unit, body))
                answers.add(task)
                task.add_done_callback(answers.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _reply(self, writer, tid, unit, body):
        await asyncio.sleep(self.delay_s)
        self.outstanding -= 1
        if unit in self.dead:
            return
        frame = self.garbage or struct.pack(">HHHB", tid, 0, len(body) + 1, unit) + body
        with contextlib.suppress(ConnectionError):
            writer.write(frame)

    def _answer(self, unit, code, address, count):
        if self.failing:
            self.failing -= 1
            return bytes([code | 0x80, 4])
        if unit in self.absent:
            return bytes([code | 0x80, 11])
        table = self.registers.get((unit, code))
        if table is None:
            return bytes([code | 0x80, 1])
        if count > self.limit:
            return bytes([code | 0x80, 3])
        words = [table.get(a) for a in range(address, address + count)]
        if None in words:
            return bytes([code | 0x80, 2])
        if code in (COIL, DISCRETE):
            packed = bytearray((count + 7) // 8)
            for i, bit in enumerate(words):
                packed[i // 8] |= bit << i % 8
            return bytes([code, len(packed)]) + packed
        return bytes([code, 2 * count]) + struct.pack(f">{count}H", *words)


def source(port, **keys):
    row = {"id": "m", "kind": "modbus", "host": "127.0.0.1", "port": port, "timeout_s": 0.3}
    options = ModbusRow.model_validate(row | keys).model_dump()
    return Source("m", "modbus", 10.0, options)


def at(address, type="uint16", table="holding", unit=1, bit="", **row):
    where = {"address": str(address), "table": table, "unit_id": str(unit), "bit": str(bit)}
    return {"signal": f"s{table}{unit}.{address}.{bit}", "address": where | {"type": type}} | row


@pytest.fixture
def reader_of(plant_of):
    def build(port, rows, **keys):
        rows = [{"interval_s": 0.1} | row for row in rows]
        plant = plant_of(source(port, **keys), rows)
        return ModbusReader(plant.sources[0], plant)

    return build


def words(format_, value):
    raw = struct.pack(">" + format_, value)
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


VALUES = [
    ("int16", words("h", -1234), -1234.0),
    ("uint16", [0xFFFE], 65534.0),
    ("int32", words("i", -123456789), -123456789.0),
    ("uint32", words("I", 4294967290), 4294967290.0),
    ("int64", words("q", -(2**52)), -(2.0**52)),
    ("uint64", words("Q", 2**52 + 1), 2.0**52 + 1),
    ("float32", words("f", 1.5e-3), struct.unpack(">f", struct.pack(">f", 1.5e-3))[0]),
    ("float64", words("d", math.pi), math.pi),
    ("bcd16", [0x9876], 9876.0),
    ("bcd32", [0x0123, 0x4567], 1234567.0),
    ("bool", [0b1000], 1.0),
    ("float32", [0x7FC0, 0], math.nan),
    ("bcd16", [0x00A0], math.nan),
]


@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize("byte_order", ["big", "little"])
async def test_every_type_in_every_order(reader_of, collecting, until, word_order, byte_order):
    table, rows, address = {}, [], 0
    for kind, raw, _ in VALUES:
        rows.append(at(address, kind, bit=3 if kind == "bool" else ""))
        sent = raw[::-1] if word_order == "little" else raw
        for word in sent:
            table[address] = word if byte_order == "big" else (word >> 8 | word << 8) & 0xFFFF
            address += 1
    rows.append(at(7, "bool", "coil", scale=2.0, offset=1.0))
    bits = dict.fromkeys(range(20), 0) | {7: 1}
    async with Device({(1, HOLDING): table, (1, COIL): bits}) as device:
        reader = reader_of(device.port, rows, word_order=word_order, byte_order=byte_order)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.batch) >= len(rows))
    batch = seen.batch
    order = batch.tags.argsort(kind="stable")
    first = batch.take(order[batch.tags[order].searchsorted(range(len(rows)))])
    wanted = [value for *_, value in VALUES] + [3.0]
    assert [None if math.isnan(v) else v for v in first.values] == [
        None if math.isnan(v) else v for v in wanted
    ]
    expected = [Quality.RECEIVED_TIME | (Quality.BAD if math.isnan(v) else 0) for v in wanted]
    assert first.quality.tolist() == expected
    assert {asked[1:] for asked in device.asked} == {(HOLDING, 0, address), (COIL, 7, 1)}


async def test_neighbours_share_requests_on_the_grid_of_their_interval(
    reader_of, collecting, until
):
    table = dict.fromkeys(range(400), 7)
    rows = [
        *(at(a, interval_s=0.2) for a in range(0, 200, 2)),
        at(300, "float32", interval_s=0.6),
        at(203, table="input", interval_s=0.6),
    ]
    async with Device({(1, HOLDING): table, (1, INPUT): table}) as device:
        began = time.time_ns()
        async with collecting(reader_of(device.port, rows)) as seen:
            await until(lambda: len(seen.values(0)) >= 6)
        ended = time.time_ns()
    counts = {request: device.asked.count(request) for request in device.asked}
    assert set(counts) == {
        (1, HOLDING, 0, 125),
        (1, HOLDING, 126, 73),
        (1, HOLDING, 300, 2),
        (1, INPUT, 203, 1),
    }
    assert counts[1, HOLDING, 0, 125] > counts[1, HOLDING, 300, 2] >= 2
    times = seen.batch.times[seen.batch.tags == 0]
    assert began < times.min() <= times.max() < ended
    assert np.median(times[1:] % (SECOND // 5)) < SECOND // 10
    assert device.connections == device.most_outstanding == 1
    assert seen.deliveries[0].resumed
    assert not any(d.resumed for d in seen.deliveries[1:])


async def test_refused_gaps_and_registers_leave_the_rest(reader_of, collecting, until):
    table = {a: a for a in range(100) if a not in (12, 50)}
    addresses = [10, 11, 13, 20, 21, 49, 50, 51]
    rows = [at(a) for a in addresses]
    async with Device({(1, HOLDING): table}) as device:
        reader = reader_of(device.port, [*rows, at(5, table="input")])
        async with collecting(reader) as seen:
            await until(lambda: len(seen.values(7)) >= 3)
            settled = len(device.asked)
            await until(lambda: len(seen.values(7)) >= 6)
            assert seen.refused("illegal_function") == 1
            assert reader.health.unresolved == {
                "c.sholding1.50.": "unit 1 holding 50: illegal_address",
                "c.sinput1.5.": "unit 1 input 5: illegal_function",
            }
            steady = set(device.asked[settled:])
            device.registers[1, HOLDING] |= {50: 50}
            reader._refused.clear()  # a minute is over
            await until(lambda: seen.values(6) == [50.0] or len(seen.values(6)) > 1)
            assert "c.sholding1.50." not in reader.health.unresolved
    for column, address in enumerate(addresses):
        assert set(seen.values(column)) == {float(address)}
    assert not any(a <= 12 < a + n or a <= 50 < a + n for _, _, a, n in steady)
    assert len(steady) == 5
    assert seen.refused("illegal_address") >= 2


async def test_a_device_with_a_smaller_limit_is_asked_for_less(reader_of, collecting, until):
    table = dict.fromkeys(range(120), 3)
    device = Device({(1, HOLDING): table}, limit=32)
    rows = [at(a) for a in range(120)]
    async with device, collecting(reader_of(device.port, rows)) as seen:
        await until(lambda: len(seen.values(119)) >= 2 and len(seen.values(0)) >= 2)
    assert max(count for *_, count in device.asked[-4:]) <= 32
    assert seen.refused("illegal_value") == 3


async def test_a_device_that_fails_for_a_moment_is_asked_the_same_again(
    reader_of, collecting, until
):
    async with Device({(1, HOLDING): dict.fromkeys(range(9), 1)}) as device:
        device.failing = 3
        reader = reader_of(device.port, [at(0), at(8)], max_gap=8)
        async with collecting(reader) as seen:
            await until(lambda: seen.refused("device_failure") == 3)
            await until(lambda: len(seen.values(1)) >= 2)
            assert not reader.health.unresolved
    assert set(device.asked) == {(1, HOLDING, 0, 9)}
    assert device.connections == 1


async def test_units_that_do_not_answer_do_not_stop_the_others(reader_of, collecting, until):
    tables = {(unit, HOLDING): {0: unit} for unit in (1, 2, 3)}
    async with Device(tables) as device:
        device.dead, device.absent = {2}, {3}
        reader = reader_of(device.port, [at(0, unit=u) for u in (1, 2, 3)], retries=1)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.values(0)) >= 12)
            assert reader.health.link == "connected"
            assert {k: v.partition(": ")[2] for k, v in reader.health.unresolved.items()} == {
                "c.sholding2.0.": "unit 2 does not answer within 0.3 s",
                "c.sholding3.0.": "gateway_no_response",
            }
            assert [unit for unit, *_ in device.asked].count(2) == 2  # once and the retry
            device.dead, device.absent = set(), set()
            reader._silent = dict.fromkeys(reader._silent, 0.0)  # ten seconds are over
            await until(lambda: seen.values(1) and seen.values(2))
            assert not reader.health.unresolved
    assert device.connections == 1


async def test_a_slow_device_is_never_asked_before_it_has_answered(reader_of, collecting, until):
    async with Device({(1, HOLDING): {0: 1}}) as device:
        device.delay_s = 0.25
        reader = reader_of(device.port, [at(0)], timeout_s=2.0)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.values(0)) >= 4)
    assert device.most_outstanding == 1
    assert len(device.asked) <= 6
    middles = seen.batch.times
    assert all(b - a > SECOND // 4 for a, b in itertools.pairwise(middles))


async def test_outages_of_every_kind_end_with_data_again(
    reader_of, collecting, until, free_port, proxy_to, caplog
):
    port = free_port()
    device = Device({(1, HOLDING): {0: 1}})
    device.port = port
    async with proxy_to(port) as proxy:
        reader = reader_of(proxy.port, [at(0)], retries=0)
        async with collecting(reader) as seen:
            await until(lambda: reader.health.link == "disconnected")  # nobody there at all
            async with device:
                await until(lambda: seen.batch.times.size >= 2)
                assert reader.health.link == "connected"
                proxy.open = False  # half open
                await until(lambda: reader.health.link == "disconnected")
                assert "no unit answers" in reader.health.last_error
                proxy.open = True
                before = len(seen.batch)
                await until(lambda: len(seen.batch) > before)
            await until(lambda: reader.health.link == "disconnected")  # closed
            assert "closed the connection" in reader.health.last_error
            before = len(seen.batch)
            async with device:
                await until(lambda: len(seen.batch) > before)
                for noise in (b"\xff" * 300, b"\0\1\0\0\0\3\1\x63\0", b"HTTP/1.1 400\r\n\r\n"):
                    device.garbage = noise
                    lost = reader.health.reconnects
                    await until(lambda lost=lost: reader.health.reconnects > lost)
                    device.garbage = b""
                    before = len(seen.batch)
                    await until(lambda before=before: len(seen.batch) > before)
    assert set(seen.values(0)) == {1.0}
    assert sum(d.resumed for d in seen.deliveries) >= 6
    assert not [record for record in caplog.records if "Fatal error" in record.message]


async def test_the_connection_cannot_write():
    """No name of a writing function in the code; none passes the last step before the wire."""
    async with Device({(1, HOLDING): {0: 1}}) as device:
        connection = ModbusConnection("127.0.0.1", device.port, 1.0)
        await connection.open()
        try:
            write = WriteSingleRegisterRequest(address=0, registers=[9], dev_id=1)
            with pytest.raises(PermissionError, match="only reads"):
                await connection.execute(False, write)
            assert list(await connection.read(1, "holding", 0, 1)) == [1]
        finally:
            connection.close()
    assert device.asked == [(1, HOLDING, 0, 1)]
    assert {1, 2, 3, 4} == connection_module.CODES
    for file in Path(connection_module.__file__).parent.glob("*.py"):
        names = {
            getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", None)
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        }
        assert not [n for n in names if n and "write" in n.lower()], file
        assert "ModbusClientMixin" not in names, file


def test_overlapping_items_and_bits_of_one_register():
    planner = Planner(125, 2000, 4)

    def item(address, kind, width, column, bit=0):
        return Item(1, "holding", address, width, column, kind, bit)

    whole = item(10, "float32", 2, 0)
    inner = [item(11, "bool", 1, 1 + bit, bit) for bit in range(3)]
    (request,) = planner.requests([*inner, whole])
    assert (request.first.address, request.count) == (10, 2)
    first, second = planner.split(request)
    assert (first.items, second.items) == ((whole,), tuple(inner))
    assert planner.split(second) == []
    assert planner.requests([*inner, whole]) == [first, second]
    planner.forget()
    assert len(planner.requests([*inner, whole])) == 1
