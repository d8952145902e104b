"""Rows against time, and what a fit would take of more rows on more cores than there are here.

    python benchmarks/_scale.py                     # up to 1e8 rows, some minutes
    python benchmarks/_scale.py --largest 1e6 --task-ms 0.5

The rows are made block by block by counter-based random numbers, the same in every pass, so no
file is read and nothing is kept. The second table is made of measured parts: seconds of a row on
one core, of a merge, and of the scheduler's work on a task (`--task-ms`, from the section dask of
compare.py).
"""

import argparse
import json
import math
import sys
import time

import _timing as timing
import numpy as np
from benchmarks._cases import blob_means

from emkernels import GaussianMixture, SufficientStatistics
from emkernels.em.progress import watching

D, K, BLOCK = 16, 32, 100_000
ARITY = 16
LEAST_TASK = 1.0        # seconds of work that a task should have
CORES = (10, 100, 1000)


class Generated:
    """Blocks of rows about K means: block i is a function of i alone."""

    def __init__(self, n_rows):
        self.n_rows, self.seconds = n_rows, 0.0
        self.means = blob_means(D, K, 2.0)

    def block(self, number, n):
        rng = np.random.Generator(np.random.Philox(key=7, counter=[0, 0, 0, number]))
        X = rng.standard_normal((n, D))
        X += self.means[rng.integers(K, size=n)]
        return X

    def __call__(self):
        for number, first in enumerate(range(0, self.n_rows, BLOCK)):
            began = time.perf_counter()
            X = self.block(number, min(BLOCK, self.n_rows - first))
            self.seconds += time.perf_counter() - began
            yield X


class Watch:
    """The longest pass of a fit, and how many there were."""

    def __init__(self):
        self.passes, self.began = [], time.perf_counter()

    def __call__(self, state):
        if state.ended:
            now = time.perf_counter()
            self.passes.append(now - self.began)
            self.began = now


def rows_against_time(largest, threads, iterations):
    """A fit of a few iterations for each number of rows."""
    out, table = [], []
    GaussianMixture(K, max_iter=1, tol=0.0, random_state=0, callback=lambda state: True,
                    n_threads=threads).fit_chunks(Generated(BLOCK))      # pools are there
    n_rows = 100_000
    while n_rows <= largest:
        source, watch = Generated(n_rows), Watch()
        before = timing.status_kib("RssAnon")
        began = time.perf_counter()
        with watching(watch), timing.PeakMemory() as memory:
            model = GaussianMixture(
                K, max_iter=iterations, tol=0.0, random_state=0, n_threads=threads,
                callback=lambda state: state.n_iter == iterations).fit_chunks(source)
        seconds = time.perf_counter() - began
        passes = len(watch.passes)
        one = float(np.median(watch.passes[-iterations:]))
        out.append({"rows": n_rows, "seconds": seconds, "passes": passes, "pass": one,
                    "making": source.seconds / passes, "grown": memory.extra,
                    "anonymous": (timing.status_kib("RssAnon") or 0) - (before or 0),
                    "iterations": model.n_iter_})
        table.append([f"{n_rows:,}", seconds, passes, one, source.seconds / passes,
                      n_rows / one / 1e6, memory.extra / 1e6])
        n_rows *= 10
    timing.table([f"rows x {D}, K={K}", "fit s", "passes", "a pass s", "of it making rows s",
                  "M rows/s", "grown MB"], table)
    return out


def parts():
    """Seconds of a row on one core, and of a merge; bytes of the statistics."""
    X = Generated(BLOCK).block(0, BLOCK)
    rng = np.random.default_rng(0)
    model = (np.full(K, 1 / K), blob_means(D, K, 2.0) + 0.1 * rng.normal(size=(K, D)),
             np.repeat(np.eye(D)[None], K, axis=0))
    row = timing.per_call(lambda: SufficientStatistics.from_data(X, *model, n_threads=1),
                          seconds=1.0) / BLOCK
    mine, other = (SufficientStatistics.from_data(X[:1000], *model) for _ in range(2))
    merge = timing.per_call(lambda: mine.merge(other))
    size = len(mine.to_bytes())
    print(f"  a row on one core {1e9 * row:.0f} ns ({1e-6 / row:.2f} M rows/s), a merge "
          f"{1e6 * merge:.0f} us, statistics {size:,} bytes")
    return {"row": row, "merge": merge, "bytes": size}


def pass_seconds(n_rows, cores, row, merge, task):
    """A pass by the model: seconds, and which part decides.

    Tasks have LEAST_TASK seconds of work, but there are enough of them for the cores; the
    scheduler handles one after the other while the cores work, so the longer of both counts. The
    sums go up a tree, sixteen at a time.
    """
    work = n_rows * row
    n_tasks = max(min(math.ceil(work / LEAST_TASK), math.ceil(n_rows / BLOCK)),
                  min(cores, math.ceil(n_rows / BLOCK)))
    levels = math.ceil(math.log(n_tasks, ARITY)) if n_tasks > 1 else 0
    computing, scheduling = math.ceil(n_tasks / cores) * work / n_tasks, n_tasks * task
    up = levels * ARITY * merge
    return {"seconds": max(computing, scheduling) + up, "computing": computing,
            "scheduling": scheduling, "merging": up, "tasks": n_tasks,
            "reads": n_rows * D * 8 / max(computing, scheduling)}


def model(found, task):
    """The table of the cost model."""
    rows, out = [], []
    for n_rows in (10**9, 10**10, 10**11, 10**12):
        for cores in CORES:
            cost = pass_seconds(n_rows, cores, found["row"], found["merge"], task)
            out.append({"rows": n_rows, "cores": cores, **cost})
            decides = "scheduler" if cost["scheduling"] > cost["computing"] else "computing"
            rows.append([f"{n_rows:.0e}", cores, cost["tasks"], cost["computing"],
                         cost["scheduling"], cost["merging"], cost["seconds"],
                         cost["reads"] / 1e9, decides])
    timing.table(["rows", "cores", "tasks", "computing s", "scheduler s", "merging s",
                  "a pass s", "reads GB/s", "decides"], rows)
    print(f"  a task costs the scheduler {1e3 * task:g} ms: it is the limit from "
          f"{LEAST_TASK / task:,.0f} cores on with tasks of {LEAST_TASK:g} s, from "
          f"{BLOCK * found['row'] / task:,.0f} cores with a task a block of {BLOCK:,} rows")
    return out


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--largest", type=float, default=1e8, help="rows")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--task-ms", type=float, default=0.5,
                        help="milliseconds of the scheduler for a task")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    found = parts()
    out = {"options": vars(options), "parts": found,
           "model": model(found, options.task_ms / 1e3),
           "rows": rows_against_time(options.largest, options.threads, options.iterations)}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(timing.finite(out), file, indent=1, default=float)
    return 0


if __name__ == "__main__":
    sys.exit(main())
