"""Other neurons add up inputs where a target's neurons take fewer, and nobody can tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from support.compare import assert_same_result, ran
from support.devices import install_broken
from support.networks import SYNAPSE, decode, described, random_input
from support.rtl import needs_compiler
from support.sanafe import with_numbers

import spikeloom as sl
from spikeloom.compiler.digits import Digits, digits, mantissas
from spikeloom.compiler.program import Program
from spikeloom.compiler.program_part import Kept, part_of
from spikeloom.compiler.report import format_report
from spikeloom.report_page import report_html

# Random networks may run away, or have neurons that barely reach their threshold.
pytestmark = [
    pytest.mark.filterwarnings("ignore:numbers were clipped"),
    pytest.mark.filterwarnings(r"ignore:.*\[(neurons_can_(fire|be_silent)|weights_survive)\]"),
]

MESH = sl.Target(name="mesh", mesh=(12, 12), neurons=256)
SEEDS = st.integers(0, 1 << 20)


# ---------------------------------------------------------------- digits


def told(made: Digits, sums: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """What neurons say about sums: each fires if its input is above its threshold."""
    said = np.zeros_like(sums)
    for stage in range(made.stages):
        left = sums - said
        for i in np.flatnonzero((made.stage == stage) & keep):
            said = said + made.value[i] * (made.sign[i] * left > made.threshold[i])
    return said


@settings(max_examples=200, deadline=None)
@given(
    high=st.integers(0, 3000),
    low=st.integers(0, 3000),
    grain=st.integers(1, 200),
    stages=st.integers(1, 14),
    largest=st.integers(0, 14),
    share=st.floats(0, 1),
)
def test_digits_are_the_sum(
    high: int, low: int, grain: int, stages: int, largest: int, share: float
) -> None:
    made = digits(high * grain, low * grain, grain, stages, largest)
    assert made is not None
    assert digits(high * grain, low * grain, grain, stages, largest, len(made)) is not None
    assert digits(high * grain, low * grain, grain, stages, largest, len(made) - 1) is None
    assert made.stages <= stages
    assert np.abs(made.value).max() <= grain << largest
    assert (made.sign[-1], made.threshold[-1], made.value[-1]) == (1, grain - 1, grain)
    some_high, some_low = int(high * share), int(low * share)
    for h, n in ((high, low), (some_high, low), (high, 0), (some_high, 0), (0, some_low)):
        sums = np.arange(-n, h + 1) * grain
        keep = made.needed(np.array([h * grain]), np.array([n * grain]))[0]
        np.testing.assert_array_equal(told(made, sums, keep), sums)


def test_a_digit_per_stage_is_a_bit() -> None:
    made = digits(255, 256, 1, 20, 20)
    assert made is not None
    assert made.value.tolist() == [-256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert made.stage.tolist() == list(range(9))
    for stages, number in ((1, 511), (2, 46), (3, 21), (9, 9)):
        made = digits(255, 256, 1, stages, 20)
        assert made is not None
        assert (len(made), made.stages) == (number, stages)
    assert digits(1 << 30, 0, 1, 1, 20, 1000) is None


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(1, 1 << 22), min_size=1, max_size=20),
    weight_bits=st.integers(2, 16),
    exponents=st.integers(0, 15),
)
def test_values_are_mantissas(values: list[int], weight_bits: int, exponents: int) -> None:
    target = sl.Target(weight_bits=weight_bits, exponents=exponents)
    coded = mantissas(values, target)
    for value in values:
        possible = [
            e for e in range(exponents + 1)
            if value % (1 << e) == 0 and value >> e <= target.weight_max
        ]  # fmt: skip
        assert (value in coded) == bool(possible)
        if possible:
            mantissa, exponent = coded[value]
            assert exponent in possible
            assert mantissa << exponent == value


# ---------------------------------------------------------------- networks


def crowd(seed: int, delay: int) -> sl.Network:
    """A layer that sends to another one, which sends to itself; both receptors, many delays."""
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=1e-3, seed=seed)
    host = net.source("host", int(rng.integers(20, 70)))
    noise = net.source("noise", 10, sl.Poisson(rng.uniform(50, 200), seed=seed))
    sizes = rng.integers(4, 30, 2)
    cell = sl.LIF(
        tau_mem=10e-3, tau_syn=(4e-3, None), v_threshold=rng.uniform(0.4, 1.5), threshold_step=0.05
    )
    first, second = (net.population(f"p{i}", int(n), cell) for i, n in enumerate(sizes))

    def connect(pre: Any, post: Any, receptor: int, spread: int, density: float) -> None:
        shape = (pre.size, post.size)
        weights = rng.normal(0.05, 0.3, shape) * (rng.random(shape) < density)
        base = delay + (pre in (first, second))
        delays = 1e-3 * rng.integers(base, base + spread + 1, shape)
        net.connect(pre, post, weights=weights, delay=delays, receptor=receptor)

    connect(host, first, 0, 0, 1.0)
    connect(host, first, 1, 2, 0.5)
    connect(noise, first, 0, 3, 1.0)
    connect(first, second, int(rng.integers(2)), int(rng.integers(4)), 1.0)
    connect(second, second, 0, 1, 0.7)
    connect(second, first, 1, 0, 1.0)
    for population in (first, second):
        net.probe(population, "spikes", "v", "u0", "u1", "threshold")
    return net


def layer(weights: np.ndarray, steps: int, cell: sl.LIF | None = None) -> sl.Network:
    """A host source and the neurons that it drives, all with one delay."""
    net = sl.Network(dt=1e-3)
    host = net.source("host", weights.shape[0])
    cells = net.population("cells", weights.shape[1], cell or sl.LIF(tau_mem=20e-3))
    net.connect(host, cells, weights=weights, delay=steps * 1e-3)
    net.probe(cells, "spikes", "v")
    return net


def inputs_of(program: Program) -> dict[str, np.ndarray]:
    """(size,) synapses onto each neuron, found as spikes are."""
    found: dict[str, np.ndarray] = {p.name: np.zeros(p.size, int) for p in program.populations}
    for name, synapses in decode(program).items():
        symbol = program.projection(name)
        assert symbol is not None
        np.add.at(found[symbol.post], synapses["post"], 1)
    return found


@settings(max_examples=15, deadline=None)
@given(
    seed=SEEDS,
    delay=st.integers(4, 20),
    fan_in=st.integers(50, 100),
    mapping=st.sampled_from(["sequential", "best"]),
)
def test_sums_change_nothing(seed: int, delay: int, fan_in: int, mapping: str) -> None:
    net, steps = crowd(seed, delay), 40
    target = MESH.with_(fan_in=fan_in)
    try:
        split = sl.compile(net, target, mapping=mapping)
    except sl.FitError:
        reject()
    split.verify()
    assert max(n.max() for n in inputs_of(split).values()) <= fan_in
    inputs = random_input(net, seed, steps)
    one, other = ran(sl.compile(net, MESH), inputs), ran(split, inputs)
    assert sum(map(len, one.spikes.values()))
    assert_same_result(one, other)
    assert_same_result(one, ran(split, inputs, device="emulator?kernel=numpy"))


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, axons=st.integers(56, 80))
def test_cores_with_few_axons(seed: int, axons: int) -> None:
    net = crowd(seed, 16)
    try:
        split = sl.compile(net, MESH.with_(axons=axons, neurons=64))
    except sl.FitError:
        reject()
    assert max(core.axons for core in split.cores) <= axons
    inputs = random_input(net, seed, 40)
    assert_same_result(ran(sl.compile(net, MESH), inputs), ran(split, inputs))


@pytest.mark.parametrize("resource", ["rows", "synapse_bits"])
def test_cores_with_little_memory(resource: str) -> None:
    net = crowd(3, 14)
    amount = {"rows": 60, "synapse_bits": 60 * 8}[resource]
    split = sl.compile(net, MESH.with_(**{resource: amount}, mesh=(40, 40)))
    assert split.splits
    inputs = random_input(net, 3, 40)
    assert_same_result(ran(sl.compile(net, MESH), inputs), ran(split, inputs))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "target"),
    [
        (5, sl.Target(fan_in=90, lanes=4)),
        (0, sl.Target(mesh=(2, 2), fan_in=70, neurons=256, lanes=4)),
    ],
    ids=["core", "mesh"],
)
def test_the_hardware_computes_sums(seed: int, target: sl.Target) -> None:
    """The generated circuit, and the readable definition; cycles are the emulator's."""
    net = crowd(seed, 10)
    split = sl.compile(net, target)
    assert split.splits
    assert len(split.cores) > 1 or target.cores == 1
    inputs = random_input(net, seed, 25)
    plain = ran(sl.compile(net, MESH), inputs, 25)
    found = {d: ran(split, inputs, 25, d) for d in ("reference", "rtl", "emulator?cycles=on")}
    for result in found.values():
        assert_same_result(plain, result)
    np.testing.assert_array_equal(found["rtl"].cycles, found["emulator?cycles=on"].cycles)


