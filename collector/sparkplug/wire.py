"""Sparkplug B payloads in protobuf's wire format, walked in place: metrics to columns.

The peer is not trusted: nothing is read beyond the bytes of a payload, and a payload either gives
all of its metrics or none. A field of a wire type that is not its own is passed over, as protobuf
does; of a field that comes twice the last one counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from collector.mqtt.wire import END, KNOWN, PAYLOAD
from collector.sparkplug.kernel import kernel
from collector.sparkplug.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    MOST_KEY,
    VARINT,
    little_endian,
    property_at,
    skip,
    varint,
)

NAME, NAME_END, ALIAS, TIME, TYPE, FLAGS, FIELD, BITS, PROPERTIES, PROPERTIES_END = range(10)
"""Columns of a metric. NAME and PROPERTIES: where they begin in the buffer. TIME: ms. FIELD: the
number of the field that holds the value, 0 for none; BITS: the value, as it was on the wire."""
METRIC = 10
HAS_ALIAS, HAS_TIME, HISTORICAL, IS_NULL = 1, 2, 4, 8

TOO_LARGE, UNDECODABLE, UNKNOWN_TOPIC, NO_BIRTH, UNKNOWN_METRIC, NO_VALUE, WRONG_TYPE = range(7)
REASONS = (
    *("too_large", "undecodable", "unknown_topic", "no_birth"),
    *("unknown_metric", "no_value", "wrong_type"),
)
OTHER, NBIRTH, NDATA, NDEATH, DBIRTH, DDATA, DDEATH, STATE = range(8)
"""Kinds of topics. OTHER: commands, which are for the edge nodes."""

_INT, _LONG, _FLOAT, _DOUBLE, BOOLEAN = 10, 11, 12, 13, 14  # fields of a metric's value
_LAST_VALUE = 19
_INT64, _UINT8, _UINT32, _UINT64, _FLOAT_TYPE, _DOUBLE_TYPE, _BOOLEAN_TYPE = 4, 5, 7, 8, 9, 10, 11
_METRICS = 2 << 3 | BYTES  # the key of each metric of a payload
_LATEST_MS = 9_223_372_036_854
_MILLISECOND = 1_000_000
_UNCERTAIN, _BAD, _BACKFILLED, _RECEIVED_TIME = 1, 2, 8, 16  # of Quality


def scratch() -> tuple[Any, ...]:
    """Where `fill` works: a metric, and a word that is seen as each type."""
    word = np.zeros(1, np.int64)
    return np.zeros(METRIC, np.int64), word, word.view(np.float64), word.view(np.float32)


@kernel
def head(buffer, begin, end):  # type: ignore[no-untyped-def]
    """Of a payload: its time [ms] and its sequence number, -1 for none; how many metrics, -1 when
    it is no payload or a compressed one."""
    time, seq, count, position = np.int64(-1), np.int64(-1), 0, begin
    while position < end:
        key, position = varint(buffer, position, end)
        if position < 0 or key < 8 or key > MOST_KEY:
            return time, seq, -1
        field, wire = key >> 3, key & 7
        if key == _METRICS:
            length, position = varint(buffer, position, end)
            if position < 0 or length < 0 or length > end - position:
                return time, seq, -1
            position += length
            count += 1
        elif wire == VARINT and (field == 1 or field == 3):
            value, position = varint(buffer, position, end)
            if field == 1:
                time = value if value >= 0 else np.int64(_LATEST_MS)
            else:
                seq = value & 255
        else:
            position = skip(buffer, position, end, wire)
            if field == 5 and wire == BYTES:  # body: of a compressed payload
                return time, seq, -1
        if position < 0:
            return time, seq, -1
    return time, seq, count


@kernel
def _metric(buffer, position, end, m):  # type: ignore[no-untyped-def]
    """One metric into m, int64[METRIC]. -> is it one?"""
    m[:] = 0
    while position < end:
        key, position = varint(buffer, position, end)
        if position < 0 or key < 8 or key > MOST_KEY:
            return False
        field, wire = key >> 3, key & 7
        if wire == VARINT:
            value, position = varint(buffer, position, end)
            if position < 0:
                return False
            if field == 2:
                m[ALIAS] = value
                m[FLAGS] |= HAS_ALIAS
            elif field == 3:
                m[TIME] = value if value >= 0 else _LATEST_MS
                m[FLAGS] |= HAS_TIME
            elif field == 4:
                m[TYPE] = value & 0xFFFFFFFF
            elif field == 5:
                m[FLAGS] = m[FLAGS] & ~HISTORICAL | (HISTORICAL if value else 0)
            elif field == 7:
                m[FLAGS] = m[FLAGS] & ~IS_NULL | (IS_NULL if value else 0)
            elif field == _INT:
                m[FIELD], m[BITS] = _INT, value & 0xFFFFFFFF
            elif field == _LONG:
                m[FIELD], m[BITS] = _LONG, value
            elif field == BOOLEAN:
                m[FIELD], m[BITS] = BOOLEAN, value != 0
            continue
        begin = position
        if wire == FIXED64 and end - position >= 8:
            position += 8
            if field == _DOUBLE:
                m[FIELD], m[BITS] = _DOUBLE, little_endian(buffer, begin, 8)
            continue
        position = skip(buffer, position, end, wire)
        if position < 0:
            return False
        if wire == FIXED32 and field == _FLOAT:
            m[FIELD], m[BITS] = _FLOAT, little_endian(buffer, begin, 4)
        elif wire == BYTES:
            if field == 1:
                m[NAME], m[NAME_END] = varint(buffer, begin, end)[1], position
            elif field == 9:
                m[PROPERTIES], m[PROPERTIES_END] = varint(buffer, begin, end)[1], position
            elif BOOLEAN < field <= _LAST_VALUE:
                m[FIELD] = field
    return True


@kernel
def metrics(buffer, begin, end, rows):  # type: ignore[no-untyped-def]
    """All metrics of a payload that `head` has counted, into int64[n, METRIC]. -> are they?"""
    position, n = begin, 0
    while position < end:
        key, position = varint(buffer, position, end)
        if key != _METRICS:
            position = skip(buffer, position, end, key & 7)
            continue
        length, position = varint(buffer, position, end)
        if not _metric(buffer, position, position + length, rows[n]):
            return False
        position += length
        n += 1
    return True


@kernel
def _severity(buffer, m, quality_name):  # type: ignore[no-untyped-def]
    """What the property Quality says: 192 is good, 0 bad, 500 stale; others as OPC has them."""
    position, end = property_at(buffer, m[PROPERTIES], m[PROPERTIES_END], quality_name)
    code = np.int64(192)
    while 0 <= position < end:
        key, position = varint(buffer, position, end)
        if position < 0:
            break
        if key == 3 << 3 or key == 4 << 3:  # int_value, long_value
            code, position = varint(buffer, position, end)
        else:
            position = skip(buffer, position, end, key & 7)
    if 192 <= code <= 255:
        return 0
    return _UNCERTAIN if 64 <= code < 128 else _BAD


@kernel
def hash_of(buffer, begin, end):  # type: ignore[no-untyped-def]
    """FNV-1a of some bytes, 64 bits; stands for a metric's name within its place."""
    h = np.uint64(14695981039346656037)
    for i in range(begin, end):
        h = (h ^ np.uint64(buffer[i])) * np.uint64(1099511628211)
    return np.int64(h)


