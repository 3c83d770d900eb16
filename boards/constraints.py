"""Where the top level's ports are, in each family's own file format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .board import Board

SUFFIX = {"ice40": "pcf", "ecp5": "lpf", "gowin": "cst", "gatemate": "ccf", "xc7": "xdc"}
"""Family -> how its constraint file's name ends."""


def constraints(board: Board) -> str:
    """The board's constraint file."""
    maker = {"ice40": _pcf, "ecp5": _lpf, "gowin": _cst, "gatemate": _ccf, "xc7": _xdc}
    return "".join(f"{line}\n" for line in maker[board.part.family](board))


def _pcf(board: Board) -> list[str]:
    lines = []
    for port, pin in board.pins.items():
        options = "".join(f"-{name} {value} " for name, value in pin.options)
        lines.append(f"set_io {options}{port} {pin.ball}")
    return [*lines, f"set_frequency clock {board.oscillator_hz / 1e6:g}"]


def _lpf(board: Board) -> list[str]:
    lines = ["BLOCK RESETPATHS;", "BLOCK ASYNCPATHS;"]
    for port, pin in board.pins.items():
        lines.append(f'LOCATE COMP "{port}" SITE "{pin.ball}";')
        options = "".join(f" {name}={value}" for name, value in pin.options)
        lines.append(f'IOBUF PORT "{port}"{options};')
    return [*lines, f'FREQUENCY PORT "clock" {board.oscillator_hz / 1e6:g} MHZ;']


def _cst(board: Board) -> list[str]:
    lines = []
    for port, pin in board.pins.items():
        lines.append(f'IO_LOC "{port}" {pin.ball};')
        options = "".join(f" {name}={value}" for name, value in pin.options)
        lines.append(f'IO_PORT "{port}"{options};')
    return lines


def _ccf(board: Board) -> list[str]:
    lines = []
    for port, pin in board.pins.items():
        options = "".join(f" | {name}={value}" for name, value in pin.options)
        lines.append(f'Net "{port}" Loc = "{pin.ball}"{options};')
    return lines


def _xdc(board: Board) -> list[str]:
    lines = []
    for port, pin in board.pins.items():
        lines.append(f"set_property PACKAGE_PIN {pin.ball} [get_ports {port}]")
        for name, value in pin.options:
            lines.append(f"set_property {name} {value} [get_ports {port}]")
    period = 1e9 / board.oscillator_hz
    lines.append(f"create_clock -name clock -period {period:.6f} [get_ports clock]")
    slow = [port for port in board.pins if port != "clock"]
    lines += [f"set_false_path -from [get_ports {p}]" for p in slow if p in ("rx", "reset")]
    lines += [f"set_false_path -to [get_ports {p}]" for p in slow if p in ("tx", "led")]
    return [*lines, "set_property CFGBVS VCCO [current_design]",
            "set_property CONFIG_VOLTAGE 3.3 [current_design]"]  # fmt: skip
