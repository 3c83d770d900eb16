"""A run as commands: events packed per step, what is written between steps, and grants that the
device's queue can follow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DeviceError
from ...hdl.protocol import COMMAND, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...hdl.descriptor import Descriptor
    from ..backend import Events

_MOST = (1 << 16) - 1


@dataclass(frozen=True)
class Write:
    """Words that the device has from a step on.

    Attributes:
        step: of the run, before which they are written.
        region: the memory region's name.
        address: of the first word.
        data: whole words.
    """

    step: int
    region: str
    address: int
    data: bytes


def changed_spans(changed: NDArray[np.int64], word_bytes: int) -> list[tuple[int, int]]:
    """First words and ends of the pieces to be written, if these words change, in ascending order.

    Words between that stay go with them where they are cheaper than another command.
    """
    if not len(changed):
        return []
    apart = 1 + (1 + COMMAND["WRITE"].args.size) // word_bytes
    pieces = np.split(changed, np.flatnonzero(np.diff(changed) > apart) + 1)
    return [(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]


def run_commands(
    descriptor: Descriptor,
    start: int,
    steps: int,
    events: Events | None,
    flags: int,
    writes: Sequence[tuple[int, bytes]] = (),
) -> tuple[bytes, list[int]]:
    """EVENTS, BITMAP, GRADED, WRITE and RUN commands, and the lengths of the runs.

    A run is granted only with all its events queued, and the queue is bounded: so a run is as
    long as its events fit. It ends before a step for which something is to be written. The device
    does one command after the other, so none of this needs an answer before the next.

    Args:
        writes: steps of the run, ascending, and the WRITE commands before them.

    Raises:
        DeviceError: one step has more events than the device can queue, or something is to be
            written before a step that the run does not have.
    """
    per_step = np.zeros(steps, np.int64)
    if events is not None:
        per_step += np.bincount(events.spike_step, minlength=steps)
        per_step += np.bincount(events.graded_step, minlength=steps)
    out: list[bytes] = []
    before: dict[int, list[bytes]] = {}
    for step, written in writes:
        before.setdefault(step, []).append(written)
    beside = [step for step in before if not 0 <= step < steps]
    if beside:
        raise DeviceError(
            "something is to be written beside the steps of a run",
            found=f"before step {beside[0]}",
            expected=f"a step from 0 to {steps - 1}",
        )
    pieces = _pieces(per_step, descriptor.event_capacity, sorted(before))
    at = 0
    for length in pieces:
        out += before.get(at, ())
        if events is not None:
            for step in at + np.flatnonzero(per_step[at : at + length]):
                out += _step_events(events, int(step), start)
        out.append(command("RUN", steps=length, flags=flags, flush=0))
        at += length
    return b"".join(out), pieces


def _pieces(per_step: NDArray[np.int64], capacity: int, cuts: Sequence[int] = ()) -> list[int]:
    """Cut the steps at ``cuts``, and so that each piece has at most ``capacity`` events."""
    if len(per_step) and per_step.max() > capacity:
        raise DeviceError(
            "one step has more input events than the device can queue",
            found=f"{int(per_step.max())} events in step {int(per_step.argmax())} of the run",
            expected=f"at most {capacity}",
            remedy="build the device with a longer event queue",
        )
    total = np.concatenate([[0], np.cumsum(per_step)])
    pieces = []
    for at, stop in pairwise(sorted({0, *cuts, len(per_step)})):
        while at < stop:
            end = int(np.searchsorted(total, total[at] + capacity, side="right")) - 1
            pieces.append(min(end, stop) - at)
            at = min(end, stop)
    return pieces


def _step_events(events: Events, step: int, start: int) -> list[bytes]:
    """The commands for the events of one step, graded ones first."""
    absolute = (start + step) % (1 << 32)
    out = []
    low, high = np.searchsorted(events.graded_step, [step, step + 1])
    for i in range(low, high, _MOST):
        pair = np.zeros(min(_MOST, high - i), [("neuron", "<u2"), ("value", "<i4")])
        pair["neuron"] = events.graded_neuron[i : i + len(pair)]
        pair["value"] = events.graded_value[i : i + len(pair)]
        out.append(command("GRADED", step=absolute, count=len(pair), tail=pair.tobytes()))
    low, high = np.searchsorted(events.spike_step, [step, step + 1])
    channels = events.spike_channel[low:high]
    return out + _spikes(channels, absolute) if len(channels) else out


def _spikes(channels: NDArray[np.int32], step: int) -> list[bytes]:
    """As a list or a bitmap, whichever is shorter."""
    first = int(channels.min()) & ~7
    span = int(channels.max()) - first + 1
    as_bitmap = COMMAND["BITMAP"].args.size + (span + 7) // 8
    if as_bitmap < COMMAND["EVENTS"].args.size + 2 * len(channels):
        bits = np.zeros(span, bool)
        bits[channels - first] = True
        data = np.packbits(bits, bitorder="little").tobytes()
        return [command("BITMAP", step=step, first=first, count=len(data), tail=data)]
    pieces = [channels[i : i + _MOST] for i in range(0, len(channels), _MOST)]
    return [
        command("EVENTS", step=step, count=len(p), tail=p.astype("<u2").tobytes()) for p in pieces
    ]
