import doctest
import gc
import os
import re
import signal
import threading
import time

import numpy as np
import pytest

import emkernels
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
)
from emkernels.components.gaussian.statistics import SufficientStatistics

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from distributed import Client, LocalCluster  # noqa: E402
from sklearn.base import clone  # noqa: E402

from emkernels import distributed  # noqa: E402
from emkernels.data import journal, partitions  # noqa: E402
from emkernels.data.partitions import Partitions, register_size  # noqa: E402
from emkernels.data.work import Machine  # noqa: E402
from emkernels.em.tree import Tree  # noqa: E402
from emkernels.kernels import dispatch  # noqa: E402

# what distributed itself does while processes come and go
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"),
              pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")]
OPTIONS = {"n_components": 2, "random_state": 0, "max_iter": 3, "tol": 0.0}
FITTED = ("weights_", "means_", "covariances_", "lower_bounds_")
IGNORED = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0",
                      memory_limit=0) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def blocks():
    """Blocks of several lengths, one of them empty, with NaN in some of them."""
    rng = np.random.default_rng(5)
    out = []
    for n in (40, 25, 0, *rng.integers(5, 40, size=15)):
        X = rng.normal(size=(n, 3)) + 4 * rng.integers(2, size=(n, 1))
        if len(out) % 3:
            X[rng.random(X.shape) < 0.2] = np.nan
        out.append(X)
    return out


@pytest.fixture(scope="module")
def weights(blocks):
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


@pytest.fixture(scope="module")
def expected(blocks, weights):
    with pytest.warns():
        return GaussianMixture(**OPTIONS).fit_chunks(blocks, sample_weight=weights)


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
    addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])[:n_workers]
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
    addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
    held = [client.scatter(block, workers=[addresses[i % 3]]) for i, block in enumerate(blocks)]
    X = da.concatenate([da.from_delayed(block, (np.nan, 3), dtype=float) for block in held],
                       allow_unknown_chunksizes=True)
    pid = client.run(os.getpid)[addresses[1]]

    only = []

    def kill(state):        # (workers that have read a block of another keep a copy)
        holders = client.who_has(held)
        only.extend(i for i, each in enumerate(held) if holders[each.key] == (addresses[1],))
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(RuntimeError) as caught:
        distributed.fit(GaussianMixture(callback=kill, **OPTIONS), X)
    # (copies of others may have been let go since)
    found = re.fullmatch(r"blocks ([\d, ]+) were in the memory of a lost worker; give a "
                         "collection that can be computed again", str(caught.value))
    named = [int(number) for number in found[1].split(", ")]
    assert len(only) > 1 and set(only) <= set(named) < set(range(len(blocks)))
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
    first, second = sorted(client.scheduler_info(n_workers=-1)["workers"])[:2]

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
    worker = sorted(client.scheduler_info(n_workers=-1)["workers"])[0]
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


def test_statistics_are_as_large_as_their_arrays(blocks):
    model = GaussianMixture(2).fit(blocks[0])
    statistics = SufficientStatistics.from_data(
        blocks[0], model.weights_, model.means_, model.precisions_cholesky_)
    register_size(SufficientStatistics)
    held = statistics.first.nbytes + statistics.second.nbytes
    assert held < dask.sizeof.sizeof(statistics) < held + 5000


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


def test_bounds_of_clusters(client):
    """Whatever workers keep of the blocks, the bits are those of blocks in one process."""
    rng = np.random.default_rng(0)
    X = 1.5 * rng.normal(size=(12, 9))[rng.integers(12, size=3000)] + rng.normal(size=(3000, 9))
    model, parts = KMeans(12, init=X[:12], tol=0), np.array_split(X, 2)
    whole = KMeans(12, init=X[:12], tol=0).fit_chunks(parts)
    distributed.fit(model, lazy(parts))
    assert model.n_iter_ == whole.n_iter_ > 10 and model.inertia_ == whole.inertia_
    np.testing.assert_array_equal(model.cluster_centers_, whole.cluster_centers_)



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


def test_the_example():
    found = doctest.testmod(distributed, optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
