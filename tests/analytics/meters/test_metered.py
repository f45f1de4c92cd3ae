"""Energies of a range with their uncertainties, and the balances that a plant file names."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.meters.balances import plant_balances
from analytics.meters.metered import (
    class_percent,
    counted,
    integrated,
    share_of,
    tag_errors,
    voltage_times_current,
)
from analytics.meters.reconcile import Measured, reconcile
from plant.batch import SECOND
from plant.model import Meter, MeterRegister, Signal, Tag

NAN = float("nan")
HOUR = 3600 * SECOND


def tag(unit="MW", kind="gauge", hold=30.0, **more):
    signal = Signal("power", "meter", unit, kind, 0, 1e10, hold, "", "")
    return Tag(0, "M.power", "M", signal, "s", {}, unit, 1.0, 0.0, 0, 1e10, 10.0, hold, **more)


def test_accuracy_is_of_the_tag_and_else_of_the_class():
    assert tag_errors(tag(accuracy_percent=0.5)) == (0.0, 0.0025)
    assert tag_errors(tag(accuracy=2.0)) == (1.0, 0.0)
    assert tag_errors(tag(), MeterRegister(accuracy_class="0.5S")) == (0.0, 0.0025)
    assert tag_errors(tag(accuracy=2.0), MeterRegister(accuracy_class="0.2")) == (1.0, 0.0)
    assert np.isnan(tag_errors(tag(), MeterRegister())).all()
    assert np.isnan(class_percent("A"))


def test_a_power_by_hand():
    times = np.array([0, 10, 20, 60]) * SECOND
    values = np.array([6.0, 12.0, NAN, 6.0])
    got = integrated(tag(accuracy_percent=1.0), times, values, 0, 80 * SECOND)
    # known: 6 MW for 10 s, 12 for 10 s, 6 for 20 s = 300 MW·s in 40 of 80 s
    assert got.known == pytest.approx(0.5)
    assert got.value == pytest.approx(300 / 40 * 80 / 3600)
    spread = np.sqrt((36 * 30 + 144 * 10) / 40 - 7.5**2)
    doubt = 0.5 * spread * 80 / 3600
    assert got.uncertainty == pytest.approx(np.hypot(0.005 * got.value, doubt))
    less = integrated(tag(accuracy_percent=1.0), times, values, 0, 110 * SECOND)
    assert np.isnan(less.value)  # less than half is known
    assert np.isnan(integrated(tag(), times, values, 0, 80 * SECOND).uncertainty)


def test_a_counter_around_its_range():
    times = np.arange(-1, 62) * 60 * SECOND  # every minute, from a minute before the hour
    values = 1000 + (np.arange(63) - 1) * 0.5
    counter = tag("MWh", "counter", np.inf, accuracy_percent=0.4)
    got = counted(counter, times, values, 0, HOUR, 1.0, 300 * SECOND)
    assert got.amount.value == pytest.approx(30.0)
    assert got.amount.uncertainty == pytest.approx(0.002 * 30.0)
    assert (got.raw_difference, got.set_aside) == (pytest.approx(31.0), pytest.approx(0))
    values[30:] += 5000  # replaced in the hour: a minute of it is not known
    got = counted(counter, times, values, 0, HOUR, 1.0, 300 * SECOND)
    assert got.amount.value == pytest.approx(30.0)
    assert got.amount.known == pytest.approx(59 / 60)
    assert got.set_aside == pytest.approx(5000.5)
    assert [what for _, what, _ in got.events] == ["jumped"]
    assert np.isnan(counted(counter, times[:1], values[:1], 0, HOUR, 1.0, HOUR).amount.value)


def test_dc_energy_is_the_integral_of_the_product():
    v, i = tag("V", hold=10.0, accuracy_percent=0.4), tag("kA", hold=10.0, accuracy_percent=0.6)
    at = np.arange(0, 100, 10) * SECOND
    volts, amps = np.where(np.arange(10) < 5, 900.0, 1000.0), np.full(10, 600.0)
    got = voltage_times_current(v, (at, volts), i, (at + SECOND, amps), 0, 100 * SECOND)
    # the first second has no current: 49 s at 900 V, 50 s at 1000 V
    known = (49 * 900 + 50 * 1000) * 600 / 1000 / 3600
    assert got.known == pytest.approx(0.99)
    assert got.value == pytest.approx(known / 0.99)
    assert got.uncertainty == pytest.approx(got.value * np.hypot(0.002, 0.003), rel=0.02)


def test_a_share_between_two_limits():
    ac = integrated(tag(accuracy=0.0), np.array([0]), np.array([10.0]), 0, 30 * SECOND)
    losses = share_of(ac, 1.2, 2.4)
    whole = 10 * 30 / 3600
    assert losses.value == pytest.approx(0.018 * whole)
    assert losses.uncertainty == pytest.approx(0.012 / 12**0.5 * whole)


def test_the_balances_of_a_plant(make_plant):
    plant = make_plant(lines=2)
    meters = (
        Meter("MAIN", "", "", "main"),
        Meter("PV", "", "L1", "dc_source"),
        *plant.meters,
        Meter("FANS", "", "L1", "sub", "L1-M"),
        Meter("AIR", "", "L1", "sub", "L1-M"),
    )
    network = plant_balances(replace(plant, meters=meters))
    by = {b.name: b.terms for b in network.balances}
    assert by["L1-M: its sub-meters"] == {"L1-M.power": 1, "FANS.power": -1, "AIR.power": -1}
    # what feeds the bars behind the rectifier counts as DC of the line, not as AC
    assert by["L1: DC sources and DC of the line"] == {
        "L1-R.dc_power": 1, "PV.power": 1, "L1.dc": -1,
    }  # fmt: skip
    assert by["MAIN: what is below"] == {
        "MAIN.power": 1, "L1-R.ac_power": -1, "L2-R.ac_power": -1, "M.power": -1, "L1-M.power": -1,
        "L2-M.power": -1,
    }  # fmt: skip
    assert by["L1: DC of the line, its cells and bars"] == {
        "L1.dc": 1, "L1.cells": -1, "L1.bars": -1,
    }  # fmt: skip
    assert "B1: direct and indirect efficiency" in by


def test_a_rectifier_that_gives_more_than_it_takes_is_found(make_plant):
    """DC measured behind it holds the sun's power too: without the PV meter it seems above 1."""
    network = plant_balances(make_plant(lines=1))
    values = {"L1-R.ac_power": (100.0, 0.2), "L1-R.dc_power": (101.0, 0.2),
              "L1-R.losses": (1.8, 0.4)}  # fmt: skip
    flows = [Measured(f.id, *values.get(f.id, (NAN, NAN)), f.unit) for f in network.flows]
    result = reconcile(flows, network.balances)
    assert result.p_value < 1e-6
    assert {"L1-R.ac_power", "L1-R.dc_power"} <= set(result.gross[0].ids)
