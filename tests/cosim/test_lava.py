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

import spikeloom as sl

pytestmark = [pytest.mark.peer, pytest.mark.slow]

NETWORKS = 20
DT = 1e-3
KINDS = ("Dense", "Sparse", "DelayDense")


def random_network(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """A network in the peer's terms (tests/peers/lava_run.py), recurrent in most cases."""
    steps, size = 60, int(rng.integers(3, 25))
    sizes = [int(rng.integers(2, 30)) for _ in range(1 + number % 3)]
    populations = [
        {
            "size": n,
            "du": int(rng.choice([1, 4095, rng.integers(300, 4000)], p=[0.1, 0.3, 0.6])),
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
        top = 3 if populations[post]["du"] == 1 else 60
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


def build(network: dict[str, Any]) -> sl.Network:
    """The same network here: Lava's weights are our units, of which one is 64 bits of the state."""
    net = sl.Network(dt=DT)
    source = net.source("source", network["source"]["size"])
    populations = []
    for number, p in enumerate(network["populations"]):
        model = sl.LIF(
            tau_mem=DT * 4096 / p["dv"] if p["dv"] else None,
            tau_syn=DT * 4096 / (p["du"] + 1),
            v_threshold=p["vth"],
            bias=np.array(p["bias_mant"]) * 2.0 ** p["bias_exp"] / 64,
            discretization="euler",
        )
        populations.append(net.population(f"pop{number}", p["size"], model))
        net.probe(populations[-1], "spikes", "u0", "v")
    for c in network["connections"]:
        pre = source if c["pre"] is None else populations[c["pre"]]
        weights = np.array(c["weights"]).T * 2 ** c["weight_exp"]
        # The output of a connection arrives one step after its input.
        delays = (np.array(c["delays"]).T + 1) * DT
        net.connect(pre, populations[c["post"]], weights=weights, delay=delays)
    return net


def run_here(network: dict[str, Any], url: str) -> dict[str, list[np.ndarray]]:
    """For each variable one (steps, size) array per population: bits of u and v, and spikes."""
    program = sl.compile(build(network), quantization=sl.Quantization(scale=64))
    spikes = np.array(network["source"]["spikes"])
    with sl.open(url) as device:
        device.load(program)
        result = device.run(network["steps"], {"source": spikes})
        assert device.counters().saturations == {}, "the network must not saturate"
    found: dict[str, list[np.ndarray]] = {"u": [], "v": [], "spikes": []}
    for p in program.populations:
        found["u"].append(result.states[p.name]["u0"].raw)
        found["v"].append(result.states[p.name]["v"].raw)
        raster = np.zeros((network["steps"], p.size), int)
        raster[tuple(result.spikes[p.name].T)] = 1
        found["spikes"].append(raster)
    return found


def test_twenty_networks_are_equal_in_every_step(tmp_path):
    rng = np.random.default_rng(12)
    networks = [random_network(rng, number) for number in range(NETWORKS)]
    (tmp_path / "networks.json").write_text(json.dumps(networks), encoding="utf-8")
    arguments = tmp_path / "networks.json", tmp_path / "found.npz"
    run_peer("lava", "lava_run.py", *arguments, timeout=600)
    theirs = np.load(tmp_path / "found.npz")
    fired = 0
    for number, network in enumerate(networks):
        for url in ("reference", "emulator"):
            for variable, arrays in run_here(network, url).items():
                for p, mine in enumerate(arrays):
                    np.testing.assert_array_equal(
                        mine,
                        theirs[f"{variable}_{number}_{p}"],
                        f"{variable} of population {p} of network {number} on {url}",
                    )
        fired += sum(int(theirs[f"spikes_{number}_{p}"].sum()) for p in range(len(arrays)))
    assert fired > 100 * NETWORKS
