"""A Program with other weights: what a device learned becomes where the next one starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import FileError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import CoreImage, Program


class WeightsOfCore(Protocol):
    """Weights of one core in the layout of its CoreImage; ``delay`` None: as compiled."""

    @property
    def sparse(self) -> NDArray[Any]:
        """(ks,) mantissas."""
        ...

    @property
    def dense(self) -> NDArray[Any]:
        """(kd,) mantissas."""
        ...

    @property
    def delay(self) -> NDArray[np.uint8] | None:
        """(ks,) wheel delays."""
        ...


def with_weights(program: Program, weights: Sequence[WeightsOfCore]) -> Program:
    """A new Program that differs from ``program`` in weights and sparse delays only.

    Raises:
        InputError: another shape or type, or values that the Program cannot hold: beyond the
            limits of a rule, or so large that an accumulator could overflow.
    """
    if len(weights) != len(program.cores):
        raise InputError(
            "weights are those of another Program",
            found=f"weights of {len(weights)} cores",
            expected=f"{len(program.cores)}",
        )
    cores = tuple(
        _core(core, own, number)
        for number, (core, own) in enumerate(zip(program.cores, weights, strict=True))
    )
    changed = replace(program, cores=cores)
    try:
        changed.verify()
    except FileError as error:
        raise InputError(
            "the Program cannot hold these weights",
            found=f"{error.problem.rpartition(': ')[2]}"
            + ("" if error.found is None else f": {error.found}"),
            expected=error.expected,
            where=error.where,
            remedy="weights that a device of this very Program holds always fit",
        ) from None
    return changed


def _core(core: CoreImage, own: WeightsOfCore, number: int) -> CoreImage:
    fields: dict[str, Any] = {}
    for name, given in (
        ("sparse_weight", own.sparse),
        ("dense_weight", own.dense),
        ("sparse_delay", own.delay),
    ):
        before = getattr(core, name)
        if given is None:
            continue
        if given.shape != before.shape or given.dtype != before.dtype:
            raise InputError(
                "weights are those of another Program",
                found=f"{name} of shape {given.shape}, {given.dtype}",
                expected=f"shape {before.shape}, {before.dtype}",
                where=f"core {number}",
            )
        fields[name] = given.copy()
    return replace(core, **fields)
