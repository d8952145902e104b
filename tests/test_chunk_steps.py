"""Imputers, Student mixtures and factor models of blocks: steps by hand, and what only some of
them have."""

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from table_blocks import SIZES, assert_same, bits, cut, quiet, table, weights

from emkernels import FactorAnalysis, GaussianImputer, MixtureOfFactorAnalyzers, StudentTMixture
from emkernels.components.factors.incomplete import Completed
from emkernels.data import Chunks, Rows
from emkernels.data.source import Sums
from emkernels.em import EMWarning
from emkernels.models.factors import fitting
from emkernels.models.imputation import gaps

# --- imputers ------------------------------------------------------------------------------------


def test_the_imputer_by_hand():
    """An iteration from observed means and variances, row by row in NumPy."""
    X = table(True)
    model, _ = quiet(GaussianImputer(max_iter=1).fit_chunks, cut(X, SIZES[2]))
    mean, variance = np.nanmean(X, axis=0), np.nanvar(X, axis=0)
    first, second, n = np.zeros(6), np.zeros((6, 6)), 0
    for x in X:
        seen = ~np.isnan(x)
        if seen.any():
            whole = np.where(seen, x, mean)
            first, n = first + whole, n + 1
            second += np.outer(whole - mean, whole - mean) + np.diag(np.where(seen, 0, variance))
    offset = first / n - mean
    assert n == 599
    assert_allclose(model.location_, first / n, rtol=1e-12)
    assert_allclose(model.covariance_, second / n - np.outer(offset, offset), rtol=1e-11)


def test_options_of_imputers():
    """Other marks of a missing value, empty columns, limits, indicators."""
    X = table(True)
    X[:, 4] = np.nan
    X[2, 0] = np.nan        # a column that lacks a value in a row of no weight alone
    X[:, 0] = np.where(np.isnan(X[:, 0]), 0.3, X[:, 0])
    weight = weights()
    X[9, 0] = np.nan
    assert weight[9] == 0
    marked = np.where(np.isnan(X), -999.0, X)
    options = {"add_indicator": True, "keep_empty_features": True, "min_value": -1.0,
               "max_value": np.full(6, 2.0)}
    for data, more in ((X, {}), (marked, {"missing_values": -999.0})):
        expected, said = quiet(GaussianImputer(**options, **more).fit, data, sample_weight=weight)
        found, told = quiet(GaussianImputer(**options, **more).fit_chunks, cut(data, SIZES[1]),
                            sample_weight=cut(weight, SIZES[1]))
        assert told == said
        assert_same(found, expected)
        assert_array_equal(found.indicator_.features_, [0, 1, 2, 3, 4, 5])
        assert_allclose(found.transform(data), expected.transform(data), rtol=1e-10, atol=1e-12)
    marked[310, 2] = np.nan
    with pytest.raises(ValueError, match="NaN at block 3, row 209, column 2, but missing_values"):
        GaussianImputer(missing_values=-999.0).fit_chunks(cut(marked, SIZES[1]))
    with pytest.raises(ValueError, match="no observed value in any of its 2 columns"):
        GaussianImputer().fit_chunks([np.full((3, 2), np.nan)] * 2)


def test_rows_that_lack_nothing_take_one_pass():
    """Those with nothing at all are left out; so is it where single blocks have such rows."""
    X = table(False)
    X[[7, 411]] = np.nan
    model, _ = quiet(GaussianImputer().fit_chunks, cut(X, SIZES[1]))
    assert model.n_iter_ == 1 and model.converged_ and model.n_patterns_ == 2
    assert_allclose(model.location_, np.nanmean(X, axis=0), rtol=1e-12)
    assert_allclose(model.covariance_, np.cov(np.delete(X, [7, 411], axis=0).T, ddof=0),
                    rtol=1e-11)


