"""The written report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .checks import Check


def summary(checks: Sequence[Check]) -> str:
    """One line."""
    counts = {
        outcome: sum(check.outcome == outcome for check in checks)
        for outcome in ("passed", "failed", "skipped")
    }
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.items())


def format_report(url: str, version: str, checks: Sequence[Check]) -> str:
    """All checks as Markdown.

    Args:
        url: what was tested.
        version: of this package.
        checks: as they came.
    """
    lines = [
        "# Self-test of a Spikeloom device",
        "",
        f"At `{url}`, by Spikeloom {version}: {summary(checks)}.",
        "",
        "| check | outcome | seconds | found |",
        "|---|---|---|---|",
    ]
    for check in checks:
        found = " ".join(check.detail.split()).replace("|", "\\|")
        lines.append(f"| {check.name} | {check.outcome} | {check.seconds:.2f} | {found} |")
    return "\n".join(lines) + "\n"
