"""Whether a snapshot could have been made by a device that runs this Program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.microcode import WINDOW, TraceKind
from ..compiler.program import DENSE, SPARSE
from ..errors import InputError
from ..learning_inputs import HIGHEST, LOWEST
from .backend import SATURATION_KINDS, CoreWeights, LearningState, State

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..compiler.program import Program

MOST = 1 << 62
"""Of a counter, so that counting on cannot wrap a 64-bit number."""


def check_state(state: State, program: Program) -> None:
    """Refuse a state that no device could have made of this Program."""
    top, total = program.target.state_max, program.target.accumulator_max
    limits = {
        "u": (-top - 1, top),
        "v": (-top - 1, top),
        "adapt": (0, top),
        "refractory": (0, 65535),
        "reset_pending": (0, 1),
        "fired": (0, 1),
        "wheel": (-total - 1, total),
        "saturated": (0, (1 << len(SATURATION_KINDS)) - 1),
        "saturations": (0, MOST),
    }
    for name, like in vars(State.initial(program)).items():
        value = getattr(state, name)
        if name == "learning":
            if (value is None) != (like is None):
                raise _impossible(name, *("none" if v is None else "some" for v in (value, like)))
            if value is not None:
                _check_learning(value, program)
        elif not isinstance(like, np.ndarray):
            if type(value) is not int or not 0 <= value <= MOST:
                raise _impossible(name, repr(value), "an integer that is not negative")
        else:
            _check_array(name, value, like, *limits[name])


def _check_array(
    name: str, value: NDArray[Any], like: NDArray[Any], low: ArrayLike, high: ArrayLike
) -> None:
    """Shape and type of ``like``, all within ``low … high``, numbers or one for each entry."""
    if value.shape != like.shape or value.dtype != like.dtype:
        raise _impossible(
            name,
            f"shape {value.shape} of {value.dtype}",
            f"shape {like.shape} of {like.dtype}",
        )
    wrong = (value < low) | (value > high)
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), value.shape)
        least, most = (np.broadcast_to(limit, value.shape)[at] for limit in (low, high))
        raise _impossible(name, str(value[at]), f"{least} to {most}")


def _check_learning(state: LearningState, program: Program) -> None:
    like = LearningState.initial(program)
    assert like is not None
    if type(state.on) is not bool:
        raise _impossible("learning", repr(state.on), "True or False")
    if type(state.modulator) is not int or not LOWEST <= state.modulator <= HIGHEST:
        raise _impossible("modulator", repr(state.modulator), f"{LOWEST} to {HIGHEST}")
    top = program.target.trace_max
    history = (1 << WINDOW) - 1
    largest = {TraceKind.NONE: 0, TraceKind.EXPONENTIAL: top, TraceKind.WINDOW: history}
    ends = np.diff(program.trace_start, axis=0)
    for name, column in (("x", 0), ("y", 1)):
        per_rule = [
            [largest[getattr(rule, f"{name}{which}").kind] for which in (1, 2)]
            for rule in program.rules
        ]
        limit = np.repeat(np.array(per_rule, np.int64), ends[:, column], axis=0)
        _check_array(f"traces {name}", getattr(state, name), getattr(like, name), 0, limit)
    bits = np.array([(1 << rule.post_delay) - 1 for rule in program.rules], np.uint64)
    limit = np.repeat(bits, ends[:, 1])
    _check_array("fired_before", state.fired_before, like.fired_before, np.uint64(0), limit)
    _check_array("third_factor", state.third_factor, like.third_factor, LOWEST, HIGHEST)
    for name in ("sparse", "dense"):
        given, initial = getattr(state, f"{name}_tag"), getattr(like, f"{name}_tag")
        if len(given) != len(initial):
            raise _impossible("tags", f"{len(given)} cores", f"{len(initial)} cores")
        for core, (a, b, image) in enumerate(zip(given, initial, program.cores, strict=True)):
            on = getattr(image, f"{name}_enable").astype(np.int64)
            _check_array(f"{name} tags of core {core}", a, b, LOWEST * on, HIGHEST * on)


def check_weights(weights: tuple[CoreWeights, ...], program: Program) -> None:
    """Refuse weights and delays that do not fit, or that no rule could have made."""
    initial = CoreWeights.initial(program)
    if len(weights) != len(initial):
        raise _impossible("weights", f"{len(weights)} cores", f"{len(initial)} cores")
    top, slots = program.target.weight_max, program.target.delay_slots
    lowest = np.array([-top - 1, *(rule.weight_min for rule in program.rules)])
    highest = np.array([top, *(rule.weight_max for rule in program.rules)])
    for number, (core, given, like) in enumerate(zip(program.cores, weights, initial, strict=True)):
        sparse, dense = (core.synapse_rules(kind) for kind in (SPARSE, DENSE))
        for name, rule in (("sparse", sparse), ("dense", dense)):
            what = f"{name} weights of core {number}"
            _check_array(
                what, getattr(given, name), getattr(like, name), lowest[rule], highest[rule]
            )
        if (given.delay is None) != (like.delay is None):
            told = ("none" if w.delay is None else "some" for w in (given, like))
            raise _impossible(f"delays of core {number}", *told)
        if given.delay is not None and like.delay is not None:
            learned = np.array([False, *(rule.changes_delays for rule in program.rules)])[sparse]
            least = np.array([0, *(rule.delay_min for rule in program.rules)])[sparse]
            most = np.array([slots - 1, *(rule.delay_max for rule in program.rules)])[sparse]
            low, high = np.where(learned, [least, most], like.delay.astype(np.int64))
            _check_array(f"delays of core {number}", given.delay, like.delay, low, high)


def _impossible(name: str, found: str, expected: str) -> InputError:
    return InputError(
        f"the snapshot does not fit the Program: {name}", found=found, expected=expected
    )
