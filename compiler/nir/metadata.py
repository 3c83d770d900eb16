"""Remarks in a NIR file: kept with the network, never relied on, as NIR asks of everybody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from ...errors import FileError
from ..origin import warn_user
from .datasets import check_numbers, read_numbers
from .hdf5 import Budget, child, members
from .texts import read_text

MAX_MEMBERS = 64
"""Entries of one dictionary."""
MAX_DEPTH = 4
"""Dictionaries within dictionaries."""
MAX_NUMBERS = 4096
"""Elements of one array."""


def plan_metadata(group: h5py.Group, where: str, budget: Budget, depth: int = 0) -> dict[str, Any]:
    """Check a metadata group; texts are read, arrays come with :func:`load_metadata`."""
    found: dict[str, Any] = {}
    if depth == MAX_DEPTH:
        warn_user(f"{where}: remarks this deep are not kept")
        return found
    for name in members(group, where, budget, MAX_MEMBERS):
        item, at = child(group, name, where, budget), f"{where}/{name}"
        if isinstance(item, h5py.Group):
            found[name] = plan_metadata(item, at, budget, depth + 1)
        elif h5py.check_string_dtype(item.dtype) is not None:
            try:
                texts = read_text(item, at, budget, rows=MAX_MEMBERS)
            except FileError as error:
                warn_user(f"{at}: this remark is not kept: {error.problem} ({error.found})")
                continue
            found[name] = texts[0] if item.shape == () and texts else texts
        elif (
            item.shape is not None
            and math.prod(item.shape) <= MAX_NUMBERS
            and item.dtype.kind in "fiub"
        ):
            check_numbers(item, at, budget)
            found[name] = item
        else:
            warn_user(f"{at}: this remark is not kept: {item.dtype} of shape {item.shape}")
    return found


def load_metadata(plan: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The metadata with its arrays read; single numbers become floats."""
    found: dict[str, Any] = {}
    for name, item in plan.items():
        if isinstance(item, h5py.Dataset):
            values = read_numbers(item, f"{where}/{name}")
            found[name] = float(values) if values.shape == () else values
        else:
            found[name] = load_metadata(item, where) if isinstance(item, dict) else item
    return found


def take_metadata(given: Any, where: str, depth: int = 0) -> dict[str, Any]:
    """A Python object's metadata, as far as a file could hold it."""
    found: dict[str, Any] = {}
    if not isinstance(given, Mapping) or depth == MAX_DEPTH or len(given) > MAX_MEMBERS:
        if given:
            warn_user(f"{where}: remarks are not kept: {type(given).__name__}, or too many")
        return found
    for name, item in given.items():
        if isinstance(item, Mapping):
            found[str(name)] = take_metadata(item, f"{where}: {name}", depth + 1)
        elif isinstance(item, str):
            found[str(name)] = item
        elif isinstance(item, (bool, int, float, np.number, np.ndarray)):
            values = np.array(item)
            if values.dtype.kind not in "fiub" or values.size > MAX_NUMBERS:
                warn_user(f"{where}: remark {name!r} is not kept: too long, or no numbers")
                continue
            values = values.astype(np.float64)
            found[str(name)] = float(values) if values.shape == () else values
        else:
            warn_user(f"{where}: remark {name!r} is not kept: {type(item).__name__}")
    return found
