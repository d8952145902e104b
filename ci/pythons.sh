#!/usr/bin/env bash
# The wheel in dist/ on CPythons newer than the machine's: 3.13 of Debian 13 and 3.14 of Debian
# unstable, each with the glibc that it is made for, unpacked into build/pythons.
#   pythons.sh [test files]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
# shellcheck source=ci/debian.sh
. ci/debian.sh
tools 'pip>=24'
wheel=$(ls "$PWD"/dist/emkernels-*.whl)
folder=$PWD/build/pythons
libraries=usr/lib/$(uname -m)-linux-gnu
rm -rf "$folder/tests"
mkdir -p "$folder/tests"
cp -r tests examples conftest.py pyproject.toml README.md "$folder/tests"
if [ $# -eq 0 ]; then
    # (test_process.py begins interpreters of its own, without the loader that these need)
    set -- tests/test_kernels.py tests/test_kmeans.py tests/test_incomplete_kernels.py
fi

failed=0
for each in 3.13:trixie 3.14:sid; do
    version=${each%:*} root=$folder/${each%:*}
    if [ ! -e "$root/usr/bin/python$version" ]; then
        debian "$root" "${each#*:}" "$(dpkg --print-architecture)" \
            "python$version" libgomp1 libstdc++6
    fi
    rm -rf "$root.site"
    # the tags that pip would see on that machine
    python -m pip install --quiet --target "$root.site" --only-binary=:all: \
        --python-version "$version" --implementation cp --abi "cp${version/./}" --abi abi3 --abi none \
        --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" \
        --platform "manylinux_2_17_$(uname -m)" --platform "manylinux2014_$(uname -m)" --platform any \
        "$wheel" pytest hypothesis mpmath pandas
    program=("$root/$libraries"/ld-linux-*.so.* --library-path "$root/$libraries"
        "$root/usr/bin/python$version")
    export PYTHONHOME=$root/usr PYTHONPATH=$root.site OPENBLAS_NUM_THREADS=1
    echo "CPython $version"
    (cd "$folder/tests" && "${program[@]}" -c 'import emkernels; emkernels.show_config()' &&
        "${program[@]}" -m pytest -q -p no:cacheprovider "$@") || failed=1
    unset PYTHONHOME PYTHONPATH
done
exit "$failed"
