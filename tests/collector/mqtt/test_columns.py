"""The kernels against the library: the same samples, bits and reasons, whatever comes."""

from __future__ import annotations

import json
import random
import struct

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.mqtt.columns import PacketDecoder
from collector.mqtt.literals import number_at
from collector.mqtt.payload import PayloadDecoder
from collector.mqtt.scan_json import JSON, LEFT, NUMBER
from collector.mqtt.shapes import Shapes
from collector.mqtt.wire import MalformedError, PacketReader
from plant.batch import SECOND, Batch
from plant.model import Source

NOW = 1_795_262_400 * SECOND
MOST = 20_000
NAMES = ["a", "b", "on", "ä", "long name", "v", "t"]
OTHERS = ["number", "deep", "root", "csv", "both", "other"]
FORMATS = {"i": "iso8601", "s": "unix_s", "m": "unix_ms", "u": "unix_us", "n": "unix_ns"}


def rows_of(topic: str, pointers: list[str], **address: str) -> list[dict[str, object]]:
    return [
        {
            "signal": f"{topic}{pointer}",
            "kind": "state" if pointer == "/on" else "gauge",
            "scale": 0.1,
            "address": {"topic": topic, "pointer": pointer, **address},
        }
        for pointer in pointers
    ]


def rows() -> list[dict[str, object]]:
    flat = ["/a", "/b", "/on", "/ä", "/long name"]
    return [
        *(row for t, f in FORMATS.items() for row in rows_of(t, flat, time="/t", time_format=f)),
        *rows_of(
            "arrays", ["/v/0", "/v/3", "/v/1", "/b/2", "/a"], time="/t", time_format="unix_ms"
        ),
        *rows_of("now", flat),
        *rows_of("number", [""], format="number"),
        *rows_of("deep", ["/v/w/0", "/a"], time="/t"),
        *rows_of("root", ["/0", "/1"]),
        *rows_of("csv", ["/1", "/2"], time="/0", time_format="iso8601", format="csv"),
        *rows_of("both", ["/a"]),
        *rows_of("both", ["/b"], time="/t"),
    ]


@pytest.fixture
def plant(plant_of):
    return plant_of(Source("m", "mqtt", 10.0, {}), rows())


def both(plant, messages: list[tuple[str, bytes]], wire, seed: int):
    """What PayloadDecoder makes of the messages, and PacketDecoder of the same on the wire."""
    library = PayloadDecoder(plant, "m", MOST)
    for topic, payload in messages:
        library.take(topic, payload, NOW)
    ours = PacketDecoder(plant, "m", MOST)
    luck = random.Random(seed)
    packets = b"".join(
        wire.publish(topic, payload, qos=luck.randint(0, 2), message_id=n + 1)
        for n, (topic, payload) in enumerate(messages)
    )
    wire.feed(PacketReader(True, MOST), ours, packets, NOW, luck)
    return library.flush(), ours.flush()


def equal(wire, one: Batch, other: Batch) -> bool:
    columns = ("tags", "times", "values", "quality")
    return wire.same([getattr(one, c) for c in columns], [getattr(other, c) for c in columns])


def number(luck: random.Random) -> object:
    return luck.choice(
        [
            lambda: luck.uniform(-1e6, 1e6),
            lambda: round(luck.uniform(-1e6, 1e6), luck.randint(0, 6)),
            lambda: luck.randint(-(10**4), 10**4),
            lambda: luck.randint(-(2**66), 2**66),
            lambda: struct.unpack("d", luck.randbytes(8))[0],
            lambda: luck.choice([0, 0.0, -0.0, 1e22, 1e23, 5e-324, 2**63, 2**64, 10**18]),
        ]
    )()


def time_of(luck: random.Random) -> object:
    """Mostly one, in all formats."""
    zone = luck.choice(["Z", "Z", "+08:00", "-03:30", "+24:00", "", "+0800", "z"])
    moment = [luck.randint(*r) for r in ((1890, 2210), (0, 13), (0, 32), (0, 24), (0, 60), (0, 60))]
    date, clock = "{:04}-{:02}-{:02}".format(*moment[:3]), "{:02}:{:02}:{:02}".format(*moment[3:])
    part = luck.choice(["", "", "." + "".join(luck.choices("0123456789", k=luck.randint(0, 9)))])
    return luck.choice(
        [
            f"{date}{luck.choice('TTTTT _')}{clock}{part}{zone}",
            f"2026-11-21T12:00:00{part}Z",
            luck.randint(1_700_000_000, 1_800_000_000) * luck.choice([1, 10**3, 10**6, 10**9]),
            luck.uniform(1.7e9, 1.8e9) * luck.choice([1, 1e3, 1e6, 1e9]),
            luck.choice([None, "", "2026", True, [], 2**63, -5, 1e300, -0.0, 0]),
        ]
    )


def value(luck: random.Random) -> object:
    kind = luck.random()
    if kind < 0.6:
        return number(luck)
    if kind < 0.75:
        return luck.choice([None, True, False, "", "1", "ä", 'a"b', "\\", {}, {"w": [1, 2]}, []])
    return [number(luck) if luck.random() < 0.95 else None for _ in range(luck.randint(0, 6))]


