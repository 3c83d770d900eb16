"""Exact comparison of runs and states; a failure names the first difference by the user's names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import spikeloom as sl
from spikeloom.compiler.program import Program
from spikeloom.runtime.backend import (
    SATURATION_KINDS,
    CoreWeights,
    LearningState,
    Record,
    RunData,
    State,
)


def assert_same_run(
    a: RunData,
    b: RunData,
    program: Program | None = None,
    record: Record | None = None,
) -> None:
    """Fail unless both runs brought back the same; cycles are not compared.

    Args:
        program: whose run it was, to name neurons and channels in the message.
        record: what was recorded, to name variables; by default everything that
            ``record_everything`` asks for.
    """
    found = []
    if record is None:
        names = ["v", "u0", "u1", "threshold"][: len(a.states)]
        which = [np.arange(s.shape[1]) for s in a.states]
    else:
        names = [variable for variable, _ in record.states]
        which = [neurons for _, neurons in record.states]
    assert len(a.states) == len(b.states), "different numbers of recorded variables"
    for name, neurons, x, y in zip(names, which, a.states, b.states, strict=True):
        assert x.dtype == y.dtype == np.int32, f"{name}: {x.dtype} and {y.dtype}, not int32"
        assert x.shape == y.shape, f"{name}: shapes {x.shape} and {y.shape}"
        if not np.array_equal(x, y):
            step, column = np.argwhere(x != y)[0]
            found.append(
                f"step {step}, {_neuron(program, int(neurons[column]))}, {name}: "
                f"{x[step, column]} != {y[step, column]}"
            )
    for kind, first, second in (
        ("neuron", (a.neuron_step, a.neuron), (b.neuron_step, b.neuron)),
        ("channel", (a.channel_step, a.channel), (b.channel_step, b.channel)),
    ):
        for step, number in (first, second):
            assert (step.dtype, number.dtype) == (np.int64, np.int32), f"dtypes of {kind} spikes"
        found += _first_spike(kind, np.array(first), np.array(second), program)
    # Of several differences the earliest is the cause.
    assert not found, "runs differ\n  " + "\n  ".join(
        sorted(found, key=lambda line: int(line.split()[1].rstrip(",")))
    )


def assert_same_state(a: State, b: State, program: Program | None = None) -> None:
    """Fail unless both states are equal in every field, shape and type."""
    found = []
    for name in (f.name for f in fields(State)):
        x, y = getattr(a, name), getattr(b, name)
        if name == "learning":
            found += _first_of_learning(x, y, a.step)
            continue
        if not isinstance(x, np.ndarray):
            if x != y:
                found.append(f"{name}: {x} != {y}")
            continue
        assert x.dtype == y.dtype, f"{name}: {x.dtype} and {y.dtype}"
        assert x.shape == y.shape, f"{name}: shapes {x.shape} and {y.shape}"
        if np.array_equal(x, y):
            continue
        place = tuple(int(i) for i in np.argwhere(x != y)[0])
        if name == "saturations":
            where = f"core {place[0]}, {SATURATION_KINDS[place[1]]}"
        else:
            where = _neuron(program, place[-1]) + (f", at {place[:-1]}" if place[:-1] else "")
        found.append(f"step {a.step}, {where}, {name}: {x[place]} != {y[place]}")
    assert not found, "states differ\n  " + "\n  ".join(found)


def assert_same_weights(
    a: tuple[CoreWeights, ...], b: tuple[CoreWeights, ...], program: Program
) -> None:
    """Fail unless all weights and learned delays are equal, types included."""
    assert len(a) == len(b) == len(program.cores), "different numbers of cores"
    found = []
    for core, (mine, theirs) in enumerate(zip(a, b, strict=True)):
        for name, x, y in zip(vars(mine), vars(mine).values(), vars(theirs).values(), strict=True):
            found += _first_difference(f"core {core}, {name}", x, y)
    assert not found, "weights differ\n  " + "\n  ".join(found)


def _first_of_learning(a: LearningState | None, b: LearningState | None, step: int) -> list[str]:
    """The first difference in each part of two learning states."""
    if a is None or b is None:
        return [] if a is b else [f"step {step}, learning: only one state has any"]
    found = []
    for name in (f.name for f in fields(LearningState)):
        x, y = getattr(a, name), getattr(b, name)
        if isinstance(x, tuple):
            assert len(x) == len(y), f"{name}: different numbers of cores"
            parts = [
                (f"{name} of core {k}", *pair) for k, pair in enumerate(zip(x, y, strict=True))
            ]
        else:
            parts = [(name, x, y)]
        for part in parts:
            found += _first_difference(*part)
    return [f"step {step}, learning, {line}" for line in found]


def _first_difference(name: str, x: Any, y: Any) -> list[str]:
    """At most one line, about two arrays or plain values of the same type."""
    if not isinstance(x, np.ndarray):
        return [] if type(x) is type(y) and x == y else [f"{name}: {x!r} != {y!r}"]
    assert (x.dtype, x.shape) == (y.dtype, y.shape), f"{name}: types or shapes"
    if np.array_equal(x, y):
        return []
    place = tuple(int(i) for i in np.argwhere(x != y)[0])
    return [f"{name}{list(place)}: {x[place]} != {y[place]}"]


def _first_spike(
    kind: str, a: NDArray[np.int64], b: NDArray[np.int64], program: Program | None
) -> list[str]:
    """At most one line: the first spike that only one of two sorted lists has."""
    if a.shape == b.shape and np.array_equal(a, b):
        return []
    first, second = (set(zip(*x.tolist(), strict=True)) for x in (a, b))
    assert first != second, f"{kind} spikes: same spikes, but not both sorted and unique"
    step, number = min(first ^ second)
    name = _neuron(program, number) if kind == "neuron" else _channel(program, number)
    side = "first" if (step, number) in first else "second"
    return [f"step {step}, {name}, spike: only in the {side}"]


def _neuron(program: Program | None, number: int) -> str:
    for population in program.populations if program else ():
        index = np.nonzero(program.global_neurons(population) == number)[0]
        if len(index):
            return f"{population.name}[{index[0]}]"
    return f"neuron {number}"


def _channel(program: Program | None, number: int) -> str:
    for source in program.sources if program else ():
        if source.first_channel <= number < source.first_channel + source.size:
            return f"{source.name}[{number - source.first_channel}]"
    return f"channel {number}"


def ran(program: Program, inputs: Any, steps: int = 40, device: str = "emulator") -> sl.Result:
    """What a device makes of a Program from its beginning."""
    with sl.open(device) as opened:
        opened.load(program)
        return opened.run(steps, inputs=inputs)


def assert_same_result(a: sl.Result, b: sl.Result) -> None:
    """The same spikes, and the same integers of all states that were recorded."""
    assert list(a.spikes) == list(b.spikes)
    for name, events in a.spikes.items():
        np.testing.assert_array_equal(b.spikes[name], events, err_msg=name)
    for name, variables in a.states.items():
        for variable, values in variables.items():
            found = b.states[name][variable]
            np.testing.assert_array_equal(found.raw, values.raw, f"{name}.{variable}")
            np.testing.assert_array_equal(found, values, f"{name}.{variable}")
