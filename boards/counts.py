"""What a design takes of an FPGA, counted in the cells that yosys makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import FitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .part import Part

LUT, FF, RAM, SPRAM, DSP = "LUT", "FF", "block RAM", "SPRAM", "DSP"

_CELLS: dict[str, dict[str, dict[str, float]]] = {
    # A bit of a carry chain has a LUT of its own on ECP5 and Gowin, and the adder's on iCE40.
    "ice40": {
        LUT: {"SB_LUT4": 1},
        FF: {"SB_DFF": 1},
        RAM: {"SB_RAM40": 1},
        SPRAM: {"SB_SPRAM256KA": 1},
        DSP: {"SB_MAC16": 1},
    },
    "ecp5": {
        LUT: {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        FF: {"TRELLIS_FF": 1},
        RAM: {"DP16KD": 1, "PDPW16KD": 1},
        DSP: {"MULT18X18D": 1},
    },
    "gowin": {
        LUT: {"LUT": 1, "ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1},
        FF: {"DFF": 1},
        RAM: {"SDPB": 1, "SDPX9B": 1, "SPX9": 1, "DPB": 1, "DPX9B": 1, "pROM": 1, "SP": 1},
        DSP: {"MULT18X18": 1, "MULT9X9": 0.5, "MULTALU": 1, "MULT36X36": 4},
    },
    "gatemate": {
        # A L2T4 or L2T5 is half of an element with eight inputs.
        LUT: {"CC_LUT": 0.5, "CC_L2T": 0.5, "CC_ADDF": 1, "CC_MX": 1, "CC_MULT": 0},
        FF: {"CC_DFF": 1, "CC_DLT": 1},
        RAM: {"CC_BRAM_20K": 1, "CC_BRAM_40K": 2},
    },
    "xc7": {
        LUT: {"LUT": 1, "INV": 1, "SRL": 1, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2,
              "RAM64X1D": 2},
        FF: {"FD": 1},
        RAM: {"RAMB18E1": 1, "RAMB36E1": 2},
        DSP: {"DSP48E1": 1},
    },
}  # fmt: skip
"""Family -> resource -> how a cell's name begins -> how much of the resource it takes."""

REDUCE = {
    LUT: "fewer lanes (--lanes) or units (--update-lanes), fewer --state-bits, or parts that the "
    "networks do not need (--bias no, --adaptation no, --exponents 0)",
    FF: "fewer lanes (--lanes), fewer --state-bits",
    RAM: "less synapse memory (--words), fewer --neurons, --axons, --rows or --destinations, "
    "smaller frames (--max-payload)",
    SPRAM: "less synapse memory (--words)",
    DSP: "fewer units (--update-lanes), or --state-bits 16",
}
"""What a person can do where a resource is short."""


def counted(family: str, cells: Mapping[str, int]) -> dict[str, int]:
    """Resource -> how much of it the cells take, by their names.

    The longest name that fits counts, so that ``LUT`` does not take what ``LUTRAM`` says.
    """
    kinds = _CELLS[family]
    out = dict.fromkeys(kinds, 0.0)
    for cell, number in cells.items():
        fits = [
            (len(start), resource, weight)
            for resource, starts in kinds.items()
            for start, weight in starts.items()
            if cell.startswith(start)
        ]
        if fits:
            _, resource, weight = max(fits)
            out[resource] += weight * number
    return {resource: round(value + 0.49) for resource, value in out.items()}


def available(part: Part) -> dict[str, int]:
    """Resource -> how much of it a part has; those that it has nothing of are left out."""
    all_of = {
        LUT: part.luts, FF: part.ffs, RAM: part.block_rams, SPRAM: part.sprams, DSP: part.dsps
    }  # fmt: skip
    return {resource: number for resource, number in all_of.items() if number}


def check_counts(used: Mapping[str, int], part: Part, where: str) -> None:
    """Raise what does not fit, and what to reduce.

    Raises:
        FitError: more of something than the part has.
    """
    there = available(part)
    short = [r for r, number in used.items() if number > there.get(r, 0)]
    if not short:
        return
    error = FitError(
        "the design does not fit the board",
        found=", ".join(f"{used[r]} {r}" for r in short),
        expected=", ".join(f"at most {there.get(r, 0)} {r}" for r in short),
        where=where,
        remedy="; ".join(f"for {r}: {REDUCE[r]}" for r in short),
    )
    error.table = tuple(
        {"resource": r, "needed": used[r], "available": there.get(r, 0)} for r in short
    )
    raise error
