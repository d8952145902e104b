"""Fits on a cluster: the bits of the same blocks here."""

import doctest
import os
import threading

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
from sklearn.base import clone

from emkernels import (
    FactorAnalysis,
    GaussianHMM,
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    LatentClassAnalysis,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
    distributed,
)
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.data import journal, partitions
from emkernels.data.partitions import Partitions, register_size
from emkernels.em.tree import Tree


@IGNORED
@pytest.mark.parametrize("model", [
    KMeans(2, random_state=0), GaussianImputer(random_state=0, max_iter=3),
    GaussianMixtureImputer(2, random_state=0, max_iter=2),
    StudentTMixture(2, random_state=0, max_iter=2), FactorAnalysis(1, max_iter=2),
    MixtureOfFactorAnalyzers(2, 1, random_state=0, max_iter=2),
    LatentClassAnalysis(2, random_state=0, max_iter=2, n_init=2),
    GaussianHMM(2, random_state=0, max_iter=2)], ids=lambda model: type(model).__name__)
def test_every_model_has_the_bits_of_its_blocks_here(client, blocks, model):
    used = [np.nan_to_num(block) for block in blocks[:5]] if isinstance(
        model, KMeans) else blocks[:5]
    if isinstance(model, LatentClassAnalysis):
        used = [np.clip(np.round(block), 0, 2) for block in used]
    here = clone(model).fit_chunks(used)
    there = distributed.fit(clone(model), lazy(used))
    attributes = {name for name in vars(here) if name.endswith("_")}
    assert attributes == {name for name in vars(there) if name.endswith("_")}
    for name in attributes:
        a, b = (np.asarray(getattr(each, name)) for each in (here, there))
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert left_over(client) == []


@IGNORED
def test_a_checkpoint_of_a_cluster_goes_on_here(client, blocks, weights, expected, tmp_path):
    """And the other way round: the file does not know where the blocks were."""
    path, model = tmp_path / "fit.em", GaussianMixture(**OPTIONS)

    def stop(state):
        if state.n_iter == 2:
            raise OSError("the line is cut")

    with pytest.raises(OSError, match="the line is cut"):
        GaussianMixture(callback=stop, **OPTIONS).fit_chunks(
            lazy(blocks), sample_weight=lazy(weights), checkpoint=path)
    assert same(model.fit_chunks(blocks, sample_weight=weights, checkpoint=path, resume=True),
                expected)
    assert same(clone(model).fit_chunks(lazy(blocks), sample_weight=lazy(weights),
                                        checkpoint=path, resume=True), expected)


@IGNORED
@pytest.mark.parametrize("n_blocks, arity, groups, rate, left", [
    (18, 16, 10, 5.0, 17), (30, 3, 10, 0.0, 29), (30, 3, 1, 0.0, 27), (60, 3, 1, 40.0, 57)])
def test_a_long_pass_goes_on_where_it_was_left(
        client, n_blocks, arity, groups, rate, left, tmp_path, monkeypatch):
    """With a checkpoint it is several graphs, and those that ended are not made again."""
    rng = np.random.default_rng(8)
    blocks = [rng.normal(size=(int(n), 2)) + rng.integers(2) * 3
              for n in rng.integers(3, 8, size=n_blocks)]
    monkeypatch.setattr(Tree, "ARITY", arity)       # (tasks are of one group, on workers)
    monkeypatch.setattr(partitions, "GROUPS_A_THREAD", groups)
    graphs, plain, path = [], Partitions._computed, tmp_path / "fit.em"

    def computed(self, work, places, level=None):
        if work.function is not None:
            graphs.append((self.n_passes, places[0].number, len(places)))
            if graphs[-1] == stop:
                raise OSError("the line is cut")
        return plain(self, work, places, level)

    expected, stop = GaussianMixture(**OPTIONS).fit_chunks(blocks), None
    for name, value in (("PART", 0.0), ("SHARE", 0.0)):
        monkeypatch.setattr(journal, name, value)
    monkeypatch.setattr(partitions, "PORTION", 1.0)
    monkeypatch.setattr(Partitions, "rate", property(lambda _: rate, lambda *_: None),
                        raising=False)
    monkeypatch.setattr(Partitions, "_computed", computed)
    assert same(GaussianMixture(**OPTIONS).fit_chunks(lazy(blocks), checkpoint=path), expected)
    of_all = [each for each in graphs if each[0] == graphs[-1][0]]
    assert len(of_all) > 1 and sum(n for *_, n in of_all) == n_blocks
    path.unlink()
    stop, graphs[:] = of_all[-1], []
    with pytest.raises(OSError, match="the line is cut"):
        GaussianMixture(**OPTIONS).fit_chunks(lazy(blocks), checkpoint=path)
    stop, last, graphs[:] = None, graphs[-1], []
    for source in (lazy(blocks), blocks):
        resumed = GaussianMixture(**OPTIONS).fit_chunks(source, checkpoint=path, resume=True)
        assert same(resumed, expected)
        assert graphs == [last]
    # one that was left elsewhere, at any block
    path.unlink()

    class Left(Exception):
        pass

    def source():
        nonlocal n_passes
        n_passes += 1
        for number, block in enumerate(blocks):
            if (n_passes, number) == (of_all[0][0] + 1, n_blocks - 1):
                raise Left
            yield block

    n_passes = 0
    with pytest.raises(Left):
        GaussianMixture(**OPTIONS).fit_chunks(source, checkpoint=path)
    graphs[:] = []
    resumed = GaussianMixture(**OPTIONS).fit_chunks(lazy(blocks), checkpoint=path, resume=True)
    assert same(resumed, expected)
    assert [each[:2] for each in graphs] == [(last[0], left)]


