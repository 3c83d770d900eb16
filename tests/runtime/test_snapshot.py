"""Snapshots: the same future on any device, and files that may come from strangers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.devices import DEVICES
from support.paper_program import paper_program
from support.programs import random_program

import spikeloom as sl
from spikeloom import FileError, InputError, Snapshot
from spikeloom.runtime.npz import read_npz, write_npz


def outcome(device, steps, inputs):
    """Everything that the rest of a run makes."""
    result = device.run(steps, inputs)
    return result, device.snapshot()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 1 << 32),
    steps=st.integers(0, 30),
    first=st.sampled_from(DEVICES),
    second=st.sampled_from(DEVICES),
)
@pytest.mark.filterwarnings("ignore::spikeloom.SaturationWarning")
def test_the_future_is_the_same_on_any_device(tmp_path, seed, steps, first, second):
    program = random_program(seed, neurons=15)
    rng = np.random.default_rng(seed)
    inputs = {s.name: rng.random((12, s.size)) < 0.3 for s in program.sources if s.kind == "host"}
    path = tmp_path / "snapshot.npz"
    with sl.open(first) as one, sl.open(second) as other:
        one.load(program)
        for projection in program.projections[:1]:
            raw = one.read_weights(projection.name).raw
            one.write_weights(projection.name, raw=raw // 2)
        one.run(steps)
        one.snapshot().save(path)
        other.load(program)
        other.run(3)
        other.restore(Snapshot.load(path))
        assert other.step == steps
        a, after_a = outcome(one, 12, inputs)
        b, after_b = outcome(other, 12, inputs)
    assert all(np.array_equal(a.spikes[name], b.spikes[name]) for name in a.spikes)
    assert after_a == after_b
    assert a.start == b.start == steps


def device_with(program, url="reference"):
    device = sl.open(url)
    device.load(program)
    return device


@pytest.fixture
def snapshot():
    device = device_with(paper_program())
    device.run(2, {"in": [[0, 0], [1, 1]]})
    return device.snapshot()


def test_files_have_the_same_bytes_and_give_the_same_snapshot(snapshot, tmp_path):
    for name in ("a.npz", "b.npz"):
        snapshot.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert Snapshot.load(tmp_path / "a.npz") == snapshot
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_snapshots_differ_in_state_weights_or_program(snapshot):
    device = device_with(paper_program())
    device.restore(snapshot)
    assert device.snapshot() == snapshot
    device.write_weights("in->pop", raw=[1, 1, 1])
    assert device.snapshot() != snapshot
    device.restore(snapshot)
    device.run(1)
    assert device.snapshot() != snapshot
    assert replace(snapshot, program_hash="0") != snapshot
    assert snapshot != "snapshot"


def test_another_program_is_refused(snapshot):
    device = device_with(paper_program(bias=1))
    with pytest.raises(InputError) as caught:
        device.restore(snapshot)
    assert str(caught.value) == (
        "the snapshot belongs to another Program\n"
        f"  found: content hash {snapshot.program_hash[:16]}…\n"
        f"  expected: {device.program.content_hash[:16]}…\n"
        "  remedy: load the Program that it was taken from"
    )
    assert device.step == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"v": np.array([0, 0, 1 << 20], np.int32)},
            "v\n  found: 1048576\n  expected: -32768 to 32767",
        ),
        ({"adapt": np.full(3, -1, np.int32)}, "adapt\n  found: -1\n  expected: 0 to 32767"),
        ({"fired": np.full(3, 2, np.uint8)}, "fired\n  found: 2\n  expected: 0 to 1"),
        ({"refractory": np.full(3, 1 << 16, np.int32)}, "refractory\n  found: 65536"),
        ({"step": -1}, "step\n  found: -1\n  expected: an integer that is not negative"),
        ({"v": np.zeros(4, np.int32)}, "v\n  found: shape (4,) of int32\n  expected: shape (3,)"),
        ({"u": np.zeros((2, 3), np.int64)}, "u\n  found: shape (2, 3) of int64\n  expected: shape"),
        ({"wheel": np.full((3, 2, 3), 1 << 30, np.int32)}, "wheel\n  found: 1073741824"),
    ],
)
def test_states_that_no_device_could_have_made(snapshot, change, message):
    device = device_with(paper_program())
    with pytest.raises(InputError) as caught:
        device.restore(replace(snapshot, state=replace(snapshot.state, **change)))
    assert str(caught.value).startswith(f"the snapshot does not fit the Program: {message}")
    assert device.step == 0


def test_weights_that_do_not_fit(snapshot):
    device = device_with(paper_program())
    wrong = replace(snapshot, weights=snapshot.weights[:1])
    with pytest.raises(InputError, match=r"^the snapshot does not fit the Program: weights\n"):
        device.restore(wrong)
    first = replace(snapshot.weights[0], sparse=np.zeros(9, np.int8))
    wrong = replace(snapshot, weights=(first, *snapshot.weights[1:]))
    with pytest.raises(InputError, match=r": sparse weights of core 0\n  found: shape \(9,\)"):
        device.restore(wrong)


# ---------------------------------------------------------------- hostile files


@pytest.fixture
def arrays(snapshot, tmp_path):
    snapshot.save(tmp_path / "good.npz")
    return read_npz(tmp_path / "good.npz")


def refusal(arrays, tmp_path, **options) -> str:
    path = tmp_path / "bad.npz"
    write_npz(path, arrays, **options)
    with pytest.raises(FileError) as caught:
        Snapshot.load(path)
    return str(caught.value)


def test_missing_and_additional_arrays(arrays, tmp_path):
    fewer = {name: array for name, array in arrays.items() if name != "v"}
    assert refusal(fewer, tmp_path).startswith("not a snapshot of this version\n  found: arrays ")
    assert refusal({**arrays, "more": arrays["v"]}, tmp_path).startswith("not a snapshot of this")


def test_a_compressed_snapshot_is_refused(arrays, tmp_path):
    bomb = {**arrays, "sparse_weight": np.zeros(1 << 24, np.int8)}
    assert refusal(bomb, tmp_path, compress=True).startswith(
        "not a valid snapshot: it is compressed, or its arrays overlap"
    )


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("v", np.zeros(3, np.int64)),
        ("v", np.zeros((3, 1), np.int32)),
        ("u", np.zeros((3, 3), np.int32)),
        ("u", np.zeros((2, 4), np.int32)),
        ("fired", np.zeros(2, np.uint8)),
        ("saturations", np.zeros((2, 4), np.int64)),
        ("wheel_place", np.zeros(7, np.int64)),
        ("sparse_weight", np.zeros(3, np.float64)),
        ("weight_counts", np.zeros((2, 3), np.int64)),
        ("meta", np.zeros(5000, np.uint8)),
    ],
)
def test_wrong_types_and_shapes(arrays, tmp_path, name, array):
    message = refusal({**arrays, name: array}, tmp_path)
    assert message.startswith("not a valid snapshot: array ")


@pytest.mark.parametrize(
    "places", [[-1, 2], [5, 5], [7, 3], [0, 1 << 40], [(1 << 63) - 1, -(1 << 63)]]
)
def test_places_outside_the_wheel(arrays, tmp_path, places):
    changed = {
        **arrays,
        "wheel_place": np.array(places, np.int64),
        "wheel_value": np.zeros(2, np.int32),
    }
    assert refusal(changed, tmp_path).startswith(
        "not a valid snapshot: places of the delay wheel are out of order or range"
    )


@pytest.mark.parametrize("counts", [[[1, 0], [2, 9]], [[-1, 0], [4, 1]], [[1 << 62, 0], [2, 1]]])
def test_weights_that_do_not_add_up(arrays, tmp_path, counts):
    changed = {**arrays, "weight_counts": np.array(counts, np.int64)}
    assert refusal(changed, tmp_path).startswith("not a valid snapshot: its weights do not add up")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "the snapshot is of another version"),
        ({"format": "other"}, "the snapshot is of another version"),
        ({"wheel_depth": 65}, "not a valid snapshot: a number in its description is out of range"),
        ({"wheel_depth": 1e9}, "not a valid snapshot: a number in its description is out of range"),
        ({"step": -1}, "not a valid snapshot: a number in its description is out of range"),
        ({"step": True}, "not a valid snapshot: a number in its description is out of range"),
        ({"program": 5}, "not a valid snapshot: a number in its description is out of range"),
    ],
)
def test_descriptions(arrays, tmp_path, change, message):
    meta = {**json.loads(arrays["meta"].tobytes()), **change}
    changed = {**arrays, "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    assert refusal(changed, tmp_path).startswith(message)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 4000])
def test_unreadable_descriptions(arrays, tmp_path, text):
    changed = {**arrays, "meta": np.frombuffer(text, np.uint8)}
    message = refusal(changed, tmp_path)
    assert message.startswith("not a valid snapshot: its description is unreadable")


def test_only_snapshots_can_be_restored():
    with sl.open("reference") as device:
        device.load(paper_program())
        with pytest.raises(sl.InputError) as caught:
            device.restore("here.npz")
    assert str(caught.value) == (
        "only a Snapshot can be restored\n"
        "  found: str\n"
        "  remedy: read a file with spikeloom.Snapshot.load(path)"
    )
