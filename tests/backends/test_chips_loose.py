"""The loosely timed network of a chip: the kernel against its definition, both against pencil and
paper, and against the network that is exact to the tick."""

from dataclasses import replace

import numpy as np
import pytest
from support.traffic import (
    assert_no_faster_than_alone,
    line,
    messages_of,
    random_messages,
    random_packets,
    random_shape,
)

from spikeloom.backends.chips import native
from spikeloom.backends.chips.network_run import Network
from spikeloom.errors import InputError

needs_kernel = pytest.mark.skipif(native.library() is None, reason="the kernel was not compiled")
BOTH = [
    pytest.param(True, id="compiled", marks=needs_kernel),
    pytest.param(False, id="definition"),
]
TIMES = ["made", "sent", "arrived", "done"]


def run(shape, messages, first, compiled, shift, groups=None):
    filled = messages.copy()
    with Network(shape, compiled, shift) as network:
        end = network.run_steps(filled, first, groups)
        return filled, end, network.passed, network.waited


@needs_kernel
@pytest.mark.parametrize("multicast", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_the_kernel_is_its_definition(seed, multicast):
    rng = np.random.default_rng(seed)
    shape, groups = random_shape(rng), None
    if multicast:
        messages, first, groups = random_packets(rng, shape, steps=2, most=12)
    else:
        messages, first = random_messages(rng, shape, steps=2, most=int(rng.integers(1, 25)))
    shift = int(rng.integers(0, 7))
    slow, fast = (run(shape, messages, first, which, shift, groups) for which in (False, True))
    for name in TIMES:
        assert slow[0][name].tolist() == fast[0][name].tolist(), name
    for mine, theirs in zip(slow[1:], fast[1:], strict=True):
        assert np.array_equal(mine, theirs)


@needs_kernel
@pytest.mark.parametrize("seed", range(40))
def test_long_buffers_which_a_core_fills_many_at_once(seed):
    rng = np.random.default_rng(500 + seed)
    shape = replace(random_shape(rng), buffer=int(rng.integers(5, 25)))
    messages, first = random_messages(rng, shape, steps=1, most=100)
    shift = int(rng.integers(0, 9))
    slow, fast = (run(shape, messages, first, which, shift) for which in (False, True))
    for name in TIMES:
        assert slow[0][name].tolist() == fast[0][name].tolist(), name


@needs_kernel
def test_what_is_thousands_of_spans_apart_comes_in_its_time():
    rng = np.random.default_rng(7)
    shape = random_shape(rng)
    messages, first = random_messages(rng, shape, steps=1, most=10)
    messages["make"] *= 300
    assert messages["make"].max() > 2000
    slow, fast = (run(shape, messages, first, which, 0) for which in (False, True))
    for name in TIMES:
        assert slow[0][name].tolist() == fast[0][name].tolist(), name


@pytest.mark.parametrize("multicast", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_nothing_is_lost_nor_faster_than_alone(seed, multicast):
    rng = np.random.default_rng(100 + seed)
    shape, groups = random_shape(rng), None
    if multicast:
        messages, first, groups = random_packets(rng, shape, steps=1, most=12)
    else:
        messages, first = random_messages(rng, shape, steps=1, most=20)
    shift = int(rng.integers(0, 7))
    filled, _, passed, waited = run(shape, messages, first, None, shift, groups)
    exact = messages.copy()
    with Network(shape) as network:
        network.run_steps(exact, first, groups)
        assert np.array_equal(passed, network.passed)  # every message goes its way, by both
    packets = np.arange(len(messages) + 1) if groups is None else groups
    source = np.repeat(np.arange(len(shape.tile)), np.diff(first))
    source = np.repeat(source, np.diff(packets))
    assert_no_faster_than_alone(shape, filled, source)
    assert (waited >= 0).all()
    # A core works on one message at a time.
    for core in range(len(shape.tile)):
        own = np.sort(filled[filled["target"] == core], order="done")
        assert (np.diff(own["done"]) >= own["work"][1:]).all()


@pytest.mark.parametrize("compiled", BOTH)
@pytest.mark.parametrize("shift", [0, 3, 6])
def test_one_message_takes_the_sum_of_its_parts(compiled, shift):
    messages, end, passed, waited = run(
        line(4), messages_of((3, 10, 7)), np.array([0, 1, 1, 1, 1]), compiled, shift
    )
    # made 10, in the router 12, three hops east of 4, eject 1, work 7
    assert messages[0].tolist()[4:] == (10, 10, 25, 32)
    assert end.tolist() == [32]
    assert passed[0, :, 1].tolist() == [1, 1, 1, 0]
    assert passed.sum() == 3
    assert waited.sum() == 0


@pytest.mark.parametrize("compiled", BOTH)
@pytest.mark.parametrize("shift", [0, 3, 6])
def test_a_slow_core_stops_its_senders(compiled, shift):
    # As to the tick: one core sends to itself, faster than it works, with one place in front of it
    # and one in its router. Message 0 leaves the router in 2 and is worked on from 3 on; 1 waits in
    # front of the core, 2 in the router, and 3 at home until 1 is begun in 103.
    shape = line(1, buffer=1, receive=1, interval=1, inject=1, eject=1)
    rows = messages_of(*[(0, 1, 100)] * 4)
    messages, end, *_ = run(shape, rows, np.array([0, 4]), compiled, shift)
    assert messages["made"].tolist() == [1, 2, 4, 6]
    assert messages["sent"].tolist() == [1, 3, 5, 104]
    assert messages["done"].tolist() == [103, 203, 303, 403]
    assert end.tolist() == [403]


@pytest.mark.parametrize("compiled", BOTH)
@pytest.mark.parametrize(("shift", "order"), [(0, [1, 0]), (6, [0, 1])])
def test_within_a_span_the_order_may_be_another(compiled, shift, order):
    # Both cores of tile 0 send east, the first one a tick later. In one span the core that comes
    # first in the list goes first, and the other one waits for the link.
    shape = line(2, tile=np.array([0, 0, 1], np.int32))
    rows = messages_of((2, 6, 1), (2, 5, 1))
    messages, *_ = run(shape, rows, np.array([0, 1, 2, 2]), compiled, shift)
    assert np.argsort(messages["arrived"]).tolist() == order
    # the link takes a message every 3 ticks
    assert abs(int(np.diff(messages["arrived"])[0])) == 3


@needs_kernel
@pytest.mark.parametrize(
    ("shape", "rows", "end"),
    [
        (line(2), [(1, 2**29 - 100, 1)], 2**29 - 92),
        (line(2), [(1, 2**29 + 1, 1)], None),
        (line(2), [(1, 2**28, 1), (1, 2**28 + 1, 1)], None),
        (line(2), [(1, 1, 2**23)], 2**23 + 8),
        (line(2), [(1, 1, 2**26)], None),
        (line(40), [(39, 1, 2**19)], 2**19 + 160),
        (line(2, interval=2**27), [(1, 1, 1)], None),
        (line(2, buffer=1 << 17), [(1, 1, 1)], None),
    ],
)
def test_a_step_that_has_no_room_in_its_ticks_is_refused(shape, rows, end):
    first = np.array([0, *[len(rows)] * len(shape.tile)])
    if end is not None:
        assert run(shape, messages_of(*rows), first, True, 3)[1].tolist() == [end]
        return
    with pytest.raises(InputError) as error:
        run(shape, messages_of(*rows), first, True, 3)
    assert str(error.value) == (
        "a step of this chip is too long for mode 'loose'\n"
        "  expected: what is less than 2**29 ticks long\n"
        "  remedy: mode 'queue'"
    )


@needs_kernel
def test_a_core_that_gets_too_much_work_in_all_is_refused():
    """No single time is too long."""
    rows = [(1, 1, 2**23)] * 80
    with pytest.raises(InputError, match="too long for mode 'loose'"):
        run(line(2), messages_of(*rows), np.array([0, 80, 80]), True, 3)
