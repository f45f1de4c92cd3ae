"""Bodies of OPC UA responses to arrays: what is in them, and nothing that is not."""

from __future__ import annotations

import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.opcua_bodies import (
    MAKERS,
    Recording,
    by_library,
    cut,
    data_change,
    mixed,
    publish_response,
    read_by_library,
    slots_of,
)

from collector.opcua.decode import MOST_ROWS, Decoder, Undecodable
from collector.opcua.items import Items
from collector.scaling import Scaling
from plant.batch import Batch, Quality
from plant.model import Source

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT_NS = 1772366400 * 10**9
RECEIVED = AT_NS + 5_500
PLAIN = slots_of([[-1], [-1]])
kinds = ua.VariantType


def value(content: object, status: int = 0, kind: ua.VariantType | None = None, **times: object):
    stamp = {"SourceTimestamp": AT, **times}
    return ua.DataValue(ua.Variant(content, kind), ua.StatusCode(status), **stamp)


def decoded(*values: ua.DataValue, slots=PLAIN):
    body = publish_response(data_change((0, v) for v in values))
    return Decoder(slots).publication(body, RECEIVED)


def equal(decoder_batch, library_batch):
    assert decoder_batch.tags.tobytes() == library_batch.tags.tobytes()
    assert decoder_batch.values.tobytes() == library_batch.values.tobytes()
    assert decoder_batch.quality.tobytes() == library_batch.quality.tobytes()
    assert cut(decoder_batch.times).tobytes() == library_batch.times.tobytes()


@pytest.mark.parametrize(
    ("data_value", "expected", "quality"),
    [
        (value(1.5), 1.5, 0),
        (value(True), 1.0, 0),
        (value(False), 0.0, 0),
        (value(255, kind=kinds.Byte), 255.0, 0),
        (value(-128, kind=kinds.SByte), -128.0, 0),
        (value(-7, kind=kinds.Int16), -7.0, 0),
        (value(65535, kind=kinds.UInt16), 65535.0, 0),
        (value(-(2**31), kind=kinds.Int32), -(2.0**31), 0),
        (value(2**32 - 1, kind=kinds.UInt32), 2.0**32 - 1, 0),
        (value(-(2**53) - 1, kind=kinds.Int64), float(-(2**53) - 1), 0),
        (value(2**63, kind=kinds.UInt64), 2.0**63, 0),
        (value(2**64 - 1, kind=kinds.UInt64), 2.0**64, 0),
        (value(0.1, kind=kinds.Float), float(np.float32(0.1)), 0),
        (value(float("nan")), np.nan, 0),
        (value(3.0, status=0x40900000), 3.0, Quality.UNCERTAIN),
        (value(3.0, status=0x808C0000), np.nan, Quality.BAD),
        (value(3.0, status=0xC0000000), np.nan, Quality.BAD),
        (value("text", status=0x808C0000), np.nan, Quality.BAD),
        (value(None, status=0x808C0000), np.nan, Quality.BAD),
        (ua.DataValue(None, ua.StatusCode(0x808C0000), AT), np.nan, Quality.BAD),
    ],
)
def test_every_kind_of_number_and_status(data_value, expected, quality):
    publication = decoded(data_value)
    np.testing.assert_equal(publication.batch.values, [expected])
    assert publication.batch.quality.tolist() == [quality]
    assert publication.batch.times.tolist() == [AT_NS]
    assert not publication.refused


