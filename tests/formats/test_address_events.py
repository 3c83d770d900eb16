"""Events of cameras and microphones as spikes: which neuron, which step, and what is told."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.aedat_files import write_aedat4

import spikeloom as sl

TONIC = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])


def made(rows: list[tuple[int, ...]], dtype: Any = TONIC) -> np.ndarray:
    return np.array(rows, dtype)


def program(shape: Any = (2, 8, 16), *more: str) -> sl.Program:
    net = sl.Network(dt=1e-3)
    camera = net.source("camera", shape)
    for name in more:
        net.source(name, 3)
    cells = net.population("cells", shape, sl.IF(0.5))
    net.connect(camera, cells, weights=1.0, connector=sl.OneToOne(), delay=0.0)
    net.probe(cells)
    return sl.compile(net)


@pytest.mark.parametrize("order", ["xytp", "txyp", "ptyx"])
@pytest.mark.parametrize("sign", [False, True])
def test_every_event_is_where_the_formula_says(order: str, sign: bool) -> None:
    rng = np.random.default_rng(0)
    n = 500
    flat = rng.choice(2 * 8 * 16 * 40, n, replace=False)
    p, y, x, step = np.unravel_index(flat, (2, 8, 16, 40))
    t = 12_345 + step * 1000 + rng.integers(0, 1000, n)
    t[np.argmin(step)] = 12_345 + 1000 * step.min()
    columns = {"x": x, "y": y, "t": t, "p": 2 * p - 1 if sign else p}
    events = np.zeros(n, [(name, "<i4") for name in order])
    for name in order:
        events[name] = columns[name]
    t0 = t.min()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # t0 may put two events of a pixel into one step
        spikes, steps = sl.bin_events(events, 1e-3, (2, 8, 16))
    index = (p * 8 + y) * 16 + x
    want = set(zip(((t - t0) // 1000).tolist(), index.tolist(), strict=True))
    assert {tuple(e) for e in spikes.tolist()} == want
    assert steps == max(s for s, _ in want) + 1
    assert (np.diff(spikes[:, 0]) >= 0).all()


def test_what_falls_together_or_after_the_run_is_told() -> None:
    events = made([(1, 0, 0, 1), (1, 0, 999, 1), (1, 0, 1000, 1), (2, 0, 9000, 0)])
    with pytest.warns(UserWarning, match="events: 1 of 4 events fall on a neuron and step that"):
        spikes, steps = sl.bin_events(events, 1e-3, (2, 1, 3))
    assert spikes.tolist() == [[0, 4], [1, 4], [9, 2]]
    assert steps == 10
    with pytest.warns(UserWarning, match="1 of 3 events lie after step 4 and are left out"):
        spikes, steps = sl.bin_events(events[[3, 2, 0]], 1e-3, (2, 1, 3), 5)
    assert spikes.tolist() == [[0, 4], [1, 4]]
    assert steps == 5
    with pytest.warns(UserWarning, match="1 of polarity 0 and 2 of polarity 1 go to the same"):
        sl.bin_events(events[[3, 2, 0]], 1e-4, (1, 3))


def test_microphones_have_no_y() -> None:
    events = made([(699, 10, 1), (0, 30, 1)], [("t", "<f4"), ("x", "<i4"), ("p", "<i4")])
    events["t"], events["x"] = [10, 2510.5], [699, 0]
    spikes, steps = sl.bin_events(events, 1e-3, (700,))
    assert spikes.tolist() == [[0, 699], [2, 0]]
    assert steps == 3
    assert sl.bin_events(events[:0], 1e-3, (700,))[1] == 0


@pytest.mark.parametrize(
    ("events", "shape", "message"),
    [
        (
            made([(0, 0, 5, 0), (16, 0, 5, 1)]),
            (2, 8, 16),
            "an event lies outside of the source\n  found: x = 16 in event 1\n"
            "  expected: 0 to 15, for a source of (2, 8, 16)\n  where: events",
        ),
        (
            made([(0, 3, 5, 0)]),
            (256,),
            "the source's sides do not fit events with x and y\n  found: (256,)\n"
            "  expected: (polarities, height, width) or (height, width)\n  where: events\n"
            '  remedy: give the source its sides: net.source("camera", (2, 128, 128))',
        ),
        (
            np.zeros(3),
            (4,),
            "these are no address events\n  found: shape (3,), fields none\n"
            "  expected: a structured array (n,) with fields x, y, t, p\n  where: events",
        ),
        (
            np.zeros(3, [("x", "<f4"), ("t", "<i8")]),
            (4,),
            "the field 'x' of the events has the wrong form\n  found: float32 of shape (3,)\n"
            "  expected: one integer for each event\n  where: events",
        ),
        (
            np.array([(0, 0.0), (0, np.inf)], [("x", "<i4"), ("t", "<f8")]),
            (4,),
            "a time lies outside of every run\n  found: inf in event 1, step inf\n"
            "  expected: 0 to 4294967295 steps\n  where: events",
        ),
    ],
)
def test_events_that_are_refused(events: Any, shape: Any, message: str) -> None:
    with pytest.raises(sl.InputError) as caught:
        sl.bin_events(events, 1e-3, shape)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", ["npy", "aedat4"])
def test_a_recording_runs(kind: str, tmp_path: Path) -> None:
    t, x, y, on = [100, 200, 1300, 5000], [1, 2, 3, 15], [0, 1, 2, 7], [1, 0, 1, 1]
    path = tmp_path / f"gesture.{kind}"
    if kind == "npy":
        np.save(path, made(list(zip(x, y, t, on, strict=True))))
    else:
        pytest.importorskip("aedat")
        write_aedat4(path, t, x, y, on)
    inputs, steps = sl.read_inputs(path, program())
    assert steps == 5
    with sl.open("emulator") as device:
        device.load(program())
        result = device.run(steps, inputs)
    fired = np.argwhere(result.raster("cells").reshape(-1, *result.shapes["cells"]))
    assert fired.tolist() == [[0, 0, 1, 2], [0, 1, 0, 1], [1, 1, 2, 3], [4, 1, 7, 15]]


def test_the_source_must_be_clear(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", made([(1, 0, 0, 1)]))
    several = program((2, 8, 16), "button")
    with pytest.raises(sl.InputError) as caught:
        sl.read_inputs(tmp_path / "e.npy", several)
    assert str(caught.value) == (
        "which source gets the events?\n"
        "  found: none was named\n"
        "  expected: one of 'camera', 'button'\n"
        f"  where: {tmp_path / 'e.npy'}\n"
        "  remedy: into=…, or --into NAME on the command line"
    )
    assert list(sl.read_inputs(tmp_path / "e.npy", several, into="camera")[0]) == ["camera"]
    with pytest.raises(sl.InputError, match=r"^which source"):
        sl.read_inputs(tmp_path / "e.npy", several, into="cells")
    with pytest.raises(sl.InputError, match=r"^only events without a name can be put"):
        sl.read_inputs(tmp_path / "e.csv", several, into="camera")
    with pytest.raises(sl.InputError, match=r"^only NIRData have samples"):
        sl.read_inputs(tmp_path / "e.npy", several, sample=1)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + data


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"nothing", "not an .npy file"),
        (npy(HEADER.format("'|O'", "(1,)"), b"cos\nsystem\n"), "the array's header is not one"),
        (npy(HEADER.format("[('x', '|O'), ('t', '<i8')]", "(1,)")), "the array's header is not"),
        (npy(HEADER.format("[('x', '<i8')]", "(1 << 60,)")), "the array's header is not one"),
        (npy(HEADER.format("[('x', '<i8')]", "(1152921504606846976,)")), "the array's header"),
        (npy(HEADER.format("[('x', '<i8')]", "(1099511627775, 2)")), "the array is not as large"),
        (npy(HEADER.format("[('x', '<i8')]", "(2,)"), bytes(8)), "the array is not as large"),
        (npy("__import__('os')"), "the array's header is not one"),
        (npy(HEADER.format("[('x', ('<i8', (99999, 99999)))]", "(1,)")), "the array's header"),
    ],
)
def test_hostile_arrays(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "e.npy").write_bytes(content)
    with pytest.raises(sl.FileError) as caught:
        sl.read_inputs(tmp_path / "e.npy", program())
    assert str(caught.value).startswith(problem)


def test_hostile_recordings(tmp_path: Path) -> None:
    pytest.importorskip("aedat")
    good = write_aedat4(tmp_path / "good.aedat4", [1, 2], [1, 2], [0, 1], [1, 1]).read_bytes()
    at = len(good) - 72  # the only packet: stream, length
    assert good[at : at + 4] == bytes(4)
    cases = {
        "claims": good[: at + 4] + b"\xf0\xff\xff\xff" + good[at + 8 :],
        "cut": good[:-9],
        "stream": good[:at] + b"\7\0\0\0" + good[at + 4 :],
        "header": good[:30],
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.aedat4"
        path.write_bytes(content)
        with pytest.raises(sl.FileError, match=r"^the AEDAT4 file cannot be decoded"):
            sl.read_inputs(path, program())
    write_aedat4(tmp_path / "two.aedat4", [1], [1], [0], [1], streams=2)
    with pytest.raises(sl.FileError, match="2 event streams; one is expected"):
        sl.read_inputs(tmp_path / "two.aedat4", program())
    (tmp_path / "no.aedat4").write_bytes(b"#!AER-DAT3.1\r\n")
    with pytest.raises(sl.FileError, match=r"^not an AEDAT4 file"):
        sl.read_inputs(tmp_path / "no.aedat4", program())


def test_without_the_decoder_the_way_to_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = write_aedat4(tmp_path / "a.aedat4", [1], [1], [0], [1])
    with pytest.raises(sl.UnsupportedError) as caught:
        sl.read_inputs(path, program())
    assert caught.value.remedy == "pip install 'spikeloom[events]'"
