"""Units, parsed by pint from plant/data/units.txt. Loading pint takes longer than reading a plant
file, so it happens only when a unit differs from the one wanted."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from plant.suggest import did_you_mean

if TYPE_CHECKING:
    import pint

COMMON = (
    *("V", "mV", "kV", "A", "kA", "W", "kW", "MW", "GW", "Wh", "kWh", "MWh", "GWh", "MJ", "GJ"),
    *("kg", "t", "g", "lb", "kg/h", "t/h", "kg/s", "t/d", "m3/h", "Nm3/h", "kWh/t", "kgce"),
    *("Pa", "kPa", "MPa", "bar", "mbar", "atm", "psi", "degC", "degF", "K", "mm", "cm", "m"),
    *("%", "ppm", "1", "s", "min", "h", "d", "Hz", "rpm", "µΩ", "kcal"),
)
"""Units that a misspelt one is compared with."""


_ONE = r"(?:1|%|°[CF]|[A-Za-zµμΩ][A-Za-z0-9_°Ω]*[²³]?)(?:(?:\^|\*\*)-?[1-9])?"
_PRODUCT = rf"{_ONE}(?:[*/]{_ONE})*"
_FORM = re.compile(rf"(?:\({_PRODUCT}\)|{_PRODUCT})(?:[*/](?:\({_PRODUCT}\)|{_PRODUCT}))*")
"""What is handed to pint, whose parser takes any Python expression and fails in as many ways."""


class UnitError(ValueError):
    """A unit that is unknown or measures something else; the text names it and the remedy."""


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry(
        str(Path(__file__).with_name("data") / "units.txt")
    )
    registry.preprocessors.append(lambda text: re.sub(r"\bm([23])\b", r"m**\1", text))
    return registry


@cache
def parse(unit: str) -> pint.Unit:
    """The unit meant by a text such as "kWh/t". UnitError when there is none."""
    if _FORM.fullmatch(unit):
        # pint's UndefinedUnitError is an AttributeError; "NaN" is a number to it, so a ValueError
        with contextlib.suppress(AttributeError, ValueError):
            return _registry().parse_units(unit)
    raise UnitError(f'unknown unit "{unit}"; {did_you_mean(unit, COMMON)}')


@cache
def conversion(wire: str, wanted: str) -> tuple[float, float]:
    """(scale, offset) such that a value in `wanted` = value in `wire` * scale + offset."""
    if wire == wanted:
        return 1.0, 0.0
    source, target = parse(wire), parse(wanted)
    if source.dimensionality != target.dimensionality:
        raise UnitError(
            f'"{wire}" cannot be converted to "{wanted}"; write a unit of the same quantity as '
            f'"{wanted}", or leave unit out and give scale and offset'
        )
    quantity = _registry().Quantity
    zero, zero_wanted = quantity(0.0, source), quantity(0.0, target)
    span = (quantity(1.0, source) - zero).to((quantity(1.0, target) - zero_wanted).units)
    return _clean(span.magnitude), _clean(zero.to(target).magnitude)


def _clean(number: float) -> float:
    """Without the last digit's noise: 0.1 for the 0.09999999999999999 that bar to MPa gives."""
    return float(f"{number:.15g}")
