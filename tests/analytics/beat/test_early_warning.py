"""The early warning against a slow twin that keeps everything, and what it must forget."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.early_warning import (
    BLOCK_S,
    BLOCKS,
    FEATURES,
    Model,
    advance,
    features,
    new_state,
    shipped_model,
    step,
)
from plant.batch import SECOND

START = 1_795_190_400
MODEL = Model(
    mean=np.zeros(len(FEATURES)),
    scale=np.ones(len(FEATURES)),
    weights=np.linspace(-0.02, 0.05, len(FEATURES)),
    intercept=-1.0,
    threshold=0.5,
    horizon_s=300.0,
    trained_on="",
)


class Twin:
    """One cell, in plain Python: every block that was ever seen, by its number."""

    def __init__(self) -> None:
        self.means: dict[int, float] = {}
        self.noise: dict[int, float] = {}
        self.block = None
        self.distances: list[float] = []
        self.freed: list[float] = []
        self.beam = self.tapped = self.mode = math.nan
        self.overfeed = 0
        self.distance = math.nan

    def beat(self, second, volt, target, effect, mode, beam, tapped):
        block = second // BLOCK_S
        if self.block is not None and block != self.block:
            self.close()
        self.block = block
        both = not (math.isnan(beam) or math.isnan(self.beam))
        one = math.isnan(beam) != math.isnan(self.beam)
        if effect == 1 or one or (both and abs(beam - self.beam) > 20) or tapped > self.tapped:
            self.means, self.noise, self.distances, self.freed = {}, {}, [], []
        self.beam, self.tapped, self.mode = beam, tapped, mode
        distance = 1000 * (volt - target)
        if effect == 1 or not abs(distance) < 400:
            self.distances.append(math.nan)
        else:
            self.distances.append(distance)
            self.freed.append(1000 * volt - (0 if math.isnan(beam) else 34.5 * beam))
        if (second + 1) % BLOCK_S == 0:
            self.close()
            self.block = None

    def close(self):
        number = self.block
        known = [d for d in self.distances if not math.isnan(d)]
        self.distance = math.nan
        if len(known) >= 5:
            mean = math.fsum(self.freed) / len(self.freed)
            if any(abs(mean - self.means.get(number - k, math.nan)) > 30 for k in (1, 2)):
                self.means, self.noise = {}, {}
            self.means[number] = float(np.float32(mean))
            self.distance = math.fsum(known) / len(known)
            pairs = zip(self.distances, self.distances[1:], strict=False)
            squares = [(b - a) ** 2 for a, b in pairs if not math.isnan(b - a)]
            if len(squares) >= 4:
                self.noise[number] = math.sqrt(math.fsum(squares) / len(squares) / 2)
        self.overfeed = min(self.overfeed + 1, BLOCKS) if self.mode in (2, 3) else 0
        self.distances, self.freed = [], []
        self.newest = number

    def features(self):
        last = [self.newest - age for age in range(BLOCKS)]
        seen = [b for b in last if b in self.means]
        if len(seen) < 10 or self.newest not in self.means:
            return [math.nan] * len(FEATURES)

        def slope(blocks):
            points = [(b * BLOCK_S / 60, self.means[b]) for b in last[:blocks] if b in self.means]
            if len(points) < 3:
                return math.nan
            x, y = np.array(points).T
            return float(np.polyfit(x - x.mean(), y, 1)[0])

        newest = [self.means[b] for b in last[:2] if b in self.means]
        rise = sum(newest) / len(newest) - min(self.means[b] for b in seen)
        lowest = min(self.means[b] for b in seen)
        climb = next(age for age, b in enumerate(last) if self.means.get(b) == lowest)
        now = [self.noise[b] for b in last[:4] if b in self.noise]
        always = [self.noise[b] for b in last if b in self.noise]
        calm = not now or not always or sum(now) <= 0
        ratio = 1.0 if calm else (sum(now) / len(now)) / (sum(always) / len(always))
        fast, middle = slope(4), slope(10)
        pairs = itertools.pairwise(last[:10])
        step = max(
            [0.0, *(self.means[a] - self.means[b] for a, b in pairs if {a, b} <= {*self.means})]
        )
        over = float(self.overfeed > 0)
        return [
            rise,
            middle if math.isnan(fast) else fast,
            middle,
            slope(BLOCKS),
            self.distance,
            math.log(ratio),
            over,
            self.overfeed * BLOCK_S / 60,
            over * rise,
            over * middle,
            min(max(rise + 5 * middle, 0) / 100, 3) ** 2,
            climb * BLOCK_S / 60,
            step,
            min(step / max(rise, 10), 1),
        ]


def trace(rng, seconds, kind):
    """float64[6, seconds]: voltage, target, anode effect, feed mode, beam, tapped."""
    t = np.arange(seconds)
    volt = 3.95 + 0.02 * np.sin(t / 200) + 0.004 * rng.standard_normal(seconds)
    if kind == "constant":
        volt[:] = 3.95
    mode = np.where((t // 900) % 2, 2.0, 1.0)
    beam = 100.0 - 0.3 * (t // 300)
    tapped = np.full(seconds, 5000.0)
    effect = np.zeros(seconds)
    if kind == "eventful":
        tapped[seconds // 4 : seconds // 4 + 60] += np.arange(60)
        tapped[seconds // 4 + 60 :] += 60
        begin = seconds // 2
        volt[begin : begin + 90] += 25
        effect[begin + 3 : begin + 93] = 1
        volt[begin - 200] += 3
        beam[3 * seconds // 4 :] += 200
        volt[7 * seconds // 8 :] += 0.3
    if kind == "gappy":
        volt[rng.random(seconds) < 0.6] = np.nan
        volt[seconds // 3 : seconds // 3 + 200] = np.nan
        beam[: seconds // 5] = np.nan
        mode[seconds // 2 :] = np.nan
    return np.stack([volt, np.full(seconds, 3.95), effect, mode, beam, tapped])


@pytest.mark.parametrize("kind", ["plain", "constant", "eventful", "gappy"])
def test_equals_its_slow_twin(kind):
    rng = np.random.default_rng(5)
    traces = [trace(rng, 4000, kind) for _ in range(2)]
    state, twins = new_state(2), [Twin(), Twin()]
    compared = known = 0
    for second in range(4000):
        if kind == "gappy" and 1000 <= second < 1407:
            continue  # beats that are left out
        at = START + 7 + second
        now = np.array([cell[:, second] for cell in traces]).T
        ended = advance(state, at * SECOND, (at + 1) * SECOND, *now)
        for cell, twin in enumerate(twins):
            twin.beat(at, *(float(v) for v in now[:, cell]))
        if ended:
            fast = features(state)
            for cell, twin in enumerate(twins):
                slow = np.array(twin.features())
                assert (np.isnan(fast[:, cell]) == np.isnan(slow)).all(), second
                np.testing.assert_allclose(fast[:, cell], slow, rtol=1e-6, atol=2e-3)
                compared += 1
                known += not math.isnan(slow[0])
    assert compared > 200
    assert known > 50


def run(cells, first, seconds, model=MODEL):
    """State and last risk after the traces' seconds [first, first + seconds)."""
    state, risk = new_state(len(cells)), None
    for second in range(first, first + seconds):
        at = (START + second) * SECOND
        now = [np.array(row) for row in np.array([cell[:, second] for cell in cells]).T]
        risk = step(model, state, at, at + SECOND, *now)
    return state, risk


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["plain", "eventful", "gappy"]))
def test_twenty_minutes_later_nothing_of_the_past_is_left(seed, kind):
    """A restatement ends when its state equals the kept one bit for bit."""
    rng = np.random.default_rng(seed)
    one, other = trace(rng, 2700, "plain"), trace(rng, 2700, "plain")
    past = 2700 - BLOCKS * BLOCK_S
    one[:, :past] = trace(rng, 2700, kind)[:, :past]
    one[3:, past - 1 :] = other[3:, past - 1 :]
    one[:3, past:] = other[:3, past:]
    one[2, past:] = other[2, past:] = 0
    a, risk_a = run([one], 0, 2700)
    b, risk_b = run([other], 0, 2700)
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name
    np.testing.assert_array_equal(risk_a, risk_b)


