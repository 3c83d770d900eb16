"""Every board's facts: against each other, against amaranth-boards, against the tools' limits."""

import gc
import re
import warnings
from fractions import Fraction

import pytest
from amaranth.build import Clock, Pins, Subsignal
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.boards import counts, estimate
from spikeloom.boards.catalogue import BOARDS, find_board
from spikeloom.boards.constraints import constraints
from spikeloom.boards.design import Design
from spikeloom.boards.flow import synthesis
from spikeloom.boards.pll import find_pll
from spikeloom.boards.sizes import sized
from spikeloom.boards.top import BoardTop
from spikeloom.boards.udev import udev_rules
from spikeloom.errors import InputError
from spikeloom.hdl.export import to_rtlil
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.link.uart import UartTx
from spikeloom.runtime.link.rates import rates

EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
LIMITS = {  # phase detector and oscillator, MHz
    "ice40": ((10, 133), (533, 1066)),
    "ecp5": ((3.125, 400), (400, 800)),
    "gowin": ((3, 400), (500, 1200)),
    "xc7": ((10, 450), (600, 1200)),
}


@EVERY
def test_a_board_agrees_with_itself(board):
    design = Design.of(board)  # the clock can be made, the line can be made of the clock
    assert board.name == board.name.lower()
    assert len({pin.ball for pin in board.pins.values()}) == len(board.pins)
    assert {"clock", "rx", "tx"} <= set(board.pins)
    assert all((board.title, board.why, board.memory, board.sources))
    assert board.adapter.usb or board.adapter.where, "how does a host reach the UART?"
    assert Geometry(**board.geometry.to_dict()) == board.geometry
    assert board.programmer.volatile or board.programmer.flash
    text = constraints(board)
    for port, pin in board.pins.items():
        (line,) = [
            line for line in text.splitlines()
            if pin.ball in line.replace('"', " ").replace(";", " ").split()
        ]  # fmt: skip
        assert port in line
    assert design.divisor == round(board.clock_hz / board.baud)
    told = design.descriptor()
    assert (told.divisor, told.fastest) == (round(board.clock_hz / 115_200), design.divisor)
    found = rates(told, 115_200, 12_000_000)
    assert [rate.baud for rate in found[-1:]] == [board.baud][: board.baud > 115_200]


@EVERY
def test_what_a_board_comes_with_is_estimated_to_fit(board):
    used = estimate.resources(Design.of(board))
    assert set(used) <= set(counts.available(board.part))
    counts.check_counts(used, board.part, board.name)


def test_the_small_core_learns_with_all_four_sprams():
    design = Design.of(BOARDS["icebreaker-stdp"])
    assert (design.synapses, design.plastic, design.neurons) == ((0, 0), 65_536, 256)
    assert (
        'setattr -set ram_style "huge" top.device.core/m:bytes; '
        'setattr -set ram_style "huge" top.device.core/m:words; '
        "delete top.device.core/t:$meminit*; "
    ) in synthesis(design).arguments[-1]
    used = estimate.resources(design)
    # As yosys counts: 3,300 look-up tables, 26 block RAMs.
    assert used == {counts.LUT: 3300, counts.RAM: 27, counts.SPRAM: 4, counts.DSP: 3}
    more = Design.of(design.board, sized(design.geometry, axons=2048, rows=2048))
    assert estimate.resources(more)[counts.SPRAM] == 6


def test_an_estimate_makes_no_circuit():
    # Once there was a circuit, Amaranth warns of each that is made and not used, whenever its
    # memory is freed.
    to_rtlil(UartTx(4), "uart")
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimate.resources(Design.of(BOARDS["ulx3s-25f"]))
        gc.collect()
    assert [str(each.message) for each in caught] == []


def test_names_are_unique_and_the_nearest_is_told():
    assert find_board("basys3").part.name == "xc7a35tcpg236-1"
    with pytest.raises(InputError) as caught:
        find_board("ulx3s-58f")
    assert str(caught.value) == (
        "no such board\n  found: 'ulx3s-58f'\n  expected: one of "
        + ", ".join(BOARDS)
        + f"\n  remedy: did you mean {'ulx3s-85f'!r}?"
    )


