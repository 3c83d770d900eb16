"""Spikeloom as a PyNN back end: ``import spikeloom.pynn as sim``.

The names are PyNN's; docs/pynn.md says what is behind them. ``setup(device=…)`` chooses what
computes.
"""

# ruff: noqa: F401 - the names are here to be imported
from __future__ import annotations

try:
    import pyNN
except ImportError as error:
    from ..errors import UnsupportedError

    raise UnsupportedError(
        "spikeloom.pynn needs PyNN",
        found=str(error),
        remedy="pip install 'spikeloom[pynn]'",
    ) from error

from pyNN import errors, random, space
from pyNN.connectors import (
    AllToAllConnector,
    ArrayConnector,
    CloneConnector,
    CSAConnector,
    DisplacementDependentProbabilityConnector,
    DistanceDependentProbabilityConnector,
    FixedNumberPostConnector,
    FixedNumberPreConnector,
    FixedProbabilityConnector,
    FixedTotalNumberConnector,
    FromFileConnector,
    FromListConnector,
    IndexBasedProbabilityConnector,
    OneToOneConnector,
    SmallWorldConnector,
)
from pyNN.network import Network
from pyNN.random import GSLRNG, NumpyRNG, RandomDistribution
from pyNN.space import Space
from pyNN.standardmodels import StandardCellType

from .cells import (
    UNAVAILABLE,
    EIF_cond_alpha_isfa_ista,
    EIF_cond_exp_isfa_ista,
    HH_cond_exp,
    IF_cond_alpha,
    IF_cond_exp,
    IF_curr_alpha,
    IF_curr_delta,
    IF_curr_exp,
    SpikeSourceArray,
    SpikeSourcePoisson,
    unavailable,
)
from .control import (
    end,
    get_current_time,
    get_max_delay,
    get_min_delay,
    get_program,
    get_time_step,
    initialize,
    num_processes,
    rank,
    reset,
    run,
    run_for,
    run_until,
    setup,
)
from .electrodes import ACSource, DCSource, NoisyCurrentSource, StepCurrentSource
from .populations import Assembly, Population, PopulationView
from .procedural_api import connect, create, record, record_gsyn, record_v, set
from .projections import Projection
from .simulator import state
from .synapses import (
    AdditivePotentiationMultiplicativeDepression,
    AdditiveWeightDependence,
    GutigWeightDependence,
    MultiplicativeWeightDependence,
    SpikePairRule,
    StaticSynapse,
    STDPMechanism,
    TsodyksMarkramSynapse,
)

globals().update({name: unavailable(name, nearest) for name, nearest in UNAVAILABLE.items()})


def list_standard_models() -> list[str]:
    """Names of PyNN's cell types that are here."""
    return [
        name
        for name, value in globals().items()
        if isinstance(value, type)
        and issubclass(value, StandardCellType)
        and value is not StandardCellType
    ]
