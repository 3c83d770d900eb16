"""Files of studies, their points, and the front."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import spikeloom as sl
from spikeloom.studies.front import front

HEAD = "format = 1\n"
SMALL = HEAD + "[parameters]\ncore.neurons = [8, 16]\n"


def read(folder, text):
    path = folder / "study.toml"
    path.write_text(text)
    return sl.Study.load(path)


def test_a_grid_has_every_combination_once(tmp_path):
    study = read(
        tmp_path,
        HEAD + "[parameters]\ncore.neurons = [8, 16]\nmode = ['simple', 'queue']\n"
        "time.hop = { low = 1e-9, high = 4e-9, points = 3, scale = 'log' }\n",
    )
    points = study.all_points()
    assert len(points) == 12
    assert points[0] == {"core.neurons": 8, "mode": "simple", "time.hop": 1e-9}
    assert [p["time.hop"] for p in points[:3]] == pytest.approx([1e-9, 2e-9, 4e-9])
    assert len({tuple(p.values()) for p in points}) == 12


def test_a_random_search_is_its_seed(tmp_path):
    text = (
        "format = 1\nsearch = 'random'\npoints = 50\nseed = {}\n[parameters]\n"
        "core.neurons = {{ low = 4, high = 400, scale = 'log' }}\n"
        "energy.synapse = {{ low = 0, high = 1e-10 }}\nmode = ['simple', 'flit']\n"
    )
    points = read(tmp_path, text.format(1)).all_points()
    assert points == read(tmp_path, text.format(1)).all_points()
    assert points != read(tmp_path, text.format(2)).all_points()
    assert len({tuple(p.values()) for p in points}) == 50
    assert all(type(p["core.neurons"]) is int and 4 <= p["core.neurons"] <= 400 for p in points)
    assert all(0 <= p["energy.synapse"] <= 1e-10 for p in points)
    assert {p["mode"] for p in points} == {"simple", "flit"}


def test_more_random_points_than_there_are(tmp_path):
    study = read(tmp_path, SMALL.replace("[par", "search = 'random'\npoints = 3\n[par"))
    with pytest.raises(sl.InputError) as told:
        study.all_points()
    assert str(told.value) == (
        "there are fewer points than the study asks for\n  found: 2\n  expected: 3\n"
        '  remedy: fewer points, more values, or search = "grid"'
    )


def test_too_large_a_grid(tmp_path):
    hops = "time.hop_{} = {{ low = 1e-9, high = 1e-8, points = 100 }}\n"
    study = read(tmp_path, SMALL + "".join(hops.format(s) for s in ("north", "east", "south")))
    with pytest.raises(sl.InputError, match=r"^the grid has too many points\n  found: 2000000\n"):
        study.all_points()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("format = 2", "the study has another version\n  found: 2\n  expected: 1\n"
         "  where: {}: format"),
        (SMALL.replace("[par", "seeds = 1\n[par"), "no study says this\n  expected: one of format, "
         "name, network, nir, inputs, steps, chip, mode, mapping, loop, search, points, seed, "
         "objectives, parameters, samples, readout\n"
         "  where: {}: seeds\n  remedy: did you mean 'seed'?"),
        (HEAD, "a study needs parameters\n  where: {}: parameters"),
        (SMALL + "time.hop_east = [-1.0]", "this number is out of range\n  found: -1.0\n"
         "  expected: 0 to 1000\n  where: {}: parameters.time.hop_east"),
        (SMALL + "time.hop_east = [nan]", "this number is out of range\n  found: nan\n"
         "  expected: 0 to 1000\n  where: {}: parameters.time.hop_east"),
        (SMALL + "core.axons = [1.5]", "this is no number of its kind\n  found: 1.5\n"
         "  where: {}: parameters.core.axons"),
        (SMALL + "time.hop = [1.0]\ntime.hop_east = [1.0]", "a parameter is there twice\n"
         "  where: {}: parameters.time.hop_east"),
        (SMALL + "time.hop = { low = 2, high = 1 }", "this is no range\n  found: "
         "{{'low': 2, 'high': 1}}\n  expected: low below high, above 0 for scale log\n"
         "  where: {}: parameters.time.hop"),
        (SMALL + "time.hop = 3", "this must be a list of values or a range\n  found: 3\n"
         "  expected: [1, 2, 4], or {{ low = 1, high = 8, points = 4 }}\n"
         "  where: {}: parameters.time.hop"),
        (SMALL.replace("[par", "network = 'net.py:build'\n[par"), "a study names no Python file, "
         "which would be executed\n  found: 'net.py:build'\n  expected: a NIR file\n"
         "  where: {}: network\n  remedy: name it yourself: --network net.py:NAME"),
        (SMALL.replace("[par", "search = 'random'\n[par"), "a random search needs the number of "
         "its points\n  where: {}: points"),
        (SMALL.replace("[par", "objectives = ['speed']\n[par"), "this is none of the choices\n"
         "  found: 'speed'\n  expected: one of seconds, latency, energy, energy_delay, cores, "
         "late, missed, rate_error, error_rate\n  where: {}: objectives"),
        (SMALL.replace("[par", "objectives = ['error_rate']\n[par"), "error_rate needs samples and "
         "readout, and they need it\n  found: ('error_rate',)\n  expected: all three or none\n"
         "  where: {}: objectives"),
        (HEAD + "[parameters]\ncore.neurns = [1]", "no study says this"),
        ("format = ", "the study is no TOML"),
        (SMALL + f"time.neuron = [1{'0' * 400}]", "the study is no TOML"),
        (SMALL.replace("[par", f"steps = 0x{'f' * 6000}\n[par"), "the study is no TOML"),
        (SMALL + f"name{'.a' * 3000} = 1", "the study is no TOML"),
        (SMALL.replace("[par", "nir.dt = 2026-01-01\n[par"), "this must be one value"),
        (HEAD + "[parameters]\na.b.c.d.e = [1]", "this is nested too deep"),
        (HEAD + "[parameters]\nmode = ['__import__(\"os\")']", "this is none of the choices"),
    ],
)  # fmt: skip
def test_what_no_study_says(tmp_path, text, problem):
    with pytest.raises(sl.FileError) as told:
        read(tmp_path, text)
    found, wanted = str(told.value), problem.format(tmp_path / "study.toml")
    assert found == wanted or (":" not in problem and found.startswith(wanted + "\n"))


@given(arrays(float, st.tuples(st.integers(0, 30), st.integers(1, 3)), elements=st.integers(0, 4)))
def test_the_front_is_what_nobody_beats(costs):
    beaten = [
        any((other <= mine).all() and (other < mine).any() for other in costs) for mine in costs
    ]
    assert front(costs).tolist() == np.logical_not(beaten).tolist()
