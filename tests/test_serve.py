"""``spikeloom serve`` as a process of its own, opened like a board."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import serial
from support.rtl import needs_compiler
from support.served import served

import spikeloom as sl
from spikeloom.cli import main
from spikeloom.hdl.protocol import FrameType
from spikeloom.runtime.link.codec import Frame, FrameReader

EVENTS = {"pixels": [(0, 0), (0, 2), (1, 1), (3, 0), (3, 1), (3, 2)]}
STEPS = 12


def program() -> sl.Program:
    net = sl.Network(dt=1e-3, name="served")
    pixels = net.source("pixels", 3)
    cells = net.population("cells", 5, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    weights = np.linspace(-0.4, 1.5, 15).reshape(3, 5)
    net.connect(pixels, cells, weights=weights)
    net.connect(cells, cells, weights=-0.3, connector=sl.AllToAll(self_connections=False))
    net.probe(cells, "spikes", "v")
    target = sl.TARGETS["core"].with_(lanes=2, state_bits=16, delay_slots=2, receptors=1)
    return sl.compile(net, target=target)


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("served") / "net.loom"
    program().save(path)
    return path


def plastic_program() -> sl.Program:
    """A small network that a teacher, a third factor and a modulator change."""
    net = sl.Network(dt=1e-3, name="served, learning", seed=4)
    pixels = net.source("pixels", 5)
    cells = net.population("cells", 3, sl.LIF(tau_mem=9e-3, v_threshold=1.0))
    rule = sl.Rule(
        dw="2e-4*m*x1*t0 - 2e-4*m*x1*y0 + 1e-4*r*y1*x0",
        traces={"x1": sl.Trace(6e-3), "y1": sl.Trace(9e-3)},
        w_min=-0.5,
        w_max=0.5,
        seed=1,
    )
    net.connect(pixels, cells, weights=np.full((5, 3), 0.3), delay=0.0, learning=rule)
    net.probe(cells, "spikes", "v")
    target = sl.TARGETS["core"].with_(lanes=2, state_bits=16, delay_slots=2, receptors=1)
    return sl.compile(net, target=target)


def assert_as_the_emulator(url: str, path: Path) -> None:
    with sl.open(url) as device, sl.open("emulator") as emulator:
        for each in (device, emulator):
            each.load(path)
        for _ in range(2):
            found, right = (each.run(STEPS, EVENTS) for each in (device, emulator))
            np.testing.assert_array_equal(found.spikes["cells"], right.spikes["cells"])
            np.testing.assert_array_equal(found.states["cells"]["v"], right.states["cells"]["v"])
            np.testing.assert_array_equal(found.cycles, right.cycles)
        assert len(found.spikes["cells"])
        assert device.counters() == emulator.counters()


def hello(port: serial.Serial) -> Frame:
    """What any serial program can ask: who is there?"""
    port.write(b"\0" + Frame(FrameType.HELLO, 0, 0, 0, 60000, b"\0\0").encode())
    found = [frame for frame in FrameReader(4096).feed(port.read_until(b"\0", 5000)) if frame]
    assert len(found) == 1
    return found[0]


@needs_compiler
@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGINT])
def test_the_model_at_a_pseudo_terminal(net, tmp_path, ends):
    link = tmp_path / "board"
    # A leftover of a server that was killed leads nowhere.
    link.symlink_to(tmp_path / "gone")
    with served("model", "--for", str(net), "--link", str(link), ends=ends) as told:
        assert os.readlink(link) == told["address"]
        assert told["url"] == f"serial://{link}"
        assert told["geometry"]["lanes"] == 2
        assert (told["device"], told["divisor"], told["fastest"]) == ("model", None, None)
        with serial.Serial(str(link), 115200, timeout=20) as port:
            assert hello(port).type is FrameType.HELLO
        assert_as_the_emulator(told["url"], net)
        assert_as_the_emulator(f"serial://{told['address']}?baud=115200", net)
    assert not link.is_symlink()


@needs_compiler
def test_the_model_behind_tcp_until_the_host_hangs_up(net):
    arguments = ("model", "--for", str(net), "--tcp", "127.0.0.1:0", "--once")
    with served(*arguments, ends=None) as told:
        assert told["url"].startswith("tcp://127.0.0.1:")
        assert told["link"] is None
        assert_as_the_emulator(told["url"], net)


@needs_compiler
@pytest.mark.slow
def test_the_hardware_at_its_pins_until_the_host_hangs_up(net):
    with served("rtl", "--for", str(net), "--once", ends=None) as told:
        assert (told["divisor"], told["fastest"]) == (32, 4)
        with contextlib.ExitStack() as stack:
            # Held open beside the next host, so that it is not the last.
            port = stack.enter_context(serial.Serial(told["address"], 115200, timeout=60))
            assert hello(port).type is FrameType.HELLO
            assert_as_the_emulator(told["url"], net)


@needs_compiler
@pytest.mark.slow
def test_the_hardware_learns_at_its_pins(tmp_path):
    """Loaded, taught and read back through the UART: weights and traces are the reference's."""
    path, steps, rng = tmp_path / "plastic.loom", 40, np.random.default_rng(5)
    plastic_program().save(path)
    factors = np.argwhere(rng.random((steps, 3)) < 0.2)
    inputs = {
        "pixels": rng.random((steps, 5)) < 0.3,
        "cells.teacher": rng.random((steps, 3)) < 0.3,
        "cells.third_factor": (factors, rng.integers(-128, 128, len(factors))),
        "modulator": ([0, 7, 31], [100, -50, 127]),
    }
    with served("rtl", "--for", str(path), "--once", ends=None) as told:
        assert told["geometry"]["rules"] == 1
        with sl.open(told["url"]) as device, sl.open("reference") as reference:
            for each in (device, reference):
                each.load(path)
            first = reference.read_weights("pixels->cells").raw
            for on in (True, False, True):
                for each in (device, reference):
                    each.learning = on
                found, right = (each.run(steps, inputs) for each in (device, reference))
                np.testing.assert_array_equal(found.spikes["cells"], right.spikes["cells"])
                v = [each.states["cells"]["v"] for each in (found, right)]
                np.testing.assert_array_equal(*v)
                mine, other = (each.read_weights("pixels->cells") for each in (device, reference))
                np.testing.assert_array_equal(mine.raw, other.raw)
                traces = [each.read_traces("pixels->cells") for each in (device, reference)]
                for name in ("x1", "y1"):
                    np.testing.assert_array_equal(traces[0][name], traces[1][name])
            assert (other.raw != first).all()
            assert len(right.spikes["cells"])


