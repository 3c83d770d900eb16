"""A few cores, each built once, on which many random Programs run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikeloom.backends.rtl import RtlBackend
from spikeloom.backends.rtl.tools import missing_tools
from spikeloom.compiler.program import (
    EXPONENTIAL,
    HOLD,
    LINEAR,
    MASK,
    RESET_VALUE,
    Program,
)
from spikeloom.errors import FitError
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.layout import COPIED
from spikeloom.hdl.registers import COUNTERS, REGISTER, geometry_values
from spikeloom.runtime.images import HardwareImage
from support.programs import random_program
from support.spread import spread

_ROOM: dict[str, Any] = {
    "axons": 512, "rows": 2048, "words": 2048, "destinations": 512, "channels": 64,
    "generators": 64,
}  # fmt: skip

GEOMETRIES: dict[str, Geometry] = {
    "1 lane, 12 bits": Geometry(
        neurons=64, lanes=1, state_bits=12, weight_bits=16, accumulator_bits=31, delay_slots=64,
        receptors=2, **_ROOM | {"words": 4096},
    ),
    "2 lanes, 16 bits": Geometry(
        neurons=33, lanes=2, state_bits=16, weight_bits=4, accumulator_bits=20, delay_slots=1,
        receptors=1, graded=False, **_ROOM,
    ),
    "4 lanes, 24 bits": Geometry(
        neurons=64, lanes=4, weight_bits=9, accumulator_bits=24, delay_slots=8, receptors=2,
        **_ROOM,
    ),
    "8 lanes, 18 bits": Geometry(
        neurons=60, lanes=8, state_bits=18, weight_bits=8, accumulator_bits=24, delay_slots=64,
        receptors=1, **_ROOM,
    ),
    "16 lanes, 24 bits, no generators": Geometry(
        neurons=64, lanes=16, weight_bits=8, accumulator_bits=24, delay_slots=16, receptors=1,
        adaptation=False, refractory_bits=9, **_ROOM | {"generators": 0},
    ),
    "8 lanes, 2 at a time, integrate and fire": Geometry(
        neurons=60, lanes=8, update_lanes=2, weight_bits=8, accumulator_bits=24, delay_slots=8,
        receptors=1, adaptation=False, graded=False, refractory_bits=8, exponents=3, shifts=0,
        linear=False, subtract=False, late=False, mask=False, **_ROOM | {"generators": 0},
    ),
    "4 lanes at a time, integrators with linear leak": Geometry(
        neurons=60, lanes=4, update_lanes=4, weight_bits=8, accumulator_bits=24, delay_slots=8,
        receptors=2, adaptation=False, graded=False, refractory_bits=0, exponents=0, shifts=2,
        exponential=False, bias=False, **_ROOM,
    ),
}  # fmt: skip
"""Widths at both ends, features on and off; up to 60 neurons, the second up to 33."""

needs_compiler = pytest.mark.skipif(
    missing_tools() is not None, reason=f"cores cannot be compiled here: {missing_tools()}"
)


def device(name: str) -> RtlBackend:
    """The compiled core of that name."""
    return RtlBackend(simulator="compiled", geometry=GEOMETRIES[name])


def within(program: Program, g: Geometry) -> Program:
    """The same Program with neurons and exponents that this core is built for."""
    core = program.cores[0]
    profiles, rows = core.profiles.copy(), core.rows.copy()
    for name, field, value in (
        ("exponential", "leak", LINEAR), ("linear", "leak", EXPONENTIAL),
        ("subtract", "reset", RESET_VALUE), ("late", "reset_delay", 0),
        ("hold", "refractory_mode", MASK), ("mask", "refractory_mode", HOLD),
    ):  # fmt: skip
        if not getattr(g, name):
            profiles[field] = value
    longest = (1 << g.refractory_bits) - 1
    profiles["refractory"] = np.minimum(profiles["refractory"], longest)
    profiles["shift"] = np.minimum(profiles["shift"], g.shifts)
    rows["exponent"] = np.minimum(rows["exponent"], g.exponents)
    if not g.adaptation:
        profiles["adapt_step"] = 0
    bias = core.bias if g.bias else np.zeros_like(core.bias)
    core = replace(core, profiles=profiles, rows=rows, bias=bias)
    return replace(program, cores=(core,))


def program_for(name: str, seed: int, **options: Any) -> Program:
    """A random Program that the core of that name can hold."""
    return program_that_fits(GEOMETRIES[name], seed, **options)


def random_geometry(seed: int) -> Geometry:
    """A small core of random widths, lanes, neurons at a time, and parts."""
    rng = np.random.default_rng(seed)
    lanes = int(rng.choice([1, 2, 2, 4, 4, 8]))
    exponential, hold = bool(rng.integers(2)), bool(rng.integers(2))
    return Geometry(
        neurons=int(rng.integers(4, 26)),
        lanes=lanes,
        update_lanes=1 << int(rng.integers(lanes.bit_length())),
        state_bits=int(rng.integers(12, 25)),
        weight_bits=int(rng.integers(2, 17)),
        accumulator_bits=int(rng.integers(16, 32)),
        delay_slots=1 << int(rng.integers(5)),
        receptors=int(rng.integers(1, 3)),
        refractory_bits=int(rng.choice([0, 3, 16])),
        exponents=int(rng.choice([0, 4, 15])),
        shifts=int(rng.choice([0, 4, 15])),
        exponential=exponential,
        linear=not exponential or bool(rng.integers(2)),
        hold=hold,
        mask=not hold or bool(rng.integers(2)),
        **{n: bool(rng.integers(2)) for n in ("adaptation", "graded", "subtract", "late", "bias")},
        **_ROOM | {"generators": int(rng.choice([0, 64]))},
    )


def program_that_fits(g: Geometry, seed: int, **options: Any) -> Program:
    """A random Program that this core can hold."""
    rng = np.random.default_rng(seed)
    sizes = [n for n in (1, 5, 12, 25, 33, 60) if n <= g.neurons]
    # Now and then a Program that fills the tables.
    wide = np.random.default_rng([seed, 1]).random() < 0.2
    options.setdefault("neurons", sizes[-1] if wide else int(rng.choice(sizes)))
    options.setdefault("delays", int(rng.integers(0, g.delay_slots)))
    while True:
        program = random_program(
            rng,
            cores=1,
            lanes=g.lanes,
            state_bits=g.state_bits,
            weight_bits=int(rng.integers(2, g.weight_bits + 1)),
            accumulator_bits=int(rng.integers(16, g.accumulator_bits + 1)),
            receptors=g.receptors,
            **options,
        )
        program = within(program, g)
        if wide:
            found = _spread_out(program, g, rng)
            if found is None:
                continue
            program = found
        adapts = any((c.profiles["adapt_step"] != 0).any() for c in program.cores)
        if (not len(program.generators) or g.generators) and (g.adaptation or not adapts):
            return program


def _spread_out(program: Program, g: Geometry, rng: np.random.Generator) -> Program | None:
    """The same with as many rows as there is room for them and for their synapses, if there is."""
    rows = g.rows
    while rows >= len(program.cores[0].rows):
        found = spread(program, rng, axons=min(g.axons, g.destinations), rows=rows)
        try:
            HardwareImage(found, g)
        except FitError:
            rows = (rows - 1) // 2
            continue
        return found
    return None


def host_access(program: Program) -> Callable[[RtlBackend], None]:
    """The bus reads and writes what is in the memories and registers, of every table."""

    def run(device: RtlBackend) -> None:
        device.load(program)
        model = device.model
        for field, value in geometry_values(model.geometry).items():
            assert model.read(REGISTER[field].address) == value
        for name in COUNTERS:
            for half in ("LOW", "HIGH"):
                model.read(REGISTER[f"{name}_{half}"].address)
        rng = np.random.default_rng(0)
        contents = {}
        for table in model.tables.values():
            entries = table.entries
            contents[table.name] = before = model.table(table.name)
            some = {0, entries - 1, *rng.integers(0, entries, 30).tolist()}
            for entry in sorted(some):
                for column, width in enumerate(table.widths):
                    address = table.address(entry, column)
                    assert model.read(address) == before[column][entry]
                    value = int(rng.integers(1 << width))
                    model.write(address, value)
                    before[column][entry] = value
                    assert model.read(address) == value
            for column, words in enumerate(model.table(table.name)):
                np.testing.assert_array_equal(words, before[column])
            if table.kind == COPIED and not model.geometry.micro:
                for lane in range(model.lanes(table.name)):
                    for column, words in enumerate(before):
                        found = model.memory(table.name, lane, column)
                        np.testing.assert_array_equal(found, words)
        # Nor has what was written to one table come into another one.
        for name, columns in contents.items():
            for found, expected in zip(model.table(name), columns, strict=True):
                np.testing.assert_array_equal(found, expected)

    return run
