"""The floating-point device: steps through a plan in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import UnsupportedError
from ..engine import FLOAT, Output
from ..plan import SOURCES
from .conductances import (
    AdaptiveExponential,
    AlphaAdaptiveExponential,
    AlphaConductance,
    Conductance,
)
from .hodgkin_huxley import HodgkinHuxley
from .models import Alpha, Delta, Exponential, Model
from .synapses import Plastic, Rows, ShortTerm, Stdp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ..plan import Links, Plan

MODELS: dict[str, type[Model]] = {
    "IF_curr_exp": Exponential,
    "IF_curr_delta": Delta,
    "IF_curr_alpha": Alpha,
    "IF_cond_exp": Conductance,
    "IF_cond_alpha": AlphaConductance,
    "EIF_cond_exp_isfa_ista": AdaptiveExponential,
    "EIF_cond_alpha_isfa_ista": AlphaAdaptiveExponential,
    "HH_cond_exp": HodgkinHuxley,
}
PLASTIC: dict[str, type[Plastic]] = {"STDPMechanism": Stdp, "TsodyksMarkramSynapse": ShortTerm}

_NOTHING = np.zeros(0, np.int64)


class Static:
    """Connections with fixed weights; a spike goes to the target's wheel when it is fired."""

    def __init__(self, links: Links, size: int, early: int) -> None:
        self.links, self.weight, self.delay = links, links.weight.copy(), links.delay - early
        self.rows = Rows(links.pre_index, size)


class Wheel:
    """What arrives at a population later: (depth, 2, size), turned by one each step."""

    def __init__(self, depth: int, size: int) -> None:
        self.slots = np.zeros((depth, 2, size))

    def add(
        self,
        now: int,
        receptor: int,
        target: NDArray[np.int64],
        weight: NDArray[np.float64],
        delay: NDArray[np.int64],
    ) -> None:
        """Let weights arrive ``delay`` steps from ``now``."""
        depth, receptors, size = self.slots.shape
        place = ((now + delay) % depth * receptors + receptor) * size + target
        np.add.at(self.slots.reshape(-1), place, weight)

    def take(self, now: int) -> NDArray[np.float64]:
        """(2, size) what arrives now."""
        slot = self.slots[now % len(self.slots)]
        arrived = slot.copy()
        slot[:] = 0.0
        return arrived

    def carry(self, old: Wheel, now: int) -> None:
        """Take over what is under way in another wheel."""
        for ahead in range(min(len(old.slots), len(self.slots))):
            self.slots[(now + ahead) % len(self.slots)] = old.slots[(now + ahead) % len(old.slots)]


