"""The section of compare.py about latent variables, Student t and mclust's families."""

import json
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import _timing as timing
import numpy as np
from benchmarks._cases import blobs
from benchmarks.bench_latent import FAMILIES, of_factors
from sklearn.decomposition import FactorAnalysis as SklearnFactors

from emkernels import FactorAnalysis, GaussianMixture, StudentTMixture


def factors(run):
    """Default fits of factor analysis beside scikit-learn's."""
    shapes = [(500, 12, 2)] if run.quick else [(50_000, 64, 8), (2_000, 500, 10)]
    rows, out = [], []
    for (n, d, q), asked in zip(shapes, (50, 4)):
        X = of_factors(n, d, q)
        best, fitted = timing.alternate({
            "emkernels": lambda: FactorAnalysis(q, n_threads=run.threads).fit(X),
            "scikit-learn": lambda: SklearnFactors(q).fit(X),
            "X'X": lambda: X.T @ X,
        }, run.rounds, run.least)
        scores = {name: float(fitted[name].score(X)) for name in ("emkernels", "scikit-learn")}
        ratio = best["scikit-learn"] / best["emkernels"]
        out.append({"shape": [n, d, q], "seconds": best, "ratio": ratio, "score": scores,
                    "n_iter": [fitted[name].n_iter_ for name in scores]})
        rows.append([f"{n} x {d}, q={q}", 1e3 * best["emkernels"], 1e3 * best["scikit-learn"],
                     1e3 * best["X'X"], ratio, asked, scores["emkernels"] - scores["scikit-learn"],
                     " / ".join(str(fitted[name].n_iter_) for name in scores)])
    timing.table(["factor analysis", "emkernels ms", "scikit-learn", "X'X", "x sklearn", "asked",
                  "log-likelihood gained", "n_iter_"], rows)
    return out


def student(run):
    """An EM iteration of a t mixture against one of a Gaussian mixture."""
    shapes = [(1000, 3, 2)] if run.quick else [
        (100_000, 2, 4), (50_000, 8, 5), (20_000, 32, 10), (5_000, 64, 8)]
    rows, out = [], []
    for n, d, k in shapes:
        for dtype in ("f8", "f4"):
            X = blobs(n, d, k).astype(dtype)
            options = {"tol": 0, "n_threads": run.threads, "random_state": 0,
                       "means_init": X[:k].astype(float), "weights_init": np.full(k, 1 / k)}
            whole = np.repeat(np.cov(X, rowvar=False)[None], k, axis=0)
            fits = {
                "t": lambda m: StudentTMixture(
                    k, scatters_init=whole, max_iter=m, **options).fit(X),
                "Gaussian": lambda m: GaussianMixture(
                    k, precisions_init=np.linalg.inv(whole), max_iter=m, **options).fit(X)}
            seconds, _ = run.iterations(fits)
            ratio = seconds["t"] / seconds["Gaussian"]
            out.append({"shape": [n, d, k], "dtype": dtype, "seconds": seconds, "ratio": ratio})
            rows.append([f"{n} x {d}, K={k} {X.dtype}", 1e3 * seconds["t"],
                         1e3 * seconds["Gaussian"], ratio])
    timing.table(["an iteration", "t ms", "Gaussian ms", "t / Gaussian (asked 1.5)"], rows)
    return out


R = """
suppressMessages(library(mclust))
folder <- commandArgs(TRUE)[1]; d <- as.integer(commandArgs(TRUE)[2])
n <- as.integer(commandArgs(TRUE)[3])
most <- as.integer(commandArgs(TRUE)[4]); rounds <- as.integer(commandArgs(TRUE)[5])
X <- matrix(readBin(file.path(folder, "X"), "double", n * d), n)
labels <- matrix(readBin(file.path(folder, "labels"), "integer", n * most), n)
for (model in commandArgs(TRUE)[-(1:5)]) for (k in 1:most) {
  z <- unmap(labels[, k] + 1L)
  best <- Inf
  for (turn in 1:rounds) {
    gc(FALSE)
    began <- Sys.time()     # system.time knows milliseconds, which is half of a fit
    fit <- me(data = X, modelName = model, z = z)
    best <- min(best, as.numeric(difftime(Sys.time(), began, units = "secs")))
  }
  cat(sprintf("%s %d %.6f %.10f %d\\n", model, k, best, fit$loglik,
              as.integer(attr(fit, "info")[[1]])))
}
"""