def test_cores_without_exponential_leak_add_up_too() -> None:
    rng = np.random.default_rng(0)
    cell = sl.LIF(None, v_threshold=60.0, leak="linear", leak_rate=1e3)
    net = layer(rng.integers(-128, 128, (50, 4)), 9, cell)
    target = sl.Target(lacks=("exponential", "adaptation", "subtract"))
    scale = sl.Quantization(scale=1)
    split = sl.compile(net, target.with_(fan_in=40), scale)
    assert split.splits
    inputs = {"host": rng.random((60, 50)) < 0.3}
    plain = ran(sl.compile(net, target, scale), inputs, 60)
    assert len(plain.spikes["cells"]) > 20
    assert_same_result(plain, ran(split, inputs, 60))


@pytest.mark.parametrize("fan_in", [45, 50, 60])
def test_the_smallest_mantissa_takes_two_synapses(fan_in: int) -> None:
    """Its opposite is none; neurons with both still keep the limit."""
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((100, 4)) < 0.6, -128, rng.integers(-128, 128, (100, 4)))
    net = layer(weights, 25, sl.LIF(None, v_threshold=60.0))
    scale = sl.Quantization(scale=1)
    split = sl.compile(net, MESH.with_(fan_in=fan_in), scale)
    assert max(n.max() for n in inputs_of(split).values()) <= fan_in
    inputs = {"host": rng.random((80, 100)) < 0.2}
    assert_same_result(ran(sl.compile(net, MESH, scale), inputs, 80), ran(split, inputs, 80))


