"""NIR's convolutions and pooling as synapses, against SciPy and PyTorch."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from support.nir_graphs import DT, RNG, lif
from support.nir_windows import KINDS, by_scipy, random_window
from support.peers import run_peer

import spikeloom as sl
from spikeloom.compiler.nir.fold import MAX_ENTRIES

pytestmark = pytest.mark.filterwarnings("ignore:.*the output claims 1 elements")
SEEDS = range(9)


def chain(shape: tuple[int, ...], *nodes: Any) -> nir.NIRGraph:
    """Input, the nodes n0, n1, … in a row, Output."""
    names = {f"n{i}": node for i, node in enumerate(nodes)}
    ends = {"in": nir.Input(np.array(shape)), "out": nir.Output(np.array([1]))}
    path = ["in", *names, "out"]
    edges = list(itertools.pairwise(path))
    return nir.NIRGraph({**ends, **names}, edges, type_check=False)


def values(net: sl.Network, x: np.ndarray) -> np.ndarray:
    """What the readout shows, (steps, …), for spikes (steps, …)."""
    result = sl.simulate(net, len(x), inputs={"in": x.reshape(len(x), -1)})
    return np.asarray(result.states["out"]["v"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stored", ["object", "file"])
def test_windows_are_scipys(kind: str, seed: int, stored: str, tmp_path: Path) -> None:
    node, shape = random_window(kind, seed)
    g: Any = chain(shape, node)
    if stored == "file":
        nir.write(tmp_path / "g.nir", g)
        g = tmp_path / "g.nir"
    x = RNG(seed).random((4, *shape)) < 0.5
    net = sl.from_nir(g, dt=DT)
    want = np.array([by_scipy(node, one * 1.0) for one in x])
    assert net.shapes == {"in": shape}
    np.testing.assert_allclose(values(net, x), want.reshape(len(x), -1), rtol=1e-12, atol=1e-12)


@pytest.mark.peer
@pytest.mark.slow
def test_windows_are_torchs(tmp_path: Path) -> None:
    cases, ours = [], []
    for kind in KINDS:
        for seed in range(100, 160):
            node, shape = random_window(kind, seed)
            x = RNG(seed).random(shape) < 0.5
            names = ("kernel_size", "stride", "padding", "dilation", "groups")
            more = {k: np.array(getattr(node, k)).tolist() for k in names if hasattr(node, k)}
            case = {"kind": kind, "x": (x * 1.0).tolist(), "more": more}
            for k in ("weight", "bias"):
                case |= {k: getattr(node, k).tolist()} if hasattr(node, k) else {}
            cases.append(case)
            ours.append(by_scipy(node, x * 1.0))
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    run_peer("torch", "torch_windows.py", tmp_path / "cases.json", tmp_path / "out.json")
    theirs = json.loads((tmp_path / "out.json").read_text())
    for want, got in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(got, np.array(want), rtol=1e-9, atol=1e-12)


def test_a_chain_without_neurons_is_one_sparse_projection() -> None:
    """conv, pooling, conv, pooling, flatten, linear: each output has the taps that reach it."""
    rng = RNG(0)
    one = nir.Conv2d(None, rng.normal(0, 1, (3, 2, 3, 3)), 1, "same", 1, 1, rng.normal(0, 1, 3))
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    two = nir.Conv2d(None, rng.normal(0, 1, (4, 3, 3, 3)), (2, 1), 1, 1, 1, rng.normal(0, 1, 4))
    mean = nir.AvgPool2d(np.array([2, 1]), np.array([1, 1]), np.array([1, 0]))
    scale = nir.Scale(np.array(0.5))
    net = sl.from_nir(chain((2, 12, 10), one, pool, scale, two, mean), dt=DT)
    x = RNG(1).random((3, 2, 12, 10)) < 0.5
    want = [
        by_scipy(mean, by_scipy(two, 0.5 * by_scipy(pool, by_scipy(one, given * 1.0))))
        for given in x
    ]
    np.testing.assert_allclose(values(net, x), np.reshape(want, (3, -1)), rtol=1e-11, atol=1e-11)
    (only,) = net.projections.values()
    assert len(only.synapses) < 0.6 * only.pre.size * only.post.size
    flat = nir.Flatten({"input": np.array([4, 4, 5])}, 0, -1)
    last = nir.Linear(rng.normal(0, 1, (6, 80)))
    net = sl.from_nir(chain((2, 12, 10), one, pool, scale, two, mean, flat, last), dt=DT)
    want = [last.weight @ w.ravel() for w in want]
    np.testing.assert_allclose(values(net, x), want, rtol=1e-11, atol=1e-11)


def test_shapes_reach_programs_and_results(tmp_path: Path) -> None:
    kernel = np.zeros((3, 2, 3, 3))
    kernel[1, 0, 1, 1] = 1.0
    kernel[2, 1, 0, 2] = 1.0
    conv = nir.Conv2d((6, 5), kernel, 1, 1, 1, 1, np.zeros(3))
    n = (3, 6, 5)
    cells = nir.IF(np.full(n, 1 / DT), np.full(n, 0.5), np.zeros(n))
    net = sl.from_nir(chain((2, 6, 5), conv, cells), dt=DT)
    assert net.shapes == {"in": (2, 6, 5), "n1": (3, 6, 5)}
    assert len(net.projections["in->n1"].synapses) == 6 * 5 + 5 * 4  # zeros are no synapses
    sl.compile(net).save(tmp_path / "net.loom")
    program = sl.load(tmp_path / "net.loom")
    assert program.shapes == net.shapes
    x = RNG(0).random((4, 2, 6, 5)) < 0.5
    with sl.open("emulator") as device:
        device.load(program)
        result = device.run(4, {"in": x.reshape(4, -1)})
    spikes = result.raster("n1").reshape(-1, *result.shapes["n1"])
    assert np.array_equal(spikes[:, 1], x[:, 0])
    assert np.array_equal(spikes[:, 2, 1:, :-1], x[:, 1, :-1, 1:])
    assert sl.Result.join([result]).shapes == {"n1": (3, 6, 5)}


def test_a_batch_of_one_before_the_shape_is_no_shape() -> None:
    conv = nir.Conv2d(None, np.ones((1, 1, 2, 2)), 1, 0, 1, 1, np.zeros(1))
    net = sl.from_nir(chain((1, 1, 4, 4), conv, lif(9)), dt=DT)
    assert net.shapes == {"in": (1, 4, 4), "n1": (1, 3, 3)}


def test_windows_inside_sub_graphs() -> None:
    inner = chain((1, 4, 4), nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])))
    net = sl.from_nir(chain((1, 4, 4), inner, lif(4)), dt=DT)
    assert net.shapes == {"in": (1, 4, 4), "n1": (1, 2, 2)}
    assert len(net.projections["in->n1"].synapses) == 16


CONV = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(2)}


def conv(shape: Any = (4, 4), weight: Any = None, **more: Any) -> nir.Conv2d:
    return nir.Conv2d(shape, np.ones((2, 2, 3, 3)) if weight is None else weight, **CONV | more)


def pool(kernel: Any = (2, 2), stride: Any = (2, 2), padding: Any = (0, 0)) -> nir.AvgPool2d:
    return nir.AvgPool2d(np.array(kernel), np.array(stride), np.array(padding))


@pytest.mark.parametrize(
    ("shape", "node", "message"),
    [
        (
            (2, 4, 4),
            conv(groups=3),
            "The weights of this Conv2d node have the wrong shape.\n"
            "  found: (2, 2, 3, 3) with 3 group(s)\n"
            "  expected: (output channels, input channels per group, height, width), the former "
            "divisible by the groups",
        ),
        (
            (3, 4, 4),
            conv(None),
            "The channels of a convolution do not fit what enters it.\n"
            "  found: 3 in a shape of (3, 4, 4)\n"
            "  expected: 2, as its weights have",
        ),
        (
            (2, 2, 8),
            conv((4, 4)),
            "What enters this node has another shape than it says.\n"
            "  found: (2, 2, 8)\n"
            "  expected: (2, 4, 4)",
        ),
        (
            (2, 4, 4),
            conv(padding="same", stride=2),
            "A padding is impossible.\n"
            "  found: 'same' with a stride of (2, 2)\n"
            "  expected: numbers, 'valid', or 'same' with a stride of 1",
        ),
        (
            (2, 4, 4),
            conv(dilation=2),
            "A window is larger than what it slides over.\n  found: kernel (3, 3), input (2, 4, 4)",
        ),
        (
            (32,),
            pool(),
            "The shape of what enters this AvgPool2d node is not known.\n"
            "  expected: an Input with a shape of (channels, height, width)",
        ),
        (
            (2, 4, 4),
            pool(stride=(0, 1)),
            "stride is impossible.\n"
            "  found: 0, 1\n"
            "  expected: 1 or 2 whole number(s) from 1 to 1048576",
        ),
        (
            (2, 4, 4),
            pool(kernel=(2, 2, 2)),
            "kernel_size is impossible.\n"
            "  found: 2, 2, 2\n"
            "  expected: 1 or 2 whole number(s) from 1 to 1048576",
        ),
        (
            (2, 4, 4),
            pool(padding=(0.5, 0)),
            "padding is impossible.\n"
            "  found: 0.5, 0\n"
            "  expected: 1 or 2 whole number(s) from 0 to 1048576",
        ),
        (
            (2, 4, 4),
            conv(padding=(1 << 19, 1 << 19)),
            "A layer has an impossible size.\n  found: 2199031644168\n  expected: 1 to 1048576",
        ),
        (
            (2, 4, 4),
            conv(bias=np.zeros(3)),
            "The bias does not fit the weights.\n"
            "  found: bias of shape (3,)\n"
            "  expected: (2,), one per output channel of the weights (2, 2, 3, 3)",
        ),
    ],
)
def test_impossible_windows(shape: Any, node: Any, message: str) -> None:
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(chain(shape, node, lif(4)), dt=DT)
    assert str(caught.value).startswith(message + "\n  where: NIRGraph: node 'n0'")


def test_synapses_are_counted_before_they_are_made() -> None:
    """Half a megabyte of kernels would be 64 Gi synapses."""
    wide = conv((256, 256), np.ones((16, 16, 256, 16)), padding=(120, 8), bias=np.zeros(16))
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(chain((16, 256, 256), wide, lif(1)), dt=DT)
    assert str(caught.value).startswith(
        "Folding the linear nodes would make a matrix beyond any use.\n  found: "
    )
    entries = int(str(caught.value).split("found: ")[1].split()[0])
    assert entries > 1000 * MAX_ENTRIES


def test_remarks_are_kept_and_a_foreign_dt_is_told(tmp_path: Path) -> None:
    g = chain((4,), nir.Linear(np.ones((2, 4))), lif(2))
    g.nodes["n1"].metadata = {"author": "me", "sizes": np.arange(3), "more": {"seed": 3}}
    g.metadata = {"dt": 1e-4}
    nir.write(tmp_path / "g.nir", g)
    for given in (g, tmp_path / "g.nir"):
        with pytest.warns(UserWarning, match=r"speak of a dt of 0\.0001 s; 0\.001 is taken"):
            net = sl.from_nir(given, dt=DT)
        assert list(net.metadata) == ["", "n1"]
        assert net.metadata[""] == {"dt": 1e-4}
        sizes = net.metadata["n1"].pop("sizes")
        assert sizes.tolist() == [0, 1, 2]
        assert net.metadata["n1"] == {"author": "me", "more": {"seed": 3}}
    g.metadata, g.nodes["n1"].metadata = {}, {"model": object(), "long": np.zeros(5000)}
    with pytest.warns(UserWarning, match="remark '(model|long)' is not kept") as told:
        assert sl.from_nir(g, dt=DT).metadata == {}
    assert sum("is not kept" in str(w.message) for w in told) == 2
