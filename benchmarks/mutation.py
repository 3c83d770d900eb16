"""What share of mistakes in the core's circuit do comparisons with the emulator find?

    python benchmarks/mutation.py [--mutants 400] [--seed 1] [--core static|learning|plain|micro]

Mutants are drawn evenly from all bits that cells of the flattened netlist read or drive, and from
four kinds of mistakes: inverted, stuck at 0, stuck at 1, the neighbouring bit instead. Each runs
random Programs, beginnings and states in their middle, compared with the emulator in all spikes,
states, weights, counters and clock cycles, and the host's access to all memories, until something
differs. Those that survive are listed. It needs a checkout, whose tests have the Programs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.micro import SMALL, small_programs
from support.mutants import Mutants, case, killer, registers
from support.rtl import GEOMETRIES, host_access, program_that_fits
from support.rtl_learning import LEARNING_GEOMETRIES, plastic_program_for

from spikeloom.backends.rtl import RtlBackend
from spikeloom.hdl.geometry import Geometry

CORES = {
    "static": "4 lanes, 24 bits",
    "plain": "8 lanes, 2 at a time, integrate and fire",
    "learning": "2 lanes, 16 bits",
    "micro": "the small core",
}


def tests_for(core: str, count: int) -> list[Callable[[RtlBackend], None]]:
    """Runs of so many random Programs; behind the first three of them the host's access."""
    name = CORES[core]
    if core == "learning":
        programs = [plastic_program_for(name, seed) for seed in range(count)]
    elif core == "micro":
        programs = [program for _, program in small_programs(SMALL, count)]
    else:
        programs = [program_that_fits(GEOMETRIES[name], seed) for seed in range(count)]
    g = geometry_of(core)
    cases = [case(program, seed, g).run for seed, program in enumerate(programs)]
    return [*cases[:3], host_access(programs[0]), registers(programs[0]), *cases[3:]]


def geometry_of(core: str) -> Geometry:
    """What is built."""
    if core == "micro":
        return SMALL
    return (LEARNING_GEOMETRIES if core == "learning" else GEOMETRIES)[CORES[core]]


def main() -> None:
    """Build, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--core", choices=CORES, default="static")
    given = parser.parse_args()
    name, g = CORES[given.core], geometry_of(given.core)
    tests = tests_for(given.core, given.programs)
    with tempfile.TemporaryDirectory() as folder:
        mutants = Mutants(g, given.mutants, given.seed, Path(folder))
        for test in tests:
            right = mutants.device(0)
            test(right)
            right.close()
        begin = time.process_time()
        found = [killer(mutants, i + 1, tests) for i in range(given.mutants)]
    killed = sum(one >= 0 for one in found)
    print(f"{name}: {killed} of {given.mutants} mutants found, {killed / given.mutants:.1%},"
          f" {time.process_time() - begin:.0f} s of CPU")  # fmt: skip
    print("found by test:", dict(sorted(Counter(one for one in found if one >= 0).items())))
    for number, (one, mutant) in enumerate(zip(found, mutants.mutants, strict=True), 1):
        if one < 0:
            print(
                f"{number:4} {mutant.cell} {mutant.kind} {mutant.port}[{mutant.bit}] {mutant.mode}"
            )


if __name__ == "__main__":
    main()
