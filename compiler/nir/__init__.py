"""Import and export of NIR, the Neuromorphic Intermediate Representation (docs/nir.md)."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ...errors import FileError, NetworkError
from ..network import Network
from ..origin import did_you_mean, warn_user
from .build import Builder, Options
from .conventions import CONVENTIONS, Reset, Source
from .flat import flatten
from .graph import from_object
from .hdf5 import Limits
from .layout import read_graph
from .write import to_nir, write_nir

__all__ = ["Limits", "from_nir", "to_nir", "write_nir"]


def from_nir(
    graph: str | os.PathLike[str] | Any,
    dt: float = 1e-4,
    source: Source = "spec",
    reset: Reset | None = None,
    reset_delay: bool | None = None,
    *,
    tau_scale: float = 1.0,
    back_edges: Collection[tuple[str, str]] = (),
    seed: int = 0,
    name: str | None = None,
    limits: Limits | None = None,
) -> Network:
    """Import a NIR graph; docs/nir.md says what each framework's convention means.

    Input nodes become host sources, neurons become populations of the same name (inside
    sub-graphs ``"outer.inner"``), linear nodes between them fold into projections. Outputs are
    probed: ``"spikes"``, or ``"v"`` where nothing spikes.

    Args:
        graph: a .nir file (of any nir version), or a ``nir.NIRGraph``.
        dt: length of a step in seconds.
        source: whose convention the neurons follow.
        reset: "zero" (to v_reset) or "subtract"; None: what the framework does by default.
        reset_delay: the reset comes one step after the spike; None: as the framework does.
        tau_scale: factor on all time constants in the file, for exporters that got them wrong.
        back_edges: (from, to) population names; connections that carry the spikes of the step
            before, where the graph does not determine it.
        seed, name: of the network; the name defaults to the file's.
        limits: what a file may ask for.

    Returns:
        The network. ``latency[population]`` is the number of steps by which a population runs
        behind the framework, which passes all layers within one step.

    Raises:
        FileError: the file is damaged, hostile, or no valid NIR graph.
        UnsupportedError: nodes or loops that the machine does not have.
        NetworkError: arguments that are wrong or do not fit the file's time constants.
    """
    limits = limits or Limits()
    options = _options(dt, source, reset, reset_delay, tau_scale, back_edges)
    if isinstance(graph, (str, os.PathLike)):
        path = Path(graph)
        data, title = read_graph(path, limits), path.stem.strip()
        title = title if title.isprintable() and title else "nir"
    elif hasattr(graph, "nodes") and hasattr(graph, "edges"):
        data, title = from_object(graph, limits), "nir"
    else:
        raise FileError(
            "This is neither a file nor a NIR graph.",
            found=type(graph).__name__,
            expected="a path, or an object with nodes and edges such as nir.NIRGraph",
        )
    network = Network(dt=dt, seed=seed, name=name or title)
    with np.errstate(all="ignore"):  # what overflows is refused, with its name, by the network
        Builder(flatten(data, limits), network, options).build()
    return network


def _options(
    dt: float,
    source: str,
    reset: str | None,
    reset_delay: bool | None,
    tau_scale: float,
    back_edges: Collection[tuple[str, str]],
) -> Options:
    """Check the arguments and fill in the framework's defaults, saying so where it matters."""
    for label, value, allowed in (
        ("source", source, tuple(CONVENTIONS)),
        ("reset", reset, (None, *get_args(Reset))),
    ):
        if value not in allowed:
            raise NetworkError(
                f"Unknown {label}.",
                found=repr(value),
                expected=", ".join(map(repr, allowed)),
                remedy=did_you_mean(value, [a for a in allowed if a]),
            )
    for label, number in (("dt", dt), ("tau_scale", tau_scale)):
        usable = isinstance(number, (int, float)) and math.isfinite(number) and number > 0
        if isinstance(number, bool) or not usable:
            raise NetworkError(f"{label} must be a positive number.", found=repr(number))
    rule = CONVENTIONS[source]
    if reset is None:
        reset = rule.reset or "zero"
        if rule.reset is not None:
            warn_user(
                f"NIR files do not say how neurons reset; reset={reset!r} is taken, the default of "
                f"{source}. Pass reset= to say so yourself"
            )
    if reset_delay is None:
        reset_delay = rule.reset_delay
    if source == "snntorch" and reset == "subtract" and not reset_delay:
        warn_user(
            "snnTorch with reset_delay=False counts the threshold twice in steps that begin with v "
            "above it; here such steps can fire where snnTorch does not (docs/nir.md)"
        )
    return Options(
        float(dt),
        source,  # type: ignore[arg-type]
        reset,  # type: ignore[arg-type]
        bool(reset_delay),
        float(tau_scale),
        tuple((str(a), str(b)) for a, b in back_edges),
    )
