"""What one source has at its server: a subscription that outlives connections. Reads only."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import structlog
from asyncua import ua
from asyncua.ua import uaerrors
from numpy.typing import NDArray

from collector.channel import Put
from collector.opcua.decode import Decoder, Publication
from collector.opcua.history import History
from collector.opcua.items import Items
from collector.opcua.known import Known
from collector.opcua.limits import Limits
from collector.opcua.losses import Losses
from collector.opcua.overlap import Overlap
from collector.opcua.publish import Acknowledge, PublishLoop
from collector.opcua.republish import ask_again
from collector.opcua.secure_client import SecureClient
from collector.opcua.services import Services, standard_node
from collector.opcua.silence import ChannelWatch
from collector.opcua.subscription import Subscription
from collector.opcua.watch import TagWatch
from collector.scaling import Scaling
from collector.source import Delivery, SourceHealth
from plant.batch import SECOND, Batch
from plant.model import Plant, Source
from store.records import Gap

LONGEST_TICK_S = 0.25
CONFIRM_S = 0.5
CONFIRM_PAUSES = 4
"""Times what the last confirmation took: where everything is late, Reads must not make it later."""
FRESH_S = 5.0
RETRY_UNRESOLVED_S = 30.0
MISSED_KEEP_ALIVES = 1.75
"""Without a publish response for so many of them, publishing has stalled."""
GONE = (
    uaerrors.BadSubscriptionIdInvalid,
    uaerrors.BadNoSubscription,
    uaerrors.BadSessionIdInvalid,
    uaerrors.BadSessionClosed,
)

log = structlog.get_logger()


class Stalled(ConnectionError):
    """Subscribing again did not help: a new session is to be made."""


class OpcUaSession:
    """`run` is called for each connection, one after the other, and ends only by an error.

    active() is False while another server of the source is listened to, and this one stands by.
    """

    def __init__(
        self,
        source: Source,
        plant: Plant,
        health: SourceHealth,
        known: Known,
        put: Put,
        active: Callable[[], bool],
    ) -> None:
        self._source = source
        self._health = health
        self._known = known
        self._put = put
        self._active = active
        self._hot = source.options.get("redundancy") == "hot"
        self._items = Items.of((t for t in plant.tags if t.source == source.id), Scaling.of(plant))
        self._decoder = Decoder(self._items.slots)
        self.services = Services()
        options = source.options
        self._limits = Limits(
            source.id, options.get("max_per_request", 0), options.get("profile", "")
        )
        self._current = self._new_subscription()
        self._before: list[Subscription] = []  # to be given back when the current one brings data
        self._numbers = Losses(source.id, plant, health)
        self._overlap = Overlap(known)
        self._publishing = PublishLoop(self.services, self._decoder, self._take)
        self._tags = TagWatch(plant)
        self._history = History(
            source, plant, self.services, self._limits, self._decoder, self._backfill
        )
        self._awaited = np.zeros(len(plant.tags), np.bool_)  # its first value is still to come
        self._monitored_at = np.zeros(len(plant.tags), np.int64)  # server's clock [ns]; 0: unknown
        self._handle = np.zeros(len(plant.tags), np.int64)
        self._handle[self._items.slots.columns] = self._items.handles
        self._missing: dict[str, NDArray[np.int32]] = {}  # for the next delivery
        self._resumed = True
        self._ahead = round(plant.time.max_future_s * SECOND)
        self._server_started: object = None
        self._brought_at = np.inf  # monotonic s, the current one's first data after those before
        self._remade_at = np.inf  # monotonic s, of items of the current one
        self._mended = False  # subscribed again, and nothing new came since
        self._told: set[str] = set()  # levels of stalls that are on record and go on
        self._silent = np.zeros(len(plant.tags), np.bool_)  # of these something may be lost in them
        self._data_at = time.monotonic()

    def _new_subscription(self) -> Subscription:
        return Subscription(
            self.services,
            self._limits,
            self._source,
            self._items,
            self._health,
            self._monitored,
            reporting=self._active(),
        )

    async def run(self, client: SecureClient, opened: Callable[[], None]) -> None:
        """opened() is called when samples of all tags can come."""
        self.services.use(client)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_channel(client))
            goes_on = await self._goes_on(client.resumed)
            if not goes_on:
                await self._begin()
            tasks.create_task(self._publishing.run())
            if not goes_on:
                await self._current.fill()
            opened()
            tasks.create_task(self._watch())
            tasks.create_task(self._history.run(self._node_of))

    def forget(self) -> None:
        """The next connection begins with nothing of the session before."""
        self._current, self._before = self._new_subscription(), []
        self._mended = False

    # -- opening

    async def _goes_on(self, same_session: bool) -> bool:
        """The subscription of the connection before, or all is to be asked for again."""
        if not same_session:
            await self._limits.learn(self.services)
            self._publishing.most = self._limits.profile.publish_requests
            self._before.clear()
            (started,) = await self.services.values([standard_node("ServerStatus_StartTime")])
            if started != self._server_started:  # its numbers may be of others' subscriptions now
                self._lay_down()
            self._server_started = started
        if await self._carry_on(same_session):
            self._health.resumed += 1
            return True
        self._resumed = True
        self._history.outage(self._items.slots.columns, self._known.times)
        if not same_session:
            self._lay_down()
        return False

    def _lay_down(self) -> None:
        """The subscription is of a session that is no more."""
        self._numbers.forget(self._current.id)
        self._current = self._new_subscription()

    async def _carry_on(self, same_session: bool) -> bool:
        """Go on with the subscription, with all that was missed; False when it is no more."""
        current = self._current
        if not current.whole or not (same_session or await current.transfer()):
            return False
        try:
            for number in self._numbers.owed(current.id):
                self._lost(0 if await self._ask_again(current.id, number) else 1)
                self._numbers.settled(current.id, number)
            while await self._ask_again(current.id, self._numbers.next(current.id)):
                pass
        except GONE:
            return False
        return True

    async def _subscribe(self) -> None:
        """Anew; what stood before goes on until the new one brings something."""
        await self._begin()
        await self._current.fill()

    async def _begin(self) -> None:
        if self._current.id:
            self._before.append(self._current)
        self._current = self._new_subscription()
        self._tags.end(self._items.slots.columns)
        await self._current.create()
        self._numbers.forget(self._current.id)  # which another one may have had

    async def _switch(self) -> None:
        """Take over from another server of the source, or stand by for it."""
        active, columns = self._active(), self._items.slots.columns
        self._tags.end(columns)
        if active:
            self._resumed, self._mended = True, False
            self._history.outage(columns, self._known.times)
            if self._hot:
                self._overlap.begin()
        if not await self._current.report(active):
            await self._subscribe()
        elif active:
            self._monitored(list(self._current.nodes), 0)

    def _monitored(self, handles: Sequence[int], at: int) -> None:
        if not self._current.reporting:
            return
        chosen = np.array(handles, np.int64)
        columns = self._items.columns(chosen)
        sampling_s = np.array([self._current.sampling_s(h) for h in self._handle[columns].tolist()])
        self._tags.begin(columns, sampling_s, self._current.publishing_s, time.monotonic())
        self._awaited[columns] = True
        self._monitored_at[columns] = at

    # -- what comes

    async def _take(
        self, publication: Publication | None, received: int, acknowledge: Acknowledge | None
    ) -> None:
        if publication is None:
            await self._deliver(Batch.empty(), Counter(undecodable=1), None)
            return
        async with self._current.making:
            pass  # what it brings may be of items that are not told yet
        subscription, number = publication.subscription, publication.sequence
        if not publication.has_notifications:
            for absent in self._numbers.before_keep_alive(subscription, number):
                if not await self._ask_again(subscription, absent):
                    break
            return
        missing, lost = self._numbers.missing_before(subscription, number)
        for absent in missing:
            lost += not await self._ask_again(subscription, absent)
            self._numbers.settled(subscription, absent)
        self._lost(lost)
        await self._hand_on(publication, received, acknowledge)
        if publication.ended and subscription == self._current.id:
            name = ua.StatusCode(ua.UInt32(publication.ended)).name
            self._current.whole = False
            raise ConnectionError(f"subscription ended by the server: {name}")
        current = subscription == self._current.id and self._current.whole
        if current and len(publication.batch) and self._before:
            self._brought_at = min(self._brought_at, time.monotonic())

    async def _ask_again(self, subscription: int, number: int) -> bool:
        """Republish; whether it came."""
        publication = await ask_again(self.services, self._decoder, subscription, number)
        if publication is None:
            return False
        self._numbers.missing_before(subscription, number)
        self._health.republished += 1
        acknowledge = lambda: self._publishing.acknowledge(publication)  # noqa: E731
        await self._hand_on(publication, time.time_ns(), acknowledge)
        return True

    def _lost(self, notifications: int) -> None:
        self._numbers.lost(notifications)
        if notifications:
            self._missing["sequence gap"] = np.flatnonzero(self._tags.seen < np.inf).astype(
                np.int32
            )

    async def _hand_on(
        self, publication: Publication, received: int, acknowledge: Acknowledge | None
    ) -> None:
        if self._hot and not self._active():
            self._overlap.begin()  # what the other one has told meanwhile
        if self._hot:
            publication = self._overlap.without(publication)
        if overflowed := self._numbers.overflows(publication):
            columns = np.array(overflowed, np.int32)
            before = self._missing.get("overflow", np.empty(0, np.int32))
            self._missing["overflow"] = np.union1d(before, columns)
            self._history.outage(columns, self._known.times)
        dated = publication.batch
        self._history.came(dated)
        awaited = self._awaited[dated.tags]
        first, others, again = self._standing(dated, awaited, publication.published, received)
        self._known.take(dated, received + self._ahead)
        now = time.monotonic()
        self._tags.notified(dated, now)
        if len(dated):
            self._data_at = now
        if self._silent.any():  # what the server had meanwhile and did not bring will not come
            silent = np.flatnonzero(self._silent).astype(np.int32)
            self._missing["silent"] = silent
            self._history.outage(silent, self._known.times)
            if len(first) and len(others):  # between them it may still have been silent
                await self._deliver(first, Counter(), None)
                first, self._missing["silent"] = Batch.empty(), silent
        if not awaited.all() and publication.subscription == self._current.id:
            self._flows()
        batch = Batch.concat([first, others]) if len(first) else others
        refused = publication.refused + Counter(duplicate=again)
        await self._deliver(batch, refused, acknowledge)
        self._numbers.settled(publication.subscription, publication.sequence)

    def _standing(
        self, batch: Batch, awaited: NDArray[np.bool_], published: int, received: int
    ) -> tuple[Batch, Batch, int]:
        """The first values after subscribing, which tell what stands now; the others; how many were
        known. A first value that the server dates no later than what is known is no news of that
        time, but a confirmation of when the item was made, unless a newer one comes with it or may
        still be on its way: a busy server brings what is so fresh as fast as it can."""
        if not awaited.any():
            return Batch.empty(), batch, 0
        self._awaited[batch.tags] = False
        first = np.zeros(len(batch), np.bool_)
        first[np.unique(batch.tags, return_index=True)[1]] = True
        first &= awaited
        newest = self._known.times.copy()
        np.maximum.at(newest, batch.tags, batch.times)
        newer = (newest > self._known.times)[batch.tags]
        standing = first & ~newer & self._known.stands(batch)
        made_at = self._monitored_at[batch.tags]
        read_at = np.where((made_at > 0) & (made_at < published), made_at, published)
        quiet = standing & (read_at - batch.times > FRESH_S * SECOND)
        again = standing & ~quiet & (batch.times == self._known.times[batch.tags])
        confirmed = self._known.confirm_standing(batch.take(quiet), read_at[quiet], received)
        told = batch.take(first & ~quiet & ~again)
        return Batch.concat([told, confirmed]), batch.take(~first), int(again.sum())

    async def _deliver(
        self, batch: Batch, refused: Counter[str], durable: Acknowledge | None
    ) -> None:
        resumed, missing = self._resumed, self._missing
        self._resumed, self._missing = False, {}
        try:
            await self._put(Delivery(self._source.id, batch, refused, resumed, durable, missing))
        except BaseException:  # it is owed still, and so is what it tells
            self._resumed |= resumed
            self._missing = missing | self._missing
            raise

    async def _backfill(self, batch: Batch, gaps: Sequence[Gap]) -> None:
        """What the history had; live first."""
        while self._publishing.delivering:  # noqa: ASYNC110  the intake has enough to do
            await asyncio.sleep(LONGEST_TICK_S)
        await self._put(Delivery(self._source.id, batch, gaps=gaps))

    def _node_of(self, column: int) -> tuple[int, ua.NodeId] | None:
        handle = int(self._handle[column])
        node = self._current.nodes.get(handle)
        return None if node is None else (handle, node)

    async def _give_back(self) -> None:
        """The current subscription has brought data: those before are not needed any more."""
        before, self._before, self._brought_at = self._before, [], np.inf
        for subscription in before:
            with suppress(uaerrors.UaStatusCodeError):  # the server has it no more
                await subscription.delete()
            self._numbers.forget(subscription.id)

    # -- watch

    async def _watch_channel(self, client: SecureClient) -> None:
        try:
            await ChannelWatch(self.services, client).run()
        except ConnectionError as error:
            self._stalled("channel", str(error))
            raise

    async def _watch(self) -> None:
        next_retry = time.monotonic() + RETRY_UNRESOLVED_S
        confirm_at = 0.0
        while True:
            await asyncio.sleep(min(LONGEST_TICK_S, self._current.publishing_s / 10))
            now = time.monotonic()
            if self._current.reporting != self._active():
                await self._switch()
            silent_s = self._publishing.silent_s()
            if silent_s > max(1.0, MISSED_KEEP_ALIVES * self._current.keep_alive_s):
                why = f"connected, but no publish response for {silent_s:.1f} s"
                await self._mend("publish", why)
                self._publishing.restarted()
            if now - self._brought_at > 2 * self._current.publishing_s:
                await self._give_back()
            if now - self._remade_at > 2 * self._current.publishing_s:
                self._remade_at = np.inf
                await self._current.drop_replaced()
            if self._publishing.delivering:
                self._tags.excuse(now)
            else:
                await self._look(now)
            if now >= confirm_at:
                await self._confirm_quiet(now)
                done = time.monotonic()
                confirm_at = done + max(CONFIRM_S, CONFIRM_PAUSES * (done - now))
            if now >= next_retry and self._health.unresolved:
                next_retry = now + RETRY_UNRESOLVED_S
                await self._current.retry_unresolved()

    async def _look(self, now: float) -> None:
        """Read what is overdue, and mend what should have come."""
        columns = self._tags.to_look_at(now)
        if not len(columns) and now - self._data_at > 0.6 * self._current.publishing_s:
            columns = self._tags.to_look_at_early(now)
        if len(columns):
            handles = np.unique(self._handle[columns])
            for asked, body in await self._current.read(handles):
                received = time.time_ns()
                reading = self._decoder.reading(body, asked, received)
                newer, equal = self._known.compare(reading.batch)
                news = newer & (~equal | ~self._is_by_value(reading.batch))
                read_at = reading.read_at or received
                at = time.monotonic()
                flowing = self._flowing(at)
                self._tags.looked(reading.batch, ~equal, news, read_at, at, flowing)
        found = self._tags.not_brought(now)
        if not len(found):
            return
        if self._flowing(now):
            await self._remake(found, now)
        else:
            await self._mend(
                "subscription", "the server has news that its subscription does not bring"
            )

    def _flowing(self, now: float) -> bool:
        """What is silent are single tags."""
        since_s = now - self._data_at
        return since_s <= 1.5 * self._current.publishing_s and not len(self._tags.silent(now))

    async def _remake(self, columns: NDArray[np.int64], now: float) -> None:
        """Others flow: the items of these tags alone are dead."""
        self._stalled("tag", "the server has news of tags that it does not bring", len(columns))
        self._silent[columns] = True
        self._tags.spare(columns, now)
        handles = np.unique(self._handle[columns])
        self._tags.end(self._items.columns(handles))
        await self._current.remake(handles.tolist())
        self._remade_at = min(self._remade_at, now)

    async def _mend(self, level: str, why: str) -> None:
        """Subscribe again; when nothing new came since that was last done, a new session."""
        self._stalled(level, why)
        self._silent[self._items.slots.columns] = True
        if self._mended:
            raise Stalled(why)
        self._mended = True
        self._health.resubscribes += 1
        await self._subscribe()

    def _stalled(self, level: str, why: str, count: int = 1) -> None:
        self._health.stalls[level] += count
        if level not in self._told:
            self._told.add(level)
            log.warning("stalled, mending", source=self._source.id, level=level, reason=why)

    def _flows(self) -> None:
        self._mended = False
        self._silent[:] = False
        if self._told:
            log.info("flows again", source=self._source.id, after=sorted(self._told))
            self._told.clear()

    def _is_by_value(self, batch: Batch) -> NDArray[np.bool_]:
        """Rows of items that notify other values only, not newer times of the same."""
        return np.isin(self._handle[batch.tags], list(self._current.by_value))

    async def _confirm_quiet(self, now: float) -> None:
        """Read the tags that have been quiet for long: an unchanged value stays provably known."""
        handles = np.unique(self._handle[self._tags.to_confirm(now)])
        for asked, body in await self._current.read(handles):
            received = time.time_ns()
            reading = self._decoder.reading(body, asked, received)
            by_value = self._is_by_value(reading.batch)
            confirmed = self._known.confirm(reading.batch, by_value, reading.read_at, received)
            told = np.isin(reading.batch.tags, confirmed.tags)
            others = reading.batch.tags[~told]
            self._tags.confirmed(np.setdiff1d(self._items.columns(asked), others), now)
            self._known.take(reading.batch.take(told), received + self._ahead)
            await self._deliver(confirmed, reading.refused, None)
