"""NIRData: what flows through a NIR graph, in the HDF5 layout of ``nir.write_data`` (nir 1.0.8)."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..compiler.nir.datasets import check_numbers, read_numbers
from ..compiler.nir.hdf5 import Budget, Limits, child, damaged, members, open_file
from ..errors import FileError, InputError
from ..regular_file import replacing
from .binning import steps_of, unique_events

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..recording import Result

_TEXT = h5py.string_dtype("utf-8")


def read_nirdata(
    path: Path, wanted: dict[str, int], dt: float, steps: int | None, sample: int | None
) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Spikes of the named nodes, and the number of steps.

    Args:
        path: the file.
        wanted: name of a node (of one in a sub-graph, ``outer.inner``) → its neurons. Of a node
            with several observables ``spikes`` is taken.
        dt: seconds per step.
        steps: length of the run; None: of the longest recording.
        sample: which sample of the batch; None: the only one.

    Raises:
        FileError: damaged, hostile, or no NIRData.
        InputError: it does not fit the network, or the sample is not said.
    """
    spikes: dict[str, NDArray[np.int64]] = {}
    with open_file(path, Limits()) as (file, budget):
        nodes = _nodes(file, str(path), budget, "", 0)
        others = [name for name in nodes if name not in wanted]
        if others:
            warnings.warn(
                f"{path}: {', '.join(map(repr, others[:8]))} are no sources that the host drives, "
                "and are not used",
                stacklevel=4,
            )
        read = {n: _observable(nodes[n], f"{path}: {n}", budget) for n in wanted if n in nodes}
        found = {
            n: _events(*item, wanted[n], dt, sample, f"{path}: {n}") for n, item in read.items()
        }
    lengths = [length for _, _, length in found.values()]
    steps = max(lengths, default=0) if steps is None else steps
    for name, (step, index, _) in found.items():
        spikes[name], _ = unique_events(step, index, steps, f"{path}: {name}")
    return spikes, steps


def _nodes(
    group: h5py.Group, where: str, budget: Budget, prefix: str, depth: int
) -> dict[str, h5py.Group]:
    """Name → group ``observables``, of all nodes."""
    inner = (
        child(group, "nodes", where, budget)
        if "nodes" in members(group, where, budget, 64)
        else None
    )
    if not isinstance(inner, h5py.Group) or depth > budget.limits.depth:
        raise FileError("this is no NIRData", expected="a group 'nodes'", where=where)
    found: dict[str, h5py.Group] = {}
    for name in members(inner, where, budget, budget.limits.nodes):
        item, at = child(inner, name, where, budget), f"{where}: {name}"
        names = members(item, at, budget, 64) if isinstance(item, h5py.Group) else []
        if isinstance(item, h5py.Group) and "nodes" in names:
            found |= _nodes(item, at, budget, f"{prefix}{name}.", depth + 1)
        elif isinstance(item, h5py.Group) and "observables" in names:
            observables = child(item, "observables", at, budget)
            if not isinstance(observables, h5py.Group):
                raise FileError("the observables are not a group", where=at)
            found[prefix + name] = observables
        else:
            raise FileError("a node has no observables", found=", ".join(names), where=at)
    return found


