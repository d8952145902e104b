"""Statistics about other centres, and of rows with nothing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from streams import TYPES, groups

from emkernels import GaussianMixture, SufficientStatistics
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows


@pytest.mark.parametrize("name", TYPES)
def test_recentred_is_what_a_pass_about_these_centres_gives(name):
    rng = np.random.default_rng(0)
    X, resp = rng.normal(size=(200, 3)), rng.dirichlet(np.ones(2), size=200)

    def about(centers):
        gaps = X[:, None] - centers
        first = np.einsum("nk,nkd->kd", resp, gaps)
        products = np.einsum("nk,nkd,nke->kde", resp, gaps, gaps)
        second = {"full": products, "tied": products.sum(axis=0),
                  "diag": np.einsum("kdd->kd", products),
                  "spherical": np.einsum("kdd->k", products)}[name]
        return SufficientStatistics(name, centers, resp.sum(axis=0), first, second, -3.0)

    old, new = rng.normal(size=(2, 2, 3))
    found, expected = about(old).recentred(new), about(new)
    assert_allclose(found.first, expected.first, atol=1e-12)
    assert_allclose(found.second, expected.second, rtol=1e-12, atol=1e-11)
    assert_array_equal(found.centers, new)
    assert found.log_likelihood == -3.0
    assert_allclose(found.means(), about(old).means(), rtol=1e-12)
    found.merge(expected)       # they can be merged now
    for bad in (new[:1], new[:, :2], np.full((2, 3), np.nan)):
        with pytest.raises(ValueError, match="centers"):
            found.recentred(bad)


@pytest.mark.parametrize("name", TYPES)
def test_recentred_far_from_the_origin(name):
    X = np.random.default_rng(0).normal(size=(500, 3))
    model = {"weights": [0.4, 0.6], "precisions_cholesky": np.ones(
        structure_of(name).shape(2, 3)) if name in ("diag", "spherical") else
        np.broadcast_to(np.eye(3), structure_of(name).shape(2, 3)).copy(), "covariance_type": name}
    near = SufficientStatistics.from_data(X, means=X[:2], **model)
    far = SufficientStatistics.from_data(X + 1e6, means=X[:2] + 1e6, **model)
    for _ in range(50):     # there and back
        far = far.recentred(far.means()).recentred(X[:2] + 1e6)
    exact = SufficientStatistics.from_data((X + 1e6) - 1e6, means=(X[:2] + 1e6) - 1e6, **model)
    assert_allclose(far.covariances(), exact.covariances(), rtol=0, atol=5e-12)
    assert_allclose(near.recentred(np.zeros((2, 3))).covariances(), near.covariances(),
                    atol=1e-14)
    empty = SufficientStatistics.zeros(name, X[:2]).recentred(X[2:4])
    assert not empty.first.any() and not empty.second.any()


@pytest.mark.parametrize("centers, text", [
    ([[1e200]], "too far away"), (None, "shape"), ([1.0], "shape"), ([[np.nan]], "NaN")])
def test_centres_that_statistics_cannot_have(centers, text):
    statistics = SufficientStatistics("full", [[0.0]], [2.0], [[4.0]], [[[10.0]]])
    with pytest.raises(ValueError, match=text):
        statistics.recentred(centers)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_leave_rows_with_nothing_out(name, weighted):
    X = groups(300, missing=0.2)
    X[::7] = np.nan
    weight = np.random.default_rng(0).uniform(size=300) if weighted else None
    model = GaussianMixture(3, covariance_type=name, random_state=0).fit(X, sample_weight=weight)
    arguments = model.weights_, model.means_, model.precisions_cholesky_, name
    there = ~np.isnan(X).all(axis=1)
    whole = SufficientStatistics.from_data(X, *arguments, weight)
    clean = SufficientStatistics.from_data(
        X[there], *arguments, None if weight is None else weight[there])
    parts = sum((SufficientStatistics.from_data(
        X[i::10], *arguments, None if weight is None else weight[i::10]) for i in range(10)),
        start=SufficientStatistics.zeros(name, model.means_))
    rows = SufficientStatistics.from_data(
        Rows.read(X).with_(sample_weight=weight), *arguments)
    for each in (whole, parts, rows):
        for what in ("counts", "first", "second", "log_likelihood"):
            expected = np.asarray(getattr(clean, what))
            assert_allclose(getattr(each, what), expected, rtol=1e-10,
                            atol=1e-9 * np.abs(expected).max())
    assert_allclose(whole.weight, there.sum() if weight is None else weight[there].sum())
    nothing = SufficientStatistics.from_data(X[::7], *arguments)
    assert nothing.weight == 0 and nothing.log_likelihood == 0 and not nothing.second.any()
    with pytest.raises(ValueError, match="sample_weight"):
        SufficientStatistics.from_data(X, *arguments, np.ones(3))
