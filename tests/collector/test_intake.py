"""Deliveries become durable once, are counted, and only then acknowledged."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from collector.intake import Intake
from collector.source import Delivery, SourceHealth
from collector.supervise import READERS, Supervisor
from plant.batch import SECOND, Batch
from plant.model import Source
from store.spool import Spool, SpoolFull

NOW = 1_795_262_400 * SECOND


@pytest.fixture
def plant(plant_of):
    return plant_of(Source("o", "opcua", 3.0, {}), [{"signal": "a"}, {"signal": "b"}])


@pytest.fixture
def spool(tmp_path, plant):
    spool = Spool(tmp_path / "spool.sqlite", plant)
    yield spool
    spool.close()


@pytest.fixture
def fed():
    return []


@pytest.fixture
async def intake(plant, spool, fed):
    intake = Intake(plant, spool, fed.append, clock=lambda: NOW)
    task = asyncio.create_task(intake.run())
    yield intake
    task.cancel()


def rows(*times: float, column: int = 0, values: object = None) -> Batch:
    at = [NOW + round(t * SECOND) for t in times]
    return Batch.of([column] * len(at), at, np.ones(len(at)) if values is None else values)


async def test_what_is_put_is_durable_counted_fed_and_then_acknowledged(spool, intake, fed):
    order: list[str] = []
    durable = lambda: order.append(f"durable with {spool.ledger()['o'].spooled}")  # noqa: E731
    await intake.put(Delivery("o", rows(-2, -1, 3600), {"bad_json": 2}, durable=durable))
    await intake.drain()
    assert order == ["durable with 2"]
    ledger = spool.ledger()["o"]
    assert ledger.received == 5
    assert ledger.rejected == {"time_future": 1, "bad_json": 2}
    assert ledger.balance == 0
    assert intake.counts.received == {"o": 5}
    assert Batch.concat(fed).times.tolist() == rows(-2, -1).times.tolist()


async def test_a_delivery_without_samples_is_acknowledged_too(spool, intake):
    acknowledged: list[int] = []
    await intake.put(
        Delivery("o", Batch.empty(), {"too_large": 1}, durable=lambda: acknowledged.append(1))
    )
    await intake.put(Delivery("o", Batch.empty(), durable=lambda: acknowledged.append(2)))
    await intake.drain()
    assert acknowledged == [1, 2]
    assert spool.ledger()["o"].rejected == {"too_large": 1}


async def test_not_newer_rows_are_suspect_also_after_a_restart(plant, spool, intake):
    await intake.put(Delivery("o", rows(-5, -4, -4)))
    await intake.drain()
    again = Intake(plant, spool, lambda _: None, clock=lambda: NOW)
    task = asyncio.create_task(again.run())
    await again.put(Delivery("o", rows(-4.5, -4, -3)))
    await again.drain()
    task.cancel()
    assert spool.ledger()["o"].rejected == {"duplicate": 1}, "the newest one, told again"
    suspects = [s.suspect.tolist() for s in spool.pending(100)]
    assert suspects == [[False, False, True], [True, False]]


async def test_a_gap_is_on_record_for_each_tag_that_missed_something(plant, spool, intake):
    await intake.put(Delivery("o", Batch.concat([rows(-9), rows(-9, column=1)])))
    await intake.put(Delivery("o", Batch.concat([rows(-3), rows(-8, column=1)]), resumed=True))
    await intake.drain()
    (gap,) = spool.gaps()
    assert (gap.tag, gap.start, gap.end) == ("c.a", NOW - 9 * SECOND, NOW - 3 * SECOND)
    assert gap.cause == "collector was down"  # the last sample is older than this process


async def test_a_full_disk_keeps_the_source_waiting_and_loses_nothing(
    spool, intake, fed, until, monkeypatch
):
    append, full = spool.append, [True]

    def failing(*arguments):
        if full[0]:
            raise SpoolFull("full")
        return append(*arguments)

    monkeypatch.setattr(spool, "append", failing)
    monkeypatch.setattr("collector.intake.RETRY_S", 0.05)
    acknowledged: list[int] = []
    await intake.put(Delivery("o", rows(-1), durable=lambda: acknowledged.append(1)))
    await until(lambda: intake.blocked)
    puts = [asyncio.create_task(intake.put(Delivery("o", rows(-1)))) for _ in range(100)]
    await asyncio.sleep(0.2)
    assert not acknowledged
    assert not fed
    assert not all(p.done() for p in puts)  # bounded: the sources wait
    full[0] = False
    await asyncio.gather(*puts)
    await intake.drain()
    assert acknowledged == [1]
    assert not intake.blocked
    assert spool.ledger()["o"].received == 101


async def test_a_bug_in_a_source_ends_the_run_and_what_came_before_is_kept(
    plant, spool, fed, monkeypatch
):
    class Broken:
        def __init__(self, source, plant, newest):
            self.health = SourceHealth()

        async def deliveries(self):
            yield Delivery("o", rows(-1))
            raise KeyError("a bug")

    monkeypatch.setitem(READERS, "opcua", Broken)
    supervisor = Supervisor(plant, Intake(plant, spool, fed.append, clock=lambda: NOW))
    with pytest.raises(ExceptionGroup) as raised:
        await supervisor.run()
    assert raised.group_contains(KeyError)
    assert spool.ledger()["o"].spooled == 1
    (status,) = supervisor.statuses()
    assert status.flowing
    assert status.received == 1
