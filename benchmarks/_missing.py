"""Sections of compare.py about missing values."""

import time
import warnings

import _timing as timing
import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from emkernels import GaussianImputer, kernels
from emkernels.kernels.passes import em_pass, incomplete_pass


def knocked_out(X, share, seed=0):
    """A copy with a share of the cells missing, completely at random."""
    out = X.copy()
    out[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return out


def correlated(n, d, seed=0):
    """Rows of a few common factors and noise, all columns correlated."""
    rng = np.random.default_rng(seed)
    rank = max(2, d // 5)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)) + 0.5 * rng.normal(size=(n, d))


def ill_conditioned(n, d, seed=0):
    """Rows mixed by a square random matrix."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d))


def model(X, k, seed=0):
    """A mixture of overlapping components near the rows: what a pass over them reads."""
    rng = np.random.default_rng(seed)
    means = np.asarray(X[rng.choice(len(X), k, replace=False)], np.float64)
    factor = np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(X, rowvar=False)))).T
    return np.full(k, 1 / k), means, np.repeat(factor[None], k, axis=0)


def passes(X, Y, k, run):
    """Seconds of a complete pass over X and of one over Y, which misses values of X."""
    weights, means, factors = model(X, k)
    patterns = kernels.missing_patterns(Y)
    tasks = {
        "complete": lambda: em_pass(
            X, weights, means, factors, "full", n_threads=run.threads),
        "incomplete": lambda: incomplete_pass(
            Y, weights, means, factors, "full", None, patterns, n_threads=run.threads),
    }
    best, _ = timing.alternate(tasks, run.rounds, run.least)
    return best, patterns


def section_missing(run):
    """An E-step with statistics of rows with missing cells against complete rows."""
    shapes = [(2000, 4, 2, 0.1)] if run.quick else [
        (2 * 10**5, 16, 16, 0.02), (2 * 10**5, 16, 16, 0.1), (2 * 10**5, 16, 16, 0.3),
        (10**6, 20, 1, 0.1), (2 * 10**4, 20, 1, 0.1), (5 * 10**4, 64, 8, 0.1),
        (2000, 200, 1, 0.1)]
    rows, out = [], []
    for n, d, k, share in shapes:
        for dtype in ("f8", "f4"):
            rng = np.random.default_rng(0)
            means = rng.normal(size=(k, d))
            X = (means[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(dtype)
            best, patterns = passes(X, knocked_out(X, share), k, run)
            quotient = best["incomplete"] / best["complete"]
            out.append({"shape": [n, d, k], "share": share, "dtype": dtype, "seconds": best,
                        "n_patterns": patterns.n_patterns, "ratio": quotient})
            rows.append([f"{n:g} x {d}, K={k} {X.dtype}", 100 * share, patterns.n_patterns,
                         1e3 * best["complete"], 1e3 * best["incomplete"], quotient])
    timing.table(["shape", "% missing", "patterns", "complete ms", "incomplete ms", "ratio"], rows)
    print("  asked: at most 3 at 2e5 x 16, K=16, 10 %, float64")
    return {"rows": out}


def section_patterns(run):
    """What a pattern costs, by its missing cells, the columns and the number of patterns."""
    n, grid = 65536, [
        (16, (1, 2, 4, 8, 12)), (64, (1, 4, 16, 32, 56)), (256, (4, 16, 64, 128, 240)),
    ]
    if run.quick:
        n, grid = 512, [(8, (1, 4))]
    rows, out = [], []
    for d, missing in grid:
        count = max(512, n * 16 // d)
        X = correlated(count, d)
        for m in missing:
            for n_patterns in (1, 8, 64, 512):
                if n_patterns > count // 32:
                    continue
                rng = np.random.default_rng(m)
                masks = np.zeros((n_patterns, d), bool)
                for mask in masks:
                    mask[rng.choice(d, m, replace=False)] = True
                Y = np.where(masks[np.arange(count) * n_patterns // count], np.nan, X)
                best, patterns = passes(X, Y, 1, run)
                extra = (best["incomplete"] - best["complete"]) / patterns.n_patterns
                out.append({"rows": count, "columns": d, "missing": m,
                            "n_patterns": patterns.n_patterns, "seconds": best})
                rows.append([f"{count} x {d}", m, patterns.n_patterns, 1e3 * best["complete"],
                             1e3 * best["incomplete"], 1e6 * extra,
                             best["incomplete"] / best["complete"]])
    timing.table(["shape", "|m|", "patterns", "complete ms", "incomplete ms",
                  "extra us a pattern", "ratio"], rows)
    return {"rows": out}


def error(filled, truth, missing):
    scale = truth.std(axis=0)
    return float(np.sqrt(np.mean((((filled - truth) / scale)[missing]) ** 2)))


def timed_fit(rounds, **options):
    best, fitted = np.inf, None
    Y = options.pop("Y")
    for _ in range(rounds):
        start = time.perf_counter()
        fitted = GaussianImputer(**options).fit(Y)
        best = min(best, time.perf_counter() - start)
    return best, fitted


# in a process of its own, where no freed memory is there to be used again
LARGE = """
import json, time
import numpy as np
import _timing as timing
from emkernels import GaussianImputer
n, threads = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
mixing = rng.normal(size=(4, 20))
X = np.empty((n, 20))
for first in range(0, n, 4096):
    rows = X[first:first + 4096]
    rows[:] = rng.normal(size=(len(rows), 4)) @ mixing + 0.5 * rng.normal(size=rows.shape)
    rows[rng.random(rows.shape) < 0.1] = np.nan
GaussianImputer(n_threads=threads).fit(X[:1000])
with timing.PeakMemory() as memory:
    start = time.perf_counter()
    fitted = GaussianImputer(n_threads=threads).fit(X)
    seconds = time.perf_counter() - start
print(json.dumps({"n": n, "seconds": seconds, "n_iter": fitted.n_iter_,
                  "memory": memory.extra / X.nbytes}))
"""


def section_imputers(run):
    """GaussianImputer: against IterativeImputer, large and wide tables, ill-conditioned ones."""
    out = {}
    n, d = (500, 5) if run.quick else (20_000, 20)
    X = correlated(n, d)
    Y = knocked_out(X, 0.1)
    missing = np.isnan(Y)
    tasks = {
        "GaussianImputer": lambda: GaussianImputer(
            tol=1e-6, n_threads=run.threads).fit_transform(Y),
        "IterativeImputer": lambda: quietly(
            IterativeImputer(max_iter=10, random_state=0).fit_transform, Y),
    }
    best, filled = timing.alternate(tasks, run.rounds, 1e-3)
    rows = [[name, best[name], error(filled[name], X, missing)] for name in tasks]
    means = np.where(missing, np.nanmean(Y, axis=0), Y)
    rows.append(["column means", None, error(means, X, missing)])
    print(f"  {n} x {d}, 10 % missing, fit and transform; IterativeImputer(max_iter=10)")
    timing.table(["", "seconds", "error in standard deviations"], rows)
    out["iterative"] = {
        "seconds": best, "ratio": best["IterativeImputer"] / best["GaussianImputer"]}
    print(f"  {out['iterative']['ratio']:.3g} times faster (asked 20)")

    out["large"] = large = min((timing.child(LARGE, 20_000 if run.quick else 10**6, run.threads)
                                for _ in range(run.rounds)), key=lambda one: one["seconds"])
    print(f"  {large['n']:g} x 20: fitted in {large['seconds']:.3g} s, {large['n_iter']} passes, "
          f"{100 * large['memory']:.3g} % of X in memory besides X (asked: 30)")

    X = knocked_out(correlated(200 if run.quick else 2000, 20 if run.quick else 200), 0.1)
    seconds, fitted = timed_fit(run.rounds, Y=X, n_threads=run.threads)
    out["wide"] = {"seconds": seconds, "n_iter": fitted.n_iter_, "converged": fitted.converged_}
    print(f"  {X.shape[0]} x {X.shape[1]}: fitted in {seconds:.3g} s, {fitted.n_iter_} passes, "
          f"converged: {fitted.converged_} (asked: seconds)")

    X = knocked_out(correlated(5000, 10), 0.1)
    seconds, fitted = timed_fit(run.rounds * 5, Y=X, tol=1e-8, n_threads=run.threads)
    a = np.random.default_rng(0).normal(size=(1024, 1024))
    product, _ = timing.alternate({"product": lambda: a @ a}, 3)
    out["small"] = {"seconds": seconds, "product": product["product"]}
    print(f"  5000 x 10, to 1e-8: {1e3 * seconds:.3g} ms, {fitted.n_iter_} passes, "
          f"{seconds / product['product']:.3g} times a 1024 x 1024 matrix product of "
          f"{1e3 * product['product']:.3g} ms (asked: under 10 to 12 ms)")

    X = knocked_out(ill_conditioned(*((200, 8) if run.quick else (2000, 50))), 0.06)
    seconds, fitted = timed_fit(run.rounds, Y=X, n_threads=run.threads)
    best = GaussianImputer(tol=1e-10, max_iter=100_000, n_threads=run.threads).fit(X)
    short = best.log_likelihood_ - fitted.log_likelihood_
    out["ill"] = {"seconds": seconds, "short": short, "n_iter": fitted.n_iter_}
    print(f"  {X.shape[0]} x {X.shape[1]} ill-conditioned, 6 % missing: {seconds:.3g} s, "
          f"{fitted.n_iter_} passes, log-likelihood {short:.2g} below the maximum of "
          f"{best.log_likelihood_:.6f} (asked: within 1e-6, under 2 s)")
    return out


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)
