"""The K-means section of compare.py: whole fits, iterations, seeding, one plain pass."""

import math

import _timing as timing
import numpy as np
from _contenders import PARITY, differences
from benchmarks._cases import blobs
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.cluster import kmeans_plusplus as sklearn_plusplus

from emkernels import KMeans, kernels

SHAPES = [(5 * 10**5, 3, 8), (2 * 10**5, 16, 32), (10**5, 64, 64)]
TINY_SHAPES = [(3000, 2, 3), (2000, 8, 4)]
EARLY, LATE = (2, 12), (12, 40)     # iterations between which a mean is taken


def fits(X, start, threads):
    """name -> fit(n_iterations) of contenders from the same start."""
    k = len(start)
    options = {"init": start, "n_init": 1, "tol": 0}
    return {
        "emkernels": lambda n: KMeans(k, max_iter=n, n_threads=threads, **options).fit(X),
        "scikit-learn": lambda n: SklearnKMeans(k, max_iter=n, **options).fit(X),
        "scikit-learn elkan": lambda n: SklearnKMeans(
            k, max_iter=n, algorithm="elkan", **options).fit(X),
    }


def check(what, results, tolerance):
    """Same inertia and iterations, or a line among the differences."""
    ours = results["emkernels"]
    for name, peer in results.items():
        off = abs(peer.inertia_ - ours.inertia_) / ours.inertia_
        if not off <= tolerance or peer.n_iter_ != ours.n_iter_:
            differences.append((f"{what} of {name}", [off, peer.n_iter_ - ours.n_iter_]))


def per_iteration(seconds, results, low, high):
    """name -> mean seconds of the iterations between two counts, as far as they were made."""
    means = {}
    for name in {name for name, _ in seconds}:
        difference = seconds[name, high] - seconds[name, low]
        made = results[name, high].n_iter_ - results[name, low].n_iter_
        # without an iteration in between, or below the noise, there is nothing to say
        means[name] = difference / made if made > 0 and difference > 0 else math.nan
    return means


def section_kmeans(run):
    """K-means: iterations, early and late, a whole fit, seeding, one pass without bounds."""
    rows, out = [], []
    for n, d, k in TINY_SHAPES if run.quick else SHAPES:
        for dtype in (np.float64, np.float32):
            X = blobs(n, d, k, dtype=dtype)
            what = f"k-means {n} x {d}, K={k} {X.dtype}"
            tolerance = PARITY if dtype == np.float64 else 1e-4
            start = X[np.random.default_rng(1).choice(n, k, replace=False)]
            contenders = fits(X, start, run.threads)
            seconds, results = timing.alternate(
                {(name, i): (lambda fit=fit, i=i: fit(i))
                 for name, fit in contenders.items() for i in {*EARLY, *LATE, 300}},
                run.rounds, run.least)
            if dtype == np.float64:
                check(what, {name: results[name, EARLY[1]] for name in contenders}, tolerance)
            early = per_iteration(seconds, results, *EARLY)
            late = per_iteration(seconds, results, *LATE)
            whole = {name: seconds[name, 300] for name in contenders}
            centers = start.astype(np.float64)
            more, seeds = timing.alternate({
                "pass": lambda: kernels.kmeans_statistics(
                    X, centers, n_threads=run.threads, check_finite=False).inertia,
                "emkernels": lambda: kernels.kmeans_plusplus(
                    X, k, random_state=0, n_threads=run.threads)[1],
                "scikit-learn": lambda: sklearn_plusplus(X, k, random_state=0)[1],
            }, run.rounds, run.least)
            same = bool(np.array_equal(seeds["emkernels"], seeds["scikit-learn"]))
            ratios = {
                "early": early["scikit-learn"] / early["emkernels"],
                "late": late["scikit-learn"] / late["emkernels"],
                "whole": whole["scikit-learn"] / whole["emkernels"],
                "elkan": whole["scikit-learn elkan"] / whole["emkernels"],
                "pass": early["scikit-learn"] / more["pass"],
                "seeding": more["scikit-learn"] / more["emkernels"],
            }
            out.append({"shape": [n, d, k], "dtype": str(X.dtype), "early": early, "late": late,
                        "whole": whole, "pass": more["pass"],
                        "seeding": {name: more[name] for name in ("emkernels", "scikit-learn")},
                        "ratios": ratios, "same_seeds": same})
            rows.append([f"{n} x {d}, K={k}", str(X.dtype), 1e3 * early["emkernels"],
                         ratios["early"], 1e3 * late["emkernels"], ratios["late"],
                         1e3 * whole["emkernels"], ratios["whole"], ratios["elkan"],
                         1e3 * more["pass"], ratios["pass"], 1e3 * more["emkernels"],
                         ratios["seeding"], "yes" if same else "no"])
    timing.table(["shape", "dtype", "early ms", "x sklearn", "late ms", "x sklearn", "fit ms",
                  "x sklearn", "x elkan", "pass ms", "x sklearn", "seeding ms", "x sklearn",
                  "same seeds"], rows)
    print(f"  early, late: a mean iteration between {EARLY} and {LATE}; pass: one without bounds, "
          "against scikit-learn's early iteration. Asked: 2 x, seeding 4 x")
    return {"rows": out}
