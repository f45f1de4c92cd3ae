"""MQTT payloads to arrays, as the tags' addresses say: topic -> fields -> columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import orjson

from collector.scaling import Scaling
from collector.times import PARSERS, TIME_ERRORS
from plant.batch import Batch, Quality
from plant.model import Plant, Tag

_MISSING = object()
_LONGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Field:
    path: tuple[str, ...]  # RFC 6901, unescaped
    column: int
    takes_bool: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Fields of a topic that share a time. time: None when the time of receipt is used."""

    time: tuple[str, ...] | None
    time_format: str
    fields: tuple[Field, ...]

    def parse_time(self, value: object) -> int:
        """-> [ns]. One of TIME_ERRORS when it is none."""
        return max(-_LONGEST, min(PARSERS[self.time_format](value), _LONGEST))


def pointer(text: str) -> tuple[str, ...]:
    """The steps of a JSON pointer (RFC 6901): "/a~1b/0" -> ("a/b", "0")."""
    return tuple(p.replace("~1", "/").replace("~0", "~") for p in text.split("/")[1:])


def resolve(document: object, path: tuple[str, ...]) -> object:
    """What the pointer leads to, _MISSING when to nothing."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step, _MISSING)
        elif isinstance(document, list) and step.isascii() and step.isdigit():
            document = document[int(step)] if int(step) < len(document) else _MISSING
        else:
            return _MISSING
    return document


class PayloadDecoder:
    """Gathers messages with `take`; `flush` gives what was gathered as one batch.

    Refused, one for a message: unknown_topic, too_large, bad_json, bad_csv. One for each group of
    fields (of a line): bad_time. One for each field: no_value, not_a_number. null, or nothing
    between two commas, is a reading of unknown value (BAD).
    """

    def __init__(self, plant: Plant, source: str, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._scaling = Scaling.of(plant)
        self.numbers: dict[str, list[Field]] = defaultdict(list)
        self.groups: dict[str, list[Group]] = defaultdict(list)
        self.lines: dict[str, list[Group]] = defaultdict(list)  # of CSV
        tags = [tag for tag in plant.tags if tag.source == source]
        self.tags_of_topic: dict[str, list[str]] = defaultdict(list)
        for tag in tags:
            self.tags_of_topic[tag.address["topic"]].append(tag.id)
        self.topics = tuple(self.tags_of_topic)
        by_time: dict[tuple[str, str, str, bool], list[Tag]] = defaultdict(list)
        for tag in tags:
            address = tag.address
            form = address.get("format")
            if form == "number":
                self.numbers[address["topic"]].append(_field(tag))
            else:
                time_format = address.get("time_format") or "iso8601"
                key = address["topic"], address.get("time", ""), time_format, form == "csv"
                by_time[key].append(tag)
        for (topic, time, time_format, csv), group in by_time.items():
            (self.lines if csv else self.groups)[topic].append(
                Group(
                    time=pointer(time) if time else None,
                    time_format=time_format,
                    fields=tuple(_field(tag) for tag in group),
                )
            )
        self._start()

    def _start(self) -> None:
        self._columns: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self._quality: list[int] = []
        self._refused: Counter[str] = Counter()

    @property
    def gathered(self) -> int:
        """Samples since the last flush."""
        return len(self._columns)

    def take(self, topic: str | None, payload: bytes | bytearray, received: int) -> bool:
        """Read one message that came at `received` [ns]; False when its topic is of no tag."""
        name = topic or ""
        if name not in self.tags_of_topic:
            self._refused["unknown_topic"] += 1
            return False
        if len(payload) > self._max_payload_bytes:
            self._refused["too_large"] += 1
            return True
        for field in self.numbers.get(name, ()):
            self._number(field, payload, received)
        if lines := self.lines.get(name):
            self._csv(lines, payload, received)
        if groups := self.groups.get(name):
            try:
                document = orjson.loads(payload)
            except orjson.JSONDecodeError:
                self._refused["bad_json"] += 1
                return True
            for group in groups:
                self._group(group, document, received)
        return True

    def _csv(self, groups: list[Group], payload: bytes | bytearray, received: int) -> None:
        """Each line is a reading; cells are separated by tabs, semicolons or else by commas."""
        try:
            lines = payload.decode().splitlines()
        except UnicodeDecodeError:
            self._refused["bad_csv"] += 1
            return
        for line in lines:
            if line.strip():
                separator = next((s for s in "\t;" if s in line), ",")
                row = [_cell(text) for text in line.split(separator)]
                for group in groups:
                    self._group(group, row, received)

    def _number(self, field: Field, payload: bytes | bytearray, received: int) -> None:
        try:
            if b"_" in payload:
                raise ValueError
            value = float(payload)
        except ValueError:
            self._refused["not_a_number"] += 1
            return
        self._add(field.column, received, value, Quality.RECEIVED_TIME)

    def _group(self, group: Group, document: object, received: int) -> None:
        quality = Quality.GOOD
        if group.time is None:
            time, quality = received, Quality.RECEIVED_TIME
        else:
            try:
                time = group.parse_time(resolve(document, group.time))
            except TIME_ERRORS:
                self._refused["bad_time"] += 1
                return
        for field in group.fields:
            value = resolve(document, field.path)
            if value is None:
                self._add(field.column, time, np.nan, quality | Quality.BAD)
            elif isinstance(value, bool) and not field.takes_bool:
                self._refused["not_a_number"] += 1
            elif isinstance(value, int | float):
                self._add(field.column, time, value, quality)
            else:
                self._refused["no_value" if value is _MISSING else "not_a_number"] += 1

    def _add(self, column: int, time: int, value: float, quality: int) -> None:
        self._columns.append(column)
        self._times.append(time)
        self._values.append(value)
        self._quality.append(quality)

    def flush(self) -> tuple[Batch, Counter[str]]:
        """What was taken since the last call, and what was refused."""
        tags = np.array(self._columns, np.int32)
        batch = Batch(
            tags,
            np.array(self._times, np.int64),
            self._scaling.apply(tags, np.array(self._values, np.float64)),
            np.array(self._quality, np.uint8),
        )
        refused = self._refused
        self._start()
        return batch, refused


def _cell(text: str) -> object:
    """A number where it is one, None where nothing is written."""
    bare = text.strip(' "')
    if not bare:
        return None
    try:
        if "_" in bare:
            raise ValueError
        return int(bare) if bare.lstrip("+-").isdigit() else float(bare)
    except ValueError:
        return bare


def _field(tag: Tag) -> Field:
    return Field(pointer(tag.address.get("pointer", "")), tag.column, tag.signal.kind == "state")
