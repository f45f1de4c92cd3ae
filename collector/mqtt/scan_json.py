"""Many JSON messages to columns in one call: the common shapes, the rest is left to the library.

Common is: one flat object whose members are numbers, arrays of numbers, null, true, false and plain
ASCII texts, with the time as a member. Whatever is otherwise, and whatever is wrong, is marked as
left, so that there is one judge of it. A message either gives all its rows or is left.
"""

from __future__ import annotations

import numpy as np

from collector.mqtt.kernel import kernel
from collector.mqtt.literals import iso, number_at, unix
from collector.mqtt.wire import ALIAS, END, KNOWN, PAYLOAD, TOPIC, TOPIC_END

LEFT, NUMBER, JSON = range(3)
"""How a topic's payloads are read; LEFT: by the library."""
NO_TIME, ISO, UNIX = range(3)
UNWANTED, NEVER_TOLD = -1, -2
"""In place of a topic's index: it is of no tag; it was an alias that stands for nothing."""
UNKNOWN_TOPIC, TOO_LARGE, BAD_TIME, NO_VALUE, NOT_A_NUMBER = range(5)
REASONS = ("unknown_topic", "too_large", "bad_time", "no_value", "not_a_number")
_ABSENT, _VALUE, _NULL, _OTHER = range(4)
_BAD, _RECEIVED_TIME = 2, 16  # of Quality


@kernel
def find_topics(buffer, rows, slots, texts, text_at, aliases):  # type: ignore[no-untyped-def]
    """Fill KNOWN of packets [n, 9]: the topic's index, UNWANTED or NEVER_TOLD.

    slots: int32 hash table of topics, -1 empty; texts, text_at: their bytes, and where each begins;
    aliases: int32[65536], what each alias stands for in this connection.
    """
    for row in rows:
        begin, end, alias = row[TOPIC], row[TOPIC_END], row[ALIAS]
        if alias and begin == end:
            row[KNOWN] = aliases[alias]
            continue
        row[KNOWN] = UNWANTED
        slot = hash_of(buffer, begin, end) & (len(slots) - 1)
        while slots[slot] >= 0:
            topic = slots[slot]
            if _same(buffer, begin, end, texts, text_at[topic], text_at[topic + 1]):
                row[KNOWN] = topic
                break
            slot = (slot + 1) & (len(slots) - 1)
        if alias:
            aliases[alias] = row[KNOWN]


@kernel
def hash_of(buffer, begin, end):  # type: ignore[no-untyped-def]
    """FNV-1a of some bytes, 31 bits."""
    h = np.uint32(2166136261)
    for i in range(begin, end):
        h = np.uint32((h ^ buffer[i]) * np.uint32(16777619))
    return np.int64(h & np.uint32(0x7FFFFFFF))


@kernel
def _same(a, begin, end, b, b_begin, b_end):  # type: ignore[no-untyped-def]
    if end - begin != b_end - b_begin:
        return False
    for i in range(end - begin):  # noqa: SIM110  a generator is none of the kernels' means
        if a[begin + i] != b[b_begin + i]:
            return False
    return True


