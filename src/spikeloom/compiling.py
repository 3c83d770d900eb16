"""A network becomes a Program, for a target, a chip, or the core that a board comes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .compiler.pipeline import run_passes
from .compiler.target import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .boards.board import Board
    from .compiler.mapping import Mapping
    from .compiler.network import Network
    from .compiler.pipeline import Trace
    from .compiler.program import Program
    from .compiler.quantise import Quantization
    from .compiler.target import Target


def compile(
    network: Network,
    target: str | Target = "core",
    quantization: Quantization | None = None,
    *,
    mapping: str | Mapping = "auto",
    dump: str | Path | Callable[[str, str], object] | None = None,
) -> Program:
    """Compile a network.

    Args:
        network: what to compile; it is not changed.
        target: ``"core"``, ``"emulator"``, a Target, a chip's name or file (``"loihi"``), or a
            board's name (``"ulx3s-25f"``), for the core that it comes with.
        quantization: how reals become integers; None: as the network says, which is an automatic
            scale unless an importer found an exact one.
        mapping: how neurons are put on several cores: ``"sequential"``, ``"best"`` (less traffic
            between cores, slower), ``"auto"`` (sequential, and best where that does not fit), or a
            Mapping, which also says how often neurons fire.
        dump: a directory that gets one text file per pass, or a function of pass name and text.

    Returns:
        The Program, verified; ``program.report`` says what was lost and found.

    Raises:
        CompileError: the network breaks a design rule, or a number does not fit.
        FitError: the target is too small; carries the fit table.

    Warns:
        UserWarning: quantisation damaged the network (neurons that can no longer fire …).
    """
    return compile_with_trace(network, target, quantization, mapping=mapping, dump=dump)[0]


def compile_with_trace(
    network: Network,
    target: str | Target = "core",
    quantization: Quantization | None = None,
    *,
    mapping: str | Mapping = "auto",
    dump: str | Path | Callable[[str, str], object] | None = None,
) -> tuple[Program, Trace]:
    """As :func:`compile`, and how long each pass took."""
    board = _board(target)
    if board is not None:
        from .board_fit import target_of

        target = target_of(board.geometry, board.name)
    program, trace = run_passes(network, target, quantization, mapping=mapping, dump=dump)
    if board is not None:
        from .board_fit import check_board

        check_board(program, board)
    return program, trace


def _board(target: str | Target) -> Board | None:
    """The board of that name; boards are looked up only for what is no target."""
    if not isinstance(target, str) or target in TARGETS:
        return None
    from .boards.catalogue import BOARDS

    return BOARDS.get(target)
