"""Tells systemd that we are ready, how we do, and that we live: sd_notify(3)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from plant.batch import SECOND
from potline.remote import plain
from potline.stack import Stack

STATUS_S = 10.0
BEHIND_S = 5.0
"""So far past their lateness beats may lag: a compiler, or a busy disk, is no fault."""

log = structlog.get_logger()


class Notifier:
    """Datagrams to NOTIFY_SOCKET. One that cannot be sent is told once and never waited for."""

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        """watchdog_s: how often systemd wants to hear that we live; None: it does not."""
        self.watchdog_s = watchdog_s
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._told = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notifier | None:
        """None when nobody wants to know."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address:
            return None
        micros = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_s = int(micros) / 1e6 if micros.isdigit() and int(micros) and meant else None
        return cls(address, watchdog_s)

    def tell(self, **lines: str | int) -> None:
        text = "\n".join(f"{name}={value}" for name, value in lines.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(text.encode(), self._address)
        except OSError as error:
            if not self._told:
                self._told = True
                log.warning("systemd cannot be told", reason=str(error))


@dataclass(slots=True)
class Pulse:
    """Whether the calculation lives: beats advance, or there are no samples that one is due for."""

    stack: Stack
    patience_s: float
    clock: Callable[[], float] = time.monotonic
    _beats: int = -1
    _advanced: float = field(init=False)

    def __post_init__(self) -> None:
        self._advanced = self.clock()

    def beats(self) -> bool:
        now = self.clock()
        if self.stack.beats != self._beats or self.behind_s() <= BEHIND_S:
            self._beats, self._advanced = self.stack.beats, now
        return now - self._advanced < self.patience_s

    def behind_s(self) -> float:
        """How long samples have waited for their beat, beyond the plant's lateness, in their own
        time. Before the first beat it compiles, or goes on from what was kept: 0."""
        run = self.stack.pipeline.run
        if run is None or not self.stack.beats:
            return 0.0
        newest = int(self.stack.pipeline.watermarks.newest.max(initial=0))
        waited = (newest - run.builder.start) / SECOND
        return waited - self.stack.plant.time.lateness_s - self.stack.plant.time.beat_s


@contextlib.asynccontextmanager
async def notifying(stack: Stack) -> AsyncIterator[None]:
    """Ready now, alive while in here, stopping afterwards. Without systemd: nothing."""
    notifier = Notifier.of(os.environ)
    if notifier is None:
        yield
        return
    notifier.tell(READY=1, STATUS=status(stack), MAINPID=os.getpid())
    pulse = asyncio.create_task(_pulse(notifier, stack))
    try:
        yield
    finally:
        pulse.cancel()
        notifier.tell(STOPPING=1, STATUS="stopping: draining the spool")


@contextlib.contextmanager
def reloading(stack: Stack) -> Iterator[None]:
    """Systemd knows that the plant file is being read again, and when that is done."""
    notifier = Notifier.of(os.environ)
    if notifier is None:
        yield
        return
    notifier.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
    try:
        yield
    finally:
        notifier.tell(READY=1, STATUS=status(stack))


async def _pulse(notifier: Notifier, stack: Stack) -> None:
    """On the event loop, so that it stops with it."""
    watchdog_s = notifier.watchdog_s
    every = STATUS_S if watchdog_s is None else min(STATUS_S, watchdog_s / 2)
    pulse = Pulse(stack, watchdog_s or STATUS_S)
    told = False
    while True:
        await asyncio.sleep(every)
        alive = pulse.beats()
        if alive and watchdog_s is not None:
            notifier.tell(WATCHDOG=1, STATUS=status(stack))
        else:
            notifier.tell(STATUS=status(stack))
        if alive == told:
            told = not alive
            if told:
                log.error("beats stand still though samples wait", behind_s=pulse.behind_s())
            else:
                log.info("beats advance again")


def status(stack: Stack) -> str:
    """One line for `systemctl status`."""
    sources = stack.supervisor.statuses()
    flowing = sum(source.flowing for source in sources)
    silent = [source.id for source in sources if not source.flowing]
    away = stack.writer.last_error or stack.intake.blocked
    but = f" (not {', '.join(silent)})" if silent else ""
    parts = [
        f"{flowing} of {len(sources)} sources flow{but}",
        f"{stack.beats} beats",
        f"the store is away: {away}" if away else "the store takes samples",
    ]
    return plain("; ".join(parts))
