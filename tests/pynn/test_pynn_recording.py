"""Recording, current sources, parameters and the procedural functions, in PyNN's own terms."""

from __future__ import annotations

import numpy as np
import pytest
from neo.io import PickleIO
from pyNN import errors
from support.pynn import signal, spike_times

import spikeloom as sl
import spikeloom.pynn as sim

BOTH = pytest.mark.parametrize("device", ["float", "emulator"])


def driven(device: str, size: int = 4, timestep: float = 0.5):
    """Cells that fire at different rates."""
    sim.setup(timestep=timestep, device=device)
    offsets = np.linspace(0.9, 2.0, size)
    return sim.Population(size, sim.IF_curr_exp(i_offset=offsets, tau_refrac=2.0), label="cells")


@BOTH
def test_samples_have_the_times_and_the_first_is_the_initial_value(device):
    cells = driven(device)
    cells.initialize(v=[-65.0, -60.0, -61.0, -62.0])
    cells[1:3].record("v")
    cells.record("spikes")
    sim.run(10.0)
    (found,) = cells.get_data().segments[0].filter(name="v")
    assert found.shape == (21, 2)
    assert found.sampling_period == 0.5
    assert found.array_annotations["channel_index"].tolist() == [1, 2]
    assert found.units.dimensionality.string == "mV"
    assert found[0].magnitude.tolist() == [-60.0, -61.0]
    assert cells.initial_values["v"][1] == cells[1:3].initial_values["v"][0] == -60.0


@BOTH
def test_a_sampling_interval_takes_every_nth_sample(device):
    cells = driven(device)
    cells.record("v")
    sim.run(10.0)
    sim.run(7.5)
    every = signal(cells, "v")
    cells = driven(device)
    cells.record("v", sampling_interval=2.5)
    sim.run(10.0)
    sim.run(7.5)
    np.testing.assert_array_equal(signal(cells, "v"), every[::5])
    with pytest.raises(sl.InputError, match=r"a multiple of the timestep, 0\.5 ms"):
        driven(device).record("v", sampling_interval=0.7)


@BOTH
def test_cleared_data_go_on_from_the_time_of_clearing(device):
    cells = driven(device)
    cells.record(["spikes", "v"])
    sim.run(60.0)
    sim.run(40.0)
    whole, spikes = signal(cells, "v"), [spike_times(cells, i) for i in range(4)]
    cells = driven(device)
    cells.record(["spikes", "v"])
    sim.run(60.0)
    first = cells.get_data(clear=True).segments[0]
    sim.run(40.0)
    second = cells.get_data().segments[0]
    for segment, begin, stop in ((first, 0, 121), (second, 120, 201)):
        (v,) = segment.filter(name="v")
        assert v.t_start == begin * 0.5
        np.testing.assert_array_equal(v.magnitude, whole[begin:stop])
    for i in range(4):
        parts = [s.spiketrains[i].rescale("ms").magnitude for s in (first, second)]
        np.testing.assert_array_equal(np.concatenate(parts), spikes[i])
    assert sum(map(len, spikes)) > 5


@BOTH
def test_what_is_recorded_later_is_unknown_before(device):
    cells = driven(device)
    cells.record("v")
    other = sim.Population(2, sim.IF_curr_exp(tau_refrac=2.0))
    sim.run(5.0)
    other.record("v")
    sim.run(5.0)
    v = signal(other, "v")
    assert v.shape == (21, 2)
    assert np.isnan(v[:11]).all()
    assert (v[11:] == -65.0).all()
    assert not np.isnan(signal(cells, "v")).any()


def test_signals_of_earlier_segments_stay_when_variables_are_named():
    cells = driven("float")
    cells.record(["v", "isyn_exc", "spikes"])
    sim.run(5.0)
    sim.reset(annotations={"trial": 1})
    sim.run(5.0)
    block = cells.get_data(["v"])
    assert [[s.name for s in segment.analogsignals] for segment in block.segments] == [["v"]] * 2
    assert [len(segment.spiketrains) for segment in block.segments] == [0, 0]
    assert block.segments[0].annotations == {"trial": 1}


