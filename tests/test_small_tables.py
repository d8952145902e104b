"""Small tables: fits that end where there is no maximum, one thread for small matrices."""

import threading
import warnings

import numpy as np
import pytest
import threadpoolctl
from em_maps import Map, loop

from emkernels import GaussianImputer, GaussianMixtureImputer, _one_thread, little_mcar_test
from emkernels.components.gaussian import density
from emkernels.em import EMWarning
from emkernels.models.missing import little

SHAPES = [(15, 53), (31, 31), (10, 90), (4, 200), (33, 30), (60, 16)]


def gappy(shape, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=shape) @ np.triu(rng.normal(size=(shape[1], shape[1]))) * 0.3
    X[rng.random(shape) < 0.1] = np.nan
    return X


def blas_threads():
    return {library["num_threads"] for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("a BLAS of one thread")
        yield


# --- where the likelihood has no maximum ---------------------------------------------------

@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [
    GaussianImputer, lambda: GaussianMixtureImputer(2, random_state=0),
    lambda: GaussianMixtureImputer(2, covariance_type="tied", random_state=0)])
def test_em_ends_where_there_is_no_maximum(make, shape):
    X = gappy(shape)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        imputer = make().fit(X)
    filled = imputer.transform(X)
    assert np.isfinite(filled).all() and np.array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    if imputer.converged_:
        assert not caught and shape[0] > shape[1]
    else:
        assert {warning.category for warning in caught} == {EMWarning}
        assert any("no maximum" in str(warning.message) for warning in caught)
        # 1000 are allowed
        assert imputer.n_iter_ < (60 if shape[0] <= shape[1] else 300)


def test_more_passes_at_the_floor_hardly_change_what_is_filled_in(monkeypatch):
    X = gappy((40, 30))
    with pytest.warns(EMWarning, match="no maximum"):
        few = GaussianImputer().fit(X)
    monkeypatch.setattr(density, "AT_FLOOR", 10**6)
    with pytest.warns(EMWarning, match="no maximum"):
        many = GaussianImputer().fit(X)
    assert few.n_iter_ < 300 < many.n_iter_ == 1000
    difference = (few.transform(X) - many.transform(X))[np.isnan(X)] / np.nanstd(X)
    assert np.sqrt(np.mean(difference**2)) < 0.2


def test_an_exact_relation_still_converges(rng):
    """A floor that is reached is no reason to end before the other directions are there."""
    X = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4))
    X = np.c_[X, X.sum(axis=1)]
    whole = X.copy()
    X[rng.random(X.shape) < 0.1] = np.nan
    with pytest.warns(EMWarning, match="no maximum"):
        filled = GaussianImputer().fit_transform(X)
    one = np.isnan(X).sum(axis=1) == 1
    np.testing.assert_allclose(filled[one], whole[one], atol=1e-4)


def test_a_start_without_a_maximum_is_not_the_last():
    class Endless(Map):
        def endless(self, parameters, source):
            return True

        def step(self, parameters):
            return parameters + 1.0

        def value(self, parameters):
            return parameters

    begun = []
    result = loop(Endless(), lambda i: begun.append(i) or 10.0 * i, n_init=3,
                  convergence="distance", tol=1e-6)
    assert begun == [0, 1, 2] and result.n_iter == 1 and not result.converged
    assert result.parameters == 21.0 and not result.stopped


def test_a_prior_has_a_maximum():
    X = gappy((15, 53))
    assert GaussianImputer(prior="ridge").fit(X).converged_


# --- Little's test --------------------------------------------------------------------------

def test_too_few_rows_are_said_before_any_work(monkeypatch):
    monkeypatch.setattr(little, "estimate", lambda *_: pytest.fail("EM was run"))
    X = gappy((15, 53))
    with pytest.raises(ValueError, match=r"more rows than columns: 15 rows have a value, and "
                                         r"there are 53 columns; use fewer columns"):
        little_mcar_test(X)
    # rows without any value do not count
    X = np.r_[gappy((6, 6), 3), np.full((20, 6), np.nan)]
    with pytest.raises(ValueError, match="6 rows have a value, and there are 6 columns"):
        little_mcar_test(X)


def test_a_column_that_few_rows_observe_is_named(monkeypatch, rng):
    X = rng.normal(size=(50, 4))
    X[4:, 3] = np.nan       # four rows, in all of which three other columns are known
    monkeypatch.setattr(little, "estimate", lambda *_: pytest.fail("EM was run"))
    with pytest.raises(ValueError, match=(
            r"column 'x3' has a value in 4 rows only, in all of which 3 other columns are known: "
            "Little's test needs 5 such rows, or leave the column out")):
        little_mcar_test(X)
    monkeypatch.undo()
    X[4, 3] = 0.3
    assert little_mcar_test(X).df == 3      # 4 + 3 columns observed, less 4


# --- threads --------------------------------------------------------------------------------

def test_the_passes_of_a_fit_use_one_thread(two_threads):
    seen = []
    imputer = GaussianImputer(callback=lambda state: seen.append(blas_threads()))
    imputer.fit(gappy((60, 5)))
    assert len(seen) > 2 and all(threads == {1} for threads in seen)
    assert blas_threads() == {2}


def test_large_matrices_keep_their_threads(two_threads):
    with _one_thread.one_thread(_one_thread.SMALL + 1):
        assert blas_threads() == {2}


def test_the_threads_are_put_back_whoever_comes_meanwhile(two_threads):
    inside, leave = threading.Event(), threading.Event()

    def other():
        with _one_thread.one_thread(3):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with _one_thread.one_thread(3), _one_thread.one_thread(3):
        thread.start()
        inside.wait()
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    leave.set()
    thread.join()
    assert blas_threads() == {2}
    with pytest.raises(KeyError), _one_thread.one_thread(3):
        raise KeyError
    assert blas_threads() == {2}
    inside.clear()
    leave.clear()
    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with _one_thread.one_thread(3):
        leave.set()
        thread.join()
    assert blas_threads() == {2}
