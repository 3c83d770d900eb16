"""Studies and data sets from beginning to end: ``sl.explore`` and ``sl.run_samples``."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.network import Network
from ..compiler.program import Program
from ..compiling import compile
from ..errors import InputError
from ..formats import read_inputs
from .evaluate import Setting, chips_of, evaluate, prepare
from .front import front
from .jobs import Task, drain
from .samples import Batch, Samples, check_readout, open_batch, run_sample
from .store import Row, Store
from .study import Study

Progress = Callable[[dict[str, int]], object]

_FILES = ("network", "nir", "inputs", "samples", "chip")
"""Of a study: what they hold is what results follow from, wherever they lie."""


@dataclass(frozen=True, eq=False)
class Exploration:
    """What came of a study.

    Attributes:
        study: which.
        rows: one for each point: ``payload`` has its parameters, ``result`` its figures.
        path: the file of results.
    """

    study: Study
    rows: list[Row]
    path: Path

    @property
    def done(self) -> list[Row]:
        """Points with figures."""
        return [row for row in self.rows if row.state == "done"]

    @property
    def failed(self) -> list[Row]:
        """Points without, and why: ``error``."""
        return [row for row in self.rows if row.state == "failed"]

    @property
    def front(self) -> list[Row]:
        """The points that no other one beats, by the first objective."""
        rows, objectives = self.done, self.study.objectives
        costs = np.array([[row.result[name] for name in objectives] for row in rows], float)
        chosen = front(costs.reshape(len(rows), len(objectives)))
        found = [row for row, yes in zip(rows, chosen, strict=True) if yes]
        return sorted(found, key=lambda row: [row.result[name] for name in objectives])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        fields = [dataclasses.asdict(row) for row in self.rows]
        return {
            "study": self.study.name,
            "objectives": list(self.study.objectives),
            "results": str(self.path),
            "points": fields,
            "front": [row.number for row in self.front],
        }


def explore(
    study: Study | str | Path,
    network: Network | None = None,
    results: str | Path | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    retry: bool = False,
    progress: Progress | None = None,
) -> Exploration:
    """Do a study, or go on with it.

    Args:
        study: what to do, or the path of its file.
        network: what is compiled; None: the study names a NIR file.
        results: SQLite file; what it has of this study already is not done again. By default the
            study's own file name with ``.sqlite``.
        inputs: as for ``Device.run``; None: the study names a file, or there are none.
        workers: processes of this computer; None: one for each processor.
        scheduler: address of a Dask scheduler, whose workers are used instead.
        retry: whether points that failed are tried again.
        progress: gets the numbers of jobs by state, now and then.

    Raises:
        InputError: something that the study needs is not given.
        FileError: the study or the results cannot be used.
        DeviceError: workers cannot be had, or another process writes to the results.
    """
    path = None if results is None else Path(results)
    if not isinstance(study, Study):
        path = Path(study).with_suffix(".sqlite") if path is None else path
        study = Study.load(study)
    if path is None:
        raise InputError("where to?", found="no file for the results", remedy="results=…")
    setting, program = _setting(study, network, inputs)
    identity = _digest(
        study={name: told for name, told in _told(study).items() if name not in _FILES},
        network=program.content_hash,
        chips=[_told(chip) for chip in setting.chips.values()],
        inputs={name: _array_digest(value) for name, value in setting.inputs.items()},
        samples={} if setting.samples is None else _samples_digest(setting.samples),
        steps=setting.steps,
    )
    about = {"study": study.name, "objectives": list(study.objectives)}
    task = Task(prepare, evaluate, setting)
    rows = _work(path, identity, study.all_points(), about, task, workers, scheduler, retry,
                 progress)  # fmt: skip
    return Exploration(study, rows, path)


def _setting(
    study: Study, network: Network | None, inputs: Mapping[str, Any] | None
) -> tuple[Setting, Program]:
    """What all points share; and the network as the emulator has it."""
    if network is None:
        if study.network is None:
            raise InputError(
                "which network?", found="none in the study",
                remedy="network = \"net.nir\" in the study, or --network net.py:NAME",
            )  # fmt: skip
        from ..compiler.nir import from_nir

        network = from_nir(study.network, **study.nir)
    steps = study.steps
    program = compile(network, "emulator")
    if inputs is None and study.inputs is not None:
        inputs, steps = read_inputs(study.inputs, program, study.steps)
    if steps is None:
        raise InputError(
            "the number of steps is not known", found="neither steps nor a file of inputs",
            remedy="steps = 100 in the study",
        )  # fmt: skip
    samples = None
    if study.samples is not None and study.readout is not None:
        samples = Samples.load(study.samples, program)
        check_readout(program, study.readout)
        if samples.labels is None:
            raise InputError("an error rate needs labels", where=study.samples)
    return Setting(study, network, inputs or {}, steps, samples, chips_of(study)), program


def run_samples(
    program: Program | str | Path,
    samples: Samples | str | Path,
    results: str | Path,
    *,
    device: str = "emulator",
    readout: str | None = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    retry: bool = False,
    progress: Progress | None = None,
) -> list[Row]:
    """Run a data set through a Program, each sample from the beginning.

    Args:
        program: what runs.
        samples: the data set, or the path of its ``.npz`` file.
        results: SQLite file; samples that it has already are not run again.
        device: what each worker opens.
        readout: population whose neuron with most spikes is the decision, or None.
        folder: where each sample's whole result is written as ``.npz``, or None.
        workers, scheduler, retry, progress: as for ``explore``.

    Returns:
        One row for each sample; ``result`` has ``spikes`` by name, and ``decided``.

    Raises:
        InputError, FileError, DeviceError: as for ``explore``.
    """
    program = program if isinstance(program, Program) else Program.load(program)
    samples = samples if isinstance(samples, Samples) else Samples.load(samples, program)
    if readout is not None:
        check_readout(program, readout)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        folder = str(Path(folder).resolve())
    identity = _digest(
        program=program.content_hash, samples=_samples_digest(samples), readout=readout,
        folder=folder, device=device,
    )  # fmt: skip
    batch = Batch(program, samples, device, readout, folder)
    task = Task(open_batch, run_sample, batch)
    jobs = list(range(len(samples)))
    return _work(Path(results), identity, jobs, {"readout": readout}, task, workers, scheduler,
                 retry, progress)  # fmt: skip


def _work(
    path: Path,
    identity: str,
    jobs: list[Any],
    about: dict[str, Any],
    task: Task,
    workers: int | None,
    scheduler: str | None,
    retry: bool,
    progress: Progress | None,
) -> list[Row]:
    """Do what a store has left, by whatever workers there are."""
    with Store(path, identity, jobs, about) as store, contextlib.ExitStack() as stack:
        if retry:
            store.again()
        if store.counts()["pending"]:
            drain(store, stack.enter_context(_pool(task, workers, scheduler)), progress)
        return store.rows()


def _pool(task: Task, workers: int | None, scheduler: str | None) -> Any:
    if scheduler is None:
        from .local import LocalPool

        return LocalPool(task, workers)
    if workers is not None:
        raise InputError("a cluster has its own workers", found=f"workers={workers}",
                         remedy="leave workers out")  # fmt: skip
    from .cluster import DaskPool

    return DaskPool(task, scheduler)


# ---------------------------------------------------------------------- what results follow from


def _digest(**facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _told(thing: Any) -> Any:
    """A dataclass of plain data, as JSON."""
    return json.loads(json.dumps(dataclasses.asdict(thing), default=dict))


def _array_digest(given: Any) -> Any:
    if isinstance(given, tuple):
        return [_array_digest(part) for part in given]
    array = np.ascontiguousarray(given)
    return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]


def _samples_digest(samples: Samples) -> Any:
    rasters = {name: _array_digest(raster) for name, raster in samples.rasters.items()}
    return [rasters, None if samples.labels is None else _array_digest(samples.labels)]
