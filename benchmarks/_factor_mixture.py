"""Mixtures of factor analysers beside an EM of NumPy; the figure on digits."""

import functools

import _timing as timing
import numpy as np
from scipy.special import logsumexp
from sklearn.datasets import load_digits

from emkernels import GaussianMixture, MixtureOfFactorAnalyzers


class NumpyFactorMixture:
    """The same updates by matrix products of NumPy, complete rows and float64 only.

    Everything that depends on rows is in four products of all components together, each at the speed
    of BLAS: (X, X^2) with the coefficients of densities and factors, and responsibilities with both.
    X is moved once by the overall mean, so that products about zero keep their digits.
    """

    def __init__(self, X, floor):
        self.origin = X.mean(axis=0)
        self.X = X - self.origin
        self.squares = self.X**2
        self.floor = floor

    def fit(self, weights, means, components, noise, n_iter):
        """Parameters after so many iterations, and the history of the log-likelihood."""
        means = means - self.origin
        history = []
        for _ in range(n_iter):
            weights, means, components, noise, bound = self.step(
                weights, means, components, noise)
            history.append(bound)
        return weights, means + self.origin, components, noise, history

    def step(self, weights, means, components, noise):
        X, squares = self.X, self.squares
        K, q, D = components.shape
        n = len(X)
        scaled = components / noise[:, None]                       # (K, q, D)
        inner = np.eye(q) + scaled @ components.swapaxes(1, 2)
        factor = np.linalg.cholesky(inner)
        whitener = np.linalg.inv(factor)
        covariance = whitener.swapaxes(1, 2) @ whitener
        B = covariance @ scaled                                    # E[z] = B (x - mean)
        # one product for the linear part of the distances and for all factors
        linear = np.concatenate([means / noise, B.reshape(K * q, D)])
        product = X @ linear.T                                     # (n, K + K q)
        z = product[:, K:].reshape(n, K, q)
        z -= (B @ means[:, :, None])[:, :, 0]
        distance = squares @ (1 / noise).T
        distance -= 2 * product[:, :K]
        distance += (means**2 / noise).sum(axis=1)
        half = np.matmul(z.swapaxes(0, 1), factor)                 # (K, n, q): |half|^2 = z' G z
        distance -= np.einsum("knq,knq->nk", half, half)
        log_prob = distance
        log_prob *= -0.5
        log_prob += (np.log(weights) - 0.5 * np.log(noise).sum(axis=1) - 0.5 * D * np.log(2 * np.pi)
                     - np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1))
        norm = logsumexp(log_prob, axis=1)
        log_prob -= norm[:, None]
        resp = np.exp(log_prob, out=log_prob)
        # and one for all sums with the rows
        coefficients = np.empty((n, K + K * q))
        coefficients[:, :K] = resp
        weighted = coefficients[:, K:].reshape(n, K, q)
        np.multiply(z, resp[:, :, None], out=weighted)
        sums = coefficients.T @ X                                  # (K + K q, D)
        counts = resp.sum(axis=0)
        mean = sums[:K] / counts[:, None]
        variance = (resp.T @ squares) / counts[:, None] - mean**2
        zbar = weighted.sum(axis=0) / counts[:, None]
        cross = sums[K:].reshape(K, q, D) / counts[:, None, None] - zbar[:, :, None] * mean[:, None]
        second = np.matmul(weighted.transpose(1, 2, 0), z.swapaxes(0, 1)) / counts[:, None, None]
        second += covariance - zbar[:, :, None] * zbar[:, None]
        components = np.linalg.solve(second, cross)
        noise = np.maximum(variance - (components * cross).sum(axis=1), self.floor)
        return counts / n, mean, components, noise, norm.mean()


