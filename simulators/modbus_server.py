"""One Modbus TCP server for one source of the plant: registers where the plant file has them."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from plant.model import Plant, Source, Tag
from plant.registers import BITS, DTYPES, TABLES, WIDTHS

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)

_TABLE_OF = {code: table for table, code in TABLES.items()}
_EMPTY, _WAITING, _TOLD = range(3)
_NOTHING = SimDevice(0, [SimData(0, datatype=DataType.REGISTERS)])  # the library asks for one


class Registers(SimCore):
    """What the units hold, by table. Read-only; an address without a tag is illegal."""

    def __init__(self) -> None:
        self._words: defaultdict[tuple[int, str], NDArray[np.uint16]] = defaultdict(
            lambda: np.zeros(1 << 16, np.uint16)
        )
        self._state: defaultdict[tuple[int, str], NDArray[np.uint8]] = defaultdict(
            lambda: np.full(1 << 16, _EMPTY, np.uint8)
        )

    def add(self, unit: int, table: str, address: int, width: int) -> None:
        self._state[unit, table][address : address + width] = _WAITING

    def put(self, unit: int, table: str, address: int, words: NDArray[np.uint16]) -> None:
        self._words[unit, table][address : address + len(words)] = words
        self._state[unit, table][address : address + len(words)] = _TOLD

    def set_bit(self, unit: int, table: str, address: int, bit: int, on: bool) -> None:
        word = int(self._words[unit, table][address]) & ~(1 << bit) | on << bit
        self.put(unit, table, address, np.array([word], np.uint16))

    async def async_getValues(
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        if device_id not in {unit for unit, _ in self._state}:
            raise NoSuchIdException(f"no unit {device_id}")
        key = device_id, _TABLE_OF[func_code]
        state = self._state[key][address : address + count]
        if len(state) < count or _EMPTY in state:
            return ExcCodes.ILLEGAL_ADDRESS
        if _WAITING in state:
            return ExcCodes.DEVICE_BUSY
        words: list[int] = self._words[key][address : address + count].tolist()
        return [bool(word) for word in words] if key[1] in BITS else words

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        return ExcCodes.ILLEGAL_FUNCTION


class ModbusServer:
    """Serves while the context is entered. The plant goes on while the link is down."""

    def __init__(self, plant: Plant, source: Source) -> None:
        self.source = source
        self._plant = plant
        self._registers = Registers()
        self._server: ModbusTcpServer | None = None
        for tag in plant.tags:
            if tag.source == source.id:
                self._registers.add(*_where(tag), WIDTHS[tag.address["type"]])

    async def __aenter__(self) -> Self:
        await self.set_link(True)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.set_link(False)

    async def set_link(self, up: bool) -> None:
        """Close every connection and the port, or listen again."""
        if up and self._server is None:
            host, port = self.source.options["host"], self.source.options["port"]
            server = ModbusTcpServer(_NOTHING, address=(host, port))
            server.context = self._registers
            try:
                await server.serve_forever(background=True)
            except RuntimeError:
                raise OSError(
                    f"source {self.source.id}: cannot listen on {host}:{port}; stop what listens "
                    f"there or change the port in {self._plant.path}"
                ) from None
            self._server = server
        elif not up and self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    def write(self, column: int, value: float) -> None:
        """Set a tag: value in its unit on the wire. What its type cannot hold is cut to its range;
        whole numbers are rounded."""
        tag = self._plant.tags[column]
        kind, options = tag.address["type"], self.source.options
        if kind == "bool":
            self._registers.set_bit(*_where(tag), int(tag.address["bit"] or 0), bool(round(value)))
            return
        words = encode(value, kind)
        if options["word_order"] == "little":
            words = words[::-1]
        if options["byte_order"] == "little":
            words = words.byteswap()
        self._registers.put(*_where(tag), words)


def _where(tag: Tag) -> tuple[int, str, int]:
    return int(tag.address["unit_id"]), tag.address["table"], int(tag.address["address"])


def encode(value: float, kind: str) -> NDArray[np.uint16]:
    """A value as registers, the highest first; what no number can say is 0 in whole numbers."""
    if kind.startswith("float"):
        return np.array([value], DTYPES[kind]).view(">u2").astype(np.uint16)
    value = value if math.isfinite(value) else 0.0
    if kind in DTYPES:
        limits = np.iinfo(DTYPES[kind])
        whole = min(max(round(value), limits.min), limits.max)
        return np.array([whole], DTYPES[kind]).view(">u2").astype(np.uint16)
    digits = 4 * WIDTHS[kind]
    text = str(min(max(round(value), 0), 10**digits - 1)).zfill(digits)
    return np.array([int(text[i : i + 4], 16) for i in range(0, digits, 4)], np.uint16)
