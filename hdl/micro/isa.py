"""Instructions of the small core's sequencer, and programs of them.

The sequencer has an accumulator of 32 bits, 256 variables of 32 bits, four pointers into two
memories (words of 16 bits for tables, bytes for plastic synapses), and a loop counter. One
instruction takes one cycle and does up to three things: the accumulator becomes an operation of
itself and a source; the accumulator as it was before goes into variable n; and it goes into a
pointer, or a memory is read or written where a pointer stands, which may then move on.

What is read from a memory is there for the next instruction, and stays until the same memory is
read again. Two instructions behind a jump are computed before it is taken. A variable that is
stored can be read by the second instruction after that, not by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Op(IntEnum):
    """What becomes of the accumulator A, given the source T."""

    KEEP = 0
    LOAD = 1
    AND = 2
    OR = 3
    XOR = 4
    FOLD16 = 5  # A ^ (A >> 16)
    FOLD15 = 6
    ADD = 7
    SUBTRACT = 8  # A - T
    FROM = 9  # T - A
    ABOVE = 10  # A stays; notes whether A is above T, for CHOOSE and for port LIMITED
    BELOW = 11
    CHOOSE = 12  # T, if what was noted last is so
    MULTIPLY = 13  # A stays; the product is there for the second instruction after this
    OUT = 14  # A stays; it goes to port n
    JUMP = 15  # CALL with `move`


class Source(IntEnum):
    """Where T comes from; n is the instruction's number."""

    VARIABLE = 0  # n; 255: the one that port SELECT was told
    NUMBER = 1  # n, signed
    WORD = 2  # what was read of the words, unsigned
    SIGNED = 3
    UPPER = 4  # the same, 16 bits further up
    BYTE = 5  # a plastic synapse's weight, signed
    PORT = 6
    DERIVED = 7


class Derived(IntEnum):
    """Sources made of the accumulator or of the last product."""

    PRODUCT = 0  # its lower 32 bits
    DECAYED = 1  # the product >> 12
    SHIFTED = 2  # A >> 12
    HALF = 3  # A >> 16, unsigned
    NOISE = 4  # A >> 20, unsigned
    ROUNDING = 5  # A >> (32 - fraction), unsigned
    ROUNDED = 6  # A >> fraction
    ITSELF = 7  # A


class Memory(IntEnum):
    """What is done where the pointer stands."""

    NONE = 0
    READ = 1
    WRITE = 2  # the lower half of the accumulator as it was before the instruction
    READ_BYTE = 3
    WRITE_BYTE = 4  # a weight, if the synapse that was read last may change
    POINT = 5  # the pointer becomes the accumulator as it was before the instruction


class When(IntEnum):
    """Conditions of jumps."""

    ALWAYS = 0
    ZERO = 1
    NONZERO = 2
    NEGATIVE = 3
    POSITIVE = 4  # or zero
    LOOP = 5  # the loop counter is not 0; it is decremented
    BACK = 6  # always, to behind the last CALL


class In(IntEnum):
    """Ports that can be read."""

    STATUS = 0  # and below it the plastic synapse that was read, all of it
    ADDRESS = 1
    DATA = 2
    INPUT = 3  # index; above 16 bits the kind
    CYCLES = 4  # clock cycles since the reset
    LIMITED = 5  # 1: ABOVE or BELOW was so since port CLEAR
    CARRY = 6  # 1: of the last addition
    LOST = 7  # 1: DECAYED rounds a negative number down


class Out(IntEnum):
    """Ports that can be written; some only for being written."""

    CLEAR = 0
    LOOP = 1
    SELECT = 2
    ANSWER = 3
    NEURON = 4
    END = 5  # of a step, with its length
    STEP = 6
    STRIDE = 7
    PLACE = 8  # a plastic synapse, all of it, where pointer 0 stands


