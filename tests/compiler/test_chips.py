"""Chips as files: those that come with the package, a user's own, and hostile ones."""

import re
import shutil

import numpy as np
import pytest
from support.sanafe import with_numbers

import spikeloom as sl
from spikeloom.compiler.chip import FOLDER
from spikeloom.compiler.chip_fields import FIELDS, KINDS, TABLES
from spikeloom.toml_file import tomllib

MINIMAL = """\
format = 1
name = "mine"
title = "a chip of my own"
discipline = "barrier"
model = "messages"
updates = "all"
routing = "unicast"
arbitration = "turns"
[mesh]
rows = { value = 1, kind = "chosen", source = "a test" }
columns = { value = 2, kind = "chosen", source = "a test" }
tile_rows = { value = 1, kind = "chosen", source = "a test" }
tile_columns = { value = 1, kind = "chosen", source = "a test" }
"""


def write(folder, text):
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sl.chip_names())
def test_every_chip_of_the_package_is_whole(name):
    chip = sl.load_chip(name)
    assert chip.name == name
    assert chip.target.cores >= 1
    for number in (*chip.numbers.values(), *(n for t in chip.tables.values() for n in t.values())):
        assert number.kind in KINDS
        assert len(number.source) >= 5
    # Nothing is 0 because nobody knows it: a zero says why.
    for field, number in chip.numbers.items():
        if number.value == 0 and field.startswith(("time.", "energy.", "power.")):
            assert number.kind in ("chosen", "fitted"), field
    assert len(chip.numbers) + len(chip.tables) == sum(
        len(section)
        for section in tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")).values()
        if isinstance(section, dict)
    )


def test_the_chips_that_are_there():
    assert sl.chip_names() == [
        *("core", "core-mesh", "dynapse", "loihi", "loihi-sanafe", "odin", "spinnaker"),
        "truenorth",
    ]


def test_loihi_has_the_numbers_of_its_paper():
    chip = sl.load_chip("loihi")
    assert chip.target.cores == 128
    assert chip.target.neurons == 1024
    picked = {name: chip.get(name) for name in ("energy.hop_east", "time.hop_north")}
    assert picked == {"energy.hop_east": 3e-12, "time.hop_north": 6.5e-9}
    active = [chip.get(f"{kind}.neuron") + chip.get(f"{kind}.neuron_update")
              for kind in ("time", "energy")]  # fmt: skip
    assert active == pytest.approx([8.4e-9, 81e-12])
    assert chip.table("time.barrier", 1) == 113e-9
    assert chip.table("time.barrier", 2) == chip.table("time.barrier", 32) == 465e-9


def test_a_users_chip_is_one_file(tmp_path):
    shutil.copy(FOLDER / "loihi.toml", tmp_path / "my.toml")
    path = tmp_path / "my.toml"
    path.write_text(path.read_text("utf-8").replace('name = "loihi"', 'name = "mine"'), "utf-8")
    chip = sl.load_chip(str(path))
    assert chip.target == sl.load_chip("loihi").target.with_(name="mine")
    assert sl.compile(small(), target=str(path)).target == chip.target


