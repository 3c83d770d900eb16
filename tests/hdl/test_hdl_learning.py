"""The learning engine's parts: products against big integers, traces against the reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.hdl import simulate

from spikeloom.compiler.microcode import Rounding, Trace, TraceKind
from spikeloom.counter_hash import mix, step_term
from spikeloom.hdl.geometry import LEARNING_FLAGS, Geometry
from spikeloom.hdl.hash_unit import Mix
from spikeloom.hdl.layout import layout
from spikeloom.hdl.learning_fade import Fade
from spikeloom.hdl.learning_lane import DONE, RuleLane
from spikeloom.hdl.learning_tables import (
    ABOVE,
    BELOW,
    DELAY,
    OWN1,
    OWN2,
    OWN_THIRD,
    SHARED,
    SIGN,
    TAG,
    WEIGHT,
)
from spikeloom.hdl.learning_traces import TAKEN, TraceLane

WIDE = Geometry(
    neurons=8, lanes=2, weight_bits=8, rules=1, plastic=8, slots=4, code=4, factors=3, fraction=20,
    coefficient_bits=41, sum_bits=52, **dict.fromkeys(LEARNING_FLAGS, True),
)  # fmt: skip
STAGES = 2 + DONE


@pytest.mark.parametrize("scattered", [False, True])
@pytest.mark.parametrize("rounding", list(Rounding))
def test_a_product_is_exact_and_rounded_once(rounding: Rounding, scattered: bool) -> None:
    rng = np.random.default_rng(int(rounding))
    g = replace(WIDE, scattered=scattered)
    lane = RuleLane(g)

    async def bench(context: Any) -> None:
        shared, synapse = lane.shared, lane.synapse
        for _ in range(40):
            low, high = np.sort(rng.integers(-128, 128, 2)).tolist()
            w, tag, delay = int(rng.integers(low, high + 1)), int(rng.integers(-128, 128)), 5
            own = rng.integers(0, 128, 2).tolist()
            third = int(rng.integers(-128, 128))
            operands = rng.integers(-128, 128, 3).tolist()
            shift = int(rng.integers(0, g.fraction + 1))
            values = {
                OWN1: own[0], OWN2: own[1], OWN_THIRD: third, WEIGHT: w, ABOVE: high - w,
                BELOW: w - low, TAG: tag, DELAY: delay,
            }  # fmt: skip
            codes = [int(code) for code in rng.choice([*values, SHARED, SHARED], 3)]
            signs = rng.integers(0, 2, 3).tolist()
            coefficient = int(rng.integers(-(1 << 7), 1 << 7))
            total = coefficient
            for i, (code, sign) in enumerate(zip(codes, signs, strict=True)):
                value = operands[i] if code == SHARED else values[code]
                total *= int(np.sign(value)) if sign else value
            index = int(rng.integers(1 << 16))
            base, multiple = rng.integers(0, 1 << 32, 2).tolist()
            if rounding != Rounding.STOCHASTIC:
                base, multiple = (1 << 31) * (rounding == Rounding.NEAREST), 0
            number = (base + multiple * (index if scattered else 1)) % (1 << 32)
            added = {
                Rounding.STOCHASTIC: number >> (32 - shift), Rounding.NEAREST: (1 << shift) >> 1,
                Rounding.FLOOR: 0,
            }[rounding]  # fmt: skip
            enable = bool(rng.integers(4))
            change = (total + added) >> shift
            expected = int(np.clip(w + change, low, high)) if enable else w
            for name, value in {
                "holds2": 1, "low2": low, "high2": high,
                "coefficient": coefficient << g.fraction - shift, "base6": base, "first6": 1,
                "last8": 1, "begins8": 1, "low8": low, "high8": high,
                **{f"factor{i}_2": code + SIGN * sign
                   for i, (code, sign) in enumerate(zip(codes, signs, strict=True))},
                **{f"operand{i}_2": value for i, value in enumerate(operands)},
            }.items():  # fmt: skip
                context.set(shared[name], int(value))
            for name, value in {
                "weight": w, "enable": enable, "tag": tag, "delay": delay,
            }.items():  # fmt: skip
                context.set(synapse[name], int(value))
            given = {"trace1": own[0], "trace2": own[1], "third": third, "x0": 1,
                     "multiple": multiple}  # fmt: skip
            if scattered:
                given["index"] = index
            for name, value in given.items():
                context.set(getattr(lane, name), value)
            await context.tick().repeat(STAGES)
            assert context.get(lane.after.weight) == expected
            assert context.get(lane.after.tag) == tag

    simulate(lane, bench)


@pytest.mark.parametrize("adders", [False, True])
def test_the_hash_is_that_of_the_machine_with_multipliers_or_without(adders: bool) -> None:
    unit = Mix(adders)
    values = np.random.default_rng(0).integers(0, 1 << 32, 60)
    values[:3] = 0, 1, (1 << 32) - 1
    found = []

    async def bench(context: Any) -> None:
        for value in [*values.tolist(), *[0] * Mix.LATENCY]:
            context.set(unit.value, value)
            await context.tick()
            found.append(context.get(unit.hashed))

    simulate(unit, bench)
    np.testing.assert_array_equal(found[Mix.LATENCY - 1 : -1], mix(values.astype(np.uint32)))


@pytest.mark.parametrize("lanes", [2, 32])
def test_traces_decay_in_turn(lanes: int) -> None:
    g = Geometry(
        neurons=4 * lanes, lanes=lanes, rules=2, plastic=8, slots=4, code=4, seconds=True
    )  # fmt: skip
    fade, rng, step = Fade(g), np.random.default_rng(lanes), 1234
    stored = rng.integers(0, 128, (4, 4, lanes))  # by trace, group, lane
    listed = [(1, 2, 0, 700), (0, 4, 3, 100), (2, 1, 2, 4096)]  # first, groups, which, decay
    expected = stored.copy()
    terms = rng.integers(0, 1 << 32, (4, 4, lanes))
    for first, groups, which, decay in listed:
        some = slice(first, first + groups)
        noise = mix((terms[which, some] + int(step_term(step)[0])).astype(np.uint32)) >> 20
        expected[which, some] = (stored[which, some] * (4096 - decay) + noise.astype(int)) >> 12
    found = stored.copy()

    async def bench(context: Any) -> None:
        context.set(fade.step_hash, int(step_term(step)[0]))
        context.set(fade.begin, 1)
        for cycle in range(200):
            number = context.get(fade.list_index) if context.get(fade.list_read) else None
            place = tuple(context.get(getattr(fade, f"read_{n}")) for n in ("trace", "place"))
            lane = context.get(fade.read_part) * g.faded
            if context.get(fade.write):
                at = tuple(context.get(getattr(fade, f"write_{n}")) for n in ("trace", "place"))
                part = context.get(fade.write_part) * g.faded
                for k in range(g.faded):
                    found[at][part + k] = context.get(getattr(fade, f"faded{k}"))
            assert context.get(fade.busy) or cycle > 20
            await context.tick()
            context.set(fade.begin, 0)
            for k in range(g.faded):
                if place[1] < 4 and lane + k < lanes:
                    context.set(getattr(fade, f"value{k}"), int(stored[place][lane + k]))
                    context.set(getattr(fade, f"term{k}"), int(terms[place][lane + k]))
            if number is not None:
                entry = listed[number] if number < len(listed) else (0, 0, 0, 0)
                names = ("first", "groups", "which")
                for name, value in zip(names, entry, strict=False):
                    context.set(getattr(fade, name), value)
                context.set(fade.keep, 4096 - entry[3])
        assert not context.get(fade.busy)

    simulate(fade, bench)
    np.testing.assert_array_equal(found, expected)


def test_traces_take_up_events_one_per_cycle() -> None:
    rng = np.random.default_rng(0)
    lane = TraceLane(Geometry(neurons=8, lanes=2, rules=1, plastic=8, slots=4, code=4))
    n = 100
    faded, event = rng.integers(0, 128, n), rng.integers(0, 2, n).astype(bool)
    for newest in (0, 1):
        raised = np.minimum(np.where(newest, 0, faded) + 50, 127)
        found = []

        async def bench(context: Any, newest: int = newest, found: Any = found) -> None:
            for signal, value in ((lane.impulse, 50), (lane.replace, newest), (lane.top, 127)):
                context.set(signal, value)
            for i in range(n + TAKEN):
                context.set(lane.faded, int(faded[min(i, n - 1)]))
                context.set(lane.event, bool(event[min(i, n - 1)]))
                await context.tick()
                found.append(context.get(lane.taken))

        simulate(lane, bench)
        np.testing.assert_array_equal(found[TAKEN - 2 :][:n], np.where(event, raised, faded))


def test_a_trace_by_age_adds_the_table_s_values() -> None:
    rng = np.random.default_rng(1)
    lane = TraceLane(WIDE)

    async def bench(context: Any) -> None:
        for _ in range(40):
            table = tuple(rng.integers(0, 128, int(rng.choice([1, 5, 32]))).tolist())
            trace = Trace(TraceKind.WINDOW, bool(rng.integers(2)), table=table)
            history, event = int(rng.integers(1 << 32)), int(rng.integers(2))
            after = (history << 1 | event) % (1 << 32)
            for signal, value in (
                (lane.history, history), (lane.event, event), (lane.replace, trace.replace),
                (lane.top, 127), (lane.begin, 1),
            ):  # fmt: skip
                context.set(signal, value)
            await context.tick()
            context.set(lane.begin, 0)
            context.set(lane.add, 1)
            for value in table:
                context.set(lane.worth, value)
                await context.tick()
            context.set(lane.add, 0)
            assert context.get(lane.remembered) == after
            expected = trace.values(np.array([after]), 127)
            assert context.get(lane.summed) == expected[0]

    simulate(lane, bench)


def test_the_largest_engine_has_no_more_than_eight_columns_in_any_table() -> None:
    for lanes in (1, 8, 64):
        g = Geometry(
            neurons=4096, lanes=lanes, weight_bits=16, delay_slots=64, rules=64, plastic=1 << 20,
            slots=1 << 12, code=1 << 10, factors=3, fraction=24, coefficient_bits=41, sum_bits=56,
            **dict.fromkeys(LEARNING_FLAGS, True),
        )  # fmt: skip
        assert max(len(table.widths) for table in layout(g).values()) <= 8
        assert max(table.region for table in layout(g).values()) < 32
