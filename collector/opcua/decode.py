"""OPC UA notifications to arrays, a whole notification at a time.

This is the place of the codec: what comes in is what the library decoded, what goes out is a Batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from collector.scaling import Scaling
from collector.times import microseconds
from plant.batch import Batch, Quality

_LAST_MICROSECOND = np.iinfo(np.int64).max // 1000
_NUMERIC = {
    ua.VariantType.Boolean,
    ua.VariantType.SByte,
    ua.VariantType.Byte,
    ua.VariantType.Int16,
    ua.VariantType.UInt16,
    ua.VariantType.Int32,
    ua.VariantType.UInt32,
    ua.VariantType.Int64,
    ua.VariantType.UInt64,
    ua.VariantType.Float,
    ua.VariantType.Double,
}


def nanoseconds(micros: list[int]) -> NDArray[np.int64]:
    """[µs] -> [ns]; what int64 ns cannot hold (before 1677, after 2262) is clipped to its ends."""
    limited = np.clip(np.array(micros, np.int64), -_LAST_MICROSECOND, _LAST_MICROSECOND)
    return limited * 1000


def decode(
    notification: ua.DataChangeNotification,
    column_of_handle: Mapping[int, int],
    scaling: Scaling,
    received: int,
) -> tuple[Batch, Counter[str]]:
    """A notification's values as a batch, and how many could not be taken, by reason."""
    return decode_values(
        (
            (column_of_handle.get(item.ClientHandle, -1), item.Value)
            for item in notification.MonitoredItems
        ),
        scaling,
        received,
    )


def decode_values(
    values: Iterable[tuple[int, ua.DataValue]], scaling: Scaling, received: int
) -> tuple[Batch, Counter[str]]:
    """(column, value) pairs as a batch, with what was refused.

    Time: the source's, else the server's, else `received` [ns], marked RECEIVED_TIME. Status Bad
    gives NaN. Refused: `unknown_handle` (column -1), `no_value` (none though the status is not
    Bad), `wrong_type` (anything but one number or boolean).
    """
    columns: list[int] = []
    times: list[int] = []
    numbers: list[float] = []
    qualities: list[int] = []
    refused: Counter[str] = Counter()
    for column, value in values:
        status = value.StatusCode
        severity = 0 if status is None else min(status.value >> 30, Quality.BAD)
        variant = value.Value
        if column < 0:
            refused["unknown_handle"] += 1
            continue
        if severity == Quality.BAD:
            number = np.nan
        elif variant is None or variant.Value is None:
            refused["no_value"] += 1
            continue
        elif variant.is_array or variant.VariantType not in _NUMERIC:
            refused["wrong_type"] += 1
            continue
        else:
            number = variant.Value
        time = value.SourceTimestamp or value.ServerTimestamp
        columns.append(column)
        numbers.append(number)
        times.append(received // 1000 if time is None else microseconds(time))
        qualities.append(severity | Quality.RECEIVED_TIME if time is None else severity)
    tags = np.array(columns, np.int32)
    return (
        Batch(
            tags,
            nanoseconds(times),
            scaling.apply(tags, np.array(numbers, np.float64)),
            np.array(qualities, np.uint8),
        ),
        refused,
    )
