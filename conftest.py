"""Which emkernels the tests import.

In the flat layout the unbuilt sources lie beside this file; whatever puts this folder on the path
(``python -m pytest`` does) would hide the installed package behind them.
"""

import importlib
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent


def pytest_configure(config):
    built_in_place = any(
        file.suffix in (".so", ".pyd") for file in (ROOT / "emkernels" / "kernels").glob("_core.*")
    )
    if not built_in_place:
        sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
        # and for the interpreters that tests start
        os.environ["PYTHONSAFEPATH"] = "1"
    try:
        importlib.import_module("emkernels.kernels._core")
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            f"emkernels is not installed in {sys.prefix} ({error}): pip install '.[test]'"
        ) from None


def pytest_report_header(config):
    import emkernels
    from emkernels.kernels import _core

    return (
        f"emkernels: {emkernels.__version__} in {Path(emkernels.__file__).parent}, "
        f"simd {_core.simd_level()}, openmp {'yes' if _core.has_openmp() else 'no'}"
    )
