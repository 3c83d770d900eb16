"""What is told of a core before it is built, against what yosys counted of it.

The counts are those of `python benchmarks/board_counts.py ecp5` and `xc7`, with yosys 0.70.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from spikeloom.boards import counts, estimate
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design

COUNTED = {
    ("ecp5", "base4"): (13_757, 59, 23),
    ("ecp5", "one4"): (13_060, 59, 15),
    ("ecp5", "one8"): (16_958, 86, 27),
    ("ecp5", "full4"): (20_066, 115, 45),
    ("ecp5", "static8"): (7_163, 73, 16),
    ("xc7", "base4"): (9_488, 57, 23),
    ("xc7", "one4"): (9_056, 57, 15),
    ("xc7", "full4"): (12_942, 113, 41),
}
"""Family and case -> look-up tables, block RAMs and multipliers."""


def _cases():
    path = Path(__file__).parents[2] / "benchmarks" / "board_counts.py"
    spec = importlib.util.spec_from_file_location("board_counts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCHMARK = _cases()


@pytest.mark.parametrize(("family", "case"), COUNTED, ids=lambda name: name)
def test_estimates_are_near_what_yosys_counts(family, case):
    board = BOARDS[BENCHMARK.BOARD[family]]
    design = Design.of(board, BENCHMARK.CASES[case], max_payload=256)
    found = estimate.resources(design)
    luts, rams, dsps = COUNTED[family, case]
    assert abs(found[counts.LUT] - luts) <= estimate.ERROR * luts
    assert rams <= found[counts.RAM] <= rams + 4
    assert found[counts.DSP] == dsps


def test_what_learning_takes_is_estimated_part_by_part():
    board = BOARDS["ulx3s-85f"]
    base = BENCHMARK.CASES["one4"]

    def luts(**changes):
        return estimate.resources(Design.of(board, replace(base, **changes)))[counts.LUT]

    least = luts()
    for changes in (
        {"windows": True}, {"tags": True}, {"seconds": True}, {"thirds": True},
        {"scattered": True}, {"factors": 2}, {"sum_bits": 44}, {"lanes": 8}, {"slots": 120},
    ):  # fmt: skip
        assert luts(**changes) > least, changes
