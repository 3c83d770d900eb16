"""SuperNeuroMAT networks without SuperNeuroMAT: what is read, kept exactly, refused."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spikeloom as sl
from spikeloom.compiler.superneuromat.exact import floored, lowest_bits, split


def data(**changes: Any) -> dict[str, Any]:
    """Two neurons, a synapse of 3 with a delay of 3 steps, and one back."""
    return {
        "neuron_thresholds": [1.5, 0.0, 0.0, 0.0],
        "neuron_leaks": [0.25, float("inf"), float("inf"), float("inf")],
        "neuron_reset_states": [-1.0, 0.0, 0.0, 0.0],
        "neuron_refractory_periods": [2, 0, 0, 0],
        "neuron_refractory_periods_state": [0, 0, 0, 0],
        "neuron_states": [0.5, 0.0, 0.0, 0.0],
        "pre_synaptic_neuron_ids": [0, 2, 3, 1],
        "post_synaptic_neuron_ids": [2, 3, 1, 0],
        "synaptic_weights": [1.0, 1.0, 3.0, 0.5],
        "synaptic_delays": [1, 1, -3, 1],
        "enable_stdp": [0, 0, 0, 0],
        "stdp": True,
        "apos": [],
        "aneg": [],
        "input_spikes": {
            "2": {"nids": [0, 1], "values": [5.0, -1.25]},
            "0": {"nids": [], "values": []},
        },
        "spike_train": [],
        **changes,
    }  # fmt: skip


AT_ZERO: dict[str, Any] = {
    "neuron_reset_states": [0.0] * 4,
    "neuron_thresholds": [2.5, 0.0, 0.0, 0.0],
    "neuron_states": [1.5, 0.0, 0.0, 0.0],
}
"""The same neurons, counted from their reset states."""


def document(**changes: Any) -> dict[str, Any]:
    meta = {"format": "snm", "format_version": "0.1", "type": "SNN"}
    return {"version": "0.1", "networks": [{"meta": meta, "data": data(**changes)}]}


def message(kind: type[Exception], snn: Any, **more: Any) -> str:
    with pytest.raises(kind) as caught:
        sl.from_superneuromat(snn, **more)
    return str(caught.value)


def check(net: sl.Network) -> None:
    p = net.populations["neurons"].params
    assert p["threshold"].tolist() == [2.5, 0.0]
    assert p["v_init"].tolist() == [1.5, 0.0]
    assert p["refractory"].tolist() == [2, 0]
    (projection,) = net.projections.values()
    s = projection.synapses
    rows = zip(s.pre.tolist(), s.post.tolist(), s.weight, s.delay.tolist(), strict=True)
    assert list(rows) == [(0, 1, 3.0, 3), (1, 0, 0.5, 1)]
    assert net.quantization is not None
    assert net.quantization.scale == 4.0


def test_an_object_a_dict_and_a_file_are_the_same(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    for snn in (SimpleNamespace(**data()), document(), document()["networks"][0], path, str(path)):
        check(sl.from_superneuromat(snn))
        assert sl.superneuromat_ids(snn).tolist() == [0, 1]
        events, values = sl.superneuromat_inputs(snn)["neurons"]
        assert events.tolist() == [[2, 0], [2, 1]]
        assert values.tolist() == [5.0, -1.25]
    there = sl.to_superneuromat(sl.from_superneuromat(document(**AT_ZERO)))
    check(sl.from_superneuromat(there))


@pytest.mark.parametrize("form", ["base64", "base85"])
def test_encoded_arrays(form):
    encode = {"base64": base64.b64encode, "base85": base64.b85encode}[form]

    def encoded(values: list[float], kind: str) -> dict[str, str]:
        array = np.array(values, kind)
        return {"dtype": kind, "original_type": "list", form: encode(array.tobytes()).decode()}

    changes = {
        name: encoded(value, "|b1" if name == "enable_stdp" else "<d")
        for name, value in data().items()
        if isinstance(value, list) and value
    }
    check(sl.from_superneuromat(document(**changes)))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (
            {"neuron_leaks": [1.0]},
            "these must be equally long: neuron_thresholds 4, neuron_leaks 1",
        ),
        ({"neuron_leaks": [-1.0, 0, 0, 0]}, "neuron 0: leak must not be negative, got -1"),
        ({"neuron_states": [float("nan"), 0, 0, 0]}, "neuron_states[0] is not a number"),
        ({"neuron_states": [float("inf"), 0, 0, 0]}, "neuron 0: initial must be finite, got inf"),
        ({"neuron_states": "none"}, "neuron_states must be a list of numbers"),
        ({"neuron_states": [[1, 2], [3, 4]]}, "neuron_states must be a list of numbers"),
        ({"neuron_states": {"base64": "A", "dtype": "<d"}}, "neuron_states is not valid base64"),
        ({"neuron_states": {"base64": "AAAA", "dtype": "O"}}, "neuron_states is not valid base64"),
        ({"neuron_refractory_periods": [0.5, 0, 0, 0]}, "must be a whole number, got 0.5"),
        ({"pre_synaptic_neuron_ids": [0, 2, 3, 9]}, "synapse 3: pre is neuron 9, there are 4"),
        ({"pre_synaptic_neuron_ids": [0, 2, 3, -1]}, "synapse 3: pre is neuron -1, there are 4"),
        (
            {"pre_synaptic_neuron_ids": [0] * 4, "post_synaptic_neuron_ids": [1] * 4},
            "there are several synapses from neuron 0 to neuron 1",
        ),
        ({"synaptic_weights": [1, 1, float("inf"), 1]}, "synapse 2: weight must be finite"),
        ({"input_spikes": {"x": {"nids": [], "values": []}}}, "input_spikes['x'] must have nids"),
        ({"input_spikes": {"1": {"nids": [0]}}}, "input_spikes['1'] must have nids and values"),
        (
            {"input_spikes": {"1": {"nids": [0, 0], "values": [1, 2]}}},
            "input_spikes['1'] must have one value for each of its neurons",
        ),
        (
            {"input_spikes": {"-1": {"nids": [0], "values": [1]}}},
            "input_spikes['-1']: a step, neuron or value is out of range",
        ),
        ({"spike_train": [[1, 0]]}, "spike_train must have 4 values a step, got 2"),
    ],
)
def test_what_is_malformed(changes, part):
    assert part in message(sl.NetworkError, document(**changes))


@pytest.mark.parametrize(
    ("snn", "start"),
    [
        (3, "not a SuperNeuroMAT network\n  found: int\n"),
        ({}, "not a SuperNeuroMAT document\n"),
        ({"networks": []}, "the document must hold one network\n  found: 0 networks\n"),
        ({"networks": 3}, "the document must hold one network\n  found: int\n"),
        (
            {"meta": {"format": "snm", "format_version": "9"}, "data": {}},
            "not a SuperNeuroMAT network of a known format\n  found: 'snm', '9', None\n",
        ),
    ],
)
def test_what_is_something_else(snn, start):
    assert message(sl.NetworkError, snn).startswith(start)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "net.json"
    for text in ("", "{", "[" * 100_000, "\0"):
        path.write_text(text, encoding="utf-8")
        assert message(sl.FileError, path).startswith("the file is not valid JSON\n")
    assert message(sl.FileError, tmp_path / "none.json").startswith("the SuperNeuroMAT file cannot")


LEARNING: dict[str, Any] = {
    "enable_stdp": [0, 0, 1, 0],
    "apos": [1.0, 0.5],
    "aneg": [-0.25, -0.5],
}


def test_stdp_is_a_rule():
    """A delay's last hidden neuron stays: STDP goes by its spikes."""
    net = sl.from_superneuromat(document(**LEARNING), w_min=-16, w_max=16)
    plastic, still = net.projections["plastic"], net.projections["neurons->neurons"]
    s, rest = plastic.synapses, still.synapses
    assert [*zip(s.pre, s.post, s.weight, s.delay, strict=True)] == [(2, 1, 3.0, 1)]
    assert [*zip(rest.pre, rest.post, rest.weight, rest.delay, strict=True)] == [
        (0, 2, 1.0, 2),
        (1, 0, 0.5, 1),
    ]
    assert plastic.learning is not None
    assert plastic.learning.dw == "-3.0*u + 5.0*x0*y0 + 1.0*x1*y0 + 1.0*m*u"
    steps, values = sl.superneuromat_inputs(document(**LEARNING))["modulator"]
    # Of the third step on -0.25 - 0.5 is added; of 4 steps a unit 3 too many, then 2.
    assert (steps.tolist(), values.tolist()) == ([0, 1, 2], [3, 2, 0])
    # As SuperNeuroMAT has it, nothing learns without all three.
    for name, off in (("stdp", False), ("apos", []), ("enable_stdp", [0] * 4)):
        still = sl.from_superneuromat(document(**{**LEARNING, "aneg": [], name: off}))
        assert [p.learning for p in still.projections.values()] == [None]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"aneg": [-1.0]}, "apos has 2 taps, aneg 1"),
        ({"apos": [-1.0, 0.0]}, "apos must be finite and positive, got -1"),
        ({"aneg": [0.0, 0.5]}, "aneg must be finite and negative, got 0.5"),
        ({"aneg": "none"}, "aneg must be a list of numbers"),
        ({"apos": [1.0] * 40, "aneg": []}, "STDP has too many taps\n  found: 40\n"),
        ({"apos": [1.0, 32.0]}, "beyond a trace's range\n  found: apos - aneg of all taps but"),
        ({"aneg": [-0.25, -40.0], "apos": []}, "beyond a trace's range"),
        ({"aneg": [-40.0, -0.25]}, "they add up to -40.25, in steps of 0.25\n  expected: at most"),
        ({"aneg": [-0.1, -0.5]}, "STDP's aneg of tap 0, -0.1, needs steps of 2^-55"),
    ],
)
def test_stdp_that_cannot_be(changes, part):
    found = message(sl.NetworkError, document(**{**LEARNING, **changes}), w_min=-9, w_max=9)
    assert part in found


