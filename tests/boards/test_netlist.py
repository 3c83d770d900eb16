"""The cells that yosys makes of a device compute the digits as the emulator does, bit for bit.

A whole board at its pins: oscillator, reset, link, core; from the sources that a bitstream is made
of. What follows, place and route, moves cells and changes none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support import netlist

import spikeloom as sl
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.board_fit import target_of
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design
from spikeloom.boards.sizes import LIF, sized
from spikeloom.runtime.device import Device
from spikeloom.runtime.link.transport import InProcess

sys.path.append(str(Path(__file__).parents[2] / "examples"))

pytestmark = pytest.mark.slow

IMAGES = 3

GEOMETRY = sized(
    LIF, neurons=112, lanes=2, axons=192, rows=192, words=4096, destinations=192, channels=64,
    delay_slots=2, refractory_bits=0, exponents=0, shifts=7, subtract=True,
)  # fmt: skip
"""What the digits' 64-96-10 network needs, with few lanes: every cell is compiled."""

LINES = {"ulx3s-25f": (12_500_000, 2_500_000), "icebreaker": (12_000_000, 3_000_000)}
"""Board -> clock and baud: few cycles per bit, since loading takes most of the time."""

CELLS = {
    "ulx3s-25f": ("LUT4", "TRELLIS_FF", "CCU2C", "DP16KD", "TRELLIS_DPR16X4", "MULT18X18D"),
    "icebreaker": (
        "SB_LUT4", "SB_DFFESR", "SB_CARRY", "SB_RAM40_4K", "SB_SPRAM256KA", "SB_MAC16",
    ),
}  # fmt: skip
"""Board -> cells that must be there for this to say anything."""


@pytest.fixture(scope="module")
def digits():
    """The example's network, a Program of it, and its first test images."""
    pytest.importorskip("sklearn")
    import digits

    data = digits.load_data()
    program = sl.compile(digits.train_network(data), target=target_of(GEOMETRY, "small"))
    rasters = np.zeros((IMAGES, digits.STEPS, 64), bool)
    rasters[:, : digits.INPUT_STEPS] = [digits.encode(image) for image in data.test[:IMAGES]]
    return program, rasters


@pytest.mark.parametrize("name", CELLS)
def test_the_netlist_of_a_board_computes_the_digits(name, digits, tmp_path):
    lacking = netlist.missing()
    if lacking:
        pytest.skip(lacking)
    program, rasters = digits
    clock, baud = LINES[name]
    design = Design.of(
        BOARDS[name], GEOMETRY, clock_hz=clock, baud=baud, start=baud, max_payload=128
    )
    line, cells = netlist.netlist_of(design, tmp_path)
    assert all(cells[kind] for kind in CELLS[name]), cells
    with (
        Device(RemoteBackend(InProcess(line.exchange, f"{name}'s netlist"))) as board,
        sl.open("emulator") as emulator,
    ):
        board.load(program)  # and every memory's digest is the image's
        emulator.load(program)
        for raster in rasters:
            board.reset()
            emulator.reset()
            found, right = (d.run(len(raster), {"pixels": raster}) for d in (board, emulator))
            for population, events in right.spikes.items():
                np.testing.assert_array_equal(found.spikes[population], events)
            np.testing.assert_array_equal(found.states["digits"]["v"], right.states["digits"]["v"])
            np.testing.assert_array_equal(found.cycles, right.cycles)
            assert len(right.spikes["digits"])
