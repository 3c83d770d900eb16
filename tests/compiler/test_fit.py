"""When a network does not fit: the table, its totals, and the way out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import random_network

import spikeloom as sl
from spikeloom.compiler.canonicalise import Canonicalise
from spikeloom.compiler.expand import Expand
from spikeloom.compiler.import_network import ImportNetwork
from spikeloom.compiler.mapped import Flat
from spikeloom.compiler.mapping import Mapping
from spikeloom.compiler.partition import Partition, _Counter
from spikeloom.compiler.quantise import Quantise, Quantization
from spikeloom.compiler.twins import Doubled
from spikeloom.compiler.usage import RESOURCES


def flat(net: sl.Network, target: sl.Target) -> Flat:
    graph = Canonicalise().apply(ImportNetwork().apply(net))
    return Expand(target).apply(Quantise(target, Quantization()).apply(graph))


def test_table_names_what_is_missing() -> None:
    net = sl.Network(name="big")
    source = net.source("in", 10)
    exc = net.population("exc", 80, sl.LIF(20e-3))
    net.population("inh", 20, sl.LIF(10e-3, bias=0.1))
    net.connect(source, exc, weights=np.ones((10, 80)))
    target = sl.Target(name="tiny", neurons=32, mesh=(1, 2))
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, target)
    assert str(caught.value) == (
        "network 'big' does not fit target 'tiny'\n"
        "resource      population  needed  available  per\n"
        "cores         (all)            4          2  total  does not fit\n"
        "neurons       (all)          100         64  total  does not fit\n"
        "neurons       exc             80         64  total  does not fit\n"
        "neurons       inh             20         64  total\n"
        "axons         (all)           30      4,096  total\n"
        "rows          (all)           30     16,384  total\n"
        "profiles      (all)            5      2,048  total\n"
        "synapse_bits  (all)        6,400  8,388,608  total\n"
        "  remedy: a target with more cores (Target.with_(mesh=…)), or target='emulator' if "
        "you only simulate; fewer neurons, or a target with more neurons per core"
    )
    assert caught.value.table[0] == {
        "resource": "cores",
        "population": "(all)",
        "needed": 4,
        "available": 2,
        "per": "total",
    }


def test_a_neuron_that_fits_no_core_is_named() -> None:
    net = sl.Network(name="wide")
    source = net.source("in", 10)
    cells = net.population("cells", 3, sl.LIF(20e-3))
    weights = np.zeros((10, 3))
    weights[:, 1] = 1.0
    i, j = np.nonzero(weights)
    net.connect(source, cells, weights=sl.Synapses(i, j, 1.0))
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, sl.Target(name="narrow", axons=8, synapse_bits=64, mesh=(2, 2)))
    text = str(caught.value)
    assert "axons         cells[1]        10          8  core   does not fit" in text
    assert "synapse_bits  cells[1]        80         64  core   does not fit" in text
    assert "fewer inputs per neuron" in text


def test_synapse_memory_splits_before_it_overflows() -> None:
    """Eight neurons with 100 dense inputs each: 6,400 bits, on cores that hold 2,000."""
    net = sl.Network()
    net.connect(
        net.source("in", 100), net.population("p", 8, sl.LIF(20e-3)), weights=np.ones((100, 8))
    )
    program = sl.compile(net, sl.Target(mesh=(2, 2), synapse_bits=2000))
    assert [core.neurons for core in program.cores] == [2, 2, 2, 2]
    assert program.report["cores"] == {"used": 4, "available": 4}
    assert program.report["resources"]["synapse_bits"] == {
        "total": 6400,
        "largest_core": 1600,
        "per_core": 2000,
    }


LIMITS = st.fixed_dictionaries(
    {
        "neurons": st.integers(1, 64),
        "axons": st.integers(30, 200),
        "rows": st.integers(60, 400),
        "profiles": st.integers(1, 64),
        "synapse_bits": st.integers(3_000, 60_000),
    }
)


@pytest.mark.filterwarnings(r"ignore:.*\[neurons_can_(fire|be_silent)\]")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 20), limits=LIMITS)
def test_parts_fit_and_none_could_take_another_neuron(seed: int, limits: dict[str, int]) -> None:
    target = sl.Target(mesh=(12, 12), **limits)
    ir = flat(random_network(seed), target)
    try:
        parts = Partition(Mapping("sequential")).apply(ir)
    except sl.FitError as error:
        rows = [row for row in error.table if row["needed"] > row["available"]]
        assert rows
        return
    parts.verify()
    for usage in parts.usage:
        assert all(usage[name] <= limits[name] for name in RESOURCES)
    counter = _Counter(Doubled.single(ir))
    first = 0
    for size in np.bincount(parts.part)[:-1].tolist():
        larger = counter.usage(first, first + size + 1)
        assert any(larger[name] > limits[name] for name in RESOURCES)
        first += size
    # What the report says of each core is what the Program's core has; with more lanes, short
    # dense rows may become sparse ones and the other way round (test_slots.py).
    program = sl.compile(random_network(seed), target.with_(lanes=1), mapping="sequential")
    bits = [
        len(c.dense_weight) * target.weight_bits + len(c.sparse_weight) * target.sparse_synapse_bits
        for c in program.cores
    ]
    found = sorted(
        (c.neurons, c.axons, len(c.rows), len(c.profiles), b)
        for c, b in zip(program.cores, bits, strict=True)
    )
    assert found == sorted(tuple(u[name] for name in RESOURCES) for u in parts.usage)


def test_design_rules_are_raised_together() -> None:
    net = sl.Network(name="rules")
    cells = net.population("cells", 2, sl.LIF(20e-3))
    slow = net.connect(cells, cells, weights=np.ones((2, 2)), delay=20e-3)
    second = net.connect(cells, cells, weights=np.ones((2, 2)), receptor=1)
    with pytest.raises(sl.FitError) as caught:
        sl.compile(net, sl.Target(delay_slots=16, receptors=1))
    assert [(row["resource"], row["needed"], row["available"]) for row in caught.value.table] == [
        ("delay_slots", 20, 16),
        ("receptors", 2, 1),
    ]
    assert str(caught.value) == (
        "network 'rules' breaks 2 design rules\n"
        "  - [delay_fits_the_wheel] projection 'cells->cells' has a delay of 20 steps; the 16 "
        f"delay slots of target 'core' hold at most 16 ({slow.origin})\n"
        "  - [receptor_exists] projection 'cells->cells#2' drives receptor 1; target 'core' has 1 "
        f"({second.origin})\n"
        "  remedy: use shorter delays, a larger dt, or a target with more delay slots; use "
        "receptor 0, or a target with two receptors"
    )


def test_an_empty_network_is_no_network() -> None:
    net = sl.Network(name="empty")
    with pytest.raises(sl.CompileError, match=r"\[has_a_population\] the network has no pop"):
        sl.compile(net)


def test_suspicions_are_notes() -> None:
    net = sl.Network()
    source = net.source("lonely", 2)
    cells = net.population("cells", 40, sl.LIF(20e-3))
    other = net.source("in", 40)
    net.connect(other, cells, weights=np.eye(40))
    net.connect(source, cells, weights=sl.Synapses([], [], []))
    net.population("quiet", 3, sl.LIF(20e-3, bias=[0.1, 0.0, 0.0]))
    assert sl.compile(net).report["notes"][:4] == [
        "quiet: neuron 1 (and 1 more) has no synapse and no bias: only graded input can move it "
        "[every_population_gets_input]",
        "lonely: the source reaches no neuron [every_source_is_used]",
        "lonely->cells: the projection has no synapse [projection_has_synapses]",
        "in->cells: 1560 of 1600 weights are zero and take memory and cycles; pass a SciPy "
        "sparse matrix to leave them out [dense_is_not_mostly_zero]",
    ]
