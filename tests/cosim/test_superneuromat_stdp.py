"""SuperNeuroMAT 3.5 learns, and so do we: equal spikes, states and weights after 1,000 steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.peers import run_peer
from support.snm_networks import random_network

import spikeloom as sl
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.reference import ReferenceBackend
from spikeloom.runtime.device import Device

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    # Some thresholds are drawn below the resting state on purpose.
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
]

NETWORKS, STEPS = 20, 1000
WIDE = sl.Target(name="wide", mesh=(2, 2), neurons=64, weight_bits=16)
DEVICES = {
    "reference": ReferenceBackend,
    "C kernel": lambda: EmulatorBackend(threads=1, kernel="c"),
    "NumPy kernel": lambda: EmulatorBackend(threads=1, kernel="numpy"),
}


def plastic_network(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """In steps of a power of two; one synapse in two learns, whatever its delay. Two in six have
    one of the two updates off. No weight can reach 16 bits."""
    network = random_network(rng)
    n, step = len(network["neurons"]), 2.0 ** -int(rng.integers(0, 7))
    taps = int(rng.choice([1, 2, 3, 5, 12]))
    apos = (step * rng.integers(0, 7 if taps < 12 else 3, taps)).tolist()  # at most 30 a step
    aneg = (-step * rng.integers(0, 3, taps) * (rng.random(taps) < 0.5)).tolist()
    for neuron in network["neurons"]:
        for column in (0, 1, 2, 4):
            neuron[column] = None if neuron[column] is None else neuron[column] * step
    for synapse in network["synapses"]:
        synapse[2] *= step
        synapse[3] = min(synapse[3], 4)  # SuperNeuroMAT takes its time with hidden neurons
        synapse.append(bool(rng.random() < 0.5))
    driven = rng.random(n) < 0.7
    inputs = np.argwhere((rng.random((STEPS, n)) < 0.2) & driven)
    values = step * rng.integers(-15, 80, len(inputs))
    return network | {
        "steps": STEPS,
        "sparse": number % 10 == 3,
        "stdp": [None if number % 6 == 4 else apos, None if number % 6 == 5 else aneg],
        "inputs": [[*at, v] for at, v in zip(inputs.tolist(), values.tolist(), strict=True)],
    }


def test_twenty_networks_learn_the_same(tmp_path):
    rng = np.random.default_rng(38)
    networks = [plastic_network(rng, number) for number in range(NETWORKS)]
    (tmp_path / "networks.json").write_text(json.dumps(networks), encoding="utf-8")
    paths = tmp_path / "networks.json", tmp_path / "out.npz", tmp_path
    run_peer("superneuromat", "superneuromat_run.py", *paths)
    theirs = np.load(tmp_path / "out.npz")
    changed = learning = spikes = 0
    for number, network in enumerate(networks):
        path = tmp_path / f"{number}.json"
        limit = 32767.0 / sl.from_superneuromat(path, w_min=-1, w_max=1).quantization.scale
        net = sl.from_superneuromat(path, w_min=-limit, w_max=limit)
        net.probe("neurons", "v")
        program, ids = sl.compile(net, WIDE), sl.superneuromat_ids(path)
        kept = ids < len(network["neurons"])
        resets = [neuron[2] for neuron in network["neurons"]]
        expected = {(int(a), int(b)): w for a, b, w in theirs[f"weights_{number}"]}
        first = net.projections["plastic"].synapses.weight if "plastic" in net.projections else []
        for name, make in DEVICES.items():
            with Device(make()) as device:
                device.load(program)
                result = device.run(STEPS, sl.superneuromat_inputs(path))
                found = device.read_weights("plastic") if len(first) else None
            what = f"network {number} on {name}"
            fired = result.spikes["neurons"][kept[result.spikes["neurons"][:, 1]]]
            np.testing.assert_array_equal(fired, theirs[f"spikes_{number}"], what)
            states = np.asarray(result.states["neurons"]["v"])[:, kept] + resets
            np.testing.assert_array_equal(states, theirs[f"states_{number}"], what)
            if found is not None:
                pairs = zip(ids[found.pre].tolist(), ids[found.post].tolist(), strict=True)
                np.testing.assert_array_equal(found.values, [expected[p] for p in pairs], what)
                assert np.abs(found.values).max() < limit
                changed += int((found.values != first).sum())
        learning += len(first)
        spikes += len(theirs[f"spikes_{number}"])
    assert learning > 40 * NETWORKS
    assert changed > 0.8 * 3 * learning
    assert spikes > 1000 * NETWORKS
