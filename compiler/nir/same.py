"""Whether two networks compute the same, to within the last bits of real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..network import Network
from ..program import EXPONENTIAL, RESET_VALUE

RTOL = 1e-12


def first_difference(one: Network, two: Network) -> str | None:
    """The first thing in which two networks differ, in words; None if they compute the same.

    Zero weights, the names and number of projections between two populations, and parameters
    that have no effect do not count.
    """
    for what in ("sources", "populations"):
        sizes = [[(n, x.size) for n, x in getattr(net, what).items()] for net in (one, two)]
        if sizes[0] != sizes[1]:
            return f"its {what} would come back as {sizes[1]}, not as {sizes[0]}"[:300]
    for name, population in one.populations.items():
        a, b = _effective(population.params), _effective(two.populations[name].params)
        for field, values in a.items():
            close = np.abs(values - b[field]) <= RTOL * np.abs(values).max()
            if not close.all():
                at = int(np.argmin(close))
                return f"population {name!r}: {field} of neuron {at} would be {b[field][at]:.17g}"
    tables = [_weights(net) for net in (one, two)]
    for key in tables[0].keys() | tables[1].keys():
        a, b = (t.get(key) for t in tables)
        if a is None or b is None or not _equal(a, b):
            return f"synapses {key[0]!r} -> {key[1]!r} with {key[2]} steps would not come back"
    return None


def _effective(p: Any) -> dict[str, Any]:
    spiking = p["spiking"] != 0
    value = spiking & (p["reset"] == RESET_VALUE)
    return {
        "spiking": p["spiking"],
        "factor_v": np.where(p["leak"] == EXPONENTIAL, p["factor_v"], 1.0),
        "factor_u": p["factor_u"][:, 0],
        "leak_step": np.where(p["leak"] == EXPONENTIAL, 0.0, p["leak_step"]),
        "threshold": np.where(spiking, p["threshold"], 0.0),
        "reset": np.where(spiking, p["reset"], 0),
        "reset_delay": np.where(spiking, p["reset_delay"], 0),
        "v_reset": np.where(value, p["v_reset"], 0.0),
        "refractory": np.where(spiking, p["refractory"], 0),
        "adapt_step": np.where(spiking, p["adapt_step"], 0.0),
        "bias": p["bias"],
        "v_init": p["v_init"],
    }


def _weights(network: Network) -> dict[tuple[str, str, int], Any]:
    """(pre, post, delay) → sum of the weights; constants by their source's name, like others."""
    tables: dict[tuple[str, str, int], Any] = {}
    for p in network.projections.values():
        s = p.synapses
        for delay in np.unique(s.delay).tolist():
            chosen = (s.delay == delay) & (s.weight != 0)
            if not chosen.any():
                continue
            key = (p.pre.name, p.post.name, delay)
            entries = (s.weight[chosen].astype(np.float64), (s.pre[chosen], s.post[chosen]))
            matrix = sp.csr_array(sp.coo_array(entries, shape=(p.pre.size, p.post.size)))
            tables[key] = matrix if key not in tables else tables[key] + matrix
    return tables


def _equal(a: Any, b: Any) -> bool:
    difference = abs(a - b)
    return difference.nnz == 0 or bool((difference.data <= RTOL * abs(a).max()).all())
