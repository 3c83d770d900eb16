"""From a SuperNeuroMAT network to a Network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...errors import NetworkError, UnsupportedError
from ..connectors import Synapses
from ..network import Network
from ..neurons import LIF, MAX_REFRACTORY
from ..quantise import Quantization
from .chains import Collapsed, collapse
from .document import Document, read
from .exact import LARGEST_WEIGHT, STATE_MAX, floored, lowest_bits, split
from .taps import tap_rule, warm_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

POPULATION = "neurons"
"""Name of the one population."""
PLASTIC = "plastic"
"""Name of the projection that learns."""
_REAL_LEAKS = 64.0
"""With real numbers a leak of this many times everything else is as good as infinite."""


def from_superneuromat(
    snn: Any,
    dt: float = 1e-3,
    *,
    scale: Literal["exact", "auto"] = "exact",
    w_min: float | None = None,
    w_max: float | None = None,
) -> Network:
    """Build a Network that fires as a SuperNeuroMAT network does.

    All neurons become the population ``"neurons"``, in SuperNeuroMAT's order, without the hidden
    ones of delay chains, which become delays (:func:`superneuromat_ids` has their numbers). State
    is counted from the neuron's reset state. Scheduled spikes are not part of the network:
    :func:`superneuromat_inputs` has them.
    Synapses with STDP become the projection ``"plastic"``, which learns by :func:`TapSTDP`.

    Args:
        snn: a ``superneuromat.SNN``, its JSON as a dict, or the path of a JSON file.
        dt: seconds per step.
        scale: ``"exact"``: every number must be an integer at one power of two as scale, which the
            network brings along (``network.quantization``), and the spikes are the same.
            ``"auto"``: reals, quantised like any other network, with a report.
        w_min, w_max: limits of weights that learn, needed where some do. SuperNeuroMAT has none:
            weights are equal as long as they stay between them.

    Returns:
        The network, which probes spikes.

    Raises:
        NetworkError: something is malformed, or not exact with ``scale="exact"``.
        UnsupportedError: the network was left in the middle of a simulation.
        FileError: the file cannot be read.
    """
    if scale not in ("exact", "auto"):
        raise NetworkError("scale is unknown", found=repr(scale), expected="'exact' or 'auto'")
    document = read(snn)
    _refuse(document)
    parts = collapse(document)
    network = Network(dt=dt, name="superneuromat")
    if scale == "exact":
        network.quantization = Quantization(scale=_exact_scale(document, parts))
    factor = network.quantization.scale if network.quantization else None
    network.population(POPULATION, len(parts.ids), _neuron(document, parts.ids, dt, factor))
    still = ~parts.plastic
    for level, weight in enumerate(_weights(parts, factor)):
        used = still if level == 0 else still & (weight != 0)
        if used.any():
            network.connect(POPULATION, POPULATION, weights=_synapses(parts, used, weight, dt))
    if parts.plastic.any():
        rule = tap_rule(document.apos, document.aneg, (w_min, w_max), factor)
        synapses = _synapses(parts, parts.plastic, parts.weight, dt)
        network.connect(POPULATION, POPULATION, weights=synapses, learning=rule, name=PLASTIC)
    network.probe(POPULATION)
    return network


def superneuromat_inputs(snn: Any) -> dict[str, Any]:
    """The spikes that ``add_spike`` scheduled, as input of a run: values that are added to v.

    Where the network learns, also the modulator of its first steps (:mod:`.taps`).

    Args:
        snn: as for :func:`from_superneuromat`.

    Returns:
        ``inputs`` of ``Device.run``; empty where nothing is scheduled. A run must have more steps
        than the last of them.
    """
    document = read(snn)
    ids = collapse(document).ids
    inputs: dict[str, Any] = {}
    if len(document.step):
        events = np.stack([document.step, np.searchsorted(ids, document.neuron)], axis=1)
        inputs[POPULATION] = (events, document.value)
    if document.aneg.any():
        inputs["modulator"] = warm_up(document.aneg)[1]
    return inputs


def superneuromat_ids(snn: Any) -> NDArray[np.int64]:
    """SuperNeuroMAT's number of each neuron of the Network."""
    return collapse(read(snn)).ids


