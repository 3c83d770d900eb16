"""The first difference between two devices, told so that its cause can be looked for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arrival:
    """Something that reached a neuron, or is on its way to it.

    Attributes:
        step: in which it arrives.
        amount: what it adds to the accumulator, ``w << e``; a graded event's integer.
        receptor: of the accumulator; None for a graded event, which joins v.
        fired: step in which its origin fired; None for a graded event.
        pre: name and index of the origin; None for a graded event.
        projection: through which it comes; None for a graded event.
    """

    step: int
    amount: int
    receptor: int | None = None
    fired: int | None = None
    pre: tuple[str, int] | None = None
    projection: str | None = None

    def __str__(self) -> str:
        if self.pre is None:
            return f"step {self.step}: {self.amount:+d}, graded event from the host"
        name, index = self.pre
        return (
            f"step {self.step}: {self.amount:+d} on receptor {self.receptor} through "
            f"{self.projection!r} from {name!r}[{index}], which fired in step {self.fired}"
        )


@dataclass(frozen=True)
class Divergence:
    """The first difference between two devices.

    Attributes:
        step: absolute step after which, or in which, it was seen.
        name: source, population or projection.
        index: the neuron's index there; (pre, post) for a weight, delay or tag; None for a total.
        variable: what differs: "spikes", "u0", "u1", "v", "threshold" or another part of the state.
            Traces x1 and x2 are of the projection's presynaptic neurons, y1 and y2 and what
            ``post_delay`` remembers of its postsynaptic ones.
        values: device -> its value.
        note: what else has to be said, or nothing.
        received: what reached the neuron in the last steps, on the first device, oldest first,
            then what is on its way; of a weight, what reached its postsynaptic neuron. Nothing
            where the difference is not one neuron's.
    """

    step: int
    name: str
    index: int | tuple[int, int] | None
    variable: str
    values: dict[str, int]
    note: str = ""
    received: tuple[Arrival, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        place = "" if self.index is None else f"[{self.index}]".replace("(", "").replace(")", "")
        values = ", ".join(f"{value} on {device}" for device, value in self.values.items())
        note = f" ({self.note})" if self.note else ""
        return f"step {self.step}: {self.variable} of {self.name!r}{place} is {values}{note}"
