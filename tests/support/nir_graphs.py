"""NIR graphs for tests, and their comparison with a simulation that shares nothing with us."""

from __future__ import annotations

import re
from typing import Any

import nir
import numpy as np

import spikeloom as sl

from .nir_forward import Forward

DT = 1e-3
RNG = np.random.default_rng


def lif(n: int, seed: int = 0, **more: Any) -> nir.LIF:
    rng = RNG(seed)
    fields = {
        "tau": rng.uniform(3e-3, 2e-2, n),
        "r": rng.uniform(5, 15, n),
        "v_leak": np.zeros(n),
        "v_threshold": rng.uniform(0.5, 1.0, n),
        "v_reset": np.zeros(n),
    }
    return nir.LIF(**{**fields, **more})


def cuba(n: int, seed: int = 0, **more: Any) -> nir.CubaLIF:
    rng = RNG(seed)
    fields = {
        "tau_mem": rng.uniform(3e-3, 2e-2, n),
        "tau_syn": rng.uniform(2e-3, 6e-3, n),
        "r": rng.uniform(5, 15, n),
        "v_leak": np.zeros(n),
        "v_threshold": rng.uniform(0.5, 1.0, n),
        "v_reset": np.zeros(n),
        "w_in": rng.uniform(1, 3, n),
    }
    return nir.CubaLIF(**{**fields, **more})


def affine(n_in: int, n_out: int, seed: int = 0, bias: float = 0.2) -> nir.Affine:
    rng = RNG(seed)
    return nir.Affine(rng.normal(0.2, 1, (n_out, n_in)), rng.normal(0, bias, n_out))


def graph(nodes: dict[str, Any], edges: str) -> nir.NIRGraph:
    """Edges as "a b, b c"; Inputs and Outputs are as large as they are called: in5, out3."""
    pairs = [tuple(edge.split()) for edge in edges.split(",")]
    for name in dict.fromkeys(n for pair in pairs for n in pair):
        if size := re.fullmatch(r"(in|out)[a-z]*(\d+)", name):
            make = nir.Input if size[1] == "in" else nir.Output
            nodes[name] = make(np.array([int(size[2])]))
    return nir.NIRGraph(nodes, pairs, type_check=False)


def check_equal(
    g: Any, order: str, steps: int = 60, flat: Any = None, seed: int = 3, **options: Any
) -> sl.Network:
    """Import `g`, simulate it and compare every neuron with the forward simulation of `flat`."""
    net = sl.from_nir(g, dt=DT, **options)
    names = order.split()
    (source,) = (n for n in net.sources if ".bias" not in n)
    x = RNG(seed).random((steps, net.sources[source].size)) < 0.4
    expected = Forward(flat or g, names, DT, options.get("reset") == "subtract").run(x)
    shift = max(net.latency.values())
    for name, population in net.populations.items():
        net.probe(name, "spikes" if population.neuron.spiking else "v")
    long = np.vstack([x, np.zeros((shift, x.shape[1]), bool)])
    result = sl.simulate(net, len(long), inputs={source: long})
    for name, population in net.populations.items():
        late = net.latency[name]
        want = expected[name]
        if population.neuron.spiking:
            raster = np.zeros((len(long), population.size))
            raster[tuple(result.spikes[name].T)] = 1
            assert 0 < want.sum() < want.size, f"{name} says nothing: change the test"
            assert not raster[:late].any()
            np.testing.assert_array_equal(raster[late : late + steps], want, err_msg=name)
        else:
            got = np.asarray(result.states[name]["v"])[late : late + steps]
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=name)
    return net


SPIKING = {
    "LIF": lambda n: lif(n),
    "LIF leak": lambda n: lif(n, v_leak=np.linspace(-0.3, 0.4, n), v_reset=np.linspace(0, -0.2, n)),
    "CubaLIF": lambda n: cuba(n),
    "CubaLIF leak": lambda n: cuba(n, v_leak=np.linspace(-0.2, 0.2, n), v_reset=np.full(n, -0.1)),
    "IF": lambda n: nir.IF(np.full(n, 300.0), np.linspace(0.7, 1.3, n), np.full(n, -0.05)),
    "Threshold": lambda n: nir.Threshold(np.linspace(0.1, 0.6, n)),
}
READOUT = {
    "LI": lambda n: nir.LI(np.full(n, 5e-3), np.full(n, 2.0), np.linspace(-1, 1, n)),
    "I": lambda n: nir.I(np.full(n, 100.0)),
    "CubaLI": lambda n: nir.CubaLI(
        np.full(n, 3e-3), np.full(n, 8e-3), np.full(n, 2.0), np.full(n, 0.1), np.full(n, 1.5)
    ),
}
