"""The dask section of compare.py: efficiency, bytes and what the scheduler costs, on two workers.

``python _distributed.py`` runs it alone, ``--quick`` in tiny sizes.
"""

import sys
import time
import warnings
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
    """Times and CPU of the work on blocks in the workers."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        def begin():
            inside, of = [], Work.of

            def measured(self, blocks, **options):
                began = time.perf_counter(), time.thread_time()
                out = of(self, blocks, **options)
                inside.append((time.perf_counter() - began[0], time.thread_time() - began[1],
                               len(dumps(self)), len(dumps(out))))
                return out

            Work.of, Work.undo, Work.inside = measured, of, inside

        self.client.run(begin)
        self.bytes = self.client.run(received)
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        def end():
            Work.of = Work.undo
            return Work.inside

        self.seconds = time.perf_counter() - self.began
        self.tasks = [each for found in self.client.run(end).values() for each in found]
        after = self.client.run(received)
        self.bytes = {name: after[name] - self.bytes[name] for name in after}


def passes(client, X, d, k, n_passes):
    """A pass of X: the means over several of what was seen, the median of times."""
    def run(max_iter):
        ends = []
        with Watched(client) as watched, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            distributed.fit(mixture(d, k, max_iter, lambda state: ends.append(
                time.perf_counter())), X, client=client)
        watched.times = np.diff(ends)
        return watched

    few, many = run(2), run(2 + n_passes)
    seconds = float(np.median(many.times[1:]))
    late = many.tasks[len(few.tasks):]
    cpu = (sum(each[1] for each in many.tasks) - sum(each[1] for each in few.tasks)) / n_passes
    return SimpleNamespace(
        seconds=seconds, cpu=cpu, task=np.mean([each[0] for each in late]),
        occupied=sum(each[0] for each in late) / n_passes / (WORKERS * np.mean(many.times[1:])),
        bytes=max(many.bytes[name] - few.bytes[name] for name in many.bytes) / n_passes,
        parameters=max(each[2] for each in many.tasks),
        statistics=float(np.median([each[3] for each in late])))


def efficiency(run, client):
    """Tasks of a second: how busy the workers are with statistics, and local CPU time."""
    n, d, k, n_blocks, n_passes = (500, 4, 3, 4, 2) if run.quick else (300_000, 16, 64, 16, 3)
    X = array_of(n_blocks, n, d)
    found = passes(client, X, d, k, n_passes)
    began = time.process_time()
    blocks = [make(i, n, d) for i in range(1)]
    made = time.process_time() - began
    local = {}
    for i in (2, 2 + n_passes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.process_time()
            mixture(d, k, i).fit_chunks(blocks)
            local[i] = time.process_time() - began
    cpu = n_blocks * ((local[2 + n_passes] - local[2]) / n_passes + made)
    return [[f"{n_blocks} x {n:g} x {d}, K={k}", found.task, found.seconds, cpu,
             cpu / (WORKERS * found.seconds), found.occupied,
             found.bytes / 1e3, found.parameters / 1e3, found.statistics / 1e3,
             (found.parameters + 3 * found.statistics) / 1e3]]


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
        timing.table(["blocks", "task s", "pass s", "local CPU s", "efficiency", "occupied",
                      "kB received", "parameters kB", "statistics kB", "at most kB"],
                     out["efficiency"])
        print("  efficiency: CPU time of the same work in this process over the time of two "
              "workers, asked 0.9; occupied: time in tasks over that of the workers, which says "
              "the same of a busy machine; received by the worker that receives most")
        out["overhead"] = overhead(run, client)
        timing.table(["blocks", "pass ms", "ms a block", "kB received", "at most kB"],
                     out["overhead"])
        out["kmeans"] = clusterings(run, client)
        timing.table(["K-means", "s", "iterations", "inertia"], out["kmeans"])
        print("  (inertia of dask-ml is a sum of distances, not of their squares)")
    return out


if __name__ == "__main__":
    section_dask(SimpleNamespace(quick="--quick" in sys.argv))