AMARANTH = {
    "icebreaker": ("icebreaker", "ICEBreakerPlatform", "led_g", "button"),
    "ulx3s-12f": ("ulx3s", "ULX3S_12F_Platform", "led", "button_fire"),
    "ulx3s-25f": ("ulx3s", "ULX3S_25F_Platform", "led", "button_fire"),
    "ulx3s-45f": ("ulx3s", "ULX3S_45F_Platform", "led", "button_fire"),
    "ulx3s-85f": ("ulx3s", "ULX3S_85F_Platform", "led", "button_fire"),
    "orangecrab-25f": ("orangecrab_r0_2", "OrangeCrabR0_2_25FPlatform", None, None),
    "orangecrab-85f": ("orangecrab_r0_2", "OrangeCrabR0_2_85FPlatform", None, None),
    "tang-nano-9k": ("tang_nano_9k", "TangNano9kPlatform", "led", None),
    "arty-a7-35t": ("arty_a7", "ArtyA7_35Platform", "led", "rst"),
    "arty-a7-100t": ("arty_a7", "ArtyA7_100Platform", "led", "rst"),
    "cmod-a7-35t": ("cmod_a7", "CmodA7_35Platform", "led", "button"),
}
"""Board -> module, platform, its LED and its button in amaranth-boards, where it has them."""


@pytest.mark.parametrize("name", AMARANTH)
def test_pins_are_those_of_amaranth_boards(name):
    """An outside source, maintained by others; it has no more than half of our boards."""
    import importlib

    module, platform, led, button = AMARANTH[name]
    theirs = getattr(importlib.import_module(f"amaranth_boards.{module}"), platform)
    named = {(r.name, r.number): r for r in theirs.resources}
    board = BOARDS[name]
    clock = named[theirs.default_clk, 0]
    assert (_pins(clock), clock.clock.frequency) == (
        [(board.clock.ball, False)],
        board.oscillator_hz,
    )
    assert isinstance(clock.clock, Clock)
    if ("uart", 0) in named:
        uart = {sub.name: _pins(sub) for sub in named["uart", 0].ios}
        assert uart["rx"] == [(board.rx.ball, False)]
        assert uart["tx"] == [(board.tx.ball, False)]
    else:  # the header's pins 0 and 1
        (header,) = [c for c in theirs.connectors if c.name == "io"]
        assert (header.mapping["0"], header.mapping["1"]) == (board.rx.ball, board.tx.ball)
    if led is not None:
        assert _pins(named[led, 0]) == [(board.led.ball, board.led.low)]
    if button is not None:
        assert _pins(named[button, 0]) == [(board.reset.ball, board.reset.low)]
    if board.part.family == "ecp5":
        assert board.part.name.startswith(theirs.device)
        assert board.part.speed == theirs.speed
    elif board.part.family == "gowin":
        # nextpnr calls a die with memory in its package by the die's own name.
        family = theirs.family.replace("GW1NR", "GW1N")
        assert (board.part.name, board.part.tool_family) == (theirs.part, family)
    elif board.part.family == "xc7":
        # The larger Arty has no industrial grade, whatever the library says (Digilent's manual).
        device = theirs.device.replace("100ti", "100t")
        assert board.part.device.startswith(device + theirs.package)


def _pins(resource: Subsignal) -> list[tuple[str, bool]]:
    """Name and polarity of each pin."""
    (pins,) = resource.ios
    assert isinstance(pins, Pins)
    return [(name, bool(pins.invert)) for name in pins.names]


MHZ = st.integers(1, 200).map(lambda mhz: mhz * 1_000_000)


