"""The register map and the memories as Markdown, for docs/hardware.md.

``python -m spikeloom.hdl.document`` prints the page's tables; a test keeps the page equal to them.
"""

from __future__ import annotations

from .geometry import Geometry
from .layout import layout
from .registers import REGISTER

EXAMPLE = Geometry(generators=64, receptors=2)
"""The core whose field widths the page shows."""


def registers() -> str:
    """All registers but those that repeat the geometry."""
    lines = ["| number | register | access | meaning |", "|---|---|---|---|"]
    lines += [
        f"| {r.number} | `{r.name}` | {r.access} | {r.meaning} |"
        for r in REGISTER.values()
        if "of the core's geometry" not in r.meaning
    ]
    return "\n".join(lines)


def memories() -> str:
    """All tables with their fields, of the example's geometry."""
    lines = [
        "| region | table | kind | fields (bits), columns split by ; | meaning |",
        "|---|---|---|---|---|",
    ]
    for table in layout(EXAMPLE).values():
        columns = [
            ", ".join(f"{f.name} {f.width}" for f in table.fields if f.column == column)
            for column in range(len(table.widths))
        ]
        lines.append(
            f"| {table.region} | `{table.name}` | {table.kind} | {'; '.join(columns)} |"
            f" {table.meaning} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(registers(), memories(), sep="\n\n")
