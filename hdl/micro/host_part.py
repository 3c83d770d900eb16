"""The small core between steps: what the host asks for."""

from __future__ import annotations

from ..layout import layout
from ..registers import REGISTER
from .isa import (
    INDIRECT,
    STATUS_BUS,
    STATUS_ROOM,
    STATUS_WRITE,
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
)  # fmt: skip
from .places import BYTES, COLUMN_WORDS
from .writer import Writer

REGISTER_ROOM = 1 + max(register.number for register in REGISTER.values())
"""Variables from 0 on are the registers of these numbers."""
REGION = REGISTER_ROOM
"""Variable ``REGION + r`` says where the table of region r is: its start, above it its stride."""
WRITABLE = 14
"""Registers below are written as they are, if they are no commands."""
CLEARED = range(2, 28)
"""Registers that a reset empties."""
LATE = 64
"""A paced step that begins so many cycles after it was due is late: looking once takes fewer."""


class HostPart(Writer):
    """Reset, and accesses of the host."""

    def reset(self) -> None:
        """Tables, registers that count or say what is to be done, and the step become 0."""
        asm = self.asm
        self.number(Op.LOAD, 1)
        asm.out(Out.STRIDE)
        words = 1 << (self.places.words - 1).bit_length()
        self.number(Op.LOAD, words - 1)
        asm.out(Out.LOOP)
        self.number(Op.LOAD, 0)
        asm.do(point(0))
        asm.label("zeros")
        asm.jump("zeros", When.LOOP)
        asm.do(write(0, move=True))
        asm.nop()
        self.keep("running")
        self.keep("following")
        asm.out(Out.STEP)
        self.number(Op.LOAD, CLEARED.stop)
        asm.label("registers")
        self.number(Op.SUBTRACT, 1)
        asm.out(Out.SELECT)
        self.keep("t")
        self.number(Op.LOAD, 0)
        asm.store(INDIRECT)
        self.load("t")
        self.number(Op.SUBTRACT, CLEARED.start)
        asm.jump("registers", When.NONZERO)
        self.number(Op.ADD, CLEARED.start)
        asm.nop()

    def idle(self) -> None:
        """Between two steps: accesses first, then steps that are wanted, when they are due."""
        asm = self.asm
        asm.label("idle")
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, STATUS_BUS)
        asm.jump("host", When.NONZERO)
        # wanted = (running and STEP != target) or the second bit of CONTROL
        self.load("CONTROL")
        self.number(Op.AND, 2)
        asm.jump("wanted", When.NONZERO)
        self.load("running")
        asm.nop()
        asm.jump("rest", When.ZERO)
        self.load("STEP")
        self.with_(Op.SUBTRACT, "target")
        asm.jump_now("rest", When.ZERO)
        asm.label("wanted")
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, STATUS_ROOM)
        asm.jump("idle", When.ZERO)
        self.load("following")
        asm.nop()
        asm.jump("first", When.ZERO)
        self.load("PACE")
        asm.nop()
        asm.jump("step", When.ZERO)
        self.port(Op.LOAD, In.CYCLES)
        self.with_(Op.SUBTRACT, "due")
        asm.jump("idle", When.NEGATIVE)
        self.number(Op.SUBTRACT, LATE)
        asm.nop()
        asm.jump("in time", When.NEGATIVE)
        self.load("STATUS")
        self.number(Op.OR, 2)
        self.keep("STATUS")
        asm.label("in time")
        self.load("due")
        asm.label("next due")
        self.with_(Op.ADD, "PACE")
        self.keep("due")
        asm.jump_now("step")
        asm.label("first")
        self.number(Op.LOAD, 1)
        self.keep("following")
        self.port(Op.LOAD, In.CYCLES)
        asm.jump_now("next due")
        asm.label("rest")
        self.number(Op.LOAD, 0)
        self.keep("following")
        asm.jump_now("idle")

    def host(self) -> None:
        """An access: region above 27 bits, entry above 3, column."""
        asm = self.asm
        asm.label("host")
        self.port(Op.LOAD, In.ADDRESS)
        self.number(Op.AND, (1 << 27) - 1)
        asm.emit(Op.MULTIPLY, Source.VARIABLE, asm.constant(1 << 9))
        self.port(Op.LOAD, In.ADDRESS)
        self.derived(Op.LOAD, Derived.DECAYED)
        self.keep("entry")
        self.port(Op.LOAD, In.ADDRESS)
        self.shift_right(27)
        asm.jump("register", When.ZERO)
        self.keep("region")
        self.number(Op.SUBTRACT, layout(self.g)[BYTES].region)
        asm.jump("bytes", When.ZERO)
        self.load("region")
        self.number(Op.ADD, REGION)
        asm.out(Out.SELECT)
        asm.nop()
        asm.emit(Op.LOAD, Source.VARIABLE, INDIRECT)
        self.keep("where")
        self.derived(Op.LOAD, Derived.HALF)
        self.with_(Op.MULTIPLY, "entry")
        self.port(Op.LOAD, In.ADDRESS)
        self.derived(Op.LOAD, Derived.PRODUCT)
        self.with_(Op.ADD, "where")
        self.keep("where")
        self.port(Op.LOAD, In.ADDRESS)
        self.number(Op.AND, 7)
        self.times(COLUMN_WORDS)
        self.with_(Op.ADD, "where")
        asm.do(point(0))
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, STATUS_WRITE)
        asm.jump_now("written", When.NONZERO)
        asm.do(read(0, move=True))
        self.word(Op.LOAD, Source.WORD, read(0))
        self.word(Op.ADD, Source.UPPER)
        asm.label("answer")
        asm.out(Out.ANSWER)
        asm.nop(2)  # the access ends
        asm.jump_now("idle")
        asm.label("written")
        self.port(Op.LOAD, In.DATA)
        self.derived(Op.LOAD, Derived.HALF, write(0, move=True))
        asm.jump("answer")
        asm.do(write(0))
        asm.nop()
        asm.label("bytes")
        self.load("entry")
        asm.do(point(0))
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, STATUS_WRITE)
        asm.jump("byte written", When.NONZERO)
        asm.do(read_byte(0))
        asm.nop()
        asm.jump("answer")
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, 255)
        asm.label("byte written")
        self.port(Op.LOAD, In.DATA, read_byte(0))
        asm.out(Out.PLACE)
        asm.jump_now("answer")
        self._register()

    def _register(self) -> None:
        """An access to a register: its variable, or a command."""
        asm = self.asm
        asm.label("register")
        self.load("entry")
        asm.out(Out.SELECT)
        self.port(Op.LOAD, In.STATUS)
        self.number(Op.AND, STATUS_WRITE)
        asm.jump("register written", When.NONZERO)
        self.load("entry")
        self.number(Op.SUBTRACT, REGISTER["STATUS"].number)
        asm.jump("status", When.ZERO)
        self.number(Op.SUBTRACT, REGISTER_ROOM - REGISTER["STATUS"].number)
        asm.nop()
        asm.jump("known", When.NEGATIVE)
        self.number(Op.LOAD, 0)
        asm.nop()
        asm.jump_now("answer")
        asm.label("known")
        asm.emit(Op.LOAD, Source.VARIABLE, INDIRECT)
        asm.jump_now("answer")
        asm.label("status")  # busy: more steps are wanted
        self.load("CONTROL")
        self.number(Op.AND, 2)
        asm.jump("busy", When.NONZERO)
        self.load("running")
        asm.nop()
        asm.jump("told", When.ZERO)
        asm.nop(2)
        self.load("STEP")
        self.with_(Op.SUBTRACT, "target")
        asm.jump("told", When.ZERO)
        asm.nop(2)
        asm.label("busy")
        self.number(Op.LOAD, 1)
        asm.label("told")
        self.with_(Op.OR, "STATUS")
        asm.jump_now("answer")

        asm.label("register written")
        self.load("entry")
        at = 0
        for name in ("STATUS", "RUN", "STOP", "PACE", "STEP"):
            self.number(Op.SUBTRACT, REGISTER[name].number - at)
            at = REGISTER[name].number
            asm.jump_now(name, When.ZERO)
        self.number(Op.SUBTRACT, WRITABLE - at)
        asm.jump("answer", When.POSITIVE)
        self.port(Op.LOAD, In.DATA)
        asm.nop()
        asm.store(INDIRECT)
        asm.jump_now("answer")
        asm.label("RUN")
        self.port(Op.LOAD, In.DATA)
        self.with_(Op.ADD, "STEP")
        self.keep("target")
        self.number(Op.LOAD, 1)
        self.keep("running")
        asm.jump_now("answer")
        asm.label("STOP")
        self.load("CONTROL")
        self.number(Op.AND, 1)
        self.keep("CONTROL")
        asm.label("no run")
        self.number(Op.LOAD, 0)
        self.keep("running")
        asm.jump_now("answer")
        asm.label("PACE")  # the next step waits for nothing
        self.port(Op.LOAD, In.DATA)
        self.keep("PACE")
        self.number(Op.LOAD, 0)
        self.keep("following")
        asm.jump_now("answer")
        asm.label("STEP")
        self.port(Op.LOAD, In.DATA)
        self.keep("STEP")
        asm.out(Out.STEP)
        asm.jump_now("no run")
        asm.label("STATUS")
        self.port(Op.LOAD, In.DATA)
        self.number(Op.AND, 6)
        self.keep("STATUS")
        asm.jump_now("answer")