def test_data_are_written_to_files(tmp_path):
    cells = driven("emulator")
    cells.record(["spikes", "v"], to_file=str(tmp_path / "end.pkl"))
    sim.run(30.0)
    cells.write_data(str(tmp_path / "now.pkl"))
    expected = signal(cells, "v")
    sim.end()
    for name in ("now.pkl", "end.pkl"):
        block = PickleIO(str(tmp_path / name)).read_block()
        np.testing.assert_array_equal(block.segments[0].analogsignals[0].magnitude, expected)
        assert block.annotations["simulator"] == "Spikeloom"
    np.testing.assert_array_equal(signal(cells, "v"), expected)  # also after end()


def test_an_unknown_variable_is_refused_in_pynns_words():
    cells = driven("float")
    with pytest.raises(errors.RecordingError, match="spikes,v,isyn_exc,isyn_inh"):
        cells.record("gsyn_exc")


@BOTH
def test_currents_flow_when_they_should(device):
    """One step of 1 nA adds a known voltage, which then leaks."""
    sim.setup(timestep=1.0, device=device)
    cells = sim.Population(4, sim.IF_curr_exp(v_thresh=0.0, tau_refrac=1.0, tau_m=10.0))
    pulse = sim.DCSource(amplitude=1.0, start=5.0, stop=6.0)
    steps = sim.StepCurrentSource(times=[5.0, 6.0], amplitudes=[1.0, 0.0])
    wave = sim.ACSource(amplitude=1.0, offset=0.5, frequency=50.0, phase=90.0, start=5.0, stop=25.0)
    noise = sim.NoisyCurrentSource(mean=1.0, stdev=0.2, start=5.0, stop=25.0, dt=2.0)
    for cell, source in zip(cells, (pulse, steps, wave, noise), strict=True):
        cell.inject(source)
    wave.record()
    noise.record()
    cells.record("v")
    sim.run(15.0)
    sim.run(15.0)
    v = signal(cells, "v") + 65.0
    gain = 10.0 * (1 - np.exp(-0.1))
    one = np.where(np.arange(31) > 5, gain * np.exp(-(np.arange(31) - 6) / 10.0), 0.0)
    exact = 1e-12 if device == "float" else 0.1
    np.testing.assert_allclose(v[:, 0], one, atol=exact)
    np.testing.assert_array_equal(v[:, 0], v[:, 1])
    t = np.arange(31)
    i = np.where((t >= 5) & (t < 25), 0.5 + np.cos(2 * np.pi * 0.05 * (t - 5)), 0.0)
    np.testing.assert_allclose(wave.get_data().magnitude[:, 0], i, atol=1e-12)
    drawn = noise.get_data().magnitude[:, 0]
    assert (drawn[5:25:2] == drawn[6:25:2]).all()
    assert len(set(drawn[5:25])) == 10
    assert not drawn[:5].any()
    assert not drawn[25:].any()
    for index, current in ((2, i), (3, drawn)):
        level = [0.0]
        for value in current[:-1]:
            level.append(level[-1] * np.exp(-0.1) + gain * value)
        np.testing.assert_allclose(v[:, index], level, atol=exact)


def test_currents_add_up_in_a_neuron_and_change_between_runs():
    sim.setup(timestep=1.0, device="float")
    cells = sim.Population(3, sim.IF_curr_exp(v_thresh=1000.0, tau_refrac=1.0))
    a, b = sim.DCSource(amplitude=0.5), sim.DCSource(amplitude=0.25)
    cells.inject(a)
    cells[1:].inject(b)
    b.inject_into([cells[2]])
    cells.record("v")
    sim.run(500.0)
    np.testing.assert_allclose(signal(cells, "v")[-1] + 65.0, [10.0, 15.0, 20.0])
    a.amplitude = 0.0
    sim.run(500.0)
    np.testing.assert_allclose(signal(cells, "v")[-1] + 65.0, [0.0, 5.0, 10.0], atol=1e-6)
    with pytest.raises(TypeError, match="Can't inject current into a spike source"):
        a.inject_into(sim.Population(1, sim.SpikeSourceArray()))


