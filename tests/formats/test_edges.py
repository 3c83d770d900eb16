"""Edge lists out and in again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikeloom as sl


def nodes() -> sl.Network:
    net = sl.Network(dt=1e-3, seed=3)
    net.source("in", 4)
    net.population("x", 5, sl.LIF(20e-3, (5e-3, 8e-3)))
    net.population("y", 3, sl.LIF(10e-3))
    net.probe("y")
    return net


def connected() -> sl.Network:
    rng, net = np.random.default_rng(0), nodes()
    delay = rng.integers(0, 9, (4, 5)) * 1e-3
    net.connect("in", "x", weights=rng.normal(0, 1, (4, 5)), delay=delay)
    net.connect("x", "y", weights=rng.normal(0, 1, (5, 3)), name='deep, "quoted"')
    net.connect("x", "x", weights=0.1, connector=sl.FixedProbability(0.3), receptor=1)
    net.connect("x", "x", weights=0.2, connector=sl.OneToOne(), delay=4e-3)
    return net


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_out_and_in_is_the_same_program(kind: str, tmp_path: Path) -> None:
    net, again = connected(), nodes()
    path = sl.write_edges(net, tmp_path / f"edges.{kind}")
    assert sl.read_edges(again, path) == list(net.projections)
    assert sl.compile(again).content_hash == sl.compile(net).content_hash


HEADER = "projection,pre,pre_index,post,post_index,weight,delay,receptor\n"


@pytest.mark.parametrize(
    ("text", "problem", "where"),
    [
        ("a,b\n", "this is no edge list", ""),
        (HEADER + "p,in,0,x,0,1.0\n", "a line is no synapse", ":2"),
        (HEADER + "p,in,0,x,0,one,0.001,0\n", "a line is no synapse", ":2"),
        (HEADER + "p,in,0.5,x,0,1,0.001,0\n", "a line is no synapse", ":2"),
        (HEADER + f"p,in,{10**30},x,0,1,0.001,0\n", "an index is out of every range", ""),
        (
            HEADER + "p,in,0,x,0,1,0.001,0\np,in,0,y,0,1,0.001,0\n",
            "projection 'p' has several values of post",
            "",
        ),
    ],
)
def test_lists_that_are_refused(text: str, problem: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(text)
    with pytest.raises(sl.FileError) as caught:
        sl.read_edges(nodes(), path)
    assert caught.value.problem == problem
    assert str(caught.value.where) == f"{path}{where}"


@pytest.mark.parametrize(
    "change",
    [
        {"weight": np.ones(2)},
        {"weight": np.array(["1"] * 3)},
        {"pre": np.arange(3)},
        {"more": np.ones(3)},
        {"pre_index": np.zeros((3, 1), int)},
    ],
)
def test_arrays_that_are_no_list(change: Any, tmp_path: Path) -> None:
    net = nodes()
    net.connect("in", "y", weights=sl.Synapses([0, 1, 2], [0, 1, 2], 1.0))
    path = sl.write_edges(net, tmp_path / "edges.npz")
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **change})
    with pytest.raises(sl.FileError, match=r"^this is no edge list"):
        sl.read_edges(nodes(), path)


def test_names_that_the_network_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(HEADER + "p,in,0,z,0,1.0,0.001,0\n")
    with pytest.raises(sl.NetworkError, match=r"^post: not a population of network"):
        sl.read_edges(nodes(), path)
    path.write_text(HEADER + "p,in,9,x,0,1.0,0.001,0\n")
    with pytest.raises(sl.NetworkError, match=r"pre.* is 9, but 'in' has neurons 0 to 3"):
        sl.read_edges(nodes(), path)
