"""Learning on the device ``lava`` against the reference, to the bit; in scripts; and refusals."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same_run, assert_same_state, assert_same_weights
from support.lava_networks import lava_url
from support.peers import run_peer

import spikeloom as sl
from spikeloom.backends.lava.plan import make_plan
from spikeloom.backends.lava.script import write_script
from spikeloom.runtime.backend import Events, Record
from spikeloom.runtime.symbols import Symbols
from spikeloom.stimulus import make_stimulus

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
    pytest.mark.filterwarnings(r"ignore:.*\[.*\]"),
]

DT, STEPS = 1e-3, 60
AS_LAVA = sl.Quantization(scale=64, multiple_of=64)
WINDOW = sl.Window([1])


def random_rule(rng: np.random.Generator, between_neurons: bool) -> sl.Rule:
    """Lava's STDP, or a sum of what else Lava's language has."""
    low = int(rng.choice([0, -60, -128]))
    given: dict[str, Any] = {
        "w_min": low, "w_max": int(rng.integers(60, 128)), "seed": int(rng.integers(1000)),
        "post_delay": int(rng.choice([0, 1, 3])) if rng.random() < 0.5 else int(between_neurons),
    }  # fmt: skip
    tau = DT * rng.uniform(2, 40, 2)
    if rng.random() < 0.4:
        log2 = rng.integers(-6, -1, 2).tolist()
        impulse = int(rng.choice([5, 16, 60]))
        return sl.LoihiSTDP(*log2, *tau, impulse=impulse, order="lava", **given)
    products = [
        "2^-3*u*x1*y2", "- 3*2^-4*u*x2*y1", "2*u*x2*y2", "- 2^-5*u*x2*w", "+ 2^-6*u*y2*w",
        "- u*y2", "2^-7*u*x1", "- 2^-6*u*y1", "2^-4*u*x2*x1", "- u*x2*sgn(w)",
    ]  # fmt: skip
    chosen = rng.choice(products, int(rng.integers(1, 5)), replace=False).tolist()
    dw = " + ".join(text.lstrip("+ ") for text in chosen).replace("+ -", "-")
    traces = {
        "x1": sl.Trace(tau[0], int(rng.integers(1, 60))),
        "y1": sl.Trace(tau[1], int(rng.integers(1, 60))),
        "x2": WINDOW,
        "y2": WINDOW,
    }
    used = {name: trace for name, trace in traces.items() if name in dw}
    return sl.Rule(dw=dw, traces=used, units="raw", **given)


def random_network(seed: int) -> sl.Network:
    """Plastic and other projections between sources and populations, some recurrent."""
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=DT, seed=seed)
    host, poisson = net.source("host", 6), net.source("poisson", 4, sl.Poisson(100.0))
    cells = [
        net.population(
            f"p{k}", int(rng.integers(1, 9)),
            sl.LIF(
                DT * rng.uniform(3, 30), tau_syn=DT * rng.uniform(1, 6),
                bias=float(rng.integers(3)), v_threshold=float(rng.integers(100, 500)),
                discretization="euler",
            ),
        )
        for k in range(2)
    ]  # fmt: skip
    pairs = [(host, cells[0]), (poisson, cells[1]), (cells[0], cells[1]), (cells[1], cells[1])]
    for number, (pre, post) in enumerate(pairs):
        plastic = number == seed % 4 or rng.random() < 0.5
        rule = random_rule(rng, number > 1) if plastic else None
        low, high = (rule.w_min, rule.w_max) if rule and rule.w_max else (-100, 128)
        weights = rng.integers(low, high, (pre.size, post.size)).astype(float)
        mask = rng.random(weights.shape) < rng.choice([0.4, 1.0])
        if rule and rng.random() < 0.5:
            rule = sl.Rule(**{**vars_of(rule), "enable": mask})
            mask = np.ones_like(mask)
        i, j = np.nonzero(mask)
        synapses = sl.Synapses(i, j, weights[i, j], np.full(len(i), DT))
        if len(i) and (rule is None or rule.enable is None):
            net.connect(pre, post, weights=synapses, learning=rule)
        else:
            net.connect(pre, post, weights=weights, delay=DT, learning=rule)
    return net


def vars_of(rule: sl.Rule) -> dict[str, Any]:
    """Arguments that make the same rule."""
    names = ("dw", "traces", "w_min", "w_max", "units", "post_delay", "seed", "rounding")
    return {name: getattr(rule, name) for name in names}


def compare(seed: int, reference: sl.Device, lava: sl.Device) -> Counter[str]:
    """One network in three pieces: learning is off in the second, and then devices change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = sl.compile(random_network(seed), quantization=AS_LAVA)
    symbols = Symbols(program)
    everyone = np.arange(program.neurons)
    states: Any = (("u0", everyone), ("v", everyone))
    record = Record(np.ones(program.neurons, bool), np.ones(program.channels, bool), states)
    for device in (reference, lava):
        device.load(program)
    seen: Counter[str] = Counter()
    first = reference.backend.read_weights()
    for piece in range(3):
        raster = np.random.default_rng([seed, piece]).random((STEPS, 6)) < 0.3
        events: Events = symbols.encode(
            make_stimulus({"host": raster}, STEPS, symbols.hosts, symbols.sizes, symbols.generators)
        )
        for device in (reference, lava):
            device.learning = piece != 1
        expected = reference.backend.run(STEPS, events, record)
        found = lava.backend.run(STEPS, events, record)
        assert_same_run(found, expected, program, record)
        assert_same_state(lava.backend.read_state(), reference.backend.read_state(), program)
        assert_same_weights(lava.backend.read_weights(), reference.backend.read_weights(), program)
        seen["spikes"] += len(found.neuron)
        if piece == 1:
            here, there = lava.snapshot(), reference.snapshot()
            lava.restore(there)
            reference.restore(here)
    last = reference.backend.read_weights()
    for a, b in zip(first, last, strict=True):
        seen["changed"] += int((a.sparse != b.sparse).sum() + (a.dense != b.dense).sum())
    seen["rules"] += len(program.rules)
    return seen


