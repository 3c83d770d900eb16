"""From what ``connect`` is given to a table of synapses: shapes, indices, delays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from .checks import Reasons, at, more, numbers, show, whole_steps
from .connectors import AllToAll, FixedProbability, OneToOne, Synapses, Table, table
from .origin import warn_user

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_WHEEL_DELAY = 63
"""Deepest slot of the delay wheel, in steps."""


def synapse_table(
    reasons: Reasons,
    dt: float,
    *,
    pre: tuple[str, int, bool],
    post: tuple[str, int],
    weights: Any,
    delay: Any,
    connector: Any,
    enable: Any = None,
) -> tuple[Table, NDArray[np.uint8] | None]:
    """Check and sort the synapses of one projection.

    Args:
        reasons: where findings go; when there are any the table is unusable.
        dt: length of a step in seconds.
        pre: name, size, and whether it is a source.
        post: name and size.
        weights, delay, connector: as ``Network.connect`` has them.
        enable: None where nothing learns; True, or a mask of the synapses that do, as ``Rule``
            has it.

    Returns:
        The table, with delays in steps as the user means them (wheel delays come later), and
        (k,) 1 for each synapse that learns, or None.
    """
    pre_name, n_pre, from_source = pre
    post_name, n_post = post
    shape = (n_pre, n_post)
    if weights is None:
        reasons.add("weights are missing")
        columns = None
    elif connector is not None:
        columns = _connected(reasons, shape, pre_name == post_name, weights, delay, connector)
    elif isinstance(weights, Synapses):
        columns = _listed(reasons, pre_name, post_name, shape, weights, delay)
    elif scipy.sparse.issparse(weights):
        columns = _sparse(reasons, shape, weights, delay)
    else:
        columns = _dense(reasons, shape, weights, delay)
    if columns is None or reasons:
        return _empty(n_pre), None
    rows, cols, values, seconds = columns
    mask = [] if enable is None else [_mask(reasons, enable, shape, rows, cols)]
    if reasons:
        return _empty(n_pre), None
    if seconds is None:
        start, targets, (values, *mask) = table(n_pre, n_post, rows, cols, values, *mask)
        steps = np.full(len(targets), 1, np.uint8)  # one step, whoever sends
    else:
        steps = delay_steps(reasons, seconds, dt, from_source)  # in the shape of the input
        if steps.ndim == 0:
            start, targets, (values, *mask) = table(n_pre, n_post, rows, cols, values, *mask)
            steps = np.full(len(targets), steps, np.uint8)
        else:
            start, targets, (values, steps, *mask) = table(
                n_pre, n_post, rows, cols, values, steps.ravel(), *mask
            )
    for array in (start, targets, values, steps, *mask):
        array.flags.writeable = False
    return Table(start, targets, values, steps), mask[0] if mask else None


def _mask(
    reasons: Reasons,
    enable: Any,
    shape: tuple[int, int],
    pre: NDArray[np.integer[Any]],
    post: NDArray[np.integer[Any]],
) -> NDArray[np.uint8]:
    """(k,) 1 where a synapse learns, in the order of the given pairs."""
    k = len(pre)
    if enable is True:
        return np.ones(k, np.uint8)
    if scipy.sparse.issparse(enable):
        _check_shape(reasons, "enable", enable.shape, shape)
        if reasons:
            return np.zeros(k, np.uint8)
        marked = scipy.sparse.csr_matrix(enable)
        return (np.asarray(marked[pre, post]).reshape(-1) != 0).astype(np.uint8)
    mask = numbers(reasons, "enable", enable, ndim=(1, 2))
    if reasons:
        return np.zeros(k, np.uint8)
    if mask.ndim == 1 and len(mask) != k:
        reasons.add(f"enable has {len(mask)} values for {k} synapses")
    elif mask.ndim == 2:
        _check_shape(reasons, "enable", mask.shape, shape)
    wrong = (mask != 0) & (mask != 1)
    if wrong.any():
        reasons.add(
            f"{at('enable', wrong)} is {show(mask[wrong][0])}, neither True nor False{more(wrong)}"
        )
    if reasons:
        return np.zeros(k, np.uint8)
    return (mask if mask.ndim == 1 else mask[pre, post]).astype(np.uint8)


def _dense(reasons: Reasons, shape: tuple[int, int], weights: Any, delay: Any) -> Any:
    values = numbers(reasons, "weights", weights, ndim=(0, 2))
    if reasons:
        return None
    if values.ndim == 0:
        reasons.add(
            "a scalar weight needs a connector: connector=sl.AllToAll(), sl.OneToOne() or "
            "sl.FixedProbability(p)"
        )
        return None
    _check_shape(reasons, "weights", values.shape, shape)
    seconds = _delay(reasons, delay, shape)
    if reasons:
        return None
    pre, post = AllToAll().pairs(*shape, same=False)
    return pre, post, values.ravel(), seconds


def _connected(
    reasons: Reasons, shape: tuple[int, int], same: bool, weights: Any, delay: Any, connector: Any
) -> Any:
    if not isinstance(connector, (AllToAll, OneToOne, FixedProbability)):
        reasons.add(
            f"connector must be AllToAll(…), OneToOne() or FixedProbability(…), got {connector!r}"
        )
        return None
    one_to_one = isinstance(connector, OneToOne)
    if one_to_one and shape[0] != shape[1]:
        reasons.add(f"OneToOne needs equal sizes, got {shape[0]} -> {shape[1]}")
    if isinstance(weights, Synapses) or scipy.sparse.issparse(weights):
        reasons.add("weights that name the pairs themselves go without a connector")
    if reasons:
        return None
    ndim = (0, 1, 2) if one_to_one else (0, 2)
    values = numbers(reasons, "weights", weights, ndim=ndim)
    seconds = None if delay is None else numbers(reasons, "delay", delay, ndim=ndim, low=0.0)
    for name, array in (("weights", values), ("delay", seconds)):
        if array is not None and array.ndim == 2:
            _check_shape(reasons, name, array.shape, shape)
        elif array is not None and array.ndim == 1 and len(array) != shape[0]:
            reasons.add(f"{name} has {len(array)} values for {shape[0]} pairs")
    if reasons:
        return None
    pre, post = connector.pairs(*shape, same=same)
    picked = [
        array
        if array is None or array.ndim == 0
        else array[pre, post]
        if array.ndim == 2
        else array[pre]
        for array in (values, seconds)
    ]
    assert picked[0] is not None
    return pre, post, np.broadcast_to(picked[0], (len(pre),)).copy(), picked[1]


def _listed(
    reasons: Reasons, pre_name: str, post_name: str, shape: tuple[int, int], s: Synapses, delay: Any
) -> Any:
    for name, index, size, of in (
        ("pre", s.pre, shape[0], pre_name),
        ("post", s.post, shape[1], post_name),
    ):
        wrong = (index < 0) | (index >= size)
        if wrong.any():
            reasons.add(
                f"{at(name, wrong)} is {index[wrong][0]}, but {of!r} has neurons 0 to {size - 1}"
                f"{more(wrong)}"
            )
    if s.delay is not None and delay is not None:
        reasons.add("delay is given twice: in Synapses and to connect")
    seconds = s.delay
    if seconds is None and delay is not None:
        seconds = numbers(reasons, "delay", delay, low=0.0)
        if seconds.ndim == 1 and len(seconds) != len(s):
            reasons.add(f"delay has {len(seconds)} values for {len(s)} synapses")
    if reasons:
        return None
    return s.pre, s.post, s.weight.copy(), seconds


def _sparse(reasons: Reasons, shape: tuple[int, int], weights: Any, delay: Any) -> Any:
    _check_shape(reasons, "weights", weights.shape, shape)
    if reasons:
        return None
    rows = scipy.sparse.csr_matrix(weights, copy=True)
    rows.sum_duplicates()
    values = numbers(reasons, "weights.data", rows.data, ndim=(1,))
    pre = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(rows.indptr))
    post = rows.indices
    if delay is not None and scipy.sparse.issparse(delay):
        other = scipy.sparse.csr_matrix(delay, copy=True)
        other.sum_duplicates()
        same = other.shape == rows.shape and np.array_equal(other.indptr, rows.indptr)
        if not (same and np.array_equal(other.indices, rows.indices)):
            reasons.add("delay as a sparse matrix must have exactly the entries of weights")
            return None
        seconds: Any = numbers(reasons, "delay.data", other.data, ndim=(1,), low=0.0)
    else:
        seconds = _delay(reasons, delay, shape)
        if seconds is not None and seconds.ndim == 2 and not reasons:
            seconds = seconds[pre, post]
    return pre, post, values, seconds


def _delay(reasons: Reasons, delay: Any, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    if delay is None:
        return None
    seconds = numbers(reasons, "delay", delay, ndim=(0, 2), low=0.0)
    if seconds.ndim == 2:
        _check_shape(reasons, "delay", seconds.shape, shape)
    return seconds


def delay_steps(
    reasons: Reasons, seconds: NDArray[np.float64], dt: float, from_source: bool
) -> NDArray[np.uint8]:
    """Delays as whole steps, in the shape of ``seconds``; what is none goes to ``reasons``."""
    steps, off = whole_steps(seconds, dt)
    least, most = (0, MAX_WHEEL_DELAY) if from_source else (1, MAX_WHEEL_DELAY + 1)
    short, long = np.asarray(steps < least), np.asarray(steps > most)
    if short.any():
        reasons.add(
            f"{at('delay', short)} of {show(seconds[short][0])} s is 0 steps{more(short)}; between "
            f"populations a spike takes at least one step of {show(dt)} s"
        )
    if long.any():
        reasons.add(
            f"{at('delay', long)} of {show(seconds[long][0])} s is {int(steps[long][0])} steps of "
            f"{show(dt)} s{more(long)}; at most {most} are possible"
        )
    if off.any() and not reasons:
        warn_user(
            f"{reasons.subject}: {at('delay', off)} of {show(seconds[off][0])} s is no whole "
            f"number of steps of {show(dt)} s{more(off)}; rounded to "
            f"{show(float(steps[off][0]) * dt)} s"
        )
    return np.clip(steps, least, most).astype(np.uint8)


def _check_shape(
    reasons: Reasons, name: str, found: tuple[int, ...], expected: tuple[int, int]
) -> None:
    if tuple(found) == expected:
        return
    hint = "; transpose it" if tuple(found) == expected[::-1] else ""
    reasons.add(f"{name} has shape {tuple(found)}, expected {expected} (n_pre, n_post){hint}")


def _empty(n_pre: int) -> Table:
    return Table(
        np.zeros(n_pre + 1, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.uint8)
    )
