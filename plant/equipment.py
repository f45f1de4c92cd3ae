"""[[line]], [[cell]], [[boiler]] and the instruments -> what stands in the plant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from zoneinfo import ZoneInfo

from plant.model import AnodeEffectRule, Boiler, Cell, Factor, Line, Meter, Rectifier, Section
from plant.periods import BUILT_OF, first_period, with_changes
from plant.problems import Problems
from plant.ranges import RangeError, cell_numbers
from plant.register import read_meters, read_rectifiers
from plant.rows import Rows
from plant.schema.equipment import BoilerRow, CellRow, LineRow
from plant.suggest import did_you_mean

MEASURES = (
    "net_carbon_uncertainty_percent",
    "anode_length_cm",
    "anode_width_cm",
    "cathode_area_cm2",
    "anode_resistance_uOhm",
    "cathode_resistance_uOhm",
    "external_resistance_uOhm",
    "metal_pad_area_m2",
    "level_sd_cm",
)
"""Keys of a line that are NaN when left out."""


@dataclass(frozen=True, slots=True)
class Equipment:
    lines: tuple[Line, ...]
    cells: tuple[Cell, ...]
    rectifiers: tuple[Rectifier, ...]
    meters: tuple[Meter, ...]
    boilers: tuple[Boiler, ...]


def read_equipment(
    rows: Rows, factors: Mapping[str, Factor], taken: str, zone: ZoneInfo
) -> Equipment:
    """All equipment; `taken` is the site's id, which no other entity may have. zone: of dates."""
    lines: list[Line] = []
    cells: list[Cell] = []
    for i, row in rows.all("line", LineRow):
        own = _cells(i, row, rows.problems)
        _check_pfc(i, row, factors, rows.problems)
        lines.append(_line(row, own, factors))
        cells += own
    built = with_changes(rows, _with_overrides(rows, cells), zone)
    boilers = [_boiler(i, row, factors, rows.problems) for i, row in rows.all("boiler", BoilerRow)]
    equipment = Equipment(
        tuple(lines),
        tuple(built.values()),
        read_rectifiers(rows),
        read_meters(rows),
        tuple(boilers),
    )
    _check_ids(rows, equipment, taken)
    return equipment


def _cells(i: int, row: LineRow, problems: Problems) -> list[Cell]:
    cells: list[Cell] = []
    history = (first_period(row),)
    section_of: dict[str, str] = {}
    for section, text in row.sections.items():
        key = ("line", i, "sections", section)
        try:
            numbers = cell_numbers(text)
        except RangeError as error:
            problems.add(key, str(error))
            continue
        if again := [n for n in numbers if n in section_of]:
            problems.add(
                key,
                f"cell {again[0]} is in section {section_of[again[0]]} too; leave it out of one",
            )
            continue
        section_of |= dict.fromkeys(numbers, section)
        cells += (
            Cell(
                f"{row.id}-{n}",
                n,
                row.id,
                section,
                row.target_voltage_V,
                row.target_dc_kWh_per_t,
                history,
            )
            for n in numbers
        )
    return cells


def _line(row: LineRow, cells: list[Cell], factors: Mapping[str, Factor]) -> Line:
    def own(value: float | None, otherwise: str) -> float:
        return factors[otherwise].value if value is None else value

    return Line(
        id=row.id,
        name=row.name or row.id,
        name_zh=row.name_zh or row.name or row.id,
        technology=row.technology,
        pfc_factors=row.pfc_factors,
        nominal_current_kA=row.nominal_current_kA,
        current_efficiency=row.current_efficiency,
        extrapolated_voltage_V=own(row.extrapolated_voltage_V, "cell.extrapolated_voltage_V"),
        net_carbon_t_per_t=row.net_carbon_t_per_t,
        anode_sulphur_percent=own(row.anode_sulphur_percent, "anode.sulphur_percent"),
        anode_ash_percent=own(row.anode_ash_percent, "anode.ash_percent"),
        sections=tuple(
            Section(name, tuple(c.id for c in cells if c.section == name)) for name in row.sections
        ),
        cells=tuple(c.id for c in cells),
        anode_effect=AnodeEffectRule(**row.anode_effect.model_dump()),
        current_efficiency_uncertainty=row.current_efficiency_uncertainty,
        anodes=row.anodes,
        **{key: nan if (value := getattr(row, key)) is None else value for key in MEASURES},
    )


