"""What a start compiles: nothing is left for the first beats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BEATS = """
import sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from analytics.beat.assess import assess, new_state, warm
from analytics.beat.frame import Held, freeze
from plant.batch import SECOND, Batch
from plant.load import load

def compiled():
    kernels = {
        id(part): part for name, module in list(sys.modules.items())
        if name.startswith("analytics.") for part in vars(module).values()
        if isinstance(part, Dispatcher)
    }
    return {part.__name__: len(part.signatures) for part in kernels.values() if part.signatures}

plant = load("deploy/plants/demo.toml")
warm(plant)
before = compiled()
tags, state = len(plant.tags), new_state(plant)
held = Held.nothing(tags)
for at in range(0, 61 * SECOND, plant.beat_ns):
    batch = Batch.of(np.arange(tags), np.full(tags, at), np.full(tags, 1.0))
    frame, held = freeze(plant.hold_ns, at, at + plant.beat_ns, held, batch)
    state, _ = assess(plant, state, frame)
assert before, "kernels are compiled at all"
assert compiled() == before, set(compiled().items()) ^ set(before.items())
"""


def test_a_minute_of_beats_compiles_nothing_more():
    command = [sys.executable, "-c", BEATS]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
