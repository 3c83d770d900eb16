"""Every page's code runs: its Python blocks in order, and its ``$ spikeloom`` commands in between.

A page is one namespace and one temporary folder. A console block's output is compared with what
the command says; "…" stands for anything within a line, a line of "…" for any lines. Blocks in
any other language are not run. An HTML comment ``<!-- not run: reason -->`` right before a block
leaves it out.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("**/*.md"), *ROOT.glob("README.md")])
FENCE = re.compile(r"^```(?P<language>\{?[\w-]*\}?)\s*$")
LEFT_OUT = re.compile(r"^<!-- not run: .+ -->$")


@dataclass
class Block:
    language: str
    line: int
    text: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks that are to be run; ``line`` is that of the first line of text."""
    found: list[Block] = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end].rstrip() != "```":
            end += 1
        assert end < len(lines), f"line {number + 1}: a block that does not end"
        before = next((line for line in reversed(lines[:number]) if line.strip()), "")
        if fence["language"] in ("python", "console") and not LEFT_OUT.match(before):
            text = "\n".join(lines[number + 1 : end])
            found.append(Block(fence["language"], number + 2, text))
        number = end + 1
    return found


def run_python(block: Block, page: Path, namespace: dict[str, object]) -> None:
    # Empty lines in front, so that a traceback names the page's own line.
    source = "\n" * (block.line - 1) + block.text
    exec(compile(source, str(page), "exec", dont_inherit=True), namespace)


def run_console(block: Block, page: Path) -> None:
    commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    for command in commands:
        typed, _, expected = command.replace("\\\n", " ").partition("\n")
        words = shlex.split(typed, comments=True)
        if words[:1] != ["spikeloom"]:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "spikeloom", *words[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        told = f"{page.name}: $ {typed}\n{done.stdout}"
        assert (done.returncode != 0) == ("spikeloom: error" in expected), told
        if expected.strip():
            assert pattern(expected).fullmatch(done.stdout.strip()), told


def pattern(expected: str) -> re.Pattern[str]:
    """What output is accepted."""
    parts = []
    for line in expected.strip().splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?.*")
        else:
            parts.append(r".*?".join(re.escape(piece.rstrip()) for piece in line.split("…")))
    return re.compile(r"[ ]*\n".join(parts))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace: dict[str, object] = {"__name__": "__docs__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "python":
            run_python(block, page, namespace)
        else:
            run_console(block, page)


PAGE = """
```python
x = 1
```
text
<!-- not run: needs a board -->

```python
raise SystemExit
```

```text
not this
```
```console
$ spikeloom --version
spikeloom …
```
"""


def test_which_blocks_are_run():
    found = blocks(PAGE)
    assert [(b.language, b.line) for b in found] == [("python", 3), ("console", 16)]


def test_failures_are_noticed():
    namespace: dict[str, object] = {}
    with pytest.raises(ZeroDivisionError) as caught:
        run_python(Block("python", 7, "x = 1\nx / 0"), Path("page.md"), namespace)
    assert caught.traceback[-1].lineno + 1 == 8
    run_console(Block("console", 1, "$ spikeloom --version\nspikeloom …"), Path("page.md"))
    for text in (
        "$ spikeloom --version\nother",
        "$ spikeloom info none.loom",
        "$ spikeloom --version\nspikeloom: error",
    ):
        with pytest.raises(AssertionError):
            run_console(Block("console", 1, text), Path("page.md"))


def test_patterns_of_output():
    assert pattern("a … c\n…\nend").fullmatch("a b c\nany\nlines\nend")
    assert not pattern("a … c\nend").fullmatch("a b c\nany\nend")
