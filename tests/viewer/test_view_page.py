"""The page of a view in a real browser: what it shows is what the session has."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from support.browser import Browser

import spikeloom as sl

HOSTILE = "<img src=x onerror=alert(1)>"
RULE = sl.STDP(w_max=1.0, a_plus=0.1, a_minus=0.05)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def network(rule: sl.Rule | None = RULE) -> sl.Network:
    rng = np.random.default_rng(5)
    net = sl.Network(dt=1e-3, seed=7, name="viewed")
    retina = net.source("retina", (4, 5), sl.Poisson(50.0, seed=2))
    host = net.source("host", 3)
    cells = net.population(HOSTILE, 12, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    out = net.population("out", 2, sl.LI(tau_mem=20e-3))
    weights = rng.uniform(0.2, 0.8, (20, 12))
    net.connect(retina, cells, weights=weights, delay=0.0, learning=rule, name="learned")
    net.connect(host, cells, weights=rng.uniform(0.5, 1.5, (3, 12)), name="fixed")
    net.connect(cells, out, weights=rng.uniform(-1, 1, (12, 2)), name="read")
    return net


@pytest.fixture(scope="module")
def program():
    return sl.compile(network())


def alone(program, steps, inputs=None, device="emulator", before=None) -> list[int]:
    """Spikes of each source and population in the same run without a view."""
    names = [s.name for s in (*program.sources, *program.populations)]
    with sl.open(device) as other:
        other.load(program)
        other.watch({name: ["spikes"] for name in names})
        spikes = other.run(steps, inputs).spikes
    return [int(np.count_nonzero(spikes[name][:, 0] < (before or steps))) for name in names]


def counts(page) -> list[int]:
    script = "[...document.querySelectorAll('td.count')].map(c => c.textContent)"
    return [int(text.replace(",", "")) for text in page.value(script)]


def at_step(page, step: int) -> None:
    page.wait(f"document.querySelector('#step').textContent === {f'{step:,}'!r}")
    page.wait("document.querySelector('#state').textContent === 'paused'")


def marks(page, canvas: str) -> int:
    """Pixels of a canvas with a strong colour: not axes, text or grid, which are grey."""
    return page.value(
        f"""(() => {{ const c = document.querySelector('#{canvas}');
        const d = c.getContext('2d').getImageData(92, 8, c.width - 104, c.height - 46).data;
        let n = 0;
        for (let i = 0; i < d.length; i += 4)
          if (d[i + 3] > 100 && Math.max(d[i], d[i+1], d[i+2]) - Math.min(d[i], d[i+1], d[i+2]) > 60) n++;
        return n; }})()"""  # noqa: E501
    )


def image(page) -> str:
    return page.value("document.querySelector('#weights').toDataURL()")


def settle(page) -> None:
    """Until what was asked for before has been answered and drawn."""
    page.value("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


@pytest.mark.parametrize("device", ["emulator", "reference", "rtl"])
def test_steps_spikes_and_counts_are_the_sessions(browser, device):
    target = sl.TARGETS["core"].with_(lanes=2)
    program = sl.compile(network(rule=None), target=target)
    inputs = {"host": np.eye(40, 3, dtype=bool)}
    with sl.view(program, device, inputs=inputs, steps=40, speed=1e9) as live:
        page = browser.open(live.url)
        page.wait("document.querySelector('#state').textContent === 'paused'")
        assert marks(page, "raster") == 0
        page.choose("#steps", "7")
        page.click("#advance")
        at_step(page, 7)
        assert counts(page) == alone(program, 40, inputs, device, before=7)
        page.click("#start")
        at_step(page, 40)
        assert page.text("#note") == "the input ends here; Start goes on without"
        assert counts(page) == alone(program, 40, inputs, device)
        settle(page)
        assert marks(page, "raster") > 0
        assert marks(page, "rates") > 0
        page.click("#advance")  # beyond the end of the input
        at_step(page, 47)
        assert page.problems == []
        page.close()


def test_start_pause_reset_and_speed(browser, program):
    with sl.view(program) as live:
        page = browser.open(live.url)
        page.wait("document.querySelector('#state').textContent === 'paused'")
        assert page.value("document.querySelector('#speed').value") == "1000"
        page.click("#start")
        page.wait("Number(document.querySelector('#step').textContent.replace(',', '')) > 50")
        assert page.text("#start") == "Pause"
        page.click("#start")
        page.wait("document.querySelector('#state').textContent === 'paused'")
        settle(page)
        step, seen = page.text("#step"), counts(page)
        page.value("new Promise(r => setTimeout(r, 500))")
        assert (page.text("#step"), counts(page)) == (step, seen)
        assert seen == alone(program, int(step.replace(",", "")))
        assert page.text("#time").split()[1] in ("s", "ms")
        page.choose("#speed", "max")
        page.click("#reset")
        at_step(page, 0)
        assert counts(page) == [0, 0, 0, 0]
        page.click("#start")
        page.wait("Number(document.querySelector('#step').textContent.replaceAll(',', '')) > 5000")
        page.click("#start")
        page.wait("document.querySelector('#state').textContent === 'paused'")
        assert page.problems == []
        page.close()


def test_weights_change_where_it_learns_and_come_back(browser, program):
    with sl.view(program) as live:
        page = browser.open(live.url)
        page.wait("!document.querySelector('#learns').hidden")
        page.choose("#projection", "learned")
        page.wait("!document.querySelector('#picture').hidden")
        first = image(page)
        assert page.text("#picture-text").startswith("20 × 12 neurons, 240 synapses; ")
        page.choose("#steps", "400")
        page.click("#advance")
        at_step(page, 400)
        page.wait("document.querySelector('#picture-text').textContent.endsWith('step 400')")
        learned = image(page)
        assert learned != first
        page.value("document.querySelector('#learning').click()")
        page.click("#advance")
        at_step(page, 800)
        settle(page)
        assert image(page) == learned
        page.value("document.querySelector('#reset-weights').click()")
        page.click("#reset")
        at_step(page, 0)
        page.wait("document.querySelector('#picture-text').textContent.endsWith('step 0')")
        assert image(page) == first
        page.choose("#kind", "fields")
        page.wait("document.querySelector('#picture-text').textContent.includes('each of 12')")
        size = page.value("[weights.width, weights.height]")
        assert size == [4 * 6 - 1, 3 * 5 - 1]
        assert page.problems == []
        page.close()


def test_membranes_of_chosen_neurons(browser, program):
    with sl.view(program, speed=100) as live:
        page = browser.open(live.url)
        page.wait("document.querySelector('#watch-population').options.length === 2")
        page.choose("#watch-population", HOSTILE)
        page.choose("#watch-index", "11")
        page.click("#watch")
        page.wait("document.querySelectorAll('.chip').length === 1")
        page.choose("#watch-population", "out")
        page.choose("#watch-index", "2")
        page.click("#watch")
        page.wait("!document.querySelector('#trouble').hidden")
        assert (
            page.text("#trouble")
            == "there is no such neuron in 'out'\n  found: 2\n  expected: 0 to 1"
        )
        page.choose("#steps", "30")
        page.click("#advance")
        at_step(page, 30)
        settle(page)
        assert marks(page, "membranes") > 30
        page.click(".chip button")
        page.wait("document.querySelector('#membranes').hidden")
        page.close()


def test_names_are_text_and_nothing_comes_from_elsewhere(browser, program):
    with sl.view(program) as live:
        page = browser.open(live.url, scheme="dark")
        page.wait("document.querySelectorAll('td.count').length === 4")
        assert page.value("document.querySelectorAll('img').length") == 0
        assert page.text("#populations tbody tr:nth-child(3) td") == HOSTILE
        assert page.text("#network").count("<img src=x") == 2  # its short name and its title
        settle(page)
        assert page.requests
        assert all(url.startswith(live.url) for url in page.requests)
        assert page.problems == []
        page.close()


@pytest.mark.slow
def test_ten_thousand_spikes_a_second_and_no_backlog(browser):
    net = sl.Network(dt=1e-3, seed=1)
    busy = net.source("busy", 1000, sl.Poisson(12.0, seed=1))
    cells = net.population("cells", 10, sl.LIF(tau_mem=20e-3))
    net.connect(busy, cells, weights=np.full((1000, 10), 0.001))
    program = sl.compile(net)
    with sl.view(program, start=True) as live:
        page = browser.open(live.url)
        page.choose("#span", "2000")
        page.wait("Number(document.querySelector('#step').textContent.replaceAll(',', '')) > 500")
        behind, rounds = [], 12
        for _ in range(rounds):
            page.value("new Promise(r => setTimeout(r, 400))")
            shown = int(page.text("#step").replace(",", ""))
            behind.append(live._runner._device.step - shown)
        shown, seen = int(page.text("#step").replace(",", "")), counts(page)[0]
        # What the page is behind is what one picture takes; it does not grow.
        assert max(behind[-4:]) < 1000
        assert max(behind[-4:]) <= max(300, 2 * max(behind[:4]))
        assert seen / shown == pytest.approx(12.0, rel=0.1)  # spikes in a step of 1 ms
        page.click("#start")
        page.wait("document.querySelector('#state').textContent === 'paused'")
        settle(page)
        step = int(page.text("#step").replace(",", ""))
        assert counts(page) == alone(program, step)
        assert page.text("#part") == ""  # all of them were drawn
        # Faster than anything can be drawn: it says so, and counts on.
        page.choose("#speed", "max")
        page.click("#start")
        page.wait("document.querySelector('#part').textContent.endsWith('are of all.')")
        page.click("#start")
        page.wait("document.querySelector('#state').textContent === 'paused'")
        settle(page)
        step = int(page.text("#step").replace(",", ""))
        assert counts(page) == alone(program, step)
        page.close()


def test_it_ends_with_its_last_page(browser, program):
    with sl.view(program) as live:
        done = threading.Thread(target=live.wait, kwargs={"linger": 0.3})
        done.start()
        page = browser.open(live.url)
        page.wait("document.querySelector('#state').textContent === 'paused'")
        assert done.is_alive()
        page.close()
        done.join(20)
        assert not done.is_alive()


def test_the_page_says_when_the_view_ends(browser, program):
    with sl.view(program, start=True) as live:
        page = browser.open(live.url)
        page.wait("document.querySelector('#state').textContent === 'running'")
    page.wait("['ended', 'no connection'].includes(document.querySelector('#state').textContent)")
    assert page.value("document.querySelector('#start').disabled")
    page.close()


def test_a_failing_input_is_shown_and_raised(browser, program):
    def inputs(start, steps):
        return {"host": [[0, 99]]} if start >= 5 else None

    with sl.view(program, inputs=inputs) as live:
        page = browser.open(live.url)
        page.wait("document.querySelector('#state').textContent === 'paused'")
        page.click("#start")
        page.wait("document.querySelector('#state').textContent === 'failed'")
        assert "index out of range" in page.text("#trouble")
        with pytest.raises(sl.InputError, match="index out of range"):
            live.wait()
        page.close()


def test_sizes_of_answers_are_json(program):
    """What the page asks for is plain data that any client reads."""
    from urllib.request import urlopen

    with sl.view(program) as live, urlopen(live.url + "network") as answer:
        facts = json.load(answer)
    assert [node["name"] for node in facts["nodes"]] == ["retina", "host", HOSTILE, "out"]
    assert [node["layer"] for node in facts["nodes"]] == [0, 0, 1, 2]
    assert facts["edges"][0] == {
        "name": "learned",
        "pre": 0,
        "post": 2,
        "synapses": 240,
        "learns": True,
    }
