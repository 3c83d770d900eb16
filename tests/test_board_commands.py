"""The commands around boards: what they print, what they refuse, and a served device as a board."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from support.rtl import needs_compiler
from support.served import served

import spikeloom as sl
from spikeloom import cli
from spikeloom.backends.rtl.fit import geometry_for
from spikeloom.board_fit import step_times
from spikeloom.boards import vivado
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design
from spikeloom.boards.udev import udev_rules
from spikeloom.cli.sizes import geometry_of
from spikeloom.errors import DeviceError, FitError
from spikeloom.hdl.geometry import Geometry
from spikeloom.runtime.images import HardwareImage
from spikeloom.runtime.link.ports import ask, explain, holders_of
from spikeloom.selftest import Check, format_report

SMALL = (
    "--neurons=32", "--lanes=2", "--axons=64", "--rows=64", "--words=1024", "--destinations=128",
    "--channels=64", "--profiles=4", "--state-bits=16", "--accumulator-bits=20",
    "--delay-slots=4", "--receptors=1", "--refractory-bits=8", "--adaptation=no", "--graded=no",
    "--linear=no", "--subtract=yes", "--late=no", "--mask=no",
)  # fmt: skip
"""A core that is built quickly and holds what the self-test loads."""

NETWORK = """
import numpy as np
import spikeloom as sl

net = sl.Network(dt=1e-3)
pixels = net.source("pixels", 4)
cells = net.population("cells", 8, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
net.connect(pixels, cells, weights=np.linspace(0.0, 0.6, 32).reshape(4, 8))
net.probe(cells, "spikes")
big = sl.Network(dt=1e-3)
a, b = big.source("a", 2000), big.population("b", 2000, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
big.connect(a, b, weights=0.1, connector=sl.AllToAll())
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK)
    return tmp_path


@pytest.fixture
def spikeloom(here, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# ---------------------------------------------------------------- boards, fit, build, flash


def test_boards_as_a_table_and_as_data(spikeloom):
    code, out, err = spikeloom("boards")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1 : len(BOARDS) + 1]] == list(BOARDS)
    found = json.loads(spikeloom("boards", "--json")[1])["boards"]
    assert [of["name"] for of in found] == list(BOARDS)
    one = json.loads(spikeloom("boards", "basys3", "--json")[1])
    assert (one["part"]["name"], one["pins"]["clock"]["ball"]) == ("xc7a35tcpg236-1", "W5")
    assert one["synapses"]["sparse"] == one["geometry"]["words"] * one["geometry"]["lanes"]
    assert "oscillator_hz: 100000000" in spikeloom("boards", "basys3")[1]


def test_fit_says_which_boards_and_how_fast(spikeloom):
    code, out, err = spikeloom("fit", "net.py", "--json")
    assert (code, err) == (0, "")
    fits = {of["board"]: of for of in json.loads(out)["boards"]}
    assert list(fits) == list(BOARDS)
    ours = fits["ulx3s-85f"]
    assert (ours["fits"], ours["why"]) == ("yes", "")
    assert ours["geometry"] == BOARDS["ulx3s-85f"].geometry.to_dict()
    cycles = ours["cycles"]
    assert 12 < cycles["quiet"] < cycles["busy"] < cycles["full"] < 100
    assert ours["seconds"]["full"] == cycles["full"] / BOARDS["ulx3s-85f"].clock_hz


def test_fit_of_a_program_on_another_core_says_what_is_missing(spikeloom):
    assert spikeloom("compile", "net.py", "-o", "net.loom")[0] == 0
    code, out, _ = spikeloom("fit", "net.loom", "--board", "ulx3s-25f", "--json")
    (fit,) = json.loads(out)["boards"]
    assert (code, fit["fits"]) == (0, "built")
    assert "state_bits: exactly 24 needed, 16 there" in fit["why"]
    assert fit["geometry"]["state_bits"] == 24


