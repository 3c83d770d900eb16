"""Who may talk to a view, and what it answers to what is no proper question."""

from __future__ import annotations

import http.client
import json
import math
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from support.rtl import needs_compiler
from support.served import served

import spikeloom as sl


def network() -> sl.Network:
    net = sl.Network(dt=1e-3)
    pixels = net.source("pixels", 3)
    digits = net.population("digits", 2, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(pixels, digits, weights=[[1.5, 0.0], [0.0, 1.5], [0.3, 0.3]], delay=0.0)
    net.probe(digits, "v")
    return net


@pytest.fixture(scope="module")
def program():
    return sl.compile(network())


@pytest.fixture
def live(program):
    with sl.view(program) as live:
        yield live


def ask(live, method, path, body=None, **headers):
    """Status and answer; ``path`` is below the secret one unless it begins with a slash."""
    parts = urlsplit(live.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path if path[:1] == "/" else parts.path + path, skip_host=True)
    headers = {"Host": parts.netloc} | headers
    if body is not None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | headers
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(None if body is None else body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def command(live, **what):
    answer, content = ask(live, "POST", "command", json.dumps(what).encode())
    return answer.status, json.loads(content).get("error")


def news(live, epoch=-1, after=-1):
    _, content = ask(live, "GET", f"news?page=test&epoch={epoch}&after={after}")
    return json.loads(content)


def paused_at(live, step):
    told = news(live)
    while told["step"] != step or told["state"] != "paused":
        told = news(live, told["epoch"], told["number"])
    return news(live)


def test_the_page_and_what_it_may_do(live):
    answer, content = ask(live, "GET", "")
    assert answer.status == 200
    assert content.startswith(b"<!doctype html>")
    policy = answer.getheader("Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Referrer-Policy") == "same-origin"
    assert answer.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("", {"Host": "evil.example:80"}, 403),
        ("", {"Host": "127.0.0.1"}, 403),
        ("", {"Origin": "http://evil.example"}, 403),
        ("", {"Origin": "null"}, 403),
        ("/", {}, 404),
        ("/wrong/", {}, 404),
        ("/wrong/network", {}, 404),
        ("../../etc/passwd", {}, 404),
        ("page/../main.js", {}, 404),
        ("__init__.py", {}, 404),
        ("news", {}, 400),
        ("news?page=x&epoch=a", {}, 400),
        (f"news?page={'x' * 41}", {}, 429),
    ],
)
def test_strangers_get_nothing(live, path, headers, status):
    answer, content = ask(live, "GET", path, **headers)
    assert answer.status == status
    assert list(json.loads(content)) == ["error"]


def test_it_listens_at_this_machine_only(live):
    assert live._server.server_address[0] == "127.0.0.1"
    token = urlsplit(live.url).path.strip("/")
    assert len(token) >= 20


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Origin": "http://evil.example"}, 403),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"[1]", {}, 400),
        (b"{", {}, 400),
        (b"[" * 4000, {}, 400),
        (b" " * 5000, {}, 413),
        (b"{}", {}, 409),
        (b'{"do": "step"}', {}, 409),
        (b'{"do": "step", "steps": true}', {}, 409),
        (b'{"do": "step", "steps": 0}', {}, 409),
        (b'{"do": "step", "steps": 1e99}', {}, 409),
        (b'{"do": "speed", "speed": NaN}', {}, 409),
        (b'{"do": "speed", "speed": -1}', {}, 409),
        (b'{"do": "speed", "speed": -1' + b"0" * 400 + b"}", {}, 409),
        (b'{"do": "learning", "on": true}', {}, 409),
        (b'{"do": "watch", "neurons": [["digits", 7]]}', {}, 409),
        (b'{"do": "watch", "neurons": [["digits", 1e3]]}', {}, 409),
        (b'{"do": "watch", "neurons": [["nobody", 0]]}', {}, 409),
        (b'{"do": "watch", "neurons": [["pixels", 0]]}', {}, 409),
        (b'{"do": "picture", "projection": "none", "kind": "matrix"}', {}, 409),
        (b'{"do": "picture", "projection": "pixels->digits", "kind": "fields"}', {}, 409),
    ],
)
def test_wrong_commands_change_nothing(live, body, headers, status):
    before = news(live)
    answer, content = ask(live, "POST", "command", body, **headers)
    assert answer.status == status
    assert list(json.loads(content)) == ["error"]
    assert news(live) == before


