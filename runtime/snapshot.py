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
from .backend import SATURATION_KINDS, CoreWeights, LearningState, State
from .npz import NpzReader, write_npz
from .snapshot_check import MOST, check_state, check_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..compiler.program import Program

FORMAT, VERSION = "spikeloom-snapshot", 1
FILE_LIMIT = 1 << 32
MAX_WHEEL = 64

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
# Of a Program with rules also these; weight_counts says how many delays each core has, and
# tag_counts how many tags.
_LEARNING_ARRAYS = {
    "x": ("<u4", 2, "traces"),
    "y": ("<u4", 2, "traces"),
    "fired_before": ("<u8", 1, "fired_before"),
    "third_factor": ("<i2", 1, "neurons"),
    "tag_counts": ("<i8", 2, "memories"),
    "sparse_tag": ("|i1", 1, "tags"),
    "dense_tag": ("|i1", 1, "tags"),
    "sparse_delay": ("|u1", 1, "delays"),
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
                _same(getattr(a, name), getattr(b, name))
                for a, b in zip(self.weights, other.weights, strict=True)
                for name in ("sparse", "dense", "delay")
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
        if state.learning is not None:
            meta["learning"] = bool(state.learning.on)
            meta["modulator"] = int(state.learning.modulator)
            meta["delays"] = any(w.delay is not None for w in self.weights)
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
                **_learning_arrays(state.learning, self.weights),
            },
        )

    @staticmethod
    def load(path: str | Path) -> Snapshot:
        """Read a snapshot; safe for files from strangers.

        Raises:
            FileError: the file is damaged, hostile, or no snapshot of this version.
        """
        arrays = _read_arrays(Path(path))
        meta = _read_meta(arrays["meta"], "x" in arrays, path)
        n = len(arrays["v"])
        wheel = np.zeros((meta["wheel_depth"], 2, n), np.int32)
        place = arrays["wheel_place"]
        ascending = bool((place[1:] > place[:-1]).all())
        if len(place) and not (ascending and place[0] >= 0 and place[-1] < wheel.size):
            raise _malformed("places of the delay wheel are out of order or range", path)
        wheel.reshape(-1)[place] = arrays["wheel_value"]
        plain = {name: arrays[name] for name in (*_PLAIN, "saturations")}
        counted = {name: meta[name] for name in ("step", "spikes", "synaptic_events")}
        learning = _learning_state(arrays, meta, path) if "learning" in meta else None
        state = State(wheel=wheel, **plain, **counted, learning=learning)
        weights = _split_weights(arrays, bool(meta.get("delays")), path)
        return Snapshot(meta["program"], state, weights)

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
        check_state(self.state, program)
        check_weights(self.weights, program)


def same_state(a: State, b: State) -> bool:
    """Whether two states are equal in everything."""
    return all(_same(getattr(a, field.name), getattr(b, field.name)) for field in fields(State))


def _same(a: Any, b: Any) -> bool:
    """Whether two parts of a state are equal: arrays, numbers, None, or what is made of them."""
    if isinstance(a, LearningState) and isinstance(b, LearningState):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in fields(LearningState))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if a is None or b is None or isinstance(a, LearningState) or isinstance(b, LearningState):
        return a is b
    return bool(np.array_equal(a, b))


def _malformed(problem: str, path: object) -> FileError:
    return FileError(f"not a valid snapshot: {problem}", where=path)


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays, each of the type and the shape that it must have."""
    with NpzReader(path, FILE_LIMIT) as reader:
        found, expected = sorted(reader.entries), sorted(_ARRAYS)
        learns = found == sorted([*_ARRAYS, *_LEARNING_ARRAYS])
        if found != expected and not learns:
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
        arrays = {**_ARRAYS, **(_LEARNING_ARRAYS if learns else {})}
        for name, (dtype, dimensions, counts) in arrays.items():
            entry = reader.entries[name]
            types = (np.dtype(dtype),) if dtype else (np.dtype("|i1"), np.dtype("<i2"))
            if entry.dtype not in types or len(entry.shape) != dimensions:
                raise _malformed(f"array {name!r} is {entry.dtype}, shape {entry.shape}", path)
            wrong = (
                (counts == "neurons" and entry.shape[-1:] != neurons)
                or (name == "u" and entry.shape[0] != 2)
                or (counts == "kinds" and entry.shape[-1] != len(SATURATION_KINDS))
                or (counts in ("memories", "traces") and entry.shape[-1] != 2)
                or (counts == "fired_before" and entry.shape[0] != reader.entries["y"].shape[0])
                or (counts == "occupied" and entry.shape != reader.entries["wheel_place"].shape)
                or (counts == "meta" and entry.nbytes > 4096)
            )
            if wrong:
                raise _malformed(f"array {name!r} has shape {entry.shape}", path)
        return {name: reader.read(name) for name in reader.entries}


def _learning_meta(meta: dict[str, Any]) -> bool:
    """Whether what is said of learning has its types; its ranges are the check's."""
    flags = (meta.get("learning"), meta.get("delays"))
    return all(type(flag) is bool for flag in flags) and type(meta.get("modulator")) is int


