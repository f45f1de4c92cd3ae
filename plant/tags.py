"""[[tags]] templates and [[tags_csv]] files -> tags."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from plant.addresses import complaint, written
from plant.explain import validate
from plant.measured import Measured, Say, measured
from plant.model import EntityKind, Signal, Source, Tag
from plant.problems import Problems
from plant.ranges import RangeError, cell_numbers
from plant.registers import RegisterError, resolve
from plant.schema.sources import ADDRESS, HOW
from plant.schema.tags import Address, CsvTag, TagsRow
from plant.suggest import did_you_mean
from plant.templates import TemplateError, check

PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "site": ("site", "id", "signal", "name"),
    "line": ("site", "line", "id", "signal", "name"),
    "cell": ("site", "line", "section", "cell", "id", "signal", "name"),
    "rectifier": ("site", "line", "id", "signal", "name"),
    "meter": ("site", "line", "id", "signal", "name"),
    "boiler": ("site", "id", "signal", "name"),
}

EQUIPMENT = ("line", "cell", "rectifier", "meter", "boiler")


PER_SIGNAL = (
    *("unit", "scale", "offset", "low", "high", "interval_s", "hold_s"),
    *("accuracy", "accuracy_percent", "rollover"),
)


class BadRow(Exception):
    """Ends the reading of one row; its problem is on record."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that tags belong to, with what fills the placeholders of a template."""

    id: str
    kind: EntityKind
    values: Mapping[str, str]


