"""MQTT payloads to samples, and every way a payload can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from collector.mqtt.payload import PayloadDecoder, pointer, resolve
from collector.screen import screen
from plant.addresses import complaint
from plant.batch import SECOND, Quality
from plant.model import Source

NOW = 1_795_262_400 * SECOND  # 2026-11-21T12:00:00Z
TIME = b'"t":"2026-11-21T12:00:00Z"'


def json_row(signal: str, **more: object) -> dict[str, object]:
    address = {"topic": "m", "pointer": f"/{signal}", "time": "/t", "time_format": "iso8601"}
    return {"signal": signal, "address": address, "low": 0.0, "high": 100.0, **more}


def csv_row(signal: str, column: str) -> dict[str, object]:
    address = {"topic": "c", "pointer": column, "time": "/0", "format": "csv"}
    return {"signal": signal, "address": {**address, "time_format": "unix_s"}, "high": 100.0}


@pytest.fixture
def plant(plant_of):
    unix = {"topic": "u", "pointer": "/v/0", "time": "/ts"}
    rows = [
        json_row("p"),
        json_row("q", scale=0.001),
        json_row("on", kind="state"),
        {"signal": "bare", "address": {"topic": "n", "format": "number"}, "high": 100.0},
        {"signal": "ms", "address": {**unix, "time_format": "unix_ms"}},
        {"signal": "now", "address": {"topic": "r", "pointer": "/v"}},
        csv_row("first", "/1"),
        csv_row("second", "/2"),
    ]
    return plant_of(Source("m", "mqtt", 10.0, {}), rows)


def taken(plant, topic: str, payload: bytes):
    """As the source and the intake see it: what is kept, and what is refused with its reason."""
    decoder = PayloadDecoder(plant, "m", 1 << 20)
    decoder.take(topic, payload, NOW)
    batch, refused = decoder.flush()
    kept, faults = screen(plant, batch, NOW)
    return kept, dict(refused + faults)


@pytest.mark.parametrize(
    ("topic", "payload", "refused", "kept"),
    [
        ("m", b'{"p": 1, "q": 2, "on": 1}', {"bad_time": 1}, 0),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": "yesterday"}', {"bad_time": 1}, 0),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": "2026-11-21T12:00:00"}', {"bad_time": 1}, 0),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": 1795262400}', {"bad_time": 1}, 0),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": null}', {"bad_time": 1}, 0),
        ("m", b'{"p": "1.5", "q": 2, "on": 1, %b}' % TIME, {"not_a_number": 1}, 2),
        ("m", b'{"p": true, "q": 2, "on": true, %b}' % TIME, {"not_a_number": 1}, 2),
        ("m", b'{"p": [1], "q": {}, "on": 1, %b}' % TIME, {"not_a_number": 2}, 1),
        ("m", b'{"q": 2, "on": 1, %b}' % TIME, {"no_value": 1}, 2),
        ("m", b'{"p": -1, "q": 2, "on": 1, %b}' % TIME, {"out_of_range": 1}, 2),
        ("m", b'{"p": 1e300, "q": 2, "on": 1, %b}' % TIME, {"out_of_range": 1}, 2),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": "2026-11-21T13:00:00Z"}', {"time_future": 3}, 0),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": "1601-01-01T00:00:00Z"}', {"time_invalid": 3}, 0),
        ("m", b'{"p": 1, "q": 2, "on": 1, "t": "2026-09-01T00:00:00Z"}', {"time_too_old": 3}, 0),
        ("m", b'{"p": NaN, %b}' % TIME, {"bad_json": 1}, 0),
        ("m", b'{"p": 1, "q', {"bad_json": 1}, 0),
        ("m", b"", {"bad_json": 1}, 0),
        ("m", b"\x00\xff\xfe", {"bad_json": 1}, 0),
        ("m", b"[" * 100_000, {"bad_json": 1}, 0),
        ("m", b"[1, 2]", {"bad_time": 1}, 0),
        ("m", b'"text"', {"bad_time": 1}, 0),
        ("m", b'{"p": 1, "pad": "' + b"x" * (10 << 20) + b'"}', {"too_large": 1}, 0),
        ("m/other", b"{}", {"unknown_topic": 1}, 0),
        ("", b"{}", {"unknown_topic": 1}, 0),
        ("n", b"12,5", {"not_a_number": 1}, 0),
        ("n", b"1_0", {"not_a_number": 1}, 0),
        ("n", b"nan", {"not_finite": 1}, 0),
        ("n", b"-inf", {"not_finite": 1}, 0),
        ("n", b"101", {"out_of_range": 1}, 0),
        ("n", b"", {"not_a_number": 1}, 0),
        ("u", b'{"v": [], "ts": 1795262400000}', {"no_value": 1}, 0),
        ("c", b"1795262400;1_0;2", {"not_a_number": 1}, 1),
        ("c", b"1795262400\t1", {"no_value": 1}, 1),
        ("c", b"noon,1,2\n1795262400,3,4", {"bad_time": 1}, 2),
        ("c", b"\xff,1,2", {"bad_csv": 1}, 0),
        ("c", b"\n \n", {}, 0),
        ("u", b'{"v": [1], "ts": 1e300}', {"time_future": 1}, 0),
        ("u", b'{"v": [1], "ts": -1e300}', {"time_invalid": 1}, 0),
        ("u", b'{"v": [1], "ts": "1795262400000"}', {"bad_time": 1}, 0),
    ],
)
def test_bad_data_is_counted_by_its_reason_and_nothing_else_is_lost(
    plant, topic, payload, refused, kept
):
    batch, reasons = taken(plant, topic, payload)
    assert reasons == refused
    assert len(batch) == kept


def test_a_number_too_large_for_json_is_counted(plant):
    batch, reasons = taken(plant, "m", b'{"p": 1e999, "q": 2, "on": 1, %b}' % TIME)
    assert reasons in ({"bad_json": 1}, {"not_finite": 1})
    assert len(batch) in (0, 2)


def test_good_data_in_units_times_and_quality(plant):
    batch, refused = taken(plant, "m", b'{"p": 1.5, "q": 2000, "on": false, %b}' % TIME)
    assert not refused
    assert batch.tags.tolist() == [0, 1, 2]
    assert batch.values.tolist() == [1.5, 2.0, 0.0]
    assert batch.times.tolist() == [NOW] * 3
    zoned, _ = taken(plant, "m", b'{"p": 1, "q": 1, "on": 1, "t": "2026-11-21T20:00:00+08:00"}')
    assert zoned.times.tolist() == [NOW] * 3
    unix, _ = taken(plant, "u", b'{"v": [7], "ts": 1795262400000}')
    assert (unix.values.tolist(), unix.times.tolist()) == ([7.0], [NOW])
    received, _ = taken(plant, "r", b'{"v": 7}')
    assert (received.times.tolist(), received.quality.tolist()) == ([NOW], [Quality.RECEIVED_TIME])


def test_null_is_a_reading_of_unknown_value(plant):
    batch, refused = taken(plant, "m", b'{"p": null, "q": 1, "on": 1, %b}' % TIME)
    assert not refused
    np.testing.assert_equal(batch.values, [np.nan, 0.001, 1.0])
    assert batch.quality.tolist() == [Quality.BAD, 0, 0]


def test_pointers_follow_rfc_6901():
    document = {"a/b": {"~": [10, {"": 20}]}}
    assert resolve(document, pointer("/a~1b/~0/1/")) == 20
    assert resolve(document, pointer("")) is document
    assert pointer("/~01") == ("~1",)


def test_lines_of_csv_are_readings(plant):
    batch, refused = taken(plant, "c", b'1795262400, 1.5,"2"\r\n1795262401.5,,-0e1\n\n')
    assert not refused
    np.testing.assert_equal(batch.values, [1.5, 2.0, np.nan, -0.0])
    assert batch.times.tolist() == [NOW] * 2 + [NOW + 3 * SECOND // 2] * 2
    assert batch.quality.tolist() == [0, 0, Quality.BAD, 0]


@pytest.mark.parametrize(
    ("pointer_", "time", "key"), [("/1", "/0", None), ("", "", "pointer"), ("/1", "0", "time")]
)
def test_columns_of_csv_are_written_as_pointers(pointer_, time, key):
    found = complaint("mqtt", {"topic": "c", "pointer": pointer_, "time": time, "format": "csv"})
    assert (found and found[0]) == key
