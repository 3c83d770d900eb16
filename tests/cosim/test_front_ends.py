"""A network from every world that networks come from: no device differs from another in anything.

Spikes, state and weights after each step, on the definition, the emulator and the generated
hardware (by its back door), which count the same clock cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import nir
import numpy as np
import pytest
from support.nir_graphs import DT, affine, cuba, graph, lif
from support.rtl import needs_compiler

import spikeloom as sl

pytestmark = [pytest.mark.slow, needs_compiler]

STEPS = 60
DEVICES = ("reference", "emulator", "rtl")
Case = tuple[sl.Program, dict[str, Any]]

TARGET = sl.TARGETS["core"].with_(neurons=64)
"""Small, so that the hardware is compiled quickly."""


def of_network() -> Case:
    """Written in Python, and learning."""
    net = sl.Network(dt=1e-3)
    noise = net.source("noise", 12, sl.Poisson(120.0))
    cells = net.population("cells", 10, sl.LIF(tau_mem=15e-3, v_threshold=1.0))
    rng = np.random.default_rng(1)
    net.connect(
        noise, cells, weights=rng.uniform(0.2, 0.6, (12, 10)),
        learning=sl.STDP(a_plus=0.05, a_minus=0.05, w_max=1.0),
    )  # fmt: skip
    net.connect(cells, cells, weights=rng.normal(0, 0.2, (10, 10)), delay=2e-3)
    net.probe(cells, "spikes")
    return sl.compile(net, target=TARGET), {}


def of_nir(tmp_path: Any) -> Case:
    """A file in the Neuromorphic Intermediate Representation."""
    nodes = {"a": affine(6, 8), "x": cuba(8), "b": affine(8, 5, 1), "y": lif(5, 1)}
    path = tmp_path / "net.nir"
    nir.write(path, graph(nodes, "in6 a, a x, x b, b y, y out5"))
    program = sl.compile(sl.from_nir(path, dt=DT), target=TARGET)
    return program, {"in6": np.random.default_rng(2).random((STEPS, 6)) < 0.3}


def of_pynn() -> Case:
    """A script in PyNN: currents, noise, delays."""
    import spikeloom.pynn as sim

    sim.setup(timestep=1.0, device="emulator", seed=3, target=TARGET)
    noise = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0), label="noise")
    cells = sim.Population(12, sim.IF_curr_exp(tau_refrac=2.0, i_offset=0.4), label="cells")
    some = sim.FixedProbabilityConnector(0.4, rng=sim.NumpyRNG(seed=1))
    sim.Projection(noise, cells, some, sim.StaticSynapse(weight=0.2, delay=1.0))
    sim.Projection(cells, cells, some, sim.StaticSynapse(weight=0.1, delay=3.0))
    cells.record("spikes")
    sim.run(float(STEPS))
    assert cells.mean_spike_count() > 1  # the Program itself records nothing
    return sim.get_program(), {}


def of_superneuromat() -> Case:
    """SuperNeuroMAT's JSON, with an axonal delay and input of several values."""
    rng = np.random.default_rng(4)
    pre, post = np.nonzero(rng.random((12, 12)) < 0.3)
    count = len(pre)
    document = {
        "meta": {"format": "snm", "format_version": "0.1", "type": "SNN"},
        "data": {
            "neuron_thresholds": [3.0] * 12,
            "neuron_leaks": [1.0] * 12,
            "neuron_reset_states": [0.0] * 12,
            "neuron_refractory_periods": rng.integers(0, 3, 12).tolist(),
            "neuron_refractory_periods_state": [0] * 12,
            "neuron_states": [0.0] * 12,
            "pre_synaptic_neuron_ids": pre.tolist(),
            "post_synaptic_neuron_ids": post.tolist(),
            "synaptic_weights": rng.integers(-2, 5, count).astype(float).tolist(),
            "synaptic_delays": [1] * count,
            "enable_stdp": [0] * count,
            "input_spikes": {
                str(t): {"nids": [t % 12, (t + 5) % 12], "values": [4.0, 2.0]} for t in range(40)
            },
        },
    }
    program = sl.compile(sl.from_superneuromat(document), target=TARGET)
    return program, dict(sl.superneuromat_inputs(document))


def of_networkx() -> Case:
    """A graph of networkx."""
    graph = nx.gnp_random_graph(12, 0.3, seed=5, directed=True)
    rng = np.random.default_rng(5)
    for node in graph:
        graph.nodes[node].update(tau_mem=20e-3, v_threshold=0.7)
    for pre, post in graph.edges:
        graph.edges[pre, post].update(weight=rng.normal(0.1, 0.4), delay=1e-3 * rng.integers(1, 4))
    for number in range(4):
        graph.add_node(("in", number), source="input", rate=150.0)
        graph.add_edge(("in", number), 3 * number, weight=0.8)
    graph.graph["dt"] = 1e-3
    return sl.compile(sl.from_networkx(graph), target=TARGET), {}


FRONT_ENDS: dict[str, Callable[..., Case]] = {
    "Python": lambda _: of_network(),
    "NIR": of_nir,
    "PyNN": lambda _: of_pynn(),
    "SuperNeuroMAT": lambda _: of_superneuromat(),
    "networkx": lambda _: of_networkx(),
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_no_device_differs(name, tmp_path):
    if name == "PyNN":
        pytest.importorskip("pyNN")
    program, inputs = FRONT_ENDS[name](tmp_path)
    with sl.open("emulator") as device:
        device.load(program)
        spikes = device.run(STEPS, inputs=inputs).spikes
    fired = sum(len(events) for events in spikes.values())
    assert fired > 10 or name == "PyNN", "a silent network compares nothing"
    divergence = sl.cosim(program, DEVICES, STEPS, inputs=inputs)
    assert divergence is None, str(divergence)
