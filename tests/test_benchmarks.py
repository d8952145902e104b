"""compare.py: a section that fails costs nothing else, and its children run what it runs."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import emkernels

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the benchmarks are not here")

# compare.py with sections of our own, called several times: status, output and errors of each
CALLS = """
import contextlib, io, json, sys
sys.modules.update(cv2=None, daal4py=None)      # not needed here, and long to import
sys.path.insert(0, sys.argv[1])
import compare

def fine(run):
    "Fine."
    return {"seconds": [float("nan"), float("inf"), 0.5]}

def broken(run):
    "Broken."
    raise ValueError("no such thing")

compare.SECTIONS = {"broken": broken, "fine": fine}
found = []
for arguments in json.loads(sys.argv[2]):
    with contextlib.redirect_stdout(io.StringIO()) as out, \\
            contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            status = compare.main(arguments)
        except SystemExit as end:
            status = end.code
    found.append([status, out.getvalue(), errors.getvalue()])
print(json.dumps(found))
"""
CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import _timing
print(_timing.child("import json, emkernels; print(json.dumps(emkernels.__file__))"))
_timing.child("import os; os.abort()")
"""

# without dask
MISSING = """
import sys
sys.modules.update(cv2=None, daal4py=None, dask=None)
sys.path.insert(0, sys.argv[1])
import compare
assert all(compare.section_of(name).__doc__ for name in ("wide", "kernels", "full"))
sys.exit(compare.main(["dask", "--quick"]))
"""


def python(code, *arguments, cwd):
    """The finished process; it finds the package that is tested here."""
    root = str(Path(emkernels.__file__).resolve().parent.parent)
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys\nsys.path.insert(0, {root!r})\n{code}",
         str(FOLDER), *arguments], capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """Results of some calls, by their arguments, and the folder that they ran in."""
    folder = tmp_path_factory.mktemp("compare")
    lines = ("--quick --json all.json", "fine --quick --json fine.json",
             "--json no/where.json", "--rounds 0", "other")
    done = python(CALLS, json.dumps([line.split() for line in lines]), cwd=folder)
    assert done.returncode == 0, done.stderr
    return dict(zip(lines, json.loads(done.stdout))), folder


def test_a_failed_section_loses_no_other(calls):
    status, out, errors = calls[0]["--quick --json all.json"]
    assert status == 1 and "FAILED: broken: ValueError: no such thing" in out
    assert "fine: Fine." in out and "Traceback" in errors
    text = (calls[1] / "all.json").read_text()
    sections = json.loads(text, parse_constant=pytest.fail)["sections"]
    assert sections == {"broken": {"error": "ValueError: no such thing"},
                        "fine": {"seconds": [None, None, 0.5]}}


def test_a_run_without_failure(calls):
    status, out, errors = calls[0]["fine --quick --json fine.json"]
    assert status == 0 and "FAILED" not in out and not errors
    assert list(json.loads((calls[1] / "fine.json").read_text())["sections"]) == ["fine"]


@pytest.mark.parametrize("line, words", [
    ("--json no/where.json", "argument --json: "),
    ("--rounds 0", "must be at least 1, got 0"),
    ("other", "no section other; there are broken, fine"),
])
def test_refused_before_any_work(calls, line, words):
    status, out, errors = calls[0][line]
    assert status == 2 and words in errors and "Fine." not in out


def test_children_import_what_their_parent_does(tmp_path):
    (tmp_path / "emkernels").mkdir()
    (tmp_path / "emkernels" / "__init__.py").write_text("raise ImportError('not built')")
    done = python(CHILD, cwd=tmp_path)
    assert Path(done.stdout.strip()) == Path(emkernels.__file__), done.stderr
    assert "a subprocess ended by signal 6" in done.stderr


def test_what_is_not_measured_is_not_averaged(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import _timing

    assert _timing.geometric_mean([2.0, None, 8.0]) == pytest.approx(4)
    assert math.isnan(_timing.geometric_mean([2.0, math.nan]))
    assert _timing.geometric_mean([]) is None
    assert [_timing.cell(v, 3) for v in (None, math.nan, 4.0)] == ["-", "noise", "4"]


def test_a_section_that_lacks_a_package_stops_no_other(tmp_path):
    done = python(MISSING, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "FAILED: dask: ImportError: " in done.stdout
    assert "pip install 'emkernels[bench]'" in done.stdout
