"""NIR files written with raw h5py: both layouts, and a corpus of hostile ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

TEXT = h5py.string_dtype("utf-8")


def node(group: h5py.Group, name: str, kind: str, **fields: object) -> h5py.Group:
    """Add a node as nir.write does."""
    made = group.create_group(name)
    made.create_dataset("type", data=kind, dtype=TEXT)
    for key, value in fields.items():
        made.create_dataset(key, data=value)
    return made


def minimal(file: h5py.File, weight: bool = True) -> h5py.Group:
    """Input(4) -> Linear -> LIF -> Output in the layout of nir ≤ 1.0.4; returns the Linear node."""
    file.create_dataset("version", data="1.0.4", dtype=TEXT)
    graph = file.create_group("node")
    graph.create_dataset("type", data="NIRGraph", dtype=TEXT)
    nodes = graph.create_group("nodes")
    node(nodes, "input", "Input", shape=np.array([4]))
    linear = node(nodes, "linear", "Linear")
    if weight:
        linear.create_dataset("weight", data=np.eye(4), compression="gzip")
    ones = np.ones(4)
    node(nodes, "lif", "LIF", tau=0.01 * ones, r=ones, v_leak=0 * ones, v_threshold=ones)
    node(nodes, "output", "Output", shape=np.array([4]))
    edges = [("input", "linear"), ("linear", "lif"), ("lif", "output")]
    graph.create_dataset("edges", data=edges, dtype=TEXT)
    return linear


def _huge_claim(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_dataset(
        "weight", shape=(2**20, 2**17), dtype="f8", chunks=(1024, 1024)
    )


def _medium_claim(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_dataset(
        "weight", shape=(2**11, 2**11), dtype="f8", chunks=(64, 2**11)
    )


def _bomb(file: h5py.File, rows: int, columns: int) -> None:
    chunk = zlib.compress(bytes(64 * columns * 8), 9)
    data = minimal(file, weight=False).create_dataset(
        "weight", shape=(rows, columns), dtype="f8", chunks=(64, columns), compression="gzip"
    )
    for row in range(0, rows, 64):
        data.id.write_direct_chunk((row, 0), chunk)


def _large_bomb(file: h5py.File, folder: Path) -> None:
    _bomb(file, 2**14, 2**15)


def _small_bomb(file: h5py.File, folder: Path) -> None:
    _bomb(file, 2**11, 2**12)


def _endless_chunk(file: h5py.File, folder: Path) -> None:
    """A chunk of 128 bytes whose stream inflates to 1 GiB; the library's filter would do it."""
    data = minimal(file, weight=False).create_dataset(
        "weight", shape=(4, 4), dtype="f8", chunks=(4, 4), compression="gzip"
    )
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 27), 9))


def _sly_chunk(file: h5py.File, folder: Path) -> None:
    """As _endless_chunk, but the stored chunk is small enough to pass for an honest one."""
    data = minimal(file, weight=False).create_dataset(
        "weight", shape=(4, 4), dtype="f8", chunks=(4, 4), compression="gzip"
    )
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 19), 9))


def _garbage_chunk(file: h5py.File, folder: Path) -> None:
    data = minimal(file, weight=False).create_dataset(
        "weight", shape=(4, 4), dtype="f8", chunks=(4, 4), compression="gzip"
    )
    data.id.write_direct_chunk((0, 0), b"this is no deflate stream")


