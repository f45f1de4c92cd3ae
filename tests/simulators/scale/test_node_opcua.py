"""A client of another maker reads the fast server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators.scale.samples import BOOLEAN, DOUBLE, FLOAT, INT32

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]
MODULES = Path(__file__).parents[2] / "peers" / "node_opcua" / "node_modules"
ROUNDS = 5


async def told_by(lines: asyncio.StreamReader) -> dict[str, Any]:
    """The next value; the library prints lines of its own among them."""
    while line := await lines.readline():
        if line.startswith(b"{"):
            row: dict[str, Any] = json.loads(line)
            return row
    raise AssertionError("node-opcua's client has ended")


async def test_node_opcua_reads_values_types_and_times(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = shutil.which("node")
    if node is None or not MODULES.exists():
        pytest.skip("no node-opcua on this machine: `make provision` installs it")
    column = {bench.plant.tags[c].address["node"][2:]: c for c in bench.columns.tolist()}
    told = {"001.voltage": (DOUBLE, "Double"), "002.voltage": (FLOAT, "Float"),
            "003.feed_mode": (INT32, "Int32"), "004.feed_mode": (BOOLEAN, "Boolean")}  # fmt: skip
    kinds = bench.server.tags.kinds.copy()
    for name, (kind, _) in told.items():
        kinds[column[name]] = kind
    monkeypatch.setattr(bench.server.tags, "kinds", kinds)
    count = len(told) * (ROUNDS + 1)
    script = Path(__file__).with_name("client.js")
    process = await asyncio.create_subprocess_exec(
        node, script, bench.url, "urn:test:pots", str(count), *told,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NODE_PATH": str(MODULES)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            rows = [await told_by(process.stdout) for _ in told]
            assert {row["status"] for row in rows} == {"BadWaitingForInitialData"}
            for value in range(ROUNDS):
                time_ms = bench.tell(value + 0.5 if value % 2 else value) // 1_000_000
                rows = [await told_by(process.stdout) for _ in told]
                for row in rows:
                    kind, name = told[row["name"]]
                    assert row["type"] == name
                    assert row["value"] == _as(kind, value + 0.5 if value % 2 else value)
                    assert row["status"] == "Good"
                    assert row["time_ms"] == time_ms
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _as(kind: int, value: float) -> object:
    if kind == BOOLEAN:
        return value != 0
    return int(value) if kind == INT32 else float(np.float32(value))
