"""Programs for the sequencer, written as Python calls."""

from __future__ import annotations

from .sequencer import WAIT, Kind, Op, When

_VARIABLES = 256


class Assembler:
    """Collects instructions, names places and variables.

    A variable is the address of its lowest byte; numbers of several bytes are little-endian.
    """

    def __init__(self) -> None:
        self._words: list[int] = []
        self._labels: dict[str, int] = {}
        self._jumps: dict[int, str] = {}
        self.free = 0
        """Address of the next variable."""

    def variable(self, size: int = 1) -> int:
        """Room for so many bytes."""
        at = self.free
        self.free += size
        if self.free > _VARIABLES:
            raise ValueError("the sequencer has no more room for variables")
        return at

    def program(self) -> list[int]:
        """The instructions, every jump with its target."""
        words = list(self._words)
        for at, name in self._jumps.items():
            words[at] |= self._labels[name]
        return words

    # Instructions

    def label(self, name: str) -> None:
        """The next instruction's name."""
        if name in self._labels:
            raise ValueError(f"two places are called {name!r}")
        self._labels[name] = len(self._words)

    def _word(self, kind: Kind, op: int, operand: int) -> None:
        if not 0 <= operand < 256:
            raise ValueError(f"an operand has 8 bits, {operand} has more")
        self._words.append(kind << 13 | op << 10 | operand)

    def memory(self, op: Op, address: int) -> None:
        """The accumulator with a variable's byte."""
        self._word(Kind.MEMORY, op, address)

    def constant(self, op: Op, value: int) -> None:
        """The accumulator with a number."""
        self._word(Kind.CONSTANT, op, value)

    def port(self, op: Op, port: int) -> None:
        """The accumulator with what a port has."""
        self._word(Kind.PORT, op, port)

    def store(self, address: int) -> None:
        """The accumulator to a variable's byte."""
        self._word(Kind.STORE, 0, address)

    def out(self, port: int) -> None:
        """The accumulator to a port."""
        self._word(Kind.OUT, 0, port)

    def jump(self, name: str, when: When = When.ALWAYS) -> None:
        """Go on there."""
        self._jumps[len(self._words)] = name
        self._word(Kind.JUMP, when, 0)

    def call(self, name: str) -> None:
        """Go there and come back; what is called calls nothing itself."""
        self._jumps[len(self._words)] = name
        self._word(Kind.CALL, 0, 0)

    def back(self) -> None:
        """Back behind the last CALL."""
        self._word(Kind.CONTROL, 0, 0)

    def wait(self) -> None:
        """Until one of the accumulator's events is there."""
        self._words.append(Kind.CONTROL << 13 | WAIT)

    # Several of them

    def let(self, address: int, value: int, size: int = 1) -> None:
        """A variable becomes a number."""
        last = None
        for i, byte in enumerate(value.to_bytes(size, "little")):
            if byte != last:
                self.constant(Op.LOAD, byte)
                last = byte
            self.store(address + i)

    def move(self, to: int, source: int, size: int) -> None:
        """A variable becomes what another is."""
        for i in range(size):
            self.memory(Op.LOAD, source + i)
            self.store(to + i)

    def add(self, to: int, source: int, size: int = 2) -> None:
        """Add a variable to another; the carry tells whether that was too much."""
        self.add_to(to, to, source, size)

    def add_to(self, to: int, left: int, right: int, size: int = 2) -> None:
        """A variable becomes a sum."""
        for i in range(size):
            self.memory(Op.LOAD, left + i)
            self.memory(Op.ADC if i else Op.ADD, right + i)
            self.store(to + i)

    def add_constant(self, to: int, value: int, size: int = 2) -> None:
        """The same with a number."""
        for i, byte in enumerate(value.to_bytes(size, "little")):
            self.memory(Op.LOAD, to + i)
            self.constant(Op.ADC if i else Op.ADD, byte)
            self.store(to + i)

    def add_constant_to(self, to: int, source: int, value: int, size: int = 2) -> None:
        """A variable becomes another one and a number."""
        for i, byte in enumerate(value.to_bytes(size, "little")):
            self.memory(Op.LOAD, source + i)
            self.constant(Op.ADC if i else Op.ADD, byte)
            self.store(to + i)

    def subtract(self, to: int, left: int, right: int, size: int = 2) -> None:
        """A variable becomes a difference; the carry tells that nothing was borrowed."""
        for i in range(size):
            self.memory(Op.LOAD, left + i)
            self.memory(Op.SBC if i else Op.SUB, right + i)
            self.store(to + i)

    def subtract_constant(self, to: int, left: int, value: int, size: int = 2) -> None:
        """The same with a number to the right."""
        for i, byte in enumerate(value.to_bytes(size, "little")):
            self.memory(Op.LOAD, left + i)
            self.constant(Op.SBC if i else Op.SUB, byte)
            self.store(to + i)

    def compare_constant(self, left: int, value: int, size: int = 2) -> None:
        """The carry tells that a variable is at least a number."""
        for i, byte in enumerate(value.to_bytes(size, "little")):
            self.memory(Op.LOAD, left + i)
            self.constant(Op.SBC if i else Op.SUB, byte)

    def subtract_from_constant(self, to: int, value: int, right: int, size: int = 2) -> None:
        """The same with a number to the left."""
        for i, byte in enumerate(value.to_bytes(size, "little")):
            self.constant(Op.LOAD, byte)
            self.memory(Op.SBC if i else Op.SUB, right + i)
            self.store(to + i)

    def differ(self, left: int, right: int, size: int, scratch: int) -> None:
        """The accumulator is zero if two variables are equal."""
        for i in range(size):
            self.memory(Op.LOAD, left + i)
            self.memory(Op.XOR, right + i)
            if i:
                self.memory(Op.OR, scratch)
            if i < size - 1:
                self.store(scratch)

    def any_bit(self, address: int, size: int) -> None:
        """The accumulator is zero if a variable is."""
        self.memory(Op.LOAD, address)
        for i in range(1, size):
            self.memory(Op.OR, address + i)

    def out_each(self, address: int, size: int, port: int) -> None:
        """A variable's bytes to one port."""
        for i in range(size):
            self.memory(Op.LOAD, address + i)
            self.out(port)

    def out_pair(self, address: int, low: int) -> None:
        """A variable's two bytes to two ports."""
        for i in range(2):
            self.memory(Op.LOAD, address + i)
            self.out(low + i)
