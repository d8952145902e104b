"""The E-step of Student t components against a slow one, SciPy and many digits."""

import mpmath
import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem
from reference import COVARIANCE_TYPES
from scipy import stats

from emkernels import kernels

DFS = np.array([0.7, 4.0, 2e3])


def scatters_of(p, covariance_type):
    K, D = p.means.shape
    factors = reference.full_factors(p.factors, covariance_type, K, D)
    return np.array([np.linalg.inv(u @ u.T) for u in factors])


def gappy(p, share, seed=0):
    """Rows of heavy tails, some of their values missing, one row without any."""
    rng = np.random.default_rng(seed)
    X = p.X + rng.standard_t(1.5, size=p.X.shape).astype(p.X.dtype)
    if share:
        X[rng.random(X.shape) < share] = np.nan
        X[0] = np.nan
    return X


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("D", [1, 2, 4, 7])
def test_statistics_and_rows(simd, D, share, covariance_type, dtype):
    p = problem(70, D, 3, covariance_type, dtype)
    X, scatters = gappy(p, share), scatters_of(p, covariance_type)
    found = kernels.student_statistics(
        X, p.weights, p.means, p.factors, DFS, covariance_type, p.sample_weight)
    expected = reference.student_statistics(
        X, p.weights, p.means, scatters, DFS, covariance_type, p.sample_weight)
    near = 1e-10 if dtype == "f8" else 5e-5
    for name, value, right in zip(found._fields, found, expected):
        assert_allclose(value, right, rtol=near, atol=near * np.abs(right).max(), err_msg=name)
    joint, u, *_ = reference.student_rows(X.astype(float), p.weights, p.means, scatters, DFS)
    resp, norm = reference.responsibilities(joint)
    rows = kernels.student_e_step(X, p.weights, p.means, p.factors, DFS, covariance_type,
                                  want=["resp", "log_prob_norm", "pull", "labels"])
    for value, right in zip(rows, (resp, norm, (resp * u).sum(axis=1))):
        assert value.dtype == X.dtype
        assert_allclose(value, right, rtol=10 * near, atol=near)
    assert_array_equal(rows[3], resp.argmax(axis=1))


@pytest.mark.parametrize("df", [0.4, 3.0, 50.0])
def test_densities_of_scipy(df, rng):
    A = rng.normal(size=(3, 3))
    scatter, mean, X = A @ A.T + np.eye(3), rng.normal(size=3), rng.normal(size=(20, 3)) * 4
    factor = np.linalg.inv(np.linalg.cholesky(scatter)).T
    found, = kernels.student_e_step(X, [1.0], mean[None], factor[None], [df],
                                    want=["log_prob_norm"])
    assert_allclose(found, stats.multivariate_t.logpdf(X, mean, scatter, df), rtol=1e-13)


