"""SuperNeuroMAT's delay chains as delays.

It has no delays: a synapse of delay d becomes d − 1 hidden neurons in a row, each of which fires
one step after the one before; the last synapse carries the weight and, as a mark, the delay ``−d``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .document import Document

LONGEST = 64
"""Longest delay of a synapse here, in steps; longer chains keep every 64th neuron."""


@dataclass(frozen=True, eq=False)
class Collapsed:
    """Synapses without the neurons that only delay.

    Attributes:
        ids: (m,) SuperNeuroMAT's numbers of the neurons that stay.
        pre, post: (s,) places in ``ids``.
        weight, delay: (s,) float64, and int64 steps.
        plastic: (s,) bool, which learn.
    """

    ids: NDArray[np.int64]
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weight: NDArray[np.float64]
    delay: NDArray[np.int64]
    plastic: NDArray[np.bool_]


def collapse(document: Document) -> Collapsed:
    """Find the chains, and leave out what only delays.

    A chain is left as it is where somebody changed one of its neurons or synapses, or drives or
    reads one from outside the chain: it may do something else than delay then. The last neuron of a
    chain stays where its synapse learns, since that goes by the spikes of this neuron.
    """
    s, n = document.synapses, document.size
    relay = _only_delays(document)
    into = np.full(n, -1)
    into[s["post"]] = np.arange(len(s["post"]))  # of a relay there is only one
    gone, dropped = np.zeros(n, bool), np.zeros(len(s["pre"]), bool)
    pre, delay = s["pre"].copy(), np.ones(len(s["pre"]), np.int64)
    for last in np.flatnonzero(s["delay"] < -1).tolist():
        links, at = [], int(s["pre"][last])
        while len(links) < -int(s["delay"][last]) - 1 and relay[at]:
            links.append(at)
            at = int(s["pre"][into[at]])
        if len(links) == -int(s["delay"][last]) - 1:
            # From the end: a synapse takes in up to 63 links, then one stays and sends on.
            synapse, steps = last, 1
            learns = document.learns and bool(s["plastic"][last])
            for link in links:
                if steps == LONGEST or (learns and synapse == last):
                    pre[synapse], delay[synapse] = link, steps
                    synapse, steps = int(into[link]), 1
                    continue
                gone[link], dropped[into[link]] = True, True
                steps += 1
            pre[synapse], delay[synapse] = at, steps
            dropped[synapse] = False
    ids = np.flatnonzero(~gone)
    place = np.cumsum(~gone) - 1
    kept = ~dropped
    return Collapsed(
        ids,
        place[pre[kept]],
        place[s["post"][kept]],
        s["weight"][kept],
        delay[kept],
        (s["plastic"][kept] != 0) & document.learns,
    )


def _only_delays(document: Document) -> NDArray[np.bool_]:
    """(n,) neurons as SuperNeuroMAT makes them for a chain: one synapse in, one out, no memory."""
    s, p, n = document.synapses, document.neurons, document.size
    indegree = np.bincount(s["post"], minlength=n)
    outdegree = np.bincount(s["pre"], minlength=n)
    weight = np.zeros(n)
    np.add.at(weight, s["post"], s["weight"])
    plain = np.ones(n, bool)
    plain[s["post"][(s["delay"] != 1) | (s["plastic"] != 0)]] = False
    driven = np.zeros(n, bool)
    driven[document.neuron] = True
    driven[document.fired] = True
    for name in ("threshold", "reset", "refractory", "initial", "countdown"):
        plain &= p[name] == 0
    return plain & (p["leak"] == np.inf) & (indegree == 1) & (outdegree == 1) & (
        weight == 1
    ) & ~driven  # fmt: skip
