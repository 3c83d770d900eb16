"""Other simulators as judges, each in an environment of its own and in its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[2]
_SCRIPTS = _PROJECT / "tests" / "peers"


def peer_python(name: str) -> Path:
    """The interpreter that has the peer ``name``: superneuromat, lava, brian2,
    torch or sanafe.

    ``SPIKELOOM_PEER_<NAME>`` overrides where it is. Skips the test, saying how to install the
    peer, when there is none.
    """
    variable = f"SPIKELOOM_PEER_{name.upper()}"
    if variable in os.environ:
        python = Path(os.environ[variable])
        assert python.exists(), f"{variable} names a file that does not exist: {python}"
        return python
    where = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    environment = _PROJECT / ".peers" / name
    if not (environment / "receipt.json").exists():
        pytest.skip(f"{name} is not installed; install it with: python -m tests.peers {name}")
    return environment.joinpath(*where)


def peer_sources(name: str) -> Path:
    """The unpacked source distribution of the peer ``name``: pynn.

    ``SPIKELOOM_PEER_<NAME>`` overrides where it is. Skips the test, saying how to fetch it, when
    there is none.
    """
    variable = f"SPIKELOOM_PEER_{name.upper()}"
    if variable in os.environ:
        folder = Path(os.environ[variable])
        assert folder.is_dir(), f"{variable} names a folder that does not exist: {folder}"
        return folder
    receipt = _PROJECT / ".peers" / name / "receipt.json"
    if not receipt.exists():
        pytest.skip(
            f"sources of {name} are not here; fetch them with: python -m tests.peers {name}"
        )
    (folder,) = (path for path in receipt.parent.iterdir() if path.is_dir())
    return folder


def run_peer(name: str, script: str, *arguments: object, timeout: float = 120) -> None:
    """Run ``tests/peers/<script>`` with the peer's interpreter; fail the test if it fails.

    Args:
        name: of the peer.
        script: file name in tests/peers.
        arguments: of the script.
        timeout: seconds after which the script and every process it started are killed.
    """
    run_script(peer_python(name), script, *arguments, timeout=timeout)


def run_script(python: Path, script: str, *arguments: object, timeout: float = 120) -> None:
    """Run ``tests/peers/<script>`` with an interpreter, as ``run_peer`` does."""
    command = [str(python), str(_SCRIPTS / script), *map(str, arguments)]
    # Nothing of this interpreter's environment may leak into the peer's.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    with subprocess.Popen(
        command,
        env=clean,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            output, _ = process.communicate()
            pytest.fail(f"{script} took longer than {timeout} s and was stopped:\n{output}")
        except BaseException:
            _kill(process)
            raise
    if process.returncode:
        pytest.fail(f"{script} failed with exit code {process.returncode}:\n{output}")


def _kill(process: subprocess.Popen[str]) -> None:
    """The process and all it started: they share its session, hence its process group."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
