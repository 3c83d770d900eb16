"""The small core's step up to the update: spikes are walked."""

from __future__ import annotations

from ...counter_hash import STEP_OFFSET
from ..learning_tables import MICRO_RULE
from .isa import (
    STATUS_INPUT,
    Derived,
    In,
    Op,
    Out,
    Source,
    When,
    point,
    read,
    read_byte,
    write,
    write_byte,
)  # fmt: skip
from .writer import Writer


class DeliverPart(Writer):
    """Senders, their destinations, and rows of synapses."""

    def step(self) -> None:
        """What counts for a whole step."""
        asm, g = self.asm, self.g
        asm.label("step")
        self.port(Op.LOAD, In.CYCLES)
        self.keep("begun")
        self.load("STEP")
        self.number(Op.AND, g.delay_slots - 1)
        self.keep("slot")
        self.load("STEP")
        self.number(Op.ADD, STEP_OFFSET)
        self.mix()
        self.keep("step_hash")
        self._load_rule()
        self.number(Op.LOAD, 0)
        self.keep("from_host")
        self.number(Op.LOAD, self.places.start("fired"))
        self.keep("fired_at")
        self.load("FIRED")
        self.keep("senders")

    def _load_rule(self) -> None:
        """What of the rule counts in every row."""
        asm, p = self.asm, self.places
        self.number(Op.LOAD, p.start("rule"))
        asm.do(point(0))
        asm.do(read(0, move=True))
        before = ""
        for name, signed in MICRO_RULE:
            source = Source.SIGNED if signed else Source.WORD
            self.word(Op.LOAD, source, read(0, move=True), keep=before)
            before = f"rule_{name}"
        self.keep(before)
        # the product of pre groups comes first
        self.number(Op.LOAD, p.start("code"))
        asm.do(point(0))
        self._load_factor("pre")
        self.load("rule_pre_count")
        self.at("code", 0)
        self._load_factor("post")
        asm.do(read(0))
        self.word(Op.LOAD, Source.WORD)
        self.number(Op.AND, 7)
        self.keep("condition")

    def _load_factor(self, when: str) -> None:
        """A coefficient, where pointer 0 stands."""
        asm, low = self.asm, self.places.tables["code"].field("low")
        asm.do(read(0, move=True))
        self.word(Op.LOAD, Source.WORD, read(0, move=True))
        self.word(Op.ADD, Source.UPPER)
        self.number(Op.AND, (1 << low.width) - 1)
        self.number(Op.XOR, 1 << low.width - 1)
        self.number(Op.SUBTRACT, 1 << low.width - 1)
        self.keep(f"{when}_factor")

    def senders(self) -> None:
        """Neurons that fired in the last step, then the host's channels."""
        asm, p = self.asm, self.places
        asm.label("sent")
        self.load("from_host")
        asm.jump_now("input", When.NONZERO)
        self.one_less("senders", "all fired")
        self.load("fired_at")
        asm.do(point(0))
        asm.do(read(0))
        self.number(Op.ADD, p.stride("fired"))
        self.keep("fired_at")
        self.word(Op.LOAD, Source.WORD)
        self.number(Op.AND, (1 << p.tables["fired"].field("group").width) - 1)
        asm.jump_now("sender")
        asm.label("all fired")
        self.number(Op.LOAD, 1)
        self.keep("from_host")
        self.load("CONTROL")
        self.number(Op.AND, 1)
        asm.jump_now("update", When.ZERO)
        asm.label("input")
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, STATUS_INPUT)
        asm.jump("input", When.ZERO)
        self.port(Op.LOAD, In.INPUT)
        asm.nop()
        self.keep("input")
        self.derived(Op.LOAD, Derived.HALF)
        asm.jump("spike", When.ZERO)
        self.number(Op.SUBTRACT, 2)
        asm.nop()
        asm.jump("update", When.ZERO)
        self.load("STATUS")  # of a kind that this core does not know
        self.number(Op.OR, 4)
        self.keep("STATUS")
        asm.jump_now("input")
        asm.label("spike")
        self.load("input")

        asm.label("sender")  # A: its origin number
        self.list_of("origin", "destination_at", "axon", "destinations")
        asm.label("next destination")
        self.one_less("destinations", "sent")
        self.load("destination_at")
        asm.do(point(0))
        self.number(Op.ADD, p.stride("destination"), read(0))
        self.word(Op.LOAD, Source.WORD, keep="destination_at")
        self.list_of("axon", "row_at", "synapses", "rows")
        asm.label("next row")
        self.one_less("rows", "next destination")
        asm.jump_now("row")

    def row(self) -> None:
        """A plastic row is delivered, and changed if the rule says so."""
        asm, p, g = self.asm, self.places, self.g
        asm.label("row")
        self.load("row_at")
        asm.do(point(2))
        self.number(Op.ADD, p.stride("row"), read(2))
        self.keep("row_at")
        self.word(Op.LOAD, Source.WORD)
        synapses, walk = p.tables["row"].field("synapses"), p.offset("row", "walk")
        if synapses.offset:
            raise ValueError("the number of synapses is not in a column of its own")
        self.number(Op.AND, (1 << synapses.width) - 1)
        self.count("EVENTS")
        self.load("row_at")
        self.number(Op.ADD, walk - p.offset("row", "synapses") - p.stride("row"))
        asm.do(point(2))
        asm.do(read(2))
        self.word(Op.LOAD, Source.WORD)
        self.keep("entry_of_row")
        self.at("xtrace1", 2, extra=1)
        self.number(Op.LOAD, -1)
        self.load("entry_of_row", write(2))
        self.at("walk", 2)
        asm.do(read(2, move=True))
        self.word(Op.LOAD, Source.WORD, read(2, move=True))
        self.word(Op.LOAD, Source.WORD, read(2, move=True), keep="address")
        self.word(Op.LOAD, Source.WORD, read(2, move=True), keep="first")
        asm.do(read(2))  # exponents are 0
        self.word(Op.LOAD, Source.WORD, keep="synapses")
        self.number(Op.AND, max(1, g.delay_slots - 1))
        self.with_(Op.ADD, "slot")
        self.number(Op.AND, g.delay_slots - 1)
        self.keep("delay")
        self.load("first")
        self.times(g.delay_slots)
        self.with_(Op.ADD, "delay")
        self.at("wheel0", 1)
        self.load("first")
        self.with_(Op.SUBTRACT, "rule_group")
        self.keep("across")
        self.with_(Op.ADD, "rule_ygroup")
        self.at("ytrace1", 2)
        self.load("synapses")
        self.number(Op.SUBTRACT, 1)
        asm.out(Out.LOOP)
        self.load("LEARNING")
        self.with_(Op.AND, "rule_pre_count")
        asm.jump("only delivered", When.ZERO)
        self.number(Op.LOAD, 0)
        self.keep("when")
        self.load("entry_of_row")
        self.with_(Op.SUBTRACT, "rule_xgroup")
        self.keep("key")
        asm.call("numbers")
        self.load("address")
        asm.do(point(0))
        asm.label("change")
        asm.do(read_byte(0))
        asm.do(read(1))
        self.word(Op.LOAD, Source.BYTE)
        self.word(Op.ADD, Source.SIGNED, read(2, move=True))
        self.word(Op.LOAD, Source.WORD, write(1, move=True))
        self.with_(Op.MULTIPLY, "pre_factor")
        self.load("a")
        self.with_(Op.ADD, "q")
        self.keep("q")
        self._change()
        asm.jump("change", When.LOOP)
        self.with_(Op.CHOOSE, "rule_weight_min")
        asm.do(write_byte(0, move=True))
        asm.jump_now("next row")
        asm.label("only delivered")
        self.load("address")
        asm.do(point(0))
        asm.label("deliver")
        asm.do(read_byte(0, move=True))
        asm.do(read(1))
        self.word(Op.LOAD, Source.BYTE)
        asm.jump("deliver", When.LOOP)
        self.word(Op.ADD, Source.SIGNED)
        asm.do(write(1, move=True))
        asm.jump_now("next row")

    def _change(self) -> None:
        """A, a random number, rounds the product; the weight that was read changes by that, and is
        limited but for the last step."""
        self.derived(Op.LOAD, Derived.ROUNDING)
        self.derived(Op.ADD, Derived.PRODUCT)
        self.changed()
