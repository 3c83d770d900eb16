"""Runs inside a Verilog simulator: the host's own session at the exported device's UART pins.

``tests/cosim/test_cocotb.py`` starts it. Session, client and backend are those that a board is
talked to with; only the transport is of this place. It counts time in the simulator's.
"""

from __future__ import annotations

import os
from collections import deque

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, Event, FallingEdge, First, Timer
from cocotb.utils import get_sim_time

from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.compiler.program import Program
from spikeloom.runtime.link.session import Timing
from spikeloom.runtime.link.transport import Transport
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    record_everything,
)

PERIOD = 10
"""Nanoseconds of a clock cycle."""


class Pins(Transport):
    """A UART that is bent by hand, in the simulator's time."""

    def __init__(self, dut, divisor: int):
        self.name = "simulated pins"
        self.baud = round(1e9 / (PERIOD * divisor))
        self._dut, self._bit = dut, PERIOD * divisor
        self._out: deque[int] = deque()
        self._in = bytearray()
        self._sending, self._arrived = Event(), Event()
        self.damaged = 0

    async def transmit(self) -> None:
        """Bytes onto rx, for ever."""
        while True:
            while not self._out:
                self._sending.clear()
                await self._sending.wait()
            for bit in [0, *(self._out[0] >> i & 1 for i in range(8)), 1]:
                self._dut.rx.value = bit
                await Timer(self._bit, "ns")
            self._out.popleft()

    async def receive(self) -> None:
        """Bytes from tx, for ever."""
        while True:
            await FallingEdge(self._dut.tx)
            await Timer(self._bit * 3 // 2, "ns")
            byte = 0
            for i in range(8):
                byte |= int(self._dut.tx.value) << i
                await Timer(self._bit, "ns")
            self.damaged += not int(self._dut.tx.value)
            self._in.append(byte)
            self._arrived.set()

    def write(self, data: bytes) -> None:
        self._out += data
        self._sending.set()

    def read(self, timeout: float) -> bytes:
        if not self._in:
            self._wait(timeout)
        data = bytes(self._in)
        self._in.clear()
        return data

    @resume
    async def _wait(self, timeout: float) -> None:
        self._arrived.clear()
        await First(self._arrived.wait(), Timer(max(1, round(timeout * 1e9)), "ns"))

    def now(self) -> float:
        return get_sim_time("ns") * 1e-9


async def started(dut) -> None:
    """A clock; then one cycle, then a reset: simulators agree on everything from there on."""
    dut.rx.value = 1
    dut.rst.value = 0
    Clock(dut.clk, PERIOD, "ns").start()
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0


def lockstep(pins: Pins, program: Program) -> None:
    """Load, run step by step and in one piece, compare everything with the emulator."""
    device = RemoteBackend(pins, timing=Timing(base=2e-4))
    geometry = device.model.geometry
    assert device.model.client.descriptor.build == os.environ["SPIKELOOM_BUILD"]
    emulator = EmulatorBackend(lanes=geometry.lanes)
    for each in (device, emulator):
        each.load(program)
    device.verify()
    rng = np.random.default_rng(5)
    record = record_everything(program)
    fired = 0
    for steps in (1, 1, 4):
        events = random_events(program, steps, rng)
        found, right = (each.run(steps, events, record) for each in (device, emulator))
        assert_same_run(right, found, program, record)
        np.testing.assert_array_equal(found.cycles, right.cycles)
        fired += len(found.neuron)
    assert fired > 0, "a network that never fires shows nothing"
    assert_same_state(emulator.read_state(), device.read_state(), program)
    counts = device.model.client.session.statistics
    assert (counts.damaged, counts.frames_repeated, pins.damaged) == (0, 0, 0)


@cocotb.test()
async def the_exported_device_agrees_with_the_emulator(dut):
    pins = Pins(dut, int(os.environ["SPIKELOOM_DIVISOR"]))
    await started(dut)
    cocotb.start_soon(pins.transmit())
    cocotb.start_soon(pins.receive())
    program = Program.load(os.environ["SPIKELOOM_PROGRAM"])
    await bridge(lockstep)(pins, program)
    dut._log.info("%d clock cycles", round(get_sim_time("ns") / PERIOD))
