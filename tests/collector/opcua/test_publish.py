"""The publish loop: how many requests wait, what is acknowledged when, what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from asyncua import ua
from asyncua.ua import uaerrors
from asyncua.ua.ua_binary import struct_to_binary
from peers.opcua_bodies import data_change, publish_response, slots_of

from collector.opcua import publish
from collector.opcua.decode import Decoder, Publication, Undecodable
from collector.opcua.losses import Losses
from collector.opcua.publish import PublishLoop
from collector.opcua.republish import as_publish_response
from collector.source import SourceHealth
from plant.model import Source

SLOTS = slots_of([[-1], [-1]])


def notification(sequence: int, status: int = 0) -> bytes:
    value = ua.DataValue(ua.Variant(float(sequence)), ua.StatusCode(status))
    return publish_response(data_change([(0, value)]), sequence=sequence)


class Channel:
    """A server that lets so many publish requests wait, and answers when told to."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: list[asyncio.Future[bytes]] = []
        self.acknowledged: list[int] = []

    async def send(self, request: ua.PublishRequest, timeout_s: float) -> bytes:
        assert timeout_s == 0  # it waits as long as there is nothing to say
        acks = request.Parameters.SubscriptionAcknowledgements
        if len(self.waiting) >= self.most:
            raise uaerrors.BadTooManyPublishRequests
        self.acknowledged += [ack.SequenceNumber for ack in acks]
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        return await answer

    async def answer(self, body: bytes) -> None:
        self.waiting.pop(0).set_result(body)
        await asyncio.sleep(0.01)


class Taken:
    def __init__(self) -> None:
        self.publications: list[Publication | None] = []
        self.acknowledge: list[Callable[[], None] | None] = []

    async def __call__(self, publication, received, acknowledge) -> None:
        self.publications.append(publication)
        self.acknowledge.append(acknowledge)


@pytest.fixture
async def loop_with():
    """loop_with(most): a publish loop on a server that lets so many requests wait."""
    tasks = []

    async def start(most: int):
        channel, taken = Channel(most), Taken()
        loop = PublishLoop(channel, Decoder(SLOTS), taken)
        tasks.append(asyncio.create_task(loop.run()))
        await asyncio.sleep(0.01)
        return channel, taken, loop

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("most", [1, 2, 3, 100])
async def test_no_more_requests_wait_than_the_server_allows(loop_with, most):
    channel, taken, _ = await loop_with(most)
    assert len(channel.waiting) == min(most, publish.REQUESTS)
    for sequence in range(1, 6):
        await channel.answer(notification(sequence))
    assert len(channel.waiting) == min(most, publish.REQUESTS)
    assert [p.sequence for p in taken.publications] == [1, 2, 3, 4, 5]


async def test_a_server_that_allows_none_for_a_while_is_asked_again(loop_with, monkeypatch):
    monkeypatch.setattr(publish, "RETRY_S", 0.05)
    channel, taken, _ = await loop_with(0)
    assert not channel.waiting
    channel.most = 1
    await asyncio.sleep(0.2)
    await channel.answer(notification(1))
    assert taken.publications[0].batch.values.tolist() == [1.0]


async def test_only_what_is_durable_is_acknowledged(loop_with):
    channel, taken, _ = await loop_with(2)
    await channel.answer(notification(1))
    await channel.answer(notification(2))
    assert channel.acknowledged == []
    taken.acknowledge[1]()
    await channel.answer(notification(3))
    assert channel.acknowledged == [2]
    taken.acknowledge[0]()
    await channel.answer(publish_response(sequence=4))  # a keep-alive
    assert channel.acknowledged == [2, 1]
    assert taken.acknowledge[3] is None


async def test_what_cannot_be_read_is_told_and_never_acknowledged(loop_with):
    channel, taken, loop = await loop_with(2)
    await channel.answer(b"\x01\x00\x3d\x03 and noise")
    await channel.answer(notification(1))
    assert taken.publications[0] is None
    assert taken.acknowledge[0] is None
    assert taken.publications[1].sequence == 1
    assert loop.silent_s() < 1