@IGNORED
@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_bits_of_fit_chunks_on_any_number_of_workers(
        client, blocks, weights, expected, n_workers):
    addresses = addresses_of_workers(client)[:n_workers]
    with dask.annotate(workers=addresses):
        model = distributed.fit(GaussianMixture(**OPTIONS), lazy(blocks),
                                sample_weight=lazy(weights), client=client)
    assert same(model, expected)
    assert (model.n_blocks_, model.n_rows_) == (len(blocks), sum(map(len, blocks)))
    assert left_over(client) == []


@IGNORED
def test_lengths_and_columns_apart(client, blocks, weights, expected):
    """Unknown lengths; columns in chunks of their own, which are joined."""
    X = lazy(blocks, known=False)
    X = da.concatenate([X[:, :2], X[:, 2:]], axis=1, allow_unknown_chunksizes=True)
    X = da.concatenate([X, X[:, :1]], axis=1, allow_unknown_chunksizes=True)
    model = GaussianMixture(**OPTIONS).fit_chunks(
        X, sample_weight=lazy(weights, known=False), columns=[0, 1, 2])
    assert same(model, expected)


@IGNORED
def test_groups_in_a_task(client, blocks, weights, expected, monkeypatch):
    """Sixteen blocks read by a task one after the other give the bits of a task a block."""
    monkeypatch.setattr("emkernels.data.partitions.GROUPS_A_THREAD", 0)
    made = []
    inside = Partitions._graph

    def graph(self, *arguments):
        made.append(inside(self, *arguments))
        return made[-1]

    monkeypatch.setattr(Partitions, "_graph", graph)
    model = GaussianMixture(**OPTIONS).fit_chunks(lazy(blocks), sample_weight=lazy(weights))
    assert same(model, expected)
    # parameters, two groups, their sum on the way and whole
    assert {len(graph) for graph, _ in made} == {5}


def test_workers_are_asked_for_even_shares(client):
    """The same blocks of the same workers in every pass, neighbours together."""
    workers, made, inside = sorted(client.nthreads()), [], Partitions._graph

    class Watched(Partitions):
        def _graph(self, *arguments):
            graph, key = inside(self, *arguments)
            layer, = graph.layers.values()
            made.append({key[1]: layer.annotations["workers"](key) for key in layer.mapping
                         if key[0].startswith("statistics-")})
            assert layer.annotations["allow_other_workers"]
            return graph, key

    with client.as_current(), Watched(da.zeros((24, 2), chunks=(2, 2))) as source:
        source.ranges()
    assert len(made) == 2 and made[0] == made[1]
    assert [made[0][i] for i in range(12)] == [worker for worker in workers for _ in range(4)]


@IGNORED
def test_frames(client, blocks, weights, expected):
    """A partition is a block; weights are a column; names are kept."""
    tables = [pd.DataFrame(block, columns=["a", "b", "c"]).assign(w=weight)
              for block, weight in zip(blocks, weights)]
    frame = dd.from_delayed([dask.delayed(table) for table in tables], meta=tables[0])
    model = distributed.fit(GaussianMixture(**OPTIONS), frame, sample_weight="w")
    assert same(model, expected)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    tables = frame.partitions[:3]
    assert same(GaussianMixture(**OPTIONS).fit_chunks(
        tables, columns=["a", "b", "c"], sample_weight=tables["w"]),
        GaussianMixture(**OPTIONS).fit_chunks(blocks[:3], sample_weight=weights[:3]))
    with pytest.raises(ValueError, match="no column 'v'"):
        distributed.fit(GaussianMixture(), frame, sample_weight="v")
    with pytest.raises(ValueError, match="no column 'v'"):
        GaussianMixture().fit_chunks(frame, columns=["v"])
    # as of a table in memory
    for columns, text in (([99], "no column 99"), ([-1], "no column -1"),
                          (["a", "a"], "'a' is there twice"), (["a", "w"], "is sample_weight")):
        with pytest.raises(ValueError, match=text):
            GaussianMixture().fit_chunks(frame, columns=columns, sample_weight="w")
    for columns, text in (([0, 9], "no column 9"), ([0, -1], "at least 0"), ([1, 1], "twice")):
        with pytest.raises(ValueError, match=text):
            GaussianMixture().fit_chunks(lazy(blocks), columns=columns)
    assert left_over(client) == []


