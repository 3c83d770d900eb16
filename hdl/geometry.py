"""The parameters of one generated core, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UnsupportedError
from .micro.limits import check_limits

MAX_DECAY_BITS = 13
"""Bits of a decay constant, 0 … 4096 (docs/machine.md §3)."""

QUEUE = 7
"""Rows that may wait in each of several lanes, besides the one that it walks: one less than a power
of two. More would bring next to nothing, and memories made of LUTs are rarely less deep."""


def waiting_rows(lanes: int) -> int:
    """Rows that may wait in each lane; a lane alone waits for no other, and is a small core's."""
    return QUEUE if lanes > 1 else 1


MAX_SIDE = 8
"""Rows and columns of the largest mesh: a flit has a bit for each core."""


def index_bits(count: int) -> int:
    """Bits of a number 0 … count − 1; at least one, because hardware has no empty wires."""
    return max(1, (count - 1).bit_length())


def count_bits(largest: int) -> int:
    """Bits of a number 0 … largest; at least one."""
    return max(1, largest.bit_length())


def default_update_lanes(lanes: int) -> int:
    """Neurons updated per cycle where nothing else is asked for: half the lanes.

    Datapaths of neurons are the largest part of a lane, and the update is the smaller part of a
    step's time wherever rows are long.
    """
    return max(1, lanes // 2)


FLAGS = ("exponential", "linear", "subtract", "late", "hold", "mask", "bias")
"""Parts of the neuron that can be left out."""

LEARNING_FLAGS = (
    "tags", "delays", "windows", "post_delays", "seconds", "thirds", "by_weight", "shared", "signs",
    "sums", "scattered",
)  # fmt: skip
"""Parts of the learning engine that can be left out."""

SMALL_FLAGS = ("static", "epochs", "several")
"""What only the small core is without; properties, since there is no choice."""

LEARNING_SIZES = (
    "rules", "plastic", "slots", "code", "factors", "fraction", "coefficient_bits", "sum_bits",
)  # fmt: skip

MAX_FRACTION = 24
"""The largest shift of a group of products (docs/machine.md §7)."""
MAX_COEFFICIENT_BITS = 17 + MAX_FRACTION
MAX_SUM_BITS = 32 + MAX_FRACTION


@dataclass(frozen=True)
class Geometry:
    """How large a core is built and what it can do.

    Attributes:
        neurons: neuron slots, ``N``.
        lanes: synapses added per clock cycle, ``P`` (a power of two).
        axons: rows of synapses that a spike can arrive on, ``A``.
        rows: row groups.
        words: words of synapse memory; one holds a synapse per lane (or several dense weights).
        destinations: entries of the destination lists of neurons and channels.
        channels: host channels.
        generators: channels that the core drives itself; 0 leaves the generators out.
        profiles: parameter sets that neurons share.
        state_bits, weight_bits, accumulator_bits: widths of numbers, as in a Target.
        delay_slots: depth of the delay wheel (a power of two).
        receptors: accumulators per neuron, 1 or 2.
        refractory_bits: width of the refractory counter (16 holds every legal period; 0: none).
        adaptation: build the adaptive threshold.
        graded: build the input of graded events.
        update_lanes: neurons updated per clock cycle, ``U`` (a power of two up to ``P``); 0 stands
            for the usual number, ``default_update_lanes(P)``.
        exponents: the largest exponent of a row group.
        shifts: the largest shift of a profile's sums.
        exponential, linear: build that leak; at least one of them.
        subtract: build the reset by subtraction, beside the one to a value.
        late: build the delayed reset.
        hold, mask: build that refractory mode; at least one of them.
        bias: build the bias.
        mesh_rows, mesh_columns: of a mesh of such cores with a router each; 1 by 1 is a core alone.
        rules: learning rules, 0 … 64; 0 leaves the learning engine out.
        plastic: words of the memory of plastic synapses; one holds a synapse per lane.
        slots: groups of ``lanes`` plastic rows, and of ``lanes`` postsynaptic neurons of rules.
        code: products of all rules together.
        factors: most factors of a product, 1 … 3.
        tags: build the tags of plastic synapses.
        delays: build delays of their own for plastic synapses.
        windows: build traces by age.
        post_delays: build the memory of earlier spikes of postsynaptic neurons.
        seconds: build the traces x2 and y2.
        thirds: build the third factor.
        by_weight: build weights, and their distances from their limits, as factors.
        shared: build factors that all synapses of a walk share: the modulator, what the walk's own
            neuron has, and the factor 1 of products that have fewer than others.
        signs: build signs of values as factors.
        sums: build sums of several products.
        scattered: build look-ups of neurons' numbers within source or population, and a
            multiplication by them in each lane; else they follow from slots.
        fraction: bits behind the binary point that coefficients and sums are aligned to, the
            largest shift of any group, 1 … 24.
        coefficient_bits, sum_bits: widths of aligned coefficients and sums, signed.
        micro: the small core (``hdl.micro``), which does one thing after the other.
    """

    neurons: int = 256
    lanes: int = 8
    axons: int = 512
    rows: int = 512
    words: int = 8192
    destinations: int = 512
    channels: int = 256
    generators: int = 0
    profiles: int = 16
    state_bits: int = 24
    weight_bits: int = 8
    accumulator_bits: int = 24
    delay_slots: int = 16
    receptors: int = 1
    refractory_bits: int = 16
    adaptation: bool = True
    graded: bool = True
    update_lanes: int = 0
    exponents: int = 15
    shifts: int = 15
    exponential: bool = True
    linear: bool = True
    subtract: bool = True
    late: bool = True
    hold: bool = True
    mask: bool = True
    bias: bool = True
    mesh_rows: int = 1
    mesh_columns: int = 1
    rules: int = 0
    plastic: int = 0
    slots: int = 0
    code: int = 0
    factors: int = 1
    tags: bool = False
    delays: bool = False
    windows: bool = False
    post_delays: bool = False
    seconds: bool = False
    thirds: bool = False
    by_weight: bool = False
    shared: bool = False
    signs: bool = False
    sums: bool = False
    scattered: bool = False
    fraction: int = 1
    coefficient_bits: int = 2
    sum_bits: int = 2
    micro: bool = False

    def __post_init__(self) -> None:
        if self.update_lanes == 0:
            object.__setattr__(self, "update_lanes", default_update_lanes(self.lanes))
        for name, low, high in (
            ("neurons", 1, 4096),
            ("lanes", 1, 64),
            ("axons", 1, 1 << 20),
            ("rows", 1, 1 << 20),
            ("words", 1, 1 << 22),
            ("destinations", 1, 1 << 20),
            ("channels", 1, 1 << 16),
            ("generators", 0, 1 << 16),
            ("profiles", 1, 4096),
            ("state_bits", 12, 24),
            ("weight_bits", 2, 16),
            ("accumulator_bits", 16, 31),
            ("delay_slots", 1, 64),
            ("receptors", 1, 2),
            ("refractory_bits", 0, 16),
            ("adaptation", 0, 1),
            ("graded", 0, 1),
            ("update_lanes", 1, self.lanes),
            ("exponents", 0, 15),
            ("shifts", 0, 15),
            *((name, 0, 1) for name in FLAGS),
            ("mesh_rows", 1, MAX_SIDE),
            ("mesh_columns", 1, MAX_SIDE),
            ("rules", 0, 64),
            ("plastic", 1 if self.rules else 0, 1 << 20 if self.rules else 0),
            ("slots", 1 if self.rules else 0, 1 << 12 if self.rules else 0),
            ("code", 1 if self.rules else 0, 1 << 10 if self.rules else 0),
            ("factors", 1, 3 if self.rules else 1),
            *((name, 0, 1 if self.rules else 0) for name in LEARNING_FLAGS),
            ("fraction", 1, MAX_FRACTION if self.rules else 1),
            ("coefficient_bits", 2, MAX_COEFFICIENT_BITS if self.rules else 2),
            ("sum_bits", self.fraction + 1, MAX_SUM_BITS if self.rules else 2),
        ):
            value = getattr(self, name)
            power = name in ("lanes", "update_lanes", "delay_slots")
            if not low <= value <= high or (power and value & (value - 1)):
                raise UnsupportedError(
                    f"a core cannot be built: {name} is out of range",
                    found=repr(value),
                    expected=f"{'a power of two' if power else 'an integer'} from {low} to {high}",
                )
        for one, other in (("exponential", "linear"), ("hold", "mask")):
            if not (getattr(self, one) or getattr(self, other)):
                raise UnsupportedError(
                    f"a core cannot be built: it has neither {one} nor {other}",
                    expected="at least one of them",
                )
        if self.rules and self.cores > 1:
            raise UnsupportedError(
                "cores of a mesh cannot learn in this version",
                found=f"{self.rules} rules on a mesh of {self.cores} cores",
                expected="one core, or no rules",
            )
        if self.micro:
            check_limits(self)

    @property
    def static(self) -> bool:
        """Whether it holds synapses that do not learn."""
        return not self.micro

    @property
    def epochs(self) -> bool:
        """Whether its rules may change synapses at the ends of epochs."""
        return not self.micro

    @property
    def several(self) -> bool:
        """Whether it computes other numbers of rules than one."""
        return not self.micro

    @property
    def cores(self) -> int:
        """Cores of the mesh; core ``i`` is in row ``i div mesh_columns``."""
        return self.mesh_rows * self.mesh_columns

    @property
    def core_bits(self) -> int:
        """Bits of a core's number; a core alone has none."""
        return (self.cores - 1).bit_length()

    @property
    def groups(self) -> int:
        """Groups of ``lanes`` neurons; neuron ``i`` is in lane ``i mod P`` of group ``i div P``."""
        return -(-self.neurons // self.lanes)

    @property
    def update_groups(self) -> int:
        """Groups of ``update_lanes`` neurons: neuron ``i`` is updated in group ``i div U``."""
        return self.groups * (self.lanes // self.update_lanes)

    @property
    def plastic_rows(self) -> int:
        """Plastic rows that there is room for."""
        return self.slots * self.lanes

    @property
    def faded(self) -> int:
        """Traces that decay per clock cycle: an eighth of the lanes, at least one."""
        return max(1, self.lanes // 8)

    @property
    def blocks(self) -> int:
        """Squares of ``lanes`` by ``lanes`` plastic synapses that there is room for."""
        return -(-self.plastic // self.lanes)

    @property
    def generator_groups(self) -> int:
        """Groups of ``update_lanes`` generators."""
        return -(-self.generators // self.update_lanes)

    @property
    def first_generator(self) -> int:
        """Origin number of generator 0; neurons are numbered by their slots, before it."""
        return self.groups * self.lanes

    @property
    def first_channel(self) -> int:
        """Origin number of host channel 0."""
        return self.first_generator + self.generator_groups * self.update_lanes

    @property
    def origins(self) -> int:
        """Everything that can send a spike: neurons, generators, host channels."""
        return self.first_channel + self.channels

    def told(self) -> dict[str, Any]:
        """Plain data as a device tells it: of a core that does not learn, nothing of learning."""
        found = self.to_dict()
        if not self.rules:
            for name in (*LEARNING_SIZES, *LEARNING_FLAGS):
                del found[name]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the inverse of ``Geometry(**data)``."""
        return asdict(self)
