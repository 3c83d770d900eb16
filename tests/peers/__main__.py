"""Install what the tests compare with: simulators, each in an environment of its own, and sources.

    python -m tests.peers                  # all of them
    python -m tests.peers superneuromat    # one

The environments are ``.peers/<name>/`` in the project's root and are no part of it. What is
complete and up to date is left as it is; delete a directory to have it built anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

from spikeloom.backends.brian2 import install as brian2
from spikeloom.backends.lava import install as lava

ROOT = Path(__file__).resolve().parents[2] / ".peers"

PEERS: dict[str, list[list[str]]] = {
    # The front end whose neuron the linear leak, mask and reset to value reproduce.
    "superneuromat": [["superneuromat==3.5.*"]],
    # The same way as users install it; backends/lava/install.py has the reasons.
    "lava": lava.REQUIREMENTS,
    # Latency and energy of chips; its cycle mode carries Booksim. GPL: run, never imported.
    "sanafe": [["sanafe==2.2.9", "numpy"]],
    # Neurons and learning in floating point, the same way as users install it.
    "brian2": brian2.REQUIREMENTS,
    # Exporters of NIR files. norse and spikingjelly would pull in torchvision and more, which the
    # exporters do not need. The usual torch for Linux carries CUDA; to save its gigabytes, point
    # PIP_EXTRA_INDEX_URL at an index of CPU builds.
    "torch": [
        ["torch==2.13.0", "numpy"],
        ["nir==1.0.8", "nirtorch==2.6", "snntorch==1.0.0", "scipy", "loguru"],
        ["--no-deps", "norse==1.1.0"],
        ["--no-deps", "spikingjelly==2.0.0"],
    ],
}
"""For each peer the arguments of consecutive ``pip install`` calls."""

SOURCES: dict[str, str] = {
    # Only the source distribution has PyNN's system tests. The package itself is in the test extra.
    "pynn": "pyNN==0.13.0",
}
"""Peers of which the unpacked source distribution is wanted."""


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment."""
    where = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    return ROOT.joinpath(name, *where)


def is_complete(name: str) -> bool:
    """Whether the environment was built to its end from the present list of packages."""
    receipt = ROOT / name / "receipt.json"
    if not receipt.exists() or (name in PEERS and not python_of(name).exists()):
        return False
    wanted = PEERS.get(name) or SOURCES[name]
    return json.loads(receipt.read_text(encoding="utf-8")) == wanted


def install(name: str) -> None:
    """Build a peer's environment from nothing, or fetch its sources."""
    if name in SOURCES:
        fetch(name)
        return
    print(f"{name}: new environment in {ROOT / name}", flush=True)
    venv.create(ROOT / name, clear=True, with_pip=True)
    for arguments in PEERS[name]:
        print(f"{name}: pip install {' '.join(arguments)}", flush=True)
        command = [str(python_of(name)), "-m", "pip", "install", "--quiet", *arguments]
        subprocess.run(command, check=True)
    if name == "lava":
        lava.add_hook(python_of(name))
    receipt = json.dumps(PEERS[name], indent=1)
    (ROOT / name / "receipt.json").write_text(receipt, encoding="utf-8")
    print(f"{name}: done", flush=True)


def fetch(name: str) -> None:
    """Download and unpack a source distribution."""
    print(f"{name}: sources of {SOURCES[name]} in {ROOT / name}", flush=True)
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    package = SOURCES[name].partition("==")[0]
    options = ["--quiet", "--no-deps", "--no-binary", package, "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, SOURCES[name]]
    subprocess.run(command, check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    receipt = json.dumps(SOURCES[name])
    (folder / "receipt.json").write_text(receipt, encoding="utf-8")
    print(f"{name}: done", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Install what is named, or everything; 1 if something could not be installed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.peers",
        description="Install the simulators that the tests compare with.",
    )
    known = [*PEERS, *SOURCES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    names = parser.parse_args(arguments).names or known
    for name in names:
        if name not in known:
            parser.error(f"there is no peer {name!r}; there are {', '.join(known)}")
    failed = []
    for name in names:
        if is_complete(name):
            print(f"{name}: already there")
            continue
        try:
            install(name)
        except subprocess.CalledProcessError as error:
            print(f"{name}: failed: {' '.join(error.cmd)}", file=sys.stderr)
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
