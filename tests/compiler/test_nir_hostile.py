"""NIR files from strangers: refused by name, before their data is read, in bounded memory."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.nir_files import HOSTILE, TEXT, minimal, write_hostile

import spikeloom as sl
from spikeloom.compiler.nir import Limits


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.nir"
    with h5py.File(path, "w") as file:
        minimal(file)
    return path


def test_the_corpus_starts_from_a_good_file(good: Path) -> None:
    net = sl.from_nir(good)
    assert net.populations["lif"].size == 4
    assert net.name == "good"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    path = write_hostile(name, tmp_path)
    with pytest.raises(sl.FileError, match=f"^{re.escape(HOSTILE[name][1])}") as caught:
        sl.from_nir(path)
    assert str(path) in str(caught.value.where)


def test_the_whole_message_names_found_expected_where_and_remedy(tmp_path: Path) -> None:
    path = write_hostile("huge claim", tmp_path)
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(path)
    assert str(caught.value) == (
        "A dataset is too large.\n"
        f"  found: {2**40} bytes as float64\n"
        f"  expected: ≤ {2**28}\n"
        f"  where: {path}: node/nodes/linear/weight\n"
        "  remedy: pass limits=Limits(dataset_bytes=…) if this is what you want"
    )


_BOUNDED = """
import resource, sys, warnings
import spikeloom as sl, h5py, scipy.sparse, networkx
from spikeloom.compiler.nir import Limits
for line in open("/proc/self/status"):
    if line.startswith("VmSize"):
        now = int(line.split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (now + (160 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        sl.from_nir(path)
    except sl.FileError as error:
        print(error.problem)
    else:
        print("accepted")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc/self/status")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    """All of the corpus in 160 MiB beyond what the imports take."""
    paths = [str(write_hostile(name, tmp_path)) for name in HOSTILE]
    done = subprocess.run(
        [sys.executable, "-c", _BOUNDED, *paths],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [problem for _, problem in HOSTILE.values()]


@pytest.mark.parametrize("keep", [0, 7, 8, 100, 1000, 2048, 4000])
def test_truncated_file(good: Path, keep: int) -> None:
    good.write_bytes(good.read_bytes()[:keep])
    with pytest.raises(sl.FileError, match=r"damaged|not an HDF5 file"):
        sl.from_nir(good)


def test_flipped_bytes_never_escape_as_other_errors(good: Path) -> None:
    """Damage anywhere is a SpikeloomError or is harmless; nothing else comes out."""
    raw = good.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for position in rng.integers(0, len(raw), 150):
        broken = bytearray(raw)
        broken[position] ^= 1 << int(rng.integers(8))
        good.write_bytes(broken)
        try:
            sl.from_nir(good)
        except sl.SpikeloomError:
            refused += 1
        except UserWarning:
            pass  # pytest turns warnings into errors
    assert refused > 10


def test_not_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "text.nir"
    path.write_text("hello")
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(path)
    assert str(caught.value) == (
        f"This is not an HDF5 file.\n  expected: a .nir file as nir.write makes it\n  where: {path}"
    )


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(sl.FileError, match=r"^The file cannot be read\."):
        sl.from_nir(tmp_path / "none.nir")
    with pytest.raises(sl.FileError, match=r"^This is not a regular file\."):
        sl.from_nir(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nir")
    with pytest.raises(sl.FileError, match=r"^This is not a regular file\."):
        sl.from_nir(tmp_path / "pipe.nir")


def test_limits_can_be_chosen(good: Path) -> None:
    with pytest.raises(sl.FileError, match=r"^A dataset is too large\."):
        sl.from_nir(good, limits=Limits(dataset_bytes=100))
    with pytest.raises(sl.FileError, match=r"^The file's datasets are too large together\."):
        sl.from_nir(good, limits=Limits(total_bytes=150))
    with pytest.raises(sl.FileError, match=r"^The graph has too many edges\."):
        sl.from_nir(good, limits=Limits(edges=2))


def test_chunked_shuffled_compressed_weights_are_read_exactly(tmp_path: Path) -> None:
    """The importer's own decompression against the library's, with ragged chunks and big endian."""
    rng = np.random.default_rng(2)
    for dtype in ("<f8", "<f4", ">f4", "<i2", "?"):
        weight = rng.normal(size=(4, 4)).astype(dtype)
        path = tmp_path / "chunked.nir"
        with h5py.File(path, "w") as file:
            minimal(file, weight=False).create_dataset(
                "weight", data=weight, chunks=(3, 3), compression="gzip", shuffle=True
            )
        net = sl.from_nir(path)
        table = net.projections["input->lif"].synapses
        gain = 1e-4 / 0.01
        dense = np.zeros((4, 4))
        dense[table.post, table.pre] = table.weight
        assert np.array_equal(dense, weight.astype(float) * gain)


def _patched(path: Path, offset: int, value: bytes) -> Path:
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(value)] = value
    path.write_bytes(raw)
    return path


def _reference(path: Path) -> int:
    """Where the file refers to the graph's type: length, address of a heap, index."""
    with h5py.File(path) as file:
        return file["node/type"].id.get_offset()


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (0, b"\xff\xff\xff\xff", "A text is too long."),
        (0, struct.pack("<I", 100), "The file's heap of texts is damaged."),
        (4, b"\xff" * 8, "A text lies outside the file."),
        (4, struct.pack("<Q", 8), "The file's heap of texts is damaged."),
        (12, struct.pack("<I", 60_000), "The file's heap of texts is damaged."),
    ],
)
def test_damaged_references_to_texts(good: Path, at: int, value: bytes, problem: str) -> None:
    """The HDF5 library would allocate the 4 GiB that the first of these claims."""
    _patched(good, _reference(good) + at, value)
    with pytest.raises(sl.FileError, match=f"^{re.escape(problem)}"):
        sl.from_nir(good)


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (0, b"XXXX", "The file's heap of texts is damaged."),
        (4, b"\2", "The file's heap of texts is damaged."),
        (8, struct.pack("<Q", 0), "The file's heap of texts is damaged."),
        (8, struct.pack("<Q", 1 << 40), "The file's heap of texts is damaged."),
        (8, struct.pack("<Q", 1 << 23), "A text lies outside the file."),
        (24, struct.pack("<Q", 1 << 62), "The file's heap of texts is damaged."),
        (16, struct.pack("<H", 0), "The file's heap of texts is damaged."),
    ],
)
def test_damaged_heaps_of_texts(good: Path, at: int, value: bytes, problem: str) -> None:
    """With some of these the HDF5 library never comes back."""
    _patched(good, good.read_bytes().index(b"GCOL") + at, value)
    with pytest.raises(sl.FileError, match=f"^{re.escape(problem)}"):
        sl.from_nir(good)


