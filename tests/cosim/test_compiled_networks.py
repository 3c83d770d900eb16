"""The same network, compiled, on every device and on any number of cores: the same bits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.compare import assert_same_result, ran
from support.networks import random_input, random_network

import spikeloom as sl

# Random networks may run away, or have neurons that barely reach their threshold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_(fire|be_silent)\]"),
]

DEVICES = ("reference", "emulator", "emulator?kernel=numpy", "emulator?threads=2")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 20), neurons=st.integers(8, 60))
def test_random_networks_on_every_device(seed: int, neurons: int) -> None:
    steps = 80
    net = random_network(seed)
    inputs = random_input(net, seed, steps)
    whole = ran(sl.compile(net), inputs, steps, "reference")
    split = sl.compile(net, sl.Target(mesh=(5, 5), neurons=neurons))
    for url in DEVICES:
        assert_same_result(whole, ran(split, inputs, steps, url))


@pytest.mark.parametrize("lanes", [1, 4, 64])
def test_lanes_change_nothing(lanes: int) -> None:
    net = random_network(11)
    inputs = random_input(net, 11, 60)
    expected = ran(sl.compile(net), inputs, 60)
    assert_same_result(expected, ran(sl.compile(net, sl.Target(lanes=lanes)), inputs, 60))


def test_saved_and_loaded_programs_run_the_same(tmp_path: Any) -> None:
    net = random_network(5)
    inputs = random_input(net, 5, 60)
    program = sl.compile(net)
    program.save(tmp_path / "net.loom")
    loaded = sl.load(tmp_path / "net.loom")
    assert loaded.report == program.report
    assert_same_result(ran(program, inputs, 60), ran(loaded, inputs, 60))
