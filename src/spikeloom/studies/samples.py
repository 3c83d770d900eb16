"""Data sets: many inputs for one Program, with labels or without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.program import Probe
from ..errors import InputError
from ..formats import write_result
from ..runtime.npz import NpzReader
from ..runtime.open import open as open_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program

LABELS = "labels"
LIMIT = 4 << 30
"""Bytes of a data set, at most."""


@dataclass(frozen=True, eq=False)
class Samples:
    """A data set.

    Attributes:
        rasters: source to (samples, steps, size) bool.
        labels: (samples,) int64, or None.
    """

    rasters: dict[str, NDArray[Any]]
    labels: NDArray[np.int64] | None

    @staticmethod
    def load(path: str | Path, program: Program) -> Samples:
        """Read an ``.npz`` file, safe for files from strangers.

        An array called like a source that the host drives holds (samples, steps, size) booleans,
        ``labels`` (samples,) integers.

        Raises:
            FileError: it is missing, damaged, hostile or too large.
            InputError: it does not fit the Program.
        """
        hosts = {s.name: s.size for s in program.sources if s.kind == "host"}
        labels, shapes = None, set()
        with NpzReader(path, LIMIT) as reader:
            for name, entry in reader.entries.items():
                where = f"{path}: {name}"
                if name == LABELS:
                    whole = entry.dtype.kind in "iu" and np.can_cast(entry.dtype, np.int64)
                    if len(entry.shape) != 1 or not whole:
                        raise InputError("labels are (samples,) integers", found=entry.dtype,
                                        where=where)  # fmt: skip
                    continue
                if name not in hosts:
                    raise InputError(
                        "no source that the host drives has this name", where=where,
                        expected=", ".join(map(repr, hosts)) or "none",
                    )  # fmt: skip
                if len(entry.shape) != 3 or entry.shape[2] != hosts[name] or entry.dtype != bool:
                    raise InputError(
                        "this is no raster of samples", where=where,
                        found=f"{entry.dtype} {entry.shape}",
                        expected=f"booleans (samples, steps, {hosts[name]})",
                    )  # fmt: skip
                shapes.add(entry.shape[:2])
            if len(shapes) != 1:
                raise InputError("all rasters have the same samples and steps", where=path,
                                 found=sorted(shapes) or "no raster")  # fmt: skip
            if 0 in next(iter(shapes)):
                raise InputError("there are no samples, or they have no steps", where=path)
            rasters = {name: reader.read(name) for name in reader.entries if name != LABELS}
            if LABELS in reader.entries:
                labels = reader.read(LABELS).astype(np.int64)
        found = Samples(rasters, labels)
        if labels is not None and len(labels) != len(found):
            raise InputError("each sample has a label", found=len(labels), expected=len(found),
                             where=path)  # fmt: skip
        return found

    def __len__(self) -> int:
        return len(next(iter(self.rasters.values())))

    @property
    def steps(self) -> int:
        """Of a sample."""
        return next(iter(self.rasters.values())).shape[1]

    def one(self, number: int) -> dict[str, Any]:
        """Inputs of one sample, as for ``Device.run``."""
        return {name: raster[number] for name, raster in self.rasters.items()}


def check_readout(program: Program, readout: str) -> None:
    """Whether a population can decide.

    Raises:
        InputError: there is none of that name.
    """
    if program.population(readout) is None:
        raise InputError(
            "the readout is no population", found=readout,
            expected=", ".join(p.name for p in program.populations),
        )  # fmt: skip


def decide(program: Program, samples: Samples, readout: str) -> NDArray[np.int64]:
    """(samples,) the neuron of the readout that fires most in each; the first one of several."""
    check_readout(program, readout)
    found = np.zeros(len(samples), np.int64)
    with open_device("emulator") as device:
        device.load(replace(program, probes=(Probe(readout, "spikes"),)))
        for number in range(len(samples)):
            device.reset(weights=True)
            spikes = device.run(samples.steps, samples.one(number)).spikes[readout]
            size = program.population(readout).size  # type: ignore[union-attr]
            found[number] = np.bincount(spikes[:, 1], minlength=size).argmax()
    return found


@dataclass(frozen=True, eq=False)
class Batch:
    """What workers need to run a data set.

    Attributes:
        program, samples: what is run.
        device: where.
        readout: the population that decides, or None.
        folder: where each sample's result is written, or None.
    """

    program: Program
    samples: Samples
    device: str
    readout: str | None
    folder: str | None


def open_batch(batch: Batch) -> tuple[Batch, Any]:
    """In a worker: the device with the Program, which stays open as long as the worker lives."""
    device = open_device(batch.device)
    probes = batch.program.probes
    if batch.readout is not None:
        probes = tuple(dict.fromkeys((*probes, Probe(batch.readout, "spikes"))))
    device.load(replace(batch.program, probes=probes))
    return batch, device


def run_sample(opened: tuple[Batch, Any], number: int) -> dict[str, Any]:
    """One sample from the beginning: spikes of each probed population, and what was decided."""
    batch, device = opened
    device.reset(weights=True)
    result = device.run(batch.samples.steps, batch.samples.one(number))
    if batch.folder is not None:
        meta = {"program": batch.program.content_hash, "sample": number}
        write_result(Path(batch.folder, f"{number:06}.npz"), result, meta)
    found: dict[str, Any] = {"spikes": {n: len(events) for n, events in result.spikes.items()}}
    if batch.readout is not None:
        size = result.sizes[batch.readout]
        counts = np.bincount(result.spikes[batch.readout][:, 1], minlength=size)
        found["decided"] = int(counts.argmax())
    return found