def test_stdp_needs_limits():
    assert message(sl.NetworkError, document(**LEARNING)) == (
        "the SuperNeuroMAT network learns: a device must know how far its weights can go\n"
        "  expected: w_min and w_max\n"
        "  remedy: from_superneuromat(snn, w_min=…, w_max=…), or the network as it is: "
        "snn.stdp = False"
    )


def test_stdp_in_reals():
    """SuperNeuroMAT's sums in floating point, from the first step on."""
    apos, aneg, w = [0.3, 0.1, 0.2], [-0.01, -0.03, -0.07], 3.0
    snn = document(**{**LEARNING, "apos": apos, "aneg": aneg})
    net = sl.from_superneuromat(snn, scale="auto", w_min=-5, w_max=9)
    inputs = sl.superneuromat_inputs(snn)
    fired = np.zeros((30, 3), bool)
    result = sl.simulate(net, 30, inputs | {"neurons": np.eye(3)[np.arange(30) % 3] * 40.0})
    fired[tuple(result.spikes["neurons"].T)] = True
    for t in range(30):
        for k in range(min(3, t)):
            w += apos[k] if fired[t - 1 - k, 2] and fired[t, 1] else aneg[k]
    assert result.learned["plastic"].weights[0] == pytest.approx(w, abs=2e-3)
    assert abs(w - 3.0) > 0.5


