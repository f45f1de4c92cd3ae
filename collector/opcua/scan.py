"""OPC UA Binary to arrays (OPC 10000-6, 5.2): the bodies of PublishResponse and ReadResponse.

The peer is not trusted: each read is of bytes that are known to be there, each length is held
against what is left of the body, nesting has a limit, and no work grows with what a length claims.
Values that are no numbers are stepped over, whatever they are.

All kernels stand in this file: numba asks only whether the outer one's file is the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from plant.batch import Quality

BROKEN, FULL = -1, -2
"""Instead of a count of rows: the body is not what it says; there are more rows than room."""

(
    SERVICE_RESULT,
    RESPONSE_TIME,
    SUBSCRIPTION,
    SEQUENCE,
    PUBLISH_TIME,
    NOTIFICATIONS,
    OTHER_NOTIFICATIONS,
    ENDED,
    UNKNOWN_HANDLE,
    NO_VALUE,
    WRONG_TYPE,
    OVERFLOWS,
    ROWS,
    HEAD,
) = range(14)
"""Places in `head`, int64[HEAD]: what the response says beside its values. Times in ns; ENDED: the
status with which the server ended the subscription, 0 when it did not."""


class Slots(NamedTuple):
    """What client handle h feeds: the slots first[h] to first[h + 1].

    first: int64[handles + 1]. columns: int32[slots], of tags. elements: int64[slots], which element
    of the node's array the tag is, row by row in a matrix; -1: the node's value itself. scale,
    offset: float64[slots], from the wire to the signal's unit.
    """

    first: NDArray[np.int64]
    columns: NDArray[np.int32]
    elements: NDArray[np.int64]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]


class Rows(NamedTuple):
    """Room for what is read, of equal length. overflow: 1 where the server's queue overflowed."""

    tags: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]
    overflow: NDArray[np.uint8]

    @classmethod
    def room(cls, rows: int) -> Rows:
        return cls(
            np.empty(rows, np.int32),
            np.empty(rows, np.int64),
            np.empty(rows, np.float64),
            np.empty(rows, np.uint8),
            np.empty(rows, np.uint8),
        )


_DEEPEST = 32
_PUBLISH_RESPONSE, _READ_RESPONSE = 829, 634
_DATA_CHANGE, _STATUS_CHANGE = 811, 820
_NULL, _BOOLEAN, _SBYTE, _BYTE, _INT16, _UINT16, _INT32, _UINT32 = range(8)
_INT64, _UINT64, _FLOAT, _DOUBLE, _STRING, _DATE_TIME, _GUID, _BYTE_STRING = range(8, 16)
_XML, _NODE_ID, _EXPANDED_NODE_ID, _STATUS, _NAME, _LOCALIZED_TEXT = range(16, 22)
_EXTENSION_OBJECT, _DATA_VALUE, _VARIANT, _DIAGNOSTIC_INFO = range(22, 26)
_LENGTH_AND_NUMBERS = 64  # of a Variant, behind its elements: the dimensions
_TEXT, _OWN = -1, -2
_SIZE = np.full(65, _TEXT)  # bytes; kinds above 25 are reserved and read like a ByteString
_SIZE[:12] = [0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8]
_SIZE[[_DATE_TIME, _GUID, _STATUS]] = [8, 16, 4]
_SIZE[[_NODE_ID, _EXPANDED_NODE_ID, _NAME, _LOCALIZED_TEXT]] = _OWN
_SIZE[_EXTENSION_OBJECT : _DIAGNOSTIC_INFO + 1] = _OWN

_TICKS_TO_EPOCH = 116_444_736_000_000_000  # of 100 ns, 1601 to 1970
_MOST_TICKS = np.iinfo(np.int64).max // 100 - 1  # that int64 ns holds, with the part of a tick
_INFO, _INFO_OVERFLOW = 0xC80, 0x480  # InfoType DataValue with its bit Overflow
_BAD = np.int64(Quality.BAD)
_RECEIVED_TIME = np.uint8(Quality.RECEIVED_TIME)


