"""Faults on demand: one JSON object a line over TCP on loopback, one line in answer.

{"kind": "set_voltage", "cell": "L1-007", "mV": 150, "for_s": 60} -> {"ok": true, "id": 3}
{"clear": 3}                                                      -> {"ok": true}
{"status": true}                -> {"ok": true, "time": 1795219200000000000, "now_s": 12.0,
                                    "faults": [{"id": 3, "kind": "set_voltage", …}]}
Anything that cannot be done    -> {"ok": false, "error": "…"}
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
from typing import Any, Protocol

from plant.model import Plant
from simulators.scenario import Fault, Faults, ScenarioError, check_served, fault

HOST = "127.0.0.1"


class Simulated(Protocol):
    """What faults are done to."""

    plant: Plant
    faults: Faults
    time: int

    @property
    def now_s(self) -> float: ...


class ControlServer:
    """Listens while the context is entered. fast: hostile servers are possible."""

    def __init__(self, simulation: Simulated, port: int, fast: bool = False) -> None:
        self._simulation = simulation
        self._port = port
        self._fast = fast

    async def __aenter__(self) -> ControlServer:
        self._server = await asyncio.start_server(self._serve, HOST, self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # gone, or a line without an end
            pass
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        simulation = self._simulation
        try:
            request = json.loads(line)
        except ValueError as error:
            return {"ok": False, "error": f"not a line of JSON: {error}"}
        if not isinstance(request, dict):
            return {"ok": False, "error": "a request is a JSON object"}
        if "status" in request:
            active = simulation.faults.active.items()
            faults = [{"id": number} | _row(each) for number, each in active]
            now = {"time": simulation.time, "now_s": simulation.now_s}
            return {"ok": True, **now, "faults": faults}
        if "clear" in request:
            number = request["clear"]
            if isinstance(number, int) and simulation.faults.clear(number):
                return {"ok": True}
            return {"ok": False, "error": f"there is no fault {number}"}
        try:
            made = fault(request, simulation.plant, "control", simulation.now_s)
            check_served([made], self._fast)
        except ScenarioError as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True, "id": simulation.faults.add(made)}


def _row(fault: Fault) -> dict[str, Any]:
    row = {"kind": fault.kind, "where": fault.where, "at_s": fault.at_s}
    row |= {} if math.isnan(fault.amount) else {"amount": fault.amount}
    return row | ({} if math.isinf(fault.for_s) else {"for_s": fault.for_s})


def send(port: int, request: dict[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask a running simulator; blocks. ScenarioError with its answer when it refuses."""
    with socket.create_connection((HOST, port), timeout_s) as connection:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer: dict[str, Any] = json.loads(answers.readline())
    if not answer["ok"]:
        raise ScenarioError(answer["error"])
    return answer
