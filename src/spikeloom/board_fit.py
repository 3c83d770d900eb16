"""Networks and boards: what a core of a given geometry takes, and how fast it would be.

Joins the compiler, the boards and the runtime, which do not know of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.rtl.fit import geometry_for
from .boards import counts, estimate
from .boards.design import Design
from .compiler.pipeline import run_passes
from .compiler.target import NEURON_PARTS, RULE_PARTS, SMALL_PARTS, Target
from .errors import CompileError, FitError, InputError, SpikeloomError, UnsupportedError
from .hdl.cycles import LEARN, StepWork, step_cycles
from .hdl.geometry import waiting_rows
from .runtime.backend import Events, LearningState
from .runtime.learning_work import LearningWork
from .runtime.mesh_image import mesh_images
from .runtime.micro_work import MicroWork
from .runtime.timing import Timing, mesh_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from .boards.board import Board
    from .compiler.network import Network
    from .compiler.program import Program
    from .hdl.cycles import Senders
    from .hdl.geometry import Geometry
    from .runtime.images import HardwareImage

BUSY = 0.1
"""Share of all senders that spike in a busy step, besides the quiet and the fullest one."""


def target_of(geometry: Geometry, name: str) -> Target:
    """What the compiler has to know of a core, or of a mesh of them.

    Args:
        geometry: of each core.
        name: how reports call it.
    """
    target = Target(
        name=name,
        mesh=(geometry.mesh_rows, geometry.mesh_columns),
        neurons=geometry.neurons,
        axons=geometry.axons,
        rows=geometry.rows,
        lanes=geometry.lanes,
        state_bits=geometry.state_bits,
        weight_bits=geometry.weight_bits,
        accumulator_bits=geometry.accumulator_bits,
        delay_slots=geometry.delay_slots,
        receptors=geometry.receptors,
        profiles=geometry.profiles,
        products=min(MOST_PRODUCTS, geometry.code),
        exponents=geometry.exponents,
        shifts=geometry.shifts,
        refractory_bits=geometry.refractory_bits,
    )
    parts = NEURON_PARTS + SMALL_PARTS
    if geometry.rules:
        parts += RULE_PARTS
        target = target.with_(
            factors=geometry.factors,
            fraction=geometry.fraction,
            coefficient_bits=geometry.coefficient_bits,
            sum_bits=geometry.sum_bits,
        )
    target = target.with_(lacks=tuple(part for part in parts if not getattr(geometry, part)))
    # Memories are in words of all lanes; the compiler counts bits of single synapses, of both kinds
    # together. Whether each kind finds room is asked when the Program is loaded.
    bits = target.sparse_synapse_bits
    plastic = geometry.plastic * (bits + 1 + 8 * geometry.tags)
    return target.with_(synapse_bits=geometry.lanes * (geometry.words * bits + plastic))


def check_board(program: Program, board: Board) -> None:
    """Whether the core that a board comes with holds a Program, as the device itself will ask.

    Raises:
        FitError: with everything that does not fit.
    """
    try:
        mesh_images(program, board.geometry)
    except FitError as error:
        raise FitError(
            f"the core of board {board.name!r} does not hold the program",
            found=error.found,
            expected="what `spikeloom boards " + board.name + "` lists",
            remedy="a smaller network, or a core that is made for it: compile for target 'core', "
            f"then `spikeloom build --board {board.name} --for net.loom`",
        ) from None


MOST_PRODUCTS = 64
"""Of a rule, that a ``Target`` can have; those of a core are of all its rules together."""


@dataclass(frozen=True)
class Fit:
    """Whether a network fits a board, and how long its steps would take.

    Attributes:
        board: which.
        fits: ``yes`` with the board's own core, ``built`` with a core made for it, or ``no``.
        why: what is missing, where it is not ``yes``.
        geometry: of that core; None where there is none.
        cycles: of a quiet step, of one with every tenth sender, of one with all senders.
        clock_hz: of the board.
    """

    board: Board
    fits: str
    why: str
    geometry: Geometry | None
    cycles: tuple[int, int, int] | None
    clock_hz: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data; times in seconds."""
        names = ("quiet", "busy", "full")
        cycles = dict(zip(names, self.cycles, strict=True)) if self.cycles else None
        return {
            "board": self.board.name,
            "fits": self.fits,
            "why": self.why,
            "geometry": None if self.geometry is None else self.geometry.to_dict(),
            "clock_hz": self.clock_hz,
            "cycles": cycles,
            "seconds": cycles and {n: c / self.clock_hz for n, c in cycles.items()},
        }


