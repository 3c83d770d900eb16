"""The network as users describe it: sources, populations, projections, probes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np

from ..errors import NetworkError
from .checks import Reasons, check_name, check_shape, numbers, show
from .connectors import Connector, Table
from .learning import Rule
from .learning_limits import check_learning
from .neurons import LIF
from .origin import did_you_mean, user_origin
from .program import Probe
from .projection import delay_steps, synapse_table
from .sources import Periodic, Poisson, check_seed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from .quantise import Quantization

Variable = Literal["spikes", "v", "u0", "u1", "threshold"]

MAX_NEURONS = 1 << 31


@dataclass(frozen=True, eq=False)
class Source:
    """Where spikes come from: the host, or a generator on the chip.

    Attributes:
        name: unique among sources and populations.
        size: number of source neurons.
        generator: None for the host, or Poisson or Periodic.
        value, phase: (size,) int64: limit of the hash (Poisson), or period and phase in steps.
        seed: of the counter hash (Poisson).
        origin: line of the user's file that made it.
    """

    name: str
    size: int
    generator: Poisson | Periodic | None
    value: NDArray[np.int64]
    phase: NDArray[np.int64]
    seed: int
    origin: str

    @property
    def kind(self) -> Literal["host", "poisson", "periodic"]:
        """Who decides when its neurons fire."""
        if self.generator is None:
            return "host"
        return "poisson" if isinstance(self.generator, Poisson) else "periodic"

    def __repr__(self) -> str:
        return f"<source {self.name!r}, {self.size} {self.kind} neurons>"


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one model.

    Attributes:
        name: unique among sources and populations.
        size: number of neurons.
        neuron: the model as the user gave it.
        params: (size,) of NEURON, the model in steps and reals.
        origin: line of the user's file that made it.
    """

    name: str
    size: int
    neuron: LIF
    params: NDArray[np.void]
    origin: str

    def __repr__(self) -> str:
        return f"<population {self.name!r}, {self.size} neurons>"


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from a source or population to a population.

    Attributes:
        name: ``"pre->post"`` unless the user chose another.
        pre, post: the objects it connects.
        receptor: 0 or 1, which of the target's synaptic currents it drives.
        synapses: table of post, weight (network units) and delay (steps).
        origin: line of the user's file that made it.
        learning: the rule by which it learns, or None.
        enable: (k,) uint8, 1 for each synapse that learns; None without a rule.
    """

    name: str
    pre: Source | Population
    post: Population
    receptor: int
    synapses: Table
    origin: str
    learning: Rule | None = None
    enable: NDArray[np.uint8] | None = None

    def __repr__(self) -> str:
        return f"<projection {self.name!r}, {len(self.synapses)} synapses>"


_Object = TypeVar("_Object", bound="Source | Population | Projection")


class Network:
    """A spiking network: ``source``, ``population``, ``connect`` and ``probe`` build it.

    Args:
        dt: length of a time step in seconds.
        seed: uint32; of stochastic rounding, and of Poisson sources without one of their own.
        name: how reports call it.

    Attributes:
        sources, populations, projections: dict of name to object, in the order of declaration.
        probes: what a run records.
        quantization: how it becomes integers unless ``compile`` is told otherwise; None: automatic
            scales. Set by importers whose networks are exact at a scale.
        shapes: source or population → the sides of its layer, such as (channels, height, width),
            of those that were made with several; neuron ``i`` is element ``i`` in C order.
        metadata: remarks of the file it was imported from, by the name of the node; "" is the
            whole graph's. Nothing depends on them.
        latency: population → steps by which it runs behind the model it was imported from, where
            an importer had to shift it (docs/nir.md); empty otherwise.

    Raises:
        NetworkError: dt is not positive, or the seed is no uint32.
    """

    def __init__(self, dt: float = 1e-3, seed: int = 0, name: str = "network") -> None:
        reasons = Reasons("network")
        check_name(reasons, name)
        self.dt = float(numbers(reasons, "dt", dt, ndim=(0,), above=0.0))
        check_seed(reasons, seed)
        reasons.done(remedy="dt is in seconds")
        self.seed = int(seed)
        self.name = name
        self.sources: dict[str, Source] = {}
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.probes: list[Probe] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.metadata: dict[str, dict[str, Any]] = {}
        self.latency: dict[str, int] = {}
        self.quantization: Quantization | None = None
        self.origin = user_origin()

    def source(
        self, name: str, size: int | tuple[int, ...], generator: Poisson | Periodic | None = None
    ) -> Source:
        """Add a source.

        Args:
            name: unique among sources and populations.
            size: number of source neurons, or the sides of a layer of them.
            generator: None: the host says which neurons fire when (``inputs={name: …}``).

        Raises:
            NetworkError: with everything that is wrong.
        """
        reasons = Reasons(f"source {name!r}")
        size, shape = self._check_node(reasons, name, size)
        value = np.zeros(size, np.int64)
        phase = np.zeros(size, np.int64)
        seed = self.seed
        if isinstance(generator, Poisson):
            value = generator.threshold(size, self.dt, reasons)
            seed = self.seed if generator.seed is None else int(generator.seed)
        elif isinstance(generator, Periodic):
            value, phase = generator.steps(size, self.dt, reasons)
        elif generator is not None:
            reasons.add(f"generator must be Poisson, Periodic or None, got {generator!r}")
        reasons.done()
        source = Source(name, size, generator, value, phase, seed, user_origin())
        self.sources[name] = source
        if len(shape) > 1:
            self.shapes[name] = shape
        return source

    def population(self, name: str, size: int | tuple[int, ...], neuron: LIF) -> Population:
        """Add a population.

        Args:
            name: unique among sources and populations.
            size: number of neurons, or the sides of a layer of them.
            neuron: the model; its arrays have one value per neuron.

        Raises:
            NetworkError: with everything that is wrong.
        """
        reasons = Reasons(f"population {name!r}")
        size, shape = self._check_node(reasons, name, size)
        if not isinstance(neuron, LIF):
            reasons.add(f"neuron must be sl.LIF(…), sl.LI(…) or sl.IF(…), got {neuron!r}")
            reasons.done()
        params = neuron.resolve(size, self.dt, reasons)
        reasons.done()
        population = Population(name, size, neuron, params, user_origin())
        self.populations[name] = population
        if len(shape) > 1:
            self.shapes[name] = shape
        return population

    def connect(
        self,
        pre: Source | Population | str,
        post: Population | str,
        weights: Any = None,
        delay: ArrayLike | None = None,
        receptor: int = 0,
        connector: Connector | None = None,
        learning: Rule | None = None,
        name: str | None = None,
    ) -> Projection:
        """Connect ``pre`` to ``post``.

        Args:
            pre: where spikes come from.
            post: whose synaptic current they drive.
            weights: what a spike adds to the current, in the network's units: a dense
                (n_pre, n_post) array, a SciPy sparse matrix, a :class:`Synapses`, or with
                ``connector`` a scalar or an array that fits it. Zeros are synapses too.
            delay: seconds, scalar or in the shape of the weights; None: one step. From a
                source 0 to 63 steps, from a population 1 to 64.
            receptor: 0 or 1.
            connector: AllToAll, OneToOne or FixedProbability.
            learning: how its synapses change: a :class:`Rule`, or one of the ready-made ones
                (``sl.STDP(…)`` …). None: they never do.
            name: default ``"pre->post"``, the second one ``"pre->post#2"``.

        Raises:
            NetworkError: with everything that is wrong.
        """
        pre = self._own(pre, {**self.sources, **self.populations}, "pre")
        post = self._own(post, self.populations, "post")
        name = self._projection_name(name, f"{pre.name}->{post.name}")
        reasons = Reasons(f"projection {name!r}")
        wrong = isinstance(receptor, bool) or not isinstance(receptor, (int, np.integer))
        if wrong or receptor not in (0, 1):
            reasons.add(f"receptor must be 0 or 1, got {receptor!r}")
            receptor = 0
        if learning is not None and not isinstance(learning, Rule):
            reasons.add(f"learning must be sl.Rule(…) or None, got {learning!r}")
            learning = None
        mask = None
        if learning is not None:
            mask = True if learning.enable is None else learning.enable
        synapses, enable = synapse_table(
            reasons,
            self.dt,
            pre=(pre.name, pre.size, isinstance(pre, Source)),
            post=(post.name, post.size),
            weights=weights,
            delay=delay,
            connector=connector,
            enable=mask,
        )
        if learning is not None and enable is not None and not reasons:
            check_learning(reasons, learning, synapses, enable, self.dt, isinstance(pre, Source))
        reasons.done()
        projection = Projection(
            name, pre, post, int(receptor), synapses, user_origin(),
            learning, enable,
        )  # fmt: skip
        self.projections[name] = projection
        return projection

    def set_delay(self, projection: Projection | str, delay: float) -> Projection:
        """Give all synapses of a projection another delay, for instance of an imported network.

        Args:
            projection: the object or its name.
            delay: seconds, as for ``connect``.

        Returns:
            The projection that takes its place.

        Raises:
            NetworkError: no such projection, or with everything that is wrong.
        """
        old = self._own(projection, self.projections, "set_delay")
        reasons = Reasons(f"projection {old.name!r}")
        seconds = numbers(reasons, "delay", delay, ndim=(0,), low=0.0)
        reasons.done()
        from_source = isinstance(old.pre, Source)
        steps = np.full(len(old.synapses), delay_steps(reasons, seconds, self.dt, from_source))
        steps.flags.writeable = False
        synapses = replace(old.synapses, delay=steps)
        if old.learning is not None and old.enable is not None and not reasons:
            check_learning(reasons, old.learning, synapses, old.enable, self.dt, from_source)
        reasons.done()
        self.projections[old.name] = replace(old, synapses=synapses)
        return self.projections[old.name]

    def probe(self, obj: Source | Population | str, *variables: str) -> None:
        """Record variables of a source or population in every run.

        Args:
            obj: the object or its name.
            variables: ``spikes`` (the default), ``v``, ``u0`` (or ``u``), ``u1``, ``threshold``;
                of a source only ``spikes``. Asking twice is the same as once.

        Raises:
            NetworkError: no such object or variable.
        """
        node = self._own(obj, {**self.sources, **self.populations}, "probe")
        kind = "source" if isinstance(node, Source) else "population"
        allowed = ("spikes",) if kind == "source" else get_args(Variable)
        reasons = Reasons(f"probe of {kind} {node.name!r}")
        for variable in variables or ("spikes",):
            if not isinstance(variable, str):
                reasons.add(f"a variable is named by a string, got {variable!r}")
                continue
            wanted = "u0" if variable == "u" and kind == "population" else variable
            if wanted not in allowed:
                hint = did_you_mean(variable, allowed)
                reasons.add(
                    f"no variable {variable!r}; there is {', '.join(allowed)}"
                    + (f"; {hint}" if hint else "")
                )
        reasons.done()
        for variable in variables or ("spikes",):
            probe = Probe(node.name, "u0" if variable == "u" else variable)  # type: ignore[arg-type]
            if probe not in self.probes:
                self.probes.append(probe)

    def __repr__(self) -> str:
        return (
            f"<network {self.name!r}, dt {show(self.dt)} s, {len(self.sources)} sources, "
            f"{len(self.populations)} populations, {len(self.projections)} projections>"
        )

    def _check_node(
        self, reasons: Reasons, name: str, size: int | tuple[int, ...]
    ) -> tuple[int, tuple[int, ...]]:
        check_name(reasons, name)
        for kind, known in (("source", self.sources), ("population", self.populations)):
            if isinstance(name, str) and name in known:
                reasons.add(f"the name is taken by the {kind} made at {known[name].origin}")
        checked, shape = check_shape(reasons, size)
        taken = sum(p.size for p in (*self.sources.values(), *self.populations.values()))
        if checked + taken > MAX_NEURONS:
            reasons.add(f"a network has at most 2^31 neurons; with this one {checked + taken}")
            reasons.done()
        return checked, shape

    def _own(self, obj: _Object | str, known: dict[str, Any], role: str) -> _Object:
        """The object itself, if it belongs to this network."""
        name = obj if isinstance(obj, str) else getattr(obj, "name", None)
        if isinstance(name, str) and name in known and obj in (name, known[name]):
            return known[name]
        if isinstance(obj, str):
            found, hint = repr(obj), did_you_mean(obj, known)
        elif isinstance(obj, (Source, Population)):
            found = repr(obj)
            mine = (self.sources | self.populations).get(obj.name) is obj
            hint = (
                "a source only sends spikes; it cannot be a target"
                if mine
                else f"it was made at {obj.origin} for another network"
            )
        else:
            maker = "net.connect" if role == "set_delay" else "net.source or net.population"
            found, hint = repr(obj)[:80], f"pass the object that {maker} made"
        kind = {"post": "a population", "set_delay": "a projection"}.get(
            role, "a source or population"
        )
        raise NetworkError(
            f"{role}: not {kind} of network {self.name!r}",
            found=found,
            expected=_listing(known),
            where=user_origin(),
            remedy=hint,
        )

    def _projection_name(self, name: str | None, default: str) -> str:
        if name is None:
            name, count = default, 1
            while name in self.projections:
                count += 1
                name = f"{default}#{count}"
            return name
        reasons = Reasons("projection")
        check_name(reasons, name)
        reasons.done()
        if name in self.projections:
            raise NetworkError(
                f"projection {name!r}: the name is taken",
                found=f"one made at {self.projections[name].origin}",
                where=user_origin(),
                remedy="leave name out, or choose another",
            )
        return name


def _listing(known: Iterable[str]) -> str:
    names = [repr(name) for name in known]
    if not names:
        return "there is none yet"
    return "one of " + ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