def test_sums_of_sums() -> None:
    """64 inputs a neuron, as DYNAP-SE has, of 320: the digits of the sums are too many, too."""
    rng = np.random.default_rng(1)
    net = layer(rng.normal(0.05, 0.3, (300, 5)), 20)
    split = sl.compile(net, MESH.with_(fan_in=64))
    assert [s.population for s in split.splits] == ["cells", "cells"]
    assert [s.sums for s in split.splits] == ["cells/sums", "cells/sums#2"]
    assert max(n.max() for n in inputs_of(split).values()) <= 64
    inputs = {"host": rng.random((80, 300)) < 0.1}
    plain = sl.compile(net, MESH)
    one = ran(plain, inputs, 80)
    assert len(one.spikes["cells"]) > 20
    assert_same_result(one, ran(split, inputs, 80))
    entry = split.report["sums"]["cells"]
    assert entry["levels"] == 2
    assert entry["neurons"] == sum(split.population(s.sums).size for s in split.splits)
    page = report_html(split)
    assert "<dt>of these, add up inputs of others</dt>" in page
    assert "add up inputs of others" not in report_html(sl.compile(net, MESH))
    text = format_report(split.report)
    assert f"\nsums for cells in 2 levels: {entry['neurons']:,} neurons add up " in text
    assert_weights_are_those_of(plain, split)


def test_truenorth_takes_a_layer_of_mnist() -> None:
    """784 inputs on cores of 256 axons, whose spikes go to one core each: sums, and their twins."""
    rng = np.random.default_rng(2)
    net = layer(rng.normal(0.01, 0.1, (784, 10)), 15)
    split = sl.compile(net, "truenorth")
    assert max(core.axons for core in split.cores) <= 256
    assert len(split.twins)
    inputs = {"host": rng.random((60, 784)) < 0.1}
    plain = sl.compile(net, MESH.with_(weight_bits=9))
    one = ran(plain, inputs, 60)
    assert len(one.spikes["cells"]) > 50
    assert_same_result(one, ran(split, inputs, 60))
    assert_weights_are_those_of(plain, split)


