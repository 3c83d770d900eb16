"""Studies: what is varied, what is looked for, and the file that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ..backends.chips.step_times import MODES
from ..compiler.chip_fields import FIELDS, SIDES
from ..compiler.mapping import METHODS
from ..errors import FileError
from ..toml_file import read_toml
from .space import MOST_POINTS, Parameter, grid_points, random_points

FORMAT = 1
LARGEST = 1 << 20
"""Bytes of a study's file, at most."""

OBJECTIVES = {
    "seconds": ("what the run takes on the chip", "s"),
    "latency": ("99th percentile of a spike's latency", "s"),
    "energy": ("of the run", "J"),
    "energy_delay": ("energy times seconds", "Js"),
    "cores": ("in use", ""),
    "late": ("messages that come in a later step than the Program means", ""),
    "missed": ("steps that miss their deadline", ""),
    "rate_error": ("largest RMSE of a population's rates against floating point", "Hz"),
    "error_rate": ("share of the labelled samples that are decided wrongly", ""),
}
"""What can be looked for, all to be small: meaning and unit."""

GROUPS = {
    **{f"{kind}.hop": tuple(f"{kind}.hop_{s}" for s in SIDES) for kind in ("time", "energy")},
    **{
        f"{kind}.synapse": (f"{kind}.synapse_dense", f"{kind}.synapse_sparse")
        for kind in ("time", "energy")
    },
}
"""Names for several numbers of a chip that get the same value."""

_CHOICES: dict[str, tuple[Any, ...]] = {
    "mode": MODES,
    "mapping": METHODS,
    "compile.per_neuron": (False, True),
    "compile.rounding": ("nearest", "toward_zero"),
}
_OTHER = ("chip", "compile.scale", "compile.multiple_of", *_CHOICES)
_NIR = ("dt", "source", "reset", "reset_delay", "tau_scale")
_KEYS = (
    *("format", "name", "network", "nir", "inputs", "steps", "chip", "mode", "mapping", "loop"),
    *("search", "points", "seed", "objectives", "parameters", "samples", "readout"),
)


@dataclass(frozen=True)
class Study:
    """What to explore; ``Study.load`` reads it from a file.

    Attributes:
        parameters: what is varied.
        steps: length of a run; None: as long as the inputs.
        objectives: of ``OBJECTIVES``; a point is on the front if no other one is at least as
            good in all of them and better in one.
        chip: name, or path of a chip's file, where it is not varied.
        mode: of ``sl.latency``, where it is not varied.
        mapping: of ``sl.compile``, by name, where it is not varied.
        loop: ``"auto"``, ``"open"`` or ``"closed"``.
        search: ``"grid"`` or ``"random"``.
        points: of a random search; 0 for a grid.
        seed: of a random search.
        name: of the study.
        network: path of a NIR file; None: it is given otherwise.
        nir: what has to be said of it, as for ``sl.from_nir``.
        inputs: path of a file of inputs.
        samples, readout: path of a file of labelled samples, and the population that decides.
    """

    parameters: tuple[Parameter, ...]
    steps: int | None = None
    objectives: tuple[str, ...] = ("latency", "energy", "cores")
    chip: str = "loihi"
    mode: str = "queue"
    mapping: str = "auto"
    loop: str = "auto"
    search: str = "grid"
    points: int = 0
    seed: int = 0
    name: str = "study"
    network: str | None = None
    nir: dict[str, Any] = field(default_factory=dict)
    inputs: str | None = None
    samples: str | None = None
    readout: str | None = None

    @staticmethod
    def load(path: str | Path) -> Study:
        """Read a study; safe for files from strangers.

        Paths in it count from the file's folder.

        Raises:
            FileError: it is missing, damaged, too large, of another version, or says what no
                study says.
        """
        return _read(Path(path))

    def all_points(self) -> list[dict[str, Any]]:
        """Name to value, of every point.

        Raises:
            InputError: there are too many, or too few.
        """
        if self.search == "grid":
            return grid_points(self.parameters)
        return random_points(self.parameters, self.points, self.seed)


