"""What each topic's payload looks like, as tables for the kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.mqtt.payload import Field, Group, PayloadDecoder
from collector.mqtt.scan_json import ISO, JSON, LEFT, NO_TIME, NUMBER, UNIX, hash_of

_UNITS = {"unix_s": 10**9, "unix_ms": 10**6, "unix_us": 1000, "unix_ns": 1}
_MOST_ELEMENTS = 100_000
"""Of an array; an index beyond makes the topic one for the library."""

Tables = tuple[NDArray[np.generic], ...]


@dataclass(slots=True)
class Key:
    """A member of a payload's object: the time, a field, or an array of fields; -1: not that."""

    time: bool = False
    field: int = -1
    elements: dict[int, int] = dataclasses.field(default_factory=dict)  # index -> field


def keys_of(group: Group) -> dict[str, Key] | None:
    """The members of the one object that holds the group's time and fields, by their names; None
    when it takes more to read it. Fields are numbered as in the group."""
    keys: dict[str, Key] = {}
    if group.time is not None:
        if len(group.time) != 1:
            return None
        keys[group.time[0]] = Key(time=True)
    for number, member in enumerate(group.fields):
        name, *steps = member.path or ("",)
        if not member.path or len(steps) > 1:
            return None
        key = keys.setdefault(name, Key())
        if key.time or key.field >= 0 or (key.elements and not steps):
            return None
        if not steps:
            key.field = number
            continue
        step = steps[0]
        if not (step.isascii() and step.isdigit()) or int(step) >= _MOST_ELEMENTS:
            return None
        if int(step) in key.elements:
            return None
        key.elements[int(step)] = number
    if any(name.encode().translate(None, _ESCAPED) != name.encode() for name in keys):
        return None
    return keys


_ESCAPED = bytes(range(32)) + b'"\\'


class Shapes:
    """tables: for `decode` in scan_json.py, in its order; slots, texts, text_at: `find_topics`."""

    def __init__(self, decoder: PayloadDecoder) -> None:
        self._kind: list[int] = []
        self._form: list[tuple[int, int]] = []
        self._fields: list[Field] = []
        self._field_at = [0]
        self._keys: list[tuple[str, Key, int]] = []  # name, key, first field of its topic
        self._key_at = [0]
        for topic in decoder.topics:
            self._add(*_one_way(decoder, topic))
        self.widest = int(np.diff(self._field_at).max(initial=1))
        self.tables = self._tables()
        self.slots, self.texts, self.text_at = _hash_table([t.encode() for t in decoder.topics])

    def _add(
        self, kind: int, form: tuple[int, int], fields: Sequence[Field], keys: Mapping[str, Key]
    ) -> None:
        self._kind.append(kind)
        self._form.append(form)
        first = len(self._fields)
        self._fields += fields
        self._field_at.append(len(self._fields))
        self._keys += [(name, key, first) for name, key in keys.items()]
        self._key_at.append(len(self._keys))

    def _tables(self) -> Tables:
        texts, text_at = _joined([name.encode() for name, _, _ in self._keys])
        element: list[int] = []
        elements_at: list[int] = []
        for _, key, first in self._keys:
            elements_at.append(len(element) if key.elements else -1)
            if key.elements:
                wanted = max(key.elements) + 1
                places = (key.elements.get(i, -1 - first) + first for i in range(wanted))
                element += [wanted, *places]
        count = len(self._keys)
        return (
            np.array(self._kind, np.uint8),
            np.array(self._field_at, np.int64),
            np.array(self._key_at, np.int64),
            texts,
            text_at,
            np.array([key.time for _, key, _ in self._keys], np.bool_),
            np.array(
                [-1 if k.field < 0 else first + k.field for _, k, first in self._keys], np.int64
            ),
            np.array(elements_at, np.int64),
            np.array(element, np.int64),
            np.array(np.repeat(self._key_at[:-1], np.diff(self._key_at)), np.int64),
            np.full(count, -1, np.int64),
            np.array([form for form, _ in self._form], np.uint8),
            np.array([unit for _, unit in self._form], np.int64),
            np.array([member.column for member in self._fields], np.int32),
            np.array([member.takes_bool for member in self._fields], np.bool_),
            np.zeros(len(self._fields), np.uint8),
            np.zeros(len(self._fields), np.float64),
        )


def _one_way(
    decoder: PayloadDecoder, topic: str
) -> tuple[int, tuple[int, int], Sequence[Field], Mapping[str, Key]]:
    """kind, (time form, unit [ns]), fields and keys of a topic that is read in one way only."""
    numbers, groups = decoder.numbers.get(topic), decoder.groups.get(topic)
    if topic in decoder.lines or (groups and (numbers or len(groups) > 1)):
        return LEFT, (NO_TIME, 1), (), {}
    if not groups:
        return NUMBER, (NO_TIME, 1), numbers or (), {}
    keys = keys_of(groups[0])
    if keys is None:
        return LEFT, (NO_TIME, 1), (), {}
    form = (NO_TIME, 1)
    if groups[0].time is not None:
        unit = _UNITS.get(groups[0].time_format)
        form = (ISO, 1) if unit is None else (UNIX, unit)
    return JSON, form, groups[0].fields, keys


def _joined(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    at = np.cumsum([0, *(len(text) for text in texts)], dtype=np.int64)
    return np.array(bytearray(b"".join(texts)), np.uint8), at


def _hash_table(
    topics: Sequence[bytes],
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]:
    """Open addressing, at most half full."""
    texts, at = _joined(topics)
    slots = np.full(1 << (2 * len(topics)).bit_length(), -1, np.int32)
    for topic in range(len(topics)):
        slot = hash_of(texts, at[topic], at[topic + 1]) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = topic
    return slots, texts, at
