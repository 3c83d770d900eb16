"""What the emulator checks of what it is handed: C would write outside its arrays otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...compiler.microcode import TAG_MAX, TraceKind
from ...compiler.program import DENSE, SPARSE
from ...errors import DeviceError
from ...runtime.backend import CoreWeights, State, check_state, check_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...compiler.program import Program
    from ...runtime.backend import Events, LearningState, Record


def check_run(program: Program, events: Events, record: Record) -> None:
    """Refuse input and recordings that do not belong to the Program.

    Raises:
        DeviceError: saying what does not.
    """
    n, channels = program.neurons, program.channels
    for what, values, size in (
        ("channel of a spike", events.spike_channel, channels),
        ("neuron of a graded event", events.graded_neuron, n),
        ("neuron of a teacher event", events.teacher_neuron, n),
        ("neuron of a third factor", events.factor_neuron, n),
        *(("recorded neuron", which, n) for _, which in record.states),
    ):
        if len(values) and not 0 <= values.min() <= values.max() < size:
            raise DeviceError(
                f"the {what} is out of range",
                found=f"{values.min()} … {values.max()}",
                expected=f"0 … {size - 1}",
            )
    for what, values in (
        ("spikes", events.spike_step),
        ("graded", events.graded_step),
        ("teacher", events.teacher_step),
        ("third factor", events.factor_step),
        ("modulator", events.modulator_step),
    ):
        if len(values) and (values[0] < 0 or (np.diff(values) < 0).any()):
            raise DeviceError(f"the steps of the {what} events are not ascending from 0")
    for what, found, size in (
        ("spike_channel", events.spike_channel, len(events.spike_step)),
        ("graded_neuron", events.graded_neuron, len(events.graded_step)),
        ("graded_value", events.graded_value, len(events.graded_step)),
        ("teacher_neuron", events.teacher_neuron, len(events.teacher_step)),
        ("factor_neuron", events.factor_neuron, len(events.factor_step)),
        ("factor_value", events.factor_value, len(events.factor_step)),
        ("modulator_value", events.modulator_value, len(events.modulator_step)),
        ("record.neurons", record.neurons, n),
        ("record.channels", record.channels, channels),
    ):
        if np.shape(found) != (size,):
            raise DeviceError(
                f"{what} has the wrong shape", found=np.shape(found), expected=(size,)
            )
    top = program.target.state_max
    _check_range("graded_value", events.graded_value, -top - 1, top)
    for what, values in (
        ("factor_value", events.factor_value),
        ("modulator_value", events.modulator_value),
    ):
        _check_range(what, values, -TAG_MAX - 1, TAG_MAX, "the range of 8 bits")


def check_state_values(program: Program, state: State) -> None:
    """Refuse a state that does not fit the Program.

    Raises:
        DeviceError: an array's shape is not the Program's, or a value is out of range.
    """
    check_state(program, state)
    top = program.target.state_max
    for name, least in (("u", -top - 1), ("v", -top - 1), ("adapt", 0)):
        _check_range(f"state {name!r}", getattr(state, name), least, top)
    if state.learning is not None:
        _check_learning(program, state.learning)


def _check_learning(program: Program, state: LearningState) -> None:
    for name in ("sparse_tag", "dense_tag"):
        for tags in getattr(state, name):
            _check_range(f"state {name!r}", tags, -TAG_MAX - 1, TAG_MAX, "the range of 8 bits")
    registers = np.append(state.third_factor, state.modulator)
    _check_range("a third factor", registers, -TAG_MAX - 1, TAG_MAX, "the range of 8 bits")
    top = program.target.trace_max
    for number, rule in enumerate(program.rules):
        (x, y), (x_end, y_end) = program.trace_start[number : number + 2].tolist()
        for name, trace, stored in (
            ("x", rule.x1, state.x[x:x_end, 0]),
            ("x", rule.x2, state.x[x:x_end, 1]),
            ("y", rule.y1, state.y[y:y_end, 0]),
            ("y", rule.y2, state.y[y:y_end, 1]),
        ):
            if trace.kind == TraceKind.EXPONENTIAL:
                _check_range(f"state {name!r}", stored, 0, top, "the trace's range")


def check_weight_values(program: Program, weights: tuple[CoreWeights, ...]) -> None:
    """Refuse weights and delays that do not fit the Program.

    Raises:
        DeviceError: shapes or widths are not the Program's, or what a rule may change is beyond its
            limits, or a delay that none may change is not the Program's.
    """
    check_weights(program, weights)
    if not program.rules:
        return
    low, high = (
        np.array([0, *(getattr(rule, name) for rule in program.rules)])
        for name in ("weight_min", "weight_max")
    )
    for number, (core, given) in enumerate(zip(program.cores, weights, strict=True)):
        for name, kind in (("sparse", SPARSE), ("dense", DENSE)):
            rule = core.synapse_rules(kind)
            on = rule > 0
            values = np.asarray(getattr(given, name))[on]
            _check_limits(f"{name} weights of core {number}", values, low[rule[on]], high[rule[on]])
        _check_delays(program, number, given)


def _check_delays(program: Program, number: int, given: CoreWeights) -> None:
    core, what = program.cores[number], f"delays of core {number}"
    learned = np.array([False, *(rule.changes_delays for rule in program.rules)])
    if not learned.any():
        return
    assert given.delay is not None  # `check_weights` has seen to it
    rule = core.synapse_rules(SPARSE)
    low, high = (
        np.array([0, *(getattr(one, name) for one in program.rules)])[rule]
        for name in ("delay_min", "delay_max")
    )
    fixed = ~learned[rule]
    low[fixed] = high[fixed] = core.sparse_delay[fixed]
    _check_limits(what, given.delay, low, high)


def _check_limits(
    what: str, values: NDArray[Any], low: NDArray[np.int64], high: NDArray[np.int64]
) -> None:
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        k = wrong[0]
        raise DeviceError(
            f"{what} are beyond what a rule allows",
            found=values[k],
            expected=f"{low[k]} … {high[k]}",
        )


def _check_range(
    what: str, values: NDArray[Any], least: int, most: int, of: str = "the state's range"
) -> None:
    if values.size and not least <= values.min() <= values.max() <= most:
        raise DeviceError(
            f"{what} is out of {of}",
            found=f"{values.min()} … {values.max()}",
            expected=f"{least} … {most}",
        )