@kernel
def decode(  # type: ignore[no-untyped-def]
    buffer, rows, at, most, received, shapes, columns, times, values, quality, order, filled,
    first_order, left, refused,
):  # fmt: skip
    """Rows of the packets from `at` on, appended at `filled`. -> packets done, rows filled.

    shapes: as in `collector/mqtt/shapes.py`; order: int64, the number of the packet of each row,
    from first_order; left: bool[n], packets for the library; refused: int64[5], by REASONS. Ends
    early when there may be no room for the next packet.
    """
    (kind, field_at, key_at, key_text, key_text_at, key_time, key_field, key_elements, element,
     next_key, seen, time_form, time_unit, field_column, field_bool, state, number,
    ) = shapes  # fmt: skip
    n = at
    while n < len(rows):
        row = rows[n]
        topic = row[KNOWN]
        begin, end = row[PAYLOAD], row[END]
        if topic < 0:
            refused[UNKNOWN_TOPIC] += 1
        elif end - begin > most:
            refused[TOO_LARGE] += 1
        elif kind[topic] == LEFT:
            left[n] = True
        else:
            first, last = field_at[topic], field_at[topic + 1]
            if filled + last - first > len(values):
                break
            stamp, mark, good = received, _RECEIVED_TIME, True
            if kind[topic] == NUMBER:
                after, value, _, _ = number_at(buffer, begin, end)
                if after == end:
                    state[first:last] = _VALUE
                    number[first:last] = value
                else:
                    good = False
            else:
                state[first:last] = _ABSENT
                good, told, stamp = _object(
                    buffer, begin, end, key_at[topic], key_at[topic + 1], key_text, key_text_at,
                    key_time, key_field, key_elements, element, next_key, seen, first_order + n,
                    time_form[topic], time_unit[topic], field_bool, state, number,
                )  # fmt: skip
                if time_form[topic] == NO_TIME:
                    stamp = received
                else:
                    mark = 0
                    if good and not told:
                        refused[BAD_TIME] += 1
                        n += 1
                        continue
            if not good:
                left[n] = True
                n += 1
                continue
            for f in range(first, last):
                if state[f] == _ABSENT:
                    refused[NO_VALUE] += 1
                elif state[f] == _OTHER:
                    refused[NOT_A_NUMBER] += 1
                else:
                    columns[filled] = field_column[f]
                    times[filled] = stamp
                    values[filled] = number[f] if state[f] == _VALUE else np.nan
                    quality[filled] = mark if state[f] == _VALUE else mark | _BAD
                    order[filled] = first_order + n
                    filled += 1
        n += 1
    return n, filled


@kernel
def _object(  # type: ignore[no-untyped-def]
    buffer, i, end, first_key, last_key, key_text, key_text_at, key_time, key_field, key_elements,
    element, next_key, seen, serial, time_form, time_unit, field_bool, state, number,
):  # fmt: skip
    """A flat object into state and number, by field. -> all was understood, time told, time [ns]"""
    stamp, told = np.int64(0), False
    before = last_key  # none yet
    i = _blank(buffer, i, end)
    if i >= end or buffer[i] != 123:  # {
        return False, told, stamp
    i = _blank(buffer, i + 1, end)
    if i < end and buffer[i] == 125:  # }
        return _blank(buffer, i + 1, end) == end, told, stamp
    while True:
        if i >= end or buffer[i] != 34:  # "
            return False, told, stamp
        guess = next_key[before] if before < last_key else first_key
        key, i, plain = _key(buffer, i, end, guess, first_key, last_key, key_text, key_text_at)
        if i == 0:
            return False, told, stamp
        if key >= 0:
            if before < last_key:
                next_key[before] = key
            before = key
            if seen[key] == serial:  # told twice: the last counts
                return False, told, stamp
            seen[key] = serial
        elif not plain:
            return False, told, stamp
        i = _blank(buffer, i, end)
        if i >= end or buffer[i] != 58:  # :
            return False, told, stamp
        i = _blank(buffer, i + 1, end)
        if i >= end:
            return False, told, stamp
        field = key_field[key] if key >= 0 else -1
        what = buffer[i]
        if what == 34:  # a text
            begin, i, plain = _text(buffer, i, end)
            if i == 0 or not plain or (key >= 0 and key_elements[key] >= 0):
                return False, told, stamp
            if field >= 0:
                state[field] = _OTHER
            if key >= 0 and key_time[key]:
                if time_form != ISO:
                    return False, told, stamp
                stamp, told = iso(buffer, begin, i - 1)
                if not told:
                    return False, told, stamp
        elif what == 91:  # [
            if key < 0 or key_elements[key] < 0:
                return False, told, stamp
            i = _array(buffer, i + 1, end, key_elements[key], element, state, number)
            if i == 0:
                return False, told, stamp
        elif what == 116 or what == 102 or what == 110:  # true, false, null
            i = _word(buffer, i, end)
            if i == 0 or (key >= 0 and (key_time[key] or key_elements[key] >= 0)):
                return False, told, stamp
            if field >= 0:
                if what == 110:
                    state[field] = _NULL
                elif field_bool[field]:
                    state[field] = _VALUE
                    number[field] = 1.0 if what == 116 else 0.0
                else:
                    state[field] = _OTHER
        else:
            i, value, whole, is_whole = number_at(buffer, i, end)
            if i == 0 or (key >= 0 and key_elements[key] >= 0):
                return False, told, stamp
            if field >= 0:
                state[field] = _VALUE
                number[field] = value
            if key >= 0 and key_time[key]:
                if time_form != UNIX:
                    return False, told, stamp
                stamp, told = unix(value, whole, is_whole, time_unit)
                if not told:
                    return False, told, stamp
        i = _blank(buffer, i, end)
        if i >= end:
            return False, told, stamp
        if buffer[i] == 125:
            return _blank(buffer, i + 1, end) == end, told, stamp
        if buffer[i] != 44:  # ,
            return False, told, stamp
        i = _blank(buffer, i + 1, end)


