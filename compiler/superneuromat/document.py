"""What SuperNeuroMAT 3.5 wrote, as checked arrays: an ``SNN``, or its JSON ("snm" 0.1)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import FileError, NetworkError
from ...regular_file import open_regular
from ..checks import Reasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 1 << 31
"""Largest JSON file that is read."""
MAX_NEURONS = 1 << 31

_NEURON = {
    "neuron_thresholds": "threshold",
    "neuron_leaks": "leak",
    "neuron_reset_states": "reset",
    "neuron_refractory_periods": "refractory",
    "neuron_states": "initial",
    "neuron_refractory_periods_state": "countdown",
}
_SYNAPSE = {
    "pre_synaptic_neuron_ids": "pre",
    "post_synaptic_neuron_ids": "post",
    "synaptic_weights": "weight",
    "synaptic_delays": "delay",
    "enable_stdp": "plastic",
}
_WHOLE = ("refractory", "countdown", "pre", "post", "delay")


@dataclass(frozen=True, eq=False)
class Document:
    """An SNN; ``n`` neurons with those of its delay chains, ``s`` synapses, ``k`` input spikes.

    Attributes:
        neurons: float64 columns (n,): threshold, leak, reset, refractory, initial, countdown.
        synapses: columns (s,): pre, post, delay (int64), weight, plastic (float64).
        step, neuron, value: (k,) scheduled input, in the order of steps and neurons.
        apos, aneg: (taps,) float64, what STDP adds; empty where a simulation changes no weight.
        fired: (f,) neurons that fired in the last step that was simulated.
    """

    neurons: dict[str, NDArray[np.float64]]
    synapses: dict[str, Any]
    step: NDArray[np.int64]
    neuron: NDArray[np.int64]
    value: NDArray[np.float64]
    apos: NDArray[np.float64]
    aneg: NDArray[np.float64]
    fired: NDArray[np.int64]

    @property
    def learns(self) -> bool:
        """Whether a simulation would change weights."""
        return len(self.apos) > 0

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.neurons["threshold"])


def read(snn: Any) -> Document:
    """Check everything that a network is made from.

    Args:
        snn: a ``superneuromat.SNN``, its JSON as a dict, or the path of a JSON file.

    Raises:
        FileError: the file cannot be read or is no such JSON.
        NetworkError: with everything that is wrong.
    """
    get = _fields(snn)
    reasons = Reasons("SuperNeuroMAT network")
    neurons = _columns(reasons, get, _NEURON)
    synapses = _columns(reasons, get, _SYNAPSE)
    reasons.done()
    n = len(neurons["threshold"])
    for name in ("pre", "post"):
        wrong = (synapses[name] < 0) | (synapses[name] >= n)
        if wrong.any():
            at = int(np.argmax(wrong))
            reasons.add(f"synapse {at}: {name} is neuron {synapses[name][at]}, there are {n}")
    _check_values(reasons, neurons, synapses)
    step, neuron, value = _inputs(reasons, get("input_spikes"), n)
    learns = bool(np.any(synapses["plastic"])) and bool(get("stdp"))
    apos, aneg = _taps(reasons, get) if learns else (np.zeros(0), np.zeros(0))
    reasons.done()
    return Document(neurons, synapses, step, neuron, value, apos, aneg, _last_spikes(get, n))


def _fields(snn: Any) -> Any:
    """A function from a field's name to what the network has there."""
    if isinstance(snn, (str, Path)):
        snn = _load(Path(snn))
    if isinstance(snn, dict):
        data = _network(snn)
        return data.get
    if not all(hasattr(snn, name) for name in (*_NEURON, *_SYNAPSE)):
        raise NetworkError(
            "not a SuperNeuroMAT network",
            found=type(snn).__name__,
            expected="a superneuromat.SNN, its JSON as a dict, or the path of a JSON file",
        )
    return lambda name: getattr(snn, name, None)