def message(luck: random.Random) -> tuple[str, bytes]:
    """A payload as different writers write it, and sometimes one that is broken."""
    topic = luck.choice([*FORMATS, *FORMATS, "arrays", "arrays", "now", *OTHERS])
    if topic in ("number", "csv"):
        cells = [[str(luck.choice([number, value, time_of])(luck)) for _ in range(3)] for _ in "12"]
        lines = [f",{luck.choice(['', ' '])}".join(row[: luck.randint(0, 3)]) for row in cells]
        payload = "\n".join(lines[: luck.randint(0, 2)]).encode()
    else:
        names = luck.sample([*NAMES, "extra"], luck.randint(0, 8))
        names += luck.choices([*NAMES, "t", "t"], k=luck.choice([0, 0, 1]))
        gap, plain = luck.choice(["", "", " ", "\r\n\t"]), luck.random() < 0.8
        written = [
            json.dumps(name, ensure_ascii=not plain)
            + f"{gap}:{gap}"
            + json.dumps(time_of(luck) if name == "t" else value(luck), ensure_ascii=not plain)
            for name in names
        ]
        payload = f"{gap}{{{gap}{f'{gap},{gap}'.join(written)}{gap}}}{gap}".encode()
    if payload and luck.random() < 0.2:
        at = luck.randrange(len(payload))
        byte = bytes([luck.choice(b'{}[]",:0129.-+eEtfn \\\x00\x80\xff')])
        payload = payload[:at] + luck.choice([b"", byte + payload[at:], byte + payload[at + 1 :]])
    return topic, payload


@pytest.mark.parametrize("seed", range(40))
def test_samples_and_reasons_are_those_of_the_library(wire, plant, seed):
    luck = random.Random(seed)
    (batch, refused), (ours, ours_refused) = both(
        plant, [message(luck) for _ in range(150)], wire, seed
    )
    assert ours_refused == refused
    assert equal(wire, ours, batch)


def test_the_common_shapes_are_read_by_the_kernels(plant):
    decoder = PayloadDecoder(plant, "m", MOST)
    kinds = dict(zip(decoder.topics, Shapes(decoder).tables[0].tolist(), strict=True))
    assert kinds == {
        **dict.fromkeys([*FORMATS, "arrays", "now", "root"], JSON),
        **dict.fromkeys(["deep", "csv", "both"], LEFT),
        "number": NUMBER,
    }


def test_many_messages_are_read_without_the_library(plant, wire, monkeypatch):
    decoder = PacketDecoder(plant, "m", MOST)
    monkeypatch.setattr(PayloadDecoder, "take", None)
    luck = random.Random(3)
    wanted = [[luck.gauss(0, 10.0**n) for n in range(4)] for _ in range(5000)]
    packets = b"".join(
        wire.publish("arrays", orjson.dumps({"t": NOW // 10**6 + n, "v": v, "b": [None], "a": 1}))
        for n, v in enumerate(wanted)
    )
    wire.feed(PacketReader(True, MOST), decoder, packets, NOW, None)
    batch, refused = decoder.flush()
    assert refused == {"no_value": 5000}  # /b/2
    first = 5 * len(FORMATS)
    for column, element in enumerate([0, 3, 1], first):
        got = batch.values[batch.tags == column]
        assert got.tolist() == (np.array([v[element] for v in wanted]) * 0.1).tolist()
    assert batch.times[batch.tags == first].tolist() == [NOW + n * 10**6 for n in range(5000)]


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.integers(0, 2**64 - 1)
        .map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])
        .filter(lambda x: abs(x) < 1e300)
        .map(repr),
        st.from_regex(r"\A-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?\Z"),
        st.integers(0, 2**53).map(lambda m: f"{2 * m + 1}e0"),
        st.from_regex(r"\A[-+.0-9eE]{1,8}\Z"),
    )
)
def test_a_number_is_that_of_python_to_the_last_bit(text):
    buffer = np.frombuffer(bytearray(text.encode() + b","), np.uint8)
    after, value, whole, is_whole = number_at(buffer, 0, len(text))
    if after == len(text):
        assert struct.pack("d", value) == struct.pack("d", float(text))
        assert value == float(orjson.loads(text))  # so it is JSON
        assert is_whole == (not set(text) & set(".eE"))
        assert not is_whole or whole == int(text)


@pytest.mark.parametrize("text", ["18446744073709551616", "1844674407370955161.6", "1e-61", "-0"])
def test_what_is_beyond_64_bits_is_left_to_the_library(text):
    buffer = np.frombuffer(bytearray(text.encode()), np.uint8)
    assert number_at(buffer, 0, len(text))[0] == 0


def test_ties_are_rounded_to_even():
    for text in (
        "9007199254740993",
        "9007199254740995",
        "9007199254740993.0",
        "1e23",
        "8.5e22",
        "0.1844674407370955161",
    ):
        buffer = np.frombuffer(bytearray(text.encode()), np.uint8)
        assert number_at(buffer, 0, len(text))[1] == float(text)


def test_topic_aliases_stand_for_their_topic_until_the_connection_ends(plant, wire):
    decoder, reader = PacketDecoder(plant, "m", MOST), PacketReader(True, MOST)
    packets = [
        wire.publish("now", b'{"a": 1}', alias=7),
        wire.publish("other", b"{}", alias=8),
        wire.publish("", b'{"a": 2}', alias=7),
        wire.publish("", b"{}", alias=8),
        wire.publish("number", b"3", alias=7),
        wire.publish("", b"4", alias=7),
    ]
    wire.feed(reader, decoder, b"".join(packets), NOW)
    batch, refused = decoder.flush()
    assert batch.values.tolist() == [0.1, 0.2, 3 * 0.1, 4 * 0.1]
    assert refused == {"unknown_topic": 2, "no_value": 8}
    decoder.connected()
    with pytest.raises(MalformedError, match="alias"):
        wire.feed(PacketReader(True, MOST), decoder, packets[2], NOW)
