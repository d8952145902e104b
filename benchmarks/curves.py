"""Curves against rows, columns, components and threads, kept for the page of the site.

    python benchmarks/curves.py                     # writes docs/benchmarks.json, minutes
    python benchmarks/curves.py --quick -o FILE     # tiny sizes: does it still run?

Quiet machine wanted. Contenders take turns and do the same: an EM iteration, full covariance, by
the difference of two iteration counts of whole fits from one start, results compared; and a whole
fit of K-means from the same centres. Exit code 1 where results differ.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import warnings
from pathlib import Path

import _timing as timing
import numpy as np
from _contenders import contenders, daal4py, differences, parity
from benchmarks._cases import blobs
from sklearn.cluster import KMeans as SklearnKMeans
from threadpoolctl import threadpool_limits

import emkernels
from emkernels import KMeans
from emkernels.kernels.passes import effective_n_threads

KEPT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.json"
PACKAGES = {"emkernels": "emkernels", "scikit-learn": "scikit-learn",
            "oneDAL": "scikit-learn-intelex", "NumPy": "numpy"}
# along what -> where, and the shape (rows, columns, K) of which one entry varies
SWEEPS = {
    "rows": ((2_000, 10_000, 50_000, 200_000, 1_000_000), (None, 8, 8)),
    "columns": ((2, 4, 8, 16, 32, 64), (20_000, None, 8)),
    "components": ((2, 4, 8, 16, 32, 64), (20_000, 8, None)),
    "threads": (None, (100_000, 16, 16)),
}
QUICK = {"rows": ((500, 1000), (None, 3, 3)), "columns": ((2, 3), (500, None, 3)),
         "components": ((2, 3), (500, 3, None)), "threads": (None, (500, 3, 3))}
MIXTURE, KMEANS = "mixture", "kmeans"


def processor():
    """The name of the processor, and what of it there is."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name}, {platform.system()} {platform.machine()}"


def places(along, at, shape, most):
    """(value, rows, columns, K, threads) of each point."""
    if along == "threads":
        counts = [n for n in (1, 2, 4, 8, 16, 32, 64) if n < most]
        return [(n, *shape, n) for n in [*counts, most]]
    return [(value, *(value if size is None else size for size in shape), most) for value in at]


def others(along, shape, most):
    n, d, k = shape
    said = {"rows": f"{n:,} rows" if n else "", "columns": f"{d} columns",
            "components": f"K = {k}", "threads": f"{most} thread{'s' if most > 1 else ''}"}
    return ", ".join(text for name, text in said.items() if name != along)


def an_iteration(n, d, k, threads, options):
    """name -> seconds of an EM iteration."""
    X = blobs(n, d, k)
    fits = contenders(X, k, "full", threads)
    with threadpool_limits(threads):
        limit = getattr(daal4py, "daalinit", None)
        if limit is not None:
            limit(threads)
        seconds, results = timing.per_iteration(fits, *options.iterations, options.rounds,
                                                options.least)
    parity(f"mixture {n} x {d}, K={k}", results, options.iterations[1])
    return seconds


def a_clustering(n, d, k, threads, options):
    """name -> seconds of a fit of K-means."""
    X = blobs(n, d, k)
    centres = X[np.random.default_rng(0).choice(n, k, replace=False)].copy()
    settings = {"init": centres, "n_init": 1, "max_iter": 100}
    tasks = {"emkernels": lambda: KMeans(k, n_threads=threads, **settings).fit(X),
             "scikit-learn": lambda: SklearnKMeans(k, **settings).fit(X)}
    with threadpool_limits(threads):
        seconds, results = timing.alternate(tasks, options.rounds, options.least)
    ours, theirs = (results[name].inertia_ for name in tasks)
    if not abs(ours - theirs) <= 1e-6 * theirs:
        differences.append((f"K-means {n} x {d}, K={k}", abs(ours - theirs) / theirs))
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=KEPT, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once")
    options = parser.parse_args()
    warnings.simplefilter("ignore")         # few iterations do not converge
    options.rounds, options.least = (1, 1e-9) if options.quick else (3, 0.1)
    options.iterations = (1, 2) if options.quick else (2, 8)
    most = effective_n_threads()
    kept = {"machine": f"{processor()}, {most} of {os.cpu_count()} processors",
            "processors": os.cpu_count(), "load_before": os.getloadavg()[0],
            "date": datetime.date.today().isoformat(), "rounds": options.rounds,
            "script": "python benchmarks/curves.py" + (" --quick" if options.quick else ""),
            "versions": {name: version(package) for name, package in PACKAGES.items()},
            "curves": {}}
    for task, measure in ((MIXTURE, an_iteration), (KMEANS, a_clustering)):
        sweeps = kept["curves"][task] = {}
        for along, (at, shape) in (QUICK if options.quick else SWEEPS).items():
            points = sweeps[along] = []
            for value, n, d, k, threads in places(along, at, shape, most):
                seconds = timing.finite(measure(n, d, k, threads, options))
                points.append({"at": value, "seconds": seconds,
                               "others": others(along, shape, most)})
                print(task, along, value, {k: timing.cell(s) for k, s in seconds.items()},
                      flush=True)
    options.output.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for what, how_much in differences:
        print(f"results differ: {what}: {how_much:.1e}", file=sys.stderr)
    return 1 if differences else 0


def version(package):
    try:
        return (emkernels.__version__ if package == "emkernels"
                else importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