STATUS_BUS, STATUS_WRITE, STATUS_ROOM, STATUS_INPUT = 256, 512, 1024, 2048
"""Bits of STATUS: an access waits; it writes; the output has room for a step; an input is there."""

POINTERS = 4
"""The first one moves by what port STRIDE was told, the second one from neuron to neuron in the
wheel, the others by two words."""
INDIRECT = 255
"""A variable's number that stands for the one that port SELECT was told."""
DELAYED = 2
"""Instructions behind a jump that are computed before it is taken."""
FIELDS = {"n": 8, "source": 3, "op": 4, "memory": 3, "pointer": 2, "move": 1, "store": 1}
"""Of an instruction, lowest bits first. A jump's target is n and, above it, memory's two
lower bits; its condition is source."""
WIDTH = sum(FIELDS.values())


@dataclass(frozen=True)
class Action:
    """What an instruction does with a memory."""

    memory: Memory
    pointer: int
    move: bool = False


def read(pointer: int, move: bool = False) -> Action:
    """Read a word."""
    return Action(Memory.READ, pointer, move)


def write(pointer: int, move: bool = False) -> Action:
    """Write a word."""
    return Action(Memory.WRITE, pointer, move)


def read_byte(pointer: int, move: bool = False) -> Action:
    """Read a plastic synapse."""
    return Action(Memory.READ_BYTE, pointer, move)


def write_byte(pointer: int, move: bool = False) -> Action:
    """Write a plastic synapse."""
    return Action(Memory.WRITE_BYTE, pointer, move)


def point(pointer: int) -> Action:
    """Set a pointer."""
    return Action(Memory.POINT, pointer)


