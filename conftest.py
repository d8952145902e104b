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
    file.suffix in (".so", ".pyd") for file in (ROOT / "emkernels" / "kernels").glob("threads.*")
):
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
    os.environ["PYTHONSAFEPATH"] = "1"      # for the interpreters that tests start

try:
    FACTS = importlib.import_module("emkernels._config").config()
except ModuleNotFoundError as error:
    sys.exit(f"emkernels is not installed for {sys.executable} ({error}): pip install '.[test]'")


def pytest_report_header(config):
    folder = Path(sys.modules["emkernels"].__file__).parent
    return f"emkernels: {folder}, simd {FACTS['simd']}, openmp {FACTS['openmp']}"
