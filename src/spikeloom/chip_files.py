"""A latency report as files: NPZ, and Parquet where pyarrow is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import DeviceError
from .regular_file import replacing
from .runtime.npz import write_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .chip_report import LatencyReport


def spike_table(report: LatencyReport) -> dict[str, NDArray[np.generic]]:
    """Columns with one entry per spike that reaches anybody: who, when, and for how long."""
    names, index = _owners(report)
    return {
        "step": report.spike_step,
        "population": names,
        "index": index,
        "fired": report.spike_fired,
        "latency": report.spike_latency,
    }


def _owners(report: LatencyReport) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Name and index of each spike's sender."""
    most = max((int(s.max(initial=-1)) for s in report.senders.values()), default=-1) + 1
    owner, index = np.zeros(most, np.int64), np.zeros(most, np.int64)
    names = list(report.senders)
    for number, name in enumerate(names):
        owner[report.senders[name]] = number
        index[report.senders[name]] = np.arange(len(report.senders[name]))
    sender = report.spike_sender
    return np.array(names or [""])[owner[sender]], index[sender]


def write_report_npz(path: str | Path, report: LatencyReport) -> None:
    """Write a report; docs/latency.md has the arrays. The same report gives the same bytes."""
    arrays: dict[str, NDArray[np.generic]] = {
        **{f"spikes.{name}": values for name, values in spike_table(report).items()},
        "cores.busy": report.core_busy,
        "links.messages": report.link_messages,
        "links.wait": report.link_wait,
        "links.use": report.link_use,
        "report": np.array(json.dumps(report.to_dict())),
    }
    for name, values in (("step", report.step_seconds), ("busy", report.busy_seconds)):
        if values is not None:
            arrays[f"seconds.{name}"] = values
    for kind, rasters in (("software", report.software), ("hardware", report.hardware)):
        arrays |= {f"{kind}.{name}": events for name, events in rasters.items()}
    write_npz(Path(path), arrays)


def write_report_parquet(path: str | Path, report: LatencyReport) -> None:
    """Write the table of spikes as Parquet.

    Raises:
        DeviceError: pyarrow is not installed.
    """
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        import pyarrow.parquet  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise DeviceError(
            "Parquet files need pyarrow", remedy="pip install 'spikeloom[parquet]'"
        ) from None
    table = pyarrow.table({name: list(v) for name, v in spike_table(report).items()})
    table = table.replace_schema_metadata({"report": json.dumps(report.to_dict())})
    with replacing(Path(path)) as partial:
        pyarrow.parquet.write_table(table, partial)
