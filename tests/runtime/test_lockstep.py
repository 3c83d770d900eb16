"""Co-simulation: agreement, and the first difference by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.devices import install_broken
from support.paper_program import paper_program
from support.programs import random_program

from spikeloom import DeviceError, Divergence, InputError, cosim
from spikeloom.runtime.backend import CoreWeights

INPUTS = {"in": [[0, 0], [40, 0], [41, 1]]}


def found(monkeypatch, fault, steps=100, **options) -> Divergence | None:
    install_broken(monkeypatch, "broken", fault)
    program = paper_program(**options)
    return cosim(program, ("reference", "broken"), steps, INPUTS if steps > 41 else None)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_all_devices_agree_on_any_program(seed):
    program = random_program(seed, neurons=10)
    rng = np.random.default_rng(seed)
    inputs = {s.name: rng.random((40, s.size)) < 0.3 for s in program.sources if s.kind == "host"}
    assert cosim(program, ("reference", "emulator?kernel=numpy", "emulator"), 40, inputs) is None


def test_state_is_named(monkeypatch):
    def fault(backend):
        if backend._step > 50:
            backend._neurons.v[2] += 1  # slot 1 of core 1: pop[0]

    divergence = found(monkeypatch, fault)
    assert divergence == Divergence(50, "pop", 0, "v", {"reference": 48, "broken": 49})
    assert str(divergence) == "step 50: v of 'pop'[0] is 48 on reference, 49 on broken"


def test_spikes_are_named(monkeypatch):
    def without_spikes_of_slot_1(backend):
        data = backend.data
        start = backend._step - len(data.states[0])
        keep = (data.neuron != 2) | (data.neuron_step + start < 70)
        backend.data = replace(data, neuron=data.neuron[keep], neuron_step=data.neuron_step[keep])

    # 24 from the input in step 40 and 1 in every step: pop[0] passes 20 in steps 20, 40, 61, 82.
    assert found(monkeypatch, without_spikes_of_slot_1, threshold=20, bias=1) == Divergence(
        82, "pop", 0, "spikes", {"reference": 1, "broken": 0}
    )


def test_what_will_be_a_spike_is_named(monkeypatch):
    def fault(backend):
        if backend._step == 20:
            backend._neurons.fired[1] = True

    assert found(monkeypatch, fault, steps=20) == Divergence(
        19, "pop", 2, "fired", {"reference": 0, "broken": 1}
    )


def test_input_under_way_is_named(monkeypatch):
    def fault(backend):
        if backend._step == 64:
            backend._wheel[(64 + 1) % len(backend._wheel), 0, 1] += 5

    assert found(monkeypatch, fault) == Divergence(
        63, "pop", 2, "input due in 2 steps, receptor 0", {"reference": 0, "broken": 5}
    )


def test_counters_are_named(monkeypatch):
    def fault(backend):
        backend._spikes += backend._step == 10

    assert found(monkeypatch, fault, steps=10) == Divergence(
        9, "device", None, "count of spikes", {"reference": 0, "broken": 1}
    )


def test_weights_are_named(monkeypatch):
    def fault(backend):
        if backend._step >= 7:
            backend._weights = (
                backend._weights[0],
                CoreWeights(backend._weights[1].sparse, np.array([4], np.int8)),
            )

    divergence = found(monkeypatch, fault)
    assert divergence == Divergence(6, "in->pop", (1, 2), "weight", {"reference": 5, "broken": 4})
    assert str(divergence) == "step 6: weight of 'in->pop'[1, 2] is 5 on reference, 4 on broken"


def test_a_difference_that_only_long_runs_show(monkeypatch):
    runs = []

    def fault(backend):
        runs.append(backend._step)
        if runs == [32]:
            backend._neurons.v[0] += 1

    assert str(found(monkeypatch, fault)) == (
        "step 31: v of 'pop'[1] is -16 on reference, -15 on broken (within steps 0 to 31, not "
        "when run step by step)"
    )


@pytest.mark.parametrize("devices", [[], ["reference"], ["reference", "reference"]])
def test_two_different_devices_are_needed(devices):
    with pytest.raises(InputError) as caught:
        cosim(paper_program(), devices, 10)
    assert str(caught.value) == (
        "co-simulation needs two or more different devices\n  found: " + ", ".join(devices)
    )


def test_wrong_devices_and_input():
    with pytest.raises(DeviceError, match=r"^no such device\n"):
        cosim(paper_program(), ("reference", "other"), 10)
    with pytest.raises(InputError, match=r"^input of 'in': step out of range\n"):
        cosim(paper_program(), ("reference", "emulator"), 10, {"in": [[10, 0]]})


def test_a_file_is_as_good_as_a_program(tmp_path):
    paper_program().save(tmp_path / "net.loom")
    assert cosim(tmp_path / "net.loom", ("reference", "emulator"), 50, INPUTS) is None
