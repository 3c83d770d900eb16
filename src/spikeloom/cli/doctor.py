"""Say what is installed, which kernel is in use and why, and what would mend what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from .devices import look
from .output import indented, print_json, table

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
  spikeloom doctor
  spikeloom doctor --json

The exit code is 8 where something is missing that runs need, and 0 otherwise."""

# Package -> what it is needed for, and whether nothing works without it.
PACKAGES = {
    "numpy": ("everything", True),
    "networkx": ("compiling networks", True),
    "scipy": ("sparse weight matrices", True),
    "h5py": ("reading NIR files", True),
    "matplotlib": ("plots of the examples", False),
    "scikit-learn": ("the digits example", False),
    "PyNN": ("the PyNN back end, spikeloom.pynn", False),
    "nir": ("writing NIR files in the tests", False),
}
# Device -> what installs the simulator of others that it needs; nothing else depends on it.
OPTIONAL = {
    name: f"{sys.executable} -m spikeloom.backends.{name}.install {name}-env"
    for name in ("lava", "brian2")
}
COMPILERS = ("cc", "gcc", "clang")
UNHEALTHY = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""


def examine() -> dict[str, Any]:
    """What there is, and what is missing with the command that mends it."""
    packages = [_package(name, *what) for name, what in PACKAGES.items()]
    compilers = [_compiler(name) for name in dict.fromkeys([*_chosen(), *COMPILERS])]
    devices = look()
    missing = [
        {"what": p["name"], "needed": p["needed"], "for": p["for"], "command": p["command"]}
        for p in packages
        if p["version"] is None
    ]
    missing += [
        {
            "what": f"device {d['scheme']}",
            "needed": d["scheme"] not in OPTIONAL,
            "for": d["what"],
            "command": OPTIONAL.get(d["scheme"]) or _reinstall_command(),
        }
        for d in devices
        if not d["usable"]
    ]
    missing += [
        {
            "what": "the compiled kernel of the emulator",
            "needed": False,
            "for": f"speed, the results are the same ({d['why_not_c']})",
            "command": _reinstall_command(),
        }
        for d in devices
        if d.get("why_not_c")
    ]
    if not any(c["version"] for c in compilers):
        missing.append(
            {
                "what": "a C compiler",
                "needed": False,
                "for": "building the emulator's fast kernel where no prebuilt one fits",
                "command": _compiler_command(),
            }
        )
    return {
        "spikeloom": __version__,
        "location": str(Path(__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": packages,
        "compilers": compilers,
        "devices": devices,
        "missing": missing,
        "healthy": not any(m["needed"] for m in missing),
    }


def _chosen() -> list[str]:
    """The compiler that the environment names."""
    named = os.environ.get("CC", "").split()
    return named[:1]


def _package(name: str, purpose: str, needed: bool) -> dict[str, Any]:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    command = f"{sys.executable} -m pip install {name}"
    return {"name": name, "version": version, "needed": needed, "for": purpose, "command": command}


def _compiler(name: str) -> dict[str, Any]:
    path = shutil.which(name)
    version = None
    if path is not None:
        try:
            answer = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=10, check=True
            )
            version = (answer.stdout.splitlines() or ["unknown"])[0]
        except (OSError, subprocess.SubprocessError):
            version = None
    return {"name": name, "path": path, "version": version}


def _reinstall_command() -> str:
    """What builds and installs this package again, from its source tree if it runs from one."""
    root = Path(__file__).resolve().parents[3]
    what = f"-e {root}" if (root / "setup.py").is_file() else "--force-reinstall spikeloom"
    return f"{sys.executable} -m pip install --no-deps {what}"


def _compiler_command() -> str:
    """What installs a C compiler on this system."""
    if sys.platform == "darwin":
        return "xcode-select --install"
    if sys.platform == "win32":
        return "winget install LLVM.LLVM"
    for tool, command in (
        ("apt-get", "sudo apt-get install gcc libc6-dev"),
        ("dnf", "sudo dnf install gcc"),
        ("pacman", "sudo pacman -S gcc"),
        ("apk", "sudo apk add gcc musl-dev"),
    ):
        if shutil.which(tool):
            return command
    return "install gcc or clang with the system's package manager"


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    found = examine()
    code = 0 if found["healthy"] else UNHEALTHY
    if options.json:
        print_json(found)
        return code
    print(f"spikeloom {found['spikeloom']} in {found['location']}")
    print(f"Python {found['python']} ({found['executable']}) on {found['platform']}\n")
    rows = [(p["name"], p["version"] or "missing", p["for"]) for p in found["packages"]]
    rows += [(c["name"], c["version"] or "not found", "C compiler") for c in found["compilers"]]
    print(table(rows, ("part", "version", "for")))
    for device in found["devices"]:
        facts = {key: device[key] for key in device if key not in ("scheme", "what")}
        print(f"\ndevice {device['scheme']}: {device['what']}\n{indented(facts)}")
    for item in found["missing"]:
        need = "needed" if item["needed"] else "optional"
        print(f"\nmissing ({need}): {item['what']}, for {item['for']}\n  {item['command']}")
    print("\n" + ("everything that runs need is there" if code == 0 else "something is missing"))
    return code
