#!/usr/bin/env bash
# The tests on kernels built with AddressSanitizer and UndefinedBehaviorSanitizer of gcc.
#   sanitize.sh quick      every kernel at every SIMD level, and a minute of fuzz.py: the gate
#   sanitize.sh all        the whole suite, in hours: before a release
#   sanitize.sh leaks      the kernels, and what they do not give back (LeakSanitizer)
#   sanitize.sh valgrind   the kernels at the baseline level under valgrind, without sanitizers
# What Python and NumPy never give back, or read without harm, is not told: the last two tell what
# has a frame of emkernels next to the allocation, or anywhere in an error.
# More arguments go to pytest. PYTHON is an interpreter with '.[test]' installed; the checkout is
# copied to FOLDER, or a temporary folder, built there in place and not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
mode=${1:?quick, all, leaks or valgrind}
shift
PYTHON=$(realpath -s "$(command -v "${PYTHON:-python3}")")

if [ -n "${FOLDER:-}" ]; then
    folder=$FOLDER
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
# what git knows, or will know; an sdist has no git, or lies in the repository of something else
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp -pu --parents -t "$folder"
else
    cp -rpu . "$folder"
fi
cd "$folder"
rm -rf reports
mkdir reports

if [ "$mode" != valgrind ]; then
    export EMKERNELS_SANITIZE=address,undefined
fi
# some interpreters link with flags that sanitizers do not go with
LDSHARED="gcc -shared" "$PYTHON" setup.py -q build_ext --inplace
printf 'sanitize: built in %d s\n' "$SECONDS"

export PYTHONPATH=$PWD PYTHONMALLOC=malloc
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OPENBLAS_NUM_THREADS=1
# gcc 12 lays the vectors of AVX-512 on an unaligned false stack when
# detect_stack_use_after_return is on: a crash in vector.h that is no fault of it
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1"
ASAN_OPTIONS+=":log_path=$PWD/reports/asan"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$PWD/reports/ubsan"
sanitizers="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"

# hypothesis has deadlines for cases, which are slow here; compiled clients are without sanitizers
pytest=("$PYTHON" -m pytest -p no:cacheprovider -q --deselect tests/test_cimport.py)
kernels=(tests/test_kernels.py tests/test_kernel_errors.py tests/test_missing_patterns.py
    tests/test_incomplete_kernels.py tests/test_incomplete_errors.py
    tests/test_student_kernels.py tests/test_factor_kernels.py tests/test_chain_kernels.py
    tests/test_kmeans_bounds.py tests/test_potts.py tests/test_elementary.py)

status=0
run() {
    LD_PRELOAD=$sanitizers "$@" || status=$?
}
own() {     # leaves the paragraphs of the reports that the pattern is found in
    local file
    for file in reports/*; do
        [ -e "$file" ] || continue
        "$PYTHON" -c 'import re, sys
text = open(sys.argv[1], errors="replace").read()
parts = [p for p in re.split(r"\n(?:==\d+== *)?\n", text) if re.search(sys.argv[2], p, re.M)]
open(sys.argv[1], "w").write("\n\n".join(parts))' "$file" "$1"
    done
    find reports -type f -empty -delete
}
case $mode in
quick)
    run "${pytest[@]}" -n 2 "${kernels[@]}" "$@"
    run "$PYTHON" tests/fuzz.py kernels --seconds 60
    ;;
all)
    run "${pytest[@]}" -m "slow or not slow" "$@"
    run "$PYTHON" tests/fuzz.py kernels --seconds 600
    run "$PYTHON" tests/fuzz.py models --seconds 600
    ;;
leaks)
    ASAN_OPTIONS=${ASAN_OPTIONS/detect_leaks=0/detect_leaks=1:exitcode=0}
    run "${pytest[@]}" "${kernels[@]}" "$@"
    own "^(Direct|Indirect) leak[^#]*#0[^#]*#1[^#]*/emkernels/"
    ;;
valgrind)
    EMKERNELS_SIMD=baseline valgrind --quiet --error-exitcode=0 \
        --trace-children=yes --log-file="$PWD/reports/valgrind.%p" \
        "$PYTHON" tests/fuzz.py kernels --seconds 900 "$@" || status=$?
    own "/emkernels/"
    ;;
*)
    echo "sanitize: quick, all, leaks or valgrind, not $mode" >&2
    exit 2
    ;;
esac

if compgen -G 'reports/*' >/dev/null; then
    head -n 60 reports/*
    status=1
fi
printf 'sanitize: %s, %d report(s), status %d, %d s\n' "$mode" "$(find reports -type f | wc -l)" \
    "$status" "$SECONDS"
exit "$status"
