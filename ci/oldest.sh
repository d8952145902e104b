#!/usr/bin/env bash
# The wheel in dist/ with the oldest NumPy, SciPy and scikit-learn that it says it takes:
# what pyproject.toml asks for as a minimum, to the number.
#   oldest.sh [test files]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
wheel=${WHEEL:-$(ls "$PWD"/dist/emkernels-*.whl)}
folder=$PWD/build/oldest
rm -rf "$folder/tests"
mkdir -p "$folder/tests"
"$PYTHON" - >"$folder/constraints.txt" <<'END_PYTHON'
import re
import tomllib
for requirement in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    print(re.sub(r">=", "==", requirement))
END_PYTHON
cat "$folder/constraints.txt"
# pytest 9 warns of what scikit-learn's own checks did then
"$PYTHON" -m venv --clear "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet -c "$folder/constraints.txt" \
    "$wheel" 'pytest==8.*' pytest-xdist hypothesis matplotlib mpmath pandas polars pyarrow
cp -r tests examples conftest.py pyproject.toml README.md "$folder/tests"
cd "$folder/tests"
if [ $# -eq 0 ]; then
    set -- tests/test_{gaussian_mixture,kmeans,imputers,kernels,sklearn_suite,student,factor_analysis}.py \
        tests/test_{classes,hmm,statistics,structures,mixture_missing,inputs,em_loop,old_files}.py
fi
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/venv/bin/python" -m pytest -q -n "$(nproc)" \
    -p no:cacheprovider --deselect 'tests/test_sklearn_suite.py::test_peer_suite[test_regularisation-0]' \
    "$@"     # whose words of an error are another version's
