"""[[alarm]] -> rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from plant.model import AlarmRule, EntityKind, Signal, Tag
from plant.problems import Problems
from plant.schema import AlarmRow
from plant.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Kind:
    """What an alarm kind other than "limit" stands for."""

    each: EntityKind
    on: str
    limit: str  # the key that it must have: "high", "low" or none
    example: float
    label: str
    label_zh: str


KINDS = {
    "anode_effect": Kind("cell", "anode_effect", "", 0, "Anode effect", "阳极效应"),
    "excess_energy": Kind(
        "cell", "excess_specific_energy_minute", "high", 300, "Excess energy", "能耗超标"
    ),
    "line_current_drop": Kind("line", "current", "low", 0.95, "Line current drop", "系列电流下降"),
    "stale_source": Kind("source", "", "high", 10, "Stale source", "数据源中断"),
}


def read_alarms(
    rows: list[tuple[int, AlarmRow]],
    signals: Mapping[str, Signal],
    tags: list[Tag],
    figure_names: Mapping[str, set[str]] | None,
    problems: Problems,
) -> tuple[AlarmRule, ...]:
    """The rules of the file. `figure_names`: figures by entity kind; None when not known here.

    A rule on a signal needs a tag that measures it: an alarm that can never come is an error.
    """
    measured = {(tag.signal.entity, tag.signal.name) for tag in tags}
    tags_good = not problems
    rules = []
    for i, row in rows:
        before = len(problems)
        each, on, label, label_zh = _meaning(i, row, signals, problems)
        figures = None if figure_names is None else figure_names.get(each, set())
        _check_limits(i, row, problems)
        if row.kind == "limit" and len(problems) == before:
            if f"{each}.{on}" in signals:
                if tags_good and (each, on) not in measured:
                    problems.add(
                        ("alarm", i, "on"),
                        f"no tag measures {each}.{on}; add it to a [[tags]] row or drop the alarm",
                    )
            elif figures is not None and on not in figures:
                known = {s.name for s in signals.values() if s.entity == each} | figures
                problems.add(
                    ("alarm", i, "on"),
                    f'a {each} has no signal or figure "{on}"; {did_you_mean(on, sorted(known))}',
                )
        rules.append(
            AlarmRule(
                id=row.id,
                kind=row.kind,
                each=each,
                on=on,
                high=nan if row.high is None else row.high,
                low=nan if row.low is None else row.low,
                dead_band=row.dead_band,
                on_delay_s=row.on_delay_s,
                off_delay_s=row.off_delay_s,
                priority=row.priority,
                label=row.label or label,
                label_zh=row.label_zh or row.label or label_zh,
            )
        )
    return tuple(rules)


def _meaning(
    i: int, row: AlarmRow, signals: Mapping[str, Signal], problems: Problems
) -> tuple[EntityKind, str, str, str]:
    """(each, on, label, label_zh) of a rule."""
    if kind := KINDS.get(row.kind):
        for key, fixed in (("each", kind.each), ("on", kind.on)):
            if getattr(row, key) not in (None, fixed):
                problems.add(("alarm", i, key), f'is "{fixed}" for kind "{row.kind}"; leave it out')
        return kind.each, kind.on, kind.label, kind.label_zh
    for key, example in (("each", "cell"), ("on", "bath_temperature")):
        if getattr(row, key) is None:
            problems.add(("alarm", i, key), f'missing; write {key} = "{example}"')
    if row.each == "source":
        problems.add(("alarm", i, "each"), 'a source has no limits; write kind = "stale_source"')
    each, on = row.each or "cell", row.on or ""
    signal = signals.get(f"{each}.{on}")
    if signal is None:
        return each, on, row.id, row.id
    sides = [("high", "high", "高"), ("low", "low", "低")]
    used = [s for s in sides if getattr(row, s[0]) is not None]
    words, words_zh = " or ".join(s[1] for s in used), "或".join(s[2] for s in used)
    return each, on, f"{signal.label} {words}", f"{signal.label_zh}{words_zh}"


def _check_limits(i: int, row: AlarmRow, problems: Problems) -> None:
    kind = KINDS.get(row.kind)
    given = [key for key in ("high", "low") if getattr(row, key) is not None]
    if kind is None:
        if not given:
            problems.add(("alarm", i), "has neither high nor low; write a limit such as high = 975")
    else:
        if kind.limit and kind.limit not in given:
            problems.add(
                ("alarm", i, kind.limit), f"missing; write {kind.limit} = {kind.example:g}"
            )
        for key in given:
            if key != kind.limit:
                problems.add(
                    ("alarm", i, key), f'means nothing for kind "{row.kind}"; leave it out'
                )
    if row.kind == "line_current_drop" and row.low is not None and not 0 < row.low < 1:
        problems.add(
            ("alarm", i, "low"), "is a fraction of the nominal current; write one like low = 0.95"
        )
    if row.high is not None and row.low is not None:
        if row.low >= row.high:
            problems.add(
                ("alarm", i, "low"),
                f"low {row.low:g} is not below high {row.high:g}; exchange them",
            )
        elif row.dead_band >= row.high - row.low:
            problems.add(
                ("alarm", i, "dead_band"),
                f"{row.dead_band:g} is as wide as the band from low to high; write a smaller one",
            )
