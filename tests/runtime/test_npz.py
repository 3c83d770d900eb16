"""Reading .npz files from strangers: what is refused, in what words, and at what cost."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.paper_program import paper_program

from spikeloom import FileError
from spikeloom.runtime.npz import NpzReader, read_npz, write_npz

PLAIN = st.sampled_from(["?", "|i1", "<i8", ">i4", "<u2", "<f4", ">f8"])


def refusal(path, **options) -> str:
    with pytest.raises(FileError) as caught:
        read_npz(path, **options)
    return str(caught.value)


def member(header: str, data: bytes = b"", *, version=b"\1\0", magic=b"\x93NUMPY") -> bytes:
    """The bytes of an .npy file with any header at all."""
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return magic + version + length + text + data


def archive(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def header(descr="<i8", order=False, shape="(2,)") -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}}}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    arrays=st.dictionaries(
        st.text("abc->.é/", min_size=1, max_size=5),
        PLAIN.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))),
        max_size=3,
    ),
    compress=st.booleans(),
)
def test_what_is_written_is_read_by_us_and_by_numpy(tmp_path, arrays, compress):
    path = tmp_path / "a.npz"
    write_npz(path, arrays, compress=compress)
    with np.load(path, allow_pickle=False) as theirs:
        for ours in (read_npz(path), theirs):
            assert sorted(ours) == sorted(arrays)
            for name, array in arrays.items():
                assert ours[name].shape == array.shape
                assert np.array_equal(ours[name], array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_numpy(tmp_path, save):
    arrays = {
        "events": np.array([[0, 1], [2, 3]]),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "text": np.array("meta"),
        "empty": np.zeros((0, 2), np.int32),
    }
    save(tmp_path / "a.npz", **arrays)
    found = read_npz(tmp_path / "a.npz")
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_missing_file_and_things_that_are_no_files(tmp_path):
    path = tmp_path / "none.npz"
    assert refusal(path) == (
        "the file cannot be read\n"
        "  found: No such file or directory\n"
        f"  where: {path}\n"
        "  remedy: check the path"
    )
    assert refusal(tmp_path).startswith("not a regular file")
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").startswith("not a regular file")
    assert refusal("/dev/zero").startswith("not a regular file")
    # Python 3.13 says "null character".
    assert refusal("a\0b").startswith("the file cannot be read\n  found: ")
    assert "embedded null" in refusal("a\0b")


@pytest.mark.parametrize("name", ["file/out.npz", "n" * 300 + ".npz", "none/out.npz", "."])
def test_what_cannot_be_written(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"^(the file cannot be written|only a regular file)"):
        write_npz(tmp_path / name, {"a": np.zeros(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("data", [b"", b"PK", b"x" * 1000, b"PK\5\6", b"PK\5\6" + b"\0" * 17])
def test_what_is_no_zip(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    assert refusal(tmp_path / "a.npz") == (
        "not an .npz file\n"
        f"  found: {len(data)} bytes without a zip directory\n"
        f"  where: {tmp_path / 'a.npz'}\n"
        "  remedy: write it with numpy.savez"
    )


def test_a_cut_file(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(1000))
    data = (tmp_path / "a.npz").read_bytes()
    for keep in (10, 1000, len(data) - 1, len(data) - 30):
        (tmp_path / "b.npz").write_bytes(data[:keep])
        refusal(tmp_path / "b.npz")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), compress=st.booleans())
def test_a_changed_byte_never_does_harm(tmp_path, place, value, compress):
    path = tmp_path / "a.npz"
    write_npz(path, {"a": np.arange(30), "b": np.ones((3, 2))}, compress=compress)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= value
    path.write_bytes(data)
    try:
        found = read_npz(path, limit=1 << 20)
    except FileError:
        return
    assert sum(array.nbytes for array in found.values()) <= 1 << 20


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{"any": "thing"}]))
    assert refusal(tmp_path / "a.npz") == (
        "array 'a' has a type that is not accepted\n"
        "  found: '|O'\n"
        "  expected: booleans, integers, floating-point numbers or text; never objects\n"
        f"  where: {tmp_path / 'a.npz'}"
    )


@pytest.mark.parametrize(
    "descr",
    ["O", "|O", "<c16", "<M8[s]", "V8", "i4,i4", "<i3", "<f99", [("a", "<i4")], 5, "<i8" * 30],
)
def test_other_types_are_refused(tmp_path, descr):
    archive(tmp_path / "a.npz", [("a.npy", member(header(descr), bytes(16)))])
    message = refusal(tmp_path / "a.npz")
    assert message.startswith(("array 'a' has a type", "array 'a' is damaged"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "[" * 2000,
        "(" * 90 + ")" * 90,
        "{'descr': '<i8'}",
        "__import__('os').system('true')",
        header(shape="(2, -1)"),
        header(shape="[2]"),
        header(shape="(True,)"),
        header(shape="(2.0,)"),
        header(shape="(1,)" * 20),
        header(order=1),
        header(shape=f"({2**62}, {2**62})"),
        header(shape="(3,)"),
        header(shape="(1,)"),
        " " * 5000 + header(),
    ],
)
def test_wrong_headers(tmp_path, text):
    archive(tmp_path / "a.npz", [("a.npy", member(text, bytes(16)))])
    assert refusal(tmp_path / "a.npz").startswith("array 'a' is damaged\n  found: ")


def test_wrong_beginnings(tmp_path):
    for data in (b"", b"\x93NUMPY", member(header(), magic=b"\x93NUMPX"), member(header())[:20]):
        archive(tmp_path / "a.npz", [("a.npy", data)])
        assert refusal(tmp_path / "a.npz").startswith("array 'a' is damaged")
    archive(tmp_path / "a.npz", [("a.npy", member(header(), bytes(16), version=b"\3\0"))])
    assert refusal(tmp_path / "a.npz").startswith("array 'a' is damaged\n  found: no array header")
    archive(tmp_path / "a.npz", [("a.npy", member(header(), bytes(16), version=b"\2\0"))])
    assert read_npz(tmp_path / "a.npz")["a"].tolist() == [0, 0]


def test_other_members(tmp_path):
    archive(tmp_path / "a.npz", [("../evil.txt", b"x")])
    assert refusal(tmp_path / "a.npz").startswith("the file has a member that is no .npy array")
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(tmp_path / "a.npz", [("a.npy", member(header(), bytes(16)))] * 2)
    assert refusal(tmp_path / "a.npz").startswith("the file has an array twice")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(tmp_path, method):
    archive(tmp_path / "a.npz", [("a.npy", member(header(), bytes(16)))], method)
    assert refusal(tmp_path / "a.npz") == (
        "array 'a' is stored in a way that is not accepted\n"
        f"  found: compression method {method}\n"
        "  expected: numpy.savez or numpy.savez_compressed\n"
        f"  where: {tmp_path / 'a.npz'}"
    )


def test_the_limit_counts_all_arrays(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(600), b=np.zeros(600))
    assert refusal(tmp_path / "a.npz", limit=8000) == (
        "the arrays are larger than the limit\n"
        f"  found: at least {2 * (600 * 8 + 128)} bytes claimed\n"
        "  expected: at most 8000\n"
        f"  where: {tmp_path / 'a.npz'}"
    )
    assert len(read_npz(tmp_path / "a.npz", limit=10_000)) == 2


def test_a_long_table_of_contents_is_refused_unread(tmp_path):
    data = member(header(), bytes(16))
    archive(tmp_path / "a.npz", [(f"{i:0200}.npy", data) for i in range(4500)])
    assert refusal(tmp_path / "a.npz").startswith("the file's table of contents is too long")


def test_a_missing_array(tmp_path):
    write_npz(tmp_path / "a.npz", {"a": np.zeros(1)})
    with NpzReader(tmp_path / "a.npz") as reader, pytest.raises(FileError) as caught:
        reader.read("b")
    assert str(caught.value) == (
        f"array 'b' is missing\n  found: 'a'\n  where: {tmp_path / 'a.npz'}"
    )


def test_writing_where_one_cannot(tmp_path):
    path = tmp_path / "no" / "a.npz"
    with pytest.raises(FileError) as caught:
        write_npz(path, {"a": np.zeros(1)})
    assert str(caught.value) == (
        f"the file cannot be written\n  found: No such file or directory\n  where: {path}"
    )


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(FileError) as caught:
        write_npz("/dev/null", {"a": np.zeros(1)})
    assert str(caught.value) == "only a regular file can be replaced\n  where: /dev/null"
    assert not os.path.isfile("/dev/null")


def _lying(path, claimed: int):
    """One array that claims to be huge, in header and directory, and is a few bytes."""
    text = header(shape=f"({claimed},)")
    archive(path, [("in.npy", member(text, bytes(64)))])
    data = bytearray(path.read_bytes())
    size = struct.pack("<I", min(claimed * 8 + len(member(text)), 0xFFFFFFFE))
    central = data.rindex(b"PK\1\2")
    data[central + 24 : central + 28] = size
    path.write_bytes(data)


def _bomb(path, total: int):
    """A well-formed file of a few kilobytes that unpacks to ``total`` bytes."""
    text = header(descr="|u1", shape=f"({total},)")
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("in.npy", "w") as out,
    ):
        out.write(member(text))
        for _ in range(total >> 20):
            out.write(bytes(1 << 20))
    path.write_bytes(buffer.getvalue())


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_hostile_files_cost_neither_memory_nor_time(tmp_path):
    files = ("net.loom", "lying.npz", "bomb.npz")
    paper_program().save(tmp_path / files[0])
    _lying(tmp_path / files[1], 400_000_000)
    _bomb(tmp_path / files[2], 256 << 20)
    script = textwrap.dedent(
        """
        import resource, sys, time
        from pathlib import Path
        import numpy
        from spikeloom import FileError, Program, Snapshot, read_inputs
        from spikeloom.runtime.npz import read_npz

        program = Program.load(sys.argv[1])
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20),) * 2)
        readers = (
            lambda path: read_npz(path, limit=64 << 20),
            lambda path: read_inputs(path, program, 1000),
            Snapshot.load,
        )
        for path in sys.argv[2:]:
            for read in readers:
                begun = time.process_time()
                try:
                    read(path)
                except FileError as error:
                    print(str(error).splitlines()[0])
                assert time.process_time() - begun < 1
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *(tmp_path / name for name in files)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "the arrays are larger than the limit",
        "the arrays are larger than the limit",
        "not a snapshot of this version",
        "the arrays are larger than the limit",
        "array 'in' is larger than a run of this length can need",
        "not a snapshot of this version",
    ]
