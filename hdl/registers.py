"""The control registers of a core, as data; they are region 0 of its address map."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .geometry import Geometry
from .layout import INDEX_SHIFT, REGION_SHIFT, REGISTERS

IDENT_VALUE = 0x53504C31
"""What IDENT reads: "SPL1"."""


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    Attributes:
        name: how hardware, runtime and documentation call it.
        number: its place.
        access: "r" read only, "rw" as written, "w" a command.
        meaning: one sentence for the documentation.
    """

    name: str
    number: int
    access: str
    meaning: str

    @property
    def address(self) -> int:
        """Host address."""
        return REGISTERS << REGION_SHIFT | self.number << INDEX_SHIFT


CONTROL_HOST_INPUT, CONTROL_FREE_RUN = 1, 2
STATUS_BUSY, STATUS_LATE, STATUS_REFUSED = 1, 2, 4

_COUNTERS = (
    ("SPIKES", "spikes fired by neurons"),
    ("EVENTS", "synapses walked"),
    ("CLIPPED_U", "clipped values of u"),
    ("CLIPPED_V", "clipped values of v"),
    ("CLIPPED_THRESHOLD", "clipped values of the adaptive threshold"),
    ("CYCLES", "clock cycles spent in steps"),
)
COUNTERS = tuple(name for name, _ in _COUNTERS)

_LIST = [
    Register("IDENT", 0, "r", "a constant that says what this is"),
    Register("BUILD", 1, "r", "hash of the design and its parameters"),
    Register("CONTROL", 2, "rw", "bit 0: each step waits for its input from the host, ended by an"
             " END; bit 1: run without end"),
    Register("STATUS", 3, "rw", "bit 0: steps are being computed; bit 1: a paced step began late"
             "; bit 2: input of an unknown kind came; both stay until 0 is written"),
    Register("RUN", 4, "w", "start to compute so many steps"),
    Register("STOP", 5, "w", "stop after the current step"),
    Register("PACE", 6, "w", "clock cycles from one step to the next, 0: as fast as possible"),
    Register("STEP", 7, "rw", "number of the next step, modulo 2^32; writing it ends a run"),
    Register("GROUPS", 8, "rw", "groups of neurons in use"),
    Register("GENERATOR_GROUPS", 9, "rw", "groups of generators in use"),
    Register("FIRED", 10, "rw", "entries of `fired` in use"),
    Register("LEARNING", 11, "rw", "bit 0: rules change synapses"),
    Register("RULES_USED", 12, "rw", "rules in use; their traces take up events"),
    Register("MODULATOR", 13, "rw", "the modulator, 8 bits, signed"),
    *(Register(f"{name}_{half}", 16 + 2 * i + j, "r", f"{meaning}, {part} bits")
      for i, (name, meaning) in enumerate(_COUNTERS)
      for j, (half, part) in enumerate((("LOW", "lower 32"), ("HIGH", "upper")))),
    *(Register(field.name.upper(), 32 + i, "r", f"`{field.name}` of the core's geometry")
      for i, field in enumerate(fields(Geometry))),
]  # fmt: skip

REGISTER = {register.name: register for register in _LIST}
"""All registers by name."""
assert len(REGISTER) == len(_LIST), "two registers have one name"


def geometry_values(g: Geometry) -> dict[str, int]:
    """What the geometry's registers read; a core that cannot learn has none of learning."""
    names = [field.name for field in fields(Geometry)]
    built = names if g.rules else names[: names.index("rules")]
    return {name.upper(): int(getattr(g, name)) for name in built}


def register_count(g: Geometry) -> int:
    """Registers of a core: one more than the number of its last one."""
    return 1 + max(REGISTER[name].number for name in geometry_values(g))
