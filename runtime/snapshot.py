"""A device's whole state and weights at one moment, as an object and as a file.

Restored on a device of any kind it gives exactly the same future. The file is an ``.npz`` of
plainly stored arrays; of the delay wheel, which is nearly empty, only the occupied places are
kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError, InputError
from .backend import SATURATION_KINDS, CoreWeights, State
from .npz import NpzReader, write_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program

FORMAT, VERSION = "spikeloom-snapshot", 1
FILE_LIMIT = 1 << 32
MAX_WHEEL = 64
_MOST = 1 << 62  # of a counter, so that counting on cannot wrap a 64-bit number

_PLAIN = ("u", "v", "adapt", "refractory", "reset_pending", "fired", "saturated")
# Arrays of the file: type, dimensions, and what their last dimension counts.
_ARRAYS = {
    "meta": ("|u1", 1, "meta"),
    "u": ("<i4", 2, "neurons"),
    "v": ("<i4", 1, "neurons"),
    "adapt": ("<i4", 1, "neurons"),
    "refractory": ("<i4", 1, "neurons"),
    "reset_pending": ("|u1", 1, "neurons"),
    "fired": ("|u1", 1, "neurons"),
    "saturated": ("|u1", 1, "neurons"),
    "saturations": ("<i8", 2, "kinds"),
    "wheel_place": ("<i8", 1, "occupied"),
    "wheel_value": ("<i4", 1, "occupied"),
    "weight_counts": ("<i8", 2, "memories"),
    "sparse_weight": (None, 1, "sparse"),
    "dense_weight": (None, 1, "dense"),
}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """State and weights of a device, and which Program they belong to.

    Attributes:
        program_hash: ``Program.content_hash``.
        state: everything between two steps but for the weights.
        weights: mantissas, one entry per core.
    """

    program_hash: str
    state: State
    weights: tuple[CoreWeights, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        return (
            self.program_hash == other.program_hash
            and same_state(self.state, other.state)
            and len(self.weights) == len(other.weights)
            and all(
                np.array_equal(a.sparse, b.sparse) and np.array_equal(a.dense, b.dense)
                for a, b in zip(self.weights, other.weights, strict=True)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file; the same snapshot always gives the same bytes.

        Raises:
            FileError: the file cannot be written.
        """
        state = self.state
        place = np.flatnonzero(state.wheel)
        meta = {
            "format": FORMAT,
            "version": VERSION,
            "program": self.program_hash,
            "step": int(state.step),
            "spikes": int(state.spikes),
            "synaptic_events": int(state.synaptic_events),
            "wheel_depth": len(state.wheel),
        }
        width = self.weights[0].sparse.dtype if self.weights else np.dtype(np.int8)
        empty = np.zeros(0, width)
        counts = [[len(w.sparse), len(w.dense)] for w in self.weights]
        write_npz(
            path,
            {
                "meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8),
                **{name: getattr(state, name) for name in (*_PLAIN, "saturations")},
                "wheel_place": place.astype(np.int64),
                "wheel_value": state.wheel.reshape(-1)[place],
                "weight_counts": np.array(counts, np.int64).reshape(-1, 2),
                "sparse_weight": np.concatenate([empty, *(w.sparse for w in self.weights)]),
                "dense_weight": np.concatenate([empty, *(w.dense for w in self.weights)]),
            },
        )

    @staticmethod
    def load(path: str | Path) -> Snapshot:
        """Read a snapshot; safe for files from strangers.

        Raises:
            FileError: the file is damaged, hostile, or no snapshot of this version.
        """
        arrays = _read_arrays(Path(path))
        meta = _read_meta(arrays["meta"], path)
        n = len(arrays["v"])
        wheel = np.zeros((meta["wheel_depth"], 2, n), np.int32)
        place = arrays["wheel_place"]
        ascending = bool((place[1:] > place[:-1]).all())
        if len(place) and not (ascending and place[0] >= 0 and place[-1] < wheel.size):
            raise _malformed("places of the delay wheel are out of order or range", path)
        wheel.reshape(-1)[place] = arrays["wheel_value"]
        plain = {name: arrays[name] for name in (*_PLAIN, "saturations")}
        counted = {name: meta[name] for name in ("step", "spikes", "synaptic_events")}
        state = State(wheel=wheel, **plain, **counted)
        return Snapshot(meta["program"], state, _split_weights(arrays, path))

    def check(self, program: Program) -> None:
        """Refuse a snapshot that is not of this Program, or that no device could have made.

        Raises:
            InputError: naming what does not fit.
        """
        if self.program_hash != program.content_hash:
            raise InputError(
                "the snapshot belongs to another Program",
                found=f"content hash {self.program_hash[:16]}…",
                expected=f"{program.content_hash[:16]}…",
                remedy="load the Program that it was taken from",
            )
        _check_state(self.state, program)
        _check_weights(self.weights, program)


def same_state(a: State, b: State) -> bool:
    """Whether two states are equal in everything."""
    return all(
        np.array_equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(State)
    )