def _refuse(document: Document) -> None:
    if document.size == 0:
        raise NetworkError("the SuperNeuroMAT network has no neurons")
    for what, wrong in (
        ("a refractory countdown", document.neurons["countdown"] != 0),
        ("spikes on their way", np.isin(np.arange(document.size), document.fired)),
    ):
        if wrong.any():
            raise UnsupportedError(
                f"the SuperNeuroMAT network was left in the middle of a simulation: {what}",
                found=f"neuron {int(np.argmax(wrong))}",
                remedy="snn.reset() goes back to its beginning",
            )
    long = document.neurons["refractory"] > MAX_REFRACTORY
    if long.any():
        raise NetworkError(
            "a refractory period is too long",
            found=f"{document.neurons['refractory'][long][0]} steps, neuron {int(np.argmax(long))}",
            expected=f"at most {MAX_REFRACTORY}",
        )


def _exact_scale(document: Document, parts: Collapsed) -> float:
    """The smallest power of two at which all numbers but thresholds are whole."""
    p, ids = {k: v[parts.ids] for k, v in document.neurons.items()}, parts.ids
    finite = np.isfinite(p["leak"])
    named = (
        ("the weight of the synapse to neuron", ids[parts.post], parts.weight),
        ("the leak of neuron", ids[finite], p["leak"][finite]),
        ("the reset state of neuron", ids, p["reset"]),
        ("the initial state of neuron", ids, p["initial"]),
        ("an input of neuron", document.neuron, document.value),
        *((f"STDP's {name} of tap", np.arange(len(v)), v) for name, v in _taps(document)),
    )
    low = min((int(lowest_bits(v).min(initial=2000)) for _, _, v in named), default=0)
    bits = -low if low < 2000 else 0
    scale = float(np.exp2(np.clip(bits, -30, 60)))
    finest = ""
    for what, neurons, values in named:
        if len(values) and int(lowest_bits(values).min()) == low:
            at = int(np.argmin(lowest_bits(values)))
            finest = finest or f"{what} {neurons[at]}, {float(values[at])!r}"
    for what, neurons, values in named:
        if what.startswith("the leak"):
            continue  # one beyond the range takes everything at once, as it does there
        room = LARGEST_WEIGHT if "weight" in what else STATE_MAX
        wrong = (np.abs(values) * scale > room) | (values * scale != np.rint(values * scale))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise NetworkError(
                "the SuperNeuroMAT network cannot be exact in 24 bits",
                found=f"{what} {neurons[at]} is {values[at]:g}, while {finest}, needs steps of "
                f"2^{low}",
                expected="weights, leaks, states and inputs that are whole numbers of such steps",
                remedy="round them (to multiples of 1/64, say), or use scale='auto', which rounds "
                "and reports",
            )
    return scale


def _taps(document: Document) -> tuple[tuple[str, NDArray[np.float64]], ...]:
    return ("apos", document.apos), ("aneg", document.aneg)


def _synapses(
    parts: Collapsed, used: NDArray[np.bool_], weight: NDArray[np.float64], dt: float
) -> Synapses:
    return Synapses(parts.pre[used], parts.post[used], weight[used], parts.delay[used] * dt)


def _neuron(document: Document, ids: NDArray[np.int64], dt: float, scale: float | None) -> LIF:
    """SuperNeuroMAT's neuron, its state counted from the reset state."""
    p = {name: column[ids] for name, column in document.neurons.items()}
    start = p["initial"] - p["reset"]
    if scale is not None:
        threshold = floored(p["threshold"], p["reset"], scale) / scale
        endless = STATE_MAX / scale
    else:
        threshold = p["threshold"] - p["reset"]
        finite = np.abs(np.concatenate([threshold[np.isfinite(threshold)], start, [1.0]]))
        weights = np.abs(document.synapses["weight"]).max(initial=0.0)
        endless = _REAL_LEAKS * float(max(finite.max(), weights))
        threshold = np.clip(threshold, -endless, endless)
    return LIF(
        None,
        v_threshold=threshold,
        v_init=start,
        leak="linear",
        leak_rate=np.minimum(p["leak"], endless) / dt,
        refractory=p["refractory"] * dt,
        refractory_mode="mask",
    )


def _weights(parts: Collapsed, scale: float | None) -> list[NDArray[np.float64]]:
    """The weights, as a sum of such that mantissas hold."""
    if scale is None:
        return [parts.weight]
    static = np.where(parts.plastic, 0.0, parts.weight)
    return [part / scale for part in split(static * scale)]
