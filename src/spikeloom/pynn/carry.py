"""The state of a device, moved from one Program to another, or changed by hand.

Between two runs users may change parameters, add populations, or ask for other recordings. That
makes another Program, which goes on from where the first one was. Where scales are the same, so
are the integers; where they differ, values are rounded to the new ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError, InputError
from ..runtime.backend import LearningState, State
from ..runtime.weights import shifts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..compiler.program import PopulationSymbol, Program
    from .lower import Lowered

    Array = NDArray[np.float64]


def carry_state(
    old: State,
    before: Program,
    was: Mapping[str, Lowered],
    after: Program,
    now: Mapping[str, Lowered],
) -> State:
    """A state of ``before`` as one of ``after``.

    Populations are matched by name and size; those that are new start at their beginning.

    Raises:
        CompileError: spikes are under way for longer than the new Program's longest delay, or to
            neurons that add up inputs of others, or a value does not fit into its numbers.
    """
    new = State.initial(after)
    deep = len(new.wheel)
    if old.wheel[deep:].any():
        raise CompileError(
            "spikes are under way for longer than the changed network's longest delay",
            found=f"{len(old.wheel)} steps",
            expected=f"at most {deep}",
            remedy="call reset() before the change, or keep a connection of the longer delay",
        )
    _check_sums(old, before)
    sizes = {p.name: p.size for p in before.populations if p.name not in before.generated}
    for symbol in after.populations:
        if sizes.get(symbol.name) == symbol.size and symbol.name not in after.generated:
            _carry_population(old, before, was[symbol.name], new, after, now[symbol.name], symbol)
    saturations = new.saturations.copy()
    saturations[0] = old.saturations.sum(axis=0)
    return replace(
        _followed(new, after),
        learning=_carry_learning(old, before, new, after),
        step=old.step,
        saturations=saturations,
        spikes=old.spikes,
        synaptic_events=old.synaptic_events,
    )


def _check_sums(old: State, before: Program) -> None:
    """A sum that is half done means nothing to neurons with other thresholds."""
    for split in before.splits:
        population = before.population(split.sums)
        assert population is not None
        own = before.global_neurons(population)
        if old.fired[own].any() or old.wheel[..., own].any():
            raise CompileError(
                "spikes are under way to neurons that add up inputs for others, and the changed "
                "network has others of these",
                found=f"in {split.sums!r}, for {split.population!r}",
                remedy="call reset() before the change; or a target whose neurons may have all "
                "inputs themselves; or run until no input has come for as long as the delays",
            )


def _carry_learning(
    old: State, before: Program, new: State, after: Program
) -> LearningState | None:
    """Traces, where both Programs have them for the same projections."""
    if new.learning is None or old.learning is None:
        return new.learning
    names = [[p.projections[r.projection].name for r in p.rules] for p in (before, after)]
    if names[0] != names[1] or not np.array_equal(before.trace_start, after.trace_start):
        raise CompileError(
            "projections that learn were added after a run",
            found=", ".join(names[1]),
            expected=", ".join(names[0]),
            remedy="call reset() before the change",
        )
    was = old.learning
    return replace(new.learning, x=was.x, y=was.y, fired_before=was.fired_before)


def _carry_population(
    old: State,
    before: Program,
    was: Lowered,
    new: State,
    after: Program,
    now: Lowered,
    symbol: PopulationSymbol,
) -> None:
    """Fill in one population's part of ``new``."""
    source = before.population(symbol.name)
    assert source is not None
    here, there = before.global_neurons(source), after.global_neurons(symbol)
    for name in ("refractory", "reset_pending", "fired", "saturated"):
        getattr(new, name)[there] = getattr(old, name)[here]
    every = np.arange(symbol.size)
    v = now.to_native("v", was.to_user("v", old.v[here] / source.scale), every)
    new.v[there] = _rounded(after, symbol, "v", v * symbol.scale)
    lsb = np.ldexp(1.0, shifts(before, symbol.name)) / source.scale
    units = symbol.scale / np.ldexp(1.0, shifts(after, symbol.name))
    depth = min(len(old.wheel), len(new.wheel))
    for r, name in enumerate(("u0", "u1")):
        current = was.to_user(name, old.u[r, here] / source.scale)
        u = now.to_native(name, current, every) * symbol.scale
        new.u[r, there] = _rounded(after, symbol, name, u)
        ratio = now.effect[r] / was.effect[r] * lsb * units
        wheel = old.wheel[:depth, r, here] * ratio
        limit = after.target.accumulator_max
        new.wheel[:depth, r, there] = _rounded(after, symbol, "wheel", wheel, limit)


def _rounded(
    program: Program, symbol: PopulationSymbol, what: str, values: Array, limit: int | None = None
) -> NDArray[np.int32]:
    limit = program.target.state_max if limit is None else limit
    raw = np.rint(values)
    if (np.abs(raw) > limit).any():
        raise CompileError(
            f"present values of {symbol.name!r} do not fit into the changed network's numbers",
            found=f"{what} of {np.abs(raw).max():g}",
            expected=f"at most {limit}",
            remedy="call reset() before the change, or give a scale: setup(quantization=…)",
        )
    return raw.astype(np.int32)


def _followed(state: State, program: Program) -> State:
    """A copy in which twins have the state of their originals."""
    names = ("u", "v", "adapt", "refractory", "reset_pending", "fired", "wheel", "saturated")
    return replace(state, **{name: getattr(state, name)[..., program.twin_of] for name in names})


def with_values(
    state: State,
    program: Program,
    name: str,
    variable: str,
    index: NDArray[np.int64],
    values: Array,
) -> State:
    """A copy in which v, u0 or u1 of some neurons have other values, in the network's units.

    Raises:
        InputError: a value does not fit into the device's numbers.
    """
    symbol = program.population(name)
    assert symbol is not None
    neurons, scale = program.global_neurons(symbol)[index], symbol.scale[index]
    raw, limit = np.rint(values * scale), program.target.state_max
    wrong = np.abs(raw) > limit
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(
            f"{variable} of {name!r}[{int(index[at])}] does not fit into the device's numbers",
            found=f"{values[at]:g}",
            expected=f"at most {limit / scale[at]:g} from rest",
            remedy="give a smaller scale: setup(quantization=sl.Quantization(scale=…))",
        )
    if variable == "v":
        v = state.v.copy()
        v[neurons] = raw
        return _followed(replace(state, v=v), program)
    u = state.u.copy()
    u[int(variable == "u1"), neurons] = raw
    return _followed(replace(state, u=u), program)