@pytest.mark.parametrize("path", ["http://[x", "news?" + "&".join(f"a{i}=1" for i in range(9))])
def test_malformed_addresses_are_answered(live, path):
    answer, content = ask(live, "GET", path if path[0] == "n" else "/" + path)
    assert (answer.status, list(json.loads(content))) in ((400, ["error"]), (404, ["error"]))


def test_a_body_that_nobody_read_is_no_question(live):
    """The connection ends with a refusal, instead of taking the rest for another request."""
    answer, _ = ask(live, "POST", "/", b"GET / HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.getheader("Connection")) == (404, "close")
    answer, _ = ask(live, "POST", "command", b"", Content_Length="9" * 5000)
    assert answer.status == 413


def test_a_speed_as_slow_as_can_be_said(live):
    assert command(live, do="speed", speed=1e-300) == (200, None)
    assert command(live, do="start") == (200, None)
    time.sleep(0.2)
    assert command(live, do="pause") == (200, None)
    assert news(live)["state"] == "paused"


def test_no_picture_is_news_as_well(live):
    shown = {"do": "picture", "projection": "pixels->digits", "kind": "matrix"}
    assert command(live, **shown) == (200, None)
    before = news(live)["picture"]
    assert command(live, do="picture", projection="", kind="matrix") == (200, None)
    assert news(live)["picture"] == before + 1


def test_commands_and_news(live):
    assert command(live, do="watch", neurons=[["digits", 1]]) == (200, None)
    assert command(live, do="step", steps=4) == (200, None)
    told = paused_at(live, 4)
    assert (told["counts"], told["since"]) == ([0, 0], 0)
    assert told["whole"] == [[0, 4]]
    assert sum(len(trace["v"][0]) for trace in told["traces"]) == 4
    assert told["watched"][0]["population"] == "digits"
    assert command(live, do="reset", weights=False) == (200, None)
    assert news(live)["step"] == 0
    assert command(live, do="jump") == (409, "there is no such command\n  found: 'jump'")


def test_input_is_fed_where_it_belongs_and_begins_again(program):
    inputs = {"pixels": [[0, 0], [2, 1]], "digits": ([[1, 0]], [0.25])}
    with sl.view(program, inputs=inputs, steps=3, repeat=True, speed=math.inf) as live:
        command(live, do="watch", neurons=[["digits", 0]])
        command(live, do="step", steps=8)
        told = paused_at(live, 8)
        with sl.open("emulator") as device:
            device.load(program)
            three = [[s + 3 * k, i] for k in range(3) for s, i in inputs["pixels"]]
            graded = ([[1 + 3 * k, 0] for k in range(3)], [0.25] * 3)
            v = device.run(9, {"pixels": three, "digits": graded}).states["digits"]["v"]
        spikes = sorted(zip(told["t"], told["y"], strict=True))
        assert [s for s in spikes if s[1] < 3] == [
            (s, i) for s, i in sorted(map(tuple, three)) if s < 8
        ]
        shown = [value for trace in told["traces"] for value in trace["v"][0]]
        assert shown == v.raw[:8, 0].tolist()


def test_every_input_that_learning_reads_is_cut_into_windows():
    net = sl.Network(dt=1e-3)
    pixels = net.source("pixels", 3)
    cells = net.population("cells", 2, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    rule = sl.Rule(
        dw="0.1*x0*t0 + 0.001*x0*r + 0.001*x1*y0*m",
        traces={"x1": sl.Trace(tau=20e-3)},
        w_min=-1.0,
        w_max=1.0,
    )
    net.connect(pixels, cells, weights=np.full((3, 2), 0.3), delay=0.0, learning=rule)
    program = sl.compile(net)
    rng = np.random.default_rng(1)
    inputs = {
        "pixels": rng.random((60, 3)) < 0.3,
        "cells.teacher": rng.random((60, 2)) < 0.3,
        "cells.third_factor": rng.integers(-128, 128, (60, 2)),
        "modulator": (np.arange(0, 60, 7), rng.integers(-128, 128, 9)),
    }
    with sl.open("emulator") as device, sl.open("emulator") as other:
        with sl.view(program, device, inputs=inputs, steps=60, start=True, speed=math.inf) as live:
            paused_at(live, 60)
        other.load(program)
        first = other.read_weights("pixels->cells").raw
        other.run(60, inputs)
        learned = other.read_weights("pixels->cells").raw
        assert not np.array_equal(learned, first)
        assert np.array_equal(device.read_weights("pixels->cells").raw, learned)
        # The device is the caller's again, with the Program's own probes.
        assert device.step == 60
        assert device.probes == program.probes


def test_an_open_device_goes_on_from_where_it_is(program):
    with sl.open("emulator") as device:
        device.load(program)
        device.run(5)
        with sl.view(program, device) as live:
            assert news(live)["step"] == 5
            command(live, do="step", steps=1)
            assert paused_at(live, 6)["since"] == 5
        assert device.run(1).start == 6


def test_a_port_that_is_taken(program):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(sl.DeviceError) as caught:
            sl.view(program, port=port)
    assert str(caught.value) == (
        "the port is taken by another program\n"
        f"  where: 127.0.0.1:{port}\n  remedy: choose another one; 0 takes a free one"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"inputs": {"pixels": [[0, 0]]}},
            "the length of the input is not known\n  found: steps=None\n"
            "  expected: how many steps the inputs have\n  remedy: view(…, inputs=…, steps=100)",
        ),
        (
            {"repeat": True},
            "only arrays can be repeated\n  found: no inputs\n"
            "  expected: a mapping from names to arrays",
        ),
        (
            {"speed": 0.0},
            "this is no speed\n  found: 0\n  expected: a number of steps per second above 0",
        ),
        ({"port": 70000}, "this is no port\n  found: 70000\n  expected: 0 to 65535; 0: a free one"),
    ],
)
def test_wrong_options(program, options, message):
    with pytest.raises(sl.InputError) as caught:
        sl.view(program, **options)
    assert str(caught.value) == message
    assert not [t for t in threading.enumerate() if t.name.startswith("spikeloom")]


