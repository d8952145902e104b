#!/usr/bin/env bash
# pyright over the recipes of README.md and docs/, the examples and tests/typed_client.py, and mypy
# over the last, against an installed package: types.sh PYTHON, whose environment has the extra test
# and its packages.
set -euo pipefail
python=$(realpath -s "$(command -v "$1")")
cd "$(dirname "$0")/.."
# shellcheck source=ci/tools.sh
. ci/tools.sh
tools 'pyright[nodejs]' mypy

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r examples tests/typed_client.py ci/pyrightconfig.json ci/typings "$folder"
mkdir "$folder/recipes"
"$PYTHON" ci/recipes.py "$folder/recipes"
cd "$folder"
pyright --pythonpath "$python"
mypy --strict --python-executable "$python" --cache-dir "$folder/cache" typed_client.py
