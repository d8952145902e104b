#!/usr/bin/env bash
# The aarch64 wheel, cross-built on x86_64, and its tests under qemu-user. Half an hour: not in the gate;
# what came of the last run stands in ci/aarch64.txt, which a run without arguments writes anew.
#   aarch64.sh [test files]       on Debian 12, with its packages gcc-aarch64-linux-gnu,
#   libc6-dev-arm64-cross and qemu-user-static; all else goes to build/aarch64
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
# shellcheck source=ci/debian.sh
. ci/debian.sh
for program in aarch64-linux-gnu-gcc qemu-aarch64-static dpkg-deb; do
    command -v "$program" >/dev/null || { echo "aarch64: $program is not there" >&2; exit 1; }
done
tools pip 'setuptools>=77' 'Cython>=3.2' build
checkout=$PWD
folder=$PWD/build/aarch64
report=$PWD/ci/aarch64.txt
if [ $# -gt 0 ]; then report=$folder/report.txt; fi
files=("$@")
if [ $# -eq 0 ]; then
    files=(tests/test_kernels.py tests/test_kmeans.py tests/test_imputers.py
        tests/test_gaussian_mixture.py tests/test_incomplete_kernels.py tests/test_chain_kernels.py
        tests/test_student_kernels.py tests/test_factor_kernels.py tests/test_elementary.py)
fi
rm -rf "$folder"/{src,site,built,tests-run,wheels}
mkdir -p "$folder"
cd "$folder"

# CPython for arm64
if [ ! -e root/usr/bin/python3.11 ]; then
    debian "$folder/root" bookworm arm64 \
        python3 python3-dev libpython3.11 libgomp1 libstdc++6 libc-bin zlib1g
fi

python -m pip download --quiet --dest wheels --only-binary=:all: --python-version 3.11 \
    --implementation cp --abi cp311 --abi abi3 --abi none \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
    --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 \
    numpy scikit-learn pandas pytest hypothesis mpmath

git clone --quiet "$checkout" src
(cd src && CC=aarch64-linux-gnu-gcc LDSHARED="aarch64-linux-gnu-gcc -shared" \
    CPPFLAGS="-I$folder/root/usr/include/python3.11 -I$folder/root/usr/include" \
    _PYTHON_HOST_PLATFORM=linux-aarch64 \
    python -m build --no-isolation --wheel --outdir ../built . >../build.log 2>&1) || {
    cat build.log >&2
    exit 1
}
if grep 'WITHOUT OpenMP' build.log; then exit 1; fi
for wheel in wheels/*.whl built/*.whl; do python -m zipfile -e "$wheel" site; done
mkdir tests-run
cp -r src/{tests,examples,conftest.py,pyproject.toml,README.md} tests-run
cd tests-run

export PYTHONPATH=$folder/site OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1
# of the processor that qemu 7.2 shows by itself (SME), matrix products in float32 raise flags of
# overflow for nothing
export QEMU_CPU=${QEMU_CPU:-neoverse-n1}
python311() { qemu-aarch64-static -L "$folder/root" "$folder/root/usr/bin/python3.11" "$@"; }
{
    echo "Last run of ci/aarch64.sh: $(date -u +%Y-%m-%d), commit $(git -C ../src rev-parse --short HEAD)"
    aarch64-linux-gnu-gcc --version | head -n 1
    echo "$(qemu-aarch64-static --version | head -n 1), $QEMU_CPU"
    python311 - <<-PYTHON
	import platform, numpy, scipy, sklearn
	print("CPython", platform.python_version(), "on", platform.machine())
	print("NumPy", numpy.__version__, "SciPy", scipy.__version__, "scikit-learn", sklearn.__version__)
	PYTHON
    python311 -c 'import emkernels; emkernels.show_config()'
    echo
} | tee "$report"
failed=0
for file in "${files[@]}"; do
    python311 -m pytest -p no:cacheprovider -q "$file" >"$folder/$(basename "$file").log" 2>&1 || failed=1
    printf '%-36s %s\n' "$file" "$(tail -n 1 "$folder/$(basename "$file").log")" | tee -a "$report"
done
exit "$failed"