LEARNS = """
import numpy as np
import spikeloom as sl

def made(inputs, cells, rule):
    net = sl.Network(dt=1e-3)
    source = net.source("inputs", inputs)
    post = net.population("cells", cells, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(source, post, weights=np.full((inputs, cells), 0.1), learning=rule)
    return net

small = made(64, 32, sl.STDP(w_max=1.0))
tags = made(64, 32, sl.RewardSTDP(w_max=1.0, dt=1e-3))
wide = made(512, 256, sl.STDP(w_max=1.0))
"""


def test_fit_of_networks_that_learn(spikeloom):
    Path("learns.py").write_text(LEARNS)
    boards = ("ulx3s-25f", "ulx3s-25f-stdp", "ulx3s-85f", "icebreaker")
    asked = [word for board in boards for word in ("--board", board)]
    told = {}
    for name in ("small", "tags", "wide"):
        code, out, _ = spikeloom("fit", f"learns.py:{name}", *asked, "--json")
        assert code == 0
        told[name] = {fit["board"]: fit for fit in json.loads(out)["boards"]}
    fits = {name: [fit["fits"] for fit in of.values()] for name, of in told.items()}
    assert fits == {
        "small": ["built", "yes", "built", "no"],
        "tags": ["built", "built", "built", "no"],
        "wide": ["no", "no", "built", "no"],
    }
    assert told["small"]["ulx3s-25f"]["why"] == "products: 2 needed, 0 there"
    assert told["small"]["ulx3s-85f"]["geometry"]["rules"] == 1
    assert told["tags"]["ulx3s-25f-stdp"]["why"] == "tags: 1 needed, 0 there"
    assert re.fullmatch(r"LUT: \d+ needed, 5280 there; .*", told["small"]["icebreaker"]["why"])
    # A core that is made for a Program is the one that is estimated.
    assert spikeloom("compile", "learns.py:small", "-o", "learns.loom")[0] == 0
    code, out, _ = spikeloom("fit", "learns.loom", "--board", "ulx3s-85f", "--json")
    (fit,) = json.loads(out)["boards"]
    sizes = {field.name: None for field in dataclasses.fields(Geometry)}
    asked = geometry_of(argparse.Namespace(**sizes, program="learns.loom"))
    assert (code, fit["fits"]) == (0, "built")
    assert Geometry(**fit["geometry"]) == asked


def test_steps_of_a_network_that_learns_take_what_the_emulator_counts():
    """The quietest and the fullest one: nobody fires, or everybody in every step."""
    for rule in (
        sl.STDP(w_max=1.0),
        sl.Rule(dw="0.01*x1*y0", traces={"x1": sl.Trace(20e-3)}, w_max=1.0, post_delay=3e-3),
        sl.Rule(dw="-0.001*u*x1", traces={"x1": sl.Trace(20e-3)}, w_max=1.0),
    ):
        net = sl.Network(dt=1e-3)
        source = net.source("inputs", 24)
        cells = net.population("cells", 16, sl.LIF(tau_mem=20e-3, v_threshold=0.1))
        net.connect(source, cells, weights=np.full((24, 16), 0.9), learning=rule)
        program = sl.compile(net)
        image = HardwareImage(program, geometry_for(program))
        with sl.open("emulator") as device:
            device.load(program)
            quiet = device.run(20).cycles
            device.reset()
            full = device.run(20, {"inputs": np.ones((20, 24), bool)})
        found = step_times(image)
        assert (found[0], found[2]) == (quiet[-1], full.cycles[-1])


def test_fit_of_what_no_board_holds(spikeloom):
    code, out, _ = spikeloom("fit", "net.py:big", "--board", "icebreaker", "--board", "basys3")
    assert code == 5
    rows = [line.split() for line in out.splitlines()[1:3]]
    assert [row[:2] for row in rows] == [["icebreaker", "no"], ["basys3", "no"]]
    assert "24000000 bits of weights alone; at most 1171456 in all memories" in out


