"""The Program: one compiled artifact for every target.

A Program holds the memory contents of each core (``CoreImage``), the routes by which spikes reach
axons, the source generators, and the symbol table that maps every hardware address back to the
user's names. It needs nothing of the compiler but the target's geometry.

``docs/machine.md`` says what a Program means; ``program_file.py`` how it is written to disk.
Integer arrays throughout; a *global neuron number* is the position of a neuron when the cores'
slots are laid end to end, a *channel* the number of one source neuron.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .microcode import LearningRule
    from .program_weights import WeightsOfCore

SPARSE, DENSE = 0, 1
"""Kinds of row group."""
EXPONENTIAL, LINEAR = 0, 1
"""Kinds of leak."""
RESET_VALUE, RESET_SUBTRACT = 0, 1
"""Kinds of reset."""
HOLD, MASK = 0, 1
"""Kinds of refractory period."""
POISSON, PERIODIC = 1, 2
"""Kinds of source generator."""

PROFILE = np.dtype(
    [
        ("spiking", "u1"),  # 0: the neuron never fires, v is only read
        ("shift", "u1"),  # s: an accumulator joins u as acc << s
        ("decay_u", "<u2", (2,)),  # ku[r], 0 .. 4096, per receptor
        ("leak", "u1"),  # EXPONENTIAL or LINEAR
        ("decay_v", "<u2"),  # kv, 0 .. 4096 (exponential leak)
        ("leak_step", "<i4"),  # L, 0 .. state_max (linear leak)
        ("reset", "u1"),  # RESET_VALUE or RESET_SUBTRACT
        ("reset_delay", "u1"),  # 1: the reset takes effect in the step after the spike
        ("v_reset", "<i4"),
        ("refractory", "<u2"),  # R, steps
        ("refractory_mode", "u1"),  # HOLD or MASK
        ("adapt_step", "<i4"),  # Δθ, 0 .. state_max
        ("adapt_decay", "<u2"),  # kθ, 0 .. 4096
    ]
)
"""One parameter set, shared by all neurons that name it."""

MAX_SIDES = 8
"""Sides that the shape of a layer may have."""

ROW = np.dtype(
    [
        ("kind", "u1"),  # SPARSE or DENSE
        ("receptor", "u1"),
        ("exponent", "u1"),  # e: a mantissa w contributes w << e
        ("delay", "u1"),  # wheel delay of a DENSE row; 0 for SPARSE (each synapse has its own)
        ("base", "<u2"),  # first target slot of a DENSE row; 0 for SPARSE
        ("count", "<i4"),  # synapses in the row group
        ("offset", "<i8"),  # where they start in the core's sparse or dense arrays
        ("projection", "<i4"),  # symbol: index into Program.projections
        ("pre", "<i4"),  # symbol: index of the presynaptic neuron in its population or source
        ("rule", "<u2"),  # of a plastic row: 1 + its index in Program.rules; 0: the row is static
    ]
)
"""One row group: the synapses of one axon that share projection, receptor and exponent."""

DESTINATION = np.dtype([("core", "<u2"), ("axon", "<i4")])
"""Where a spike goes."""

GENERATOR = np.dtype(
    [
        ("channel", "<i4"),
        ("kind", "u1"),  # POISSON or PERIODIC
        ("seed", "<u4"),  # POISSON: seed of the counter hash
        ("key", "<u4"),  # POISSON: address in the counter hash
        ("value", "<u4"),  # POISSON: fires when hash < value; PERIODIC: period in steps
        ("phase", "<u4"),  # PERIODIC: first step in which it fires
    ]
)
"""One source neuron that the device drives itself."""

SYNAPSE = np.dtype(
    [
        ("slot", "<u2"),
        ("axon", "<i4"),
        ("projection", "<i4"),
        ("receptor", "u1"),
        ("exponent", "u1"),
        ("delay", "u1"),
        ("weight", "<i2"),
        ("rule", "<u2"),
    ]
)
"""One synapse of a core."""


def _no_bits() -> NDArray[np.uint8]:
    return np.zeros(0, np.uint8)


@dataclass(frozen=True, eq=False)
class CoreImage:
    """Memory contents of one core; ``n`` used neuron slots, ``a`` used axons.

    Attributes:
        profile: (n,) uint16, row of ``profiles`` that holds the neuron's parameters.
        threshold: (n,) int32, θ.
        bias: (n,) int32.
        v_init: (n,) int32, v before step 0.
        key: (n,) uint32, the neuron's placement-independent address in the counter hash.
        profiles: (m,) of PROFILE.
        axon_start: (a + 1,) int32, axon ``i`` owns
            ``rows[axon_start[i]:axon_start[i+1]]``.
        rows: (g,) of ROW.
        sparse_target: (ks,) uint16, target slots.
        sparse_weight: (ks,) int8 or int16, mantissas.
        sparse_delay: (ks,) uint8, wheel delays.
        dense_weight: (kd,) int8 or int16, mantissas.
        spike_start: (n + 1,) int32, neuron ``i`` sends to
            ``spike_to[spike_start[i]:spike_start[i+1]]``.
        spike_to: (d,) of DESTINATION.
        sparse_enable: (ks,) uint8, 1 where a synapse may change; (0,) where no row is plastic.
        dense_enable: (kd,) uint8, likewise.
    """

    profile: NDArray[np.uint16]
    threshold: NDArray[np.int32]
    bias: NDArray[np.int32]
    v_init: NDArray[np.int32]
    key: NDArray[np.uint32]
    profiles: NDArray[np.void]
    axon_start: NDArray[np.int32]
    rows: NDArray[np.void]
    sparse_target: NDArray[np.uint16]
    sparse_weight: NDArray[np.int8 | np.int16]
    sparse_delay: NDArray[np.uint8]
    dense_weight: NDArray[np.int8 | np.int16]
    spike_start: NDArray[np.int32]
    spike_to: NDArray[np.void]
    sparse_enable: NDArray[np.uint8] = field(default_factory=_no_bits)
    dense_enable: NDArray[np.uint8] = field(default_factory=_no_bits)

    @property
    def neurons(self) -> int:
        """Used neuron slots."""
        return len(self.profile)

    @property
    def axons(self) -> int:
        """Used axons."""
        return len(self.axon_start) - 1

    def synapses_onto(self, wanted: NDArray[np.bool_]) -> NDArray[np.void]:
        """(k,) of SYNAPSE: those whose target slot is one of the wanted, (n,)."""
        axon = np.repeat(np.arange(self.axons), np.diff(self.axon_start))
        parts = []
        for kind in (SPARSE, DENSE):
            row = np.flatnonzero(self.rows["kind"] == kind)
            row = row[np.argsort(self.rows["offset"][row], kind="stable")]
            count = self.rows["count"][row].astype(np.int64)
            slot = self.sparse_target
            if kind == DENSE:
                first = self.rows["base"][row] - (np.cumsum(count) - count)
                slot = np.repeat(first, count) + np.arange(count.sum())
            own = np.flatnonzero(wanted[slot])
            row = np.repeat(row, count)[own]
            found = np.zeros(len(own), SYNAPSE)
            found["slot"], found["axon"] = slot[own], axon[row]
            for name in ("projection", "receptor", "exponent", "rule"):
                found[name] = self.rows[name][row]
            sparse = kind == SPARSE
            found["delay"] = self.sparse_delay[own] if sparse else self.rows["delay"][row]
            found["weight"] = (self.sparse_weight if sparse else self.dense_weight)[own]
            parts.append(found)
        return np.concatenate(parts)

    def synapse_rules(self, kind: int) -> NDArray[np.int64]:
        """(k,) of each SPARSE or DENSE synapse that may change 1 + its rule's index; else 0."""
        enable = self.sparse_enable if kind == SPARSE else self.dense_enable
        if not len(enable):
            return np.zeros(len(self.sparse_weight if kind == SPARSE else self.dense_weight), int)
        rows = self.rows[self.rows["kind"] == kind]
        rows = rows[np.argsort(rows["offset"], kind="stable")]
        return np.repeat(rows["rule"], rows["count"]).astype(np.int64) * enable


