"""The real programs that benchmarks run beside ours, each in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

READY_S = 180.0

Running = contextlib.AbstractContextManager[psutil.Process]


@contextlib.contextmanager
def process(log: Path, command: Sequence[object]) -> Iterator[psutil.Process]:
    """Runs while in the block; its output is in the file."""
    with log.open("wb") as sink:
        started = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def ours(log: Path, *arguments: object) -> Running:
    return process(log, [sys.executable, "-m", "potline", *arguments])


def until(what: str, ready: Callable[[], bool], within_s: float = READY_S) -> None:
    """SystemExit with what was waited for."""
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU so far and resident memory of a process."""

    cpu_s: float
    memory_MB: float

    @classmethod
    def of(cls, seen: psutil.Process) -> Usage:
        times = seen.cpu_times()
        return cls(times.user + times.system, seen.memory_info().rss / 1e6)
