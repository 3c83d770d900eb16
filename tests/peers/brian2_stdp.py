"""Pair STDP in Brian2: ``python brian2_stdp.py given.npz found.npz``.

Given are ``pre`` and ``post`` (steps, neurons) bool, ``weights`` (pre, post), and ``rule``: a_plus,
a_minus, tau_plus and tau_minus (seconds), w_min, w_max; steps are milliseconds. The output holds
``weights`` at the end. All to all, additive, all pairs; at Δt = 0 nothing happens.
"""

import sys

import numpy as np
from brian2 import Network, SpikeGeneratorGroup, Synapses, defaultclock, ms, prefs, second

if __name__ == "__main__":
    prefs.codegen.target = "numpy"
    defaultclock.dt = 1 * ms
    given = np.load(sys.argv[1])
    a_plus, a_minus, tau_plus, tau_minus, w_min, w_max = given["rule"].tolist()
    groups = []
    for name in ("pre", "post"):
        steps, neurons = np.nonzero(given[name])
        groups.append(SpikeGeneratorGroup(given[name].shape[1], neurons, steps * ms))
    # Weights take the traces as they were before this step's spikes of either side: both paths
    # change weights first (order 0), then traces (order 1).
    synapses = Synapses(
        *groups,
        """w : 1
        dx/dt = -x / tau_plus : 1 (event-driven)
        dy/dt = -y / tau_minus : 1 (event-driven)""",
        on_pre={
            "down": "w = clip(w - a_minus * y, w_min, w_max)",
            "seen_pre": "x += 1",
        },
        on_post={
            "up": "w = clip(w + a_plus * x, w_min, w_max)",
            "seen_post": "y += 1",
        },
        namespace={
            "a_plus": a_plus,
            "a_minus": a_minus,
            "tau_plus": tau_plus * second,
            "tau_minus": tau_minus * second,
            "w_min": w_min,
            "w_max": w_max,
        },
    )
    synapses.connect()
    for order, path in enumerate(("down", "up", "seen_pre", "seen_post")):
        getattr(synapses, path).order = order
    found, places = given["weights"], (np.asarray(synapses.i), np.asarray(synapses.j))
    synapses.w = found[places]
    Network(*groups, synapses).run(len(given["pre"]) * ms)
    found[places] = np.asarray(synapses.w)
    np.savez(sys.argv[2], weights=found)
