"""The same network, compiled, on every device and on any number of cores: the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import random_input, random_network

import spikeloom as sl

# Random networks may run away, or have neurons that barely reach their threshold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_(fire|be_silent)\]"),
]

DEVICES = ("reference", "emulator", "emulator?kernel=numpy", "emulator?threads=2")


def run(program: sl.Program, url: str, inputs: dict[str, Any], steps: int) -> sl.Result:
    with sl.open(url) as device:
        device.load(program)
        return device.run(steps, inputs=inputs)


def assert_same(a: sl.Result, b: sl.Result) -> None:
    assert list(a.spikes) == list(b.spikes)
    for name, events in a.spikes.items():
        np.testing.assert_array_equal(b.spikes[name], events, err_msg=name)
    for name, variables in a.states.items():
        for variable, values in variables.items():
            np.testing.assert_array_equal(
                b.states[name][variable].raw, values.raw, err_msg=f"{name}.{variable}"
            )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 20), neurons=st.integers(8, 60))
def test_random_networks_on_every_device(seed: int, neurons: int) -> None:
    steps = 80
    net = random_network(seed)
    inputs = random_input(net, seed, steps)
    whole = run(sl.compile(net), "reference", inputs, steps)
    split = sl.compile(net, sl.Target(mesh=(5, 5), neurons=neurons))
    for url in DEVICES:
        assert_same(whole, run(split, url, inputs, steps))


@pytest.mark.parametrize("lanes", [1, 4, 64])
def test_lanes_change_nothing(lanes: int) -> None:
    net = random_network(11)
    inputs = random_input(net, 11, 60)
    expected = run(sl.compile(net), "emulator", inputs, 60)
    assert_same(expected, run(sl.compile(net, sl.Target(lanes=lanes)), "emulator", inputs, 60))


def test_saved_and_loaded_programs_run_the_same(tmp_path: Any) -> None:
    net = random_network(5)
    inputs = random_input(net, 5, 60)
    program = sl.compile(net)
    program.save(tmp_path / "net.loom")
    loaded = sl.load(tmp_path / "net.loom")
    assert loaded.report == program.report
    assert_same(run(program, "emulator", inputs, 60), run(loaded, "emulator", inputs, 60))