def test_what_is_not_in_this_version():
    assert message(sl.UnsupportedError, document(spike_train=[[1] * 4, [0, 1, 0, 0]])) == (
        "the SuperNeuroMAT network was left in the middle of a simulation: spikes on their way\n"
        "  found: neuron 1\n"
        "  remedy: snn.reset() goes back to its beginning"
    )
    part = "in the middle of a simulation: a refractory countdown\n  found: neuron 0\n"
    assert part in message(
        sl.UnsupportedError, document(neuron_refractory_periods_state=[1, 0, 0, 0])
    )


def test_numbers_that_are_not_exact():
    inexact = document(synaptic_weights=[1.0, 1.0, 0.1, 0.5])
    told = message(sl.NetworkError, inexact)
    assert told.startswith("the SuperNeuroMAT network cannot be exact in 24 bits\n  found: the ")
    assert "while the weight of the synapse to neuron 1, 0.1, needs steps of 2^-55" in told
    net = sl.from_superneuromat(inexact, scale="auto")
    assert net.quantization is None
    program = sl.compile(net)
    assert program.report["projections"]["neurons->neurons"]["max_error"] > 0
    assert "scale is unknown" in message(sl.NetworkError, document(), scale="none")


def test_wide_weights_are_sums_of_synapses():
    weights = [1.0, 1.0, 12345.0, -77.25]
    net = sl.from_superneuromat(document(synaptic_weights=weights))
    assert len(net.projections) == 3
    program = sl.compile(net)
    found = np.zeros((2, 2))
    for name, p in net.projections.items():
        np.add.at(found, (p.synapses.pre, p.synapses.post), p.synapses.weight)
        assert program.report["projections"][name]["max_error"] == 0
    assert found.tolist() == [[0.0, 12345.0], [-77.25, 0.0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"synaptic_weights": [1.0, 2.0, 3.0, 0.5]},
        {"neuron_thresholds": [1.5, 0.0, 0.5, 0.0]},
        {"neuron_leaks": [0.25, float("inf"), 1.0, float("inf")]},
        {"neuron_states": [0.5, 0.0, 0.0, 1.0]},
        {"neuron_refractory_periods": [2, 0, 1, 0]},
        {"input_spikes": {"1": {"nids": [3], "values": [1.0]}}},
        {"pre_synaptic_neuron_ids": [0, 2, 3, 2], "post_synaptic_neuron_ids": [2, 3, 1, 0]},
        {"synaptic_delays": [1, 1, -4, 1]},
    ],
)
def test_a_chain_that_does_more_than_delay_stays(changes):
    assert len(sl.superneuromat_ids(document(**changes))) == 4


