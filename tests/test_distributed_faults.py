"""Fits on a cluster that lose workers or have bad blocks, and lazy predictions."""

import gc
import os
import re
import signal
import time
from collections import Counter

import numpy as np
import pytest
from clusters import (  # noqa: F401
    IGNORED,
    OPTIONS,
    addresses_of_workers,
    blocks_of_a_table,
    cluster_of_three,
    da,
    dask,
    dd,
    kept_of_blocks,
    lazy,
    left_over,
    pd,
    pytestmark,
    same,
    the_fit,
    weights_of_blocks,
)
from distributed import Client

import emkernels
from emkernels import GaussianMixture, distributed
from emkernels.data.work import Machine
from emkernels.kernels import dispatch


@IGNORED
def test_a_worker_killed_in_mid_fit_changes_no_bit(client, blocks, weights, expected):
    pids = client.run(os.getpid)
    killed = []

    def kill(state):
        if state.n_iter == 2 and not killed:
            killed.append(next(pids[worker] for worker, kept in kept_of_blocks(client).items()
                               if kept))        # patterns of missing values
            os.kill(killed[0], signal.SIGKILL)

    model = distributed.fit(GaussianMixture(callback=kill, **OPTIONS), lazy(blocks),
                            sample_weight=lazy(weights))
    assert killed and same(model, expected)
    client.wait_for_workers(3, timeout=60)
    assert killed[0] not in client.run(os.getpid).values()
    assert left_over(client) == [] and not any(kept_of_blocks(client).values())


def test_a_poisoned_block_is_named_at_once(client, blocks, tmp_path):
    poisoned = [block.copy() for block in blocks]
    poisoned[3][4, 2] = np.inf
    times = tmp_path / "times"

    def load(block):
        if np.isinf(block).any():
            with open(times, "a") as file:
                file.write("once\n")
        return block

    model = GaussianMixture()
    with dask.annotate(retries=3), pytest.raises(
            ValueError, match="infinity, first at block 3, row 4, column 2"):
        distributed.fit(model, lazy(poisoned, load))
    assert times.read_text() == "once\n"
    assert not hasattr(model, "means_") and left_over(client) == []


def test_an_error_of_the_source_passes_through(client, blocks):
    def load(block):
        raise OverflowError("the tape is torn")

    with pytest.raises(OverflowError, match="the tape is torn"):
        distributed.fit(GaussianMixture(), lazy(blocks, load))
    assert left_over(client) == []


def test_other_widths_and_changes_are_named(client, blocks, tmp_path):
    odd = [*blocks[:2], np.zeros((3, 2)), *blocks[3:]]
    X = da.concatenate([da.from_delayed(dask.delayed(block), (len(block), 3), dtype=float)
                        for block in odd])
    with pytest.raises(ValueError, match="block 2 has 2 columns"):
        distributed.fit(GaussianMixture(), X)
    mark = tmp_path / "read"

    def load(block):
        if len(block) == 40:
            if mark.exists():
                return block + 1
            mark.touch()
        return block

    with pytest.raises(ValueError, match=r"source has changed: block 0 in pass 1"):
        distributed.fit(GaussianMixture(), lazy(blocks, load))
    assert left_over(client) == []


def test_blocks_in_the_memory_of_a_lost_worker_are_named(client, blocks):
    addresses = addresses_of_workers(client)
    held = [client.scatter(block, workers=[addresses[i % 3]]) for i, block in enumerate(blocks)]
    X = da.concatenate([da.from_delayed(block, (np.nan, 3), dtype=float) for block in held],
                       allow_unknown_chunksizes=True)
    pids, only = client.run(os.getpid), []

    def kill(state):        # (workers that have read a block of another keep a copy)
        holders = client.who_has(held)
        alone = Counter(holders[each.key][0] for each in held if len(holders[each.key]) == 1)
        victim = alone.most_common(1)[0][0]
        only.extend(i for i, each in enumerate(held) if holders[each.key] == (victim,))
        os.kill(pids[victim], signal.SIGKILL)

    with pytest.raises(RuntimeError) as caught:
        distributed.fit(GaussianMixture(callback=kill, **OPTIONS), X)
    # (copies of others may have been let go since)
    found = re.fullmatch(r"blocks? ([\d, ]+) (?:were|was) in the memory of a lost worker; give a "
                         "collection that can be computed again", str(caught.value))
    named = [int(number) for number in found[1].split(", ")]
    assert only and set(only) <= set(named) < set(range(len(blocks)))
    assert named == sorted(named)
    assert set(left_over(client)) <= {each.key for each in held}
    held.clear()
    del X, caught
    gc.collect()        # what the error had seen holds the futures of the blocks
    client.wait_for_workers(3, timeout=60)
    for _ in range(100):
        if not left_over(client):
            break
        time.sleep(0.05)
    assert left_over(client) == []


def test_workers_that_cannot_take_part_are_named(client, blocks):
    first, second = addresses_of_workers(client)[:2]

    def version(text):
        emkernels.__version__ = text

    client.run(version, "9.9", workers=[second])
    try:
        with pytest.raises(RuntimeError, match=f"worker {second} has emkernels 9.9, and the fit"):
            distributed.fit(GaussianMixture(), lazy(blocks))
    finally:
        client.run(version, emkernels.__version__, workers=[second])

    here = Machine("1", "little", "v4", ("v4", "v3", "baseline"))
    old = Machine("1", "little", "v3", ("v3", "baseline"))
    held_down = Machine("1", "little", "baseline", ("v4", "v3", "baseline"))
    assert here.level_with({"a": here}) == "v4" and here.level_with({"a": here, "b": old}) == "v3"
    assert here.level_with({"a": held_down}) == "baseline" == held_down.level_with({"a": here})
    with pytest.raises(RuntimeError, match="a cannot run the SIMD level 'v4'.* only v3, baseline"):
        here.check("a", old, "v4")
    with pytest.raises(RuntimeError, match="a is big-endian"):
        here.check("a", Machine("1", "big", "v3", ("v3",)))


