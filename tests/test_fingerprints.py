"""The script that compares results sees one bit, a warning, an error and a printed line."""

import sys
import warnings

import numpy as np
import pytest
from fingerprints import differences, outcome, rows, short
from sklearn.base import clone

from emkernels import GaussianMixture

X = np.array([[1.0, 2.0, 0.0]])


@pytest.mark.parametrize("other", [
    np.nextafter(X, 9), X.astype(np.float32), X[0], X.T, -X, [[1.0, 2.0, 0.0]],
    np.where(X, X, -0.0), np.where(X, X, np.nan)])
def test_one_bit_is_seen(other):
    assert short(X.copy()) == short(X)
    assert short(np.asfortranarray(X)) == short(X)
    assert short(other) != short(X)


def test_all_of_a_fit_is_seen():
    model = GaussianMixture(2, max_iter=2, init_params="random")
    found = outcome(lambda: clone(model).set_params(random_state=0).fit(rows()))
    names = {f"result.{name}_" for name in (
        "weights", "means", "covariances", "precisions", "precisions_cholesky", "converged",
        "n_iter", "n_parameters", "lower_bound", "lower_bounds", "degenerate_components",
        "n_features_in")}
    assert found.keys() == names | {"warning 0"}
    assert found["warning 0"].startswith("ConvergenceWarning: Best performing initialization")
    other = outcome(lambda: clone(model).set_params(random_state=1).fit(rows()))
    n, lines = differences({"v3/a": found, "v4/a": found}, {"v3/a": other, "v4/a": other})
    assert n == 1 and lines[0] == "a  [v3 v4]"
    assert any(line.strip().startswith("result.covariances_: <f8 (2, 4, 4) ") for line in lines)
    assert differences({"v3/a": found}, {"v3/a": found}) == (0, [])
    assert differences({"v3/a": found}, {})[1] == ["a  [v3]", "    the case is gone"]


def test_what_is_said_is_seen():
    def say():
        warnings.warn("narrow", UserWarning, stacklevel=1)
        print("after 0.31 s: 5")
        print("aside", file=sys.stderr)
        raise ValueError("row 7")

    assert outcome(say) == {
        "warning 0": "UserWarning: narrow", "printed": "after TIME: 5\n",
        "printed to stderr": "aside\n", "raised": "ValueError: row 7"}


def test_unknown_results_are_not_passed_over():
    with pytest.raises(TypeError, match="nothing is known of object"):
        outcome(object)