def test_chips_time_sums_as_what_they_are() -> None:
    """A latency report has the same spikes; with the loop closed, digits may come late, too."""
    net = crowd(1, 12)
    inputs = random_input(net, 1, 40)
    chip = with_numbers(sl.load_chip("loihi"), core_neurons=64)
    few = with_numbers(chip, core_fan_in=60)
    plain, split = (sl.latency(net, inputs, 40, c, close_loop=False) for c in (chip, few))
    assert split.counts["neuron_spike"] > plain.counts["neuron_spike"] > 100
    assert len(split.spike_step) > len(plain.spike_step)
    closed = sl.latency(net, inputs, 40, few, close_loop=True)
    for name in ("p0", "p1"):
        np.testing.assert_array_equal(closed.software[name], plain.software[name])


# ---------------------------------------------------------------- what users see


def assert_weights_are_those_of(plain: Program, split: Program) -> None:
    with sl.open("emulator") as a, sl.open("emulator") as b:
        a.load(plain)
        b.load(split)
        for projection in plain.projections:
            one, other = a.read_weights(projection.name), b.read_weights(projection.name)
            for field in one.__dataclass_fields__:
                np.testing.assert_array_equal(getattr(other, field), getattr(one, field), field)


@settings(max_examples=6, deadline=None)
@given(seed=SEEDS, delay=st.sampled_from([5, 16]), fan_in=st.integers(40, 80))
def test_weights_are_read_back(seed: int, delay: int, fan_in: int) -> None:
    net = crowd(seed, delay)
    try:
        split = sl.compile(net, MESH.with_(fan_in=fan_in))
    except sl.FitError:
        reject()
    assert_weights_are_those_of(sl.compile(net, MESH), split)


def test_several_synapses_of_one_pair_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    net = sl.Network(dt=1e-3)
    host = net.source("host", 20)
    cells = net.population("cells", 3, sl.LIF(tau_mem=20e-3))
    pre, post = rng.integers(0, 20, 300), rng.integers(0, 3, 300)
    delays = 1e-3 * rng.choice([12, 15], 300)
    net.connect(host, cells, weights=sl.Synapses(pre, post, rng.normal(0.05, 0.3, 300), delays))
    split = sl.compile(net, MESH.with_(fan_in=60))
    assert split.splits
    assert_weights_are_those_of(sl.compile(net, MESH), split)


def test_every_synapse_is_where_it_was_or_adds_up() -> None:
    """Walked in the finished tables: what did not move is the network's, and so is what did."""
    rng = np.random.default_rng(4)
    net = layer(rng.integers(-90, 90, (60, 6)), 8, sl.LIF(None, v_threshold=50.0))
    split = sl.compile(net, MESH.with_(fan_in=50), sl.Quantization(scale=1))
    (symbol,) = split.splits
    found = decode(split)
    outputs = np.concatenate([found[name] for name in symbol.outputs])
    of = dict(zip(outputs["pre"].tolist(), outputs.tolist(), strict=True))
    moved = np.concatenate([found[name] for name, _ in symbol.carriers])
    unit = split.population("cells/sums").scale[0] / split.population("cells").scale[0]
    rows = [
        (pre, of[post][1], delay + of[post][2], weight / unit, of[post][4])
        for pre, post, delay, weight, _ in moved.tolist()
    ]
    rows += found["host->cells"].tolist()
    np.testing.assert_array_equal(
        np.sort(np.array(rows, SYNAPSE)), described(net, "host->cells", 1)
    )


def test_sums_are_nobody_elses_business() -> None:
    net = crowd(1, 12)
    split = sl.compile(net, MESH.with_(fan_in=60))
    sums = split.splits[0].sums
    with sl.open("emulator") as device:
        device.load(split)
        with pytest.raises(sl.InputError, match=re.escape(repr(sums))):
            device.run(5, inputs={**random_input(net, 1, 5), sums: np.ones((5, 3))})
        name = split.splits[0].carriers[0][1]
        weights = device.read_weights(name)
        device.write_weights(name, weights)  # the same ones: nothing changes
        device.write_weights(name, raw=weights.raw)
        changed = weights.raw.copy()
        changed[0] += 1 if changed[0] < 100 else -1
        message = (
            f"a weight of {name!r} cannot change on this target\n"
            rf"  found: mantissa {changed[0]} from 0 to 0\n"
            rf"  expected: {weights.raw[0]}, as compiled: other neurons add up this synapse and "
        )
        with pytest.raises(sl.InputError, match="^" + message):
            device.write_weights(name, raw=changed)
        made = split.splits[0].outputs[0]
        digits = device.read_weights(made)
        with pytest.raises(sl.InputError, match=f"a weight of {made!r} cannot change"):
            device.write_weights(made, raw=digits.raw - 1)
        assert device.read_program().content_hash == split.content_hash
        device.watch({sums: ["spikes", "v"]})
        found = device.run(20, inputs=random_input(net, 1, 20))
    assert len(found.spikes[sums])


