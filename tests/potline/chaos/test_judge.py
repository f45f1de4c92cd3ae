"""The judge sees every sample that is missing without a reason, twice, or not as it was told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from harness import write_plant
from spooling import put

from plant.batch import SECOND, Batch, Quality
from plant.load import load
from potline.chaos.faults import KINDS
from potline.chaos.judge import Verdict, judge
from potline.chaos.schedule import Planned
from potline.chaos.storm import Done
from potline.opening import kept
from simulators.wave import STEP_NS, Wave
from store.spool import Gap, Spool

START = 1_795_261_200 * SECOND
FIRST, LAST = START + 10 * SECOND, START + 80 * SECOND
END = START + 90 * SECOND
AT = START + 40 * SECOND

Heard = Callable[..., Verdict]


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    """heard(change, gaps, done): the verdict over a minute of waves that `change` was done to."""
    file = write_plant(
        tmp_path, f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n', mqtt=1883
    )
    plant = load(file)
    (tmp_path / "var").mkdir()

    def run(change: Callable[[Batch], Batch] = lambda b: b, gaps=(), done=(), **storm) -> Verdict:
        wave = Wave(plant, START)
        told = Batch.concat(wave.step() for _ in range((END - START) // STEP_NS))
        told = Batch.of(told.tags, told.times, wave.read(told.tags, told.times))
        spool = Spool(tmp_path / "var" / "spool.sqlite", plant)
        put(spool, change(told), gaps=gaps)
        spool.close()
        given = {"secured": False, "durable": True, "alive": [(START, END)], **storm}
        with kept(file) as opened:
            return judge(SimpleNamespace(judged=(FIRST, LAST), done=list(done), **given), opened)

    return run


def without(*tags: int) -> Callable[[Batch], Batch]:
    """From AT on for five seconds nothing of these columns."""

    def change(batch: Batch) -> Batch:
        gone = np.isin(batch.tags, tags) & (batch.times >= AT) & (batch.times < AT + 5 * SECOND)
        return batch.take(~gone)

    return change


def struck(kind: str, source: str) -> Done:
    planned = Planned(KINDS[kind], "", 0, 0, frozenset({source}), 0)
    return Done(planned, planned.touches, AT, AT + 5 * SECOND)


def test_all_that_was_told_is_there(heard):
    verdict = heard()
    assert verdict.closes
    assert verdict.told == verdict.kept > 1000
    assert verdict.missing.total() == 0


def test_a_sample_less_is_unexplained(heard):
    verdict = heard(without(0))
    assert verdict.unexplained == 5
    assert not verdict.closes
    assert {tag for tag, _, _ in verdict.examples} == {"L1-001.voltage"}


def test_a_gap_on_record_explains_what_lies_in_it_and_no_more(heard):
    gap = Gap("L1-001.voltage", AT - SECOND, AT + 3 * SECOND, "disconnected")
    other = Gap("L1-002.voltage", FIRST, LAST, "silent")
    verdict = heard(without(0), gaps=[gap, other])
    explained = verdict.missing["gap on record: disconnected"]
    assert 2 <= explained <= 3
    assert explained + verdict.unexplained == 5


def test_one_bit_is_wrong(heard):
    def change(batch: Batch) -> Batch:
        values = batch.values.copy()
        row = np.flatnonzero((batch.times > AT) & (values != 0))[0]
        values[row] = np.nextafter(values[row], np.inf)
        return Batch(batch.tags, batch.times, values, batch.quality)

    verdict = heard(change)
    assert (verdict.wrong, verdict.unexplained) == (1, 0)
    assert not verdict.closes


def test_a_sample_that_was_never_told_is_wrong(heard):
    def change(batch: Batch) -> Batch:
        return Batch.concat([batch, Batch.of([0], [AT + 123_456_789], [3.95])])

    assert heard(change).wrong == 1


def test_a_reading_confirmed_is_of_what_stood(heard):
    def change(batch: Batch) -> Batch:
        mine = batch.take(np.flatnonzero((batch.tags == 0) & (batch.times < AT))[-1:])
        again = Batch.of([0], [AT + 1_000_003], mine.values, [Quality.CONFIRMED])
        other = Batch.of([0], [AT + 2_000_003], mine.values + 0.1, [Quality.CONFIRMED])
        return Batch.concat([batch, again, other])

    verdict = heard(change)
    assert verdict.kept_otherwise["read again and confirmed"] == 1
    assert verdict.wrong == 1


def test_what_the_plant_did_not_tell_is_not_missed(heard):
    verdict = heard(without(*range(1000)), alive=[(START, AT), (AT + 5 * SECOND, END)])
    assert verdict.closes
    assert verdict.missing.total() == 0


def test_a_broker_that_dies_explains_its_own_tags_alone(heard):
    fault = struck("kill_broker", "meters")
    of_meters = heard(without(*range(1000)), done=[fault], durable=False)
    assert of_meters.missing["held by a publisher or broker that was killed"] > 0
    assert {tag for tag, _, _ in of_meters.examples}
    assert not any(tag.startswith(("L1-R", "B1")) for tag, _, _ in of_meters.examples)


def test_what_was_refused_must_be_in_the_ledger(heard):
    verdict = heard(without(0), done=[struck("not_finite", "pots")])
    assert verdict.unexplained == 5, "the ledger counts nothing that was refused"


def test_after_a_bad_reading_nothing_is_known(heard):
    def change(batch: Batch) -> Batch:
        bad = Batch.of([0], [AT - 1], [np.nan], [Quality.BAD])
        return Batch.concat([without(0)(batch), bad])

    verdict = heard(change)
    assert verdict.closes
    assert verdict.missing["told Bad from there on"] == 5
