"""PyNN's STDP as a rule that the machine learns by (docs/machine.md §7).

The machine sees a presynaptic spike when it is fired and a postsynaptic one a whole number of steps
later: that is a delay that lies behind the synapse entirely, ``dendritic_delay_fraction=1``,
and is the same for all synapses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiler.learning import Rule, Trace
from ..errors import UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .plan import Links

_GROWTH = {
    "AdditiveWeightDependence": ("w_max", "w_max"),
    "MultiplicativeWeightDependence": ("(w_max - w)", "(w - w_min)"),
    "AdditivePotentiationMultiplicativeDepression": ("w_max", "(w - w_min)"),
}
"""What a change is a multiple of: potentiation, depression."""


def learning_rule(links: Links, effect: NDArray[np.float64], dt: float) -> Rule | None:
    """What ``Network.connect`` is given as ``learning``.

    Args:
        links: the connections.
        effect: (k,) network units per unit of each weight.
        dt: ms.

    Returns:
        None for static synapses, and for those whose amplitudes are 0.

    Raises:
        UnsupportedError: the rule is none that the machine has, or differs between synapses.
    """
    if links.rule is None:
        return None
    timing, growth = links.rule
    if timing != "SpikePairRule" or growth not in _GROWTH:
        raise UnsupportedError(
            f"{links.name!r}: the machine has no such STDP",
            found=f"{timing} with {growth}",
            expected="SpikePairRule with " + ", ".join(_GROWTH),
            remedy='the nearest of these, or setup(device="float")',
        )
    p = {name: _one(links, name, values) for name, values in links.dynamics.items()}
    delay = _one(links, "delay", links.delay)
    unit = _one(links, "the effect of a weight (tau_m, cm, tau_syn)", effect)
    if p["dendritic_delay_fraction"] != 1:
        raise UnsupportedError(
            f"{links.name!r}: the machine's STDP has its delay behind the synapse",
            found=f"dendritic_delay_fraction={p['dendritic_delay_fraction']:g}",
            expected="dendritic_delay_fraction=1",
            remedy='setup(device="float") has any fraction',
        )
    up, down = _GROWTH[growth]
    terms, traces = [], {}
    if p["A_plus"]:
        terms.append(f"{p['A_plus']:.12g}*{up}*x1*y0")
        traces["x1"] = Trace(tau=p["tau_plus"] * 1e-3)
    if p["A_minus"]:
        terms.append(f"{-p['A_minus']:.12g}*{down}*y1*x0")
        traces["y1"] = Trace(tau=p["tau_minus"] * 1e-3)
    if p["A_zero"]:
        terms.append(f"{p['A_zero']:.12g}*{up if p['A_zero'] > 0 else down}*x0*y0")
    if not terms:
        return None
    return Rule(
        dw=" + ".join(terms),
        traces=traces,
        w_min=p["w_min"] * unit,
        w_max=p["w_max"] * unit,
        # A neuron that fires in step k has the spike time of the step's end.
        post_delay=(delay + 1) * dt * 1e-3,
    )


def _one(links: Links, name: str, values: NDArray[np.generic]) -> float:
    """The value that all synapses share."""
    array = np.asarray(values, np.float64)
    if np.ptp(array) > 1e-9 * np.abs(array).max():
        raise UnsupportedError(
            f"{links.name!r}: the machine learns by one rule per projection",
            found=f"{name} from {array.min():g} to {array.max():g}",
            expected="one value for all of its synapses",
            remedy='make several projections, or setup(device="float")',
        )
    return float(array[0])
