"""The checks, one function each."""

from __future__ import annotations

import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..board_fit import target_of
from ..compiling import compile
from ..errors import CompileError, DeviceError, SpikeloomError, UnsupportedError
from ..hdl.core_regions import (
    CORE_REGION,
    PROBE_CORE_REGION,
    PROBE_COUNT_REGION,
    PROBE_REGION,
)
from ..hdl.geometry import Geometry, default_update_lanes
from ..runtime.cosim import cosim
from ..runtime.link.words import pack_words
from ..runtime.open import open as open_device
from .digits import digits_check
from .learned import learned_check
from .networks import CASES, LEARNS, SEVERAL, STEPS, Case

if TYPE_CHECKING:
    from ..backends.rtl.remote import RemoteBackend
    from ..hdl.descriptor import Descriptor, Region
    from ..runtime.device import Device
    from ..runtime.link.client import Client

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Check:
    """One check's outcome.

    Attributes:
        name: of the check.
        outcome: ``passed``, ``failed`` or ``skipped``.
        detail: what was found, or why it was skipped.
        seconds: what it took.
        facts: numbers for programs.
    """

    name: str
    outcome: str
    detail: str
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


_Test = Callable[[], tuple[str, dict[str, Any]]]
"""Does a check: what was found, and numbers; raises
UnsupportedError where it does not apply to the device, any other SpikeloomError if it fails."""


def run_checks(url: str, *, rounds: int = 100, images: int = 20, seed: int = 1) -> Iterator[Check]:
    """Check what answers at an address, one check after the other.

    Args:
        url: as for :func:`spikeloom.open`; it must lead over the link.
        rounds: of writing and reading in the soak of the link.
        images: digits that are shown.
        seed: of all random contents.
    """
    found: dict[str, Any] = {}

    def hello() -> tuple[str, dict[str, Any]]:
        with _opened(url) as device:
            found["descriptor"] = _backend(device).descriptor
        return _hello(found["descriptor"])

    first = _timed("description", hello)
    yield first
    if first.outcome != PASSED:
        return
    descriptor: Descriptor = found["descriptor"]
    geometry = Geometry(**descriptor.geometry)
    yield _timed("memories", lambda: _memories(url, seed))
    yield _timed("soak of the link", lambda: _soak(url, rounds, seed))
    for case in CASES:
        yield _timed(f"co-simulation: {case.name}", lambda case=case: _cosim(url, geometry, case))
    yield _timed("clock cycles", lambda: _cycles(url, geometry))
    yield _timed("digits", lambda: digits_check(url, geometry, images))
    yield _timed("digits learned", lambda: learned_check(url, geometry, images))


def _timed(name: str, test: _Test) -> Check:
    begun = time.perf_counter()
    try:
        with warnings.catch_warnings():
            # A saturated sum or a rounded constant is the network's matter: both devices have it.
            warnings.simplefilter("ignore")
            detail, facts = test()
        outcome = PASSED
    except UnsupportedError as reason:
        outcome, detail, facts = SKIPPED, str(reason), {}
    except SpikeloomError as error:
        outcome, detail, facts = FAILED, str(error), {}
    return Check(name, outcome, detail, time.perf_counter() - begun, facts)


def _opened(url: str) -> Device:
    device = open_device(url)
    if not hasattr(device.backend, "descriptor"):
        device.close()
        raise DeviceError(
            "this device is not behind a link, so there is nothing to test of it",
            found=url,
            expected="a serial port, or tcp://host:port",
        )
    return device


def _backend(device: Device) -> RemoteBackend:
    return device.backend  # pyright: ignore[reportReturnType]


def _hello(d: Descriptor) -> tuple[str, dict[str, Any]]:
    g = Geometry(**d.geometry)
    outputs = g.cores * g.first_channel
    if d.channels != g.channels or d.outputs != outputs:
        raise DeviceError(
            "the description contradicts itself",
            found=f"{d.channels} channels and {d.outputs} outputs",
            expected=f"{g.channels} and {outputs}",
        )
    bits = sum(region.width * region.depth for region in d.regions)
    clock = f"{d.clock_hz / 1e6:g} MHz" if d.clock_hz else "no clock of its own"
    cores = f"{g.cores} cores, each of " if g.cores > 1 else ""
    return (
        f"build {d.build}, {cores}{g.neurons} neurons, {g.lanes} lanes, {clock}, "
        f"{len(d.regions)} regions of {bits} bits in all",
        {"build": d.build, "geometry": d.geometry, "clock_hz": d.clock_hz, "baud": d.baud},
    )


def _tested(d: Descriptor) -> list[Region]:
    """Regions that are plain memories: what is written stays.

    The number of probes, and numbers of cores, have as many bits as they need, whatever their
    words are.
    """
    other = (PROBE_COUNT_REGION, CORE_REGION, PROBE_CORE_REGION)
    plain = [region for region in d.regions if region.writable and not region.volatile]
    return [region for region in plain if region.name not in other]


