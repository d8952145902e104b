"""The section of compare.py on rows in blocks: fits beside those in memory, Parquet, streams."""

import tempfile
from pathlib import Path

import _timing as timing
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _contenders import differences, given_start, mixture
from benchmarks._cases import blob_means, blobs
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA

from emkernels import FactorAnalysis, GaussianMixture, KMeans

BLOCK = 100_000     # rows
AGREE = 1e-10       # of parameters, relatively


class OfBlocks(GaussianMixture):
    """A mixture whose fit is that of blocks."""

    source, chunk_rows = None, None

    def fit(self, X):
        return self.fit_chunks(X if self.source is None else self.source,
                               chunk_rows=self.chunk_rows)


def of_blocks(source, chunk_rows):
    """The class for one source: scikit-learn's `clone` and its constructor know no other."""
    return type("OfBlocks", (OfBlocks,), {"source": source, "chunk_rows": chunk_rows})


def write_parquet(X, path, rows):
    """A file with so many rows in a row group."""
    table = pa.table({f"x{j}": X[:, j] for j in range(X.shape[1])})
    pq.write_table(table, path, row_group_size=rows, compression="none")


def mixtures(run, folder):
    """An EM iteration: all rows, blocks in memory, row groups of a file."""
    n, d, k, block = (4000, 4, 3, 1000) if run.quick else (10**6, 16, 32, BLOCK)
    X = blobs(n, d, k)
    path = Path(folder, "rows.parquet")
    write_parquet(X, path, block)
    start = given_start(X, k)
    classes = {"fit": GaussianMixture, "blocks": of_blocks(None, block),
               "parquet": of_blocks(str(path), None)}
    fits = {name: (lambda i, kind=kind: mixture(kind, X, k, start, i, n_threads=run.threads))
            for name, kind in classes.items()}
    seconds, results = run.iterations(fits)
    whole, _ = timing.alternate(
        {name: (lambda fit=fit: fit(run.high)) for name, fit in fits.items()}, run.rounds,
        run.least)
    ours, rows = results["fit"], []
    for name in classes:
        off = float(np.abs(results[name].means_ - ours.means_).max() / np.abs(ours.means_).max())
        if not off <= AGREE:
            differences.append((f"means of {name}", off))
        rows.append([name, 1e3 * seconds[name], seconds[name] / seconds["fit"], whole[name],
                     whole[name] / whole["fit"], n / seconds[name] / 1e6, f"{off:.0e}"])
    timing.table([f"{n:g} x {d}, K={k}", "iteration ms", "x fit", f"{run.high} iterations s",
                  "x fit", "M rows/s", "differs"], rows)
    print(f"  blocks of {block} rows; whole fits have a survey more. Asked: blocks 1.1, parquet "
          f"1.15, differences {AGREE:g}")
    return {"iteration": seconds, "whole": whole}


def clusterings(run):
    """K-means: blocks, a stream, and scikit-learn's both."""
    n, d, k, block = (4000, 4, 3, 500) if run.quick else (10**6, 16, 32, 10_000)
    X = blobs(n, d, k, separation=2.0)
    batches = [X[first:first + block] for first in range(0, n, block)]
    init = X[np.random.default_rng(1).choice(n, k, replace=False)]

    def stream(model):
        for batch in batches:
            model.partial_fit(batch)
        return model

    best, fitted = timing.alternate({
        "fit": lambda: KMeans(k, init=init, n_init=1, n_threads=run.threads).fit(X),
        "fit_chunks": lambda: KMeans(k, init=init, n_init=1, n_threads=run.threads).fit_chunks(
            X, chunk_rows=BLOCK),
        "partial_fit": lambda: stream(KMeans(k, init=init, n_init=1, n_threads=run.threads)),
        "sklearn fit": lambda: SklearnKMeans(k, init=init, n_init=1).fit(X),
        "sklearn mini-batch": lambda: stream(MiniBatchKMeans(k, init=init, n_init=1)),
    }, run.rounds, run.least)
    judge = KMeans(k, init=init, n_init=1, max_iter=1).fit(X[:1000])
    inertia = {}
    for name, model in fitted.items():
        judge.cluster_centers_ = np.ascontiguousarray(model.cluster_centers_, np.float64)
        inertia[name] = -float(judge.score(X))
    least = min(inertia.values())
    timing.table([f"K-means {n:g} x {d}, K={k}", "seconds", "x fit", "inertia above the least %"],
                 [[name, best[name], best[name] / best["fit"], 100 * (inertia[name] / least - 1)]
                  for name in best])
    print(f"  one start; streams see each of {len(batches)} batches once")
    return {"seconds": best, "inertia": inertia}


def streams(run):
    """One sweep of 200 batches beside EM to its end, in log-likelihood for one row."""
    n, d, k = (4000, 3, 3) if run.quick else (200_000, 8, 8)
    rows, out = [], []
    for gap in (3.0, 1.2):
        X = blobs(n, d, k, separation=gap)
        start = given_start(X, k, means=blob_means(d, k, gap))
        options = {**start, "n_threads": run.threads, "reg_covar": 1e-6}

        def sweep(X=X, options=options):
            model = GaussianMixture(k, **options)
            for batch in np.array_split(X, 200):
                model.partial_fit(batch)
            return model

        best, fitted = timing.alternate({
            "fit": lambda X=X, options=options: GaussianMixture(
                k, tol=1e-6, max_iter=500, **options).fit(X),
            "partial_fit": sweep}, run.rounds, run.least)
        lost = float(fitted["fit"].score(X) - fitted["partial_fit"].score(X))
        out.append({"gap": gap, "seconds": best, "lost": lost})
        rows.append([f"gap {gap:g}", best["fit"], fitted["fit"].n_iter_, best["partial_fit"],
                     f"{lost:.1e}"])
    timing.table([f"mixture {n:g} x {d}, K={k}", "fit s", "iterations", "one sweep s",
                  "lost a row"], rows)
    print("  asked: 3e-3 at gap 3, 1e-2 at 1.2")
    return {"rows": out}


def moments(run):
    """The pass that factor analysis makes, beside one of scikit-learn's incremental PCA."""
    n, d, k, block = (4000, 6, 2, 1000) if run.quick else (10**6, 32, 4, BLOCK)
    rng = np.random.default_rng(0)
    X = blobs(n, k, 1) @ rng.normal(size=(k, d)) + rng.normal(size=(n, d))

    def incremental():
        model = IncrementalPCA(k)
        for first in range(0, n, block):
            model.partial_fit(X[first:first + block])
        return model

    best, _ = timing.alternate({
        "emkernels": lambda: FactorAnalysis(k, n_threads=run.threads).fit_chunks(
            X, chunk_rows=block),
        "scikit-learn": incremental}, run.rounds, run.least)
    timing.table([f"{n:g} x {d}, {k} factors", "FactorAnalysis.fit_chunks s", "IncrementalPCA s"],
                 [["all passes", best["emkernels"], best["scikit-learn"]]])
    return {"seconds": best}


def section_chunks(run):
    """Rows in blocks: mixtures, Parquet, K-means, streams, factors."""
    with tempfile.TemporaryDirectory() as folder:
        out = {"mixtures": mixtures(run, folder)}
    return {**out, "kmeans": clusterings(run), "streams": streams(run), "moments": moments(run)}
