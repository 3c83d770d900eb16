"""What a Program takes on a chip: latency, energy, congestion, and the line to the host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = ("north", "east", "south", "west")


@dataclass(frozen=True, eq=False)
class LatencyReport:
    """A run on a chip; docs/latency.md defines every figure. Times in seconds, energies in joules.

    Attributes:
        chip, title, mode, discipline: what was computed, and how.
        steps, dt: of the run; ``dt`` in seconds of the network.
        step_seconds: (steps,) from each step's start to the next one's; None: not known.
        busy_seconds: (steps,) what each step's work takes without synchronisation; None likewise.
        spikes, messages: how many, and ``synaptic_events``.
        counts: cause to how often it occurred.
        spike_step, spike_sender, spike_fired, spike_latency: (k,) one entry per spike that reaches
            anybody; empty where only steps were looked at.
        distortion: ``mean`` and ``max`` change of an interval between two spikes on its way, and
            of how many ``pairs``.
        disorder: share of messages that were done after one that was fired later.
        deadline: for chips with a tick, ``missed`` steps, ``late`` spikes, the ``worst`` excess.
        core_busy: (cores,) share of the time in which each core worked.
        link_messages, link_wait, link_use: (rows, columns, 4) by tile and side; mean wait in
            seconds; share of the time in which the link was taken.
        joules: cause to energy, static power included; None where a number is missing.
        host: bytes and seconds of the line to the host; None where the chip has none.
        missing: what is not known to what it needs.
        senders: source or population to the sender numbers of its neurons.
        software: population or source to (n, 2) step and index, as the Program means it.
        hardware: likewise, as it happened on the chip; the same where the loop is not closed.
        late: messages that a closed loop delivered in a later step than the Program means.
    """

    chip: str
    title: str
    mode: str
    discipline: str
    steps: int
    dt: float
    spikes: int
    messages: int
    synaptic_events: int
    counts: dict[str, int]
    step_seconds: NDArray[np.float64] | None = None
    busy_seconds: NDArray[np.float64] | None = None
    spike_step: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    spike_sender: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    spike_fired: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    spike_latency: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    distortion: dict[str, float] = field(default_factory=dict)
    disorder: float | None = None
    deadline: dict[str, float] = field(default_factory=dict)
    core_busy: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    link_messages: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0, 4), np.int64))
    link_wait: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0, 4)))
    link_use: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0, 4)))
    joules: dict[str, float] | None = None
    host: dict[str, float] | None = None
    missing: dict[str, str] = field(default_factory=dict)
    senders: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    software: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    hardware: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    late: int = 0

    def _known(self, what: str, value: Any) -> Any:
        if value is None or what in self.missing:
            raise UnsupportedError(
                f"{what} is not known",
                found=self.missing.get(what),
                where=f"chip {self.chip!r}, mode {self.mode!r}",
                remedy="write the numbers, with their sources, into a copy of the chip's file",
            )
        return value

    @property
    def seconds(self) -> float:
        """How long the chip takes for the run.

        Raises:
            UnsupportedError: the chip lacks a number for it.
        """
        return float(self._known("time", self.step_seconds).sum())

    @property
    def energy(self) -> float:
        """Joules in all; raises as ``seconds``."""
        return float(sum(self._known("energy", self.joules).values()))

    @property
    def energy_delay(self) -> float:
        """Energy-delay product in joule seconds; raises as ``seconds``."""
        return self.energy * self.seconds

    @property
    def latency(self) -> dict[str, float]:
        """Mean, median, 99th percentile and largest latency of a spike; raises as ``seconds``."""
        self._known("latency", self.step_seconds)
        values = self.spike_latency
        if not len(values):
            return {}
        return {
            "mean": float(values.mean()),
            "median": float(np.median(values)),
            "p99": float(np.percentile(values, 99)),
            "max": float(values.max()),
        }

    @property
    def throughput(self) -> dict[str, float]:
        """Steps, spikes, messages and synaptic events per second; raises as ``seconds``."""
        seconds = self.seconds
        amounts = {
            "steps": self.steps,
            "spikes": self.spikes,
            "messages": self.messages,
            "synaptic_events": self.synaptic_events,
        }
        return {name: n / seconds if seconds else 0.0 for name, n in amounts.items()}

    def busiest_links(self, most: int = 5) -> list[dict[str, Any]]:
        """The links with most messages, as tile (row, column), side, messages, wait, use."""
        order = np.argsort(-self.link_messages.ravel(), kind="stable")[:most]
        found = []
        for number in order.tolist():
            row, column, side = np.unravel_index(number, self.link_messages.shape)
            if not self.link_messages[row, column, side]:
                break
            found.append(
                {
                    "tile": [int(row), int(column)],
                    "side": SIDES[int(side)],
                    "messages": int(self.link_messages[row, column, side]),
                    "mean_wait": float(self.link_wait[row, column, side]),
                    "use": float(self.link_use[row, column, side]),
                }
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; what is not known is None, and ``missing`` says why."""
        timed = self.step_seconds is not None and "time" not in self.missing
        total = None if self.joules is None else self.energy
        return {
            "chip": self.chip,
            "title": self.title,
            "mode": self.mode,
            "discipline": self.discipline,
            "steps": self.steps,
            "dt": self.dt,
            "seconds": self.seconds if timed else None,
            "longest_step": float(self.step_seconds.max(initial=0)) if timed else None,  # type: ignore[union-attr]
            "spikes": self.spikes,
            "messages": self.messages,
            "synaptic_events": self.synaptic_events,
            "latency": None if "latency" in self.missing or not timed else self.latency,
            "isi_distortion": self.distortion or None,
            "disorder": self.disorder,
            "late_spikes": self.late,
            "deadline": self.deadline or None,
            "throughput": self.throughput if timed else None,
            "core_utilisation": {
                "mean": float(self.core_busy.mean()),
                "max": float(self.core_busy.max()),
            }
            if len(self.core_busy)
            else None,
            "busiest_links": self.busiest_links(),
            "counts": self.counts,
            "energy": self.joules,
            "total_energy": total,
            "energy_delay": total * self.seconds if total is not None and timed else None,
            "host_link": self.host,
            "missing": self.missing,
        }
