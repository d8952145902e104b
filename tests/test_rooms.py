"""Memory that a fit has again in every iteration."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from emkernels import GaussianMixture
from emkernels.kernels import passes
from emkernels.kernels.rooms import _bytes_kept

D = 400     # a matrix of it is a room


def matrices(seed, k=2):
    x = np.random.default_rng(seed).normal(size=(k, D, D + 5))
    return x @ np.swapaxes(x, 1, 2)


def test_rooms_are_kept_while_someone_keeps_them():
    passes.precision_factors(matrices(0))
    assert _bytes_kept() == 0
    with passes.KeptRooms():
        with passes.KeptRooms():
            passes.precision_factors(matrices(0))
            assert _bytes_kept() >= 2 * 8 * D * D
        assert _bytes_kept() > 0
        some = passes.precision_factors(matrices(0))[0]
    assert _bytes_kept() == 0
    expected = passes.precision_factors(matrices(0))[0]
    np.testing.assert_array_equal(some, expected)   # is still there
    del some
    assert _bytes_kept() == 0


def test_a_room_is_not_had_again_while_an_array_is_in_it():
    with passes.KeptRooms():
        arrays = [passes.precision_factors(matrices(i))[0] for i in range(4)]
        views = [a[1, ::-1] for a in arrays]
        expected = [v.copy() for v in views]
        del arrays
        for i in range(4, 8):
            passes.precision_factors(matrices(i))
        for view, value in zip(views, expected, strict=True):
            np.testing.assert_array_equal(view, value)


def test_what_is_kept_has_a_limit():
    with passes.KeptRooms():
        arrays = [passes.scatters(matrices(0, 10), np.ones(10), np.zeros((10, D)))
                  for _ in range(24)]
        assert sum(a.nbytes for a in arrays) > 1 << 28
        del arrays
        assert 1 << 26 < _bytes_kept() <= 1 << 28
    assert _bytes_kept() == 0


def test_threads_of_python_share_rooms():
    expected = [passes.precision_factors(matrices(i))[0] for i in range(4)]
    wrong = []

    def work(i):
        for _ in range(5):
            with passes.KeptRooms():
                out = passes.precision_factors(matrices(i))[0]
                if not np.array_equal(out, expected[i]):
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert _bytes_kept() == 0


FORKED = """
import os
import numpy as np
from emkernels.kernels import passes
from emkernels.kernels.rooms import _bytes_kept

matrix = np.eye(400)[None]
with passes.KeptRooms():
    passes.precision_factors(matrix)
    before = _bytes_kept()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            kept = [_bytes_kept()]
            passes.precision_factors(matrix)
            kept.append(_bytes_kept())
            with passes.KeptRooms():
                passes.precision_factors(matrix)
                some = _bytes_kept()
            kept.append(_bytes_kept())
            failed = not (kept == [0, 0, 0] and some > 0)
        finally:
            os._exit(failed)
    print(os.waitpid(child, 0)[1], before > 0 and _bytes_kept() == before)
print(_bytes_kept())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_no_keeper():
    """The child of a process in which a fit runs keeps nothing, and what its own fits keep goes."""
    run = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert (run.stdout.split(), run.returncode) == (["0", "True", "0"], 0), run.stderr


def test_a_smaller_piece_is_not_had_in_a_larger_room():
    with passes.KeptRooms():
        passes.precision_factors(matrices(0))
        before = _bytes_kept()
        passes.precision_factors(matrices(0)[:, :-1, :-1].copy())
        assert _bytes_kept() >= before + 2 * 8 * (D - 1) ** 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["full", "tied"])
def test_a_fit_keeps_none_behind_it(kind):
    X = np.random.default_rng(0).normal(size=(600, D))
    options = {"covariance_type": kind, "reg_covar": 1.0, "max_iter": 3, "tol": 0.0}
    m = GaussianMixture(2, random_state=0, **options).fit(X)
    assert _bytes_kept() == 0
    before = m.covariances_.copy()
    GaussianMixture(2, random_state=1, **options).fit(2 * X)
    np.testing.assert_array_equal(m.covariances_, before)