def test_programs_with_sums_are_files(tmp_path: Path) -> None:
    split = sl.compile(crowd(1, 12), MESH.with_(fan_in=60))
    split.save(tmp_path / "split.loom")
    again = Program.load(tmp_path / "split.loom")
    assert again.splits == split.splits
    assert again.content_hash == split.content_hash


def test_rates_are_compared_without_the_sums() -> None:
    net = crowd(1, 12)
    split = sl.compile(net, MESH.with_(fan_in=60))
    errors = sl.rate_errors(net, split, random_input(net, 1, 50), 50)
    assert list(errors.populations) == ["p0", "p1"]
    assert min(e.coincidence for e in errors.populations.values()) > 0.5


def test_lockstep_tells_what_the_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A neuron gets digits of sums, and a small case is one of neurons that are just neurons."""
    net = crowd(1, 12)
    split = sl.compile(net, sl.Target(fan_in=60))
    (symbol,) = split.splits
    inputs = random_input(net, 1, 60)
    assert sl.cosim(split, ("reference", "emulator"), 60, inputs) is None
    population = split.population(symbol.population)
    assert population is not None
    number = int(split.global_neurons(population)[-1])

    def fault(backend: Any) -> None:
        if backend._step > 50:
            backend._neurons.v[number] += 1

    install_broken(monkeypatch, "broken", fault)
    divergence = sl.cosim(split, ("reference", "broken"), 60, inputs)
    assert divergence is not None
    assert (divergence.step, divergence.name) == (50, symbol.population)
    senders = {one.pre[0] for one in divergence.received if one.pre}
    assert symbol.sums in senders
    assert senders <= {"host", "noise", "p0", "p1", symbol.sums}
    part = part_of(split, Kept.everything(split))
    assert not part.splits
    assert_same_result(ran(split, inputs, 60), ran(part, inputs, 60))


def test_synapses_that_learn_stay_where_they_are() -> None:
    rng = np.random.default_rng(0)
    net = sl.Network(dt=1e-3)
    host = net.source("host", 60)
    cells = net.population("cells", 4, sl.LIF(tau_mem=20e-3))
    net.connect(host, cells, weights=rng.uniform(0, 0.5, (60, 4)), delay=10e-3)
    rule = sl.STDP(w_max=1.0)
    net.connect(host, cells, weights=rng.uniform(0, 0.5, (60, 4)), learning=rule, name="learns")
    net.probe(cells, "spikes", "v")
    split = sl.compile(net, MESH.with_(fan_in=90))
    assert [s.carriers for s in split.splits] == [(("host->cells/sums", "host->cells"),)]
    inputs = {"host": rng.random((100, 60)) < 0.1}
    learned = []
    for program in (sl.compile(net, MESH), split):
        with sl.open("emulator") as device:
            device.load(program)
            result = device.run(100, inputs=inputs)
            learned.append((result, device.read_weights("learns").raw))
    assert_same_result(learned[0][0], learned[1][0])
    np.testing.assert_array_equal(learned[0][1], learned[1][1])
    with pytest.raises(sl.FitError, match="none of the target's, up to 63, would do: "):
        sl.compile(net, MESH.with_(fan_in=50))
    alone = sl.Network(dt=1e-3)
    host, cells = alone.source("host", 60), alone.population("cells", 4, sl.LIF(tau_mem=20e-3))
    alone.connect(host, cells, weights=rng.uniform(0, 0.5, (60, 4)), learning=rule)
    with pytest.raises(sl.FitError, match="of synapses that do not learn, and all of these do\\n"):
        sl.compile(alone, MESH.with_(fan_in=50))


# ---------------------------------------------------------------- what cannot be split


def late(steps: int) -> sl.Network:
    net = sl.Network(dt=1e-3, name="late")
    host = net.source("host", 100)
    cells = net.population("cells", 3, sl.LIF(tau_mem=20e-3))
    weights = np.random.default_rng(0).normal(0, 0.3, (100, 3))
    weights[:7] = 0.0
    net.connect(host, cells, weights=weights, delay=steps * 1e-3)
    net.connect(cells, cells, weights=np.full((3, 3), 0.1), delay=(steps + 1) * 1e-3)
    return net


def test_the_error_says_which_delays_would_do() -> None:
    target = MESH.with_(name="small", fan_in=70)
    with pytest.raises(sl.FitError) as caught:
        sl.compile(late(0), target)
    assert (
        str(caught.value)
        == """\
