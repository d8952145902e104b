"""SufficientStatistics: additive, scalable, portable."""

import copy
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import SufficientStatistics
from emkernels.components.gaussian import GaussianComponents, Gaussians, structure_of
from emkernels.data import Rows
from emkernels.latent import Mixture, MixtureParameters
from emkernels.latent.field import FieldStatistics

TYPES = ("full", "tied", "diag", "spherical")


def model(covariance_type, k=3, d=2, seed=0):
    rng = np.random.default_rng(seed)
    factors = {"full": np.repeat(np.eye(d)[None], k, axis=0), "tied": np.eye(d),
               "diag": np.ones((k, d)), "spherical": np.ones(k)}[covariance_type]
    return {"weights": rng.dirichlet(np.ones(k)), "means": rng.normal(size=(k, d)),
            "precisions_cholesky": factors, "covariance_type": covariance_type}


def close(a, b, rtol=1e-12):
    for name in ("counts", "first", "second", "log_likelihood"):
        x, y = getattr(a, name), getattr(b, name)
        assert_allclose(x, y, rtol=rtol, atol=rtol * (1 + np.abs(y).max()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(TYPES), st.integers(3, 300))
def test_parts_add_up_in_any_grouping(seed, covariance_type, n):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) * 10.0 ** rng.integers(-3, 4)
    cuts = np.sort(rng.choice(np.arange(1, n), size=2, replace=False))
    parameters = model(covariance_type, seed=seed)
    a, b, c = (SufficientStatistics.from_data(part, **parameters) for part in np.split(X, cuts))
    whole = SufficientStatistics.from_data(X, **parameters)
    close((a + b) + c, whole, 1e-10)
    close(a + (b + c), (a + b) + c)
    close(b + a, a + b, 0)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_moments_of_the_data(covariance_type):
    X = np.random.default_rng(0).normal(size=(500, 2)) + 1e6
    one = model(covariance_type, k=1)
    statistics = SufficientStatistics.from_data(X, **one)
    covariance = np.cov(X.T, bias=True)
    expected = {"full": covariance[None], "tied": covariance, "diag": np.diag(covariance)[None],
                "spherical": np.array([np.trace(covariance) / 2])}[covariance_type]
    assert_allclose(statistics.means()[0], X.mean(axis=0), rtol=1e-14)
    assert_allclose(statistics.covariances(), expected, atol=1e-2)   # about a centre 1e6 away
    near = SufficientStatistics.from_data(X, **{**one, "means": X.mean(axis=0)[None]})
    assert_allclose(near.covariances(), expected, rtol=1e-10)
    assert near.weight == pytest.approx(500)


def test_scaling_and_copies():
    X = np.random.default_rng(0).normal(size=(50, 2))
    a = SufficientStatistics.from_data(X, **model("full"))
    half = 0.5 * a
    close(half + half, a)
    assert a == a.copy() and a != half
    for name in ("centers", "counts", "first", "second"):
        other = a.copy()
        getattr(other, name).flat[-1] += 1
        assert a != other, name
    other = a.copy()
    other.log_likelihood += 1
    assert a != other
    b = a.copy()
    b += half
    assert_array_equal(b.counts, a.counts * 1.5)
    close(SufficientStatistics.zeros("full", a.centers) + a, a, 0)
    for bad in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="factor"):
            a.scale(bad)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_bytes_and_pickle(covariance_type):
    X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    a = SufficientStatistics.from_data(X, **model(covariance_type))
    data = a.to_bytes()
    assert SufficientStatistics.from_bytes(data) == a
    pickled = pickle.dumps(a)
    assert pickle.loads(pickled) == a
    # nothing but bytes and one function goes into the pickle
    assert data in pickled
    globals_ = [arg for op, arg, _ in pickletools.genops(pickled) if op.name == "GLOBAL"]
    assert globals_ == []
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(ValueError, match="damaged|not sufficient"):
            SufficientStatistics.from_bytes(damaged)
    for cut in (0, 5, 12, len(data) - 1):
        with pytest.raises(ValueError, match="damaged|not sufficient"):
            SufficientStatistics.from_bytes(data[:cut])


