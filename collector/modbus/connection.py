"""One connection to a Modbus TCP device, by pymodbus' transactions. It can only read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

REQUESTS: dict[str, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "input": ReadInputRegistersRequest,
    "holding": ReadHoldingRegistersRequest,
}
"""Table -> what reads it: function codes 1 to 4, and there are no others here."""
CODES = frozenset(request.function_code for request in REQUESTS.values())
REASONS = {
    1: "illegal_function",
    2: "illegal_address",
    3: "illegal_value",
    4: "device_failure",
    5: "acknowledge",
    6: "device_busy",
    8: "memory_parity_error",
    10: "gateway_path_unavailable",
    11: "gateway_no_response",
}

# The library logs each answer that came too late and each failed try; the link tells its edges.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)


class Refused(Exception):
    """The device answered that it will not: an exception of the protocol. The text is its name."""


class ModbusConnection(TransactionManager):
    """Open it, read one answer after the other, close it: each reconnection is a fresh one."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        params = CommParams(comm_type=CommType.TCP, host=host, port=port, timeout_connect=timeout_s)
        super().__init__(params, FramerSocket(DecodePDU(False)), 0, False, None, None, None)

    async def open(self) -> None:
        """OSError, TimeoutError"""
        within = self.comm_params.timeout_connect
        try:
            async with asyncio.timeout(within):
                self.transport, _ = await self.call_create()
        except TimeoutError:
            raise TimeoutError(f"no connection within {within:g} s") from None

    async def read(self, unit_id: int, table: str, address: int, count: int) -> Sequence[int]:
        """Registers or bits. Refused; TimeoutError without an answer; OSError without a link."""
        request = REQUESTS[table](address=address, count=count, dev_id=unit_id)
        if not self.is_active():
            raise ConnectionResetError("the device closed the connection")
        answer = await self._exchange(request)
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            raise Refused(REASONS.get(code, f"exception_{code}"))
        values: Sequence[int] = answer.bits if table in ("coil", "discrete") else answer.registers
        if answer.function_code != request.function_code or len(values) < count:
            raise Refused("wrong_answer")
        return values[:count]

    async def _exchange(self, request: ModbusPDU) -> ModbusPDU:
        """In place of the library's `execute`, which may swallow a cancellation."""
        request.transaction_id = self.getNextTID()
        self.response_future = asyncio.get_running_loop().create_future()
        self.pdu_send(request)
        try:
            async with asyncio.timeout(self.comm_params.timeout_connect):
                answer: ModbusPDU = await self.response_future
        except TimeoutError:
            raise TimeoutError(
                f"unit {request.dev_id} does not answer within "
                f"{self.comm_params.timeout_connect:g} s"
            ) from None
        return answer

    def pdu_send(self, pdu: ModbusPDU, addr: tuple[str, int] | None = None) -> None:
        """The last step before the wire: nothing but reading passes."""
        if pdu.function_code not in CODES:
            raise PermissionError(f"function {pdu.function_code} may write; potline only reads")
        super().pdu_send(pdu, addr)

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        try:
            return super().callback_data(data, addr)
        except ModbusException:
            self._end(ConnectionResetError("the device sent what is no Modbus"))
            self.close()
            return len(data)

    def callback_disconnected(self, exc: Exception | None) -> None:
        self._end(ConnectionResetError("the device closed the connection"))

    def _end(self, error: OSError) -> None:
        """Whoever waits for an answer need not wait longer."""
        if not self.response_future.done():
            self.response_future.set_exception(error)
            self.response_future.exception()  # nobody may be waiting
