"""Weights by projection: where they lie in the cores' memories, and what they mean.

A synapse adds ``w << e`` to an accumulator, which joins u as ``acc << s``: in the network's units
it weighs ``w · 2^(e + s) / scale`` of its target neuron (docs/machine.md §5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.program import DENSE, SPARSE
from ..errors import InputError
from .backend import CoreWeights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..compiler.program import CoreImage, Program, ProjectionSymbol, SplitSymbol
    from .backend import LearningState
    from .symbols import Symbols


@dataclass(frozen=True, eq=False)
class Weights:
    """The synapses of one projection, sorted by pre, post and compiled delay; ``k`` of them.

    Attributes:
        shape: neurons before and after.
        pre, post: (k,) int64 indices.
        values: (k,) float64 in the network's units.
        raw: (k,) int64 mantissas ``w`` as the device holds them.
        exponent: (k,) int64 ``e``; a synapse adds ``w << e``.
        delay: (k,) float64 seconds, now: rules may change delays.
        delay_steps: (k,) int64.
        enabled: (k,) bool, which of them learn.
    """

    shape: tuple[int, int]
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    values: NDArray[np.float64]
    raw: NDArray[np.int64]
    exponent: NDArray[np.int64]
    delay: NDArray[np.float64]
    delay_steps: NDArray[np.int64]
    enabled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pre)

    def toarray(self) -> NDArray[np.float64]:
        """(n_pre, n_post) values; 0 where there is no synapse, the sum where there are several."""
        dense = np.zeros(self.shape)
        np.add.at(dense, (self.pre, self.post), self.values)
        return dense

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array of weights is always made anew")
        return self.toarray().astype(dtype or np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class _Part:
    """The synapses that one core holds of a projection, in the order of their memory.

    Those of a twin (``twin`` is its global number, and 1) follow its original's.
    """

    core: int
    kind: int
    position: NDArray[np.int64]
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    exponent: NDArray[np.int64]
    delay: NDArray[np.int64]
    enabled: NDArray[np.int64]
    weight: NDArray[np.int64]
    twin: NDArray[np.int64]


class WeightMap:
    """Where each synapse of one projection lies; made when it is first asked for.

    Args:
        program: that holds the projection.
        symbols: of the Program.
        projection: the symbol.
        whole: with those of its synapses that lie on neurons which add them up for its own.
    """

    def __init__(
        self,
        program: Program,
        symbols: Symbols,
        projection: ProjectionSymbol,
        *,
        whole: bool = True,
    ) -> None:
        self.name = projection.name
        source = program.source(projection.pre)
        size = source.size if source else symbols.sizes[projection.pre]
        self.shape = (size, symbols.sizes[projection.post])
        self._dt = program.dt
        self._limit = program.target.weight_max
        number = program.projections.index(projection)
        self.rule = next((rule for rule in program.rules if rule.projection == number), None)
        self._base_delay = projection.base_delay
        parts = [
            part
            for core in range(len(program.cores))
            for part in _parts(program, symbols, core, number, projection.base_delay)
        ]
        direct = len(parts)
        parts += _moved(program, symbols, projection) if whole else []
        core = _join(np.full(len(p.pre), p.core) for p in parts)
        kind = _join(np.full(len(p.pre), p.kind) for p in parts)
        moved = _join(np.full(len(p.pre), i >= direct) for i, p in enumerate(parts))
        position = _join(p.position for p in parts)
        pre, post, delay, exponent, enabled, weight, twin = (
            _join(getattr(p, name) for p in parts)
            for name in ("pre", "post", "delay", "exponent", "enabled", "weight", "twin")
        )
        # One key: memory is nearly in this order already, which a stable sort makes use of.
        key = (pre * self.shape[1] + post) * 128 + delay
        order = np.argsort(key, kind="stable")
        self._twins = np.zeros((0, 4), np.int64)
        if twin.any():
            order = np.lexsort((twin, weight, key))
            following, order = order[twin[order] > 0], order[twin[order] == 0]
            which = _leaders(key, weight, order, following)
            self._twins = np.stack(
                [core[following], kind[following], position[following], which], axis=1
            )
        self._core, self._kind, self._position = core[order], kind[order], position[order]
        self.pre, self.post = pre[order], post[order]
        self.raw, self.moved = weight[order], moved[order] != 0
        self.moved |= projection.name in program.generated
        self.delay, self.exponent = delay[order], exponent[order]
        self.enabled = enabled[order] != 0
        shift = shifts(program, projection.post)
        # Units of the network per mantissa step.
        power = self.exponent + shift[self.post]
        self.unit = np.ldexp(1.0, power) / symbols.scale(projection.post)[self.post]

    def read(self, weights: tuple[CoreWeights, ...]) -> Weights:
        """The projection's part of all weights."""
        raw, steps = np.zeros(len(self.pre), np.int64), self.delay.copy()
        for core, kind, here in self._places():
            own, place = weights[core], self._position[here]
            raw[here] = (own.sparse if kind == SPARSE else own.dense)[place]
            if kind == SPARSE and own.delay is not None:
                steps[here] = own.delay[place].astype(np.int64) + self._base_delay
        return Weights(
            self.shape,
            self.pre.copy(),
            self.post.copy(),
            raw * self.unit,
            raw,
            self.exponent.copy(),
            (steps * self._dt).astype(np.float64),
            steps,
            self.enabled.copy(),
        )

    def tags(self, learning: LearningState) -> NDArray[np.int64]:
        """(k,) the synapses' tags, in the order of ``read``."""
        tags = np.zeros(len(self.pre), np.int64)
        for core, kind, here in self._places() if self.rule else ():
            memory = learning.sparse_tag if kind == SPARSE else learning.dense_tag
            tags[here] = memory[core][self._position[here]]
        return tags

    def write(self, weights: tuple[CoreWeights, ...], raw: NDArray[np.int64]) -> None:
        """Put mantissas, in the order of ``read``, into copies of the cores' memories."""
        for core, kind, here in self._places():
            memory = weights[core].sparse if kind == SPARSE else weights[core].dense
            memory[self._position[here]] = raw[here]
        for core, own in enumerate(weights):
            for kind, memory in ((SPARSE, own.sparse), (DENSE, own.dense)):
                here = self._twins[(self._twins[:, 0] == core) & (self._twins[:, 1] == kind)]
                memory[here[:, 2]] = raw[here[:, 3]]

    def _places(self) -> list[tuple[int, int, NDArray[np.intp]]]:
        if not len(self.pre):
            return []
        pairs = np.unique(self._core * 2 + self._kind)
        return [
            (int(p) // 2, int(p) % 2, np.flatnonzero(self._core * 2 + self._kind == p))
            for p in pairs
        ]

    def quantised(self, values: ArrayLike | Weights) -> NDArray[np.int64]:
        """Mantissas for values in the network's units: a number per synapse, or a matrix.

        Raises:
            InputError: wrong shape, not finite, a weight where there is no synapse, or too large,
                or beyond the limits of the rule by which it learns.
        """
        if isinstance(values, Weights):
            values = values.values
        numbers = self._per_synapse(values, "values")
        wrong = ~np.isfinite(numbers)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise InputError(
                f"weights of {self.name!r} must be finite",
                found=f"{numbers[at]} {self._at(at)}",
            )
        return self._checked(np.rint(numbers / self.unit), numbers, self.unit)

    def mantissas(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Mantissas as given: an integer per synapse, or a matrix of them.

        Raises:
            InputError: wrong shape, no integers, a weight where there is no synapse, or too large.
        """
        numbers = self._per_synapse(raw, "raw")
        if numbers.dtype.kind not in "iu":
            raise InputError(
                f"raw weights of {self.name!r} must be integers", found=f"dtype {numbers.dtype}"
            )
        return self._checked(numbers, numbers, np.ones(len(numbers)))

    def check_sums(self, raw: NDArray[np.int64]) -> None:
        """Whether the weights that other neurons add up stay what they are.

        Raises:
            InputError: one would change.
        """
        wrong = self.moved & (raw != self.raw)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise InputError(
                f"a weight of {self.name!r} cannot change on this target",
                found=f"mantissa {raw[at]} {self._at(at)}",
                expected=f"{self.raw[at]}, as compiled: other neurons add up this synapse and "
                f"{int(self.moved.sum()) - 1:,} others, with thresholds that are made for them",
                remedy="compile the network with the new weights; or for a target whose neurons "
                "may have all inputs themselves",
            )

    def _per_synapse(self, given: Any, what: str) -> NDArray[Any]:
        try:
            array = np.asarray(given)
        except (ValueError, TypeError):
            array = np.asarray(None)
        if array.dtype.kind not in "iuf" or array.shape not in ((len(self.pre),), self.shape):
            raise InputError(
                f"{what} for {self.name!r} have the wrong shape or dtype",
                found=f"shape {array.shape}, dtype {array.dtype}",
                expected=f"({len(self.pre)},) numbers in the order of read_weights, or a "
                f"{self.shape} matrix",
            )
        if array.ndim == 1:
            return array
        twice = (self.pre[1:] == self.pre[:-1]) & (self.post[1:] == self.post[:-1])
        if twice.any():
            raise InputError(
                f"a matrix cannot say the weights of {self.name!r}",
                found=f"several synapses {self._at(int(np.argmax(twice)))}",
                remedy="give one number per synapse, in the order of read_weights",
            )
        absent = array != 0
        absent[self.pre, self.post] = False
        if absent.any():
            pre, post = (int(i) for i in np.argwhere(absent)[0])
            raise InputError(
                f"a weight of {self.name!r} has no synapse to go to",
                found=f"{array[pre, post]} from {pre} to {post}",
                expected="0 where the compiled network has no synapse",
                remedy="connect the two neurons before compiling",
            )
        return array[self.pre, self.post]

    def _checked(
        self, raw: NDArray[Any], given: NDArray[Any], unit: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        wrong = (raw > self._limit) | (raw < -self._limit - 1)
        if wrong.any():
            at = int(np.argmax(wrong))
            low, high = (-self._limit - 1) * unit[at], self._limit * unit[at]
            raise InputError(
                f"a weight of {self.name!r} does not fit",
                found=f"{given[at]:g} {self._at(at)}",
                expected=f"{low:g} to {high:g}",
                remedy="compile a network whose largest weight is as large as will be needed",
            )
        if self.rule is not None:
            least, most = self.rule.weight_min, self.rule.weight_max
            wrong = self.enabled & ((raw < least) | (raw > most))
            if wrong.any():
                at = int(np.argmax(wrong))
                raise InputError(
                    f"a weight of {self.name!r} is beyond the limits of the rule that changes it",
                    found=f"{given[at]:g} {self._at(at)}",
                    expected=f"{least * unit[at]:g} to {most * unit[at]:g}",
                    remedy="give the rule wider limits: w_min and w_max",
                )
        return raw.astype(np.int64)

    def _at(self, synapse: int) -> str:
        return f"from {self.pre[synapse]} to {self.post[synapse]}"


def check_accumulators(
    program: Program, symbols: Symbols, weights: tuple[CoreWeights, ...]
) -> None:
    """The proof of docs/machine.md §3, that no accumulator can overflow, for these weights.

    A synapse that learns counts as the larger of its rule's limits.

    Raises:
        InputError: naming the first neuron whose worst sum is too large.
    """
    limit = program.target.accumulator_max
    limits = [max(abs(rule.weight_min), abs(rule.weight_max)) for rule in program.rules]
    reach = np.array([0, *limits], np.float64)
    for number, (core, own) in enumerate(zip(program.cores, weights, strict=True)):
        load = np.zeros((2, core.neurons))
        for kind, memory in ((SPARSE, own.sparse), (DENSE, own.dense)):
            rows, slots = _synapses(core, kind)
            exponent = np.repeat(rows["exponent"].astype(np.int32), rows["count"])
            receptor = np.repeat(rows["receptor"], rows["count"])
            rule = core.synapse_rules(kind)
            largest = np.where(rule, reach[rule], np.abs(memory.astype(np.float64)))
            worst = np.ldexp(largest, exponent)
            for r in range(2):
                here = receptor == r
                load[r] += np.bincount(slots[here], worst[here], core.neurons)
        if load.size and load.max() > limit:
            receptor, slot = (int(i) for i in np.unravel_index(np.argmax(load), load.shape))
            name, index = symbols.neuron_name(int(program.core_base[number]) + slot)
            raise InputError(
                "with these weights an accumulator could overflow",
                found=f"weights onto {name!r}[{index}], receptor {receptor}, that add up to "
                f"{int(load[receptor, slot])}",
                expected=f"at most {limit}",
                remedy="use smaller weights, or a target with wider accumulators",
            )


def _synapses(core: CoreImage, kind: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Row groups of one kind in the order of their memory, and each synapse's target slot."""
    rows = core.rows[core.rows["kind"] == kind]
    rows = rows[np.argsort(rows["offset"], kind="stable")]
    if kind == SPARSE:
        return rows, core.sparse_target.astype(np.int64)
    count = rows["count"].astype(np.int64)
    first = np.repeat(rows["base"] - (np.cumsum(count) - count), count)
    return rows, first + np.arange(count.sum())


def _parts(
    program: Program, symbols: Symbols, core: int, projection: int, base_delay: int
) -> list[_Part]:
    image, base = program.cores[core], int(program.core_base[core])
    own = image.rows[image.rows["projection"] == projection]
    parts = []
    for kind in (SPARSE, DENSE):
        rows = own[own["kind"] == kind]
        count = rows["count"].astype(np.int64)
        if not len(rows):
            continue
        enable = image.sparse_enable if kind == SPARSE else image.dense_enable
        memory = image.sparse_weight if kind == SPARSE else image.dense_weight
        place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        position = np.repeat(rows["offset"], count) + place
        if kind == SPARSE:
            slot = image.sparse_target[position].astype(np.int64)
            wheel = image.sparse_delay[position]
        else:
            slot = np.repeat(rows["base"].astype(np.int64), count) + place
            wheel = np.repeat(rows["delay"], count)
        parts.append(
            _Part(
                core,
                kind,
                position,
                np.repeat(rows["pre"].astype(np.int64), count),
                symbols.index[base + slot],
                np.repeat(rows["exponent"].astype(np.int64), count),
                wheel.astype(np.int64) + base_delay,
                enable[position].astype(np.int64) if len(enable) else np.zeros_like(position),
                memory[position].astype(np.int64),
                np.where(program.twin_of[base + slot] == base + slot, 0, base + slot + 1),
            )
        )
    return parts


def _moved(program: Program, symbols: Symbols, projection: ProjectionSymbol) -> list[_Part]:
    """The synapses of a projection that lie on neurons which add them up for its own."""
    numbers = {p.name: i for i, p in enumerate(program.projections)}
    parts = []
    for split in program.splits:
        carriers = [numbers[name] for name, of in split.carriers if of == projection.name]
        if not carriers:
            continue
        post, delay, shift = _added_up(program, symbols, split)
        for core in range(len(program.cores)):
            for carrier in carriers:
                for part in _parts(program, symbols, core, carrier, projection.base_delay):
                    last = part.post
                    parts.append(
                        replace(
                            part, post=post[last], delay=part.delay + delay[last],
                            exponent=part.exponent + shift[last],
                        )
                    )  # fmt: skip
    return parts


def _added_up(
    program: Program, symbols: Symbols, split: SplitSymbol
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For whom each neuron of a split adds up, how many steps later, and in which unit.

    Returns:
        Index in the population, delay in steps, and exponent, each (neurons of ``sums``,); what
        comes in at the last neurons of groups counts ``<< exponent`` in the population.
    """
    neurons = symbols.neurons(split.sums)
    post, delay, value = np.zeros((3, len(neurons)), np.int64)
    for name in split.outputs:
        symbol = program.projection(name)
        assert symbol is not None
        places = WeightMap(program, symbols, symbol)
        post[places.pre], delay[places.pre] = places.post, places.delay
        value[places.pre] = np.abs(places.raw) << places.exponent
    unit = np.concatenate([core.threshold for core in program.cores])[neurons] + 1
    exponent = np.log2(np.maximum(value, 1) / np.maximum(unit, 1))
    return post, delay, np.maximum(np.rint(exponent), 0).astype(np.int64)


def _leaders(
    key: NDArray[np.int64],
    weight: NDArray[np.int64],
    leading: NDArray[np.int64],
    following: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Of each synapse onto a twin, which of the ``leading`` ones it is equal to.

    Both are sorted by key and weight, the following ones also by twin. Of several synapses that are
    alike each twin has as many.
    """
    pairs = np.stack([key, weight], axis=1)
    _, number = np.unique(pairs, axis=0, return_inverse=True)
    number = number.reshape(-1)
    lead, follow = number[leading], number[following]
    first = np.searchsorted(lead, follow)
    alike = np.searchsorted(lead, follow, side="right") - first
    turn = np.arange(len(follow)) - np.searchsorted(follow, follow)
    return first + turn % alike


def _join(parts: Any) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def shifts(program: Program, population: str) -> NDArray[np.int64]:
    """(size,) s of each neuron of a population."""
    symbol = program.population(population)
    assert symbol is not None
    shift = np.zeros(symbol.size, np.int64)
    for core in np.unique(symbol.core):
        image, here = program.cores[core], symbol.core == core
        shift[here] = image.profiles["shift"][image.profile[symbol.slot[here]]]
    return shift