def _observable(
    group: h5py.Group, where: str, budget: Budget
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Arrays and attributes of the only observable, or of ``spikes``."""
    names = members(group, where, budget, 64)
    name = names[0] if len(names) == 1 else "spikes"
    item = child(group, name, where, budget) if name in names else None
    if not isinstance(item, h5py.Group):
        raise InputError(
            "which observable are the spikes?",
            found=", ".join(map(repr, names)) or "none",
            expected="one, or one called 'spikes'",
            where=where,
        )
    arrays: dict[str, NDArray[np.float64]] = {}
    for part in members(item, where, budget, 8):
        data = child(item, part, where, budget)
        if part not in ("data", "idx", "time") or not isinstance(data, h5py.Dataset):
            raise FileError(
                "these are not spikes",
                found=f"{part!r}: ValuedEventData, or something unknown",
                expected="TimeGriddedData or EventData",
                where=where,
            )
        check_numbers(data, f"{where}/{part}", budget)
        arrays[part] = read_numbers(data, f"{where}/{part}")
    return arrays, {
        a: _attribute(item, a, where) for a in ("dt", "n_neurons", "t_max") if a in item.attrs
    }


def _attribute(group: h5py.Group, name: str, where: str) -> float:
    """A plain number; texts are never read here, since the library believes their lengths."""
    with damaged(where):
        found = group.attrs.get_id(name)
        if found.shape != () or found.dtype.kind not in "fiu" or found.dtype.itemsize > 8:
            raise FileError(f"{name} is no number", found=f"{found.dtype}", where=where)
        number: Any = group.attrs[name]
        value = float(number)
    if not math.isfinite(value) or value <= 0:
        raise FileError(f"{name} is impossible", found=value, where=where)
    return value


def _events(
    arrays: dict[str, NDArray[np.float64]],
    numbers: dict[str, float],
    size: int,
    dt: float,
    sample: int | None,
    where: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Step and index of each event of a sample, and the length of the recording in steps."""
    if "data" in arrays and "dt" in numbers and arrays["data"].ndim == 3:
        data = arrays["data"][_sample(len(arrays["data"]), sample, where)]
        _fits(data.shape[1], size, where)
        if abs(numbers["dt"] / dt - 1) > 1e-6:
            raise InputError(
                "the data have steps of another length than the network",
                found=f"{numbers['dt']:g} s",
                expected=f"{dt:g} s",
                where=where,
            )
        if ((data != 0) & (data != 1)).any():
            raise InputError("a source's data must be zeros and ones", where=where)
        step, index = np.nonzero(data)
        return step.astype(np.int64), index.astype(np.int64), len(data)
    idx, time = arrays.get("idx"), arrays.get("time")
    good = idx is not None and time is not None and idx.ndim == 2 and idx.shape == time.shape
    if idx is None or time is None or not good or not {"n_neurons", "t_max"} <= numbers.keys():
        raise FileError(
            "these are neither TimeGriddedData nor EventData",
            found=", ".join([*arrays, *numbers]) or "nothing",
            where=where,
        )
    _fits(int(numbers["n_neurons"]), size, where)
    row = _sample(len(idx), sample, where)
    used = idx[row] != -1
    index, times = idx[row][used], time[row][used]
    if ((index < 0) | (index >= size) | (index != np.floor(index))).any():
        raise InputError(
            "an index is out of range", expected=f"0 to {size - 1}, or -1", where=where
        )
    step = steps_of(times, dt, where)
    length = math.ceil(numbers["t_max"] / dt - 1e-6)
    return step, index.astype(np.int64), max(length, int(step.max(initial=-1)) + 1)


def _sample(count: int, sample: int | None, where: str) -> int:
    if sample is None and count == 1:
        return 0
    if sample is None or not 0 <= sample < count:
        raise InputError(
            "which sample?",
            found="none was named" if sample is None else sample,
            expected=f"0 to {count - 1}",
            where=where,
            remedy="sample=0, or --sample 0 on the command line",
        )
    return sample


def _fits(found: int, size: int, where: str) -> None:
    if found != size:
        raise InputError(
            "the data are for another number of neurons", found=found, expected=size, where=where
        )


def write_nirdata(path: Path, result: Result) -> None:
    """Write a result: spikes as EventData in the middle of their step, states on the time grid."""
    duration = result.steps * result.dt
    with replacing(path, "NIRData") as partial, h5py.File(partial, "w") as file:
        file.attrs.create("__type__", "NIRGraphData", dtype=_TEXT)
        nodes = file.create_group("nodes")
        for name, size in result.sizes.items():
            node = nodes.create_group(name)
            node.attrs.create("__type__", "NIRNodeData", dtype=_TEXT)
            observables = node.create_group("observables")
            if name in result.spikes:
                _write_events(observables, result.spikes[name], size, duration, result.dt)
            for variable, values in result.states.get(name, {}).items():
                grid = observables.create_group(variable)
                grid.attrs.create("__type__", "TimeGriddedData", dtype=_TEXT)
                grid.attrs["dt"] = result.dt
                grid.create_dataset("data", data=np.asarray(values)[None], compression="gzip")


def _write_events(
    group: h5py.Group, events: NDArray[np.int64], size: int, duration: float, dt: float
) -> None:
    made = group.create_group("spikes")
    made.attrs.create("__type__", "EventData", dtype=_TEXT)
    made.attrs["n_neurons"], made.attrs["t_max"] = size, duration
    packed: dict[str, Any] = {"compression": "gzip"} if len(events) > 64 else {}
    made.create_dataset("idx", data=events[None, :, 1], **packed)
    # The middle: readers take the floor of time/dt, which rounding must not change.
    made.create_dataset("time", data=(events[None, :, 0] + 0.5) * dt, **packed)