def losses_of(plant_of) -> tuple[Losses, SourceHealth]:
    plant = plant_of(Source("o", "opcua", 3.0, {}), [{"signal": "a"}, {"signal": "b"}])
    health = SourceHealth()
    return Losses("o", plant, health), health


@pytest.mark.parametrize(
    ("sequences", "missing"),
    [
        ([1, 2, 3], []),
        ([17, 18], []),  # the first that is seen begins
        ([1, 3], [2]),
        ([1, 5, 6, 9], [2, 3, 4, 7, 8]),
        ([1, 2, 2, 3], []),  # one twice
        ([1, 3, 2, 4], [2]),  # out of order: it was missing when the third came
        ([2**32 - 2, 2**32 - 1, 1, 2], []),  # after the greatest comes 1
        ([2**32 - 1, 2], [1]),
        ([2**32 - 2, 2], [2**32 - 1, 1]),
    ],
)
def test_missing_sequence_numbers_are_known(plant_of, sequences, missing):
    losses, _ = losses_of(plant_of)
    found = []
    for number in sequences:
        numbers, beyond = losses.missing_before(7, number)
        found += numbers
        assert beyond == 0
    assert found == missing
    assert set(losses.owed(7)) == {*sequences, *missing}
    for number in [*sequences, *missing]:
        losses.settled(7, number)
    assert losses.owed(7) == []


def test_of_a_wild_jump_only_the_newest_are_asked_for(plant_of):
    losses, _ = losses_of(plant_of)
    losses.missing_before(7, 1)
    missing, beyond = losses.missing_before(7, 5002)
    assert (len(missing), missing[-1], beyond) == (1000, 5001, 4000)


def test_subscriptions_are_counted_apart_and_keep_alives_tell_what_is_missing(plant_of):
    losses, _ = losses_of(plant_of)
    losses.missing_before(7, 4)
    assert losses.missing_before(8, 9) == ([], 0)
    assert losses.before_keep_alive(7, 5) == []
    assert losses.before_keep_alive(7, 7) == [5, 6]
    assert losses.before_keep_alive(7, 4) == []  # a server that names the last one
    assert losses.missing_before(7, 7) == ([5, 6], 0)


def test_overflows_are_counted_by_tag(plant_of):
    losses, health = losses_of(plant_of)
    decoder = Decoder(SLOTS)
    for sequence in (1, 2, 3):
        columns = losses.overflows(decoder.publication(notification(sequence, 0x480), 0))
        assert columns == [0]
    assert health.overflows == {"c.a": 3}


def test_a_republished_message_is_read_as_if_it_had_come():
    value = ua.DataValue(ua.Variant(2.5))
    response = ua.RepublishResponse()
    response.NotificationMessage.SequenceNumber = 17
    response.NotificationMessage.NotificationData = [data_change([(0, value), (1, value)])]
    body = as_publish_response(struct_to_binary(response), 9)
    publication = Decoder(SLOTS).publication(body, 1000)
    assert (publication.subscription, publication.sequence) == (9, 17)
    assert publication.batch.values.tolist() == [2.5, 2.5]


@pytest.mark.parametrize(
    "body", [b"", b"\x01\x00\x43\x03", bytes(40), b"\x01\x00\x43\x03" + b"\xff" * 60]
)
def test_a_broken_republish_response_is_refused(body):
    with pytest.raises(Undecodable):
        Decoder(SLOTS).publication(as_publish_response(body, 9), 0)


async def test_what_was_not_heard_is_acknowledged_again_on_the_next_connection(loop_with):
    channel, taken, loop = await loop_with(2)
    await channel.answer(notification(1))
    taken.acknowledge[0]()
    await channel.answer(publish_response(sequence=2))  # a keep-alive, after which the ack is sent
    assert channel.acknowledged == [1]
    for answer in channel.waiting:
        answer.set_exception(ConnectionError("lost"))
    await asyncio.sleep(0.01)
    channel.waiting.clear()
    channel.acknowledged.clear()
    again = asyncio.create_task(loop.run())
    await asyncio.sleep(0.01)
    assert channel.acknowledged == [1]
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