def fit_boards(network: Network | Program, boards: Iterable[Board]) -> list[Fit]:
    """Try each board's own core, then one that is made for the network.

    Args:
        network: compiled for each board here; or a Program, which is taken as it is.
        boards: which.
    """
    compiled: dict[Target, Program | SpikeloomError] = {}

    def program_for(target: Target) -> Program:
        if target not in compiled:
            try:
                compiled[target] = _held(_program(network, target), target)
            except (CompileError, UnsupportedError) as error:
                compiled[target] = error
        found = compiled[target]
        if isinstance(found, SpikeloomError):
            raise found
        return found

    weights = _weights(network)
    return [_fit(board, weights, program_for) for board in boards]


def _fit(board: Board, weights: int, program_for: Callable[[Target], Program]) -> Fit:
    needed, there = weights * board.geometry.weight_bits, board.part.memory_bits
    if needed > there:
        why = f"{needed} bits of weights alone; at most {there} in all memories"
        return Fit(board, "no", why, None, None, board.clock_hz)
    try:
        times = _times(program_for(target_of(board.geometry, "board")), board.geometry)
    except CompileError as error:
        first = _reason(error)
    except UnsupportedError as error:
        return Fit(board, "no", error.problem, None, None, board.clock_hz)
    else:
        return Fit(board, "yes", "", board.geometry, times, board.clock_hz)
    try:
        program = program_for(_roomy(board))
        geometry = geometry_for(program, board.geometry.lanes)
        used = estimate.resources(Design.of(board, geometry))
        counts.check_counts(used, board.part, board.name)
        times = _times(program, geometry)
    except (CompileError, UnsupportedError, InputError) as error:
        return Fit(board, "no", _reason(error), None, None, board.clock_hz)
    return Fit(board, "built", first, geometry, times, board.clock_hz)


def _reason(error: SpikeloomError) -> str:
    """In a line: what is short of, or what else is wrong."""
    short = [
        f"{row['resource']}: {row['needed']} needed, {row['available']} there"
        for row in getattr(error, "table", ())
        if row["needed"] > row["available"]
    ]
    return "; ".join(short) or str(error.found or error.problem)


def _weights(network: Network | Program) -> int:
    """How many synapses there are, in whatever form."""
    from .compiler.program import Program

    if isinstance(network, Program):
        return sum(len(c.sparse_weight) + len(c.dense_weight) for c in network.cores)
    return sum(len(projection.synapses) for projection in network.projections.values())


def _times(program: Program, geometry: Geometry) -> tuple[int, int, int]:
    """``step_times`` on a core alone, or on a mesh.

    Raises:
        FitError, UnsupportedError: the Program does not fit there.
    """
    images = mesh_images(program, geometry)
    if geometry.micro:
        return micro_step_times(program)
    return step_times(images[0]) if geometry.cores == 1 else mesh_step_times(program, geometry)


