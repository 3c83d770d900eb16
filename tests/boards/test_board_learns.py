"""The core of the board that learns: what compiles for it loads, and it learns the digits."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from support.rtl import needs_compiler
from support.served import served

import spikeloom as sl
from spikeloom import cli
from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.board_fit import check_board, target_of
from spikeloom.boards.catalogue import BOARDS
from spikeloom.runtime.device import Device
from spikeloom.selftest import run_checks
from spikeloom.selftest.learned import learn, network

LEARNS = [name for name, b in BOARDS.items() if b.geometry.rules and not b.geometry.micro]
SMALL = [name for name, board in BOARDS.items() if board.geometry.micro]


def test_there_are_boards_that_learn():
    assert "ulx3s-25f-stdp" in LEARNS
    assert all(BOARDS[name].geometry.neurons >= 1024 for name in LEARNS)


@pytest.mark.parametrize("name", LEARNS)
@pytest.mark.parametrize("seed", range(4))
def test_what_compiles_for_a_board_loads_on_it(name, seed):
    board = BOARDS[name]
    rng = np.random.default_rng(seed)
    net = sl.Network(dt=1e-3, seed=seed)
    inputs = net.source("inputs", int(rng.integers(1, 80)))
    cells = net.population(
        "cells", int(rng.integers(1, 50)),
        sl.LIF(tau_mem=20e-3, v_threshold=float(rng.choice([0.1, 1.0, 30.0])), refractory=2e-3),
    )  # fmt: skip
    top = float(rng.choice([0.05, 0.5, 5.0]))
    rules = (
        sl.STDP(top, top / 100, top / 80),
        sl.STDP(top, dependence="multiplicative"),
        sl.Supervised(w_max=top, w_min=-top, eta=top / 100),
        sl.Rule(dw=f"{top / 1e4}*m*x1*y0", w_max=top, traces={"x1": sl.Trace(20e-3)}),
    )
    net.connect(
        inputs, cells, weights=rng.random((inputs.size, cells.size)) * top, learning=rules[seed]
    )
    net.connect(cells, cells, weights=rng.normal(0, 1e-2, (cells.size, cells.size)), name="static")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_board(sl.compile(net, target_of(board.geometry, name)), board)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_core_holds_as_many_synapses_that_learn_as_it_says(name):
    board = BOARDS[name]
    neurons = board.geometry.neurons
    assert neurons >= 256
    assert board.geometry.plastic >= neurons * 256
    net = sl.Network(dt=1e-3)
    inputs = net.source("inputs", 256)
    cells = net.population("cells", neurons, sl.LIF(tau_mem=20e-3, refractory=2e-3))
    weights = np.random.default_rng(1).uniform(0, 0.02, (256, neurons))
    rule = sl.STDP(0.05, 0.0005, 0.0004)
    net.connect(inputs, cells, weights=weights, learning=rule, name="plastic")
    target = target_of(board.geometry, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_board(sl.compile(net, target), board)
        net.connect(cells, cells, weights=np.eye(neurons), name="static")
        with pytest.raises(sl.FitError, match="'static' does not learn"):
            sl.compile(net, target)


@needs_compiler
@pytest.mark.slow
def test_the_selftest_of_a_served_small_core():
    sizes = (
        "--neurons=24", "--lanes=1", "--axons=40", "--rows=40", "--words=1", "--destinations=40",
        "--channels=16", "--profiles=2", "--state-bits=16", "--weight-bits=7",
        "--accumulator-bits=16", "--delay-slots=2", "--receptors=1", "--refractory-bits=8",
        "--adaptation=no", "--graded=no", "--exponents=0", "--shifts=0", "--linear=no",
        "--subtract=no", "--late=no", "--mask=no", "--rules=1", "--plastic=512", "--slots=24",
        "--code=2", "--factors=1", "--fraction=18", "--coefficient-bits=18", "--sum-bits=28",
        "--micro=yes",
    )  # fmt: skip
    with served("rtl", *sizes) as told:
        checks = list(run_checks(f"serial://{told['address']}?baud=115200", rounds=2, images=2))
    outcome = {check.name.removeprefix("co-simulation: "): check.outcome for check in checks}
    assert "failed" not in outcome.values(), [c for c in checks if c.outcome == "failed"]
    for name in ("memories", "soak of the link", "every synapse learns", "clock cycles"):
        assert outcome[name] == "passed"


NET = """
import numpy as np
import spikeloom as sl

net = sl.Network(dt=1e-3)
inputs = net.source("inputs", {inputs})
cells = net.population("cells", 16, sl.LIF(tau_mem=20e-3, v_threshold=1.0{neuron}))
net.connect(inputs, cells, weights=np.full(({inputs}, 16), 0.1), learning=sl.{rule})
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rule": "RewardSTDP(w_max=1.0, dt=1e-3)"},
            "projection 'inputs->cells': target 'ulx3s-25f-stdp' is built without what its rule "
            "needs\n  found: tags\n  where: net.py:8\n  remedy: a rule without it, or a core that "
            "is made for this one: compile for another target, then `spikeloom build --for "
            "net.loom`\n",
        ),
        (
            {"neuron": ", reset='subtract'"},
            "network 'network' breaks 1 design rule\n"
            "  - [neuron_parts_are_there] population 'cells': neuron 0 is reset by subtraction; "
            "target 'ulx3s-25f-stdp' is built without (subtract) (net.py:7)\n"
            "  remedy: neurons that need no subtract, or a core that is made for these: compile "
            "for another target, then `spikeloom build --for net.loom`\n",
        ),
        (
            {"inputs": 300},
            "the core of board 'ulx3s-25f-stdp' does not hold the program\n"
            "  found: channels: 300 needed, 256 there; slots: 75 needed, 64 there\n"
            "  expected: what `spikeloom boards ulx3s-25f-stdp` lists\n"
            "  remedy: a smaller network, or a core that is made for it: compile for target "
            "'core', then `spikeloom build --board ulx3s-25f-stdp --for net.loom`\n",
        ),
    ],
    ids=["rule", "neuron", "sizes"],
)
def test_what_the_board_cannot_do_is_told_when_it_is_compiled(
    tmp_path, monkeypatch, capsys, changes, message
):
    monkeypatch.chdir(tmp_path)
    given = {"inputs": 20, "neuron": "", "rule": "STDP(w_max=1.0)", **changes}
    Path("net.py").write_text(NET.format(**given))
    code = cli.main(("compile", "net.py", "--target", "ulx3s-25f-stdp", "-o", "net.loom"))
    told = capsys.readouterr().err
    assert (code, told) == (5, f"spikeloom: error: {message}")
    assert not Path("net.loom").exists()


@needs_compiler
@pytest.mark.slow
def test_the_boards_core_learns_the_digits():
    """The generated core of the board in simulation, against the emulator."""
    pytest.importorskip("sklearn")
    from spikeloom.selftest.digits import load

    geometry = BOARDS["ulx3s-25f-stdp"].geometry
    program = sl.compile(network(geometry), target_of(geometry, "digits"))
    data, labels = load()
    found = []
    for backend in (RtlBackend(simulator="compiled", geometry=geometry), EmulatorBackend()):
        with Device(backend) as device:
            shown = (data[:20], labels[:20]), data[1200:1205]
            found.append(learn(device, program, geometry, *shown))
    spikes, weights, answers = found[0]
    assert len(spikes) > 20
    assert (weights != 0).sum() > 300
    for mine, other in zip((spikes, weights, answers), found[1], strict=True):
        np.testing.assert_array_equal(mine, other)
