"""Builds the client against the emkernels that Python imports."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

import emkernels

setup(
    name="client",
    ext_modules=cythonize(
        [Extension("client", ["client.pyx"])],
        include_path=[str(Path(emkernels.__file__).parents[1])],
        language_level=3,
    ),
)
