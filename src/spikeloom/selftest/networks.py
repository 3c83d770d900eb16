"""The networks of the co-simulation suite, each with what it asks of a core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.connectors import AllToAll, FixedProbability
from ..compiler.learning_rules import STDP
from ..compiler.network import Network
from ..compiler.neurons import LI, LIF
from ..compiler.sources import Periodic, Poisson

if TYPE_CHECKING:
    from ..hdl.geometry import Geometry

DT = 1e-3
STEPS = 60


@dataclass(frozen=True)
class Case:
    """One network.

    Attributes:
        name: of the check.
        lacks: what the core must have for it and has not; empty where it can run.
        make: the network and its input, for a core.
    """

    name: str
    lacks: Callable[[Geometry], str]
    make: Callable[[Geometry], tuple[Network, dict[str, Any]]]


def _sizes(g: Geometry) -> tuple[int, int]:
    """Channels and neurons of a small network, of which two thirds fill at most half this core.

    Rows begin at the same word in all lanes, so that some words stay empty.
    """
    room = g.words * g.lanes // 4
    neurons = min(24, g.neurons, isqrt(room))
    return max(1, min(16, g.channels, room // neurons)), neurons


def _events(channels: int, seed: int, rate: float = 0.2) -> np.ndarray:
    return np.random.default_rng(seed).random((STEPS, channels)) < rate


def _cells(g: Geometry, **more: Any) -> LIF:
    """Neurons with no part that this core lacks."""
    if g.refractory_bits and "refractory" not in more:
        more["refractory"] = 2 * DT
        more["refractory_mode"] = "hold" if g.hold else "mask"
    if not g.exponential and "leak" not in more:
        more |= {"leak": "linear", "leak_rate": 5.0}
    tau = None if more.get("leak") == "linear" else 20e-3
    return LIF(tau, v_threshold=1.0, **more)


def _small(g: Geometry, seed: int, **more: Any) -> tuple[Network, dict[str, Any]]:
    channels, neurons = _sizes(g)
    rng = np.random.default_rng(seed)
    net = Network(dt=DT, name=f"selftest-{seed}")
    pixels = net.source("pixels", channels)
    cells = net.population("cells", neurons, _cells(g, **more))
    net.connect(pixels, cells, weights=rng.uniform(-0.1, 0.5, (channels, neurons)))
    inhibit = AllToAll(self_connections=False)
    net.connect(cells, cells, weights=-0.05, connector=inhibit)
    net.probe(cells, "spikes", "v")
    return net, {"pixels": _events(channels, seed)}


def _sparse(g: Geometry) -> tuple[Network, dict[str, Any]]:
    net, inputs = _small(g, 2)
    delay = min(3, g.delay_slots) * DT
    sparse = FixedProbability(0.2, seed=3)
    net.connect("cells", "cells", weights=0.2, connector=sparse, delay=delay)
    return net, inputs


def _full(g: Geometry) -> tuple[Network, dict[str, Any]]:
    """As many neurons as there are, few synapses each."""
    net = Network(dt=DT, name="selftest-full")
    channels = min(16, g.channels, max(1, g.words * g.lanes // 16))
    pixels = net.source("pixels", channels)
    cells = net.population("cells", g.neurons, _cells(g))
    some = FixedProbability(min(1.0, 8 / g.neurons), seed=4)
    net.connect(pixels, cells, weights=0.6, connector=some)
    net.probe(cells, "spikes")
    return net, {"pixels": _events(channels, 4, 0.5)}


def _several(g: Geometry) -> tuple[Network, dict[str, Any]]:
    """As many neurons as all cores have, which send to each other."""
    net = Network(dt=DT, name="selftest-cores")
    channels = min(16, g.channels)
    pixels = net.source("pixels", channels)
    cells = net.population("cells", g.cores * g.neurons, _cells(g))
    net.connect(pixels, cells, weights=0.6, connector=FixedProbability(0.2, seed=15))
    few = min(1.0, 4 / (g.cores * g.neurons))
    net.connect(cells, cells, weights=0.2, connector=FixedProbability(few, seed=16))
    net.probe(cells, "spikes", "v")
    return net, {"pixels": _events(channels, 15, 0.5)}


def _receptors(g: Geometry) -> tuple[Network, dict[str, Any]]:
    net, inputs = _small(g, 5, tau_syn=(5e-3, 10e-3))
    net.connect("pixels", "cells", weights=-0.1, receptor=1, connector=FixedProbability(0.5, 1))
    return net, inputs


def _generators(g: Geometry) -> tuple[Network, dict[str, Any]]:
    net, inputs = _small(g, 6)
    count = max(1, min(8, g.generators // 2))
    noise = net.source("noise", count, Poisson(rate=100.0, seed=1))
    net.connect(noise, "cells", weights=0.3, connector=FixedProbability(0.5, seed=1))
    if g.generators >= 2:
        beat = net.source("beat", 1, Periodic(period=7 * DT))
        net.connect(beat, "cells", weights=0.3, connector=AllToAll())
    return net, inputs


def _graded(g: Geometry) -> tuple[Network, dict[str, Any]]:
    net, inputs = _small(g, 7)
    rng = np.random.default_rng(7)
    size = net.populations["cells"].size
    values = rng.uniform(-0.3, 0.6, (STEPS, size)) * (rng.random((STEPS, size)) < 0.1)
    return net, inputs | {"cells": values}


def _readout(g: Geometry) -> tuple[Network, dict[str, Any]]:
    channels, neurons = _sizes(g)
    net = Network(dt=DT, name="selftest-readout")
    pixels = net.source("pixels", channels)
    cells = net.population("cells", neurons, LI(tau_mem=50e-3))
    weights = np.random.default_rng(8).uniform(-0.3, 0.3, (channels, neurons))
    net.connect(pixels, cells, weights=weights)
    net.probe(cells, "v")
    return net, {"pixels": _events(channels, 8)}


def _all_learn(g: Geometry) -> tuple[Network, dict[str, Any]]:
    """No synapse that stays as it is."""
    channels, neurons = min(16, g.channels, g.plastic), min(24, g.neurons)
    neurons = min(neurons, g.plastic // channels)
    net = Network(dt=DT, name="selftest-learns")
    pixels = net.source("pixels", channels)
    cells = net.population("cells", neurons, _cells(g, bias=0.02))
    weights = np.random.default_rng(17).uniform(0, 0.5, (channels, neurons))
    net.connect(pixels, cells, weights=weights, learning=STDP(0.5, 0.02, 0.02))
    net.probe(cells, "spikes", "v")
    return net, {"pixels": _events(channels, 17)}


def _needs(*flags: str) -> Callable[[Geometry], str]:
    """What a network with synapses that do not learn asks for."""
    return lambda g: ", ".join(flag for flag in ("static", *flags) if not getattr(g, flag))


SEVERAL = Case("several cores", lambda g: "" if g.cores > 1 else "a mesh of cores", _several)
"""What goes over the routers."""
LEARNS = Case("every synapse learns", lambda g: "" if g.micro else "a small core", _all_learn)
"""All that a small core computes."""
CASES = (
    Case("dense and recurrent", _needs(), lambda g: _small(g, 1)),
    Case("sparse with delays", _needs(), _sparse),
    Case("every neuron", _needs(), _full),
    SEVERAL,
    LEARNS,
    Case("readout without spikes", _needs("exponential"), _readout),
    Case("bias", _needs("bias"), lambda g: _small(g, 9, bias=0.02)),
    Case("reset by subtraction", _needs("subtract"), lambda g: _small(g, 10, reset="subtract")),
    Case("delayed reset", _needs("late"), lambda g: _small(g, 11, reset_delay=True)),
    Case(
        "linear leak", _needs("linear"),
        lambda g: _small(g, 12, leak="linear", leak_rate=5.0),
    ),
    Case(
        "masking refractory period", _needs("mask", "refractory_bits"),
        lambda g: _small(g, 13, refractory=3 * DT, refractory_mode="mask"),
    ),
    Case(
        "adaptive threshold", _needs("adaptation"),
        lambda g: _small(g, 14, threshold_step=0.2, tau_threshold=50e-3),
    ),
    Case(
        "two receptors", lambda g: "" if g.receptors == 2 else "a second receptor", _receptors
    ),
    Case("generators", _needs("generators"), _generators),
    Case("graded input", _needs("graded"), _graded),
)  # fmt: skip
"""What a core may be asked; each is compared with the emulator, bit for bit."""