@kernel
def _slot(scopes, keys, scope, key):  # type: ignore[no-untyped-def]
    """Open addressing, at most half full: where a key is, or where it belongs."""
    mask = len(keys) - 1
    mixed = (np.uint64(key) ^ np.uint64(scope) << np.uint64(40)) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(32)) & mask
    while scopes[slot] != 0 and (scopes[slot] != scope or keys[slot] != key):
        slot = (slot + 1) & mask
    return slot


@kernel
def insert(scopes, keys, values, new_scopes, new_keys, new_values):  # type: ignore[no-untyped-def]
    """Put keys of births into the table; a key that is there gets the new value. -> how many are
    new"""
    new = 0
    for i in range(len(new_keys)):
        slot = _slot(scopes, keys, new_scopes[i], new_keys[i])
        new += scopes[slot] == 0
        scopes[slot] = new_scopes[i]
        keys[slot] = new_keys[i]
        values[slot] = new_values[i]
    return new


@kernel
def _number(m, kind, words, doubles, floats):  # type: ignore[no-untyped-def]
    """The value of a metric by its datatype. -> value, has it the type?"""
    field, bits = m[FIELD], m[BITS]
    if kind in (_DOUBLE_TYPE, _FLOAT_TYPE):
        words[0] = bits
        if field == _DOUBLE:
            return doubles[0], True
        return np.float64(floats[0]), field == _FLOAT
    if kind == _BOOLEAN_TYPE:
        return np.float64(bits), field == BOOLEAN
    if (field != _INT and field != _LONG) or kind < 1 or kind > _UINT64:
        return 0.0, False
    if kind < _INT64:  # two's complement of 8, 16 or 32 bits in an unsigned field
        sign = np.int64(1) << ((8 << (kind - 1)) - 1)
        return np.float64(((bits & (2 * sign - 1)) ^ sign) - sign), True
    if kind == _UINT64 and bits < 0:
        return np.float64(bits) + 18446744073709551616.0, True
    return np.float64(bits), True


