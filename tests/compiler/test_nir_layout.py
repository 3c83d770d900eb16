"""How NIR graphs lie in files and objects of various versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from support.nir_files import minimal
from support.nir_graphs import DT, affine, cuba, graph, lif

import spikeloom as sl


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
