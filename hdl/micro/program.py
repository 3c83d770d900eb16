"""The small core's program: the machine of docs/machine.md, one thing after the other."""

from __future__ import annotations

from ..geometry import Geometry
from ..registers import IDENT_VALUE, REGISTER, geometry_values
from .deliver_part import DeliverPart
from .host_part import REGION, HostPart
from .isa import In, Op, Out
from .learn_part import LearnPart
from .update_part import UpdatePart

REGIONS = 32


class Program(HostPart, DeliverPart, UpdatePart, LearnPart):
    """All of it; ``asm`` has the instructions.

    Args:
        g: the core.
        build: register BUILD.
    """

    def __init__(self, g: Geometry, build: int) -> None:
        super().__init__(g, REGION + REGIONS)
        asm, places = self.asm, self.places
        for name, value in {"IDENT": IDENT_VALUE, "BUILD": build, **geometry_values(g)}.items():
            asm.initial[REGISTER[name].number] = value & 0xFFFFFFFF
        for name, table in places.tables.items():
            asm.initial[REGION + table.region] = places.stride(name) << 16 | places.start(name)
        self.reset()
        self.idle()
        self.host()
        self.step()
        self.senders()
        self.row()
        self.neurons()
        self.learn()
        asm.label("end")
        self.port(Op.LOAD, In.CYCLES)
        self.with_(Op.SUBTRACT, "begun")
        asm.out(Out.END)
        self.count("CYCLES")
        asm.jump_now("idle")
        self.numbers()
