"""Random networks of what Lava's fixed_pt models can do, and the address of Lava."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import spikeloom as sl
from support.peers import peer_python

DT = 1e-3
SMALL_CORES = sl.Target(name="small cores", mesh=(4, 4), neurons=24)


def lava_url(**options: Any) -> str:
    """The device's address, with the peer's interpreter; skips the test where there is none."""
    query = "&".join(f"{k}={v}" for k, v in {"python": peer_python("lava"), **options}.items())
    return f"lava?{query}"


def random_lava_network(seed: int) -> tuple[sl.Network, sl.Quantization]:
    """A network, mostly recurrent, and a quantisation that Lava can take.

    Even seeds have numbers that are exact at a scale of 64, odd ones real numbers and an automatic
    scale.
    """
    rng = np.random.default_rng(seed)
    exact = seed % 2 == 0
    unit = 1.0 if exact else 1 / 100
    net = sl.Network(dt=DT, seed=seed)
    host = net.source("host", int(rng.integers(2, 14)))
    poisson = net.source("poisson", int(rng.integers(1, 8)), sl.Poisson(rng.uniform(20, 200)))
    clock = net.source("clock", 2, sl.Periodic(period=[3e-3, 7e-3], phase=[0.0, 2e-3]))
    populations = []
    for number in range(int(rng.integers(1, 3))):
        size = int(rng.integers(1, 30))
        populations.append(net.population(f"p{number}", size, _neuron(rng, size, exact, unit)))
    for number in range(int(rng.integers(2, 6))):
        sources = [host, poisson, clock]
        pre: Any = sources[number] if number < 2 else rng.choice(np.array([*sources, *populations]))
        post = populations[int(rng.integers(len(populations)))]
        _connect(net, rng, pre, post, unit, exact)
    quantization = sl.Quantization(scale=64) if exact else sl.Quantization(multiple_of=64)
    return net, quantization


def _neuron(rng: np.random.Generator, size: int, exact: bool, unit: float) -> sl.LIF:
    threshold: Any = float(rng.integers(5, 60))
    if size > 3 and rng.random() < 0.3:  # several of Lava's processes
        threshold = rng.choice([5.0, 20.0, 60.0], size)
    bias: Any = 0.0
    if rng.random() < 0.6:
        bias = rng.integers(-3, 4, size) * 2.0 ** rng.integers(-5, 1, size)
    start = rng.integers(-50, 60, size).astype(float) if rng.random() < 0.3 else 0.0
    du = int(rng.choice([1, 4095, rng.integers(300, 4000)], p=[0.1, 0.3, 0.6]))
    dv = int(rng.choice([0, 4096, rng.integers(50, 2000)], p=[0.2, 0.1, 0.7]))
    return sl.LIF(
        tau_mem=DT * 4096 / dv if dv else None,
        tau_syn=DT * 4096 / (du + 1),
        v_threshold=threshold * unit,
        bias=bias * unit,
        v_init=start * unit,
        spiking=bool(rng.random() < 0.9),
        discretization="euler",
    )


def _connect(
    net: sl.Network, rng: np.random.Generator, pre: Any, post: Any, unit: float, exact: bool
) -> None:
    """One of Dense, DelayDense, Sparse and DelaySparse; sometimes one synapse beside another."""
    sign = rng.choice([-1, 0, 1], p=[0.1, 0.5, 0.4])
    # A current that hardly decays takes only small weights without saturating.
    top = 4 if float(np.max(post.neuron.tau_syn[0])) > 1.0 else 60

    def weights(count: int) -> np.ndarray:
        low, high = (0, 2 * top) if sign > 0 else (-2 * top, 1) if sign < 0 else (-top, top + 1)
        values = rng.integers(low, high, count).astype(float)
        return values if exact else unit * (values + rng.uniform(-0.5, 0.5, count))

    share = rng.choice([0.2, 0.8])
    i, j = np.nonzero(rng.random((pre.size, post.size)) < share)
    if len(i) and rng.random() < 0.2:  # several synapses between the same two neurons
        i, j = np.concatenate([i, i[:3]]), np.concatenate([j, j[:3]])
    steps = rng.integers(1, 20, len(i)) if rng.random() < 0.5 else np.full(len(i), 1)
    net.connect(pre, post, weights=sl.Synapses(i, j, weights(len(i)), steps * DT))


def random_input(net: sl.Network, seed: int, steps: int) -> dict[str, Any]:
    """Spikes for the host's source, and graded values for the first population."""
    rng = np.random.default_rng(seed)
    first = net.populations["p0"]
    places = np.argwhere(rng.random((steps, first.size)) < 0.03)
    level = float(np.max(np.abs(first.params["threshold"])))
    return {
        "host": rng.random((steps, net.sources["host"].size)) < 0.4,
        "p0": (places, rng.uniform(-0.5, 0.5, len(places)) * level),
    }


def members(session: int) -> list[int]:
    """Processes of a session, but for those that only wait to be collected."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if not folder.name.isdigit():
            continue
        state, _, _, sid = text.rpartition(")")[2].split()[:4]
        if int(sid) == session and state != "Z":
            found.append(int(folder.name))
    return found
