"""``.loom`` files: same bytes for the same Program, whole contents back, nothing hostile in."""

import io
import json
import os
import re
import resource
import struct
import subprocess
import sys
import textwrap
import time
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.programs import random_program

from spikeloom import CompileError, FileError, Program, load
from spikeloom.compiler.program import CoreImage


@pytest.fixture
def loom(tmp_path):
    path = tmp_path / "net.loom"
    random_program(5).save(path)
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def refused(path, pattern):
    start = time.process_time()
    with pytest.raises(FileError, match=pattern) as caught:
        load(path)
    assert time.process_time() - start < 1
    return caught.value


@pytest.mark.parametrize("seed", range(40))
def test_a_program_comes_back_whole_and_gives_the_same_bytes(seed, tmp_path):
    program = random_program(seed)
    first, second = tmp_path / "a.loom", tmp_path / "b.loom"
    program.save(first)
    loaded = Program.load(first)
    loaded.save(second)
    assert first.read_bytes() == second.read_bytes()
    assert loaded.content_hash == program.content_hash
    assert loaded.target == program.target
    assert (loaded.sources, loaded.projections) == (program.sources, program.projections)
    for ours, theirs in zip(program.cores, loaded.cores, strict=True):
        for field in fields(CoreImage):
            np.testing.assert_array_equal(getattr(ours, field.name), getattr(theirs, field.name))


def test_any_change_of_content_changes_the_hash():
    program = random_program(5)
    for changed in (
        replace(program, seed=program.seed ^ 1),
        replace(program, dt=program.dt * 2),
        replace(program, target=program.target.with_(name="another")),
        replace(program, report={"note": 1}),
    ):
        assert changed.content_hash != program.content_hash


def test_a_failed_save_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(random_program(1), report={"x": float("nan")}).save(tmp_path / "x.loom")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_a_file_error(tmp_path):
    refused(tmp_path / "absent.loom", "the Program cannot be read")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.loom")
    refused(tmp_path / "pipe.loom", r"^not a regular file\n")


@pytest.mark.parametrize("content", [b"", b"PK", b"\0" * 100_000, b"{}", b"PK\3\4" + b"x" * 500])
def test_files_that_are_something_else(tmp_path, content):
    path = tmp_path / "x.loom"
    path.write_bytes(content)
    error = refused(path, "the file is not a Program")
    assert str(path) in str(error)


def test_every_truncation_is_refused(loom):
    whole = loom.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        loom.write_bytes(whole[:length])
        refused(loom, "not a Program|not that of a Program|not a valid Program")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_is_refused_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "x.loom"
    program = random_program(5)
    program.save(path)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        loaded = load(path)
    except FileError:
        return
    # only the archive's own bookkeeping (dates, attributes) may change without notice
    assert loaded.content_hash == program.content_hash


def test_a_changed_array_fails_the_hash(loom, tmp_path):
    contents = members(loom)
    data = bytearray(contents["core_threshold.npy"])
    data[-1] ^= 1
    write(loom, {**contents, "core_threshold.npy": bytes(data)})
    refused(loom, "the file is damaged: its contents do not have the hash it states")


def test_compressed_members_are_refused_so_that_nothing_can_unpack_to_more(loom):
    contents = members(loom)
    write(loom, {**contents, "core_rows.npy": b"\0" * (64 << 20)}, zipfile.ZIP_DEFLATED)
    refused(loom, "a member is compressed or encrypted; Programs are stored plainly")


def test_unknown_missing_and_repeated_members_are_refused(loom):
    contents = members(loom)
    write(loom, {**contents, "extra.npy": b""})
    refused(loom, "the file's directory is not that of a Program")
    write(loom, {k: v for k, v in contents.items() if k != "core_key.npy"})
    refused(loom, "the file is not a Program of this version")
    write(loom, {**{k: v for k, v in contents.items() if k != "core_key.npy"}, "../x": b""})
    refused(loom, "the file is not a Program of this version")


