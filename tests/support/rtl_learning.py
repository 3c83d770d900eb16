"""Cores that learn, each built once, on which many random plastic Programs run."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikeloom.backends.rtl import RtlBackend
from spikeloom.compiler.program import Program
from spikeloom.errors import FitError
from spikeloom.hdl.geometry import (
    LEARNING_FLAGS,
    MAX_COEFFICIENT_BITS,
    MAX_FRACTION,
    MAX_SUM_BITS,
    Geometry,
)
from spikeloom.runtime.images import HardwareImage
from support.plastic import with_random_rules
from support.rtl import program_that_fits

_ROOM: dict[str, Any] = {
    "axons": 1024, "rows": 2048, "words": 2048, "destinations": 1024, "channels": 64,
    "generators": 64, "accumulator_bits": 31, "rules": 8, "slots": 512, "code": 512,
    "factors": 3, **dict.fromkeys(LEARNING_FLAGS, True),
    "fraction": MAX_FRACTION, "coefficient_bits": MAX_COEFFICIENT_BITS, "sum_bits": MAX_SUM_BITS,
}  # fmt: skip

LEARNING_GEOMETRIES: dict[str, Geometry] = {
    "4 lanes, everything": Geometry(
        neurons=60, lanes=4, weight_bits=16, delay_slots=64, receptors=2, plastic=1 << 14,
        **_ROOM,
    ),
    "2 lanes, 16 bits": Geometry(
        neurons=33, lanes=2, state_bits=16, weight_bits=8, delay_slots=8, receptors=1,
        adaptation=False, graded=False, plastic=1 << 14, **_ROOM,
    ),
}  # fmt: skip


def learning_device(name: str) -> RtlBackend:
    """The compiled core of that name."""
    return RtlBackend(simulator="compiled", geometry=LEARNING_GEOMETRIES[name])


def plastic_program_for(name: str, seed: int) -> Program:
    """A random plastic Program that the core of that name can hold, and learn."""
    g = LEARNING_GEOMETRIES[name]
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        # Only rules whose rows are all sparse change delays; traces of all widths.
        dense, trace_bits = float(rng.choice([0.0, 0.0, 0.4, 1.0])), int(rng.integers(2, 9))
        program = program_that_fits(
            g, int(rng.integers(1 << 30)), dense=dense, trace_bits=trace_bits
        )  # fmt: skip
        program = with_random_rules(program, rng)
        if not program.rules:
            continue
        program.verify()
        try:
            HardwareImage(program, g)
        except FitError:
            continue
        return program
    raise AssertionError(f"no Program fits {name}")