def _check_state(state: State, program: Program) -> None:
    top, total = program.target.state_max, program.target.accumulator_max
    limits = {
        "u": (-top - 1, top),
        "v": (-top - 1, top),
        "adapt": (0, top),
        "refractory": (0, 65535),
        "reset_pending": (0, 1),
        "fired": (0, 1),
        "wheel": (-total - 1, total),
        "saturated": (0, (1 << len(SATURATION_KINDS)) - 1),
        "saturations": (0, _MOST),
    }
    for name, like in vars(State.initial(program)).items():
        if name == "learning":
            continue
        value = getattr(state, name)
        if not isinstance(like, np.ndarray):
            if type(value) is not int or not 0 <= value <= _MOST:
                raise _impossible(name, repr(value), "an integer that is not negative")
            continue
        if value.shape != like.shape or value.dtype != like.dtype:
            raise _impossible(
                name,
                f"shape {value.shape} of {value.dtype}",
                f"shape {like.shape} of {like.dtype}",
            )
        low, high = limits[name]
        if value.size and (value.min() < low or value.max() > high):
            bad = value.min() if value.min() < low else value.max()
            raise _impossible(name, str(bad), f"{low} to {high}")


def _check_weights(weights: tuple[CoreWeights, ...], program: Program) -> None:
    initial = CoreWeights.initial(program)
    if len(weights) != len(initial):
        raise _impossible("weights", f"{len(weights)} cores", f"{len(initial)} cores")
    top = program.target.weight_max
    for core, (given, like) in enumerate(zip(weights, initial, strict=True)):
        for name in ("sparse", "dense"):
            a, b = getattr(given, name), getattr(like, name)
            if a.shape != b.shape or a.dtype != b.dtype:
                raise _impossible(
                    f"{name} weights of core {core}",
                    f"shape {a.shape} of {a.dtype}",
                    f"shape {b.shape} of {b.dtype}",
                )
            if a.size and (a.min() < -top - 1 or a.max() > top):
                raise _impossible(
                    f"{name} weights of core {core}",
                    str(a.min() if a.min() < -top - 1 else a.max()),
                    f"{-top - 1} to {top}",
                )


def _impossible(name: str, found: str, expected: str) -> InputError:
    return InputError(
        f"the snapshot does not fit the Program: {name}", found=found, expected=expected
    )


def _malformed(problem: str, path: object) -> FileError:
    return FileError(f"not a valid snapshot: {problem}", where=path)


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays, each of the type and the shape that it must have."""
    with NpzReader(path, FILE_LIMIT) as reader:
        found, expected = sorted(reader.entries), sorted(_ARRAYS)
        if found != expected:
            raise FileError(
                "not a snapshot of this version",
                found="arrays " + ", ".join(found)[:300],
                expected="arrays " + ", ".join(expected),
                where=path,
                remedy="write it with Snapshot.save",
            )
        # Plain storage means that a file can never unpack to more than its own size.
        stored = sum(entry.nbytes for entry in reader.entries.values())
        if stored > path.stat().st_size:
            raise _malformed("it is compressed, or its arrays overlap", path)
        neurons = reader.entries["v"].shape[-1:]
        for name, (dtype, dimensions, counts) in _ARRAYS.items():
            entry = reader.entries[name]
            types = (np.dtype(dtype),) if dtype else (np.dtype("|i1"), np.dtype("<i2"))
            if entry.dtype not in types or len(entry.shape) != dimensions:
                raise _malformed(f"array {name!r} is {entry.dtype}, shape {entry.shape}", path)
            wrong = (
                (counts == "neurons" and entry.shape[-1:] != neurons)
                or (name == "u" and entry.shape[0] != 2)
                or (counts == "kinds" and entry.shape[-1] != len(SATURATION_KINDS))
                or (counts == "memories" and entry.shape[-1] != 2)
                or (counts == "occupied" and entry.shape != reader.entries["wheel_place"].shape)
                or (counts == "meta" and entry.nbytes > 4096)
            )
            if wrong:
                raise _malformed(f"array {name!r} has shape {entry.shape}", path)
        return {name: reader.read(name) for name in reader.entries}


def _read_meta(data: NDArray[np.uint8], path: object) -> dict[str, Any]:
    try:
        meta = json.loads(data.tobytes())
        version = (meta["format"], meta["version"])
        numbers = [meta[name] for name in ("step", "spikes", "synaptic_events", "wheel_depth")]
        program = meta["program"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _malformed("its description is unreadable", path) from None
    if version != (FORMAT, VERSION):
        raise FileError(
            "the snapshot is of another version",
            found=str(version)[:80],
            expected=f"{FORMAT!r} version {VERSION}",
            where=path,
        )
    in_range = all(type(n) is int and 0 <= n <= _MOST for n in numbers)
    if not in_range or not 1 <= numbers[-1] <= MAX_WHEEL or type(program) is not str:
        raise _malformed("a number in its description is out of range", path)
    return meta


def _split_weights(arrays: dict[str, NDArray[Any]], path: object) -> tuple[CoreWeights, ...]:
    counts, sparse, dense = (
        arrays[name] for name in ("weight_counts", "sparse_weight", "dense_weight")
    )
    sizes = (len(sparse), len(dense))
    if (
        sparse.dtype != dense.dtype
        or (counts < 0).any()
        or (counts > max(sizes)).any()
        or tuple(int(n) for n in counts.sum(axis=0)) != sizes
    ):
        raise _malformed("its weights do not add up", path)
    ends = np.cumsum(counts, axis=0)
    return tuple(
        CoreWeights(sparse[a - m : a].copy(), dense[b - n : b].copy())
        for (a, b), (m, n) in zip(ends.tolist(), counts.tolist(), strict=True)
    )
