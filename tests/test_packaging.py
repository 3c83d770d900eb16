"""What users install holds what the repository holds, by whichever way it was built."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("compiler", "backends", "hdl", "runtime", "boards")


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [Path(name) for name in listed.split("\0") if name]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """sdist, and the wheel built from it, out of a clean copy of what git tracks."""
    copy = tmp_path_factory.mktemp("copy")
    for path in tracked():
        destination = copy / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / path
        if source.is_symlink():
            destination.symlink_to(source.readlink())
        else:
            destination.write_bytes(source.read_bytes())
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)],
        check=True,
        capture_output=True,
    )
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


@pytest.mark.slow
def test_the_wheel_holds_every_module_once(distributions):
    _, wheel = distributions
    with zipfile.ZipFile(wheel) as archive:
        modules = sorted(n for n in archive.namelist() if n.endswith(".py"))
    expected = [f"spikeloom/{path}" for room in ROOMS for path in tracked(f"{room}/*.py")]
    expected += [str(path.relative_to("src")) for path in tracked("src/spikeloom/*.py")]
    assert modules == sorted(expected)


@pytest.mark.slow
def test_the_wheel_holds_the_kernel_and_the_type_marker(distributions):
    _, wheel = distributions
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "spikeloom/py.typed" in names
    assert "spikeloom/backends/rtl/driver.cpp" in names
    assert any(re.fullmatch(r"spikeloom/backends/emulator/_kernel.*", n) for n in names)
    assert any(re.fullmatch(r"spikeloom/backends/chips/_network.*", n) for n in names)
    page = sorted(n for n in names if n.startswith("spikeloom/viewer/page/"))
    assert page == sorted(str(p.relative_to("src")) for p in tracked("src/spikeloom/viewer/page"))
    assert page
    assert "spikeloom/report_page/style.css" in names
    chips = sorted(n for n in names if n.startswith("spikeloom/compiler/chips/"))
    assert chips == sorted(f"spikeloom/{path}" for path in tracked("compiler/chips/*.toml"))
    assert chips
    assert not any(n.startswith(("tests/", "compiler/", "examples/")) for n in names)


@pytest.mark.slow
def test_the_sdist_holds_the_kernel_source(distributions):
    sdist, _ = distributions
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert any(n.endswith("backends/emulator/kernel.c") for n in names)
    assert any(n.endswith("backends/rtl/driver.cpp") for n in names)
    assert any(n.endswith("backends/chips/network.c") for n in names)


def test_the_room_links_are_relative():
    for room in ROOMS:
        link = ROOT / "src" / "spikeloom" / room
        assert link.is_symlink()
        assert str(link.readlink()) == f"../../{room}"


def test_ci_runs_the_test_command_of_the_readme():
    command = next(
        line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "pytest" in line
    )
    assert command in (ROOT / "README.md").read_text().splitlines()
    assert command in (ROOT / "CONTRIBUTING.md").read_text().splitlines()


def test_every_dependency_has_its_reason():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start, end = lines.index("dependencies = ["), lines.index("[project.scripts]")
    listed = [line for line in lines[start:end] if line.startswith('    "')]
    assert len(listed) > 5
    unexplained = [
        line for line in listed if "#" not in line and not line.startswith('    "spikeloom[')
    ]
    assert unexplained == []


def test_public_names_exist_and_are_documented():
    import spikeloom

    for name in spikeloom.__all__:
        value = getattr(spikeloom, name)
        assert isinstance(value, (str, dict)) or value.__doc__, name
    with pytest.raises(AttributeError, match="module 'spikeloom' has no attribute 'Netwrk'"):
        spikeloom.Netwrk  # noqa: B018
