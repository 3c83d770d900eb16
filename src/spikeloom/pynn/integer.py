"""Devices with integers: a plan is compiled, and the Program runs on any device of the runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.projection import MAX_WHEEL_DELAY
from ..compiling import compile as compile_network
from ..errors import InputError
from ..runtime.open import open as open_device
from ..runtime.snapshot import Snapshot
from .carry import carry_state, with_values
from .engine import Output
from .lower import lower, probes
from .plan import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..compiler.quantise import Quantization
    from ..compiler.target import Target
    from .plan import Links, Plan

_UNBOUNDED = ("emulator", "reference")
"""Devices without a memory of their own to run out of."""


class IntegerEngine:
    """An :class:`~spikeloom.pynn.engine.Engine` over a device of the runtime.

    Args:
        url: as for :func:`spikeloom.open`.
        target: what to compile for; None: what suits the device.
        quantization: as for :func:`spikeloom.compile`.
    """

    cell_types = frozenset({"IF_curr_exp", "IF_curr_delta", *SOURCES})
    synapse_types = frozenset({"StaticSynapse", "STDPMechanism"})
    max_delay: int | None = MAX_WHEEL_DELAY

    def __init__(
        self, url: str, target: str | Target | None, quantization: Quantization | None
    ) -> None:
        self.url = url
        self.device = open_device(url)
        scheme = url.partition("?")[0]
        self.target = target or ("emulator" if scheme in _UNBOUNDED else "core")
        self.quantization = quantization
        self._plan: Plan | None = None

    # ------------------------------------------------------------------ compiling

    def load(self, plan: Plan) -> None:
        if self._plan is not None and _same(self._plan, plan):
            self.device.reset(weights=True)
            for links in self._written.values():
                self.write_weights(links)
        else:
            self._compile(plan)
            self.device.load(self._program)
        self._plan = plan
        for cells in plan.cells:
            for variable, values in cells.initial.items():
                if variable != "v" and values.any():  # v is in the Program
                    self.write_state(cells.name, variable, np.arange(cells.size), values)

    def _compile(self, plan: Plan) -> None:
        self.network, self.lowered = lower(plan)
        self._program = compile_network(self.network, self.target, self.quantization)
        self._links = {links.name: links for links in plan.links}
        self._written: dict[str, Links] = {}  # whose weights are not the Program's
        self._order = {
            links.name: np.lexsort((links.delay, links.post_index, links.pre_index))
            for links in plan.links
        }

    def update(self, plan: Plan) -> None:
        kept = dict(vars(self))
        try:
            self._update(plan)
        except BaseException:
            vars(self).update(kept)  # what is loaded is still what it was
            raise

    def _update(self, plan: Plan) -> None:
        assert self._plan is not None
        snapshot, before, lowered = self.device.snapshot(), self._program, self.lowered
        learned = {
            links.name: (links.version, self.read_weights(links.name))
            for links in self._links.values()
            if links.rule is not None
        }
        if _same(replace_records(self._plan, plan), plan):
            self._program = replace(before, probes=probes(plan))
            state, weights = snapshot.state, snapshot.weights
        else:
            self._compile(plan)
            state = carry_state(snapshot.state, before, lowered, self._program, self.lowered)
            weights = None
        self._plan = plan
        self.device.load(self._program)
        weights = weights or self.device.snapshot().weights
        self.device.restore(Snapshot(self._program.content_hash, state, weights))
        for links in plan.links:
            version, values = learned.get(links.name, (None, links.weight))
            if version == links.version:
                ordered = (values * self._effect(links))[self._order[links.name]]
                self.device.write_weights(links.name, ordered)

    def program(self) -> Program:
        return self._program

    # ------------------------------------------------------------------ running

    def run(
        self,
        steps: int,
        spikes: Mapping[str, NDArray[np.int64]],
        currents: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]],
        record: Mapping[str, tuple[str, ...]],
    ) -> Output:
        inputs: dict[str, Any] = dict(spikes)
        for name, (index, values) in currents.items():
            events = np.argwhere(values)
            flow = values[events[:, 0], events[:, 1]]
            events[:, 1] = index[events[:, 1]]
            inputs[name] = events, flow * self.lowered[name].gain[events[:, 1]]
        result = self.device.run(steps, inputs)
        states: dict[str, dict[str, NDArray[np.float64]]] = {}
        for name, of in result.states.items():
            cells = self.lowered[name]
            states[name] = {
                cells.user_name(variable): cells.to_user(variable, values.view(np.ndarray))
                for variable, values in of.items()
            }
        return Output(result.spikes, states)

    # ------------------------------------------------------------------ reading and writing

    def read_weights(self, name: str) -> NDArray[np.float64]:
        links, order = self._links[name], self._order[name]
        values = np.zeros(len(order))
        values[order] = self.device.read_weights(name).values
        return values / self._effect(links)

    def write_weights(self, links: Links) -> None:
        self._links[links.name] = links
        values = (links.weight * self._effect(links))[self._order[links.name]]
        assert self._plan is not None
        plan = replace(
            self._plan,
            links=tuple(links if old.name == links.name else old for old in self._plan.links),
        )
        try:
            self.device.write_weights(links.name, values)
        except InputError:  # the compiled scale has no room for them: find another one
            self.update(plan)
        else:
            self._plan, self._written[links.name] = plan, links

    def _effect(self, links: Links) -> NDArray[np.float64]:
        """(k,) mV per unit of each weight."""
        return self.lowered[links.post].effect[links.receptor, links.post_index]

    def write_state(
        self, name: str, variable: str, index: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        snapshot, cells = self.device.snapshot(), self.lowered[name]
        native = cells.native_name(variable)
        reals = cells.to_native(native, values, index)
        state = with_values(snapshot.state, self._program, name, native, index, reals)
        self.device.restore(replace(snapshot, state=state))

    def close(self) -> None:
        self.device.close()


def replace_records(plan: Plan, other: Plan) -> Plan:
    """A plan that records what another one does, where they have the same populations."""
    record = {cells.name: cells.record for cells in other.cells}
    return replace(
        plan,
        cells=tuple(replace(c, record=record.get(c.name, c.record)) for c in plan.cells),
    )


def _same(a: Any, b: Any) -> bool:
    """Whether two plans, or parts of them, say the same."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__"):
        return all(_same(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__)
    return bool(a == b)
