"""The registry of kernels: arguments of each, and what a plain NumPy computation expects.

Drives the kernel benchmarks, the small-call table of compare.py, and tests that want every
kernel in turn. `Case.check` compares a kernel with NumPy, so nothing wrong gets timed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emkernels import kernels

TYPES = ("full", "tied", "diag", "spherical")
SMOOTHNESS = 0.7


def blob_means(n_features, n_components, separation=1.0, seed=0):
    """The means that `blobs` draws its rows about."""
    return separation * np.random.default_rng(seed).normal(size=(n_components, n_features))


def blobs(n_samples, n_features, n_components, separation=1.0, seed=0, dtype=np.float64):
    """Rows about means drawn from N(0, separation^2 I), unit variance within."""
    means = blob_means(n_features, n_components, separation, seed)
    rng = np.random.default_rng((seed, 1))
    X = np.empty((n_samples, n_features), dtype)
    for first in range(0, n_samples, 4096):     # so that a big X leaves no trace in the peak
        rows = X[first:first + 4096]
        label = rng.integers(n_components, size=len(rows))
        rows[:] = means[label] + rng.normal(size=rows.shape)
    return X


def embeddings(n_samples, n_features, n_topics, seed=0, dtype=np.float32):
    """Rows of length 1 as embeddings are: directions of decreasing weight, more topics than
    clusters that are looked for, some far more often than others, all about a common direction."""
    rng = np.random.default_rng(seed)
    spectrum = (1 + np.arange(n_features)) ** -0.4
    topics = rng.normal(size=(min(3 * n_topics, n_samples), n_features)) * spectrum
    share = rng.gamma(0.7, size=len(topics))
    common = 0.5 * spectrum.mean() * rng.normal(size=n_features)
    X = np.empty((n_samples, n_features), dtype)
    for first in range(0, n_samples, 4096):
        rows = X[first:first + 4096]
        topic = rng.choice(len(topics), len(rows), p=share / share.sum())
        drawn = topics[topic] + 0.9 * rng.normal(size=rows.shape) * spectrum + common
        rows[:] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return X


def first_centers(X, n_clusters, seed=1):
    """Different rows, drawn at random, for all contenders."""
    return X[np.random.default_rng(seed).choice(len(X), n_clusters, replace=False)]


@dataclass
class Problem:
    """Data and the parameters of a mixture of one covariance type for them."""

    n_samples: int
    n_features: int
    n_components: int
    covariance_type: str = "full"
    dtype: type = np.float64
    X: np.ndarray | None = None

    def __post_init__(self):
        k, d = self.n_components, self.n_features
        if self.X is None:
            self.X = blobs(self.n_samples, d, k, dtype=self.dtype)
        rng = np.random.default_rng(1)
        self.means = rng.normal(size=(k, d)).astype(self.dtype).astype(np.float64)
        self.weights = rng.dirichlet(np.full(k, 5.0))
        upper = np.triu(rng.normal(size=(k, d, d)) / (2 * d), 1) + np.eye(d)
        self.factors = {
            "full": upper, "tied": upper[0], "diag": rng.uniform(0.7, 1.3, (k, d)),
            "spherical": rng.uniform(0.7, 1.3, k),
        }[self.covariance_type]

    def head(self, n=256):
        """The same problem on the first rows."""
        n = min(n, self.n_samples)
        return Problem(n, self.n_features, self.n_components, self.covariance_type, self.dtype,
                       self.X[:n])

    @cached_property
    def log_prob(self):
        return kernels.log_density(self.X, self.means, self.factors, self.covariance_type)

    @cached_property
    def resp(self):
        return kernels.e_step(self.X, *self.model, want=["resp"])[0]

    @property
    def model(self):
        return self.weights, self.means, self.factors, self.covariance_type

    @cached_property
    def incomplete(self):
        """X with a tenth of the cells missing; the same cells in a head of it."""
        rows, columns = np.indices(self.X.shape, sparse=True)
        return np.where((7919 * rows + 104729 * columns) % 1009 < 101, np.nan, self.X).astype(
            self.dtype)

    @cached_property
    def patterns(self):
        return kernels.missing_patterns(self.incomplete)

    # --- the same in NumPy ----------------------------------------------------------

    @cached_property
    def offsets(self):
        return self.X.astype(np.float64)[:, None, :] - self.means

    def numpy_log_density(self):
        type_, u = self.covariance_type, self.factors
        if type_ in ("diag", "spherical"):
            u = np.broadcast_to(u.reshape(len(u), -1), self.means.shape)
            u = u[:, :, None] * np.eye(self.n_features)
        u = np.broadcast_to(u, (self.n_components, *u.shape[-2:]))
        z = np.einsum("nkd,kde->nke", self.offsets, u)
        log_det = np.log(np.diagonal(u, axis1=1, axis2=2)).sum(axis=1)
        return log_det - 0.5 * (self.n_features * np.log(2 * np.pi) + (z * z).sum(axis=2))

    def numpy_posterior(self, log_prob=None):
        joint = np.log(self.weights) + (self.numpy_log_density() if log_prob is None else log_prob)
        norm = np.logaddexp.reduce(joint, axis=1)
        return np.exp(joint - norm[:, None]), norm

    def numpy_moments(self, resp):
        d, type_ = self.offsets, self.covariance_type
        second = np.einsum("nk,nkd,nke->kde", resp, d, d)
        if type_ == "tied":
            second = second.sum(axis=0)
        elif type_ != "full":
            second = np.diagonal(second, axis1=1, axis2=2)
            second = second if type_ == "diag" else second.sum(axis=1)
        return resp.sum(axis=0), np.einsum("nk,nkd->kd", resp, d), second

    def numpy_em(self):
        resp, norm = self.numpy_posterior()
        return (*self.numpy_moments(resp), norm.sum())

    def full_factors(self):
        u = self.factors
        if self.covariance_type in ("diag", "spherical"):
            u = np.broadcast_to(u.reshape(len(u), -1), self.means.shape)[:, :, None]
            u = u * np.eye(self.n_features)
        return np.broadcast_to(u, (self.n_components, *u.shape[-2:]))

    @cached_property
    def filled(self):
        """Log densities of the observed values, rows completed under each component, and the
        conditional covariances; row by row."""
        Y, (n, d), k = self.incomplete.astype(np.float64), self.X.shape, self.n_components
        log_prob, rows, spread = np.empty((n, k)), np.empty((n, k, d)), np.zeros((n, k, d, d))
        covariances = [np.linalg.inv(u @ u.T) for u in self.full_factors()]
        for i, row in enumerate(Y):
            m, o = np.isnan(row), ~np.isnan(row)
            for j, covariance in enumerate(covariances):
                inner = covariance[np.ix_(o, o)]
                coefficients = np.linalg.solve(inner, covariance[np.ix_(o, m)]).T
                offset = row[o] - self.means[j, o]
                form = offset @ np.linalg.solve(inner, offset) if o.any() else 0.0
                log_prob[i, j] = -0.5 * (form + np.linalg.slogdet(2 * np.pi * inner)[1])
                rows[i, j, o] = row[o]
                rows[i, j, m] = self.means[j, m] + coefficients @ offset
                spread[i, j][np.ix_(m, m)] = (
                    covariance[np.ix_(m, m)] - coefficients @ covariance[np.ix_(o, m)])
        return log_prob, rows, spread

    def numpy_incomplete(self):
        log_prob, rows, spread = self.filled
        resp, norm = self.numpy_posterior(log_prob)
        d, type_ = rows - self.means, self.covariance_type
        second = np.einsum("nk,nkd,nke->kde", resp, d, d) + np.einsum("nk,nkde->kde", resp, spread)
        if type_ == "tied":
            second = second.sum(axis=0)
        elif type_ != "full":
            second = np.diagonal(second, axis1=1, axis2=2)
            second = second if type_ == "diag" else second.sum(axis=1)
        return resp.sum(axis=0), np.einsum("nk,nkd->kd", resp, d), second, norm.sum()

    def numpy_imputed(self):
        log_prob, rows, _ = self.filled
        return np.einsum("nk,nkd->nd", self.numpy_posterior(log_prob)[0], rows)

    def numpy_nearest(self):
        squared = (self.offsets**2).sum(axis=2)
        labels = squared.argmin(axis=1)
        hot = np.eye(self.n_components)[labels]
        return labels, hot.sum(axis=0), hot.T @ self.X, squared.min(axis=1).sum()

    @cached_property
    def uncertain(self):
        """Posteriors that know nothing."""
        return np.full((self.n_samples, self.n_components), 1 / self.n_components, self.dtype)

    def numpy_potts(self):
        """A sweep over rows in a line, the even ones first, from posteriors all the same."""
        k, joint = self.n_components, np.log(self.weights) + self.numpy_log_density()
        resp = np.full((self.n_samples + 2, k), 1 / k)
        resp[[0, -1]] = 0           # no pixel
        inner, beside = resp[1:-1], lambda: SMOOTHNESS * (resp[:-2] + resp[2:])
        likelihood, priors = 0.0, np.zeros(k)
        for half in (slice(0, None, 2), slice(1, None, 2)):
            prior, field = (np.log(self.weights) + beside())[half], (joint + beside())[half]
            norms = [np.logaddexp.reduce(each, axis=1) for each in (prior, field)]
            likelihood += (norms[1] - norms[0]).sum()
            priors += np.exp(prior - norms[0][:, None]).sum(axis=0)
            inner[half] = np.exp(field - norms[1][:, None])
        entropy = -(inner * np.log(np.maximum(inner, 1e-300))).sum()
        free_energy = (inner * joint).sum() + entropy + (inner * beside()).sum() / 2
        return (*self.numpy_moments(inner), free_energy, likelihood, priors)

    @cached_property
    def labels(self):
        return np.arange(self.n_samples, dtype=np.int32) % self.n_components


@dataclass(frozen=True)
class Case:
    """One way to call one kernel."""

    name: str
    kernel: str
    arguments: object       # Problem -> tuple of positional arguments
    expected: object        # Problem -> what the kernel returns
    typed: bool = False     # the covariance type matters
    options: object = lambda p: {}      # Problem -> dict of its keyword arguments

    def call(self, problem, **more):
        """A function without arguments that runs the kernel on the problem."""
        function, arguments = getattr(kernels, self.kernel), self.arguments(problem)
        options = self.options(problem) | more
        return lambda: function(*arguments, **options)

    def check(self, problem):
        """AssertionError unless the first rows give what NumPy says."""
        problem = problem.head()
        result, expected = self.call(problem)(), self.expected(problem)
        if not isinstance(expected, tuple):
            result, expected = (result,), (expected,)
        tolerance = 1e-9 if problem.dtype == np.float64 else 2e-4
        for got, wanted in zip(result, expected, strict=True):
            if wanted is None:
                assert got is None, f"{self.name}: a result where none was expected"
                continue
            scale = max(1.0, float(np.abs(wanted).max()))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * scale,
                                       err_msg=self.name)


def _sequential_seeds(problem):
    """Greedy k-means++ in NumPy; the numbers are drawn in the order scikit-learn draws them."""
    X, k = problem.X.astype(np.float64), problem.n_components
    trials = 2 + int(np.log(k))
    uniforms = np.random.RandomState(0).uniform(size=1 + (k - 1) * trials)
    chosen = [int(uniforms[0] * len(X))]
    closest = ((X - X[chosen[0]])**2).sum(axis=1)
    for c in range(k - 1):
        draws = uniforms[1 + c * trials:1 + (c + 1) * trials] * closest.sum()
        rows = np.searchsorted(np.cumsum(closest), draws).clip(max=len(X) - 1)
        candidates = [np.minimum(closest, ((X - X[row])**2).sum(axis=1)) for row in rows]
        best = int(np.argmin([d.sum() for d in candidates]))
        chosen.append(int(rows[best]))
        closest = candidates[best]
    return problem.X[chosen], np.array(chosen)


CASES = {case.name: case for case in (
    Case("log_density", "log_density",
         lambda p: (p.X, p.means, p.factors, p.covariance_type),
         lambda p: p.numpy_log_density(), typed=True),
    Case("responsibilities", "responsibilities",
         lambda p: (p.log_prob, np.log(p.weights)),
         lambda p: p.numpy_posterior(p.log_prob.astype(np.float64))),
    Case("weighted_moments", "weighted_moments",
         lambda p: (p.X, p.resp, p.means, p.covariance_type),
         lambda p: p.numpy_moments(p.resp.astype(np.float64)), typed=True),
    Case("weighted_moments_labels", "weighted_moments",
         lambda p: (p.X, p.labels, p.means, p.covariance_type),
         lambda p: p.numpy_moments(np.eye(p.n_components)[p.labels]), typed=True),
    Case("em_statistics", "em_statistics", lambda p: (p.X, *p.model),
         lambda p: p.numpy_em(), typed=True),
    Case("incomplete_statistics", "incomplete_statistics",
         lambda p: (p.incomplete, *p.model, None, p.patterns),
         lambda p: p.numpy_incomplete(), typed=True),
    Case("conditional_moments", "conditional_moments",
         lambda p: (p.incomplete, p.means, p.factors, p.covariance_type, p.weights),
         lambda p: (p.numpy_imputed(), None, None), typed=True),
    Case("e_step", "e_step", lambda p: (p.X, *p.model),
         lambda p: p.numpy_posterior(), typed=True),
    Case("e_step_labels", "e_step", lambda p: (p.X, *p.model),
         lambda p: (p.numpy_posterior()[0].argmax(axis=1),), typed=True,
         options=lambda p: {"want": ("labels",)}),
    Case("potts_statistics", "potts_statistics", lambda p: (p.X, *p.model),
         lambda p: p.numpy_potts(), typed=True, options=lambda p: {
             "shape": (p.n_samples,), "smoothness": SMOOTHNESS, "resp": p.uncertain.copy()}),
    Case("kmeans_statistics", "kmeans_statistics", lambda p: (p.X, p.means),
         lambda p: p.numpy_nearest()),
    Case("kmeans_plusplus", "kmeans_plusplus", lambda p: (p.X, p.n_components),
         _sequential_seeds, options=lambda p: {"random_state": 0}),
    Case("check_finite", "check_finite", lambda p: (p.X,), lambda p: np.abs(p.X).max()),
)}
