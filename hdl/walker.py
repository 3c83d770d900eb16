"""Lists in memories: walk through one list after the other, look every entry up, never pause.

Both parts are elastic: they take something new whenever what they hold has been taken. So a chain
of them delivers one entry per cycle as long as each list has at least one entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from .component import Component
from .memory import Bank, HostPort

if TYPE_CHECKING:
    from .layout import Table


class Walker(Component):
    """Turns (start, count, tag) into ``count`` addresses from ``start`` on.

    ``count`` must not be 0. ``output`` carries address, the list's tag, how many addresses came
    before it in its list (``place``), and ``first``.
    """

    def __init__(self, address_bits: int, count_bits: int, tag: Any = 1) -> None:
        self.given = StructLayout({"start": address_bits, "count": count_bits, "tag": tag})
        self.made = StructLayout(
            {"address": address_bits, "place": count_bits, "tag": tag, "first": 1}
        )
        super().__init__(
            {
                "input": In(stream.Signature(self.given)),
                "output": Out(stream.Signature(self.made)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """A register for the list in hand; the next is taken with the last address."""
        m = Module()
        given, made = self.input.p, self.output.p
        # Bits of the number of addresses that are left, inverted: counting up takes fewer gates.
        left = Signal.like(given.count, init=(1 << len(given.count)) - 1)
        free = Signal()
        m.d.comb += [
            self.output.valid.eq(~left.all()),
            free.eq(left[1:].all() & (left[0] | self.output.ready)),
            self.input.ready.eq(free),
            made.first.eq(made.place == 0),
        ]
        address, place, tag = (Signal.like(made[n]) for n in ("address", "place", "tag"))
        m.d.comb += [made.address.eq(address), made.place.eq(place), made.tag.eq(tag)]
        with m.If(free):
            m.d.sync += left.eq(left.init)
            with m.If(self.input.valid):
                m.d.sync += [
                    address.eq(given.start),
                    left.eq(~given.count),
                    tag.eq(given.tag),
                    place.eq(0),
                ]
        with m.Elif(self.output.valid & self.output.ready):
            m.d.sync += [address.eq(address + 1), left.eq(left + 1), place.eq(place + 1)]
        return m


class Slack(Component):
    """Room for one more item, so that ``input.ready`` comes out of a register.

    What comes goes on in the same cycle; only if it is not taken, it stays here. So nothing is ever
    later for it, and a chain of handshakes ends here.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(
            {"input": In(stream.Signature(bits)), "output": Out(stream.Signature(bits))}
        )

    def elaborate(self, platform: Any) -> Module:
        """A register that is in use only while there is nowhere to go."""
        m = Module()
        full, held = Signal(), Signal.like(self.input.payload, reset_less=True)
        m.d.comb += [
            self.input.ready.eq(~full),
            self.output.valid.eq(full | self.input.valid),
            self.output.payload.eq(Mux(full, held, self.input.payload)),
        ]
        m.d.sync += full.eq(self.output.valid & ~self.output.ready)
        with m.If(~full):
            m.d.sync += held.eq(self.input.payload)
        return m


class Lookup(Component):
    """A stream of indices becomes a stream of a table's entries; one cycle, one per cycle.

    Attributes:
        input: indices.
        valid, ready: handshake of the output; the entry is read by :meth:`get`.
        bank: the memory, whose writing side and host port are free.
    """

    def __init__(self, table: Table, *, writes: bool = False) -> None:
        self.bank = Bank(table, writes=writes)
        bits = max(1, (table.depth - 1).bit_length())
        super().__init__(
            {
                "input": In(stream.Signature(bits)),
                "valid": Out(1),
                "ready": In(1),
                "host": In(HostPort()),
            }
        )

    def get(self, name: str) -> Any:
        """A field of the entry on the output."""
        return self.bank.get(name)

    def elaborate(self, platform: Any) -> Module:
        """The memory's own output register is the stage."""
        m = Module()
        m.submodules.bank = self.bank
        wiring.connect(m, wiring.flipped(self.host), self.bank.host)
        m.d.comb += [
            self.input.ready.eq(~self.valid | self.ready),
            self.bank.read_enable.eq(self.input.valid & self.input.ready),
            self.bank.read_index.eq(self.input.payload),
        ]
        with m.If(self.input.ready):
            m.d.sync += self.valid.eq(self.input.valid)
        return m
