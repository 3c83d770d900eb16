"""``.loom`` files: a Program as a zip of one JSON manifest and a fixed set of ``.npy`` arrays.

Members are stored, never compressed, in one fixed order and with one fixed date, so that the same
Program always gives the same bytes and a file can never unpack to more than its own size. Reading
trusts nothing: the directory's size is checked before it is parsed, every array's header before
its data is read, the hash before any of it is used, and every index by ``Program.verify``.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import struct
import tokenize
import zipfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import CompileError, FileError
from ..regular_file import open_regular, replacing
from .program import (
    DESTINATION,
    GENERATOR,
    PROFILE,
    ROW,
    CoreImage,
    PopulationSymbol,
    Probe,
    Program,
    ProjectionSymbol,
    SourceSymbol,
    SplitSymbol,
)
from .program_rules import plain_rule, rule_of
from .target import Target

FORMAT, VERSION = "spikeloom-program", 2
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 16 << 20
MANIFEST_ENTRIES = 500_000  # parsed in half a second, whatever they are
_DIRECTORY_LIMIT = 1 << 16
_FILE_LIMIT = (1 << 32) - (1 << 20)  # no ZIP64: its directory can be of any size
_DATE = (1980, 1, 1, 0, 0, 0)

# Arrays of a CoreImage, each with its type (None: as wide as the weights) and the column of
# "core_sizes" that says how long it is, plus a constant.
_CORE_ARRAYS: dict[str, tuple[Any, str, int]] = {
    "profile": ("<u2", "neurons", 0),
    "threshold": ("<i4", "neurons", 0),
    "bias": ("<i4", "neurons", 0),
    "v_init": ("<i4", "neurons", 0),
    "key": ("<u4", "neurons", 0),
    "profiles": (PROFILE, "profiles", 0),
    "axon_start": ("<i4", "axons", 1),
    "rows": (ROW, "rows", 0),
    "sparse_target": ("<u2", "sparse", 0),
    "sparse_weight": (None, "sparse", 0),
    "sparse_delay": ("u1", "sparse", 0),
    "dense_weight": (None, "dense", 0),
    "spike_start": ("<i4", "neurons", 1),
    "spike_to": (DESTINATION, "spike_to", 0),
    "sparse_enable": ("u1", "sparse_enable", 0),
    "dense_enable": ("u1", "dense_enable", 0),
}
_SIZES = (
    "neurons", "profiles", "axons", "rows", "sparse", "dense", "spike_to",
    "sparse_enable", "dense_enable",
)  # fmt: skip


def weight_dtype(target: Target) -> np.dtype[Any]:
    """The type in which a target's weight mantissas are kept."""
    return np.dtype("i1") if target.weight_bits <= 8 else np.dtype("<i2")


# ---------------------------------------------------------------- Program -> bytes


def _core_sizes(core: CoreImage) -> list[int]:
    return [
        core.neurons,
        len(core.profiles),
        core.axons,
        len(core.rows),
        len(core.sparse_target),
        len(core.dense_weight),
        len(core.spike_to),
        len(core.sparse_enable),
        len(core.dense_enable),
    ]


def _arrays(program: Program) -> dict[str, NDArray[Any]]:
    """Every array of a Program under its member name, in the order in which it is written."""
    weights = weight_dtype(program.target)
    arrays: dict[str, NDArray[Any]] = {
        "core_sizes": np.array([_core_sizes(core) for core in program.cores], dtype="<i8").reshape(
            -1, len(_SIZES)
        ),
        "channel_start": np.asarray(program.channel_start, "<i4"),
        "channel_to": program.channel_to,
        "generators": program.generators,
    }
    for name, (dtype, _, _) in _CORE_ARRAYS.items():
        dtype = np.dtype(dtype or weights)
        parts = [np.asarray(getattr(core, name), dtype) for core in program.cores]
        arrays[f"core_{name}"] = np.concatenate([np.zeros(0, dtype), *parts])
    for name, dtype in (("core", "<u2"), ("slot", "<u2"), ("scale", "<f8")):
        parts = [np.asarray(getattr(p, name), dtype) for p in program.populations]
        arrays[f"population_{name}"] = np.concatenate([np.zeros(0, dtype), *parts])
    return arrays


