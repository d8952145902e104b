"""What the numerics page shows, measured when the site is built."""

import hashlib
import warnings

import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.mixture import GaussianMixture as SklearnMixture
from threadpoolctl import threadpool_limits

from emkernels import GaussianMixture, KMeans
from emkernels.kernels.planning import plan_of, shares

SHIFTS = {"float64": 10.0 ** np.arange(9), "float32": 10.0 ** np.arange(5)}
KINDS = ("full", "tied", "diag")
# covariances, rows, columns, components, values missing of a row
PLANNED = [("full", 1_000_000, 2, 8, 0), ("full", 200_000, 16, 32, 0), ("full", 50_000, 64, 64, 0),
           ("full", 60_000, 64, 256, 0), ("full", 20_000, 128, 256, 0),
           ("diag", 100_000, 64, 1024, 0), ("full", 20_000, 256, 16, 0),
           ("full", 4_000, 784, 10, 0), ("full", 20_000, 784, 1, 78),
           ("full", 20_000, 784, 10, 78)]
PLANNED_COUNTS = (8, 16, 32, 48, 60, 64, 96, 128)


def exact(X):
    """The covariance of the rows as they are stored, in extended precision."""
    X = X.astype(np.longdouble)
    centred = X - X.mean(axis=0)
    return centred.T @ centred / len(X)


def _error(cls, X, kind, truth):
    """Largest relative error of a covariance; None where the fit fails or gives no number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = cls(1, covariance_type=kind, reg_covar=0, random_state=0).fit(X)
    except ValueError:
        return None
    found = np.squeeze(model.covariances_).astype(np.float64)
    wanted = np.asarray(np.diag(truth) if kind == "diag" else truth, dtype=np.float64)
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    return error if np.isfinite(error) else None


def shifts(n=2000):
    """type -> covariances -> package -> (shift, relative error of the covariance)."""
    found = {}
    base = np.random.default_rng(0).normal(size=(n, 3)) @ [[1, 0.5, 0], [0, 1, 0.5], [0, 0, 1]]
    for dtype, sizes in SHIFTS.items():
        lines = {kind: {"emkernels": [], "scikit-learn": []} for kind in KINDS}
        for shift in sizes:
            X = (base + shift).astype(dtype)
            truth = exact(X)
            for kind in KINDS:
                for name, cls in (("emkernels", GaussianMixture), ("scikit-learn", SklearnMixture)):
                    lines[kind][name].append((float(shift), _error(cls, X, kind, truth)))
        found[dtype] = lines
    return found


def _bits(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def threads(counts=(1, 2, 3, 4)):
    """Rows of a table: fingerprints of fits on that many threads."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 6)) + 3 * rng.integers(0, 4, (10_000, 1))
    options = {"random_state": 0, "max_iter": 10, "tol": 0}
    rows = []
    for n in counts:
        with warnings.catch_warnings(), threadpool_limits(n):
            warnings.simplefilter("ignore")     # ten iterations are not the end
            mixture = GaussianMixture(4, n_threads=n, **options).fit(X)
            clusters = KMeans(8, n_init=1, random_state=0, n_threads=n).fit(X)
            theirs = SklearnMixture(4, **options).fit(X)
            centres = SklearnKMeans(8, n_init=1, random_state=0).fit(X)
        found = (_bits(mixture.weights_, mixture.means_, mixture.covariances_),
                 _bits(clusters.cluster_centers_),
                 _bits(theirs.weights_, theirs.means_, theirs.covariances_),
                 _bits(centres.cluster_centers_))
        rows.append([n, *(f"`{bits[:10]}`" for bits in found)])
    for column in (1, 2):
        if len({row[column] for row in rows}) != 1:
            raise AssertionError("emkernels: other bits on another number of threads")
    return rows


def plans():
    """Rows of a table: what a pass has of so many threads, per cent."""
    rows = []
    for kind, n, d, k, missing in PLANNED:
        cells = []
        for count in PLANNED_COUNTS:
            plan = plan_of(n, d, k, kind, n_threads=count, missing=missing)
            cells.append(f"{100 * shares(plan, count).efficiency:.0f}")
        gaps = f", {missing} missing" if missing else ""
        plan = plan_of(n, d, k, kind, n_threads=1, missing=missing)
        rows.append([f"{kind}, {n:,} x {d}, {k}{gaps}", plan.n_groups,
                     f"{plan.sum_bytes / 1e6:.1f} MB", *cells])
    return rows
