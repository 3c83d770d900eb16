"""Runs compared by statistics: those of one network agree, those of another one do not."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from support.peers import peer_python

import spikeloom as sl
from spikeloom.cli import main
from spikeloom.runtime.cosim.agreement import KINDS
from spikeloom.runtime.cosim.trains import Trains, correlation, distance, interval_difference, lag

STEPS, SIZE = 2000, 30


def network(
    factor: float = 1.0, delay: float = 2e-3, recurrent: float = 0.0, backwards: bool = False
) -> sl.Network:
    """Driven at random; ``recurrent`` is the spread of its inner weights, which make it chaotic."""
    rng = np.random.default_rng(0)
    net = sl.Network(dt=1e-3, seed=3)
    source = net.source("source", 20, sl.Poisson(60.0))
    cells = net.population("cells", SIZE, sl.LIF(20e-3, tau_syn=5e-3, v_threshold=1.0))
    weights = factor * rng.uniform(0.0, 0.12, (20, SIZE))
    net.connect(source, cells, weights=weights[:, ::-1] if backwards else weights, delay=delay)
    if recurrent:
        inner = rng.normal(0, recurrent, (SIZE, SIZE))
        net.connect(cells, cells, weights=inner, delay=2e-3)
    net.probe(cells)
    return net


def run(net: sl.Network) -> sl.Result:
    with sl.open("emulator") as device:
        device.load(sl.compile(net))
        return device.run(STEPS)


def beyond(agreement: sl.Agreement) -> set[str]:
    assert agreement.agree == all(m.agrees for m in agreement.measures)
    return {m.kind for m in agreement.measures if not m.agrees}


@pytest.mark.parametrize("recurrent", [0.0, 0.1])
def test_real_numbers_agree_with_the_devices(recurrent):
    net = network(recurrent=recurrent)
    simulated, computed = sl.simulate(net, STEPS), run(net)
    assert not np.array_equal(simulated.spikes["cells"], computed.spikes["cells"])
    found = sl.compare_spikes(sl.compile(net), simulated, computed, real=True)
    assert beyond(found) == set()
    assert tuple(m.kind for m in found.measures) == KINDS
    assert found.devices == ("simulation", "emulator")


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"factor": 1.1}, {"rate", "rates"}),
        ({"factor": 0.5}, {"rate", "rates", "intervals", "distance"}),
        ({"delay": 6e-3}, {"lag", "correlation"}),
        ({"backwards": True}, {"rates", "distance"}),
    ],
    ids=str,
)
def test_another_network_does_not_agree(change, kinds):
    program = sl.compile(network())
    found = sl.compare_spikes(program, run(network()), run(network(**change)))
    assert kinds <= beyond(found)


def test_a_run_agrees_with_itself_and_silence_with_nothing_else():
    program, result = sl.compile(network()), run(network())
    same = sl.compare_spikes(program, result, result)
    assert same.agree
    assert [m.difference for m in same.measures] == pytest.approx([0.0] * 6, abs=1e-6)
    silent = sl.Result(
        STEPS, 0, 1e-3, {"cells": np.zeros((0, 2), np.int64)}, sizes={"cells": SIZE}, device="none"
    )
    assert [m.kind for m in sl.compare_spikes(program, result, silent).measures] == ["rate"]
    assert not sl.compare_spikes(program, result, silent).agree
    assert sl.compare_spikes(program, silent, silent).agree


def test_coarse_numbers_are_allowed_more():
    """Tolerances come from the quantisation report."""
    net = network()
    fine, coarse = (sl.compile(net, sl.Target(weight_bits=bits)) for bits in (12, 4))
    result = run(net)
    errors, tolerances = [], []
    for program in (fine, coarse):
        found = sl.compare_spikes(program, result, result, real=True)
        errors.append(found.errors["cells"])
        tolerances.append(found.measures[0].tolerance)
    assert errors[1] > 10 * errors[0]
    assert tolerances[1] - tolerances[0] == pytest.approx(4 * (errors[1] - errors[0]))


def trains(events: list[tuple[int, int]], size: int = 1, steps: int = 100) -> Trains:
    return Trains(np.array(sorted(events), np.int64).reshape(-1, 2), size, steps)


def test_distances_count_spikes_without_a_partner():
    alone = trains([(50, 0)])
    assert distance(alone, trains([]), 10) == pytest.approx(1.0)
    assert distance(alone, alone, 10) == pytest.approx(0.0, abs=1e-9)
    moved = distance(alone, trains([(55, 0)]), 10)
    assert moved == pytest.approx(1 - np.exp(-0.5))
    two = trains([(50, 0), (20, 1)], 2)
    assert distance(two, trains([(50, 0)], 2), 10) == pytest.approx(1 / 3)


def test_intervals_and_activities():
    every = trains([(t, 0) for t in range(0, 100, 5)])
    slower = trains([(t, 0) for t in range(0, 100, 10)])
    assert interval_difference(every, slower) == pytest.approx(5 / 7.5)
    assert every.intervals.tolist() == [5] * 19
    assert correlation(every, every, 7) == pytest.approx(1.0)
    assert correlation(every, slower, 10) is None  # the first does not change then
    rng = np.random.default_rng(0)
    fires = rng.random(1000) < 0.1
    first = trains([(t, 0) for t in np.flatnonzero(fires[20:])], steps=1000)
    second = trains([(t, 0) for t in np.flatnonzero(fires[17:997])], steps=1000)
    assert lag(first, second) == 3
    assert lag(second, first) == -3
    other = trains([(t, 0) for t in np.flatnonzero(rng.random(1000) < 0.1)], steps=1000)
    assert lag(first, other) is None


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sl.compile(network()).save("net.loom")
    command = ["cosim", "net.loom", "--devices", "emulator,reference", "--steps", "200"]
    assert main([*command, "--statistics", "--without", "distance,lag"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "emulator and reference, 200 steps: agree"
    assert lines[1] == ("population  measure          first     second  difference  tolerance")
    assert [line.split()[:2] for line in lines[2:]] == [
        ["cells", kind] for kind in ("rate", "rates", "intervals", "correlation")
    ]
    assert main([*command, "--statistics", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agree"] is True
    (one,) = told["statistics"]
    assert [m["kind"] for m in one["measures"]] == list(KINDS)
    assert {m["agrees"] for m in one["measures"]} == {True}
    assert main([*command, "--without", "lag"]) == 7
    assert main([*command, "--statistics", "--without", "colour"]) == 7
    assert (
        "there is no such measure\n  found: colour\n"
        "  expected: of rate, rates, intervals, distance, correlation, lag\n"
    ) in capsys.readouterr().err


def test_without_elephant_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "elephant.spike_train_dissimilarity", None)
    program, result = sl.compile(network()), run(network())
    with pytest.raises(sl.DeviceError) as caught:
        sl.compare_spikes(program, result, result)
    assert str(caught.value).startswith("the distance between spike trains is not available\n")
    assert str(caught.value).endswith(
        "  expected: elephant 1.2, which computes it\n"
        "  remedy: pip install 'spikeloom[statistics]', or do without it: --without distance"
    )
    assert sl.compare_spikes(program, result, result, without=["distance"]).agree


@pytest.mark.peer
@pytest.mark.slow
def test_devices_agree_with_brian2_and_its_disagreements_show():
    devices: Any = ("reference", "emulator", f"brian2?python={peer_python('brian2')}")
    program = sl.compile(network(recurrent=0.1))
    emulator, brian2 = sl.cosim_statistics(program, devices, 1000)
    assert emulator.agree
    assert all((m.difference or 0.0) < 1e-6 for m in emulator.measures)
    assert brian2.agree
    assert any(m.difference for m in brian2.measures)
    # The same devices, but one of them runs a network whose weights are larger.
    with sl.open(devices[2]) as device:
        device.load(sl.compile(network(recurrent=0.1, factor=1.4)))
        other = device.run(1000)
    with sl.open("emulator") as device:
        device.load(program)
        found = sl.compare_spikes(program, device.run(1000), other)
    assert "rate" in beyond(found)
