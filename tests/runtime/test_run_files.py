"""Input and output files of runs."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from support.paper_program import paper_program

import spikeloom as sl
from spikeloom import FileError, InputError
from spikeloom.runtime.files import read_inputs, write_result

PROGRAM = paper_program()


@pytest.fixture
def save(tmp_path):
    def save(compressed=False, **arrays):
        path = tmp_path / "in.npz"
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return save


def test_events_rasters_and_graded_pairs(save):
    raster = np.eye(3, 2, dtype=bool)
    path = save(**{"in": raster, "pop.events": [[0, 1]], "pop.values": [2.5]})
    inputs, steps = read_inputs(path, PROGRAM)
    assert steps == 3
    assert sorted(inputs) == ["in", "pop"]
    with sl.open("reference") as device:
        device.load(PROGRAM)
        result = device.run(steps, inputs)
    assert result.spikes["in"].tolist() == [[0, 0], [1, 1]]
    assert result.states["pop"]["v"][0].tolist() == [6, 2.5, 0]


def test_steps_from_a_graded_raster_and_from_the_caller(save):
    assert read_inputs(save(pop=np.zeros((4, 3))), PROGRAM)[1] == 4
    assert read_inputs(save(**{"in": [[0, 1]]}), PROGRAM, 9)[1] == 9


def test_unknown_number_of_steps(save):
    path = save(**{"in": [[0, 1]]})
    with pytest.raises(InputError) as caught:
        read_inputs(path, PROGRAM)
    assert str(caught.value) == (
        "the number of steps is not known\n"
        "  found: no raster among the inputs\n"
        "  expected: rasters of one length, or a number of steps\n"
        f"  where: {path}\n"
        "  remedy: say how many: --steps on the command line"
    )
    path = save(**{"in": np.zeros((3, 2), bool), "pop": np.zeros((4, 3))})
    with pytest.raises(InputError, match=r"\n  found: 3 steps in 'in', 4 steps in 'pop'\n"):
        read_inputs(path, PROGRAM)


def test_a_bomb_does_not_say_how_long_the_run_is(save):
    """150 kB that would become 150 MB; with a number of steps the shape decides."""
    path = save(compressed=True, **{"in": np.zeros((75_000_000, 2), bool)})
    with pytest.raises(FileError) as caught:
        read_inputs(path, PROGRAM)
    with zipfile.ZipFile(path) as archive:
        stored = archive.infolist()[0].compress_size
    assert str(caught.value) == (
        "array 'in' is compressed beyond belief\n"
        f"  found: 150000000 bytes from {stored}\n"
        "  expected: at most 400 times as many\n"
        f"  where: {path}\n"
        "  remedy: say how many steps you expect: --steps on the command line"
    )
    with pytest.raises(FileError, match=r"^array 'in' is larger than a run of this length"):
        read_inputs(path, PROGRAM, 100)


def test_unknown_names(save):
    path = save(inn=[[0, 1]])
    with pytest.raises(InputError, match=r"^input for something .*\n  found: 'inn'") as caught:
        read_inputs(path, PROGRAM, 3)
    assert caught.value.where == path
    with pytest.raises(InputError, match=r"^source 'clock' drives itself"):
        read_inputs(save(clock=[[0, 0]]), PROGRAM, 3)


def test_half_a_pair_and_both_forms(save):
    path = save(**{"pop.events": [[0, 1]]})
    with pytest.raises(InputError) as caught:
        read_inputs(path, PROGRAM, 3)
    assert str(caught.value) == (
        f"array 'pop.events' needs another one beside it\n  expected: 'pop.values'\n  where: {path}"
    )
    path = save(**{"pop": np.zeros((3, 3)), "pop.events": [[0, 1]], "pop.values": [1.0]})
    with pytest.raises(InputError, match=r"^the input of 'pop' is given twice\n"):
        read_inputs(path, PROGRAM, 3)


def test_more_than_a_run_can_need_is_refused_unread(save):
    path = save(compressed=True, **{"in": np.zeros((1 << 22, 2), bool)})
    with pytest.raises(FileError) as caught:
        read_inputs(path, PROGRAM, 100)
    assert str(caught.value) == (
        "array 'in' is larger than a run of this length can need\n"
        "  found: shape (4194304, 2) of bool\n"
        "  expected: a (100, 2) raster, or at most 200 events\n"
        f"  where: {path}"
    )
    for wide in (np.zeros((2, 1 << 16), bool), np.array("x" * 100_000)):
        with pytest.raises(FileError, match=r"^array 'in' is larger than"):
            read_inputs(save(compressed=True, **{"in": wide}), PROGRAM, 100)


def test_result_file(tmp_path):
    with sl.open("reference") as device:
        device.load(PROGRAM)
        result = device.run(5, {"in": [[0, 0], [1, 1]]})
    for name in ("a.npz", "b.npz"):
        write_result(tmp_path / name, result, {"program": PROGRAM.content_hash})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.npz").testzip() is None
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert sorted(file) == [
            "meta",
            "spikes.in",
            "spikes.pop",
            "states.pop.v",
            "states.pop.v.raw",
        ]
        assert file["spikes.in"].tolist() == [[0, 0], [1, 1]]
        assert file["spikes.pop"].shape == (0, 2)
        assert file["states.pop.v"][-1].tolist() == [6, -2, 2.5]
        assert file["states.pop.v.raw"][-1].tolist() == [24, -16, 40]
        assert json.loads(str(file["meta"])) == {
            "format": "spikeloom-result",
            "version": 1,
            "steps": 5,
            "start": 0,
            "dt": 1e-3,
            "device": "reference",
            "sizes": {"in": 2, "pop": 3},
            "program": PROGRAM.content_hash,
        }


def test_clock_cycles_are_written_where_a_device_counts_them(tmp_path):
    result = sl.Result(3, 0, 1e-3, clock_cycles=np.array([7, 9, 8]))
    write_result(tmp_path / "a.npz", result)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["cycles"].tolist() == [7, 9, 8]
