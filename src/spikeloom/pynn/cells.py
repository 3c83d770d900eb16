"""Cell types: those that some device runs, and a clear no for those that none does.

Parameters keep PyNN's names and units; what the devices make of them is decided where they are
lowered (``integer.py``) and simulated (``floating/``).
"""

from __future__ import annotations

from typing import Any

from pyNN.standardmodels import build_translations, cells

from ..errors import UnsupportedError


def unchanged(model: Any) -> dict[str, Any]:
    """PyNN's translations table of a model whose parameters are taken as they are."""
    return build_translations(*((name, name) for name in model.default_parameters))


class IF_curr_exp(cells.IF_curr_exp):
    __doc__ = cells.IF_curr_exp.__doc__
    translations = unchanged(cells.IF_curr_exp)
    recordable = (*cells.IF_curr_exp.recordable, "isyn_exc", "isyn_inh")


class IF_curr_delta(cells.IF_curr_delta):
    __doc__ = cells.IF_curr_delta.__doc__
    translations = unchanged(cells.IF_curr_delta)


class IF_curr_alpha(cells.IF_curr_alpha):
    __doc__ = cells.IF_curr_alpha.__doc__
    translations = unchanged(cells.IF_curr_alpha)
    recordable = (*cells.IF_curr_alpha.recordable, "isyn_exc", "isyn_inh")


class IF_cond_exp(cells.IF_cond_exp):
    __doc__ = cells.IF_cond_exp.__doc__
    translations = unchanged(cells.IF_cond_exp)


class IF_cond_alpha(cells.IF_cond_alpha):
    __doc__ = cells.IF_cond_alpha.__doc__
    translations = unchanged(cells.IF_cond_alpha)


class EIF_cond_exp_isfa_ista(cells.EIF_cond_exp_isfa_ista):
    __doc__ = cells.EIF_cond_exp_isfa_ista.__doc__
    translations = unchanged(cells.EIF_cond_exp_isfa_ista)


class EIF_cond_alpha_isfa_ista(cells.EIF_cond_alpha_isfa_ista):
    __doc__ = cells.EIF_cond_alpha_isfa_ista.__doc__
    translations = unchanged(cells.EIF_cond_alpha_isfa_ista)


class HH_cond_exp(cells.HH_cond_exp):
    __doc__ = cells.HH_cond_exp.__doc__
    translations = unchanged(cells.HH_cond_exp)
    receptor_types = ("excitatory", "inhibitory")


class SpikeSourceArray(cells.SpikeSourceArray):
    __doc__ = cells.SpikeSourceArray.__doc__
    translations = unchanged(cells.SpikeSourceArray)


class SpikeSourcePoisson(cells.SpikeSourcePoisson):
    __doc__ = cells.SpikeSourcePoisson.__doc__
    translations = unchanged(cells.SpikeSourcePoisson)


def unavailable(name: str, nearest: str) -> type:
    """A stand-in for a PyNN model that is not here; to use it is an error that names the nearest.

    Args:
        name: of PyNN's model.
        nearest: what to use instead.
    """

    def refuse(self: object, *_: Any, **__: Any) -> None:
        raise UnsupportedError(
            f"no device of Spikeloom has PyNN's {name}",
            found=name,
            remedy=f"the nearest is {nearest}",
        )

    return type(name, (), {"__init__": refuse, "__doc__": f"Not available; see {nearest}."})


_EXPONENTIAL = "EIF_cond_exp_isfa_ista, on the floating-point device"
_CONDUCTANCE = "IF_cond_exp, on the floating-point device"
UNAVAILABLE = {
    "Izhikevich": _EXPONENTIAL,
    "GIF_cond_exp": _EXPONENTIAL,
    "AdExp": _EXPONENTIAL,
    "IF_cond_exp_gsfa_grr": _EXPONENTIAL,
    "IF_facets_hardware1": _CONDUCTANCE,
    "LIF": "IF_curr_exp, which has its receptors built in",
    "PointNeuron": "IF_curr_exp, with an excitatory and an inhibitory receptor",
    "MultiCompartmentNeuron": _CONDUCTANCE,
    "SpikeSourcePoissonRefractory": "SpikeSourcePoisson",
    "SpikeSourceGamma": "SpikeSourceArray, with spike times drawn beforehand",
    "SpikeSourceInhGamma": "SpikeSourceArray, with spike times drawn beforehand",
    "ElectricalSynapse": "StaticSynapse",
    "SimpleStochasticSynapse": "StaticSynapse",
    "StochasticTsodyksMarkramSynapse": "TsodyksMarkramSynapse, on the floating-point device",
    "MultiQuantalSynapse": "TsodyksMarkramSynapse, on the floating-point device",
    "Vogels2011Rule": "SpikePairRule, on the floating-point device",
}
"""Models of PyNN that are not here, and what comes nearest."""
