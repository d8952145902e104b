#!/usr/bin/env bash
# The tests against the wheel in dist/, installed in a clean environment, away from the checkout.
# test_wheel.sh [FOLDER]: FOLDER (new or empty) is kept, with the environment in FOLDER/venv.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh

if [ $# -gt 0 ]; then
    folder=$1
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
wheel=$(ls dist/emkernels-*.whl)
"$PYTHON" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet "$wheel[test]"
cp -r tests examples benchmarks docs conftest.py pyproject.toml ./*.md CITATION.cff "$folder"
cd "$folder"
venv/bin/python -c 'import emkernels; emkernels.show_config()'
# side by side, each in one thread, at the SIMD level below the best, which most machines have at
# best; the README's command runs them at the best
level=$(venv/bin/python -c 'from emkernels.kernels.dispatch import available_levels
print(available_levels()[:2][-1])')
EMKERNELS_SIMD=$level OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 venv/bin/pytest -n "$(nproc)" --maxprocesses 8
