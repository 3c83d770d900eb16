"""Neurons are doubled where a spike may go to few cores only, and nobody can tell."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from support.compare import assert_same_result, ran
from support.networks import (
    decode,
    described,
    random_input,
    random_network,
    received_by_twins,
    twins_of,
)
from support.sanafe import with_numbers

import spikeloom as sl
from spikeloom.compiler.pipeline import passes
from spikeloom.compiler.program import Program
from spikeloom.compiler.program_part import Kept, part_of
from spikeloom.compiler.report import format_report
from spikeloom.compiler.twins import cores_reached
from spikeloom.runtime.backend import State

# Random networks may run away, or have neurons that barely reach their threshold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(r"ignore:.*\[(neurons_can_(fire|be_silent)|weights_survive)\]"),
]

CHIP = sl.Target(name="chip", mesh=(12, 12), neurons=24)
SEEDS = st.integers(0, 1 << 20)


def fan(neurons: int, targets: int, **more: Any) -> sl.Network:
    """A layer that drives another one, all to all, and itself in a ring; thresholds adapt.

    Its input is sparse, its output dense.
    """
    rng = np.random.default_rng(0)
    net = sl.Network(dt=1e-3, seed=5)
    cell = sl.LIF(tau_mem=20e-3, v_threshold=1.0, threshold_step=0.05, tau_threshold=30e-3)
    host = net.source("host", 12)
    first, second = net.population("first", neurons, cell), net.population("second", targets, cell)
    drive = rng.uniform(0.01, 0.7, (12, neurons)) * (rng.random((12, neurons)) < 0.7)
    net.connect(host, first, weights=scipy.sparse.csr_matrix(drive))
    ring = np.arange(neurons)
    net.connect(first, first, weights=sl.Synapses(ring, np.roll(ring, 1), 0.3, 2e-3))
    net.connect(first, second, weights=rng.normal(0.1, 0.2, (neurons, targets)), **more)
    for population in (first, second):
        net.probe(population, "spikes", "v", "threshold")
    return net


def compiled(net: sl.Network, target: sl.Target, **more: Any) -> Program:
    """The Program of a network that needs twins on the target."""
    program = sl.compile(net, target, **more)
    assert len(program.twins)
    return program


@settings(max_examples=20, deadline=None)
@given(
    seed=SEEDS,
    fan_out=st.integers(1, 3),
    neurons=st.integers(24, 60),
    mapping=st.sampled_from(["sequential", "best"]),
)
def test_twins_change_nothing(seed: int, fan_out: int, neurons: int, mapping: str) -> None:
    net, steps = random_network(seed), 40
    target = CHIP.with_(neurons=neurons)
    try:
        split = sl.compile(net, target.with_(fan_out=fan_out), mapping=mapping)
    except sl.FitError:
        reject()
    inputs = random_input(net, seed, steps)
    one, other = ran(sl.compile(net, target), inputs), ran(split, inputs)
    assert_same_result(one, other)
    assert_same_result(one, ran(split, inputs, device="emulator?kernel=numpy"))
    for core in split.cores:
        assert np.diff(core.spike_start).max(initial=0) <= fan_out


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, fan_out=st.integers(1, 2))
def test_every_synapse_is_there_once_for_each_twin(seed: int, fan_out: int) -> None:
    """Walked in the finished tables by code that shares nothing with the compiler."""
    net = random_network(seed, integers=True)
    target = CHIP.with_(neurons=40, fan_out=fan_out)
    try:
        program = sl.compile(net, target, sl.Quantization(scale=1))
    except sl.FitError:
        reject()
    for found in (decode(program), *received_by_twins(program)):
        for name, synapses in found.items():
            np.testing.assert_array_equal(synapses, described(net, name, 1))
    np.testing.assert_array_equal(
        program.synapses, [len(described(net, name, 1)) for name in net.projections]
    )
    places = [
        (int(np.searchsorted(program.core_base, n, "right")) - 1, int(n)) for n in program.twins
    ]
    assert set(twins_of(program)) == {(c, n - int(program.core_base[c])) for c, n in places}


def test_a_network_that_did_not_fit_truenorth() -> None:
    """Each neuron drives eight cores and more, and a spike of TrueNorth goes to one."""
    net = fan(24, 2000)
    chip = sl.load_chip("truenorth")
    assert chip.target.fan_out == 1
    program = compiled(net, chip.target)
    chip.check(program)
    assert all(np.diff(core.spike_start).max(initial=0) <= 1 for core in program.cores)
    told = program.report["mapping"]["twins"]
    number = len(program.twins)
    assert told["populations"] == {"first": {"neurons": 24, "twins": number}}
    assert told["synapses"] * 24 == number * int(program.synapses[:2].sum())
    assert number == 24 * (len(program.cores) - 1)
    text = (
        f"\ntwins, since a spike goes to at most 1 core: {number} of 24 neurons of first; "
        f"{told['synapses']:,} more synapses\n"
    )
    assert text in format_report(program.report)
    inputs = {"host": np.random.default_rng(1).random((40, 12)) < 0.3}
    ours = sl.compile(net, sl.Target(mesh=(2, 2), weight_bits=9))
    assert not len(ours.twins)
    assert len(ran(program, inputs).spikes["second"]) > 1000
    assert_same_result(ran(ours, inputs), ran(program, inputs))


def test_no_twins_without_need() -> None:
    net = fan(6, 40)
    program = sl.compile(net, CHIP)
    assert "twins" not in program.report["mapping"]
    assert sl.compile(net, CHIP.with_(fan_out=99)).cores[0].neurons == program.cores[0].neurons
    trimmed = sl.compile(net, CHIP.with_(fan_out=2), mapping="best")
    for core in trimmed.cores:
        for slot, key in enumerate(core.key.tolist()):
            if (core.key == key).sum() > 1:
                assert np.diff(core.spike_start)[slot] > 0  # each of them sends to somebody


def test_devices_file_and_snapshots_know_twins(tmp_path: Any) -> None:
    program = compiled(fan(6, 60), CHIP.with_(fan_out=1))
    program.save(tmp_path / "a.loom")
    loaded = sl.Program.load(tmp_path / "a.loom")
    assert loaded.content_hash == program.content_hash
    np.testing.assert_array_equal(loaded.twin_of, program.twin_of)
    inputs = {"host": np.random.default_rng(2).random((40, 12)) < 0.3}
    first = ran(program, inputs)
    for device in ("reference", "emulator?kernel=numpy", "emulator?threads=2"):
        assert_same_result(first, ran(loaded, inputs, device=device))
    with sl.open("emulator") as device:
        device.load(program)
        device.run(20, {"host": inputs["host"][:20]})
        device.restore(device.snapshot())
        assert device.run(20, {"host": inputs["host"][20:]}).spikes["second"].tolist() == [
            [step - 20, index] for step, index in first.spikes["second"].tolist() if step >= 20
        ]


def test_what_the_host_writes_reaches_twins() -> None:
    """Graded input and weights, also of synapses of which several are alike."""
    net = fan(6, 60)
    first = net.populations["first"]
    twice = sl.Synapses([0, 0, 0, 3, 3], [1, 1, 1, 5, 5], [0.5, 0.2, 0.5, 0.1, 0.1])
    net.connect(net.sources["host"], first, weights=twice, name="twice")
    programs = compiled(net, CHIP.with_(fan_out=1)), sl.compile(net, CHIP)
    rng = np.random.default_rng(4)
    inputs = {"host": rng.random((30, 12)) < 0.3, "first": rng.normal(0, 0.2, (30, 6))}
    results = []
    for program in programs:
        with sl.open("emulator") as device:
            device.load(program)
            device.run(3, {name: values[:3] for name, values in inputs.items()})
            weights = device.read_weights("twice")
            assert len(weights) == 5
            order = np.lexsort((weights.raw, weights.post, weights.pre))
            changed = weights.raw.copy()
            changed[order] = [3, -50, 70, 9, 100]
            device.write_weights("twice", raw=changed)
            device.write_weights("host->first", 0.8 * device.read_weights("host->first").values)
            assert device.read_weights("twice").raw[order].tolist() == [3, -50, 70, 9, 100]
            device.read_program().verify()
            results.append(device.run(30, inputs))
    assert_same_result(*results)
    assert len(results[0].spikes["first"])


def test_part_of_a_program_keeps_twins_with_their_originals() -> None:
    program = compiled(fan(6, 60), CHIP.with_(fan_out=1))
    kept = Kept.everything(program)
    first = program.global_neurons(program.populations[0])
    kept.neurons[first[0]] = False
    part = part_of(program, kept)
    assert part.populations[0].size == 5
    assert len(part.twins) == 5 * len(program.twins) // 6
    kept = Kept.everything(program)
    kept.neurons[first] = False
    assert not len(part_of(program, kept).twins)


def test_states_that_are_written_reach_twins() -> None:
    carry = pytest.importorskip("spikeloom.pynn.carry", reason="PyNN is not installed")
    program = compiled(fan(6, 60), CHIP.with_(fan_out=1))
    for variable in ("v", "u0", "u1"):
        index, values = np.array([0, 4]), np.array([0.25, -0.5])
        state = carry.with_values(State.initial(program), program, "first", variable, index, values)
        written = state.v if variable == "v" else state.u[int(variable == "u1")]
        assert np.count_nonzero(written) == 2 * (1 + len(program.twins) // 6)
        np.testing.assert_array_equal(written, written[program.twin_of])


def learning(on: str) -> sl.Network:
    net = sl.Network(dt=1e-3, seed=3)
    rng = np.random.default_rng(0)
    host = net.source("host", 8)
    first = net.population("first", 5, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    second = net.population("second", 40, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    rule = sl.STDP(a_plus=0.05, a_minus=0.04, w_max=0.6)
    net.connect(host, first, rng.uniform(0.2, 0.5, (8, 5)), learning=rule if on == "in" else None)
    net.connect(
        first, second, rng.uniform(0.1, 0.3, (5, 40)), learning=rule if on == "out" else None
    )
    net.probe(first, "spikes")
    net.probe(second, "spikes", "v")
    return net


def test_twins_may_send_to_synapses_that_learn() -> None:
    net = learning("out")
    programs = compiled(net, CHIP.with_(fan_out=1)), sl.compile(net, CHIP)
    inputs = {"host": np.random.default_rng(1).random((60, 8)) < 0.3}
    for device in ("reference", "emulator", "emulator?kernel=numpy"):
        results, weights = [], []
        for program in programs:
            with sl.open(device) as opened:
                opened.load(program)
                before = opened.read_weights("first->second").raw
                results.append(opened.run(60, inputs))
                weights.append(opened.read_weights("first->second").raw)
                assert (before != weights[-1]).any()
        assert_same_result(*results)
        np.testing.assert_array_equal(*weights)


def test_a_neuron_that_learns_has_no_twins() -> None:
    with pytest.raises(sl.FitError) as caught:
        sl.compile(learning("in"), CHIP.with_(fan_out=1))
    assert str(caught.value) == (
        "network 'network' does not fit target 'chip': cores that one neuron sends to\n"
        "  why it is not split: synapses of 'host->first', which learn, lead to it, and a twin "
        "would have to learn the same\n"
        "  found: 2; 5 are beyond the limit\n"
        "  expected: at most 1\n"
        "  where: first[0]\n"
        "  remedy: a population between, which this one sends to one to one with a weight that "
        "makes it fire, a step later: its neurons can have twins; or "
        'mapping="best", which puts the targets of a neuron on fewer cores'
    )


def test_twins_that_do_not_fit() -> None:
    """All to all over more cores than a neuron could have twins for."""
    net = sl.Network(dt=1e-3)
    cells = net.population("cells", 30, sl.LIF(tau_mem=20e-3))
    net.connect(cells, cells, weights=0.1, connector=sl.AllToAll())
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, CHIP.with_(fan_out=1, neurons=4, mesh=(3, 3)))
    message = str(caught.value)
    assert message.startswith("network 'network' does not fit target 'chip'\n")
    assert re.search(r"\nneurons +cells\[0\] and 7 twins +8 +4 +core +does not fit\n", message)
    assert "are twins, since a spike goes to at most 1 core\n" in message


def test_a_search_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikeloom.compiler.partition.ROUNDS", 1)
    with pytest.raises(sl.FitError) as caught:
        sl.compile(fan(6, 60), CHIP.with_(fan_out=1))
    assert str(caught.value) == (
        "network 'network' does not fit target 'chip': twins and messages take room on more and "
        "more cores, which asks for more of them\n"
        "  found: 12 twins, and not enough\n"
        '  remedy: mapping="best", which puts the targets of a neuron on fewer cores; or a target '
        "with larger cores"
    )


def test_messages_of_a_core_are_spread() -> None:
    """Fewer neurons per core where they would send too many messages, on either way."""
    net = fan(40, 200)
    for mapping in ("sequential", "best"):
        plain = sl.compile(net, CHIP, mapping=mapping)
        most = max(len(core.spike_to) for core in plain.cores)
        assert most > 120
        spread = sl.compile(net, CHIP.with_(axons_out=120), mapping=mapping)
        assert max(len(core.spike_to) for core in spread.cores) <= 120
        assert len(spread.cores) > len(plain.cores)
        both = compiled(net, CHIP.with_(axons_out=120, fan_out=6), mapping=mapping)
        assert max(len(core.spike_to) for core in both.cores) <= 120
    inputs = {"host": np.random.default_rng(1).random((40, 12)) < 0.3}
    assert_same_result(ran(plain, inputs), ran(both, inputs))


def test_more_messages_than_a_core_may_send_are_told() -> None:
    with pytest.raises(sl.FitError) as caught:
        sl.compile(fan(1, 200), CHIP.with_(axons_out=4), mapping="sequential")
    message = str(caught.value)
    assert re.search(r"\naxons_out +first\[0\] +9 +4 +core +does not fit\n", message)


def damaged(program: Program, change: Any) -> Program:
    """The Program with one core of twins changed."""
    number = int(np.searchsorted(program.core_base, program.twins[0], "right")) - 1
    twin = int(program.twins[0] - program.core_base[number])
    of = int(program.twin_of[program.twins[0]] - program.core_base[number])
    cores = list(program.cores)
    cores[number] = change(cores[number], twin, of)
    return replace(program, cores=tuple(cores))


def _altered(name: str, by: int = 1) -> Any:
    def change(core: Any, twin: int, _: int) -> Any:
        values = getattr(core, name).copy()
        values[twin] += by
        return replace(core, **{name: values})

    return change


def _other_weight(core: Any, twin: int, of: int) -> Any:
    del of
    weight = core.sparse_weight.copy()
    weight[np.flatnonzero(core.sparse_target == twin)[0]] += 1
    return replace(core, sparse_weight=weight)


def _other_target(core: Any, twin: int, of: int) -> Any:
    target = core.sparse_target.copy()
    target[np.flatnonzero(target == twin)[0]] = of
    return replace(core, sparse_target=target)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_altered("threshold"), "a twin has another threshold"),
        (_altered("v_init"), "a twin has another v_init"),
        (_altered("key", 1 << 20), "a slot has no owner, or more than one"),
        (_other_weight, "a twin has other synapses than its original"),
        (_other_target, "a twin has more or fewer synapses than its original"),
    ],
)
def test_damaged_twins_are_found(change: Any, told: str) -> None:
    program = compiled(fan(6, 60), CHIP.with_(fan_out=1))
    program.verify()
    with pytest.raises(sl.FileError, match=told):
        damaged(program, change).verify()


def test_a_twin_of_two_neurons_is_found() -> None:
    program = compiled(fan(6, 60), CHIP.with_(neurons=30, fan_out=1))

    def change(core: Any, twin: int, of: int) -> Any:
        lonely = [slot for slot, key in enumerate(core.key) if (core.key == key).sum() == 1]
        key = core.key.copy()
        key[lonely[0]] = key[of]
        return replace(core, key=key)

    with pytest.raises(sl.FileError, match="it is not clear whose twin a neuron is"):
        damaged(program, change).verify()


def test_limits_of_a_program_are_checked() -> None:
    program = sl.compile(fan(6, 60), CHIP)
    for limits, told in (
        ({"fan_in": 3}, "a neuron has more synapses than it can"),
        ({"fan_out": 2}, "a spike goes to more cores than it can"),
        ({"axons_out": 17}, "its neurons send too many messages"),
    ):
        with pytest.raises(sl.FileError, match=told):
            replace(program, target=CHIP.with_(**limits)).verify()


def test_a_spike_with_twins_is_one_spike_of_a_report() -> None:
    net = fan(6, 100)
    inputs = {"host": np.random.default_rng(1).random((20, 12)) < 0.3}
    chip = with_numbers(sl.load_chip("loihi"), core_neurons=24)
    single = with_numbers(chip, core_fan_out=1)
    for loop in (False, True):
        plain = sl.latency(net, inputs, 20, chip, close_loop=loop)
        split = sl.latency(net, inputs, 20, single, close_loop=loop)
        assert split.counts["neuron_spike"] > plain.counts["neuron_spike"]
        for name in ("step", "sender"):
            assert len(getattr(split, f"spike_{name}")) == len(plain.spike_step)
        found = [
            sorted(zip(r.spike_step.tolist(), *_named(r, r.spike_sender), strict=True))
            for r in (plain, split)
        ]
        assert found[0] == found[1]


def _named(report: Any, sender: Any) -> tuple[list[str], list[int]]:
    table = {
        number: (name, index)
        for name, numbers in report.senders.items()
        for index, number in enumerate(numbers.tolist())
    }
    names = [table[number] for number in sender.tolist()]
    return [name for name, _ in names], [index for _, index in names]


def test_cores_reached_counts_a_neurons_own_core() -> None:
    net = fan(6, 60)
    program = sl.compile(net, CHIP)
    state: Any = net
    for name, step in passes(CHIP, sl.Quantization()):
        state = step.apply(state)
        if name == "partition":
            break
    sent = {
        int(key): int(count)
        for core in program.cores
        for key, count in zip(core.key, np.diff(core.spike_start), strict=True)
    }
    assert cores_reached(state, state.part).tolist() == [sent[i] for i in range(66)]
