"""The embeddings section of compare.py: K-means of many columns and clusters, in float32."""

import _timing as timing
import numpy as np
from _contenders import differences
from benchmarks._cases import embeddings, first_centers
from sklearn.cluster import KMeans as SklearnKMeans

from emkernels import KMeans

try:
    import faiss
except ImportError:
    faiss = None

SHAPES = [(60_000, 80, 5000), (40_000, 768, 200), (20_000, 1536, 64)]
TINY_SHAPES = [(900, 40, 30), (600, 130, 12)]
LOW, HIGH = 2, 12       # a mean iteration is that between them
# float32 sums of scikit-learn and faiss; from then on a row here and there goes elsewhere
PARITY = 1e-3


class Faiss:
    """faiss's K-means in the clothes of the others, on all rows."""

    def __init__(self, X, start, n_iter, threads):
        n, d = X.shape
        faiss.omp_set_num_threads(threads)
        fit = faiss.Kmeans(d, len(start), niter=n_iter, nredo=1, verbose=False,
                           min_points_per_centroid=1, max_points_per_centroid=n)
        fit.train(X, init_centroids=start)
        self.n_iter_ = n_iter
        # its objective is that of the centres before the last step
        squares, _ = fit.index.search(X, 1)
        self.inertia_ = float(squares.sum(dtype=np.float64))


def fits(X, start, threads):
    """name -> fit(n_iterations) of contenders from the same centres."""
    k = len(start)
    options = {"init": start, "n_init": 1, "tol": 0}
    found = {
        "emkernels": lambda n: KMeans(k, max_iter=n, n_threads=threads, **options).fit(X),
        "scikit-learn": lambda n: SklearnKMeans(k, max_iter=n, **options).fit(X),
    }
    if faiss is not None:
        found["faiss"] = lambda n: Faiss(X, start, n, threads)
    return found


def section_embeddings(run):
    """K-means of embeddings, float32: an iteration of ten early ones, from the same centres."""
    if faiss is None:
        print("  faiss left out: pip install faiss-cpu brings it")
    rows, out = [], []
    for n, d, k in TINY_SHAPES if run.quick else SHAPES:
        X = embeddings(n, d, k)
        seconds, results = timing.per_iteration(
            fits(X, first_centers(X, k), run.threads), LOW, HIGH, run.rounds, run.least)
        ours = results["emkernels"].inertia_
        inertias = {name: each.inertia_ for name, each in results.items()}
        for name, inertia in inertias.items():
            if not abs(inertia / ours - 1) <= PARITY:
                differences.append((f"embeddings {n} x {d}, K={k}: inertia of {name}",
                                    inertia / ours - 1))
        ratios = {name: seconds[name] / seconds["emkernels"] for name in seconds}
        out.append({"shape": [n, d, k], "seconds": seconds, "ratios": ratios,
                    "inertias": inertias})
        rows.append([f"{n} x {d}, K={k}", 1e3 * seconds["emkernels"],
                     1e3 * seconds["scikit-learn"],
                     1e3 * seconds["faiss"] if faiss else None, ratios["scikit-learn"],
                     ratios.get("faiss"), ours, *(
                         f"{inertias[name] / ours - 1:.0e}" if name in inertias else None
                         for name in ("scikit-learn", "faiss"))])
    timing.table(["shape", "emkernels ms", "scikit-learn", "faiss", "x sklearn", "x faiss",
                  "inertia", "sklearn's", "faiss's"], rows)
    print(f"  an iteration: of those between {LOW} and {HIGH}; inertia after {HIGH}, that of the "
          f"others less ours, as a part of it (allowed {PARITY:g}). Asked: 1.5 x scikit-learn, 2 x "
          "in the geometric mean")
    means = {name: timing.geometric_mean([each["ratios"][name] for each in out])
             for name in ratios if name != "emkernels"}
    print("  geometric mean x " + ", ".join(
        f"{name} {timing.cell(value, 3)}" for name, value in means.items()))
    return {"rows": out, "geometric_mean": means}
