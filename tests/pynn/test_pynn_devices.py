"""One PyNN script on every device: integers alike to the bit, floating point but for rounding."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from pyNN import errors
from support.pynn import signal, spike_times
from support.rtl import needs_compiler

import spikeloom as sl
import spikeloom.pynn as sim

DEVICES = ("reference", "emulator", "emulator?kernel=numpy")


def balanced(device: str, timestep: float = 1.0, **options):
    """A network with views, assemblies, two kinds of neurons, noise, and an electrode."""
    sim.setup(timestep=timestep, device=device, seed=3, **options)
    noise = sim.Population(50, sim.SpikeSourcePoisson(rate=100.0), label="noise")
    exc = sim.Population(
        40, sim.IF_curr_exp(tau_refrac=2.0, tau_syn_I=10.0, i_offset=0.3), label="exc"
    )
    inh = sim.Population(
        10, sim.IF_curr_exp(tau_refrac=2.0), label="inh", initial_values={"v": -60.0}
    )
    jump = sim.Population(5, sim.IF_curr_delta(tau_refrac=2.0), label="jump")
    rng = sim.NumpyRNG(seed=1)
    some = sim.FixedProbabilityConnector(0.3, rng=rng)
    delays = sim.RandomDistribution("uniform_int", low=1, high=5, rng=rng)
    projections = [
        sim.Projection(noise, exc + inh, some, sim.StaticSynapse(weight=0.12, delay=1.0)),
        sim.Projection(exc, exc + inh, some, sim.StaticSynapse(weight=0.08, delay=delays)),
        sim.Projection(inh, exc[:20] + inh, some, sim.StaticSynapse(weight=-0.3, delay=2.0)),
        sim.Projection(exc, jump, some, sim.StaticSynapse(weight=1.5, delay=1.0)),
    ]
    electrode = sim.DCSource(amplitude=0.2, start=50.0, stop=100.0)
    exc[3:7].inject(electrode)
    (exc + inh + jump).record("spikes")
    noise.record("spikes")
    exc.record(["v", "isyn_exc"])
    jump.record("v")
    return (noise, exc, inh, jump), projections


def recorded(populations) -> list[np.ndarray]:
    found = []
    for population in populations:
        (segment,) = population.get_data().segments
        ids, times = segment.spiketrains.multiplexed
        found += [np.asarray(ids), np.asarray(times)]
        names = sorted(s.name for s in segment.analogsignals)
        found += [signal(population, name) for name in names]
    return found


def story(device: str) -> list[np.ndarray]:
    """Runs with changes of parameters, weights, state, recordings and structure in between."""
    populations, projections = balanced(device)
    _, exc, inh, _ = populations
    sim.run(60.0)
    exc.set(i_offset=0.5)
    projections[0].set(weight=0.15)
    sim.run(60.0)
    projections[0].set(weight=0.05)
    exc[:5].initialize(v=-70.0, isyn_exc=0.5)
    sim.run(30.0)
    inh.record("v")
    sim.run(20.0)
    late = sim.Population(3, sim.IF_curr_exp(tau_refrac=2.0), label="late")
    late.record(["spikes", "v"])
    sim.Projection(exc, late, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.05, delay=3.0))
    sim.run(30.0)
    weights = [p.get("weight", "array") for p in projections]
    return [*recorded([*populations, late]), *weights]


def test_devices_agree_bit_for_bit_through_every_change():
    first, *others = (story(device) for device in DEVICES)
    assert sum(len(part) for part in first[:2]) > 1000
    for other in others:
        assert len(first) == len(other)
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@needs_compiler
def test_the_generated_hardware_agrees_bit_for_bit():
    def run(device: str) -> list[np.ndarray]:
        target = sl.TARGETS["core"].with_(neurons=64)
        populations, _ = balanced(device, target=target)
        sim.run(40.0)
        return recorded(populations)

    for a, b in zip(run("emulator"), run("rtl"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_floating_point_and_integers_differ_by_no_more_than_rounding():
    """Below threshold: the difference is bounded by what the report says of weights and decays."""

    def run(device: str):
        sim.setup(timestep=1.0, device=device, seed=3)
        noise = sim.Population(50, sim.SpikeSourcePoisson(rate=40.0), label="noise")
        cells = sim.Population(20, sim.IF_curr_exp(v_thresh=0.0, tau_refrac=2.0), label="cells")
        weights = sim.RandomDistribution("uniform", low=0, high=0.1, rng=sim.NumpyRNG(seed=4))
        sim.Projection(noise, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=weights))
        noise.record("spikes")
        cells.record("v")
        sim.run(300.0)
        report = sim.get_program().report if device != "float" else {}
        return noise.mean_spike_count(), signal(cells, "v"), report

    spikes, exact, _ = run("float")
    same_spikes, v, report = run("emulator")
    assert spikes == same_spikes > 5
    (projection,) = report["projections"].values()
    cells = report["populations"]["cells"]
    # Each spike adds at most this to u; its whole effect on v is that, spread over the decay.
    gain = 1 / (1 - np.exp(-1 / 5.0)) * 1.0
    per_spike = projection["max_error"] * gain
    in_flight = spikes * 50 / 300 * 60  # spikes that v still remembers, over three time constants
    decays = max(abs(t["error"]) for t in cells["taus"].values()) if "taus" in cells else 0.01
    bound = per_spike * in_flight + decays * np.ptp(exact) + 300 * 0.5 / cells["scale"]
    difference = np.abs(v - exact).max()
    assert 0 < difference < bound
    assert difference < 0.03 * np.ptp(exact)


def test_mean_potentials_are_right_though_time_constants_are_rounded():
    def means(device: str, timestep: float) -> np.ndarray:
        sim.setup(timestep=timestep, device=device)
        beat = sim.Population(1, sim.SpikeSourceArray(spike_times=np.arange(1, 200) * 2.0))
        cells = sim.Population(
            3, sim.IF_curr_exp(v_thresh=-45.0, i_offset=[0.7, 0.0, 0.0], tau_syn_I=30.0,
                               tau_refrac=1.0)
        )  # fmt: skip
        for target, weight, receptor in ((1, 0.28, "excitatory"), (2, -0.04, "inhibitory")):
            synapse = sim.StaticSynapse(weight=weight, delay=timestep)
            view = cells[target : target + 1]
            sim.Projection(beat, view, sim.AllToAllConnector(), synapse, receptor_type=receptor)
        cells.record("v")
        sim.run(400.0)
        return signal(cells, "v")[-round(20.0 / timestep) :].mean(axis=0) + 65.0

    np.testing.assert_allclose(means("emulator", 0.5), means("float", 0.5), rtol=0.002)
    with pytest.warns(UserWarning, match="decays are coarse; a longer timestep") as told:
        coarse = means("emulator", 0.1)
    assert " of 20 ms is 20.43 ms on the device: at a timestep of 0.1 ms" in str(told[0].message)
    assert coarse[0] == pytest.approx(14.0, rel=0.002)
    np.testing.assert_allclose(coarse, means("float", 0.1), rtol=0.1)  # u is truncated each step


def test_the_noise_of_poisson_sources_is_the_same_on_every_device_and_on_the_chip():
    spikes = []
    for device in ("float", "emulator"):
        sim.setup(timestep=1.0, device=device, seed=9)
        noise = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0))
        sim.Population(1, sim.IF_curr_exp(tau_refrac=2.0))
        noise.record("spikes")
        sim.run(200.0)
        spikes.append([spike_times(noise, i) for i in range(20)])
    for a, b in zip(*spikes, strict=True):
        np.testing.assert_array_equal(a, b)
    net = sl.Network(dt=1e-3, seed=9)
    net.source("noise", 20, sl.Poisson(rate=100.0))
    net.probe("noise")
    found = sl.simulate(net, 200).spikes["noise"]
    for i in range(20):
        np.testing.assert_array_equal(spikes[0][i], found[found[:, 1] == i, 0])


@pytest.mark.parametrize("device", ["float", "emulator"])
def test_one_long_run_is_many_short_ones(device):
    populations, _ = balanced(device)
    sim.run(120.0)
    whole = recorded(populations)
    populations, _ = balanced(device)
    for _ in range(4):
        sim.run(30.0)
    for a, b in zip(whole, recorded(populations), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("device", ["float", "emulator"])
def test_reset_repeats_and_starts_a_new_segment(device):
    populations, projections = balanced(device)
    sim.run(50.0)
    sim.reset()
    assert sim.get_current_time() == 0.0
    sim.run(50.0)
    exc = populations[1]
    assert len(exc.get_data().segments) == 2
    np.testing.assert_array_equal(signal(exc, "v", 0), signal(exc, "v", 1))
    before = projections[0].get("weight", "list")
    projections[0].set(weight=0.0)
    sim.run(10.0)
    sim.reset()
    sim.run(50.0)  # weights that the user set stay
    assert not np.array_equal(signal(exc, "v", 0), signal(exc, "v", 2))
    assert {w for *_, w in projections[0].get("weight", "list")} == {0.0}
    assert {w for *_, w in before} != {0.0}


@pytest.mark.parametrize("device", ["float", "emulator"])
def test_splitting_a_population_changes_nothing(device):
    """With weights that the scale represents exactly; otherwise each part is rounded by itself."""

    def run(sizes: list[int]) -> list[list[float]]:
        options = {} if device == "float" else {"quantization": sl.Quantization(scale=4096.0)}
        sim.setup(timestep=1.0, device=device, seed=2, **options)
        noise = sim.Population(30, sim.SpikeSourcePoisson(rate=150.0))
        neuron = sim.IF_curr_delta(tau_refrac=2.0, i_offset=0.4)
        whole = sim.Assembly(*(sim.Population(n, neuron) for n in sizes))
        weights = np.random.default_rng(0).integers(0, 3, (30, 12)).astype(float)
        synapse = sim.StaticSynapse(weight=weights, delay=1.0)
        sim.Projection(noise, whole, sim.AllToAllConnector(), synapse)
        ring = sim.FromListConnector([(i, (i + 5) % 12) for i in range(12)])
        sim.Projection(whole, whole, ring, sim.StaticSynapse(weight=5.0, delay=2.0))
        whole.record("spikes")
        sim.run(200.0)
        return [list(spike_times(p, i)) for p in whole.populations for i in range(p.size)]

    found = run([12])
    assert sum(map(len, found)) > 100
    assert run([5, 7]) == found == run([1, 1, 10])


def pairs_of(pre, post) -> list[tuple[int, int]]:
    return list(zip(pre.tolist(), post.tolist(), strict=True))


def test_views_and_assemblies_resolve_to_the_same_connections():
    sim.setup(timestep=1.0, device="emulator")
    a = sim.Population(6, sim.IF_curr_exp(tau_refrac=1.0, i_offset=2.0))
    b = sim.Population(4, sim.IF_curr_exp(tau_refrac=1.0))
    view = sim.PopulationView(a, [1, 3, 5])[1:]
    both = view + b[2:]
    projection = sim.Projection(
        view, both, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.5, delay=2.0)
    )
    parts = list(projection.parts())
    pairs = {
        (part.pre, part.post): sorted(pairs_of(part.pre_index, part.post_index)) for part in parts
    }
    assert pairs == {
        (a.name, a.name): [(3, 3), (3, 5), (5, 3), (5, 5)],
        (a.name, b.name): [(3, 2), (3, 3), (5, 2), (5, 3)],
    }
    both.record("spikes")
    sim.run(100.0)
    assert view.get_spike_counts().keys() == {int(a[3]), int(a[5])}
    assert view.mean_spike_count() > 1
    np.testing.assert_allclose(projection.get("weight", "array"), np.full((2, 4), 0.5), rtol=0.01)
    assert b.get_spike_counts().keys() == {int(b[2]), int(b[3])}


CONNECTORS = {
    "all": lambda: sim.AllToAllConnector(allow_self_connections=False),
    "one": lambda: sim.OneToOneConnector(),
    "probability": lambda: sim.FixedProbabilityConnector(0.5, rng=sim.NumpyRNG(seed=1)),
    "list": lambda: sim.FromListConnector([(0, 1), (2, 0), (2, 0)]),
    "pre": lambda: sim.FixedNumberPreConnector(2, rng=sim.NumpyRNG(seed=1)),
    "post": lambda: sim.FixedNumberPostConnector(2, rng=sim.NumpyRNG(seed=1)),
    "total": lambda: sim.FixedTotalNumberConnector(7, rng=sim.NumpyRNG(seed=1)),
    "distance": lambda: sim.DistanceDependentProbabilityConnector("d < 2"),
    "array": lambda: sim.ArrayConnector(np.eye(4, dtype=bool)[::-1]),
}


@pytest.mark.parametrize("name", CONNECTORS)
def test_connectors_reach_the_device(name):
    """What ``get`` says is what the device's memory holds."""
    sim.setup(timestep=1.0, device="emulator")
    a = sim.Population(4, sim.IF_curr_exp(tau_refrac=1.0, i_offset=2.0))
    weights = sim.RandomDistribution("uniform", low=0.1, high=1.0, rng=sim.NumpyRNG(seed=5))
    synapse = sim.StaticSynapse(weight=weights, delay="1 + d")
    projection = sim.Projection(a, a, CONNECTORS[name](), synapse)
    before = sorted(projection.get(["weight", "delay"], "list"))
    sim.run(20.0)
    after = sorted(projection.get(["weight", "delay"], "list"))
    assert before
    assert [(i, j, d) for i, j, _, d in before] == [(i, j, d) for i, j, _, d in after]
    np.testing.assert_allclose([w for _, _, w, _ in before], [w for _, _, w, _ in after], atol=0.01)
    device = sim.state.engine.device
    (part,) = projection.parts()
    held = device.read_weights(part.name)
    assert sorted(pairs_of(held.pre, held.post)) == sorted((i, j) for i, j, *_ in after)
    # A neuron's spike takes a step to leave it.
    steps = dict(zip(pairs_of(held.pre, held.post), (held.delay_steps - 1).tolist(), strict=True))
    assert steps == {(i, j): d for i, j, _, d in after}


