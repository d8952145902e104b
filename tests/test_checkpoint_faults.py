"""Checkpoints of two fits at once, on full disks, of other SIMD levels, and of killed processes."""

import errno
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from checkpointed import (  # noqa: F401
    N_BLOCKS,
    RNG,
    Counted,
    Failing,
    assert_same,
    file_of_a_fit_left,
    mixture,
    only,
    path_of_a_file,
    refused,
    the_fit,
)
from numpy.testing import assert_array_equal

import emkernels
from emkernels.data import journal as journals
from emkernels.kernels import dispatch

# --- two at once, full disks --------------------------------------------------------------------


def test_two_fits_of_one_file(path, expected):
    refusals = []

    def second(state):
        for resume in (False, True):
            with pytest.raises(ValueError, match="checkpoint .* is in use by another fit"):
                mixture().fit_chunks(Counted(), checkpoint=path, resume=resume)
            refusals.append(state.n_iter)

    assert_same(mixture(callback=second).fit_chunks(Counted(), checkpoint=path), expected)
    assert len(refusals) > 4 and only(path)


def test_what_the_dead_have_left(path, expected):
    path.with_name(path.name + ".lock").write_bytes(b"")
    path.with_name(path.name + ".123-0123abcd.part").write_bytes(b"half a file")
    others = [f"{path.name}{end}" for end in (
        ".part", ".1-0123abcdef.part", ".1-0123ABCD.part", "2.1-0123abcd.part")]
    for name in others:
        path.with_name(name).write_bytes(b"of somebody else")
    assert_same(mixture().fit_chunks(Counted(), checkpoint=path), expected)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *others])


