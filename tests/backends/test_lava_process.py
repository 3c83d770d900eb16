"""Lava's processes end, whatever happens to them, to the worker or to us, and nothing waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np
import pytest
from support.lava_networks import lava_url, members

import spikeloom as sl

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc"),
]

PATIENCE = 30.0


def program() -> sl.Program:
    net = sl.Network(dt=1e-3)
    keys = net.source("keys", 3)
    cells = net.population("cells", 4, sl.LIF(10e-3, v_threshold=1.0, bias=0.05))
    net.connect(keys, cells, weights=np.full((3, 4), 0.3))
    net.connect(cells, cells, weights=np.full((4, 4), 0.05), delay=3e-3)
    net.probe(cells, "spikes", "v")
    return sl.compile(net, quantization=sl.Quantization(multiple_of=64))


@pytest.fixture
def device():
    """A loaded device; afterwards nothing of it is left."""
    before = set(os.listdir("/dev/shm"))
    with sl.open(lava_url(timeout=PATIENCE)) as device:
        device.load(program())
        yield device
    assert_gone(device.backend._remote.pid)
    assert set(os.listdir("/dev/shm")) <= before


def assert_gone(session: int) -> None:
    """Every process of the worker's session ends within a few seconds."""
    deadline = time.monotonic() + PATIENCE
    while members(session):
        assert time.monotonic() < deadline, f"left over: {members(session)}"
        time.sleep(0.05)


def assert_works_again(device: sl.Device, before: sl.Result) -> None:
    """After a failure a reset starts Lava anew, with the same results."""
    with pytest.raises(sl.DeviceError, match="the last run ended in the middle of a step"):
        device.run(5)
    device.reset()
    after = device.run(20)
    np.testing.assert_array_equal(after.states["cells"]["v"].raw, before.states["cells"]["v"].raw)


def test_close_leaves_nothing(device):
    worker = device.backend._remote.pid
    assert len(members(worker)) >= 5  # the worker, a source, neurons, two connections
    device.run(5)
    device.close()
    device.close()
    assert_gone(worker)


def test_loading_again_leaves_nothing(device):
    worker, processes = device.backend._remote.pid, len(members(device.backend._remote.pid))
    for _ in range(3):
        device.load(program())
        device.run(3)
    assert device.backend._remote.pid == worker
    deadline = time.monotonic() + PATIENCE
    while len(members(worker)) > processes:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_device_that_nobody_holds_ends():
    device = sl.open(lava_url())
    device.load(program())
    worker = device.backend._remote.pid
    del device
    assert_gone(worker)


def test_one_of_lavas_processes_dies(device):
    before = device.run(20)
    first = device.backend._remote.pid
    victim = max(members(first))
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(sl.DeviceError, match=r"^Lava failed: a process of Lava's ended"):
        device.run(1000)
    assert_gone(first)
    assert_works_again(device, before)


def test_the_worker_dies(device):
    before = device.run(20)
    first = device.backend._remote.pid
    os.kill(first, signal.SIGKILL)
    with pytest.raises(sl.DeviceError, match="the process that runs Lava"):
        device.run(10)
    assert_gone(first)
    assert_works_again(device, before)


def test_lava_hangs():
    with sl.open(lava_url(timeout=20)) as device:
        device.load(program())
        before, first = device.run(20), device.backend._remote.pid
        device.backend._remote.timeout = 1.0
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(sl.DeviceError) as caught:
            device.run(10)
        assert str(caught.value) == (
            "Lava did not answer within 1 s\n"
            "  where: request 'run'\n"
            "  remedy: lava?timeout=SECONDS, if it only needs longer; load the Program again"
        )
        assert_gone(first)
        assert_works_again(device, before)


def test_a_run_is_interrupted(device):
    before = device.run(20)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            device.run(100_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert_works_again(device, before)


PARENT = """\
import sys, time
import spikeloom as sl
with sl.open(sys.argv[1]) as device:
    device.load(sys.argv[2])
    print(device.backend._remote.pid, flush=True)
    if sys.argv[3] == "running":
        device.run(10_000_000)
    time.sleep(1000)
"""


@pytest.mark.parametrize("when", ["idle", "running"])
def test_we_are_killed(tmp_path, when):
    before = set(os.listdir("/dev/shm"))
    path = tmp_path / "net.loom"
    program().save(path)
    command = [sys.executable, "-c", PARENT, lava_url(), str(path), when]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        time.sleep(0.5)
        assert len(members(worker)) >= 5
        parent.kill()
    assert_gone(worker)
    assert set(os.listdir("/dev/shm")) <= before


def test_an_interpreter_without_lava(tmp_path):
    environment = tmp_path / "env"
    venv.create(environment, symlinks=True)
    packages = next((environment / "lib").glob("python*/site-packages"))
    here = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (here / name).exists():
            (packages / name).symlink_to(here / name)
    python = environment / "bin" / "python"
    with sl.open("lava", python=str(python)) as device, pytest.raises(sl.DeviceError) as caught:
        device.load(program())
    assert str(caught.value).startswith(
        "the interpreter has no Lava that can be used\n"
        f"  found: {python}: No module named 'lava'\n"
        "  expected: lava-nc 0.10\n"
    )


def test_an_interpreter_without_anything(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho not a Python >&2\n", encoding="utf-8")
    python.chmod(0o755)
    with sl.open("lava", python=str(python)) as device, pytest.raises(sl.DeviceError) as caught:
        device.load(program())
    assert str(caught.value) == (
        "the process that runs Lava ended\n"
        "  found: \n    not a Python\n"
        "  where: request 'hello'\n"
        "  remedy: load the Program again"
    )
