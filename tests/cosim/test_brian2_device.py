"""The device ``brian2`` against the reference: equal where arithmetic is exact, close elsewhere."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same_run, assert_same_state, assert_same_weights
from support.peers import peer_python

import spikeloom as sl
from spikeloom.backends.brian2.remote import BRIAN2
from spikeloom.cli import main
from spikeloom.runtime.backend import Record
from spikeloom.runtime.symbols import Symbols
from spikeloom.stimulus import make_stimulus

pytestmark = [pytest.mark.filterwarnings(r"ignore:.*\[.*\]")]

DT, STEPS = 1e-3, 40


def brian2_url() -> str:
    return f"brian2?python={peer_python('brian2')}"


def exact_neuron(rng: np.random.Generator, size: int) -> sl.LIF:
    """Whose numbers stay whole: what decays does so at once or never, or linearly."""
    leak: dict[str, Any] = rng.choice(
        [{"tau_mem": None}, {"tau_mem": DT}, {"tau_mem": None, "leak": "linear", "leak_rate": 2e3}]
    )
    reset = str(rng.choice(["value", "subtract"]))
    adapts = rng.random() < 0.3
    return sl.LIF(
        **leak,
        tau_syn=(float(rng.choice([DT, np.inf])), DT),
        v_threshold=rng.integers(10, 60, size).astype(float),
        v_reset=float(rng.integers(-5, 5)) if reset == "value" else 0.0,
        reset=reset,
        reset_delay=bool(rng.random() < 0.3),
        refractory=int(rng.integers(0, 4)) * DT,
        refractory_mode=str(rng.choice(["hold", "mask"])),
        bias=rng.integers(0, 4, size).astype(float),
        v_init=rng.integers(-9, 9, size).astype(float),
        threshold_step=3.0 if adapts else 0.0,
        spiking=bool(rng.random() < 0.9),
        discretization="euler",
    )


def exact_network(seed: int) -> sl.Network:
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=DT, seed=seed)
    sources = [
        net.source("host", 5),
        net.source("poisson", 3, sl.Poisson(80.0)),
        net.source("clock", 2, sl.Periodic(period=[3e-3, 7e-3], phase=[0.0, 2e-3])),
    ]
    cells = [
        net.population(f"p{k}", size, exact_neuron(rng, size))
        for k, size in enumerate(rng.integers(1, 12, 2).tolist())
    ]
    pairs = [(sources[0], cells[0]), (sources[1], cells[1]), (sources[2], cells[0])]
    for pre, post in [*pairs, (cells[0], cells[1]), (cells[1], cells[0]), (cells[0], cells[0])]:
        shape = (pre.size, post.size)
        delay = rng.integers(0 if pre in sources else 1, 12, shape) * DT
        weights = rng.integers(-8, 9, shape).astype(float)
        net.connect(pre, post, weights=weights, delay=delay, receptor=int(rng.integers(2)))
    return net


def compare(seed: int, reference: sl.Device, brian2: sl.Device) -> Counter[str]:
    """A network in two pieces, between which the devices change places."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = sl.compile(exact_network(seed), quantization=sl.Quantization(scale=1))
    symbols, everyone = Symbols(program), np.arange(program.neurons)
    states: Any = tuple((name, everyone) for name in ("u0", "u1", "v", "threshold"))
    record = Record(np.ones(program.neurons, bool), np.ones(program.channels, bool), states)
    reference.load(program)
    brian2.load(program)
    seen: Counter[str] = Counter()
    for piece in range(2):
        rng = np.random.default_rng([seed, piece])
        places = np.argwhere(rng.random((STEPS, program.populations[0].size)) < 0.05)
        given: Any = {
            "host": rng.random((STEPS, 5)) < 0.3,
            "p0": (places, rng.integers(-5, 6, len(places)).astype(float)),
        }
        events = symbols.encode(
            make_stimulus(given, STEPS, symbols.hosts, symbols.sizes, symbols.generators)
        )
        expected = reference.backend.run(STEPS, events, record)
        found = brian2.backend.run(STEPS, events, record)
        assert_same_run(found, expected, program, record)
        assert_same_state(brian2.backend.read_state(), reference.backend.read_state(), program)
        assert_same_weights(
            brian2.backend.read_weights(), reference.backend.read_weights(), program
        )
        seen["spikes"] += len(found.neuron)
        here, there = brian2.snapshot(), reference.snapshot()
        brian2.restore(there)
        reference.restore(here)
    return seen


@pytest.mark.peer
@pytest.mark.slow
def test_exact_networks_are_equal_to_the_reference():
    seen: Counter[str] = Counter()
    with sl.open("reference") as reference, sl.open(brian2_url()) as brian2:
        for seed in range(8):
            try:
                seen += compare(seed, reference, brian2)
            except AssertionError as error:
                raise AssertionError(f"network {seed}: {error}") from error
    assert seen["spikes"] > 500


