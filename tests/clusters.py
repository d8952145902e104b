"""A cluster of three workers, blocks that Dask reads, and fits of them here."""

import numpy as np
import pytest

from emkernels import GaussianMixture

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
from distributed import Client, LocalCluster  # noqa: E402

# what distributed itself does while processes come and go
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"),
              pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")]
OPTIONS = {"n_components": 2, "random_state": 0, "max_iter": 3, "tol": 0.0}
FITTED = ("weights_", "means_", "covariances_", "lower_bounds_")
IGNORED = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", name="client")
def cluster_of_three():
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0",
                      memory_limit=0) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module", name="blocks")
def blocks_of_a_table():
    """Blocks of several lengths, one of them empty, with NaN in some of them."""
    rng = np.random.default_rng(5)
    out = []
    for n in (40, 25, 0, *rng.integers(5, 40, size=15)):
        X = rng.normal(size=(n, 3)) + 4 * rng.integers(2, size=(n, 1))
        if len(out) % 3:
            X[rng.random(X.shape) < 0.2] = np.nan
        out.append(X)
    return out


@pytest.fixture(scope="module", name="weights")
def weights_of_blocks(blocks):
    rng = np.random.default_rng(6)
    return [rng.random(len(block)) for block in blocks]


def lazy(blocks, load=lambda block: block, known=True):
    """The blocks as a Dask array that reads each anew in a task."""
    parts = [da.from_delayed(dask.delayed(load, pure=False)(block), (np.nan, *block.shape[1:]),
                             dtype=block.dtype) for block in blocks]
    out = da.concatenate(parts, allow_unknown_chunksizes=True)
    if known:       # concatenate would leave empty blocks out
        out._chunks = tuple(map(len, blocks)), *out.chunks[1:]
    return out


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in FITTED)


def addresses_of_workers(client):
    """Sorted. (`client.scheduler_info` can be empty: what it returns is renewed without
    workers by a callback meanwhile.)"""
    return sorted(client.run(int))


def left_over(client):
    return client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))


def kept_of_blocks(client, forget=False):
    """By worker, the blocks of which it keeps something, and the bytes of that."""
    def look(dask_worker):      # workers need not import this file
        from emkernels.data import partitions
        runs = partitions._memories.get(dask_worker, {})
        out = {block: sum(thing.nbytes for _, thing in things.values())
               for memory in runs.values() for block, things in memory.kept.items()}
        if forget:
            runs.clear()
        return out

    return client.run(look)


@pytest.fixture(scope="module", name="expected")
def the_fit(blocks, weights):
    with pytest.warns():
        return GaussianMixture(**OPTIONS).fit_chunks(blocks, sample_weight=weights)
