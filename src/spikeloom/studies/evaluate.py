"""One point of a study: the network compiled for the chip with its numbers, and timed there."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chip_latency import latency
from ..compiler.chip import Chip, Number, load_chip
from ..compiler.quantise import Quantization
from ..compiling import compile
from ..errors import SpikeloomError, UnsupportedError
from ..measure import rate_errors
from .samples import decide
from .study import GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..chip_report import LatencyReport
    from ..compiler.network import Network
    from ..compiler.program import Program
    from .samples import Samples
    from .study import Study

_KEPT = 4
"""Programs that a worker keeps: most points differ in times and energies only."""


@dataclass(eq=False)
class Setting:
    """What all points of a study share.

    Attributes:
        study: what is looked for.
        network: what is compiled.
        inputs, steps: of the run.
        samples: labelled ones, for the error rate.
        chips: by name or path.
        programs: those that were compiled last, by what they follow from.
        errors: likewise, rate errors and error rates, which do not depend on times.
    """

    study: Study
    network: Network
    inputs: Mapping[str, Any]
    steps: int
    samples: Samples | None
    chips: dict[str, Chip]
    programs: dict[Any, Program] = field(default_factory=dict)
    errors: dict[Any, dict[str, float]] = field(default_factory=dict)


def prepare(setting: Setting) -> Setting:
    """In a worker; its store of Programs fills as it works."""
    return setting


def evaluate(setting: Setting, point: dict[str, Any]) -> dict[str, float]:
    """Figures of a point.

    Args:
        setting: of the study.
        point: name to value of each parameter.

    Returns:
        Every figure of ``study.OBJECTIVES`` that is known; the objectives are among them.

    Raises:
        SpikeloomError: the network does not fit, or the chip lacks a number.
    """
    study = setting.study
    chip = chip_of(setting, point)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each of hundreds of Programs
        program, key = _program(setting, chip, point)
        report = latency(
            program,
            setting.inputs,
            setting.steps,
            chip,
            mode=point.get("mode", study.mode),
            each="latency" in study.objectives,
            close_loop={"auto": None, "open": False, "closed": True}[study.loop],
        )
        found = _figures(report, len(program.cores)) | _errors(setting, program, key)
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    for name in study.objectives:
        if name not in found:
            why = report.missing.get(name) or report.missing.get("time")
            raise UnsupportedError(f"{name} of this point is not known", found=why)
    return found


def chip_of(setting: Setting, point: dict[str, Any]) -> Chip:
    """The chip with a point's numbers."""
    chip = setting.chips[point.get("chip", setting.study.chip)]
    numbers = dict(chip.numbers)
    for name, value in point.items():
        for each in GROUPS.get(name, (name,)):
            if each.partition(".")[0] != "compile" and "." in each:
                numbers[each] = Number(value, "chosen", f"study {setting.study.name}")
    return replace(chip, numbers=numbers)


def chips_of(study: Study) -> dict[str, Chip]:
    """All chips that the points of a study start from."""
    varied = next((p.values for p in study.parameters if p.name == "chip"), None)
    return {name: load_chip(name) for name in varied or (study.chip,)}


def _program(setting: Setting, chip: Chip, point: dict[str, Any]) -> tuple[Program, Any]:
    options = {n[8:]: value for n, value in point.items() if n.startswith("compile.")}
    mapping = point.get("mapping", setting.study.mapping)
    key = (chip.target, tuple(sorted(options.items())), mapping)
    programs = setting.programs
    if key not in programs:
        quantization = None
        if options:
            quantization = replace(setting.network.quantization or Quantization(), **options)
        while len(programs) >= _KEPT:
            del programs[next(iter(programs))]
        programs[key] = compile(setting.network, chip.target, quantization, mapping=mapping)
    return programs[key], key


def _figures(report: LatencyReport, cores: int) -> dict[str, float]:
    found: dict[str, float] = {"cores": cores, "late": report.late}
    for name in ("seconds", "energy", "energy_delay"):
        try:
            found[name] = getattr(report, name)
        except SpikeloomError:
            continue  # what is missing is told where it is an objective
    if "latency" not in report.missing and len(report.spike_latency):
        found["latency"] = report.latency["p99"]
    if report.deadline:
        found["missed"] = report.deadline["missed"]
    return found


def _errors(setting: Setting, program: Program, key: Any) -> dict[str, float]:
    """What does not depend on times, once for each Program."""
    if key in setting.errors:
        return setting.errors[key]
    found: dict[str, float] = {}
    study = setting.study
    if "rate_error" in study.objectives:
        errors = rate_errors(setting.network, program, setting.inputs, setting.steps)
        found["rate_error"] = max(e.rmse for e in errors.populations.values())
    if setting.samples is not None and study.readout is not None:
        decided = decide(program, setting.samples, study.readout)
        found["error_rate"] = float(np.mean(decided != setting.samples.labels))
    setting.errors[key] = found
    return found