def _read_meta(data: NDArray[np.uint8], learns: bool, path: object) -> dict[str, Any]:
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
    in_range = all(type(n) is int and 0 <= n <= MOST for n in numbers)
    if not in_range or not 1 <= numbers[-1] <= MAX_WHEEL or type(program) is not str:
        raise _malformed("a number in its description is out of range", path)
    if learns != ("learning" in meta) or (learns and not _learning_meta(meta)):
        raise _malformed("its description of learning is wrong", path)
    return meta


def _split_weights(
    arrays: dict[str, NDArray[Any]], delays: bool, path: object
) -> tuple[CoreWeights, ...]:
    sparse, dense, counts = (arrays[n] for n in ("sparse_weight", "dense_weight", "weight_counts"))
    learned = arrays.get("sparse_delay", np.zeros(0, np.uint8))
    if sparse.dtype != dense.dtype or len(learned) != (len(sparse) if delays else 0):
        raise _malformed("its weights do not add up", path)
    parts = list(_split(counts, sparse, dense, "weights", path))
    if not delays:
        return tuple(CoreWeights(*part) for part in parts)
    per_core = _split(counts, learned, dense, "delays", path)
    return tuple(CoreWeights(*part, d) for part, (d, _) in zip(parts, per_core, strict=True))


def _split(
    counts: NDArray[np.int64],
    sparse: NDArray[Any],
    dense: NDArray[Any],
    what: str,
    path: object,
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Each core's part of the sparse and of the dense synapses."""
    sizes = (len(sparse), len(dense))
    inside = not (counts < 0).any() and not (counts > max(sizes)).any()
    if not inside or tuple(int(n) for n in counts.sum(axis=0)) != sizes:
        raise _malformed(f"its {what} do not add up", path)
    ends = np.cumsum(counts, axis=0)
    for (a, b), (m, n) in zip(ends.tolist(), counts.tolist(), strict=True):
        yield sparse[a - m : a].copy(), dense[b - n : b].copy()


def _learning_arrays(
    learning: LearningState | None, weights: tuple[CoreWeights, ...]
) -> dict[str, NDArray[Any]]:
    """What a file holds of learning, but for the few numbers of its description."""
    if learning is None:
        return {}
    tags = list(zip(learning.sparse_tag, learning.dense_tag, strict=True))
    empty = np.zeros(0, np.int8)
    delays = (w.delay for w in weights if w.delay is not None)
    return {
        **{name: getattr(learning, name) for name in ("x", "y", "fired_before", "third_factor")},
        "tag_counts": np.array([[len(a), len(b)] for a, b in tags], np.int64).reshape(-1, 2),
        "sparse_tag": np.concatenate([empty, *learning.sparse_tag]),
        "dense_tag": np.concatenate([empty, *learning.dense_tag]),
        "sparse_delay": np.concatenate([np.zeros(0, np.uint8), *delays]),
    }


def _learning_state(
    arrays: dict[str, NDArray[Any]], meta: dict[str, Any], path: object
) -> LearningState:
    counts, sparse, dense = (arrays[n] for n in ("tag_counts", "sparse_tag", "dense_tag"))
    parts = list(_split(counts, sparse, dense, "tags", path))
    return LearningState(
        on=meta["learning"],
        modulator=meta["modulator"],
        sparse_tag=tuple(sparse for sparse, _ in parts),
        dense_tag=tuple(dense for _, dense in parts),
        **{name: arrays[name] for name in ("x", "y", "fired_before", "third_factor")},
    )