def _part(function: Any) -> Any:
    """Compile for use inside kernels only."""
    bare: Any = njit  # its stub does not know the two options that halve the time to compile
    return bare(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def _load(_: Any, body: Any, at: Any, kind: Any) -> Any:
    """The number of type `kind`, little-endian, at byte `at`. The caller has seen to the bounds."""

    def load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(array.data, [arguments[1]])
        number = context.get_value_type(signature.return_type)
        return builder.load(builder.bitcast(pointer, number.as_pointer()), align=1)

    return kind.dtype(body, types.int64, kind), load


_peek: Any = intrinsic(_load)


@_part
def _step(at, size, end):  # type: ignore[no-untyped-def]
    return at + size if at >= 0 and size <= end - at else BROKEN


@_part
def _after_text(body, at, end):  # type: ignore[no-untyped-def]
    if at < 0 or end - at < 4:
        return BROKEN
    length = np.int64(_peek(body, at, np.int32))
    return _step(at + 4, max(length, 0), end) if length >= -1 else BROKEN


@_part
def _after_node_id(body, at, end):  # type: ignore[no-untyped-def]
    if at < 0 or at >= end:
        return BROKEN
    form = body[at] & 0x3F
    flags = body[at] & 0xC0
    if form == 0:
        at = _step(at, 2, end)
    elif form == 1:
        at = _step(at, 4, end)
    elif form == 2:
        at = _step(at, 7, end)
    elif form == 4:
        at = _step(at, 19, end)
    elif form == 3 or form == 5:
        at = _after_text(body, at + 3, end)
    else:
        return BROKEN
    if flags & 0x80:
        at = _after_text(body, at, end)
    return _step(at, 4, end) if flags & 0x40 else at


@_part
def _after_leaf(body, at, end, kind):  # type: ignore[no-untyped-def]
    """The same of the types of varying size that hold no others."""
    if kind in (_NODE_ID, _EXPANDED_NODE_ID):
        return _after_node_id(body, at, end)
    if kind == _NAME:
        return _after_text(body, at + 2, end)
    if kind == _EXTENSION_OBJECT:
        at = _after_node_id(body, at, end)
        if at < 0 or at >= end or body[at] > 2:
            return BROKEN
        return _after_text(body, at + 1, end) if body[at] else at + 1
    if kind != _LOCALIZED_TEXT:
        return _after_text(body, at, end)
    if at >= end:
        return BROKEN
    mask = body[at]
    at += 1
    if mask & 1:
        at = _after_text(body, at, end)
    return _after_text(body, at, end) if mask & 2 else at


@_part
def _after(body, at, end, kind, count):  # type: ignore[no-untyped-def]
    """Where `count` values of a built-in type are over; BROKEN when not by `end`.

    What is still to come stands on a stack, so that no depth of nesting can exhaust another.
    """
    kinds, counts = np.empty(_DEEPEST, np.int64), np.empty(_DEEPEST, np.int64)
    kinds[0], counts[0], depth = kind, count, 1
    while depth and at >= 0:
        kind, count = kinds[depth - 1], counts[depth - 1]
        if count <= 0:
            depth -= 1
        elif kind == _LENGTH_AND_NUMBERS:
            kinds[depth - 1] = _INT32
            counts[depth - 1], at = _length(body, at, end)
        elif _SIZE[kind] >= 0:
            at = _step(at, count * _SIZE[kind], end)
            depth -= 1
        elif kind < _DATA_VALUE or kind > _DIAGNOSTIC_INFO:
            at = _after_leaf(body, at, end, kind)
            counts[depth - 1] -= 1
        elif at >= end or depth + 2 > _DEEPEST:
            return BROKEN
        else:
            counts[depth - 1] -= 1
            mask = np.int64(body[at])
            at += 1
            if kind == _VARIANT:
                if mask & 0x40:
                    kinds[depth], counts[depth] = _LENGTH_AND_NUMBERS, 1
                    depth += 1
                kinds[depth], counts[depth] = mask & 0x3F, 1
                if mask & 0x80:
                    counts[depth], at = _length(body, at, end)
                elif mask & 0x40:
                    return BROKEN
                depth += 1
            elif kind == _DATA_VALUE:
                kinds[depth], counts[depth] = _BYTE, _stamps(mask)
                kinds[depth + 1], counts[depth + 1] = _VARIANT, mask & 1
                depth += 2
            else:
                numbers = (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1) + (mask >> 3 & 1)
                at = _step(at, 4 * numbers, end)
                if mask & 16:
                    at = _after_text(body, at, end)
                if mask & 32:
                    at = _step(at, 4, end)
                kinds[depth], counts[depth] = _DIAGNOSTIC_INFO, mask >> 6 & 1
                depth += 1
    return at


@_part
def _length(body, at, end):  # type: ignore[no-untyped-def]
    """An array's length, -1 for none, and where its elements begin: no more of them than bytes."""
    if at < 0 or end - at < 4:
        return np.int64(0), np.int64(BROKEN)
    count = np.int64(_peek(body, at, np.int32))
    if count < -1 or count > end - at - 4:
        return np.int64(0), np.int64(BROKEN)
    return count, np.int64(at + 4)


@_part
def _after_array(body, at, end, kind):  # type: ignore[no-untyped-def]
    count, at = _length(body, at, end)
    return _after(body, at, end, kind, count)


@_part
def _stamps(mask):  # type: ignore[no-untyped-def]
    """Bytes of a DataValue behind its value: status, source time, its picoseconds, the server's."""
    bits = np.int64(mask)
    return (
        4 * (bits >> 1 & 1)
        + 8 * (bits >> 2 & 1)
        + 2 * (bits >> 4 & 1)
        + 8 * (bits >> 3 & 1)
        + 2 * (bits >> 5 & 1)
    )


@_part
def _nanoseconds(ticks, ten_picoseconds):  # type: ignore[no-untyped-def]
    """Since 1970, [100 ns since 1601], [10 ps] -> [ns]; what int64 cannot hold is clipped."""
    since = max(ticks, 0) - _TICKS_TO_EPOCH
    clipped = np.int64(min(max(since, -_MOST_TICKS), _MOST_TICKS))
    return clipped * 100 + np.int64(min(ten_picoseconds, 9999)) // 100


@_part
def _number(body, at, kind):  # type: ignore[no-untyped-def]
    if kind == _DOUBLE:
        return _peek(body, at, np.float64)
    if kind == _FLOAT:
        return np.float64(_peek(body, at, np.float32))
    if kind == _INT32:
        return np.float64(_peek(body, at, np.int32))
    if kind == _UINT32:
        return np.float64(_peek(body, at, np.uint32))
    if kind == _INT16:
        return np.float64(_peek(body, at, np.int16))
    if kind == _UINT16:
        return np.float64(_peek(body, at, np.uint16))
    if kind == _INT64:
        return np.float64(_peek(body, at, np.int64))
    if kind == _UINT64:
        return np.float64(_peek(body, at, np.uint64))
    if kind == _SBYTE:
        return np.float64(_peek(body, at, np.int8))
    if kind == _BYTE:
        return np.float64(body[at])
    return 1.0 if body[at] else 0.0


@_part
def _values(body, at, end, count, asked, slots, received, rows, head):  # type: ignore[no-untyped-def]
    """`count` DataValues into rows; each behind its client handle, or of handle asked[i]. Returns
    where they end, BROKEN or FULL."""
    handles = len(slots.first) - 1
    row = head[ROWS]
    for i in range(count):
        if len(asked):
            handle = asked[i]
        else:
            if end - at < 4:
                return BROKEN
            handle = np.int64(_peek(body, at, np.uint32))
            at += 4
        if at >= end:
            return BROKEN
        mask = body[at]
        at += 1

        kind, is_array, length, data = np.int64(_NULL), False, np.int64(0), at
        if mask & 1:
            while at < end and body[at] == _VARIANT:
                at += 1  # a Variant in a Variant is what is in it
            if at >= end:
                return BROKEN
            kind, is_array = np.int64(body[at] & 0x3F), body[at] & 0x80 != 0
            data = at + 1
            if body[at] <= _DOUBLE:
                at = data + _SIZE[kind]
            else:
                at = _after(body, at, end, _VARIANT, 1)
                if at >= 0 and (is_array or _SIZE[kind] == _TEXT):
                    length = np.int64(_peek(body, data, np.int32))
                    data += 4
        stamps = _stamps(mask)
        if at < 0 or stamps > end - at:
            return BROKEN
        is_null = (kind == _NULL and not is_array) or length < 0

        stamp = at
        at += stamps
        status = np.int64(0)
        if mask & 2:
            status = np.int64(_peek(body, stamp, np.uint32))
            stamp += 4
        quality = np.uint8(min(status >> 30, _BAD))
        time = received
        if mask & 4:
            pico = _peek(body, stamp + 8, np.uint16) if mask & 16 else np.uint16(0)
            time = _nanoseconds(_peek(body, stamp, np.int64), pico)
        elif mask & 8:
            stamp += 2 * np.int64(mask >> 4 & 1)
            pico = _peek(body, stamp + 8, np.uint16) if mask & 32 else np.uint16(0)
            time = _nanoseconds(_peek(body, stamp, np.int64), pico)
        else:
            quality |= _RECEIVED_TIME

        if handle >= handles:
            head[UNKNOWN_HANDLE] += 1
            continue
        first, last = slots.first[handle], slots.first[handle + 1]
        if row + last - first > len(rows.tags):
            return FULL
        overflow = status & _INFO == _INFO_OVERFLOW
        for slot in range(first, last):
            value = np.nan
            element = slots.elements[slot]
            if quality & 3 != _BAD:
                if is_null or (is_array and element >= length):
                    head[NO_VALUE] += 1
                    continue
                if kind > _DOUBLE or kind == _NULL or is_array != (element >= 0):
                    head[WRONG_TYPE] += 1
                    continue
                number = _number(body, data + max(element, 0) * _SIZE[kind], kind)
                value = number * slots.scale[slot] + slots.offset[slot]
            rows.tags[row] = slots.columns[slot]
            rows.times[row] = time
            rows.values[row] = value
            rows.quality[row] = quality
            rows.overflow[row] = overflow
            head[OVERFLOWS] += overflow
            row += 1
    head[ROWS] = row
    return at


@_part
def _numeric_type(body, at, end):  # type: ignore[no-untyped-def]
    """The number of a NodeId of namespace 0, -1 for any other; its bytes are known to be there."""
    form = body[at]
    if form == 0:
        return np.int64(body[at + 1])
    if form == 1 and body[at + 1] == 0:
        return np.int64(_peek(body, at + 2, np.uint16))
    if form == 2 and _peek(body, at + 1, np.uint16) == 0:
        return np.int64(_peek(body, at + 3, np.uint32))
    return np.int64(-1)


@_part
def _after_header(body, response, head):  # type: ignore[no-untyped-def]
    """Where the response's own part begins; BROKEN when it is not the expected one."""
    head[:] = 0
    end = len(body)
    at = _after_node_id(body, 0, end)
    if at < 0 or _numeric_type(body, 0, end) != response or end - at < 16:
        return BROKEN
    head[RESPONSE_TIME] = _nanoseconds(_peek(body, at, np.int64), 0)
    head[SERVICE_RESULT] = _peek(body, at + 12, np.uint32)
    at = _after(body, at + 16, end, _DIAGNOSTIC_INFO, 1)
    at = _after_array(body, at, end, _STRING)
    return _after(body, at, end, _EXTENSION_OBJECT, 1)


@njit(cache=True, nogil=True)
def scan_publish(body, slots, received, rows, head):  # type: ignore[no-untyped-def]
    """A PublishResponse: uint8[n] into rows and head. -> how many rows, BROKEN or FULL.

    received: [ns], the time of values that carry none.
    """
    end = len(body)
    at = _after_header(body, _PUBLISH_RESPONSE, head)
    if at < 0:
        return BROKEN
    if head[SERVICE_RESULT] >> 31:
        return np.int64(0)
    if end - at < 4:
        return BROKEN
    head[SUBSCRIPTION] = _peek(body, at, np.uint32)
    at = _after_array(body, at + 4, end, _UINT32)
    if at < 0 or end - at < 17:
        return BROKEN
    head[SEQUENCE] = _peek(body, at + 1, np.uint32)
    head[PUBLISH_TIME] = _nanoseconds(_peek(body, at + 5, np.int64), 0)
    notifications = np.int64(_peek(body, at + 13, np.int32))
    at += 17
    nothing = np.empty(0, np.int64)
    for _ in range(notifications):
        inside = _after_node_id(body, at, end)
        behind = _after(body, at, end, _EXTENSION_OBJECT, 1)
        if behind < 0:
            return BROKEN
        kind, is_binary = _numeric_type(body, at, end), body[inside] == 1
        head[NOTIFICATIONS] += 1
        at = behind
        if is_binary and kind == _DATA_CHANGE:
            # Old servers leave the length out: then the content says itself where it ends.
            is_open = _peek(body, inside + 1, np.int32) == -1
            limit = end if is_open else behind
            count, stop = _length(body, inside + 5, limit)
            if stop < 0:
                return BROKEN
            stop = _values(body, stop, limit, count, nothing, slots, received, rows, head)
            if stop == FULL:
                return FULL
            stop = _after_array(body, stop, limit, _DIAGNOSTIC_INFO)
            if stop < 0:
                return BROKEN
            if is_open:
                at = stop
        elif is_binary and kind == _STATUS_CHANGE and behind - inside >= 9:
            head[ENDED] = _peek(body, inside + 5, np.uint32)
        else:
            head[OTHER_NOTIFICATIONS] += 1
    at = _after_array(body, at, end, _STATUS)
    at = _after_array(body, at, end, _DIAGNOSTIC_INFO)
    return head[ROWS] if at >= 0 else BROKEN


@njit(cache=True, nogil=True)
def scan_read(body, asked, slots, received, rows, head):  # type: ignore[no-untyped-def]
    """A ReadResponse to a request for the values of the nodes of `asked`, int64[k], handles."""
    end = len(body)
    at = _after_header(body, _READ_RESPONSE, head)
    if at < 0:
        return BROKEN
    if head[SERVICE_RESULT] >> 31:
        return np.int64(0)
    count, at = _length(body, at, end)
    if at < 0 or count != len(asked):
        return BROKEN
    at = _values(body, at, end, count, asked, slots, received, rows, head)
    if at == FULL:
        return FULL
    at = _after_array(body, at, end, _DIAGNOSTIC_INFO)
    return head[ROWS] if at >= 0 else BROKEN
