"""A core's circuit as RTLIL, for whoever goes on with it: simulators and synthesis."""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_WHILE_WRITTEN = re.compile(
    r"(parameter \\COLLISION_X_MASK (\d+)')0+"
    r"(\n(?:\s+parameter .*\n)*?\s+parameter \\CLK_ENABLE 1)$",
    re.MULTILINE,
)
"""Of reads at a clock edge; the others see what is written one cycle later, without any logic."""


@contextmanager
def _no_collections() -> Iterator[None]:
    """Millions of small objects are made and kept: to look for garbage among them takes longer."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def to_rtlil(component: Any, name: str) -> str:
    """A component and all its parts as RTLIL.

    No memory of a core is ever asked for the entry that is just being written, with an answer that
    matters (``Bank`` says so of itself). Amaranth cannot say that; said here, synthesis needs no
    logic around the memories that would make such an answer the old value.

    Args:
        component: an Amaranth component.
        name: of its module.
    """
    from amaranth.back import rtlil

    with _no_collections():
        text = rtlil.convert(component, name=name, emit_src=False)
    return _READ_WHILE_WRITTEN.sub(lambda m: f"{m[1]}{'1' * int(m[2])}{m[3]}", text)