@pytest.mark.peer
@pytest.mark.slow
def test_networks_that_learn_are_equal_to_the_reference():
    seen: Counter[str] = Counter()
    with sl.open("reference") as reference, sl.open(lava_url()) as lava:
        for seed in range(8):
            try:
                seen += compare(seed, reference, lava)
            except AssertionError as error:
                raise AssertionError(f"network {seed}: {error}") from error
    assert seen["rules"] > 10
    assert seen["spikes"] > 1500
    assert seen["changed"] > 150


def teaching(rule: sl.Rule, weights: Any = 50.0) -> sl.Network:
    net = sl.Network(dt=DT)
    keys, drive = net.source("keys", 4), net.source("drive", 3)
    cells = net.population(
        "cells", 3, sl.LIF(DT, tau_syn=DT, v_threshold=600.0, discretization="euler")
    )
    net.connect(keys, cells, weights=np.full((4, 3), weights), delay=DT, learning=rule, name="p")
    net.connect(drive, cells, weights=1000.0 * np.eye(3), delay=DT)
    net.probe(cells)
    return net


def given_spikes(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"keys": rng.random((STEPS, 4)) < 0.2, "drive": rng.random((STEPS, 3)) < 0.2}


@pytest.mark.peer
def test_floating_point_is_our_simulation():
    """Traces and coefficients whose sums of products are whole, as the device reads weights so."""
    rule = sl.Rule(
        dw="u*x1*y2 - u*x2*y1", units="raw", w_min=-120, w_max=120,
        traces={
            "x1": sl.Trace(decay=0, impulse=1), "y1": sl.Trace(decay=4096, impulse=3),
            "x2": WINDOW, "y2": WINDOW,
        },
    )  # fmt: skip
    net, inputs = teaching(rule), given_spikes(1)
    expected = sl.simulate(net, STEPS, inputs)
    with sl.open(lava_url(mode="floating_pt")) as device:
        device.load(sl.compile(net, quantization=AS_LAVA))
        found = device.run(STEPS, inputs)
        learned = device.read_weights("p").raw
    np.testing.assert_array_equal(found.raster("cells"), expected.raster("cells"))
    np.testing.assert_array_equal(learned, expected.learned["p"].weights)
    assert (learned == 120).any()
    assert len(np.unique(learned)) > 5


