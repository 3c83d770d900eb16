"""The index of errors for the site, read from the source when it is built.

Every place that raises one of ``errors.py``'s classes is found in the syntax tree; what the message
takes from the moment is shown as "…".
"""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARK = "<!-- index of errors -->"
ROOMS = ("compiler", "backends", "runtime", "hdl", "boards")
CLASSES = (
    *("NetworkError", "CompileError", "FitError", "FileError", "InputError", "DeviceError"),
    "UnsupportedError",
)


def error_index() -> str:
    """All messages, by class and then by the file that raises them, as Markdown."""
    found: dict[str, dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                message = text_of(node.args[0]) if node.args else None
                if node.func.id in CLASSES and message:
                    remedies = [k.value for k in node.keywords if k.arg == "remedy"]
                    remedy = text_of(remedies[0]) if remedies else None
                    found[node.func.id][name].append((message, remedy or ""))
    lines = []
    for kind in CLASSES:
        lines += ["", f"## {kind}", ""]
        for name in sorted(found[kind]):
            lines += ["", f"**`{name}`**", ""]
            for message, remedy in dict.fromkeys(found[kind][name]):
                lines.append(f"- `{message}`" + (f" — `{remedy}`" if remedy else ""))
    return "\n".join(lines)


def sources() -> list[Path]:
    """Every module of the package, in its rooms and beside them."""
    folders = [ROOT / room for room in ROOMS] + [ROOT / "src" / "spikeloom"]
    found = []
    for folder in folders:
        # os.walk does not follow the links by which src/spikeloom has the rooms.
        for here, _, names in os.walk(folder):
            found += [Path(here) / name for name in names if name.endswith(".py")]
    return sorted(found)


def text_of(node: ast.expr) -> str | None:
    """A message as far as it is written in the source; None where nothing of it is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [text_of(v) if isinstance(v, ast.Constant) else "…" for v in node.values]
        text = "".join(part or "" for part in parts)
        return text if text.strip("… ") else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return f"{left or '…'}{right or '…'}" if left or right else None
    if isinstance(node, ast.IfExp):
        return text_of(node.body)
    return None
