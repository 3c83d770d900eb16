"""The top level of a board: its clock, its pins, a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Const, Module, Signal
from amaranth.lib.wiring import In, Out

from ..hdl.component import Component
from .clocking import clock_and_reset
from .pll import find_pll

if TYPE_CHECKING:
    from ..hdl.device import Device
    from .board import Board

_DIRECTIONS = {"clock": In(1), "rx": In(1), "tx": Out(1), "led": Out(1), "reset": In(1)}


class BoardTop(Component):
    """A device on a board; its ports are named as in ``Board.pins``.

    Args:
        board: which; only its pins and its oscillator matter.
        device: what is built on it.
        clock_hz: the device's clock.
    """

    def __init__(self, board: Board, device: Device, clock_hz: int) -> None:
        self.board = board
        self.device: Any = device
        self.pll = find_pll(board.part.family, board.oscillator_hz, clock_hz)
        super().__init__({name: _DIRECTIONS[name] for name in board.pins})

    def elaborate(self, platform: Any) -> Module:
        """Nothing that computes."""
        m = Module()
        board, pins = self.board, self.board.pins
        button = Const(0)
        if "reset" in pins:
            button = self.reset ^ pins["reset"].low
        clock_and_reset(m, self.clock, self.pll, board.part.family, button)
        m.submodules.device = device = self.device
        m.d.comb += [device.rx.eq(self.rx), self.tx.eq(device.tx)]
        if "led" in pins:
            lit = Signal()
            m.d.sync += lit.eq(~(device.rx & device.tx))
            m.d.comb += self.led.eq(lit ^ pins["led"].low)
        return m
