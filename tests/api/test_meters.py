"""GET /api/v1/meters and POST /api/v1/plausibility."""

import numpy as np
import pytest

from api.plausibility import EXAMPLE
from plant.batch import SECOND, Batch

START = 1_795_257_600 * SECOND  # 2026-11-21T10:40:00Z


@pytest.fixture
def metered(house):
    """An hour of the first rectifier: power, and a counter that counts 2 % less."""
    at = house.plant.column_of
    times = START + np.arange(0, 3601, 10) * SECOND
    power = np.full(len(times), 90.0)
    energy = 1e5 + 90.0 * 0.98 * np.arange(len(times)) * 10 / 3600
    for tag, values in (("L1-R.ac_power", power), ("L1-R.ac_energy", energy)):
        house.store.write_samples(Batch.of(np.full(len(times), at[tag]), times, values))
    return house


RANGE = "from=2026-11-21T10:40:00Z&to=2026-11-21T11:40:00Z"


async def test_meters(metered):
    async with metered.client() as client:
        answer = await client.get(f"/api/v1/meters?{RANGE}")
    assert answer.status_code == 200
    report = answer.json()
    assert [row["id"] for row in report["instruments"]][:2] == ["L1-R", "L2-R"]
    assert {row["calibration"] for row in report["instruments"]} <= {"valid", "unknown"}
    counter = report["counters"][0]
    assert counter["counted_MWh"] == pytest.approx(88.2)
    assert counter["integrated_MWh"] == pytest.approx(90.0)
    assert counter["difference_percent"] == pytest.approx(-2.0)
    silent = report["counters"][1]
    assert silent["counted_MWh"] is None
    (gross,) = report["reconciliation"]["gross"]
    assert {"L1-R.ac_energy", "L1-R.ac_power"} <= set(gross["ids"])
    assert "which" in gross["sentence"]
    coverage = {(r["line"], r["section"], r["kind"]): r for r in report["coverage"]}
    assert coverage["L1", "", "rectifier"]["good"] == 2
    assert coverage["L1", "A", "cell"]["share"] == 0
    assert "L2-R.ac_power" in report["missing"]


async def test_nothing_kept_is_unknown_not_zero(house):
    async with house.client() as client:
        report = (await client.get(f"/api/v1/meters?{RANGE}")).json()
        too_long = await client.get("/api/v1/meters?from=2026-11-01T00:00:00Z")
    assert {row["counted_MWh"] for row in report["counters"]} == {None}
    assert {row["adjusted"] for row in report["reconciliation"]["flows"]} == {None}
    assert report["reconciliation"]["p_value"] is None
    assert "measured twice" in report["reconciliation"]["verdict"]
    assert report["suspects"] == []
    assert too_long.status_code == 422


async def test_plausibility(house):
    async with house.client() as client:
        good = await client.post("/api/v1/plausibility", json={"claims": [EXAMPLE]})
        bad = await client.post(
            "/api/v1/plausibility", json={"claims": [EXAMPLE, {**EXAMPLE, "tCO2": 620}]}
        )
        unit = await client.post(
            "/api/v1/plausibility", json={"claims": [{**EXAMPLE, "unit": "V"}]}
        )
        none = await client.post("/api/v1/plausibility", json={"claims": []})
        key = await client.post("/api/v1/plausibility", json={"claims": [{**EXAMPLE, "x": 1}]})
    assert good.json()["plausible"] is True
    assert bad.json()["plausible"] is False
    reasons = bad.json()["verdicts"][1]["reasons"]
    assert any("below 2.4" in reason for reason in reasons)
    assert any("claimed twice" in reason for reason in reasons)
    for wrong in (unit, none, key):
        assert wrong.status_code == 422
        assert wrong.headers["content-type"] == "application/problem+json"
    assert "write tce" in unit.json()["detail"]
