"""The demo plant, and both stores, each empty at the start of a test."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from store.contract import Store
from store.embedded import EmbeddedStore

DEMO = Path(__file__).parents[2] / "deploy" / "plants" / "demo.toml"


@pytest.fixture(scope="session")
def plant() -> Plant:
    """The demo's plant; samples are kept for ever, so that tests may write any time."""
    demo = load(DEMO)
    settings = dataclasses.replace(demo.store, raw_days=0, figures_days=0, alarms_days=0)
    return dataclasses.replace(demo, store=settings)


@pytest.fixture
def influx_settings(influxd, plant):
    """Settings of buckets of the test's own; `token_env` is set by `use_token`."""
    return dataclasses.replace(
        plant.store,
        kind="influxdb",
        url=influxd.url,
        org=influxd.org,
        token_env="POTLINE_STORE_TEST_TOKEN",
        bucket_prefix=f"t{uuid.uuid4().hex}",
    )


@pytest.fixture
def influx(influxd, influx_settings, plant, monkeypatch) -> Iterator[Store]:
    from store.influx import InfluxStore

    monkeypatch.setenv("POTLINE_STORE_TEST_TOKEN", influxd.token)
    store = InfluxStore(influx_settings, plant)
    store.open()
    yield store
    store.close()


@pytest.fixture(params=["embedded", pytest.param("influxdb", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest, tmp_path: Path, plant: Plant) -> Iterator[Store]:
    """Each store in turn: what it must do is the same."""
    if request.param == "influxdb":
        yield request.getfixturevalue("influx")
        return
    embedded = EmbeddedStore(tmp_path / "store", plant)
    embedded.open()
    yield embedded
    embedded.close()


@pytest.fixture
def samples(plant: Plant) -> Callable[..., Batch]:
    """samples(start, n, seed): n samples of every tag, a second apart."""

    def make(start: int, n: int = 1, seed: int = 1) -> Batch:
        tags = np.tile(np.arange(len(plant.tags)), n)
        times = start + np.repeat(np.arange(n) * SECOND, len(plant.tags))
        values = np.random.default_rng(seed).normal(4.0, 0.1, len(tags))
        return Batch.of(tags, times, values)

    return make