@pytest.fixture(scope="module")
def separated():
    """Blocks of rows that are visited by component, a mixture from their centres, and its fit."""
    rng = np.random.default_rng(3)
    centres = 8 * rng.normal(size=(6, 9))
    parts = [rng.normal(size=(200, 9)) + centres[rng.integers(6, size=200)] for _ in range(6)]
    model = GaussianMixture(6, max_iter=6, tol=0.0, means_init=centres,
                            weights_init=np.full(6, 1 / 6),
                            precisions_init=np.tile(np.eye(9), (6, 1, 1)))
    with pytest.warns():
        return parts, model, clone(model).fit_chunks(parts)


@IGNORED
def test_workers_keep_labels_of_blocks_as_long_as_the_fit(client, separated):
    """Who has lost the labels makes the same again."""
    parts, model, expected = separated
    seen = []

    def look(state):
        seen.append(kept_of_blocks(client, forget=state.n_iter == 4))

    assert same(distributed.fit(clone(model).set_params(callback=look), lazy(parts)), expected)
    assert not any(seen[0].values())
    for found in seen[2:]:
        assert set().union(*found.values()) == set(range(6))
        assert {n for of_worker in found.values() for n in of_worker.values()} == {200}
    assert not any(kept_of_blocks(client).values())


@IGNORED
def test_workers_keep_little_of_their_memory(client, separated):
    parts, model, expected = separated
    seen = []

    def limit(n_bytes, dask_worker):
        dask_worker.memory_manager.memory_limit = n_bytes

    client.run(limit, 300 / partitions.MEMORY_SHARE)
    try:
        fitted = distributed.fit(clone(model).set_params(callback=lambda state: seen.append(
            kept_of_blocks(client))), lazy(parts))
    finally:
        client.run(limit, None)
    assert same(fitted, expected)
    for found in seen[2:]:
        assert {len(of_worker) for of_worker in found.values()} <= {0, 1} and any(found.values())


@IGNORED
def test_nothing_is_kept_of_a_fit_that_fails(client, separated, tmp_path):
    parts, model, _ = separated
    flag = tmp_path / "broken"

    def read(block):
        if flag.exists():
            raise OSError("the line is cut")
        return block

    def stop(state):
        if state.n_iter == 3:
            assert any(kept_of_blocks(client).values())
            flag.touch()

    with pytest.raises(OSError, match="the line is cut"):
        distributed.fit(clone(model).set_params(callback=stop), lazy(parts, read))
    assert not any(kept_of_blocks(client).values())


def test_what_a_worker_keeps_of_many_fits():
    class Worker:
        class memory_manager:
            memory_limit = 2000

    worker, things = Worker(), {"labels": (None, np.zeros(60, np.uint8))}
    for run in "abcde":         # of the first nobody has said that it has ended
        memory = partitions._memory_of(worker, run, 1000)
        memory.keep(0, dict(things))
        memory.keep(1, dict(things))
        assert set(memory.kept) == {0}          # 5 % of the memory is less than a block
    assert list(partitions._memories[worker]) == list("bcde")
    partitions._forget("c", worker)
    late = partitions._memory_of(worker, "c", 1000)
    late.keep(0, dict(things))
    assert not late.kept
    partitions._memory_of(worker, "f", 1000)
    assert sorted(partitions._memories[worker]) == list("bdef")
    assert partitions._memory_of(worker, "b", 1000).take(0) == things


@IGNORED
def test_callbacks_and_progress_stay_here(client, blocks, capsys):
    lock, seen = threading.Lock(), []       # which cannot be pickled

    def callback(state):
        with lock:
            seen.append(os.getpid())

    model = distributed.fit(
        GaussianMixture(callback=callback, verbose=1, **OPTIONS), lazy(blocks[:4]))
    assert seen == [os.getpid()] * model.n_iter_
    assert "Initialization" in capsys.readouterr().out
    assert distributed.predict(model, lazy(blocks[:4])).compute().shape == (model.n_rows_,)


def test_statistics_are_as_large_as_their_arrays(blocks):
    model = GaussianMixture(2).fit(blocks[0])
    statistics = SufficientStatistics.from_data(
        blocks[0], model.weights_, model.means_, model.precisions_cholesky_)
    register_size(SufficientStatistics)
    held = statistics.first.nbytes + statistics.second.nbytes
    assert held < dask.sizeof.sizeof(statistics) < held + 5000


# --- predictions ------------------------------------------------------------------------------


def test_bounds_of_clusters(client):
    """Whatever workers keep of the blocks, the bits are those of blocks in one process."""
    rng = np.random.default_rng(0)
    X = 1.5 * rng.normal(size=(12, 9))[rng.integers(12, size=3000)] + rng.normal(size=(3000, 9))
    model, parts = KMeans(12, init=X[:12], tol=0), np.array_split(X, 2)
    whole = KMeans(12, init=X[:12], tol=0).fit_chunks(parts)
    distributed.fit(model, lazy(parts))
    assert model.n_iter_ == whole.n_iter_ > 10 and model.inertia_ == whole.inertia_
    np.testing.assert_array_equal(model.cluster_centers_, whole.cluster_centers_)


def test_the_example():
    found = doctest.testmod(distributed, optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