@given(st.sampled_from(sorted(LIMITS)), st.sampled_from([12, 25, 27, 48, 100]), MHZ)
@settings(max_examples=40, deadline=None)
def test_the_settings_of_a_clock_generator_make_its_frequency(family, source, hz):
    source *= 1_000_000
    if hz == source:
        assert find_pll(family, source, hz) is None
        return
    try:
        pll = find_pll(family, source, hz)
    except InputError:
        return
    assert pll is not None
    s = pll.settings
    detector, out = {
        "ice40": lambda: (
            Fraction(source, s["DIVR"] + 1),
            Fraction(source, s["DIVR"] + 1) * (s["DIVF"] + 1) / 2 ** s["DIVQ"],
        ),
        "ecp5": lambda: (
            Fraction(source, s["CLKI_DIV"]),
            Fraction(source, s["CLKI_DIV"]) * s["CLKFB_DIV"],
        ),
        "gowin": lambda: (
            Fraction(source, s["IDIV_SEL"] + 1),
            Fraction(source, s["IDIV_SEL"] + 1) * (s["FBDIV_SEL"] + 1),
        ),
        "xc7": lambda: (
            Fraction(source, s["DIVCLK_DIVIDE"]),
            Fraction(source, s["DIVCLK_DIVIDE"]) * s["CLKFBOUT_MULT_F"] / s["CLKOUT0_DIVIDE_F"],
        ),
    }[family]()
    last = {"ice40": 2 ** s.get("DIVQ", 0), "ecp5": s.get("CLKOP_DIV"),
            "gowin": s.get("ODIV_SEL"), "xc7": s.get("CLKOUT0_DIVIDE_F")}[family]  # fmt: skip
    (low, high), (slow, fast) = LIMITS[family]
    assert out == hz == pll.hz
    assert low * 1e6 <= detector <= high * 1e6
    assert pll.vco_hz == out * last
    assert slow * 1e6 <= pll.vco_hz <= fast * 1e6


def test_what_no_clock_generator_makes_is_told_with_what_is_near():
    with pytest.raises(InputError) as caught:
        find_pll("ice40", 12_000_000, 17_000_000)
    assert str(caught.value) == (
        "the clock generator cannot make this frequency\n"
        "  found: 17 MHz from 12 MHz on ice40\n"
        "  expected: for example 16.5, 16.875, 17.25, 17.625 MHz"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"clock_hz": 10_000_000},
            "the device's receiver needs more clock cycles per bit\n"
            "  found: 3000000 baud at 10 MHz\n  expected: at most 2500000 baud",
        ),
        (
            {"baud": 1_700_000},
            "this baud rate cannot be made of the clock\n"
            "  found: 1700000 baud at 45 MHz, +1.8% off\n"
            "  expected: for example 1666666 or 1730769 baud\n"
            "  remedy: choose another --baud or --clock",
        ),
        (
            {"baud": 300},
            "a bit takes too many clock cycles\n"
            "  found: 300 baud at 45 MHz\n  expected: at least 687 baud",
        ),
        (
            {"baud": 5_000_000},
            "the board's adapter is not that fast\n  found: 5000000 baud\n"
            "  expected: at most 3000000\n  where: ulx3s-25f, FT231X",
        ),
        (
            {"max_payload": 32},
            "no device has frames of this size\n  found: 32 bytes\n  expected: 64 to 4096",
        ),
    ],
    ids=["too fast", "off", "too slow", "adapter", "payload"],
)
def test_designs_that_cannot_work_are_refused(changes, message):
    with pytest.raises(InputError) as caught:
        Design.of(BOARDS["ulx3s-25f"], **changes)
    assert str(caught.value) == message


def test_a_session_must_be_able_to_begin():
    board = BOARDS["gatemate-evb"]
    with pytest.raises(InputError) as caught:
        Design.of(board, clock_hz=2_000_000, baud=250_000)
    assert str(caught.value) == (
        "the rate at which a session begins cannot be made of the clock\n"
        "  found: 115200 baud at 2 MHz, +2.1% off\n"
        "  expected: at most 1% off\n"
        "  remedy: choose another --clock, or a --baud below that"
    )
    assert Design.of(board, clock_hz=2_000_000, baud=57_600).start_divisor == 35


