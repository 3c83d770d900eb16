"""Spikeloom: describe a spiking network once; run the same bits on an emulator, an FPGA or Lava."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chip_latency import latency
    from .chip_report import LatencyReport
    from .compiler.chip import Chip, chip_names, load_chip
    from .compiler.connectors import AllToAll, FixedProbability, OneToOne, Synapses
    from .compiler.from_networkx import from_networkx
    from .compiler.learning import Rule
    from .compiler.learning_rules import (
        STDP,
        AntiHebbian,
        DelaySTDP,
        LoihiSTDP,
        Oja,
        RectangularSTDP,
        RewardSTDP,
        Supervised,
        SymmetricSTDP,
        TapSTDP,
        TripletSTDP,
    )
    from .compiler.learning_traces import Trace, Window
    from .compiler.mapping import Mapping
    from .compiler.network import Network
    from .compiler.neurons import IF, LI, LIF
    from .compiler.nir import from_nir, to_nir, write_nir
    from .compiler.program import Program
    from .compiler.program_file import load
    from .compiler.quantise import Quantization
    from .compiler.simulate import simulate
    from .compiler.sources import Periodic, Poisson
    from .compiler.superneuromat import (
        from_superneuromat,
        superneuromat_ids,
        superneuromat_inputs,
        to_superneuromat,
    )
    from .compiler.target import TARGETS, Target
    from .compiler.to_networkx import to_networkx, write_edges
    from .compiling import compile
    from .errors import (
        CompileError,
        DeviceError,
        FileError,
        FitError,
        InputError,
        NetworkError,
        SpikeloomError,
        UnsupportedError,
    )
    from .formats import read_inputs, write_result
    from .formats.address_events import bin_events
    from .formats.edges import read_edges
    from .formats.neo_objects import from_neo, to_neo
    from .measure import rate_errors
    from .recording import Result
    from .report_page import write_report
    from .runtime.cosim import (
        Agreement,
        Arrival,
        Divergence,
        Measure,
        Reproducer,
        compare_spikes,
        cosim,
        cosim_statistics,
        reproduce,
    )
    from .runtime.device import Device
    from .runtime.open import open
    from .runtime.saturation import SaturationWarning
    from .runtime.snapshot import Snapshot
    from .runtime.symbols import RoundingWarning
    from .studies.exploration import Exploration, explore, run_samples
    from .studies.samples import Samples
    from .studies.space import Parameter
    from .studies.study import Study
    from .viewer import View, view

__version__ = "0.1.0.dev0"

__all__ = [
    "IF",
    "LI",
    "LIF",
    "STDP",
    "TARGETS",
    "Agreement",
    "AllToAll",
    "AntiHebbian",
    "Arrival",
    "Chip",
    "CompileError",
    "DelaySTDP",
    "Device",
    "DeviceError",
    "Divergence",
    "Exploration",
    "FileError",
    "FitError",
    "FixedProbability",
    "InputError",
    "LatencyReport",
    "LoihiSTDP",
    "Mapping",
    "Measure",
    "Network",
    "NetworkError",
    "Oja",
    "OneToOne",
    "Parameter",
    "Periodic",
    "Poisson",
    "Program",
    "Quantization",
    "RectangularSTDP",
    "Reproducer",
    "Result",
    "RewardSTDP",
    "RoundingWarning",
    "Rule",
    "Samples",
    "SaturationWarning",
    "Snapshot",
    "SpikeloomError",
    "Study",
    "Supervised",
    "SymmetricSTDP",
    "Synapses",
    "TapSTDP",
    "Target",
    "Trace",
    "TripletSTDP",
    "UnsupportedError",
    "View",
    "Window",
    "__version__",
    "bin_events",
    "chip_names",
    "compare_spikes",
    "compile",
    "cosim",
    "cosim_statistics",
    "explore",
    "from_neo",
    "from_networkx",
    "from_nir",
    "from_superneuromat",
    "latency",
    "load",
    "load_chip",
    "open",
    "rate_errors",
    "read_edges",
    "read_inputs",
    "reproduce",
    "run_samples",
    "simulate",
    "superneuromat_ids",
    "superneuromat_inputs",
    "to_neo",
    "to_networkx",
    "to_nir",
    "to_superneuromat",
    "view",
    "write_edges",
    "write_nir",
    "write_report",
    "write_result",
]

# The module that owns each public name. Names are imported on first use, so that `spikeloom run`
# does not pay for the compiler and `import spikeloom` costs next to nothing.
_OWNERS = {
    "chip_latency": ("latency",),
    "chip_report": ("LatencyReport",),
    "compiler.chip": ("Chip", "chip_names", "load_chip"),
    "compiler.connectors": ("AllToAll", "FixedProbability", "OneToOne", "Synapses"),
    "compiler.from_networkx": ("from_networkx",),
    "compiler.learning": ("Rule",),
    "compiler.learning_traces": ("Trace", "Window"),
    "compiler.learning_rules": (
        "AntiHebbian",
        "DelaySTDP",
        "LoihiSTDP",
        "Oja",
        "RectangularSTDP",
        "RewardSTDP",
        "STDP",
        "Supervised",
        "SymmetricSTDP",
        "TapSTDP",
        "TripletSTDP",
    ),
    "compiler.network": ("Network",),
    "compiler.neurons": ("IF", "LI", "LIF"),
    "compiler.nir": ("from_nir", "to_nir", "write_nir"),
    "compiler.program": ("Program",),
    "compiler.program_file": ("load",),
    "compiler.mapping": ("Mapping",),
    "compiler.quantise": ("Quantization",),
    "compiler.simulate": ("simulate",),
    "compiler.sources": ("Periodic", "Poisson"),
    "compiler.superneuromat": (
        "from_superneuromat",
        "superneuromat_ids",
        "superneuromat_inputs",
        "to_superneuromat",
    ),
    "compiler.target": ("TARGETS", "Target"),
    "compiler.to_networkx": ("to_networkx", "write_edges"),
    "compiling": ("compile",),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "studies.exploration": ("Exploration", "explore", "run_samples"),
    "studies.samples": ("Samples",),
    "studies.space": ("Parameter",),
    "studies.study": ("Study",),
    "formats": ("read_inputs", "write_result"),
    "formats.address_events": ("bin_events",),
    "formats.edges": ("read_edges",),
    "formats.neo_objects": ("from_neo", "to_neo"),
    "measure": ("rate_errors",),
    "recording": ("Result",),
    "report_page": ("write_report",),
    "runtime.cosim": (
        "Agreement",
        "Arrival",
        "Divergence",
        "Measure",
        "Reproducer",
        "compare_spikes",
        "cosim",
        "cosim_statistics",
        "reproduce",
    ),
    "runtime.device": ("Device",),
    "runtime.open": ("open",),
    "runtime.saturation": ("SaturationWarning",),
    "runtime.snapshot": ("Snapshot",),
    "runtime.symbols": ("RoundingWarning",),
    "viewer": ("View", "view"),
}
_OWNER_OF = {name: owner for owner, names in _OWNERS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _OWNER_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_OWNER_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