network 'late' does not fit target 'small': synapses onto one neuron
  why it is not split: other neurons can add up a part of its synapses exactly, but that takes \
steps, which must be part of the delays of synapses that do not learn
  found: 103; 3 are beyond the limit
  expected: at most 70
  where: cells[0]
  remedy: a SciPy sparse matrix without the 9 synapses of weight 0; or delays of at least 5 steps \
from sources and 6 from populations (delay=0.005 and 0.006) for the synapses onto 'cells' that do \
not learn: then other neurons add up a part of them; or leave out 33 of this neuron's synapses (a \
sparser connector, or the weakest); or another target"""
    )
    assert caught.value.table == (
        {"resource": "fan_in", "population": "cells[0]", "needed": 103, "available": 70,
         "per": "core"},
    )  # fmt: skip
    assert sl.compile(late(5), target).splits
    with pytest.raises(sl.FitError, match="at least 5 steps"):
        sl.compile(late(4), target)


def test_cores_with_few_axons_say_it_too() -> None:
    target = MESH.with_(name="small", axons=70)
    message = (
        r"cells\[0\] +103 +70 +core +does not fit\n(.*\n)*"
        r"  remedy: fewer inputs per neuron, .*; delays of at least 5 steps"
    )
    with pytest.raises(sl.FitError, match=message):
        sl.compile(late(0), target)
    assert sl.compile(late(5), target).splits


def test_a_single_core_has_no_room_elsewhere() -> None:
    with pytest.raises(sl.FitError) as caught:
        sl.compile(late(20), sl.Target(name="one", axons=70))
    assert "delays" not in str(caught.value)


def uniform(steps: int) -> sl.Network:
    return layer(np.random.default_rng(0).normal(0.05, 0.3, (100, 2)), steps)


@pytest.mark.parametrize("fan_in", [30, 45, 64])
def test_a_longer_delay_is_never_worse(fan_in: int) -> None:
    """And what the error says is just enough."""
    target, least = MESH.with_(fan_in=fan_in), set()
    for steps in range(0, 64, 3):
        try:
            assert sl.compile(uniform(steps), target).splits
        except sl.FitError as error:
            told = re.search("at least ([0-9]+) steps from sources", str(error))
            assert told is not None
            least.add(int(told[1]))
            assert steps < int(told[1])
        else:
            assert all(steps >= one for one in least)
    (needed,) = least
    assert sl.compile(uniform(needed), target).splits
    with pytest.raises(sl.FitError):
        sl.compile(uniform(needed - 1), target)


@pytest.mark.parametrize("fan_in", [100, 150, 180, 200, 220, 240])
def test_digits_that_an_accumulator_cannot_hold_are_avoided(fan_in: int) -> None:
    """Sums of large groups, rounded up to units, are beyond 16 bits."""
    net = layer(np.full((250, 2), 127), 20, sl.LIF(None, v_threshold=500.0))
    split = sl.compile(
        net, MESH.with_(fan_in=fan_in, accumulator_bits=16), sl.Quantization(scale=1)
    )
    assert split.splits


def test_all_populations_with_too_many_inputs_are_told() -> None:
    net = late(0)
    more = net.population("more", 2, sl.LIF(tau_mem=20e-3))
    net.connect("host", more, weights=np.ones((100, 2)))
    with pytest.raises(sl.FitError, match=r"^2 populations have too many inputs\n") as caught:
        sl.compile(net, MESH.with_(fan_in=70))
    assert [row["population"] for row in caught.value.table] == ["cells[0]", "more[0]"]


def test_nothing_is_split_that_fits() -> None:
    program = sl.compile(late(5), MESH.with_(fan_in=103))
    assert not program.splits
    assert "sums" not in program.report
    assert [p.name for p in program.populations] == ["cells"]


def test_names_that_are_taken() -> None:
    net = late(5)
    net.population("cells/sums", 2, sl.LIF(tau_mem=20e-3))
    split = sl.compile(net, MESH.with_(fan_in=70))
    assert split.splits[0].sums == "cells/sums#2"