@pytest.mark.peer
def test_floating_point_stays_by_real_numbers():
    """A thousand roundings less: within half a step of the simulation, where fixed_pt is not."""
    net = teaching(sl.LoihiSTDP(-3, -3, 10 * DT, 8 * DT, order="lava", w_min=-120, w_max=120))
    inputs = given_spikes(2)
    expected = sl.simulate(net, STEPS, inputs).learned["p"].weights
    learned = {}
    for mode in ("floating_pt", "fixed_pt"):
        with sl.open(lava_url(mode=mode)) as device:
            device.load(sl.compile(net, quantization=AS_LAVA))
            device.run(STEPS, inputs)
            learned[mode] = device.read_weights("p").raw
    # Decays of the Program are multiples of 1/4096, the simulation's are not.
    assert np.abs(learned["floating_pt"] - expected).max() < 0.5 + 0.01 * np.ptp(expected)
    assert np.abs(learned["fixed_pt"] - expected).max() > 1


@pytest.mark.peer
def test_the_script_learns_as_the_reference(tmp_path):
    """A rule without roundings; spikes with rest between them, so that it does not matter that
    Lava changes a weight one step earlier."""
    rule = sl.Rule(
        dw="u*x1*y2 - u*x2*y1", units="raw", w_min=0, w_max=100,
        traces={
            "x1": sl.Trace(decay=0, impulse=1), "y1": sl.Trace(decay=4096, impulse=9),
            "x2": WINDOW, "y2": WINDOW,
        },
    )  # fmt: skip
    program = sl.compile(teaching(rule), quantization=AS_LAVA)
    inputs = given_spikes(3)
    inputs["keys"][np.arange(STEPS) % 3 != 1] = False
    inputs["drive"][np.arange(STEPS) % 3 != 0] = False
    inputs["drive"][-6:], inputs["keys"][-6:] = False, False
    (path,) = write_script(program, tmp_path / "net_lava.py", STEPS)
    text = path.read_text(encoding="utf-8")
    assert "        dw='(1) * 2 ^ 0 * y0 * x1 + (-1) * 2 ^ 0 * x0 * y1',\n" in text
    assert "# LIMITS DIFFER: 0 to 255 in Lava, 0 to 100 elsewhere.\n" in text
    np.savez(tmp_path / "spikes.npz", **{k: np.argwhere(v) for k, v in inputs.items()})
    run_peer("lava", "lava_script.py", path, tmp_path / "spikes.npz", STEPS)
    found = np.load(tmp_path / "net_lava_spikes.npz")
    with sl.open("reference") as device:
        device.load(program)
        expected = device.run(STEPS, inputs)
        learned = device.read_weights("p").raw.reshape(4, 3)
    np.testing.assert_array_equal(found["cells"], expected.spikes["cells"])
    np.testing.assert_array_equal(found["p.weights"], learned.T)
    assert (learned < 50).any()
    assert 50 < learned.max() < 100


