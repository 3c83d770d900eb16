"""Passes one by one: valid in, valid out, never in place; text out."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks import random_network

import spikeloom as sl
from spikeloom.compiler.canonicalise import Canonicalise
from spikeloom.compiler.connectors import Table
from spikeloom.compiler.design_rules import RULES, DesignRules
from spikeloom.compiler.import_network import ImportNetwork
from spikeloom.compiler.ir import build
from spikeloom.compiler.pipeline import passes
from spikeloom.compiler.quantise import Quantise, Quantization
from spikeloom.compiler.report import format_report


def example() -> sl.Network:
    net = sl.Network(dt=1e-3, seed=5, name="example")
    source = net.source("in", 2, sl.Poisson(rate=[500.0, 1000.0], seed=3))
    cells = net.population(
        "cells", 2, sl.LIF(None, v_threshold=[3.0, 4.0], v_reset=1.0, refractory=2e-3)
    )
    readout = net.population(
        "out", 1, sl.LI(None, refractory=1e-3, v_threshold=7.0, reset="subtract")
    )
    net.connect(source, cells, weights=[[1.0, -2.0], [0.5, 0.0]], delay=0.0)
    net.connect(cells, readout, weights=sl.Synapses([0, 1], [0, 0], [1.0, 2.0], [1e-3, 4e-3]))
    net.probe(readout, "v")
    return net


REAL = """\
real graph 'example' dt=0.001 seed=5
source 'in' size=2 first=0 poisson generator=1 value=[2147483648 4294967296] phase=0 seed=3
population 'cells' size=2 first=0 scale=1
  spiking=1 factor_u.0=0 factor_u.1=0 leak=0 factor_v=1 leak_step=0 threshold=[3 4] reset=0 \
reset_delay=0 v_reset=1 refractory=2 refractory_mode=0 adapt_step=0 factor_adapt=1 bias=0 v_init=0
population 'out' size=1 first=2 scale=1
  spiking=0 factor_u.0=0 factor_u.1=0 leak=0 factor_v=1 leak_step=0 threshold=7 reset=1 \
reset_delay=0 v_reset=0 refractory=1 refractory_mode=0 adapt_step=0 factor_adapt=1 bias=0 v_init=0
projection 'in->cells' receptor=0 base_delay=0 exponent=0 synapses=4
  0 -> 0 weight=1 delay=0
  0 -> 1 weight=-2 delay=0
  1 -> 0 weight=0.5 delay=0
  1 -> 1 weight=0 delay=0
projection 'cells->out' receptor=0 base_delay=1 exponent=0 synapses=2
  0 -> 0 weight=1 delay=1
  1 -> 0 weight=2 delay=4
probe 'out' v
"""

CANONICAL = (
    REAL.replace(
        "generator=1 value=[2147483648 4294967296]", "generator=[1 2] value=[2147483648 1]"
    )
    .replace("threshold=7 reset=1", "threshold=0 reset=0")
    .replace("refractory=1", "refractory=0")
    .replace("weight=1 delay=1", "weight=1 delay=0")
    .replace("weight=2 delay=4", "weight=2 delay=3")
)

INTEGER = """\
integer graph 'example' dt=0.001 seed=5
source 'in' size=2 first=0 poisson generator=[1 2] value=[2147483648 1] phase=0 seed=3
population 'cells' size=2 first=0 scale=64
  spiking=1 shift=0 decay_u.0=4096 decay_u.1=4096 leak=0 decay_v=0 leak_step=0 reset=0 \
reset_delay=0 v_reset=64 refractory=2 refractory_mode=0 adapt_step=0 adapt_decay=0 \
threshold=[192 256] bias=0 v_init=0
population 'out' size=1 first=2 scale=2
  spiking=0 shift=0 decay_u.0=4096 decay_u.1=4096 leak=0 decay_v=0 leak_step=0 reset=0 \
reset_delay=0 v_reset=0 refractory=0 refractory_mode=0 adapt_step=0 adapt_decay=0 \
threshold=0 bias=0 v_init=0
projection 'in->cells' receptor=0 base_delay=0 exponent=0 synapses=4
  0 -> 0 weight=64 delay=0
  0 -> 1 weight=-128 delay=0
  1 -> 0 weight=32 delay=0
  1 -> 1 weight=0 delay=0
projection 'cells->out' receptor=0 base_delay=1 exponent=0 synapses=2
  0 -> 0 weight=2 delay=0
  1 -> 0 weight=4 delay=3