@IGNORED
def test_the_level_of_the_fit_is_that_of_the_slowest(client, blocks):
    own = dispatch.simd_level()
    worker = addresses_of_workers(client)[0]
    client.run(dispatch.set_simd_level, "baseline", workers=[worker])
    try:
        model = distributed.fit(GaussianMixture(**OPTIONS), lazy(blocks[:4]))
    finally:
        client.run(dispatch.set_simd_level, own, workers=[worker])
    dispatch.set_simd_level("baseline")
    try:
        expected = GaussianMixture(**OPTIONS).fit_chunks(blocks[:4])
    finally:
        dispatch.set_simd_level(own)
    assert same(model, expected)


def test_who_calls_it_wrongly_hears_what_to_do(client, blocks, weights):
    X = lazy(blocks)
    with pytest.raises(TypeError, match="X must be a Dask array or data frame, got ndarray"):
        distributed.fit(GaussianMixture(), blocks[0])
    with pytest.raises(TypeError, match="got Delayed"):
        distributed.fit(GaussianMixture(), dask.delayed(blocks[0]))
    with pytest.raises(ValueError, match="chunk_rows"):
        GaussianMixture().fit_chunks(X, chunk_rows=10)
    with pytest.raises(ValueError, match=r"sample_weight must have the blocks of the rows: 17 b"):
        distributed.fit(GaussianMixture(), X, sample_weight=lazy(weights[1:]))
    with pytest.raises(TypeError, match="sample_weight must be a Dask array"):
        distributed.fit(GaussianMixture(), X, sample_weight=np.concatenate(weights))
    frame = dd.from_dask_array(X)
    with pytest.raises(TypeError, match="or the name of a column; got ndarray"):
        distributed.fit(GaussianMixture(), frame, sample_weight=np.concatenate(weights))
    with pytest.raises(ValueError, match="2-d array"):
        distributed.fit(GaussianMixture(), X[:, 0])
    with pytest.raises(ValueError, match="no block with a row"):
        distributed.fit(GaussianMixture(), lazy([np.zeros((0, 2))] * 3))
    with pytest.raises(ValueError, match="n_components"):
        distributed.fit(GaussianMixture(0), X)
    with pytest.raises(TypeError, match="client must be a distributed.Client, got str"):
        distributed.fit(GaussianMixture(), X, client="tcp://127.0.0.1:8786")
    with Client(client.cluster, set_as_default=False) as closed:
        pass
    with pytest.raises(ValueError, match="client is closed: make another one"):
        distributed.fit(GaussianMixture(), X, client=closed)
    assert left_over(client) == []


def test_without_a_client(monkeypatch, blocks):
    monkeypatch.setattr(Client, "current", classmethod(lambda cls: (_ for _ in ()).throw(
        ValueError("none"))))
    with pytest.raises(ValueError, match=r"no Dask client.*distributed.Client\(\)"):
        distributed.fit(GaussianMixture(), lazy(blocks))


# --- predictions ------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", ["predict", "predict_proba", "score_samples", "impute"])
def test_predictions_are_lazy_and_typed(blocks, name, known):
    X = np.concatenate(blocks)
    model = GaussianMixture(2, random_state=0, callback=lambda state: None).fit(X)
    lazily = getattr(distributed, name)(model, lazy(blocks, known=known))
    wanted = np.concatenate([getattr(model, name)(block) for block in blocks if len(block)])
    assert lazily.dtype == wanted.dtype and lazily.ndim == wanted.ndim
    assert lazily._meta.dtype == wanted.dtype and lazily.shape[1:] == wanted.shape[1:]
    assert (lazily.chunks[0] == tuple(map(len, blocks))) == known
    got = lazily.compute(scheduler="threads")
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(lazily.compute(scheduler="sync"), wanted)


def test_predictions_of_frames(client, blocks):
    table = pd.DataFrame(np.concatenate(blocks), columns=["a", "b", "c"])
    model = GaussianMixture(2, random_state=0).fit(table)
    frame = dd.from_pandas(table, npartitions=4)
    frame = dd.concat([frame, frame[frame["a"] > 1e9]])       # partitions without rows
    for name in ("predict", "predict_proba", "impute"):
        parts = [part.compute(scheduler="sync") for part in frame.partitions]
        wanted = np.concatenate([getattr(model, name)(part) for part in parts if len(part)])
        lazily = getattr(distributed, name)(model, frame)
        assert lazily.dtype == wanted.dtype and np.isnan(lazily.shape[0])
        np.testing.assert_array_equal(lazily.compute(), wanted)
    with pytest.raises(ValueError, match="feature names should match"):
        distributed.predict(model, frame[["a", "c", "b"]])
    with pytest.raises(ValueError, match="2 features"):
        distributed.predict(GaussianMixture().fit(table.to_numpy()), da.zeros((3, 2)))
    with pytest.raises(TypeError, match="has no transform"):
        distributed.transform(model, frame)


def test_the_model_travels_once(blocks):
    model = GaussianMixture(2, random_state=0).fit(np.concatenate(blocks))
    graph = dict(distributed.predict(model, lazy(blocks)).__dask_graph__())
    assert sum("model-" in str(key) for key in graph) == 1
    assert sum("means_" in str(vars(getattr(node, "value", node)) if hasattr(
        getattr(node, "value", None), "__dict__") else "") for node in graph.values()) <= 1
