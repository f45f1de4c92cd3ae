"""InfluxDB 2: buckets {prefix}_raw, {prefix}_figures and {prefix}_alarms.

Raw: measurement per kind of entity (`cell`, `line`, …), tags site, line, section, id; a field per
signal in its unit, `{signal}_q` where the quality is not GOOD. Figures: measurement
`{scope}_figures`, a field per figure. Alarms: measurement per kind of event, tag `key`, the event
as JSON in the field `row`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from plant.batch import Batch
from plant.model import EntityKind, Plant, StoreSettings
from store.blocks import block_of
from store.contract import FigureBlock, Written
from store.flux import Rows, any_of, only, quoted, source
from store.influx_client import LANES, Client, Refused, Unreadable
from store.lineprotocol import Words, arranged, escaped, lines, series, string_field
from store.refusals import refusals

MOST_IDS, MOST_NAMES = 100, 20
"""A query names so many entities and fields; with more it reads all and drops the others."""


class InfluxStore:
    lanes = LANES

    def __init__(self, settings: StoreSettings, plant: Plant) -> None:
        self._plant = plant
        self._keep_days = settings.raw_days
        prefix = settings.bucket_prefix
        self.raw, self.figure_bucket, self.alarms = (
            f"{prefix}_{name}" for name in ("raw", "figures", "alarms")
        )
        self._client = Client(
            settings,
            {
                self.raw: settings.raw_days,
                self.figure_bucket: settings.figures_days,
                self.alarms: settings.alarms_days,
            },
        )
        self._place = {c.id: {"line": c.line, "section": c.section} for c in plant.cells}
        self._place |= {line.id: {"line": line.id} for line in plant.lines}
        self._place |= {r.id: {"line": r.line} for r in plant.rectifiers}
        self._place |= {m.id: {"line": m.line} for m in plant.meters}
        tags = plant.tags
        self._entities = sorted({(t.signal.entity, t.entity) for t in tags})
        place = {entity: i for i, entity in enumerate(self._entities)}
        self._head_of = np.array([place[t.signal.entity, t.entity] for t in tags], np.intp)
        self._heads = Words.of([series(kind, self._tags(e)) for kind, e in self._entities])
        self._fields = Words.of([escaped(t.signal.name, ", =") for t in tags])

    def open(self) -> None:
        self._client.make_buckets()

    def close(self) -> None:
        self._client.close()

    # -- samples

    def write_samples(self, batch: Batch) -> Written:
        rejected = refusals(batch, self._keep_days)
        sent = batch
        rows = None
        if rejected:
            take = np.ones(len(batch), np.bool_)
            take[[row for row, _ in rejected]] = False
            rows = np.nonzero(take)[0]
            sent = batch.take(rows)
        refused = self._send(sent)
        rejected += refused if rows is None else [(int(rows[row]), why) for row, why in refused]
        return Written(len(batch) - len(rejected), rejected)

    def _send(self, batch: Batch) -> list[tuple[int, str]]:
        """Write all rows that the server takes; returns the others with its reason. A lot that is
        refused is parted by the field that it names, else in halves: some tens of requests find a
        few bad rows."""
        refused: list[tuple[int, str]] = []
        todo = [self._order(batch)]
        while todo:
            part = todo.pop()
            text = self._lines(batch, part)
            if len(text) > self._client.largest and len(part) > 1:
                todo += np.array_split(part, 2)
                continue
            try:
                self._client.write(self.raw, text)
            except Refused as error:
                other = self._other_type(error, batch.tags[part])
                nothing = error.dropped == bytes(text).count(b"\n")
                if len(part) == 1 or (nothing and (other is None or other.all())):
                    refused += [(int(row), str(error)) for row in part]
                elif other is not None and other.any() and not other.all():
                    todo += [part[other], part[~other]]
                else:
                    halves = part[np.argsort(batch.times[part], kind="stable")]
                    todo += np.array_split(part if other is None else halves, 2)
        return refused

    def _order(self, batch: Batch) -> NDArray[np.intp]:
        head = self._head_of[batch.tags]
        return arranged(head, batch.tags, batch.times, len(self._entities))

    def _other_type(self, error: Refused, tags: NDArray[np.int32]) -> NDArray[np.bool_] | None:
        """bool[n]: rows of the field that the server has in another type, None if it names none."""
        if not error.field:
            return None
        named = [
            t.signal.name == error.field and t.signal.entity == error.measurement
            for t in self._plant.tags
        ]
        return np.array(named, np.bool_)[tags]

    def samples(self, tags: Sequence[int] | None, start: int, end: int) -> Batch:
        columns = range(len(self._plant.tags)) if tags is None else list(tags)
        if not len(columns) or end <= start:
            return Batch.empty()
        wanted = np.zeros(len(self._plant.tags) + 1, np.bool_)  # the last is -1: not in the plant
        wanted[list(columns)] = True
        names = sorted({self._plant.tags[c].signal.name for c in columns})
        ids = sorted({self._plant.tags[c].entity for c in columns})
        parts = []
        for suffix in ("", "_q"):
            rows = self._values(
                source(self.raw, start, end) + _fields(names, suffix),
                ids,
                "int" if suffix else "float",
            )
            found = self._columns(rows, suffix)
            keep = wanted[found]
            values = rows.values[keep]
            n = len(values)
            parts.append(
                Batch.of(found[keep], rows.times[keep], np.full(n, np.nan), values)
                if suffix
                else Batch.of(found[keep], rows.times[keep], values)
            )
        return _with_quality(*parts)

    def count(self, start: int, end: int) -> NDArray[np.int64]:
        counts = np.zeros(len(self._plant.tags) + 1, np.int64)
        if end <= start:
            return counts[:-1]
        good = "|> filter(fn: (r) => r._field !~ /_q$/)"
        bad = (
            "|> filter(fn: (r) => r._field =~ /_q$/)"
            "|> filter(fn: (r) => bitwise.sand(a: r._value, b: 3) == 2)"
        )
        for which, suffix in ((good, ""), (bad, "_q")):
            rows = self._client.query(
                'import "bitwise"\n'
                + source(self.raw, start, end)
                + which
                + '|> group(columns: ["id", "_field"]) |> count()',
                np.dtype(np.int64),
            )
            np.add.at(counts, self._columns(rows, suffix), rows.values)
        return counts[:-1]

    def extent(self) -> tuple[int, int] | None:
        spans = []
        for edge in ("first", "last"):
            rows = self._client.query(
                f"{source(self.raw, 0, None)} |> {edge}()"
                '|> keep(columns: ["_time"]) |> group() |> sort(columns: ["_time"])',
                None,
            )
            spans.append(rows.times)
        return (int(spans[0].min()), int(spans[1].max())) if len(spans[0]) else None

    # -- figures

    def write_figures(self, block: FigureBlock) -> int:
        for beside in self._cleared(block) if len(block.times) else ():
            self._write_figures(beside)
        return self._write_figures(block)

    def _cleared(self, block: FigureBlock) -> list[FigureBlock]:
        """Take the points of the entities that the block replaces out of the store; returns what
        these points had beside: InfluxDB deletes whole points."""
        start, end = int(block.times[0]), int(block.times[-1]) + 1
        measurement = f"{block.scope}_figures"
        kept = []
        for entity in block.replaces:
            rows = self._values(
                source(self.figure_bucket, start, end) + any_of("_measurement", [measurement]),
                [entity],
                "float",
            )
            names = rows.words("_field")
            field = rows.places("_field", names)
            own = np.isin(field, [i for i, name in enumerate(names) if name in block.names])
            beside = ~(own & np.isin(rows.times, block.times))
            values = rows.values[beside].astype(np.float64)
            one = np.zeros(len(values), np.intp)
            kept.append(
                block_of(
                    block.scope, names, [entity], rows.times[beside], field[beside], one, values
                )
            )
            tags = {"_measurement": measurement, "id": entity}
            self._client.delete(self.figure_bucket, start, end, tags)
        return kept

    def _write_figures(self, block: FigureBlock) -> int:
        cube = block.values.transpose(2, 0, 1)
        e, t, f = np.nonzero(~np.isnan(cube))
        heads = Words.of([series(f"{block.scope}_figures", self._tags(x)) for x in block.entities])
        fields = Words.of([escaped(name, ", =") for name in block.names])
        quality = np.zeros(len(e), np.uint8)
        text = lines(heads, fields, e, f, block.times[t], cube[e, t, f], quality)
        self._client.write_checked(self.figure_bucket, text)
        return len(e)

    def figures(
        self, scope: str, names: Sequence[str], entities: Sequence[str] | None, start: int, end: int
    ) -> FigureBlock:
        if entities is None:
            entities = self._plant.entities(cast(EntityKind, scope))
        rows = Rows.none()
        if names and entities and end > start:
            rows = self._values(
                source(self.figure_bucket, start, end)
                + any_of("_measurement", [f"{scope}_figures"])
                + any_of("_field", names),
                entities,
                "float",
            )
        f, e = rows.places("_field", names), rows.places("id", entities)
        keep = (f >= 0) & (e >= 0)
        values = rows.values[keep].astype(np.float64)
        return block_of(scope, names, entities, rows.times[keep], f[keep], e[keep], values)

    # -- events

    def write_events(self, kind: str, rows: Sequence[dict[str, Any]]) -> int:
        text = "".join(
            f"{series(kind, {'key': row['key']})} "
            f"row={string_field(orjson.dumps(row).decode())} {row['time']}\n"
            for row in rows
        )
        self._client.write_checked(self.alarms, text.encode())
        return len(rows)

    def events(self, kind: str, start: int, end: int) -> list[dict[str, Any]]:
        if end <= start:
            return []
        rows = self._client.query(
            f"{source(self.alarms, start, end)}"
            f"|> filter(fn: (r) => r._measurement == {quoted(kind)} and r._field == "
            '"row") |> keep(columns: ["_time", "_value", "key"])',
            np.dtype(np.str_),
        )
        found = [orjson.loads(text) for text in rows.values.tolist()]
        return sorted(found, key=lambda row: (row["time"], row["key"]))

    # -- inside

    def _values(self, wanted: str, ids: Sequence[str], kind: str) -> Rows:
        """Time, value, field and id of the rows that `wanted` has of these entities. If somebody
        have written values of another type, they are left out."""
        dtype = np.dtype(np.int64 if kind == "int" else np.float64)
        wanted += any_of("id", ids) if len(ids) <= MOST_IDS else ""
        # Grouped by field, one table has many cells: half the time of a table for each.
        tail = '|> group(columns: ["_field"]) |> keep(columns: ["_time", "_value", "_field", "id"])'
        try:
            return self._client.query(wanted + tail, dtype)
        except Unreadable:
            return self._client.query(f'import "types"\n{wanted}{only(kind)}{tail}', dtype)

    def _lines(self, batch: Batch, rows: NDArray[np.intp] | None = None) -> memoryview:
        """The rows in the order given, None: as they come."""
        head = self._head_of[batch.tags]
        columns = batch.times, batch.values, batch.quality
        return lines(self._heads, self._fields, head, batch.tags, *columns, rows)

    def _tags(self, entity: str) -> dict[str, str]:
        """What an entity's lines are tagged with."""
        tags = {"site": self._plant.site.id, "id": entity}
        return tags | self._place.get(entity, {})

    def _columns(self, rows: Rows, suffix: str) -> NDArray[np.int32]:
        """int32[n]: the plant's column of each row, -1 where it has none."""
        ids, fields = rows.words("id"), rows.words("_field")
        table = np.full((len(ids) + 1, len(fields) + 1), -1, np.int32)
        for i, entity in enumerate(ids):
            for k, field in enumerate(fields):
                tag = f"{entity}.{field.removesuffix(suffix)}"
                table[i, k] = self._plant.column_of.get(tag, -1)
        return table[rows.codes("id"), rows.codes("_field")]


def _fields(names: Sequence[str], suffix: str) -> str:
    """Of many names all are asked for: it tries one after the other on each series."""
    if len(names) <= MOST_NAMES:
        return any_of("_field", [name + suffix for name in names])
    return f"|> filter(fn: (r) => r._field {'=~' if suffix else '!~'} /_q$/)"


def _with_quality(values: Batch, marks: Batch) -> Batch:
    """Values, and qualities with NaN for a value, as one batch by (tag, time)."""
    both = Batch.concat([values, marks])
    order = np.lexsort((both.times, both.tags))
    both = both.take(order)
    again = np.zeros(len(both), np.bool_)
    again[1:] = (np.diff(both.tags) == 0) & (np.diff(both.times) == 0)
    marked = np.nonzero(again)[0]  # the sort is stable: a mark follows its value
    both.quality[marked - 1] = both.quality[marked]
    return both.take(~again)
