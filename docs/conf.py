"""The documentation as a site: ``sphinx-build -W docs OUT``, as CI does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from error_index import MARK, error_index

project = "Spikeloom"
html_title = "Spikeloom"
copyright = "The Spikeloom developers"
html_theme = "furo"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
suppress_warnings = [
    "myst.xref_missing",  # links to files beside docs/ are for readers of the repository
    "misc.highlighting_failure",  # commands with "…" in their output are no console sessions
]


def setup(app: Any) -> None:
    """Put the index of errors where a page asks for it."""

    def replace(_: Any, __: str, source: list[str]) -> None:
        if MARK in source[0]:
            source[0] = source[0].replace(MARK, error_index())

    app.connect("source-read", replace)
