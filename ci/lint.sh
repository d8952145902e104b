#!/usr/bin/env bash
# Style of Python and Cython, and no path of somebody's machine in any file.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
tools ruff cython-lint

ruff check .
cython=(emkernels)
for folder in tests benchmarks examples; do
    if [ -d "$folder" ]; then cython+=("$folder"); fi
done
cython-lint "${cython[@]}"

if grep -rInE '(^|[^A-Za-z0-9_.])/(home|root|work|opt|tmp|Users)/|[A-Z]:\\Users' . \
    --exclude-dir={.git,build,dist,.asv,.hypothesis,.pytest_cache,.ruff_cache,__pycache__} \
    --exclude-dir='*.egg-info' --exclude-dir='.venv*'; then
    echo "lint: the lines above name a path of one machine" >&2
    exit 1
fi
echo "lint: clean"
