"""The examples that learn, on the generated hardware: what the emulator learns, bit for bit."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikeloom as sl

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def example(monkeypatch):
    """An example as a module."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def same_on_hardware(
    network: sl.Network, projection: str, inputs: dict[str, Any], steps: int
) -> sl.Result:
    """Learn on both; spikes, weights, delays and clock cycles must be equal, and some changed."""
    program = sl.compile(network)
    found = []
    for url in ("emulator", "rtl"):
        with sl.open(url) as device:
            device.load(program)
            before = device.read_weights(projection)
            found.append((device.run(steps, inputs), device.read_weights(projection)))
    (one, learned), (other, on_hardware) = found
    for name, events in one.spikes.items():
        assert np.array_equal(events, other.spikes[name]), name
        assert len(events), name
    assert np.array_equal(one.cycles, other.cycles)
    assert np.array_equal(learned.raw, on_hardware.raw)
    assert np.array_equal(learned.delay_steps, on_hardware.delay_steps)
    changed = (learned.raw != before.raw) | (learned.delay_steps != before.delay_steps)
    assert changed.mean() > 0.01
    return one


def digits(example) -> Any:
    return example("digits_learning").load(Namespace(split="random", validate=False, images=None))


def test_digits_with_a_teacher(example):
    script, data = example("digits_supervised"), digits(example)
    images = 25
    inputs = {
        "pixels": example("digits_learning").spikes_of(data.train[:images], script.PAUSE),
        "digits.teacher": script.teacher_of(data.train_labels[:images]),
        "modulator": ([0], [script.FULL]),
    }
    network = script.network(script.ETA, "stochastic", 0)
    same_on_hardware(network, "pixels->digits", inputs, images * script.PERIOD)


def test_digits_without_a_teacher(example):
    script, data = example("digits_unsupervised"), digits(example)
    pixels = script.raster_of(data.train[:4])
    inputs = {"pixels": pixels, "modulator": ([0], [script.FULL])}
    network = script.network(0)
    same_on_hardware(network, "pixels->features", inputs, len(pixels))


def test_a_perceptron(example):
    script = example("perceptron")
    random = np.random.default_rng(1)
    patterns, taught = random.random((40, 50)) < 0.5, random.random(40) < 0.5
    inputs = script.rasters(patterns, taught)
    network = script.network(50, 8, 0)
    same_on_hardware(network, "inputs->cell", inputs, len(inputs["inputs"]))


def test_learned_delays(example):
    script = example("motif_delays")
    random = np.random.default_rng(2)
    times = random.integers(0, script.SPAN, (script.MOTIFS, script.INPUTS))
    stream = script.Stream.draw(times, 0.05, 600, random)
    start = np.full((script.INPUTS, script.MOTIFS), script.SPAN // 2 * script.DT)
    network = script.network(start, script.TEACHER / 2, script.rule(True, 0), 0)
    inputs = {"inputs": stream.spikes, "teacher": stream.motifs + np.array([1, 0])}
    same_on_hardware(network, "inputs->cells", inputs, 600)
