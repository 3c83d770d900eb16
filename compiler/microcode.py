"""A learning rule as every device runs it: integers only, no text to interpret.

``docs/machine.md`` §7 says what it means. A :class:`LearningRule` belongs to one projection; all
row groups of that projection name it (``ROW["rule"]`` is its index + 1). The compiler makes it from
the user's rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAG_MAX = 127
"""Largest tag, third factor and modulator; the smallest is ``-TAG_MAX - 1``."""
MAX_COEFFICIENT = (1 << 16) - 1
MAX_GROUP_SHIFT = 24
MAX_FACTORS = 3
MAX_PERIOD_LOG2 = 16
MAX_POST_DELAY = 63
WINDOW = 32
"""Steps that a window trace remembers."""


class When(IntEnum):
    """Which event makes a synapse evaluate a group; also the order of the groups in a step."""

    PRE = 0  # a spike arrives on the axon
    POST = 1  # the postsynaptic neuron fired (post_delay steps ago), or has a teacher event
    EPOCH = 2  # every 2^period_log2 steps


class Changes(IntEnum):
    """What a group changes."""

    WEIGHT = 0
    TAG = 1
    DELAY = 2


class Rounding(IntEnum):
    """What happens to the bits below the group's shift."""

    STOCHASTIC = 0
    NEAREST = 1
    FLOOR = 2


class Condition(IntFlag):
    """Events of this step that a product needs; all of them must be there."""

    NONE = 0
    X0 = 1  # a spike arrives on the axon
    Y0 = 2  # the postsynaptic neuron fired, post_delay steps ago
    T0 = 4  # the postsynaptic neuron has a teacher event


class Factor(IntEnum):
    """Values that a product multiplies; SIGN + value is the value's sign, -1, 0 or 1."""

    X1 = 0
    X2 = 1
    Y1 = 2
    Y2 = 3
    R = 4  # third factor of the postsynaptic neuron
    M = 5  # modulator, one for the whole chip
    W = 6
    ABOVE = 7  # weight_max - w
    BELOW = 8  # w - weight_min
    TAG = 9
    DELAY = 10  # wheel delay of a sparse synapse
    SIGN = 16


class TraceKind(IntEnum):
    """How a trace remembers events."""

    NONE = 0  # always 0
    EXPONENTIAL = 1
    WINDOW = 2


@dataclass(frozen=True)
class Trace:
    """One of x1, x2 (presynaptic) and y1, y2 (postsynaptic).

    Attributes:
        kind: how it remembers.
        replace: an event sets it (nearest neighbour); otherwise events add up (all to all). For a
            window: only the youngest event counts.
        impulse: EXPONENTIAL: what an event adds or sets, 1 … trace_max.
        decay: EXPONENTIAL: 0 … 4096, the value is multiplied by ``1 - decay / 4096`` per step.
        table: WINDOW: value for an event 1, 2, 3 … steps ago, each 0 … trace_max; at most WINDOW.
    """

    kind: TraceKind = TraceKind.NONE
    replace: bool = False
    impulse: int = 0
    decay: int = 0
    table: tuple[int, ...] = ()

    def values(self, stored: NDArray[np.int64], trace_max: int) -> NDArray[np.int64]:
        """(n,) what products see of the stored numbers of ``n`` neurons, 0 … ``trace_max``.

        Stored are the values of an exponential trace, and the histories of a window.
        """
        if self.kind == TraceKind.NONE:
            return np.zeros_like(stored)
        if self.kind == TraceKind.EXPONENTIAL:
            return stored
        value = np.zeros_like(stored)
        nothing_younger = np.ones(len(stored), bool)
        for age, worth in enumerate(self.table):
            event = (stored >> age & 1) != 0
            value += np.where(event & nothing_younger, worth, 0)
            if self.replace:
                nothing_younger &= ~event
        return np.minimum(value, trace_max)


@dataclass(frozen=True)
class Product:
    """``coefficient · Π factors`` where all conditions hold, else 0.

    Attributes:
        coefficient: -MAX_COEFFICIENT … MAX_COEFFICIENT, not 0.
        condition: events it needs. A product of a PRE group needs exactly X0; of a POST group Y0,
            T0 or both, and perhaps X0; of an EPOCH group none.
        factors: up to MAX_FACTORS of Factor, perhaps with SIGN added.
    """

    coefficient: int
    condition: Condition
    factors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Group:
    """A sum of products that is computed exactly, rounded once and limited once.

    Attributes:
        when: what makes a synapse evaluate it.
        changes: what it changes. At most one group per pair of ``when`` and ``changes``.
        shift: ``round(sum / 2^shift)`` is added, 0 … MAX_GROUP_SHIFT.
        products: at least one.
    """

    when: When
    changes: Changes
    shift: int
    products: tuple[Product, ...]


@dataclass(frozen=True)
class LearningRule:
    """Microcode of one plastic projection.

    Attributes:
        projection: index into ``Program.projections``.
        groups: in the order of ``(when, changes)``.
        x1, x2, y1, y2: traces.
        rounding: of all groups.
        seed: uint32, of the rule's random numbers.
        weight_min, weight_max: limits of the mantissas of enabled synapses.
        delay_min, delay_max: limits of their wheel delays; used where a group changes delays.
        post_delay: steps from a neuron's spike to y0 and to its traces, 0 … MAX_POST_DELAY.
        period_log2: EPOCH groups run in steps ``t`` where ``t + 1`` is a multiple of
            ``2^period_log2``.
    """

    projection: int
    groups: tuple[Group, ...]
    x1: Trace = Trace()
    x2: Trace = Trace()
    y1: Trace = Trace()
    y2: Trace = Trace()
    rounding: Rounding = Rounding.STOCHASTIC
    seed: int = 0
    weight_min: int = 0
    weight_max: int = 0
    delay_min: int = 0
    delay_max: int = 0
    post_delay: int = 0
    period_log2: int = 0

    @property
    def changes_delays(self) -> bool:
        """Whether it learns delays; the projection's rows are then sparse."""
        return any(group.changes == Changes.DELAY for group in self.groups)

    @property
    def needs_delays(self) -> bool:
        """Whether it learns or reads delays, which only synapses of sparse rows have."""
        return self.changes_delays or self._reads(Factor.DELAY)

    @property
    def needs_tags(self) -> bool:
        """Whether its synapses have a tag to keep."""
        return any(group.changes == Changes.TAG for group in self.groups) or self._reads(Factor.TAG)

    def _reads(self, factor: Factor) -> bool:
        return any(
            f & ~Factor.SIGN == factor
            for group in self.groups
            for product in group.products
            for f in product.factors
        )
