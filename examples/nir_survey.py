"""Which NIR graphs become Programs, under which exporter's conventions, and why others do not.

    python examples/nir_survey.py graphs/*.nir
    python examples/nir_survey.py --dt 1e-4 --source norse lif_norse.nir

Prints a line per file and convention; nothing that a file contains stops the survey.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import spikeloom as sl

SOURCES = ("spec", "snntorch", "norse", "sinabs", "spikingjelly", "rockpool")


def survey(path: Path, source: str, dt: float) -> str:
    """What becomes of one file: the size of its Program, or the first line of the refusal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            network = sl.from_nir(path, dt=dt, source=source, reset="zero")  # type: ignore[arg-type]
            program = sl.compile(network, "emulator")
        except sl.SpikeloomError as error:
            return f"refused: {error.problem.splitlines()[0]} Found: {error.found}"
    synapses = sum(len(p.synapses) for p in network.projections.values())
    layers = ", ".join(
        f"{name} {'x'.join(map(str, network.shapes.get(name, (p.size,))))}"
        for name, p in network.populations.items()
    )
    return f"compiled: {program.neurons} neurons ({layers}), {synapses} synapses"


def main() -> None:
    """Survey the files that are named."""
    parser = argparse.ArgumentParser(description="Which NIR graphs become Programs, and how.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--source", choices=SOURCES, help="one convention instead of all")
    parser.add_argument("--dt", type=float, default=1e-4, help="seconds (default: %(default)g)")
    options = parser.parse_args()
    for path in options.files:
        for source in [options.source] if options.source else SOURCES:
            print(f"{path.name}  {source:12}  {survey(path, source, options.dt)}", flush=True)


if __name__ == "__main__":
    main()
