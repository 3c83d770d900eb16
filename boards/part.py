"""FPGAs as data: what there is of each resource, and how the tools call the part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One FPGA in one package.

    Attributes:
        name: the vendor's.
        family: ``ice40``, ``ecp5``, ``gowin``, ``gatemate`` or ``xc7``: which tools build for it.
        device: how its place-and-route tool names it.
        package: likewise; empty where the device's name says it.
        speed: speed grade; empty where there is only one, or where the device's name says it.
        luts: look-up tables, of ``lut_inputs`` inputs each.
        lut_inputs: 4, or 6 on Artix-7.
        ffs: flip-flops.
        block_rams: memories of ``block_ram_bits`` bits.
        block_ram_bits: bits of one, with the parity bits that memories may use.
        dsps: multipliers, 16 × 16 bits or more.
        sprams: single-port memories of 256 kbit.
        tool_family: what nextpnr (Gowin) wants besides the device's name.
    """

    name: str
    family: str
    device: str
    package: str
    speed: str
    luts: int
    lut_inputs: int
    ffs: int
    block_rams: int
    block_ram_bits: int
    dsps: int
    sprams: int = 0
    tool_family: str = ""

    @property
    def memory_bits(self) -> int:
        """Bits of all its memories together."""
        return self.block_rams * self.block_ram_bits + self.sprams * (1 << 18)


def _ecp5(
    size: str, device: str, luts: int, rams: int, dsps: int, package: str, speed: str
) -> Part:
    """Lattice FPGA-DS-02012, table 1.1; 18 kbit of each block RAM, multipliers 18 × 18."""
    name = f"LFE5U-{size}-{speed}{package}"
    tools = {"BG381": "CABGA381", "MG285": "CSFBGA285"}
    return Part(
        name, "ecp5", device, tools[package], speed, luts, 4, luts, rams, 18432, dsps
    )  # fmt: skip


def ecp5_12f(package: str, speed: str) -> Part:
    """The vendor promises 12,000 of the die's look-up tables and 32 of its block RAMs."""
    return _ecp5("12F", "12k", 12096, 32, 28, package, speed)


def ecp5_25f(package: str, speed: str) -> Part:
    """LFE5U-25F."""
    return _ecp5("25F", "25k", 24288, 56, 28, package, speed)


def ecp5_45f(package: str, speed: str) -> Part:
    """LFE5U-45F."""
    return _ecp5("45F", "45k", 43848, 108, 72, package, speed)


def ecp5_85f(package: str, speed: str) -> Part:
    """LFE5U-85F."""
    return _ecp5("85F", "85k", 83640, 208, 156, package, speed)


UP5K = Part("iCE40UP5K-SG48", "ice40", "up5k", "sg48", "", 5280, 4, 5280, 30, 4096, 8, sprams=4)
"""Lattice FPGA-DS-02008, table 1.1."""

GW1NR_9C = Part(
    "GW1NR-LV9QN88PC6/I5", "gowin", "GW1NR-LV9QN88PC6/I5", "", "",
    8640, 4, 6480, 26, 18432, 20, tool_family="GW1N-9C",
)  # fmt: skip
"""Gowin DS117, table 1-1."""

GW2AR_18C = Part(
    "GW2AR-LV18QN88C8/I7", "gowin", "GW2AR-LV18QN88C8/I7", "", "",
    20736, 4, 15552, 46, 18432, 48, tool_family="GW2A-18C",
)  # fmt: skip
"""Gowin DS226, table 2-1; the tools know its die as GW2A-18C."""

CCGM1A1 = Part("CCGM1A1", "gatemate", "CCGM1A1", "", "", 20480, 4, 40960, 64, 20480, 0)
"""Cologne Chip DS1001, table 1.1: 20,480 elements, each of which has an 8-input look-up tree and
two flip-flops, and no multipliers."""


def xc7a35t(package: str, speed: str = "1") -> Part:
    """XC7A35T; AMD DS180, table 4."""
    return Part(
        f"xc7a35t{package}-{speed}", "xc7", f"xc7a35t{package}-{speed}", "", "",
        20800, 6, 41600, 100, 18432, 90,
    )  # fmt: skip


def xc7a100t(package: str, speed: str = "1") -> Part:
    """XC7A100T; AMD DS180, table 4."""
    return Part(
        f"xc7a100t{package}-{speed}", "xc7", f"xc7a100t{package}-{speed}", "", "",
        63400, 6, 126800, 270, 18432, 240,
    )  # fmt: skip
