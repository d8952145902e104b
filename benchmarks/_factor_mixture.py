"""Mixtures of factor analysers beside an EM of NumPy; the figure on digits."""

import functools
import warnings

import _timing as timing
import numpy as np
from sklearn.datasets import load_digits

from emkernels import GaussianMixture, MixtureOfFactorAnalyzers


class NumpyFactorMixture:
    """The same updates by matrix products of NumPy, complete rows and float64 only.

    All that depends on rows is in four products of all components together, at the speed of BLAS:
    of (X, X^2) with the coefficients of densities and factors, and of what comes from these with
    (X, X^2); block by block, so that what is between them stays in cache. The factors are kept
    whitened, whose squares are what distances lack. X is moved once by the overall mean, so that
    products about zero keep their digits. (Tried besides: to sort the rows by component and leave
    out sums of those that a block has nothing of. It takes a fifth less where components are apart
    and there are many columns, and is slower where there are few.)
    """

    BLOCK = 500

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
        K, q, D = components.shape
        n = len(self.X)
        scaled = components / noise[:, None]                       # (K, q, D)
        inner = np.eye(q) + scaled @ components.swapaxes(1, 2)
        factor = np.linalg.cholesky(inner)
        whitener = np.linalg.inv(factor)
        C = whitener @ scaled              # h = C (x - mean), z = whitener' h
        left = np.concatenate([means / noise, C.reshape(K * q, D)]).T.copy()
        inverse = (1 / noise).T.copy()
        at_mean = (C @ means[:, :, None])[:, :, 0].reshape(K * q)
        constant = (np.log(weights) - 0.5 * np.log(noise).sum(axis=1) - 0.5 * D * np.log(2 * np.pi)
                    - np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
                    - 0.5 * (means**2 / noise).sum(axis=1))
        sums, seconds = np.zeros((K + K * q, D)), np.zeros((K, D))
        counts, pairs, bound = np.zeros(K), np.zeros((K, q, q)), 0.0
        for first in range(0, n, self.BLOCK):
            X, squares = self.X[first:first + self.BLOCK], self.squares[first:first + self.BLOCK]
            product = X @ left                                     # (b, K + K q)
            h = product[:, K:]
            h -= at_mean
            log_prob = squares @ inverse
            log_prob *= -0.5
            log_prob += product[:, :K]
            log_prob += constant
            h = h.reshape(len(X), K, q)
            log_prob += 0.5 * np.einsum("nkq,nkq->nk", h, h)
            best = log_prob.max(axis=1)
            log_prob -= best[:, None]
            resp = np.exp(log_prob, out=log_prob)
            total = resp.sum(axis=1)
            bound += (best + np.log(total)).sum()
            resp /= total[:, None]
            product[:, :K] = resp
            weighted = h * resp[:, :, None]
            pairs += np.matmul(weighted.transpose(1, 2, 0), h.transpose(1, 0, 2))
            product[:, K:] = weighted.reshape(len(X), K * q)
            sums += product.T @ X
            seconds += resp.T @ squares
            counts += resp.sum(axis=0)
        mean = sums[:K] / counts[:, None]
        back = whitener.swapaxes(1, 2)
        # sums of h (x - 0)' and of h, the latter as C applied to sums of x - mean
        hbar = (C @ (mean - means)[:, :, None])[:, :, 0]
        cross = back @ (sums[K:].reshape(K, q, D) / counts[:, None, None]
                        - hbar[:, :, None] * mean[:, None])
        second = back @ (pairs / counts[:, None, None] - hbar[:, :, None] * hbar[:, None]
                         + np.eye(q)) @ whitener
        components = np.linalg.inv(second) @ cross      # (solve is slow for many columns)
        variance = seconds / counts[:, None] - mean**2
        noise = np.maximum(variance - (components * cross).sum(axis=1), self.floor)
        return counts / n, mean, components, noise, bound / n


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
    """Where both begin: clusters of K-means and their principal components."""
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


def section_digits(run):
    """BIC of mixtures on digits: diagonal covariances beside factors."""
    X = digits()
    sizes, factors, starts = ((5,), (1,), 1) if run.quick else ((10, 20, 30, 40, 50), (1, 2, 4), 2)
    rows, out = [], []
    for k in sizes:
        options = {"random_state": 0, "n_init": starts, "max_iter": 500, "n_threads": run.threads}
        models = {0: GaussianMixture(k, covariance_type="diag", reg_covar=1e-2, **options)}
        models |= {q: MixtureOfFactorAnalyzers(k, q, min_uniqueness=1e-2, **options)
                   for q in factors}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # components on few digits are dropped, or collapse
            bics = {q: model.fit(X).bic(X) for q, model in models.items()}
        out += [{"k": k, "q": q, "bic": bic} for q, bic in bics.items()]
        rows.append([k, *(round(bic) for bic in bics.values())])
    timing.table(["K", "diag", *(f"q={q}" for q in factors)], rows)
    best = {name: min(row["bic"] for row in out if (row["q"] > 0) == (name == "factors"))
            for name in ("diag", "factors")}
    print(f"  {len(X)} x {X.shape[1]}; best diag {best['diag']:.0f}, best of factors "
          f"{best['factors']:.0f} (asked: lower)")
    return {"rows": out, "best": best}
