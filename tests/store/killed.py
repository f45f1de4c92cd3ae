"""A collector to be killed: appends a second of samples at a time, some twice as a broker would
redeliver them, while its writer carries them over. Prints each time that is durable."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from plant.batch import SECOND, Batch
from plant.load import load
from store.embedded import EmbeddedStore
from store.spool import Spool
from store.writer import Writer


def main(folder: Path, demo: str, start: int) -> None:
    plant = load(demo)
    spool = Spool(folder / "spool.sqlite", plant)
    newest = int(spool.last_times().newest.max())
    writer = Writer(spool, EmbeddedStore(folder / "store", plant))
    writer.start()
    tags = np.arange(len(plant.tags))
    counts = np.bincount(plant.source_of_tag, minlength=len(plant.sources))
    received = {s.id: int(n) for s, n in zip(plant.sources, counts, strict=True)}
    at = max(newest, start)
    print("ready", flush=True)
    while True:
        for time in (at, at + SECOND):  # what the last life or round sent last comes again
            batch = Batch.of(tags, np.full(len(tags), time), np.full(len(tags), time % 1000 / 7))
            suspect = batch.times <= spool.last_times().newest[batch.tags]
            spool.append(batch, received, {}, [], suspect)
            print(time, flush=True)
        at += SECOND


main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
