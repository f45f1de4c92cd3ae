"""How a formula is described, asked and answered: one row of a table, the same for the command
line, the API and the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Literal

import numpy as np

from plant.model import Factor
from plant.suggest import closest, did_you_mean

Certainty = Literal["verified", "derived", "unverified"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class FormulaError(ValueError):
    """What was asked cannot be computed: one line with what, where and the remedy."""


class UnknownFormula(FormulaError):
    """There is no formula of that name."""


@dataclass(frozen=True, slots=True)
class Key:
    """One argument. Its unit is in its name; a range holds for every number of a list."""

    name: str
    unit: str
    what: str
    low: float = -inf
    high: float = inf
    open_low: bool = False  # low itself is not allowed
    open_high: bool = False
    default: float | str | None = None
    required: bool = True
    choices: tuple[str, ...] = ()
    kind: Literal["number", "text", "list", "file"] = "number"
    family: str = ""  # "gwp.*.CF4": the choices are what stands for the first * in factors' names
    whole: bool = False
    least: float = 0.0  # values occur from here on: a percentage below it, but for 0, is a fraction

    @property
    def text(self) -> bool:
        return bool(self.kind == "text" or self.choices or self.family)

    def options(self, factors: Mapping[str, Factor]) -> tuple[str, ...]:
        """The words that are allowed; () when any is."""
        if not self.family:
            return self.choices
        pattern = re.compile(re.escape(self.family).replace(r"\*", r"([^.]+)"))
        found = (match[1] for name in factors if (match := pattern.fullmatch(name)))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    unit: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Formula:
    name: str
    what: str
    what_zh: str
    expression: str
    source: str
    certainty: Certainty
    keys: tuple[Key, ...]
    results: tuple[Result, ...]
    compute: Callable[[Given], Mapping[str, Any]]
    example: Mapping[str, Any]
    expected: Mapping[str, float]  # right to the last digit written


class Given(Mapping[str, Any]):
    """Checked values of a formula's keys. A key that was left out gives its default by [], but is
    not `in`."""

    def __init__(
        self, formula: Formula, values: Mapping[str, Any], factors: Mapping[str, Factor]
    ) -> None:
        self._formula = formula
        self._factors = factors
        self._values = dict(values)
        self._defaults = {
            key.name: key.default
            for key in formula.keys
            if key.default is not None and key.name not in values
        }
        self.used: dict[str, Factor] = {}
        self.notes: list[str] = []

    def __getitem__(self, name: str) -> Any:
        return self._values[name] if name in self._values else self._defaults[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self) -> dict[str, Any]:
        """Given values and defaults, in the order of the keys."""
        both = self._defaults | self._values
        return {key.name: both[key.name] for key in self._formula.keys if key.name in both}

    @property
    def factors(self) -> Mapping[str, Factor]:
        """Every factor there is, to list what may be chosen; `factor` takes one."""
        return self._factors

    def factor(self, name: str) -> float:
        """The value of a factor, noted as used. Raises FormulaError when there is none."""
        factor = self._factors.get(name)
        if factor is None:
            near = closest(name, self._factors)
            remedy = f'did you mean "{near}"?' if near else "give it as [[factor]] of a plant file"
            raise FormulaError(f"there is no factor {name}; {remedy}")
        self.used[name] = factor
        return factor.value

    def note(self, text: str) -> None:
        """A sentence to be shown with the result."""
        self.notes.append(text)


@dataclass
class Evaluation:
    formula: Formula
    given: dict[str, Any]
    results: dict[str, Any]
    factors: list[Factor]  # used, each once
    notes: list[str] = field(default_factory=list)


def evaluate_formula(
    formula: Formula, given: Mapping[str, Any], factors: Mapping[str, Factor]
) -> Evaluation:
    """Check what is given, compute, and say what was used. Raises FormulaError."""
    try:
        checked = Given(formula, _checked(formula, given, factors), factors)
        with np.errstate(all="ignore"):  # what is not finite is refused below
            results = _finite(formula, formula.compute(checked))
    except ArithmeticError:
        raise FormulaError(f"{formula.name}: no finite result of these values") from None
    except FormulaError as error:
        raise FormulaError(f"{formula.name}: {error}") from None
    used = list(checked.used.values())
    return Evaluation(formula, checked.all(), results, used, _notes(formula, used, checked.notes))


def _notes(formula: Formula, used: list[Factor], said: list[str]) -> list[str]:
    notes = list(said)
    if formula.certainty == "unverified":
        notes.append(f"unverified: the equation ({formula.source}) could not be confirmed")
    doubtful = [factor.name for factor in used if factor.certainty == "unverified"]
    if doubtful:
        notes.append(f"unverified: {', '.join(doubtful)} could not be confirmed at the source")
    return notes


def _checked(
    formula: Formula, given: Mapping[str, Any], factors: Mapping[str, Factor]
) -> dict[str, Any]:
    keys = {key.name: key for key in formula.keys}
    for name in given:
        if name not in keys:
            raise FormulaError(f"no key {shown(name)}; {_keys_hint(name, formula)}")
    for key in formula.keys:
        if key.required and key.default is None and key.name not in given:
            raise FormulaError(f"{key.name} is missing; give it: {key.what}{_unit(key)}")
    return {name: _value(keys[name], value, factors) for name, value in given.items()}


def shown(value: Any) -> str:
    """A value within one line."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= 60 else f"{text[:60]}…"