def test_what_was_clipped_is_told(program):
    def inputs(start, steps):
        return {"digits": ([[0, 1]], [-(2.0**20) / program.populations[0].scale[1] * 8])}

    with sl.view(program, inputs=inputs) as live:
        command(live, do="step", steps=3)
        told = paused_at(live, 3)
        assert len(told["warnings"]) == 1
        assert "numbers were clipped at the end of their range" in told["warnings"][0]


def test_the_end_is_told_and_leaves_nothing_behind(program):
    live = sl.view(program, start=True)
    told = news(live)
    threading.Timer(0.2, live.close).start()
    until = time.monotonic() + 20
    while told["state"] != "ended" and time.monotonic() < until:
        try:
            told = news(live, told["epoch"], told["number"])
        except OSError:
            break
    live.close()
    live.wait()
    assert not [t for t in threading.enumerate() if t.name.startswith("spikeloom")]
    with pytest.raises(OSError, match="refused"):
        news(live)


def ends(live):
    """Whether the view counts its last page as closed."""
    waiting = threading.Thread(target=live.wait, kwargs={"linger": 0.0}, daemon=True)
    waiting.start()
    waiting.join(20)
    return not waiting.is_alive()


def test_a_farewell_that_overtakes_the_last_question(live):
    news(live)
    ask(live, "POST", "leave?page=test", b"")
    answer, content = ask(live, "GET", "news?page=test&epoch=-1&after=-1")
    assert (answer.status, json.loads(content)) == (429, {"error": "this page has closed"})
    assert ends(live)


@pytest.mark.parametrize("reset", [False, True])
def test_a_page_that_vanishes_while_it_waits(live, reset):
    told, parts = news(live), urlsplit(live.url)
    question = f"news?page=test&epoch={told['epoch']}&after={told['number']}"
    with socket.create_connection(("127.0.0.1", parts.port)) as line:
        line.sendall(
            f"GET {parts.path}{question} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        )
        while not live._server.pages._waiting.get("test"):
            time.sleep(0.01)
        if reset:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ends(live)
    assert news(live)["state"] == "paused"  # it may come back


@needs_compiler
def test_a_device_behind_a_line(tmp_path):
    """The view runs what speaks the link as it runs the emulator."""
    target = sl.TARGETS["core"].with_(lanes=2, state_bits=16, delay_slots=2, receptors=1)
    program = sl.compile(network(), target=target)
    program.save(tmp_path / "net.loom")
    inputs = {"pixels": [[s, s % 3] for s in range(0, 20, 2)]}
    found = []
    arguments = ("model", "--for", str(tmp_path / "net.loom"), "--tcp", "127.0.0.1:0")
    with served(*arguments) as told:
        for device in (told["url"], "emulator"):
            with sl.view(program, device, inputs=inputs, steps=20, speed=math.inf) as live:
                command(live, do="watch", neurons=[["digits", 0]])
                command(live, do="start")
                news_ = paused_at(live, 20)
                v = [value for trace in news_["traces"] for value in trace["v"][0]]
                found.append((news_["counts"], news_["t"], news_["y"], v))
    assert found[0] == found[1]
    assert found[0][0][0] == 10
    assert found[0][0][1] > 0
