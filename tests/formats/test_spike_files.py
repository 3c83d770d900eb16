"""Spikes as NIRData, as CSV and as Neo objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import neo
import nir
import numpy as np
import pytest
from support.nir_files import TEXT

import spikeloom as sl

DT = 1e-3


def network() -> sl.Network:
    net = sl.Network(dt=DT)
    a, b = net.source("a", 3), net.source("sub.b", 2)
    x = net.population("x", 4, sl.LIF(10e-3))
    net.connect(a, x, weights=np.full((3, 4), 0.6))
    net.connect(b, x, weights=np.full((2, 4), 0.3))
    net.probe(a)
    net.probe(x, "spikes", "v")
    return net


PROGRAM = sl.compile(network())


def run(inputs: Any, steps: int) -> sl.Result:
    with sl.open("emulator") as device:
        device.load(PROGRAM)
        return device.run(steps, inputs)


def rasters(steps: int = 50) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"a": rng.random((steps, 3)) < 0.2, "sub.b": rng.random((steps, 2)) < 0.2}


def as_nirdata(kind: str, x: dict[str, np.ndarray], dt: float = DT) -> nir.NIRGraphData:
    """The rasters as three samples, of which the second is meant."""
    nodes = {}
    for name, raster in x.items():
        data = nir.TimeGriddedData(np.stack([~raster, raster, 0 * raster > 1]), dt)
        spikes: Any = data
        if kind == "events":
            spikes = data.to_event(raster.size, time_shift=dt / 3)
        nodes[name] = nir.NIRNodeData({"spikes": spikes, "other": data})
    inner = nir.NIRGraphData({"b": nodes["sub.b"]})
    return nir.NIRGraphData({"a": nodes["a"], "sub": inner})


@pytest.mark.parametrize("kind", ["events", "grid"])
def test_nirdata_in(kind: str, tmp_path: Path) -> None:
    x = rasters()
    path = tmp_path / "x.nirdata"
    write_nirdata(path, as_nirdata(kind, x))
    inputs, steps = sl.read_inputs(path, PROGRAM, sample=1)
    assert steps == 50
    for name, raster in x.items():
        assert inputs[name].tolist() == np.argwhere(raster).tolist()
    with pytest.raises(sl.InputError, match=r"^which sample\?"):
        sl.read_inputs(path, PROGRAM)


def write_nirdata(path: Path, data: nir.NIRGraphData) -> None:
    """As nir.write_data should: 1.0.8 writes inner graphs without end."""
    with h5py.File(path, "w") as file:
        _write_graph(file, data)


def _write_graph(group: Any, data: nir.NIRGraphData) -> None:
    group.attrs["__type__"] = "NIRGraphData"
    nodes = group.create_group("nodes")
    for name, node in data.nodes.items():
        made = nodes.create_group(name)
        if isinstance(node, nir.NIRGraphData):
            _write_graph(made, node)
            continue
        made.attrs["__type__"] = "NIRNodeData"
        observables = made.create_group("observables")
        for key, item in node.observables.items():
            one = observables.create_group(key)
            one.attrs["__type__"] = type(item).__name__
            for field, value in vars(item).items():
                if isinstance(value, np.ndarray):
                    one.create_dataset(field, data=value, compression="gzip")
                else:
                    one.attrs[field] = value


def test_nirs_own_writer_and_reader(tmp_path: Path) -> None:
    """A file that nir wrote goes in; what comes out nir reads, and puts on the same grid."""
    grid = nir.TimeGriddedData(rasters()["a"][None], DT)
    data = nir.NIRGraphData({"a": nir.NIRNodeData({"spikes": grid.to_event(200)})})
    nir.write_data(tmp_path / "in.h5", data)
    inputs, steps = sl.read_inputs(tmp_path / "in.h5", PROGRAM)
    result = run(inputs, steps)
    sl.write_result(tmp_path / "out.nirdata", result)
    read = nir.read_data(str(tmp_path / "out.nirdata"))
    for name in ("a", "x"):
        spikes = read.nodes[name].observables["spikes"]
        assert spikes.n_neurons == result.sizes[name]
        assert np.array_equal(spikes.to_time_gridded(DT).data[0], result.raster(name))
    v = read.nodes["x"].observables["v"]
    assert v.dt == DT
    assert np.array_equal(v.data[0], result.states["x"]["v"])
    with pytest.warns(UserWarning, match=r"'x' are no sources that the host drives"):
        again, steps = sl.read_inputs(tmp_path / "out.nirdata", PROGRAM)
    assert (steps, list(again)) == (50, ["a"])
    assert np.array_equal(again["a"], result.spikes["a"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda g: g.attrs.__setitem__("dt", 2e-3), "the data have steps of another length"),
        (lambda g: g.attrs.__setitem__("dt", "a" * 99), "dt is no number"),
        (lambda g: g.attrs.__setitem__("dt", np.nan), "dt is impossible"),
        (lambda g: g.attrs.__setitem__("dt", np.zeros(2)), "dt is no number"),
        (lambda g: g.attrs.__delitem__("dt"), "these are neither TimeGriddedData nor EventData"),
        (lambda g: g.__delitem__("data"), "these are neither TimeGriddedData nor EventData"),
        (lambda g: put(g, np.full((1, 5, 3), 2)), "a source's data must be zeros and ones"),
        (lambda g: put(g, np.zeros((1, 5, 4))), "the data are for another number of neurons"),
        (lambda g: put(g, np.full((1, 5, 3), "a", TEXT)), "A dataset does not hold plain numbers."),
        (lambda g: g.__setitem__("value", np.zeros(3)), "these are not spikes"),
        (
            lambda g: g.__setitem__("far", h5py.ExternalLink("x.h5", "/y")),
            "Links are not followed.",
        ),
        (lambda g: g.file.__delitem__("nodes/a/observables"), "a node has no observables"),
        (lambda g: g.parent.move("spikes", "x") or g.parent.create_group("y"), "which observable"),
        (lambda g: g.file.__delitem__("nodes"), "this is no NIRData"),
        (lambda g: claim(g), "A dataset is too large."),
    ],
)
def test_nirdata_that_is_refused(change: Any, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.nirdata"
    grid = nir.TimeGriddedData(rasters()["a"][None], DT)
    nir.write_data(path, nir.NIRGraphData({"a": nir.NIRNodeData({"spikes": grid})}))
    with h5py.File(path, "r+") as file:
        change(file["nodes/a/observables/spikes"])
    with pytest.raises(sl.SpikeloomError) as caught:
        sl.read_inputs(path, PROGRAM)
    assert str(caught.value).startswith(problem)


def put(group: h5py.Group, data: np.ndarray) -> None:
    del group["data"]
    group["data"] = data


def claim(group: h5py.Group) -> None:
    del group["data"]
    group.create_dataset("data", shape=(1, 1 << 40, 3), dtype="?", chunks=(1, 1024, 3))


def test_times_that_are_steps_but_for_rounding(tmp_path: Path) -> None:
    times = np.array([[3 * DT, 0.1 + 0.2, 7.9e-3, np.inf]])
    spikes = nir.EventData(np.array([[0, 1, 2, -1]]), times, 3, 0.4)
    nir.write_data(tmp_path / "x.h5", nir.NIRGraphData({"a": nir.NIRNodeData({"s": spikes})}))
    inputs, steps = sl.read_inputs(tmp_path / "x.h5", PROGRAM)
    assert inputs["a"].tolist() == [[3, 0], [7, 2], [300, 1]]
    assert steps == 400
    with pytest.warns(UserWarning, match="1 of 3 events lie after step 99 and are left out"):
        sl.read_inputs(tmp_path / "x.h5", PROGRAM, 100)


# ------------------------------------------------------------------------------------------- CSV


def test_csv_out_and_in(tmp_path: Path) -> None:
    result = run(rasters(), 50)
    with pytest.warns(UserWarning, match="a CSV file has the spikes; the states of 'x' are left"):
        sl.write_result(tmp_path / "out.csv", result)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "name,step,index"
    assert len(lines) == 1 + sum(len(events) for events in result.spikes.values())
    (tmp_path / "in.csv").write_text("\n".join(x for x in lines if not x.startswith("x")) + "\n")
    inputs, steps = sl.read_inputs(tmp_path / "in.csv", PROGRAM)
    assert np.array_equal(inputs["a"], result.spikes["a"])
    assert steps == result.spikes["a"][:, 0].max() + 1
    assert sl.read_inputs(tmp_path / "in.csv", PROGRAM, 80)[1] == 80


@pytest.mark.parametrize(
    ("text", "problem", "where"),
    [
        ("", "this is no list of spikes", ":1"),
        ("name,step\n", "this is no list of spikes", ":1"),
        ("name,step,index\na,1\n", "a line is no spike", ":2"),
        ("name,step,index\na,-1,0\n", "a line is no spike", ":2"),
        ("name,step,index\na,1,0\na,1.5,0\n", "a line is no spike", ":3"),
        ("name,step,index\na,99999999999,0\n", "a line is no spike", ":2"),
        ('name,step,index\n"a,1,0\n', "this is no CSV file", ""),
        ("name,step,index\n\xff\xfe", "this is no CSV file", ""),
    ],
)
def test_csv_that_is_refused(text: str, problem: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(sl.FileError) as caught:
        sl.read_inputs(path, PROGRAM)
    assert caught.value.problem == problem
    assert str(caught.value.where) == f"{path}{where}"


# ------------------------------------------------------------------------------------------- Neo


def test_neo_out_and_in() -> None:
    result = run(rasters(), 50)
    (segment,) = sl.to_neo(result).segments
    assert len(segment.spiketrains) == 3 + 4
    for name in ("a", "x"):
        events, steps = sl.from_neo(segment, DT, 50, population=name)
        assert np.array_equal(events, result.spikes[name])
        assert steps == 50
    (signal,) = segment.analogsignals
    assert (signal.name, float(signal.sampling_period.rescale("s"))) == ("x.v", DT)
    assert np.array_equal(signal.magnitude, result.states["x"]["v"])


def test_neo_trains_of_others() -> None:
    trains = [neo.SpikeTrain([1.2, 3.0, 3.4], 10.0, "ms"), neo.SpikeTrain([], 1.0, "s")]
    with pytest.warns(UserWarning, match="spike trains: 1 of 3 events fall on a neuron and step"):
        events, steps = sl.from_neo(trains, DT)
    assert events.tolist() == [[1, 0], [3, 0]]
    assert steps == 4
    trains[0].annotate(source_index=5)
    trains[1].annotate(source_index=2)
    assert set(sl.from_neo(trains, 1e-4)[0][:, 1]) == {5}
    with pytest.raises(sl.InputError, match=r"^there are no spike trains"):
        sl.from_neo(neo.Segment(), DT)
    early = neo.SpikeTrain([-1.0], 1.0, "ms", t_start=-5.0)
    with pytest.raises(sl.InputError, match=r"^a time lies outside of every run"):
        sl.from_neo([early], DT)
