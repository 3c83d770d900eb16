"""The fit table: what a network needs of each resource, and what a target has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import CompileError, FitError

if TYPE_CHECKING:
    from collections.abc import Sequence

REMEDIES = {
    "cores": "a target with more cores (Target.with_(mesh=…)), or target='emulator' if you only "
    "simulate",
    "neurons": "fewer neurons, or a target with more neurons per core",
    "axons": "fewer inputs per neuron, or a target with more axons",
    "rows": "fewer projections per sender, or a target with more row groups",
    "profiles": "fewer distinct parameter sets, or scales per population instead of per neuron",
    "synapse_bits": "fewer synapses or fewer weight bits, sparse matrices instead of mostly-zero "
    "dense ones, one delay per row, or a target with more synapse memory",
    "axons_out": "fewer targets of this neuron, or a target with larger cores, so that they are on "
    "fewer of them",
}
"""Way out by resource."""


@dataclass(frozen=True)
class FitRow:
    """One line of the table.

    Attributes:
        resource: name of a field of the target, or ``cores``.
        population: whose need it is; ``(all)`` for the whole network.
        needed, available: amounts.
        per: ``core`` or ``total``.
    """

    resource: str
    population: str
    needed: int
    available: int
    per: str

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.needed <= self.available

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a report."""
        return asdict(self)


def format_fit(rows: Iterable[FitRow]) -> str:
    """The table as text; lines that do not fit are marked."""
    cells = [("resource", "population", "needed", "available", "per", "")]
    cells += [
        (
            row.resource,
            row.population,
            f"{row.needed:,}",
            f"{row.available:,}",
            row.per,
            "" if row.fits else "does not fit",
        )
        for row in rows
    ]
    widths = [max(len(cell[i]) for cell in cells) for i in range(6)]
    lines = []
    for cell in cells:
        left = f"{cell[0]:<{widths[0]}}  {cell[1]:<{widths[1]}}"
        right = f"{cell[2]:>{widths[2]}}  {cell[3]:>{widths[3]}}  {cell[4]:<{widths[4]}}  {cell[5]}"
        lines.append(f"{left}  {right}".rstrip())
    return "\n".join(lines)


def remedies(rows: Iterable[FitRow]) -> str:
    """The ways out for everything that does not fit."""
    names = dict.fromkeys(row.resource for row in rows if not row.fits)
    return "; ".join(REMEDIES[name] for name in names)


def together(errors: Sequence[CompileError], what: str) -> CompileError:
    """One error for several, with the tables of all where each has one.

    Args:
        errors: one or more; a single one stays as it is.
        what: they are about, behind their number.
    """
    if len(errors) == 1:
        return errors[0]
    problem = f"{len(errors)} {what}\n" + "\n".join(map(str, errors))
    short = [error for error in errors if isinstance(error, FitError)]
    if len(short) < len(errors):
        return CompileError(problem)
    whole = FitError(problem)
    whole.table = tuple(row for error in short for row in error.table)
    return whole
