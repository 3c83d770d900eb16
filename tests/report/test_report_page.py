"""The report as a page: whole, of itself, true, and safe whatever the names are."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.browser import Browser
from support.paper_program import paper_program

import spikeloom as sl
from spikeloom.report_page import report_html
from spikeloom.report_page.facts import budget, run, traffic, use_of_cores

HOSTILE = "</style></title><script>document.title='owned'</script><img src='https://x.example/y'>"
SECTIONS = ["summary", "findings", "fit", "placement", "traffic", "cycles"]
SECTIONS += ["weights", "neurons", "bounds", "learning"]


def network(name: str = HOSTILE) -> sl.Network:
    rng = np.random.default_rng(2)
    net = sl.Network(dt=1e-3, seed=4, name=name)
    host = net.source("host", 20)
    poisson = net.source("poisson" + name, 6, sl.Poisson(100.0, seed=1))
    cells = net.population("cells" + name, 50, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    out = net.population("out", 3, sl.LI(tau_mem=20e-3))
    rule = sl.STDP(w_max=0.5)
    net.connect(host, cells, weights=rng.uniform(0, 0.4, (20, 50)), delay=0.0, learning=rule)
    net.connect(poisson, cells, weights=rng.uniform(0, 0.4, (6, 50)), delay=0.0)
    net.connect(cells, cells, weights=rng.uniform(-0.1, 0.1, (50, 50)), name="back" + name)
    net.connect(cells, out, weights=rng.uniform(-1, 1, (50, 3)))
    return net


@pytest.fixture(scope="module")
def program():
    return sl.compile(network())


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_every_section_is_there_and_nothing_is_loaded(browser, program, tmp_path):
    path = tmp_path / "report.html"
    inputs = {"host": np.random.default_rng(1).random((200, 20)) < 0.1}
    sl.write_report(path, program, inputs, 200)
    page = browser.open(path.as_uri())
    found = page.value("[...document.querySelectorAll('section')].map(s => s.id)")
    assert found == [*SECTIONS[:6], "activity", *SECTIONS[6:]]
    assert page.value(
        "[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))"
    )
    sizes = page.value("[...document.querySelectorAll('section')].map(s => s.offsetHeight)")
    assert min(sizes) > 60
    charts = page.value(
        "[...document.querySelectorAll('svg.chart')].map(s => s.getBoundingClientRect().width)"
    )
    assert len(charts) >= 7
    assert min(charts) > 20
    assert page.text("h1") == HOSTILE[:200]
    assert page.value("document.title") == HOSTILE[:200] + " – Spikeloom"
    assert page.value("document.querySelectorAll('script, img, link, iframe').length") == 0
    assert page.requests == [path.as_uri()]
    assert page.problems == []
    page.close()


class Tags(HTMLParser):
    """Checks that every tag is closed where it should be."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_markup_is_sound(program):
    tags = Tags()
    tags.feed(report_html(program))
    assert tags.open == []
    assert not tags.seen & {"script", "img", "link", "iframe", "form", "a href"}


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"network": 3, "warnings": 5, "notes": None, "projections": [], "populations": 1},
        {"network": "n", "warnings": ["<b>"], "notes": [], "projections": {"<p>": {}}, "rules": {}},
        {"populations": {"<i>": {"size": "<u>", "scale": [1], "decay": 3, "error": {}}}},
        {"projections": {"x": {"synapses": 1, "largest_weight": 1, "max_error": "<script>"}}},
        {"rules": {"<r>": {"weights": [1, 2], "enabled": 1, "step": "<", "rounding": 1}}},
    ],
)
def test_the_report_of_something_else_is_shown_as_it_is(report):
    from dataclasses import replace

    page = report_html(replace(paper_program(), report=report))
    assert "Not as this compiler writes it:" in page
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not tags.seen & {"script", "b", "u", "r"}
    assert [s for s in re.findall(r'<section id="(\w+)"', page) if s in SECTIONS] == SECTIONS


def test_what_the_page_says_of_fit_is_the_compilers(program):
    used = use_of_cores(program)
    for i, name in enumerate(("neurons", "axons", "rows", "profiles", "synapse_bits")):
        entry = program.report["resources"][name]
        assert used[:, i].sum() == entry["total"]
        assert used[:, i].max() == entry["largest_core"]
    assert f"<td>{used[0, 2]:,}</td>" in report_html(program)


def test_traffic_is_what_the_routes_say():
    target = sl.TARGETS["core"].with_(mesh=(3, 3), neurons=10, axons=512)
    net = network("many")
    program = sl.compile(net, target=target)
    inputs = {"host": np.random.default_rng(3).random((60, 20)) < 0.2}
    with sl.open("emulator") as device:
        device.load(program)
        activity = run(device, 60, inputs)
    for counted in (None, activity):
        expected = np.zeros((len(program.cores) + 1, len(program.cores)), int)
        for number, core in enumerate(program.cores):
            for slot in range(core.neurons):
                to = core.spike_to[core.spike_start[slot] : core.spike_start[slot + 1]]
                for target_core in set(to["core"].tolist()):
                    expected[number, target_core] += fired(program, counted, number, slot)
        for source in program.sources:
            for index in range(source.size):
                channel = source.first_channel + index
                ends = program.channel_start[channel : channel + 2]
                for target_core in set(program.channel_to[slice(*ends)]["core"].tolist()):
                    n = 1 if counted is None else counted.spikes[source.name][index]
                    expected[-1, target_core] += n
        assert np.array_equal(traffic(program, counted), expected)
        assert expected.sum() > 100
    page = report_html(program, activity)
    between = expected[:-1].sum() - np.trace(expected[:-1])
    assert f"<td>cores to other cores</td><td>{between:,}</td>" in page
    assert "Not known: cores of a mesh cannot learn in this version." in page