def test_parameters_are_read_as_they_were_set():
    cells = driven("emulator")
    cells[2:].set(tau_m=[10.0, 12.0])
    assert cells.get("tau_m").tolist() == [20.0, 20.0, 10.0, 12.0]
    assert cells[2:].get(["tau_m", "cm"])[1] == 1.0
    assert cells[3].tau_m == 12.0
    cells[3].tau_m = 14.0
    sim.PopulationView(cells, [1, 3])[1:].set(v_thresh=-49.0)
    assert cells.get("v_thresh").tolist() == [-50.0, -50.0, -50.0, -49.0]
    with pytest.raises(errors.InvalidParameterValueError) as caught:
        cells.set(tau_m=[1.0, 2.0, -3.0, 4.0])
    assert str(caught.value) == "tau_m of 'cells'[2] must be positive, got -3"
    assert cells[3].tau_m == 14.0
    with pytest.raises(errors.NonExistentParameterError):
        cells.get("tau_syn_X")


def test_spike_sources_say_what_they_round_merge_and_miss():
    sim.setup(timestep=1.0, device="float")
    with pytest.warns(UserWarning, match="spike time of 'a' of 2.4 ms is no whole number of steps"):
        sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0, 2.4]), label="a")
    with pytest.warns(UserWarning, match="1 spikes of 'b' fall into a step in which the same"):
        sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0, 3.0]), label="b")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0]), label="c")
    source.record("spikes")
    sim.run(10.0)
    source.set(spike_times=[3.0, 12.0])  # what happened already may stay in the list
    with pytest.warns(UserWarning, match="1 new spike times of 'c' are in the past"):
        source.set(spike_times=[3.0, 5.0, 12.0])
    sim.run(10.0)
    assert spike_times(source, 0).tolist() == [3.0, 12.0]
    with pytest.raises(errors.InvalidParameterValueError, match=r"from 0 to 1000 Hz .* got 1500"):
        sim.Population(2, sim.SpikeSourcePoisson(rate=1500.0))
    with pytest.raises(errors.InvalidParameterValueError, match="in ascending order"):
        sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0, 1.0]))


def test_poisson_sources_fire_within_their_time_at_their_rate():
    sim.setup(timestep=0.1, device="float", seed=1)
    source = sim.Population(
        100, sim.SpikeSourcePoisson(rate=50.0, start=100.0, duration=400.0), label="noise"
    )
    source.record("spikes")
    sim.run(1000.0)
    times = np.concatenate([spike_times(source, i) for i in range(100)])
    assert times.min() >= 100.0
    assert times.max() < 500.0
    assert abs(len(times) - 2000) < 5 * np.sqrt(2000)
    source.set(rate=0.0)
    sim.run(100.0)
    assert source.mean_spike_count() == len(times) / 100


def test_delays_are_rounded_with_a_warning_and_read_back_as_they_are():
    sim.setup(timestep=1.0, device="emulator")
    a = sim.Population(2, sim.IF_curr_exp(tau_refrac=1.0))
    with pytest.warns(UserWarning, match=r"delay in .* of 2.3 ms is no whole number of steps"):
        projection = sim.Projection(
            a, a, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1, delay=2.3)
        )
    assert set(projection.get("delay", "list", with_address=False)) == {2.0}
    assert sim.get_min_delay() == 2.0
    projection.set(delay=5.0)
    projection[0].delay = 7.0
    assert projection.get("delay", "array").tolist() == [[7.0, 5.0], [5.0, 5.0]]
    with pytest.warns(UserWarning, match="a run's end of 3.4 ms"):
        sim.run(3.4)
    assert sim.get_current_time() == 3.0