@pytest.mark.parametrize("df", [1e-3, 0.3, 1.0, 24.0, 1e3, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("D", [1, 2, 5, 20])
def test_no_digit_is_lost_at_many_or_few_degrees(simd, df, D, rng):
    X = rng.normal(size=(4, D)) * 3
    found, = kernels.student_e_step(X, [1.0], np.zeros((1, D)), np.eye(D)[None], [df],
                                    want=["log_prob_norm"])
    with mpmath.workdps(60):
        nu = mpmath.mpf(df)
        for x, value in zip(X, found):
            q = mpmath.fsum(mpmath.mpf(float(v)) ** 2 for v in x)
            right = (mpmath.loggamma((nu + D) / 2) - mpmath.loggamma(nu / 2)
                     - mpmath.mpf(D) / 2 * mpmath.log(nu * mpmath.pi)
                     - (nu + D) / 2 * mpmath.log1p(q / nu))
            assert abs(value - float(right)) <= 2e-15 * max(1, abs(float(right)))


def test_bends_keep_their_digits(rng):
    """log u - u + 1 is 1e-12 where the degrees of freedom are a million."""
    X = rng.normal(size=(300, 3))
    for dtype, near in (("f8", 1e-9), ("f4", 0.1)):
        s = kernels.student_statistics(X.astype(dtype), [1.0], np.zeros((1, 3)), np.eye(3)[None],
                                       [1e6])
        v = (3 - (X**2).sum(axis=1)) / (1e6 + (X**2).sum(axis=1))
        right = sum(float(mpmath.log1p(mpmath.mpf(x)) - mpmath.mpf(x)) for x in v)
        assert_allclose(s.bends[0], right, rtol=near)


@pytest.mark.parametrize(("dtype", "far"), [("f8", 1e300), ("f4", 1e30)])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_far_rows_have_the_density_of_the_power_law(simd, covariance_type, missing, dtype, far):
    """Their squares overflow; both components go on to matter to them."""
    D, df = 6, np.array([3.0, 3.0])
    factors = {"full": [np.eye(D), 0.5 * np.eye(D)], "tied": np.eye(D),
               "diag": [np.ones(D), np.full(D, 0.5)], "spherical": [1.0, 0.5]}[covariance_type]
    X = np.ones((40, D), dtype)
    X[3, 0] = far
    X[17] = -far
    if missing:
        X[::2, 1] = np.nan
        X[17, 1:3] = np.nan
    resp, norm, pull = kernels.student_e_step(
        X, [0.5, 0.5], np.zeros((2, D)), np.array(factors), df, covariance_type,
        want=["resp", "log_prob_norm", "pull"])
    assert np.isfinite(norm).all() and np.isfinite(resp).all() and np.isfinite(pull).all()
    assert_allclose(resp.sum(axis=1), 1, rtol=1e-5)
    scales = np.array([1.0, 1.0 if covariance_type == "tied" else 2.0])
    for i in (3, 17):
        with mpmath.workdps(40):
            x = [mpmath.mpf(float(v)) for v in X[i] if v == v]
            o, terms = len(x), []
            for scale in scales:
                q = mpmath.fsum(v**2 for v in x) / mpmath.mpf(scale) ** 2
                half = (mpmath.mpf(3) + o) / 2
                terms.append(mpmath.loggamma(half) - mpmath.loggamma(1.5)
                             - mpmath.mpf(o) / 2 * mpmath.log(3 * mpmath.pi)
                             - o * mpmath.log(scale) - half * mpmath.log1p(q / 3))
            top = max(terms)
            shares = [mpmath.exp(t - top) for t in terms]
            right = float(top + mpmath.log(mpmath.fsum(shares) / 2))
            posterior = np.array([float(s / mpmath.fsum(shares)) for s in shares])
        near = 1e-12 if dtype == "f8" else 1e-4
        assert_allclose(norm[i], right, rtol=near)
        assert_allclose(resp[i], posterior, rtol=10 * near)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_many_degrees_are_normal(simd, covariance_type):
    p = problem(300, 6, 3, covariance_type)
    found = kernels.student_statistics(
        p.X, p.weights, p.means, p.factors, np.full(3, 1e15), covariance_type, p.sample_weight)
    right = kernels.em_statistics(p.X, p.weights, p.means, p.factors, covariance_type,
                                  p.sample_weight)
    for name in right._fields:
        value = getattr(found, name)
        assert_allclose(value, getattr(right, name), rtol=1e-11,
                        atol=1e-10 * np.abs(getattr(right, name)).max())
    assert_allclose(found.pulls, found.counts, rtol=1e-12)


@pytest.mark.parametrize("separation", [1.0, 8.0, 60.0])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_left_out_work_does_not_matter(simd, separation, share):
    """For 'full' with more than 4 features, responsibilities below 3e-20 are not computed; those
    of 'diag' are."""
    p = problem(400, 9, 5, "diag", "f8", separation)
    X, full = gappy(p, share), np.array([np.diag(u) for u in p.factors])
    for dfs in (np.full(5, 0.5), np.full(5, 8.0), np.full(5, 1e6)):
        one = kernels.student_statistics(X, p.weights, p.means, full, dfs, "full")
        other = kernels.student_statistics(X, p.weights, p.means, p.factors, dfs, "diag")
        assert_allclose(one.log_likelihood, other.log_likelihood, rtol=1e-13)
        for name in ("counts", "pulls", "first", "bends"):
            right = getattr(other, name)
            assert_allclose(getattr(one, name), right, rtol=1e-10,
                            atol=1e-11 * np.abs(right).max(), err_msg=name)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_same_bits_for_every_number_of_threads(simd, covariance_type, share, dtype):
    p = problem(3000, 5, 3, covariance_type, dtype)
    X = gappy(p, share)
    one, two, three = (kernels.student_statistics(
        X, p.weights, p.means, p.factors, DFS, covariance_type, p.sample_weight, n_threads=n)
        for n in (1, 2, 3))
    for values in zip(one, two, three):
        assert_array_equal(values[0], values[1])
        assert_array_equal(values[0], values[2])


def test_statistics_add_up_over_rows():
    p = problem(500, 5, 3)
    X = gappy(p, 0.1)
    model = p.weights, p.means, p.factors, DFS
    whole = kernels.student_statistics(X, *model)
    parts = [kernels.student_statistics(part, *model) for part in (X[:123], X[123:])]
    for value, *others in zip(whole, *parts):
        assert_allclose(sum(others), value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("changes", "text"), [
    ({"dfs": [1.0]}, "dfs must have shape"),
    ({"dfs": [1.0, 0.0, 1.0]}, "dfs must be positive, got 0 for component 1"),
    ({"weights": [-1.0, 1.0, 1.0]}, "weights must not be negative"),
    ({"covariance_type": "round"}, "covariance_type must be"),
])
def test_errors(changes, text):
    p = problem(20, 2, 3)
    arguments = {"X": p.X, "weights": p.weights, "means": p.means,
                 "precisions_cholesky": p.factors, "dfs": DFS, **changes}
    for function in (kernels.student_statistics, kernels.student_e_step):
        with pytest.raises(ValueError, match=text):
            function(**arguments)
    with pytest.raises(ValueError, match="want may name"):
        kernels.student_e_step(p.X, p.weights, p.means, p.factors, DFS, want=["log_prob"])


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 1e20), (np.float64, 1e160)])
@pytest.mark.parametrize("n", [1, 65, 513, 1025])
def test_a_row_alone_in_its_tile_whose_forms_overflow(dtype, far, n):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(3, 6)) * 5
    X = (means[np.sort(rng.integers(3, size=n))] + rng.normal(size=(n, 6))).astype(dtype)
    X[-1] = far
    model = (X, np.full(3, 1 / 3), means, np.stack([np.eye(6)] * 3), np.full(3, 4.0))
    sums = kernels.student_statistics(*model)
    resp, norm = kernels.student_e_step(*model)
    assert_allclose(sums.counts, resp.sum(axis=0, dtype=float), rtol=1e-4)
    assert_allclose(sums.log_likelihood, norm.sum(dtype=float), rtol=1e-5)
