"""The command line: ``spikeloom <command>``, one module per command, imported when it is named."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import DeviceError, SpikeloomError
from .output import print_error, print_json

COMMANDS = {
    "compile": "turn a network (.nir, or a Python file) into a Program (.loom)",
    "run": "run a Program on a device",
    "view": "show a network on a local web page while it runs",
    "info": "say what is in a Program",
    "report": "write what is known of a Program as one HTML file",
    "latency": "say how long a Program takes on a chip, and what that costs",
    "explore": "search a chip's numbers and the compiler's choices",
    "cosim": "run a Program on several devices and name the first difference",
    "serve": "serve a simulated device at a pseudo-terminal or a TCP port",
    "export": "write the hardware as Verilog, a Program as a Lava script, a network as NIR",
    "boards": "list the FPGA boards and what each of them holds",
    "fit": "say which boards a network fits, and how fast its steps would be",
    "build": "make a board's bitstream, by open tools or by Vivado",
    "flash": "load a bitstream into a board",
    "deploy": "load a Program into a board over its serial port, and run it",
    "selftest": "test whatever answers at a serial port, and write a report",
    "devices": "list the kinds of device, and the serial ports with what answers there",
    "doctor": "say what is installed, what is missing, and how to mend it",
}

USAGE_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors come as JSON, too, where that was asked for."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        if self.as_json:
            error = {"kind": "UsageError", "problem": message, "exit_code": USAGE_ERROR}
            print_json({"error": error})
        self.print_usage(sys.stderr)
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        raise SystemExit(USAGE_ERROR)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, without the program's name; those of the process by default.

    Returns:
        The exit code: 0, the ``exit_code`` of the error (see ``spikeloom.errors``), 2 for wrong
        usage, 130 when interrupted, 141 when the reader of the output went away.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends; that must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print("\nspikeloom: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _dispatch(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        options = _parse(arguments, as_json)
        return options.run(options)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except SpikeloomError as error:
        print_error(error, as_json)
        return error.exit_code
    except MemoryError as error:
        told = DeviceError(
            "there is not enough memory",
            found=str(error) or None,
            remedy="run fewer steps at a time (--snapshot, --restore), or probe less",
        )
        print_error(told, as_json)
        return told.exit_code


def _parse(arguments: list[str], as_json: bool) -> argparse.Namespace:
    _Parser.as_json = as_json
    parser = _Parser(
        prog="spikeloom",
        description="Describe a spiking network once; run the same bits on every device.",
        epilog="spikeloom COMMAND --help has an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"spikeloom {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    named = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        settings: dict[str, Any] = {}
        module = None
        if name == named:
            module = importlib.import_module(f"{__name__}.{name}")
            settings = {
                "description": module.__doc__,
                "epilog": f"example:\n{module.EXAMPLE}",
                "formatter_class": argparse.RawDescriptionHelpFormatter,
            }
        command = commands.add_parser(name, help=summary, allow_abbrev=False, **settings)
        if module is not None:
            module.configure(command)
            command.add_argument(
                "--json", action="store_true", help="one JSON object on standard output"
            )
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)
