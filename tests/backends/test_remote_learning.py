"""What learning is told goes to a device behind a link with the spikes, in the same exchange."""

from __future__ import annotations

import numpy as np
import pytest
from support.rtl import needs_compiler

import spikeloom as sl
from spikeloom.backends.rtl.fit import geometry_for
from spikeloom.backends.rtl.modelled import ModelledDevice
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.runtime.link.transport import InProcess

pytestmark = needs_compiler

PIXELS, CELLS, FAR, STEPS = 20, 3, 9, 300


@pytest.fixture(scope="module")
def program() -> sl.Program:
    """Two populations that learn, far enough apart that one command cannot tell both."""
    net = sl.Network(dt=1e-3, seed=2, name="told")
    pixels = net.source("pixels", PIXELS)
    near = net.population("near", CELLS, sl.LIF(tau_mem=9e-3, v_threshold=1.0))
    net.population("between", FAR, sl.LIF(tau_mem=9e-3, v_threshold=1.0))
    far = net.population("far", CELLS, sl.LIF(tau_mem=9e-3, v_threshold=1.0))
    for post, dw in ((near, "1e-4*m*x1*t0 - 1e-4*m*x1*y0"), (far, "4e-4*r*x1*y0 + 0.03*x1*t0")):
        rule = sl.Rule(dw=dw, traces={"x1": sl.Trace(6e-3)}, w_min=-0.5, w_max=0.5, seed=3)
        net.connect(pixels, post, weights=np.full((PIXELS, CELLS), 0.2), delay=0.0, learning=rule)
    for population in (near, far):
        net.probe(population, "spikes", "v")
    return sl.compile(net, target=sl.TARGETS["core"].with_(lanes=2))


def given(seed: int) -> dict[str, np.ndarray | tuple[np.ndarray, np.ndarray]]:
    """Learning inputs in most steps, also in the first and the last."""
    rng = np.random.default_rng(seed)
    teacher = {name: rng.random((STEPS, CELLS)) < 0.3 for name in ("near", "far")}
    teacher["near"][-1] = True  # is not to be seen by the next run
    factors = np.argwhere(rng.random((STEPS, CELLS)) < 0.2)
    steps = np.flatnonzero(rng.random(STEPS) < 0.1)
    return {
        "pixels": rng.random((STEPS, PIXELS)) < 0.2,
        "near.teacher": teacher["near"],
        "far.teacher": teacher["far"],
        "far.third_factor": (factors, rng.integers(-128, 128, len(factors))),
        "modulator": (steps, rng.integers(-20, 128, len(steps))),
    }


class Line:
    """A device behind the link's model, and how often the host spoke."""

    def __init__(self, program: sl.Program, **sizes: int):
        self._device = ModelledDevice(geometry_for(program), **sizes)
        self.backend = RemoteBackend(InProcess(self._device.exchange))

    @property
    def frames(self) -> int:
        return self.backend.client.session.statistics.frames_sent


def assert_equal(found: sl.Device, right: sl.Device, *results: sl.Result) -> None:
    for name in ("near", "far"):
        np.testing.assert_array_equal(results[0].spikes[name], results[1].spikes[name])
        v = [each.states[name]["v"] for each in results]
        np.testing.assert_array_equal(*v)
        mine, other = (each.read_weights(f"pixels->{name}").raw for each in (found, right))
        np.testing.assert_array_equal(mine, other)
        traces = [each.read_traces(f"pixels->{name}")["x1"] for each in (found, right)]
        np.testing.assert_array_equal(*traces)


@pytest.mark.parametrize("sizes", [{}, {"event_capacity": 24, "max_payload": 64, "credit": 512}])
def test_what_learning_is_told_reaches_its_steps(program, sizes):
    line = Line(program, **sizes)
    with sl.Device(line.backend) as device, sl.open("reference") as reference:
        for each in (device, reference):
            each.load(program)
        first = reference.read_weights("pixels->near").raw
        for seed in (0, 1):
            results = [each.run(STEPS, given(seed)) for each in (device, reference)]
            assert_equal(device, reference, *results)
            quiet = [each.run(3, {"pixels": np.ones((3, PIXELS), bool)}) for each in
                     (device, reference)]  # fmt: skip
            assert_equal(device, reference, *quiet)
        assert (reference.read_weights("pixels->near").raw != first).mean() > 0.5
        device.backend.verify()


def test_it_costs_no_exchange(program):
    line = Line(program, event_capacity=4096)
    inputs = given(0)
    spikes_only = {"pixels": inputs["pixels"]}
    with sl.Device(line.backend) as device:
        device.load(program)
        device.run(STEPS, spikes_only)  # tells the device what to look at
        before = line.frames
        device.run(STEPS, spikes_only)
        plain = line.frames - before
        before = line.frames
        device.run(STEPS, inputs)
        # A frame takes about a thousand bytes; every step is told something, 30 bytes or so.
        assert line.frames - before < plain + STEPS / 8


def test_a_run_that_fails_is_told_anew(program):
    """A run that cannot be sent leaves nothing behind that the host takes for granted."""
    line = Line(program, event_capacity=8)
    inputs = given(3)
    with sl.Device(line.backend) as device, sl.open("reference") as reference:
        for each in (device, reference):
            each.load(program)
        crowded = {**inputs, "pixels": np.ones((STEPS, PIXELS), bool)}
        with pytest.raises(sl.DeviceError, match="more input events than the device can queue"):
            device.run(STEPS, crowded)
        for each in (device, reference):
            each.reset(weights=True)
        inputs = {**inputs, "pixels": inputs["pixels"] & (np.arange(PIXELS) < 8)}
        assert_equal(device, reference, *(each.run(STEPS, inputs) for each in (device, reference)))
