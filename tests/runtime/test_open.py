"""Opening devices by their address."""

from __future__ import annotations

import pytest
from support.devices import DEVICES
from support.paper_program import paper_program

import spikeloom as sl
from spikeloom import DeviceError


def refusal(error, url, **options) -> str:
    with pytest.raises(error) as caught:
        sl.open(url, **options)
    return str(caught.value)


@pytest.mark.parametrize("url", DEVICES)
def test_devices_of_this_version(url):
    with sl.open(url) as device:
        assert device.url == url
        assert repr(device) == f"<Device {url!r}, nothing loaded>"
        device.load(paper_program())
        assert repr(device) == f"<Device {url!r}, loaded>"
    assert repr(device) == f"<Device {url!r}, closed>"


def test_options_in_the_address_and_as_keywords_are_the_same():
    one = sl.open("emulator?threads=2&kernel=numpy").backend.describe()
    assert one == sl.open("emulator?threads=2", kernel="numpy").backend.describe()
    assert one["kernel"] == "numpy"


def test_unknown_device():
    assert refusal(DeviceError, "emulater?threads=2") == (
        "no such device\n"
        "  found: 'emulater?threads=2'\n"
        "  expected: one of emulator, reference, rtl, lava, brian2\n"
        "  remedy: did you mean 'emulator'?"
    )


@pytest.mark.parametrize("url", ["", None, 3])
def test_an_address_is_a_string(url):
    assert refusal(DeviceError, url) == (
        f"a device is named by a string\n  found: {url!r}\n  expected: for example 'emulator'"
    )


def test_wrong_options():
    assert refusal(DeviceError, "emulator?thread=2") == (
        "device 'emulator' does not take these options\n"
        "  found: thread\n"
        "  expected: one of threads, kernel, lanes, cycles\n"
        "  where: emulator?thread=2"
    )
    assert refusal(DeviceError, "reference", speed=2) == (
        "device 'reference' does not take these options\n"
        "  found: speed\n"
        "  expected: no options\n"
        "  where: reference"
    )
    assert refusal(DeviceError, "emulator?threads=1&threads=2").startswith(
        "option 'threads' is given twice"
    )
    assert refusal(DeviceError, "emulator?threads=1", threads=2).startswith(
        "option 'threads' is given twice"
    )
    assert refusal(DeviceError, "emulator?threads") == (
        "the device's options cannot be read\n"
        "  found: 'emulator?threads'\n"
        "  expected: 'emulator?name=value&name=value'"
    )
    assert refusal(DeviceError, "emulator://here") == (
        "device 'emulator' has no address\n"
        "  found: 'emulator://here'\n"
        "  expected: 'emulator', with options 'emulator?name=value'"
    )
