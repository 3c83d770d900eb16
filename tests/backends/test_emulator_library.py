"""The compiled kernel's library: its arithmetic, its streams, and when it is refused."""

import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.programs import random_program
from support.tiny import Synapse, tiny_program

from spikeloom import counter_hash
from spikeloom.backends.emulator import native
from spikeloom.backends.emulator.drives import Drives
from spikeloom.backends.emulator.neurons import Neurons
from spikeloom.backends.emulator.numpy_kernel import decay
from spikeloom.backends.emulator.rows import build_rows
from spikeloom.backends.emulator.streams import build_streams, thread_ranges
from spikeloom.backends.emulator.wiring import Wiring, receptors_in_use
from spikeloom.backends.reference.neuron import decay as reference_decay
from spikeloom.backends.source_checksum import source_checksum
from spikeloom.compiler.program import DENSE, POISSON
from spikeloom.runtime.backend import CoreWeights

NARROW, SPREAD, ONE, MIDDLE, DENSE8, DENSE16, LIST = range(7)
CHUNK = 8


@pytest.fixture(scope="module")
def library():
    try:
        return native.library()
    except native.KernelUnavailableError as reason:
        pytest.skip(f"no compiled kernel: {reason}")


# -- arithmetic -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=40))
def test_the_hash_is_the_machines(library, words):
    found = np.array(words, np.uint32)
    library.mix(found.ctypes.data, len(found))
    assert np.array_equal(found, counter_hash.mix(np.array(words, np.uint32)))


@settings(max_examples=200)
@given(
    st.lists(st.integers(-(1 << 23), 1 << 23), min_size=1, max_size=40),
    st.integers(0, 4096) | st.sampled_from([0, 1, 4095, 4096]),
)
def test_decay_in_32_bits_is_exact(library, values, k):
    expected = reference_decay(np.array(values, np.int64), np.int64(k))
    found = np.array(values, np.int32)
    assert np.array_equal(decay(found, np.int32(4096 - k)), expected)
    library.decay(found.ctypes.data, len(found), k)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("k", [0, 1, 205, 819, 2048, 4095, 4096])
def test_decay_is_exact_around_every_multiple(library, k):
    values = np.concatenate([np.arange(-(1 << 23), 1 << 23, 4096) + o for o in (-1, 0, 1, 2047)])
    values = values.clip(-(1 << 23), (1 << 23) - 1)
    found = values.astype(np.int32)
    library.decay(found.ctypes.data, len(found), k)
    assert np.array_equal(found, reference_decay(values, np.int64(k)))


# -- streams --------------------------------------------------------------------------------------


def walk(program):
    """All synapses by the Program's tables: (source, target, receptor, delay, value)."""
    found = Counter()
    senders = [(program.channel_start, program.channel_to, 0)]
    for core, base in zip(program.cores, program.core_base.tolist(), strict=False):
        senders.append((core.spike_start, core.spike_to, program.channels + base))
    for starts, to, first in senders:
        for i in range(len(starts) - 1):
            for number, axon in to[starts[i] : starts[i + 1]].tolist():
                core, base = program.cores[number], int(program.core_base[number])
                for row in core.rows[core.axon_start[axon] : core.axon_start[axon + 1]]:
                    for k in range(int(row["count"])):
                        at = int(row["offset"]) + k
                        if row["kind"] == DENSE:
                            target, delay = int(row["base"]) + k, int(row["delay"])
                            weight = int(core.dense_weight[at])
                        else:
                            target, delay = int(core.sparse_target[at]), int(core.sparse_delay[at])
                            weight = int(core.sparse_weight[at])
                        value = weight << int(row["exponent"])
                        found[first + i, base + target, int(row["receptor"]), delay, value] += 1
    return found


def decode(streams, ranges):
    """All synapses by the streams, and which kinds of block there are."""
    found, kinds = Counter(), set()
    for thread, (row, stream) in enumerate(zip(streams.row, streams.stream, strict=True)):
        low, high = ranges[thread : thread + 2].tolist()
        for source, (at, head) in enumerate(row.tolist()):
            blocks = [(at, head)]
            if head >> 29 == LIST:
                words = stream[CHUNK * at :][: 2 * (head & (1 << 29) - 1)]
                blocks = words.reshape(-1, 2).tolist()
                kinds.add(LIST)
            for at, head in blocks:
                kind, count = head >> 29, head & (1 << 18) - 1
                exponent, receptor, delay = head >> 25 & 15, head >> 24 & 1, head >> 18 & 63
                if count:  # an empty block stands for no synapses at all
                    kinds.add(kind)
                for target, when, weight in decode_block(kind, count, at, stream, low, delay):
                    assert low <= target < high
                    found[source, target, receptor, when, weight << exponent] += 1
    return found, kinds


