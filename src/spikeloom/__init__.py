"""Spikeloom: describe a spiking network once; run the same bits on an emulator, an FPGA or Lava."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

# Public names and the module that owns each. They are imported on first use, so that
# `spikeloom run` does not pay for the compiler and `import spikeloom` costs next to nothing.
_OWNERS = {
    "Network": "compiler.network",
    "LIF": "compiler.neurons",
    "LI": "compiler.neurons",
    "IF": "compiler.neurons",
    "Poisson": "compiler.sources",
    "Periodic": "compiler.sources",
    "AllToAll": "compiler.connectors",
    "OneToOne": "compiler.connectors",
    "FixedProbability": "compiler.connectors",
    "Synapses": "compiler.connectors",
    "from_networkx": "compiler.from_networkx",
    "from_nir": "compiler.nir",
    "simulate": "compiler.simulate",
    "compile": "compiler.pipeline",
    "Quantization": "compiler.quantise",
    "Target": "compiler.target",
    "TARGETS": "compiler.target",
    "Program": "compiler.program",
    "load": "compiler.program_file",
    "open": "runtime.open",
    "Device": "runtime.device",
    "Snapshot": "runtime.snapshot",
    "SaturationWarning": "runtime.device",
    "RoundingWarning": "runtime.symbols",
    "cosim": "runtime.cosim",
    "Divergence": "runtime.cosim",
    "read_inputs": "runtime.files",
    "write_result": "runtime.files",
    "Result": "recording",
    "rate_errors": "measure",
    "SpikeloomError": "errors",
    "NetworkError": "errors",
    "CompileError": "errors",
    "FitError": "errors",
    "FileError": "errors",
    "InputError": "errors",
    "DeviceError": "errors",
    "UnsupportedError": "errors",
}

__all__ = ["__version__", *_OWNERS]


def __getattr__(name: str) -> Any:
    if name not in _OWNERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_OWNERS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    pass
