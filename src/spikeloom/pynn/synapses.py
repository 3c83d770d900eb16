"""Synapse types: static ones for every device, those that change for the floating-point device."""

from __future__ import annotations

from typing import Any

from pyNN.standardmodels import STDPTimingDependence, build_translations, synapses

from . import simulator
from .cells import unchanged


class _Delay:
    """Synapses without a delay get the smallest one."""

    def _get_minimum_delay(self) -> float:
        state = simulator.state
        return state.dt if state._min_delay == "auto" else float(state._min_delay)


class StaticSynapse(_Delay, synapses.StaticSynapse):
    __doc__ = synapses.StaticSynapse.__doc__
    translations = unchanged(synapses.StaticSynapse)


class TsodyksMarkramSynapse(_Delay, synapses.TsodyksMarkramSynapse):
    __doc__ = synapses.TsodyksMarkramSynapse.__doc__
    translations = unchanged(synapses.TsodyksMarkramSynapse)


class STDPMechanism(_Delay, synapses.STDPMechanism):
    __doc__ = synapses.STDPMechanism.__doc__

    def _build_translations(self) -> None:
        names = ["weight", "delay", "dendritic_delay_fraction"]
        self.translations: dict[str, Any] = build_translations(*((n, n) for n in names))
        for component in (self.timing_dependence, self.weight_dependence):
            if component is not None:
                self.translations.update(component.translations)


class SpikePairRule(synapses.SpikePairRule):
    """PyNN's rule, which leaves open what pairs do that meet at the synapse at the same time.

    ``A_zero`` is their amplitude: 0 (the default) for nothing, ``-A_minus`` for depression, as a
    negative Δt; ``A_plus`` for potentiation.
    """

    default_parameters = {**synapses.SpikePairRule.default_parameters, "A_zero": 0.0}  # noqa: RUF012
    translations = build_translations(*((name, name) for name in default_parameters))

    def __init__(
        self,
        tau_plus: float = 20.0,
        tau_minus: float = 20.0,
        A_plus: float = 0.01,
        A_minus: float = 0.01,
        A_zero: float = 0.0,
    ) -> None:
        STDPTimingDependence.__init__(
            self,
            tau_plus=tau_plus,
            tau_minus=tau_minus,
            A_plus=A_plus,
            A_minus=A_minus,
            A_zero=A_zero,
        )


class AdditiveWeightDependence(synapses.AdditiveWeightDependence):
    __doc__ = synapses.AdditiveWeightDependence.__doc__
    translations = unchanged(synapses.AdditiveWeightDependence)


class MultiplicativeWeightDependence(synapses.MultiplicativeWeightDependence):
    __doc__ = synapses.MultiplicativeWeightDependence.__doc__
    translations = unchanged(synapses.MultiplicativeWeightDependence)


class AdditivePotentiationMultiplicativeDepression(
    synapses.AdditivePotentiationMultiplicativeDepression
):
    __doc__ = synapses.AdditivePotentiationMultiplicativeDepression.__doc__
    translations = unchanged(synapses.AdditivePotentiationMultiplicativeDepression)


class GutigWeightDependence(synapses.GutigWeightDependence):
    __doc__ = synapses.GutigWeightDependence.__doc__
    translations = unchanged(synapses.GutigWeightDependence)