def decaying() -> sl.Network:
    net = sl.Network(dt=DT)
    keys = net.source("keys", 4)
    cells = net.population("cells", 6, sl.LIF(20e-3, tau_syn=5e-3, v_threshold=1.0, bias=0.02))
    net.connect(keys, cells, weights=np.random.default_rng(0).uniform(0, 0.2, (4, 6)), delay=DT)
    net.probe(cells, "spikes", "v")
    return net


@pytest.mark.peer
def test_new_weights_leave_the_neurons_real_numbers_as_they_are():
    """Read as integers and written back they would begin anew from a rounded state."""
    program = sl.compile(decaying())
    given = {"keys": np.random.default_rng(2).random((40, 4)) < 0.4}
    with sl.open(brian2_url()) as brian2:
        brian2.load(program)
        whole = brian2.run(40, given)
        brian2.reset(weights=True)
        first = brian2.run(20, {"keys": given["keys"][:20]})
        brian2.write_weights("keys->cells", brian2.read_weights("keys->cells"))
        rest = brian2.run(20, {"keys": given["keys"][20:]})
    pieces = [run.states["cells"]["v"] for run in (first, rest)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.states["cells"]["v"])


@pytest.mark.peer
def test_decays_are_not_truncated():
    """Brian2's v is the quantised network's; ours loses up to a step in each of u and v, so that it
    lies below by no more than what those add up to."""
    program = sl.compile(decaying(), quantization=sl.Quantization(scale=4096))
    inputs = {"keys": np.random.default_rng(1).random((12, 4)) < 0.3}
    with sl.open("reference") as reference, sl.open(brian2_url()) as brian2:
        runs = []
        for device in (reference, brian2):
            device.load(program)
            runs.append(device.run(12, inputs).states["cells"]["v"] * 4096)
            assert device.read_weights("keys->cells").raw.any()
    ours, theirs = runs
    lost = theirs - ours
    assert not np.array_equal(ours, theirs)
    assert lost.min() > -1
    assert lost.max() < 12 * 12  # a step in u stays for every later step's v


@pytest.mark.peer
def test_weights_are_written(tmp_path, monkeypatch, capsys):
    program = sl.compile(decaying(), quantization=sl.Quantization(scale=4096))
    with sl.open(brian2_url()) as device:
        device.load(program)
        before = device.read_weights("keys->cells")
        device.write_weights("keys->cells", raw=before.raw // 2)
        after = device.read_weights("keys->cells")
        np.testing.assert_array_equal(after.raw, before.raw // 2)
        assert device.backend.describe()["brian2"].startswith("2.")
        device.run(5)
    monkeypatch.chdir(tmp_path)
    exact = sl.compile(exact_network(3), quantization=sl.Quantization(scale=1))
    exact.save("net.loom")
    devices = f"reference,{brian2_url()}"
    assert main(["cosim", "net.loom", "--devices", devices, "--steps", "30"]) == 0
    assert "spikes, state and weights are the same" in capsys.readouterr().out


@pytest.mark.peer
def test_learning_is_refused():
    net = sl.Network(dt=DT)
    keys = net.source("keys", 2)
    cells = net.population("cells", 2, sl.LIF(20e-3))
    net.connect(keys, cells, weights=np.ones((2, 2)), learning=sl.STDP(w_max=1.0), name="plastic")
    with sl.open(brian2_url()) as device, pytest.raises(sl.UnsupportedError) as caught:
        device.load(sl.compile(net))
    assert str(caught.value) == (
        "the device brian2 does not learn\n"
        "  found: 'plastic'\n"
        "  expected: a Program without rules\n"
        "  remedy: sl.simulate learns in real numbers; or learn on another device, and take its "
        "weights: program.with_weights(…)"
    )


def test_an_interpreter_without_brian2_says_so(monkeypatch):
    monkeypatch.delenv("SPIKELOOM_BRIAN2_PYTHON", raising=False)
    if BRIAN2.is_here():
        pytest.skip("Brian2 is installed beside the tests")
    with pytest.raises(sl.DeviceError) as caught:
        sl.open("brian2")
    assert str(caught.value) == (
        "Brian2 is not installed\n"
        f"  found: Python {sys.version.split()[0]} without brian2 ({sys.executable})\n"
        "  expected: brian2 2.9 or later\n"
        "  remedy: pip install 'spikeloom[brian2]', or python -m spikeloom.backends.brian2.install "
        "DIR; then brian2?python=DIR/bin/python, or SPIKELOOM_BRIAN2_PYTHON"
    )
    with (
        pytest.raises(sl.DeviceError, match="the interpreter has no Brian2 that can be used"),
        sl.open(f"brian2?python={sys.executable}") as device,
    ):
        device.load(sl.compile(decaying()))