def _manifest(program: Program) -> dict[str, Any]:
    shapes = {name: list(sides) for name, sides in program.shapes.items()}
    splits = [asdict(split) for split in program.splits]
    return {
        **({"shapes": shapes} if shapes else {}),  # most have none
        **({"splits": splits} if splits else {}),
        "format": FORMAT,
        "version": VERSION,
        "target": program.target.to_dict(),
        "dt": program.dt,
        "seed": program.seed,
        "sources": [asdict(source) for source in program.sources],
        "populations": [{"name": p.name, "size": p.size} for p in program.populations],
        "projections": [asdict(projection) for projection in program.projections],
        "probes": [asdict(probe) for probe in program.probes],
        "rules": [plain_rule(rule) for rule in program.rules],
        "report": program.report,
    }


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(
        manifest, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    ).encode()


def _hash(manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    text = _canonical(manifest)
    digest.update(struct.pack("<q", len(text)) + text)
    for name, array in arrays.items():
        digest.update(f"\0{name}{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def content_hash(program: Program) -> str:
    """SHA-256 over manifest and arrays, hexadecimal."""
    return _hash(_manifest(program), _arrays(program))


def save(program: Program, path: str | Path) -> None:
    """Write a Program; the file appears whole or not at all.

    Raises:
        CompileError: the Program is too large for the format (4 GiB).
        FileError: the file cannot be written, or something there is no regular file.
    """
    arrays, manifest = _arrays(program), _manifest(program)
    text = _canonical({**manifest, "hash": _hash(manifest, arrays)})
    total = len(text) + sum(array.nbytes + 4096 for array in arrays.values())
    entries = text.count(b",")
    if total > _FILE_LIMIT or len(text) > MANIFEST_LIMIT or entries > MANIFEST_ENTRIES:
        raise CompileError(
            "the Program is too large for a .loom file",
            found=f"{total} bytes, manifest {len(text)} with {entries} entries",
            expected=f"at most {_FILE_LIMIT} bytes, manifest at most {MANIFEST_LIMIT} "
            f"with {MANIFEST_ENTRIES} entries",
            remedy="use it without saving, or describe the network in several Programs",
        )
    with (
        replacing(Path(path), "Program") as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED, allowZip64=False) as archive,
    ):
        archive.writestr(_member(MANIFEST), text)
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            archive.writestr(_member(f"{name}.npy"), buffer.getbuffer())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same on every platform
    return info


# ---------------------------------------------------------------- bytes -> Program


def load(path: str | Path) -> Program:
    """Read and verify a ``.loom`` file.

    Raises:
        FileError: the file is not a Program, is damaged, hostile, or of another version.
    """
    path = Path(path)
    try:
        with open_regular(path, "Program") as file:
            return _load(file, path)
    except FileError as error:
        if error.where == path:
            raise
        raise FileError(
            error.problem,
            found=error.found,
            expected=error.expected,
            where=path if error.where is None else f"{path}: {error.where}",
            remedy=error.remedy,
        ) from None
    except OSError as error:
        raise FileError("the Program cannot be read", found=error, where=path) from error
    except (
        ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, EOFError,
        RecursionError, NotImplementedError, RuntimeError, struct.error, zipfile.BadZipFile,
        CompileError, SyntaxError, tokenize.TokenError, MemoryError,
    ) as error:  # fmt: skip
        raise FileError(
            "the file is not a valid Program",
            found=f"{type(error).__name__}: {error}",
            where=path,
            remedy="compile the network again",
        ) from error


def _load(file: BinaryIO, path: Path) -> Program:
    size = _check_directory(file, path)
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        names = [f"{name}.npy" for name in _array_names()]
        if sorted(members) != sorted([MANIFEST, *names]) or len(archive.infolist()) != len(members):
            raise FileError(
                "the file is not a Program of this version",
                found="members " + ", ".join(sorted(members))[:500],
                expected="members " + ", ".join(sorted([MANIFEST, *names])),
                where=path,
            )
        for info in members.values():
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise FileError(
                    "a member is compressed or encrypted; Programs are stored plainly",
                    found=info.filename,
                    where=path,
                )
        if sum(info.file_size for info in members.values()) > size:
            raise FileError("members overlap", where=path)
        if members[MANIFEST].file_size > MANIFEST_LIMIT:
            raise FileError(
                "the manifest is too large",
                found=f"{members[MANIFEST].file_size} bytes",
                expected=f"at most {MANIFEST_LIMIT}",
                where=path,
            )
        text = archive.read(MANIFEST)
        if text.count(b",") > MANIFEST_ENTRIES:
            raise FileError(
                "the manifest has too many entries",
                found=text.count(b","),
                expected=f"at most {MANIFEST_ENTRIES}",
                where=path,
            )
        manifest = json.loads(text, parse_constant=_refuse_constant)
        _check_version(manifest, path)
        target = Target(**manifest["target"])
        arrays = {
            name: _read_array(archive, members[f"{name}.npy"], dtype, shape, path)
            for name, (dtype, shape) in _schema(target).items()
        }
    claimed = manifest.pop("hash")
    if _hash(manifest, arrays) != claimed:
        raise FileError(
            "the file is damaged: its contents do not have the hash it states",
            where=path,
            remedy="compile the network again, or copy the file again",
        )
    program = _assemble(manifest, target, arrays)
    program.verify()
    return program


def _check_directory(file: BinaryIO, path: Path) -> int:
    """Refuse an archive whose directory is not small, before anything parses it."""
    size = file.seek(0, os.SEEK_END)
    tail = b""
    if 22 <= size <= 1 << 32:
        file.seek(size - 22)
        tail = file.read(22)
    if tail[:4] != b"PK\5\6":
        raise FileError(
            "the file is not a Program",
            found=f"{size} bytes that do not end like a .loom file",
            expected="a .loom file written by Program.save, complete",
            where=path,
        )
    disk, _, _, entries, length, _, comment = struct.unpack("<HHHHIIH", tail[4:])
    if disk or comment or entries > len(_array_names()) + 1 or length > _DIRECTORY_LIMIT:
        raise FileError(
            "the file's directory is not that of a Program",
            found=f"{entries} members in {length} bytes",
            expected=f"{len(_array_names()) + 1} members",
            where=path,
        )
    return size


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _check_version(manifest: Any, path: Path) -> None:
    found = (manifest.get("format"), manifest.get("version"))
    if found != (FORMAT, VERSION):
        raise FileError(
            "the Program is of another version",
            found=f"{repr(found[0])[:60]} version {repr(found[1])[:60]}",
            expected=f"{FORMAT!r} version {VERSION}",
            where=path,
            remedy="compile the network again with this version of Spikeloom",
        )


def _schema(target: Target) -> dict[str, tuple[np.dtype[Any], int]]:
    """Type and number of dimensions of each array, in the order of ``_arrays``."""
    weights = weight_dtype(target)
    schema: dict[str, tuple[Any, int]] = {
        "core_sizes": ("<i8", 2),
        "channel_start": ("<i4", 1),
        "channel_to": (DESTINATION, 1),
        "generators": (GENERATOR, 1),
        **{f"core_{name}": (spec[0] or weights, 1) for name, spec in _CORE_ARRAYS.items()},
        "population_core": ("<u2", 1),
        "population_slot": ("<u2", 1),
        "population_scale": ("<f8", 1),
    }
    return {name: (np.dtype(dtype), dims) for name, (dtype, dims) in schema.items()}


def _array_names() -> list[str]:
    return list(_schema(Target()))


def _read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: np.dtype[Any], dims: int, path: Path
) -> NDArray[Any]:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise FileError("an array's header is of another version", found=version, where=path)
        shape, fortran, found = np.lib.format.read_array_header_1_0(member)
        expected = info.file_size - member.tell()
        if found != dtype or len(shape) != dims or fortran:
            raise FileError(
                f"array {info.filename} is of another type",
                found=f"{found} of {len(shape)} dimensions",
                expected=f"{dtype} of {dims} dimensions",
                where=path,
            )
        count = 1
        for side in shape:  # Python integers: a huge claim must not wrap around
            count *= int(side)
        if count * dtype.itemsize != expected:
            raise FileError(
                f"array {info.filename} claims another size than it has",
                found=f"shape {shape} of {dtype.itemsize}-byte values",
                expected=f"{expected} bytes",
                where=path,
            )
        return np.frombuffer(member.read(), dtype).reshape(shape)


