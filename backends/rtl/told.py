"""What learning is told between steps: third factors, teacher events, the modulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...runtime.backend import Events
    from ...runtime.images import HardwareImage


@dataclass(frozen=True, eq=False)
class Told:
    """What is to be there before a step is computed, and is not yet.

    Attributes:
        step: of the run.
        factor: (n,) words of table ``factor``.
        changed: (k,) ascending, which of them are new.
        modulator: None where it stays.
    """

    step: int
    factor: NDArray[np.uint32]
    changed: NDArray[np.int64]
    modulator: int | None


class Teller:
    """Knows what the device holds, so that only what changes is sent.

    Args:
        image: of a Program with rules.

    Attributes:
        third: (n,) int16, the neurons' third factors.
        modulator: the modulator.
    """

    def __init__(self, image: HardwareImage):
        assert image.learning is not None
        self._image = image.learning
        self.third = np.zeros(self._image.core.neurons, np.int16)
        self.modulator = 0
        self.forget()

    def forget(self) -> None:
        """What the device holds is not known: all of it is told the next time."""
        self._sent: NDArray[np.uint32] | None = None
        self._modulator_sent: int | None = None

    def set(self, third: NDArray[np.int16], modulator: int) -> Told:
        """Begin anew with these values."""
        self.third, self.modulator = third.astype(np.int16), modulator
        self.forget()
        told = self._told(0, np.zeros(len(third), np.bool_))
        assert told is not None
        return told

    @staticmethod
    def cuts(events: Events, steps: int) -> NDArray[np.int64]:
        """Ascending steps of a run before which something may have to be told."""
        taught = np.unique(events.teacher_step)
        steps_of = (taught, taught + 1, events.factor_step, events.modulator_step)
        found = np.unique(np.concatenate([np.zeros(1, np.int64), *steps_of]))
        return found[found < steps]

    def run(self, events: Events, steps: int) -> Iterator[Told]:
        """What is to be told in a run, in ascending steps; nothing where nothing changes."""
        cuts = self.cuts(events, steps)
        places = [
            np.stack([np.searchsorted(at, cuts), np.searchsorted(at, cuts, side="right")], axis=1)
            for at in (events.factor_step, events.teacher_step, events.modulator_step)
        ]
        for step, *parts in zip(cuts.tolist(), *places, strict=True):
            factor, taught, modulator = (slice(*part) for part in parts)
            self.third[events.factor_neuron[factor]] = events.factor_value[factor]
            for value in events.modulator_value[modulator]:
                self.modulator = int(value)
            teacher = np.zeros(len(self.third), np.bool_)
            teacher[events.teacher_neuron[taught]] = True
            told = self._told(step, teacher)
            if told is not None:
                yield told

    def _told(self, step: int, teacher: NDArray[np.bool_]) -> Told | None:
        (factor,) = self._image.factors(self.third, teacher)
        known = self._sent is not None
        changed = np.flatnonzero(factor != self._sent) if known else np.arange(len(factor))
        modulator = None if self.modulator == self._modulator_sent else self.modulator
        self._sent, self._modulator_sent = factor, self.modulator
        if not len(changed) and modulator is None:
            return None
        return Told(step, factor, changed, modulator)