@needs_compiler
def test_a_host_that_goes_away_in_the_middle(net):
    """Half a frame, then silence: the next host finds the device as if nothing had been."""
    with served("model", "--for", str(net)) as told:
        for _ in range(3):
            with serial.Serial(told["address"], 115200, timeout=20) as port:
                port.write(Frame(FrameType.HELLO, 7, 0, 0, 60000, b"\0\0").encode()[:9])
                port.flush()
        time.sleep(0.05)
        assert_as_the_emulator(told["url"], net)


REFUSED = {
    "no port": (
        ("rtl", "--tcp", "localhost"),
        7,
        "spikeloom: error: this is no TCP port\n"
        "  found: --tcp localhost\n"
        "  expected: HOST:PORT, for example 127.0.0.1:7000\n",
    ),
    "a link to TCP": (
        ("rtl", "--tcp", "127.0.0.1:0", "--link", "board"),
        7,
        "spikeloom: error: a TCP port has no file that could be linked to\n"
        "  found: --tcp 127.0.0.1:0 --link board\n"
        "  remedy: leave one of them out\n",
    ),
    "too fast": (
        ("rtl", "--divisor", "3"),
        7,
        "spikeloom: error: the device's receiver needs more clock cycles per bit\n"
        "  found: --divisor 3\n"
        "  expected: at least 4\n",
    ),
    "no pins": (
        ("model", "--divisor", "8"),
        7,
        "spikeloom: error: the model has no pins\n  found: --divisor 8\n  remedy: leave it out\n",
    ),
    "no pins to be fast": (
        ("model", "--fastest", "8"),
        7,
        "spikeloom: error: the model has no pins\n  found: --fastest 8\n  remedy: leave it out\n",
    ),
    "a first rate that is the fastest": (
        ("rtl", "--divisor", "8", "--fastest", "9"),
        7,
        "spikeloom: error: a device has no such rates\n"
        "  found: --divisor 8 --fastest 9\n"
        "  expected: at most 65536 cycles, the fastest no more than the other\n",
    ),
    "rates over TCP": (
        ("rtl", "--tcp", "127.0.0.1:0", "--fastest", "4"),
        7,
        "spikeloom: error: no rate can be set over TCP\n"
        "  found: --tcp 127.0.0.1:0 --fastest 4\n"
        "  remedy: leave --fastest out; --divisor is the only rate\n",
    ),
    "no core": (
        ("model", "--lanes", "3"),
        9,
        "spikeloom: error: a core cannot be built: lanes is out of range\n"
        "  found: 3\n"
        "  expected: a power of two from 1 to 64\n",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_built(name, capsys):
    arguments, code, text = REFUSED[name]
    assert main(["serve", *arguments]) == code
    assert capsys.readouterr() == ("", text)


@needs_compiler
def test_a_link_that_leads_somewhere_is_left_alone(net, tmp_path, capsys):
    link = tmp_path / "board"
    link.write_text("mine")
    assert main(["serve", "model", "--for", str(net), "--link", str(link)]) == 8
    assert capsys.readouterr() == (
        "",
        "spikeloom: error: the symbolic link cannot be made\n"
        "  found: File exists\n"
        f"  where: {link}\n"
        "  remedy: remove what is there, or choose another path\n",
    )
    assert link.read_text() == "mine"


@needs_compiler
def test_a_tcp_port_that_is_taken(net, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        where = f"127.0.0.1:{address[1]}"
        assert main(["serve", "model", "--for", str(net), "--tcp", where]) == 8
    assert capsys.readouterr().err == (
        "spikeloom: error: this TCP port cannot be listened at\n"
        "  found: [Errno 98] Address already in use "
        f"(while attempting to bind on address {address})\n"
        f"  where: {where}\n"
        "  remedy: choose another port; 0 takes a free one\n"
    )


def test_exported_verilog(net, tmp_path, capsys):
    out = tmp_path / "core.v"
    arguments = ["export", "verilog", "--for", str(net), "--divisor", "12", "-o", str(out)]
    assert main([*arguments, "--clock", "12e6", "--lanes", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["geometry"]["lanes"] == 1
    assert told["bytes"] == out.stat().st_size
    assert "\nmodule spikeloom(" in out.read_text()
    assert main([*arguments, "--clock", "-1"]) == 7
    assert main(["export", "verilog", "--divisor", "3", "-o", str(out)]) == 7
    assert capsys.readouterr().err == (
        "spikeloom: error: this is no clock frequency\n"
        "  found: --clock -1\n"
        "  expected: a number of Hz above 0, such as 12e6\n"
        "spikeloom: error: the device's receiver needs more clock cycles per bit\n"
        "  found: --divisor 3\n"
        "  expected: at least 4\n"
    )


@needs_compiler
def test_a_bad_line_and_its_recording(net, tmp_path, capsys):
    """Served with faults, run and recorded by the command line, replayed without any device."""
    path, out = tmp_path / "session.jsonl", [tmp_path / name for name in ("a.npz", "b.npz")]
    spikes = tmp_path / "spikes.npz"
    np.savez(spikes, pixels=np.array(EVENTS["pixels"]))
    run = ["run", str(net), "--inputs", str(spikes), "--steps", str(STEPS)]
    with served("model", "--for", str(net), "--faults", "flip=3e-4,lose=3e-4,split") as told:
        device = ["--device", told["url"], "--record", str(path)]
        assert main([*run, *device, "-o", str(out[0])]) == 0
    assert main([*run, "--device", f"replay://{path}", "-o", str(out[1])]) == 0
    with np.load(out[0]) as first, np.load(out[1]) as second:
        for name in set(first) - {"meta"}:
            np.testing.assert_array_equal(first[name], second[name])
    capsys.readouterr()
    assert main(["serve", "model", "--for", str(net), "--faults", "flop"]) == 7
    assert "this is no description of faults" in capsys.readouterr().err