def step_times(image: HardwareImage, busy: float = BUSY) -> tuple[int, int, int]:
    """Cycles of a quiet step, of one in which a share of all senders spikes, of one with all.

    Where something learns, it is on, the same neurons fire in every step, and no epoch ends, unless
    one ends in every step.

    Args:
        image: of the Program on a geometry.
        busy: the share, evenly spread.
    """
    g, core, program = image.geometry, image.core, image.program
    neurons = np.arange(core.neurons, dtype=np.int32)
    channels = np.sort(image.channel_origin).astype(np.int32)
    driven = (channels >= g.first_generator) & (channels < g.first_channel)
    senders, sent = _three_steps((neurons, channels[~driven], channels[driven]), busy)
    work = StepWork(
        rows=image.sender_rows,
        senders=senders,
        sent=sent,
        graded=np.zeros(3, np.int64),
        groups=max(1, -(-core.neurons // g.update_lanes)),
        generator_groups=-(-len(program.generators) // g.update_lanes),
        **_learning(image, np.split(senders[0], np.cumsum(sent[0])[:-1])),
    )
    quiet, some, full = (int(cycles) for cycles in step_cycles(work))
    return quiet, some, full


def micro_step_times(program: Program, busy: float = BUSY) -> tuple[int, int, int]:
    """The same on the small core, where learning is on."""
    work, stride = MicroWork(program), max(1, round(1 / busy))
    neurons = np.arange(program.neurons, dtype=np.int32)
    channels = np.arange(program.channels, dtype=np.int32)

    def step(every: slice) -> int:
        fired, sent = neurons[every], channels[every]
        steps = np.zeros(len(fired), np.int64)
        events = replace(
            Events.none(), spike_step=np.zeros(len(sent), np.int64), spike_channel=sent
        )
        return int(work.cycles(1, (steps, fired), events, fired, True)[0])

    return step(slice(0)), step(slice(None, None, stride)), step(slice(None))


def mesh_step_times(
    program: Program, geometry: Geometry, busy: float = BUSY
) -> tuple[int, int, int]:
    """The same on a mesh of such cores.

    Raises:
        UnsupportedError: there is no mesh for the Program.
    """
    mesh = mesh_rows(program, geometry.lanes, geometry.update_lanes)
    timing = Timing(mesh=mesh, queue=waiting_rows(geometry.lanes))
    driven = np.zeros(program.channels, bool)
    driven[program.generators["channel"]] = True
    kinds = (
        program.channels + np.arange(program.neurons, dtype=np.int32),
        np.flatnonzero(~driven).astype(np.int32),
        np.flatnonzero(driven).astype(np.int32),
    )
    senders, sent = _three_steps(kinds, busy)

    def walk(earliest: NDArray[np.int64]) -> NDArray[np.int64]:
        return timing.walk(senders, sent, earliest, on=False)

    quiet, some, full = (int(cycles) for cycles in timing.around(walk, np.zeros(3, np.int64)))
    return quiet, some, full


def _three_steps(kinds: Senders, busy: float) -> tuple[Senders, NDArray[np.int64]]:
    """Senders of each kind in a step without any, one with a share of them, one with all; and how
    many each step has, (kinds, 3)."""
    stride = max(1, round(1 / busy))
    parts = [(kind[:0], kind[::stride], kind) for kind in kinds]
    first, second, third = (np.concatenate(part) for part in parts)
    sent = np.array([[len(step) for step in part] for part in parts], np.int64)
    return (first, second, third), sent


def _learning(image: HardwareImage, fired: list[NDArray[np.int32]]) -> dict[str, Any]:
    """What ``StepWork`` has to know of learning, where so many neurons fire in every step."""
    program = image.program
    state = LearningState.initial(program)
    if state is None:
        return {"learned": LEARN if image.geometry.rules else 0}
    work = LearningWork(program, image.geometry.lanes)
    late = max(rule.post_delay for rule in program.rules)  # y0 is as late
    learned = []
    for neurons in fired:
        steps = np.repeat(np.arange(late + 1), len(neurons))
        spikes = steps, np.tile(neurons, late + 1)
        found = work.cycles(-late, late + 1, spikes, Events.none(), state.fired_before, True)
        learned.append(int(found[-1]))
    return {"on": True, "learned": np.array(learned, np.int64), "fading": work.fading}


def _program(network: Network | Program, target: Target) -> Program:
    from .compiler.program import Program

    if isinstance(network, Program):
        return network
    return run_passes(network, target, None)[0]


def _held(program: Program, target: Target) -> Program:
    if len(program.cores) > target.cores:
        raise UnsupportedError(
            "the network takes several cores, and the size of a mesh is not estimated; "
            "spikeloom build --for net.loom makes one and tells"
        )
    return program


def _roomy(board: Board) -> Target:
    """The widths of the board's own core, and room for whatever its FPGA may hold, in one core."""
    g = board.geometry
    return Target(
        name="board",
        neurons=4096, axons=1 << 16, rows=1 << 16, profiles=256, synapse_bits=1 << 30,
        products=MOST_PRODUCTS,
        lanes=g.lanes, state_bits=g.state_bits, weight_bits=g.weight_bits,
        accumulator_bits=g.accumulator_bits, delay_slots=g.delay_slots, receptors=g.receptors,
    )  # fmt: skip