probe 'out' v
note cells: 1 of 2 neurons (the first is 1) cannot reach their threshold even if every synapse \
gets a spike in every step [neurons_can_fire]
"""


def test_import() -> None:
    assert ImportNetwork().apply(example()).dump() == REAL


def test_canonicalise() -> None:
    canonical = Canonicalise().apply(ImportNetwork().apply(example()))
    assert canonical.dump() == CANONICAL
    assert canonical.canonical


def test_quantise() -> None:
    canonical = Canonicalise().apply(ImportNetwork().apply(example()))
    scales = Quantization(scale={"cells": 64, "out": 2})
    assert Quantise(sl.Target(), scales).apply(canonical).dump() == INTEGER


def test_mapped_levels() -> None:
    dumps: dict[str, str] = {}
    sl.compile(
        example(),
        sl.Target(neurons=2, mesh=(1, 2)),
        Quantization(scale={"cells": 64, "out": 2}),
        dump=dumps.__setitem__,
    )
    assert list(dumps) == [
        "00_import",
        "01_canonicalise",
        "02_design_rules",
        "03_quantise",
        "04_split_inputs",
        "05_expand",
        "06_partition",
        "07_place",
        "08_slots",
        "09_route",
        "10_schedule",
    ]
    assert dumps["00_import"] == REAL
    assert dumps["09_route"] == (
        "routed network 'example' on 'core': neurons=3 profiles=2\n"
        "  spiking=[1 0] shift=0 decay_u.0=4096 decay_u.1=4096 leak=0 decay_v=0 leak_step=0 "
        "reset=0 reset_delay=0 v_reset=[64 0] refractory=[2 0] refractory_mode=0 adapt_step=0 "
        "adapt_decay=0\n"
        "  profile=[0 0 1] threshold=[192 256 0] bias=0 v_init=0\n"
        "  parts=2 sizes=[2 1]\n"
        "  core=[0 0 1] slot=[0 1 0]\n"
        "  core 0 axon 0 sender 0: dense projection=0 count=2 "
        "receptor=0 exponent=0 base=0 delay=0\n"
        "  core 0 axon 1 sender 1: dense projection=0 count=2 "
        "receptor=0 exponent=0 base=0 delay=0\n"
        "  core 1 axon 0 sender 2: dense projection=1 count=1 "
        "receptor=0 exponent=0 base=0 delay=0\n"
        "  core 1 axon 1 sender 3: dense projection=1 count=1 "
        "receptor=0 exponent=0 base=0 delay=3\n"
    )


def test_dump_to_a_folder(tmp_path: Path) -> None:
    sl.compile(example(), dump=tmp_path / "passes")
    files = sorted(path.name for path in (tmp_path / "passes").iterdir())
    assert files[0] == "00_import.txt"
    assert len(files) == 11
    assert (tmp_path / "passes" / "00_import.txt").read_text(encoding="utf-8") == REAL


@pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_(fire|be_silent)\]")
@pytest.mark.parametrize("seed", range(5))
def test_passes_leave_their_input_alone(seed: int) -> None:
    state = random_network(seed)
    for name, step in passes(sl.Target(neurons=20, mesh=(3, 3)), Quantization()):
        before = copy.deepcopy(state) if name != "import" else None
        result = step.apply(state)
        if before is not None:
            assert state.dump() == before.dump(), f"{name} changed its input"
        result.verify()
        state = result


def test_verify_finds_invalid_graphs() -> None:
    ir = ImportNetwork().apply(example())
    edge = ir.projections[1]
    s = edge.synapses
    for table, problem in (
        (Table(s.start, s.post + 5, s.weight, s.delay), "post is out of range"),
        (Table(s.start[:-1], s.post, s.weight, s.delay), "shape of start"),
        (Table(s.start, s.post, s.weight.astype(np.int16), s.delay), "type of weight"),
        (Table(s.start, s.post, s.weight, s.delay - np.uint8(1)), "delay is out of range"),
    ):
        nodes = [*ir.sources, *ir.populations]
        broken = build(ir, nodes, [ir.projections[0], replace(edge, synapses=table)])
        with pytest.raises(sl.CompileError) as caught:
            broken.verify()
        assert str(caught.value) == (
            f"a compiler pass produced an invalid result: {problem}\n"
            "  where: projection 'cells->out'\n"
            "  remedy: this is a bug in Spikeloom; please report it with the network"
        )


def test_every_rule_has_a_name_and_a_sentence() -> None:
    names = [rule.__name__ for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(rule.__doc__ for rule in RULES)
    ir = Canonicalise().apply(ImportNetwork().apply(random_network(1)))
    checked = DesignRules(sl.Target()).apply(ir)
    assert {finding.rule for finding in checked.findings} <= set(names)


def test_report_as_text() -> None:
    program = sl.compile(example(), "core", Quantization(scale={"cells": 64, "out": 2}))
    assert format_report(program.report) == (
        "network 'example' on target 'core': 1 of 1 cores, 6 dense and 0 sparse synapses\n"
        "\n"
        "resource      in all  fullest core   per core  used\n"
        "neurons            3             3      1,024  0.3%\n"
        "axons              4             4      2,048  0.2%\n"
        "rows               4             4      8,192  0.0%\n"
        "profiles           2             2      1,024  0.2%\n"
        "synapse_bits      48            48  4,194,304  0.0%\n"
        "\n"
        "population  size  scale  shift  worst tau error  worst accumulator  available  "
        "worst state  available\n"
        "cells          2     64      0                -                128  8,388,607    "
        "unbounded  8,388,607\n"
        "out            1      2      0                -                  6  8,388,607    "
        "unbounded  8,388,607\n"
        "\n"
        "projection  synapses  exponent  mantissas  clipped  became 0  RMS error  max error  "
        "largest weight\n"
        "in->cells          4         0  -128 … 64        0         0          0          0  "
        "             2\n"
        "cells->out         2         0      0 … 4        0         0          0          0  "
        "             2\n"
        "\n"
        "notes\n"
        "  cells: 1 of 2 neurons (the first is 1) cannot reach their threshold even if every "
        "synapse gets a spike in every step [neurons_can_fire]\n"
    )