def decode_block(kind, count, at, stream, low, delay):
    """(target, delay, weight) of the synapses of one block."""
    if kind == ONE:
        return [(at >> 8, delay, (at & 255 ^ 128) - 128)]
    words = stream[CHUNK * at :]
    if kind in (NARROW, SPREAD):
        body = words[: -(-count // CHUNK) * CHUNK].astype(np.int64)
        weight = ((body & 255 ^ 128) - 128).tolist()
        target = (body >> 8 if kind == NARROW else (body >> 8 & 0x3FFFF) + low).tolist()
        delays = ([delay] * len(body)) if kind == NARROW else (body >> 26).tolist()
        synapses = list(zip(target, delays, weight, strict=True))
        # What fills the last chunk adds nothing, and adds it where the block adds anyway.
        assert not any(weight[count:])
        assert set(target[count:]) <= set(target[:count])
        return synapses[:count]
    base = int(words[0])
    if kind == MIDDLE:
        body = words[1 : 1 + count].astype(np.int64)
        weight = (body & 0xFFFF).astype(np.uint16).view(np.int16).tolist()
        target = ((body >> 16) + base).tolist()
        return [(t, delay, w) for t, w in zip(target, weight, strict=True)]
    size = 1 if kind == DENSE8 else 2
    used = 1 + -(-count * size // 4)
    weight = words[1:used].view(np.int8 if size == 1 else np.int16)[:count].tolist()
    return [(base + k, delay, w) for k, w in enumerate(weight)]


def laid_out(library, program, threads):
    weights = tuple(CoreWeights(c.sparse_weight, c.dense_weight) for c in program.cores)
    ranges = thread_ranges(program, threads)
    return build_streams(library, program, Wiring.of(program), weights, ranges), ranges


@pytest.mark.parametrize("threads", [1, 3])
def test_streams_hold_every_synapse_once(library, threads):
    seen = set()
    for seed in range(25):
        program = random_program(seed, neurons=None if seed % 5 else 220)
        streams, ranges = laid_out(library, program, threads)
        expected = walk(program)
        found, kinds = decode(streams, ranges)
        assert found == expected
        assert int(streams.events.sum()) == sum(expected.values())
        seen |= kinds
    assert seen == {NARROW, SPREAD, ONE, MIDDLE, DENSE8, DENSE16, LIST}


def test_numpy_rows_hold_every_synapse_once():
    for seed in range(25):
        program = random_program(seed)
        weights = tuple(CoreWeights(c.sparse_weight, c.dense_weight) for c in program.cores)
        receptors, n = receptors_in_use(program), program.neurons
        rows = build_rows(program, Wiring.of(program), weights, receptors)
        source = np.repeat(np.arange(len(rows.start) - 1), np.diff(rows.start)).tolist()
        slot, target = np.divmod(rows.place.astype(np.int64), max(1, n))
        delay, receptor = np.divmod(slot, receptors)
        columns = (target.tolist(), receptor.tolist(), delay.tolist(), rows.value.tolist())
        assert Counter(zip(source, *columns, strict=True)) == walk(program)


def test_a_narrow_synapse_takes_four_bytes(library):
    n = 400
    synapses = [Synapse(f"n{i}", (i + k) % n, 5) for i in range(n) for k in range(100)]
    streams, _ = laid_out(library, tiny_program([{}] * n, synapses), 1)
    assert len(streams.stream[0]) == 104 * n  # each hundred in whole chunks
    assert streams.bytes < 5 * len(synapses)


@pytest.mark.parametrize("threads", [1, 2, 7, 255])
def test_thread_ranges_share_the_work(threads):
    n = 1000
    synapses = [Synapse(f"n{i}", i % 100, 5) for i in range(n) for _ in range(5)]
    ranges = thread_ranges(tiny_program([{}] * n, synapses), threads)
    assert (ranges[0], ranges[-1]) == (0, n)
    assert (np.diff(ranges) > 0).all()
    assert len(ranges) - 1 <= min(threads, n // 64)
    if threads == 2:  # the first hundred neurons have all the synapses
        assert ranges[1] < n // 2


# -- neurons and drives ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_segments_cover_every_neuron_once(seed):
    program = random_program(seed, neurons=300, cores=3)
    neurons = Neurons.of(program)
    cuts = np.array([0, program.neurons // 3, program.neurons])
    place = 0
    for first, end, core, shared in neurons.segments(cuts):
        assert first == place < end
        assert program.core_base[core] <= first < end <= program.core_base[core + 1]
        assert not ((cuts > first) & (cuts < end)).any()
        assert not shared or (neurons.row[first:end] == neurons.row[first]).all()
        place = end
    assert place == program.neurons


def test_only_one_to_one_channels_become_drives(library):
    n = 60
    synapses = [Synapse(f"c{i}", i + 2, 3) for i in range(30)]  # a run of thirty
    synapses += [Synapse(f"c{i}", i + 2, 3, delay=i % 2) for i in range(30, 50)]  # delays differ
    synapses += [Synapse("c50", 1, 3), Synapse("c50", 2, 3)]  # two synapses
    generators = [(i, POISSON, 1, i, 1 << 31, 0) for i in range(51)]
    program = tiny_program([{}] * n, synapses, channels=51, generators=generators)
    drives = Drives.of(program, laid_out(library, program, 1)[0])
    assert drives.runs == [(0, 2, 31, 0, 0)]  # channel 30 still has delay 0
    assert drives.poisson.tolist() == list(range(31, 51))
    halves = drives.for_lane(0, 12) + drives.for_lane(12, n)
    assert [(d.channel, d.target, d.count, d.uniform) for d in halves] == [
        (0, 2, 10, 1),
        (10, 12, 21, 1),
    ]


# -- refusals -------------------------------------------------------------------------------------


def test_a_missing_library(tmp_path):
    path = tmp_path / "_kernel.so"
    with pytest.raises(native.KernelUnavailableError) as caught:
        native.load(path)
    assert str(caught.value) == f"the compiled kernel is not there ({path}); {native.REBUILD}"


def test_a_damaged_library(tmp_path):
    path = tmp_path / "_kernel.so"
    path.write_bytes(b"not a library at all")
    with pytest.raises(
        native.KernelUnavailableError, match=r"_kernel\.so cannot be used: .*; with a C"
    ):
        native.load(path)


def copied(library, folder):
    folder.mkdir(exist_ok=True)
    return shutil.copy(library.path, folder / "_kernel.so")


def test_a_library_of_another_interface(library, tmp_path, monkeypatch):
    path = copied(library, tmp_path)
    monkeypatch.setattr(native, "ABI", native.ABI + 1)
    with pytest.raises(native.KernelUnavailableError) as caught:
        native.load(path)
    assert str(caught.value) == (
        f"{path} has interface number {native.ABI - 1}, this package needs {native.ABI}; "
        + native.REBUILD
    )


def test_a_library_built_from_other_sources(library, tmp_path):
    path = copied(library, tmp_path)
    native.Library(path)  # alone, it is good
    (tmp_path / "kernel.c").write_text("/* edited since */")
    with pytest.raises(native.KernelUnavailableError) as caught:
        native.load(path)
    assert str(caught.value) == (
        f"{path} was built from other sources than those beside it; {native.REBUILD}"
    )


def test_a_library_with_other_structures(library, tmp_path, monkeypatch):
    path = copied(library, tmp_path)
    monkeypatch.setattr(native, "_STRUCTURES", (native.Lane, *native._STRUCTURES[1:]))
    with pytest.raises(native.KernelUnavailableError, match=r"lays out Lane in \d+ bytes"):
        native.load(path)


def test_the_checksum_sees_every_source(tmp_path):
    assert source_checksum(tmp_path) is None
    (tmp_path / "a.c").write_text("int a;")
    first = source_checksum(tmp_path)
    (tmp_path / "b.h").write_text("int b;")
    assert source_checksum(tmp_path) != first


def test_the_sources_compile_without_warnings(tmp_path):
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: neither gcc nor clang is there")
    sources = [str(native.FOLDER / name) for name in ("kernel.c", "streams.c", "cycles.c")]
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread"]
    command = [compiler, *flags, *sources, "-o", str(tmp_path / "_kernel.so")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
