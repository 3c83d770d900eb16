"""What of Lava's device needs no Lava: refusals, weights, generators, frames."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.backends.lava.plan import bias_parts, lava_weights, make_plan
from spikeloom.backends.lava.remote import LAVA
from spikeloom.backends.peer.generators import generated
from spikeloom.backends.peer.peer_worker import frames
from spikeloom.backends.reference.sources import generated as reference_generated

GRID = sl.Quantization(multiple_of=64)


def program(neuron: sl.LIF, quantization: Any = GRID, target: Any = "core", **connection: Any):
    net = sl.Network(dt=1e-3)
    keys = net.source("keys", 2)
    cells = net.population("cells", 3, neuron)
    net.connect(keys, cells, **{"weights": [[1.0, -1.0, 0.5], [1.0, 0.0, 0.25]], **connection})
    return sl.compile(net, target, quantization)


def refusal(*args: Any, **more: Any) -> str:
    with pytest.raises(sl.UnsupportedError) as caught:
        make_plan(program(*args, **more), "fixed_pt")
    return str(caught.value)


def told(reason: str) -> str:
    return (
        f"Lava cannot run this Program\n  - {reason}\n"
        "  expected: LIF neurons as docs/lava.md has them\n"
        '  remedy: change what is listed, or use "emulator", which can do all of it'
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"leak": "linear", "leak_rate": 10.0},
            "Lava's LIF has no linear leak; leak='exponential' it has",
        ),
        (
            {"reset": "subtract"},
            "Lava's LIF cannot subtract its threshold; reset='value' it has",
        ),
        ({"v_reset": 0.5}, "Lava's LIF resets v to 0, not to v_reset = 32"),
        (
            {"reset_delay": True},
            "Lava's LIF resets in the step of the spike; reset_delay=False does, too",
        ),
        (
            {"refractory": 2e-3, "refractory_mode": "mask"},
            "Lava's LIF has no refractory period (LIFRefractory has no fixed_pt model); "
            "refractory=0",
        ),
        (
            {"refractory": 2e-3},
            "Lava's LIF has no refractory period (LIFRefractory has no fixed_pt model); "
            "refractory=0",
        ),
        ({"threshold_step": 0.5}, "Lava's LIF has no adaptive threshold; threshold_step=0"),
        (
            {"tau_syn": np.inf},
            "Lava's current decays by at least 1/4096 a step, this one by nothing; "
            "the nearest is tau_syn of 4096 steps",
        ),
    ],
)
def test_neurons_that_lava_does_not_have(options, reason):
    neuron = sl.LIF(None, **options)
    message = refusal(neuron, sl.Quantization(scale=64))
    assert message == told(f"'cells'[0] and 2 more: {reason}")


def test_a_threshold_between_lavas():
    neuron = sl.LIF(10e-3, v_threshold=[1.0, 1.5, 2.0])
    message = refusal(neuron, sl.Quantization(scale=64))
    assert message == told(
        "'cells'[1]: Lava's threshold is a multiple of 64, this one is not: = 96; "
        "compile with quantization=sl.Quantization(multiple_of=64)"
    )
    make_plan(program(neuron), "fixed_pt")


def test_a_bias_that_is_too_wide():
    message = refusal(sl.LIF(10e-3, bias=70_001 / 64), sl.Quantization(scale=64))
    assert message == told(
        "'cells'[0] and 2 more: Lava's bias is 16 bits and an exponent of at most 7, which "
        "= 70001 is not; take a scale at which it is"
    )
    plan = make_plan(program(sl.LIF(10e-3, bias=70_001 / 64)), "fixed_pt")
    assert (np.abs(plan.bias_mant << plan.bias_exp) // 64).max() == 35000


def test_receptors_and_delays():
    neuron = sl.LIF(10e-3)
    assert refusal(neuron, receptor=1) == told(
        "'keys->cells': Lava's LIF has one synaptic current; receptor=0"
    )
    assert refusal(neuron, delay=0.0) == told(
        "'keys->cells': Lava's connections take a step at least; a delay of one step"
    )


def test_everything_is_told_at_once():
    message = refusal(sl.LIF(None, reset="subtract", threshold_step=0.5), receptor=1, delay=0.0)
    assert message.count("\n  - ") == 4


def test_floating_point_takes_what_is_not_on_lavas_grid():
    neuron = sl.LIF(10e-3, np.inf, v_threshold=1.01, bias=0.777)
    plan = make_plan(program(neuron, sl.Quantization(scale=100)), "floating_pt")
    assert plan.groups[0].ku == 0
    with pytest.raises(sl.UnsupportedError, match="no linear leak"):
        make_plan(program(sl.LIF(None, leak="linear", leak_rate=1e3)), "floating_pt")


def test_weights_of_too_many_bits():
    wide = sl.Target(name="wide", weight_bits=12)
    made = program(sl.LIF(10e-3), sl.Quantization(scale=2.0**17), wide, weights=np.array(
        [[1.0, -1.0, 0.5], [1.0, 0.0, 1 / 1024]]))  # fmt: skip
    plan = make_plan(made, "fixed_pt")
    weights = np.concatenate([made.cores[0].dense_weight, made.cores[0].sparse_weight])
    with pytest.raises(sl.UnsupportedError) as caught:
        lava_weights(plan.connections[0], weights.astype(np.int64), "fixed_pt")
    assert "they need more than Lava's 8 bits" in str(caught.value)


def lavas(values: np.ndarray, exponent: int, spikes: np.ndarray) -> np.ndarray:
    """What Lava's Dense and LIF add to u: clipped and truncated by sign, summed, shifted."""
    w = values.astype(np.int64)
    if w.min() < 0 < w.max():
        w = np.clip(w, -256, 255) >> 1 << 1
    else:
        w = np.sign(w) * np.minimum(np.abs(w), 255)
    total = (w * spikes).sum()
    return (total << exponent if exponent > 0 else total >> -exponent) << 6


