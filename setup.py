"""Build step of the kernels; everything else about the package is in pyproject.toml.

The kernels are optional: without a C compiler the package installs all the same, and uses NumPy
and Python. They have no CPython interface, so library and wheel are not tied to a version.
"""

import runpy
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

BACKENDS = Path("src", "spikeloom", "backends")
KERNELS = {
    "emulator._kernel": (
        ("kernel.c", "learn.c", "streams.c", "cycles.c", "mesh.c"),
        ("kernel.h", "common.h", "walk.h", "learn.h", "kernel_neuron.h", "learn_loops.h"),
    ),
    "chips._network": (
        ("network.c", "flow.c", "loose.c", "loose_flow.c"),
        ("network.h", "net.h", "loose.h"),
    ),
}
"""Library, its sources, its headers."""


class BuildKernel(build_ext):
    """Compile a plain shared library: no module init function, no Python version in its name."""

    def get_ext_filename(self, fullname):
        suffix = ".dll" if self.plat_name.startswith("win") else ".so"
        return str(Path(*fullname.split("."))) + suffix

    def get_export_symbols(self, ext):
        return ext.export_symbols

    def build_extension(self, ext):
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args = ["/O2", "/std:c11"]
        else:
            ext.extra_compile_args = ["-O3", "-g0", "-std=gnu11", "-fvisibility=hidden", "-pthread"]
            ext.extra_link_args = ["-pthread"]
        super().build_extension(ext)


class AnyPythonWheel(bdist_wheel):
    """A wheel for this platform and every Python 3."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


source_checksum = runpy.run_path(str(BACKENDS / "source_checksum.py"))["source_checksum"]


def kernel(name, sources, headers):
    """One library; a checksum of its folder is compiled in."""
    folder = BACKENDS / name.partition(".")[0]
    return Extension(
        f"spikeloom.backends.{name}",
        sources=[(folder / source).as_posix() for source in sources],
        depends=[(folder / header).as_posix() for header in headers],
        define_macros=[("SL_SOURCE", str(source_checksum(folder)))],
        optional=True,
    )


setup(
    cmdclass={"build_ext": BuildKernel, "bdist_wheel": AnyPythonWheel},
    ext_modules=[kernel(name, *files) for name, files in KERNELS.items()],
)
