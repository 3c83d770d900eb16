"""Devices by their address: ``open("emulator?threads=2")``."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ..errors import DeviceError
from .device import Device

if TYPE_CHECKING:
    from .backend import Backend

# Imported on first use, so that a run on one device does not pay for the others.
BACKENDS = {
    "emulator": ("backends.emulator", "EmulatorBackend", "fast C kernel, or NumPy without it"),
    "reference": ("backends.reference", "ReferenceBackend", "the definition, plain NumPy, slow"),
    "rtl": ("backends.rtl", "RtlBackend", "the generated hardware, simulated, with its cycles"),
    "lava": ("backends.lava", "LavaBackend", "Lava's own processes, for the LIF that Lava has"),
    "brian2": ("backends.brian2", "Brian2Backend", "Brian2, in double precision, without learning"),
}
"""Scheme -> module and class, and what it is."""

ADDRESSED = {
    "serial": ("backends.rtl.remote", "SerialBackend", "boards at a serial port"),
    "tcp": ("backends.rtl.remote", "TcpBackend", "boards behind a network"),
    "replay": ("backends.rtl.remote", "ReplayBackend", "recorded sessions with a board"),
}
"""The same for devices with an address: ``scheme://address?name=value``."""


def open(url: str, **options: Any) -> Device:
    """Open a device.

    Args:
        url: ``"reference"``, ``"emulator"``, with options ``"emulator?threads=2&kernel=numpy"``,
            with an address ``"serial:///dev/ttyUSB1"`` or ``"tcp://host:port"``.
        options: the same options as keywords.

    Returns:
        The device, on which nothing is loaded yet; a context manager.

    Raises:
        DeviceError: there is no such device, or it does not take these options.
    """
    scheme, found = _parse(url)
    backend = load_backend(scheme, url)
    for name in options:
        if name in found:
            raise DeviceError(f"option {name!r} is given twice", found=url, where="spikeloom.open")
    options = {**found, **options}
    try:
        inspect.signature(backend).bind(**options)
    except TypeError:
        known = [p.name for p in inspect.signature(backend).parameters.values()]
        raise DeviceError(
            f"device {scheme!r} does not take these options",
            found=", ".join(sorted(options)),
            expected="one of " + ", ".join(known) if known else "no options",
            where=url,
        ) from None
    return Device(backend(**options), url)


def load_backend(scheme: str, url: str) -> type[Backend]:
    """The class behind a scheme.

    Raises:
        DeviceError: as ``open``.
    """
    if scheme not in BACKENDS and scheme not in ADDRESSED:
        from difflib import get_close_matches

        close = get_close_matches(scheme, BACKENDS, n=1)
        raise DeviceError(
            "no such device",
            found=repr(url),
            expected="one of " + ", ".join(BACKENDS),
            remedy=f"did you mean {close[0]!r}?" if close else None,
        )
    module, name, _ = (BACKENDS | ADDRESSED)[scheme]
    package = __package__.rpartition(".")[0] if __package__ else "spikeloom"
    return getattr(importlib.import_module(f"{package}.{module}"), name)


def _parse(url: Any) -> tuple[str, dict[str, str]]:
    """Scheme and options of ``scheme[://rest][?name=value&…]``."""
    if not isinstance(url, str) or not url:
        raise DeviceError(
            "a device is named by a string", found=repr(url), expected="for example 'emulator'"
        )
    address, _, query = url.partition("?")
    scheme, separator, _ = address.partition(":")
    if scheme not in ADDRESSED and separator:
        raise DeviceError(
            f"device {scheme!r} has no address",
            found=repr(url),
            expected=f"{scheme!r}, with options {scheme + '?name=value'!r}",
        )
    options: dict[str, str] = {}
    if scheme in ADDRESSED:
        options["address"] = address.partition("://")[2]
        if not options["address"]:
            raise DeviceError(
                f"device {scheme!r} needs an address",
                found=repr(url),
                expected="for example 'serial:///dev/ttyUSB1' or 'tcp://host:port'",
            )
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise DeviceError(
            "the device's options cannot be read",
            found=repr(url),
            expected=f"{scheme + '?name=value&name=value'!r}",
        ) from None
    for name, value in pairs:
        if name in options:
            raise DeviceError(f"option {name!r} is given twice", found=repr(url))
        options[name] = value
    return scheme, options
