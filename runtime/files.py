"""Input and output of runs as ``.npz`` files; docs/cli.md has the layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import FileError, InputError
from ..learning_inputs import MODULATOR, TEACHER, THIRD_FACTOR
from ..stimulus import check_steps, unknown_input
from .npz import NpzReader, write_npz
from .symbols import Symbols

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..recording import Result
    from .npz import Entry

RATIO = 400
"""Compression that is believed of a raster that is to say how long the run is."""
RATIO_FREE = 64 << 20
"""Bytes below which any compression is."""


def read_inputs(
    path: str | Path, program: Program, steps: int | None = None
) -> tuple[dict[str, Any], int]:
    """Input of a run from a file, safe for files from strangers.

    An array called like a host source holds its events or its raster, one called like a
    population its graded values; ``<population>.teacher``, ``<population>.third_factor`` and
    ``modulator`` are what rules read. Where the input may be a tuple, two arrays ``<name>.events``
    and ``<name>.values`` are.

    Args:
        path: an ``.npz`` file.
        program: that the input is for.
        steps: length of the run; None takes it from a raster of the file.

    Returns:
        ``inputs`` for :meth:`Device.run`, and the number of steps.

    Raises:
        FileError: the file is missing, damaged, hostile, or larger than such a run can need.
        InputError: a name that the Program does not have, or no way to know the number of steps.
    """
    symbols = Symbols(program)
    takers = _takers(symbols)
    with NpzReader(path) as reader:
        meant = {name: _meaning(name, takers, symbols, reader) for name in reader.entries}
        steps = check_steps(steps) if steps is not None else _steps(reader, meant, takers)
        for name, (target, _) in meant.items():
            _check_claim(reader.entries[name], steps, takers[target].size, path)
        inputs: dict[str, Any] = {}
        for name, (target, role) in meant.items():
            if role == "array":
                if target in inputs:
                    raise _twice(target, path)
                inputs[target] = reader.read(name)
            elif role == "events":
                if target in inputs:
                    raise _twice(target, path)
                inputs[target] = (reader.read(name), reader.read(f"{target}.values"))
    return inputs, steps


def write_result(path: str | Path, result: Result, meta: dict[str, Any] | None = None) -> None:
    """Write a Result as an ``.npz`` file; the same Result gives the same bytes.

    Args:
        path: where to.
        result: what a run brought back.
        meta: further JSON data for the array ``meta``.

    Raises:
        FileError: the file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, events in result.spikes.items():
        arrays[f"spikes.{name}"] = events
    for name, variables in result.states.items():
        for variable, values in variables.items():
            arrays[f"states.{name}.{variable}"] = values
            if values.raw is not None:
                arrays[f"states.{name}.{variable}.raw"] = values.raw
    if result.clock_cycles is not None:
        arrays["cycles"] = result.clock_cycles
    told = {
        "format": "spikeloom-result",
        "version": 1,
        "steps": result.steps,
        "start": result.start,
        "dt": result.dt,
        "device": result.device,
        "sizes": result.sizes,
        **(meta or {}),
    }
    arrays["meta"] = np.array(json.dumps(told, sort_keys=True))
    write_npz(path, arrays)


class _Taker(NamedTuple):
    """Something that input is for: its neurons, and whether its array may be one of events."""

    size: int
    spikes: bool


def _takers(symbols: Symbols) -> dict[str, _Taker]:
    """Name of the input -> what takes it; learning's also where no rule reads it."""
    takers = {MODULATOR: _Taker(1, False)}
    for name, size in symbols.graded.items():
        takers[f"{name}.{TEACHER}"] = _Taker(size, True)
        takers[f"{name}.{THIRD_FACTOR}"] = _Taker(size, False)
    takers |= {name: _Taker(size, False) for name, size in symbols.graded.items()}
    return takers | {name: _Taker(size, True) for name, size in symbols.hosts.items()}


def _meaning(
    name: str, takers: dict[str, _Taker], symbols: Symbols, reader: NpzReader
) -> tuple[str, str]:
    """Which input an array is for, and as what."""
    if name in takers:
        return name, "array"
    target, _, role = name.rpartition(".")
    if role in ("events", "values") and target in takers and not takers[target].spikes:
        other = f"{target}.{'values' if role == 'events' else 'events'}"
        if other not in reader.entries:
            raise InputError(
                f"array {name!r} needs another one beside it",
                expected=f"{other!r}",
                where=reader.path,
            )
        return target, role
    raise unknown_input(
        name, symbols.hosts, symbols.graded, symbols.generators, symbols.learning, reader.path
    )


def _steps(reader: NpzReader, meant: dict[str, tuple[str, str]], takers: dict[str, _Taker]) -> int:
    lengths = {}
    for name, (target, role) in meant.items():
        entry, taker = reader.entries[name], takers[target]
        events = taker.spikes and entry.dtype.kind in "iu" and entry.shape[1:] == (2,)
        columns = () if target == MODULATOR else (taker.size,)
        if role == "array" and not events and entry.shape[:1] and entry.shape[1:] == columns:
            lengths[name] = entry.shape[0]
            if entry.nbytes > max(RATIO_FREE, RATIO * entry.stored_bytes):
                raise FileError(
                    f"array {name!r} is compressed beyond belief",
                    found=f"{entry.nbytes} bytes from {entry.stored_bytes}",
                    expected=f"at most {RATIO} times as many",
                    where=reader.path,
                    remedy="say how many steps you expect: --steps on the command line",
                )
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{n} steps in {name!r}" for name, n in lengths.items())
        raise InputError(
            "the number of steps is not known",
            found=found or "no raster among the inputs",
            expected="rasters of one length, or a number of steps",
            where=reader.path,
            remedy="say how many: --steps on the command line",
        )
    return check_steps(next(iter(lengths.values())))


def _check_claim(entry: Entry, steps: int, size: int, path: str | Path) -> None:
    """Refuse what no run of this length can need, before it is unpacked."""
    rows = entry.shape[0] if entry.shape else 1
    needed = max(steps * size, steps)
    if rows > needed or entry.nbytes > max(rows, 1) * max(size, 2) * 16:
        raise FileError(
            f"array {entry.name!r} is larger than a run of this length can need",
            found=f"shape {entry.shape} of {entry.dtype}",
            expected=f"a ({steps}, {size}) raster, or at most {steps * size} events",
            where=path,
        )


def _twice(name: str, path: str | Path) -> InputError:
    return InputError(
        f"the input of {name!r} is given twice",
        found=f"arrays {name!r} and {name + '.events'!r}",
        expected="one of them",
        where=path,
    )
