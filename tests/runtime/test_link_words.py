"""Words of regions on the line: as they are, or only the bits that any of them has."""

from __future__ import annotations

from functools import reduce
from operator import or_

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.echo import REGIONS, EchoCore, descriptor

from spikeloom.hdl.protocol import command
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.session import Session
from spikeloom.runtime.link.transport import InProcess
from spikeloom.runtime.link.words import shortest


@given(data=st.data(), region=st.sampled_from(REGIONS[:3]))
def test_words_come_back_whatever_bits_they_have(data, region):
    size = region.word_bytes
    mask = data.draw(st.integers(0, (1 << region.width) - 1))
    words = data.draw(st.lists(st.integers(0, (1 << region.width) - 1), min_size=1, max_size=16))
    image = b"".join((word & mask).to_bytes(size, "little") for word in words)
    core = EchoCore()
    session = Session(InProcess(DeviceModel(descriptor(), core).exchange))
    session.open()
    client = Client(session)
    at = data.draw(st.integers(0, 16 - len(words)))
    client.write(region.name, at, b"\xff" * len(image))
    client.write(region.name, at, image)
    assert client.read(region.name, at, len(words)) == image
    name, sent = shortest(image, size)
    assert len(sent) <= len(image)
    used = reduce(or_, words) & mask
    packed = size + -(-len(words) * used.bit_count() // 8)
    assert (name, len(sent)) == (
        ("PACKED", packed) if packed < len(image) else ("WRITE", len(image))
    )


def test_packed_words_by_hand():
    """Three words of 12 bits that have bits 1, 2 and 9 only: nine bits, in two bytes."""
    words = (0b10_0000_0110, 0b00_0000_0100, 0b10_0000_0000)
    image = b"".join(word.to_bytes(2, "little") for word in words)
    # 1 1 1, 0 1 0, 0 0 1, from the lowest bit on.
    assert shortest(image * 3, 2)[0] == "PACKED"
    tail = bytes([0b0000_0110, 0b0000_0010, 0b00_010_111, 0b1])
    core = EchoCore()
    device = DeviceModel(descriptor(), core)
    session = Session(InProcess(device.exchange))
    session.open()
    session.write(command("PACKED", region=1, address=5, count=3, tail=tail))
    session.flush()
    assert [int.from_bytes(core.read(1, 5 + i), "little") for i in range(3)] == list(words)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_zeros_take_a_mask_and_no_more(size):
    assert shortest(bytes(50 * size), size) == ("PACKED", bytes(size))
