"""What place and route found: how much is used, how fast each clock may be, and what limits it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, FitError
from . import counts

if TYPE_CHECKING:
    from pathlib import Path

    from .design import Design

_USED = {
    "ice40": {counts.LUT: "ICESTORM_LC", counts.RAM: "ICESTORM_RAM",
              counts.SPRAM: "ICESTORM_SPRAM", counts.DSP: "ICESTORM_DSP"},
    "ecp5": {counts.LUT: "TRELLIS_COMB", counts.FF: "TRELLIS_FF", counts.RAM: "DP16KD",
             counts.DSP: "MULT18X18D"},
    "gowin": {counts.LUT: "LUT4", counts.FF: "DFF", counts.RAM: "BSRAM"},
    "gatemate": {counts.LUT: "CPE_LT", counts.FF: "CPE_FF", counts.RAM: "RAM"},
}  # fmt: skip
"""Family -> resource -> nextpnr's name for it; what is not here is taken from yosys' counts."""


@dataclass(frozen=True)
class Clock:
    """One clock.

    Attributes:
        name: of its net.
        achieved_mhz: what it may run at.
        needed_mhz: what it runs at.
    """

    name: str
    achieved_mhz: float
    needed_mhz: float

    @property
    def slack_ns(self) -> float:
        """What is left of a cycle; negative where the clock is too fast."""
        return 1e3 / self.needed_mhz - 1e3 / self.achieved_mhz


@dataclass(frozen=True)
class Placed:
    """The report of a placed and routed design.

    Attributes:
        used: resource -> used, available.
        clocks: all of them.
        path: the slowest path: where it begins, where it ends, delay in ns, logic levels.
    """

    used: dict[str, tuple[int, int]]
    clocks: tuple[Clock, ...]
    path: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "used": {name: {"used": u, "available": a} for name, (u, a) in self.used.items()},
            "clocks": [{**asdict(clock), "slack_ns": clock.slack_ns} for clock in self.clocks],
            "path": self.path,
        }


def cells(folder: Path) -> dict[str, int]:
    """Cell -> number, from yosys' statistics of the whole design."""
    found = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
    return found["design"]["num_cells_by_type"]


def read_report(design: Design, folder: Path) -> Placed:
    """nextpnr's report.

    Raises:
        DeviceError: it has no clock, so that nothing is known.
    """
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    part = design.board.part
    used = counts.counted(part.family, cells(folder))
    there = counts.available(part)
    for resource, name in _USED[part.family].items():
        if name in report["utilization"]:
            used[resource] = report["utilization"][name]["used"]
    needed = design.clock_hz / 1e6
    # The tool's own constraint, unless it knows none: then all clocks count as the core's.
    clocks = tuple(
        Clock(name, found["achieved"], max(found.get("constraint") or 0, needed))
        for name, found in report["fmax"].items()
    )
    if not clocks:
        raise DeviceError(
            "place and route reports no clock", where=folder / "report.json",
            remedy="this is a bug of Spikeloom or of nextpnr; please report it",
        )  # fmt: skip
    table = {name: (used.get(name, 0), number) for name, number in there.items()}
    return Placed(table, clocks, _slowest(report.get("critical_paths", ())))


def _slowest(paths: Any) -> dict[str, Any] | None:
    """The longest path within one clock."""
    found = None
    for path in paths:
        steps = path["path"]
        if path["from"] != path["to"] or not steps:
            continue
        delay = sum(step["delay"] for step in steps)
        if found is None or delay > found["ns"]:
            logic = [step for step in steps if step["type"] == "logic"]
            found = {
                "from": steps[0]["from"]["cell"], "to": steps[-1]["to"]["cell"],
                "ns": round(delay, 2), "levels": len(logic),
                "routing_ns": round(sum(s["delay"] for s in steps if s["type"] == "routing"), 2),
            }  # fmt: skip
    return found


def check_timing(placed: Placed, design: Design) -> None:
    """Raise where a clock is too fast for what was placed.

    Raises:
        FitError: with the slowest path, and what to change.
    """
    late = [clock for clock in placed.clocks if clock.achieved_mhz < clock.needed_mhz]
    if not late:
        return
    worst = min(late, key=lambda clock: clock.slack_ns)
    path = placed.path
    told = "" if path is None else (
        f"{path['ns']} ns from {path['from']} to {path['to']}, {path['levels']} levels"
    )  # fmt: skip
    raise FitError(
        "the design does not meet its timing",
        found=f"{worst.achieved_mhz:.3f} MHz, slack {worst.slack_ns:.3f} ns",
        expected=f"{worst.needed_mhz:g} MHz",
        where=told or None,
        remedy=f"a slower --clock (below {worst.achieved_mhz * 1e6:.0f}), another --seed, "
        "fewer lanes (--lanes) or fewer --state-bits",
    )
