"""``sl.latency``: figures by pencil, what closing the loop does, and the command."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.pencil import FIRST, chain, fork, pencil_chip
from support.sanafe import with_numbers

import spikeloom as sl
from spikeloom.chip_files import spike_table
from spikeloom.cli import main
from spikeloom.errors import InputError

sys.path.append(str(Path(__file__).parent.parent / "examples"))

NS, PJ = 1e-9, 1e-12


def test_times_by_pencil(tmp_path):
    report = sl.latency(chain(), FIRST, 4, pencil_chip(tmp_path), mode="simple")
    # a: neuron 5, update 3, spike 7: fires at 15, its message is ready at 28; on b it takes
    # 17 + 11 = 28. c has nobody to tell: 15. Then nothing happens: 8. Synchronisation: 100.
    assert report.busy_seconds / NS == pytest.approx([28, 28, 15, 8])
    assert report.step_seconds / NS == pytest.approx([128, 128, 115, 108])
    assert report.seconds / NS == pytest.approx(479)
    # Into the router 2, one hop east 4, out 3, worked off 28; the way begins at 28, it fired at 15.
    assert report.spike_latency / NS == pytest.approx([50, 50])
    assert report.spike_fired / NS == pytest.approx([15, 128 + 15])
    assert report.latency["max"] / NS == pytest.approx(50)
    assert (report.spikes, report.messages, report.synaptic_events) == (3, 2, 2)


@pytest.mark.parametrize("mode", ["loose", "queue", "flit"])
def test_times_with_the_network_by_pencil(tmp_path, mode):
    report = sl.latency(chain(), FIRST, 4, pencil_chip(tmp_path), mode=mode)
    # The step ends when b has worked off the message: 28 + 2 + 4 + 3 + 28.
    assert report.busy_seconds / NS == pytest.approx([65, 65, 15, 8])
    assert report.spike_latency / NS == pytest.approx([50, 50])
    assert report.link_messages[0, :, 1].tolist() == [1, 1, 0]
    assert report.link_messages.sum() == 2
    assert report.link_use[0, 0, 1] == pytest.approx(1 / (165 + 165 + 115 + 108))
    assert report.disorder == 0.0


def test_energy_by_pencil(tmp_path):
    report = sl.latency(chain(), FIRST, 4, pencil_chip(tmp_path), mode="simple")
    expected = {
        "neuron": 12 * 1, "neuron_update": 12 * 2, "neuron_spike": 3 * 3, "synapse_dense": 2 * 5,
        "synapse_sparse": 0, "message_out": 2 * 7, "message_in": 2 * 11, "hop_north": 0,
        "hop_east": 2 * 13, "hop_south": 0, "hop_west": 0,
        "static_chip": 479, "static_cores": 3 * 2 * 479,  # 1 mW for a nanosecond is 1 pJ
    }  # fmt: skip
    assert {k: v / PJ for k, v in report.joules.items()} == pytest.approx(expected)
    assert report.energy / PJ == pytest.approx(sum(expected.values()))
    assert report.energy_delay == pytest.approx(report.energy * 479 * NS)


@pytest.mark.parametrize("mode", ["simple", "loose", "queue", "flit"])
def test_multicast_by_pencil(tmp_path, mode):
    chips = [pencil_chip(tmp_path, routing=routing) for routing in ("unicast", "multicast")]
    reports = [sl.latency(fork(), FIRST, 2, chip, mode=mode) for chip in chips]
    # a is in the middle and fires at 15. Unicast: messages are ready at 28 and 41; the one to c is
    # done at 41 + 2 + 4 + 3 + 28. Multicast: one packet at 28; b is done at 28 + 2 + 5 + 3 + 28.
    assert [r.spike_latency[0] / NS for r in reports] == pytest.approx([63, 51])
    assert [r.counts["message_out"] for r in reports] == [2, 1]
    assert [r.counts["message_in"] for r in reports] == [2, 2]
    assert [(r.counts["hop_east"], r.counts["hop_west"]) for r in reports] == [(1, 1)] * 2
    assert [r.messages for r in reports] == [2, 2]
    if mode != "simple":
        assert [r.link_messages[0, 1].tolist() for r in reports] == [[0, 1, 0, 1]] * 2
        assert [r.busy_seconds[0] / NS for r in reports] == pytest.approx([78, 66])


def our_mesh(**choices):
    """Our mesh with small cores; by default timed by messages."""
    chip = with_numbers(sl.load_chip("core-mesh"), core_neurons=9)
    return replace(chip, **{"model": "messages", **choices})


@pytest.mark.parametrize("chip", ["loihi", "core-mesh", "core-mesh by cycles"])
@pytest.mark.parametrize("mode", ["simple", "loose", "queue"])
def test_without_single_spikes_the_rest_is_the_same(chip, mode):
    net, inputs = network(1e-3)
    if chip == "loihi":
        chip = with_numbers(sl.load_chip(chip), core_neurons=9)
    else:
        chip = our_mesh(model="cycles" if "by" in chip else "messages")
    each, summary = (
        sl.latency(net, inputs, 80, chip, mode=mode, each=each) for each in (True, False)
    )
    assert np.allclose(each.busy_seconds, summary.busy_seconds, rtol=1e-12)
    assert np.allclose(each.core_busy, summary.core_busy, rtol=1e-12)
    assert np.array_equal(each.link_messages, summary.link_messages)
    assert np.allclose(each.link_wait, summary.link_wait, rtol=1e-12)
    assert (each.spikes, each.messages) == (summary.spikes, summary.messages)
    assert each.counts == summary.counts
    assert len(summary.spike_latency) == 0


@pytest.mark.parametrize("mode", ["simple", "loose", "queue"])
@pytest.mark.parametrize("each", [True, False])
def test_a_network_in_which_nothing_spikes(mode, each):
    net, inputs = network(1e-3)
    silent = {name: np.zeros_like(raster) for name, raster in inputs.items()}
    report = sl.latency(net, silent, 80, "loihi", mode=mode, each=each)
    assert (report.spikes, report.messages) == (0, 0)
    assert report.core_busy.sum() > 0  # neurons are computed all the same


def test_multicast_costs_no_more_than_unicast():
    net, inputs = network(1e-3)
    many, one = (
        sl.latency(net, inputs, 80, our_mesh(routing=routing))
        for routing in ("unicast", "multicast")
    )
    assert one.link_messages.sum() < many.link_messages.sum()
    assert one.counts["message_out"] < many.counts["message_out"]
    assert one.counts["message_in"] == many.counts["message_in"]
    assert one.seconds < many.seconds


@pytest.mark.parametrize("mode", ["simple", "loose"])
def test_a_loop_needs_a_network_that_is_fed(tmp_path, mode):
    with pytest.raises(InputError) as told:
        sl.latency(fork(), FIRST, 3, pencil_chip(tmp_path), mode=mode, close_loop=True)
    assert str(told.value) == (
        "a closed loop needs a network that is fed while it works\n"
        f"  found: mode {mode!r}\n  expected: one of queue, flit"
    )


@pytest.mark.parametrize("mode", ["queue", "flit"])
def test_a_loop_with_multicast_by_pencil(tmp_path, mode):
    chips = [pencil_chip(tmp_path, routing=routing) for routing in ("unicast", "multicast")]
    reports = [sl.latency(fork(), FIRST, 3, chip, mode=mode, close_loop=True) for chip in chips]
    # As in an open loop, where nothing waits; the step is a millisecond, so that nothing is late.
    assert [r.spike_latency[0] / NS for r in reports] == pytest.approx([63, 51])
    assert [r.counts["message_out"] for r in reports] == [2, 1]
    assert [r.link_messages[0, 1].tolist() for r in reports] == [[0, 1, 0, 1]] * 2
    assert [r.late for r in reports] == [0, 0]
    assert reports[1].spike_fired[0] / NS == pytest.approx(1e6 + 15)


def test_late_spikes_of_a_loop_with_multicast():
    """With steps shorter than the way; with long ones nothing is, and nothing changes."""
    late = []
    for dt in (1e-3, 1e-6, 2e-7):
        net, inputs = network(dt)
        report = sl.latency(net, inputs, 80, our_mesh(), close_loop=True)
        late.append(report.late)
        same = [np.array_equal(events, report.hardware[name])
                for name, events in report.software.items()]  # fmt: skip
        assert all(same) == (report.late == 0)
        assert report.messages > 500
    assert late[0] == 0 < min(late[1:])


def test_a_loop_may_be_closed_on_our_mesh_but_not_on_our_core(tmp_path):
    net, inputs = network(1e-3)
    by_cycles, by_messages = (
        sl.latency(net, inputs, 80, our_mesh(model=model), close_loop=True)
        for model in ("cycles", "messages")
    )
    assert by_cycles.discipline == "event, loop closed"
    assert by_cycles.to_dict() == by_messages.to_dict()
    with pytest.raises(sl.UnsupportedError, match=r"mode 'queue' needs\n  found: no time.neuron"):
        sl.latency(chain(), FIRST, 4, "core", close_loop=True)


def test_deadlines_by_pencil(tmp_path):
    report = sl.latency(chain(), FIRST, 4, pencil_chip(tmp_path, "tick"), mode="queue")
    assert report.seconds / NS == pytest.approx(200)
    told = {"tick": 50, "worst": 15, "slack": -15}
    assert {k: report.deadline[k] / NS for k in told} == pytest.approx(told)
    assert (report.deadline["missed"], report.deadline["late"]) == (2, 2)


def test_the_hosts_line_by_pencil(tmp_path):
    net = chain()
    ear = net.source("ear", 3)
    net.connect(ear, net.populations["a"], weights=[[0.1]] * 3)
    chip = pencil_chip(tmp_path)
    given = {**FIRST, "ear": [[0, 0], [0, 1], [2, 2]]}
    host = sl.latency(net, given, 4, chip, mode="simple").host
    # In: two steps with input, three spikes. Out: three steps with a spike each. 10 µs per byte.
    assert (host["bytes_in"], host["bytes_out"]) == (2 * 7 + 3 * 2, 3 * (3 + 2))
    assert host["seconds_in"] == pytest.approx(20 * 10e-6)
    assert host["longest_step"] == pytest.approx((7 + 2 * 2) * 10e-6)
    assert host["steps_limited"] == 3


@pytest.mark.parametrize("chip", ["core", "core-mesh", "loihi"])
def test_a_run_without_steps_is_empty(chip):
    net, _ = network(1e-3)
    report = sl.latency(net, None, 0, chip)
    assert (report.seconds, report.spikes, report.messages) == (0.0, 0, 0)
    assert {name: events.shape for name, events in report.software.items()} == dict.fromkeys(
        [*net.sources, *net.populations], (0, 2)
    )
    if report.host:
        assert (report.host["bytes_in"], report.host["bytes_out"]) == (0.0, 0.0)


def test_what_is_not_known_raises_and_is_told(tmp_path):
    chip = pencil_chip(tmp_path, without=("time.hop_east", "energy.message_in"))
    report = sl.latency(chain(), FIRST, 4, chip, mode="simple")
    assert report.missing == {
        "energy": "energy needs energy.message_in",
        "time": "mode 'simple' needs time.hop_east",
        "latency": "mode 'simple' needs time.hop_east",
    }
    for figure in ("seconds", "latency", "energy", "energy_delay", "throughput"):
        with pytest.raises(sl.UnsupportedError, match="is not known"):
            getattr(report, figure)
    facts = report.to_dict()
    assert facts["seconds"] is facts["latency"] is facts["total_energy"] is None
    assert facts["counts"]["message_in"] == 2


def test_truenorth_has_energy_but_no_latency():
    report = sl.latency(chain(), FIRST, 4, "truenorth")
    assert report.seconds == pytest.approx(4e-3)
    assert report.joules["static_chip"] == pytest.approx(64.43e-3 * 4e-3)
    assert report.joules["synapse_dense"] == pytest.approx(2 * 2.297e-12)
    with pytest.raises(sl.UnsupportedError, match="latency is not known"):
        _ = report.latency


def test_our_core_takes_its_clock_cycles():
    net = chain()
    program = sl.compile(net, target="core")
    with sl.open("emulator") as device:
        device.load(program)
        cycles = device.run(6, FIRST).cycles
    report = sl.latency(program, FIRST, 6, "core")
    assert report.step_seconds * 50e6 == pytest.approx(cycles.tolist())
    assert report.mode == "cycles"
    assert spike_table(report)["population"].tolist() == ["a", "b", "c"]
    with pytest.raises(sl.UnsupportedError, match="energy is not known"):
        _ = report.energy


# ---------------------------------------------------------------------- random networks


def network(dt, seed=0):
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=dt)
    ear = net.source("ear", 20)
    one = net.population("one", 60, sl.LIF(tau_mem=20 * dt, v_threshold=1.0))
    two = net.population("two", 40, sl.LIF(tau_mem=20 * dt, v_threshold=1.0, refractory=2 * dt))
    net.connect(ear, one, weights=(rng.random((20, 60)) < 0.2) * 0.5)
    net.connect(one, two, weights=(rng.random((60, 40)) < 0.2) * 0.4, delay=2 * dt)
    net.connect(two, one, weights=(rng.random((40, 60)) < 0.2) * -0.3)
    net.probe(two, "spikes")
    return net, {"ear": rng.random((80, 20)) < 0.1, "two": rng.normal(0, 0.1, (80, 40))}


@pytest.mark.parametrize("mode", ["loose", "queue", "flit"])
def test_contention_only_costs_time(tmp_path, mode):
    net, inputs = network(1e-3)
    limits = {"neurons": 40, "synapse_bits": 1 << 20, "axons": 256, "rows": 4096}
    chip = pencil_chip(tmp_path, **limits)
    free = sl.latency(net, inputs, 80, chip, mode="simple")
    slow = sl.latency(net, inputs, 80, chip, mode=mode)
    assert slow.messages == free.messages > 500
    assert (slow.busy_seconds >= free.busy_seconds - 1e-12).all()
    assert slow.joules["message_in"] == free.joules["message_in"]
    assert {**slow.counts} == {**free.counts}
    assert (slow.spike_latency >= free.spike_latency - 1e-12).all()
    assert slow.energy == pytest.approx(sum(slow.joules.values()))
    assert slow.distortion["pairs"] == free.distortion["pairs"] > 100
    brief = sl.latency(net, inputs, 80, chip, mode=mode, each=False)
    assert np.array_equal(brief.step_seconds, slow.step_seconds)
    sums = sl.latency(net, inputs, 80, chip, mode="simple", each=False)
    assert sums.step_seconds == pytest.approx(free.step_seconds)
    assert sums.core_busy == pytest.approx(free.core_busy)
    assert (sums.messages, sums.joules) == (free.messages, pytest.approx(free.joules))
    assert brief.joules == slow.joules
    assert not len(brief.spike_latency)


@pytest.mark.parametrize("bound", ["MESSAGES_AT_A_TIME", "MESSAGES_IN_A_CALL"])
@pytest.mark.parametrize("mode", ["simple", "loose", "queue", "flit"])
def test_steps_of_which_only_sums_are_kept_are_timed_in_longer_calls(monkeypatch, mode, bound):
    from spikeloom.backends.chips import step_times

    net, inputs = network(1e-3)
    chip = sl.load_chip("loihi-sanafe")
    calls = []
    busy = step_times.StepTimer.busy

    def counted(timer, activity):
        calls.append(activity.steps)
        return busy(timer, activity)

    monkeypatch.setattr(step_times.StepTimer, "busy", counted)
    whole = sl.latency(net, inputs, 80, chip, mode=mode, each=False)
    assert calls == [80]
    monkeypatch.setattr(step_times, bound, 10)
    parts = sl.latency(net, inputs, 80, chip, mode=mode, each=False)
    cut = (mode == "simple") == (bound == "MESSAGES_AT_A_TIME")
    assert (len(calls) > 20) if cut else (calls == [80, 80])
    assert np.array_equal(whole.step_seconds, parts.step_seconds)
    assert (whole.counts, whole.messages) == (parts.counts, parts.messages)
    assert whole.core_busy == pytest.approx(parts.core_busy)


def test_parts_of_a_run_add_up(tmp_path, monkeypatch):
    from spikeloom import chip_latency
    from spikeloom.backends.chips import step_times

    net, inputs = network(1e-3)
    chip = sl.load_chip("loihi")
    whole = sl.latency(net, inputs, 80, chip)
    monkeypatch.setattr(chip_latency, "STEPS_AT_A_TIME", 7)
    monkeypatch.setattr(step_times, "MESSAGES_AT_A_TIME", 10)
    parts = sl.latency(net, inputs, 80, chip)
    assert np.array_equal(whole.step_seconds, parts.step_seconds)
    assert np.allclose(whole.spike_fired, parts.spike_fired, rtol=1e-12)
    assert whole.counts == parts.counts
    assert whole.disorder == parts.disorder
    assert whole.distortion == pytest.approx(parts.distortion)


def test_placement_does_not_change_what_happens(tmp_path):
    net, inputs = network(1e-3)
    limits = {"synapse_bits": 1 << 20, "axons": 256, "rows": 4096}
    chips = [pencil_chip(tmp_path, neurons=n, **limits) for n in (34, 100)]
    reports = [sl.latency(net, inputs, 80, chip) for chip in chips]
    for name in ("one", "two"):
        assert np.array_equal(*(report.software[name] for report in reports))
    assert reports[0].counts["message_in"] > reports[1].counts["message_in"]
    assert reports[0].synaptic_events == reports[1].synaptic_events


@pytest.mark.parametrize("chip", ["loihi", "loihi-sanafe"])
def test_a_loop_in_which_nothing_is_late_changes_nothing(chip):
    net, inputs = network(1e-3)
    report = sl.latency(net, inputs, 80, chip, close_loop=True)
    assert report.late == 0
    assert sum(map(len, report.software.values())) > 300
    for name, events in report.software.items():
        assert np.array_equal(events, report.hardware[name]), name
    open_loop = sl.latency(net, inputs, 80, chip, close_loop=False)
    assert report.counts["message_in"] == open_loop.counts["message_in"]


def test_a_loop_in_which_spikes_are_late_changes_them():
    net, inputs = network(2e-7)
    report = sl.latency(net, inputs, 80, "loihi-sanafe", close_loop=True)
    assert report.late > 50
    assert not np.array_equal(report.software["two"], report.hardware["two"])
    assert np.array_equal(report.software["ear"], report.hardware["ear"])


def test_a_loop_cannot_learn():
    net = sl.Network(dt=1e-3)
    ear, cells = (
        net.source("ear", 2),
        net.population("cells", 2, sl.LIF(tau_mem=2e-2, v_threshold=1.0)),
    )
    net.connect(ear, cells, weights=np.zeros((2, 2)), learning=sl.Supervised(w_max=1.0, eta=0.1))
    with pytest.raises(sl.UnsupportedError, match="a closed loop cannot learn"):
        sl.latency(net, None, 5, "loihi", close_loop=True)


def test_a_late_spike_moves_the_sound():
    import coincidence

    answers = {}
    for dt in (5e-6, 100e-6):
        report = coincidence.listen(dt)
        answers[dt] = [s["detectors"][:, 1].tolist() for s in (report.software, report.hardware)]
    assert answers == {5e-6: [[4], [5]], 100e-6: [[4], [4]]}


# ---------------------------------------------------------------------- files and the command


@pytest.fixture
def files(tmp_path):
    net, inputs = network(1e-3)
    sl.compile(net, target="loihi").save(tmp_path / "net.loom")
    np.savez(tmp_path / "in.npz", **inputs)
    return tmp_path


def command(capsys, folder, *more):
    code = main(["latency", str(folder / "net.loom"), "--inputs", str(folder / "in.npz"), *more])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_tells_everything(files, capsys):
    code, out, _ = command(capsys, files, "--chip", "loihi")
    assert code == 0
    for text in ("latency of a spike: mean", "energy: ", "message_out", "cores work"):
        assert text in out, text


def test_the_command_writes_json_arrays_and_pictures(files, capsys):
    npz, png = files / "out.npz", files / "out.png"
    code, out, _ = command(
        capsys, files, "--chip", "loihi", "--json", "--npz", str(npz), "--plot", str(png)
    )
    assert code == 0
    facts = json.loads(out)
    with np.load(npz) as found:
        arrays = dict(found)
    assert json.loads(str(arrays["report"]))["seconds"] == facts["seconds"]
    assert arrays["seconds.step"].sum() == pytest.approx(facts["seconds"])
    assert arrays["spikes.latency"].max() == facts["latency"]["max"]
    assert set(arrays["spikes.population"]) == {"ear", "one", "two"}
    fired = arrays["software.one"][arrays["software.one"][:, 1] == 3][:, 0]
    mine = (arrays["spikes.population"] == "one") & (arrays["spikes.index"] == 3)
    assert arrays["spikes.step"][mine].tolist() == fired.tolist()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_parquet_is_written_or_its_package_is_named(files, capsys):
    path = files / "out.parquet"
    code, _, err = command(capsys, files, "--chip", "loihi", "--parquet", str(path))
    try:
        import pyarrow.parquet
    except ImportError:
        assert code == 8
        assert "pip install 'spikeloom[parquet]'" in err
        return
    assert code == 0
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == ["step", "population", "index", "fired", "latency"]


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (("--chip", "loihi3"), 4, "there is no such chip"),
        (("--chip", "core"), 4, "was not compiled for chip 'core'"),
        (("--chip", "none.toml"), 6, "the chip file cannot be read"),
    ],
)
def test_the_command_refuses(files, capsys, more, code, told):
    found, _, err = command(capsys, files, *more)
    assert found == code
    assert told in err


def test_the_number_of_steps_must_be_known(files, capsys):
    assert main(["latency", str(files / "net.loom"), "--chip", "loihi"]) == 7
    assert "say how many: --steps 100" in capsys.readouterr().err
