"""From the first rate to the fastest, and back when it does not work: no end is ever lost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.echo import EchoCore, descriptor
from support.rated import RatedLine

from spikeloom.errors import DeviceError
from spikeloom.hdl import protocol
from spikeloom.hdl.protocol import START_BAUD as START
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.rates import rates
from spikeloom.runtime.link.record import Recorder, Replay
from spikeloom.runtime.link.session import Session, Timing

CLOCK = 48_000_000
SLOWEST, FASTEST = round(CLOCK / START), 16
IMAGE = random.Random(1).randbytes(4000)


def model(clock: int = CLOCK, fastest: int = FASTEST) -> DeviceModel:
    from dataclasses import replace

    told = descriptor(1024, 4096, divisor=round(clock / START), fastest=fastest)
    return DeviceModel(replace(told, clock_hz=clock, baud=START), EchoCore())


def line(**options) -> RatedLine:
    return RatedLine(model(), CLOCK, **options)


def use(wire: RatedLine, tries: int = 10) -> Session:
    """Open it, and see that it works at the rate at which it has come to rest."""
    session = Session(wire, nonce=9, timing=Timing(tries=tries))
    session.open()
    client = Client(session)
    client.load({"data": IMAGE})
    assert client.read("data", 0, 1000) == IMAGE
    assert abs(wire.device_baud / wire.baud - 1) <= protocol.RATE_ERROR
    assert not wire.device.trying
    return session


def test_up_to_the_fastest():
    wire = line()
    session = use(wire)
    assert wire.baud == 3_000_000
    assert wire.history[-3:] == [460_800, 1_500_000, 3_000_000]
    assert session.statistics.damaged == 0
    # Time stands on the wire, not in waiting: a dozen short exchanges.
    assert wire.device.trying is False


def test_what_a_device_can_be_asked_for():
    found = rates(model().descriptor, START, 12_000_000)
    assert [(r.baud, r.divisor) for r in found] == [
        (230_400, 208), (460_800, 104), (921_600, 52), (1_000_000, 48), (1_500_000, 32),
        (2_000_000, 24), (3_000_000, 16),
    ]  # fmt: skip
    assert rates(model().descriptor, START, 1_000_000)[-1].baud == 1_000_000
    # 12 MHz make none of the usual rates between 1,000,000 and 1,500,000, and 7 cycles make one
    # that is nobody's.
    odd = rates(model(12_000_000, 7).descriptor, START, 12_000_000)
    assert [(r.baud, r.divisor) for r in odd][-2:] == [(1_500_000, 8), (1_714_285, 7)]


def test_a_device_without_a_clock():
    """A simulation: its rates are in proportion to the one at which it answered."""
    told = descriptor(divisor=32, fastest=4)
    assert [(r.baud, r.divisor) for r in rates(told, 115_200, 12_000_000)] == [
        (230_400, 16), (460_800, 8), (921_600, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("fastest", [0, START, 500_000])
def test_a_host_that_does_not_want_to(fastest):
    wire = line(fastest=fastest)
    use(wire)
    assert wire.baud == (460_800 if fastest == 500_000 else START)


def test_a_device_with_one_rate():
    wire = RatedLine(model(fastest=SLOWEST), CLOCK)
    use(wire)
    assert wire.history == [START]


@pytest.mark.parametrize("most", [115_200, 230_400, 460_800, 1_000_000, 1_500_000, 2_000_000])
def test_a_cable_that_is_too_long(most):
    """Everything above a rate is garbage: both ends return, and the best that works is found."""
    wire = line(bears=lambda baud: baud <= most)
    use(wire)
    assert wire.baud == most


@pytest.mark.parametrize("refused", [{3_000_000}, {460_800, 1_500_000}, {*range(120_000, 10**7)}])
def test_rates_that_the_port_refuses(refused):
    wire = line(refused=refused)
    session = use(wire)
    assert wire.baud == {3_000_000: 2_000_000, 460_800: 3_000_000}.get(min(refused), START)
    # The device is not even asked.
    assert session.statistics.damaged == 0
    assert wire.breaks == 0


@pytest.mark.parametrize("way", [0, 1])
def test_each_piece_lost_in_turn(way):
    """Every request, every answer, every echo and every KEEP, one after the other."""
    clean = line()
    Session(clean, nonce=9).open()
    for lost in range(clean._pieces[way]):
        wire = line(damage=lambda w, n, data, lost=lost: b"" if (w, n) == (way, lost) else data)
        use(wire)
        assert wire.baud == 3_000_000, lost


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("way", [0, 1])
def test_rows_of_pieces_lost(way, count):
    """Silence in one direction, from every piece on: no rate is certain, but both agree on one."""
    clean = line()
    Session(clean, nonce=9).open()
    for first in range(clean._pieces[way]):
        lost = range(first, first + count)
        use(line(damage=lambda w, n, data, lost=lost: b"" if w == way and n in lost else data))


def test_a_reset_at_each_piece():
    """Power fails at every moment of the climb: the session is opened anew, at some good rate."""
    clean = line()
    Session(clean, nonce=9).open()
    for at in range(1, clean._pieces[0]):
        wire = line(damage=lambda way, n, data, at=at: reset(data) if (way, n) == (0, at) else data)

        def reset(data: bytes, wire: RatedLine = wire) -> bytes:
            wire._reset()
            return data

        problem = ""
        try:
            use(wire)
        except DeviceError as error:
            problem = error.problem
        if problem:
            # After the last word about rates a reset is what it always is.
            assert problem.startswith("the device was reset, or another host opened it")
            assert at >= clean._pieces[0] - 2
        if at < clean._pieces[0] - 8:
            assert wire.baud == 3_000_000


@pytest.mark.parametrize("divisor", [208, 104, 52, 48, 32, 24, 16])
def test_a_device_that_another_host_has_left_at_any_rate(divisor):
    wire = line()
    wire.device.divisor = wire.device._good = divisor
    wire.device.session = 77
    use(wire)
    assert wire.baud == 3_000_000


def test_a_line_that_dies_on_the_way():
    wire = line(damage=lambda way, number, data: data if number < 12 else b"")
    session = Session(wire, nonce=9)
    with pytest.raises(DeviceError) as error:
        session.open()
    assert str(error.value) == (
        "the device was lost while the rate of its line was changed\n"
        "  found: 3 HELLO frames without an answer at 115200 baud, nor after a break\n"
        "  where: rated line\n"
        "  remedy: reset the device, and open it with ?fastest=115200"
    )
    assert wire.breaks == 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    rate=st.sampled_from([0.0, 0.05, 0.15]),
    most=st.sampled_from([START, 460_800, 1_000_000, 3_000_000]),
    latency=st.sampled_from([0.001, 0.016]),
    left=st.sampled_from([SLOWEST, 104, 24]),
)
def test_whatever_happens(seed, rate, most, latency, left):
    """Pieces lost, damaged and doubled at random: it works at last, at a rate that both have."""
    draw = random.Random(seed)

    def damage(way: int, number: int, data: bytes) -> bytes:
        if draw.random() >= rate:
            return data
        at = draw.randrange(len(data))
        flipped = data[:at] + bytes((data[at] ^ 1 << draw.randrange(8),)) + data[at + 1 :]
        return draw.choice([b"", data + data, flipped])

    wire = line(damage=damage, bears=lambda baud: baud <= most, latency=latency)
    wire.device.divisor = wire.device._good = left
    use(wire, tries=40)
    assert wire.baud <= most


def test_a_climb_is_recorded_and_replayed(tmp_path):
    path = tmp_path / "climb.jsonl"
    wire = line(refused={460_800}, bears=lambda baud: baud < 3_000_000)
    recorder = Recorder(wire, path)
    first = Session(recorder)
    first.open()
    told = Client(first).read("data", 0, 50)
    recorder.close()
    replay = Replay(path)
    again = Session(replay)
    again.open()
    assert Client(again).read("data", 0, 50) == told
    assert replay.baud == wire.baud == 2_000_000
