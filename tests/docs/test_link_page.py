"""docs/link.md says what hdl/protocol.py says."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikeloom.hdl import protocol
from spikeloom.hdl.protocol_doc import fill

PAGE = Path(__file__).parents[2] / "docs" / "link.md"


def test_tables_are_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert fill(page) == page, "run: python -m spikeloom.hdl.protocol_doc docs/link.md"


def test_a_page_without_a_table_is_refused():
    with pytest.raises(ValueError, match="the page has no place for the table 'constants'"):
        fill("# The link")


def test_every_number_is_used_once():
    for group in (protocol.COMMANDS, protocol.REPLIES):
        codes = [message.code for message in group]
        assert len(set(codes)) == len(codes)
    assert set(protocol.FRAME_DOCS) == set(protocol.FrameType)
    assert set(protocol.ERROR_DOCS) == set(protocol.ErrorCode)


def test_nothing_of_it_needs_amaranth():
    """Hosts import the protocol; they need no hardware tools."""
    import subprocess
    import sys

    code = (
        "import sys, spikeloom.hdl.protocol, spikeloom.hdl.descriptor;"
        "import spikeloom.runtime.link.client;"
        "sys.exit('amaranth' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