@pytest.mark.parametrize(
    ("data_value", "reason"),
    [
        (value("3.95"), "wrong_type"),
        (value([1.0, 2.0]), "wrong_type"),
        (value(b"\x01"), "wrong_type"),
        (value(AT), "wrong_type"),
        (value(ua.LocalizedText("hot")), "wrong_type"),
        (value(ua.NodeId("n", 2)), "wrong_type"),
        (value(ua.Argument("a"), kind=kinds.ExtensionObject), "wrong_type"),
        (value([ua.Variant(1.0)], kind=kinds.Variant), "wrong_type"),
        (value(ua.DiagnosticInfo(SymbolicId=1), kind=kinds.DiagnosticInfo), "wrong_type"),
        (value(None), "no_value"),
        (value(None, kind=kinds.String), "no_value"),
        (ua.DataValue(None, SourceTimestamp=AT), "no_value"),
    ],
)
def test_what_is_no_number_is_refused_alone(data_value, reason):
    publication = decoded(data_value, value(2.0))
    assert publication.batch.values.tolist() == [2.0]
    assert publication.refused == {reason: 1}


@pytest.mark.parametrize(
    ("times", "expected", "quality"),
    [
        ({"SourceTimestamp": AT, "ServerTimestamp": None}, AT_NS, 0),
        ({"SourceTimestamp": None, "ServerTimestamp": AT}, AT_NS, 0),
        ({"SourceTimestamp": None}, RECEIVED // 1000 * 1000, Quality.RECEIVED_TIME),
    ],
)
def test_the_time_is_the_sources_else_the_servers_else_ours(times, expected, quality):
    batch = decoded(value(1.0, **times)).batch
    assert batch.times.tolist() == [expected]
    assert batch.quality.tolist() == [quality]


@pytest.mark.parametrize("year", [1601, 9999])
def test_a_time_that_int64_cannot_hold_is_clipped_not_wrapped(year):
    batch = decoded(value(1.0, SourceTimestamp=datetime(year, 1, 1, tzinfo=UTC))).batch
    assert (int(batch.times[0]) < 0) == (year == 1601)
    assert abs(int(batch.times[0])) > 9e18


@pytest.mark.parametrize("ticks", [-(2**63), -1, 0, 2**63 - 1])
def test_no_number_of_ticks_overflows(ticks):
    body = publish_response(data_change([(0, value(1.0))]))
    honest = struct.pack("<q", (AT_NS // 100) + 116_444_736_000_000_000)
    assert honest in body
    batch = Decoder(PLAIN).publication(body.replace(honest, struct.pack("<q", ticks)), 0).batch
    assert (int(batch.times[0]) > 0) == (ticks > 0)
    assert abs(int(batch.times[0])) > 9e18


def stamped(mask: int, stamps: bytes) -> bytes:
    """A PublishResponse of one Double 1.5 whose DataValue ends as given."""
    mark = value(1.5, SourceTimestamp=None)
    plain = struct_to_binary(mark)
    body = publish_response(data_change([(0, mark)]))
    assert body.count(plain) == 1
    item = bytes([mask | 1]) + plain[1:10] + stamps
    grown = len(item) - len(plain)
    start = body.index(b"\x2b\x03\x01") + 3
    (length,) = struct.unpack_from("<i", body, start)
    body = body[:start] + struct.pack("<i", length + grown) + body[start + 4 :]
    return body.replace(plain, item)


SOURCE = struct.pack("<q", 134168400001234567)  # 12:00:00.123 456 7
SERVER = struct.pack("<q", 134168400009999999)
PICO = struct.pack("<H", 1234)  # of 10 ps: 12.34 ns


@pytest.mark.parametrize(
    ("mask", "stamps", "expected"),
    [
        (0x04, SOURCE, 123_456_700),
        (0x14, SOURCE + PICO, 123_456_712),
        (0x1C, SOURCE + PICO + SERVER, 123_456_712),
        (0x3C, SOURCE + PICO + SERVER + PICO, 123_456_712),
        (0x28, SERVER + PICO, 999_999_912),
        (0x38, PICO + SERVER + PICO, 999_999_912),  # picoseconds of no time are ignored
        (0x14, SOURCE + b"\xff\xff", 123_456_799),  # above 9999 is 9999
    ],
)
def test_times_are_read_to_the_nanosecond_in_the_order_of_the_standard(mask, stamps, expected):
    """OPC 10000-6, 5.2.2.17: each time is followed by its picoseconds."""
    batch = Decoder(PLAIN).publication(stamped(mask, stamps), RECEIVED).batch
    assert batch.values.tolist() == [1.5]
    assert batch.times.tolist() == [AT_NS + expected]


def test_units_and_unknown_handles():
    body = publish_response(data_change([(1, value(1000.0)), (9, value(1.0))]))
    publication = Decoder(slots_of([[-1], [-1]], 0.001, 273.15)).publication(body, RECEIVED)
    assert publication.batch.tags.tolist() == [1]
    assert publication.batch.values.tolist() == [274.15]
    assert publication.refused == {"unknown_handle": 1}


def test_tags_of_one_array_share_its_item(plant_of):
    node = {"node": "s=anodes"}
    rows = [
        {"signal": "a", "address": {**node, "index": "2"}},
        {"signal": "b", "address": {"node": "s=voltage", "index": ""}},
        {"signal": "c", "address": {**node, "index": "0"}, "scale": 0.001},
        {"signal": "d", "address": {**node, "index": "7"}},
    ]
    plant = plant_of(Source("o", "opcua", 3.0, {}), rows)
    items = Items.of(plant.tags, Scaling.of(plant))
    assert [[tag.column for tag in tags] for tags in items.tags] == [[0, 2, 3], [1]]
    assert items.columns(np.array([1, 0])).tolist() == [1, 0, 2, 3]
    body = publish_response(data_change([(0, value([10.0, 11.0, 12.0])), (1, value(4.2))]))
    publication = Decoder(items.slots).publication(body, RECEIVED)
    assert publication.batch.tags.tolist() == [0, 2, 1]
    assert publication.batch.values.tolist() == [12.0, 0.01, 4.2]
    assert publication.refused == {"no_value": 1}


def test_an_element_of_a_matrix_counts_row_by_row_and_one_of_a_number_is_refused():
    slots = slots_of([[3, 0, -1]])
    publication = decoded(value([[1, 2], [3, 4]], kind=kinds.Int32), value(5.0), slots=slots)
    assert publication.batch.values.tolist() == [4.0, 1.0, 5.0]
    assert publication.refused == {"wrong_type": 3}


def test_a_bad_array_makes_all_its_tags_unknown():
    publication = decoded(value(None, status=0x80320000), slots=slots_of([[0, 1, 2]]))
    assert np.isnan(publication.batch.values).tolist() == [True] * 3
    assert publication.batch.quality.tolist() == [Quality.BAD] * 3


def test_an_overflow_is_told_with_its_tag():
    publication = decoded(value(1.0, status=0x480), value(2.0), value(3.0, status=0x40900480))
    assert publication.overflowed.tolist() == [0, 0]
    assert publication.batch.quality.tolist() == [0, 0, Quality.UNCERTAIN]


def test_what_is_no_data_change():
    keep_alive = Decoder(PLAIN).publication(publish_response(sequence=9), RECEIVED)
    assert (keep_alive.has_notifications, keep_alive.sequence, keep_alive.subscription) == (
        False,
        9,
        5,
    )
    status = ua.StatusChangeNotification(Status=ua.StatusCode(0x80CC0000))
    events = ua.EventNotificationList(Events=[ua.EventFieldList(1, [ua.Variant(1)])])
    body = publish_response(events, data_change([(0, value(1.0))]), status)
    publication = Decoder(PLAIN).publication(body, RECEIVED)
    assert publication.batch.values.tolist() == [1.0]
    assert publication.refused == {"undecodable": 1}
    assert publication.ended == 0x80CC0000


def test_headers_with_more_in_them_are_read():
    response = ua.ResponseHeader(
        ServiceDiagnostics=ua.DiagnosticInfo(SymbolicId=1, AdditionalInfo="x"),
        StringTable=["a", "b", None],
        AdditionalHeader=ua.Argument("a"),
    )
    notification = data_change([(0, value(1.0))])
    notification.DiagnosticInfos = [ua.DiagnosticInfo(), ua.DiagnosticInfo(Locale=3)]
    body = publish_response(notification, ResponseHeader=response)
    publication = Decoder(PLAIN).publication(body, RECEIVED)
    assert publication.batch.values.tolist() == [1.0]


def test_a_failed_service_says_so():
    failed = ua.ResponseHeader(ServiceResult=ua.StatusCode(ua.StatusCodes.BadNoSubscription))
    with pytest.raises(UaStatusCodeError, match="BadNoSubscription"):
        Decoder(PLAIN).publication(publish_response(ResponseHeader=failed), RECEIVED)


def test_a_length_left_out_as_old_servers_do():
    body = publish_response(data_change([(0, value(1.0)), (1, value(2.0))]))
    start = body.index(b"\x2b\x03\x01") + 3
    open_ended = body[:start] + b"\xff\xff\xff\xff" + body[start + 4 :]
    assert Decoder(PLAIN).publication(open_ended, RECEIVED).batch.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("size", range(0, 142, 3))
def test_a_truncated_body_is_undecodable(size):
    body = publish_response(data_change([(0, value(1.0)), (1, value([1.0, 2.0]))]))
    assert len(body) == 142
    with pytest.raises(Undecodable, match="no OPC UA Binary"):
        Decoder(PLAIN).publication(body[:size], RECEIVED)


def test_more_rows_than_room_are_read_and_more_than_honest_are_not():
    many = slots_of([list(range(4000))])
    body = publish_response(data_change([(0, value(None, status=0x80000000))] * 9))
    assert len(Decoder(many).publication(body, RECEIVED).batch) == 36_000
    flood = publish_response(
        data_change([(0, value(None, status=0x80000000))] * (MOST_ROWS // 4000 + 1))
    )
    with pytest.raises(Undecodable, match="too many"):
        Decoder(many).publication(flood, RECEIVED)


@pytest.mark.parametrize("maker", MAKERS)
def test_recordings_are_read_as_the_library_reads_them(maker):
    recording = Recording.of(maker)
    elements = [[-1, 0, 1, 5]] * len(recording.nodes)
    slots = slots_of(elements)
    rows = 0
    for body in recording.publish:
        publication = Decoder(slots).publication(body, RECEIVED)
        batch, refused = by_library(body, slots, RECEIVED)
        equal(publication.batch, batch)
        assert publication.refused == refused
        rows += len(batch)
    assert rows > 30
    asked = np.arange(len(recording.nodes))
    reading = Decoder(slots).reading(recording.read, asked, RECEIVED)
    batch, refused = read_by_library(recording.read, asked, slots, RECEIVED)
    equal(reading.batch, batch)
    assert reading.refused == refused


SERVED = {
    "boolean": 1.0, "sbyte": -7.0, "byte": 200.0, "int16": -30_000.0, "uint16": 60_000.0,
    "int32": -2e9, "uint32": 4e9, "int64": -9_007_199_254_740_992.0, "uint64": 2.0**64,
    "float": float(np.float32(3.14)), "double": 0.1, "nan": np.nan, "infinite": -np.inf,
    "bad": np.nan, "uncertain": 2.0, "overflowed": 3.0, "unsourced": 4.0, "untimed": 5.0,
    "fine": 6.0,
}  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS)
def test_recordings_hold_what_was_served(maker):
    recording = Recording.of(maker)
    slots = slots_of([[-1]] * len(recording.nodes))
    decoder = Decoder(slots)
    publications = [decoder.publication(body, RECEIVED) for body in recording.publish]
    batch = Batch.concat(publication.batch for publication in publications)
    values = {recording.nodes[t]: v for t, v in zip(batch.tags, batch.values, strict=True)}
    values.pop("count", None)
    np.testing.assert_equal(values, SERVED)
    quality = {recording.nodes[t]: q for t, q in zip(batch.tags, batch.quality, strict=True)}
    assert quality["bad"] == Quality.BAD
    assert quality["uncertain"] == Quality.UNCERTAIN
    assert quality["double"] == Quality.GOOD
    overflowed = np.concatenate([publication.overflowed for publication in publications])
    assert [recording.nodes[t] for t in overflowed] == ["overflowed"]
    anodes = slots_of([[0, 1, 2, 3] if n == "doubles" else [] for n in recording.nodes])
    batches = [Decoder(anodes).publication(b, RECEIVED).batch for b in recording.publish]
    assert Batch.concat(batches).values.tolist() == [0.5, 1.5, 2.5, 3.5]


ANY_TIME = st.none() | st.datetimes(
    datetime(1601, 1, 1),  # noqa: DTZ001
    datetime(9999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
CONTENTS = st.one_of(
    st.tuples(st.booleans(), st.just(kinds.Boolean)),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.just(kinds.Int64)),
    st.tuples(st.integers(0, 2**64 - 1), st.just(kinds.UInt64)),
    st.tuples(st.integers(-128, 127), st.sampled_from([kinds.SByte, kinds.Int16, kinds.Int32])),
    st.tuples(st.integers(0, 255), st.sampled_from([kinds.Byte, kinds.UInt16, kinds.UInt32])),
    st.tuples(st.floats(width=32), st.just(kinds.Float)),
    st.tuples(st.floats(), st.just(kinds.Double)),
    st.tuples(st.lists(st.floats(), max_size=5), st.just(kinds.Double)),
    st.tuples(st.lists(st.booleans(), max_size=5), st.just(kinds.Boolean)),
    st.tuples(st.none() | st.text(max_size=5), st.just(kinds.String)),
    st.tuples(st.lists(st.none() | st.binary(max_size=3), max_size=3), st.just(kinds.ByteString)),
    st.tuples(st.none(), st.just(kinds.Null)),
)
VALUES = st.builds(
    lambda content, status, source, server: ua.DataValue(
        ua.Variant(content[0], content[1], is_array=isinstance(content[0], list)),
        ua.StatusCode(status),
        source,
        server,
    ),
    CONTENTS,
    st.sampled_from([0, 0x480, 0x40900000, 0x808C0000]) | st.integers(0, 2**32 - 1),
    ANY_TIME,
    ANY_TIME,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=8))
def test_whatever_the_library_writes_is_read_as_it_reads_it(values):
    slots = slots_of([[-1], [0, 3], [-1, 1]], 0.1, -5.0)
    body = publish_response(data_change(values))
    publication = Decoder(slots).publication(body, RECEIVED)
    batch, refused = by_library(body, slots, RECEIVED)
    equal(publication.batch, batch)
    assert publication.refused == refused


def test_every_type_is_stepped_over():
    values = list(mixed(140))
    body = publish_response(data_change(values))
    slots = slots_of([[-1]] * 60)
    publication = Decoder(slots).publication(body, RECEIVED)
    batch, refused = by_library(body, slots, RECEIVED)
    equal(publication.batch, batch)
    assert publication.refused == refused
    assert sum(refused.values()) + len(batch) == 140


def test_a_tag_keeps_its_time_from_message_to_message():
    """The same value, alone and among others that are no numbers, has the same time."""
    exact = AT + timedelta(microseconds=7)
    alone = decoded(value(1.0, SourceTimestamp=exact)).batch
    among = decoded(value("x"), value(1.0, SourceTimestamp=exact)).batch
    assert alone.times.tolist() == among.times.tolist() == [AT_NS + 7000]


FUZZ = "from peers.opcua_fuzz import fuzz; print(fuzz({seed}, {octets}))"


def test_no_body_is_read_beyond_its_end_or_otherwise_than_by_the_library():
    """In a process of its own: a byte too far ends it."""
    tests = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", FUZZ.format(seed=20, octets=3_000_000)],
        env={"PYTHONPATH": f"{tests}:{tests.parent}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "Findings(" in run.stdout
