"""Networks that SuperNeuroMAT wrote, and such that it reads: equal spikes and states."""

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
    # Some thresholds are drawn below the resting state on purpose.
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_be_silent\]"),
]

NETWORKS = 60


def real_network(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """As ``random_network``, in small steps, some with long delays or weights of many bits, and
    with thresholds that are no multiples of anything."""
    network = random_network(rng)
    step = 2.0 ** -int(rng.integers(0, 7))
    for neuron in network["neurons"]:
        for column in (0, 1, 2, 4):
            neuron[column] = None if neuron[column] is None else neuron[column] * step
        neuron[0] += float(rng.choice([0.0, 0.3 * step, np.pi - 3]))
    for synapse in network["synapses"]:
        synapse[2] *= step * (37 if number % 4 == 0 else 1)
        if number % 5 == 0 and rng.random() < 0.03:
            synapse[3] = int(rng.integers(60, 200))
    for spike in network["inputs"]:
        spike[2] *= step
    if number % 5 == 0:
        network["steps"] = 250
    return network


def run_peers(networks: list[dict[str, Any]], folder: Any, *more: Any) -> Any:
    (folder / "networks.json").write_text(json.dumps(networks), encoding="utf-8")
    paths = folder / "networks.json", folder / "out.npz", *more
    run_peer("superneuromat", "superneuromat_run.py", *paths)
    return np.load(folder / "out.npz")


@pytest.mark.slow
def test_sixty_networks_as_superneuromat_wrote_them(tmp_path):
    rng = np.random.default_rng(36)
    networks = [real_network(rng, number) for number in range(NETWORKS)]
    theirs = run_peers(networks, tmp_path, tmp_path)
    spikes = hidden = 0
    for number, network in enumerate(networks):
        path = tmp_path / f"{number}.json"
        net, inputs = sl.from_superneuromat(path), sl.superneuromat_inputs(path)
        net.probe("neurons", "v")
        n = len(network["neurons"])
        ids = sl.superneuromat_ids(path)
        hidden += sum(d - 1 for *_, d in network["synapses"]) - (len(ids) - n)
        assert ids[:n].tolist() == list(range(n))
        program = sl.compile(net)
        for url in ("reference", "emulator"):
            with sl.open(url) as device:
                device.load(program)
                result = device.run(network["steps"], inputs)
            found = result.spikes["neurons"]
            what = f"network {number} on {url}"
            found = found[ids[found[:, 1]] < n]  # of chains beyond 64 steps some neurons stay
            np.testing.assert_array_equal(found, theirs[f"spikes_{number}"], what)
            states = np.asarray(result.states["neurons"]["v"])[:, :n]
            resets = [neuron[2] for neuron in network["neurons"]]
            np.testing.assert_array_equal(states + resets, theirs[f"states_{number}"], what)
        spikes += len(found)
    assert spikes > 100 * NETWORKS
    assert hidden > 100 * NETWORKS


def test_networks_that_go_there(tmp_path):
    """A network of ours, written for SuperNeuroMAT, fires there as it does here; and comes back."""
    rng = np.random.default_rng(37)
    networks, expected = [], []
    for _ in range(20):
        net = sl.Network(dt=1e-3)
        source = net.source("source", 4)
        sizes = rng.integers(1, 12, 2)
        for name, size in zip("ab", sizes.tolist(), strict=True):
            reset = float(rng.choice([0, 3]))
            leak = 0.0 if reset else 1e3 * rng.integers(0, 4, size)
            model = sl.LIF(
                None, v_threshold=rng.integers(5, 20, size), v_reset=reset, leak="linear",
                leak_rate=leak, refractory=1e-3 * rng.integers(0, 4, size),
                refractory_mode="mask", spiking=bool(rng.random() < 0.9),
                v_init=rng.integers(-3, 4, size),
            )  # fmt: skip
            net.population(name, size, model)
        for pre, post in (("source", "a"), ("a", "b"), ("b", "a"), ("a", "a"), ("source", "a")):
            m = (
                source.size if pre == "source" else net.populations[pre].size,
                net.populations[post].size,
            )
            delays = 1e-3 * rng.integers(1, 9, m)
            net.connect(pre, post, weights=rng.integers(-4, 12, m), delay=delays)
        for name in "ab":
            net.probe(name)
        raster = rng.random((60, source.size)) < 0.2
        program = sl.compile(net, quantization=sl.Quantization(scale=1))
        with sl.open("reference") as device:
            device.load(program)
            result = device.run(60, {"source": raster})
        everybody = [raster, result.raster("a"), result.raster("b")]
        expected.append(np.argwhere(np.concatenate(everybody, axis=1)))
        document = sl.to_superneuromat(net)
        inputs = [[*place, 1.0] for place in np.argwhere(raster).tolist()]
        networks.append({"steps": 60, "sparse": False, "document": document, "inputs": inputs})
        again = sl.from_superneuromat(document)
        assert again.populations["neurons"].size == 4 + sizes.sum()
    theirs = run_peers(networks, tmp_path)
    for number, spikes in enumerate(expected):
        found = theirs[f"spikes_{number}"]
        shown = networks[number]["document"]["networks"][0]["data"]["synaptic_delays"]
        real = found[found[:, 1] < 4 + _neurons(networks[number])]
        np.testing.assert_array_equal(real, spikes, f"network {number}")
        assert min(shown) < -1
    assert sum(map(len, expected)) > 2000


def _neurons(network: dict[str, Any]) -> int:
    """Neurons of a document that are neither a source's nor a delay chain's."""
    data = network["document"]["networks"][0]["data"]
    return data["num_neurons"] - 4 - sum(-d - 1 for d in data["synaptic_delays"] if d < 0)