def test_many_threads_of_one_file(path, expected):
    """One of them at a time, and none is lost."""
    ended, barrier = [], threading.Barrier(4)

    def fit():
        barrier.wait()
        for _ in range(20):
            try:
                ended.append(mixture().fit_chunks(Counted(), checkpoint=path, resume=True))
                return
            except ValueError as error:
                assert "in use by another fit" in str(error)
                threading.Event().wait(0.05)

    threads = [threading.Thread(target=fit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended and only(path)
    for model in ended:
        assert_same(model, expected)


def test_a_full_disk(left, expected):
    """The file stays as it was, the one beside it goes, and the fit ends with an error."""
    resource = pytest.importorskip("resource")
    model, written = mixture(), left.read_bytes()
    before, limits = dict(vars(model)), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(written) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="the checkpoint cannot be written") as caught:
            model.fit_chunks(Counted(), checkpoint=left, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(left) in str(caught.value) and caught.value.errno == errno.EFBIG
    assert left.read_bytes() == written and only(left) and vars(model) == before
    assert_same(model.fit_chunks(Counted(), checkpoint=left, resume=True), expected)


def test_a_disk_that_is_full_at_the_end(path, expected, monkeypatch):
    """What is written when the last pass is over."""
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journals, "SHARE", np.inf)      # nothing between the first and the last
    monkeypatch.setattr(journals, "LATEST", np.inf)

    def last(state):
        monkeypatch.setattr(os, "fsync", full)

    model = mixture(callback=last)
    before = dict(vars(model))
    with pytest.raises(OSError, match="the checkpoint cannot be written") as caught:
        model.fit_chunks(Counted(), checkpoint=path)
    assert caught.value.errno == errno.ENOSPC and str(path) in str(caught.value)
    assert vars(model) == before and only(path)
    monkeypatch.undo()
    assert_same(mixture().fit_chunks(Counted(), checkpoint=path, resume=True), expected)


def test_a_full_disk_does_not_hide_what_went_wrong(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the checkpoint cannot be written"):
        mixture().fit_chunks(Counted(), checkpoint=path)
    monkeypatch.undo()
    monkeypatch.setattr(journals, "SHARE", np.inf)
    monkeypatch.setattr(journals, "LATEST", np.inf)
    source = Failing(9 * N_BLOCKS)

    def last(state):
        monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(RuntimeError, match="pulled out") as caught:
        mixture(callback=last).fit_chunks(source, checkpoint=path)
    assert any("the checkpoint cannot be written" in note for note in caught.value.__notes__)


# --- SIMD levels -----------------------------------------------------------------------------

LEVELS = dispatch.available_levels()


@pytest.fixture
def process_level():
    before = dispatch.simd_level()
    yield dispatch.set_simd_level
    dispatch.set_simd_level(before)


@pytest.mark.skipif(len(LEVELS) < 2, reason="one level only")
def test_a_fit_keeps_the_level_that_it_began_with(process_level, path):
    fits = {}
    for level in LEVELS:
        process_level(level)
        fits[level] = mixture().fit_chunks(Counted())
    assert any((fits[LEVELS[0]].means_ != fits[level].means_).any() for level in LEVELS[1:])
    for level in LEVELS:
        other = LEVELS[level == LEVELS[0]]
        process_level(level)
        # it changes in the middle, of which a callback is not part
        model = mixture(callback=lambda state: process_level(other)).fit_chunks(Counted())
        assert dispatch.simd_level() == other
        assert_same(model, fits[level])
        # and a file goes on at its own
        process_level(level)
        with pytest.raises(RuntimeError):
            mixture().fit_chunks(Failing(8 * N_BLOCKS), checkpoint=path)
        process_level(other)
        assert_same(mixture().fit_chunks(Counted(), checkpoint=path, resume=True), fits[level])
        path.unlink()


def test_a_level_that_this_machine_lacks(left, monkeypatch):
    monkeypatch.setattr(journals, "available_levels", lambda: ["baseline*"])
    refused(left, "SIMD level .*, and this machine offers baseline*")


@pytest.mark.skipif(len(LEVELS) < 2, reason="one level only")
def test_threads_have_levels_of_their_own():
    rows = RNG.normal(size=(4000, 5))
    model = np.full(4, 0.25), rows[:4], np.array([np.eye(5)] * 4)

    def statistics():
        return emkernels.kernels.em_statistics(rows, *model, n_threads=2)

    expected, ready, found = {}, threading.Barrier(2), {}
    for level in LEVELS[:2]:
        with dispatch.own_simd_level(level):
            assert dispatch.simd_level() == level
            expected[level] = statistics()
    before = dispatch.simd_level()

    def run(level):
        with dispatch.own_simd_level(level):
            found[level] = []
            for _ in range(20):
                ready.wait()
                found[level].append(statistics())
                assert dispatch.simd_level() == level
            with dispatch.own_simd_level(LEVELS[0]), dispatch.own_simd_level(LEVELS[1]):
                pass
            assert dispatch.simd_level() == level
        assert dispatch.simd_level() == before

    threads = [threading.Thread(target=run, args=(level,)) for level in LEVELS[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dispatch.simd_level() == before
    for level in LEVELS[:2]:
        assert len(found[level]) == 20
        for each in found[level]:
            for a, b in zip(each, expected[level]):
                assert_array_equal(a, b)
    assert any((np.asarray(a) != np.asarray(b)).any()
               for a, b in zip(*(expected[level] for level in LEVELS[:2])))


# --- killed ----------------------------------------------------------------------------------

KILLED = """
    import hashlib, json, os, random, signal, sys, threading, time, warnings
    import numpy as np
    import emkernels
    from emkernels.data import journal

    journal.PART, journal.SHARE = 0.01, 1.0
    warnings.simplefilter("ignore")
    path, name, n_seeds, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), eval(sys.argv[4])
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(size=(400, 3)) + 2.5 * k for k in range(3)])
    rng.shuffle(X)
    if "Imputer" in name:
        X[rng.random(X.shape) < 0.1] = np.nan

    def source():
        for first in range(0, len(X), 50):
            time.sleep(0.0005)
            yield X[first:first + 50]

    def kill(seed):
        delay = random.Random(seed).random() * 0.15
        while not os.path.exists(path):
            time.sleep(0.0005)
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGKILL)

    def fitted(**checkpoint):
        model = getattr(emkernels, name)(n_threads=1, **options)
        model.fit_chunks(source, **checkpoint)
        state = sorted((k, v) for k, v in vars(model).items() if k[-1] == "_" and k[0] != "_")
        return hashlib.sha256(b"".join(
            k.encode() + np.asarray(v).tobytes() for k, v in state)).hexdigest()

    def in_child(work):
        # what it prints, None where it was killed
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(there, work().encode())
            finally:
                os._exit(0)
        os.close(there)
        with os.fdopen(here) as file:
            text = file.read()
        os.waitpid(child, 0)
        return text or None

    def alone():
        np.random.seed(1)
        return fitted()

    expected = in_child(alone)
    n_killed = 0
    for seed in range(n_seeds):
        for attempt in range(5):
            def work():
                np.random.seed(1 if attempt == 0 else 2)
                if attempt < 4:
                    threading.Thread(target=kill, args=(100 * seed + attempt,), daemon=True).start()
                return fitted(checkpoint=path, resume=attempt > 0)
            found = in_child(work)
            if found is not None:
                break
            n_killed += 1
            assert os.path.exists(path)
        assert found == expected, (seed, attempt)
        assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
        os.remove(path)
    print(n_killed)
"""
SUBJECTS = {
    "GaussianMixture": {"n_components": 3, "n_init": 2, "acceleration": "squarem", "tol": 1e-6,
                        "init_params": "random_from_data", "max_iter": 8},
    "KMeans": {"n_clusters": 3, "n_init": 2},
    "GaussianImputer": {},
    "GaussianMixtureImputer": {"n_components": 2, "max_iter": 20},
}


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("name, n_seeds", [
    ("GaussianMixture", 1),
    *(pytest.param(name, 5, marks=pytest.mark.slow) for name in SUBJECTS)])
def test_killed_at_any_moment(name, n_seeds, tmp_path):
    """`random_state` is None: what the killed fit has drawn is drawn again."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "fit.ckpt"), name,
         str(n_seeds), repr(SUBJECTS[name])], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2 * n_seeds      # else it was not tried
