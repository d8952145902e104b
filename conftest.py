"""Which emkernels the tests import.

In the flat layout the unbuilt sources lie beside this file; whatever puts this folder on the path
(``python -m pytest`` does) would hide the installed package behind them. pytest loads this file
before anything in tests/.
"""

import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if not any(
    file.suffix in (".so", ".pyd") for file in (ROOT / "emkernels" / "kernels").glob("_core.*")
):
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
    os.environ["PYTHONSAFEPATH"] = "1"      # for the interpreters that tests start

try:
    _core = importlib.import_module("emkernels.kernels._core")
except ModuleNotFoundError as error:
    sys.exit(f"emkernels is not installed for {sys.executable} ({error}): pip install '.[test]'")


def pytest_report_header(config):
    folder = Path(sys.modules["emkernels"].__file__).parent
    openmp = "yes" if _core.has_openmp() else "no"
    return f"emkernels: {folder}, simd {_core.simd_level()}, openmp {openmp}"
