"""Build step of the emulator's kernel; everything else about the package is in pyproject.toml.

The kernel is optional: without a C compiler the package installs all the same, and the emulator
uses NumPy. It has no CPython interface, so the library and the wheel are not tied to a version.
"""

import runpy
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDER = Path("src", "spikeloom", "backends", "emulator")
SOURCES = ("kernel.c", "learn.c", "streams.c")
HEADERS = ("kernel.h", "common.h", "learn.h", "kernel_neuron.h", "learn_loops.h")
KERNEL = "spikeloom.backends.emulator._kernel"


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


checksum = runpy.run_path(str(FOLDER / "checksum.py"))["source_checksum"](FOLDER)
setup(
    cmdclass={"build_ext": BuildKernel, "bdist_wheel": AnyPythonWheel},
    ext_modules=[
        Extension(
            KERNEL,
            sources=[(FOLDER / name).as_posix() for name in SOURCES],
            depends=[(FOLDER / name).as_posix() for name in HEADERS],
            define_macros=[("SL_SOURCE", str(checksum))],
            optional=True,
        )
    ],
)
