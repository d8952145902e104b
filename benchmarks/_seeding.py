"""The seeding section of compare.py: where K-means begins."""

import _timing as timing
import numpy as np
from benchmarks._cases import blobs, embeddings
from sklearn.cluster import kmeans_plusplus as sklearn_plusplus

from emkernels import KMeans
from emkernels.data import Rows
from emkernels.models.kmeans_starts import SEEDS

SHAPES = [("blobs", 300_000, 10, 20), ("blobs", 120_000, 48, 100), ("blobs", 60_000, 80, 500),
          ("blobs", 40_000, 768, 200), ("blobs", 20_000, 1536, 64),
          ("embeddings", 40_000, 768, 200), ("embeddings", 20_000, 1536, 64)]
TINY_SHAPES = [("blobs", 600, 10, 6), ("embeddings", 400, 130, 12)]
DRAWS = 2       # whose inertia after Lloyd is compared, in the mean
ITERATIONS = 100


def inertia(X, start, threads):
    """What Lloyd's algorithm ends with from these centres."""
    return KMeans(len(start), init=start, n_init=1, max_iter=ITERATIONS, n_threads=threads).fit(
        X).inertia_


def section_seeding(run):
    """Seeds of K-means, and the inertia after Lloyd, against scikit-learn's k-means++."""
    rows, out = [], []
    for kind, n, d, k in TINY_SHAPES if run.quick else SHAPES:
        for dtype in (np.float32, np.float64):
            X = {"blobs": blobs, "embeddings": embeddings}[kind](n, d, k, dtype=dtype)
            read = Rows.read(X).with_(n_threads=run.threads)
            makers = {name: (lambda seed, f=f: f(read, k, np.random.RandomState(seed)))
                      for name, f in SEEDS.items()}
            makers["scikit-learn"] = lambda seed: sklearn_plusplus(X, k, random_state=seed)[0]
            best, seeds = timing.alternate(
                {name: (lambda f=f: f(0)) for name, f in makers.items()}, run.rounds, run.least)
            same = bool(np.array_equal(seeds["k-means++"], seeds["scikit-learn"]))
            ends = {name: np.mean([inertia(X, np.asarray(f(seed), X.dtype), run.threads)
                                   for seed in range(1 if run.quick else DRAWS)])
                    for name, f in makers.items()}
            ratios = {name: best["scikit-learn"] / best[name] for name in SEEDS}
            quality = {name: ends[name] / ends["scikit-learn"] - 1 for name in SEEDS}
            out.append({"kind": kind, "shape": [n, d, k], "dtype": str(X.dtype), "seconds": best,
                        "ratios": ratios, "inertia": quality, "same_seeds": same})
            rows.append([f"{kind} {n} x {d}, K={k}", str(X.dtype), 1e3 * best["scikit-learn"],
                         *(each for name in SEEDS for each in (
                             1e3 * best[name], ratios[name], f"{100 * quality[name]:+.2f}")),
                         "yes" if same else "no"])
    columns = [each for name in SEEDS for each in (f"{name} ms", "x", "%")]
    timing.table(["shape", "dtype", "sklearn ms", *columns, "same seeds"], rows)
    means = {name: timing.geometric_mean([each["ratios"][name] for each in out]) for name in SEEDS}
    print("  x: times scikit-learn's k-means++ (asked of k-means++: 4); %: inertia after Lloyd, "
          "beside that of its seeds (asked: at most 5)")
    print("  geometric mean x " + ", ".join(
        f"{name} {timing.cell(value, 3)}" for name, value in means.items()))
    return {"rows": out, "geometric_mean": means}