def test_repeated_connections_are_joined_as_pynn_says():
    sim.setup(timestep=1.0, device="float")
    a = sim.Population(2, sim.IF_curr_exp(tau_refrac=1.0))
    pairs = sim.FromListConnector(
        [(0, 1, 0.1, 1.0), (0, 1, 0.4, 1.0), (0, 1, 0.3, 1.0)], column_names=["weight", "delay"]
    )
    projection = sim.Projection(a, a, pairs, sim.StaticSynapse())
    first, _, last = projection.get("weight", "list", with_address=False)
    for how, value in (("sum", 0.8), ("first", first), ("last", last), ("min", 0.1), ("max", 0.4)):
        array = projection.get("weight", "array", multiple_synapses=how)
        assert array[0, 1] == pytest.approx(value)
        assert np.isnan(array).sum() == 3
    assert [c.presynaptic_index for c in projection] == [0, 0, 0]
    with pytest.raises(AttributeError, match="have no 'U'"):
        _ = projection[0].U


def test_callbacks_close_a_loop():
    cells = driven("emulator", timestep=1.0)
    cells.record("spikes")
    seen = []

    def watch(t: float) -> float:
        seen.append(t)
        cells.set(i_offset=0.0 if t >= 50.0 else 2.0)
        return t + 25.0

    sim.run(100.0, callbacks=[watch])
    assert seen == [0.0, 25.0, 50.0, 75.0, 100.0]
    times = np.concatenate([spike_times(cells, i) for i in range(4)])
    assert len(times) > 4
    assert times.max() <= 52.0


def test_the_procedural_functions(tmp_path):
    sim.setup(timestep=1.0, device="emulator")
    with pytest.warns(DeprecationWarning, match=r"^create\(\) is deprecated"):
        cells = sim.create(sim.IF_curr_exp(tau_refrac=1.0, i_offset=2.0), n=3)
    with pytest.warns(DeprecationWarning, match=r"^connect\(\) is deprecated"):
        sim.connect(cells[0], cells[1:], weight=0.5, delay=2.0)
    with pytest.warns(DeprecationWarning, match=r"^set\(\) is deprecated"):
        sim.set(cells, tau_m=15.0)
    with pytest.warns(DeprecationWarning, match=r"^initialize\(\) is deprecated"):
        sim.initialize(cells, v=-70.0)
    with pytest.warns(DeprecationWarning, match=r"^record\(\) is deprecated"):
        sim.record_v(cells, str(tmp_path / "v.pkl"))
    sim.run_for(20.0)
    sim.run_until(30.0)
    sim.end()
    block = PickleIO(str(tmp_path / "v.pkl")).read_block()
    assert block.segments[0].analogsignals[0].shape == (31, 3)
    assert (sim.rank(), sim.num_processes(), sim.get_time_step()) == (0, 1, 1.0)
    assert "IF_curr_exp" in sim.list_standard_models()


@BOTH
def test_sources_alone_and_cells_that_join_them_later(device):
    sim.setup(timestep=1.0, device=device)
    source = sim.Population(2, sim.SpikeSourceArray(spike_times=[[2.0, 12.0], [5.0]]))
    source.record("spikes")
    sim.run(10.0)
    cells = sim.Population(2, sim.IF_curr_delta(tau_refrac=1.0))
    cells.record("v")
    sim.Projection(source, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=2.0, delay=1.0))
    sim.run(10.0)
    assert spike_times(source, 0).tolist() == [2.0, 12.0]
    (v,) = cells.get_data().segments[0].analogsignals
    assert (v.t_start, v.t_stop) == (10.0, 21.0)
    assert v.magnitude[:4].tolist() == [[-65.0, -65.0]] * 3 + [[-63.0, -65.0]]
