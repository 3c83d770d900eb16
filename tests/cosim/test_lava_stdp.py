"""Lava's STDPLoihi against ``sl.LoihiSTDP``: spikes, traces and weights after every step.

Lava is run as it is; the random numbers that its roundings used are fed to the reference.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.peers import run_peer

import spikeloom as sl
from spikeloom.backends.reference import learn, traces
from spikeloom.counter_hash import TRACE_DECAY

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
]

DT = 1e-3
STEPS = 100
SIGNS = {"MIXED": (-256, 255), "EXCITATORY": (0, 255)}
DRIVE = 4080.0
"""255 · 2⁴: more than all plastic synapses together, so that it alone decides who fires."""


@dataclass(frozen=True)
class Case:
    """A plastic projection, all to all, from a source or from neurons that relay one.

    ``decay`` are the 4096ths that x1 and y1 lose per step, ``drive`` makes the cells fire
    whatever the weights; ``vth`` is such that the plastic synapses do so where there is none.
    """

    pre: np.ndarray
    drive: np.ndarray
    weights: np.ndarray
    relay: bool
    sign: str
    log2: tuple[int, int]
    decay: tuple[int, int]
    impulse: int
    vth: float
    dv: int
    seed: int

    @property
    def lag(self) -> int:
        """Steps by which the machine sees both events of a pair later than Lava."""
        return int(self.relay)

    @property
    def tau(self) -> list[float]:
        """Time constants in steps whose decay is exactly these 4096ths."""
        return [float(-1 / np.log1p(-k / 4096)) for k in self.decay]

    def lava(self, mode: str, rule: dict[str, Any] | None = None) -> dict[str, Any]:
        """For tests/peers/lava_learning.py."""
        plus, minus = self.tau
        return {
            "mode": mode,
            "steps": len(self.pre),
            "pre": [np.flatnonzero(train).tolist() for train in self.pre.T],
            "drive": [np.flatnonzero(train).tolist() for train in self.drive.T],
            "relay": self.relay,
            "weights": self.weights.T.tolist(),
            "weight_exp": 0,
            "sign_mode": self.sign,
            "vth": self.vth,
            "dv": self.dv,
            "drive_weight": 255,
            "drive_exp": 4,
            "rule": {
                "learning_rate": 1.0,
                "A_plus": 2.0 ** self.log2[0],
                "A_minus": -(2.0 ** self.log2[1]),
                "tau_plus": plus,
                "tau_minus": minus,
                "x1_impulse": self.impulse,
                "y1_impulse": self.impulse,
                "rng_seed": self.seed,
            },
        }

    def rule(self, **more: Any) -> sl.Rule:
        """The same rule of ours."""
        plus, minus = (DT * tau for tau in self.tau)
        low, high = SIGNS[self.sign]
        given: dict[str, Any] = {"w_min": low, "w_max": high, "post_delay": self.lag} | more
        return sl.LoihiSTDP(*self.log2, plus, minus, impulse=self.impulse, order="lava", **given)

    def network(self, rule: sl.Rule) -> sl.Network:
        """The same network of ours, its plastic projection called ``plastic``."""
        net = sl.Network(dt=DT)
        source, drive = (
            net.source("pre", self.pre.shape[1]),
            net.source("drive", len(self.weights.T)),
        )
        neuron = sl.LIF(DT, tau_syn=DT, v_threshold=self.vth, discretization="euler")
        pre: Any = source
        if self.relay:
            pre = net.population("relay", source.size, neuron)
            net.connect(source, pre, weights=DRIVE * np.eye(source.size), delay=DT)
        tau = DT * 4096 / self.dv
        neuron = sl.LIF(tau, tau_syn=DT, v_threshold=self.vth, discretization="euler")
        cells = net.population("cells", drive.size, neuron)
        net.connect(pre, cells, weights=self.weights, delay=DT, learning=rule, name="plastic")
        net.connect(drive, cells, weights=DRIVE * np.eye(drive.size), delay=DT)
        net.probe(cells)
        return net

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Of a run."""
        return {"pre": self.pre, "drive": self.drive}