def refusal(net: sl.Network, quantization: sl.Quantization = AS_LAVA) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = sl.compile(net, quantization=quantization)
    with pytest.raises(sl.UnsupportedError) as caught:
        make_plan(program, "fixed_pt")
    return str(caught.value)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (
            sl.LoihiSTDP(),
            "'p': its rule: its products count at spikes; Lava's count after a step, with traces "
            "that have the step's spikes: u*x1*y2 and y2=sl.Window([1]) do, as in "
            "sl.LoihiSTDP(order='lava')",
        ),
        (
            sl.LoihiSTDP(order="lava", rounding="nearest"),
            "'p': its rule: Lava rounds stochastically; rounding='stochastic'",
        ),
        (
            sl.LoihiSTDP(3, order="lava"),
            "'p': its rule: limits and the largest change of a step come to 1174.75, Lava's "
            "accumulator holds 255; smaller coefficients, or w_max",
        ),
        (
            sl.Rule(dw="u3*x1", units="raw", w_max=99, traces={"x1": sl.Trace(1.0)}),
            "'p': its rule: Lava's steps have no common u3; u, every step",
        ),
        (
            sl.Rule(
                dw="11*u*x2*x1", units="raw", w_max=99,
                traces={"x1": sl.Trace(1.0, nearest=True), "x2": WINDOW},
            ),
            "'p': its rule: x1: Lava's traces add up and decay exponentially; sl.Trace(tau), or "
            "sl.Window([1]) for who has just fired\n"
            "  - 'p': its rule: a coefficient of 11/2^0 in steps of the weight: Lava's are an "
            "integer from -8 to 7 times a power of two from 2^-7 to 2^8",
        ),
        (
            sl.Rule(
                dw="2^-7*u*y2*x1*w + u*x2*r", units="raw", w_max=99,
                traces={"x1": sl.Trace(1.0), "x2": WINDOW, "y2": WINDOW},
            ),
            "'p': its rule: x1*w: of a product of two values Lava's fixed_pt drops bits before it "
            "adds; one of them, or mode=floating_pt\n"
            "  - 'p': its rule: r: products here take who has just fired, traces, w and sgn(w)",
        ),
    ],
)  # fmt: skip
def test_rules_that_are_not_lavas_are_refused(rule, reason):
    assert refusal(teaching(rule)) == (
        f"Lava cannot run this Program\n  - {reason}\n"
        "  expected: LIF neurons as docs/lava.md has them\n"
        '  remedy: change what is listed, or use "emulator", which can do all of it'
    )


def test_what_a_learning_connection_needs_is_refused():
    rule = sl.LoihiSTDP(order="lava")
    net = sl.Network(dt=DT)
    keys = net.source("keys", 2)
    cells = net.population("cells", 2, sl.LIF(DT, tau_syn=DT, v_threshold=[100.0, 200.0]))
    late = net.population("late", 2, sl.LIF(DT, tau_syn=DT, v_threshold=100.0))
    net.connect(keys, cells, weights=np.full((2, 2), 9.0), delay=DT, learning=rule, name="several")
    net.connect(keys, late, weights=np.full((2, 2), 9.0), delay=3 * DT, learning=rule, name="late")
    text = refusal(net)
    assert (
        "'several': what learns is one LearningDense, this would be 2; neurons with equal "
        "parameters, and one synapse between two of them" in text
    )
    assert "'late': LearningDense has no delays; a delay of one step" in text
    assert (
        "'p': its weights move u by multiples of 1, Lava's by multiples of 64; "
        "quantization=sl.Quantization(multiple_of=64)"
    ) in refusal(teaching(rule, 0.5), sl.Quantization(scale=64.0))


def test_a_script_refuses_what_only_the_device_does(tmp_path):
    rule = sl.LoihiSTDP(order="lava", post_delay=2, enable=np.arange(12).reshape(4, 3) > 3)
    program = sl.compile(teaching(rule), quantization=AS_LAVA)
    with pytest.raises(sl.UnsupportedError) as caught:
        write_script(program, tmp_path / "net_lava.py", STEPS)
    assert str(caught.value) == (
        "a script for Lava cannot hold this Program\n"
        "  - 'p': Lava pairs spikes when they are fired, which is post_delay=0 here\n"
        "  - 'p': in Lava every pair learns, here only some do\n"
        "  remedy: change what is listed, or run it on the device: lava"
    )
