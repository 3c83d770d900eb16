"""A core's circuit as RTLIL, for whoever goes on with it: simulators and synthesis."""

from __future__ import annotations

import re
from typing import Any

_READ_WHILE_WRITTEN = re.compile(
    r"(parameter \\COLLISION_X_MASK (\d+)')0+"
    r"(\n(?:\s+parameter .*\n)*?\s+parameter \\CLK_ENABLE 1)$",
    re.MULTILINE,
)
"""Of reads at a clock edge; the others see what is written one cycle later, without any logic."""


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

    text = rtlil.convert(component, name=name, emit_src=False)
    return _READ_WHILE_WRITTEN.sub(lambda m: f"{m[1]}{'1' * int(m[2])}{m[3]}", text)