def _huge_chunk(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_dataset(
        "weight", shape=(4, 4), maxshape=(None, None), dtype="f8", chunks=(2**14, 2**14)
    )


def _many_chunks(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_dataset(
        "weight", shape=(2**10, 2**10), dtype="f8", chunks=(2, 2)
    )


def _lzf(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_dataset("weight", data=np.eye(4), compression="lzf")


def _external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "secret.bin").write_bytes(bytes(128))
    minimal(file, weight=False).create_dataset(
        "weight", shape=(4, 4), dtype="f8", external=[(str(folder / "secret.bin"), 0, 128)]
    )


def _external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["s"] = np.eye(4)
    minimal(file, weight=False)["weight"] = h5py.ExternalLink(str(folder / "secret.h5"), "/s")


def _soft_link(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = h5py.SoftLink("/node/nodes/input/shape")


def _virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["s"] = np.eye(4)
    layout = h5py.VirtualLayout(shape=(4, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "s", shape=(4, 4))
    minimal(file, weight=False).create_virtual_dataset("weight", layout)


def _cycle(file: h5py.File, folder: Path) -> None:
    minimal(file)
    file["node/nodes/self"] = file["node"]


def _shared(file: h5py.File, folder: Path) -> None:
    linear = minimal(file)
    for i in range(20):
        file[f"node/nodes/again{i}"] = linear


def _deep(file: h5py.File, folder: Path) -> None:
    minimal(file)
    group = file["node/nodes"]
    for _ in range(40):
        sub = group.create_group("sub")
        sub.create_dataset("type", data="NIRGraph", dtype=TEXT)
        sub.create_dataset("edges", data=np.zeros((0, 2)))
        group = sub.create_group("nodes")


def _many_nodes(file: h5py.File, folder: Path) -> None:
    minimal(file)
    for i in range(2100):
        file["node/nodes"].create_group(f"n{i}")


def _many_edges(file: h5py.File, folder: Path) -> None:
    minimal(file)
    del file["node/edges"]
    file["node"].create_dataset("edges", data=np.full((100_000, 2), b"lif", dtype="S3"))


def _claimed_edges(file: h5py.File, folder: Path) -> None:
    minimal(file)
    del file["node/edges"]
    file["node"].create_dataset("edges", shape=(2**40, 2), dtype=TEXT, chunks=(1024, 2))


def _long_names(file: h5py.File, folder: Path) -> None:
    """Thousands of edges; each name is a megabyte long."""
    minimal(file)
    del file["node/edges"]
    file["node"].create_dataset("edges", data=[["a" * 1_000_000, "b"]] * 3, dtype=TEXT)


def _references(file: h5py.File, folder: Path) -> None:
    linear = minimal(file, weight=False)
    data = linear.create_dataset("weight", shape=(4, 4), dtype=h5py.ref_dtype)
    data[0, 0] = linear.ref


def _compound(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = np.zeros((4, 4), dtype=[("a", "f8"), ("b", "f8")])


def _complex(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = np.eye(4, dtype=complex)


def _strings(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_dataset("weight", data=[["1"] * 4] * 4, dtype=TEXT)


def _nan(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = np.full((4, 4), np.nan)


def _infinite(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = np.full((4, 4), np.inf)


def _vector_weights(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = np.ones(4)


def _wrong_size(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = np.ones((3, 4))


def _huge_input(file: h5py.File, folder: Path) -> None:
    minimal(file)
    file["node/nodes/input/shape"][...] = 2**60


def _negative_input(file: h5py.File, folder: Path) -> None:
    minimal(file)
    file["node/nodes/input/shape"][...] = -4


def _no_weight(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)


def _group_weight(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False).create_group("weight")


def _empty_weight(file: h5py.File, folder: Path) -> None:
    minimal(file, weight=False)["weight"] = h5py.Empty("f8")


def _no_type(file: h5py.File, folder: Path) -> None:
    minimal(file)
    del file["node/nodes/lif/type"]


def _odd_name(file: h5py.File, folder: Path) -> None:
    minimal(file)
    file["node/nodes"].create_group("bell\x07")


def _bad_utf8(file: h5py.File, folder: Path) -> None:
    minimal(file)
    del file["node/nodes/lif/type"]
    file["node/nodes/lif/type"] = np.bytes_(b"\xff\xfeLIF")


def _wide_edges(file: h5py.File, folder: Path) -> None:
    minimal(file)
    del file["node/edges"]
    file["node"].create_dataset("edges", data=[["a", "b", "c"]], dtype=TEXT)


def _lost_edge(file: h5py.File, folder: Path) -> None:
    minimal(file)
    del file["node/edges"]
    file["node"].create_dataset("edges", data=[["input", "linaer"]], dtype=TEXT)


def _not_a_graph(file: h5py.File, folder: Path) -> None:
    file["data"] = np.arange(4)


def _single_node(file: h5py.File, folder: Path) -> None:
    node(file, "node", "Threshold", threshold=np.ones(2))


def _outer_product(file: h5py.File, folder: Path) -> None:
    """A column times a row: 512 kB that would multiply into 8 GiB."""
    minimal(file)
    nodes = file["node/nodes"]
    node(nodes, "row", "Linear", weight=np.ones((1, 2**15)))
    node(nodes, "wide", "Input", shape=np.array([2**15]))
    node(nodes, "column", "Linear", weight=np.ones((2**15, 1)))
    one = np.ones(1)
    node(nodes, "end", "LIF", tau=one, r=one, v_leak=0 * one, v_threshold=one)
    edges = [("input", "linear"), ("linear", "lif"), ("lif", "output")]
    edges += [("wide", "row"), ("row", "column"), ("column", "end")]
    del file["node/edges"]
    file["node"].create_dataset("edges", data=edges, dtype=TEXT)


def _convolution(file: h5py.File, weight: np.ndarray, padding: object) -> None:
    """A million inputs straight into a convolution, and on to the neurons."""
    minimal(file)
    nodes = file["node/nodes"]
    del nodes["input"], nodes["linear"], nodes["lif"], nodes["output/shape"], file["node/edges"]
    node(nodes, "lif", "LIF", tau=0.01, r=1.0, v_leak=0.0, v_threshold=1.0)  # of any size
    node(nodes, "input", "Input", shape=np.array([16, 250, 250]))
    one = np.array(1)
    conv = node(nodes, "c", "Conv2d", stride=one, dilation=one, groups=one, bias=np.zeros(16))
    conv.create_dataset("weight", data=weight, compression="gzip")
    conv.create_dataset("padding", data=padding, dtype=TEXT if isinstance(padding, str) else None)
    edges = [("input", "c"), ("c", "lif"), ("lif", "output")]
    file["node"].create_dataset("edges", data=edges, dtype=TEXT)


def _flood(file: h5py.File, folder: Path) -> None:
    """Kernels of some kilobytes that would be 37 milliards of synapses."""
    _convolution(file, np.ones((16, 16, 64, 64)), 0)


def _odd_padding(file: h5py.File, folder: Path) -> None:
    _convolution(file, np.ones((16, 16, 3, 3)), "reflect")


def _wide_padding(file: h5py.File, folder: Path) -> None:
    _convolution(file, np.ones((16, 16, 3, 3)), 2**40)


def _deep_remarks(file: h5py.File, folder: Path) -> None:
    """Metadata that point out of the file."""
    minimal(file)
    file["node/nodes/lif"].create_group("metadata")["x"] = h5py.ExternalLink("secret.h5", "/s")


HOSTILE: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "huge claim": (_huge_claim, "A dataset is too large."),
    "medium claim": (_medium_claim, "A dataset claims data that the file does not hold."),
    "large bomb": (_large_bomb, "A dataset is too large."),
    "small bomb": (_small_bomb, "A dataset is compressed beyond belief."),
    "endless chunk": (_endless_chunk, "A stored chunk is larger than its data."),
    "sly chunk": (_sly_chunk, "A compressed chunk does not have the length it claims."),
    "garbage chunk": (_garbage_chunk, "The file is damaged or not a valid HDF5 file."),
    "huge chunk": (_huge_chunk, "A dataset claims data that the file does not hold."),
    "many chunks": (_many_chunks, "A dataset claims data that the file does not hold."),
    "lzf": (_lzf, "A dataset uses a compression that is not read from strangers' files."),
    "external storage": (_external_storage, "A dataset keeps its data in another file."),
    "external link": (_external_link, "Links are not followed."),
    "soft link": (_soft_link, "Links are not followed."),
    "virtual dataset": (_virtual, "A dataset is virtual: its data lies in other files."),
    "cycle": (_cycle, "An object is linked twice; the file may contain a loop."),
    "shared object": (_shared, "An object is linked twice; the file may contain a loop."),
    "deep nesting": (_deep, "Sub-graphs are nested too deeply."),
    "many nodes": (_many_nodes, "Too many members."),
    "many edges": (_many_edges, "The graph has too many edges."),
    "claimed edges": (_claimed_edges, "The graph has too many edges."),
    "long names": (_long_names, "A text is too long."),
    "references": (_references, "A dataset does not hold plain numbers."),
    "compound": (_compound, "A dataset does not hold plain numbers."),
    "complex": (_complex, "A dataset does not hold plain numbers."),
    "strings": (_strings, "A dataset does not hold plain numbers."),
    "nan": (_nan, "weight contains a value that is not a finite number."),
    "infinite": (_infinite, "weight contains a value that is not a finite number."),
    "vector weights": (_vector_weights, "The weights of this Linear node are no matrix."),
    "wrong size": (_wrong_size, "The shapes of the graph do not fit together."),
    "huge input": (_huge_input, "A shape is impossible."),
    "negative input": (_negative_input, "A shape is impossible."),
    "no weight": (_no_weight, "The Linear node lacks weight."),
    "group for data": (_group_weight, "weight is a group, not a dataset."),
    "empty data": (_empty_weight, "A dataset is empty."),
    "no type": (_no_type, "A node has no type."),
    "odd name": (_odd_name, "A name is unusable."),
    "bad utf-8": (_bad_utf8, "A text is not UTF-8."),
    "wide edges": (_wide_edges, "The edges have the wrong shape."),
    "lost edge": (_lost_edge, "An edge leads to a node that does not exist."),
    "no graph": (_not_a_graph, "This HDF5 file is not a NIR graph."),
    "single node": (_single_node, "The file holds a single node, not a graph."),
    "flood": (_flood, "Folding the linear nodes would make a matrix beyond any use."),
    "odd padding": (_odd_padding, "A padding is impossible."),
    "wide padding": (_wide_padding, "padding is impossible."),
    "remarks elsewhere": (_deep_remarks, "Links are not followed."),
    "outer product": (
        _outer_product,
        "Folding the linear nodes would make a matrix beyond any use.",
    ),
}
"""Name → (what writes the file's content, the problem that must be reported)."""


def write_hostile(name: str, folder: Path) -> Path:
    """Write one file of the corpus."""
    path = folder / f"{name.replace(' ', '_')}.nir"
    with h5py.File(path, "w") as file:
        HOSTILE[name][0](file, folder)
    return path
