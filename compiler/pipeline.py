"""The compiler's pipeline: runs the passes in order, verifies, times and dumps after each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import CompileError
from .canonicalise import Canonicalise
from .design_rules import DesignRules
from .emit import Emit
from .expand import Expand
from .import_network import ImportNetwork
from .mapping import Mapping, resolve_mapping
from .network import Network
from .origin import warn_user
from .partition import Partition
from .place import Place
from .quantise import Quantise, Quantization
from .route import Route
from .schedule import Schedule
from .slots import Slots
from .split_inputs import SplitInputs
from .target import TARGETS, Target, resolve_target

if TYPE_CHECKING:
    from .program import Program


class Pass(Protocol):
    """What the pipeline runs: valid in, valid out, never in place."""

    def apply(self, ir: Any, /) -> Any:
        """The next state of the network."""
        ...


@dataclass(frozen=True)
class Trace:
    """What the passes took; kept out of the Program, whose bytes do not depend on time.

    Attributes:
        seconds: pass name to wall time, in the order they ran.
    """

    seconds: dict[str, float]

    def __str__(self) -> str:
        width = max(map(len, self.seconds), default=0)
        lines = [f"{name:<{width}}  {s * 1e3:9.1f} ms" for name, s in self.seconds.items()]
        return "\n".join(lines)


def passes(
    target: Target, quantization: Quantization, mapping: Mapping | None = None
) -> tuple[tuple[str, Pass], ...]:
    """All passes by name, in order."""
    mapping = mapping or Mapping()
    return (
        ("import", ImportNetwork()),
        ("canonicalise", Canonicalise()),
        ("design_rules", DesignRules(target)),
        ("quantise", Quantise(target, quantization)),
        ("split_inputs", SplitInputs(target)),
        ("expand", Expand(target)),
        ("partition", Partition(mapping)),
        ("place", Place(thorough=mapping.method not in ("auto", "sequential"))),
        ("slots", Slots()),
        ("route", Route()),
        ("schedule", Schedule()),
        ("emit", Emit()),
    )


def run_passes(
    network: Network,
    target: str | Target = "core",
    quantization: Quantization | None = None,
    *,
    mapping: str | Mapping = "auto",
    dump: str | Path | Callable[[str, str], object] | None = None,
) -> tuple[Program, Trace]:
    """The Program of a network, and how long each pass took.

    Arguments and errors are those of :func:`spikeloom.compile`, which knows boards' names, too.
    """
    if not isinstance(network, Network):
        raise CompileError(
            "only a Network can be compiled",
            found=repr(network)[:80],
            remedy="build one with sl.Network, sl.from_nir or sl.from_networkx",
        )
    if quantization is not None and not isinstance(quantization, Quantization):
        raise CompileError(
            "quantization must be a sl.Quantization or None",
            found=repr(quantization)[:80],
            remedy="sl.Quantization(scale=…)",
        )
    quantization = quantization or network.quantization or Quantization()
    mapping = resolve_mapping(mapping)
    write = _writer(dump)
    state: Any = network
    seconds: dict[str, float] = {}
    for number, (name, step) in enumerate(passes(_resolve(target), quantization, mapping)):
        began = time.perf_counter()
        state = step.apply(state)
        state.verify()
        seconds[name] = time.perf_counter() - began
        if write is not None and hasattr(state, "dump"):
            write(f"{number:02d}_{name}", state.dump())
        if name == "quantise":
            for finding in state.findings:
                if finding.severity == "warning":
                    warn_user(str(finding))
    return state, Trace(seconds)


def _resolve(target: str | Target) -> Target:
    """A target, or that of a chip of this name or file."""
    if isinstance(target, str) and target not in TARGETS:
        from .chip import chip_names, load_chip

        if target in chip_names() or target.endswith(".toml"):
            return load_chip(target).target
    return resolve_target(target)


def _writer(
    dump: str | Path | Callable[[str, str], object] | None,
) -> Callable[[str, str], object] | None:
    if dump is None or callable(dump):
        return dump
    folder = Path(dump)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name, text: (folder / f"{name}.txt").write_text(text, encoding="utf-8")