def of_pictures(n, side, k, seed=0):
    """Rows like blurred pictures of k kinds: strokes that move, noise where there is ink."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, side)
    u, v = np.meshgrid(axis, axis)
    out = np.empty((n, side * side))
    kinds = rng.integers(k, size=n)
    centres = rng.uniform(-0.6, 0.6, size=(k, 4, 2))
    for i, kind in enumerate(kinds):
        places = centres[kind] + 0.08 * rng.normal(size=(4, 2))
        ink = np.exp(-((u[..., None] - places[:, 0])**2 + (v[..., None] - places[:, 1])**2)
                     / 0.04).sum(axis=-1)
        out[i] = (ink * (1 + 0.2 * rng.normal())).ravel()
    out += 0.05 * rng.normal(size=out.shape)
    return out


def of_factors(n, d, k, q, seed=0):
    """Rows of k components with q factors each, whose means overlap."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(k, size=n)
    means, loadings = rng.normal(size=(k, d)), rng.normal(size=(k, q, d))
    rows = means[kinds] + np.einsum("nq,nqd->nd", rng.normal(size=(n, q)), loadings[kinds])
    return rows + rng.normal(size=(n, d)) * rng.uniform(0.5, 1.5, size=d)


def starts_of(X, k, q, floor):
    """Where both begin: seeds of K-means, small loadings, the noise of all rows."""
    start = MixtureOfFactorAnalyzers(k, q, max_iter=0, random_state=0, min_uniqueness=floor).fit(X)
    return start.weights_, start.means_, start.components_, start.noise_variance_


def mixtures_of_factors(run):
    """Whole fits from the same start, of the same number of iterations, beside NumPy's."""
    if run.quick:
        shapes = [("factors", 400, 16, 3, 2)]
    else:
        shapes = [("pictures", 5_000, 784, 20, 5), ("factors", 5_000, 784, 20, 5),
                  ("factors", 20_000, 64, 10, 4)]
    n_iter, floor = 20, 1e-2
    rows, out = [], []
    for kind, n, d, k, q in shapes:
        X = of_pictures(n, int(d**0.5), k) if kind == "pictures" else of_factors(n, d, k, q)
        weights, means, components, noise = starts_of(X, k, q, floor)

        def ours(X=X, weights=weights, means=means, components=components, noise=noise, k=k, q=q):
            return MixtureOfFactorAnalyzers(
                k, q, weights_init=weights, means_init=means, components_init=components,
                noise_variance_init=noise, max_iter=n_iter, tol=0, min_uniqueness=floor,
                n_threads=run.threads).fit(X)

        def numpys(X=X, weights=weights, means=means, components=components, noise=noise):
            return NumpyFactorMixture(X, floor * X.var(axis=0)).fit(
                weights, means, components, noise, n_iter)

        best, fitted = timing.alternate(
            {"emkernels": ours, "numpy": numpys}, run.rounds, run.least)
        bounds = fitted["emkernels"].lower_bounds_[-1], fitted["numpy"][-1][-1]
        ratio = best["numpy"] / best["emkernels"]
        out.append({"kind": kind, "shape": [n, d, k, q], "n_iter": n_iter, "seconds": best,
                    "ratio": ratio, "lower_bounds": bounds})
        rows.append([f"{kind} {n} x {d}, K={k}, q={q}", 1e3 * best["emkernels"],
                     1e3 * best["numpy"], ratio, abs(bounds[0] - bounds[1])])
    timing.table([f"factor mixtures, {n_iter} iterations", "emkernels ms", "numpy",
                  "x numpy (asked 10)", "bounds apart"], rows)
    return out


@functools.cache
def digits():
    """scikit-learn's digits: the columns with a standard deviation above 0.5, standardised."""
    X = load_digits().data
    deviations = X.std(axis=0)
    X = X[:, deviations > 0.5]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def digits_bic(n_components=(10, 20, 30), n_factors=(2, 4, 6, 8), n_init=3):
    """BIC of mixtures on digits, of diagonal covariances and of factors: [(what, K, q, BIC)]."""
    X = digits()
    out = []
    for k in n_components:
        diag = GaussianMixture(k, covariance_type="diag", reg_covar=1e-2, random_state=0,
                               n_init=n_init, max_iter=500).fit(X)
        out.append(("diag", k, 0, diag.bic(X)))
        for q in n_factors:
            model = MixtureOfFactorAnalyzers(
                k, q, min_uniqueness=1e-2, random_state=0, n_init=n_init, max_iter=500).fit(X)
            out.append(("factors", k, q, model.bic(X)))
    return out
