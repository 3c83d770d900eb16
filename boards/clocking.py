"""A clock generator as a module, and the reset that lasts until its clock is steady."""

# Amaranth's values and ``with m.If(…)`` are beyond what a type checker can follow.
# pyright: reportGeneralTypeIssues=false, reportArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib.cdc import ResetSynchronizer

if TYPE_CHECKING:
    from .pll import Pll

START = 1024
"""Cycles of reset after the clock is steady: iCE40's block RAMs answer only microseconds after
configuration, and longer does no harm."""


def clock_and_reset(m: Module, source: Any, pll: Pll | None, family: str, button: Any) -> None:
    """Make the domain ``sync``.

    Args:
        m: of the top level.
        source: the oscillator's pin.
        pll: the clock generator; None takes the oscillator's clock.
        family: of the FPGA.
        button: 1 resets the device.
    """
    m.domains.sync = ClockDomain("sync")
    # Counts from configuration on, so it must not be reset by what it makes.
    m.domains.start = ClockDomain("start", local=True)
    steady, clock = Signal(), Signal()
    if pll is None:
        m.d.comb += [clock.eq(source), steady.eq(1)]
    else:
        m.submodules.pll = _MAKERS[family](pll, source, clock, steady)
    m.d.comb += [ClockSignal("sync").eq(clock), ClockSignal("start").eq(clock)]
    m.submodules.steady = ResetSynchronizer(~steady, domain="start")
    left = Signal(range(START + 1), init=START)
    held = Signal(init=1)
    # A button is slower than any clock: two registers make it part of the clock's domain.
    pressed, seen = Signal(), Signal()
    m.d.start += [pressed.eq(button), seen.eq(pressed), held.eq(left != 0)]
    with m.If(seen):
        m.d.start += left.eq(START)
    with m.Elif(left != 0):
        m.d.start += left.eq(left - 1)
    m.d.comb += ResetSignal("sync").eq(held)


def _ice40(pll: Pll, source: Any, clock: Any, steady: Any) -> Instance:
    parameters = {f"p_{name}": _bits(value, name) for name, value in pll.settings.items()}
    return Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_PLLOUT_SELECT="GENCLK",
        **parameters,
        i_PACKAGEPIN=source,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=steady,
    )


def _bits(value: int, name: str) -> Const:
    """As wide as the primitive's parameter."""
    return Const(value, {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}[name])


def _ecp5(pll: Pll, source: Any, clock: Any, steady: Any) -> Instance:
    last = pll.settings["CLKOP_DIV"]
    return Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{pll.source_hz / 1e6:g}",
        a_FREQUENCY_PIN_CLKOP=f"{pll.hz / 1e6:g}",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=last - 1,
        p_CLKOP_FPHASE=0,
        **{f"p_{name}": value for name, value in pll.settings.items()},
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_CLKI=source,
        i_CLKFB=clock,
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=clock,
        o_LOCK=steady,
    )


def _gowin(pll: Pll, source: Any, clock: Any, steady: Any) -> Instance:
    return Instance(
        "rPLL",
        p_FCLKIN=f"{pll.source_hz / 1e6:g}",
        **{f"p_{name}": value for name, value in pll.settings.items()},
        i_CLKIN=source,
        i_CLKFB=Const(0),
        i_RESET=Const(0),
        i_RESET_P=Const(0),
        i_FBDSEL=Const(0, 6),
        i_IDSEL=Const(0, 6),
        i_ODSEL=Const(0, 6),
        i_DUTYDA=Const(0, 4),
        i_PSDA=Const(0, 4),
        i_FDLY=Const(0, 4),
        o_CLKOUT=clock,
        o_LOCK=steady,
    )


def _xc7(pll: Pll, source: Any, clock: Any, steady: Any) -> Module:
    m = Module()
    feedback, made = Signal(), Signal()
    m.submodules.mmcm = Instance(
        "MMCME2_BASE",
        p_CLKIN1_PERIOD=1e9 / pll.source_hz,
        p_DIVCLK_DIVIDE=pll.settings["DIVCLK_DIVIDE"],
        p_CLKFBOUT_MULT_F=float(pll.settings["CLKFBOUT_MULT_F"]),
        p_CLKOUT0_DIVIDE_F=float(pll.settings["CLKOUT0_DIVIDE_F"]),
        i_CLKIN1=source,
        i_CLKFBIN=feedback,
        i_RST=Const(0),
        i_PWRDWN=Const(0),
        o_CLKFBOUT=feedback,
        o_CLKOUT0=made,
        o_LOCKED=steady,
    )
    m.submodules.buffer = Instance("BUFG", i_I=made, o_O=clock)
    return m


def _gatemate(pll: Pll, source: Any, clock: Any, steady: Any) -> Instance:
    return Instance(
        "CC_PLL",
        p_REF_CLK=f"{pll.source_hz / 1e6:.1f}",
        p_OUT_CLK=f"{pll.hz / 1e6:.1f}",
        p_PERF_MD="SPEED",
        p_LOW_JITTER=1,
        p_CI_FILTER_CONST=2,
        p_CP_FILTER_CONST=4,
        i_CLK_REF=source,
        i_USR_CLK_REF=Const(0),
        i_CLK_FEEDBACK=Const(0),
        i_USR_LOCKED_STDY_RST=Const(0),
        o_CLK0=clock,
        o_USR_PLL_LOCKED=steady,
    )


_MAKERS = {"ice40": _ice40, "ecp5": _ecp5, "gowin": _gowin, "xc7": _xc7, "gatemate": _gatemate}
