"""Lava 0.10's fixed_pt models as the judge: equal u, v and spikes in every step.

Lava's current wraps where ours saturates, so the networks stay below saturation, which is
checked. Mixed-sign weights lose their lowest bit there, so all weights are even.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.peers import run_peer
from support.programs import record_everything
from support.tiny import Synapse, events, tiny_program

from spikeloom.backends.reference import ReferenceBackend

pytestmark = [pytest.mark.peer, pytest.mark.slow]

NETWORKS = 20
KINDS = ("Dense", "Sparse", "DelayDense")


def random_network(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """A network in the peer's terms (tests/peers/lava_run.py), recurrent in most cases."""
    steps, size = 60, int(rng.integers(3, 25))
    sizes = [int(rng.integers(2, 30)) for _ in range(1 + number % 3)]
    populations = [
        {
            "size": n,
            "du": int(rng.choice([0, 4095, rng.integers(300, 4000)], p=[0.1, 0.3, 0.6])),
            "dv": int(rng.choice([0, 4096, rng.integers(50, 2000)], p=[0.2, 0.1, 0.7])),
            "vth": int(rng.integers(20, 200)),
            "bias_mant": rng.integers(-50, 60, n).tolist(),
            "bias_exp": int(rng.integers(0, 7)),
        }
        for n in sizes
    ]
    pairs: list[tuple[int | None, int]] = [(None, 0)]
    pairs += [(p, p + 1) for p in range(len(sizes) - 1)]
    if number % 4:
        post = int(rng.integers(len(sizes)))
        pairs.append((len(sizes) - 1, post))  # back, or onto itself
    connections = []
    for place, (pre, post) in enumerate(pairs):
        shape = (sizes[post], size if pre is None else sizes[pre])
        exponent = int(rng.integers(0, 3))
        # A current that hardly decays takes only small weights without saturating.
        top = 3 if populations[post]["du"] == 0 else 60
        weights = 2 * rng.integers(-top * 4 // 5, top + 1, shape) * (rng.random(shape) < 0.5)
        kind = KINDS[(number + place) % 3]
        delays = rng.integers(0, 8, shape) if kind == "DelayDense" else np.zeros(shape, int)
        connections.append(
            {
                "pre": pre,
                "post": post,
                "kind": kind,
                "weights": weights.tolist(),
                "delays": delays.tolist(),
                "weight_exp": exponent,
            }
        )
    spikes = np.argwhere(rng.random((steps, size)) < 0.1).tolist()
    return {
        "steps": steps,
        "source": {"size": size, "spikes": spikes},
        "populations": populations,
        "connections": connections,
    }


def run_here(network: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spikes, u and v, (steps, all neurons): one population after the other."""
    neurons = [
        {
            "shift": 6,
            "decay_u": (p["du"] + 1, 4096),
            "decay_v": p["dv"],
            "threshold": p["vth"] << 6,
            "bias": bias << p["bias_exp"],
        }
        for p in network["populations"]
        for bias in p["bias_mant"]
    ]
    base = np.cumsum([0, *(p["size"] for p in network["populations"])])
    synapses = []
    for c in network["connections"]:
        weights = np.array(c["weights"])
        for post, pre in np.argwhere(weights).tolist():
            delay = c["delays"][post][pre]
            # The output of a connection arrives one step after its input.
            sender = f"c{pre}" if c["pre"] is None else f"n{base[c['pre']] + pre}"
            wheel = delay + 1 if c["pre"] is None else delay
            target = int(base[c["post"]]) + post
            weight = int(weights[post, pre])
            synapses.append(Synapse(sender, target, weight, wheel, 0, c["weight_exp"]))
    program = tiny_program(neurons, synapses, channels=network["source"]["size"])
    device = ReferenceBackend()
    device.load(program)
    data = device.run(
        network["steps"], events(network["source"]["spikes"]), record_everything(program)
    )
    assert not device.read_state().saturations.any(), "the network must not saturate"
    spikes = np.zeros_like(data.states[0])
    spikes[data.neuron_step, data.neuron] = 1
    return spikes, data.states[1], data.states[0]


def test_twenty_networks_are_equal_in_every_step(tmp_path):
    rng = np.random.default_rng(12)
    networks = [random_network(rng, number) for number in range(NETWORKS)]
    (tmp_path / "networks.json").write_text(json.dumps(networks), encoding="utf-8")
    arguments = tmp_path / "networks.json", tmp_path / "found.npz"
    run_peer("lava", "lava_run.py", *arguments, timeout=600)
    theirs = np.load(tmp_path / "found.npz")
    fired = 0
    for number, network in enumerate(networks):
        here = run_here(network)
        for variable, mine in zip(("u", "v", "spikes"), here[1:] + here[:1], strict=True):
            parts = [theirs[f"{variable}_{number}_{p}"] for p in range(len(network["populations"]))]
            np.testing.assert_array_equal(
                mine, np.concatenate(parts, axis=1), f"{variable} of network {number}"
            )
        fired += int(here[0].sum())
    assert fired > 50 * NETWORKS
