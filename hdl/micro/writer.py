"""Words of the language in which the small core's program is written."""

from __future__ import annotations

from ...counter_hash import FIRST, SECOND
from ..geometry import Geometry
from ..registers import REGISTER
from .isa import Action, Assembler, Derived, In, Op, Source, When, point, read
from .places import Places

LISTS = {"origin": "destination", "axon": "row"}
"""Tables whose entries say where a list is, and the tables that have the lists."""


class Writer:
    """Writes instructions.

    Args:
        g: the core.
        first_variable: number of the first variable that is free.
    """

    def __init__(self, g: Geometry, first_variable: int) -> None:
        self.g, self.places = g, Places(g)
        self.asm = Assembler(first_variable)
        self._names: dict[str, int] = {}

    def v(self, name: str) -> int:
        """A variable by its name; those of registers in capital letters."""
        if name in REGISTER:
            return REGISTER[name].number
        if name not in self._names:
            self._names[name] = self.asm.variable()
        return self._names[name]

    def with_(self, op: Op, name: str, action: Action | None = None) -> None:
        """An operation with a variable."""
        self.asm.emit(op, Source.VARIABLE, self.v(name), action)

    def load(self, name: str, action: Action | None = None) -> None:
        """A becomes a variable."""
        self.with_(Op.LOAD, name, action)

    def keep(self, name: str, action: Action | None = None) -> None:
        """A variable becomes A."""
        self.asm.store(self.v(name), action)

    def number(self, op: Op, value: int, action: Action | None = None) -> None:
        """An operation with a number."""
        self.asm.number(op, value, action)

    def word(self, op: Op, source: Source, action: Action | None = None, *, keep: str = "") -> None:
        """An operation with what was read; what A was may be kept in a variable."""
        n = self.v(keep) if keep else 0
        self.asm.emit(op, source, n, action, store=bool(keep))

    def derived(self, op: Op, what: Derived, action: Action | None = None) -> None:
        """An operation with something derived."""
        self.asm.emit(op, Source.DERIVED, what, action)

    def port(self, op: Op, port: In, action: Action | None = None) -> None:
        """An operation with a port."""
        self.asm.emit(op, Source.PORT, port, action)

    def product(self) -> None:
        """A becomes the product that was just asked for."""
        self.asm.nop()
        self.derived(Op.LOAD, Derived.PRODUCT)

    def times(self, value: int) -> None:
        """A times a constant."""
        if value in (1, 2, 4, 8):
            for _ in range(value.bit_length() - 1):
                self.derived(Op.ADD, Derived.ITSELF)
            return
        self.asm.emit(Op.MULTIPLY, Source.VARIABLE, self.asm.constant(value))
        self.product()

    def shift_right(self, bits: int) -> None:
        """A, of which no more than 16 bits from there on count, unsigned."""
        if bits >= 16:
            self.derived(Op.LOAD, Derived.HALF)
            bits -= 16
        if bits:
            self.times(1 << 16 - bits)
            self.derived(Op.LOAD, Derived.HALF)

    def at(self, table: str, pointer: int, field: str | None = None, extra: int = 0) -> None:
        """A pointer goes to the entry whose number A is, of a table."""
        p = self.places
        if p.stride(table) != 1:
            self.times(p.stride(table))
        offset = (p.offset(table, field) if field else 0) + extra
        self.number(Op.ADD, p.start(table) + offset)
        self.asm.do(point(pointer))

    def mix(self) -> None:
        """docs/machine.md §3."""
        asm = self.asm
        asm.emit(Op.FOLD16)
        self.times(FIRST)
        asm.emit(Op.FOLD15)
        self.times(SECOND)
        asm.emit(Op.FOLD16)

    def limit(self, low: str, high: str) -> None:
        """A within two variables."""
        self.with_(Op.ABOVE, high)
        self.with_(Op.CHOOSE, high)
        self.with_(Op.BELOW, low)
        self.with_(Op.CHOOSE, low)

    def count(self, name: str) -> None:
        """A is added to a counter of two registers."""
        self.with_(Op.ADD, f"{name}_LOW")
        self.keep(f"{name}_LOW")
        self.port(Op.LOAD, In.CARRY)
        self.with_(Op.ADD, f"{name}_HIGH")
        self.keep(f"{name}_HIGH")

    def one_less(self, name: str, end: str) -> None:
        """A variable counts down; where it is 0 already, it becomes −1, and on at ``end``."""
        self.load(name)
        self.asm.jump(end, When.ZERO)
        self.number(Op.SUBTRACT, 1)
        self.keep(name)

    def list_of(self, table: str, first: str, field: str, left: str) -> None:
        """The list of the entry whose number A is: where a field of its first entry is, and how
        many there are, go into variables."""
        p, listed = self.places, LISTS[table]
        self.at(table, 2)
        self.asm.do(read(2, move=True))
        self.word(Op.LOAD, Source.WORD, read(2))
        self.times(p.stride(listed))
        self.number(Op.ADD, p.start(listed) + p.offset(listed, field))
        self.word(Op.LOAD, Source.WORD, keep=first)
        self.keep(left)

    def changed(self) -> None:
        """A, a change with what rounds it, is added to the weight that was read last, and limited
        but for the last step, a CHOOSE."""
        self.derived(Op.LOAD, Derived.ROUNDED)
        self.word(Op.ADD, Source.BYTE)
        self.with_(Op.ABOVE, "rule_weight_max")
        self.with_(Op.CHOOSE, "rule_weight_max")
        self.with_(Op.BELOW, "rule_weight_min")