# of mclust, each of which takes nine seconds
TURNS = 2


def of_mclust(X, labels, rounds):
    """{(family, k): (seconds, log-likelihood, iterations)} of R's mclust, None without it."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        X.T.astype("<f8").tofile(Path(folder, "X"))
        labels.T.astype("<i4").tofile(Path(folder, "labels"))
        done = subprocess.run(
            ["Rscript", "-e", R, folder, str(X.shape[1]), str(len(X)), str(labels.shape[1]),
             str(rounds), *FAMILIES], capture_output=True, text=True)
    if done.returncode:
        print("  mclust left out: " + (done.stderr.strip().splitlines() or ["no reason given"])[-1])
        return None
    found = {}
    for line in done.stdout.splitlines():
        model, k, seconds, log_likelihood, n_iter = line.split()
        found[model, int(k)] = float(seconds), float(log_likelihood), int(n_iter)
    return found


def families(run):
    """All fourteen families and G = 1..6 from the partitions of K-means, beside mclust's me().

    Both start from the M-step of the partition; ours then takes as many iterations as mclust
    took to its own end, so that both do the same. Of both it is the shortest call in a process
    that is warm: of TURNS calls of mclust, and of ours of a fiftieth of a second in each round."""
    from emkernels import KMeans

    n, d, most = (300, 3, 2) if run.quick else (20_000, 8, 6)
    X = np.ascontiguousarray(blobs(n, d, 4))
    labels = np.column_stack([
        KMeans(k, random_state=0).fit(X).labels_ for k in range(1, most + 1)])
    theirs = of_mclust(X, labels, TURNS)
    if theirs is None:
        print("  mclust is not at hand (R with the package mclust): unmeasured")
        return {"mclust": None}
    rows, out, totals = [], [], np.zeros(2)
    for family in FAMILIES:
        own, other, apart = 0.0, 0.0, 0.0
        for k in range(1, most + 1):
            seconds, log_likelihood, n_iter = theirs[family, k]
            start = GaussianMixture(k, covariance_type=family, reg_covar=0, max_iter=0).fit(
                X, labels=labels[:, k - 1])
            fit = GaussianMixture(
                k, covariance_type=family, reg_covar=0, tol=0, max_iter=max(1, n_iter),
                n_threads=run.threads, weights_init=start.weights_, means_init=start.means_,
                precisions_init=start.precisions_).fit
            best, fitted = timing.alternate(
                {"ours": partial(fit, X)}, run.rounds, run.least / 10)
            own, other = own + best["ours"], other + seconds
            ours = fitted["ours"].lower_bound_ * n      # of the last E-step, as theirs
            apart = max(apart, abs(ours - log_likelihood) / abs(log_likelihood))
            out.append({"family": family, "k": k, "seconds": [best["ours"], seconds],
                        "n_iter": n_iter, "log_likelihood": [ours, log_likelihood]})
        totals += own, other
        rows.append([family, own, other, other / own, f"{apart:.0e}"])
    print(f"  the shortest of {TURNS} calls of mclust; of ours, of {run.rounds} rounds of "
          f"{run.least / 10:.2g} s")
    rows.append(["all", *totals, totals[1] / totals[0], ""])
    timing.table([f"{n} x {d}, G=1..{most}", "emkernels s", "mclust", "x mclust (asked 30)",
                  "log-likelihoods apart"], rows)
    return {"rows": out, "seconds": totals.tolist(), "ratio": totals[1] / totals[0]}


def section_latent(run):
    """Factor analysis, Student t, mclust's families, factor mixtures, classes, hidden Markov."""
    from _discrete import discrete
    from _factor_mixture import mixtures_of_factors

    return json.loads(json.dumps({
        "factors": factors(run), "student": student(run), "families": families(run),
        "factor_mixtures": mixtures_of_factors(run)}, default=float)) | discrete(run)