def test_the_hash_of_a_build_follows_all_that_makes_it():
    board = BOARDS["ulx3s-25f"]
    design = Design.of(board)
    same = Design.of(board)
    assert design.build_hash(["yosys 1"]) == same.build_hash(["yosys 1"])
    others = [
        Design.of(board, seed=2),
        Design.of(board, max_payload=256),
        Design.of(board, clock_hz=40_000_000, baud=1_000_000),
        Design.of(board, sized(board.geometry, lanes=2)),
        Design.of(BOARDS["colorlight-i5"]),
    ]
    hashes = {d.build_hash(["yosys 1"]) for d in [design, *others]}
    assert len(hashes | {design.build_hash(["yosys 2"])}) == len(others) + 2


class Loop(wiring.Component):
    """In the place of a device: what it receives it sends."""

    rx: In(1)  # pyright: ignore[reportInvalidTypeForm]
    tx: Out(1)  # pyright: ignore[reportInvalidTypeForm]

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        return m


@pytest.mark.parametrize(
    ("name", "clock", "generator"),
    [
        ("icebreaker", 12e6, ""),
        ("icebreaker", 18e6, "SB_PLL40_PAD"),
        ("ulx3s-12f", 40e6, "EHXPLLL"),
        ("tang-nano-20k", 54e6, "rPLL"),
        ("gatemate-evb", 20e6, "CC_PLL"),
        ("cmod-a7-35t", 60e6, "MMCME2_BASE"),
    ],
)
def test_the_top_level_has_the_pins_and_the_clock_generator(name, clock, generator):
    from amaranth.back import rtlil

    board = BOARDS[name]
    top = BoardTop(board, Loop(), int(clock))  # pyright: ignore[reportArgumentType]
    text = rtlil.convert(top, name="top", emit_src=False)
    ports = re.findall(
        r"wire width 1 (input|output) \d+ +\\(\w+)\n", text.rpartition("module \\top\n")[2]
    )
    assert {port for _, port in ports} >= set(board.pins)
    generators = ("SB_PLL40_PAD", "EHXPLLL", "rPLL", "CC_PLL", "MMCME2_BASE")
    assert [g for g in generators if f"cell \\{g} " in text] == ([generator] if generator else [])


def test_constraints_word_for_word():
    assert constraints(BOARDS["icebreaker"]).splitlines() == [
        "set_io clock 35",
        "set_io -pullup yes rx 6",
        "set_io tx 9",
        "set_io led 37",
        "set_io -pullup yes reset 10",
        "set_frequency clock 12",
    ]
    assert constraints(BOARDS["tang-nano-20k"]).splitlines()[:4] == [
        'IO_LOC "clock" 4;',
        'IO_PORT "clock" IO_TYPE=LVCMOS33;',
        'IO_LOC "rx" 70;',
        'IO_PORT "rx" IO_TYPE=LVCMOS33 PULL_MODE=UP;',
    ]
    assert 'LOCATE COMP "rx" SITE "M1";' in constraints(BOARDS["ulx3s-85f"])
    assert 'Net "rx" Loc = "IO_NB_A6" | PULLUP=true;' in constraints(BOARDS["gatemate-evb"])
    assert "create_clock -name clock -period 10.000000 [get_ports clock]" in constraints(
        BOARDS["basys3"]
    )


def test_the_udev_rule_names_every_board_and_keeps_modemmanager_away():
    rules = udev_rules()
    for board in BOARDS.values():
        vendor, product = board.programmer.usb
        assert f'ATTRS{{idVendor}}=="{vendor:04x}", ATTRS{{idProduct}}=="{product:04x}"' in rules
        assert board.name in rules
    lines = [line for line in rules.splitlines() if line.startswith("ATTRS")]
    assert all(line.endswith('TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1"') for line in lines)