def _assemble(manifest: dict[str, Any], target: Target, arrays: dict[str, NDArray[Any]]) -> Program:
    sizes = arrays["core_sizes"]
    if sizes.shape[1] != len(_SIZES) or len(sizes) > target.cores or (sizes < 0).any():
        raise FileError("core_sizes is malformed", found=f"shape {sizes.shape}")
    columns: dict[str, NDArray[np.int64]] = dict(zip(_SIZES, sizes.T, strict=True))
    split = {
        name: _split(arrays[f"core_{name}"], columns[column] + extra, name)
        for name, (_, column, extra) in _CORE_ARRAYS.items()
    }
    cores = tuple(
        CoreImage(**{name: parts[i] for name, parts in split.items()}) for i in range(len(sizes))
    )
    population_sizes = np.array([p["size"] for p in manifest["populations"]], dtype=np.int64)
    if (population_sizes < 1).any():  # else a small file could make us cut millions of nothings
        raise FileError("a population's size is not positive", found=population_sizes.min())
    symbols = {
        name: _split(arrays[f"population_{name}"], population_sizes, f"population {name}")
        for name in ("core", "slot", "scale")
    }
    return Program(
        target=target,
        dt=manifest["dt"],
        seed=manifest["seed"],
        cores=cores,
        channel_start=arrays["channel_start"],
        channel_to=arrays["channel_to"],
        generators=arrays["generators"],
        sources=tuple(_record(SourceSymbol, s) for s in manifest["sources"]),
        populations=tuple(
            PopulationSymbol(p["name"], **{name: parts[i] for name, parts in symbols.items()})
            for i, p in enumerate(manifest["populations"])
        ),
        projections=tuple(_record(ProjectionSymbol, p) for p in manifest["projections"]),
        probes=tuple(_record(Probe, p) for p in manifest["probes"]),
        rules=tuple(rule_of(rule) for rule in manifest["rules"]),
        report=manifest["report"],
        shapes={name: tuple(sides) for name, sides in manifest.get("shapes", {}).items()},
        splits=tuple(_split_symbol(split) for split in manifest.get("splits", [])),
    )