@pytest.mark.filterwarnings(r"ignore:.*\[whole_weights")
def test_a_network_is_changed_by_nothing_when_it_is_compiled_otherwise():
    net = sl.from_superneuromat(document())
    assert sl.compile(net).population("neurons").scale.tolist() == [4.0, 4.0]
    other = sl.compile(net, quantization=sl.Quantization(scale=2))
    assert other.population("neurons").scale.tolist() == [2.0, 2.0]


def test_what_superneuromat_does_not_have():
    net = sl.Network(dt=1e-3)
    noise = net.source("noise", 1, sl.Poisson(10.0))
    cells = net.population(
        "cells", 2, sl.LIF(10e-3, 5e-3, reset="subtract", refractory=1e-3, bias=1.0)
    )
    net.connect(noise, cells, weights=1.0, connector=sl.AllToAll(), delay=0.0)
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.to_superneuromat(net)
    assert str(caught.value) == (
        "SuperNeuroMAT cannot express this network\n"
        "  - source 'noise': only a host drives SuperNeuroMAT's neurons\n"
        "  - 'cells'[0]: an exponential leak; leak='linear'\n"
        "  - 'cells'[0]: a synaptic current; tau_syn=None\n"
        "  - 'cells'[0]: reset='subtract'; reset='value'\n"
        "  - 'cells'[0]: refractory_mode='hold'; refractory_mode='mask'\n"
        "  - 'cells'[0]: a bias\n"
        "  - 'noise->cells': a delay of 0 steps; at least one step\n"
        "  remedy: docs/superneuromat.md has what it can"
    )  # fmt: skip


@given(st.lists(st.integers(-(127 << 15), 127 << 15), min_size=1, max_size=6))
def test_weights_are_the_sum_of_their_parts(weights):
    parts = split(np.array(weights, float))
    assert np.sum(parts, axis=0).tolist() == weights
    for part in parts:
        low = int(lowest_bits(part).min())
        assert (np.abs(part * 2.0**-low) <= 128).all() or low == 2000


@given(st.floats(-1e5, 1e5), st.integers(-50, 50), st.integers(-200, 200))
def test_a_threshold_between_two_numbers_decides_as_the_real_one(threshold, reset, v):
    scale = 4.0
    found = floored(np.array([threshold]), np.array([float(reset)]), scale)[0]
    assert (v > found) == (v / scale + reset > threshold)