def _read(path: Path) -> Study:
    return _Reader(path).study(read_toml(path, "study", LARGEST))


class _Reader:
    """Checks one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(
        self, problem: str, key: str, found: object = None, expected: object = None,
        remedy: str | None = None,
    ) -> NoReturn:  # fmt: skip
        raise FileError(
            problem,
            found=None if found is None else repr(found)[:100],
            expected=expected,
            where=f"{self.path}: {key[:100]}",
            remedy=remedy,
        )

    def study(self, content: dict[str, Any]) -> Study:
        if content.get("format") != FORMAT:
            self.fail("the study has another version", "format", content.get("format"), FORMAT)
        self.only_known(content, _KEYS, "")
        settings: dict[str, Any] = {}
        for key in ("name", "readout"):
            if key in content:
                settings[key] = self.text(content[key], key)
        for key in ("network", "inputs", "samples"):
            if key in content:
                settings[key] = self.beside(self.text(content[key], key))
        if settings.get("network", "").partition(":")[0].endswith(".py"):
            self.fail(
                "a study names no Python file, which would be executed", "network",
                content["network"], "a NIR file", "name it yourself: --network net.py:NAME",
            )  # fmt: skip
        choices = {
            "mode": MODES,
            "mapping": METHODS,
            "loop": ("auto", "open", "closed"),
            "search": ("grid", "random"),
        }
        for key, known in choices.items():
            if key in content:
                settings[key] = self.choice(content[key], key, known)
        for key, low, high in (("steps", 1, 1 << 31), ("points", 1, MOST_POINTS),
                               ("seed", 0, (1 << 63) - 1)):  # fmt: skip
            if key in content:
                settings[key] = self.whole(content[key], key, low, high)
        if "chip" in content:
            settings["chip"] = self.chip(content["chip"], "chip")
        if "objectives" in content:
            settings["objectives"] = self.objectives(content["objectives"])
        settings["nir"] = self.nir(content.get("nir", {}))
        settings["parameters"] = self.parameters(content.get("parameters"))
        return self.whole_study(Study(**settings))

    def whole_study(self, study: Study) -> Study:
        """What must fit together."""
        if study.search == "random" and not study.points:
            self.fail("a random search needs the number of its points", "points")
        if study.search == "grid" and (study.points or study.seed):
            self.fail("a grid has neither points nor a seed", "points" if study.points else "seed")
        if ("error_rate" in study.objectives) != bool(study.samples and study.readout):
            self.fail(
                "error_rate needs samples and readout, and they need it", "objectives",
                study.objectives, "all three or none",
            )  # fmt: skip
        return study

    def only_known(self, content: dict[str, Any], known: tuple[str, ...], prefix: str) -> None:
        from difflib import get_close_matches

        for key in content:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                self.fail(
                    "no study says this", prefix + key, expected="one of " + ", ".join(known),
                    remedy=f"did you mean {prefix + close[0]!r}?" if close else None,
                )  # fmt: skip

    def text(self, value: Any, key: str) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= 1000 or not value.isprintable():
            self.fail("this must be a short text", key, value, "1 to 1000 printable characters")
        return value

    def choice(self, value: Any, key: str, known: tuple[Any, ...]) -> Any:
        if not any(value is one or (isinstance(one, str) and value == one) for one in known):
            self.fail(
                "this is none of the choices", key, value, "one of " + ", ".join(map(str, known))
            )
        return value

    def whole(self, value: Any, key: str, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail("this is no whole number of its range", key, value, f"{low} to {high}")
        return value

    def chip(self, value: Any, key: str) -> str:
        """A name, or a path from the study's folder."""
        text = self.text(value, key)
        return self.beside(text) if text.endswith(".toml") else text

    def beside(self, text: str) -> str:
        """A path that counts from the study's folder."""
        return str((self.path.parent / text).resolve())

    def objectives(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or len(value) > len(OBJECTIVES):
            self.fail("this must be a list of objectives", "objectives", value)
        found = tuple(self.choice(one, "objectives", tuple(OBJECTIVES)) for one in value)
        if len(set(found)) < len(found):
            self.fail("an objective is there twice", "objectives", value)
        return found

    def nir(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail("this must be a table", "nir", value)
        self.only_known(value, _NIR, "nir.")
        for key, one in value.items():
            if not isinstance(one, (str, int, float)):
                self.fail("this must be one value", f"nir.{key}", one)
        return value

    # ------------------------------------------------------------------ parameters

    def parameters(self, value: Any) -> tuple[Parameter, ...]:
        if not isinstance(value, dict) or not value:
            self.fail("a study needs parameters", "parameters", value)
        found = [self.parameter(name, given) for name, given in self.leaves(value, "")]
        numbers = [n for p in found for n in GROUPS.get(p.name, (p.name,))]
        twice = next((n for n in numbers if numbers.count(n) > 1), None)
        if twice is not None:
            self.fail("a parameter is there twice", f"parameters.{twice}")
        return tuple(found)

    def leaves(self, table: dict[str, Any], prefix: str, depth: int = 0) -> list[tuple[str, Any]]:
        """``core.neurons = […]`` is a table within a table."""
        found: list[tuple[str, Any]] = []
        for key, value in table.items():
            name = prefix + key
            if isinstance(value, dict) and "low" not in value and "high" not in value:
                if depth > 2:
                    self.fail("this is nested too deep", f"parameters.{name}")
                found += self.leaves(value, f"{name}.", depth + 1)
            else:
                found.append((name, value))
        return found

    def parameter(self, name: str, given: Any) -> Parameter:
        where = f"parameters.{name}"
        if name not in (*FIELDS, *GROUPS, *_OTHER):
            self.only_known({name: given}, (*FIELDS, *GROUPS, *_OTHER), "parameters.")
        if isinstance(given, dict):
            return self.range(name, given, where)
        if not isinstance(given, list) or not 0 < len(given) <= 10_000:
            self.fail(
                "this must be a list of values or a range", where, given,
                "[1, 2, 4], or { low = 1, high = 8, points = 4 }",
            )  # fmt: skip
        values = tuple(self.value(name, one, where) for one in given)
        if len(set(values)) < len(values):
            self.fail("a value is there twice", where, given)
        return Parameter(name, values)

    def value(self, name: str, value: Any, where: str) -> Any:
        if name == "chip":
            return self.chip(value, where)
        if name in _CHOICES:
            return self.choice(value, where, _CHOICES[name])
        low, high, whole = _range(name)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            self.fail("this is no number of its kind", where, value)
        if not math.isfinite(value) or not low <= value <= high:
            self.fail("this number is out of range", where, value, f"{low:g} to {high:g}")
        return value if whole else float(value)

    def range(self, name: str, given: dict[str, Any], where: str) -> Parameter:
        self.only_known(given, ("low", "high", "points", "scale"), f"{where}.")
        if name == "chip" or name in _CHOICES:
            self.fail("this has no range", where, given, "a list of values")
        low, high = (self.value(name, given.get(key), f"{where}.{key}") for key in ("low", "high"))
        scale = self.choice(given.get("scale", "linear"), f"{where}.scale", ("linear", "log"))
        points = self.whole(given.get("points", 5), f"{where}.points", 2, 10_000)
        if not low < high or (scale == "log" and low <= 0):
            self.fail("this is no range", where, given, "low below high, above 0 for scale log")
        return Parameter(name, None, low, high, points, scale == "log", _range(name)[2])


def _range(name: str) -> tuple[float, float, bool]:
    """Smallest and largest value, and whether it is whole."""
    if name == "compile.scale":
        return 1e-9, 1e9, False
    if name == "compile.multiple_of":
        return 1, 2048, True
    field_ = FIELDS[GROUPS.get(name, (name,))[0]]
    return field_.low, field_.high, field_.unit == "1"