def test_a_claim_of_a_tebibyte_is_refused_before_anything_is_allocated(loom):
    contents = members(loom)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i4", "fortran_order": False, "shape": (1 << 38,)}
    )
    write(loom, {**contents, "core_threshold.npy": header.getvalue()})
    refused(loom, "array core_threshold.npy claims another size than it has")


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<i4', 'fortran_order': False, 'shape': (5,",
        b"  {'descr': '<i4',\n 'fortran_order': False}",
        b"(" * 4000,
        b"-" * 4000 + b"1",
        b"'" * 3,
        b"\\",
        b"\xff\xfe",
    ],
)
def test_array_headers_that_are_no_python(loom, header):
    data = b"\x93NUMPY\1\0" + struct.pack("<H", 4096) + header.ljust(4096)
    write(loom, {**members(loom), "channel_start.npy": data})
    refused(loom, r"^the file is not a valid Program\n")


def test_a_program_that_could_not_be_loaded_is_not_saved(tmp_path):
    program = replace(random_program(5), report={"entries": [0] * 600_000})
    with pytest.raises(CompileError, match=r"^the Program is too large for a \.loom file\n"):
        program.save(tmp_path / "net.loom")
    assert not list(tmp_path.iterdir())


def test_object_arrays_and_other_types_are_refused(loom):
    contents = members(loom)
    for array in (np.array([{}, []], object), np.zeros(3), np.zeros((2, 2), np.int32)):
        write(loom, {**contents, "core_threshold.npy": npy(array)})
        refused(loom, "array core_threshold.npy is of another type")


@pytest.mark.parametrize(
    ("manifest", "pattern"),
    [
        ("[" * 100_000, "not a valid Program"),
        ("{}", "the Program is of another version"),
        ('{"format": "spikeloom-program", "version": 99}', "the Program is of another version"),
        ('{"format": NaN}', "NaN is no number"),
        ("[]", "not a valid Program"),
        ("9" * 10_000, "not a valid Program"),
        ('{"format":"' + "x" * 10_000_000 + '"}', r"found: 'x{59} version None\n"),
        ('{"report":[' + "[]," * 4_000_000 + "[]]}", "the manifest has too many entries"),
    ],
)
def test_hostile_manifests(loom, manifest, pattern):
    write(loom, {**members(loom), "manifest.json": manifest})
    refused(loom, pattern)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target", {"neurons": 10**12}),
        ("target", {"unknown": 1}),
        ("target", 3),
        ("sources", [{"name": 3, "size": 1, "kind": "host", "first_channel": 0}]),
        ("populations", [{"name": "x", "size": 10**15}]),
        ("populations", [{"name": "x", "size": -1}]),
        ("populations", [{"name": f"p{i}", "size": 0} for i in range(200_000)]),
        ("probes", [{"of": "nobody", "variable": "v"}]),
        ("dt", 0.0),
        ("dt", "1"),
        ("seed", -1),
        ("report", []),
        ("shapes", {"nobody": [2, 2]}),
        ("shapes", {"pop": [2, 10**30]}),
        ("shapes", {"pop": [-1, -2]}),
        ("shapes", {"pop": [1.0, 2.0]}),
        ("shapes", {"pop": [1] * 1000}),
        ("shapes", ["pop"]),
        ("shapes", {"pop": 3}),
    ],
)
def test_hostile_values_with_a_true_hash(loom, key, value):
    """A stranger can compute hashes too: what they claim is checked all the same."""
    from spikeloom.compiler import program_file

    contents = members(loom)
    manifest = json.loads(contents["manifest.json"])
    manifest.pop("hash")
    manifest[key] = value
    arrays = {
        name: np.load(io.BytesIO(contents[f"{name}.npy"])) for name in program_file._array_names()
    }
    manifest["hash"] = program_file._hash(manifest, arrays)
    write(loom, {**contents, "manifest.json": json.dumps(manifest)})
    error = refused(
        loom,
        "not a valid Program|the Program is not valid|is of another type|do not add up|"
        "a population's size is not positive",
    )
    assert str(loom) in str(error.where)