def test_weights_that_need_another_scale_are_compiled_anew_and_the_state_goes_on():
    sim.setup(timestep=1.0, device="emulator")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0, 25.0]))
    cells = sim.Population(2, sim.IF_curr_exp(tau_refrac=1.0, v_thresh=1000.0))
    projection = sim.Projection(
        source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.5)
    )
    cells.record("v")
    sim.run(20.0)
    projection.set(weight=[0.5, 50.0])
    assert projection.get("weight", "list", with_address=False) == [0.5, 50.0]
    sim.run(20.0)
    v = signal(cells, "v") + 65.0
    small, large = projection.get("weight", "list", with_address=False)  # as they are rounded now
    assert 0.2 < small < 0.8
    assert large == pytest.approx(50.0, rel=0.01)
    np.testing.assert_array_equal(v[:26, 0], v[:26, 1])
    response = v[5:20, 0] / 0.5
    left = v[20, 0] * np.exp(-np.arange(5, 20) / 20.0)
    for column, weight in ((0, small), (1, large)):
        np.testing.assert_allclose(v[25:40, column], left + response * weight, atol=0.15, rtol=0.02)


def test_a_change_that_cannot_be_made_leaves_the_device_as_it_was():
    sim.setup(timestep=1.0, device="emulator")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[9.0, 30.0]))
    cells = sim.Population(2, sim.IF_curr_exp(tau_refrac=1.0), label="cells")
    synapse = sim.StaticSynapse(weight=1.0, delay=20.0)
    projection = sim.Projection(source, cells, sim.AllToAllConnector(), synapse)
    cells.record("v")
    sim.run(15.0)
    projection.set(delay=2.0)  # a spike is under way for 14 steps more
    with pytest.raises(sl.CompileError, match="under way for longer than the changed network's"):
        sim.run(10.0)
    projection.set(delay=20.0)
    sim.run(35.0)
    v = signal(cells, "v")[:, 0]
    assert (v[:30] == -65.0).all()
    assert (v[30:] > -65.0).all()
    assert "cells" in cells.describe()
    assert "IF_curr_exp" in projection.describe()
    assert [c.delay for c in projection] == [20.0, 20.0]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_change_where_others_add_up_inputs(quiet: bool):
    """Sums that are under way would be lost; without any, the run goes on as if nobody added up."""
    found = []
    for fan_in in (None, 40):
        target = sl.Target(name="few", mesh=(12, 12), neurons=256, fan_in=fan_in)
        sim.setup(timestep=1.0, min_delay=1.0, target=target)
        source = sim.Population(60, sim.SpikeSourceArray(spike_times=[[5.0, 20.0, 28.0]] * 60))
        cells = sim.Population(3, sim.IF_curr_exp(tau_refrac=2.0), label="cells")
        cells.record("v")
        synapse = sim.StaticSynapse(weight=0.05, delay=14.0)
        projection = sim.Projection(source, cells, sim.AllToAllConnector(), synapse)
        sim.run(60 if quiet else 30)
        projection.set(weight=0.06)
        if fan_in and not quiet:
            with pytest.raises(
                sl.CompileError, match="spikes are under way to neurons that add up"
            ):
                sim.run(40)
            continue
        cells.set(i_offset=0.1)
        sim.run(40)
        found.append(signal(cells, "v"))
    assert quiet == (len(found) == 2)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_what_a_device_cannot_do_is_refused_with_what_comes_nearest():
    sim.setup(timestep=1.0, device="reference")
    with pytest.raises(sl.UnsupportedError) as caught:
        sim.Population(1, sim.IF_cond_exp())
    assert str(caught.value) == (
        "device 'reference' does not have the cell type IF_cond_exp\n"
        "  found: IF_cond_exp\n"
        "  expected: one of IF_curr_delta, IF_curr_exp, SpikeSourceArray, SpikeSourcePoisson\n"
        '  remedy: use IF_curr_exp, the nearest that it has, or setup(device="float"), which '
        "simulates IF_cond_exp in floating point"
    )
    a = sim.Population(2, sim.IF_curr_exp(tau_refrac=1.0))
    rule = sim.TsodyksMarkramSynapse(weight=0.1)
    with pytest.raises(sl.UnsupportedError, match="does not have the synapse type TsodyksMarkram"):
        sim.Projection(a, a, sim.AllToAllConnector(), rule)
    with pytest.raises(errors.ConnectionError) as refused:
        sim.Projection(a, a, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1, delay=64.0))
    assert str(refused.value).endswith(
        "is out of range: on device 'reference' it is from 1 ms (one step) to 63 ms (63 steps); "
        "choose another timestep"
    )
    assert sim.get_max_delay() == 63.0
    with pytest.raises(sl.UnsupportedError) as absent:
        sim.Izhikevich()
    assert (
        absent.value.remedy == "the nearest is EIF_cond_exp_isfa_ista, on the floating-point device"
    )


