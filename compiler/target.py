"""Targets as data: how large a chip is and how wide its numbers are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..errors import CompileError
from .microcode import MAX_FACTORS, MAX_GROUP_SHIFT

MAX_NEURONS_PER_CORE = 4096
MAX_CORES = 65535
MAX_CORE_BITS = 1 << 32
"""More synapse memory than any core of hardware has."""
MAX_EXPONENT = 15
MAX_SHIFT = 15
REFRACTORY_BITS = 16
NEURON_PARTS = (
    "exponential", "linear", "subtract", "late", "hold", "mask", "bias", "adaptation",
)  # fmt: skip
"""Parts of the neuron that a core can be built without."""
RULE_PARTS = (
    "tags", "delays", "windows", "post_delays", "seconds", "thirds", "by_weight", "shared", "signs",
    "sums", "scattered",
)  # fmt: skip
"""Parts of the learning engine that a core can be built without."""
SMALL_PARTS = ("static", "epochs", "several")
"""What a small core is without: synapses that do not learn, changes at the ends of epochs, and
other numbers of rules than one."""
TAG_BITS = 8
"""Width of a synapse's tag, where the rule has tags."""

FANS = ("fan_in", "fan_out", "axons_out")
"""Limits that only some chips have."""


@dataclass(frozen=True)
class Target:
    """Geometry of a chip; a Program carries the one it was compiled for.

    Attributes:
        name: how reports call it.
        mesh: rows and columns of cores.
        neurons: neuron slots per core, ``N`` (at most 4096).
        axons: axons per core, ``A``: rows of synapses that a spike can arrive on.
        rows: row groups per core; an axon owns one or more per projection, receptor and exponent.
        lanes: neurons updated per clock cycle, ``P`` (a power of two, 1 to 64).
        state_bits: width of u, v, threshold and bias in bits (12 to 24).
        weight_bits: width of a weight mantissa in bits, sign included (2 to 16).
        accumulator_bits: width of the per-receptor accumulators in bits (16 to 31).
        delay_slots: depth of the delay wheel in steps (a power of two, 1 to 64).
        receptors: synaptic currents per neuron, 1 or 2.
        profiles: distinct neuron parameter sets per core.
        synapse_bits: synapse memory per core, in bits. A dense weight takes ``weight_bits``, a
            sparse synapse ``sparse_synapse_bits``; one more for each synapse of a plastic
            projection, and 8 where its rule has tags.
        trace_bits: width of the (unsigned) learning traces in bits (2 to 8).
        products: products per learning rule; 0 means that the target cannot learn.
        exponents: largest exponent of a row group (0 to 15).
        shifts: largest shift of a profile's sums (0 to 15).
        refractory_bits: width of the refractory counter (0 to 16).
        factors: factors of a learning rule's product (1 to 3).
        fraction: largest shift of a rule's group of products (1 to 24), to which the core aligns
            all coefficients and sums.
        coefficient_bits, sum_bits: widths of aligned coefficients and sums, signed (2 to 41, and
            up to 56).
        lacks: parts that its cores are built without, of ``NEURON_PARTS``, ``RULE_PARTS`` and
            ``SMALL_PARTS``.
        fan_in: synapses onto one neuron at most; None: as many as the core's memory holds.
        fan_out: cores that a neuron's spike goes to at most; None: any number.
        axons_out: messages of a core's neurons, if all fire, at most; None: any number.
    """

    name: str = "core"
    mesh: tuple[int, int] = (1, 1)
    neurons: int = 1024
    axons: int = 2048
    rows: int = 8192
    lanes: int = 8
    state_bits: int = 24
    weight_bits: int = 8
    accumulator_bits: int = 24
    delay_slots: int = 64
    receptors: int = 2
    profiles: int = 1024
    synapse_bits: int = 4 << 20
    trace_bits: int = 7
    products: int = 8
    exponents: int = MAX_EXPONENT
    shifts: int = MAX_SHIFT
    refractory_bits: int = REFRACTORY_BITS
    factors: int = MAX_FACTORS
    fraction: int = MAX_GROUP_SHIFT
    coefficient_bits: int = 17 + MAX_GROUP_SHIFT
    sum_bits: int = 32 + MAX_GROUP_SHIFT
    lacks: tuple[str, ...] = ()
    fan_in: int | None = None
    fan_out: int | None = None
    axons_out: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mesh", tuple(self.mesh))
        if isinstance(self.lacks, (list, tuple)):  # a list in a file
            object.__setattr__(self, "lacks", tuple(self.lacks))
        if type(self.name) is not str or not 0 < len(self.name) <= 100:
            raise CompileError("a target's name must be a short text", found=repr(self.name)[:100])
        for name, low, high in (
            ("neurons", 1, MAX_NEURONS_PER_CORE),
            ("axons", 1, 1 << 30),
            ("rows", 1, 1 << 30),
            ("lanes", 1, 64),
            ("state_bits", 12, 24),
            ("weight_bits", 2, 16),
            ("accumulator_bits", 16, 31),
            ("delay_slots", 1, 64),
            ("receptors", 1, 2),
            ("profiles", 1, MAX_NEURONS_PER_CORE),
            ("synapse_bits", 0, 1 << 48),
            ("trace_bits", 2, 8),
            ("products", 0, 64),
            ("exponents", 0, MAX_EXPONENT),
            ("shifts", 0, MAX_SHIFT),
            ("refractory_bits", 0, REFRACTORY_BITS),
            ("factors", 1, MAX_FACTORS),
            ("fraction", 1, MAX_GROUP_SHIFT),
            ("coefficient_bits", 2, 17 + MAX_GROUP_SHIFT),
            ("sum_bits", 2, 32 + MAX_GROUP_SHIFT),
            ("fan_in", 1, 1 << 30),
            ("fan_out", 1, MAX_CORES),
            ("axons_out", 1, 1 << 30),
        ):
            value = getattr(self, name)
            if value is None and name in FANS:
                continue
            if type(value) is not int or not low <= value <= high:
                raise CompileError(
                    f"target {self.name!r}: {name} is out of range",
                    found=repr(value),
                    expected=f"an integer from {low} to {high}",
                )
        for name in ("lanes", "delay_slots"):
            value = getattr(self, name)
            if value & (value - 1):
                raise CompileError(
                    f"target {self.name!r}: {name} must be a power of two", found=value
                )
        parts = (*NEURON_PARTS, *RULE_PARTS, *SMALL_PARTS)
        if type(self.lacks) is not tuple or any(part not in parts for part in self.lacks):
            raise CompileError(
                f"target {self.name!r}: lacks names something that is no part of a core",
                found=repr(self.lacks)[:100],
                expected="some of " + ", ".join(parts),
            )
        if (
            len(self.mesh) != 2
            or any(type(side) is not int or side < 1 for side in self.mesh)
            or self.cores > MAX_CORES
        ):
            raise CompileError(
                f"target {self.name!r}: mesh is out of range",
                found=self.mesh,
                expected=f"(rows, columns), each at least 1, at most {MAX_CORES} cores in all",
            )

    @property
    def cores(self) -> int:
        """Number of cores of the mesh."""
        return self.mesh[0] * self.mesh[1]

    @property
    def micro(self) -> bool:
        """Whether its core is the small one."""
        return set(SMALL_PARTS) <= set(self.lacks)

    @property
    def bounded(self) -> bool:
        """Whether its cores can be hardware: the emulator's memories are larger than any."""
        return self.synapse_bits < MAX_CORE_BITS

    @property
    def sparse_synapse_bits(self) -> int:
        """Bits that one sparse synapse takes: weight, target slot and wheel delay."""
        return (
            self.weight_bits + (self.neurons - 1).bit_length() + (self.delay_slots - 1).bit_length()
        )

    def synapse_width(self, *, dense: bool, plastic: bool, tagged: bool) -> int:
        """Bits that one synapse takes; a plastic one has an enable bit, and perhaps a tag."""
        width = self.weight_bits if dense else self.sparse_synapse_bits
        return width + plastic + TAG_BITS * tagged

    @property
    def most_shift(self) -> int:
        """How far a mantissa can be shifted, by its row's exponent and the profile's shift."""
        return self.exponents + self.shifts

    @property
    def weight_max(self) -> int:
        """Largest weight mantissa; the smallest is ``-weight_max - 1``."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def trace_max(self) -> int:
        """Largest value of a learning trace; the smallest is 0."""
        return (1 << self.trace_bits) - 1

    @property
    def state_max(self) -> int:
        """Largest value of u, v, threshold or bias; the smallest is ``-state_max - 1``."""
        return (1 << (self.state_bits - 1)) - 1

    @property
    def accumulator_max(self) -> int:
        """Largest accumulator value; the smallest is ``-accumulator_max - 1``."""
        return (1 << (self.accumulator_bits - 1)) - 1

    def with_(self, **changes: Any) -> Target:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a manifest; the inverse of ``Target(**data)``.

        Limits that only some cores have are told only where they differ from the machine's own.
        """
        told = {**asdict(self), "mesh": list(self.mesh), "lacks": list(self.lacks)}
        for field in fields(self):
            if field.name in _OF_SOME and getattr(self, field.name) == field.default:
                del told[field.name]
        return told


_OF_SOME = frozenset(
    {"exponents", "shifts", "refractory_bits", "factors", "fraction", "coefficient_bits",
     "sum_bits", "lacks", *FANS}
)  # fmt: skip

TARGETS: dict[str, Target] = {
    "core": Target(),
    # The software emulator has no memory of its own to run out of: as many cores as
    # the network needs is what a user who only simulates wants.
    "emulator": Target(
        name="emulator",
        mesh=(16, 16),
        neurons=MAX_NEURONS_PER_CORE,
        axons=1 << 24,
        rows=1 << 28,
        profiles=MAX_NEURONS_PER_CORE,
        synapse_bits=1 << 40,
    ),
}


def resolve_target(target: str | Target) -> Target:
    """The target of that name, or the target itself.

    Raises:
        CompileError: no target of that name exists.
    """
    if isinstance(target, Target):
        return target
    if not isinstance(target, str) or target not in TARGETS:
        raise CompileError(
            "unknown target",
            found=repr(target),
            expected="one of " + ", ".join(sorted(TARGETS)) + "; a chip's name or file; a board "
            "that `spikeloom boards` lists; or a spikeloom.Target",
        )
    return TARGETS[target]
