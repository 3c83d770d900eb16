"""The small core's sequencer (``isa``): fetch, look up a variable, compute."""

from __future__ import annotations

from operator import or_
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import memory
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ..component import Component, tree
from ..memory import choose
from .isa import FIELDS, INDIRECT, POINTERS, Derived, Memory, Op, Source, When
from .isa import In as Given
from .isa import Out as Port
from .places import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sequencer(Component):
    """Runs a program.

    Attributes:
        address: of a memory, where the pointer stands.
        read, write, value, word: of the words: what is written, and what was read.
        read_byte, write_byte, byte: of plastic synapses: A's lowest bits are written as weight;
            ``place`` writes one with all it has. ``byte`` is the weight that was read.
        looks, look: a port is about to be read: its number.
        given, raw: what it had then, a cycle later; of port STATUS also what it has.
        out, port, accumulator: a port is written: its number, and with what.

    Args:
        program: instructions. initial: variables.
        fraction: bits behind the binary point of a rule's sums.
        weight_bits: of a plastic synapse.
        wheel: words from a neuron to the next one in the wheel.
        address_bits: of a pointer.
    """

    def __init__(
        self, program: Sequence[int], initial: Mapping[int, int], *, fraction: int,
        weight_bits: int, wheel: int, address_bits: int = 16,
    ) -> None:  # fmt: skip
        self._program, self._initial, self._fraction = program, initial, fraction
        self._wheel, self._depth, self._address_bits = wheel, len(program), address_bits
        super().__init__({
            "address": Out(address_bits), "read": Out(1), "write": Out(1),
            "value": Out(16), "word": In(16),
            "read_byte": Out(1), "write_byte": Out(1), "byte": In(signed(weight_bits)),
            "place": Out(1), "looks": Out(1), "look": Out(3), "given": In(32), "raw": In(8),
            "port": Out(8), "out": Out(1), "accumulator": Out(32),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Three stages: the next instruction, its variable, what it does."""
        m = Module()
        shape = StructLayout(FIELDS)
        m.submodules.program = rom = memory.Memory(
            shape=shape.size, depth=self._depth, init=self._program, attrs={"ram_style": "block"}
        )
        m.submodules.variables = ram = memory.Memory(
            shape=32, depth=VARIABLES, init=[self._initial.get(i, 0) for i in range(VARIABLES)],
            attrs={"ram_style": "block"},
        )  # fmt: skip
        fetch, look, keep = rom.read_port(), ram.read_port(), ram.write_port()
        coming, now = Signal(shape), Signal(shape)
        started = Signal(2)  # what a reset leaves on the way is nothing
        valid = started[1]
        m.d.comb += coming.eq(fetch.data)
        m.d.sync += [now.eq(coming), started.eq(Cat(1, started[0]))]

        a, source = self.accumulator, Signal(signed(32))
        selected, left = Signal(VARIABLES.bit_length() - 1), Signal(16)
        stride = Signal(self._address_bits)
        flags = {name: Signal(name=f"is_{name.lower()}") for name in ("LIMITED", "CARRY", "LOST")}
        m.d.comb += [
            look.addr.eq(Mux(coming.n == INDIRECT, selected, coming.n)),
            source.eq(
                self._source(m, coming, now, look.data, self._product(m, now, source, flags), flags)
            ),
            self.looks.eq((coming.source == Source.PORT) & (coming.op != Op.JUMP) & started[0]),
            self.look.eq(coming.n),
            keep.en.eq(now.store & valid),
            keep.addr.eq(Mux(now.n == INDIRECT, selected, now.n)),
            keep.data.eq(a),
            self.port.eq(now.n),
            self.out.eq((now.op == Op.OUT) & valid),
            self.place.eq(self.out & (now.n == Port.PLACE)),
        ]
        self._compute(m, coming, now, source, flags)
        for port, target in ((Port.LOOP, left), (Port.SELECT, selected), (Port.STRIDE, stride)):
            with m.If(self.out & (now.n == port)):
                m.d.sync += target.eq(a)
        with m.If(self.out & (now.n == Port.CLEAR)):
            m.d.sync += flags["LIMITED"].eq(0)
        self._go_on(m, fetch, now, started, left)
        self._memories(m, now, stride, valid)
        return m

    def _product(self, m: Module, now: Any, source: Any, flags: Mapping[str, Any]) -> Any:
        """Signed 32 by 16 bits, all of it; of 32 by 32 bits the lower half."""
        a, product = self.accumulator, Signal(signed(48))
        low, cross, high = Signal(32), Signal(16), Signal(signed(32))
        with m.If(now.op == Op.MULTIPLY):
            m.d.sync += [
                low.eq(a[:16] * source[:16]), cross.eq(a[:16] * source[16:]),
                high.eq(a[16:].as_signed() * source[:16].as_signed()),
            ]  # fmt: skip
        m.d.sync += product.eq(low + Cat(Const(0, 16), cross + high).as_signed())
        m.d.comb += flags["LOST"].eq(product[-1] & product[:12].any())
        return product

    def _source(
        self,
        m: Module,
        coming: Any,
        now: Any,
        variable: Any,
        product: Any,
        flags: Mapping[str, Any],
    ) -> Any:
        """T: each value and whether it is the one, told by a register, all ORed."""
        a, f, number = self.accumulator, self._fraction, coming.n[:3]

        def of(value: Any, *sources: Source, n: tuple[int, ...] = (), up: int = 0) -> Any:
            chosen = Signal()
            found = tree(or_, (coming.source == source for source in sources))
            if n:
                found &= tree(or_, (number == each for each in n))
            m.d.sync += chosen.eq(found)
            value = Value.cast(value)
            if value.shape().signed:
                value = Cat(value, value[-1].replicate(max(0, 32 - len(value))))
            # No wider than it is: what lies above and below is zero.
            made = value[:32] & chosen.replicate(min(32, len(value)))
            return Cat(Const(0, up), made) if up else made

        kept = (Given.STATUS, Given.ADDRESS, Given.DATA, Given.INPUT, Given.CYCLES)
        derived = {
            Derived.PRODUCT: product, Derived.DECAYED: product[12:44],
            Derived.SHIFTED: a[12:].as_signed(), Derived.HALF: a[16:], Derived.NOISE: a[20:],
            Derived.ROUNDING: a[32 - f :], Derived.ROUNDED: a[f:].as_signed(), Derived.ITSELF: a,
        }  # fmt: skip
        sign = self.word[-1].replicate(16)
        return tree(or_, [
            of(variable, Source.VARIABLE), of(now.n.as_signed(), Source.NUMBER),
            of(self.given, Source.PORT, n=kept),
            *(of(flag, Source.PORT, n=(Given[name],)) for name, flag in flags.items()),
            *(of(value, Source.DERIVED, n=(which,)) for which, value in derived.items()),
            # A memory's answer comes last.
            of(self.word, Source.WORD, Source.SIGNED), of(sign, Source.SIGNED, up=16),
            of(self.word, Source.UPPER, up=16), of(self.byte, Source.BYTE),
            of(self.raw, Source.PORT, n=(Given.STATUS,)),
        ])  # fmt: skip

    def _compute(
        self, m: Module, coming: Any, now: Any, source: Any, flags: Mapping[str, Any]
    ) -> None:
        """A and what it leaves behind; decoded a cycle ahead."""
        a, total = self.accumulator, Signal(33)
        noted, less, compared = Signal(), Signal(), Signal()

        def among(name: str, *ops: Op) -> Signal:
            found = Signal(name=name)
            m.d.sync += found.eq(tree(or_, (coming.op == op for op in ops)))
            return found

        # A sum of A and T, one of them perhaps inverted.
        no_a, no_t = among("no_a", Op.FROM, Op.ABOVE), among("no_t", Op.SUBTRACT, Op.BELOW)
        minus = among("minus", Op.SUBTRACT, Op.BELOW, Op.FROM, Op.ABOVE)
        one, other = Signal(32), Signal(32)
        m.d.comb += [
            one.eq(a ^ no_a.replicate(32)),
            other.eq(source ^ no_t.replicate(32)),
            total.eq((Cat(minus, one) + Cat(minus, other))[1:]),
            less.eq(Mux(one[-1] != other[-1], total[31], one[-1])),
        ]
        # What else there is: parts of A, T, A & T, and of A further up, by exclusive or.
        adds = among("adds", Op.ADD, Op.SUBTRACT, Op.FROM)
        chooses = among("chooses", Op.CHOOSE)
        leaves = among("leaves", Op.LOAD, Op.AND, Op.CHOOSE)
        takes = among("takes", Op.LOAD, Op.OR, Op.XOR)
        both = among("both", Op.AND, Op.OR)
        folds = {n: among(f"folds{n}", op) for n, op in ((16, Op.FOLD16), (15, Op.FOLD15))}
        t, own, rest = Signal(), Signal(), Signal(32)
        m.d.comb += [
            t.eq(takes | (chooses & noted)),
            own.eq(~leaves | (chooses & ~noted)),
            rest.eq(
                (a & own.replicate(32)) ^ (source & (t.replicate(32) ^ (a & both.replicate(32))))
                ^ (a[16:] & folds[16].replicate(16)) ^ (a[15:] & folds[15].replicate(17))
            ),
        ]  # fmt: skip
        m.d.sync += a.eq(Mux(adds, total[:32], rest))
        with m.If(now.op == Op.ADD):
            m.d.sync += flags["CARRY"].eq(total[32])
        compares = among("compares", Op.ABOVE, Op.BELOW)
        m.d.sync += compared.eq(compares)
        with m.If(compares):
            m.d.sync += noted.eq(less)
        with m.If(compared & noted):
            m.d.sync += flags["LIMITED"].eq(1)

    def _go_on(self, m: Module, fetch: Any, now: Any, started: Any, left: Any) -> None:
        """The next instruction, or where a jump leads."""
        a, bits = self.accumulator, (self._depth - 1).bit_length()
        at, following, back = Signal(bits), Signal(bits), Signal(bits)
        taken = Signal()
        holds = choose({
            When.ALWAYS: Const(1), When.ZERO: a == 0, When.NONZERO: a != 0,
            When.NEGATIVE: a[-1], When.POSITIVE: ~a[-1], When.LOOP: left != 0, When.BACK: Const(1),
        }, now.source)  # fmt: skip
        jumps = (now.op == Op.JUMP) & started[1]
        target = Signal(bits)
        m.d.sync += [
            taken.eq(holds & jumps),
            target.eq(Mux(now.source == When.BACK, back, Cat(now.n, now.memory))),
        ]
        m.d.comb += [following.eq(Mux(taken, target, at + started[0])), fetch.addr.eq(following)]
        m.d.sync += at.eq(following)
        with m.If(jumps & (now.source == When.LOOP) & (left != 0)):
            m.d.sync += left.eq(left - 1)
        with m.If(jumps & now.move):
            m.d.sync += back.eq(at + 2)  # behind what is computed before the jump

    def _memories(self, m: Module, now: Any, stride: Any, valid: Any) -> None:
        """Pointers, and what is done where they stand."""
        bits = self._address_bits
        pointers = [Signal(bits, name=f"pointer{i}") for i in range(POINTERS)]
        here, moved = Signal(bits), Signal(bits)
        step = choose({0: stride, 1: Const(self._wheel, 16), 2: Const(2, 16), 3: Const(2, 16)},
                      now.pointer)  # fmt: skip
        acts = valid & (now.op != Op.JUMP)
        m.d.comb += [
            here.eq(choose(dict(enumerate(pointers)), now.pointer)), moved.eq(here + step),
            self.address.eq(here), self.value.eq(self.accumulator),
            self.read.eq(acts & (now.memory == Memory.READ)),
            self.write.eq(acts & (now.memory == Memory.WRITE)),
            self.read_byte.eq(acts & (now.memory == Memory.READ_BYTE)),
            self.write_byte.eq(acts & (now.memory == Memory.WRITE_BYTE)),
        ]  # fmt: skip
        points = now.memory == Memory.POINT
        for i, pointer in enumerate(pointers):
            with m.If(acts & (points | now.move) & (now.pointer == i)):
                m.d.sync += pointer.eq(Mux(points, self.accumulator, moved))
