"""plant.toml -> Plant, or every problem it has."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from plant.alarms import read_alarms
from plant.equipment import Equipment, read_equipment
from plant.factors import shipped_factors, shipped_signals, unit_of
from plant.model import (
    Factor,
    PairSettings,
    Plant,
    Signal,
    Site,
    Source,
    SpoolSettings,
    StoreSettings,
    TimeSettings,
)
from plant.outputs import read_outputs
from plant.problems import PlantError, Problems
from plant.rows import Rows
from plant.schema import (
    AlarmRow,
    ApiRow,
    FactorRow,
    SiteRow,
    SpoolRow,
    StoreRow,
    TimeRow,
)
from plant.schema.pair import PairRow
from plant.schema.tags import SignalRow, TagsCsvRow, TagsRow
from plant.sources import read_sources
from plant.suggest import closest, did_you_mean
from plant.tags import Entity, TagReader
from plant.units import UnitError, conversion, parse

__all__ = ["PlantError", "load"]


def load(path: str | Path, figure_names: Mapping[str, set[str]] | None = None) -> Plant:
    """The plant of a file. PlantError holds every problem, one line each.

    figure_names: figures by entity kind, so that an alarm on a figure is checked; analytics knows
    them. Relative paths count from the current folder ([store] path) and from the plant file's
    folder (files it reads: tags_csv, password_file, token_file, ca_file).
    """
    file = Path(path)
    text = _read(file)
    raw = _parse(file, text)
    problems = Problems(str(file), text, raw)
    rows = Rows(raw, problems)

    site_row = rows.one("site", SiteRow)
    time = rows.one("time", TimeRow)
    store = rows.one("store", StoreRow)
    spool = rows.one("spool", SpoolRow)
    api = rows.one("api", ApiRow)
    pair = rows.one("pair", PairRow) if "pair" in raw else None
    site_id = site_row.id if site_row else "site"

    factors = _factors(rows)
    signals = _signals(rows)
    site = _site(site_row, factors, problems) if site_row else None
    if time:
        _check_time(time, problems)
    if store:
        _check_store(store, problems)
    equipment = read_equipment(rows, factors, site_id, site.zone if site else ZoneInfo("UTC"))
    sources = tuple(
        replace(source, options=_anchored(source.options, file.parent))
        for source in read_sources(rows.list_of("source"), rows.ids("line"), site_id, problems)
    )
    if pair:
        sources = tuple(_named_apart(source, pair.name) for source in sources)
        _check_pair(pair, sources, problems)
    reader = TagReader(signals, _entities(site_id, equipment), rows.ids("line"), sources, problems)
    for i, tags_row in rows.all("tags", TagsRow):
        reader.template(i, tags_row)
    for i, csv_row in rows.all("tags_csv", TagsCsvRow):
        reader.table(
            file.parent / csv_row.file,
            lambda key, text, i=i: problems.add(("tags_csv", i, key), text),  # type: ignore[misc]
        )
    clients = {
        (s.options["host"], s.options["port"], s.options["client_id"]): f'source "{s.id}"'
        for s in sources
        if "client_id" in s.options
    }
    outputs = tuple(
        replace(output, options=_anchored(output.options, file.parent))
        for output in read_outputs(rows.list_of("output"), clients, figure_names, problems)
    )
    alarms = read_alarms(rows.all("alarm", AlarmRow), signals, reader.tags, figure_names, problems)

    problems.raise_any()
    if not (site and time and store and spool and api):
        raise AssertionError("a missing table is a problem and was raised above")
    return Plant(
        path=str(file),
        site=site,
        lines=equipment.lines,
        cells=equipment.cells,
        rectifiers=equipment.rectifiers,
        meters=equipment.meters,
        boilers=equipment.boilers,
        sources=sources,
        signals=signals,
        tags=tuple(reader.tags),
        alarms=alarms,
        factors=factors,
        store=StoreSettings(
            **_anchored(store.model_dump(), file.parent) | {"urls": tuple(store.urls)}
        ),
        spool=SpoolSettings(**spool.model_dump()),
        time=TimeSettings(**time.model_dump()),
        api=api.model_dump(),
        outputs=outputs,
        pair=PairSettings(**_anchored(pair.model_dump(), file.parent)) if pair else None,
    )


def _anchored(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same with the paths of secrets and certificates counted from the plant file's folder."""
    return {
        key: str(folder / value) if key.endswith("_file") and value else value
        for key, value in options.items()
    }


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise PlantError(
            [f"{file}: there is no such file; give the path of a plant.toml"]
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PlantError([f"{file}:{line}: is not UTF-8; save the file as UTF-8"]) from None
    except OSError as error:
        raise PlantError(
            [f"{file}: cannot be read ({error.strerror}); check path and rights"]
        ) from None


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what = str(error)
        at = re.search(r" \(at line (\d+), column (\d+)\)", what)
        where = f"{at[1]}:{at[2]}" if at else str(text.count("\n") + 1)
        what = what.replace(at[0] if at else " (at end of document)", "")
        twice = re.search(r"overwrite|twice|mutate|declare", what)
        remedy = "the key stands twice, remove one" if twice else "correct the TOML of this line"
        raise PlantError([f"{file}:{where}: {what}; {remedy}"]) from None


def _factors(rows: Rows) -> dict[str, Factor]:
    """Shipped factors with the file's own put in, in the unit of their kind."""
    factors, own = dict(shipped_factors()), dict[str, Factor]()
    for i, row in rows.all("factor", FactorRow):
        unit = unit_of(row.name)
        if unit is None:
            hint = (
                did_you_mean(row.name, factors)
                if "." in row.name
                else ("write one like grid.AE.average.2024")
            )
            rows.problems.add(("factor", i, "name"), f'nothing uses a factor "{row.name}"; {hint}')
            continue
        try:
            scale, _ = conversion(row.unit, unit)
        except UnitError as error:
            rows.problems.add(("factor", i, "unit"), str(error))
            continue
        if row.name in own:
            what = f'"{row.name}" stands twice; leave one out, or give each the year it is for'
            rows.problems.add(("factor", i, "name"), what)
        if row.valid_from and row.valid_to and row.valid_to < row.valid_from:
            what = f"{row.valid_to} is before valid_from {row.valid_from}; exchange them"
            rows.problems.add(("factor", i, "valid_to"), what)
        own[row.name] = Factor(
            name=row.name,
            value=row.value * scale,
            unit=unit,
            source=row.source,
            year=row.year,
            valid_from=row.valid_from or "",
            valid_to=row.valid_to or "",
            certainty=row.certainty,
            uncertainty_percent=math.nan
            if row.uncertainty_percent is None
            else row.uncertainty_percent,
            uncertainty_certainty=row.certainty,
        )
    return factors | own


def _signals(rows: Rows) -> dict[str, Signal]:
    signals = dict(shipped_signals())
    for i, row in rows.all("signal", SignalRow):
        name = f"{row.entity}.{row.name}"
        if name in signals:
            rows.problems.add(
                ("signal", i, "name"),
                f'there is a signal "{name}" already; set low, high, unit in [[tags]] or choose '
                "another name",
            )
            continue
        try:
            parse(row.unit)
        except UnitError as error:
            rows.problems.add(("signal", i, "unit"), str(error))
        if row.low >= row.high:
            rows.problems.add(
                ("signal", i, "low"),
                f"low {row.low:g} is not below high {row.high:g}; exchange them",
            )
        own = row.model_dump()
        own["hold_s"] = row.hold_s or (30.0 if row.kind == "gauge" else math.inf)
        own["label"] = row.label or row.name
        own["label_zh"] = row.label_zh or own["label"]
        signals[name] = Signal(**own)
    return signals


def _site(row: SiteRow, factors: Mapping[str, Factor], problems: Problems) -> Site:
    sets = dict.fromkeys(name.split(".")[1] for name in factors if name.startswith("gwp."))
    if row.gwp not in sets:
        problems.add(("site", "gwp"), f'unknown set "{row.gwp}"; {did_you_mean(row.gwp, sets)}')
    if row.electricity_price_per_MWh is not None and not row.currency:
        problems.add(("site", "currency"), 'missing for a price; write currency = "CNY"')
    supply = ("contract_factor_t_per_MWh", "residual_factor_t_per_MWh")
    for key, other in (supply, supply[::-1]):
        if getattr(row, key) is None and getattr(row, other) is not None:
            what = f"missing beside {other}; market-based scope 2 needs both, write {key} = …"
            problems.add(("site", key), what)

    def known(value: float | None) -> float:
        return math.nan if value is None else value

    return Site(
        id=row.id,
        name=row.name or row.id,
        name_zh=row.name_zh or row.name or row.id,
        time_zone=row.time_zone,
        grid_region=row.grid_region,
        grid_year=_grid_year(row, factors, problems),
        gwp=row.gwp,
        shifts=tuple(row.shifts),
        currency=row.currency,
        electricity_price_per_MWh=known(row.electricity_price_per_MWh),
        contract_factor_t_per_MWh=known(row.contract_factor_t_per_MWh),
        residual_factor_t_per_MWh=known(row.residual_factor_t_per_MWh),
    )


def _grid_year(row: SiteRow, factors: Mapping[str, Factor], problems: Problems) -> int:
    """The year of the grid factor: as written, else the newest."""
    averages = [n.split(".") for n in factors if n.startswith("grid.") and ".average." in n]
    years = [int(year) for _, region, _, year in averages if region == row.grid_region]
    if not years:
        regions = sorted({region for _, region, _, _ in averages})
        near = closest(row.grid_region, regions)
        hint = f' (did you mean "{near}"?)' if near else ""
        problems.add(
            ("site", "grid_region"),
            f'no grid factor for "{row.grid_region}"{hint}; write a region of '
            "docs/plant-file.md or add a [[factor]] named "
            f"grid.{row.grid_region}.average.<year> in t/MWh",
        )
        return row.grid_year or 0
    if row.grid_year is not None and row.grid_year not in years:
        there = ", ".join(map(str, sorted(years)))
        problems.add(
            ("site", "grid_year"),
            f'no grid factor of {row.grid_year} for "{row.grid_region}"; write one of {there} or '
            "leave it out",
        )
    return row.grid_year or max(years)


def _check_time(row: TimeRow, problems: Problems) -> None:
    beats = 60 / row.beat_s
    if abs(beats - round(beats)) > 1e-9 or row.beat_s > 60:
        problems.add(
            ("time", "beat_s"), f"{row.beat_s:g} does not divide a minute; write 0.5, 1, 2, 5 or 10"
        )
        return
    beats = row.figures_every_s / row.beat_s
    if abs(beats - round(beats)) > 1e-9 or beats < 1:
        problems.add(
            ("time", "figures_every_s"),
            f"{row.figures_every_s:g} is no multiple of beat_s {row.beat_s:g}; write "
            f"{max(1, round(beats)) * row.beat_s:g}",
        )


def _check_store(row: StoreRow, problems: Problems) -> None:
    own = {"url", "urls", "org", "token_file", "token_env"}
    if row.kind == "embedded":
        for key in sorted(own & row.model_fields_set):
            problems.add(("store", key), 'is for kind = "influxdb"; leave it out')
        return
    if row.url and row.urls:
        problems.add(("store", "urls"), "both url and urls are written; leave one out")
    for key, example in (("url", "http://127.0.0.1:8086"), ("org", "smelter")):
        if not (getattr(row, key) or (key == "url" and row.urls)):
            problems.add(("store", key), f'missing for kind "influxdb"; write {key} = "{example}"')
    if bool(row.token_file) == bool(row.token_env):
        found = "both are written" if row.token_file else "missing"
        problems.add(("store", "token_file"), f'{found}; write token_file = "…" or token_env = "…"')


def _check_pair(row: PairRow, sources: Sequence[Source], problems: Problems) -> None:
    if row.listen == row.peer:
        problems.add(("pair", "peer"), "is where this one listens; write the other one's address")
    for source in sources:
        if group := source.options.get("share"):
            problems.add(
                ("pair",),
                f'source "{source.id}" shares its messages with the group "{group}"; each of a '
                "pair needs all of them, leave share out",
            )


def _named_apart(source: Source, name: str) -> Source:
    """Of two clients with the same id a broker would throw out one, again and again."""
    options = dict(source.options)
    if "client_id" in options:
        options["client_id"] += f"-{name}"
    return replace(source, options=options)


def _entities(site: str, equipment: Equipment) -> list[Entity]:
    def entity(kind: Any, own: str, **values: str) -> Entity:
        return Entity(own, kind, {"site": site, "id": own, **values})

    return [
        entity("site", site),
        *(entity("line", e.id, line=e.id) for e in equipment.lines),
        *(
            entity("cell", e.id, line=e.line, section=e.section, cell=e.number)
            for e in equipment.cells
        ),
        *(entity("rectifier", e.id, line=e.line) for e in equipment.rectifiers),
        *(entity("meter", e.id, **({"line": e.line} if e.line else {})) for e in equipment.meters),
        *(entity("boiler", e.id) for e in equipment.boilers),
    ]
