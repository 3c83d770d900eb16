"""The windows of a stream and the input for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import InputError
from ..stimulus import Stimulus

if TYPE_CHECKING:
    from numpy.typing import NDArray

Inputs = Mapping[str, Any]
"""Input of a run, as :func:`spikeloom.stimulus.make_stimulus` takes it."""
StreamInputs = Inputs | Iterable[Inputs | None] | Callable[[int, int], Inputs | None] | None
"""Input of a stream, as :meth:`Device.stream` takes it."""


def window_lengths(steps: int, every: int) -> Iterator[int]:
    """Lengths of the windows of a run; the last one may be shorter."""
    for start in range(0, steps, every):
        yield min(every, steps - start)


def cut_stimulus(stimulus: Stimulus, steps: int, every: int) -> Iterator[Stimulus]:
    """The windows of a stimulus for a whole run."""
    start = 0
    for length in window_lengths(steps, every):

        def part(events: NDArray[np.int64], *columns: Any, first: int = start, n: int = length):
            low, high = np.searchsorted(events[:, 0], [first, first + n])
            return (events[low:high] - [first, 0], *(column[low:high] for column in columns))

        # A third factor or a modulator that is not written again holds on: the device keeps it
        # from window to window.
        yield Stimulus(
            {name: part(events)[0] for name, events in stimulus.spikes.items()},
            {name: part(*pair) for name, pair in stimulus.graded.items()},
            {name: part(events)[0] for name, events in stimulus.teacher.items()},
            {name: part(*pair) for name, pair in stimulus.third_factor.items()},
            part(*stimulus.modulator) if stimulus.modulator else None,
        )
        start += length


def ask_for_inputs(
    inputs: Any, steps: int, every: int, now: Callable[[], int]
) -> Iterator[tuple[Inputs | None, int]]:
    """Each window's input and length, from a function or an iterable, when its turn comes.

    Args:
        inputs: ``(start, steps) -> mapping or None``, or an iterable of mappings or None.
        steps, every: of the stream.
        now: tells the absolute step at which the device is.

    Raises:
        InputError: at once, if ``inputs`` is neither; later, if an iterable ends too early.
    """
    if callable(inputs):
        function = cast("Callable[[int, int], Inputs | None]", inputs)
        return ((function(now(), length), length) for length in window_lengths(steps, every))
    if isinstance(inputs, Iterable) and not isinstance(inputs, (str, bytes, np.ndarray)):
        return _take(iter(inputs), steps, every)
    raise InputError(
        "inputs of a stream are of the wrong type",
        found=type(inputs).__name__,
        expected="a mapping, a function (start, steps) -> mapping, or an iterable of mappings",
    )


def _take(
    given: Iterator[Inputs | None], steps: int, every: int
) -> Iterator[tuple[Inputs | None, int]]:
    for number, length in enumerate(window_lengths(steps, every)):
        try:
            inputs = next(given)
        except StopIteration:
            raise InputError(
                "the inputs ended before the stream",
                found=f"{number} entries",
                expected=f"{-(-steps // every)}, one for each window of {every} steps",
                remedy="give None for a window without input",
            ) from None
        yield inputs, length
