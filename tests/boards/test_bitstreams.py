"""Bitstreams of whole boards, as they come: they fit, and meet their timing.

A board takes from minutes to half an hour of CPU, so these tests exist only for the boards that are
asked for:

    SPIKELOOM_BITSTREAMS=icebreaker,ulx3s-25f python -m pytest tests/boards/test_bitstreams.py

``all`` stands for every board with an open flow. Of a board with an Artix-7 the project for Vivado
is made, and yosys counts what is in it. docs/boards.md has the results. One small build is among
the tests that always run (``tests/test_board_commands.py``).
"""

from __future__ import annotations

import os

import pytest

from spikeloom.boards import counts
from spikeloom.boards.build import build
from spikeloom.boards.catalogue import BOARDS, find_board
from spikeloom.boards.design import Design
from spikeloom.boards.vivado import write_project

OPEN = [name for name, board in BOARDS.items() if board.part.family != "xc7"]
ASKED = [name for name in os.environ.get("SPIKELOOM_BITSTREAMS", "").split(",") if name]

if ASKED:

    @pytest.mark.slow
    @pytest.mark.parametrize("name", OPEN if ASKED == ["all"] else ASKED)
    def test_a_board_as_it_comes_fits_and_meets_its_timing(name, tmp_path):
        board = find_board(name)
        if board.part.family == "xc7":
            used = write_project(Design.of(board), tmp_path, print)  # else: FitError
            print(used)
            assert all(number <= counts.available(board.part)[of] for of, number in used.items())
            return
        built = build(Design.of(board), again=True, tell=print)  # else: FitError
        print(built.placed.to_dict())
        assert built.bitstream.stat().st_size > 10_000
        assert all(used <= there for used, there in built.placed.used.values())
