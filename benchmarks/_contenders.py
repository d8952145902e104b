"""The contenders: the same start, the same iterations, results compared."""

from functools import partial

import numpy as np
from sklearn.mixture import GaussianMixture as SklearnMixture

from emkernels import GaussianMixture, kernels

try:
    import daal4py
except ImportError:
    daal4py = None

PARITY = 1e-6
differences = []        # (what, how much) of results that should agree and do not


def given_start(X, k, covariance_type="full", seed=1, means=None):
    """Equal weights and, with the means left out, averages of 16 rows each as means and the
    covariance of X for every component: overlapping, so nothing can be skipped at first, and
    no component is left with too few rows. With means: unit covariances."""
    d = X.shape[1]
    if means is None:
        rng = np.random.default_rng(seed)
        means = X[rng.choice(len(X), (k, 16))].mean(axis=1, dtype=np.float64)
        covariance = np.cov(X[:100_000].T.astype(np.float64)).reshape(d, d)
    else:
        covariance = np.eye(d)
    precision = np.linalg.inv(covariance)
    precisions = {
        "full": np.repeat(precision[None], k, axis=0), "tied": precision,
        "diag": np.repeat(1 / np.diag(covariance)[None], k, axis=0),
        "spherical": np.full(k, d / np.trace(covariance)),
    }[covariance_type]
    return {"weights_init": np.full(k, 1 / k), "means_init": means, "precisions_init": precisions}


def mixture(cls, X, k, start, max_iter, **options):
    # no ridge: oneDAL adds one to singular covariances only, and results are compared
    return cls(k, max_iter=max_iter, **{"tol": 0.0, "reg_covar": 0.0} | start | options).fit(X)


class OneDAL:
    """oneDAL's mixture in the clothes of the others; it knows full and diagonal covariances."""

    def __init__(self, X, k, start, max_iter):
        covariance = np.linalg.inv(start["precisions_init"][0])
        fit = daal4py.em_gmm(nComponents=k, maxIterations=max_iter, accuracyThreshold=1e-300)
        # it writes nothing back into its arguments: the start can be used again
        result = fit.compute(X, start["weights_init"][None], start["means_init"],
                             [covariance] * k)
        self.n_iter_ = int(result.nIterations[0, 0])
        self.lower_bound_ = float(result.goalFunction[0, 0]) / len(X)
        self.means_ = result.means


def contenders(X, k, covariance_type, threads, peers=("scikit-learn", "oneDAL")):
    """name -> fit(n_iterations), all from the same start."""
    start = given_start(X, k, covariance_type)
    common = partial(mixture, X=X, k=k, start=start, covariance_type=covariance_type)
    fits = {"emkernels": lambda n: common(GaussianMixture, max_iter=n, n_threads=threads)}
    if "scikit-learn" in peers:
        fits["scikit-learn"] = lambda n: common(SklearnMixture, max_iter=n)
    if "oneDAL" in peers and daal4py is not None and covariance_type == "full":
        fits["oneDAL"] = lambda n: OneDAL(X, k, start, n)
    return fits


def parity(what, results, n_iter):
    """Largest difference of means and log-likelihood to ours; recorded when too large."""
    ours, worst = results["emkernels"], 0.0
    for name, peer in results.items():
        scale = np.abs(ours.means_).max()
        worst = max(worst, abs(peer.lower_bound_ - ours.lower_bound_) / abs(ours.lower_bound_),
                    np.abs(peer.means_ - ours.means_).max() / scale)
        if peer.n_iter_ != n_iter:
            differences.append((f"{what}: iterations of {name}", peer.n_iter_ - n_iter))
    if not worst <= PARITY:
        differences.append((what, worst))
    return worst


def share_that_matters(X, model):
    """Share of the pairs of a row and a component with a responsibility above 1e-19."""
    resp = kernels.e_step(X[:20_000], model.weights_, model.means_, model.precisions_cholesky_,
                          want=["resp"])[0]
    return float((resp > 1e-19).mean())
