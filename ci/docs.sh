#!/usr/bin/env bash
# The site, from sources in a folder of their own and the wheel in dist/, without a warning; then a
# look at what was made. docs.sh [OUT [VENV]]: the pages go to OUT (build/site), the wheel is in VENV
# or in a new environment.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh

out=$(realpath -m "${1:-build/site}")
if [ -n "$(ls -A "$out" 2>/dev/null)" ] && [ ! -e "$out/objects.inv" ]; then
    echo "docs: $out is there and no site; it would be removed" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
venv=${2:-$folder/venv}
[ -e "$venv/bin/python" ] || "$PYTHON" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --quiet "$(ls dist/emkernels-*.whl)[docs]"
venv=$(realpath -s "$venv")

# what a build makes within docs/ is made anew
cp -r docs examples ./*.md CITATION.cff "$folder"
rm -rf "$folder"/docs/{api,cli,figures,gallery}
cp ci/check_site.py "$folder"
rm -rf "$out"
cd "$folder"
# without a proxy that answers: a build that fetches something does not go through
env MPLBACKEND=Agg CFLAGS=-O0 http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 \
    "$venv/bin/python" -m sphinx -W -n --keep-going -q docs "$out"
"$venv/bin/python" check_site.py "$out"
