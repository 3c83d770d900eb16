"""A difference between devices: what the neuron received, and the small case that shows it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.devices import install_broken
from support.paper_program import paper_program
from support.plastic import random_learning_events, with_random_rules
from support.programs import random_program

import spikeloom as sl
from spikeloom import Arrival
from spikeloom.cli import main
from spikeloom.compiler.program_part import Kept, part_of
from spikeloom.runtime.backend import Events, Record
from spikeloom.runtime.cosim.received import STEPS
from spikeloom.runtime.files import read_inputs
from spikeloom.runtime.symbols import Symbols


def chain(weights=(0.6, 0.6)) -> sl.Program:
    """Ten inputs, ten neurons, and one that adds up what neurons 3 and 7 send it."""
    net = sl.Network(dt=1e-3)
    cue = net.source("cue", 10)
    middle = net.population("middle", 10, sl.LIF(tau_mem=20e-3, tau_syn=None))
    last = net.population("last", 3, sl.LIF(tau_mem=None, tau_syn=None, v_threshold=100.0))
    net.connect(cue, middle, weights=2.0, connector=sl.OneToOne())
    matrix = np.zeros((10, 3))
    matrix[3, 1], matrix[7, 1] = weights
    matrix[2, 0] = matrix[4, 2] = 0.5
    net.connect(middle, last, weights=matrix, delay=3e-3)
    return sl.compile(net)


CUES = {"cue": [(step, index) for step in (0, 4, 9, 20) for index in range(10)]}


def test_what_the_neuron_received_is_told(monkeypatch):
    def fault(backend):
        backend._neurons.v[victim] += backend._step >= 16

    program = chain()
    victim = program.global_neurons(program.populations[1])[1]
    install_broken(monkeypatch, "broken", fault)
    divergence = sl.cosim(program, ("reference", "broken"), 32, CUES)
    assert divergence is not None
    assert (divergence.step, divergence.name, divergence.index) == (15, "last", 1)
    with sl.open("reference") as device:
        device.load(program)
        synapses = device.read_weights("middle->last")
    weight = {
        (int(i), int(j)): int(w) << int(e)
        for i, j, w, e in zip(
            synapses.pre, synapses.post, synapses.raw, synapses.exponent, strict=True
        )
    }
    # Cues of steps 4 and 9 pass through the middle; what was sent in step 1 is too old.
    assert divergence.received == tuple(
        Arrival(fired + 3, weight[pre, 1], 0, fired, ("middle", pre), "middle->last")
        for fired in (5, 10)
        for pre in (3, 7)
    )
    assert str(divergence.received[0]) == (
        f"step 8: {weight[3, 1]:+d} on receptor 0 through 'middle->last' from 'middle'[3], "
        "which fired in step 5"
    )


def test_graded_events_are_told(monkeypatch):
    def fault(backend):
        backend._neurons.v[0] += backend._step >= 7

    install_broken(monkeypatch, "broken", fault)
    net = sl.Network(dt=1e-3)
    net.population("cells", 2, sl.LIF(tau_mem=20e-3))
    program = sl.compile(net, quantization=sl.Quantization(scale=1000))
    inputs = {"cells": (np.array([[5, 0], [5, 1], [7, 0]]), np.array([0.25, 0.5, 0.125]))}
    divergence = sl.cosim(program, ("reference", "broken"), 20, inputs)
    assert divergence is not None
    assert divergence.received == (Arrival(5, 250),)
    assert str(divergence.received[0]) == "step 5: +250, graded event from the host"


def test_what_arrives_explains_the_accumulators(monkeypatch):
    """Of any neuron in any network: what is told adds up to what the reference has under way."""
    install_broken(monkeypatch, "broken", lambda backend: None)
    for seed in range(6):
        program = random_program(seed, neurons=8, delays=5)
        number = program.neurons - 1
        at = 40

        def fault(backend, at=at, number=number):
            if backend._step == at:
                backend._wheel[(at + 1) % len(backend._wheel), 0, number] += 1

        install_broken(monkeypatch, "broken", fault)
        rng = np.random.default_rng(seed)
        inputs = {
            s.name: rng.random((at, s.size)) < 0.3 for s in program.sources if s.kind == "host"
        }
        divergence = sl.cosim(program, ("reference", "broken"), at, inputs)
        if program.wheel_depth < 3:
            continue  # the slot is consumed in the next step at once
        assert divergence is not None
        assert divergence.variable == "input due in 2 steps, receptor 0"
        due = sum(
            one.amount for one in divergence.received if one.step == at + 1 and not one.receptor
        )
        assert due == divergence.values["reference"]
        assert all(one.step > at - 1 - STEPS for one in divergence.received)


def test_the_small_case_is_small(monkeypatch):
    """The fault strikes whoever has received two spikes; the earliest pair comes in one step."""

    def fault(backend):
        two = backend._neurons.v > threshold
        backend._neurons.v[two] += 1

    program = chain()
    scale = program.population("last").scale[1]
    threshold = int(1.0 * scale)  # one spike of 0.6 stays below
    install_broken(monkeypatch, "broken", fault)
    divergence = sl.cosim(program, ("reference", "broken"), 32, CUES)
    assert divergence is not None
    small = sl.reproduce(program, divergence, 32, CUES)
    assert small is not None
    assert [p.name for p in small.program.populations] == ["middle", "last"]
    assert (small.program.neurons, small.program.channels) == (3, 2)
    assert len(small.inputs["cue"]) == 2
    assert small.steps <= divergence.step + 1
    assert sl.cosim(small.program, ("reference", "broken"), small.steps, small.inputs) == (
        small.divergence
    )
    assert str(small) == f"{small.steps} steps, 3 neurons, 2 channels, 4 synapses, 2 input events"


def test_no_small_case_of_what_does_not_come_again(monkeypatch):
    once = []

    def fault(backend):
        if not once:
            once.append(True)
            backend._neurons.v[0] += 1

    install_broken(monkeypatch, "broken", fault)
    program = chain()
    divergence = sl.cosim(program, ("reference", "broken"), 5)
    assert divergence is not None
    assert sl.reproduce(program, divergence, 5) is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_part_is_a_program_that_all_devices_run_alike(seed):
    rng = np.random.default_rng(seed)
    program = random_program(rng, neurons=10)
    if rng.random() < 0.5:
        program = with_random_rules(program, rng)
    kept = Kept.everything(program)
    for mask in (kept.neurons, kept.channels, *kept.rows, *kept.synapses):
        mask[:] = rng.random(len(mask)) < 0.7
    kept.neurons[rng.integers(program.neurons)] = True
    part = part_of(program, kept)
    assert part.neurons == kept.neurons.sum()
    assert part.channels == kept.channels.sum()
    assert sum(p.size for p in part.populations) == part.neurons
    assert sl.cosim(part, ("reference", "emulator"), 20) is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_goes_without_effect_leaves_the_rest_as_it_was(seed):
    """Channels that never fire may go: every neuron does in the part what it did in the whole."""
    rng = np.random.default_rng(seed)
    program = random_program(rng, neurons=10)
    silent = [s for s in program.sources if s.kind == "host"]
    kept = Kept.everything(program)
    for source in silent:
        kept.channels[source.first_channel : source.first_channel + source.size] = False
    part = part_of(program, kept)
    assert np.array_equal(*(_potentials(p) for p in (program, part)))


def _potentials(program: sl.Program) -> np.ndarray:
    with sl.open("reference") as device:
        device.load(program)
        everyone = np.arange(program.neurons)
        record = Record(
            np.zeros(program.neurons, bool), np.zeros(program.channels, bool), (("v", everyone),)
        )
        return device.backend.run(30, Events.none(), record).states[0]


def test_learning_is_made_small_too(monkeypatch, tmp_path):
    """All kinds of input survive the way through the search and the file."""

    def fault(backend):
        backend._neurons.v[0] += backend._step >= 20

    install_broken(monkeypatch, "broken", fault)
    rng = np.random.default_rng(5)
    program = with_random_rules(random_program(rng, neurons=6), rng)
    inputs = _inputs(program, random_learning_events(program, 30, rng))
    assert {name.rpartition(".")[2] for name in inputs} >= {"third_factor", "modulator"}
    divergence = sl.cosim(program, ("reference", "broken"), 30, inputs)
    assert divergence is not None
    small = sl.reproduce(program, divergence, 30, inputs)
    assert small is not None
    assert (small.program.neurons, small.program.channels, small.inputs) == (1, 0, {})
    small = replace(small, program=program, inputs=inputs)
    loom, npz = small.save(tmp_path / "case")
    given, _ = read_inputs(npz, sl.Program.load(loom), 30)
    assert sl.cosim(loom, ("reference", "broken"), 30, given) == divergence


def _inputs(program: sl.Program, events: dict) -> dict:
    """What rules read, by name, as far as this Program's rules read it."""
    learning = Symbols(program).learning
    inputs: dict = {}
    for p in program.populations:
        place = {int(n): i for i, n in enumerate(program.global_neurons(p))}
        for kind, field, taught in (
            ("teacher", "teacher", learning.teacher),
            ("third_factor", "factor", learning.third_factor),
        ):
            here = np.isin(events[f"{field}_neuron"], list(place))
            if p.name in taught and here.any():
                index = [place[int(n)] for n in events[f"{field}_neuron"][here]]
                places = np.column_stack([events[f"{field}_step"][here], index])
                inputs[f"{p.name}.{kind}"] = places
                if kind == "third_factor":
                    values = events["factor_value"][here].astype(int)
                    inputs[f"{p.name}.{kind}"] = (places, values)
    if learning.modulator:
        inputs["modulator"] = (events["modulator_step"], events["modulator_value"].astype(int))
    return inputs


