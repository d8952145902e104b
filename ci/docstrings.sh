#!/usr/bin/env bash
# Docstrings of all public names against a list of codes, by numpydoc: see docstrings.py.
# docstrings.sh [PYTHON]: of the environment that emkernels is installed in; gets numpydoc there.
set -euo pipefail
python=$(realpath -s "$(command -v "${1:-${PYTHON:-python3}}")")
cd "$(dirname "$0")"
"$python" -m pip install --quiet --quiet --disable-pip-version-check 'numpydoc>=1.11'
# -P: what is installed, not what lies beside this script
"$python" -P docstrings.py
