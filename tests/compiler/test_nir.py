"""NIR graphs against a forward simulation of NIR's equations that shares nothing with them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from support.nir_files import minimal
from support.nir_forward import NEURONS, Forward, kind

import spikeloom as sl

DT = 1e-3
RNG = np.random.default_rng


def lif(n: int, seed: int = 0, **more: Any) -> nir.LIF:
    rng = RNG(seed)
    fields = {
        "tau": rng.uniform(3e-3, 2e-2, n),
        "r": rng.uniform(5, 15, n),
        "v_leak": np.zeros(n),
        "v_threshold": rng.uniform(0.5, 1.0, n),
        "v_reset": np.zeros(n),
    }
    return nir.LIF(**{**fields, **more})


def cuba(n: int, seed: int = 0, **more: Any) -> nir.CubaLIF:
    rng = RNG(seed)
    fields = {
        "tau_mem": rng.uniform(3e-3, 2e-2, n),
        "tau_syn": rng.uniform(2e-3, 6e-3, n),
        "r": rng.uniform(5, 15, n),
        "v_leak": np.zeros(n),
        "v_threshold": rng.uniform(0.5, 1.0, n),
        "v_reset": np.zeros(n),
        "w_in": rng.uniform(1, 3, n),
    }
    return nir.CubaLIF(**{**fields, **more})


def affine(n_in: int, n_out: int, seed: int = 0, bias: float = 0.2) -> nir.Affine:
    rng = RNG(seed)
    return nir.Affine(rng.normal(0.2, 1, (n_out, n_in)), rng.normal(0, bias, n_out))


def graph(nodes: dict[str, Any], edges: str) -> nir.NIRGraph:
    """Edges as "a b, b c"; Inputs and Outputs are as large as they are called: in5, out3."""
    pairs = [tuple(edge.split()) for edge in edges.split(",")]
    for name in dict.fromkeys(n for pair in pairs for n in pair):
        if size := re.fullmatch(r"(in|out)[a-z]*(\d+)", name):
            make = nir.Input if size[1] == "in" else nir.Output
            nodes[name] = make(np.array([int(size[2])]))
    return nir.NIRGraph(nodes, pairs, type_check=False)


def check_equal(
    g: Any, order: str, steps: int = 60, flat: Any = None, seed: int = 3, **options: Any
) -> sl.Network:
    """Import `g`, simulate it and compare every neuron with the forward simulation of `flat`."""
    net = sl.from_nir(g, dt=DT, **options)
    names = order.split()
    (source,) = (n for n in net.sources if ".bias" not in n)
    x = RNG(seed).random((steps, net.sources[source].size)) < 0.4
    expected = Forward(flat or g, names, DT, options.get("reset") == "subtract").run(x)
    shift = max(net.latency.values())
    for name, population in net.populations.items():
        net.probe(name, "spikes" if population.neuron.spiking else "v")
    long = np.vstack([x, np.zeros((shift, x.shape[1]), bool)])
    result = sl.simulate(net, len(long), inputs={source: long})
    for name, population in net.populations.items():
        late = net.latency[name]
        want = expected[name]
        if population.neuron.spiking:
            raster = np.zeros((len(long), population.size))
            raster[tuple(result.spikes[name].T)] = 1
            assert 0 < want.sum() < want.size, f"{name} says nothing: change the test"
            assert not raster[:late].any()
            np.testing.assert_array_equal(raster[late : late + steps], want, err_msg=name)
        else:
            got = np.asarray(result.states[name]["v"])[late : late + steps]
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=name)
    return net


# ---------------------------------------------------------------------------------- neuron models

SPIKING = {
    "LIF": lambda n: lif(n),
    "LIF leak": lambda n: lif(n, v_leak=np.linspace(-0.3, 0.4, n), v_reset=np.linspace(0, -0.2, n)),
    "CubaLIF": lambda n: cuba(n),
    "CubaLIF leak": lambda n: cuba(n, v_leak=np.linspace(-0.2, 0.2, n), v_reset=np.full(n, -0.1)),
    "IF": lambda n: nir.IF(np.full(n, 300.0), np.linspace(0.7, 1.3, n), np.full(n, -0.05)),
    "Threshold": lambda n: nir.Threshold(np.linspace(0.1, 0.6, n)),
}
READOUT = {
    "LI": lambda n: nir.LI(np.full(n, 5e-3), np.full(n, 2.0), np.linspace(-1, 1, n)),
    "I": lambda n: nir.I(np.full(n, 100.0)),
    "CubaLI": lambda n: nir.CubaLI(
        np.full(n, 3e-3), np.full(n, 8e-3), np.full(n, 2.0), np.full(n, 0.1), np.full(n, 1.5)
    ),
}


@pytest.mark.parametrize("second", [*SPIKING, *READOUT])
@pytest.mark.parametrize("first", SPIKING)
def test_two_layers_are_the_forward_simulation_shifted(first: str, second: str) -> None:
    g = graph(
        {"a": affine(6, 5), "x": SPIKING[first](5), "b": affine(5, 4, 1)}
        | {"y": (SPIKING | READOUT)[second](4)},
        "in6 a, a x, x b, b y, y out4",
    )
    net = check_equal(g, "in6 a x b y")
    assert net.latency == {"x": 0, "y": 1}


@pytest.mark.parametrize("kind_of", ["LIF", "CubaLIF"])
def test_reset_by_subtraction(kind_of: str) -> None:
    g = graph({"a": affine(6, 5), "x": SPIKING[kind_of](5)}, "in6 a, a x, x out5")
    check_equal(g, "in6 a x", reset="subtract")


def test_outputs_are_probed() -> None:
    g = graph(
        {"a": affine(3, 2), "x": lif(2), "b": affine(2, 2), "y": READOUT["LI"](2)},
        "in3 a, a x, x b, b y, x out2, y outy2",
    )
    net = sl.from_nir(g, dt=DT)
    assert [(p.of, p.variable) for p in net.probes] == [("x", "spikes"), ("y", "v")]


# ------------------------------------------------------------------------------------ linear nodes


def test_chain_of_linear_nodes_is_one_projection() -> None:
    g = graph(
        {"s": nir.Scale(np.linspace(1, 2, 6)), "f": nir.Flatten(np.array([2, 3]), 0, -1)}
        | {"a": affine(6, 5), "t": nir.Scale(np.array([0.5])), "b": affine(5, 4), "x": lif(4)},
        "in6 s, s f, f a, a t, t b, b x, x out4",
    )
    flat = graph(
        {"a": nir.Affine(*folded(g)), "x": g.nodes["x"]},
        "in6 a, a x, x out4",
    )
    net = check_equal(g, "in6 a x", flat=flat)
    assert list(net.projections) == ["in6->x"]


def folded(g: Any) -> tuple[np.ndarray, np.ndarray]:
    n = g.nodes
    return (
        n["b"].weight @ (0.5 * n["a"].weight) * n["s"].scale,
        n["b"].weight @ (0.5 * n["a"].bias) + n["b"].bias,
    )


@pytest.mark.parametrize("steps", [[2] * 5, [0, 1, 2, 3, 40]])
@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_delay_nodes(steps: list[int], place: str) -> None:
    nodes = {"d": nir.Delay(np.array(steps) * DT), "x": lif(5), "y": lif(5, 1)}
    nodes |= {"a": affine(5, 5), "b": affine(5, 5, 1, 0), "c": affine(5, 5, 2, 0)}
    edges = {
        "before": "in5 a, a x, x d, d b, b y, y out5",
        "between": "in5 a, a x, x b, b d, d c, c y, y out5",
        "after": "in5 a, a x, x b, b d, d y, y out5",
    }[place]
    g = graph(nodes, edges)
    order = {"before": "d b", "between": "b d c", "after": "b d"}[place]
    check_equal(g, f"in5 a x {order} y", steps=120)


def test_a_delayed_bias_sets_in_late() -> None:
    g = graph(
        {"a": affine(5, 5, bias=1.0), "d": nir.Delay(np.arange(5) * DT), "x": lif(5)},
        "in5 a, a d, d x, x out5",
    )
    net = check_equal(g, "in5 a d x")
    assert sorted(net.sources) == ["in5", *(f"x.bias@{s}" for s in range(1, 5))]


def test_delayed_diagonals_and_pruned_weights_have_no_synapses_of_weight_zero() -> None:
    pruned = nir.Linear(np.where(RNG(0).random((6, 6)) < 0.2, 1.0, 0.0))
    g = graph(
        {"d": nir.Delay(np.arange(6) * DT), "x": lif(6), "w": pruned, "y": lif(6)},
        "in6 d, d x, x w, w y, y out6",
    )
    net = sl.from_nir(g, dt=DT)
    assert len(net.projections["in6->x"].synapses) == 6
    assert net.projections["in6->x"].synapses.delay.tolist() == list(range(6))
    assert len(net.projections["x->y"].synapses) == np.count_nonzero(pruned.weight)


def test_absurd_and_negative_delays() -> None:
    g = graph({"d": nir.Delay(np.array([0.0, 5.0])), "x": lif(2)}, "in2 d, d x, x out2")
    with pytest.raises(sl.NetworkError) as caught:
        sl.from_nir(g, dt=DT)
    assert str(caught.value) == (
        "A delay is absurdly long.\n"
        "  found: 5 s, 5000 steps\n"
        "  expected: ≤ 4096 steps\n"
        "  where: NIRGraph: node 'd'\n"
        "  remedy: is dt right? NIR's delays are in seconds"
    )
    g.nodes["d"].delay[:] = -DT
    with pytest.raises(sl.FileError, match=r"^A delay is negative\."):
        sl.from_nir(g, dt=DT)


def test_delay_that_is_no_whole_step_is_rounded_with_a_warning() -> None:
    g = graph({"d": nir.Delay(np.full(2, 1.4e-3)), "x": lif(2)}, "in2 d, d x, x out2")
    with pytest.warns(UserWarning, match=r"a delay of 0\.0014 s is no whole number of steps"):
        net = sl.from_nir(g, dt=DT)
    assert set(net.projections["in2->x"].synapses.delay) == {1}


def test_fan_in_sums_and_skip_connections_keep_time() -> None:
    g = graph(
        {"a": affine(5, 4), "x": lif(4), "b": affine(4, 4, 1), "y": cuba(4), "c": affine(4, 3, 2)}
        | {"skip": affine(5, 3, 3), "xz": affine(4, 3, 4), "z": lif(3, 5)},
        "in5 a, a x, x b, b y, y c, c z, in5 skip, skip z, x xz, xz z, z out3",
    )
    net = check_equal(g, "in5 a x b y c skip xz z")
    assert net.latency == {"x": 0, "y": 1, "z": 2}
    delays = {n: set(p.synapses.delay.tolist()) for n, p in net.projections.items()}
    assert delays["in5->z"] == {2}
    assert delays["x->z"] == {2}
    assert delays["y->z"] == {1}


def test_input_straight_into_neurons_and_several_layers() -> None:
    g = graph(
        {"x": lif(5, r=np.full(5, 20.0)), "a": affine(5, 3), "y": lif(3)},
        "in5 x, in5 a, a y, x out5, y out3",
    )
    net = check_equal(g, "in5 x a y")
    assert net.latency == {"x": 0, "y": 0}


def test_output_of_a_linear_node_becomes_a_readout() -> None:
    g = graph({"a": affine(5, 4), "x": lif(4), "b": affine(4, 3)}, "in5 a, a x, x b, b out3")
    net = sl.from_nir(g, dt=DT)
    assert [(p.of, p.variable) for p in net.probes] == [("out3", "v")]
    check_equal(g, "in5 a x b out3")


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed: int) -> None:
    """Layers of random kinds with skip connections, delays, biases and resting potentials."""
    rng = RNG(seed)
    nodes: dict[str, Any] = {}
    edges, order, sizes = [], ["in6"], {"in6": 6}
    for layer in range(4):
        name, n = f"n{layer}", int(rng.integers(2, 6))
        models = [m for m in SPIKING if m != "Threshold"]
        nodes[name] = SPIKING[models[rng.integers(len(models))]](n)
        senders = {list(sizes)[-1], list(sizes)[rng.integers(len(sizes))]}
        for pre in sorted(senders):
            w, d = f"{pre}_{name}", f"{pre}_{name}_d"
            nodes[w] = affine(sizes[pre], n, int(rng.integers(1000)), 0.3)
            nodes[d] = nir.Delay(rng.integers(0, 4, n) * DT if rng.random() < 0.5 else np.zeros(n))
            edges += [f"{pre} {w}", f"{w} {d}", f"{d} {name}"]
            order += [w, d]
        order.append(name)
        sizes[name] = n
    edges.append(f"n3 out{sizes['n3']}")
    g = graph(nodes, ", ".join(edges))
    net = sl.from_nir(g, dt=DT)
    x = RNG(seed + 100).random((80, 6)) < 0.5
    expected = Forward(g, order, DT).run(x)
    shift = max(net.latency.values())
    for name in net.populations:
        net.probe(name)
    long = np.vstack([x, np.zeros((shift, 6), bool)])
    result = sl.simulate(net, len(long), inputs={"in6": long})
    total = 0.0
    for name, population in net.populations.items():
        raster = np.zeros((len(long), population.size))
        raster[tuple(result.spikes[name].T)] = 1
        late = net.latency[name]
        assert not raster[:late].any()
        np.testing.assert_array_equal(raster[late : late + 80], expected[name], err_msg=name)
        total += raster.sum()
    assert total > 20


# -------------------------------------------------------------------------------------- recurrence


def test_recurrence_as_edges_both_ways() -> None:
    g = graph(
        {"a": affine(5, 4), "x": lif(4), "w": affine(4, 4, 1), "b": affine(4, 3), "y": lif(3)},
        "in5 a, a x, x w, w x, x b, b y, y out3",
    )
    net = check_equal(g, "in5 a x w b y")
    assert set(net.projections["x->x"].synapses.delay.tolist()) == {1}


@pytest.mark.parametrize("place", ["object", "file"])
def test_recurrence_as_a_sub_graph(place: str, tmp_path: Path) -> None:
    inner = graph({"cell": lif(4), "w": affine(4, 4, 1)}, "in4 cell, cell w, w cell, cell out4")
    g = graph({"a": affine(5, 4), "rnn": inner}, "in5 a, a rnn, rnn out4")
    flat = graph(
        {"a": g.nodes["a"], "rnn.cell": inner.nodes["cell"], "w": inner.nodes["w"]},
        "in5 a, a rnn.cell, rnn.cell w, w rnn.cell, rnn.cell out4",
    )
    given: Any = g
    if place == "file":
        given = tmp_path / "rnn.nir"
        nir.write(given, g)
    net = check_equal(given, "in5 a rnn.cell w", flat=flat)
    assert list(net.populations) == ["rnn.cell"]


def test_sub_graph_with_several_inputs_by_name() -> None:
    inner = graph(
        {"p": affine(2, 3), "q": affine(3, 3, 1), "x": lif(3)},
        "in2 p, in3 q, p x, q x, x out3",
    )
    g = graph({"a": affine(4, 2), "b": affine(4, 3), "sub": inner}, "in4 a, in4 b, sub out3")
    g.edges += [("a", "sub.in2"), ("b", "sub.in3")]
    assert list(sl.from_nir(g, dt=DT).projections) == ["in4->sub.x"]
    g.edges[-1] = ("b", "sub")
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(g, dt=DT)
    assert str(caught.value) == (
        "An edge to a sub-graph needs exactly one Input node inside.\n"
        "  found: 'in2', 'in3'\n"
        "  where: NIRGraph: node 'sub'\n"
        "  remedy: write the edge to one of them: sub.<name of the Input node>"
    )


LOOP = "in4 a, a x, x b, b y, y w, w d, d x, y out4"


def loop(delay: int, edges: str = LOOP) -> nir.NIRGraph:
    return graph(
        {"a": affine(4, 4), "x": lif(4), "b": affine(4, 4, 1), "y": lif(4, 1)}
        | {"w": affine(4, 4, 2, 0), "d": nir.Delay(np.full(4, delay * DT))},
        edges,
    )


def test_loop_over_two_populations_with_time_enough() -> None:
    net = check_equal(loop(1), "in4 a x b y w d")
    assert set(net.projections["y->x"].synapses.delay.tolist()) == {1}


def test_loop_that_is_too_fast() -> None:
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.from_nir(loop(0), dt=DT)
    assert str(caught.value) == (
        "A loop of several populations is faster than the machine, where every hop takes a step.\n"
        "  found: 'x' -> 'y' -> 'x' in 1 step(s)\n"
        "  expected: at least 2 steps\n"
        "  where: NIRGraph\n"
        "  remedy: put a Delay of 1 step(s) into the loop and train with it"
    )


def test_loop_with_two_entries_needs_a_word_from_the_user() -> None:
    g = loop(1, f"{LOOP}, in4 c, c y")
    g.nodes["c"] = affine(4, 4, 5)
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(g, dt=DT)
    assert "'x' -> 'y' -> 'x'" in str(caught.value) or "'y' -> 'x' -> 'y'" in str(caught.value)
    assert caught.value.remedy == "say which one it is: back_edges=[(from, to)]"
    check_equal(g, "in4 a x b c y w d", back_edges=[("y", "x")])


def test_back_edges_must_exist() -> None:
    with pytest.raises(sl.NetworkError, match=r"^back_edges names a connection that does not"):
        sl.from_nir(loop(1), dt=DT, back_edges=[("y", "z")])


def test_loop_that_no_input_reaches() -> None:
    g = loop(1, f"{LOOP}, p q, q p")
    g.nodes |= {"p": lif(3), "q": lif(3)}
    with pytest.raises(sl.FileError, match=r"^No input reaches these nodes"):
        sl.from_nir(g, dt=DT)


# ----------------------------------------------------------------------- before the first input


def test_bias_of_later_layers_waits_for_the_first_step() -> None:
    """v starts where nothing but the bias leads it to 0 when the framework starts."""
    g = graph(
        {"a": affine(4, 4), "x": lif(4), "b": affine(4, 4), "y": lif(4, 1)},
        "in4 a, a x, x b, b y, y out4",
    )
    net = check_equal(g, "in4 a x b y")
    assert list(net.sources) == ["in4"]
    assert net.populations["y"].params["v_init"].any()


def test_bias_that_would_fire_before_the_first_step_comes_from_a_source() -> None:
    strong = nir.Affine(np.ones((2, 2)), np.array([30.0, -30.0]))
    middle = nir.Affine(np.ones((2, 2)), np.zeros(2))
    fast = lif(2, tau=np.full(2, 1.2e-3), r=np.ones(2))
    g = graph(
        {"a": affine(4, 2), "x": lif(2), "b": middle, "y": lif(2), "c": strong, "z": fast},
        "in4 a, a x, x b, b y, y c, c z, z out2",
    )
    net = sl.from_nir(g, dt=DT)
    assert list(net.sources) == ["in4", "z.bias"]
    result = sl.simulate(net, 20, inputs={"in4": np.zeros((20, 4), bool)})
    assert result.spikes["z"][0].tolist() == [2, 0]


def test_threshold_below_rest_in_a_later_layer() -> None:
    g = graph(
        {"a": affine(4, 2), "x": lif(2), "b": affine(2, 2), "y": lif(2, v_threshold=-np.ones(2))},
        "in4 a, a x, x b, b y, y out2",
    )
    with pytest.raises(sl.UnsupportedError, match=r"^These neurons fire at rest"):
        sl.from_nir(g, dt=DT)


# ------------------------------------------------------------------------------------------- files


def test_file_and_object_give_the_same_network(tmp_path: Path) -> None:
    g = graph(
        {"a": affine(6, 5), "x": cuba(5), "b": affine(5, 4), "y": lif(4)},
        "in6 a, a x, x b, b y, y out4",
    )
    nir.write(tmp_path / "g.nir", g)
    one, two = sl.from_nir(g, dt=DT), sl.from_nir(str(tmp_path / "g.nir"), dt=DT)
    for name, population in one.populations.items():
        assert np.array_equal(population.params, two.populations[name].params)
    for name, projection in one.projections.items():
        for column in ("start", "post", "weight", "delay"):
            a, b = projection.synapses, two.projections[name].synapses
            assert np.array_equal(getattr(a, column), getattr(b, column))


def test_files_of_old_nir_lack_v_reset_and_w_in(tmp_path: Path) -> None:
    path = tmp_path / "old.nir"
    nir.write(path, graph({"a": affine(3, 2), "x": cuba(2, w_in=np.ones(2))}, "in3 a, a x, x out2"))
    new = sl.from_nir(path, dt=DT)
    with h5py.File(path, "r+") as file:
        del file["node/nodes/x/v_reset"], file["node/nodes/x/w_in"]
        del file["version"]
    old = sl.from_nir(path, dt=DT)
    assert np.array_equal(old.populations["x"].params, new.populations["x"].params)
    weights = [n.projections["in3->x"].synapses.weight for n in (old, new)]
    assert np.array_equal(*weights)


def test_fixed_length_edges_metadata_and_unused_fields(tmp_path: Path) -> None:
    path = tmp_path / "odd.nir"
    with h5py.File(path, "w") as file:
        minimal(file)
        edges = np.array(file["node/edges"].asstr()[()], dtype="S16")
        del file["node/edges"]
        file["node/edges"] = edges
        file["node/nodes/lif"].create_group("metadata")["author"] = "me"
        file["node/nodes/lif"]["colour"] = 3
    with pytest.warns(UserWarning, match=r"node/nodes/lif: 'colour' is not used"):
        net = sl.from_nir(path)
    assert list(net.projections) == ["input->lif"]


def test_scalar_parameters_fit_any_size() -> None:
    one = np.array(1.0)
    g = graph(
        {"a": affine(5, 4), "x": nir.LIF(one * 5e-3, one * 8, one * 0, one, one * 0)},
        "in5 a, a x, x out4",
    )
    assert sl.from_nir(g, dt=DT).populations["x"].size == 4


def test_images_are_flattened_in_c_order() -> None:
    shape = (2, 3)
    g = nir.NIRGraph(
        {"in": nir.Input(np.array(shape)), "x": lif(6), "out": nir.Output(np.array(shape))},
        [("in", "x"), ("x", "out")],
        type_check=False,
    )
    g.nodes["x"] = nir.LIF(*(getattr(lif(6), f).reshape(shape) for f in
                             ("tau", "r", "v_leak", "v_threshold", "v_reset")))  # fmt: skip
    net = sl.from_nir(g, dt=DT)
    assert np.array_equal(net.populations["x"].params["threshold"], lif(6).v_threshold)


def test_edges_twice_are_taken_once() -> None:
    g = graph({"a": affine(3, 2), "x": lif(2)}, "in3 a, in3 a, a x, x out2")
    with pytest.warns(UserWarning, match="NIRGraph: 1 edges occur twice and are taken once"):
        net = sl.from_nir(g, dt=DT)
    gain = DT * g.nodes["x"].r / g.nodes["x"].tau
    dense = net.projections["in3->x"].synapses.weight.reshape(3, 2).T
    np.testing.assert_allclose(dense, g.nodes["a"].weight * gain[:, None])


def test_an_outputs_shape_is_only_a_remark() -> None:
    g = graph({"a": affine(3, 2), "x": lif(2)}, "in3 a, a x, x out6")
    with pytest.warns(UserWarning, match="the output claims 6 elements, 'x' has 2"):
        sl.from_nir(g, dt=DT)


def test_the_importer_does_not_import_nir(tmp_path: Path) -> None:
    nir.write(tmp_path / "g.nir", graph({"a": affine(3, 2), "x": lif(2)}, "in3 a, a x, x out2"))
    code = (
        "import sys, spikeloom as sl; sl.from_nir(sys.argv[1], 1e-3); print('nir' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "g.nir")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


# -------------------------------------------------------------------------------------- refusals


def test_all_unsupported_nodes_are_named_at_once() -> None:
    g = graph({"x": lif(4)}, "in4 c, c p, p x, x out4")
    g.nodes["c"] = nir.Conv1d(4, np.ones((1, 1, 3)), 1, 1, 1, 1, np.zeros(1))
    g.nodes["p"] = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.from_nir(g)
    assert str(caught.value) == (
        "The network has nodes that are not imported.\n"
        "  found: 'c' (Conv1d), 'p' (SumPool2d)\n"
        "  expected: Input, Output, Affine, Linear, Scale, LIF, LI, CubaLIF, CubaLI, IF, I, Delay, "
        "Flatten, Threshold\n"
        "  where: NIRGraph\n"
        "  remedy: replace convolutions and pooling by Linear nodes (their unrolled matrix)"
    )


def test_analog_values_do_not_travel() -> None:
    g = graph(
        {"a": affine(3, 2), "x": READOUT["LI"](2), "b": affine(2, 2), "y": lif(2)},
        "in3 a, a x, x b, b y, y out2",
    )
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.from_nir(g, dt=DT)
    assert str(caught.value) == (
        "A neuron that does not spike feeds other nodes; only spikes travel.\n"
        "  found: 'x' (LI) -> 'b'\n"
        "  expected: 'x' -> Output\n"
        "  where: NIRGraph\n"
        "  remedy: make it the last layer, or a spiking one"
    )


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        ("in3 a, a b, b a, a x, x out2", "The graph has a loop without a neuron"),
        ("in3 a, a x, x out2, out2 a", "An edge leaves an Output or enters an Input."),
        ("in4 a, a x, x out2", "The shapes of the graph do not fit together."),
        ("a x, x out2", "The graph has no neurons or no Input."),
        ("in3 a, a x, x oot", "An edge leads to a node that does not exist."),
    ],
)
def test_impossible_graphs(edges: str, problem: str) -> None:
    g = graph({"a": affine(3, 2), "b": affine(2, 3), "x": lif(2)}, edges)
    if "a x" not in edges or "b a" not in edges:
        del g.nodes["b"]
    with pytest.raises(sl.FileError, match=f"^{re.escape(problem)}"):
        sl.from_nir(g, dt=DT)


@pytest.mark.parametrize("field", ["weight", "bias", "r", "v_leak", "v_threshold", "v_reset"])
def test_numbers_that_overflow_are_refused(field: str) -> None:
    g = graph(
        {"a": affine(3, 2), "x": lif(2), "b": affine(2, 2), "c": affine(2, 2), "y": lif(2)},
        "in3 a, a x, x b, b c, c y, y out2",
    )
    for node in g.nodes.values():
        if hasattr(node, field):
            getattr(node, field)[:] = 1e308
    if field in ("v_threshold", "v_reset"):
        assert np.isfinite(sl.from_nir(g, dt=DT).populations["y"].params["v_init"]).all()
        return
    with pytest.raises(sl.SpikeloomError):
        sl.from_nir(g, dt=DT)


def test_a_threshold_node_may_be_negative_under_any_reset() -> None:
    g = graph(
        {"a": affine(4, 3), "x": nir.Threshold(np.array([-0.5, 0, 0.5]))}, "in4 a, a x, x out3"
    )
    check_equal(g, "in4 a x", reset="subtract")


@pytest.mark.parametrize("value", ["path", 3, None])
def test_neither_file_nor_graph(value: Any) -> None:
    with pytest.raises(sl.FileError):
        sl.from_nir(value)


def test_every_neuron_kind_is_covered_here() -> None:
    made = {kind(make(2)) for make in (*SPIKING.values(), *READOUT.values())}
    assert made == set(NEURONS)
