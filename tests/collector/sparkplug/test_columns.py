"""Births, data and deaths to samples, against what protobuf itself reads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sparkplug import metric, payload, tag

from plant.batch import Quality

MS = 1_000_000


def test_births_tell_values_and_data_follows_by_alias_or_name(host_of):
    host = host_of([tag("a", "V"), tag("b", "I", "D"), tag("c", "T", "D")])
    host.hear("G/NBIRTH/N", payload([metric("bdSeq", 3, datatype=4), metric("V", 1.5)], 0, 1000))
    born = [metric("I", 2.0, alias=7), metric("T", 3.0), metric("other", 9.0, alias=8)]
    host.hear("G/DBIRTH/N/D", payload(born, 1, 1001))
    data = [metric(value=4.0, alias=7, told=False), metric("T", 5.0, told=False, time=1500)]
    host.hear("G/DDATA/N/D", payload([*data, metric(value=1.0, alias=8, told=False)], 2, 1002))
    batch, refused = host.flush()
    columns = batch.tags.tolist(), batch.times.tolist(), batch.values.tolist()
    assert list(zip(*columns, strict=True)) == [
        (0, 1000 * MS, 1.5), (1, 1001 * MS, 2.0), (2, 1001 * MS, 3.0),
        (1, 1002 * MS, 4.0), (2, 1500 * MS, 5.0),
    ]  # fmt: skip
    assert not refused
    assert not batch.quality.any()
    assert host.decoder.unresolved() == {}


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (1, -128), (1, 127), (2, -32768), (3, -(2**31)), (3, -1), (4, -1), (4, -(2**53)),
        (4, 2**53), (5, 255), (6, 65535), (7, 2**32 - 1), (8, 2**64 - 2048), (8, 7),
        (9, 1.5), (10, -2.25e-300), (10, 0.1),
    ],
)  # fmt: skip
def test_every_numeric_type(host_of, datatype, value):
    host = host_of([tag("a", "x", low=-1e300, high=1e300)])
    host.hear("G/NBIRTH/N", payload([metric("x", value, datatype=datatype, alias=1)], 0))
    data = metric(value=value, alias=1, datatype=datatype, told=False)
    host.hear("G/NDATA/N", payload([data], 1))
    assert host.values() == [(0, float(value))] * 2


def test_a_signed_number_in_the_width_of_its_type_is_the_same(host_of):
    host = host_of([tag("a", "x")])
    host.hear("G/NBIRTH/N", payload([{"name": "x", "datatype": 1, "int_value": 0xFF}], 0))
    assert host.values() == [(0, -1.0)]


def test_booleans_are_for_states(host_of):
    host = host_of([tag("a", "x", kind="state"), tag("b", "y")])
    born = [metric("x", True, datatype=11), metric("y", True, datatype=11)]
    host.hear("G/NBIRTH/N", payload(born, 0))
    batch, refused = host.flush()
    assert batch.values.tolist() == [1.0]
    assert refused == {"wrong_type": 1}


def test_null_historical_quality_and_no_time(host_of):
    host = host_of([tag(s, s) for s in "abcdefg"])

    def told(code: int) -> dict[str, object]:
        values = [{"type": 12, "string_value": "V"}, {"type": 3, "int_value": code}]
        return {"properties": {"keys": ["engUnit", "Quality"], "values": values}}

    born = [
        metric("a"), metric("b", 2.0, is_historical=True), metric("c", 3.0, **told(192)),
        metric("d", 4.0, **told(0)), metric("e", 5.0, **told(500)), metric("f", 6.0, **told(64)),
    ]  # fmt: skip
    host.hear("G/NBIRTH/N", payload([*born, {"name": "g", "datatype": 10}], 0, None))
    batch, refused = host.flush()
    received = int(Quality.RECEIVED_TIME)
    assert (batch.quality ^ received).tolist() == [
        Quality.BAD, Quality.BACKFILLED, 0, Quality.BAD, Quality.BAD, Quality.UNCERTAIN
    ]  # fmt: skip
    assert np.isnan(batch.values).tolist() == [True, False, False, True, True, False]
    assert (batch.times == host.received).all()
    assert refused == {"no_value": 1}


def test_what_is_no_number_is_counted_and_the_rest_is_kept(host_of):
    host = host_of([tag(s, s) for s in "abcde"])
    born = [
        metric("a", "text", datatype=12),
        {"name": "b", "datatype": 17, "bytes_value": b"x"},
        {"name": "c", "datatype": 16, "dataset_value": {"num_of_columns": 1, "columns": ["q"]}},
        {"name": "d", "datatype": 19, "template_value": {"metrics": [metric("e", 1.0)]}},
        metric("e", 5.0),
    ]
    host.hear("G/NBIRTH/N", payload(born, 0))
    batch, refused = host.flush()
    assert batch.values.tolist() == [5.0]
    assert refused == {"wrong_type": 4}


def test_without_a_birth_data_is_refused_and_births_are_wanted(host_of):
    host = host_of([tag("a", "x"), tag("b", "y", "D")])
    host.decoder.nodes.wants_birth[:] = False
    host.hear("G/NDATA/N", payload([metric("x", 1.0), metric("z", 1.0)], 5))
    batch, refused = host.flush()
    assert (len(batch), refused) == (0, {"no_birth": 2})
    assert host.decoder.nodes.wants_birth.all()
    host.hear("G/NBIRTH/N", payload([metric("x", 1.0)], 0))
    assert not host.decoder.nodes.wants_birth.any()
    host.hear("G/DDATA/N/D", payload([metric("y", 1.0)], 1))
    batch, refused = host.flush()
    assert refused == {"no_birth": 1}
    assert host.decoder.nodes.wants_birth.all()
    host.hear("G/NDATA/N", payload([metric("x", 2.0)], 2))
    assert host.values() == [(0, 2.0)]


def test_an_alias_that_no_birth_told_is_counted(host_of):
    host = host_of([tag("a", "x")])
    host.hear("G/NBIRTH/N", payload([metric("x", 1.0, alias=1)], 0))
    data = [metric(value=2.0, alias=2, told=False), metric(value=3.0, alias=1, told=False)]
    host.hear("G/NDATA/N", payload(data, 1))
    batch, refused = host.flush()
    assert batch.values.tolist() == [1.0, 3.0]
    assert refused == {"unknown_metric": 1}
    assert host.decoder.nodes.wants_birth.all()


def test_a_new_birth_voids_all_aliases_and_devices(host_of):
    host = host_of([tag("a", "x"), tag("b", "y"), tag("c", "z", "D")])
    born = [metric("x", 1.0, alias=1), metric("y", 2.0, alias=2)]
    host.hear("G/NBIRTH/N", payload(born, 0))
    host.hear("G/DBIRTH/N/D", payload([metric("z", 3.0, alias=3)], 1))
    again = [metric("x", 1.0, alias=2), metric("y", 2.0, alias=1)]
    host.hear("G/NBIRTH/N", payload(again, 0))
    host.hear("G/NDATA/N", payload([metric(value=7.0, alias=1, told=False)], 1))
    host.hear("G/DDATA/N/D", payload([metric(value=8.0, alias=3, told=False)], 2))
    batch, refused = host.flush()
    assert batch.tags.tolist()[-1] == 1
    assert batch.values.tolist()[-1] == 7.0
    assert refused == {"no_birth": 1}
    assert host.decoder.unresolved() == {"c.c": "no birth of G/N yet"}


def test_deaths_make_tags_unknown_when_they_are_of_this_birth(host_of):
    host = host_of([tag("a", "x"), tag("b", "y", "D")])
    host.hear("G/NBIRTH/N", payload([metric("bdSeq", 7, datatype=4), metric("x", 1.0)], 0))
    host.hear("G/DBIRTH/N/D", payload([metric("y", 2.0)], 1))
    host.hear("G/NDEATH/N", payload([metric("bdSeq", 6, datatype=4)]))
    assert host.values() == [(0, 1.0), (1, 2.0)]
    host.hear("G/DDEATH/N/D", payload([], 2, 4000))
    batch, _ = host.flush()
    assert (batch.tags.tolist(), batch.times.tolist()) == ([1], [4000 * MS])
    assert batch.quality.tolist() == [Quality.BAD]
    host.hear("G/NDEATH/N", payload([metric("bdSeq", 7, datatype=4)]))
    host.hear("G/NDEATH/N", payload([metric("bdSeq", 7, datatype=4)]))  # said twice
    batch, _ = host.flush()
    assert sorted(batch.tags.tolist()) == [0, 1]
    assert (batch.times == host.received).all()
    assert (batch.quality == Quality.BAD).all()
    assert host.decoder.unresolved()["c.a"] == "G/N is offline"
    host.hear("G/NDATA/N", payload([metric("x", 9.0)], 3))
    assert host.flush()[1] == {"no_birth": 1}
    host.hear("G/NBIRTH/N", payload([metric("bdSeq", 8, datatype=4), metric("x", 3.0)], 0))
    assert host.values() == [(0, 3.0)]


def test_a_metric_that_a_birth_lacks_is_named(host_of):
    host = host_of([tag("a", "x"), tag("b", "nowhere")])
    host.hear("G/NBIRTH/N", payload([metric("x", 1.0)], 0))
    assert host.decoder.unresolved() == {"c.b": 'its birth has no metric "nowhere"'}


def test_garbage_is_counted_and_stops_nothing(host_of):
    host = host_of([tag("a", "x")], max_payload_bytes=200)
    host.hear("G/NBIRTH/N", payload([metric("x", 1.0)], 0))
    for content in (
        b"\xff" * 9,
        b"\x12\x05\x09",
        b"\x00",
        b"{}",
        payload([metric("x", 1.0)], 1)[:-3],
    ):
        host.hear("G/NDATA/N", content)
    compressed = payload([], 1) + b"\x2a\x03abc"
    host.hear("G/NDATA/N", compressed)
    host.hear("G/NDATA/N", payload([metric("x", 1.0)] * 20, 1))
    host.hear("G/XDATA/N", b"")
    host.hear("G/NDATA/N/D/E", b"")
    host.hear("G/NCMD/N", b"not for us")
    host.hear("G/NDATA/N", payload([metric("x", 2.0)], 1))
    batch, refused = host.flush()
    assert batch.values.tolist() == [1.0, 2.0]
    assert refused == {"undecodable": 6, "too_large": 1, "unknown_topic": 2}


def test_data_of_devices_that_nothing_is_read_from_keep_the_sequence(host_of):
    host = host_of([tag("a", "x")])
    host.hear("G/NBIRTH/N", payload([metric("x", 1.0)], 0))
    host.hear("G/DBIRTH/N/E", payload([metric("q", 1.0)], 1))
    host.hear("G/DDATA/N/E", payload([metric("q", 2.0)], 2))
    host.hear("G/NDATA/N", payload([metric("x", 2.0)], 3))
    assert host.values() == [(0, 1.0), (0, 2.0)]


def test_quiet_values_are_confirmed_while_their_node_is_heard(host_of):
    host = host_of([tag("a", "x"), tag("b", "y")])  # held for 10 s
    host.hear("G/NBIRTH/N", payload([metric("x", 1.0), metric("y", 2.0)], 0, 1000))
    host.decoder.flush()
    host.decoder._confirm_at = 0.0
    host.hear("G/NDATA/N", payload([metric("x", 3.0)], 1, 8000))
    batch, _ = host.decoder.flush()
    confirmed = batch.take(batch.quality == Quality.CONFIRMED)
    assert (confirmed.tags.tolist(), confirmed.times.tolist()) == ([1], [8000 * MS])
    assert confirmed.values.tolist() == [2.0]
    host.hear("G/NDEATH/N", payload([]))
    host.decoder._confirm_at = 0.0
    batch, _ = host.decoder.flush()
    assert (batch.quality == Quality.BAD).all()


def test_many_messages_in_one_read(host_of):
    host = host_of([tag(f"s{i}", f"m{i}") for i in range(50)])
    host.hear("G/NBIRTH/N", payload([metric(f"m{i}", 0.0, alias=i) for i in range(50)], 0))
    host.flush()
    for n in range(1, 1001):
        row = [metric(value=float(n), alias=i, told=False, time=n) for i in range(50)]
        host.hear("G/NDATA/N", payload(row, n % 256, n))
    batch, refused = host.flush()
    assert not refused
    assert len(batch) == 50_000
    assert math.isclose(batch.values.sum(), 50 * 1000 * 1001 / 2)
