"""Processes of our own command line for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from harness import Process


@pytest.fixture
def processes(tmp_path) -> Iterator[Callable[..., Process]]:
    """Start processes of ours; all are gone at the end of the test."""
    started: list[Process] = []

    def start(name: str, *arguments: object) -> Process:
        process = Process(tmp_path / f"{name}.log", *arguments)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.kill()
