"""The independent check of a Program: every index, width and range, whatever pass or file made it.

Nothing here shares code with the passes that build Programs; it walks the finished tables as a
device would.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from .program import (
    DENSE,
    DESTINATION,
    GENERATOR,
    HOLD,
    LINEAR,
    MASK,
    MAX_SIDES,
    PERIODIC,
    POISSON,
    PROFILE,
    RESET_SUBTRACT,
    ROW,
    SPARSE,
    CoreImage,
    Program,
)
from .program_check_rules import check_rules, worst_weights
from .program_check_splits import check_splits
from .program_check_twins import check_fans, check_twins
from .program_file import weight_dtype
from .target import TAG_BITS, Target

_NAME_LIMIT = 1000


def verify(program: Program) -> None:
    """Check a Program against its target and against itself.

    Raises:
        FileError: naming the first thing that is wrong.
    """
    _check_header(program)
    _check_symbols(program)
    for index, core in enumerate(program.cores):
        _check_core(core, program, f"core {index}")
    _check_places(program)
    check_twins(program, _require)
    _check_destinations(program)
    check_fans(program, _require)
    _check_generators(program)
    check_rules(program, _require)
    owner = _axon_owners(program)
    for index, core in enumerate(program.cores):
        _check_row_symbols(program, core, index, owner[index])
        _check_accumulators(core, program, f"core {index}")
    check_splits(program, _require, owner)


def _require(condition: bool | np.bool_, where: str, problem: str, found: object = None) -> None:
    if not condition:
        raise FileError(f"the Program is not valid: {problem}", found=found, where=where)


def _check_range(values: NDArray[Any], low: int, high: int, where: str, name: str) -> None:
    """All values within ``low … high``; the message names the first that is not."""
    if len(values) and (values.min() < low or values.max() > high):
        bad = np.flatnonzero((values < low) | (values > high))[0]
        raise FileError(
            f"the Program is not valid: {name} is out of range",
            found=f"{values[bad]} at index {bad}",
            expected=f"{low} … {high}",
            where=where,
        )


def _check_array(array: NDArray[Any], dtype: Any, length: int | None, where: str) -> None:
    _require(array.dtype == np.dtype(dtype), where, "an array has another type", array.dtype)
    _require(array.ndim == 1, where, "an array is not one-dimensional", array.shape)
    if length is not None:
        _require(len(array) == length, where, "an array has another length", len(array))


def _check_starts(starts: NDArray[np.int32], total: int, where: str) -> None:
    _check_array(starts, np.int32, None, where)
    _require(len(starts) > 0, where, "the table of starts is empty")
    _require(starts[0] == 0 and starts[-1] == total, where, "starts do not cover the table")
    _require(bool((np.diff(starts) >= 0).all()), where, "starts are not ascending")


def _check_header(program: Program) -> None:
    target = program.target
    _require(
        type(program.dt) is float and math.isfinite(program.dt) and program.dt > 0,
        "dt", "the step's length is not a positive number of seconds", program.dt,
    )  # fmt: skip
    _require(
        type(program.seed) is int and 0 <= program.seed < 1 << 32,
        "seed", "not a 32-bit unsigned integer", program.seed,
    )  # fmt: skip
    _require(len(program.cores) > 0, "cores", "it has no core")
    _require(
        len(program.cores) <= target.cores, "cores", "more cores than the mesh", len(program.cores)
    )
    _require(isinstance(program.report, dict), "report", "not a mapping")


def _check_symbols(program: Program) -> None:
    names = [s.name for s in program.sources] + [p.name for p in program.populations]
    for name in names + [p.name for p in program.projections]:
        _require(0 < len(name) <= _NAME_LIMIT, "names", "a name is empty or too long", name[:50])
    _require(len(set(names)) == len(names), "names", "a source or population name occurs twice")
    projections = [p.name for p in program.projections]
    _require(len(set(projections)) == len(projections), "names", "a projection name occurs twice")
    channel = 0
    for source in program.sources:
        where = f"source {source.name!r}"
        _require(source.kind in ("host", "poisson", "periodic"), where, "unknown kind", source.kind)
        _require(source.size >= 1, where, "the size is not positive", source.size)
        _require(source.first_channel == channel, where, "channels are not consecutive", channel)
        channel += source.size
    _require(channel == program.channels, "channels", "sources do not cover them", channel)
    sources = {s.name for s in program.sources}
    populations = {p.name for p in program.populations}
    size = {s.name: s.size for s in (*program.sources, *program.populations)}
    for name, sides in program.shapes.items():
        whole = all(type(side) is int and side >= 1 for side in sides) and len(sides) <= MAX_SIDES
        fits = whole and name in size and math.prod(sides) == size[name]
        _require(fits, "shapes", f"the shape of {name[:50]!r} is not that of its neurons", sides)
    for projection in program.projections:
        where = f"projection {projection.name!r}"
        _require(projection.post in populations, where, "no such target", projection.post)
        _require(projection.pre in sources | populations, where, "no such origin", projection.pre)
        _require(
            projection.base_delay == (projection.pre in populations), where,
            "the base delay is not 0 from a source or 1 from a population", projection.base_delay,
        )  # fmt: skip
        _require(
            0 <= projection.receptor < program.target.receptors, where, "no such receptor",
            projection.receptor,
        )  # fmt: skip
    for probe in program.probes:
        where = f"probe of {probe.of!r}"
        allowed = {"spikes"} if probe.of in sources else {"spikes", "v", "u0", "u1", "threshold"}
        _require(probe.of in sources | populations, where, "no such object")
        _require(probe.variable in allowed, where, "no such variable", probe.variable)


def _check_core(core: CoreImage, program: Program, where: str) -> None:
    target = program.target
    n, weights = core.neurons, weight_dtype(target)
    low, high = -target.state_max - 1, target.state_max
    for name, dtype in (("profile", "<u2"), ("key", "<u4"), ("threshold", "<i4"),
                        ("bias", "<i4"), ("v_init", "<i4")):  # fmt: skip
        _check_array(getattr(core, name), dtype, n, f"{where}, {name}")
        if dtype == "<i4":
            _check_range(getattr(core, name), low, high, where, name)
    for name, dtype in (("profiles", PROFILE), ("rows", ROW), ("spike_to", DESTINATION)):
        _check_array(getattr(core, name), dtype, None, f"{where}, {name}")
    _check_array(core.sparse_target, "<u2", None, f"{where}, sparse_target")
    _check_array(core.sparse_delay, "u1", len(core.sparse_target), f"{where}, sparse_delay")
    _check_array(core.sparse_weight, weights, len(core.sparse_target), f"{where}, sparse_weight")
    _check_array(core.dense_weight, weights, None, f"{where}, dense_weight")
    _check_range(core.profile, 0, len(core.profiles) - 1, where, "profile")
    _check_starts(core.axon_start, len(core.rows), f"{where}, axon_start")
    _check_starts(core.spike_start, len(core.spike_to), f"{where}, spike_start")
    _require(len(core.spike_start) == n + 1, where, "spike_start has another length")
    bits = synapse_bits(core, program)
    for name, needed, available in (
        ("neurons", n, target.neurons),
        ("axons", core.axons, target.axons),
        ("rows", len(core.rows), target.rows),
        ("profiles", len(core.profiles), target.profiles),
        ("synapse bits", bits, target.synapse_bits),
    ):
        _require(needed <= available, where, f"more {name} than the core has", needed)
    _check_profiles(core.profiles, target, where)
    _check_rows(core, target, where)


def synapse_bits(core: CoreImage, program: Program) -> int:
    """Bits of synapse memory that a core needs; rules and rows are not checked yet."""
    target = program.target
    bits = len(core.dense_weight) * target.weight_bits
    bits += len(core.sparse_target) * target.sparse_synapse_bits
    for number, rule in enumerate(program.rules, 1):
        count = int(core.rows["count"][core.rows["rule"] == number].sum(dtype=np.int64))
        bits += count * (1 + (TAG_BITS if rule.needs_tags else 0))
    return bits


def _check_profiles(profiles: NDArray[np.void], target: Target, where: str) -> None:
    top = target.state_max
    for name, low, high in (
        ("spiking", 0, 1),
        ("shift", 0, target.shifts),
        ("leak", 0, LINEAR),
        ("decay_v", 0, 4096),
        ("leak_step", 0, top),
        ("reset", 0, RESET_SUBTRACT),
        ("reset_delay", 0, 1),
        ("v_reset", -top - 1, top),
        ("refractory", 0, 65535),
        ("refractory_mode", HOLD, MASK),
        ("adapt_step", 0, top),
        ("adapt_decay", 0, 4096),
    ):
        _check_range(profiles[name], low, high, f"{where}, profiles", name)
    _check_range(profiles["decay_u"].ravel(), 0, 4096, f"{where}, profiles", "decay_u")


def _check_rows(core: CoreImage, target: Target, where: str) -> None:
    rows, slots = core.rows, target.delay_slots
    for name, low, high in (
        ("kind", SPARSE, DENSE),
        ("receptor", 0, target.receptors - 1),
        ("exponent", 0, target.exponents),
        ("delay", 0, slots - 1),
        ("count", 1, 1 << 31),
    ):
        _check_range(rows[name], low, high, f"{where}, rows", name)
    for kind, total in ((SPARSE, len(core.sparse_target)), (DENSE, len(core.dense_weight))):
        own = rows[rows["kind"] == kind]
        own = own[np.argsort(own["offset"], kind="stable")]
        ends = np.cumsum(own["count"], dtype=np.int64)
        starts = ends - own["count"]
        _require(
            bool((own["offset"] == starts).all()) and (int(ends[-1]) if len(own) else 0) == total,
            f"{where}, rows", "rows overlap or leave synapses without an owner",
        )  # fmt: skip
    sparse, dense = rows[rows["kind"] == SPARSE], rows[rows["kind"] == DENSE]
    _require(
        not sparse["base"].any() and not sparse["delay"].any(),
        f"{where}, rows", "a sparse row has a base or a delay of its own",
    )  # fmt: skip
    ends = dense["base"].astype(np.int64) + dense["count"]
    _check_range(ends, 0, core.neurons, f"{where}, rows", "the end of a dense row")
    _check_range(core.sparse_target, 0, core.neurons - 1, where, "sparse_target")
    _check_range(core.sparse_delay, 0, slots - 1, where, "sparse_delay")
    top = target.weight_max
    _check_range(core.sparse_weight, -top - 1, top, where, "sparse_weight")
    _check_range(core.dense_weight, -top - 1, top, where, "dense_weight")


def _check_places(program: Program) -> None:
    """Every slot belongs to exactly one neuron of one population, or is a twin of one."""
    taken = [np.zeros(0, dtype=np.int64)]
    for population in program.populations:
        where = f"population {population.name!r}"
        _check_array(population.core, "<u2", None, where)
        _check_array(population.slot, "<u2", population.size, where)
        _check_array(population.scale, "<f8", population.size, where)
        _require(population.size >= 1, where, "the size is not positive")
        _check_range(population.core, 0, len(program.cores) - 1, where, "core")
        sizes = np.diff(program.core_base)[population.core]
        _require(bool((population.slot < sizes).all()), where, "a slot is out of range")
        scale = population.scale
        _require(bool((np.isfinite(scale) & (scale > 0)).all()), where, "a scale is not positive")
        taken.append(program.global_neurons(population))
    counts = np.bincount(np.concatenate(taken), minlength=program.neurons)
    if (counts <= 1).all():
        counts[program.twins] = 1
    _require(bool((counts == 1).all()), "populations", "a slot has no owner, or more than one")


def _destination_tables(program: Program) -> list[tuple[str, NDArray[np.void]]]:
    tables = [("channel_to", program.channel_to)]
    return tables + [(f"core {i}, spike_to", core.spike_to) for i, core in enumerate(program.cores)]


def _check_destinations(program: Program) -> None:
    """Each destination exists, and no axon has two origins: its row is walked once in a step."""
    _check_array(program.channel_to, DESTINATION, None, "channel_to")
    _check_starts(program.channel_start, len(program.channel_to), "channel_start")
    axons = np.array([core.axons for core in program.cores], dtype=np.int64)
    base = np.concatenate([[0], np.cumsum(axons)]).astype(np.int64)
    used = [np.zeros(0, dtype=np.int64)]
    for where, table in _destination_tables(program):
        _check_range(table["core"], 0, len(program.cores) - 1, where, "core")
        inside = (table["axon"] >= 0) & (table["axon"] < axons[table["core"]])
        _require(bool(inside.all()), where, "a destination's axon does not exist")
        used.append(base[table["core"]] + table["axon"])
    _require(
        bool((np.bincount(np.concatenate(used)) <= 1).all()),
        "destinations",
        "an axon has more than one origin",
    )


def _check_generators(program: Program) -> None:
    generators = program.generators
    _check_array(generators, GENERATOR, None, "generators")
    driven = np.zeros(program.channels, dtype=bool)
    for source in program.sources:
        if source.kind != "host":
            driven[source.first_channel : source.first_channel + source.size] = True
    _require(
        np.array_equal(np.flatnonzero(driven), generators["channel"]),
        "generators", "not exactly one for each channel that the device drives, in order",
    )  # fmt: skip
    _check_range(generators["kind"], POISSON, PERIODIC, "generators", "kind")
    periodic = generators[generators["kind"] == PERIODIC]
    _require(bool((periodic["value"] > 0).all()), "generators", "a period is zero")


def _axon_owners(program: Program) -> list[NDArray[np.int64]]:
    """For each core, each axon's origin: channel c as c, global neuron g as channels + g.

    What a twin sends to is its original's.
    """
    owner = [np.full(core.axons, -1, dtype=np.int64) for core in program.cores]

    def note(starts: NDArray[np.int32], table: NDArray[np.void], first: int) -> None:
        origin = first + np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        for index in np.unique(table["core"]):
            here = table["core"] == index
            owner[index][table["axon"][here]] = origin[here]

    note(program.channel_start, program.channel_to, 0)
    for index, core in enumerate(program.cores):
        note(core.spike_start, core.spike_to, program.channels + int(program.core_base[index]))
    for own in owner:
        neurons = own >= program.channels
        own[neurons] = program.channels + program.twin_of[own[neurons] - program.channels]
    return owner


def _check_row_symbols(
    program: Program, core: CoreImage, index: int, owner: NDArray[np.int64]
) -> None:
    """Each row hangs on the axon of the neuron it names and stays within its projection."""
    where = f"core {index}, rows"
    rows = core.rows
    _check_range(rows["projection"], 0, len(program.projections) - 1, where, "projection")
    axon = np.repeat(np.arange(core.axons), np.diff(core.axon_start))
    population_of = np.full(core.neurons, -1)
    for number, population in enumerate(program.populations):
        population_of[population.slot[population.core == index]] = number
    first = int(program.core_base[index])
    of = program.twin_of[first : first + core.neurons] - first
    population_of = population_of[of]
    numbers = {p.name: i for i, p in enumerate(program.populations)}
    for number in np.unique(rows["projection"]):
        projection = program.projections[number]
        own = rows["projection"] == number
        source = program.source(projection.pre)
        if source is not None:
            origins = source.first_channel + np.arange(source.size, dtype=np.int64)
        else:
            population = program.populations[numbers[projection.pre]]
            origins = program.channels + program.global_neurons(population)
        pre = rows["pre"][own]
        _check_range(pre, 0, len(origins) - 1, where, f"pre of projection {projection.name!r}")
        _require(
            bool((owner[axon[own]] == origins[pre]).all()),
            where, f"a row of projection {projection.name!r} hangs on another neuron's axon",
        )  # fmt: skip
        _require(
            bool((rows["receptor"][own] == projection.receptor).all()),
            where, f"a row of projection {projection.name!r} has another receptor",
        )  # fmt: skip
    wanted = np.array([numbers[p.post] for p in program.projections], dtype=np.int64)
    for kind, targets in ((SPARSE, core.sparse_target), (DENSE, None)):
        own = rows[rows["kind"] == kind]
        own = own[np.argsort(own["offset"], kind="stable")]
        slots = targets if targets is not None else dense_targets(own)
        reached = population_of[slots] == np.repeat(wanted[own["projection"]], own["count"])
        _require(bool(reached.all()), where, "a row reaches outside its projection's target")


def dense_targets(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """Target slot of every synapse of the given dense rows, one row after the other."""
    counts = rows["count"].astype(np.int64)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(rows["base"].astype(np.int64), counts) + np.arange(counts.sum()) - first


def _check_accumulators(core: CoreImage, program: Program, where: str) -> None:
    """The worst sum any neuron can see in one step fits its accumulator (machine.md §3)."""
    target = program.target
    total = np.zeros((2, core.neurons))
    for kind in (SPARSE, DENSE):
        rows = core.rows[core.rows["kind"] == kind]
        rows = rows[np.argsort(rows["offset"], kind="stable")]
        slots = core.sparse_target if kind == SPARSE else dense_targets(rows)
        counts = rows["count"]
        weights = worst_weights(core, kind, program.rules)
        worst = weights * np.repeat(2.0 ** rows["exponent"], counts)
        place = slots + np.repeat(rows["receptor"].astype(np.int64) * core.neurons, counts)
        total += np.bincount(place, worst, total.size).reshape(total.shape)
    if total.size and total.max() > target.accumulator_max:
        r, slot = np.unravel_index(np.argmax(total), total.shape)
        raise FileError(
            "the Program is not valid: an accumulator could overflow",
            found=f"{int(total[r, slot])} at slot {slot}, receptor {r}",
            expected=f"at most {target.accumulator_max}",
            where=where,
        )
