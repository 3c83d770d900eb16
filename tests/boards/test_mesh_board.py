"""A mesh of cores on a board: what fits it, how long its steps take, and its self-test."""

from dataclasses import replace

import numpy as np
import pytest
from support.rtl import needs_compiler
from support.served import served

import spikeloom as sl
from spikeloom.board_fit import fit_boards, mesh_step_times, target_of
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design
from spikeloom.cli.build import quiet_step
from spikeloom.selftest import run_checks

BOARD = BOARDS["ulx3s-85f-mesh"]


def layers(size: int) -> sl.Network:
    """Four populations in a row, each with its neighbours only."""
    net = sl.Network(dt=1e-3)
    last = net.source("pixels", 16)
    for number in range(4):
        cells = net.population(f"layer{number}", size, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
        net.connect(last, cells, weights=0.5, connector=sl.FixedProbability(0.05, seed=number))
        last = cells
    net.probe(last, "spikes")
    return net


def test_a_mesh_holds_what_one_of_its_cores_does_not():
    net = layers(200)
    (fit,) = fit_boards(net, [BOARD])
    assert (fit.fits, fit.why) == ("yes", "")
    program = sl.compile(net, target=target_of(BOARD.geometry, BOARD.name))
    assert len(program.cores) == 4
    alone = replace(BOARD, geometry=replace(BOARD.geometry, mesh_rows=1, mesh_columns=1))
    (fit,) = fit_boards(net, [alone])
    assert fit.fits == "built"
    assert fit.why.startswith("cores: 4 needed, 1 there; neurons: 800 needed, 256 there; ")


def test_step_times_of_a_mesh_are_the_emulators():
    net = sl.Network(dt=1e-3)
    pixels = net.source("pixels", 16)
    beat = net.source("beat", 5, sl.Periodic(period=1e-3))
    cells = net.population(
        "cells", 60, sl.LIF(tau_mem=20e-3, v_threshold=1.0, bias=40.0, refractory=0.0)
    )
    for source, seed in ((pixels, 1), (beat, 2), (cells, 3)):
        few = sl.FixedProbability(0.1, seed=seed)
        net.connect(source, cells, weights=0.01, connector=few)
    program = sl.compile(net, target=sl.Target(mesh=(2, 2), neurons=16, lanes=4))
    assert len(program.cores) == 4
    geometry = replace(BOARD.geometry, lanes=4, update_lanes=0)
    quiet, busy, full = mesh_step_times(program, geometry)
    with sl.open("emulator?cycles=on") as device:
        device.load(program)
        cycles = device.run(3, {"pixels": np.ones((3, 16), bool)}).cycles
    assert quiet < busy < full == cycles[2]


def test_a_quiet_step_of_a_mesh_is_what_the_formula_says():
    net = layers(256)
    program = sl.compile(net, target=target_of(BOARD.geometry, BOARD.name))
    assert [core.neurons for core in program.cores] == [256] * 4
    with sl.open("emulator?cycles=on") as device:
        device.load(program)
        assert set(device.run(3).cycles.tolist()) == {quiet_step(Design.of(BOARD))}


@needs_compiler
@pytest.mark.slow
def test_the_selftest_of_a_served_mesh():
    sizes = (
        "--neurons=8", "--lanes=1", "--axons=64", "--rows=64", "--words=128",
        "--destinations=64", "--channels=4", "--profiles=2", "--state-bits=16",
        "--accumulator-bits=20", "--delay-slots=4", "--receptors=1", "--refractory-bits=8",
        "--adaptation=no", "--graded=no", "--linear=no", "--late=no", "--mask=no", "--bias=no",
        "--mesh-rows=1", "--mesh-columns=2",
    )  # fmt: skip
    with served("model", *sizes) as told:
        checks = list(run_checks(f"serial://{told['address']}?baud=115200", rounds=2))
    outcome = {check.name.removeprefix("co-simulation: "): check.outcome for check in checks}
    assert "failed" not in outcome.values(), [c for c in checks if c.outcome == "failed"]
    for name in ("memories", "several cores", "every neuron", "clock cycles"):
        assert outcome[name] == "passed"
    assert "2 cores, each of 8 neurons" in checks[0].detail