def _keys_hint(name: str, formula: Formula) -> str:
    """The near key; else one that differs in the unit alone; else all."""
    keys = {key.name: key for key in formula.keys}
    stem = name.partition("_")[0].casefold()
    same = [n for n in keys if len(stem) > 2 and n.casefold().startswith(stem)]
    near = same[0] if len(same) == 1 else closest(name, keys)
    if near is None:
        return did_you_mean(name, keys, show=20)
    (what, _, unit), (meant, _, right) = (n.casefold().rpartition("_") for n in (name, near))
    hint = f'did you mean "{near}"?'
    if what and what == meant and unit != right and _unit(keys[near]):
        hint += f" mind the unit: it is in {keys[near].unit}"
    return hint


def _unit(key: Key) -> str:
    return f" [{key.unit}]" if key.unit not in ("", "1") else ""


def _value(key: Key, value: Any, factors: Mapping[str, Factor]) -> Any:
    if key.kind == "list":
        return _numbers(key, value)
    if key.text:
        if not isinstance(value, str) or not value:
            raise FormulaError(f"{key.name} = {shown(value)}: write a word: {key.what}")
        options = key.options(factors)
        if options and value not in options:
            raise FormulaError(f"{key.name} = {shown(value)}: unknown; {_near(value, options)}")
        return value
    if key.kind == "file":
        if not isinstance(value, str) or not value:
            raise FormulaError(f"{key.name} = {shown(value)}: write the path of a file")
        return value
    return number(key, value)


def _near(word: str, options: tuple[str, ...]) -> str:
    """Few words are all named: among short ones the nearest by letters is chance."""
    if len(options) <= 12:
        return f"use one of {', '.join(options)}"
    return did_you_mean(word, options)


def _numbers(key: Key, value: Any) -> list[float]:
    """Numbers of a JSON list or of a text "1,2,3"."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts:
        raise FormulaError(
            f"{key.name} = {shown(value)}: write numbers with commas between, 1,2.5,3"
        )
    return [
        number(key, part.strip() if isinstance(part, str) else part, f", number {i}")
        for i, part in enumerate(parts, 1)
    ]


def number(key: Key, value: Any, where: str = "") -> float:
    """A value as it was given, as the key takes it. where: which of a list. FormulaError."""
    here = f"{key.name}{where} = {shown(value)}"
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            raise FormulaError(f"{here}: not a number; {_remedy(key, value)}")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise FormulaError(f"{here}: not a number; write one{_unit(key)}")
    try:
        told = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        told = inf
    if not isfinite(told):
        raise FormulaError(f"{here}: must be a finite number")
    if key.whole and told != int(told):
        raise FormulaError(f"{here}: must be a whole number")
    low = told > key.low if key.open_low else told >= key.low
    high = told < key.high if key.open_high else told <= key.high
    if not (low and high) or (key.unit == "%" and 0 < told < key.least):
        raise FormulaError(here + _why(key, told))
    return told + 0.0  # no negative zero


def _remedy(key: Key, text: str) -> str:
    if _NUMBER.fullmatch(text.replace(",", ".")):
        return f"write {text.replace(',', '.')}: the decimal sign is a point"
    bare = re.sub(r"[\s,_\u00a0\u2009\u202f]", "", text)
    if _NUMBER.fullmatch(bare):
        return f"write {bare}: nothing groups the digits"
    return f"write it as 12.5 or 1.25e1, without a unit{_unit(key) and f': it is in {key.unit}'}"


def _why(key: Key, number: float) -> str:
    slip, meant = "", 0.0
    if key.unit == "1" and key.high == 1 and 1 < number <= 100:
        slip, meant = "percentage", number / 100
    elif key.unit == "%" and 0 < number < 1:
        slip, meant = "fraction", number * 100
    if slip and max(key.low, key.least) <= meant <= key.high:
        return f" is a {slip}; write {meant:.12g}"
    return f": must be {limits(key)}"


def limits(key: Key) -> str:
    """The allowed range in words; "" when there is none."""
    parts = []
    if key.unit == "%" and key.least:
        parts.append(f"0 or at least {key.least:g}")
    elif key.low > -inf:
        parts.append(f"{'above' if key.open_low else 'at least'} {key.low:g}")
    if key.high < inf:
        parts.append(f"{'below' if key.open_high else 'at most'} {key.high:g}")
    unit = f" {key.unit}" if key.unit not in ("", "1") else ""
    return " and ".join(parts) + (unit if parts else "")


def _finite(formula: Formula, results: Mapping[str, Any]) -> dict[str, Any]:
    """Plain Python values. Raises FormulaError where a number is not finite."""
    found = (result.name for result in formula.results if result.name in results)
    return {name: _plain(name, results[name]) for name in found}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        if not isfinite(value):
            raise FormulaError(f"{name} has no finite value here; check the values given")
        return value + 0.0
    if isinstance(value, Mapping):
        return {key: _plain(name, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(name, part) for part in value]
    return value
