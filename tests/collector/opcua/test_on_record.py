"""What a source knows to be missing is on record for each tag, with its cause."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from collector.intake import Intake
from collector.source import Delivery
from plant.batch import SECOND, Batch
from plant.model import Source
from store.records import Gap
from store.spool import Spool

NOW = 1_795_262_400 * SECOND


def rows(column: int, *times: int) -> Batch:
    return Batch.of([column] * len(times), [NOW + t * SECOND for t in times], np.ones(len(times)))


@pytest.fixture
async def kept(plant_of, tmp_path):
    """kept(deliveries): the gaps on record after these."""
    plant = plant_of(Source("o", "opcua", 3.0, {}), [{"signal": "a"}, {"signal": "b"}])
    spool = Spool(tmp_path / "spool.sqlite", plant)
    intake = Intake(plant, spool, lambda batch: None, clock=lambda: NOW)
    task = asyncio.create_task(intake.run())

    async def put(*deliveries: Delivery) -> list[tuple[str, int, int, str]]:
        for delivery in deliveries:
            await intake.put(delivery)
        await intake.drain()
        second = lambda t: (t - NOW) // SECOND  # noqa: E731
        return [(g.tag, second(g.start), second(g.end), g.cause) for g in spool.gaps()]

    yield put
    task.cancel()
    spool.close()


@pytest.mark.parametrize("cause", ["overflow", "sequence gap"])
async def test_a_cause_is_told_for_the_tags_that_missed_something(kept, cause):
    missing = {cause: np.array([0, 1], np.int32)}
    gaps = await kept(
        Delivery("o", Batch.concat([rows(0, -9), rows(1, -9)])),
        Delivery("o", rows(0, -5), missing=missing),
        Delivery("o", rows(1, -8)),  # it missed nothing
    )
    assert gaps == [("c.a", -9, -5, cause)]


async def test_what_was_filled_is_on_record_too(kept):
    gap = Gap("c.a", NOW - 9 * SECOND, NOW - 5 * SECOND, "filled from the server's history")
    gaps = await kept(
        Delivery("o", rows(0, -9)),
        Delivery("o", rows(0, -5), resumed=True),
        Delivery("o", rows(0, -8, -7, -6), gaps=[gap]),
    )
    assert [g[3] for g in gaps] == ["collector was down", "filled from the server's history"]