def test_the_command_writes_the_case(monkeypatch, tmp_path, capsys):
    def fault(backend):
        backend._neurons.v[-1] += backend._step >= 5

    install_broken(monkeypatch, "broken", fault)
    monkeypatch.chdir(tmp_path)
    paper_program().save("net.loom")
    np.savez("in.npz", **{"in": np.array([[0, 0], [4, 1]])})
    command = ["cosim", "net.loom", "--devices", "reference,broken", "--steps", "20"]
    assert main([*command, "--inputs", "in.npz"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("first difference: step 4: v of ")
    assert out[-3].startswith("a small case of it: 5 steps, 1 neurons, ")
    assert out[-1] == "  written to net-difference.loom and net-difference.npz"
    assert main([*command, "--shrink-seconds", "0", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["reproducer"] is None


def test_no_time_no_case(monkeypatch):
    install_broken(monkeypatch, "broken", lambda backend: backend._neurons.v.__iadd__(1))
    program = chain()
    divergence = sl.cosim(program, ("reference", "broken"), 3)
    assert divergence is not None
    assert sl.reproduce(program, divergence, 3, seconds=1e-9) is None


def test_what_is_left_of_a_layer_has_no_sides():
    net = sl.Network(dt=1e-3)
    net.source("in", (2, 2))
    cells = net.population("cells", (2, 2), sl.IF(0.5))
    net.connect("in", cells, weights=1.0, connector=sl.OneToOne())
    program = sl.compile(net)
    assert program.shapes == {"in": (2, 2), "cells": (2, 2)}
    kept = Kept.everything(program)
    part = part_of(program, replace(kept, neurons=np.array([1, 1, 1, 0], bool)))
    assert (part.neurons, part.shapes) == (3, {})
