"""How much goes into a call: the least of what is asked, told, known of the maker, and shown."""

from __future__ import annotations

import pytest
from asyncua.ua import uaerrors

from collector.opcua.limits import CHUNK, TOLD, Limits, profile_of, profiles
from plant.schema.sources import opcua_profile_names


class Server:
    """Takes `most` operations, tells of `told`, and ends the connection from `deadly` on."""

    def __init__(self, most: int = 10_000, told: int | None = 10_000, deadly: int = 10**9) -> None:
        self.most, self.told, self.deadly = most, told, deadly
        self.calls: list[int] = []
        self.maker = ("urn:somebody:server", "Somebody", "A server")

    async def values(self, nodes):
        return [*[self.told] * len(TOLD), *self.maker][: len(nodes)]

    async def call(self, rows):
        self.calls.append(len(rows))
        if len(rows) >= self.deadly:
            raise ConnectionError("connection lost")
        if len(rows) > self.most:
            raise uaerrors.BadTooManyOperations
        return [-row for row in rows]


@pytest.mark.parametrize("told", [10, 100, 1000])
async def test_what_the_server_tells_is_obeyed(told):
    server, limits = Server(most=told, told=told), Limits("o")
    await limits.learn(server)
    rows = list(range(2500))
    assert await limits.in_calls("monitor", rows, server.call) == [-row for row in rows]
    assert max(server.calls) == min(told, CHUNK)


@pytest.mark.parametrize("told", [None, 0, -1, "many", 10_000])
async def test_lies_are_halved_until_they_are_true(told):
    server, limits = Server(most=90, told=told), Limits("o")
    await limits.learn(server)
    assert len(await limits.in_calls("read", range(700), server.call)) == 700
    assert [size for size in server.calls if size > 90] == [700, 350, 175]
    await limits.learn(server)  # a new session is told the same, and known not to be true
    server.calls.clear()
    await limits.in_calls("read", range(700), server.call)
    assert max(server.calls) == 87


async def test_one_operation_that_is_too_large_is_an_error():
    with pytest.raises(uaerrors.BadTooManyOperations):
        await Limits("o").in_calls("read", [1], Server(most=0).call)


async def test_a_connection_that_ends_twice_in_the_same_call_is_an_answer():
    server, limits = Server(deadly=300), Limits("o")
    sizes = []
    for _ in range(10):
        try:
            await limits.in_calls("monitor", range(1000), server.call)
            break
        except ConnectionError:
            sizes.append(server.calls[-1])
    assert sizes == [1000, 1000, 500, 500]
    assert server.calls[-4:] == [250] * 4


async def test_a_connection_that_ends_now_and_then_is_none():
    server, limits = Server(), Limits("o")
    for _ in range(20):
        server.deadly = 1
        with pytest.raises(ConnectionError):
            await limits.in_calls("monitor", range(1000), server.call)
        server.deadly = 10**9
        await limits.in_calls("monitor", range(1000), server.call)
    assert limits.most("monitor") == 1000


async def test_the_plant_file_sets_less_or_the_maker():
    limits = Limits("o", most=30)
    await limits.learn(Server())
    assert limits.most("browse") == 30
    limits = Limits("o", profile="siemens-s7-1200")
    await limits.learn(Server())
    assert limits.profile.name == "siemens-s7-1200"
    assert limits.most("read") == 100


@pytest.mark.parametrize(
    ("names", "profile"),
    [
        (("http://www.siemens.com/s7-1500", "Siemens AG", "S7-1500"), "siemens-s7-1500"),
        (("urn:x", "SIEMENS AG", "SIMATIC S7-1200 Station"), "siemens-s7-1200"),
        (("", "3S - Smart Software", "CODESYS OPC UA Server"), "codesys"),
        (("urn:beckhoff:TwinCAT", "", ""), "beckhoff"),
        (("", "Kepware", "KEPServerEX"), "kepware"),
        (("urn:freeopcua:python", "FreeOpcUa", None), "generic"),
        ((None, None, None), "generic"),
    ],
)
async def test_the_maker_is_known_by_its_names(names, profile):
    assert profile_of(*names).name == profile
    server, limits = Server(), Limits("o")
    server.maker = names
    await limits.learn(server)
    assert limits.profile.name == profile


def test_every_profile_is_cautious_and_can_be_written():
    assert list(profiles()) == opcua_profile_names()
    assert list(profiles())[-1] == "generic"
    for profile in profiles().values():
        assert set(profile.most) == set(TOLD)
        assert all(1 <= most <= CHUNK for most in profile.most.values())
        assert 1 <= profile.publish_requests <= 4
