#!/usr/bin/env bash
# The tests on kernels built with AddressSanitizer and UndefinedBehaviorSanitizer of gcc.
#   sanitize.sh quick      every kernel at every SIMD level, and a minute of fuzz.py: the gate
#   sanitize.sh all        the whole suite, in hours: before a release
#   sanitize.sh leaks      the kernels, and what they do not give back (LeakSanitizer)
#   sanitize.sh valgrind   the kernels at the baseline level under valgrind, without sanitizers
#   sanitize.sh threads    the kernels built by clang with its ThreadSanitizer, four threads: data
#                          races. Archer (of libomp) tells it where OpenMP's threads wait; with gcc's
#                          libgomp, which tells nothing, every barrier would be a report
# What Python and NumPy never give back, or read without harm, is not told: the last two tell what
# has a frame of emkernels next to the allocation, or anywhere in an error.
# More arguments go to pytest. PYTHON is an interpreter with '.[test]' installed; the checkout is
# copied to FOLDER, or a temporary folder, built there in place and not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
mode=${1:?quick, all, leaks, valgrind or threads}
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

compiler=gcc
case $mode in
valgrind) ;;
threads) compiler=clang EMKERNELS_SANITIZE=thread ;;
*) EMKERNELS_SANITIZE=address,undefined ;;
esac
export EMKERNELS_SANITIZE
# some interpreters link with flags that sanitizers do not go with
CC=$compiler LDSHARED="$compiler -shared" "$PYTHON" setup.py -q build_ext --inplace
printf 'sanitize: built in %d s\n' "$SECONDS"

export PYTHONPATH=$PWD PYTHONMALLOC=malloc
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OPENBLAS_NUM_THREADS=1
# gcc 12 lays the vectors of AVX-512 on an unaligned false stack when
# detect_stack_use_after_return is on: a crash in vector.h that is no fault of it
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1"
ASAN_OPTIONS+=":log_path=$PWD/reports/asan"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$PWD/reports/ubsan"
sanitizers="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"

# compiled clients are without sanitizers; memory that is free is kept by them, so that tests of how
# much is in use say nothing
pytest=("$PYTHON" -m pytest -p no:cacheprovider -q --deselect tests/test_cimport.py
    --deselect tests/test_memory_of_blocks.py --deselect tests/test_process.py::test_no_leak)
kernels=(tests/test_kernels.py tests/test_kernel_errors.py tests/test_missing_patterns.py
    tests/test_incomplete_kernels.py tests/test_incomplete_errors.py
    tests/test_student_kernels.py tests/test_factor_kernels.py tests/test_chain_kernels.py
    tests/test_kmeans_bounds.py tests/test_crowded.py tests/test_lloyd.py
    tests/test_covariances.py tests/test_planning.py tests/test_potts.py
    tests/test_elementary.py)

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
threads)
    # the archer of clang's libomp, and the runtime of gcc, which can be loaded before Python; both
    # need addresses that are not drawn at random. Python and NumPy are not instrumented
    OMP_TOOL_LIBRARIES=$(realpath "$(dirname "$(readlink -f "$(command -v clang)")")/../lib/libarcher.so")
    export OMP_TOOL_LIBRARIES ARCHER_OPTIONS=verbose=1 OMP_NUM_THREADS=4
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1:exitcode=0:die_after_fork=0"
    TSAN_OPTIONS+=":log_path=$PWD/reports/tsan"
    sanitizers=$(gcc -print-file-name=libtsan.so)
    racing() {
        setarch -R env LD_PRELOAD="$sanitizers" "$@" || status=$?
    }
    racing "$PYTHON" -c 'from emkernels import kernels; import numpy as np
kernels.kmeans_plusplus(np.ones((9000, 3)), 2, n_threads=4)' 2>&1 | tee archer.txt
    grep -q "^Archer detected" archer.txt || { echo "sanitize: Archer is not there" >&2; exit 1; }
    racing "${pytest[@]}" "${kernels[@]}" "$@"
    racing "$PYTHON" tests/fuzz.py kernels --seconds 120
    ;;
*)
    echo "sanitize: quick, all, leaks, valgrind or threads, not $mode" >&2
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
