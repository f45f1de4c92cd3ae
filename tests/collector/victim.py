"""A collector to be killed: `victim.py PLANT SPOOL`.

It commits once, prints "committed", and is stuck in the second commit, told by "stuck": it then
holds messages that it has received and not made durable.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from collector.intake import Intake
from collector.supervise import Supervisor
from plant.load import load
from store.spool import Spool


class Stuck(Spool):
    committed = False

    def append(self, *arguments):
        if self.committed:
            print("stuck", flush=True)
            time.sleep(3600)
        segment = super().append(*arguments)
        self.committed = True
        print("committed", flush=True)
        return segment


if __name__ == "__main__":
    plant = load(sys.argv[1])
    spool = Stuck(Path(sys.argv[2]), plant)
    asyncio.run(Supervisor(plant, Intake(plant, spool, lambda _: None)).run())
