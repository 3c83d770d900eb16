"""What compares the core with other devices finds most mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mutants import Mutants, case, killer, registers
from support.rtl import GEOMETRIES, host_access, needs_compiler, program_that_fits

pytestmark = [needs_compiler, pytest.mark.slow]

COUNT = 60


def test_most_mutants_are_found(tmp_path: Path):
    """A small sample; ``benchmarks/mutation.py`` takes larger ones, and more Programs."""
    g = GEOMETRIES["4 lanes, 24 bits"]
    programs = [program_that_fits(g, seed) for seed in range(12)]
    cases = [case(program, seed, g).run for seed, program in enumerate(programs)]
    tests = [*cases[:3], host_access(programs[0]), registers(programs[0]), *cases[3:]]
    mutants = Mutants(g, COUNT, 1, tmp_path)
    assert killer(mutants, 0, tests) == -1, "the core itself is taken for a mutant"
    found = sum(killer(mutants, i + 1, tests) >= 0 for i in range(COUNT))
    assert found >= 0.8 * COUNT