@given(
    st.lists(st.integers(-128, 127), min_size=1, max_size=8),
    st.integers(0, 20),
    st.integers(0, 255),
)
def test_what_lava_makes_of_weights_is_what_they_are(mantissas, shift, mask):
    """For every set of spikes; refused only where no multiple of 64 is meant."""
    connection: Any = type("", (), {"name": "a->b", "shift": shift, "rule": None})
    mantissa = np.array(mantissas)
    spikes = np.array([mask >> i & 1 for i in range(len(mantissa))])
    try:
        values, exponent = lava_weights(connection, mantissa, "fixed_pt")
    except sl.UnsupportedError:
        assert ((mantissa << shift) % 64 != 0).any()
        return
    assert lavas(values, exponent, spikes) == (mantissa * spikes).sum() << shift


@given(st.integers(-(1 << 20), 1 << 20))
def test_a_bias_is_its_parts(bias):
    mant, exp = bias_parts(np.array([bias]))
    assert int(mant[0]) << int(exp[0]) == bias
    assert 0 <= exp[0] <= 7
    if abs(bias) < 4096 or (bias % 128 == 0 and abs(bias) < 4096 * 128):
        assert -4096 <= mant[0] <= 4095


def test_generators_fire_as_the_machines_do():
    net = sl.Network(dt=1e-3, seed=3)
    net.source("poisson", 5, sl.Poisson([10.0, 100.0, 500.0, 900.0, 50.0]))
    net.source("host", 3)
    net.source("clock", 3, sl.Periodic(period=[1e-3, 5e-3, 7e-3], phase=[0.0, 3e-3, 50e-3]))
    net.population("p", 1, sl.LIF(10e-3))
    made = sl.compile(net)
    step, channel = generated(made.generators, 40, 30)
    expected = [
        (i, c) for i in range(30) for c in reference_generated(made.generators, 40 + i).tolist()
    ]
    assert list(zip(step.tolist(), channel.tolist(), strict=True)) == expected
    assert len(expected) > 50


