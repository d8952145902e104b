"""The dask section of compare.py: efficiency, bytes and what the scheduler costs, on two workers.

``python _distributed.py`` runs it alone, ``--quick`` in tiny sizes.
"""

import multiprocessing
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import _timing as timing
import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from distributed.protocol.pickle import dumps

from emkernels import GaussianMixture, KMeans, distributed
from emkernels.data.work import Work

try:
    from dask_ml.cluster import KMeans as DaskMLKMeans
except Exception as error:      # not there, or made for other versions of dask and scikit-learn
    DaskMLKMeans, WHY = None, f"{type(error).__name__}: {error}"

WORKERS = 2
# Iterations before those that count: in the second rows are sorted by component.
SKIPPED = 2


def make(seed, n, d):
    """A block, made where it is asked for."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[rng.integers(2, size=n) == 1] += 3.0
    return X


def array_of(n_blocks, n, d):
    made = dask.delayed(make, pure=True)
    return da.concatenate([da.from_delayed(made(i, n, d), (n, d), dtype=float)
                           for i in range(n_blocks)])


def mixture(d, k, max_iter, callback=None):
    rng = np.random.default_rng(0)
    return GaussianMixture(
        k, max_iter=max_iter, tol=0.0, means_init=rng.standard_normal((k, d)) * 2,
        weights_init=np.full(k, 1 / k), precisions_init=np.tile(np.eye(d), (k, 1, 1)),
        n_threads=1, callback=callback)


def received(dask_worker):
    return dask_worker.transfer_incoming_bytes_total if hasattr(
        dask_worker, "transfer_incoming_bytes_total") else sum(
            each["total"] for each in dask_worker.transfer_incoming_log)


class Watched:
    """A fit on the cluster, watched: its tasks, and when its iterations ended."""

    def __init__(self, client):
        self.client, self.ends = client, []

    def __enter__(self):
        def begin():
            inside, of = [], Work.of

            def measured(self, blocks, **options):
                began, cpu = time.time(), time.thread_time()
                out = of(self, blocks, **options)
                cpu = time.thread_time() - cpu
                inside.append((began, time.time(), len(dumps(self)), len(dumps(out)), cpu))
                return out

            Work.of, Work.undo, Work.inside = measured, of, inside

        self.client.run(begin)
        return self

    def look(self, state):
        """The callback of the fit; the time that it takes itself is of no pass."""
        at = time.time()
        self.ends.append((at, self.client.run(received), time.time()))

    def __exit__(self, *_):
        def end():
            Work.of = Work.undo
            return Work.inside

        self.tasks = list(self.client.run(end).values())


def passes(client, X, d, k, n_passes):
    """The last passes over X, after the one in which labels of blocks are made: the median of
    times, the means of all else."""
    with Watched(client) as watched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distributed.fit(mixture(d, k, SKIPPED + 1 + n_passes, watched.look), X, client=client)
    (_, before, began), (ended, after, _) = watched.ends[SKIPPED], watched.ends[-1]
    times = [b[0] - a[2] for a, b in pairwise(watched.ends[SKIPPED:])]
    tasks = [[each for each in of_worker if began <= each[0] <= ended]
             for of_worker in watched.tasks]
    late = [each for of_worker in tasks for each in of_worker]
    busy = sum(each[1] - each[0] for each in late)
    return SimpleNamespace(
        seconds=float(np.median(times)), task=busy / len(late),
        cpu=float(np.mean([each[4] for each in late])),
        occupied=busy / (WORKERS * sum(times)),
        shares=" : ".join(str(round(len(of_worker) / n_passes, 1)) for of_worker in tasks),
        bytes=max(after[name] - before[name] for name in after) / n_passes,
        parameters=max(each[2] for each in late),
        statistics=float(np.median([each[3] for each in late])))


def without_dask(numbers, n, d, k, n_passes):
    """Seconds and CPU seconds of a block in the same passes of a process."""
    def blocks():
        for number in numbers:
            yield make(number, n, d)

    ends = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture(d, k, SKIPPED + 1 + n_passes, lambda state: ends.append(
            (time.perf_counter(), time.process_time()))).fit_chunks(blocks)
    return np.median(np.diff(ends[SKIPPED:], axis=0), axis=0) / len(numbers)


def efficiency(run, client):
    """Tasks of a second: how busy the workers are with statistics, and local CPU time; beside
    it what as many processes without Dask make of this machine."""
    n, d, k, n_blocks, n_passes = (500, 4, 3, 4, 2) if run.quick else (700_000, 16, 64, 16, 3)
    shares = np.array_split(np.arange(n_blocks // 4 * WORKERS), WORKERS)
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * WORKERS))     # all have begun
        _, cpu = pool.submit(without_dask, shares[0], n, d, k, n_passes).result()
        beside = [pool.submit(without_dask, share, n, d, k, n_passes) for share in shares]
        seconds, beside_cpu = np.mean([each.result() for each in beside], axis=0)
    cpu *= n_blocks
    found = passes(client, array_of(n_blocks, n, d), d, k, n_passes)
    plain, of_each = seconds * n_blocks / WORKERS, cpu / WORKERS
    return [[f"{n_blocks} x {n:g} x {d}, K={k}", found.task, found.cpu, found.seconds, cpu,
             of_each / found.seconds, found.occupied, found.shares, found.bytes / 1e3,
             found.parameters / 1e3, found.statistics / 1e3,
             (found.parameters + 3 * found.statistics) / 1e3],
            [f"{WORKERS} processes, no Dask", seconds, beside_cpu, plain, cpu, of_each / plain,
             *["-"] * 6]]


def overhead(run, client):
    """Blocks of few rows: what is left of a pass is what the scheduler and the graph cost."""
    rows = []
    for n_blocks in (20, 40) if run.quick else (20, 200, 1000):
        found = passes(client, array_of(n_blocks, 50, 16), 16, 32, 2 if run.quick else 3)
        rows.append([n_blocks, 1e3 * found.seconds, 1e3 * found.seconds / n_blocks,
                     found.bytes / 1e3, (found.parameters + 3 * found.statistics) / 1e3])
    return rows


def clusterings(run, client):
    """K-means from the same centres, beside that of dask-ml."""
    n, d, k, n_blocks = (500, 4, 3, 4) if run.quick else (200_000, 16, 32, 8)
    X = array_of(n_blocks, n, d)
    init = make(99, k, d)
    contenders = {"emkernels": lambda: distributed.fit(
        KMeans(k, init=init, n_init=1, max_iter=5, tol=0, n_threads=1), X)}
    if DaskMLKMeans is None:
        print(f"  dask-ml left out: {WHY}")
    else:
        contenders["dask-ml"] = lambda: DaskMLKMeans(k, init=init, max_iter=5, tol=0).fit(X)
    rows = []
    for name, fit in contenders.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.perf_counter()
            model = fit()
            rows.append([name, time.perf_counter() - began, model.n_iter_, model.inertia_])
    return rows


def section_dask(run):
    """Two worker processes of one thread: efficiency, bytes, the scheduler's cost, K-means."""
    out = {}
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0",
                      memory_limit=0) as cluster, Client(cluster) as client:
        out["efficiency"] = efficiency(run, client)
        timing.table(["blocks", "task s", "its CPU s", "pass s", "local CPU s", "efficiency",
                      "occupied", "tasks of each", "kB received", "parameters kB", "statistics kB",
                      "at most kB"], out["efficiency"])
        print("  efficiency: CPU time of the same work in one process over the time of two "
              "workers, asked 0.9, and without Dask what two processes beside each other can "
              "reach here; occupied: time in tasks over that of the workers, which says the "
              "same of a busy machine; received by the worker that receives most")
        out["overhead"] = overhead(run, client)
        timing.table(["blocks", "pass ms", "ms a block", "kB received", "at most kB"],
                     out["overhead"])
        out["kmeans"] = clusterings(run, client)
        timing.table(["K-means", "s", "iterations", "inertia"], out["kmeans"])
        print("  (inertia of dask-ml is a sum of distances, not of their squares)")
    return out


if __name__ == "__main__":
    section_dask(SimpleNamespace(quick="--quick" in sys.argv))
