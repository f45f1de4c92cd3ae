"""`potline warm`: every kernel compiled into numba's cache once, at installation."""

from __future__ import annotations

import numpy as np

from analytics.beat.assess import warm
from analytics.studies.trace import analyse_trace
from collector.mqtt.columns import PacketDecoder
from collector.opcua import decode as opcua
from collector.opcua.known import Known
from collector.opcua.watch import TagWatch
from collector.screen import Track
from collector.sparkplug.columns import SparkplugDecoder
from plant.batch import SECOND, Batch
from plant.model import AnodeEffectRule, Source
from potline.plants import load_plant
from potline.running import demo_plant_file
from simulators.scale import queue as fast_server
from simulators.simulation import Simulation
from store.facts import Last
from store.lineprotocol import Words, arranged, lines


def warm_all() -> None:
    plant = load_plant(demo_plant_file())
    warm(plant)
    times = np.arange(3, dtype=np.int64) * SECOND
    analyse_trace(times, np.full(3, 4.0), np.full(3, 600.0), np.full(3, 4.0), AnodeEffectRule())
    tags = len(plant.tags)
    one = Batch.of([0], [SECOND], [4.0])
    Track.of(Last.nothing(tags)).follow(plant, one, 0)
    Known.since(np.zeros(tags, np.int64)).take(one, 0)
    TagWatch(plant).notified(one, 0.0)
    PacketDecoder(plant, "", 1).warm()
    SparkplugDecoder(plant, Source("", "sparkplug", 1.0, {"host_id": "warm"})).warm()
    opcua.warm()
    row = np.zeros(1, np.intp)
    order = arranged(row, one.tags, one.times, 1)
    words = Words.of(["m"]), Words.of(["f"])
    lines(*words, row, one.tags, one.times, one.values, one.quality, order)
    simulation = Simulation(plant, SECOND)
    simulation.run(1)
    simulation.truth.tables()
    fast_server.warm()
