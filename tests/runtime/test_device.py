"""A device's calls, on every device: names and units, order of calls, saturation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support.devices import DEVICES
from support.paper_program import SCALE, paper_program

import spikeloom as sl
from spikeloom import DeviceError, FileError, InputError, SaturationWarning
from spikeloom.runtime.saturation import Counters
from spikeloom.runtime.symbols import RoundingWarning

pytestmark = pytest.mark.parametrize("url", DEVICES)

EVERYTHING = tuple(
    [("pop", v) for v in ("spikes", "v", "u0", "u1", "threshold")]
    + [("in", "spikes"), ("clock", "spikes")]
)


@pytest.fixture
def device(url):
    with sl.open(url) as device:
        device.load(paper_program(EVERYTHING))
        yield device


def test_units_names_and_delays(device):
    result = device.run(5, {"in": [[0, 0], [1, 1]]})
    v = result.states["pop"]["v"]
    # in[0] -> pop[0] at once: 3 << 3 = 24 LSB, 6 units; -> pop[1] a step later: -16 LSB, -2 units;
    # in[1] -> pop[2] two steps later: 40 LSB, 2.5 units.
    assert v.tolist() == [[6, 0, 0], [6, -2, 0], [6, -2, 0], [6, -2, 2.5], [6, -2, 2.5]]
    assert v.raw.tolist()[-1] == [24, -16, 40]
    assert result.states["pop"]["u0"].tolist()[3] == [0, 0, 2.5]
    assert not result.states["pop"]["u1"].any()
    assert result.states["pop"]["threshold"][0].tolist() == [1000 / s for s in SCALE]
    assert result.spikes["in"].tolist() == [[0, 0], [1, 1]]
    assert result.spikes["clock"].tolist() == [[1, 0], [4, 0]]
    assert (result.steps, result.start, result.dt) == (5, 0, 1e-3)


def test_a_population_that_never_fired_has_an_empty_list(device):
    spikes = device.run(3).spikes["pop"]
    assert (spikes.shape, spikes.dtype) == ((0, 2), np.int64)


def test_spikes_have_the_users_indices_in_order(url):
    with sl.open(url) as device:
        device.load(paper_program(threshold=0, bias=1))
        result = device.run(2)
    assert result.spikes["pop"].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert sorted(result.spikes) == ["in", "pop"]
    assert list(result.states) == ["pop"]


def test_a_program_without_probes_brings_nothing_back(url):
    with sl.open(url) as device:
        device.load(paper_program(()))
        result = device.run(3, {"in": [[0, 0]]})
        assert result.spikes == result.states == {}
        assert device.read_state("pop")["v"].tolist() == [6, -2, 0]


def test_graded_values_in_units(device):
    raster = np.zeros((2, 3))
    raster[0] = [1.5, -2.25, 0.5]
    result = device.run(2, {"pop": raster})
    assert result.states["pop"]["v"].raw.tolist() == [[6, -18, 8]] * 2
    result = device.run(1, {"pop": ([[0, 2]], [0.26])})
    assert result.states["pop"]["v"].raw.tolist() == [[6, -18, 12]]


def test_graded_value_that_does_not_fit(device):
    with pytest.raises(InputError) as caught:
        device.run(2, {"pop": ([[1, 1]], [5000.0])})
    assert str(caught.value) == (
        "graded input of population 'pop' does not fit into the device's numbers\n"
        "  found: 5000 at step 1, index 1\n"
        "  expected: -4096 to 4095.88\n"
        "  where: inputs['pop']\n"
        "  remedy: compile with a smaller scale: sl.Quantization(scale=…)"
    )
    assert device.step == 0


def test_graded_value_that_vanishes_is_told(device):
    message = (
        r"^graded input of population 'pop': 1 of 2 values became zero, the first 0\.1 at step 0, "
        r"index 0, where the device's least significant bit is 0\.25$"
    )
    with pytest.warns(RoundingWarning, match=message) as caught:
        device.run(1, {"pop": ([[0, 0], [0, 1]], [0.1, 1.0])})
    assert caught[0].filename == __file__


def test_runs_go_on_where_the_last_one_ended(device):
    whole = device.run(6, {"in": [[0, 0], [3, 1]]})
    device.reset()
    parts = [device.run(2, {"in": [[0, 0]]}), device.run(4, {"in": [[1, 1]]})]
    assert [p.start for p in parts] == [0, 2]
    joined = sl.Result.join(parts)
    assert np.array_equal(joined.states["pop"]["v"], whole.states["pop"]["v"])
    assert np.array_equal(joined.spikes["clock"], whole.spikes["clock"])


def test_a_run_of_no_steps(device):
    result = device.run(0)
    assert result.states["pop"]["v"].shape == (0, 3)
    assert device.step == 0


def test_wrong_input_leaves_the_device_alone(device):
    with pytest.raises(InputError, match=r"^input of 'in': step out of range"):
        device.run(3, {"in": [[3, 0]]})
    with pytest.raises(InputError, match=r"^source 'clock' drives itself and takes no input"):
        device.run(3, {"clock": [[0, 0]]})
    with pytest.raises(InputError, match=r"^the number of steps is wrong"):
        device.run(-1)
    assert device.step == device.counters().steps == 0


def test_read_state(device):
    device.run(3, {"in": [[0, 0], [0, 1]]})
    state = device.read_state("pop")
    assert list(state) == ["v", "u0", "u1", "threshold"]
    assert state["v"].tolist() == [6, -2, 2.5]
    assert state["v"].raw.tolist() == [24, -16, 40]
    assert state["threshold"].tolist() == [250, 125, 62.5]
    with pytest.raises(InputError) as caught:
        device.read_state("poop")
    assert str(caught.value) == (
        "there is no population of this name\n"
        "  found: 'poop'\n"
        "  expected: one of 'pop'\n"
        "  remedy: did you mean 'pop'?"
    )


def test_reset_keeps_weights_unless_told(device):
    device.write_weights("in->pop", [12.0, -2.0, 2.5])
    first = device.run(3, {"in": [[0, 0]]})
    device.reset()
    assert device.step == 0
    second = device.run(3, {"in": [[0, 0]]})
    assert np.array_equal(first.states["pop"]["v"], second.states["pop"]["v"])
    assert second.states["pop"]["v"][-1].tolist() == [12, -2, 0]
    device.reset(weights=True)
    assert device.run(1, {"in": [[0, 0]]}).states["pop"]["v"].tolist() == [[6, 0, 0]]


def test_counters(url):
    with sl.open(url) as device:
        device.load(paper_program(threshold=20))
        device.run(2, {"in": [[0, 0], [0, 1]]})
        # Two synapses of in[0], one of in[1]; only pop[0] (24 > 20) fires, and has no targets.
        assert device.counters() == Counters(2, 1, 3, {"u": 0, "v": 0, "threshold": 0}, {})
        device.reset()
        assert device.counters().spikes == 0


def test_saturation_is_told_by_name(device):
    with pytest.warns(SaturationWarning) as caught:
        device.run(3, {"pop": ([[0, 1], [1, 1], [2, 0]], [-4000.0, -4000.0, 1.0])})
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "numbers were clipped at the end of their range during the run from step 0 to 2 (times: "
        "v 1), in 'pop' (v of 1 neurons); compile with a smaller scale, or lower weights, bias or "
        "input"
    )
    counters = device.counters()
    assert counters.clipped == {"u": 0, "v": 1, "threshold": 0}
    assert counters.saturations == {"pop": {"v": 1}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        device.run(3)
    with pytest.warns(SaturationWarning, match=r"from step 6 to 6 \(times: v 1\)"):
        device.run(1, {"pop": ([[0, 1]], [-4000.0])})


def test_before_load(url):
    with sl.open(url) as device:
        for call in (
            lambda: device.run(1),
            lambda: device.stream(1),
            lambda: device.read_weights("in->pop"),
            lambda: device.write_weights("in->pop", [1.0]),
            lambda: device.read_state("pop"),
            device.counters,
            device.reset,
            device.snapshot,
            lambda: device.probes,
            lambda: device.step,
        ):
            with pytest.raises(DeviceError) as caught:
                call()
            assert str(caught.value) == (
                "no Program is loaded on the device\n"
                f"  where: {url}\n"
                "  remedy: device.load(program) first"
            )


def test_after_close(device, url):
    device.close()
    device.close()
    for call in (lambda: device.run(1), lambda: device.load(paper_program()), device.snapshot):
        with pytest.raises(DeviceError) as caught:
            call()
        assert str(caught.value) == (
            f"the device is closed\n  where: {url}\n  remedy: open it again: spikeloom.open(url)"
        )


def test_load_from_a_file_and_refusal_of_what_is_none(device, tmp_path):
    device.run(3)
    paper_program().save(tmp_path / "net.loom")
    device.load(tmp_path / "net.loom")
    assert device.step == 0
    assert [(p.of, p.variable) for p in device.probes] == [
        ("pop", "spikes"),
        ("pop", "v"),
        ("in", "spikes"),
    ]
    device.load(str(tmp_path / "net.loom"))
    with pytest.raises(FileError, match=r"^the Program cannot be read"):
        device.load(tmp_path / "none.loom")
    with pytest.raises(InputError) as caught:
        device.load({"net": 1})
    assert str(caught.value) == (
        "only a Program can be loaded\n"
        "  found: dict\n"
        "  expected: a spikeloom.Program, or the path of a .loom file\n"
        "  remedy: compile the network first: spikeloom.compile(network)"
    )


def test_an_invalid_program_is_refused_before_the_device_sees_it(device):
    program = paper_program()
    program.cores[0].sparse_target[0] = 99
    with pytest.raises(FileError, match=r"^the Program is not valid: sparse_target"):
        device.load(program)
    assert device.run(1, {"in": [[0, 0]]}).states["pop"]["v"].tolist() == [[6, 0, 0]]
