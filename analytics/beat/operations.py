"""What is done to a cell, as its tags tell it: feeding, beam moves, taps; and voltage that stays
high without an anode effect."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.beat.anode_effect import NONE
from analytics.kernel import inlined, part

NEVER = np.iinfo(np.int64).min

MODE, ALUMINA, BEAM_MM, TAPPED_KG = range(4)
"""Rows of the last good readings."""
OVERFEED, TAP, BEAM = range(3)
"""Rows of the clocks: until when overfeed stood, last rise of the tapped metal, last beam move."""
OVERFEEDS, UNDERFEED_NS, QUENCH_NS, BEAM_MOVES, LOW_COUNT, LOW_NS = range(6)
"""Rows of what is counted since midnight."""
UNDERFEED, OVER, QUENCH = 1, 2, 3
"""Values of the feed mode."""
MOVE_MM = 0.2
"""A smaller change between two readings of the beam's position is no move."""


@part
def operate(
    c: int, p: Any, begin: int, end: int, r: Any, told: Any, clocks: Any, today: Any, kg: Any
) -> None:
    """The beat's readings of alumina fed, beam and metal tapped. A counter that falls was reset:
    its fall is not counted, its next rise is."""
    if p.fed >= 0:
        for row in range(r.offsets[p.fed], r.offsets[p.fed + 1]):
            value = r.values[row]
            if begin <= r.times[row] < end and value == value:
                if value > told[ALUMINA, c]:
                    kg[0, c] += value - told[ALUMINA, c]
                told[ALUMINA, c] = value
    if p.tapped >= 0:
        for row in range(r.offsets[p.tapped], r.offsets[p.tapped + 1]):
            value = r.values[row]
            if begin <= r.times[row] < end and value == value:
                if value > told[TAPPED_KG, c]:
                    kg[1, c] += value - told[TAPPED_KG, c]
                    clocks[TAP, c] = r.times[row]
                told[TAPPED_KG, c] = value
    if p.beam >= 0:
        for row in range(r.offsets[p.beam], r.offsets[p.beam + 1]):
            value = r.values[row]
            if begin <= r.times[row] < end and value == value:
                if abs(value - told[BEAM_MM, c]) > MOVE_MM:
                    today[BEAM_MOVES, c] += 1
                    clocks[BEAM, c] = r.times[row]
                told[BEAM_MM, c] = value


@inlined
def standing(begin: int, tag: int, r: Any) -> Any:
    """What a tag stands at when a beat begins. -> row of its next reading, one behind its last,
    value, until when it stands, its hold time [ns]"""
    row, stop, hold = r.offsets[tag], r.offsets[tag + 1], r.hold_ns[tag]
    value, until = r.held_values[tag], r.held_times[tag] + hold
    while row < stop and r.times[row] < begin:
        value, until = r.values[row], r.times[row] + hold
        row += 1
    return row, stop, value, until, hold


@part
def feed(
    c: int, begin: int, end: int, tag: int, r: Any, told: Any, clocks: Any, today: Any
) -> None:
    """The feed mode over [begin, end)."""
    row, stop, mode, until, hold = standing(begin, tag, r)
    now = begin
    while True:
        following = min(end, r.times[row]) if row < stop else end
        length = min(following, until) - now
        if length > 0:
            if mode == UNDERFEED:
                today[UNDERFEED_NS, c] += length
            elif mode == OVER:
                clocks[OVERFEED, c] = now + length
            elif mode == QUENCH:
                today[QUENCH_NS, c] += length
        if following == end:
            return
        now = following
        mode = r.values[row]
        until = now + hold
        row += 1
        if mode == mode:
            before = told[MODE, c]
            if mode == OVER and before == before and before != OVER:
                today[OVERFEEDS, c] += 1
            told[MODE, c] = mode


@part
def dwell(begin: int, end: int, tag: int, r: Any) -> float:
    """Mean over [begin, end) of a step signal while it is known, NaN where never."""
    row, stop, value, until, hold = standing(begin, tag, r)
    now = begin
    base = np.nan
    moment = 0.0
    known = 0
    while True:
        following = min(end, r.times[row]) if row < stop else end
        length = min(following, until) - now
        if value == value and length > 0:
            if base != base:
                base = value
            moment += (value - base) * length
            known += length
        if following == end:
            break
        now = following
        value = r.values[row]
        until = now + hold
        row += 1
    return base + moment / known if known else np.nan


@part
def linger(
    begin: int,
    end: int,
    volt: float,
    until: int,
    hold: int,
    row: int,
    stop: int,
    r: Any,
    limit: float,
    v_on: float,
    least_ns: int,
    midnight: int,
    since: int,
) -> Any:
    """The beat's stretches with limit < V <= v_on, known throughout.

    since: when the one in progress began, NONE. -> the same at the end of the beat, stretches of at
    least least_ns that were begun today and got that long in the beat, and their time today [ns].
    """
    count = ns = 0
    now = begin
    while True:
        following = min(end, r.times[row]) if row < stop else end
        known_until = min(following, until)
        if volt == volt and known_until > now and limit < volt <= v_on:
            if since == NONE:
                since = now
            if now - since >= least_ns:
                ns += known_until - now
            elif known_until - since >= least_ns:
                ns += known_until - max(since, midnight)
                if since >= midnight:
                    count += 1
            if known_until < following:
                since = NONE
        elif following > now:
            since = NONE
        if following == end:
            return since, count, ns
        now = following
        volt = r.values[row]
        until = now + hold
        row += 1
