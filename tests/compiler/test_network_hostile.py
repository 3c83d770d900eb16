"""Whatever is handed in: it works, or the error is ours and says what was found."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import spikeloom as sl

JUNK: list[Any] = [
    None, "x", "a", "b", b"y", 1, 1.5, -1, 0, True, np.nan, np.inf, 10**400, 1j,
    [], [1, 2], [[1]], [None, 1], (1, 2), (1,), ("a", None), {}, {"a": 1}, object(), abs,
    np.ones(3), np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 3), bool), np.ones((2, 3), "f2"),
    np.array(["a"]), np.array([1 + 2j]), np.array(3), np.float32(3), np.datetime64(0, "s"),
    np.ma.array([1.0, 2.0], mask=[False, True]), scipy.sparse.eye_array(3), scipy.sparse.eye(3),
    sl.LIF(20e-3), sl.AllToAll(), sl.Synapses([0], [0], 1.0),
]  # fmt: skip


def network() -> sl.Network:
    net = sl.Network()
    net.source("a", 2)
    net.population("b", 3, sl.LIF(20e-3))
    return net


def connect(**changes: Any) -> None:
    network().connect(**{"pre": "a", "post": "b", "weights": np.ones((2, 3)), **changes})


CALLS: dict[str, Callable[[Any], Any]] = {
    **{f"Network {f}": lambda x, f=f: sl.Network(**{f: x}) for f in ("name", "dt", "seed")},
    "source name": lambda x: network().source(x, 2),
    "source size": lambda x: network().source("c", x),
    "source generator": lambda x: network().source("c", 2, x),
    "population neuron": lambda x: network().population("c", 2, x),
    "Poisson rate": lambda x: network().source("c", 2, sl.Poisson(x)),
    "Poisson seed": lambda x: sl.Poisson(1.0, x),
    "Periodic period": lambda x: network().source("c", 2, sl.Periodic(x)),
    "Periodic phase": lambda x: network().source("c", 2, sl.Periodic(5e-3, x)),
    "FixedProbability p": sl.FixedProbability,
    "FixedProbability seed": lambda x: sl.FixedProbability(0.5, x),
    "Synapses pre": lambda x: connect(weights=sl.Synapses(x, [0, 1], 1.0)),
    "Synapses post": lambda x: connect(weights=sl.Synapses([0, 1], x, 1.0)),
    "Synapses weight": lambda x: connect(weights=sl.Synapses([0, 1], [0, 1], x)),
    "Synapses delay": lambda x: connect(weights=sl.Synapses([0, 1], [0, 1], 1.0, x)),
    **{
        f"connect {f}": lambda x, f=f: connect(**{f: x})
        for f in ("pre", "post", "weights", "delay", "receptor", "connector", "learning", "name")
    },
    "connector weights": lambda x: connect(weights=x, connector=sl.AllToAll()),
    "connector delay": lambda x: connect(weights=1.0, delay=x, connector=sl.FixedProbability(0.5)),
    "probe object": lambda x: network().probe(x),
    "probe variable": lambda x: network().probe("b", x),
    **{
        f"Quantization {f}": lambda x, f=f: sl.compile(network(), "core", sl.Quantization(**{f: x}))
        for f in ("scale", "per_neuron", "rounding")
    },
    "Quantization scale of b": lambda x: sl.compile(
        network(), "core", sl.Quantization(scale={"b": x})
    ),
    "compile network": sl.compile,
    "compile target": lambda x: sl.compile(network(), x),
    "compile quantization": lambda x: sl.compile(network(), "core", x),
    **{
        f"LIF {f.name}": lambda x, f=f: network().population(
            "c", 2, sl.LIF(**{"tau_mem": 20e-3, f.name: x})
        )
        for f in fields(sl.LIF)
    },
}


@pytest.mark.parametrize("call", CALLS)
def test_junk_is_refused_in_our_words(call: str) -> None:
    messages = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for junk in JUNK:
            try:
                CALLS[call](junk)
            except sl.SpikeloomError as error:
                messages.append(str(error))
    assert len(messages) > len(JUNK) // 3
    assert max(map(len, messages)) < 2000


def test_masked_arrays_are_not_taken_for_whole_ones() -> None:
    with pytest.raises(sl.NetworkError, match="must be a number or an array of numbers"):
        connect(weights=np.ma.masked_equal(np.eye(2, 3), 0.0))