def test_a_directory_of_millions_of_members_is_not_even_parsed(tmp_path):
    path = tmp_path / "many.loom"
    entry = b"PK\1\2" + bytes(42)
    directory = entry * 2_000_000
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535, len(directory), 0, 0)
    path.write_bytes(directory + end)
    refused(path, "the file's directory is not that of a Program")


def test_hostile_files_need_little_memory(loom):
    """The claim of a tebibyte again, in a process that may use 1 GiB."""
    contents = members(loom)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<u2", "fortran_order": False, "shape": (1 << 39,)}
    )
    write(loom, {**contents, "core_profile.npy": header.getvalue()})
    script = textwrap.dedent(
        f"""
        import spikeloom
        try:
            spikeloom.load({str(loom)!r})
        except spikeloom.FileError as error:
            print(error.problem)
        """
    )
    limit = 1 << 30
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert re.match("array core_profile.npy claims another size", result.stdout)


class TestVerify:
    """Every kind of inconsistency in a Program that is otherwise sound."""

    @staticmethod
    def broken(program, **changes):
        core = max(range(len(program.cores)), key=lambda i: len(program.cores[i].rows))
        image = program.cores[core]
        values = {name: change(getattr(image, name).copy()) for name, change in changes.items()}
        cores = list(program.cores)
        cores[core] = replace(image, **values)
        return replace(program, cores=tuple(cores))

    @staticmethod
    def put(value, field=None, index=0):
        def change(array):
            if field is None:
                array[index] = value
            else:
                array[field][index] = value
            return array

        return change

    @pytest.mark.parametrize(
        ("name", "value", "field", "pattern"),
        [
            ("profile", 60000, None, "profile is out of range"),
            ("threshold", 1 << 30, None, "threshold is out of range"),
            ("profiles", 5000, "decay_v", "decay_v is out of range"),
            ("profiles", 16, "shift", "shift is out of range"),
            ("profiles", -1, "adapt_step", "adapt_step is out of range"),
            ("rows", 2, "kind", "kind is out of range"),
            ("rows", 16, "exponent", "exponent is out of range"),
            ("rows", 1 << 40, "offset", "rows overlap or leave synapses without an owner"),
            ("rows", 0, "count", "count is out of range"),
            ("rows", 1 << 20, "projection", "projection is out of range"),
            ("rows", 1 << 20, "pre", "pre of projection .* is out of range"),
            ("axon_start", 1, None, "starts do not cover the table"),
        ],
    )
    def test_one_wrong_value(self, name, value, field, pattern):
        program = random_program(5)
        with pytest.raises(FileError, match=pattern):
            self.broken(program, **{name: self.put(value, field)}).verify()

    def test_no_core_at_all(self):
        program = replace(random_program(3), cores=(), populations=(), projections=(), probes=())
        with pytest.raises(FileError, match="it has no core"):
            program.verify()

    def test_two_neurons_in_one_slot(self):
        program = random_program(5)
        population = program.populations[0]
        doubled = replace(population, slot=np.zeros_like(population.slot))
        with pytest.raises(FileError, match="a slot has no owner, or more than one"):
            replace(program, populations=(doubled, *program.populations[1:])).verify()

    def test_an_axon_with_two_origins(self):
        program = random_program(5)
        to = program.channel_to.copy()
        assert len(to) > 1
        to[0] = to[1]
        with pytest.raises(FileError, match="an axon has more than one origin"):
            replace(program, channel_to=to).verify()

    def test_an_accumulator_that_could_overflow(self):
        for seed in range(50):
            program = random_program(seed)
            core = program.cores[0]
            if len(core.sparse_weight) and (core.rows["exponent"] > 0).any():
                break
        rows = core.rows.copy()
        rows["exponent"] = 15
        full = np.full_like(core.sparse_weight, -program.target.weight_max - 1)
        cores = (replace(core, rows=rows, sparse_weight=full), *program.cores[1:])
        narrow = program.target.with_(accumulator_bits=16)
        with pytest.raises(FileError, match="an accumulator could overflow"):
            replace(program, cores=cores, target=narrow).verify()


def test_saving_to_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileError, match="the Program cannot be written"):
        random_program(1).save(Path(tmp_path) / "absent" / "x.loom")
