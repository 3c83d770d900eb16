"""``spikeloom view`` as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(here, ends):
    command = [sys.executable, "-m", "spikeloom", "view", "paper.loom", "--inputs", "in.npz"]
    process = subprocess.Popen(
        [*command, "--repeat", "--start", "--speed", "max", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            text += line
        told = json.loads(text)
        assert (told["device"], told["program"]) == ("emulator", "paper.loom")
        until, step = time.monotonic() + 30, 0
        while step < 1000 and time.monotonic() < until:
            with urlopen(told["url"] + "news?page=x") as answer:
                news = json.load(answer)
            step = news["step"]
        assert step >= 1000  # the input is much shorter: it is repeated
        assert news["counts"][0] > 100
        process.send_signal(ends)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_a_port_that_is_taken(spikeloom):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, _, told = spikeloom("view", "paper.loom", "--port", str(port))
    assert code == 8
    assert told == (
        "spikeloom: error: the port is taken by another program\n"
        f"  where: 127.0.0.1:{port}\n  remedy: choose another one; 0 takes a free one\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--speed", "fast"), 7, "this is no speed\n  found: --speed fast\n"),
        (("--speed", "0"), 7, "this is no speed\n  found: 0\n"),
        (("--repeat",), 7, "only arrays can be repeated\n  found: no inputs\n"),
        (("--device", "emulater"), 8, "no such device\n  found: 'emulater'\n"),
    ],
)
def test_wrong_options(spikeloom, options, code, message):
    found, _, told = spikeloom("view", "paper.loom", *options)
    assert found == code
    assert told.startswith(f"spikeloom: error: {message}")
