"""Runs that end early: no state is used that the machine cannot be in."""

from __future__ import annotations

import signal

import pytest
from support.devices import install_broken
from support.paper_program import paper_program

import spikeloom as sl
from spikeloom import DeviceError


def test_a_run_that_was_torn_must_be_reset(monkeypatch):
    def interrupted(backend):
        if backend._step == 3:
            raise KeyboardInterrupt

    install_broken(monkeypatch, "broken", interrupted)
    with sl.open("emulator") as whole, sl.open("broken") as device:
        whole.load(paper_program())
        device.load(paper_program())
        with pytest.raises(KeyboardInterrupt):
            device.run(3)
        for call in (lambda: device.run(1), device.snapshot, lambda: device.read_state("pop")):
            with pytest.raises(DeviceError) as caught:
                call()
            assert str(caught.value) == (
                "the last run ended in the middle of a step\n"
                "  where: broken\n"
                "  remedy: device.reset(), or restore a snapshot"
            )
        device.restore(whole.snapshot())
        device.run(2, {"in": [[0, 0]]})
        with pytest.raises(KeyboardInterrupt):
            device.run(1)
        device.reset()
        assert device.run(1, {"in": [[0, 0]]}).states["pop"]["v"].tolist() == [[6, 0, 0]]


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs POSIX alarm signals")
def test_the_compiled_kernel_goes_on_where_it_was_interrupted():
    if sl.open("emulator").backend.describe()["kernel"] != "c":
        pytest.skip("the compiled kernel is not there; `spikeloom doctor` says how to build it")

    def interrupt(*_):
        raise KeyboardInterrupt

    program = paper_program((), threshold=20, bias=1)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with sl.open("emulator") as device, sl.open("emulator") as whole:
            device.load(program)
            whole.load(program)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                device.run(10**8)
            stopped = device.step
            assert 0 < stopped < 10**8
            device.run(10)
            whole.run(stopped + 10)
            assert device.snapshot() == whole.snapshot()
    finally:
        signal.signal(signal.SIGALRM, before)