def test_setup_is_checked():
    with pytest.raises(sl.DeviceError) as caught:
        sim.setup(device="emulater")
    assert str(caught.value) == (
        "no such device\n"
        "  found: 'emulater'\n"
        "  expected: one of emulator, reference, rtl, lava, brian2, serial, tcp, replay, float\n"
        "  where: setup(device=…)\n"
        "  remedy: did you mean 'emulator'?"
    )
    with pytest.raises(sl.DeviceError, match="no device is open"):
        sim.Population(1, sim.IF_curr_exp())
    with pytest.raises(sl.NetworkError, match="no parameter 'devise'"):
        sim.setup(devise="float")
    with pytest.raises(sl.NetworkError, match="timestep must be a positive number of ms, got 0"):
        sim.setup(timestep=0)
    with pytest.raises(sl.UnsupportedError, match="floating-point device compiles nothing"):
        sim.setup(device="float", target="core")
    sim.setup(device="float")
    with pytest.raises(sl.UnsupportedError, match="floating-point device compiles nothing"):
        sim.get_program()
    sim.end()
    with pytest.raises(sl.DeviceError, match="no device is open"):
        sim.run(1.0)


def test_the_program_runs_elsewhere(tmp_path):
    populations, _ = balanced("emulator")
    sim.run(20.0)
    program = sim.get_program()
    program.save(tmp_path / "net.loom")
    assert [p.name for p in program.populations] == ["exc", "inh", "jump"]
    with sl.open("reference") as device:
        device.load(tmp_path / "net.loom")
        assert device.run(5).states["exc"]["v"].shape == (5, 40)
    assert len(populations) == 4


def test_the_example_runs(monkeypatch, capsys):
    path = Path(__file__).resolve().parents[2] / "examples" / "pynn_balanced.py"
    rates = []
    for device in ("emulator", "float"):
        arguments = [str(path), "--device", device, "--neurons", "500", "--time", "300"]
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(str(path), run_name="__main__")
        told = re.search(r"exc .* 400 neurons, ([0-9.]+) Hz", capsys.readouterr().out)
        assert told is not None
        rates.append(float(told[1]))
    assert 5 < rates[0] < 40
    assert abs(rates[0] - rates[1]) < 0.2 * rates[1]