def test_pairs_that_no_block_has_together():
    """A pair that one block has is not named; one that none has is, and one that only rows of no
    weight have."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    X[:60, 0] = X[60:, 1] = np.nan
    frame = pd.DataFrame(X, columns=list("abc"))
    with pytest.warns(EMWarning, match="no row has both of the columns 'a' and 'b'"):
        GaussianImputer().fit_chunks([frame[:60], frame[60:]])
    frame.loc[3, "a"] = 0.5
    weight = np.ones(120)
    _, told = quiet(GaussianImputer().fit_chunks, [frame[:60], frame[60:]])
    assert not any("no row has" in text for text in told)
    weight[3] = 0
    with pytest.warns(EMWarning, match="no row has both of the columns 'a' and 'b'"):
        GaussianImputer().fit_chunks([frame[:60], frame[60:]],
                                     sample_weight=[weight[:60], weight[60:]])


def test_patterns_are_counted_up_to_a_bound(monkeypatch):
    X = table(True)
    expected, _ = quiet(GaussianImputer().fit, X)
    found, _ = quiet(GaussianImputer().fit_chunks, cut(X, SIZES[2]))
    assert found.n_patterns_ == expected.n_patterns_ > 20
    for most in (expected.n_patterns_ - 1, 3):
        monkeypatch.setattr(gaps, "MOST_PATTERNS", most)
        found, _ = quiet(GaussianImputer().fit_chunks, cut(X, SIZES[2]))
        assert found.n_patterns_ is None
        assert quiet(GaussianImputer().fit, X)[0].n_patterns_ == expected.n_patterns_


# --- factors --------------------------------------------------------------------------------------


def test_moments_by_hand():
    """Complete blocks against NumPy, blocks with gaps against the expectations of each row."""
    X, weight = table(False) + 1e4, weights()
    weight[weight == 0] = 0.5
    parts = Chunks(cut(X, SIZES[2]), sample_weight=cut(weight, SIZES[2]))
    moments = parts.reduce(fitting._moments)
    assert_allclose(moments.mean, np.average(X, axis=0, weights=weight), rtol=1e-14)
    assert_allclose(moments.scatter, np.cov(X.T, aweights=weight, ddof=0), rtol=1e-10)
    X = table(True)
    rng = np.random.default_rng(5)
    mean, scale = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    components, psi = rng.normal(size=(2, 6)), rng.uniform(0.2, 0.8, 6)
    parts = Chunks(cut(X, SIZES[1]), sample_weight=cut(weight, SIZES[1]))
    found = parts.reduce(Completed, mean, scale, components, psi)
    Z, sigma = (X - mean) / scale, reference.factor_covariance(components, psi)
    first, second, total = np.zeros(6), np.zeros((6, 6)), 0.0
    for z, each in zip(Z, weight, strict=True):
        o = ~np.isnan(z)
        if o.any():
            slope = np.linalg.solve(sigma[np.ix_(o, o)], sigma[o]).T
            whole = slope @ z[o]
            total, first = total + each, first + each * whole
            second += each * (np.outer(whole, whole) + sigma - slope @ sigma[o])
    assert_allclose(found.weight, total)
    assert_allclose(found.offset, first / total, atol=1e-13)
    assert_allclose(found.covariance,
                    second / total - np.outer(found.offset, found.offset), atol=1e-12)


def test_fewer_rows_than_columns():
    """No matrix of the columns is made: the rows are fewer numbers, and are put together."""
    X = np.random.default_rng(0).normal(size=(60, 300))
    weight = np.random.default_rng(1).uniform(0.5, 2, 60)
    for more in ({}, {"sample_weight": weight}):
        expected, said = quiet(FactorAnalysis(2).fit, X, **more)
        found, told = quiet(FactorAnalysis(2).fit_chunks, np.array_split(X, 7), **{
            name: np.array_split(value, 7) for name, value in more.items()})
        assert bits(found) == bits(expected) and told == said
        assert found.n_blocks_ == 7


def test_columns_that_hardly_vary():
    """Means of blocks are rounded: a column of one value does not vary by that. Squares that are
    no numbers are had of standardised columns."""
    X = table(False)
    X[:, 1] = 0.1
    X[:, 3] *= 1e-150
    expected, _ = quiet(FactorAnalysis(1, max_iter=2).fit, X)
    found, _ = quiet(FactorAnalysis(1, max_iter=2).fit_chunks, cut(X, [37] * 16 + [8]))
    assert_same(found, expected)
    assert found.noise_variance_[1] == 0 and found.communalities_[3] > 0


# --- mixtures -------------------------------------------------------------------------------------


def test_a_step_of_student_mixtures_by_hand():
    """Rows pull by their distances; scale matrices are of the sums over responsibilities times the
    mean pull, divided by sums of pulls (PX-EM)."""
    X, weight = table(False)[:200, :3], weights()[:200]
    given = {"weights_init": [0.4, 0.6], "means_init": [[5.0] * 3, [0.0] * 3],
             "scatters_init": np.repeat(np.diag([2.0, 3.0, 4.0])[None], 2, axis=0)}
    model, _ = quiet(StudentTMixture(2, df=[3.0, 9.0], reg_covar=0, tol=0, max_iter=1,
                                     **given).fit_chunks,
                     cut(X, [70, 0, 130]), sample_weight=cut(weight, [70, 0, 130]))
    counts, pulls, first, second, *_ = reference.student_statistics(
        X, *map(np.array, given.values()), [3.0, 9.0], sample_weight=weight)
    offsets = first / pulls[:, None]
    assert_allclose(model.weights_, counts / weight.sum(), rtol=1e-12)
    assert_allclose(model.means_, given["means_init"] + offsets, rtol=1e-12)
    right = [s / p - np.outer(o, o) for s, p, o in zip(second, pulls, offsets, strict=True)]
    assert_allclose(model.scatters_, right, rtol=1e-11)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
def test_steps_of_factor_mixtures_by_hand(missing):
    """Two updates by dense covariances."""
    X, weight = table(missing)[280:380], weights()[280:380]
    rng = np.random.default_rng(2)
    values = (np.array([0.4, 0.6]), np.array([[5.0] * 6, [0.0] * 6]), rng.normal(size=(2, 1, 6)),
              rng.uniform(0.5, 2.0, (2, 6)))
    names = ("weights_init", "means_init", "components_init", "noise_variance_init")
    model, _ = quiet(MixtureOfFactorAnalyzers(
        2, 1, max_iter=2, tol=0, min_uniqueness=1e-9, **dict(zip(names, values, strict=True))
    ).fit_chunks, cut(X, [30, 50, 20]), sample_weight=cut(weight, [30, 50, 20]))
    for _ in range(2):
        values = reference.factor_mixture_update(X, weight, *values, 0.0)
    found = model.weights_, model.means_, model.components_, model.noise_variance_
    for mine, right in zip(found, values, strict=True):
        assert_allclose(mine, right, rtol=1e-9, atol=1e-9)


# --- what blocks are made of --------------------------------------------------------------------


def test_sources_of_parts():
    """Some columns, rows of positive weight, functions of the blocks: each is a source."""
    X, weight = table(True), weights()
    X[:, 5] = np.arange(600)
    chunks = Chunks(cut(X, SIZES[1]), sample_weight=cut(weight, SIZES[1]))
    assert chunks.take(np.arange(6)) is chunks
    some = chunks.take(np.array([5, 0]))
    assert some.n_features == 2 and some.has_missing and not chunks.take(np.array([5])).has_missing
    assert_array_equal(some.summary().means, chunks.summary().means[[5, 0]])
    present = chunks.present()
    assert len(present) == np.count_nonzero(weight) and present.total == chunks.total
    assert present.reduce(_counted).rows == len(present)
    assert present.present() is present
    found = present.sample(50, np.random.RandomState(0))
    assert_array_equal(found.X, chunks.sample(50, np.random.RandomState(0)).X)
    twice = some.mapped(_times, 2.0)
    assert_allclose(twice.summary().means, 2 * some.summary().means)
    assert_array_equal(np.sort(twice.sample(50, np.random.RandomState(0)).X[:, 0]),
                       2 * found.X[:, 5])
    everything = Chunks(cut(X, SIZES[1])).sample(600, state := np.random.RandomState(0))
    assert_array_equal(everything.X, X)
    assert state.randint(2**31) == np.random.RandomState(0).randint(2**31)


def _counted(rows):
    assert isinstance(rows, Rows) and rows.n_positive == len(rows)
    return Sums(rows=len(rows))


def _times(rows, factor):
    return rows.take(X=rows.X * factor)
