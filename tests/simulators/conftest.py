"""The demo plant, and a small one on ports of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from plant.load import load
from plant.model import Plant

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def demo() -> Plant:
    return load(HERE.parents[1] / "deploy/plants/demo.toml")


@pytest.fixture(scope="session")
def a_plant(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Plant]:
    """The demo plant with lines of so many cells and with more written below it."""

    def make(cells: int, more: str = "") -> Plant:
        text = (HERE.parents[1] / "deploy/plants/demo.toml").read_text(encoding="utf-8")
        text = text.replace(
            'sections = { A = "001-012", B = "013-024" }', f'sections = {{ A = "001-{cells:03d}" }}'
        )
        path = tmp_path_factory.mktemp("plant") / "plant.toml"
        path.write_text(text + more, encoding="utf-8")
        return load(path)

    return make


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