def test_one_cell_does_not_touch_another():
    rng = np.random.default_rng(3)
    one, other = trace(rng, 1500, "plain"), trace(rng, 1500, "eventful")
    _, alone = run([one], 0, 1500)
    _, together = run([one, other], 0, 1500)
    assert alone[0] == together[0]


def test_a_starving_cell_is_told_from_a_calm_one_before_the_effect():
    """Voltage climbs ever faster into an overfeed that brings nothing, and grows restless."""
    rng = np.random.default_rng(2)
    t = np.arange(2400)
    calm = trace(rng, 2400, "constant")
    calm[3], calm[4] = 1.0, 100.0
    unrest = 0.004 * rng.standard_normal(2400)
    calm[0] += unrest
    starving = calm.copy()
    starving[0] += 0.080 * np.clip((t - 1200) / 1200, 0, None) ** 2 + unrest * (t > 2200)
    starving[3, 1200:] = 2.0
    stepped = calm.copy()  # the same rise at once: an anode was changed
    stepped[0, 2000:] += 0.080
    _, risk = run([calm, starving, stepped], 0, 2400, shipped_model())
    threshold = shipped_model().threshold
    assert risk[1] > threshold > 5 * risk[0]
    assert threshold > 5 * risk[2]


def test_no_risk_figure_without_knowledge():
    cell = trace(np.random.default_rng(1), 700, "plain")
    _, early = run([cell], 0, 329)
    assert math.isnan(early[0])
    _, later = run([cell], 0, 331)
    assert 0 <= later[0] <= 1
    cell[2, 600:] = 1.0
    _, in_effect = run([cell], 0, 640)
    assert math.isnan(in_effect[0])


def test_a_model_of_other_features_is_refused():
    with pytest.raises(ValueError, match="not those of this version"):
        Model.of({"features": {"rise_mV": [0, 1, 1]}})


def test_the_shipped_model_is_whole():
    model = shipped_model()
    assert model.weights.shape == (len(FEATURES),)
    assert (model.scale > 0).all()
    assert 0 < model.threshold < 1
    assert "simulated" in model.trained_on
