"""Synapses that change: STDP and short-term plasticity, each connection with its own state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiler.connectors import stable_order
from ...errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..plan import Links

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Push = Callable[[Index, Array, Index], None]
    """Takes connections, what they deliver, and in how many steps."""


class Rows:
    """Connections by neuron.

    Args:
        index: (k,) neuron of each connection.
        size: number of neurons.
    """

    def __init__(self, index: Index, size: int) -> None:
        self.order = stable_order(index, size)
        self.start = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=size))])

    def of(self, neurons: Index) -> Index:
        """All connections of some neurons."""
        first, counts = self.start[neurons], np.diff(self.start)[neurons]
        at = np.repeat(first - (np.cumsum(counts) - counts), counts)
        return self.order[at + np.arange(len(at))]


class Schedule:
    """Connections to which something happens later."""

    def __init__(self) -> None:
        self.waiting: dict[int, list[Index]] = {}

    def add(self, connections: Index, due: Index) -> None:
        """Note connections for the steps ``due``, (k,) absolute."""
        for step in np.unique(due).tolist():
            self.waiting.setdefault(step, []).append(connections[due == step])

    def take(self, step: int) -> Index:
        """Those that are due now."""
        return np.concatenate([np.zeros(0, np.int64), *self.waiting.pop(step, [])])


class Plastic:
    """Common to both kinds: the weights and who is connected.

    Args:
        links: the connections.
        sizes: neurons before and after.
        dt: ms.
        early: of the target's model.
        tau_syn: (k,) ms of the target's receptor, or None where it has none.
    """

    def __init__(
        self, links: Links, sizes: tuple[int, int], dt: float, early: int, tau_syn: Array | None
    ) -> None:
        self.links, self.dt, self.early, self.tau_syn = links, dt, early, tau_syn
        self.weight = links.weight.copy()
        self.by_pre = Rows(links.pre_index, sizes[0])
        self.by_post = Rows(links.post_index, sizes[1])
        k = len(links.weight)
        self.last = np.full(k, -np.inf)
        self.begin(k)

    def begin(self, k: int) -> None:
        """Zero the state of ``k`` connections."""
        raise NotImplementedError

    def carry(self, old: Plastic) -> None:
        """Go on from the state of the same connections before a change of parameters."""
        raise NotImplementedError

    def step(self, now: int, pre: Index, post: Index, push: Push) -> None:
        """What spikes of the time ``now`` (in steps) do."""
        raise NotImplementedError


class Stdp(Plastic):
    """SpikePairRule: all pairs of spikes, weighted by exponentials of their distance.

    The part ``dendritic_delay_fraction`` of the delay lies behind the synapse: spikes of the target
    reach it that much later, and spikes of the source take that much longer to the target. A pair
    that meets at the synapse in the same step counts with ``A_zero``, after all others.
    """

    def begin(self, k: int) -> None:
        links = self.links
        fraction = links.dynamics["dendritic_delay_fraction"]
        self.behind = np.rint(fraction * links.delay).astype(np.int64)
        if (self.behind < self.early).any():
            raise UnsupportedError(
                "STDP with an axonal delay only onto neurons that spikes move at once",
                found=f"{links.name!r}: dendritic_delay_fraction=0",
                remedy="use a dendritic_delay_fraction with which at least one step remains",
            )
        self.change = _CHANGES[links.rule[1]] if links.rule else _CHANGES["none"]
        self.pre_trace, self.post_trace = np.zeros(k), np.zeros(k)
        self.pre_due, self.post_due = Schedule(), Schedule()

    def carry(self, old: Plastic) -> None:
        assert isinstance(old, Stdp)
        self.pre_trace, self.post_trace, self.last = old.pre_trace, old.post_trace, old.last
        self.pre_due, self.post_due = old.pre_due, old.post_due
        if self.links.version == old.links.version:
            self.weight = old.weight

    def step(self, now: int, pre: Index, post: Index, push: Push) -> None:
        p = self.links.dynamics
        before, after = self.by_pre.of(pre), self.by_post.of(post)
        self.pre_due.add(before, now + self.links.delay[before] - self.behind[before])
        self.post_due.add(after, now + self.behind[after])
        came, went = self.pre_due.take(now), self.post_due.take(now)
        if not len(came) and not len(went):
            return
        touched = np.union1d(came, went)
        passed = (now - self.last[touched]) * self.dt
        self.pre_trace[touched] *= np.exp(-passed / p["tau_plus"][touched])
        self.post_trace[touched] *= np.exp(-passed / p["tau_minus"][touched])
        self.last[touched] = now
        w, low, high = self.weight, p["w_min"], p["w_max"]
        down, up = self.change
        less = p["A_minus"][came] * self.post_trace[came] * down(w, p, came)
        w[came] = np.where(less > 0, np.maximum(w[came] - less, low[came]), w[came])
        more = p["A_plus"][went] * self.pre_trace[went] * up(w, p, went)
        w[went] = np.where(more > 0, np.minimum(w[went] + more, high[went]), w[went])
        both = np.intersect1d(came, went)
        zero = p["A_zero"][both]
        step = zero * np.where(zero > 0, up(w, p, both), down(w, p, both))
        w[both] = np.where(zero != 0, np.clip(w[both] + step, low[both], high[both]), w[both])
        self.pre_trace[came] += 1.0
        self.post_trace[went] += 1.0
        push(came, w[came], self.behind[came] - self.early)


def _range(w: Array, p: dict[str, Array], at: Index) -> Array:
    return p["w_max"][at]


def _above(w: Array, p: dict[str, Array], at: Index) -> Array:
    return w[at] - p["w_min"][at]


def _below(w: Array, p: dict[str, Array], at: Index) -> Array:
    return p["w_max"][at] - w[at]


def _share(w: Array, p: dict[str, Array], at: Index) -> tuple[Array, Array]:
    span = p["w_max"][at] - p["w_min"][at]
    return span, np.clip((w[at] - p["w_min"][at]) / span, 0.0, 1.0)


def _gutig_down(w: Array, p: dict[str, Array], at: Index) -> Array:
    span, share = _share(w, p, at)
    return span * share ** p["mu_minus"][at]


def _gutig_up(w: Array, p: dict[str, Array], at: Index) -> Array:
    span, share = _share(w, p, at)
    return span * (1 - share) ** p["mu_plus"][at]


_CHANGES = {
    "AdditiveWeightDependence": (_range, _range),
    "MultiplicativeWeightDependence": (_above, _below),
    "AdditivePotentiationMultiplicativeDepression": (_above, _range),
    "GutigWeightDependence": (_gutig_down, _gutig_up),
}
"""What a change by A is a multiple of: depression, potentiation."""


class ShortTerm(Plastic):
    """TsodyksMarkramSynapse: resources recover, are released and inactivate.

    Tsodyks, Uziel and Markram (2000, J. Neurosci. 20:RC50), equations 3 and 4: x + y + z = 1,
    ``dx/dt = z/tau_rec``, ``dy/dt = -y/tau_syn``, u decays with ``tau_facil``; a spike raises u by
    U(1 - u), then moves u·x from x to y and delivers ``weight · u · x``.
    """

    def begin(self, k: int) -> None:
        if self.tau_syn is None:
            raise UnsupportedError(
                "TsodyksMarkramSynapse onto neurons without a synaptic time constant",
                found=self.links.name,
                remedy="use IF_curr_exp or a model with conductances as the target",
            )
        self.u, self.x, self.y = np.zeros(k), np.ones(k), np.zeros(k)

    def carry(self, old: Plastic) -> None:
        assert isinstance(old, ShortTerm)
        self.u, self.x, self.y, self.last = old.u, old.x, old.y, old.last

    def step(self, now: int, pre: Index, post: Index, push: Push) -> None:
        at = self.by_pre.of(pre)
        if not len(at):
            return
        assert self.tau_syn is not None
        p, tau = self.links.dynamics, self.tau_syn[at]
        passed = (now - self.last[at]) * self.dt
        tau_rec, tau_facil = p["tau_rec"][at], p["tau_facil"][at]
        fallen = np.exp(-passed / tau)
        # Where tau_rec = tau_syn the solution of the two equations needs its limit.
        equal = np.abs(tau_rec - tau) < 1e-9 * tau
        apart = np.where(equal, tau * (1 + 1e-6), tau_rec)
        recovered = np.exp(-passed / apart)
        z, y = 1 - self.x[at] - self.y[at], self.y[at]
        z = z * recovered + y * apart / (apart - tau) * (recovered - fallen)
        y = y * fallen
        x = 1 - y - z
        kept = np.where(tau_facil > 0, np.exp(-passed / np.where(tau_facil > 0, tau_facil, 1)), 0)
        u = self.u[at] * kept
        u = u + p["U"][at] * (1 - u)
        released = u * x
        self.u[at], self.x[at], self.y[at], self.last[at] = u, x - released, y + released, now
        push(at, self.weight[at] * released, self.links.delay[at] - self.early)