def _check_pfc(i: int, row: LineRow, factors: Mapping[str, Factor], problems: Problems) -> None:
    if all(
        f"pfc.{row.pfc_factors}.{row.technology}.{k}" in factors
        for k in ("slope", "weight_fraction")
    ):
        return
    sets = dict.fromkeys(name.split(".")[1] for name in factors if name.startswith("pfc."))
    if row.pfc_factors not in sets:
        problems.add(
            ("line", i, "pfc_factors"),
            f'unknown set "{row.pfc_factors}"; {did_you_mean(row.pfc_factors, sets)}',
        )
        return
    has = [t for s, t, k in _pfc_names(factors) if s == row.pfc_factors and k == "slope"]
    problems.add(
        ("line", i, "pfc_factors"),
        f'"{row.pfc_factors}" has nothing for {row.technology}, only for {", ".join(has)}; choose '
        f"another set or add [[factor]] pfc.{row.pfc_factors}.{row.technology}.slope and "
        ".weight_fraction",
    )


def _pfc_names(factors: Mapping[str, Factor]) -> list[tuple[str, str, str]]:
    """(set, technology, coefficient) of every PFC factor."""
    split = [name.split(".") for name in factors if name.startswith("pfc.")]
    return [(s, t, k) for _, s, t, k in split]


def _with_overrides(rows: Rows, cells: list[Cell]) -> dict[str, Cell]:
    """Cells by id, with what [[cell]] says of them."""
    by_id = {cell.id: cell for cell in cells}
    for i, row in rows.all("cell", CellRow):
        if row.id in by_id:
            own = row.model_dump(exclude={"id"}, exclude_none=True)
            built = {key: own.pop(key) for key in BUILT_OF if key in own}
            cell = by_id[row.id]
            by_id[row.id] = replace(cell, **own, history=(replace(cell.history[0], **built),))
        elif not rows.problems.touch("line"):
            rows.problems.add(
                ("cell", i, "id"), f'there is no cell "{row.id}"; {did_you_mean(row.id, by_id)}'
            )
    return by_id


def _boiler(i: int, row: BoilerRow, factors: Mapping[str, Factor], problems: Problems) -> Boiler:
    def missing(key: str, what: str) -> None:
        problems.add(
            ("boiler", i, key), f"{what}; or add a [[factor]] fuel.{row.fuel}.{last} of your own"
        )

    fuels = dict.fromkeys(n.split(".")[1] for n in factors if n.endswith(".carbon"))
    prefix = f"fuel.{row.fuel}"
    if row.fuel not in fuels:
        problems.add(
            ("boiler", i, "fuel"), f'unknown fuel "{row.fuel}"; {did_you_mean(row.fuel, fuels)}'
        )
        return _built(row)
    last = "ncv"
    if row.fuel_GJ_per_t is None and f"{prefix}.ncv" not in factors:
        missing("fuel_GJ_per_t", "missing; write the net calorific value by analysis")
    last = "oxidation"
    by_equipment = [n.split(".")[3] for n in factors if n.startswith(f"{prefix}.oxidation.")]
    if by_equipment and row.equipment not in by_equipment:
        found = f'unknown equipment "{row.equipment}"' if row.equipment else "missing"
        missing("equipment", f"{found}; {did_you_mean(row.equipment, by_equipment)}")
    elif not by_equipment and row.equipment:
        problems.add(("boiler", i, "equipment"), f"is for coal only; leave it out for {row.fuel}")
    elif not by_equipment and f"{prefix}.oxidation" not in factors:
        missing("fuel", f"no oxidation factor for {row.fuel}; choose another fuel")
    return _built(row)


def _built(row: BoilerRow) -> Boiler:
    return Boiler(**{**row.model_dump(), "name": row.name or row.id})


def _check_ids(rows: Rows, equipment: Equipment, taken: str) -> None:
    """Entity ids name tags, so they are unique across all kinds."""
    owner = {taken: "the site"} | {cell.id: f"a cell of {cell.line}" for cell in equipment.cells}
    for name in ("line", "rectifier", "meter", "boiler"):
        mine = f"a {name}"
        for i, raw in enumerate(rows.list_of(name)):
            own = raw.get("id") if isinstance(raw, dict) else None
            if not isinstance(own, str):
                continue
            if own in owner and owner[own] != mine:
                rows.problems.add(
                    (name, i, "id"), f'"{own}" is the id of {owner[own]} too; give each its own'
                )
            owner[own] = mine
