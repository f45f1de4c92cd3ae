"""The demo plant, and a small one on ports of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from plant.load import load
from plant.model import Plant

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def demo() -> Plant:
    return load(HERE.parents[1] / "deploy/plants/demo.toml")


@pytest.fixture
def small(tmp_path: Path) -> Plant:
    """tests/simulators/plant.toml on free ports of loopback."""
    text = (HERE / "plant.toml").read_text(encoding="utf-8")
    for name in ("{opcua}", "{mqtt}"):
        text = text.replace(name, str(_a_free_port()))
    path = tmp_path / "plant.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.fixture
def free_port() -> int:
    return _a_free_port()


def _a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
