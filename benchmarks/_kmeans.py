"""The K-means sections of compare.py: a grid of shapes; iterations early and late, whole fits."""

import math

import _timing as timing
import numpy as np
from _contenders import PARITY, differences
from benchmarks._cases import blobs, embeddings, first_centers
from sklearn.cluster import KMeans as SklearnKMeans

from emkernels import KMeans, kernels

COLUMNS, WIDE = (10, 16, 32, 48, 100, 256, 768, 1536), (256, 768, 1536)
CLUSTERS = 8, 32, 100, 500, 1500, 5000
WORK, TEN = 3e9, 10         # multiplications of an iteration; how many iterations
LEAST_RATIO, NARROW_PARITY = 1.5, 1e-3
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
    """K-means: ten iterations from the same centres, 10 to 1536 columns, 8 to 5000 clusters."""
    rows, out = [], []
    for kind, d, k, dtype in grid(run.quick):
        n = n_rows(d, k, run.quick)
        X = {"blobs": blobs, "embeddings": embeddings}[kind](n, d, k, dtype=dtype)
        options = {"init": first_centers(X, k), "n_init": 1, "tol": 0, "max_iter": TEN}
        best, results = timing.alternate({
            "emkernels": lambda X=X, k=k, o=options: KMeans(k, n_threads=run.threads, **o).fit(X),
            "scikit-learn": lambda X=X, k=k, o=options: SklearnKMeans(k, **o).fit(X),
        }, run.rounds, run.least)
        off = results["scikit-learn"].inertia_ / results["emkernels"].inertia_ - 1
        if not abs(off) <= (PARITY if dtype == np.float64 else NARROW_PARITY):
            differences.append((f"kmeans {kind} {n} x {d}, K={k} {X.dtype}: inertia", off))
        ratio = best["scikit-learn"] / best["emkernels"]
        out.append({"kind": kind, "shape": [n, d, k], "dtype": str(X.dtype), "seconds": best,
                    "ratio": ratio, "inertia": off})
        rows.append([f"{kind} {n} x {d}, K={k}", str(X.dtype), 1e3 * best["emkernels"],
                     1e3 * best["scikit-learn"], ratio, "*" if ratio < LEAST_RATIO else "",
                     f"{off:.0e}"])
    timing.table(["shape", "dtype", "emkernels ms", "scikit-learn", "x sklearn", "below",
                  "inertia differs"], rows)
    mean = timing.geometric_mean([each["ratio"] for each in out])
    below = [each for each in out if each["ratio"] < LEAST_RATIO]
    print(f"  geometric mean {timing.cell(mean, 3)} (asked 2); {len(below)} of {len(out)} cells "
          f"below {LEAST_RATIO} (asked none), the least {min(each['ratio'] for each in out):.2f}")
    return {"rows": out, "geometric_mean": mean, "n_below": len(below)}


def grid(quick):
    """Kinds of rows, columns, clusters and dtypes."""
    if quick:
        return [(kind, d, k, dtype) for kind in ("blobs", "embeddings")
                for d, k in ((10, 8), (60, 20)) for dtype in (np.float32, np.float64)]
    return [(kind, d, k, dtype) for kind, columns in (("blobs", COLUMNS), ("embeddings", WIDE))
            for d in columns for k in CLUSTERS for dtype in (np.float32, np.float64)]


def n_rows(d, k, quick):
    """As many as a contender goes over in some tenths of a second."""
    if quick:
        return 600
    return int(min(max(WORK / (d * k + 8 * d + 100), 4 * k, 4000), 400_000, 6e7 / d))


def section_lloyd(run):
    """K-means: iterations, early and late, a whole fit, one pass without bounds."""
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
            more, _ = timing.alternate({
                "pass": lambda: kernels.kmeans_statistics(
                    X, centers, n_threads=run.threads, check_finite=False).inertia,
            }, run.rounds, run.least)
            ratios = {
                "early": early["scikit-learn"] / early["emkernels"],
                "late": late["scikit-learn"] / late["emkernels"],
                "whole": whole["scikit-learn"] / whole["emkernels"],
                "elkan": whole["scikit-learn elkan"] / whole["emkernels"],
                "pass": early["scikit-learn"] / more["pass"],
            }
            out.append({"shape": [n, d, k], "dtype": str(X.dtype), "early": early, "late": late,
                        "whole": whole, "pass": more["pass"], "ratios": ratios})
            rows.append([f"{n} x {d}, K={k}", str(X.dtype), 1e3 * early["emkernels"],
                         ratios["early"], 1e3 * late["emkernels"], ratios["late"],
                         1e3 * whole["emkernels"], ratios["whole"], ratios["elkan"],
                         1e3 * more["pass"], ratios["pass"]])
    timing.table(["shape", "dtype", "early ms", "x sklearn", "late ms", "x sklearn", "fit ms",
                  "x sklearn", "x elkan", "pass ms", "x sklearn"], rows)
    print(f"  early, late: a mean iteration between {EARLY} and {LATE}; pass: one without bounds, "
          "against scikit-learn's early iteration. Asked: 2 x")
    return {"rows": out}