class TagReader:
    """Collects tags in the order of the file, each id and each address once."""

    def __init__(
        self,
        signals: Mapping[str, Signal],
        entities: Sequence[Entity],
        lines: Sequence[str],
        sources: Sequence[Source],
        problems: Problems,
    ) -> None:
        self.tags: list[Tag] = []
        self._signals = signals
        self._entities = {e.id: e for e in entities}
        self._lines = lines
        self._sources = {s.id: s for s in sources}
        self._problems = problems
        self._by_id: dict[str, str] = {}
        self._by_address: dict[tuple[str, ...], str] = {}

    def template(self, index: int, row: TagsRow) -> None:
        """The tags of one [[tags]] row."""

        def say(key: str, text: str) -> None:
            parts = ["signals"] if key == "signal" else key.split(".")
            self._problems.add(("tags", index, *parts), text)

        names = row.signals if isinstance(row.signals, dict) else {n: n for n in row.signals}
        before = len(self._problems)
        if len(names) < len(row.signals):
            say("signal", "names a signal twice; leave one out")
        signals = [self._signal(row.each, name, say) for name in names]
        for key in PER_SIGNAL if all(signals) else ():
            table = getattr(row, key)
            for other in table if isinstance(table, dict) else ():
                if other not in names:
                    hint = did_you_mean(other, names)
                    say(f"{key}.{other}", f"is not a signal of this row; {hint}")
        for key in ("source", *written(row)):
            try:
                check(getattr(row, key), PLACEHOLDERS[row.each])
            except TemplateError as error:
                say(key, str(error))
        common = [measured(row, s, names[s.name], say) for s in signals if s]
        try:
            entities = self._chosen(row, say)
            if len(self._problems) > before:
                return
            for entity in entities:
                for what in filter(None, common):
                    values = {**entity.values, "signal": what.signal.name, "name": what.name}
                    self._add(row, entity, what, values, f"tags[{index}]", say)
        except BadRow:
            return

    def table(self, file: Path, say_file: Say) -> None:
        """The tags of a CSV file, one a line."""
        for number, cells in _csv_lines(file, say_file):

            def say(key: str, text: str, number: int = number) -> None:
                self._problems.add_at(str(file), number, key, text)

            if None in cells:
                say("row", "has more cells than the header; put quotes around text with commas")
                continue
            row, errors = validate(
                CsvTag, {k: v.strip() for k, v in cells.items() if v and v.strip()}
            )
            for key, text in errors:
                say(".".join(map(str, key)), text)
            if row is None:
                continue
            try:
                entity = self._entities.get(row.entity)
                if entity is None:
                    hint = did_you_mean(row.entity, self._entities)
                    self._absent("entity", f'there is no "{row.entity}"; {hint}', say)
                signal = self._signal(entity.kind, row.signal, say)
                if signal and (what := measured(row, signal, signal.name, say)):
                    self._add(row, entity, what, None, f"{file}:{number}", say)
            except BadRow:
                continue

    def _signal(self, kind: EntityKind, name: str, say: Say) -> Signal | None:
        signal = self._signals.get(f"{kind}.{name}")
        if signal is None:
            known = [s.name for s in self._signals.values() if s.entity == kind]
            hint = did_you_mean(name, known)
            say(
                "signal", f'a {kind} has no signal "{name}"; {hint} (or declare it in a [[signal]])'
            )
        return signal

    def _chosen(self, row: TagsRow, say: Say) -> list[Entity]:
        """The entities of a row: all of its kind, or those that lines, cells, only leave."""
        chosen = [e for e in self._entities.values() if e.kind == row.each]
        if not chosen:
            what = f"the plant has no {row.each}; add a [[{row.each}]] or leave these tags out"
            self._absent("each", what, say)
        for name in row.only or ():
            if name not in (ids := [e.id for e in chosen]):
                self._absent("only", f'there is no "{name}"; {did_you_mean(name, ids)}', say)
        for name in row.lines or ():
            if name not in self._lines:
                hint = did_you_mean(name, self._lines)
                self._absent("lines", f'there is no "{name}"; {hint}', say)
        if row.only is not None:
            chosen = [e for e in chosen if e.id in row.only]
        if row.lines is not None:
            chosen = [e for e in chosen if e.values.get("line") in row.lines]
        if row.cells is not None:
            try:
                numbers = cell_numbers(row.cells)
            except RangeError as error:
                say("cells", str(error))
                raise BadRow from None
            present = {e.values.get("cell") for e in chosen}
            if missing := [n for n in numbers if n not in present]:
                what = f"there is no cell {missing[0]}; write a range that the sections have"
                self._absent("cells", what, say)
            wanted = set(numbers)
            chosen = [e for e in chosen if e.values.get("cell") in wanted]
        if not chosen:
            self._absent("each", f"no {row.each} is left; widen lines, cells or only", say)
        return chosen

    def _absent(self, key: str, text: str, say: Say) -> NoReturn:
        """Ends a row that names what is not there; no news while equipment has problems itself."""
        if not self._problems.touch(*EQUIPMENT):
            say(key, text)
        raise BadRow

    def _add(
        self,
        row: Address,
        entity: Entity,
        what: Measured,
        values: Mapping[str, str] | None,
        where: str,
        say: Say,
    ) -> None:
        """One tag. `values` fill its templates; None when it has none (CSV)."""

        def filled(key: str) -> str:
            text: str = getattr(row, key)
            if values is None:
                return text
            try:
                return text.format_map(values)
            except KeyError as error:
                say(
                    key,
                    f'"{text}" needs {{{error.args[0]}}}, which {entity.kind} "{entity.id}" '
                    "has not; choose others with only = […]",
                )
                raise BadRow from None

        source = self._sources.get(filled("source"))
        if source is None:
            if self._problems.touch("source", "line"):
                raise BadRow
            hint = did_you_mean(filled("source"), self._sources)
            say("source", f'there is no source "{filled("source")}"; {hint}')
            raise BadRow
        address = self._address(row, source, filled, say)
        tag_id = f"{entity.id}.{what.signal.name}"
        if earlier := self._by_id.get(tag_id):
            say("signal", f"{tag_id} is already read by {earlier}; leave it out of one")
            raise BadRow
        place = [text for name, text in address.items() if name not in HOW]
        key = (source.id, *(place or [tag_id]))
        if earlier := self._by_address.get(key):
            shown = (
                address.get("node")
                or address.get("column")
                or address.get("address")
                or address.get("metric")
                or (f"{address['topic']} {address['pointer']}".strip())
            )
            say(
                next(iter(address)),
                f'{tag_id} and {earlier} have the same address "{shown}"; '
                "put a placeholder such as {id} or {name} into it",
            )
            raise BadRow
        self._by_id[tag_id], self._by_address[key] = where, tag_id
        self.tags.append(
            Tag(
                column=len(self.tags),
                id=tag_id,
                entity=entity.id,
                signal=what.signal,
                source=source.id,
                address=address,
                unit=what.unit,
                scale=what.scale,
                offset=what.offset,
                low=what.low,
                high=what.high,
                interval_s=what.interval_s,
                hold_s=what.hold_s,
                accuracy=what.accuracy,
                accuracy_percent=what.accuracy_percent,
                rollover=what.rollover,
            )
        )

    @staticmethod
    def _address(
        row: Address, source: Source, filled: Callable[[str], str], say: Say
    ) -> dict[str, str]:
        keys = ADDRESS[source.kind]
        for key in written(row):
            if key not in keys:
                hint = f"has no {key}; " + (f"write {', '.join(keys)}" if keys else "leave it out")
                say(key, f'source "{source.id}" is {source.kind} and {hint}')
                raise BadRow
        address = {key: filled(key) for key in keys}
        if keys and not address[keys[0]]:
            say(keys[0], f'missing for {source.kind} source "{source.id}"; write {keys[0]} = "…"')
            raise BadRow
        problem = complaint(source.kind, address)
        if problem:
            say(*problem)
            raise BadRow
        if source.kind == "opcua":
            address["namespace"] = address["namespace"] or source.options["namespace"]
            if not address["index"]:
                del address["index"]
        if source.kind == "modbus":
            try:
                return resolve(address, source.options["numbering"], source.options["unit_id"])
            except RegisterError as error:
                say(error.key, str(error))
                raise BadRow from None
        return address


def _csv_lines(file: Path, say: Say) -> Iterator[tuple[int, dict[Any, Any]]]:
    """(line number, cells by column) of a CSV file with a header."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = list(reader.fieldnames or ())
            if unknown := [c for c in columns if c not in CsvTag.model_fields]:
                hint = did_you_mean(unknown[0], CsvTag.model_fields, show=20)
                say("file", f'{file} has an unknown column "{unknown[0]}"; {hint}')
                return
            for cells in reader:
                yield reader.line_num, cells
    except FileNotFoundError:
        say("file", f"there is no file {file}; its path counts from the plant file's folder")
    except UnicodeDecodeError:
        say("file", f"{file} is not UTF-8; save it as UTF-8")
    except (OSError, csv.Error) as error:
        say("file", f"{file} cannot be read: {error}; correct the file")
