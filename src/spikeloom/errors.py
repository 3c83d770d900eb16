"""Every error that Spikeloom raises on purpose.

An error says what was found, what was expected, where, and a way out. The fields stay readable by
programs (``error.found`` …); the message is made from them. Each class has its own exit code for
the command line.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SpikeloomError(Exception):
    """Base of all deliberate errors.

    Args:
        problem: one sentence, what is wrong.
        found: what was found (optional).
        expected: what was expected (optional).
        where: the object, index, file or line concerned (optional).
        remedy: how to mend it (optional).
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        problem: str,
        *,
        found: object = None,
        expected: object = None,
        where: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.found = found
        self.expected = expected
        self.where = where
        self.remedy = remedy
        lines = [problem]
        for label, value in (
            ("found", found),
            ("expected", expected),
            ("where", where),
            ("remedy", remedy),
        ):
            if value is not None:
                lines.append(f"  {label}: {value}")
        super().__init__("\n".join(lines))


class NetworkError(SpikeloomError, ValueError):
    """The network description is wrong: a shape, a unit, a name, a parameter."""

    exit_code = 3


class CompileError(SpikeloomError):
    """The network is well-formed but cannot become a Program for this target."""

    exit_code = 4


class FitError(CompileError):
    """The network needs more of something than the target has; carries the fit table.

    ``table`` has one mapping per line: resource, population, needed, available, per.
    """

    exit_code = 5
    table: tuple[dict[str, Any], ...] = ()


class FileError(SpikeloomError):
    """A file is damaged, hostile, of the wrong kind, or of an unknown version."""

    exit_code = 6


class InputError(SpikeloomError, ValueError):
    """Spikes or graded values handed to a run are malformed or out of range."""

    exit_code = 7


class DeviceError(SpikeloomError):
    """A device cannot be opened, or failed while it was used."""

    exit_code = 8


class UnsupportedError(SpikeloomError):
    """The request is meaningful, but this device or importer does not do it."""

    exit_code = 9
