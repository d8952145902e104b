"""A fit with a checkpoint, and a source that counts what is read of it."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from emkernels import GaussianMixture
from emkernels.data import journal as journals

RNG = np.random.default_rng(5)
X = np.concatenate([RNG.normal(size=(400, 3)) + 2.5 * k for k in range(3)])
RNG.shuffle(X)
ROWS = 100
N_BLOCKS = len(X) // ROWS


class Counted:
    """A source that counts what is read of it."""

    def __init__(self, X=X, rows=ROWS):
        self.X, self.rows, self.n_blocks, self.n_passes = X, rows, 0, 0

    def __call__(self):
        self.n_passes += 1
        for first in range(0, len(self.X), self.rows):
            self.n_blocks += 1
            yield self.X[first:first + self.rows]


def mixture(**options):
    return GaussianMixture(**{"n_components": 3, "random_state": 3, "tol": 1e-5, "max_iter": 30,
                              "acceleration": "squarem", "n_init": 2, **options})


def state_of(model):
    return {name: np.asarray(value) for name, value in vars(model).items()
            if name.endswith("_") and not name.startswith("_")}


def assert_same(a, b):
    a, b = state_of(a), state_of(b)
    assert a.keys() == b.keys()
    for name in a:
        assert_array_equal(a[name], b[name], err_msg=name)


@pytest.fixture(scope="module", name="expected")
def the_fit():
    return mixture().fit_chunks(Counted())


@pytest.fixture(name="path")
def path_of_a_file(tmp_path):
    return tmp_path / "fit.ckpt"


def only(path):
    """That nothing but the file is in its folder."""
    return os.listdir(path.parent) == [path.name]


class Failing(Counted):
    """A source that fails once at a block."""

    def __init__(self, at):
        super().__init__()
        self.fails = at

    def __call__(self):
        for block in super().__call__():
            if self.n_blocks == self.fails:
                raise RuntimeError("the disk has been pulled out")
            yield block


@pytest.fixture(name="left")
def file_of_a_fit_left(path, monkeypatch):
    """A file of a fit that was left in the middle."""
    with monkeypatch.context() as always, pytest.raises(RuntimeError):
        always.setattr(journals, "PART", 0.0)
        always.setattr(journals, "SHARE", 0.0)
        mixture().fit_chunks(Failing(7 * N_BLOCKS + 3), checkpoint=path)
    return path


def refused(path, match, source=None, model=None, **options):
    """The call is refused, changes nothing and says why."""
    written, model = path.read_bytes(), mixture() if model is None else model
    before = dict(vars(model))
    source = Counted() if source is None else source
    with pytest.raises(ValueError, match=match) as caught:
        model.fit_chunks(source, **{"checkpoint": path, "resume": True, **options})
    assert "checkpoint" in str(caught.value) and str(path) in str(caught.value)
    assert "ame another" in str(caught.value)
    assert path.read_bytes() == written and only(path)
    assert vars(model) == before
    return source
