"""Clock generators: the settings that make one frequency of another, by each family's rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from ..errors import InputError

MHZ = 1_000_000


@dataclass(frozen=True)
class Pll:
    """Settings of a clock generator.

    Attributes:
        family: whose.
        source_hz: frequency that goes in.
        hz: frequency that comes out, exactly.
        vco_hz: of its oscillator.
        settings: in the family's own terms, see ``clocking``.
    """

    family: str
    source_hz: int
    hz: int
    vco_hz: int
    settings: dict[str, int]


def find_pll(family: str, source_hz: int, hz: int) -> Pll | None:
    """The settings that make exactly this frequency, or None where it is the source's own.

    Of several the one with the highest phase detector's frequency, which has the least jitter.

    Raises:
        InputError: the family's generator cannot; names the nearest frequencies that it can make.
    """
    if hz == source_hz:
        return None
    if family == "gatemate":
        return _gatemate(source_hz, hz)
    exact = [found for found in _candidates(family, source_hz) if found[0] == hz]
    if exact:
        _, _, vco, settings = max(exact, key=lambda found: (found[1], found[2]))
        return Pll(family, source_hz, hz, int(vco), settings)
    made = {found[0] for found in _candidates(family, source_hz)}
    near = sorted(made, key=lambda made_hz: abs(made_hz - hz))
    told = ", ".join(f"{float(f) / MHZ:g}" for f in sorted(near[:4]))
    raise InputError(
        "the clock generator cannot make this frequency",
        found=f"{hz / MHZ:g} MHz from {source_hz / MHZ:g} MHz on {family}",
        expected=f"for example {told} MHz",
    )


_Found = tuple[Fraction, Fraction, Fraction, dict[str, int]]
"""Output, phase detector and oscillator in Hz, and the settings."""


def _candidates(family: str, source_hz: int) -> Iterator[_Found]:
    makers = {"ice40": _ice40, "ecp5": _ecp5, "gowin": _gowin, "xc7": _xc7}
    return makers[family](source_hz)


def _ice40(source_hz: int) -> Iterator[_Found]:
    """SB_PLL40, simple feedback; limits of Lattice FPGA-DS-02008, table 4.14."""
    for divide in range(1, 17):
        detector = Fraction(source_hz, divide)
        if not 10 * MHZ <= detector <= 133 * MHZ:
            continue
        for multiply in range(1, 129):
            vco = detector * multiply
            if not 533 * MHZ <= vco <= 1066 * MHZ:
                continue
            for power in range(1, 7):
                settings = {
                    "DIVR": divide - 1, "DIVF": multiply - 1, "DIVQ": power,
                    "FILTER_RANGE": _ice40_filter(detector),
                }  # fmt: skip
                yield vco / (1 << power), detector, vco, settings


def _ice40_filter(detector: Fraction) -> int:
    """The loop filter for a phase detector's frequency; as icepll chooses it."""
    limits = (17, 26, 44, 66, 101)
    return 1 + sum(detector >= limit * MHZ for limit in limits)


def _ecp5(source_hz: int) -> Iterator[_Found]:
    """EHXPLLL with the output as feedback; limits of Lattice FPGA-DS-02012, section 3.19."""
    for divide in range(1, 129):
        detector = Fraction(source_hz, divide)
        if not Fraction(25, 8) * MHZ <= detector <= 400 * MHZ:
            continue
        for multiply in range(1, 81):
            out = detector * multiply
            for last in range(max(1, ceil(400 * MHZ / out)), min(128, 800 * MHZ // out) + 1):
                settings = {"CLKI_DIV": divide, "CLKFB_DIV": multiply, "CLKOP_DIV": last}
                yield out, detector, out * last, settings


def _gowin(source_hz: int) -> Iterator[_Found]:
    """The rPLL of GW1N and GW2A; limits that hold for both, Gowin DS117 and DS226."""
    for divide in range(1, 65):
        detector = Fraction(source_hz, divide)
        if not 3 * MHZ <= detector <= 400 * MHZ:
            continue
        for multiply in range(1, 65):
            out = detector * multiply
            for last in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                vco = out * last
                if 500 * MHZ <= vco <= 1200 * MHZ:
                    settings = {
                        "IDIV_SEL": divide - 1, "FBDIV_SEL": multiply - 1, "ODIV_SEL": last,
                    }  # fmt: skip
                    yield out, detector, vco, settings


def _xc7(source_hz: int) -> Iterator[_Found]:
    """MMCME2 with whole factors; limits of AMD DS181, table 37, speed grade 1."""
    for divide in range(1, 107):
        detector = Fraction(source_hz, divide)
        if not 10 * MHZ <= detector <= 450 * MHZ:
            continue
        for multiply in range(2, 65):
            vco = detector * multiply
            if not 600 * MHZ <= vco <= 1200 * MHZ:
                continue
            for last in range(1, 129):
                settings = {
                    "DIVCLK_DIVIDE": divide, "CLKFBOUT_MULT_F": multiply, "CLKOUT0_DIVIDE_F": last,
                }  # fmt: skip
                yield vco / last, detector, vco, settings


def _gatemate(source_hz: int, hz: int) -> Pll:
    """CC_PLL computes its factors from the frequencies; limits of Cologne Chip DS1001, 5.3."""
    if not (MHZ <= source_hz <= 50 * MHZ and MHZ <= hz <= 250 * MHZ):
        raise InputError(
            "the clock generator cannot make this frequency",
            found=f"{hz / MHZ:g} MHz from {source_hz / MHZ:g} MHz on gatemate",
            expected="1 to 250 MHz, from 1 to 50 MHz",
        )
    return Pll("gatemate", source_hz, hz, 0, {})
