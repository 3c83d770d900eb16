"""SuperNeuroMAT 3.5 as the judge: equal spikes and states on random static networks.

All numbers are integers, so that its floating point and our integers both are exact. A neuron
with a reset state is ours in coordinates that have their zero there: threshold and initial state
are shifted, and the linear leak, which pulls toward zero, pulls toward the reset state. With a
scale of 1 the compiler's integers are the network's numbers.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.peers import run_peer
from support.snm_networks import random_network

import spikeloom as sl

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    # Some thresholds are drawn below the resting state on purpose.
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
]

NETWORKS = 50
DT = 1e-3
ENDLESS = 1000
"""A leak as good as infinite: more than any state here."""
SMALL_CORES = sl.Target(name="small cores", mesh=(3, 3), neurons=8)
PLACES = (("reference", "core"), ("emulator", "core"), ("emulator", SMALL_CORES))


def build(network: dict[str, Any]) -> sl.Network:
    """The same network here, in steps of a millisecond."""
    threshold, leak, reset, refractory, initial = (
        np.array(column, float) for column in zip(*network["neurons"], strict=True)
    )
    leak = np.where(np.isnan(leak), ENDLESS, leak)
    net = sl.Network(dt=DT)
    model = sl.LIF(
        None,
        v_threshold=threshold - reset,
        v_init=initial - reset,
        leak="linear",
        leak_rate=leak / DT,
        refractory=refractory * DT,
        refractory_mode="mask",
    )
    neurons = net.population("neurons", len(threshold), model)
    if network["synapses"]:
        pre, post, weight, delay = np.array(network["synapses"]).T
        net.connect(neurons, neurons, weights=sl.Synapses(pre, post, weight, delay * DT))
    net.probe(neurons, "spikes", "v")
    return net


def run_here(
    network: dict[str, Any], url: str, target: str | sl.Target
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes as (step, neuron) and v in the peer's coordinates."""
    program = sl.compile(build(network), target, quantization=sl.Quantization(scale=1))
    given = np.array(network["inputs"]).reshape(-1, 3)
    with sl.open(url) as device:
        device.load(program)
        result = device.run(network["steps"], {"neurons": (given[:, :2], given[:, 2])})
    resets = [reset for _, _, reset, _, _ in network["neurons"]]
    return result.spikes["neurons"], np.asarray(result.states["neurons"]["v"]) + resets


def test_fifty_networks_are_equal_in_spikes_and_states(tmp_path):
    rng = np.random.default_rng(35)
    networks = [random_network(rng) for _ in range(NETWORKS)]
    (tmp_path / "networks.json").write_text(json.dumps(networks), encoding="utf-8")
    run_peer(
        "superneuromat", "superneuromat_run.py", tmp_path / "networks.json", tmp_path / "out.npz"
    )
    theirs = np.load(tmp_path / "out.npz")
    spikes, delayed = 0, 0
    for number, network in enumerate(networks):
        for url, target in PLACES:
            found, states = run_here(network, url, target)
            what = f"network {number} on {url}, {target}"
            np.testing.assert_array_equal(found, theirs[f"spikes_{number}"], what)
            np.testing.assert_array_equal(states, theirs[f"states_{number}"], what)
        spikes += len(found)
        delayed += sum(delay > 1 for *_, delay in network["synapses"])
    assert spikes > 100 * NETWORKS
    assert delayed > 10 * NETWORKS
