"""What yosys counts of whole boards with cores that learn, and what `spikeloom fit` estimates.

    python benchmarks/board_counts.py ecp5 [case …]
    python benchmarks/board_counts.py xc7 [case …]

One to four minutes of CPU a case. tests/boards/test_estimate.py holds the estimates to these
counts; boards/estimate.py is fitted to them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikeloom.boards import counts, estimate
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design
from spikeloom.boards.flow import run_step, synthesis, write_sources
from spikeloom.boards.report import cells
from spikeloom.boards.sizes import LEARNING, sized
from spikeloom.boards.tools import find_tool
from spikeloom.hdl.geometry import LEARNING_FLAGS, LEARNING_SIZES, Geometry

BOARD = {"ecp5": "ulx3s-85f", "xc7": "arty-a7-100t"}
"""Boards that hold all of these cores."""

_PLAIN: dict[str, Any] = {
    "factors": 1, "by_weight": False, "shared": False, "sums": False, "code": 4,
}  # fmt: skip
_ALL: dict[str, Any] = {
    "factors": 3, **dict.fromkeys(LEARNING_FLAGS, True), "delay_slots": 8, "fraction": 24,
    "coefficient_bits": 27, "sum_bits": 40, "code": 16,
}  # fmt: skip
_NONE: dict[str, Any] = {
    name: Geometry.__dataclass_fields__[name].default
    for name in (*LEARNING_SIZES, *LEARNING_FLAGS)
}  # fmt: skip
_DENSE: dict[str, Any] = {
    "lanes": 8, "neurons": 256, "axons": 512, "rows": 512, "destinations": 512, "plastic": 8192,
    "slots": 32,
}  # fmt: skip
CASES: dict[str, Geometry] = {
    "base4": LEARNING,
    "one4": sized(LEARNING, **_PLAIN),
    "one8": sized(LEARNING, lanes=8, **_PLAIN),
    "two2": sized(LEARNING, lanes=2, neurons=512, axons=640, rows=768, destinations=768),
    "two8": sized(LEARNING, **_DENSE),
    "windows4": sized(LEARNING, windows=True, **_PLAIN),
    "tagdel4": sized(LEARNING, tags=True, delays=True, delay_slots=8, **_PLAIN),
    "sec4": sized(LEARNING, seconds=True, thirds=True, post_delays=True, **_PLAIN),
    "scat4": sized(LEARNING, scattered=True, signs=True, **_PLAIN),
    "full4": sized(LEARNING, **_ALL),
    "full8": sized(LEARNING, **{**_DENSE, **_ALL}),
    "static8": replace(sized(LEARNING, lanes=8), **_NONE),
}
"""By name; the number is that of lanes."""


def count(family: str, case: str) -> tuple[dict[str, int], dict[str, int]]:
    """What yosys counts of a case, and what is estimated."""
    design = Design.of(BOARDS[BOARD[family]], CASES[case], max_payload=256)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sources(design, folder)
        run_step(synthesis(design), {"yosys": find_tool("yosys")}, folder, lambda what: None)
        return counts.counted(family, cells(folder)), estimate.resources(design)


def main() -> None:
    """A line of JSON per case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("family", choices=BOARD)
    parser.add_argument("case", nargs="*", default=list(CASES))
    options = parser.parse_args()
    for case in options.case:
        counted, estimated = count(options.family, case)
        print(json.dumps({"case": case, "counted": counted, "estimated": estimated}), flush=True)


if __name__ == "__main__":
    main()
