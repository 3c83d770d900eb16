"""Exported Verilog means the same to every simulator."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.hdl import verilog
from spikeloom.hdl.device import make_device
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.verilog import to_verilog

needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="Icarus Verilog is missing (apt install iverilog)"
)

SMALL = Geometry(
    neurons=4, lanes=2, axons=16, rows=16, words=32, destinations=16, channels=8, profiles=4,
    delay_slots=4, state_bits=16, accumulator_bits=20, adaptation=False,
)  # fmt: skip


class Keeper(wiring.Component):
    """What a simulator computes wrong that waits for an event before it looks: nothing changes."""

    def __init__(self) -> None:
        super().__init__({"take": In(1), "held": Out(4), "fixed": Out(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held, on = Signal(4, init=7), Signal(init=1)
        with m.If(self.take):
            m.d.sync += held.eq(held + 1)
        m.d.comb += self.held.eq(held)
        # Of the register `on`, and of nothing else; so this never gets an event.
        with m.If(on):
            m.d.comb += self.fixed.eq(5)
            m.d.sync += on.eq(1)
        return m


BENCH = """
module bench;
  reg clk = 0, rst = 0, take = 0;
  wire [3:0] held, fixed;
  spikeloom dut(.clk(clk), .rst(rst), .take(take), .held(held), .fixed(fixed));
  initial begin
    repeat (3) begin #1 clk = 1; #1 clk = 0; end
    $display("%b %b", held, fixed);
    take = 1; #1 clk = 1; #1 clk = 0;
    $display("%b %b", held, fixed);
    rst = 1; #1 clk = 1; #1 clk = 0;
    $display("%b %b", held, fixed);
  end
endmodule
"""


def icarus(text: str, folder: Path, language: str) -> str:
    """What a bench says when Icarus runs it."""
    (folder / "all.v").write_text(text + BENCH)
    build = ["iverilog", f"-g{language}", "-s", "bench", "-o", "all.vvp", "all.v"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    run = ["vvp", "-n", "all.vvp"]
    done = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@needs_icarus
@pytest.mark.parametrize("language", ["2005", "2012"])
def test_icarus_computes_what_never_changes(language, tmp_path):
    found = icarus(to_verilog(Keeper()), tmp_path, language)
    assert found == "0111 0101\n1000 0101\n0111 0101\n"


@needs_icarus
def test_that_test_can_fail(tmp_path, monkeypatch):
    """With processes left as they are, Icarus 11 is wrong in its own default language."""
    version = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False).stdout
    if not version.startswith("Icarus Verilog version 11."):
        pytest.skip("only known of Icarus 11")
    script = verilog._SCRIPT.replace("\nproc\n", "\nproc -nomux\n")
    assert script != verilog._SCRIPT
    monkeypatch.setattr(verilog, "_SCRIPT", script)
    assert icarus(to_verilog(Keeper()), tmp_path, "2012").startswith("0111 0000\n")


def test_a_device_has_no_process_that_waits_for_an_event():
    text = to_verilog(make_device(SMALL, 4))
    assert not re.findall(r"always\s*@\s*\*|always_comb|always\s*@\s*\(\s*\*", text)
    (ports,) = re.findall(r"^module spikeloom\((.*)\);$", text, re.MULTILINE)
    assert sorted(ports.split(", ")) == ["clk", "rst", "rx", "tx"]
    assert to_verilog(make_device(SMALL, 4)) == text