def fired(program, counted, core, slot) -> int:
    if counted is None:
        return 1
    for population in program.populations:
        here = (population.core == core) & (population.slot == slot)
        if here.any():
            return int(counted.spikes[population.name][np.flatnonzero(here)[0]])
    raise AssertionError("a neuron without a population")


@pytest.mark.parametrize("room", [256, 10])
def test_the_budget_is_what_the_emulator_counts(room):
    """On one core, and on a mesh of them."""
    net = sl.Network(dt=1e-3)
    host = net.source("host", 7)
    cells = net.population("cells", 30, sl.LIF(tau_mem=None, v_threshold=1.0))
    net.connect(host, cells, weights=np.full((7, 30), 0.2), delay=0.0)
    net.connect(cells, cells, weights=np.full((30, 30), -0.001))
    target = sl.TARGETS["core"].with_(neurons=room, mesh=(2, 2))
    program = sl.compile(net, target=target)
    assert len(program.cores) == -(-30 // room)
    told, why_not = budget(program)
    assert why_not == ""
    cases = dict(told)
    assert list(cases) == ["nobody", "all of host", "all of cells", "everybody"]
    everybody = [[0, i] for i in range(7)]
    with sl.open("emulator?cycles=on") as device:
        device.load(program)
        device.watch({"cells": ["spikes"]})
        result = device.run(3, {"host": everybody})
        assert len(result.spikes["cells"]) == 30  # all of them, in step 0
        assert result.cycles.tolist() == [
            cases["all of host"],
            cases["all of cells"],
            cases["nobody"],
        ]
        device.reset()
        both = device.run(2, {"host": [*everybody, *([1, i] for i in range(7))]})
        assert both.cycles[1] == cases["everybody"]


def test_the_histogram_holds_errors_of_a_whole_step():
    net = sl.Network(dt=1e-3)
    host = net.source("host", 40)
    cells = net.population("cells", 50, sl.LIF(tau_mem=None, v_threshold=1.0))
    net.connect(host, cells, weights=np.random.default_rng(5).uniform(0, 0.4, (40, 50)))
    program = sl.compile(net, quantization=sl.Quantization(rounding="toward_zero"))
    (entry,) = program.report["projections"].values()
    counts = np.array(entry["error_histogram"])
    assert counts.sum() == 2000
    assert counts[10:].sum() == 0  # nothing is rounded up
    assert counts[:10].min() > 100
    assert counts[:10].max() < 300  # and no end gathers what lies beyond


def test_errors_of_weights_are_the_networks(program):
    entry = program.report["projections"]["host->cells" + HOSTILE]
    assert sum(entry["error_histogram"]) == entry["synapses"] == 1000
    worst = entry["worst_errors"]
    errors = [abs(got - w) for _, _, w, got in worst]
    assert errors[0] == pytest.approx(entry["max_error"])
    assert errors == sorted(errors, reverse=True)
    rng = np.random.default_rng(2)
    weights = rng.uniform(0, 0.4, (20, 50))
    with sl.open("emulator") as device:
        device.load(program)
        held = device.read_weights("host->cells" + HOSTILE).toarray()
    difference = np.abs(held - weights)
    assert errors[0] == pytest.approx(difference.max())
    for pre, post, w, got in worst:
        assert (weights[pre, post], held[pre, post]) == pytest.approx((w, got))


def test_a_chip(browser, tmp_path):
    net = sl.Network(dt=1e-3, seed=1, name="chip")
    host = net.source("host", 10)
    cells = net.population("cells", 40, sl.LIF(tau_mem=20e-3, v_threshold=1.0))
    net.connect(host, cells, weights=np.random.default_rng(1).uniform(0, 1, (10, 40)))
    net.connect(cells, cells, weights=np.full((40, 40), 0.01))
    program = sl.compile(net, target="loihi")
    inputs = {"host": np.random.default_rng(1).random((40, 10)) < 0.3}
    report = sl.latency(program, inputs, 40, "loihi")
    path = tmp_path / "chip.html"
    sl.write_report(path, program, inputs, 40, chip=report)
    page = browser.open(path.as_uri(), scheme="dark")
    text = page.text("#chip")
    assert text.startswith(report.title)
    assert f"{report.messages:,} messages" in text
    assert "energy-delay product" in text
    assert page.value("document.querySelectorAll('#chip svg.chart').length") >= 2
    assert page.problems == []
    page.close()