def small(neurons=4):
    net = sl.Network(dt=1e-3)
    cells = net.population("cells", neurons, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(cells, cells, weights=np.full((neurons, neurons), 0.3))
    return net


def test_what_is_missing_is_told():
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.load_chip("truenorth").get("time.hop_east", "latency")
    assert str(caught.value) == (
        "chip 'truenorth' lacks numbers that latency needs\n"
        "  found: no time.hop_east (time from a tile to its neighbour in the east)\n"
        "  remedy: write them, with their sources, into a copy of its file, and name that: "
        "--chip my.toml (docs/latency.md)"
    )


def test_a_chip_without_limits_maps_nothing(tmp_path):
    chip = sl.load_chip(write(tmp_path, MINIMAL))
    with pytest.raises(sl.UnsupportedError, match="lacks numbers that mapping a network needs"):
        _ = chip.target


def test_an_unknown_chip_is_told():
    with pytest.raises(sl.CompileError, match="there is no such chip"):
        sl.load_chip("loihi3")


def test_synapses_onto_a_neuron_are_limited():
    chip = with_numbers(sl.load_chip("loihi"), core_fan_in=3)
    with pytest.raises(sl.FitError) as caught:
        sl.compile(small(), chip.target)
    assert str(caught.value) == (
        "network 'network' does not fit target 'loihi': synapses onto one neuron\n"
        "  why it is not split: other neurons can add up a part of its synapses exactly, but that "
        "takes steps, which must be part of the delays of synapses that do not learn; "
        "none of the target's, up to 63, would do: its inputs are too few, or its accumulators or "
        "weights too narrow, for the sums\n"
        "  found: 4; 4 are beyond the limit\n"
        "  expected: at most 3\n"
        "  where: cells[0]\n"
        "  remedy: leave out 1 of this neuron's synapses (a sparser connector, or the weakest); or "
        "another target"
    )
    assert caught.value.table[0]["needed"] == 4
    net = small()
    net.connect(net.populations["cells"], net.populations["cells"], np.eye(4), name="self")
    with pytest.raises(sl.FitError, match="remedy: a SciPy sparse matrix without the 3 synapses of "
                       "weight 0; or leave out 5 of this neuron's synapses"):  # fmt: skip
        sl.compile(net, chip.target)
    chip = with_numbers(chip, core_fan_in=4)
    chip.check(sl.compile(small(), chip.target))


def test_a_program_for_another_target_is_refused():
    with pytest.raises(sl.CompileError, match="was not compiled for chip 'loihi'"):
        sl.load_chip("loihi").check(sl.compile(small()))


ONE = '{ value = 1, kind = "chosen", source = "a test" }'


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("format = 1", "format = 2"), "the chip file has another version"),
        (("format = 1", "format = ["), "the chip file is no TOML"),
        (('"mine"', '""'), "this must be a short text"),
        (('"mine"', '"a\\u001b[2J"'), "this must be a short text"),
        (('"barrier"', '"bariere"'), "this is none of the choices"),
        (("[mesh]", "[mush]"), "no chip file has this"),
        (("[mesh]", "[core]\nneuron = 1\n[mesh]"), "no chip has a number of this name"),
        (("[mesh]", "[core]\nneurons = 7\n[mesh]"), "a number needs its kind and its source"),
        (("columns", "rows2"), "no chip has a number of this name"),
        (("value = 2", "value = 2.0"), "this is no number of its kind"),
        (("value = 2", "value = true"), "this is no number of its kind"),
        (("value = 2", "value = 0"), "this number is out of range"),
        (("value = 2", "value = " + "9" * 400), "a whole number of more than 64 bits"),
        (("value = 2", "value = 65535"), None),
        (("[mesh]", f"[time]\nneuron = {ONE.replace('1', 'nan')}\n[mesh]"), "out of range"),
        (("[mesh]", f"[time]\nneuron = {ONE.replace('1', '-1.0')}\n[mesh]"), "out of range"),
        (("[mesh]", f"[time]\nbarrier = {ONE}\n[mesh]"), "this must be a list of numbers"),
        (("[mesh]", f"[time]\nbarrier = [{ONE}]\n[mesh]"), "its own number of tiles"),
        (('kind = "chosen"', 'kind = "guessed"'), "this is none of the choices"),
        (('source = "a test"', "source = 3"), "this must be a short text"),
        ((re.escape("rows = " + ONE), ""), "a chip needs its mesh"),
        (("tile_rows = { value = 1", "tile_rows = { value = 17"), "this number is out of range"),
    ],
    ids=str,
)
def test_hostile_and_wrong_files_are_refused(tmp_path, change, told):
    pattern, text = change
    pattern = pattern if "\\" in pattern else re.escape(pattern)
    changed = re.sub(pattern, lambda _: text, MINIMAL, count=1)
    assert changed != MINIMAL
    path = write(tmp_path, changed)
    if told is None:
        assert sl.load_chip(path).tiles == (1, 65535)
        return
    with pytest.raises(sl.FileError) as caught:
        sl.load_chip(path)
    assert told in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_too_many_cores_too_large_files_and_no_files(tmp_path):
    with pytest.raises(sl.FileError, match="at most 65535 cores"):
        sl.load_chip(write(tmp_path, MINIMAL.replace("value = 2", "value = 65535").replace(
            "tile_rows = { value = 1", "tile_rows = { value = 2")))  # fmt: skip
    with pytest.raises(sl.FileError, match="the chip file is too large"):
        sl.load_chip(write(tmp_path, MINIMAL + "#" * (1 << 18)))
    with pytest.raises(sl.FileError, match="the chip file is no TOML"):
        sl.load_chip(write(tmp_path, "a = " + "[" * 10000))
    with pytest.raises(sl.FileError, match="the chip file cannot be read"):
        sl.load_chip(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(sl.FileError, match="the chip file is no TOML"):
        sl.load_chip(tmp_path / "bytes.toml")


def test_the_page_lists_every_number():
    page = (FOLDER.resolve().parents[1] / "docs" / "latency.md").read_text("utf-8")
    missing = [name for name in (*FIELDS, *TABLES) if f"`{name}`" not in page]
    assert missing == []