def test_groups_share_a_process_only_with_equal_parameters():
    neuron = sl.LIF([10e-3, 10e-3, 20e-3], v_threshold=1.0)
    plan = make_plan(program(neuron), "fixed_pt")
    assert [(g.name, len(g.neurons)) for g in plan.groups] == [("cells[0]", 1), ("cells[1]", 2)]
    assert sum(len(c.synapses) for c in plan.connections) == 6


def test_too_many_processes():
    net = sl.Network(dt=1e-3)
    net.population("cells", 500, sl.LIF(10e-3, v_threshold=np.linspace(1.0, 60.0, 500)))
    made = sl.compile(net, quantization=GRID)
    with (
        sl.open("lava", python=sys.executable) as device,
        pytest.raises(sl.DeviceError, match=r"^the Program needs too many of Lava's processes\n"),
    ):
        device.load(made)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "lava?mode=fixed",
            "there is no such mode\n  found: 'fixed'\n  expected: fixed_pt or floating_pt",
        ),
        (
            "lava?timeout=soon",
            "timeout is no time\n  found: 'soon'\n  expected: seconds, more than 0",
        ),
        (
            "lava?python=/no/such/python",
            "the interpreter for Lava cannot be run\n"
            "  found: /no/such/python\n"
            "  expected: a Python that has lava-nc 0.10\n"
            "  where: python=\n"
            "  remedy: install Lava: python -m spikeloom.backends.lava.install DIR",
        ),
    ],
)
def test_wrong_options(url, message):
    with pytest.raises(sl.DeviceError) as caught:
        sl.open(url)
    assert str(caught.value) == message


def test_which_interpreter_runs_lava(monkeypatch):
    monkeypatch.setenv(LAVA.variable, sys.executable)
    assert LAVA.find_python(None) == sys.executable
    monkeypatch.setenv(LAVA.variable, "/no/such/python")
    with pytest.raises(sl.DeviceError, match=f"where: environment variable {LAVA.variable}"):
        LAVA.find_python(None)
    assert LAVA.find_python(sys.executable) == sys.executable
    monkeypatch.delenv(LAVA.variable)
    if LAVA.is_here():
        assert LAVA.find_python(None) == sys.executable
    else:
        with pytest.raises(sl.DeviceError, match=r"^Lava is not installed\n  found: Python 3"):
            sl.open("lava")


def test_frames():
    arrays = {
        "a": np.arange(6, dtype=np.int32).reshape(2, 3),
        "b": np.zeros((0, 4)),
        "c": np.array(2.5),
    }
    parts = frames.pack({"do": "run", "id": 3}, arrays)
    header, body = frames.lengths(parts[0])
    text = b"".join(parts[1:])
    assert len(text) == header + body
    told, found = frames.unpack(text[:header], text[header:])
    assert told == {"do": "run", "id": 3}
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("text", "body", "message"),
    [
        (b"{", b"", "the header is malformed"),
        (b"[]", b"", "the header is malformed"),
        (b'{"id": 1}', b"", "the header is malformed"),
        (b'{"arrays": [["a", "|O8", [1]]]}', b"\0" * 8, "array 'a' of type"),
        (b'{"arrays": [["a", "<f8", [-1]]]}', b"", "array 'a' of type"),
        (b'{"arrays": [["a", "<f8", [99999999999, 99999999999]]]}', b"", "goes beyond the frame"),
        (b'{"arrays": [["a", "<f8", [1]]]}', b"\0" * 9, "longer than its arrays"),
    ],
)
def test_frames_that_are_none(text, body, message):
    with pytest.raises(frames.FrameError, match=message):
        frames.unpack(text, body)


def test_frames_that_are_too_long():
    with pytest.raises(frames.FrameError):
        frames.lengths(frames.PREFIX.pack(1 << 31, 0))
    with pytest.raises(frames.FrameError):
        frames.lengths(frames.PREFIX.pack(1, 1 << 60))
    with pytest.raises(frames.FrameError):
        frames.pack({}, {"a": np.array([None])})