def open_loop(seed: int) -> Case:
    """Spikes of both sides are given, dense enough for traces and weights to meet their limits.

    Mixed weights have no pre- and postsynaptic spikes in one step: the next test but one says why.
    """
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6, 2)
    sign = str(rng.choice(list(SIGNS)))
    # Lava drops the lowest bit of mixed weights when it starts.
    first = 2 * rng.integers(SIGNS[sign][0] // 2, 128, (n, m))
    rates = rng.choice([0.05, 0.3, 0.8], 2)
    pre, drive = (rng.random((STEPS, k)) < p for k, p in zip((n, m), rates, strict=True))
    log2 = tuple(rng.integers(-6, 1, 2).tolist())
    decay = tuple(rng.integers(50, 2000, 2).tolist())
    impulse = int(rng.choice([1, 16, 40, 127]))
    relay = bool(seed % 2)
    if sign == "MIXED":
        even = np.arange(STEPS) % 2 == 0
        pre, drive = pre & even[:, None], drive & (even[:, None] ^ relay)
    return Case(pre, drive, first, relay, sign, log2, decay, impulse, 3000, 4096, seed + 1)


def closed_loop(seed: int) -> Case:
    """The plastic synapses make the cells fire; two steps of rest after what a source sends."""
    given = open_loop(seed)
    rng = np.random.default_rng([seed, 1])
    pre = rng.random((STEPS, 6)) < 0.5
    pre[np.arange(STEPS) % 3 != 0] = False
    first, drive = 2 * rng.integers(20, 128, (6, 4)), np.zeros((STEPS, 4), bool)
    log2 = tuple(rng.integers(-4, -1, 2).tolist())
    return Case(pre, drive, first, False, "MIXED", log2, given.decay, 16, 300, 1000, seed + 1)


def lava_runs(folder: Path, networks: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
    """What Lava finds in each."""
    (folder / "networks.json").write_text(json.dumps(networks), encoding="utf-8")
    run_peer("lava", "lava_learning.py", folder / "networks.json", folder / "found.npz")
    with np.load(folder / "found.npz") as found:
        return [
            {name.rpartition("_")[0]: found[name] for name in found if name.endswith(f"_{i}")}
            for i in range(len(networks))
        ]


def feed(monkeypatch: pytest.MonkeyPatch, numbers: np.ndarray, lag: int) -> None:
    """Let the reference's roundings of a Program with one rule use Lava's numbers.

    Lava rounds up where ``r`` is below the fraction, the machine where ``fraction + R`` reaches 1:
    with ``R = ⌈1 − r⌉`` in whole units of the fraction's last bit both are the same.
    """
    column = {TRACE_DECAY: 0, TRACE_DECAY + 2: 1}

    def of_trace(seed: int, step: int, key: np.ndarray, purpose: int) -> np.ndarray:
        r = numbers[step - lag, column[purpose]] if step >= lag else 0.0
        return np.full(len(key), 2**32 - 1 - int(r * 2.0**32), np.uint32)

    def of_weight(seed: int, step: int, when: Any, changes: Any, i: Any, j: Any) -> np.ndarray:
        r = numbers[step - lag - 1, 2] if step > lag else 0.0
        return np.full(len(i), 2**32 - 1 - int(r * 2.0**32), np.int64)

    monkeypatch.setattr(traces, "random", of_trace)
    monkeypatch.setattr(learn, "rounding_random", of_weight)


def compare(case: Case, found: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of the reference against Lava's."""
    feed(monkeypatch, found["random"], case.lag)
    quantization = sl.Quantization(scale=64, multiple_of=64)
    program = sl.compile(case.network(case.rule()), sl.Target(weight_bits=9), quantization)
    # Nothing has been learned before Lava's first step.
    x1, y1, weights = (
        np.concatenate([np.broadcast_to(first, (2, *found[name].shape[1:])), found[name]])
        for name, first in (("x1", 0), ("y1", 0), ("weights", case.weights.T))
    )
    with sl.open("reference") as device:
        device.load(program)
        for t in range(len(case.pre)):
            row = {name: raster[t : t + 1] for name, raster in case.inputs.items()}
            spikes = device.run(1, row).raster("cells")[0]
            np.testing.assert_array_equal(spikes, found["spikes"][t])
            learning = device.backend.read_state().learning
            assert learning is not None
            np.testing.assert_array_equal(learning.x[:, 0], x1[t + 2 - case.lag])
            np.testing.assert_array_equal(learning.y[:, 0], y1[t + 2 - case.lag])
            raw = device.read_weights("plastic").raw.reshape(case.weights.shape)
            np.testing.assert_array_equal(raw, weights[t + 1 - case.lag].T)


@pytest.mark.parametrize("kind", [open_loop, closed_loop])
def test_fixed_point_is_equal(kind, tmp_path, monkeypatch):
    cases = [kind(seed) for seed in range(10 if kind is open_loop else 4)]
    found = lava_runs(tmp_path, [case.lava("fixed_pt") for case in cases])
    for case, theirs in zip(cases, found, strict=True):
        compare(case, theirs, monkeypatch)
    # It was no matter of course: spikes, both limits, full traces, roundings.
    weights = np.concatenate([f["weights"].ravel() for f in found])
    assert sum(f["spikes"].sum() for f in found) > 50
    assert max(f["x1"].max() for f in found) > 60
    assert len(np.unique(weights)) > 100
    if kind is open_loop:
        assert weights.min() == -256
        assert weights.max() == 255
        assert max(f["y1"].max() for f in found) == 127


def test_with_numbers_of_another_seed_it_is_not(tmp_path, monkeypatch):
    """So that the numbers fed in are what makes it equal."""
    case = open_loop(2)
    (found,) = lava_runs(tmp_path, [case.lava("fixed_pt")])
    other = {**found, "random": np.random.default_rng(0).random(found["random"].shape)}
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        compare(case, other, monkeypatch)


def test_at_its_lower_limit_lava_lets_a_coincidence_strengthen(tmp_path, monkeypatch):
    """Lava clips its accumulator after each product, the machine the weight after their sum. Both
    events at once take a weight of -256 down, to no avail, and then up."""
    pre, drive = np.zeros((2, STEPS, 1), bool)
    pre[1], drive[0] = True, True  # a source's spike, and the cell's a step later
    first = np.full((1, 1), -256)
    case = Case(pre, drive, first, False, "MIXED", (-2, -1), (1024, 1024), 16, 3000, 4096, 1)
    (found,) = lava_runs(tmp_path, [case.lava("fixed_pt")])
    # In step 1 both traces are 16: 16/2 down, then 16/4 up.
    assert found["weights"][:2, 0, 0].tolist() == [-256, -252]
    program = sl.compile(
        case.network(case.rule()),
        sl.Target(weight_bits=9),
        sl.Quantization(scale=64, multiple_of=64),
    )
    with sl.open("reference") as device:
        device.load(program)
        device.run(4, {name: raster[:4] for name, raster in case.inputs.items()})
        assert device.read_weights("plastic").raw.tolist() == [-256]


def test_floating_point_is_equal_and_events_differ_by_what_is_said(tmp_path):
    """Lava's real numbers are ours with ``order="lava"``; products at the spikes make the same of
    them where traces have lost a step's share when they are seen, and Δt = 0 is spelled out."""
    cases = [replace(open_loop(seed), log2=(-5, -6)) for seed in (3, 4, 8)]
    rooms = {"w_min": -1e6, "w_max": 1e6}  # Lava's floats have no limits
    found = lava_runs(tmp_path, [c.lava("floating_pt") | {"sign_mode": "MIXED"} for c in cases])
    moved = []
    for case, theirs in zip(cases, found, strict=True):
        result = sl.simulate(case.network(case.rule(**rooms)), STEPS, case.inputs)
        np.testing.assert_array_equal(result.raster("cells"), theirs["spikes"])
        weights = result.learned["plastic"].weights.reshape(case.weights.shape)
        np.testing.assert_allclose(weights.T, theirs["weights"][-2 - case.lag], rtol=0, atol=1e-9)
        moved.append(np.abs(weights - case.weights).max())

        plus, minus = (2.0**power for power in case.log2)
        at_zero = (plus - minus) * case.impulse
        rule = sl.Rule(
            dw=f"{plus}*x1*y0 - {minus}*y1*x0 + {at_zero}*x0*y0",
            traces={
                name: sl.Trace(DT * tau, case.impulse)
                for name, tau in zip(("x1", "y1"), case.tau, strict=True)
            },
            post_delay=case.lag * DT,
            **rooms,
        )
        result = sl.simulate(case.network(rule), STEPS, case.inputs)
        weights = result.learned["plastic"].weights.reshape(case.weights.shape)
        np.testing.assert_allclose(weights.T, theirs["weights"][-1 - case.lag], rtol=0, atol=1e-9)
    assert max(moved) > 10
