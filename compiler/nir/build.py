"""From folded signals and levels to populations, projections, bias sources and probes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...errors import FileError, UnsupportedError
from ..checks import show
from ..connectors import Synapses
from ..network import Network, Population, Source
from ..neurons import LIF
from ..origin import warn_user
from ..program import MAX_SIDES
from ..sources import Periodic
from . import conventions
from .conventions import Dynamics
from .flat import Flat
from .fold import Folder, Signal
from .graph import LINEAR, READOUTS, SPIKING
from .shapes import Sizes
from .timing import Timing, schedule


@dataclass(frozen=True)
class Options:
    """What the user says about the file, because NIR cannot."""

    dt: float
    source: conventions.Source
    reset: conventions.Reset
    reset_delay: bool
    tau_scale: float
    back_edges: Collection[tuple[str, str]]


class Builder:
    """Builds the network of one flat graph; `network` is the result."""

    def __init__(self, flat: Flat, network: Network, options: Options) -> None:
        self.flat, self.network, self.options = flat, network, options
        self.sizes = Sizes(flat)
        self.folder = Folder(flat, self.sizes, options.dt)
        self.readouts: dict[str, list[str]] = {}
        self.signals = self._signals()
        self.timing = self._schedule()

    def build(self) -> None:
        """Add everything to the network."""
        net, node_of = self.network, self.flat.nodes
        objects: dict[str, Source | Population] = {}
        for name, node in self.flat.nodes.items():
            if node.type == "Input":
                objects[name] = net.source(name, self._sides(name))
        biases: dict[str, dict[int, NDArray[np.float64]]] = {}
        gains: dict[str, NDArray[np.float64]] = {}
        for name, signal in self.signals.items():
            model = self._dynamics(name)
            neuron, biases[name] = self._neuron(name, model, signal)
            gains[name] = model.gain
            with warnings.catch_warnings():
                # said already, with the node's place in the file
                warnings.filterwarnings("ignore", message=".*are times given in seconds")
                sides = self._sides(name) if node_of[name].type != "Output" else len(model.gain)
                objects[name] = net.population(name, sides, neuron)
        for origin, name in self._pairs():
            post = net.populations[name]
            self._connect(objects[origin], post, self.signals[name], gains[name])
        for name in self.signals:
            for start, bias in biases[name].items():
                self._bias_source(net.populations[name], start, bias)
        self._probe()
        net.latency.update(self.timing.level)
        net.metadata.update(self.flat.metadata)
        said = self.flat.metadata.get("", {}).get("dt")
        if isinstance(said, float) and said > 0 and abs(said / net.dt - 1) > 1e-6:
            warn_user(
                f"{self.flat.where}: its metadata speak of a dt of {show(said)} s; {show(net.dt)} "
                "is taken"
            )

    def _sides(self, name: str) -> int | tuple[int, ...]:
        """The sides of a layer, as its shapes or at least a remark say, or its size."""
        shape = self.sizes.shape(name)
        said = self.flat.nodes[name].metadata.get("shape")
        if len(shape) == 1 and isinstance(said, np.ndarray) and np.prod(said) == shape[0]:
            shape = tuple(int(side) for side in said.ravel())
        return shape if 1 < len(shape) <= MAX_SIDES and min(shape) > 0 else math.prod(shape)

    # ------------------------------------------------------------------------------ what is there

    def _signals(self) -> dict[str, Signal]:
        """Inputs of every neuron, and of every Output that needs a readout of its own."""
        before = self.flat.before()
        signals: dict[str, Signal] = {}
        for name, node in self.flat.nodes.items():
            if node.type in SPIKING | READOUTS:
                signals[name] = self.folder.into(name)
            elif node.type == "Output":
                neurons = self._neurons_behind(name, before)
                if neurons:
                    self.readouts[name] = neurons
                else:
                    signals[name] = self.folder.into(name)
                    self.readouts[name] = [name]
        outputs = {n for n, node in self.flat.nodes.items() if node.type == "Output"}
        inputs = {n for n, node in self.flat.nodes.items() if node.type == "Input"}
        for a, b in self.flat.edges:
            if a in outputs or b in inputs:
                raise FileError(
                    "An edge leaves an Output or enters an Input.",
                    found=f"{a!r} -> {b!r}",
                    where=self.flat.where,
                )
        if not signals or not inputs:
            raise FileError(
                "The graph has no neurons or no Input.",
                found=", ".join(f"{n!r} ({x.type})" for n, x in list(self.flat.nodes.items())[:8]),
                expected="at least one Input and one neuron or Output",
                where=self.flat.where,
            )
        return signals

    def _neurons_behind(self, output: str, before: dict[str, list[str]]) -> list[str]:
        """Neurons that feed an Output unchanged; empty if anything else feeds it too."""
        pending, found, seen = list(before[output]), [], set()
        while pending:
            name = pending.pop(0)
            if name in seen:
                continue
            seen.add(name)
            kind = self.flat.nodes[name].type
            if kind in SPIKING | READOUTS:
                found.append(name)
            elif kind in ("Flatten", "Identity"):
                pending.extend(before[name])
            elif kind in LINEAR | {"Input"}:
                return []
        return found

    def _schedule(self) -> Timing:
        arcs: dict[tuple[str, str], int] = {}
        for name, signal in self.signals.items():
            for origin, delay in signal.terms:
                known = arcs.get((origin, name), delay)
                arcs[origin, name] = min(known, delay)
        inputs = [n for n, node in self.flat.nodes.items() if node.type == "Input"]
        return schedule(arcs, inputs, list(self.signals), self.options.back_edges, self.flat.where)

    # ------------------------------------------------------------------------------------- neurons

    def _dynamics(self, name: str) -> Dynamics:
        node, size, o = self.flat.nodes[name], self.sizes_of_input(name), self.options
        if node.type != "Output":
            return conventions.dynamics(node, size, o.dt, o.source, o.tau_scale)
        zeros, ones = np.zeros(size), np.ones(size)
        return Dynamics(
            o.dt * ones, None, zeros, ones, zeros, ones, zeros, zeros, spiking=False, exact=False
        )

    def sizes_of_input(self, name: str) -> int:
        """Elements of a neuron, or of what feeds an Output."""
        if self.flat.nodes[name].type != "Output":
            return self.sizes.of(name)
        sizes = {self.sizes.of(a, "out") for a, b in self.flat.edges if b == name}
        if len(sizes) != 1:
            raise FileError(
                "An Output is fed by layers of different sizes, or by none.",
                found=sorted(sizes),
                where=self.flat.nodes[name].where,
            )
        return sizes.pop()

    def _neuron(
        self, name: str, model: Dynamics, signal: Signal
    ) -> tuple[LIF, dict[int, NDArray[np.float64]]]:
        """The neuron, and what of its bias must come from a source: step → (size,).

        A constant that sets in with the framework's first step can be the neuron's own bias if v
        can start where the steps before (one per level) lead it to the framework's first v.
        """
        level = self.timing.level[name]
        constants = {s: c * model.gain for s, c in signal.constants.items() if np.any(c)}
        own = np.zeros_like(model.gain)
        if model.tau_syn is None and 0 in constants:
            own = constants.pop(0)
        start = settle(model, model.rest + own, level)
        if start is None and own.any():
            constants[0], own = own, np.zeros_like(own)
            start = settle(model, model.rest, level)
        if start is None:
            raise UnsupportedError(
                "These neurons fire at rest, so the steps before their first input cannot be "
                "kept silent.",
                found=f"a threshold of {model.threshold.min():.6g} in level {level}",
                where=self.flat.nodes[name].where,
                remedy="only the first layer may have thresholds below rest",
            )
        stateless = self.flat.nodes[name].type in ("Threshold", "Output")
        subtract = self.options.reset == "subtract" and not stateless
        if subtract and model.spiking and (model.threshold < 0).any():
            raise UnsupportedError(
                "reset='subtract' needs thresholds that are not negative.",
                found=f"{model.threshold.min():.6g}",
                where=self.flat.nodes[name].where,
            )
        neuron = LIF(
            model.tau_mem,
            model.tau_syn,
            v_threshold=model.threshold,
            v_reset=0.0 if subtract else model.v_reset,
            bias=model.rest + own,
            reset="subtract" if subtract else "value",
            reset_delay=self._reset_delay(name) and not stateless,
            v_init=start,
            spiking=model.spiking,
            discretization="exact" if model.exact else "euler",
        )
        return neuron, {s: c for s, c in constants.items() if np.any(c)}

    def _reset_delay(self, name: str) -> bool:
        """Whether this population's reset comes one step late.

        snnTorch's Leaky with reset to zero clears v before it adds the next input, which gives the
        spikes of an immediate reset; its other neurons clear v together with that input.
        """
        o = self.options
        if o.source != "snntorch" or o.reset != "zero" or not o.reset_delay:
            return o.reset_delay
        recurrent = any(origin == name for origin, _ in self.signals[name].terms)
        return self.flat.nodes[name].type != "LIF" or recurrent

    # ------------------------------------------------------------------------------------ synapses

    def _pairs(self) -> list[tuple[str, str]]:
        """Who is connected with whom, in the order in which the graph's edges say so."""
        pairs: dict[tuple[str, str], None] = {}
        for a, b in self.flat.edges:
            if b in self.signals:
                pairs |= {(origin, b): None for origin in self.folder.origins(a)}
        return list(pairs)

    def _connect(
        self, pre: Source | Population, post: Population, signal: Signal, gain: NDArray[np.float64]
    ) -> None:
        """One projection with everything that goes from `pre` to `post`."""
        dt = self.options.dt
        parts = [(d, w) for (origin, d), w in signal.terms.items() if origin == pre.name]
        delays = [self.timing.delay(pre.name, post.name, d) for d, _ in parts]
        if len(parts) == 1:
            matrix = parts[0][1]
            if isinstance(matrix, np.ndarray) and not matrix.all():
                matrix = sp.csr_array(matrix)  # pruned, or a diagonal: zeros are no synapses
            if isinstance(matrix, np.ndarray):
                weights = np.ascontiguousarray((matrix * gain[:, None]).T)
            else:
                weights = sp.csr_array((sp.diags(gain) @ matrix).T)
                weights.eliminate_zeros()
            self.network.connect(pre, post, weights=weights, delay=delays[0] * dt)
            return
        columns = []
        for delay, (_, matrix) in zip(delays, parts, strict=True):
            entries = sp.coo_array(sp.diags(gain) @ sp.csr_array(matrix))
            columns.append((entries.col, entries.row, entries.data, np.full(entries.nnz, delay)))
        sender, target, weight, steps = (np.concatenate(c) for c in zip(*columns, strict=True))
        synapses = Synapses(sender, target, weight, delay=steps * dt)
        self.network.connect(pre, post, weights=synapses)

    def _bias_source(self, post: Population, start: int, bias: NDArray[np.float64]) -> None:
        """A channel that fires in every step from the framework's step `start` on."""
        dt = self.options.dt
        name = f"{post.name}.bias" + (f"@{start}" if start else "")
        while name in self.network.sources or name in self.network.populations:
            name += "'"
        first = self.timing.level[post.name] + start
        clock = self.network.source(name, 1, Periodic(period=dt, phase=first * dt))
        self.network.connect(clock, post, weights=bias[None, :], delay=0.0)

    def _probe(self) -> None:
        for names in self.readouts.values():
            for name in names:
                spiking = self.flat.nodes[name].type in SPIKING
                self.network.probe(name, "spikes" if spiking else "v")


GROWTH = 64.0
"""How far v may start from its usual range before a bias source is the better way."""


def settle(model: Dynamics, bias: NDArray[np.float64], level: int) -> NDArray[np.float64] | None:
    """v before step 0 that leads to ``model.start`` after `level` steps of nothing but bias.

    Returns:
        (size,), or None if a neuron would fire on the way or v would start absurdly far out.
    """
    if level == 0:
        return model.start
    fades = model.decay > 0
    decay = np.where(fades, model.decay, 1.0)
    scale = np.maximum(np.abs(model.threshold), np.abs(model.start)) + np.abs(bias)
    v = model.start
    for step in range(level):
        if model.spiking and (np.where(fades | (step > 0), v, bias) > model.threshold).any():
            return None
        v = np.where(fades, (v - bias) / decay, bias)
        if (np.abs(v) > GROWTH * scale + GROWTH).any():
            return None
    return np.where(fades, v, model.start)