def _record(cls: Any, data: dict[str, Any]) -> Any:
    """A symbol from the manifest, of exactly the types its fields have."""
    for field in fields(cls):
        expected = int if field.type == "int" else str
        if type(data[field.name]) is not expected:
            raise FileError(
                f"{cls.__name__}.{field.name} is of another type",
                found=repr(data[field.name])[:100],
                expected=expected.__name__,
            )
    return cls(**data)


def _split_symbol(data: dict[str, Any]) -> SplitSymbol:
    """Names of a split; whether these exist is a matter of ``Program.verify``."""

    def names(key: str) -> tuple[str, ...]:
        return tuple(map(_name, data[key]))

    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        return tuple((_name(one), _name(other)) for one, other in data[key])

    return SplitSymbol(
        _name(data["population"]), _name(data["sums"]), pairs("carriers"), pairs("copies"),
        names("feedback"), names("outputs"),
    )  # fmt: skip


def _name(value: Any) -> str:
    if type(value) is not str:
        raise FileError("a name of a split is no text", found=repr(value)[:100])
    return value


def _split(array: NDArray[Any], sizes: NDArray[np.int64], name: str) -> list[NDArray[Any]]:
    ends = [0]
    for size in sizes.tolist():
        if size < 0:
            raise FileError(f"the parts of {name} have negative sizes", found=size)
        ends.append(ends[-1] + size)
    if ends[-1] != len(array):
        raise FileError(f"the parts of {name} do not add up", found=len(array), expected=ends[-1])
    return [array[a:b] for a, b in itertools.pairwise(ends)]
