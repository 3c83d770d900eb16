"""Turn a network into a Program.

The network is a NIR file, or a Python file that defines one. A Python file is EXECUTED, with all
that this means: do not compile files from strangers.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError, NetworkError, SpikeloomError
from ..regular_file import replacing
from .output import Waiting, print_json, print_warnings, report_text

if TYPE_CHECKING:
    from ..compiler.network import Network
    from ..compiler.program import Program

EXAMPLE = """\
  spikeloom compile net.nir -o net.loom --dt 1e-4 --source snntorch
  spikeloom compile net.py:build -o net.loom --target emulator

net.py:NAME takes the variable NAME, or calls the function NAME without arguments; net.py alone
means net.py:net."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("network", metavar="net.nir|net.py[:NAME]", help="the network")
    add("-o", "--output", metavar="net.loom", help="where to write the Program")
    add(
        "--target",
        default="core",
        help="what to compile for: core, emulator, or a board (default: %(default)s)",
    )
    add(
        "--mapping",
        default="auto",
        help="how neurons are put on several cores: sequential, best (least traffic), mtkahypar "
        "(best, with the package of this name), or auto (sequential if that fits, else best)",
    )
    add("--scale", type=float, help="least significant bits per unit of the network")
    add("--per-neuron", action="store_true", help="choose a scale for each neuron")
    add(
        "--report",
        metavar="report.txt",
        help="where to write the compiler's report: as JSON or HTML if the name ends so, or text",
    )
    add("--dump", metavar="FOLDER", help="where to write the network as it is after each pass")
    add_nir_options(parser)


def add_nir_options(parser: argparse.ArgumentParser) -> None:
    """What has to be said of a NIR file; ``network_of`` reads it."""
    nir = parser.add_argument_group("NIR files")
    nir.add_argument("--dt", type=float, help="length of a step in seconds")
    nir.add_argument("--source", help="the exporter, whose conventions hold (spec, snntorch, …)")
    nir.add_argument("--reset", choices=("zero", "subtract"), help="what a spike does to v")
    nir.add_argument(
        "--reset-delay",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the reset comes one step after the spike",
    )
    nir.add_argument("--tau-scale", type=float, help="factor on the file's time constants")


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    begun = time.perf_counter()
    # Told in the command's own words; one network may have many.
    with Waiting("compiling"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        network = network_of(options)
        program, passes = _compile(network, options)
    output = options.output or f"{network.name}.loom"
    program.save(output)
    if options.report:
        _write_report(options.report, program)
    messages = list(dict.fromkeys(str(w.message) for w in caught))
    print_warnings(messages)
    told = {
        "output": output,
        "bytes": os.path.getsize(output),
        "hash": program.content_hash,
        "neurons": program.neurons,
        "cores": len(program.cores),
        "seconds": time.perf_counter() - begun,
        "passes": passes,
        "warnings": messages,
        "report": program.report,
    }
    if options.json:
        print_json(told)
        return 0
    print(
        f"{output}: {told['neurons']} neurons on {told['cores']} cores, {told['bytes']} bytes, "
        f"hash {told['hash'][:16]}…"
    )
    print("\n" + report_text(program.report))
    return 0


def _compile(network: Network, options: argparse.Namespace) -> tuple[Program, dict[str, float]]:
    """The Program, and the seconds that each pass took."""
    from ..compiler.quantise import Quantization
    from ..compiling import compile_with_trace

    quantization = None
    if options.scale is not None or options.per_neuron:
        scale = "auto" if options.scale is None else options.scale
        quantization = Quantization(scale=scale, per_neuron=options.per_neuron)
    program, trace = compile_with_trace(
        network, options.target, quantization, mapping=options.mapping, dump=options.dump
    )
    return program, trace.seconds


def network_of(options: argparse.Namespace) -> Network:
    """The network that a command with NIR options names; a Python file is executed."""
    given = {name: getattr(options, name) for name in _NIR}
    return network_from(options.network, {n: v for n, v in given.items() if v is not None})


_NIR = ("dt", "source", "reset", "reset_delay", "tau_scale")


def network_from(text: str, settings: dict[str, Any] | None = None) -> Network:
    """The network that a command's argument names.

    Args:
        text: ``net.py``, ``net.py:NAME`` (executed), or a NIR file.
        settings: of :func:`from_nir`, for NIR files.
    """
    file, separator, name = text.rpartition(":")
    if not separator or not file.endswith(".py"):
        file, name = text, "net"
    if file.endswith(".py"):
        return _from_python(Path(file), name)
    from ..compiler.nir import from_nir

    return from_nir(file, **(settings or {}))


def _from_python(path: Path, name: str) -> Network:
    """The network that a Python file defines; the file is executed."""
    import runpy
    import sys
    import traceback

    from ..compiler.network import Network

    if not path.is_file():
        raise FileError("there is no such file", found=str(path), remedy="check the path")
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        found = runpy.run_path(str(path)).get(name)
        if callable(found) and not isinstance(found, Network):
            found = found()
    except SpikeloomError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise NetworkError(
            f"{path} failed while it was executed",
            found=f"{type(error).__name__}: {error}",
            where=f"{last.filename}:{last.lineno}",
        ) from error
    finally:
        sys.path.pop(0)
    if not isinstance(found, Network):
        raise NetworkError(
            f"{path} does not define the network {name!r}",
            found="nothing of that name" if found is None else type(found).__name__,
            expected="a spikeloom.Network, or a function that returns one",
            remedy=f"name it: spikeloom compile {path}:NAME",
        )
    return found


def _write_report(path: str, program: Program) -> None:
    report = program.report
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        text = json.dumps(report, indent=2) + "\n"
    elif suffix in (".html", ".htm"):
        from ..report_page import report_html

        text = report_html(program)
    else:
        text = report_text(report)
    with replacing(Path(path), "report") as partial:
        partial.write_text(text, encoding="utf-8")