def test_what_cannot_be_merged():
    a = SufficientStatistics.from_data(np.zeros((2, 2)), **model("full"))
    moved = SufficientStatistics.zeros("full", a.centers + [[0, 0], [0, 1e-12], [0, 0]])
    before = a.copy()
    with pytest.raises(ValueError, match="different centres; component 1"):
        a += moved
    with pytest.raises(ValueError, match="type"):
        a + SufficientStatistics.zeros("diag", a.centers)
    with pytest.raises(ValueError, match="centres"):
        a + SufficientStatistics.zeros("full", a.centers[:2])
    with pytest.raises(TypeError):
        a + 1
    with pytest.raises(TypeError, match="int"):
        a.merge(1)
    assert a == before


def test_bad_parts_are_named():
    centers = np.zeros((2, 3))
    for kwargs, name in (({"counts": np.zeros(3)}, "counts"), ({"first": np.zeros(3)}, "first"),
                         ({"second": np.zeros((2, 3))}, "second"),
                         ({"counts": [np.nan, 1]}, "counts")):
        with pytest.raises(ValueError, match=name):
            SufficientStatistics("full", centers, **kwargs)
    with pytest.raises(ValueError, match="covariance_type"):
        SufficientStatistics("round", centers)
    with pytest.raises(ValueError, match="centers"):
        SufficientStatistics("full", np.zeros(3))
    with pytest.raises(ValueError, match="NaN"):
        SufficientStatistics("full", centers, log_likelihood=np.nan)


def test_the_callers_arrays_stay_as_they_are():
    counts = np.zeros(2)
    a = SufficientStatistics("diag", np.zeros((2, 3)), counts=counts)
    a += SufficientStatistics("diag", np.zeros((2, 3)), counts=[3.0, 4.0])
    assert_array_equal(counts, 0)
    assert_array_equal(a.counts, [3, 4])


@pytest.mark.parametrize("covariance_type", TYPES)
def test_statistics_that_were_scaled_to_nothing_are_those_of_no_data(covariance_type):
    structure = structure_of(covariance_type, reg_covar=1e-6)
    rows = Rows.read(np.random.default_rng(0).normal(size=(30, 2)))
    factors = structure.factors(structure.repeated(np.eye(2), 2))
    parameters = MixtureParameters(
        np.full(2, 0.5), Gaussians(structure, rows.X[:2].copy(), None, factors))
    mixture = Mixture(GaussianComponents(structure))
    for factor in (0.0, 1e-320):
        found = mixture.maximise(mixture.accumulate(rows, parameters) * factor, parameters)
        for values in (found.weights, found.means, found.covariances):
            assert np.isfinite(values).all()
    assert_array_equal(
        mixture.maximise(mixture.accumulate(rows, parameters) * 0, parameters).means, rows.X[:2])


def test_the_prior_of_a_field_adds_up_too():
    def field(prior, ones):
        out = FieldStatistics.trusted("spherical", np.zeros((2, 1)), ones.copy(), ones[:, None],
                                      ones.copy(), -3.0, 2.0, 2)
        out.prior = np.array(prior)
        return out

    a, b = field([1.0, 2.0], np.ones(2)), field([3.0, 5.0], np.ones(2))
    assert_array_equal((a + b).prior, [4, 7])
    assert_array_equal((a * 2).prior, [2, 4])
    for other in (pickle.loads(pickle.dumps(a)), copy.deepcopy(a), a.copy()):
        assert type(other) is FieldStatistics and other == a and other.total == 2
        other.prior += 1
        assert other != a
    plain = SufficientStatistics("spherical", np.zeros((2, 1)))
    for one, other in ((a, plain), (plain, a)):
        with pytest.raises(TypeError, match="cannot merge"):
            one.merge(other)
    assert_array_equal(a.counts, [1, 1])


@pytest.mark.parametrize("covariance_type", TYPES)
def test_counts_that_are_no_numbers_are_not_taken_for_none(covariance_type):
    """Of a kernel's fault: what callers give is checked before."""
    statistics = SufficientStatistics.zeros(covariance_type, np.zeros((2, 3)))
    assert (statistics.means() == 0).all() and (statistics.covariances() == 0).all()
    statistics.counts[1] = np.nan
    for result in (statistics.means, statistics.covariances):
        with pytest.raises(RuntimeError, match=r"a fault of emkernels.* at \[1\]"):
            result()