def test_texts_in_chunks_are_refused(good: Path) -> None:
    with h5py.File(good, "r+") as file:
        edges = file["node/edges"][()]
        del file["node/edges"]
        file["node"].create_dataset("edges", data=edges, dtype=TEXT, chunks=(1, 2))
    with pytest.raises(sl.FileError) as caught:
        sl.from_nir(good)
    assert str(caught.value) == (
        "A text has the wrong form.\n"
        "  found: 6 strings in 96 bytes, not contiguous\n"
        "  expected: 96 contiguous bytes of references\n"
        f"  where: {good}: node/edges\n"
        "  remedy: h5repack -l CONTI in.nir out.nir"
    )


@pytest.mark.parametrize("options", [{"userblock_size": 512}, {"libver": "latest"}])
def test_texts_are_found_however_the_file_is_laid_out(tmp_path: Path, options: dict) -> None:
    path = tmp_path / "other.nir"
    with h5py.File(path, "w", **options) as file:
        minimal(file)
        nodes = file["node/nodes"]
        del nodes["lif/type"]
        nodes["lif"].create_dataset("type", data=np.bytes_(b"LIF"))  # of fixed length
        file["node"].create_dataset("note", data="n" * 100_000, dtype=TEXT)  # a heap of its own
        del nodes["linear/type"]
        nodes["linear"].create_dataset("type", data="Linear", dtype=TEXT)
    assert sl.from_nir(path).populations["lif"].size == 4
