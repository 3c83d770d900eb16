"""A report about a Program as one HTML file that loads nothing (docs/report.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..regular_file import replacing
from ..runtime.open import open as open_device
from ..stimulus import check_steps
from . import compiled, hardware
from .chip import chip_section
from .facts import RESOURCES, Activity, run, use_of_cores
from .svg import number
from .table import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..chip_report import LatencyReport
    from ..compiler.program import Program

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MOST_RAW = 20_000


def write_report(
    path: str | Path,
    program: Program,
    inputs: Mapping[str, Any] | None = None,
    steps: int = 0,
    *,
    device: str = "emulator",
    chip: LatencyReport | None = None,
) -> None:
    """Write what is known of a Program as one HTML file: no scripts, nothing from elsewhere.

    Args:
        path: of the file.
        program: what it is about.
        inputs: as for :meth:`Device.run`.
        steps: of a run on ``device``, for traffic, clock cycles and rates; 0: none.
        device: its address.
        chip: what :func:`spikeloom.latency` gave, for a section about that chip.

    Raises:
        InputError: the input is malformed.
        DeviceError: the device cannot be opened, or failed.
        FileError: the file cannot be written.
    """
    activity = None
    if check_steps(steps):
        with open_device(device) as opened:
            opened.load(program)
            activity = run(opened, steps, inputs)
    page = report_html(program, activity, chip)
    with replacing(Path(path), "report") as partial:
        partial.write_text(page, encoding="utf-8")


def report_html(
    program: Program, activity: Activity | None = None, chip: LatencyReport | None = None
) -> str:
    """The page's text."""
    sections: list[tuple[str, str, str]] = [
        ("summary", "Summary", _summary(program)),
        ("findings", "Warnings", _reported(compiled.findings, program, ("warnings", "notes"))),
        ("fit", "Fit", hardware.fit(program)),
        ("placement", "Placement", hardware.placement(program)),
        ("traffic", "Traffic", hardware.traffic_section(program, activity)),
        ("cycles", "Cycles of a step", hardware.cycles(program, activity)),
        ("weights", "Weights", _reported(compiled.projections, program, ("projections",))),
        ("neurons", "Neurons", _reported(compiled.populations, program, ("populations",))),
        ("bounds", "Bounds", _reported(compiled.saturation, program, ("populations",))),
        ("learning", "Learning", _reported(compiled.rules, program, ("rules",))),
    ]
    if activity is not None:
        what = hardware.activity_section(program, activity)
        sections.insert(
            6, ("activity", f"{activity.steps:,} steps on {text(activity.device)}", what)
        )
    if chip is not None:
        sections.append(("chip", text(chip.title), chip_section(chip)))
    name = text(_name(program))
    contents = " ".join(f'<a href="#{key}">{title}</a>' for key, title, _ in sections)
    body = "".join(
        f'<section id="{key}"><h2>{title}</h2>{content}</section>'
        for key, title, content in sections
    )
    style = (files("spikeloom.report_page") / "style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name} – Spikeloom</title><style>{style}</style></head><body>"
        f"<header><h1>{name}</h1><p>Program {program.content_hash}</p><nav>{contents}</nav>"
        f"</header>{body}<footer>Written by Spikeloom.</footer></body></html>\n"
    )


def _name(program: Program) -> str:
    return str(program.report.get("network") or "Program")[:200]


def _sums(program: Program) -> list[tuple[str, str]]:
    """How many of the neurons add up inputs of others."""
    count = sum(p.size for p in program.populations if p.name in program.generated)
    return [("of these, add up inputs of others", number(count))] if count else []


def _summary(program: Program) -> str:
    used = use_of_cores(program)
    target = program.target
    shares = {
        name: int(used[:, i].max(initial=0)) / max(getattr(target, name), 1)
        for i, name in enumerate(RESOURCES)
    }
    fullest = max(shares, key=lambda name: shares[name])
    learn = sum(1 for _ in program.rules)
    pairs = [
        ("neurons", number(program.neurons)),
        *_sums(program),
        ("inputs", number(program.channels)),
        ("synapses", number(int(program.synapses.sum()))),
        ("populations, projections", f"{len(program.populations):,}, {len(program.projections):,}"),
        ("projections that learn", number(learn)),
        ("a step", f"{program.dt:g} s"),
        ("longest delay on the chip", f"{program.wheel_depth - 1:,} steps"),
        ("target", text(target.name)),
        ("cores", f"{len(program.cores):,} of {target.cores:,}"),
        ("bits of state, weights", f"{target.state_bits}, {target.weight_bits}"),
        ("fullest resource", f"{fullest.replace('_', ' ')}: {shares[fullest]:.1%}"),
    ]
    told = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{told}</dl>'


def _reported(section: Callable[[Any], str], program: Program, keys: tuple[str, ...]) -> str:
    """A section of the compiler's report; what something else reported is shown as it is."""
    try:
        return section(program.report)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError):
        part = {key: program.report.get(key) for key in keys}
        raw = json.dumps(part, indent=1)
        cut = raw if len(raw) <= _MOST_RAW else raw[:_MOST_RAW] + f"\n… {len(raw):,} characters"
        lines = "\n".join(text(line) for line in cut.split("\n"))
        return f"<p>Not as this compiler writes it:</p><pre>{lines}</pre>"
