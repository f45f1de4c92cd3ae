"""Two collectors of one plant: one is active, the other stands by with all it needs to go on."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from api.pair_status import PairStatus
from api.server import listen
from collector.in_turn import Turn
from collector.lease import Lease, Word
from collector.peer import Channel, NotThePeer, answering, ask
from collector.secrets import password
from plant.batch import SECOND
from plant.model import PairSettings, Plant
from potline.exits import INVALID, Failure
from store.shared import StoreState, Told

if TYPE_CHECKING:
    from potline.stack import Stack

TICK_S = 0.1
LEAVE_S = 1.5
BEHIND_NS = 15 * SECOND
"""So much time in the samples that wait for the store is a backlog."""
LEAST_SECRET = 16
DAY_NS = 26 * 3600 * SECOND
"""The longest local day, and an hour."""

log = structlog.get_logger()


class Pair:
    """Our half. `run` talks to the other one for ever; `leave` hands the plant over."""

    def __init__(self, stack: Stack, plant: Plant, settings: PairSettings) -> None:
        self.turn = Turn()
        self._stack = stack
        self._settings = settings
        self._secret = _secret(settings)
        self._socket: socket | None = None
        self._epochs = Path(plant.store.path) / "pair.epoch"
        self._lease = Lease(
            settings.name,
            settings.priority,
            settings.lease_s,
            time.monotonic(),
            self._kept_epoch(),
            keep=self._keep_epoch,
            changed=self._changed,
        )
        self._since = time.time_ns()
        self._trouble = {"call": "", "word": ""}
        self._strangers = 0
        self._oldest: int | None = None  # sample that waits for the store, ns
        self._computed: tuple[int, int] | None = None
        self._store: StoreState = "up"
        self._added: list[tuple[int, int]] = []
        self._speak, self._answered, self._switch = (asyncio.Event() for _ in range(3))

    @property
    def active(self) -> bool:
        return self._lease.active

    @property
    def status(self) -> PairStatus:
        lease, shared = self._lease, self._stack.shared
        age_s = None if lease.heard_at is None else time.monotonic() - lease.heard_at
        return PairStatus(
            name=self._settings.name,
            role="active" if lease.active else "standby",
            since=self._since,
            reason=lease.reason,
            epoch=lease.epoch,
            takeovers=lease.takeovers,
            peer=lease.peer.name if lease.peer else "",
            peer_active=lease.peer is not None and lease.peer.active,
            peer_age_s=age_s,
            trouble="; ".join(filter(None, self._trouble.values())),
            strangers=self._strangers,
            held=shared.held if shared else 0,
        )

    def listen(self) -> None:
        """Failure when the address is taken."""
        try:
            self._socket = listen(*_address(self._settings.listen))
        except OSError as error:
            raise Failure(
                INVALID,
                f"cannot listen on {self._settings.listen} ({error.strerror}): choose another "
                "[pair] listen",
            ) from None

    async def run(self) -> None:
        assert self._socket is not None, "listen first"
        self._lease.begin(time.monotonic())
        async with (
            answering(self._socket, self._secret, self._answer, self._refused),
            asyncio.TaskGroup() as tasks,
        ):
            for work in (self._tick, self._talk, self._watch, self._publish):
                tasks.create_task(work())

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    async def leave(self) -> None:
        """Stop publishing, then tell the other one to take over; at most LEAVE_S for each."""
        if not self.active:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await asyncio.to_thread(self._stack.outputs.stop)
        self._lease.leave()
        self._answered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._answered.wait()

    # -- what goes on for ever

    async def _tick(self) -> None:
        while True:
            self._lease.tick(time.monotonic())
            await asyncio.sleep(TICK_S)

    async def _talk(self) -> None:
        """Say every heartbeat how we stand; over a new connection when one fails."""
        host, port = _address(self._settings.peer)
        beat_s = self._settings.heartbeat_s
        within_s = max(1.0, 2 * beat_s)
        while True:
            channel: Channel | None = None
            try:
                channel = await ask(host, port, self._secret, within_s)
                while True:
                    await self._say(channel, within_s)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(beat_s):
                            await self._speak.wait()
            except NotThePeer as error:
                self._tell("call", str(error))
            except EOFError:
                self._tell("call", f"{self._settings.peer} ended the connection")
            except (OSError, TimeoutError) as error:
                reason = str(error) or "it does not answer"
                self._tell("call", f"{self._settings.peer} cannot be reached: {reason}")
            finally:
                if channel is not None:
                    await channel.close()
            await asyncio.sleep(beat_s)

    async def _say(self, channel: Channel, within_s: float) -> None:
        self._speak.clear()
        told = self._message()
        async with asyncio.timeout(within_s):
            await channel.send(orjson.dumps(told))
            heard = _understood(await channel.receive())
        self._tell("call", "")
        self._answered.set()
        shared = self._stack.shared
        if self._hear(heard) and shared is not None:
            shared.heard(told["digests"])
            if heard["active"]:
                self._added = []

    async def _answer(self, body: bytes) -> bytes:
        told = _understood(body)
        if self._hear(told):
            await self._take(told)
        return orjson.dumps(self._word())

    async def _take(self, told: dict[str, Any]) -> None:
        shared = self._stack.shared
        if shared is None:
            return
        if told["active"]:
            shared.told(
                Told(
                    [(source, at, n, sum_) for source, at, n, sum_ in told["digests"]],
                    told["marks"],
                    told["computed"] and tuple(told["computed"]),
                    told["store"],
                )
            )
        elif self.active:
            cause = f"samples that only {told['name']} received"
            for start, end in told["added"]:
                await asyncio.to_thread(self._stack.pipeline.note, start, end, cause)

    async def _watch(self) -> None:
        """How far we are, for the other one; apart from the heartbeat, which no disk may delay."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(self._settings.heartbeat_s)

    def _look(self) -> None:
        stack = self._stack
        run, waiting, before = (
            stack.pipeline.run, stack.spool.extent(), stack.spool.computed_before(),
        )  # fmt: skip
        if run is not None:
            until = run.builder.start if before is None else min(run.builder.start, before - 1)
            self._computed = (self._computed or (until, until))[0], until
        self._oldest = waiting and waiting[0]
        if stack.writer.last_error:
            self._store = "away"
        else:
            self._store = "behind" if waiting and waiting[1] - waiting[0] > BEHIND_NS else "up"

    async def _publish(self) -> None:
        """Start and stop the outputs as the lease says."""
        publishes = False
        while True:
            await self._switch.wait()
            self._switch.clear()
            if self.active != publishes:
                publishes = self.active
                outputs = self._stack.outputs
                await asyncio.to_thread(outputs.start if publishes else outputs.stop)

    # -- what is said

    def _word(self) -> dict[str, Any]:
        word, plant = self._lease.word, self._stack.plant
        return {
            "site": plant.site.id,
            "shared": [plant.store.org, plant.store.bucket_prefix] if self._stack.shared else [],
            "name": word.name,
            "priority": word.priority,
            "epoch": word.epoch,
            "active": word.active,
            "leaving": word.leaving,
        }

    def _message(self) -> dict[str, Any]:
        digests: list[tuple[str, int, int, int]] = []
        marks: dict[str, int] = {}
        if self._stack.shared is not None:
            digests, marks = self._stack.shared.tell()
            self._added = _joined([*self._added, *self._stack.shared.added()])
        if self._oldest is not None:
            marks = {source: min(mark, self._oldest - 1) for source, mark in marks.items()}
        return {
            **self._word(),
            "digests": digests,
            "marks": marks,
            "computed": self._computed,
            "store": self._store,
            "added": self._added,
        }

    # -- what is heard

    def _hear(self, told: dict[str, Any]) -> bool:
        """Take the other one's word. False: it is not meant for us, and we say why."""
        mine, trouble = self._word(), ""
        if told["site"] != mine["site"]:
            trouble = f"it collects for site {told['site']}, not {mine['site']}"
        elif told["name"] == mine["name"]:
            trouble = f"both are named {mine['name']}; give each its own [pair] name"
        elif told["shared"] != mine["shared"]:
            trouble = "the two name other stores; write the same [store], and [pair] shared_store"
        self._tell("word", trouble)
        if trouble:
            return False
        keys = ("name", "priority", "epoch", "active", "leaving")
        self._lease.hear(Word(**{key: told[key] for key in keys}), time.monotonic())
        return True

    def _tell(self, of: str, trouble: str) -> None:
        """Log the edges."""
        was, self._trouble[of] = self._trouble[of], trouble
        if trouble and not was:
            log.warning("the other collector of the pair is not heard", reason=trouble)
        elif was and not trouble:
            log.info("the other collector of the pair is heard again")

    def _refused(self, address: str, why: str) -> None:
        if not self._strangers:
            log.warning("not the other collector of the pair", address=address, reason=why)
        self._strangers += 1

    # -- what changes with the lease

    def _changed(self, active: bool, why: str) -> None:
        self._since = time.time_ns()
        log.warning("active" if active else "standby", reason=why, epoch=self._lease.epoch)
        stack = self._stack
        if stack.shared is not None and not self._lease.word.leaving:  # what is left is stored
            stack.shared.lead(active)
        self.turn.give(active)
        self._switch.set()
        self._speak.set()
        peer = self._lease.peer
        once = {source.id for source in stack.plant.sources if source.taken_once}
        if active and once and stack.shared is not None and peer is not None:
            tags = [tag.id for tag in stack.plant.tags if tag.source in once]
            cause = f"samples that only {peer.name} took"
            stack.pipeline.note(self._since - DAY_NS, self._since, cause, tags)

    def _kept_epoch(self) -> int:
        try:
            return int(self._epochs.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            log.warning(f"{self._epochs}: cannot be read, take-overs count from 0: {error}")
            return 0

    def _keep_epoch(self, epoch: int) -> None:
        part = self._epochs.with_suffix(".part")
        try:
            with part.open("w", encoding="ascii") as file:
                file.write(str(epoch))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._epochs)
        except OSError as error:  # the plant is worth more than the count
            log.error(f"{self._epochs}: cannot be written: {error.strerror}; make room on the disk")


KEYS = {
    "site": str, "shared": list, "name": str, "priority": int, "epoch": int, "active": bool,
    "leaving": bool,
}  # fmt: skip


def _understood(body: bytes) -> dict[str, Any]:
    """NotThePeer: it is of another version."""
    told = orjson.loads(body)
    if not all(isinstance(told.get(key), type_) for key, type_ in KEYS.items()):
        raise NotThePeer("it is a potline of another version; install the same in both")
    known: dict[str, Any] = told
    return known


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans, with those that touch made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _secret(settings: PairSettings) -> bytes:
    options = {"password_file": settings.secret_file, "password_env": settings.secret_env}
    try:
        secret = password(options)
    except OSError as error:
        raise Failure(INVALID, f"[pair] {error}".replace("password_", "secret_")) from None
    if len(secret) < LEAST_SECRET:
        raise Failure(
            INVALID,
            f"[pair] the secret is shorter than {LEAST_SECRET} characters; make one with "
            "`openssl rand -hex 32` and give it to both",
        )
    return secret.encode()