class FloatEngine:
    """An :class:`~spikeloom.pynn.engine.Engine` that computes in floating point."""

    url = FLOAT
    cell_types = frozenset({*MODELS, *SOURCES})
    synapse_types = frozenset({"StaticSynapse", *PLASTIC})
    max_delay: int | None = None

    def __init__(self) -> None:
        self.close()

    def close(self) -> None:
        self.step = 0
        self.groups: dict[str, Model] = {}
        self.wheels: dict[str, Wheel] = {}
        self.static: dict[str, Static] = {}
        self.plastic: dict[str, Plastic] = {}
        self.fired: dict[str, NDArray[np.int64]] = {}

    def load(self, plan: Plan) -> None:
        self.step = 0
        self.groups = {c.name: MODELS[c.model](c, plan.dt) for c in plan.cells}
        self.fired = {}
        self._connect(plan)

    def update(self, plan: Plan) -> None:
        groups, wheels, plastic, fired = self.groups, self.wheels, self.plastic, self.fired
        step = self.step
        for cells in plan.cells:
            if cells.name in groups:
                groups[cells.name].take(cells)
        self.groups = {
            c.name: groups.get(c.name) or MODELS[c.model](c, plan.dt) for c in plan.cells
        }
        self._connect(plan)
        self.step, self.fired = step, fired
        for name, wheel in self.wheels.items():
            if name in wheels:
                deepest = max(len(wheel.slots), len(wheels[name].slots))
                self.wheels[name] = Wheel(deepest, self.groups[name].size)
                self.wheels[name].carry(wheels[name], step)
        for name, synapses in self.plastic.items():
            if name in plastic:
                synapses.carry(plastic[name])

    def _connect(self, plan: Plan) -> None:
        self.static, self.plastic = {}, {}
        sizes = {p.name: p.size for p in (*plan.cells, *plan.trains)}
        parameters = {c.name: c.parameters for c in plan.cells}
        depth = dict.fromkeys(self.groups, 1)
        for links in plan.links:
            early = self.groups[links.post].early
            depth[links.post] = max(depth[links.post], int(links.delay.max()) + 1)
            if links.model == "StaticSynapse":
                self.static[links.name] = Static(links, sizes[links.pre], early)
                continue
            tau = parameters[links.post].get("tau_syn_I" if links.receptor else "tau_syn_E")
            self.plastic[links.name] = PLASTIC[links.model](
                links,
                (sizes[links.pre], sizes[links.post]),
                plan.dt,
                early,
                None if tau is None else tau[links.post_index],
            )
        self.wheels = {name: Wheel(depth[name], sizes[name]) for name in self.groups}

    def run(
        self,
        steps: int,
        spikes: Mapping[str, NDArray[np.int64]],
        currents: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]],
        record: Mapping[str, tuple[str, ...]],
    ) -> Output:
        given = {name: _by_step(events, steps) for name, events in spikes.items()}
        events: dict[str, list[NDArray[np.int64]]] = {name: [] for name in self.groups}
        states = {
            name: {
                variable: np.zeros((steps, self.groups[name].size))
                for variable in variables
                if variable != "spikes"
            }
            for name, variables in record.items()
            if name in self.groups and variables
        }
        for k in range(steps):
            self._deliver({**self.fired, **{name: at[k] for name, at in given.items()}})
            for name, group in self.groups.items():
                current = np.zeros(group.size)
                if name in currents:
                    index, values = currents[name]
                    current[index] = values[k]
                self.fired[name] = group.update(self.wheels[name].take(self.step), current)
                if name in states:
                    events[name].append(self.fired[name])
                    for variable, rows in states[name].items():
                        rows[k] = group.read(variable)
            self.step += 1
        return Output({name: _joined(events[name]) for name in states}, states)

    def _deliver(self, senders: dict[str, NDArray[np.int64]]) -> None:
        """Spikes of the present time set out, and reach synapses that learn."""
        for synapses in self.static.values():
            links = synapses.links
            pre = senders.get(links.pre, _NOTHING)
            if len(pre):
                at = synapses.rows.of(pre)
                self.wheels[links.post].add(
                    self.step,
                    links.receptor,
                    links.post_index[at],
                    synapses.weight[at],
                    synapses.delay[at],
                )
        for synapses in self.plastic.values():
            links = synapses.links

            def push(
                at: NDArray[np.int64],
                weight: NDArray[np.float64],
                delay: NDArray[np.int64],
                links: Links = links,
            ) -> None:
                wheel = self.wheels[links.post]
                wheel.add(self.step, links.receptor, links.post_index[at], weight, delay)

            pre, post = (senders.get(name, _NOTHING) for name in (links.pre, links.post))
            synapses.step(self.step, pre, post, push)

    def read_weights(self, name: str) -> NDArray[np.float64]:
        return (self.static.get(name) or self.plastic[name]).weight.copy()

    def write_weights(self, links: Links) -> None:
        synapses = self.static.get(links.name) or self.plastic[links.name]
        synapses.links, synapses.weight = links, links.weight.copy()

    def write_state(
        self, name: str, variable: str, index: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        self.groups[name].write(variable, index, values)

    def program(self) -> Program:
        raise UnsupportedError(
            "the floating-point device compiles nothing",
            remedy='setup(device="emulator") does',
        )


def _by_step(events: NDArray[np.int64], steps: int) -> list[NDArray[np.int64]]:
    """Indices of sorted (n, 2) events for each step."""
    bounds = np.searchsorted(events[:, 0], np.arange(1, steps))
    return np.split(events[:, 1], bounds)


def _joined(by_step: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(n, 2) step and index."""
    steps = np.repeat(np.arange(len(by_step)), [len(part) for part in by_step])
    index = np.concatenate([_NOTHING, *by_step])
    return np.column_stack([steps, index]).astype(np.int64)
