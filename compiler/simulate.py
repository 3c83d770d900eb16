"""The network in floating point: docs/machine.md §5 with reals, no rounding, no saturation.

It is what the network means before quantisation, on the same noise: Poisson sources use the
machine's counter hash. Only the random rounding of the adaptive threshold's decay is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..counter_hash import POISSON_SOURCE, key_term, mix, step_term
from ..recording import Result, Scaled
from ..stimulus import Stimulus, check_steps, make_stimulus
from .canonicalise import Canonicalise
from .import_network import ImportNetwork
from .ir import Graph
from .neurons import NEURON
from .program import LINEAR, MASK, PERIODIC, POISSON, RESET_SUBTRACT
from .simulate_learning import Plasticity, StepEvents, learned_delays, learning_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import Network


def simulate(network: Network, steps: int, inputs: Mapping[str, Any] | None = None) -> Result:
    """Simulate from the beginning.

    Args:
        network: what to simulate.
        steps: how many steps.
        inputs: as for ``Device.run``: spikes of host sources, graded values of populations, and
            what learning rules read.

    Returns:
        What the network's probes ask for; ``raw`` of its states is None.

    Raises:
        InputError: the input is malformed.
    """
    ir = Canonicalise().apply(ImportNetwork().apply(network))
    count = check_steps(steps)
    stimulus = make_stimulus(
        inputs,
        count,
        {s.name: s.size for s in ir.sources if s.kind == "host"},
        {p.name: p.size for p in ir.populations},
        [s.name for s in ir.sources if s.kind != "host"],
        learning=learning_inputs(ir),
    )
    return _Simulation(ir, count, stimulus).run()


class _Simulation:
    """One run."""

    def __init__(self, ir: Graph, steps: int, stimulus: Stimulus) -> None:
        self.ir, self.steps = ir, steps
        self.sources = _Sources(ir, steps, stimulus)
        self.synapses = _Synapses(ir)
        self.plastic = self.synapses.plastic(ir)
        self.teaching = _Teaching(ir, steps, stimulus)
        self.neurons = _Neurons(ir)
        self.graded = _ByStep(
            steps,
            [
                (ir.graph.nodes[name]["node"].first, events, values)
                for name, (events, values) in stimulus.graded.items()
            ],
        )

    def run(self) -> Result:
        """All steps, recorded."""
        recorder = _Recorder(self.ir, self.steps)
        fired = np.zeros(0, np.int64)
        for t in range(self.steps):
            channels = self.sources.fire(t)
            senders = np.concatenate([channels, self.ir.channels + fired])
            acc = self.synapses.deliver(t, senders)
            fired = self.neurons.update(acc, *self.graded(t))
            recorder.note(t, channels, fired, self.neurons)
            if self.plastic:
                events = self.teaching.events(t, senders, fired)
                for plasticity in self.plastic:
                    plasticity.step(t, events)
        learned = {p.edge.name: p.learned() for p in self.plastic}
        return replace(recorder.result(), learned=learned)


class _Sources:
    """Which channels fire when."""

    def __init__(self, ir: Graph, steps: int, stimulus: Stimulus) -> None:
        empty = np.zeros(0, np.int64)
        sources = ir.sources
        kind = np.concatenate([empty, *(s.generator for s in sources)])
        value = np.concatenate([empty, *(s.value for s in sources)])
        phase = np.concatenate([empty, *(s.phase for s in sources)])
        seed = np.concatenate([empty, *(np.full(s.size, s.seed) for s in sources)])
        self.poisson = np.flatnonzero(kind == POISSON)
        self.periodic = np.flatnonzero(kind == PERIODIC)
        self.limit = value[self.poisson]
        self.period, self.phase = value[self.periodic], phase[self.periodic]
        self.key = key_term(
            seed[self.poisson].astype(np.uint32), self.poisson.astype(np.uint32), POISSON_SOURCE
        )
        self.host = _ByStep(
            steps,
            [
                (ir.graph.nodes[name]["node"].first, events, np.zeros(len(events)))
                for name, events in stimulus.spikes.items()
            ],
        )

    def fire(self, t: int) -> NDArray[np.int64]:
        """Channels that fire in step ``t``, ascending."""
        parts = [self.host(t)[0]]
        if len(self.poisson):
            parts.append(self.poisson[mix(self.key + step_term(t)) < self.limit])
        if len(self.periodic):
            since = t - self.phase
            parts.append(self.periodic[(since >= 0) & (since % self.period == 0)])
        return np.sort(np.concatenate(parts))


class _Synapses:
    """All projections as one table by sender, and the delay wheel."""

    def __init__(self, ir: Graph) -> None:
        n, edges = ir.neurons, ir.projections
        sender, target = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for edge in edges:
            pre, post = (ir.graph.nodes[name]["node"] for name in (edge.pre, edge.post))
            first = pre.first + (ir.channels if edge.base_delay else 0)
            sender.append(first + edge.synapses.pre.astype(np.int64))
            target.append(edge.receptor * n + post.first + edge.synapses.post.astype(np.int64))
        by_sender = np.argsort(np.concatenate(sender), kind="stable")
        weight = np.concatenate([np.zeros(0), *(e.synapses.weight for e in edges)])
        delay = np.concatenate([np.zeros(0, np.uint8), *(e.synapses.delay for e in edges)])
        self.place = np.empty(len(by_sender), np.int64)  # of each projection's synapses in turn
        self.place[by_sender] = np.arange(len(by_sender))
        counts = np.bincount(np.concatenate(sender), minlength=ir.channels + n)
        self.start = np.concatenate([[0], np.cumsum(counts)])
        self.target = np.concatenate(target)[by_sender]
        self.weight = weight[by_sender]
        self.learning = any(learned_delays(e, ir.dt)[1] for e in edges)
        self.delay: NDArray[Any] = delay[by_sender].astype(
            np.float64 if self.learning else np.int64
        )
        deepest = max([int(delay.max(initial=0)), *(learned_delays(e, ir.dt)[1] for e in edges)])
        self.wheel = np.zeros((deepest + 1, 2 * n))

    def plastic(self, ir: Graph) -> list[Plasticity]:
        """The plastic projections, which change weights and delays in here."""
        ends = np.cumsum([0, *(len(e.synapses) for e in ir.projections)])
        return [
            Plasticity(
                ir, e, self.weight, self.delay, self.place[ends[e.index] : ends[e.index + 1]]
            )
            for e in ir.plastic
        ]

    def deliver(self, t: int, senders: NDArray[np.int64]) -> NDArray[np.float64]:
        """(2, n) what arrives in step ``t``; later arrivals stay in the wheel."""
        depth, width = self.wheel.shape
        first, counts = self.start[senders], np.diff(self.start)[senders]
        index = np.repeat(first - (np.cumsum(counts) - counts), counts)
        index += np.arange(len(index))
        delay = self.delay[index]
        if self.learning:
            delay = np.rint(delay).astype(np.int64)
        slot = (t + delay) % depth
        np.add.at(self.wheel.reshape(-1), slot * width + self.target[index], self.weight[index])
        acc = self.wheel[t % depth].copy()
        self.wheel[t % depth] = 0.0
        return acc.reshape(2, -1)


class _Teaching:
    """What the host tells learning: teacher events, third factors, the modulator."""

    def __init__(self, ir: Graph, steps: int, stimulus: Stimulus) -> None:
        self.channels, self.n = ir.channels, ir.neurons
        self.third_factor = np.zeros(self.n)
        self.modulator = 0.0

        def first(name: str) -> int:
            return ir.graph.nodes[name]["node"].first

        self.teacher = _ByStep(
            steps,
            [(first(n), events, np.zeros(len(events))) for n, events in stimulus.teacher.items()],
        )
        self.factors = _ByStep(
            steps, [(first(n), *given) for n, given in stimulus.third_factor.items()]
        )
        self.modulators = _ByStep(
            steps, [] if stimulus.modulator is None else [(0, *stimulus.modulator)]
        )

    def events(self, t: int, senders: NDArray[np.int64], fired: NDArray[np.int64]) -> StepEvents:
        """Everything that learning sees of step ``t``."""
        arrived = np.zeros(self.channels + self.n, bool)
        arrived[senders] = True
        who = np.zeros(self.n, bool)
        who[fired] = True
        teacher = np.zeros(self.n, bool)
        teacher[self.teacher(t)[0]] = True
        changed, values = self.factors(t)
        self.third_factor[changed] = values
        for value in self.modulators(t)[1]:
            self.modulator = float(value)
        return StepEvents(arrived, who, teacher, self.third_factor, self.modulator)


class _Neurons:
    """State and update of all neurons; names are those of docs/machine.md §5."""

    def __init__(self, ir: Graph) -> None:
        p = np.concatenate([np.zeros(0, NEURON), *(q.params for q in ir.populations)])
        n = len(p)
        self.p = {name: np.ascontiguousarray(p[name]) for name in NEURON.names or ()}
        self.factor_u = np.ascontiguousarray(p["factor_u"].T)
        self.linear = p["leak"] == LINEAR
        self.subtract = p["reset"] == RESET_SUBTRACT
        self.late = p["reset_delay"] == 1
        self.hold = p["refractory_mode"] != MASK
        self.spiking = p["spiking"] == 1
        self.u = np.zeros((2, n))
        self.v = p["v_init"].copy()
        self.adapt = np.zeros(n)
        self.counter = np.zeros(n, np.int64)
        self.pending = np.zeros(n, bool)

    @property
    def threshold(self) -> NDArray[np.float64]:
        """(n,) θ + θa."""
        return self.p["threshold"] + self.adapt

    def update(
        self, acc: NDArray[np.float64], who: NDArray[np.int64], value: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """One step; ``value`` is injected into neurons ``who``. Returns who fired."""
        p, thr = self.p, self.threshold
        held = self.counter > 0
        self.u = self.u * self.factor_u + acc
        x = self.u[0] + self.u[1] + p["bias"]
        x[who] += value
        leaked = np.where(
            self.linear,
            np.sign(self.v) * np.maximum(np.abs(self.v) - p["leak_step"], 0.0),
            self.v * p["factor_v"],
        )
        base = np.where(held & self.hold, self.v, leaked + x)
        reset = np.where(self.subtract, base - thr, p["v_reset"])
        v = np.where(self.pending, reset, base)
        fire = self.spiking & (v > thr) & ~held
        now = fire & ~self.late
        self.v = np.where(now, np.where(self.subtract, v - thr, p["v_reset"]), v)
        self.pending = fire & self.late
        self.counter = np.where(fire, p["refractory"], np.maximum(self.counter - 1, 0))
        self.adapt = self.adapt * p["factor_adapt"] + np.where(fire, p["adapt_step"], 0.0)
        return np.flatnonzero(fire)


class _Recorder:
    """Collects what the probes ask for."""

    def __init__(self, ir: Graph, steps: int) -> None:
        self.ir, self.steps = ir, steps
        self.channels: list[NDArray[np.int64]] = []
        self.fired: list[NDArray[np.int64]] = []
        self.states = {
            (probe.of, probe.variable): np.zeros((steps, ir.graph.nodes[probe.of]["node"].size))
            for probe in ir.probes
            if probe.variable != "spikes"
        }

    def note(
        self, t: int, channels: NDArray[np.int64], fired: NDArray[np.int64], neurons: _Neurons
    ) -> None:
        """Take down one step."""
        self.channels.append(channels)
        self.fired.append(fired)
        for (name, variable), out in self.states.items():
            node = self.ir.graph.nodes[name]["node"]
            if variable in ("u0", "u1"):
                values = neurons.u[int(variable[1])]
            else:
                values = getattr(neurons, variable)
            out[t] = values[node.first : node.first + node.size]

    def result(self) -> Result:
        """Everything by name."""
        channels, fired = _events(self.channels), _events(self.fired)
        spikes, sizes = {}, {}
        states: dict[str, dict[str, Scaled]] = {}
        for probe in self.ir.probes:
            node = self.ir.graph.nodes[probe.of]["node"]
            sizes[probe.of] = node.size
            if probe.variable != "spikes":
                values = self.states[probe.of, probe.variable]
                states.setdefault(probe.of, {})[probe.variable] = Scaled(values)
                continue
            events = channels if node in self.ir.sources else fired
            own = (events[:, 1] >= node.first) & (events[:, 1] < node.first + node.size)
            spikes[probe.of] = events[own] - np.array([0, node.first])
        shapes = {n: s for n, s in self.ir.shapes.items() if n in sizes}
        return Result(self.steps, 0, self.ir.dt, spikes, states, sizes, "simulation", shapes=shapes)


def _events(by_step: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(n, 2) step and index of a list with one array of indices per step."""
    steps = np.repeat(np.arange(len(by_step)), [len(part) for part in by_step])
    index = np.concatenate([np.zeros(0, np.int64), *by_step])
    return np.column_stack([steps, index]).astype(np.int64)


class _ByStep:
    """Events of several objects, looked up by step as (index, value)."""

    def __init__(
        self, steps: int, parts: Sequence[tuple[int, NDArray[np.int64], NDArray[Any]]]
    ) -> None:
        step = np.concatenate([np.zeros(0, np.int64), *(e[:, 0] for _, e, _ in parts)])
        order = np.argsort(step, kind="stable")
        index = [np.zeros(0, np.int64), *(first + e[:, 1] for first, e, _ in parts)]
        self.index = np.concatenate(index)[order]
        self.value = np.concatenate([np.zeros(0), *(v for _, _, v in parts)])[order]
        self.bounds = np.searchsorted(step[order], np.arange(steps + 1))

    def __call__(self, t: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        here = slice(self.bounds[t], self.bounds[t + 1])
        return self.index[here], self.value[here]