class Assembler:
    """Collects instructions, names places and variables.

    Attributes:
        words: instructions; jumps without their targets until ``program``.
        initial: variable -> its value in the bitstream.
    """

    VARIABLES = INDIRECT

    def __init__(self, first_variable: int) -> None:
        self.words: list[dict[str, int]] = []
        self.initial: dict[int, int] = {}
        self._labels: dict[str, int] = {}
        self._jumps: dict[int, str] = {}
        self._free = first_variable
        self._constants: dict[int, int] = {}

    def variable(self, value: int | None = None) -> int:
        """Room for a variable."""
        at = self._free
        if at >= self.VARIABLES:
            raise ValueError("no more room for variables")
        self._free += 1
        if value is not None:
            self.initial[at] = value & 0xFFFFFFFF
        return at

    def constant(self, value: int) -> int:
        """A variable that has this value and keeps it."""
        value &= 0xFFFFFFFF
        if value not in self._constants:
            self._constants[value] = self.variable(value)
        return self._constants[value]

    def label(self, name: str) -> None:
        """The next instruction's name."""
        if name in self._labels:
            raise ValueError(f"two places are called {name!r}")
        self._labels[name] = len(self.words)

    def emit(
        self, op: Op, source: Source = Source.NUMBER, n: int = 0, action: Action | None = None,
        *, store: bool = False,
    ) -> None:  # fmt: skip
        """An instruction, after one that does nothing if it needs what was stored just now."""
        reads = source == Source.VARIABLE and op != Op.KEEP
        for before in self.words[-1:]:
            stores = before["op"] != Op.JUMP and before["store"]
            if stores and reads and before["n"] == n & 0xFF:
                self.emit(Op.KEEP)
        self.words.append({
            "n": n & 0xFF, "source": source, "op": op,
            "memory": action.memory if action else 0,
            "pointer": action.pointer if action else 0,
            "move": int(action.move) if action else 0, "store": int(store),
        })  # fmt: skip

    def number(self, op: Op, n: int, action: Action | None = None) -> None:
        """With a small number, or any other one as a constant."""
        if -128 <= n < 128:
            self.emit(op, Source.NUMBER, n, action)
        else:
            self.emit(op, Source.VARIABLE, self.constant(n), action)

    def do(self, action: Action) -> None:
        """Only an action."""
        self.emit(Op.KEEP, Source.NUMBER, 0, action)

    def store(self, n: int, action: Action | None = None) -> None:
        """A variable becomes A."""
        self.emit(Op.KEEP, Source.VARIABLE, n, action, store=True)

    def out(self, port: Out) -> None:
        """A to a port."""
        self.emit(Op.OUT, Source.NUMBER, port)

    def nop(self, count: int = 1) -> None:
        """Nothing."""
        for _ in range(count):
            self.emit(Op.KEEP)

    def jump(self, name: str, when: When = When.ALWAYS, *, call: bool = False) -> None:
        """Go on there, two instructions later."""
        self._jumps[len(self.words)] = name
        self.words.append({
            "n": 0, "source": when, "op": Op.JUMP, "memory": 0, "pointer": 0,
            "move": int(call), "store": 0,
        })  # fmt: skip

    def jump_now(self, name: str, when: When = When.ALWAYS) -> None:
        """Go on there, with nothing in between. What stands before a jump that depends on nothing
        is computed behind it."""
        moved = self._movable() if when == When.ALWAYS else 0
        behind = [self.words.pop() for _ in range(moved)]
        self.jump(name, when)
        self.words.extend(reversed(behind))
        self.nop(DELAYED - moved)

    def _movable(self) -> int:
        """How many of the last instructions are neither jumps, nor behind one, nor where another
        one leads."""
        first = max([*self._labels.values(), 0])
        last_jump = max((i for i, w in enumerate(self.words) if w["op"] == Op.JUMP), default=-9)
        return min(DELAYED, len(self.words) - max(first, last_jump + DELAYED + 1))

    def call(self, name: str) -> None:
        """Go there and come back; what is called calls nothing itself."""
        self.jump(name, call=True)
        self.nop(DELAYED)

    def back(self) -> None:
        """Back behind the last call, as ``jump_now``."""
        moved = self._movable()
        behind = [self.words.pop() for _ in range(moved)]
        self.words.append({
            "n": 0, "source": When.BACK, "op": Op.JUMP, "memory": 0, "pointer": 0, "move": 0,
            "store": 0,
        })  # fmt: skip
        self.words.extend(reversed(behind))
        self.nop(DELAYED - moved)

    @property
    def labels(self) -> dict[str, int]:
        """Name -> number of the instruction."""
        return self._labels

    def target(self, at: int) -> int:
        """Where the jump at that instruction leads."""
        return self._labels[self._jumps[at]]

    def program(self) -> list[int]:
        """The instructions as numbers.

        Raises:
            ValueError: a variable is read right behind being stored.
        """
        found = []
        for at, word in enumerate(self.words):
            word = dict(word)
            if at in self._jumps:
                target = self._labels[self._jumps[at]]
                self._check_stored(at + DELAYED, target)
                word["n"], word["memory"] = target & 0xFF, target >> 8
            elif word["op"] == Op.JUMP:  # back
                for call, there in enumerate(self.words):
                    if there["op"] == Op.JUMP and there["move"]:
                        self._check_stored(at + DELAYED, call + 1 + DELAYED)
            self._check_stored(at - 1, at)
            value = shift = 0
            for name, width in FIELDS.items():
                if not 0 <= word[name] < 1 << width:
                    raise ValueError(f"instruction {at}: {name} has {word[name]}")
                value |= int(word[name]) << shift
                shift += width
            found.append(value)
        return found

    def _check_stored(self, before: int, after: int) -> None:
        """Raises ValueError: the second one reads a variable that the first one stores."""
        if not 0 <= before < len(self.words) or after >= len(self.words):
            return
        one, other = self.words[before], self.words[after]
        stores = one["op"] != Op.JUMP and one["store"]
        reads = other["source"] == Source.VARIABLE and other["op"] not in (Op.KEEP, Op.JUMP)
        if stores and reads and one["n"] == other["n"]:
            raise ValueError(f"instruction {after} reads variable {one['n']} too early")
