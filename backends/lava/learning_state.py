"""What the host adds to Lava's learning: the machine's random numbers, and memory of spikes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...compiler.microcode import WINDOW, Changes, TraceKind, When
from ...counter_hash import LEARNING, TRACE_DECAY, random

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, LearningState
    from .learning import LavaRule
    from .plan import Plan


@dataclass(frozen=True, eq=False)
class Plastic:
    """A rule, its connection, and where its numbers are in the Program's state.

    Attributes:
        rule: in Lava's language.
        connection: number in the plan.
        from_source: whether the presynaptic side is a source.
        pre: channels or global neurons of that side, in their order.
        post: global neurons.
        x, y: rows of the traces in a LearningState.
        post_delay: steps from a neuron's spike to its traces.
    """

    rule: LavaRule
    connection: int
    from_source: bool
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    x: slice
    y: slice
    post_delay: int

    def waiting(self, program: Program, state: LearningState, fired: NDArray[np.uint8]) -> dict:
        """Arrays of the worker's ``write``: traces, who has just fired, and whose spikes count in
        the next steps, first (lag, neurons) the oldest.

        Args:
            program: the loaded one.
            state: of learning.
            fired: (n,) who fired in the last step.
        """
        k = self.rule.number
        before = state.fired_before[self.y].astype(np.int64)
        arrives = np.zeros((0, len(self.pre))) if self.from_source else fired[self.pre][None] != 0
        late = [before >> (d - 1) & 1 for d in range(self.post_delay, 0, -1)]
        x, y = state.x[self.x].T.astype(np.int64), state.y[self.y].T.astype(np.int64)
        return {
            f"x{k}": _values(program, k, "x", x),
            f"y{k}": _values(program, k, "y", y),
            f"fired_x{k}": self._flag(program, "x", x),
            f"fired_y{k}": self._flag(program, "y", y),
            f"wait_x{k}": arrives.astype(np.uint8),
            f"wait_y{k}": np.array(late, np.uint8).reshape(self.post_delay, len(self.post)),
        }

    def _flag(self, program: Program, side: str, stored: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Who has fired in the last step, as the window trace of that side remembers it."""
        for column in (0, 1):
            if getattr(program.rules[self.rule.number], f"{side}{column + 1}").table == (1,):
                return (stored[column] & 1).astype(np.uint8)
        return np.zeros(stored.shape[1], np.uint8)


def _values(program: Program, k: int, side: str, stored: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.zeros(stored.shape)
    for column in (0, 1):
        if getattr(program.rules[k], f"{side}{column + 1}").kind == TraceKind.EXPONENTIAL:
            out[column] = stored[column]
    return out


def plastics(program: Program, plan: Plan) -> list[Plastic]:
    """What learns, in the order of the rules."""
    found = []
    for number, connection in enumerate(plan.connections):
        rule = connection.rule
        if rule is None:
            continue
        if connection.from_source:
            block = plan.blocks[connection.pre]
            pre = np.arange(block.first, block.last)
        else:
            pre = plan.groups[connection.pre].neurons
        first, last = program.trace_start[rule.number], program.trace_start[rule.number + 1]
        x, y = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        post_delay = program.rules[rule.number].post_delay
        post = plan.groups[connection.post].neurons
        found.append(Plastic(rule, number, connection.from_source, pre, post, x, y, post_delay))
    return sorted(found, key=lambda plastic: plastic.rule.number)


def numbers(program: Program, plastic: Plastic, start: int, steps: int) -> dict[str, NDArray]:
    """The machine's random numbers for a window, as Lava's roundings compare them.

    Lava rounds up where its number is below the fraction; the machine where fraction and number
    reach 1. Half a step off, so that no rounding of a double matters.
    """
    k, rule = plastic.rule.number, program.rules[plastic.rule.number]
    n, m = len(plastic.pre), len(plastic.post)
    x, y = np.zeros((steps, 2, n)), np.zeros((steps, 3, m))
    a, b = np.zeros((2, steps, n), np.int64)
    purpose = LEARNING + 6 * Changes.WEIGHT + 2 * When.EPOCH
    pre, post = np.arange(n), np.arange(m)
    for i in range(steps):
        step = start + i
        for column in (0, 1):
            x[i, column] = random(rule.seed, step, pre, TRACE_DECAY + column) >> 20
            y[i, column] = random(rule.seed, step, post, TRACE_DECAY + 2 + column) >> 20
        a[i], b[i] = (random(rule.seed, step, pre, p) for p in (purpose, purpose + 1))
    x, y = ((4095.5 - values) / 4096 for values in (x, y))
    return {f"x_noise{k}": x, f"y_noise{k}": y, f"a{k}": a, f"b{k}": b}


def remember(
    program: Program,
    plastic: Plastic,
    state: LearningState,
    fired: NDArray[np.uint8],
    spikes: NDArray[np.bool_],
    channels: NDArray[np.bool_],
    values: dict[str, NDArray[np.float64]],
) -> None:
    """Bring a state of learning on by a window, in place.

    Args:
        program: the loaded one.
        plastic: one of its rules.
        state: as it was before the window; a copy.
        fired: (n,) who fired in the step before the window.
        spikes: (steps, n) who fired in it.
        channels: (steps, channels) likewise.
        values: Lava's traces at its end.
    """
    k = plastic.rule.number
    rule = program.rules[k]
    own = spikes[:, plastic.post]
    if plastic.from_source:
        x0 = channels[:, plastic.pre]
    else:
        x0 = np.concatenate([fired[None, plastic.pre] != 0, spikes[:-1, plastic.pre]])
    before = state.fired_before[plastic.y].astype(np.int64)
    late = [(before >> (d - 1) & 1) != 0 for d in range(rule.post_delay, 0, -1)]
    y0 = np.concatenate([np.array(late, bool).reshape(-1, own.shape[1]), own])
    ahead, y0 = y0[len(own) :], y0[: len(own)]
    for d, events in enumerate(ahead[::-1], 1):
        bit = np.uint64(1 << (d - 1))
        old = state.fired_before[plastic.y] & ~bit
        state.fired_before[plastic.y] = old | np.where(events, bit, np.uint64(0))
    for side, stored, events in (("x", state.x[plastic.x], x0), ("y", state.y[plastic.y], y0)):
        for column in (0, 1):
            kind = getattr(rule, f"{side}{column + 1}").kind
            if kind == TraceKind.EXPONENTIAL:
                stored[:, column] = np.rint(values[f"{side}{k}"][column])
            elif kind == TraceKind.WINDOW:
                history = stored[:, column].astype(np.int64)
                for row in events[-WINDOW:]:
                    history = (history << 1 | row) & ((1 << WINDOW) - 1)
                stored[:, column] = history


def with_registers(state: LearningState, events: Events) -> LearningState:
    """The state with what the host wrote for third factors and modulator, in place."""
    factor = state.third_factor
    for neuron, value in zip(events.factor_neuron, events.factor_value, strict=True):
        factor[neuron] = value
    modulator = int(events.modulator_value[-1]) if len(events.modulator_value) else state.modulator
    return replace(state, modulator=modulator)


def copied(state: LearningState | None) -> LearningState | None:
    """A copy whose arrays may be changed; tags, which nothing here changes, are shared."""
    if state is None:
        return None
    names = ("x", "y", "fired_before", "third_factor")
    return replace(state, **{name: getattr(state, name).copy() for name in names})
