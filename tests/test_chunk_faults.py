"""What goes wrong in the middle: sources that fail or change, Ctrl-C. Nothing is left of it."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from chunk_models import N_BLOCKS, NAMES, ROWS, Source, at, model_of, source_of
from chunk_models import TABLE as X
from numpy.testing import assert_array_equal

import emkernels
from emkernels import GaussianMixture
from emkernels.data import Chunks
from emkernels.data.source import Sums

every_model = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")      # of fits that end early


def fails(model, source, error, match, **options):
    """The fit fails, and nothing of it is left."""
    before, n_threads = dict(vars(model)), threading.active_count()
    with pytest.raises(error, match=match) as caught:
        model.fit_chunks(source, **options)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    assert threading.active_count() == n_threads
    gc.collect()
    if isinstance(source, Source):
        assert source.n_open == 0
    return caught.value


def n_passes_of(name, **options):
    """(Passes of the same arguments are one where there is a checkpoint.)"""
    source = source_of(name)
    model_of(name).fit_chunks(source, **options)
    return source.n_passes


# --- exceptions of a source ------------------------------------------------------------------

class OwnError(Exception):
    pass


@every_model
def test_an_exception_of_the_source_passes_through(name, tmp_path):
    last = n_passes_of(name, checkpoint=tmp_path / "whole") - 1
    for number, block, fitted in ((0, 3, False), (1, 0, True), (last, 4, False)):
        error, model = OwnError("no such bucket"), model_of(name)

        def raises(X):
            raise error

        if fitted:
            model.fit_chunks(source_of(name))
        found = fails(model, source_of(name, at(number, block, raises)), OwnError, "no such bucket",
                      checkpoint=tmp_path / f"{number}-{block}")
        assert found is error and not hasattr(error, "__notes__")
    assert not [left for left in os.listdir(tmp_path) if "." in left]


def test_exceptions_of_other_kinds_too():
    for error in (ValueError("mine"), OSError(5, "mine"), StopIteration("mine"),
                  GeneratorExit("mine"), MemoryError("mine"), TypeError("mine"),
                  SystemExit("mine")):
        class Iterator:
            def __init__(self):
                self.n = 0

            def __iter__(self):
                return self

            def __next__(self):
                self.n += 1
                if self.n == 3 and fails_now[0]:
                    raise error
                if self.n > N_BLOCKS:
                    raise StopIteration
                return X[(self.n - 1) * ROWS:self.n * ROWS]

        fails_now = [True]
        if isinstance(error, StopIteration):        # is what it says: the end, here of the source
            assert Chunks(Iterator).n_blocks == 2
            continue
        with pytest.raises(type(error)) as caught:
            GaussianMixture(2).fit_chunks(Iterator)
        assert caught.value is error


def test_an_exception_of_the_weights():
    def weights():
        yield np.ones(ROWS)
        raise OwnError("no weights today")

    fails(GaussianMixture(2), Source(), OwnError, "no weights", sample_weight=weights)


def test_what_no_iterator_comes_from():
    for source, error in ((lambda: None, TypeError), (lambda: 3, TypeError),
                          (lambda x: [X], TypeError)):
        fails(GaussianMixture(2), source, error, "")


# --- sources that change -----------------------------------------------------------------------

CHANGES = {
    "fewer rows": (lambda X: X[:-1], "it had 60 rows"),
    "more rows": (lambda X: np.concatenate([X, X[:1]]), "it had 60 rows"),
    "no rows": (lambda X: X[:0], "it had 60 rows"),
    "fewer columns": (lambda X: X[:, :2], "3 columns"),
    "more columns": (lambda X: np.column_stack([X, X[:, 0]]), "3 columns"),
    "a column": (lambda X: X[:, 0], "3 columns"),
    "another type": (lambda X: X.astype(np.float32), "float64"),
    "a value": (lambda X: np.where(np.arange(X.size).reshape(X.shape) == 37, X + 1e-12, X),
                "its values are others"),
    "a missing value": (lambda X: np.where(np.arange(X.size).reshape(X.shape) == 37, np.nan, X),
                        "its values are others"),
    "an infinity": (lambda X: np.where(np.arange(X.size).reshape(X.shape) == 37, np.inf, X),
                    "its values are others"),
    "an order": (lambda X: X[::-1], "its values are others"),
    "a block less": (lambda X: None, ""),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number, block", [(1, 0), (3, 2), (4, 5)])
def test_a_source_that_changes(change, number, block, tmp_path):
    do, words = CHANGES[change]
    if change == "a block less" and block < 5:
        words = "its values are others"     # the next one comes in its place
    elif change == "a block less":
        words = "it is not there, and there were 6 blocks"
    model = GaussianMixture(2, random_state=0, tol=0, max_iter=5).fit_chunks(Source(X=X[::-1]))
    fails(model, Source(act=at(number, block, do)), ValueError,
          f"the source has changed: block {block} in pass {number}: .*{words}")


def test_a_source_that_grows():
    source = Source(act=at(2, N_BLOCKS, lambda _: X[:3]))
    fails(GaussianMixture(2, random_state=0), source, ValueError,
          "the source has changed: block 6 in pass 2: there were 6 blocks")


@every_model
def test_every_model_sees_a_change(name):
    last = n_passes_of(name) - 1
    for number in {1, last}:
        fails(model_of(name), source_of(name, at(number, 1, lambda X: X + 1)), ValueError,
              f"the source has changed: block 1 in pass {number}")


def test_weights_that_change():
    n = [0]

    def weights():
        n[0] += 1
        for block in range(N_BLOCKS):
            yield np.full(ROWS, 2.0 if (n[0], block) == (3, 3) else 1.0)

    fails(GaussianMixture(2, random_state=0), Source(), ValueError,
          "the source has changed: block 3 in pass 2: its values are others", sample_weight=weights)


def test_an_array_that_is_written_to_with_a_checkpoint(tmp_path):
    """Blocks in memory are looked at again where a file depends on them."""
    rows = X.copy()

    def write(state):
        rows[150, 1] += 1

    with pytest.raises(ValueError, match="block 2 in pass"):
        GaussianMixture(2, random_state=0, callback=write, tol=0, max_iter=3).fit_chunks(
            rows, chunk_rows=60, checkpoint=tmp_path / "fit")


# --- bad blocks --------------------------------------------------------------------------------

# (items and symbols have tests of their own)
@pytest.mark.parametrize("name", [
    name for name in NAMES if name not in ("LatentClassAnalysis", "CategoricalHMM")])
@pytest.mark.parametrize("do, match", [
    (lambda X: np.where(np.arange(X.size).reshape(X.shape) == 53, -np.inf, X),
     "block 3, row 17, column 2"),
    (lambda X: X[:, :2], "block 3"),
    (lambda X: X.astype(np.float32), "block 3"),
    (lambda X: X[0], "block 3"),
    (lambda X: [["a", "b", "c"]], "block 3"),
], ids=["infinity", "narrow", "float32", "1-d", "texts"])
def test_bad_blocks_are_named(name, do, match):
    fails(model_of(name), source_of(name, at(0, 3, do)), (ValueError, TypeError), match)


# --- Ctrl-C ------------------------------------------------------------------------------------

def interrupt(X):
    raise KeyboardInterrupt


@every_model
def test_ctrl_c_before_an_iteration_changes_nothing(name):
    for number, block in ((0, 2), (1, 1)):
        fails(model_of(name), source_of(name, at(number, block, interrupt)), KeyboardInterrupt, "")


def test_ctrl_c_after_iterations_leaves_the_last(tmp_path):
    """As in `fit`; and the file goes on from there."""
    seen = []
    whole = GaussianMixture(2, random_state=0, tol=0, max_iter=6, callback=seen.append)
    n_passes = Source()
    whole.fit_chunks(n_passes)
    model = GaussianMixture(2, random_state=0, tol=0, max_iter=6)
    source, path = Source(act=at(n_passes.n_passes - 3, 2, interrupt)), tmp_path / "fit"
    with pytest.raises(KeyboardInterrupt):
        model.fit_chunks(source, checkpoint=path)
    assert source.n_open == 0 and os.listdir(tmp_path) == ["fit"]
    assert not model.converged_ and 1 <= model.n_iter_ < 6
    assert_array_equal(model.means_, seen[model.n_iter_ - 1].parameters.means)
    assert model.n_blocks_ == N_BLOCKS
    model.fit_chunks(Source(), checkpoint=path, resume=True)
    assert_array_equal(model.means_, whole.means_)


def test_ctrl_c_while_sums_are_merged(tmp_path, monkeypatch):
    """What is half added is not kept."""
    path, plain, n = tmp_path / "fit", emkernels.SufficientStatistics.merge, [0]

    def merge(self, other):
        n[0] += 1
        if n[0] == 7:
            self.counts = self.counts + other.counts
            raise KeyboardInterrupt
        return plain(self, other)

    expected = GaussianMixture(2, random_state=0).fit_chunks(Source())
    monkeypatch.setattr(emkernels.SufficientStatistics, "merge", merge)
    with pytest.raises(KeyboardInterrupt):
        GaussianMixture(2, random_state=0).fit_chunks(Source(), checkpoint=path)
    assert n[0] == 7
    model = GaussianMixture(2, random_state=0).fit_chunks(Source(), checkpoint=path, resume=True)
    assert_array_equal(model.means_, expected.means_)
    assert model.lower_bounds_ == expected.lower_bounds_


SIGNALLED = """
    import os, signal, sys, threading, time
    import numpy as np
    from emkernels import GaussianMixture

    rng = np.random.default_rng(0)
    block, sent, where = rng.normal(size=(20000, 8)), [], sys.argv[2]
    if where == "file":
        np.save(sys.argv[3], np.tile(block, (40, 1)))

    def source():
        for i in range(40):
            if where == "slow":
                time.sleep(0.05)
            yield block

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    model = GaussianMixture(8, random_state=0, tol=0, max_iter=10**6)
    before = set(vars(model))
    threading.Timer(float(sys.argv[4]), interrupt).start()
    try:
        model.fit_chunks(
            np.load(sys.argv[3], mmap_mode="r") if where == "file" else source,
            chunk_rows=20000 if where == "file" else None, checkpoint=sys.argv[1])
    except KeyboardInterrupt:
        delay = time.perf_counter() - sent[0]
        whole = not hasattr(model, "means_") or np.isfinite(model.means_).all()
        time.sleep(0.05)
        print(delay, threading.active_count(), whole, len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.skipif(os.name != "posix", reason="no SIGINT on Windows")
@pytest.mark.parametrize("where, after", [("slow", 0.5), ("quick", 1.5), ("file", 1.0)])
def test_a_signal(where, after, tmp_path):
    """Ctrl-C from outside ends a fit soon, wherever it is: in the source, a kernel, the file."""
    path, store = tmp_path / "fit", tmp_path / "rows.npy"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SIGNALLED), str(path), where, str(store),
         str(after)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    delay, n_threads, whole, n_files = done.stdout.split()
    assert float(delay) < 3     # well under a second on an idle machine
    assert n_threads == "1" and whole == "True" and int(n_files) < 12
    assert {*os.listdir(tmp_path)} <= {"fit", "rows.npy"}


@pytest.mark.skipif(os.name != "posix", reason="no SIGINT on Windows")
def test_the_handler_of_signals_stays():
    before = signal.getsignal(signal.SIGINT)
    GaussianMixture(2, random_state=0).fit_chunks(Source())
    assert signal.getsignal(signal.SIGINT) is before


# --- passes --------------------------------------------------------------------------------------

def nothing(rows):
    return None


def one(rows):
    return Sums(n=1)


def test_blocks_without_a_row_and_passes_without_a_result():
    parts = [X[:0], X[:3], X[:0], X[3:9], X[:0]]
    chunks = Chunks(parts)
    assert chunks.n_blocks == 5 and chunks.reduce(nothing) is None
    assert chunks.reduce(one).n == 2 and chunks.n_passes == 2


def test_a_checkpoint_that_is_cut_while_it_is_written(tmp_path):
    path, model = tmp_path / "fit", GaussianMixture(2, random_state=0, tol=0, max_iter=8)
    model.callback = lambda *_: os.truncate(path, 30)
    fails(model, [X[:20], X[20:]], ValueError, "checkpoint .* cut", checkpoint=path)
