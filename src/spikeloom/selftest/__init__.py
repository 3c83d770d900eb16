"""Tests of whatever answers at a device's address, for the owner of a board.

Like ``measure.py`` it joins the compiler and the devices. Every check opens the address anew.
"""

from .checks import Check, run_checks
from .report import format_report

__all__ = ["Check", "format_report", "run_checks"]
