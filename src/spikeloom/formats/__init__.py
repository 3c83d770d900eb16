"""Files of spikes that others write and read; docs/cli.md has the layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..runtime import files
from ..stimulus import check_steps

if TYPE_CHECKING:
    from ..compiler.program import Program
    from ..recording import Result

NIRDATA = (".nirdata", ".h5", ".hdf5")


def read_inputs(
    path: str | Path,
    program: Program,
    steps: int | None = None,
    *,
    into: str | None = None,
    sample: int | None = None,
) -> tuple[dict[str, Any], int]:
    """Input of a run from a file, safe for files from strangers; its ending says what it is.

    ``.npz``: an array called like a host source holds its events or its raster, one called like
    a population its graded values; ``<population>.teacher``, ``<population>.third_factor`` and
    ``modulator`` are what rules read. Where the input may be a tuple, two arrays ``<name>.events``
    and ``<name>.values`` are. ``.csv``: lines ``name,step,index``. ``.nirdata``, ``.h5``,
    ``.hdf5``: NIRData. ``.npy``: tonic's structured events. ``.aedat4``: a camera's recording.

    Args:
        path: the file.
        program: that the input is for.
        steps: length of the run; None takes it from the file.
        into: the source that gets events without a name (``.npy``, ``.aedat4``); None: the only
            one that the host drives.
        sample: of NIRData with several samples.

    Returns:
        ``inputs`` for :meth:`Device.run`, and the number of steps.

    Raises:
        FileError: the file is missing, damaged, hostile, or larger than such a run can need.
        InputError: it does not fit the Program, or there is no way to know the number of steps.
    """
    path = Path(path)
    kind = path.suffix.lower()
    _check_options(kind, into, sample)
    if kind in (".npy", ".aedat4"):
        return _address_events(path, kind, program, steps, into)
    hosts = {s.name: s.size for s in program.sources if s.kind == "host"}
    if kind in NIRDATA:
        from .nirdata import read_nirdata

        inputs, steps = read_nirdata(path, hosts, program.dt, steps, sample)
        return dict(inputs), check_steps(steps)
    if kind == ".csv":
        from .spike_csv import read_csv

        spikes = read_csv(path)
        last = max((int(events[:, 0].max()) for events in spikes.values()), default=-1)
        return dict(spikes), check_steps(last + 1 if steps is None else steps)
    return files.read_inputs(path, program, steps)


def write_result(path: str | Path, result: Result, meta: dict[str, Any] | None = None) -> None:
    """Write a Result; the ending says as what: ``.csv``, NIRData (``.nirdata`` …), else ``.npz``.

    Args:
        path: where to.
        result: what a run brought back.
        meta: further JSON data for the array ``meta`` of an ``.npz``.

    Raises:
        FileError: the file cannot be written.
    """
    kind = Path(path).suffix.lower()
    if kind == ".csv":
        from .spike_csv import write_csv

        write_csv(Path(path), result)
    elif kind in NIRDATA:
        from .nirdata import write_nirdata

        write_nirdata(Path(path), result)
    else:
        files.write_result(path, result, meta)


def _check_options(kind: str, into: str | None, sample: int | None) -> None:
    if into is not None and kind not in (".npy", ".aedat4"):
        raise InputError(
            "only events without a name can be put into a source",
            found=f"into={into!r} with a {kind or 'nameless'} file",
            expected=".npy or .aedat4",
        )
    if sample is not None and kind not in NIRDATA:
        raise InputError("only NIRData have samples", found=f"sample={sample} with a {kind} file")


def _address_events(
    path: Path, kind: str, program: Program, steps: int | None, into: str | None
) -> tuple[dict[str, Any], int]:
    from .address_events import bin_events

    hosts = {s.name: s.size for s in program.sources if s.kind == "host"}
    if into is None and len(hosts) == 1:
        into = next(iter(hosts))
    if into not in hosts:
        raise InputError(
            "which source gets the events?",
            found="none was named" if into is None else repr(into),
            expected="one of " + ", ".join(map(repr, hosts)) if hosts else "there is none",
            where=path,
            remedy="into=…, or --into NAME on the command line",
        )
    if kind == ".npy":
        from .structured_npy import read_structured

        events = read_structured(path)
    else:
        from .aedat4 import read_aedat4

        events = read_aedat4(path)
    shape = program.shapes.get(into, (hosts[into],))
    steps = None if steps is None else check_steps(steps)
    spikes, steps = bin_events(events, program.dt, shape, steps, name=str(path))
    return {into: spikes}, check_steps(steps)
