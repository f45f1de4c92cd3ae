"""OPC UA values to arrays."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua

from collector.opcua.decode import decode, decode_values
from collector.scaling import Scaling
from plant.batch import Quality
from plant.model import Source

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT_NS = 1772366400 * 10**9
RECEIVED = AT_NS + 5


@pytest.fixture
def scaling(plant_of):
    rows = [{"signal": "a"}, {"signal": "b", "scale": 0.001, "offset": 273.15}]
    return Scaling.of(plant_of(Source("o", "opcua", 3.0, {}), rows))


def value(content: object, status: int = 0, kind: ua.VariantType | None = None, **times: object):
    stamp = {"SourceTimestamp": AT, **times}
    return ua.DataValue(ua.Variant(content, kind), ua.StatusCode(status), **stamp)


@pytest.mark.parametrize(
    ("data_value", "expected", "quality"),
    [
        (value(1.5), 1.5, 0),
        (value(True), 1.0, 0),
        (value(255, kind=ua.VariantType.Byte), 255.0, 0),
        (value(-7, kind=ua.VariantType.Int16), -7.0, 0),
        (value(2**63, kind=ua.VariantType.UInt64), 2.0**63, 0),
        (value(float("nan")), np.nan, 0),
        (value(3.0, status=0x40900000), 3.0, Quality.UNCERTAIN),
        (value(3.0, status=0x808C0000), np.nan, Quality.BAD),
        (value(3.0, status=0xC0000000), np.nan, Quality.BAD),
        (value("text", status=0x808C0000), np.nan, Quality.BAD),
    ],
)
def test_every_kind_of_number_and_status(scaling, data_value, expected, quality):
    batch, refused = decode_values([(0, data_value)], scaling, RECEIVED)
    np.testing.assert_equal(batch.values, [expected])
    assert batch.quality.tolist() == [quality]
    assert batch.times.tolist() == [AT_NS]
    assert not refused


@pytest.mark.parametrize(
    ("data_value", "reason"),
    [
        (value("3.95"), "wrong_type"),
        (value([1.0, 2.0]), "wrong_type"),
        (value(b"\x01"), "wrong_type"),
        (value(AT), "wrong_type"),
        (value(ua.LocalizedText("hot")), "wrong_type"),
        (value(None), "no_value"),
        (ua.DataValue(None, SourceTimestamp=AT), "no_value"),
    ],
)
def test_what_is_no_number_is_refused_alone(scaling, data_value, reason):
    batch, refused = decode_values([(0, data_value), (0, value(2.0))], scaling, RECEIVED)
    assert batch.values.tolist() == [2.0]
    assert refused == {reason: 1}


@pytest.mark.parametrize(
    ("times", "expected", "quality"),
    [
        ({"SourceTimestamp": AT, "ServerTimestamp": None}, AT_NS, 0),
        ({"SourceTimestamp": None, "ServerTimestamp": AT}, AT_NS, 0),
        ({"SourceTimestamp": None}, RECEIVED // 1000 * 1000, Quality.RECEIVED_TIME),
    ],
)
def test_the_time_is_the_sources_else_the_servers_else_ours(scaling, times, expected, quality):
    batch, _ = decode_values([(0, value(1.0, **times))], scaling, RECEIVED)
    assert batch.times.tolist() == [expected]
    assert batch.quality.tolist() == [quality]


@pytest.mark.parametrize("year", [1601, 9999])
def test_a_time_that_int64_cannot_hold_is_clipped_not_wrapped(scaling, year):
    stamp = datetime(year, 1, 1, tzinfo=UTC)
    batch, _ = decode_values([(0, value(1.0, SourceTimestamp=stamp))], scaling, RECEIVED)
    assert (int(batch.times[0]) < 0) == (year == 1601)
    assert abs(int(batch.times[0])) > 9e18


def test_units_and_unknown_handles(scaling):
    item = ua.MonitoredItemNotification
    notification = ua.DataChangeNotification(
        MonitoredItems=[
            item(ClientHandle=1, Value=value(1000.0)),
            item(ClientHandle=9, Value=value(1.0)),
        ]
    )
    batch, refused = decode(notification, {0: 0, 1: 1}, scaling, RECEIVED)
    assert batch.tags.tolist() == [1]
    assert batch.values.tolist() == [274.15]
    assert refused == {"unknown_handle": 1}
