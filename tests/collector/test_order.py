"""Hours of a simulated plant in another order of arrival: all that is kept ends in the same bits.

A week of it, and more orders: `python -m benchmarks.order`, its result in docs/store.md.
"""

from __future__ import annotations

import numpy as np
import pytest

from analytics.beat.assess import warm
from benchmarks._orders import TICK, in_order, shuffled, small_plant, week
from benchmarks.order import collect, differences

SECONDS = 4 * 3600.0


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_late_shuffled_and_restarted_ends_in_the_same_bits(tmp_path):
    plant = small_plant(2, tmp_path / "plant.toml")
    warm(plant)
    told = week(plant, SECONDS, seed=1)
    expected = await collect(plant, tmp_path / "in-order", told, in_order(told))
    assert expected.anode_effects
    assert expected.restatements == 1  # the meter that was corrected
    order = shuffled(plant, told, seed=7)
    assert order.restarts
    assert len(order.again) > 0
    assert (order.samples - told.samples.times > TICK).sum() > 100
    found = await collect(plant, tmp_path / "shuffled", told, order)
    assert found.figures_again > expected.figures_again
    assert differences(expected, found) == []

    # The comparison itself: one bit in one figure, one anode effect more.
    values = found.blocks["line", "beat"].values
    place = tuple(np.argwhere(np.isfinite(values))[0])
    values[place] = np.nextafter(values[place], np.inf)
    found.anode_effects.append({"key": "L1-001@0"})
    assert len(differences(expected, found)) == 2