def _load(path: Path) -> Any:
    with open_regular(path, "SuperNeuroMAT file") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise FileError("the file is too large", expected=f"at most {MAX_BYTES} bytes", where=path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(
            "the file is not valid JSON",
            found=str(error)[:200],
            where=path,
            remedy="write it with snn.saveas_json(file)",
        ) from None


def _network(document: dict[str, Any]) -> dict[str, Any]:
    """The data of the one network of a document, or of a network by itself."""
    networks = document.get("networks", [document])
    found = f"{len(networks)} networks" if isinstance(networks, list) else type(networks).__name__
    if not isinstance(networks, list) or len(networks) != 1:
        raise NetworkError(
            "the document must hold one network",
            found=found,
            remedy="pass one of its networks: document['networks'][i]",
        )
    network = networks[0]
    meta = network.get("meta") if isinstance(network, dict) else None
    if not isinstance(meta, dict) or not isinstance(network.get("data"), dict):
        raise NetworkError(
            "not a SuperNeuroMAT document",
            found="no 'meta' and 'data'",
            expected="what SNN.to_json writes",
        )
    seen = meta.get("format"), meta.get("format_version"), meta.get("type")
    if seen != ("snm", "0.1", "SNN"):
        raise NetworkError(
            "not a SuperNeuroMAT network of a known format",
            found=", ".join(map(repr, seen)),
            expected="format 'snm', version '0.1', type 'SNN'",
        )
    return network["data"]


def _columns(reasons: Reasons, get: Any, names: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, short in names.items():
        column = _numbers(reasons, name, get(name))
        if short in _WHOLE:
            whole = np.isfinite(column) & (column == np.rint(column)) & (np.abs(column) < 2**53)
            if not whole.all():
                at = int(np.argmin(whole))
                reasons.add(f"{name}[{at}] must be a whole number, got {column[at]}")
            column = np.where(whole, column, 0).astype(np.int64)
        found[short] = column
    lengths = {len(column) for column in found.values()}
    if len(lengths) > 1:
        listed = ", ".join(f"{name} {len(found[short])}" for name, short in names.items())
        reasons.add(f"these must be equally long: {listed}")
    return found


def _numbers(reasons: Reasons, name: str, value: Any) -> NDArray[np.float64]:
    """A list of numbers, or SuperNeuroMAT's base64 and base85 for one."""
    if isinstance(value, dict):
        value = _decoded(reasons, name, value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        array = np.zeros(0, object)
    if array.size == 0 and isinstance(value, (list, tuple)):
        return np.zeros(0)
    if array.ndim != 1 or array.dtype.kind not in "fiub" or len(array) > MAX_NEURONS:
        reasons.add(f"{name} must be a list of numbers")
        return np.zeros(0)
    if np.isnan(array.astype(np.float64)).any():
        reasons.add(f"{name}[{int(np.argmax(np.isnan(array)))}] is not a number")
    return array.astype(np.float64)


def _decoded(reasons: Reasons, name: str, value: dict[str, Any]) -> Any:
    decoders = {"base64": base64.b64decode, "base85": base64.b85decode}
    for key, decode in decoders.items():
        if key in value:
            try:
                kind = np.dtype(str(value.get("dtype", "<f8")))
                if kind.kind not in "fiub" or kind.hasobject:
                    raise ValueError(f"type {kind}")
                return np.frombuffer(decode(value[key]), kind)
            except (ValueError, TypeError, binascii.Error) as error:
                reasons.add(f"{name} is not valid {key}: {str(error)[:80]}")
    return []


def _check_values(reasons: Reasons, neurons: Any, synapses: Any) -> None:
    for name, column in (("leak", neurons["leak"]), ("refractory", neurons["refractory"])):
        if (column < 0).any():
            at = int(np.argmax(column < 0))
            reasons.add(f"neuron {at}: {name} must not be negative, got {column[at]:g}")
    for what, table, names in (
        ("neuron", neurons, ("reset", "initial")),
        ("synapse", synapses, ("weight",)),
    ):
        for name in names:
            wrong = ~np.isfinite(table[name])
            if wrong.any():
                at = int(np.argmax(wrong))
                reasons.add(f"{what} {at}: {name} must be finite, got {table[name][at]}")
    pairs = np.stack([synapses["pre"], synapses["post"]])
    if pairs.size:
        distinct, count = np.unique(pairs, axis=1, return_counts=True)
        if (count > 1).any():
            pre, post = distinct[:, int(np.argmax(count > 1))]
            reasons.add(f"there are several synapses from neuron {pre} to neuron {post}")


def _inputs(reasons: Reasons, spikes: Any, n: int) -> Any:
    """Scheduled spikes: a dict of step to ``nids`` and ``values``."""
    rows: list[tuple[int, int, float]] = []
    if not isinstance(spikes, dict):
        spikes = {}
    for key, entry in spikes.items():
        try:
            step = int(key)
            nids, values = list(entry["nids"]), [float(v) for v in entry["values"]]
            ids = [int(i) for i in nids]
        except (ValueError, TypeError, KeyError, OverflowError):
            reasons.add(f"input_spikes[{key!r}] must have nids and values")
            continue
        if len(ids) != len(values) or len(set(ids)) < len(ids) or ids != nids:
            reasons.add(f"input_spikes[{key!r}] must have one value for each of its neurons")
        elif step < 0 or any(not 0 <= i < n for i in ids) or not np.isfinite(values).all():
            reasons.add(f"input_spikes[{key!r}]: a step, neuron or value is out of range")
        else:
            rows += [(step, i, v) for i, v in zip(ids, values, strict=True)]
    rows.sort()
    step, neuron, value = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(step, np.int64), np.array(neuron, np.int64), np.array(value, np.float64)


def _taps(reasons: Reasons, get: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What STDP adds per tap, with and without its pair of spikes; nothing where all are 0."""
    found: dict[str, NDArray[np.float64]] = {}
    for name, flag, sign in (
        ("apos", "stdp_positive_update", 1.0),
        ("aneg", "stdp_negative_update", -1.0),
    ):
        values, switch = get(name), get(flag)
        on = values is not None and (switch is None or bool(switch))
        column = _numbers(reasons, name, values) if on else np.zeros(0)
        wrong = ~np.isfinite(column) | (sign * column < 0)
        if wrong.any():
            what = "positive" if sign > 0 else "negative"
            reasons.add(f"{name} must be finite and {what}, got {column[np.argmax(wrong)]:g}")
        found[name] = column
    lengths = {len(column) for column in found.values() if len(column)}
    if len(lengths) > 1:
        reasons.add(f"apos has {len(found['apos'])} taps, aneg {len(found['aneg'])}")
    if reasons or not any(column.any() for column in found.values()):
        return np.zeros(0), np.zeros(0)
    (taps,) = lengths
    apos, aneg = (c if len(c) else np.zeros(taps) for c in (found["apos"], found["aneg"]))
    return apos, aneg


def _last_spikes(get: Any, n: int) -> NDArray[np.int64]:
    train, reasons = get("spike_train"), Reasons("SuperNeuroMAT network")
    if train is None or len(train) == 0:
        return np.zeros(0, np.int64)
    if isinstance(train, dict):  # encoded, all steps in a row
        last = _numbers(reasons, "spike_train", train)[-n:]
    elif isinstance(train, (list, tuple, np.ndarray)):
        last = _numbers(reasons, "spike_train[-1]", train[-1])
    else:
        last = np.zeros(0)
    if not reasons and len(last) not in (0, n):
        reasons.add(f"spike_train must have {n} values a step, got {len(last)}")
    reasons.done()
    return np.flatnonzero(last)
