"""Networks as NIR graphs, and back: the same Program, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from support.nir_forward import Forward
from support.nir_graphs import DT, RNG, SPIKING, affine, cuba, graph, lif

import spikeloom as sl


def random_network(seed: int, **more: Any) -> sl.Network:
    """Layers, loops, delays, biases and readouts that NIR can express."""
    rng = RNG(seed)
    net = sl.Network(dt=1e-3, seed=seed)
    shape = (2, 3) if seed % 2 else 6
    sizes = {"in": 6, "x": 4, "y": 5, "z": 3}
    net.source("in", shape)
    tau = {"tau_mem": rng.uniform(5e-3, 40e-3, 4), "v_threshold": rng.uniform(0.5, 1, 4)}
    bias = rng.uniform(0, 0.03, 4)
    start = {} if "reset" in more else {"v_reset": -0.1, "v_init": 0.05}
    net.population("x", 4, sl.LIF(**tau, bias=bias, **start, **more))
    second = (sl.LIF(10e-3, 5e-3, v_threshold=0.4, **more), sl.IF(0.8, bias=0.02, **more))
    net.population("y", 5, second[seed // 2 % 2])
    net.population("z", 3, (sl.LI(30e-3, 4e-3), sl.LI(None))[seed // 3 % 2])
    pairs = [("in", "x"), ("x", "y"), ("y", "z"), ("in", "y"), ("y", "x"), ("x", "x"), ("y", "y")]
    for pre, post in pairs[: int(rng.integers(3, 8))]:
        weights = rng.normal(0.15, 0.25, (sizes[pre], sizes[post]))
        sparse = rng.random(weights.shape) < rng.choice([0.4, 0.0])
        delay = rng.integers(1, 6, weights.shape) * 1e-3 if rng.random() < 0.5 else 2e-3
        if sparse.any():
            pre_at, post_at = np.nonzero(sparse)
            delay = np.broadcast_to(delay, weights.shape)[sparse]
            weights, delay = sl.Synapses(pre_at, post_at, weights[sparse], delay), None
        net.connect(pre, post, weights=weights, delay=delay)
    net.probe("y")
    net.probe("z", "v")
    return net


def check_round_trip(net: sl.Network, path: Path, **options: Any) -> nir.NIRGraph:
    """Graph and file become the very same Program; the file is one that nir reads."""
    made = sl.to_nir(net, **options)
    sl.write_nir(net, path, **options)
    read = nir.read(path)
    assert set(read.edges) == set(made.edges)
    want = sl.compile(net).content_hash
    for given in (made, path):
        again = sl.from_nir(given, dt=net.dt, seed=net.seed, name=net.name, **options)
        assert again.shapes == net.shapes
        assert sl.compile(again).content_hash == want
    return made


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_come_back_as_the_same_program(seed: int, tmp_path: Path) -> None:
    check_round_trip(random_network(seed), tmp_path / "net.nir")


@pytest.mark.parametrize("late", [False, True])
def test_a_reset_that_nir_cannot_say_is_said_twice(late: bool, tmp_path: Path) -> None:
    net = random_network(0, reset="subtract", reset_delay=late)
    made = check_round_trip(net, tmp_path / "net.nir", reset="subtract", reset_delay=late)
    assert made.metadata == {"dt": 1e-3, "reset": "subtract", "reset_delay": float(late)}


@pytest.mark.parametrize("second", ["LIF leak", "CubaLIF", "IF"])
def test_an_imported_network_goes_back_without_delays(second: str, tmp_path: Path) -> None:
    g = graph(
        {"a": affine(6, 5), "x": lif(5), "b": affine(5, 4, 1), "y": SPIKING[second](4)}
        | {"w": affine(4, 4, 2), "c": affine(4, 4, 2), "z": cuba(4)},
        "in6 a, a x, x b, b y, y w, w y, y c, c z, z out4",
    )
    net = sl.from_nir(g, dt=DT)
    made = check_round_trip(net, tmp_path / "net.nir")
    assert not [n for n in made.nodes.values() if isinstance(n, nir.Delay)]
    assert sl.from_nir(made, dt=DT).latency == net.latency


def test_the_graph_means_the_same_to_others() -> None:
    """NIR's own equations, run by nothing of ours, give the network's spikes."""
    rng = RNG(3)
    net = sl.Network(dt=1e-3)
    net.source("in", 6)
    net.population("x", 4, sl.LIF(12e-3, v_threshold=0.8, bias=0.01))
    net.population("y", 5, sl.LIF(15e-3, 5e-3, v_threshold=0.5))
    net.connect("in", "x", weights=rng.normal(0.2, 0.3, (6, 4)), delay=0.0)
    net.connect("x", "x", weights=-0.3, connector=sl.OneToOne(), delay=2e-3)
    net.connect("x", "y", weights=rng.normal(0.1, 0.3, (4, 5)), delay=3e-3)
    net.probe("x")
    net.probe("y")
    g = sl.to_nir(net)
    x = rng.random((200, 6)) < 0.3
    order = ["in", "in->x", "x.delay1", "x->x", "x", "x.delay3", "x->y", "y"]
    expected = Forward(g, order, 1e-3).run(x)
    result = sl.simulate(net, 200, inputs={"in": x})
    for name in ("x", "y"):
        assert result.counts(name).sum() > 20
        np.testing.assert_array_equal(result.raster(name), expected[name])


def test_what_nir_cannot_express_is_said_at_once(tmp_path: Path) -> None:
    net = sl.Network(dt=1e-3)
    net.source("noise", 4, sl.Poisson(50.0))
    net.population("a", 4, sl.LIF(20e-3, (3e-3, 5e-3), refractory=2e-3, threshold_step=0.1))
    net.population("b", 4, sl.LIF(20e-3, reset="subtract"))
    net.population("c", 4, sl.LIF(None, leak="linear", leak_rate=3.0))
    net.population("d", 2, sl.LIF([20e-3, np.inf]))
    net.population("e", 2, sl.LIF(20e-3, 5e-3, bias=0.1))
    net.connect("noise", "a", weights=1.0, connector=sl.OneToOne(), receptor=1)
    net.connect("noise", "b", weights=np.ones((4, 4)), learning=sl.STDP(w_max=1.0))
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.write_nir(net, tmp_path / "no.nir")
    assert str(caught.value) == (
        "NIR cannot express this network\n"
        "  - source 'noise': NIR has no sources of its own\n"
        "  - no source that the host drives; NIR's graphs have an Input\n"
        "  - population 'a': [0]: a refractory period\n"
        "  - population 'a': [0]: an adaptive threshold\n"
        "  - population 'b': a reset that NIR cannot express; say reset='subtract' here and when "
        "reading\n"
        "  - population 'c': [0]: a linear leak; NIR's is exponential\n"
        "  - population 'd': [1]: neurons with and without leak; make it two populations\n"
        "  - population 'e': a bias beside a synaptic current; NIR's bias passes through the "
        "current. Give it by a spike source\n"
        "  - projection 'noise->a': a second receptor; NIR's neurons have one\n"
        "  - projection 'noise->b': a learning rule\n"
        "  remedy: docs/nir.md has what it can"
    )
    assert not (tmp_path / "no.nir").exists()


def small(**more: Any) -> sl.Network:
    net = sl.Network(dt=1e-3)
    net.source("in", 2)
    net.population("x", 2, sl.LIF(**{"tau_mem": 20e-3, **more}))
    return net


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"bias": 0.1}, "population 'x': a bias, but no synapses to bring it"),
        (
            {"tau_mem": None, "v_init": 0.5},
            "population 'x': v starts elsewhere than at v_reset, where NIR's integrators start",
        ),
        (
            {"tau_mem": None, "tau_syn": 5e-3},
            "population 'x': [0]: a synaptic current without decay, or beside a membrane without "
            "leak",
        ),
        (
            {"reset_delay": True},
            "population 'x': a reset at another time; say reset_delay=True here and when reading",
        ),
    ],
)
def test_single_refusals(more: Any, problem: str) -> None:
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.to_nir(small(**more))
    assert str(caught.value).splitlines()[1] == f"  - {problem}"


def test_names_and_sizes_that_no_file_takes() -> None:
    net = small()
    net.population("a/b", 2, sl.LIF(20e-3))
    net.source("wide", 70_000)
    net.population("many", 70_000, sl.LIF(20e-3))
    net.connect("wide", "many", weights=0.5, connector=sl.OneToOne())
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.to_nir(net)
    assert str(caught.value).splitlines()[1:3] == [
        "  - 'a/b': a name that HDF5 or this importer does not take",
        "  - projection 'wide->many': NIR has no sparse weights, and dense ones would be "
        "4900000000 numbers in all, more than 33554432",
    ]


def test_what_gets_lost_is_told() -> None:
    net = small()
    net.connect("in", "x", weights=np.ones((2, 2)))
    net.connect("in", "x", weights=np.ones((2, 2)), delay=3e-3)
    net.probe("x", "spikes", "v")
    with pytest.warns(UserWarning, match="probes are left out|become one") as told:
        sl.to_nir(net)
    assert [str(w.message) for w in told] == [
        "NIR's Outputs cannot show v of 'x'; these probes are left out",
        "projections between the same two become one when read again: ['in->x', 'in->x#2']",
    ]


def test_one_to_one_is_a_scale_and_metadata_stay(tmp_path: Path) -> None:
    net = small()
    net.connect("in", "x", weights=[0.5, 0.25], connector=sl.OneToOne(), delay=0.0)
    net.probe("x")
    net.metadata["x"] = {"author": "me", "more": {"rate": 2.0}}
    made = check_round_trip(net, tmp_path / "net.nir")
    assert made.nodes["in->x"].scale.tolist() == [0.5, 0.25]
    again = sl.from_nir(tmp_path / "net.nir", dt=1e-3)
    assert again.metadata == {"": {"dt": 1e-3}, "x": net.metadata["x"]}


def test_without_the_nir_package_files_are_still_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    net = small()
    net.connect("in", "x", weights=np.ones((2, 2)))
    with pytest.raises(sl.UnsupportedError, match=r"^the nir package is not installed"):
        sl.to_nir(net)
    assert sl.write_nir(net, tmp_path / "net.nir") == tmp_path / "net.nir"
