# Sourced by the scripts of this folder: the tools that they need, in a virtual environment.
PYTHON=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
exec </dev/null

tools() {
    local venv=$PWD/build/ci-venv
    # an environment whose interpreter has gone is of no use
    "$venv/bin/python" -c '' 2>/dev/null || "$PYTHON" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --quiet "$@"
    PATH=$venv/bin:$PATH
}