@kernel
def fill(  # type: ignore[no-untyped-def]
    buffer, begin, end, time, received, marks, name_scope, alias_scope, table, work, takes_bool,
    columns, times, values, quality, filled, refused,
):  # fmt: skip
    """Metrics of a payload that `head` has counted, appended at `filled`. -> rows filled, metrics
    that no birth told; rows -1 when it is no payload.

    time: of the payload [ms], -1 for none; received: [ns]; marks: of every sample's quality.
    table: scopes, keys, values of the births; a value is datatype + 256 * (column + 1). work: of
    `scratch`.
    """
    scopes, keys, told, quality_name = table
    m, words, doubles, floats = work
    unknown = no_value = wrong_type = 0
    position = begin
    while position < end:
        key, position = varint(buffer, position, end)
        if key != _METRICS:
            position = skip(buffer, position, end, key & 7)
            continue
        length, position = varint(buffer, position, end)
        if not _metric(buffer, position, position + length, m):
            return -1, 0
        position += length
        if m[FLAGS] & HAS_ALIAS:
            slot = _slot(scopes, keys, alias_scope, m[ALIAS])
        else:
            name = hash_of(buffer, m[NAME], m[NAME_END])
            slot = _slot(scopes, keys, name_scope, name)
        if scopes[slot] == 0:
            unknown += 1
            continue
        column = (told[slot] >> 8) - 1
        if column < 0:
            continue
        mark = marks
        if m[PROPERTIES_END]:
            mark |= _severity(buffer, m, quality_name)
        value = np.nan
        if m[FLAGS] & IS_NULL:
            mark |= _BAD
        elif m[FIELD] == 0:
            no_value += 1
            continue
        else:
            kind = m[TYPE] if m[TYPE] else told[slot] & 255
            value, good = _number(m, kind, words, doubles, floats)
            if not good or (kind == _BOOLEAN_TYPE and not takes_bool[column]):
                wrong_type += 1
                continue
        stamp = m[TIME] if m[FLAGS] & HAS_TIME else time
        if m[FLAGS] & HISTORICAL:
            mark |= _BACKFILLED
        if mark & _BAD:
            mark &= ~_UNCERTAIN
            value = np.nan
        columns[filled] = column
        times[filled] = min(stamp, _LATEST_MS) * _MILLISECOND if stamp >= 0 else received
        values[filled] = value
        quality[filled] = mark if stamp >= 0 else mark | _RECEIVED_TIME
        filled += 1
    refused[UNKNOWN_METRIC] += unknown
    refused[NO_VALUE] += no_value
    refused[WRONG_TYPE] += wrong_type
    return filled, unknown


@kernel
def take(  # type: ignore[no-untyped-def]
    buffer, packets, at, most, received, topics, nodes, place_scopes, table, work, takes_bool,
    columns, times, values, quality, filled, refused,
):  # fmt: skip
    """Data in sequence from packets [n, 9] on, as `fill`. -> packets done, rows filled, room that
    the next one needs. It stops there, and at a packet that takes more: not data, out of sequence,
    no birth, no payload.

    topics: their kind, node and place; nodes: next_seq (-1 before a birth), holding (messages wait
    for one that they overtook), marks, alias_scope, heard [ns], wants_birth.
    """
    kinds, node_of, place_of = topics
    next_seq, holding, marks, alias_scopes, heard, wants_birth = nodes
    while at < len(packets):
        topic = packets[at, KNOWN]
        begin, end = packets[at, PAYLOAD], packets[at, END]
        if topic < 0 or end - begin > most or (kinds[topic] != NDATA and kinds[topic] != DDATA):
            break
        node, place = node_of[topic], place_of[topic]
        if next_seq[node] < 0 or holding[node] or (place >= 0 and place_scopes[place] == 0):
            break
        time, seq, count = head(buffer, begin, end)
        if count < 0 or seq != next_seq[node]:
            break
        if filled + count > len(columns):
            return at, filled, count
        if place >= 0:
            rows, unknown = fill(
                buffer, begin, end, time, received, marks[node], place_scopes[place],
                alias_scopes[node], table, work, takes_bool, columns, times, values, quality,
                filled, refused,
            )  # fmt: skip
            if rows < 0:
                break
            filled = rows
            if unknown:
                wants_birth[node] = True
        next_seq[node] = (seq + 1) & 255
        heard[node] = min(time, _LATEST_MS) * _MILLISECOND if time >= 0 else received
        at += 1
    return at, filled, 0


@kernel
def remember(tags, times, values, quality, latest, newest, known):  # type: ignore[no-untyped-def]
    """Keep the newest reading of each tag that is not from a history. One of after `latest` [ns],
    of a clock that was wrong, gives way."""
    for i in range(len(tags)):
        tag = tags[i]
        if quality[i] & _BACKFILLED == 0 and (times[i] >= newest[tag] or newest[tag] > latest):
            newest[tag] = times[i]
            known[tag] = values[i]
