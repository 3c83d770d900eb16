"""What users write to make a projection learn: a rule as text, and the traces that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import NetworkError
from .checks import Reasons, choice, numbers
from .microcode import WINDOW, Changes, Factor, When
from .origin import did_you_mean, user_origin
from .rule_algebra import Limits, Term
from .rule_text import RuleTextError, parse, pointed
from .sources import check_seed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TRACES = {"x1": Factor.X1, "x2": Factor.X2, "y1": Factor.Y1, "y2": Factor.Y2}
"""Names of the traces: x1 and x2 of the presynaptic neuron, y1 and y2 of the postsynaptic one."""
SUMMED = 4.0
"""Impulses that a summing trace has room for on a device, unless ``limit`` says otherwise."""
TEXTS = {"dw": Changes.WEIGHT, "dtag": Changes.TAG, "ddelay": Changes.DELAY}

RoundingName = Literal["stochastic", "nearest", "floor"]
Units = Literal["network", "raw"]


@dataclass(frozen=True)
class Trace:
    """A trace that decays exponentially: an event adds ``impulse``, or sets it.

    ``n`` steps after an event its share of the trace is ``impulse·exp(-n·dt/tau)``, n = 1, 2 …;
    products never see the events of their own step. (In raw units the machine's integer counts,
    which in step 1 is the impulse itself: docs/machine.md §7.)

    Args:
        tau: time constant in seconds; ``inf``: it never decays.
        impulse: what an event adds (in raw units an integer, 1 to the target's largest trace).
        nearest: an event sets the trace to ``impulse`` instead (nearest-neighbour pairing).
        limit: largest value that a device can hold; None: ``impulse`` with ``nearest``, else
            4 impulses. The closer it is, the finer the device's steps.
        decay: in raw units instead of ``tau``: 4096ths of the value that are lost per step.

    Raises:
        NetworkError: with everything that is wrong.
    """

    tau: float | None = None
    impulse: float = 1.0
    nearest: bool = False
    limit: float | None = None
    decay: int | None = None

    def __post_init__(self) -> None:
        reasons = Reasons("Trace")
        if (self.tau is None) == (self.decay is None):
            reasons.add("either tau or decay must be given")
        if self.tau is not None:
            numbers(reasons, "tau", self.tau, ndim=(0,), above=0.0, infinite=True)
        if self.decay is not None and (type(self.decay) is not int or not 0 <= self.decay <= 4096):
            reasons.add(f"decay must be an integer from 0 to 4096, got {self.decay!r}")
        impulse = numbers(reasons, "impulse", self.impulse, ndim=(0,), above=0.0)
        _check_nearest(reasons, self.nearest)
        if self.limit is not None:
            limit = numbers(reasons, "limit", self.limit, ndim=(0,), above=0.0)
            if limit < impulse:
                reasons.add(f"limit {float(limit):g} is below the impulse {float(impulse):g}")
        reasons.done()

    def factor(self, dt: float) -> float:
        """What is left of the value after a step of ``dt`` seconds."""
        if self.tau is None:
            return 1.0 - (self.decay or 0) / 4096.0
        return float(np.exp(-dt / self.tau))


@dataclass(frozen=True)
class Window:
    """A trace by table: ``values[b]`` for an event ``b + 1`` steps ago.

    Args:
        values: up to 32, none negative (split a window with both signs over two traces).
        nearest: only the youngest event counts; otherwise the values of all events add up.
        limit: largest sum that a device can hold; None: the largest value with ``nearest``, else
            the sum of all values, which nothing can exceed.

    Raises:
        NetworkError: with everything that is wrong.
    """

    values: Sequence[float]
    nearest: bool = False
    limit: float | None = None

    def __post_init__(self) -> None:
        reasons = Reasons("Window")
        values = numbers(reasons, "values", self.values, ndim=(1,), low=0.0)
        if not reasons and not 1 <= len(values) <= WINDOW:
            reasons.add(f"values has {len(values)} entries; a window has 1 to {WINDOW}")
        _check_nearest(reasons, self.nearest)
        if self.limit is not None:
            limit = numbers(reasons, "limit", self.limit, ndim=(0,), above=0.0)
            if limit < values.max(initial=0.0):
                reasons.add(f"limit {float(limit):g} is below the largest value {values.max():g}")
        reasons.done(
            remedy="split a window with both signs over two traces"
            if (np.asarray(values) < 0).any()
            else None
        )
        object.__setattr__(self, "values", tuple(float(v) for v in values))


def _check_nearest(reasons: Reasons, value: object) -> None:
    if not isinstance(value, bool):
        reasons.add(f"nearest must be True or False, got {value!r}")


@dataclass(frozen=True, eq=False)
class Rule:
    """How the synapses of a projection change; docs/learning.md explains the language.

    Args:
        dw: change of the weight, such as ``"0.01*x1*y0 - 0.012*y1*x0"``. Every product names the
            events in which it counts: ``x0`` (a spike arrives), ``y0`` (the neuron fired), ``t0``
            (teacher event) or ``u`` (every step), ``u3`` (every 2^3 steps).
        dtag, ddelay: changes of the synapse's tag and of its delay.
        traces: x1, x2, y1, y2, those that the rule reads.
        w_min, w_max: limits of the weights of enabled synapses; ``w_max`` is needed with ``dw``.
        tag_max: the tag lies between ``-tag_max`` and ``tag_max``.
        delay_min, delay_max: limits of learned delays; None: what the wheel can hold.
        enable: mask of the synapses that learn, in the shape of the weights; None: all.
        rounding: of changes to whole steps of the weight: ``"stochastic"`` keeps their mean.
        seed: uint32 of the rule's random numbers; None: from the network's.
        post_delay: seconds from a neuron's spike to ``y0`` and to y1, y2 (dendritic delay);
            in raw units steps.
        dt: step for which the rule was written, if its numbers depend on one; ``connect`` then
            refuses a network with another.
        units: ``"network"``: weights in the network's units, times and delays in seconds, a
            trace's impulse as it says; ``"raw"``: the device's integers throughout. The third
            factor ``r`` and the modulator ``m`` are the integers that the host sends, always.

    Attributes:
        products: by what they change, the canonical products.
        period_log2: k of ``u<k>``; 0 where there is none.
        origin: line of the user's file.

    Raises:
        NetworkError: a text is wrong (with a caret below the character), or a number.
    """

    dw: str = ""
    dtag: str = ""
    ddelay: str = ""
    traces: Mapping[str, Trace | Window] = field(default_factory=dict)
    w_min: float = 0.0
    w_max: float | None = None
    tag_max: float = 1.0
    delay_min: float | None = None
    delay_max: float | None = None
    enable: ArrayLike | None = None
    rounding: RoundingName = "stochastic"
    seed: int | None = None
    post_delay: float = 0.0
    units: Units = "network"
    dt: float | None = None
    origin: str = field(init=False, default="")
    products: dict[Changes, tuple[Term, ...]] = field(init=False, default_factory=dict)
    period_log2: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", user_origin())
        reasons = Reasons("Rule")
        self._check_numbers(reasons)
        reasons.done()
        object.__setattr__(self, "products", self._parse())
        self._check_events()
        self._check_traces(reasons)
        if self.w_max is None and self.dw:
            reasons.add("w_max is missing: a device must know how large a weight can become")
        reasons.done()

    def _check_numbers(self, reasons: Reasons) -> None:
        for name in TEXTS:
            if not isinstance(getattr(self, name), str):
                reasons.add(f"{name} must be a text, got {getattr(self, name)!r}")
        w_min = numbers(reasons, "w_min", self.w_min, ndim=(0,))
        if self.w_max is not None:
            w_max = numbers(reasons, "w_max", self.w_max, ndim=(0,))
            if w_max <= w_min:
                reasons.add(f"w_max {float(w_max):g} is not above w_min {float(w_min):g}")
        numbers(reasons, "tag_max", self.tag_max, ndim=(0,), above=0.0)
        for name in ("delay_min", "delay_max"):
            if getattr(self, name) is not None:
                numbers(reasons, name, getattr(self, name), ndim=(0,), low=0.0)
        low, high = self.delay_min, self.delay_max
        if not reasons and low is not None and high is not None and low > high:
            reasons.add(f"delay_max {high:g} is below delay_min {low:g}")
        numbers(reasons, "post_delay", self.post_delay, ndim=(0,), low=0.0)
        choice(reasons, "rounding", self.rounding, get_args(RoundingName))
        choice(reasons, "units", self.units, get_args(Units))
        if self.dt is not None:
            numbers(reasons, "dt", self.dt, ndim=(0,), above=0.0)
        if self.seed is not None:
            check_seed(reasons, self.seed)
        if not isinstance(self.traces, Mapping):
            reasons.add(f"traces must be a dict of name to sl.Trace(…), got {self.traces!r}")
            return
        for name, trace in self.traces.items():
            if name not in TRACES:
                hint = did_you_mean(name, TRACES)
                reasons.add(
                    f"traces are x1, x2, y1 and y2, not {name!r}; {hint or ''}".rstrip("; ")
                )
            if not isinstance(trace, (Trace, Window)):
                reasons.add(f"trace {name!r} must be sl.Trace(…) or sl.Window(…), got {trace!r}")
            elif isinstance(trace, Trace) and trace.decay is not None and self.units == "network":
                reasons.add(f"trace {name!r}: decay is for raw units; give tau in seconds")

    def _parse(self) -> dict[Changes, tuple[Term, ...]]:
        if not any(getattr(self, name).strip() for name in TEXTS):
            raise NetworkError(
                "Rule: it changes nothing",
                expected="a text for dw, dtag or ddelay",
                where=self.origin,
                remedy='for example dw="0.01*x1*y0"',
            )
        limits = Limits(float(self.w_min), None if self.w_max is None else float(self.w_max))
        products: dict[Changes, tuple[Term, ...]] = {}
        problems: list[RuleTextError] = []
        for name, changes in TEXTS.items():
            text = getattr(self, name)
            if not text.strip():
                continue
            try:
                products[changes] = parse(text, limits).terms
            except RuleTextError as error:
                error.problem = f"{name}: {error.problem}"
                problems.append(error)
        if problems:
            raise _wrong_text(problems, self.origin)
        return products

    def _check_events(self) -> None:
        """Every product has a time at which it counts, and all epochs are the same."""
        problems: list[RuleTextError] = []
        epochs: dict[int, str] = {}
        for name, changes in TEXTS.items():
            text = getattr(self, name)
            for term in self.products.get(changes, ()):
                what = None
                if term.epoch is not None:
                    epochs.setdefault(term.epoch, f"u{term.epoch}")
                    if term.condition:
                        what = (
                            f"{term.symbols} mixes u with x0, y0 or t0",
                            "a product counts in events, or in epochs",
                        )
                    elif len(epochs) > 1:
                        what = (
                            f"a rule has one epoch, but there are {' and '.join(epochs.values())}",
                            "use the same u everywhere",
                        )
                elif term.when is None:
                    what = (
                        f"{term} names no event, so it would never count",
                        "multiply it by x0, y0, t0 or u",
                    )
                if what:
                    problems.append(RuleTextError(f"{name}: {what[0]}", text, term.at, what[1]))
        if problems:
            raise _wrong_text(problems, self.origin)
        object.__setattr__(self, "period_log2", next(iter(epochs), 0))

    def _check_traces(self, reasons: Reasons) -> None:
        used = {f & ~Factor.SIGN for t in self.terms for f in t.factors}
        for name, factor in TRACES.items():
            if factor in used and name not in self.traces:
                reasons.add(
                    f"the rule reads {name}, which traces does not define: "
                    f'traces={{"{name}": sl.Trace(tau=…)}}'
                )
            elif factor not in used and name in self.traces:
                reasons.add(f"trace {name!r} is defined, but no product reads it")

    @property
    def terms(self) -> tuple[Term, ...]:
        """All products, whatever they change."""
        return tuple(term for terms in self.products.values() for term in terms)

    def reads(self, factor: Factor) -> bool:
        """Whether a product has this factor, or its sign."""
        return any(f & ~Factor.SIGN == factor for term in self.terms for f in term.factors)

    @property
    def needs_delays(self) -> bool:
        """Whether it changes or reads delays; each synapse then keeps its own."""
        return Changes.DELAY in self.products or self.reads(Factor.DELAY)

    @property
    def needs_tags(self) -> bool:
        """Whether it changes or reads tags."""
        return Changes.TAG in self.products or self.reads(Factor.TAG)

    def canonical(self) -> str:
        """The rule as the compiler understands it, one product per line with what it needs."""
        lines = []
        for name, changes in TEXTS.items():
            for term in self.products.get(changes, ()):
                when = term.when
                assert when is not None  # _check_events
                lines.append(f"{name} [{When(when).name.lower()}] {term}")
        return "\n".join(lines)

    def __str__(self) -> str:
        texts = [f"{name} = {getattr(self, name)}" for name in TEXTS if getattr(self, name)]
        return "\n".join([*texts, *(f"{name}: {trace}" for name, trace in self.traces.items())])


def _wrong_text(problems: list[RuleTextError], origin: str) -> NetworkError:
    """All that is wrong with a rule's texts, as one error."""
    if len(problems) == 1:
        return NetworkError(f"Rule: {problems[0]}", where=origin, remedy=problems[0].remedy)
    listing = "\n".join(f"  - {p.problem}\n{pointed(p.text, p.at)}" for p in problems)
    remedies: dict[Any, None] = dict.fromkeys(p.remedy for p in problems if p.remedy)
    return NetworkError(
        f"Rule: {len(problems)} problems\n{listing}",
        where=origin,
        remedy="; ".join(remedies) or None,
    )