def _memories(url: str, seed: int) -> tuple[str, dict[str, Any]]:
    """Random words, then their complements, in every memory; the device's digest tells.

    All cores are written before any is read, so that one that answers for another is found.
    """
    total = 0
    with _opened(url) as device:
        client = _backend(device).client
        cores = Geometry(**client.descriptor.geometry).cores
        places = [
            (core, region)
            for core in range(cores)
            for region in _tested(client.descriptor)
            if core == 0 or region.name != PROBE_REGION
        ]
        for turn in range(3):
            digests = []
            for core, region in places:
                words = np.random.default_rng((seed, core, region.depth, region.width)).integers(
                    0, 1 << region.width, region.depth, dtype=np.uint64
                )
                flip = np.uint64((1 << region.width) - 1)
                data = pack_words((words, words ^ flip, np.zeros_like(words))[turn], region)
                _select(client, core, cores)
                client.write(region.name, 0, data)
                digests.append(zlib.crc32(data))
                total += len(data)
            for (core, region), right in zip(places, digests, strict=True):
                _select(client, core, cores)
                found = client.digest(region.name)
                if found != right:
                    raise DeviceError(
                        "a memory does not hold what was written",
                        found=f"digest {found:08x}",
                        expected=f"{right:08x}",
                        where=f"region {region.name!r}" + f" of core {core}" * (cores > 1),
                    )
    return f"{total} bytes written, every digest right", {"bytes": total}


def _select(client: Client, core: int, cores: int) -> None:
    """From now on regions are those of this core; a core alone needs no word about it."""
    if cores > 1:
        client.write(CORE_REGION, 0, bytes([core]))


def _soak(url: str, rounds: int, seed: int) -> tuple[str, dict[str, Any]]:
    """Blocks of random place and size, written and read back."""
    rng = np.random.default_rng(seed + 1)
    moved = 0
    with _opened(url) as device:
        client = _backend(device).client
        regions = _tested(client.descriptor)
        region = max(regions, key=lambda r: r.width * r.depth)
        begun = time.perf_counter()
        for _ in range(rounds):
            start = int(rng.integers(0, region.depth))
            count = int(rng.integers(1, min(400, region.depth - start) + 1))
            words = rng.integers(0, 1 << region.width, count, dtype=np.uint64)
            data = pack_words(words, region)
            client.write(region.name, start, data)
            if client.read(region.name, start, count) != data:
                raise DeviceError(
                    "a block came back as another one",
                    where=f"region {region.name!r}, {count} words from {start}",
                )
            moved += 2 * len(data)
        seconds = time.perf_counter() - begun
        line = asdict(client.session.statistics)
        status = client.session.poll()
    bad = status["bad_frames"] + status["line_errors"] + line["damaged"]
    return (
        f"{moved} bytes there and back, {moved / seconds:.0f} bytes/s, {line['frames_sent']} "
        f"frames, {line['frames_repeated']} repeated, {bad} damaged since the device's reset",
        {"bytes": moved, "bytes_per_second": moved / seconds, "line": line, "device": status},
    )


def _cosim(url: str, geometry: Geometry, case: Case) -> tuple[str, dict[str, Any]]:
    lacks = case.lacks(geometry)
    if lacks:
        raise UnsupportedError(f"the core is built without it: {lacks}")
    network, inputs = case.make(geometry)
    try:
        program = compile(network, target=target_of(geometry, "selftest"))
        # The emulator knows what a core takes alone, and several on a mesh, not one on a mesh.
        known = _usual(geometry) and (geometry.cores == 1 or len(program.cores) > 1)
        emulator = f"emulator?cycles={'on' if known else 'off'}"
        difference = cosim(program, (url, emulator), STEPS, inputs)
    except CompileError as error:
        raise _too_small(error) from None
    if difference is not None:
        raise DeviceError("the device differs from the emulator", found=difference)
    return (
        f"{program.neurons} neurons, {STEPS} steps: spikes, state and weights are the emulator's",
        {"neurons": program.neurons, "steps": STEPS},
    )


def _usual(geometry: Geometry) -> bool:
    """Whether its units are as many as the emulator counts for."""
    return geometry.update_lanes == default_update_lanes(geometry.lanes)


def _too_small(error: CompileError) -> UnsupportedError:
    return UnsupportedError(f"the core does not hold it: {error.found or error.problem}")


def _cycles(url: str, geometry: Geometry) -> tuple[str, dict[str, Any]]:
    """The device's own count of its clock cycles against the formula."""
    if not _usual(geometry):
        raise UnsupportedError("the emulator counts for cores with half as many units as lanes")
    case = SEVERAL if geometry.cores > 1 else LEARNS if geometry.micro else CASES[0]
    network, inputs = case.make(geometry)
    try:
        program = compile(network, target=target_of(geometry, "selftest"))
        with _opened(url) as device, open_device("emulator?cycles=on") as emulator:
            for each in (device, emulator):
                each.load(program)
            found, right = (each.run(STEPS, inputs).cycles for each in (device, emulator))
    except CompileError as error:
        raise _too_small(error) from None
    wrong = np.flatnonzero(found != right)
    if len(wrong):
        step = int(wrong[0])
        raise DeviceError(
            "a step took other clock cycles than the formula says",
            found=int(found[step]), expected=int(right[step]), where=f"step {step}",
        )  # fmt: skip
    return f"{STEPS} steps took {int(found.sum())} cycles, as they should", {
        "cycles": int(found.sum())
    }
