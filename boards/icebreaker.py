"""1BitSquared iCEBreaker, version 1.0."""

from __future__ import annotations

from dataclasses import replace

from .board import Adapter, Board, Pin, Programmer
from .part import UP5K
from .sizes import NARROW, SMALL, sized

_PULLED = (("pullup", "yes"),)

_PLAIN = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    part=UP5K,
    oscillator_hz=12_000_000,
    clock=Pin("35"),
    rx=Pin("6", options=_PULLED),
    tx=Pin("9"),
    led=Pin("37", low=True),
    reset=Pin("10", low=True, options=_PULLED),
    clock_hz=24_000_000,
    baud=3_000_000,
    adapter=Adapter("FT2232H, channel B", 12_000_000, usb=(0x0403, 0x6010)),
    programmer=Programmer(
        "openFPGALoader", "ice40_generic", (0x0403, 0x6010), volatile=False,
    ),
    geometry=sized(
        NARROW, neurons=256, lanes=1, axons=255, rows=255, words=32768, destinations=255,
        channels=256, profiles=1, state_bits=12, accumulator_bits=16, delay_slots=2,
        weight_bits=6, refractory_bits=0, exponents=0, shifts=0, bias=False,
    ),
    max_payload=64,
    events=255,
    probes=1,
    single=("synapse", "origin", "axon"),
    why="as many neurons and synapses as its 30 block RAMs and four SPRAMs hold: 65,536 dense "
    "or 32,768 sparse weights of six bits",
    memory="16 MiB SPI flash",
    sources=(
        "amaranth-boards: icebreaker.py",
        "litex-boards: platforms/1bitsquared_icebreaker.py",
        "https://github.com/icebreaker-fpga/icebreaker (schematic)",
        "openFPGALoader: doc/boards.yml",
    ),
)  # fmt: skip
BOARDS = (
    _PLAIN,
    replace(
        _PLAIN,
        name="icebreaker-stdp",
        title="1BitSquared iCEBreaker, with a small core that learns",
        clock_hz=21_000_000,
        geometry=SMALL,
        single=("words", "bytes"),
        why="256 neurons with 256 synapses each that learn, in two of its four SPRAMs, and all "
        "tables in the other two",
    ),
)