def test_a_program_for_a_board(spikeloom):
    code, out, _ = spikeloom(
        "compile", "net.py", "--target", "ulx3s-25f", "-o", "net.loom", "--json"
    )
    assert code == 0
    code, out, _ = spikeloom("fit", "net.loom", "--board", "ulx3s-25f", "--json")
    assert json.loads(out)["boards"][0]["fits"] == "yes"


def test_a_program_for_the_board_that_learns(spikeloom):
    board = BOARDS["ulx3s-25f-stdp"]
    Path("learns.py").write_text("""
import spikeloom as sl

net = sl.Network(dt=1e-3)
inputs = net.source("inputs", 32)
outputs = net.population("outputs", 16, sl.LIF(tau_mem=20e-3, v_threshold=100.0))
rule = sl.STDP(w_max=1.0)
net.connect(inputs, outputs, weights=0.1, connector=sl.AllToAll(), learning=rule)
""")
    code, _, _ = spikeloom("compile", "learns.py", "--target", board.name, "-o", "learns.loom")
    assert code == 0
    found = sl.Program.load("learns.loom")
    assert found.rules
    assert len(found.cores) == 1
    assert HardwareImage(found, board.geometry).learning is not None
    code, _, told = spikeloom("compile", "learns.py", "--target", "ulx3s-25f", "-o", "learns.loom")
    assert code == 5
    assert "target 'ulx3s-25f' cannot learn" in told