@kernel
def _array(buffer, i, end, at, element, state, number):  # type: ignore[no-untyped-def]
    """An array of numbers and null; element[at]: how many may be wanted, then the field of each
    (-1: none). -> behind it, 0 when it is otherwise"""
    wanted = element[at]
    i = _blank(buffer, i, end)
    if i < end and buffer[i] == 93:  # ]
        return i + 1
    n = 0
    while i < end:
        value = np.nan
        found = _VALUE
        if buffer[i] == 110:
            i = _word(buffer, i, end)
            found = _NULL
        else:
            i, value, _, _ = number_at(buffer, i, end)
        if i == 0:
            return 0
        if n < wanted:
            field = element[at + 1 + n]
            if field >= 0:
                state[field] = found
                number[field] = value
        n += 1
        i = _blank(buffer, i, end)
        if i >= end:
            return 0
        if buffer[i] == 93:
            return i + 1
        if buffer[i] != 44:
            return 0
        i = _blank(buffer, i + 1, end)
    return 0


@kernel
def _key(buffer, i, end, guess, first, last, texts, text_at):  # type: ignore[no-untyped-def]
    """The key that is named from the quote at i on. -> it (-1: none), behind its name (0: an
    escape, no text), is ASCII. The guess is what followed the key before it last time."""
    if guess < last:
        first_text, last_text = text_at[guess], text_at[guess + 1]
        after = i + 1 + last_text - first_text
        ends = after < end and buffer[after] == 34
        if ends and _same(buffer, i + 1, after, texts, first_text, last_text):
            return guess, after + 1, True
    begin, i, plain = _text(buffer, i, end)
    if i > 0:
        for key in range(first, last):
            if _same(buffer, begin, i - 1, texts, text_at[key], text_at[key + 1]):
                return key, i, plain
    return -1, i, plain


@kernel
def _blank(buffer, i, end):  # type: ignore[no-untyped-def]
    while i < end and (buffer[i] == 32 or 9 <= buffer[i] <= 10 or buffer[i] == 13):
        i += 1
    return i


@kernel
def _text(buffer, i, end):  # type: ignore[no-untyped-def]
    """A text from its quote on. -> where it begins, behind it (0: an escape, no text), is ASCII"""
    begin, plain = i + 1, True
    for k in range(begin, end):
        byte = buffer[k]
        if byte == 34:
            return begin, k + 1, plain
        if byte < 32 or byte == 92:
            return begin, 0, plain
        plain &= byte < 128
    return begin, 0, plain


@kernel
def _word(buffer, i, end):  # type: ignore[no-untyped-def]
    """-> behind true, false or null, 0 when it is none"""
    if i + 4 <= end:
        a, b, c, d = buffer[i], buffer[i + 1], buffer[i + 2], buffer[i + 3]
        if a == 110 and b == 117 and c == 108 and d == 108:
            return i + 4
        if a == 116 and b == 114 and c == 117 and d == 101:
            return i + 4
        if a == 102 and b == 97 and c == 108 and d == 115 and i + 5 <= end and buffer[i + 4] == 101:
            return i + 5
    return 0
