"""Measure this machine: emkernels beside scikit-learn.

Mixtures, K-means and imputation on made-up data of a few sizes, both contenders in turn from the
same start, the shortest of the times of two to five rounds; under a minute. Close other programs
first.

examples:
  emkernels bench
  emkernels bench --threads 1

--json prints: command, emkernels, scikit_learn (versions), threads, rows (a list: task, data,
emkernels and scikit_learn in seconds, ratio, rounds, difference), ratio (the geometric mean),
warnings.
"""

import math
import warnings
from functools import partial

import numpy as np

import emkernels
from emkernels._extras import optional
from emkernels.cli import _options as options_of
from emkernels.cli._timing import duration, rounds_said, take_turns, times
from emkernels.kernels.dispatch import simd_level
from emkernels.kernels.threads import effective_n_threads

PACKAGES = ("rich",)
ITERATIONS = 10
# seconds for the rounds of one task
BUDGET = 4.0
MIXTURES = ((50_000, 4, 8, "full"), (20_000, 16, 16, "full"), (50_000, 8, 16, "diag"))
CLUSTERS = ((100_000, 8, 16), (20_000, 32, 64))
IMPUTED = ((3_000, 10),)


def add_arguments(parser):
    options_of.add_common(parser)


def run(options, console):
    """Time every task and print the table."""
    rng = np.random.default_rng(options.seed)
    tasks = [*(_mixture(rng, options.threads, *shape) for shape in MIXTURES),
             *(_kmeans(rng, options.threads, *shape) for shape in CLUSTERS),
             *(_imputation(rng, options.threads, *shape) for shape in IMPUTED)]
    rows = []
    with console.progress("measuring", total=len(tasks)) as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")     # iterations are limited on purpose
        for task, data, contenders, differ in tasks:
            bar.rename(f"measuring {task}, {data}")
            seconds, results, n_rounds = take_turns(contenders, BUDGET)
            rows.append({"task": task, "data": data, "emkernels": seconds[0],
                         "scikit_learn": seconds[1], "ratio": seconds[1] / seconds[0],
                         "rounds": n_rounds, "difference": differ(*results)})
            bar.step()
    ratio = math.exp(np.mean(np.log([row["ratio"] for row in rows])))
    version, threads = optional("sklearn", "bench", "cli").__version__, _threads(options.threads)
    console.say(f"emkernels {emkernels.__version__} ({simd_level()}, threads: {threads}) "
                f"beside scikit-learn {version}")
    console.say()
    console.table(
        ["task", "data", "emkernels", "scikit-learn", "ratio", "difference"],
        [[row["task"], row["data"], duration(row["emkernels"]), duration(row["scikit_learn"]),
          times(row["ratio"]), f"{row['difference']:.0e}"] for row in rows], left=(0, 1))
    console.say()
    console.say(f"Times: the shortest of {rounds_said([row['rounds'] for row in rows])} in turn; "
                f"{times(ratio)} as fast in the geometric mean. The difference is that of the "
                "log-likelihood of a row, of the inertia (relative), of the filled-in values "
                "(root mean square, in standard deviations).")
    return {"emkernels": emkernels.__version__, "scikit_learn": version, "threads": threads,
            "rows": rows, "ratio": ratio}


def _threads(n_threads):
    return "all" if n_threads == -1 else n_threads or effective_n_threads()


def _blobs(rng, n, d, k):
    return 4 * rng.normal(size=(k, d))[rng.integers(k, size=n)] + rng.normal(size=(n, d))


def _mixture(rng, n_threads, n, d, k, covariance_type):
    """Ten iterations of EM from given means."""
    peer = optional("sklearn.mixture", "bench", "cli").GaussianMixture
    X = _blobs(rng, n, d, k)
    shape = emkernels.SufficientStatistics.zeros(covariance_type, X[:k]).second.shape
    precisions = np.broadcast_to(np.eye(d) if len(shape) == 3 else np.ones(d), shape).copy()
    parameters = {
        "covariance_type": covariance_type, "max_iter": ITERATIONS, "tol": 0.0,
        "weights_init": np.full(k, 1 / k), "means_init": X[:k], "precisions_init": precisions}
    ours = emkernels.GaussianMixture(k, n_threads=n_threads, **parameters)
    theirs = peer(k, **parameters)
    return (f"mixture, {covariance_type}, {ITERATIONS} iterations", f"{n} x {d}, {k} components",
            [partial(ours.fit, X), partial(theirs.fit, X)],
            lambda a, b: abs(a.lower_bound_ - b.lower_bound_))


def _kmeans(rng, n_threads, n, d, k):
    """K-means until it has converged."""
    peer = optional("sklearn.cluster", "bench", "cli").KMeans
    X = _blobs(rng, n, d, k)
    start = X[:k].copy()
    ours = emkernels.KMeans(k, init=start, n_init=1, n_threads=n_threads)
    return ("K-means", f"{n} x {d}, {k} clusters",
            [partial(ours.fit, X), partial(peer(k, init=start, n_init=1).fit, X)],
            lambda a, b: abs(a.inertia_ - b.inertia_) / b.inertia_)


def _imputation(rng, n_threads, n, d):
    """A tenth of the values of correlated columns filled in."""
    optional("sklearn.experimental.enable_iterative_imputer", "bench", "cli")
    peer = optional("sklearn.impute", "bench", "cli").IterativeImputer
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    gaps = rng.random(X.shape) < 0.1
    scale = np.broadcast_to(X.std(axis=0), X.shape)
    X[gaps] = np.nan
    ours, theirs = emkernels.GaussianImputer(n_threads=n_threads), peer(random_state=0)
    return ("imputation", f"{n} x {d}, 10 % missing",
            [partial(ours.fit_transform, X), partial(theirs.fit_transform, X)],
            lambda a, b: float(np.sqrt(np.mean(((a - b)[gaps] / scale[gaps]) ** 2))))