REFUSED = {
    "board": (("build", "--board", "ulx4s"), 7, "no such board\n  found: 'ulx4s'\n"),
    "clock": (
        ("build", "--board", "basys3", "--clock", "5"), 7,
        "this is no clock frequency\n  found: --clock 5\n",
    ),
    "vivado": (
        ("build", "--board", "icebreaker", "--ssh", "me@lab"), 7,
        "this board's bitstreams are not made by Vivado\n  found: icebreaker\n",
    ),
    "no vivado": (("build", "--board", "basys3"), 8, "vivado is not there, or too old\n"),
    "unbuilt": (("flash", "--board", "basys3"), 7, "this bitstream has not been built\n"),
    "no port": (
        ("deploy", "net.loom", "--port", "/dev/nowhere"), 8,
        "no Spikeloom device can be had at this port\n  found: ",
    ),
    "twice the speed": (
        ("selftest", "--port", "tcp://127.0.0.1:1", "--baud", "9600"), 7,
        "an address says its speed itself\n",
    ),
    "nothing to do": (
        ("selftest", "--port", "x", "--rounds", "0"), 7, "a self-test needs something to do\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(spikeloom, name, monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    if name == "no port":
        assert spikeloom("compile", "net.py", "-o", "net.loom")[0] == 0
    arguments, code, message = REFUSED[name]
    found = spikeloom(*arguments)
    assert found[:2] == (code, "")
    assert found[2].startswith(f"spikeloom: error: {message}")


def test_flash_of_a_file(spikeloom, here, monkeypatch):
    program(here, "openFPGALoader", 'case "$1" in --Version) echo v1.0.0;; *) echo "$@";; esac')
    monkeypatch.setenv("PATH", f"{here}:/usr/bin:/bin")
    Path("my.bit").write_bytes(b"bits")
    code, out, _ = spikeloom("flash", "--board", "basys3", "--bitstream", "my.bit", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["said"].startswith("-b basys3 /")
    assert not told["permanent"]


def test_a_tool_that_fails_is_quoted_and_its_log_is_kept(spikeloom, here, monkeypatch):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(here / "cache"))
    body = "case \"$1\" in -V) echo Yosys 0.60; exit;; esac; echo chatter; echo 'ERROR: no'; exit 1"
    program(here, "yosys", body)
    monkeypatch.setenv("PATH", f"{here}:/usr/bin:/bin")
    for _ in range(2):
        code, _, err = spikeloom("build", "--board", "ulx3s-12f", "--neurons", "8", "--lanes", "1")
        (folder,) = (here / "cache" / "boards").iterdir()
        assert code == 8
        assert err.partition("spikeloom: error: ")[2] == (
            "synthesis failed\n  found: ERROR: no\n"
            f"  where: yosys 0.60 ({here / 'yosys'}); all that the tools said is in {folder}\n"
        )
        assert folder.name.endswith("-failed")
        assert (folder / "yosys.log").read_text().endswith("\nchatter\nERROR: no\n")


@pytest.mark.slow
def test_a_bitstream_by_open_tools_then_flashed(spikeloom, here, monkeypatch):
    """Real synthesis, placement, routing and packing of a whole device, meeting its timing."""
    monkeypatch.setenv("SPIKELOOM_CACHE", str(here / "cache"))
    tiny = (
        "--board", "ulx3s-12f", "--max-payload", "64", "--neurons", "8", "--lanes", "1",
        "--axons", "16", "--rows", "16", "--destinations", "16", "--channels", "16",
        "--words", "128", "--profiles", "1", "--state-bits", "12", "--accumulator-bits", "16",
        "--delay-slots", "2", "--refractory-bits", "0", "--exponents", "0", "--shifts", "0",
        "--bias", "no", "--clock", "25e6", "--baud", "1000000",
    )  # fmt: skip
    code, out, err = spikeloom("build", *tiny, "--json")
    assert code == 0, err
    told = json.loads(out)
    (clock,) = told["clocks"]
    assert clock["needed_mhz"] == pytest.approx(25)
    assert clock["achieved_mhz"] > 25
    assert clock["slack_ns"] == pytest.approx(1e3 / 25 - 1e3 / clock["achieved_mhz"])
    assert 1000 < told["used"]["LUT"]["used"] < told["used"]["LUT"]["available"] == 12096
    assert told["path"]["levels"] > 0
    # An ECP5 bitstream says which part it is for; comments come first, then its preamble.
    data = Path(told["bitstream"]).read_bytes()
    assert data.startswith(b"\xff\x00")
    assert b"LFE5U-12F" in data[:200]
    assert b"\xbd\xb3" in data[:400]
    again = json.loads(spikeloom("build", *tiny, "--json")[1])
    assert again["cached"]
    assert again["bitstream"] == told["bitstream"]
    shown = spikeloom("build", *tiny)[1]
    assert "8 neurons, 1 lanes, 128 sparse synapses" in shown
    assert "a step without spikes takes 21 cycles, 0.84 us" in shown

    program(here, "openFPGALoader", 'case "$1" in --Version) echo v1.0.0;; *) echo "$@";; esac')
    monkeypatch.setenv("PATH", f"{here}:{os.environ['PATH']}")
    code, out, _ = spikeloom("flash", *tiny)
    assert (code, out.startswith(f"ulx3s-12f: {told['bitstream']} is in the FPGA")) == (0, True)


@pytest.mark.slow
def test_a_vivado_project_needs_no_hand(spikeloom, here, monkeypatch):
    """The project of a small core; then a program in Vivado's place that runs what it would."""
    sizes = [*SMALL, "--lanes=1", "--neurons=8", "--words=64"]
    code, out, err = spikeloom(
        "build", "--board", "cmod-a7-35t", "--project", "project", "--max-payload", "64", *sizes,
        "--json",
    )  # fmt: skip
    assert code == 0, err
    told = json.loads(out)
    assert 1000 < told["counted_by_yosys"]["LUT"]["used"] < 20800
    verilog = Path("project/top.v").read_text()
    assert "module top(" in verilog
    assert "MMCME2_BASE" in verilog
    assert "PACKAGE_PIN L17 [get_ports clock]" in Path("project/top.xdc").read_text()
    script = Path("project/build.tcl").read_text()
    assert "synth_design -top top -part xc7a35tcpg236-1" in script
    assert script.count("{") == script.count("}")
    result = '{"slack_ns": SLACK, "LUT": 5, "FF": 6, "RAMB18": 1, "RAMB36": 2, "DSP": 0}'
    body = (
        'case "$1" in -version) echo "Vivado v2023.2 (64-bit)"; exit;; esac\n'
        'test "$*" = "-mode batch -nojournal -source build.tcl" || exit 9\n'
        f"echo '{result}' > result.json\nprintf bits > top.bit"
    )
    monkeypatch.setenv("PATH", f"{here}:{os.environ['PATH']}")
    design, folder = Design.of(BOARDS["cmod-a7-35t"]), Path("project")
    program(here, "vivado", body.replace("SLACK", "0.5"))
    assert vivado.run_project(design, folder)["slack_ns"] == 0.5
    assert (folder / "top.bit").read_bytes() == b"bits"
    program(here, "vivado", body.replace("SLACK", "-0.25"))
    with pytest.raises(FitError, match=r"does not meet its timing\n  found: slack -0\.25 ns"):
        vivado.run_project(design, folder)
    program(here, "vivado", body.partition("\n")[0] + "\necho 'ERROR: [Common 17-345]'; exit 1")
    with pytest.raises(DeviceError, match=r"^Vivado failed\n  found: ERROR: \[Common 17-345\]\n"):
        vivado.run_project(design, folder)


# ---------------------------------------------------------------- ports


def test_the_udev_rule(spikeloom):
    assert spikeloom("devices", "--udev") == (0, udev_rules(), "")


def test_a_port_at_which_nobody_answers():
    import pty

    master, slave = pty.openpty()
    try:
        found = ask(os.ttyname(slave), [115200])
        assert (found.problem, found.asked) == ("no Spikeloom device answers", True)
        assert found.descriptor is None
    finally:
        os.close(master)
        os.close(slave)


def test_who_holds_a_port_is_told_by_name(tmp_path):
    """As the kernel shows processes, with the files of a process that has the terminal open."""
    import pty

    master, slave = pty.openpty()
    path = os.ttyname(slave)
    try:
        holder = tmp_path / "4711"
        (holder / "fd").mkdir(parents=True)
        (holder / "comm").write_text("minicom\n")
        (holder / "fd" / "3").symlink_to(path)
        (tmp_path / "4712" / "fd").mkdir(parents=True)
        assert holders_of(path, tmp_path) == ["minicom (process 4711)"]
        refused = DeviceError("no", found="[Errno 11] exclusively lock", remedy="close it")
        assert explain("/dev/nowhere", refused) == ("[Errno 11] exclusively lock", "close it")
    finally:
        os.close(master)
        os.close(slave)


# ---------------------------------------------------------------- deploy, selftest


@pytest.fixture(scope="module")
def board():
    """The model of a small device at a pseudo-terminal."""
    with served("model", *SMALL) as told:
        yield told["address"]


@needs_compiler
def test_a_program_is_deployed_verified_and_run(spikeloom, board):
    from spikeloom import compile
    from spikeloom.board_fit import target_of
    from spikeloom.cli.compile import network_from
    from spikeloom.hdl.geometry import Geometry

    code, out, _ = spikeloom("devices", "--port", board, "--baud", "115200", "--json")
    assert code == 0
    (port,) = [p for p in json.loads(out)["ports"] if p["path"] == board]
    assert (port["asked"], port["baud"], port["problem"]) == (True, 115200, "")
    geometry = Geometry(**port["device"]["geometry"])
    assert (geometry.neurons, geometry.lanes) == (32, 2)

    network = network_from("net.py")
    compile(network, target=target_of(geometry, "small")).save("net.loom")
    raster = np.zeros((30, 4), bool)
    raster[::2] = True
    np.savez("in.npz", pixels=raster)
    common = ("net.loom", "--port", board)
    code, out, err = spikeloom("deploy", *common, "--inputs", "in.npz", "-o", "out.npz", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["verified"]
    assert told["device_build"] == port["device"]["build"]
    spikeloom("run", "net.loom", "--inputs", "in.npz", "-o", "right.npz")
    with np.load("out.npz") as found, np.load("right.npz") as right:
        np.testing.assert_array_equal(found["spikes.cells"], right["spikes.cells"])
        assert len(found["spikes.cells"]) == told["spikes"]["cells"] > 0
        assert found["cycles"].sum() == told["cycles"] == right["cycles"].sum()

    spikeloom("compile", "net.py", "-o", "other.loom")
    code, out, err = spikeloom("deploy", "other.loom", "--port", board)
    assert (code, out) == (5, "")
    assert err.startswith(
        "spikeloom: error: the device does not hold this Program; nothing was sent\n"
        "  found: accumulator_bits: 24 needed, 20 there; "
    )
    assert err.endswith(
        "  remedy: spikeloom build --board NAME --for other.loom, or compile it with "
        "--target NAME\n"
    )


@needs_compiler
@pytest.mark.slow
def test_the_selftest_of_a_served_device(spikeloom, board):
    pytest.importorskip("sklearn")
    arguments = ("--port", board, "--baud", "115200", "--rounds", "5", "--images", "3")
    code, out, err = spikeloom("selftest", *arguments, "--report", "report.json", "--json")
    assert code == 0, (out, err)
    told = json.loads(out)
    assert told == json.loads(Path("report.json").read_text())
    outcome = {check["name"]: check["outcome"] for check in told["checks"]}
    assert outcome.pop("description") == "passed"
    skipped = {name for name, what in outcome.items() if what == "skipped"}
    assert skipped == {
        f"co-simulation: {name}"
        for name in ("delayed reset", "linear leak", "masking refractory period",
                     "adaptive threshold", "two receptors", "generators", "graded input",
                     "several cores", "every synapse learns")
    } | {"digits learned"}  # fmt: skip
    assert {outcome[name] for name in set(outcome) - skipped} == {"passed"}
    checks = [Check(**check) for check in told["checks"]]
    text = format_report(told["url"], told["version"], checks)
    assert f": {len(outcome) + 1 - len(skipped)} passed, 0 failed, {len(skipped)} skipped." in text
    assert "| digits | passed |" in text


@needs_compiler
@pytest.mark.slow
def test_the_selftest_finds_a_memory_that_forgets(board):
    """Between the test and the device somebody writes a word: the digest is another one."""
    from spikeloom.runtime.link import client
    from spikeloom.selftest import run_checks

    real, armed = client.Client.write, threading.Event()

    def write(self, region, address, data):
        real(self, region, address, data)
        if armed.is_set() and region == "select.0":
            real(self, region, 0, bytes([data[0] ^ 1]))

    armed.set()
    client.Client.write = write  # pyright: ignore[reportAttributeAccessIssue]
    try:
        checks = run_checks(f"serial://{board}?baud=115200", rounds=1)
        found = {next(checks).name: None for _ in range(1)}
        assert found == {"description": None}
        check = next(checks)
    finally:
        client.Client.write = real
    assert (check.name, check.outcome) == ("memories", "failed")
    assert "where: region 'select.0'" in check.detail


@needs_compiler
@pytest.mark.slow
def test_the_selftest_learns_where_the_device_does(here):
    """At the pins of the generated hardware, through every rate of its line."""
    pytest.importorskip("sklearn")
    from spikeloom.selftest.learned import learned_check, network

    target = sl.TARGETS["core"].with_(lanes=2, state_bits=16, delay_slots=2, receptors=1)
    sl.compile(network(Geometry(subtract=True)), target=target).save("net.loom")
    with served("rtl", "--for", "net.loom", "--pty") as told:
        text, facts = learned_check(told["url"], Geometry(**told["geometry"]), 2)
    assert text.startswith("20 images learned, ")
    assert (facts["learned"], facts["images"]) == (20, 2)
    assert facts["changed"] > 300


@needs_compiler
@pytest.mark.slow
def test_the_selftest_of_the_hardware_at_its_pins(spikeloom):
    with served("rtl", *SMALL, "--pty") as told:
        code, out, err = spikeloom(
            "selftest", "--port", told["address"], "--baud", "115200", "--rounds", "3",
            "--images", "1",
        )  # fmt: skip
    assert code == 0, (out, err)
    assert "passed   clock cycles: 60 steps took " in out
