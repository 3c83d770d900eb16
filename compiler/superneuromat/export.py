"""From a Network to SuperNeuroMAT's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import NetworkError, UnsupportedError
from ..program import EXPONENTIAL, HOLD, RESET_SUBTRACT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..network import Network, Population

SCHEMA = "https://ornl.github.io/superneuromat/schema/0.1/snn.json"
_INFINITE = float("inf")


def to_superneuromat(network: Network) -> dict[str, Any]:
    """The network as SuperNeuroMAT's JSON document (``SNN().from_jsons(json.dumps(…))``).

    Sources come first, then populations, each in the order of declaration; hidden neurons of
    delay chains follow. A neuron of a source fires when ``add_spike`` gives it 1, and its spikes
    arrive as those of a source do here.

    Raises:
        UnsupportedError: with everything that SuperNeuroMAT does not have.
        NetworkError: the network has no neurons.
    """
    first, total = {}, 0
    for node in (*network.sources.values(), *network.populations.values()):
        first[node.name], total = total, total + node.size
    if not network.populations:
        raise NetworkError("the network has no neurons", where=f"network {network.name!r}")
    problems = _problems(network)
    if problems:
        raise UnsupportedError(
            "SuperNeuroMAT cannot express this network\n" + "\n".join(f"  - {p}" for p in problems),
            remedy="docs/superneuromat.md has what it can",
        )
    columns: dict[str, list[NDArray[np.float64]]] = {
        name: [] for name in ("threshold", "leak", "reset", "refractory", "initial")
    }
    for source in network.sources.values():
        values = (0.0, _INFINITE, 0.0, 0.0, 0.0)
        for name, value in zip(columns, values, strict=True):
            columns[name].append(np.full(source.size, value))
    for population in network.populations.values():
        for name, column in _neurons(population).items():
            columns[name].append(column)
    neurons = {name: np.concatenate(parts) for name, parts in columns.items()}
    neurons, synapses = _chained(neurons, *_synapses(network, first))
    return _document(neurons, synapses, network.name)


def _problems(network: Network) -> list[str]:
    found = [
        f"source {s.name!r}: only a host drives SuperNeuroMAT's neurons"
        for s in network.sources.values()
        if s.kind != "host"
    ]
    for population in network.populations.values():
        p = population.params
        leaks = (p["leak"] == EXPONENTIAL) & (p["factor_v"] != 1)
        linear = (p["leak"] != EXPONENTIAL) & (p["leak_step"] != 0)
        checks = (
            (leaks, "an exponential leak; leak='linear'"),
            (p["factor_u"].any(axis=1), "a synaptic current; tau_syn=None"),
            (p["reset"] == RESET_SUBTRACT, "reset='subtract'; reset='value'"),
            (p["reset_delay"] != 0, "a delayed reset; reset_delay=False"),
            (
                linear & (p["v_reset"] != 0),
                "a leak toward 0 and a reset elsewhere; SuperNeuroMAT leaks toward the reset state",
            ),
            (
                (p["refractory"] != 0) & (p["refractory_mode"] == HOLD),
                "refractory_mode='hold'; refractory_mode='mask'",
            ),
            (p["adapt_step"] != 0, "an adaptive threshold"),
            (p["bias"] != 0, "a bias"),
        )
        for wrong, what in checks:
            if wrong.any():
                found.append(f"{population.name!r}[{int(np.argmax(wrong))}]: {what}")
    for projection in network.projections.values():
        if projection.learning is not None:
            found.append(f"{projection.name!r}: a learning rule of another kind; learning=None")
        if (projection.synapses.delay == 0).any():
            found.append(f"{projection.name!r}: a delay of 0 steps; at least one step")
    return found


def _neurons(population: Population) -> dict[str, NDArray[np.float64]]:
    p = population.params
    return {
        "threshold": np.where(p["spiking"] != 0, p["threshold"], _INFINITE),
        "leak": np.where(p["leak"] == EXPONENTIAL, 0.0, p["leak_step"]),
        "reset": p["v_reset"],
        "refractory": p["refractory"].astype(np.float64),
        "initial": p["v_init"],
    }


def _synapses(network: Network, first: dict[str, int]) -> Any:
    """Sender, target, weight and delay; weights of the same way and delay are added up."""
    rows = []
    for p in network.projections.values():
        s = p.synapses
        rows.append(
            np.stack(
                [first[p.pre.name] + s.pre, first[p.post.name] + s.post, s.delay, s.weight], axis=1
            ).astype(np.float64)
        )
    table = np.concatenate([np.zeros((0, 4)), *rows])
    keys, which = np.unique(table[:, :3], axis=0, return_inverse=True)
    weight = np.bincount(which.ravel(), table[:, 3], len(keys)) if len(keys) else np.zeros(0)
    pre, post, delay = keys.astype(np.int64).T if len(keys) else np.zeros((3, 0), np.int64)
    return pre, post, delay, weight


def _chained(
    neurons: dict[str, NDArray[np.float64]],
    pre: NDArray[np.int64],
    post: NDArray[np.int64],
    delay: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> tuple[dict[str, NDArray[np.float64]], list[tuple[int, int, float, int]]]:
    """Delays as chains of hidden neurons, as SuperNeuroMAT's own ``create_synapse`` makes them."""
    size = len(neurons["threshold"])
    rows = []
    for a, b, d, w in zip(
        pre.tolist(), post.tolist(), delay.tolist(), weight.tolist(), strict=True
    ):
        for _ in range(d - 1):
            rows.append((a, size, 1.0, 1))
            a, size = size, size + 1
        rows.append((a, b, w, 1 if d == 1 else -d))
    hidden = size - len(neurons["threshold"])
    for name in neurons:
        value = _INFINITE if name == "leak" else 0.0
        neurons[name] = np.concatenate([neurons[name], np.full(hidden, value)])
    return neurons, rows


def _document(neurons: Any, rows: list[tuple[int, int, float, int]], name: str) -> dict[str, Any]:
    n = len(neurons["threshold"])
    pre, post, weight, delay = zip(*rows, strict=True) if rows else ((), (), (), ())
    data = {
        "num_neurons": n,
        "num_synapses": len(rows),
        "neuron_thresholds": neurons["threshold"].tolist(),
        "neuron_leaks": neurons["leak"].tolist(),
        "neuron_reset_states": neurons["reset"].tolist(),
        "neuron_refractory_periods": [int(r) for r in neurons["refractory"]],
        "neuron_refractory_periods_state": [0] * n,
        "neuron_states": neurons["initial"].tolist(),
        "pre_synaptic_neuron_ids": list(pre),
        "post_synaptic_neuron_ids": list(post),
        "synaptic_weights": list(weight),
        "synaptic_delays": list(delay),
        "enable_stdp": [0] * len(rows),
        "input_spikes": {},
        "spike_train": [],
        "stdp": False,
        "apos": [],
        "aneg": [],
        "stdp_positive_update": True,
        "stdp_negative_update": True,
        "default_dtype": "float64",
        "manual_setup": False,
        "allow_incorrect_stdp_sign": False,
        "allow_signed_leak": False,
        "_sparse": "auto",
        "_backend": "auto",
    }
    meta = {
        "array_representation": "json-native",
        "from": {"module": "spikeloom"},
        "format": "snm",
        "format_version": "0.1",
        "type": "SNN",
    }
    network = {"meta": meta, "data": data, "name": name}
    return {"$schema": SCHEMA, "version": "0.1", "networks": [network]}
