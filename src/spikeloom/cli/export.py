"""Write the generated hardware as Verilog, a Program as a Lava script, a network as NIR."""

from __future__ import annotations

import argparse

from . import export_lava, export_nir, export_verilog

EXAMPLE = "\n".join(m.EXAMPLE for m in (export_verilog, export_lava, export_nir))

KINDS = {"verilog": export_verilog, "lava": export_lava, "nir": export_nir}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the kinds and their arguments."""
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    for name, module in KINDS.items():
        kind = kinds.add_parser(
            name,
            help=str(module.__doc__).partition("\n")[0],
            description=module.__doc__,
            epilog=f"example:\n{module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.configure(kind)
        kind.add_argument("--json", action="store_true", help="one JSON object on standard output")
        kind.set_defaults(export=module.run)


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    return options.export(options)
