"""The command line as a whole: help, exit statuses, JSON, quiet, what it imports."""

import builtins
import json
import os
import re
import subprocess
import sys
import textwrap
import warnings
from unittest import mock

import pytest
from cli_files import ROOT, air_quality, complaint, process, result, run

import emkernels
from emkernels.cli import _main, main
from emkernels.cli._console import Console
from emkernels.cli._messages import CommandError, in_options, not_among, one_line

NAMES = [module.__name__.rpartition(".")[2] for module in _main.COMMANDS]


# --- help ----------------------------------------------------------------------------------

def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert NAMES == ["impute", "cluster", "classes", "states", "factors", "predict", "segment",
                     "describe", "bench", "info", "completions", "demo"]
    for name in NAMES:
        assert re.search(rf"^ +{name}  +\S", out, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name, capsys):
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"  emkernels {name}" in out.partition("examples:")[2]
    assert max(map(len, out.splitlines())) <= 100
    if "--json" in out:
        keys = re.sub(r"\s+", " ", out.partition("--json prints: ")[2])
        assert keys.startswith("command, ") and keys.rstrip().endswith("warnings.")


def test_no_command_shows_the_commands(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "commands:" in err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == emkernels.__version__ + "\n"


@pytest.mark.parametrize("arguments, words", [
    (["imput"], "did you mean 'impute'? (see"),
    (["impute"], "the following arguments are required: IN, -o/--output (see emkernels impute "),
    (["info", "--nonsense"], "unrecognized arguments: --nonsense (see emkernels info --help)"),
    (["describe", "x.csv", "--seed", "3"], "--seed 3 (see emkernels describe --help)"),
    (["--nonsense"], "unrecognized arguments: --nonsense (see emkernels --help)"),
    (["cluster", "x.csv"], "-k/--clusters"),
    (["cluster", "x.csv", "-k", "0"], "a range (2:10)"),
    (["cluster", "x.csv", "-k", "9:2"], "a range (2:10)"),
    (["cluster", "x.csv", "-k", "few"], "got 'few'"),
    (["cluster", "x.csv", "-k", "2:"], "got '2:'"),
    (["cluster", "x.csv", "-k", "1:100000000000"], "takes numbers up to 1000000"),
    (["cluster", "x.csv", "-k", "1:600,700:1200"], "1000 of them"),
    (["cluster", "x.csv", "-k", "40000000"], "takes numbers up to 1000000"),
    (["cluster", "x.csv", "-k", "2", "--covariance", "full,oval"], "not 'oval'"),
    (["factors", "x.csv", "-k", "6:1"], "a range (2:10)"),
    (["factors", "x.csv", "-k", "2", "--rotation", "equamax"], "invalid choice: 'equamax'"),
    (["factors", "x.csv", "-k", "2", "--min-uniqueness", "1"], "above 0 and below 1, got '1'"),
    (["factors", "x.csv", "-k", "2", "--cutoff", "-1"], "a number of 0 or more"),
    (["segment", "x.png", "-o", "y.png", "-k", "some"], "(or auto)"),
    (["segment", "x.png", "-o", "y.png", "--smoothness", "-1"], "a number of 0 or more"),
    (["impute", "x.csv", "-o", "y.csv", "--seed", "-1"], "a whole number from 0 to 4294967295"),
    (["impute", "x.csv", "-o", "y.csv", "--threads", "0"], "a whole number of 1 or more"),
    (["impute", "x.csv", "-o", "y.csv", "-m", "0"], "a whole number of 1 or more"),
    (["impute", "x.csv", "-o", "y.csv", "--prior", "lasso"], "knows ridge"),
    (["impute", "x.csv", "-o", "y.csv", "--prior", "ridge:0"], "an amount above 0"),
    (["impute", "x.csv", "-o", "y.csv", "--prior", "ridge:x"], "a number of 0 or more"),
    (["impute", "x.csv", "-o", "y.csv", "--sep", "::"], "needs one character"),
    (["impute", "x.csv", "-o", "y.csv", "--encoding", "klingon"], "no text encoding 'klingon'"),
    (["impute", "x.csv", "-o", "y.csv", "--encoding", "base64"], "no text encoding 'base64'"),
    (["impute", "x.csv", "-o", "y.csv", "--columns", ","], "needs names with commas"),
])
def test_wrong_arguments_are_one_line(arguments, words, capsys):
    line = complaint(capsys, *arguments)
    assert words in line and "--help)" in line


# --- what is printed where -----------------------------------------------------------------

def test_quiet_prints_nothing(tmp_path, capsys):
    air_quality(tmp_path / "air.csv")
    assert run("impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_json_is_all_there_is(tmp_path, capsys):
    air_quality(tmp_path / "air.csv")
    assert run("describe", tmp_path / "air.csv", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["command"] == "describe" and json.loads(out)["warnings"] == []
    assert err == ""


def test_json_has_no_nan():
    console, printed = Console(as_json=True), []
    with mock.patch.object(builtins, "print", lambda text, **_: printed.append(text)):
        console.result({"a": float("nan"), "b": [float("inf"), 1.5], "c": {1: None}})
    assert json.loads(printed[0]) == {"a": None, "b": [None, 1.5], "c": {"1": None},
                                      "warnings": []}


def test_warnings_are_short_lines_and_in_json(tmp_path, capsys):
    path = tmp_path / "sum.csv"
    path.write_text("a,b,total\n" + "".join(
        f"{i},{i * i % 7},{i + i * i % 7}\n" for i in range(12)) + "3,,8\n")
    assert run("impute", path, "-o", tmp_path / "out.csv", "--json") == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("emkernels: warning: ")
    # the option of the command line, not the parameter of the class
    assert "no maximum" in lines[0] and lines[0].endswith("--prior ridge keeps it away from zero")
    assert json.loads(out)["warnings"] == [lines[0].removeprefix("emkernels: warning: ")]


def test_the_same_warning_once(capsys):
    console = Console()
    with console.catching_warnings():
        for _ in range(3):
            warnings.warn("twice  said\nis enough", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "emkernels: warning: twice said is enough\n"
    assert console.warnings == ["twice said is enough"]


def test_names_that_look_like_markup(tmp_path, capsys):
    path = tmp_path / "markup.csv"
    path.write_text("[bold]x[/bold],:smile:\n1,2\n3,\n4,5\n9,1\n")
    assert run("describe", path) == 0
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out and ":smile:" in out


def test_tables_are_not_cut_away_from_a_terminal(tmp_path, capsys):
    path = tmp_path / "wide.csv"
    names = [f"{'long' * 20}{i}" for i in range(3)]
    path.write_text(",".join(names) + "\n1,2,3\n4,,6\n7,9,9\n1,1,4\n")
    assert run("describe", path) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"^{name} ", out, re.MULTILINE) for name in names)


# --- failures of every kind ----------------------------------------------------------------

@pytest.mark.parametrize("error, status, words", [
    (CommandError("file.csv: is wrong"), 2, "emkernels: file.csv: is wrong\n"),
    (MemoryError("Unable to allocate 9 PiB"), 2, "not enough memory (Unable to allocate 9 PiB)"),
    (FileNotFoundError(2, "No such file or directory", "x.csv"), 2,
     "emkernels: x.csv: No such file or directory\n"),
    (OSError(28, "No space left on device"), 2, "emkernels: No space left on device\n"),
    (KeyboardInterrupt(), 130, "emkernels: interrupted\n"),
])
def test_failures_are_one_line(error, status, words, monkeypatch, capsys):
    def fail(options, console):
        raise error

    monkeypatch.setattr(_main.info, "run", fail)
    assert main(["info"]) == status
    out, err = capsys.readouterr()
    assert out == "" and words in err and err.count("\n") == 1


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(options, console):
        raise ValueError("a bug")

    monkeypatch.setattr(_main.info, "run", fail)
    with pytest.raises(ValueError, match="a bug"):
        main(["info"])


@pytest.mark.parametrize("missing, command, line", [
    ("pandas", "describe", "emkernels: emkernels describe needs pandas: "
                           "pip install 'emkernels[cli]'\n"),
    ("rich", "cluster", "emkernels: emkernels cluster needs rich: pip install 'emkernels[cli]'\n"),
    ("PIL", "segment", "emkernels: emkernels segment needs Pillow: "
                       "pip install 'emkernels[cli]'\n"),
])
def test_a_missing_package_is_named(missing, command, line, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    arguments = {"describe": [], "cluster": ["-k", "2"], "segment": ["-o", "o.png"]}[command]
    assert main([command, "in.csv", *arguments]) == 2
    assert capsys.readouterr() == ("", line)


def test_help_and_info_need_no_extra():
    code = """
        import sys
        for name in ("pandas", "pyarrow", "rich", "PIL", "matplotlib", "skimage"):
            sys.modules[name] = None
        from emkernels.cli import main
        assert main(["info"]) == 0
        for name in COMMANDS:
            assert main([name, "--help"]) == 0
        assert "sklearn.base" not in sys.modules and "scipy.linalg" not in sys.modules
    """.replace("COMMANDS", repr(NAMES))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ROOT}, check=False)
    assert done.returncode == 0, done.stderr


# --- info ------------------------------------------------------------------------------------

def test_info(capsys):
    facts = result(capsys, "info")
    assert facts["emkernels"] == emkernels.__version__
    assert set(facts["packages"]) == {
        "imagecodecs", "matplotlib", "pandas", "pillow", "pyarrow", "rich", "scikit-image",
        "tifffile"}
    assert main(["info"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
                 if not line.startswith("simd available"))
    assert lines["pandas"] == facts["packages"]["pandas"]
    assert lines["simd"] == facts["simd"]


def test_python_minus_m():
    done = process("info")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[0].split() == ["emkernels", emkernels.__version__]


# --- texts -----------------------------------------------------------------------------------

def test_texts():
    assert one_line("a\n  b") == "a b"
    assert len(one_line("x" * 1000)) == 500
    assert in_options("Increase max_iter, or prior='ridge'") == (
        "Increase --max-iter, or --prior ridge")
    assert in_options("method='em' can") == "--method em can"
    assert not_among("ozon", ["ozone", "wind"]) == (
        'there is no column "ozon"; did you mean "ozone"?')
    assert not_among("zzz", ["a", "b"]) == 'there is no column "zzz"; there are "a", "b"'
