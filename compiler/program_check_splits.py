"""The independent check of neurons that add up inputs of others (``Program.splits``).

From the finished tables alone: each group adds up exactly what its carrier receives, and the one
neuron it works for gets this sum in one and the same step. A neuron's *unit* is what it counts,
with a sign; its *lag* says how many steps before its group's carrier it works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .program import EXPONENTIAL, RESET_VALUE
from .program_check_split_tables import Check, Tables, added_up, check_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import Program, SplitSymbol

    Columns = tuple[NDArray[np.int64], ...]


def check_splits(
    program: Program, require: Callable[..., None], owner: list[NDArray[np.int64]]
) -> None:
    """Each group of a split computes exactly the sum of its moved synapses, and delivers it.

    Args:
        program: its tables are sound and its rows belong to the neurons that they name.
        require: raises when its first argument is false: condition, where, problem, found.
        owner: origin of each axon of each core: channel c as c, global neuron g as channels + g.
    """
    if not program.splits:
        return
    check_names(program, require)
    tables = Tables(program, owner)
    known: dict[str, _Groups] = {}
    # Later ones first: they may carry what earlier ones send.
    for split in reversed(program.splits):
        check = Check(require, f"split {split.sums!r}")
        threshold = _check_neurons(program, split, tables, check)
        columns = _outputs(split, tables, known, check)
        groups = _groups(split, tables, threshold, columns, check)
        known[split.sums] = groups
        stages = _stages(groups, threshold, check)
        _check_feedback(split, groups, stages, tables, check)
        received = _check_copies(split, groups, tables, check)
        _check_coverage(groups, stages, received, program.target.state_max, check)


def _check_neurons(
    program: Program, split: SplitSymbol, tables: Tables, check: Check
) -> NDArray[np.int64]:
    """They keep nothing from one step to the next: all that is left are thresholds."""
    population = tables.populations[split.sums]
    threshold = np.zeros(population.size, np.int64)
    for number in np.unique(population.core):
        core = program.cores[number]
        index = np.flatnonzero(population.core == number)
        slot = population.slot[index]
        threshold[index] = core.threshold[slot]
        for name in ("bias", "v_init"):
            check.all(getattr(core, name)[slot] == 0, f"a neuron's {name} is not 0", index)
        profiles = core.profiles[core.profile[slot]]
        check.all(profiles["spiking"] == 1, "a neuron does not spike", index)
        for name in ("shift", "reset_delay", "v_reset", "refractory", "adapt_step"):
            check.all(profiles[name] == 0, f"a neuron's {name} is not 0", index)
        check.all(profiles["reset"] == RESET_VALUE, "a neuron keeps v when it fires", index)
        lost = (profiles["decay_u"] == 4096).all(axis=1)
        check.all(lost, "a neuron keeps some of u", index)
        linear = profiles["leak_step"] == program.target.state_max
        exponential = profiles["leak"] == EXPONENTIAL
        lost = np.where(exponential, profiles["decay_v"] == 4096, linear)
        check.all(lost, "a neuron keeps some of v", index)
    return threshold


@dataclass(frozen=True, eq=False)
class _Groups:
    """Neurons of a split, (size,) each.

    Attributes:
        carrier: (groups,) the last neuron of each group.
        group: which group each belongs to.
        post, receptor: whom each sends to.
        delay: after which its spike arrives there.
        factor: what a 1 of its group's sum is there.
        unit: what each counts.
        lag: how many steps before its carrier it works.
    """

    carrier: NDArray[np.int64]
    group: NDArray[np.int64]
    post: NDArray[np.int64]
    receptor: NDArray[np.int64]
    delay: NDArray[np.int64]
    factor: NDArray[np.int64]
    unit: NDArray[np.int64]
    lag: NDArray[np.int64]


def _outputs(
    split: SplitSymbol, tables: Tables, known: dict[str, _Groups], check: Check
) -> Columns:
    """Neurons, whom they reach at last, there which receptor, after which delay, with what."""
    parts: list[Columns] = [tuple(np.zeros((5, 0), np.int64))]
    for name in split.outputs:
        table = tables.of(name)
        receptor = np.full(len(table), tables.receptor[tables.number[name]])
        neuron = tables.sender(table)
        parts.append((neuron, table["post"], receptor, table["delay"], table["value"]))
        for later, carrier in tables.carriers_of.get(name, []):
            table, to = tables.of(carrier), known[later.sums]
            at = table["post"]
            delay, value = table["delay"] + to.delay[at], table["value"] * to.factor[at]
            parts.append((tables.sender(table), to.post[at], to.receptor[at], delay, value))
    neuron, *others, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    most = tables.program.target.accumulator_max  # no number overflows here that fits there
    check.all(np.abs(value) <= most, "a neuron sends more than an accumulator holds", neuron)
    columns = added_up(value, neuron, *others)
    small = np.abs(columns[-1]) <= most
    check.all(small, "a neuron sends more than an accumulator holds", columns[0])
    return columns


def _groups(
    split: SplitSymbol,
    tables: Tables,
    threshold: NDArray[np.int64],
    columns: Columns,
    check: Check,
) -> _Groups:
    """All neurons of a group send to one neuron; its carrier's value says how much a 1 is."""
    every = np.arange(len(threshold))
    neuron, post, receptor, delay, value = columns
    sends = np.bincount(neuron, minlength=len(every)) == 1
    check.all(sends, "a neuron does not send one value to one neuron in one step")
    table, of = tables.carried(split.carriers)
    carrier = np.unique(table["post"]).astype(np.int64)
    check.true(len(carrier) > 0 and carrier[-1] == every[-1], "its last neuron is no carrier")
    group = np.searchsorted(carrier, every)
    last = carrier[group]
    same = (post == post[last]) & (receptor == receptor[last])
    check.all(same, "a neuron sends to another neuron or receptor than its carrier")
    fits = receptor[table["post"]] == tables.receptor[of]
    check.all(fits, "a carrier sends to another receptor than what it carries", table["post"])
    check.all(delay >= delay[last], "a neuron works after its carrier")
    unit = threshold[carrier] + 1
    check.all(unit > 0, "a carrier's threshold is negative", carrier)
    factor = value[carrier] // unit
    fits = (factor > 0) & (factor * unit == value[carrier]) & (factor & (factor - 1) == 0)
    check.all(fits, "a carrier's value is not its threshold + 1, times a power of two", carrier)
    factor = factor[group]
    fits = value % factor == 0
    check.all(fits, "a neuron's value is no multiple of what a 1 is for its carrier")
    lag = delay - delay[last]
    return _Groups(carrier, group, post, receptor, delay, factor, value // factor, lag)


@dataclass(frozen=True, eq=False)
class _Stages:
    """Neurons of one group and one lag, (stages,) each; a group's first stage comes first.

    Attributes:
        group: which group each belongs to.
        unit: what its neurons count, without the sign.
        positive, negative: how many neurons it has.
        before: (size,) how many neurons of its group work before each.
    """

    group: NDArray[np.int64]
    unit: NDArray[np.int64]
    positive: NDArray[np.int64]
    negative: NDArray[np.int64]
    before: NDArray[np.int64]


def _stages(groups: _Groups, threshold: NDArray[np.int64], check: Check) -> _Stages:
    """Neurons of a stage have one unit, and thresholds at its consecutive multiples."""
    sign = np.sign(groups.unit)
    order = np.lexsort((threshold, sign, -groups.lag, groups.group))
    group, lag, sign = groups.group[order], groups.lag[order], sign[order]
    begins = np.diff(group, prepend=-1) != 0
    starts = begins | (np.diff(lag, prepend=-1) != 0)
    turns = starts | (np.diff(sign, prepend=0) != 0)
    unit = np.abs(groups.unit[order])
    stage, at = np.cumsum(starts) - 1, np.flatnonzero(starts)
    check.all(unit == unit[at][stage], "a neuron's unit is not that of its stage", order)
    falls = begins[at] | (np.diff(unit[at], prepend=0) < 0)
    check.all(falls, "a stage's unit is not below that of the stage before", order[at])
    fits = (sign > 0) | begins[at][stage]
    check.all(fits, "a negative neuron is not of its group's first stage", order)
    # i·g - 1 of the positive ones with i = 1, 2, …; (i - 1)·g of the negative ones.
    rank = np.arange(len(order)) - np.flatnonzero(turns)[np.cumsum(turns) - 1] + (sign > 0)
    fits = threshold[order] == rank * unit - (sign > 0)
    check.all(fits, "a neuron's threshold is not that of its place in its stage", order)
    before = np.zeros(len(order), np.int64)
    before[order] = at[stage] - np.flatnonzero(begins)[group]
    positive = np.bincount(stage[sign > 0], minlength=len(at))
    return _Stages(group[at], unit[at], positive, np.bincount(stage) - positive, before)


def _check_feedback(
    split: SplitSymbol, groups: _Groups, stages: _Stages, tables: Tables, check: Check
) -> None:
    """Each neuron takes what it counts from all later stages of its group, and nothing else."""
    table = tables.of(*split.feedback)
    columns = (table["post"], tables.sender(table), table["delay"])
    post, pre, delay, value = added_up(table["value"], *columns)
    check.all(groups.group[pre] == groups.group[post], "feedback leaves its group", pre)
    timely = (groups.lag[pre] - groups.lag[post] == delay) & (delay > 0)
    check.all(timely, "feedback does not arrive when its target's stage works", pre)
    check.all(value == -groups.unit[pre], "feedback is not what its neuron counts", pre)
    count = np.bincount(post, minlength=len(groups.group))
    check.all(count == stages.before, "a neuron lacks feedback of an earlier stage")


def _check_copies(split: SplitSymbol, groups: _Groups, tables: Tables, check: Check) -> Columns:
    """Each neuron has its carrier's synapses, earlier by its lag and with its sign.

    Returns:
        Group and value of all that carriers receive.
    """
    table, of = tables.carried(split.carriers)
    group = groups.group[table["post"]]
    wanted = added_up(table["value"], group, of, table["pre"], table["delay"])
    table, of = tables.carried(split.copies)
    post, value = table["post"], table["value"] * np.sign(groups.unit)[table["post"]]
    found = added_up(value, post, of, table["pre"], table["delay"] + groups.lag[post])
    number = np.bincount(wanted[0], minlength=len(groups.carrier))
    count = number[groups.group]
    count[groups.carrier] = 0  # these have their own
    fits = np.bincount(found[0], minlength=len(count)) == count
    check.all(fits, "a neuron has not as many synapses as its carrier")
    turn = np.arange(len(found[0])) - np.repeat(np.cumsum(count) - count, count)
    at = (np.cumsum(number) - number)[groups.group][found[0]] + turn
    for mine, theirs in zip(found[1:], wanted[1:], strict=True):
        check.all(mine == theirs[at], "a neuron has other synapses than its carrier", found[0])
    return wanted[0], wanted[-1]


def _check_coverage(
    groups: _Groups, stages: _Stages, received: Columns, state_max: int, check: Check
) -> None:
    """The stages leave nothing of any sum of what a group receives."""
    group, value = received
    most, least, divisor = np.zeros((3, len(groups.carrier)), np.int64)
    np.add.at(most, group, np.maximum(value, 0))
    np.add.at(least, group, np.maximum(-value, 0))
    small = np.maximum(most, least) <= state_max
    check.all(small, "a sum can exceed the state", groups.carrier)
    # The first stage sees any sum, each later one what is left: less than the unit before.
    begins, ends = np.ones((2, len(stages.group)), np.bool_)
    begins[1:] = ends[:-1] = np.diff(stages.group) != 0
    unit, last = stages.unit, groups.carrier[stages.group]
    reach = most[stages.group] + 1
    # Of a negative sum more can be left than the largest sum.
    left = np.where(least[stages.group] > 0, unit, np.minimum(reach, unit))
    bound = np.where(begins, reach, np.roll(left, 1))
    fits = (stages.positive + 1) * unit >= bound
    check.all(fits, "a stage has too few neurons for what it can receive", last)
    fits = ~begins | (stages.negative * unit >= least[stages.group])
    check.all(fits, "a group has too few neurons for its negative sums", last)
    # What is left in the end is a multiple of all that was added or taken away.
    np.gcd.at(divisor, group, np.abs(value))
    np.gcd.at(divisor, stages.group, unit)
    check.all(left[ends] <= divisor, "a group can leave a remainder", groups.carrier)
