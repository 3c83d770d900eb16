"""What the small core's instructions do, one after the other, written down to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from spikeloom.hdl.micro.isa import (
    FIELDS,
    INDIRECT,
    POINTERS,
    Derived,
    In,
    Memory,
    Op,
    Out,
    Source,
    When,
)

MASK = (1 << 32) - 1


def signed(value: int, bits: int) -> int:
    """The number that these lowest bits are."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


@dataclass
class Seen:
    """What the outside sees of an instruction, before it changes anything."""

    accumulator: int
    address: int
    memory: Memory
    port: int
    out: bool


@dataclass
class Interpreter:
    """Runs a program; what it reads from outside is given to each instruction.

    Attributes:
        program: instructions as numbers. variables: 256 of them.
        fraction, wheel, depth: as of the sequencer.
    """

    program: list[int]
    variables: list[int]
    fraction: int
    wheel: int
    depth: int
    a: int = 0
    at: int = 0
    pointers: list[int] = field(default_factory=lambda: [0] * POINTERS)
    stride: int = 0
    left: int = 0
    back: int = 0
    flags: dict[In, int] = field(
        default_factory=lambda: dict.fromkeys((In.LIMITED, In.CARRY, In.LOST), 0)
    )

    def __post_init__(self) -> None:
        self._jumps: list[int | None] = [None, None]  # where the last two instructions lead
        self._stored: tuple[int, int] | None = None  # by the last instruction
        self._selected = [0, 0]  # for writing; for reading, an instruction later
        self._products = [0, 0]  # of the last multiplication; that can be read
        self._noted = False
        self._compared = False

    def step(self, word: int, byte: int, given: int) -> Seen:
        """The next instruction, with what memories and ports show."""
        raw, now = self.program[self.at], {}
        for name, width in FIELDS.items():
            now[name] = raw & ((1 << width) - 1)
            raw >>= width
        op, n, pointer = Op(now["op"]), now["n"], now["pointer"]
        memory = Memory.NONE if op == Op.JUMP else Memory(now["memory"])
        seen = Seen(self.a, self.pointers[pointer], memory, n, op == Op.OUT)
        before = self.a
        t = self._source(op, now, word, byte, given)
        written = self._selected[0] if n == INDIRECT else n
        self._jump(op, now, before)
        self._settle()
        self._compute(op, n, t, before)
        if now["store"]:
            self._stored = written, before
        if op != Op.JUMP:
            steps = (self.stride if not (op == Op.OUT and n == Out.STRIDE) else self._old_stride,
                     self.wheel, 2, 2)  # fmt: skip
            if memory == Memory.POINT:
                self.pointers[pointer] = before & 0xFFFF
            elif now["move"]:
                self.pointers[pointer] = (self.pointers[pointer] + steps[pointer]) & 0xFFFF
        return seen

    def _source(self, op: Op, now: dict[str, int], word: int, byte: int, given: int) -> int:
        n, source = now["n"], Source(now["source"])
        if op == Op.JUMP:
            return 0
        if source == Source.VARIABLE:
            return self.variables[self._selected[1] if n == INDIRECT else n]
        product = self._products[1]
        if source == Source.DERIVED:
            value = {
                Derived.PRODUCT: product,
                Derived.DECAYED: product >> 12,
                Derived.SHIFTED: signed(self.a, 32) >> 12,
                Derived.HALF: self.a >> 16,
                Derived.NOISE: self.a >> 20,
                Derived.ROUNDING: self.a >> 32 - self.fraction,
                Derived.ROUNDED: signed(self.a, 32) >> self.fraction,
                Derived.ITSELF: self.a,
            }[Derived(n & 7)]
        elif source == Source.PORT:
            flags = self.flags | {In.LOST: int(product < 0 and product % 4096 != 0)}
            value = flags.get(In(n & 7), given)
        else:
            value = {
                Source.NUMBER: signed(n, 8),
                Source.WORD: word,
                Source.SIGNED: signed(word, 16),
                Source.UPPER: word << 16,
                Source.BYTE: byte,
            }[source]
        return value & MASK

    def _settle(self) -> None:
        """What earlier instructions left is there for the next one."""
        if self._stored is not None:
            self.variables[self._stored[0]] = self._stored[1]
        self._stored = None
        self._selected[1] = self._selected[0]
        self._products[1] = self._products[0]
        if self._compared and self._noted:
            self.flags[In.LIMITED] = 1
        self._compared = False

    def _compute(self, op: Op, n: int, t: int, a: int) -> None:
        self._old_stride = self.stride
        if op in (Op.LOAD, Op.AND, Op.OR, Op.XOR):
            self.a = {Op.LOAD: t, Op.AND: a & t, Op.OR: a | t, Op.XOR: a ^ t}[op]
        elif op in (Op.FOLD16, Op.FOLD15):
            self.a = a ^ a >> (16 if op == Op.FOLD16 else 15)
        elif op == Op.ADD:
            self.a, self.flags[In.CARRY] = (a + t) & MASK, (a + t) >> 32
        elif op in (Op.SUBTRACT, Op.FROM):
            self.a = (a - t if op == Op.SUBTRACT else t - a) & MASK
        elif op in (Op.ABOVE, Op.BELOW):
            one, other = signed(a, 32), signed(t, 32)
            self._noted = one > other if op == Op.ABOVE else one < other
            self._compared = True
        elif op == Op.CHOOSE:
            self.a = t if self._noted else a
        elif op == Op.MULTIPLY:
            self._products[0] = signed(a, 32) * signed(t, 16) if t < 1 << 15 else _low(a, t)
        elif op == Op.OUT:
            if n == Out.CLEAR:
                self.flags[In.LIMITED] = 0
            elif n == Out.LOOP:
                self.left = a & 0xFFFF
            elif n == Out.SELECT:
                self._selected[0] = a & 0xFF
            elif n == Out.STRIDE:
                self.stride = a & 0xFFFF

    def _jump(self, op: Op, now: dict[str, int], a: int) -> None:
        """Where to go on: where the jump before the last instruction leads, or to the next one."""
        leads = None
        if op == Op.JUMP:
            when = When(now["source"])
            holds = {
                When.ALWAYS: True, When.ZERO: a == 0, When.NONZERO: a != 0,
                When.NEGATIVE: bool(a >> 31), When.POSITIVE: not a >> 31,
                When.LOOP: self.left != 0, When.BACK: True,
            }[when]  # fmt: skip
            if holds:
                there = self.back if when == When.BACK else now["n"] | now["memory"] << 8
                leads = there % self.depth
            if when == When.LOOP and self.left:
                self.left -= 1
            if now["move"]:
                self.back = (self.at + 3) % self.depth
        due = self._jumps.pop(0)
        self._jumps.append(leads)
        self.at = (self.at + 1) % self.depth if due is None else due


def _low(a: int, t: int) -> int:
    """Of 32 by 32 bits only the lower half counts; nothing is said of the others."""
    low, cross = (a & 0xFFFF) * (t & 0xFFFF), (a & 0xFFFF) * (t >> 16)
    high = signed(a >> 16, 16) * signed(t, 16)
    return signed(low + (((cross & 0xFFFF) + high) << 16), 48)
