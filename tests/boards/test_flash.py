"""Flashing, by programs made here that say what the real ones say."""

from __future__ import annotations

import stat
import struct
import zlib

import pytest

from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.flash import RULE, flash, with_dfu_suffix
from spikeloom.errors import DeviceError, UnsupportedError


@pytest.fixture
def programmer(tmp_path, monkeypatch):
    """Puts a program on the path that notes its arguments, says something and ends so."""

    def make(name: str, said: str = "done", code: int = 0) -> None:
        body = '#!/bin/sh\ncase "$1" in --?ersion) echo "v1.1.1"; exit;; esac\n'
        body += (
            f'echo "$@" > {tmp_path}/arguments\nfor last; do :; done\ncp "$last" {tmp_path}/got\n'
        )
        body += f"cat <<'END' >&2\n{said}\nEND\nexit {code}\n"
        path = tmp_path / name
        path.write_text(body)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "top.bit"
    path.write_bytes(bytes(range(100)))
    return path


@pytest.mark.parametrize(("permanent", "options"), [(False, ""), (True, "-f ")])
def test_openfpgaloader_gets_the_board_and_the_file(
    programmer, bitstream, tmp_path, permanent, options
):
    programmer("openFPGALoader")
    assert "done" in flash(BOARDS["ulx3s-25f"], bitstream, permanent=permanent)
    said = (tmp_path / "arguments").read_text()
    assert said.startswith(f"-b ulx3s {options}/")
    assert said.endswith("/top.bit\n")
    assert (tmp_path / "got").read_bytes() == bitstream.read_bytes()


def test_dfu_util_gets_a_file_with_a_suffix_that_is_right(programmer, bitstream, tmp_path):
    programmer("dfu-util")
    flash(BOARDS["orangecrab-25f"], bitstream, permanent=True)
    assert (tmp_path / "arguments").read_text().startswith("-d 1209:5af0 -a 0 -D /")
    got = (tmp_path / "got").read_bytes()
    assert got == with_dfu_suffix(bitstream.read_bytes(), 0x1209, 0x5AF0)
    device, product, vendor, version, sign, length, crc = struct.unpack("<HHHH3sBI", got[-16:])
    assert (device, product, vendor, version) == (0xFFFF, 0x5AF0, 0x1209, 0x0100)
    assert (sign, length) == (b"UFD", 16)
    assert crc ^ 0xFFFFFFFF == zlib.crc32(got[:-4])


@pytest.mark.parametrize(
    ("said", "problem", "remedy"),
    [
        ("unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed with: unable to "
         "open ftdi device", "this user may not use the board's USB device", RULE),
        ("unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to "
         "open ftdi device", "no such board is connected",
         "plug the board in, with a cable that carries data"),
        ("unable to claim usb device. Make sure the default FTDI driver is not in use",
         "another program uses the board", "close that one first"),
        ("Error: Failed to program FPGA: CRC", "the board could not be programmed",
         "check the cable and the board's name"),
    ],
    ids=["permission", "not there", "busy", "else"],
)  # fmt: skip
def test_what_a_programmer_says_becomes_what_mends_it(
    programmer, bitstream, said, problem, remedy, tmp_path
):
    programmer("openFPGALoader", said, 1)
    with pytest.raises(DeviceError) as caught:
        flash(BOARDS["ulx3s-25f"], bitstream)
    assert str(caught.value) == (
        f"{problem}\n  found: {said}\n"
        f"  where: ulx3s-25f, by openFPGALoader 1.1.1 ({tmp_path / 'openFPGALoader'})\n"
        f"  remedy: {remedy}"
    )


def test_the_boot_loader_that_a_person_must_start_is_told(programmer, bitstream):
    programmer("dfu-util", "dfu-util: No DFU capable USB device available", 74)
    with pytest.raises(DeviceError) as caught:
        flash(BOARDS["orangecrab-25f"], bitstream, permanent=True)
    assert caught.value.remedy == (
        "plug the board in, with a cable that carries data; "
        "hold the button while you plug it in, so that its boot loader runs"
    )


def test_a_board_that_starts_from_flash_only_is_not_loaded_otherwise(bitstream):
    with pytest.raises(UnsupportedError) as caught:
        flash(BOARDS["icebreaker"], bitstream)
    assert str(caught.value) == (
        "this board is only loaded from its flash memory\n"
        "  found: a load that is lost at power-off\n"
        "  where: icebreaker, by openFPGALoader\n"
        "  remedy: spikeloom flash --permanent"
    )


def test_no_bitstream_no_programmer_is_started(tmp_path):
    with pytest.raises(DeviceError, match="there is no such bitstream"):
        flash(BOARDS["ulx3s-25f"], tmp_path / "none.bit")
