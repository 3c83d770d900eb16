"""Write a network as a .nir file, for other frameworks; a Python file is EXECUTED."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from .compile import network_from
from .output import print_json, print_warnings

EXAMPLE = """\
  spikeloom export nir net.py:build -o net.nir
  spikeloom compile net.nir -o net.loom --dt 1e-3

docs/nir.md says what NIR can express and how it is written."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("network", metavar="net.py[:NAME]", help="the network, as for compile")
    add("-o", "--output", metavar="net.nir", help="the file (default: the network's name)")
    add(
        "--reset",
        choices=("zero", "subtract"),
        default="zero",
        help="what the reader must be told of the reset (default: %(default)s)",
    )
    add(
        "--reset-delay",
        action="store_true",
        help="the reader must be told that resets come one step late",
    )


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    from ..compiler.nir import write_nir

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        network = network_from(options.network)
        output = Path(options.output or f"{network.name}.nir")
        write_nir(network, output, reset=options.reset, reset_delay=options.reset_delay)
    messages = list(dict.fromkeys(str(w.message) for w in caught))
    print_warnings(messages)
    if options.json:
        print_json({"output": str(output), "dt": network.dt, "warnings": messages})
    else:
        print(f"wrote {output}; read it with dt={network.dt:g}")
    return 0
