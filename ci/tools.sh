# Sourced by the scripts of this folder: the tools that they need, in a virtual environment.
PYTHON=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
exec </dev/null

tools() {
    local venv=$PWD/build/ci-venv
    # an environment whose interpreter has gone, or that was not finished, is of no use
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$PYTHON" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --quiet "$@"
    PATH=$venv/bin:$PATH
}
