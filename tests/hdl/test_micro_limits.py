"""What the small core does not have is refused: by geometries, at compile time, when loaded."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.micro import SMALL, small_program
from support.plastic import with_random_rules
from support.rtl import program_that_fits

import spikeloom as sl
from spikeloom.board_fit import target_of
from spikeloom.compiler.microcode import Condition, Group, Product, TraceKind, When
from spikeloom.compiler.target import SMALL_PARTS
from spikeloom.errors import FitError, UnsupportedError
from spikeloom.hdl.geometry import FLAGS, LEARNING_FLAGS, LEARNING_SIZES
from spikeloom.hdl.micro.limits import ADDRESSES, LIMITS, WITHOUT
from spikeloom.hdl.micro.places import Places
from spikeloom.runtime.images import HardwareImage

OTHER = {
    "lanes": 2, "update_lanes": 0, "words": 2, "generators": 1, "state_bits": 24,
    "weight_bits": 8, "accumulator_bits": 17, "receptors": 2, "refractory_bits": 13,
    "exponents": 1, "shifts": 1, "mesh_rows": 2, "mesh_columns": 2, "rules": 2,
    "plastic": ADDRESSES + 1, "factors": 2, "coefficient_bits": 33, "sum_bits": 33,
}  # fmt: skip


def test_every_field_of_a_geometry_is_limited_or_free() -> None:
    free = {
        "neurons", "axons", "rows", "destinations", "channels", "profiles", "delay_slots",
        "slots", "code", "fraction", "micro",
    }  # fmt: skip
    assert {*LIMITS, *WITHOUT} | free == {*SMALL.to_dict()}
    assert not {*LIMITS, *WITHOUT} & free
    assert {*WITHOUT} >= {*LEARNING_FLAGS}
    assert {*LIMITS, *WITHOUT, *free} >= {*FLAGS, *LEARNING_SIZES}


@pytest.mark.parametrize("name", [*LIMITS, *WITHOUT])
def test_what_it_does_not_have_no_geometry_asks_for(name: str) -> None:
    value = OTHER.get(name, name in WITHOUT)
    changed = {name: value}
    if name == "lanes":
        changed["update_lanes"] = 1
    if name == "update_lanes":  # half of one lane is one
        assert replace(SMALL, **changed) == SMALL
        return
    if name == "exponential":
        changed["linear"] = True
    if name == "hold":
        changed["mask"] = True
    with pytest.raises(UnsupportedError, match=r"a small core cannot be built|cannot learn"):
        replace(SMALL, **changed)
    if name not in ("lanes", "mesh_rows", "mesh_columns"):
        replace(SMALL, **changed | {"micro": False})


def test_its_tables_have_an_end() -> None:
    with pytest.raises(UnsupportedError) as caught:
        replace(SMALL, neurons=1024, delay_slots=64)
    assert "its tables are larger than its memory can be" in str(caught.value)
    assert f"at most {ADDRESSES}" in str(caught.value)
    assert Places(SMALL).words <= ADDRESSES


def network(kind: str) -> sl.Network:
    net = sl.Network(dt=1e-3, seed=1, name="other")
    x = net.source("x", 5)
    y = net.population("y", 4, sl.LIF(tau_mem=9e-3, v_threshold=1.0))
    weights = np.full((5, 4), 0.3)
    stdp = sl.STDP(w_max=1.0, a_plus=0.05, a_minus=0.05, tau_plus=1e-2, tau_minus=1e-2)
    traces = {"x1": sl.Trace(6e-3), "y1": sl.Trace(6e-3)}
    rules = {
        "epochs": "0.1*u0",
        "sums": "0.1*x1*y0 - 0.2*x1*t0",
        "shared": "0.1*x1*x0 - 0.1*y1*x0",
        "thirds": "0.1*r*x1*y0",
        "by_weight": "0.1*w*y0*x1",
    }
    if kind in rules:
        used = {name: trace for name, trace in traces.items() if name in rules[kind]}
        net.connect(x, y, weights=weights, learning=sl.Rule(dw=rules[kind], traces=used, w_max=1.0))
    else:
        net.connect(x, y, weights=weights, learning=None if kind == "nothing learns" else stdp)
    if kind == "static":
        net.connect(y, y, weights=np.full((4, 4), 0.1))
    if kind == "several":
        net.connect(y, y, weights=np.full((4, 4), 0.1), learning=stdp)
    return net


REASONS = {
    "static": "projection 'y->y' does not learn; target 'small' is built without synapses that do",
    "nothing learns": "0 projections learn; target 'small' computes exactly one rule",
    "several": "2 projections learn; target 'small' computes exactly one rule",
    "epochs": "changes at the ends of epochs",
    "sums": "several products of one event",
    "shared": "factors that all synapses of a spike share",
    "thirds": "the third factor r",
    "by_weight": "the weight as a factor",
}


@pytest.mark.parametrize("kind", list(REASONS))
def test_other_networks_are_refused_at_compile_time_and_when_loaded(kind: str) -> None:
    target = target_of(SMALL, "small")
    assert {*target.lacks} >= {*SMALL_PARTS}
    with pytest.raises(sl.FitError) as caught:
        sl.compile(network(kind), target)
    assert REASONS[kind] in str(caught.value)
    # The same numbers, from a target that says nothing of it.
    able = target.with_(lacks=(), factors=3, products=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = sl.compile(network(kind), able)
    with pytest.raises(FitError, match="the program does not fit the hardware core") as caught:
        HardwareImage(program, SMALL)
    part = "static" if kind == "nothing learns" else kind
    assert f"{part}: " in str(caught.value.found)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_random_program_is_held_that_it_would_not_compute(seed: int) -> None:
    """What is loaded has one rule with one product per event of what stands across, and no more."""
    rng = np.random.default_rng(seed)
    g = replace(SMALL, micro=False, neurons=16, channels=64, generators=4, words=1024, axons=256,
                rows=512, destinations=512)  # fmt: skip
    program = with_random_rules(program_that_fits(g, seed, neurons=12), rng)
    roomy = replace(SMALL, axons=256, rows=512, destinations=512, channels=64)
    check_held(program, roomy)
    ours = small_program(seed)
    (rule,) = ours.rules
    pre = Group(When.EPOCH, rule.groups[0].changes, 4, (Product(3, Condition.NONE, (0,)),))
    check_held(replace(ours, rules=(replace(rule, groups=(*rule.groups[:1], pre)),)), SMALL)
    check_held(replace(ours, rules=()), SMALL)
    check_held(ours, SMALL)


def check_held(program: sl.Program, g) -> None:
    try:
        HardwareImage(program, g)
    except FitError:
        return
    (core,), (rule,) = program.cores, program.rules
    assert (core.rows["rule"] == 1).all()
    assert not len(program.generators)
    whens = [group.when for group in rule.groups]
    assert When.EPOCH not in whens
    assert len(set(whens)) == len(whens)
    for group in rule.groups:
        (product,) = group.products
        assert product.factors == ((2,) if group.when == When.PRE else (0,))
    assert rule.post_delay == 0
    assert rule.x2.kind == rule.y2.kind == TraceKind.NONE
    assert TraceKind.WINDOW not in (rule.x1.kind, rule.y1.kind)