@dataclass(frozen=True)
class SourceSymbol:
    """A source by its user's name. ``kind`` says who decides when its neurons fire."""

    name: str
    size: int
    kind: Literal["host", "poisson", "periodic"]
    first_channel: int


@dataclass(frozen=True, eq=False)
class PopulationSymbol:
    """A population by its user's name.

    Attributes:
        name: the user's name.
        core: (size,) uint16, which core holds each neuron.
        slot: (size,) uint16, which slot there.
        scale: (size,) float64, least significant bits of u, v and θ per unit of the network.
    """

    name: str
    core: NDArray[np.uint16]
    slot: NDArray[np.uint16]
    scale: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.core)


@dataclass(frozen=True)
class ProjectionSymbol:
    """A projection by its user's name; ``pre`` is a source or a population, ``post`` a population.

    ``base_delay`` is what the wheel delay of a synapse misses of its delay in steps: 0 from a
    source, 1 from a population, whose spikes arrive in the step after they fired.
    """

    name: str
    pre: str
    post: str
    receptor: int
    base_delay: int


@dataclass(frozen=True)
class SplitSymbol:
    """Neurons that add up a part of the inputs of a population's neurons (``split_inputs.py``).

    Of each synapse that was moved onto them one lies in a *carrier* of its projection, and any
    number of equal or opposite ones in *copies*. A neuron of ``sums`` with a synapse of a carrier
    is the last of a group; groups lie end to end. A group adds up for one neuron of
    ``population``, to which it sends its sum in digits.

    Attributes:
        population: whose inputs.
        sums: population of the neurons that add up.
        carriers, copies: (projection onto ``sums``, projection that it carries synapses of).
        feedback: projections within ``sums``.
        outputs: projections from ``sums`` to ``population``.
    """

    population: str
    sums: str
    carriers: tuple[tuple[str, str], ...]
    copies: tuple[tuple[str, str], ...]
    feedback: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Probe:
    """Something the user wants to see: ``variable`` of a population or the spikes of a source."""

    of: str
    variable: Literal["spikes", "v", "u0", "u1", "threshold"]


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled network.

    Attributes:
        target: geometry it was compiled for.
        dt: length of a step in seconds.
        seed: seed of the machine's own counter hash (stochastic rounding), uint32.
        cores: one image per used core; core ``i`` of the mesh is ``cores[i]``.
        channel_start: (c + 1,) int32, channel ``i`` sends to
            ``channel_to[channel_start[i]:channel_start[i+1]]``.
        channel_to: (d,) of DESTINATION.
        generators: of GENERATOR, sorted by channel.
        sources, populations, projections: the symbol table, in the order of declaration.
        probes: what a run records.
        rules: microcode of the plastic projections, in the order of ``projections``.
        report: what the compiler found worth telling, plain JSON data.
        shapes: source or population → sides of its layer, of those that have several; neuron ``i``
            is element ``i`` in C order.
        splits: neurons that add up inputs of others, in the order in which the compiler made them.
    """

    target: Target
    dt: float
    seed: int
    cores: tuple[CoreImage, ...]
    channel_start: NDArray[np.int32]
    channel_to: NDArray[np.void]
    generators: NDArray[np.void]
    sources: tuple[SourceSymbol, ...]
    populations: tuple[PopulationSymbol, ...]
    projections: tuple[ProjectionSymbol, ...]
    probes: tuple[Probe, ...] = ()
    rules: tuple[LearningRule, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    splits: tuple[SplitSymbol, ...] = ()

    @cached_property
    def core_base(self) -> NDArray[np.int64]:
        """(cores + 1,): global number of each core's slot 0, and the total at the end."""
        sizes = [core.neurons for core in self.cores]
        return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)

    @property
    def neurons(self) -> int:
        """Used neuron slots of all cores."""
        return int(self.core_base[-1])

    @property
    def channels(self) -> int:
        """Source neurons of all kinds."""
        return len(self.channel_start) - 1

    @cached_property
    def twin_of(self) -> NDArray[np.int64]:
        """(neurons,) global number of the neuron that each is a twin of; of all others their own.

        A twin is a slot without a name that has the key of a neuron of its core. Both are equal
        for ever; the compiler makes twins where a neuron sends to more cores than the target can.
        """
        found = np.arange(self.neurons)
        named = np.zeros(self.neurons, np.bool_)
        for population in self.populations:
            named[self.global_neurons(population)] = True
        for number in np.unique(np.searchsorted(self.core_base, np.flatnonzero(~named), "right")):
            base = int(self.core_base[number - 1])
            key, own = self.cores[number - 1].key, named[base : self.core_base[number]]
            known, others = np.flatnonzero(own), np.flatnonzero(~own)
            known = known[np.argsort(key[known], kind="stable")]
            if len(known):
                at = np.minimum(np.searchsorted(key[known], key[others]), len(known) - 1)
                same = key[known][at] == key[others]
                found[base + others[same]] = base + known[at[same]]
        return found

    @cached_property
    def twins(self) -> NDArray[np.int64]:
        """Global numbers of all twins, ascending."""
        return np.flatnonzero(self.twin_of != np.arange(self.neurons))

    def twins_on(self, core: int) -> NDArray[np.int64]:
        """Slots of a core's twins, ascending."""
        low, high = np.searchsorted(self.twins, self.core_base[core : core + 2])
        return self.twins[low:high] - self.core_base[core]

    def with_twins(
        self, neurons: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Neurons, each followed by its twins.

        Args:
            neurons: (k,) global numbers, none of a twin.

        Returns:
            Which of ``neurons`` each is or is a twin of, and its global number.
        """
        order, count = self._families
        times = count[neurons]
        which = np.repeat(np.arange(len(neurons)), times)
        turn = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
        return which, order[(np.cumsum(count) - count)[neurons][which] + turn]

    @cached_property
    def _families(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All neurons, twins after their originals; and how many there are of each original."""
        is_twin = self.twin_of != np.arange(self.neurons)
        return np.lexsort((is_twin, self.twin_of)), np.bincount(
            self.twin_of, minlength=self.neurons
        )

    @cached_property
    def generated(self) -> frozenset[str]:
        """Names of the populations and projections of ``splits``, which no user has named."""
        names: set[str] = set()
        for split in self.splits:
            names |= {split.sums, *split.feedback, *split.outputs}
            names |= {name for name, _ in (*split.carriers, *split.copies)}
        return frozenset(names)

    @cached_property
    def wheel_depth(self) -> int:
        """Slots of the delay wheel that are in use: the largest wheel delay + 1."""
        deepest = 0
        for core in self.cores:
            if len(core.sparse_delay):
                deepest = max(deepest, int(core.sparse_delay.max()))
            if len(core.rows):
                deepest = max(deepest, int(core.rows["delay"].max()))
        for rule in self.rules:
            if rule.changes_delays:
                deepest = max(deepest, rule.delay_max)
        return deepest + 1

    @cached_property
    def synapses(self) -> NDArray[np.int64]:
        """(projections,) number of synapses of each projection, without those onto twins.

        Synapses that neurons of ``splits`` add up count where they lie, in carriers and copies.
        """
        counts = np.zeros(len(self.projections), np.int64)
        for number, core in enumerate(self.cores):
            np.add.at(counts, core.rows["projection"], core.rows["count"].astype(np.int64))
            twins = self.twins_on(number)
            if len(twins):
                wanted = np.zeros(core.neurons, np.bool_)
                wanted[twins] = True
                np.subtract.at(counts, core.synapses_onto(wanted)["projection"], 1)
        return counts

    def source(self, name: str) -> SourceSymbol | None:
        """The source of that name, if there is one."""
        return next((s for s in self.sources if s.name == name), None)

    def population(self, name: str) -> PopulationSymbol | None:
        """The population of that name, if there is one."""
        return next((p for p in self.populations if p.name == name), None)

    def projection(self, name: str) -> ProjectionSymbol | None:
        """The projection of that name, if there is one."""
        return next((p for p in self.projections if p.name == name), None)

    def global_neurons(self, population: PopulationSymbol) -> NDArray[np.int64]:
        """(size,) global number of each neuron of a population."""
        return self.core_base[population.core] + population.slot

    @cached_property
    def trace_start(self) -> NDArray[np.int64]:
        """(rules + 1, 2): where the pre- and postsynaptic traces of each rule start; then ends."""
        size = {s.name: s.size for s in (*self.sources, *self.populations)}
        ends = [(0, 0)]
        for rule in self.rules:
            symbol = self.projections[rule.projection]
            ends.append((size[symbol.pre], size[symbol.post]))
        return np.cumsum(ends, axis=0, dtype=np.int64)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over all contents, hexadecimal; equal Programs have equal hashes."""
        from .program_file import content_hash

        return content_hash(self)

    def with_weights(self, weights: Sequence[WeightsOfCore]) -> Program:
        """The same Program with other first weights, for instance those that a device learned.

        Args:
            weights: one entry per core, as ``Backend.read_weights`` gives them; learned delays
                are taken over too.

        Raises:
            InputError: another shape, or a value that this Program cannot hold.
        """
        from .program_weights import with_weights

        return with_weights(self, weights)

    def save(self, path: str | Path) -> None:
        """Write a ``.loom`` file; the same Program always gives the same bytes."""
        from .program_file import save

        save(self, path)

    @staticmethod
    def load(path: str | Path) -> Program:
        """Read a ``.loom`` file; safe for files from strangers.

        Raises:
            FileError: the file is damaged, hostile, or of another version.
        """
        from .program_file import load

        return load(path)

    def verify(self) -> None:
        """Check every index, width and range against the target.

        Raises:
            FileError: naming the first array that is wrong, and how.
        """
        from .program_check import verify

        verify(self)
