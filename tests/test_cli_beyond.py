"""emkernels impute says where it fills in what was never observed."""

import json

import numpy as np
import pandas as pd
import pytest
from cli_files import run

from emkernels import GaussianImputer
from emkernels.cli._beyond import Beyond
from emkernels.cli._numbers import Numbers

NAN = np.nan


def beyond_of(X):
    names = list("abcdef"[:X.shape[1]])
    return Beyond(Numbers(X, list(range(len(names))), names, [False] * len(names), {}))


def test_counts_and_ends():
    X = np.array([[1.0, NAN, 5.0], [3.0, 2.0, NAN], [NAN, 4.0, NAN], [NAN, NAN, 7.0]])
    full = np.array([[1, 3, 5], [3, 2, 7], [0.5, 4, 9], [3.5, 2, 7]])
    other = np.where(np.isnan(X), [[0, 3, 0], [0, 0, 5], [2, 0, 4], [3, 9, 0]], X)
    beyond = beyond_of(X)
    assert len(list(beyond.seen([(X, full, {}), (X, other, {})]))) == 2
    np.testing.assert_array_equal(beyond.counts, [2, 1, 2])
    np.testing.assert_array_equal(beyond.lowest, [0.5, 2, 4])
    np.testing.assert_array_equal(beyond.highest, [3.5, 9, 9])
    assert beyond.lines(["a", "b", "c"], 2) == [
        '5 values filled in beyond what is observed: 2 of 4 in "a" (observed 1 to 3, filled in '
        'down to 0.5 and up to 3.5), 2 of 4 in "c" (observed 5 to 7, filled in down to 4 and up '
        'to 9), 1 of 4 in "b" (observed 2 to 4, filled in up to 9); --clip keeps to it']


def test_rounding_is_not_beyond():
    X = np.array([[0.1], [0.7], [NAN]], np.float32)
    beyond = beyond_of(X)
    list(beyond.seen([(X, np.array([[0.1], [0.7], [0.7 + 1e-8]]), {})]))
    assert beyond.counts[0] == 0 and beyond.lines(["a"], None) == []


@pytest.fixture
def growth(tmp_path):
    """Ages, and a size that is measured of the old ones only, as the growth data of children are:
    the line through it passes below zero."""
    age = np.arange(1.0, 41.0)
    size = np.where(age > 20, age - 19 + 0.3 * np.sin(7 * age), NAN)
    table = pd.DataFrame({"age": age, "size": size})
    table.to_csv(tmp_path / "growth.csv", index=False)
    return table, tmp_path


def test_the_command_says_so(growth, capsys):
    table, folder = growth
    filled = GaussianImputer().fit_transform(table)[:, 1]
    n = int(((filled < table["size"].min()) | (filled > table["size"].max())).sum())
    assert n > 15 and filled.min() < -10
    arguments = ["impute", folder / "growth.csv", "-o", folder / "o.csv", "--force"]
    assert run(*arguments) == 0
    out = capsys.readouterr().out
    assert f'{n} values filled in beyond what is observed: {n} of 20 in "size"' in out
    assert f"filled in down to {filled.min():.4g})" in out
    assert run(*arguments, "--json") == 0
    columns = json.loads(capsys.readouterr().out)["columns"]
    assert [column["beyond"] for column in columns] == [0, n]


def test_clip_keeps_to_what_is_observed(growth, capsys):
    _, folder = growth
    assert run("impute", folder / "growth.csv", "-o", folder / "o.csv", "--clip") == 0
    assert "beyond" not in capsys.readouterr().out
