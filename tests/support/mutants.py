"""Cores with one mistake each: what share of them do comparisons with other devices find?

One compiled core holds many mutants: at each of their places in the netlist a multiplexer gives
something wrong while the input ``mutant`` has their number, and with 0 the core is as it should be.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.backends.emulator import EmulatorBackend
from spikeloom.backends.rtl import RtlBackend
from spikeloom.backends.rtl.build import changed_library
from spikeloom.backends.rtl.compiled import CompiledModel
from spikeloom.backends.rtl.model import StepOutput
from spikeloom.compiler.program import Program
from spikeloom.errors import SpikeloomError
from spikeloom.hdl.cycles import step_cycles
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.registers import (
    CONTROL_FREE_RUN,
    CONTROL_HOST_INPUT,
    REGISTER,
    STATUS_BUSY,
    STATUS_LATE,
    geometry_values,
)
from spikeloom.hdl.streams import INPUT_END, INPUT_SPIKE, OUTPUT_END
from spikeloom.runtime.backend import CoreWeights, Events, RunData, State
from spikeloom.runtime.step_work import step_work
from support.compare import assert_same_run, assert_same_state, assert_same_weights
from support.edges import rules_at_the_edge
from support.micro import small_events
from support.programs import random_events, record_everything

MODES = ("inverted", "stuck at 0", "stuck at 1", "neighbour")
"""The last one takes the next bit of the same port instead."""
PORTS = ("A", "B", "S", "D", "ADDR", "EN", "DATA", "Y", "Q")


@dataclass(frozen=True)
class Mutant:
    """One mistake: in which cell (as yosys names and calls it), at which bit of which port."""

    cell: str
    kind: str
    port: str
    bit: int
    mode: str
    source: str


def places(module: dict[str, Any]) -> list[tuple[str, str, int]]:
    """All bits that cells read or drive, but for constants and clocks. What enables a memory's
    writing is one bit."""
    found = []
    for name, cell in module["cells"].items():
        if cell["type"] == "$meminit_v2":
            continue
        for port in PORTS:
            bits = cell["connections"].get(port, [])
            whole = cell["type"] == "$memwr_v2" and port == "EN"
            for i, bit in enumerate(bits[:1] if whole else bits):
                if not isinstance(bit, str):
                    found.append((name, port, i))
    return found


def mutate(path: Path, top: str, count: int, seed: int) -> list[Mutant]:
    """Put ``count`` mutants into a netlist, each at a place and of a mode drawn at random."""
    whole = json.loads(path.read_text())
    module = whole["modules"][top]
    every = [
        (place, mode) for place in places(module) for mode in MODES if _differs(module, place, mode)
    ]
    chosen = random.Random(seed).sample(every, count)
    made = _Change(module)
    mutants = [made.add(*place, mode, i + 1) for i, (place, mode) in enumerate(chosen)]
    path.write_text(json.dumps(whole))
    return mutants


def _differs(module: dict[str, Any], place: tuple[str, str, int], mode: str) -> bool:
    """Whether a port has a neighbouring bit, if that is what is asked for."""
    name, port, bit = place
    bits = module["cells"][name]["connections"][port]
    return mode != "neighbour" or bits[(bit + 1) % len(bits)] != bits[bit]


class _Change:
    """Writes multiplexers into a netlist."""

    def __init__(self, module: dict[str, Any]) -> None:
        self._module = module
        nets = [b for n in module["netnames"].values() for b in n["bits"] if isinstance(b, int)]
        self._next = max(nets) + 1
        self._initial = {
            bit: value
            for net in module["netnames"].values()
            for bit, value in zip(
                net["bits"], net["attributes"].get("init", "")[::-1], strict=False
            )
        }
        self._number = [self._net() for _ in range(16)]
        module["ports"]["mutant"] = {"direction": "input", "bits": self._number}
        module["netnames"]["mutant"] = {"bits": self._number, "attributes": {}}

    def _net(self) -> int:
        self._next += 1
        return self._next - 1

    def _cell(self, name: str, kind: str, width: int, **ports: list[Any]) -> None:
        numbers = {f"{port}_WIDTH": len(bits) for port, bits in ports.items()}
        numbers.update({"A_SIGNED": 0, "B_SIGNED": 0, "WIDTH": width})
        self._module["cells"][name] = {
            "type": kind,
            "parameters": {key: f"{value:032b}" for key, value in numbers.items()},
            "attributes": {},
            "connections": ports,
        }

    def add(self, cell: str, port: str, bit: int, mode: str, number: int) -> Mutant:
        """One mutant."""
        found = self._module["cells"][cell]
        bits = found["connections"][port]
        drives = port in ("Y", "Q") or (found["type"] == "$memrd_v2" and port == "DATA")
        read = bits[bit]
        if drives:
            made, read = read, self._net()
            bits[bit] = read
            self._module["netnames"][f"mutant_before_{number}"] = {
                "bits": [read],
                "attributes": {"init": self._initial[made]} if made in self._initial else {},
            }
        else:
            made = self._net()
            if found["type"] == "$memwr_v2" and port == "EN":
                found["connections"][port] = [made] * len(bits)
            else:
                bits[bit] = made
        wrong: Any = {"stuck at 0": "0", "stuck at 1": "1"}.get(mode)
        if mode == "neighbour":
            wrong = bits[(bit + 1) % len(bits)]
            wrong = read if wrong == made else wrong
        elif mode == "inverted":
            wrong = self._net()
            self._cell(f"mutant_not_{number}", "$not", 1, A=[read], Y=[wrong])
        meant = self._net()
        constant = list(f"{number:016b}"[::-1])
        self._cell(f"mutant_eq_{number}", "$eq", 1, A=self._number, B=constant, Y=[meant])
        self._cell(f"mutant_mux_{number}", "$mux", 1, A=[read], B=[wrong], S=[meant], Y=[made])
        source = found["attributes"].get("src", "")
        return Mutant(cell, found["type"], port, bit, mode, source)


_SELECT = """
extern "C" void sl_mutant(void *device, int64_t number) { circuit(device).mutant = number; }
extern "C" void sl_slow(int64_t every) { reads_every = every; }
extern "C" int64_t sl_step(void *device) { return circuit(device).step; }
"""


class Mutants:
    """A core with mutants, built in a folder.

    Attributes:
        mutants: number 1 is the first one.
    """

    def __init__(self, geometry: Geometry, count: int, seed: int, folder: Path) -> None:
        self.geometry = geometry
        self.mutants: list[Mutant] = []

        def change(path: Path) -> None:
            self.mutants = mutate(path, "core", count, seed)

        self._path = changed_library(geometry, change, _SELECT, folder)

    def device(self, number: int) -> RtlBackend:
        """A new core, which is that mutant, or with 0 none."""
        device = RtlBackend(simulator="compiled", geometry=self.geometry)
        device._model = _MutantModel(self.geometry, self._path, number)
        return device


class _MutantModel(CompiledModel):
    """Gives up early."""

    def __init__(self, geometry: Geometry, path: Path, number: int) -> None:
        super().__init__(geometry, path)
        import ctypes

        self._code.sl_mutant.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        self._code.sl_slow.argtypes = [ctypes.c_int64]
        self.slow(1)
        self._code.sl_step.restype, self._code.sl_step.argtypes = ctypes.c_int64, [ctypes.c_void_p]
        self._code.sl_mutant(self._device, number)

    def steps(self, steps: int, given: NDArray[np.int64], most_cycles: int) -> StepOutput:
        return super().steps(steps, given, 300_000 + 2_000 * steps + 50 * len(given))

    def slow(self, every: int) -> None:
        """From now on the host takes output every so many cycles at most."""
        self._code.sl_slow(every)

    @property
    def step(self) -> int:
        """What the core tells the link of the number of the next step."""
        return self._code.sl_step(self._device)


@dataclass(eq=False)
class Case:
    """A Program, what it is given, and what comes of it on the emulator.

    Attributes:
        start: the state that it begins with, or its own beginning.
        weights: other weights than its own.
        reads_every: cycles from one chance of the host to take output to the next.
    """

    program: Program
    steps: int
    events: Events
    detailed: bool
    start: State | None
    weights: tuple[CoreWeights, ...] | None
    expected: RunData
    after: State
    learned: tuple[CoreWeights, ...]
    reads_every: int
    cycles: NDArray[np.int64] | None = None

    def run(self, device: RtlBackend) -> None:
        """Raises AssertionError or SpikeloomError if something differs."""
        device.load(self.program)
        if isinstance(device.model, _MutantModel):
            device.model.slow(self.reads_every)
        if self.weights is not None:
            device.write_weights(self.weights)
        if self.start is not None:
            device.write_state(self.start)
        record = record_everything(self.program)
        if not self.detailed:
            record = replace(record, states=())
        found = device.run(self.steps, self.events, record)
        if self.cycles is None:
            assert found.cycles is not None
            start = self.start or State.initial(self.program)
            learning = start.learning and (start.step, start.learning)
            work = step_work(
                device.image, self.steps, found, self.events, start.fired, learning
            )  # fmt: skip
            np.testing.assert_array_equal(found.cycles, step_cycles(work))
            self.cycles = found.cycles
        np.testing.assert_array_equal(found.cycles, self.cycles)
        expected = self.expected
        if not self.detailed:
            expected = replace(expected, states=())
        assert_same_run(expected, found, self.program, record)
        assert_same_state(self.after, device.read_state(), self.program)
        if device.model.geometry.generators:
            right = device.image.generators(self.after.step)
            for column, words in zip(right, device.model.table("generator"), strict=True):
                np.testing.assert_array_equal(words[: len(column)], column)
        assert_same_weights(self.learned, device.read_weights(), self.program)
        if isinstance(device.model, _MutantModel):
            assert device.model.step == self.after.step % (1 << 32)


def case(program: Program, seed: int, g: Geometry) -> Case:
    """A run of a Program on the emulator, from its beginning or, one of three, later on."""
    rng = np.random.default_rng(seed)
    # Now and then more than windows and delays remember.
    steps = 12 + seed % 20 + (70 if seed % 8 == 6 else 0)
    events = (small_events if g.micro else random_events)(program, steps, rng)
    if not g.graded:
        none = Events.none()
        names = ("graded_step", "graded_neuron", "graded_value")
        events = replace(events, **{name: getattr(none, name) for name in names})
    if program.rules and not g.micro and seed % 3 != 2:
        program = rules_at_the_edge(program, events, rng)
    emulator = EmulatorBackend()
    emulator.load(program)
    start = None
    if seed % 3 == 2:
        emulator.run(steps, events, record_everything(program))
        # A step's number has a part in all random numbers.
        start = replace(emulator.read_state(), step=int(rng.integers(1 << 40)))
        emulator.write_state(start)
    weights = emulator.read_weights() if start is not None and program.rules else None
    expected = emulator.run(steps, events, record_everything(program))
    after, learned = emulator.read_state(), emulator.read_weights()
    # Those of the small core are computed from its instructions.
    cycles = expected.cycles if g.micro else None
    # Slow enough for steps to wait until there is room for their output.
    every = (700 if g.micro else 40) if seed % 4 == 1 else 1
    return Case(
        program, steps, events, seed % 3 != 1, start, weights, expected, after, learned, every,
        cycles,
    )  # fmt: skip


def registers(program: Program) -> Callable[[RtlBackend], None]:
    """Registers are read as they are written; steps keep the pace that is asked for."""

    def run(device: RtlBackend) -> None:
        device.load(program)
        model = device.model
        told = geometry_values(model.geometry)

        def write(name: str, value: int) -> None:
            model.write(REGISTER[name].address, value)

        def read(name: str) -> int:
            return model.read(REGISTER[name].address)

        g = model.geometry
        whole = (1 << 32) - 1
        kept = {"GROUPS": g.update_groups, "STEP": whole, "CONTROL": 1, "FIRED": g.update_groups}
        if g.generators:
            kept["GENERATOR_GROUPS"] = g.generator_groups
        if g.rules:
            kept.update({"MODULATOR": 255, "RULES_USED": g.rules, "LEARNING": 1})
        # As wide as they are built; those of the small core are words of its memory.
        kept = {
            name: whole if g.micro and name != "CONTROL" else (1 << most.bit_length()) - 1
            for name, most in kept.items()
        }
        rng = np.random.default_rng(1)
        before = {name: read(name) for name in kept}
        for _ in range(6):
            values = {name: int(rng.integers(0, most + 1)) for name, most in kept.items()}
            for name, value in values.items():
                write(name, value)
            assert {name: read(name) for name in kept} == values
        for name, value in before.items():
            write(name, value)
        constant = [r.name for r in REGISTER.values() if r.access == "r" and r.name in told]
        for name in constant:
            write(name, int(rng.integers(0, whole + 1)))
        assert {name: read(name) for name in (*kept, "STATUS")} == before | {"STATUS": 0}
        write("CONTROL", CONTROL_HOST_INPUT)
        write("STEP", 0xFFFFFFFD)
        between = 100 if g.micro else 40
        paces = ((0, 4), (1000, 4), (0x5555, 3), (0xAAAA, 2), (0x12345, 2), (7, 3), (0, 2))
        for pace, steps in paces:
            counted = read("CYCLES_LOW")
            write("STATUS", 0)
            write("PACE", pace)
            given = np.array([[INPUT_END, 0, 0]] * steps, np.int64)
            out = model.steps(steps, given, 1 << 30)
            lengths = out.items[out.items[:, 0] == OUTPUT_END, 2]
            waiting = pace > lengths.max()
            first, idle = (steps - 1) * pace if waiting else lengths[:-1].sum(), between * steps
            assert out.ended == steps
            assert first <= out.cycles - lengths[-1] <= first + idle
            assert read("STATUS") == (STATUS_LATE if pace > 0 and not waiting else 0)
            assert read("CYCLES_LOW") - counted == lengths.sum()
        assert read("STEP") == sum(steps for _, steps in paces) - 3
        if isinstance(model, _MutantModel) and not g.micro:
            # Steps that wait until the host has taken what earlier ones have put out are late.
            write("STATUS", 0)
            write("PACE", 100)
            model.slow(400)
            given = np.array([[INPUT_END, 0, 0]] * 100, np.int64)
            assert model.steps(100, given, 1 << 30).ended == 100
            model.slow(1)
            assert read("STATUS") == STATUS_LATE
        # A step that takes long, and a counter that counts far.
        write("PACE", 0)
        counted = read("CYCLES_LOW")
        flood = np.zeros(((1 << 17) // 60 if g.micro else (1 << 16) + 64, 3), np.int64)
        flood[:, 0], flood[:, 1] = INPUT_SPIKE, device.image.channel_origin[0]
        given = np.concatenate([flood, np.array([[INPUT_END, 0, 0]])])
        out = model.steps(1, given, 1 << 30)
        length = int(out.items[out.items[:, 0] == OUTPUT_END, 2][0])
        assert out.ended == 1
        assert 1 << 16 < length <= out.cycles <= length + between
        assert read("CYCLES_LOW") - counted == length
        write("CONTROL", CONTROL_FREE_RUN)
        assert model.steps(3, np.zeros((0, 3), np.int64), 1 << 30).ended == 3
        assert read("STATUS") & STATUS_BUSY
        write("STOP", 0)
        assert any(read("STATUS") & STATUS_BUSY == 0 for _ in range(100))
        at = read("STEP")
        assert at > sum(steps for _, steps in paces)
        assert read("STEP") == at

    return run


def killer(mutants: Mutants, number: int, tests: Sequence[Callable[[RtlBackend], None]]) -> int:
    """Which of the tests is the first one to find a mutant, or −1."""
    for i, test in enumerate(tests):
        device = mutants.device(number)
        try:
            test(device)
        except (AssertionError, SpikeloomError, ArithmeticError, LookupError, ValueError):
            return i
        finally:
            device.close()
    return -1
