"""Every model that is fitted to blocks, small data for it, and sources that count."""

import numpy as np
from numpy.testing import assert_allclose

import emkernels

N_BLOCKS, ROWS = 6, 60
_RNG = np.random.default_rng(8)
TABLE = np.concatenate([_RNG.normal(size=(N_BLOCKS * ROWS // 2, 3)) + 3 * k for k in range(2)])
TABLE[:, 2] += 0.5 * TABLE[:, 0]
_RNG.shuffle(TABLE)
HOLES = np.where(_RNG.random(TABLE.shape) < 0.15, np.nan, TABLE)
CODES = (TABLE[:, :3] + _RNG.normal(size=TABLE.shape) > 1.5).astype(np.int64)

# options that make few iterations of all that there is to do, and rows; None: as they are
MODELS = {
    "GaussianMixture": ({"n_components": 2, "n_init": 2, "acceleration": "squarem"}, HOLES),
    "KMeans": ({"n_clusters": 2, "n_init": 2}, TABLE),
    "StudentTMixture": ({"n_components": 2, "max_iter": 5}, TABLE),
    "GaussianImputer": ({"max_iter": 6}, HOLES),
    "GaussianMixtureImputer": ({"n_components": 2, "max_iter": 5}, HOLES),
    "FactorAnalysis": ({"n_components": 1, "max_iter": 5}, HOLES),
    "MixtureOfFactorAnalyzers": ({"n_components": 2, "n_factors": 1, "max_iter": 5}, TABLE),
    "LatentClassAnalysis": ({"n_classes": 2, "n_init": 2, "max_iter": 5}, CODES),
    "GaussianHMM": ({"n_components": 2, "n_init": 2, "max_iter": 4}, TABLE),
    "CategoricalHMM": ({"n_components": 2, "n_init": 2, "max_iter": 4}, CODES[:, :1]),
    "MixtureHMM": ({"n_components": 2, "n_mix": 2, "n_init": 2, "max_iter": 3}, TABLE),
}
NAMES = [name for name in emkernels.__all__ if hasattr(getattr(emkernels, name), "fit_chunks")]


def model_of(name, **options):
    """An estimator, with a `random_state` where it has one."""
    kind = getattr(emkernels, name)
    if "random_state" in kind().get_params():
        options = {"random_state": 3, **options}
    return kind(**{**MODELS[name][0], **options})


class Source:
    """Blocks that something is done to: `act(number of the pass, block, X)` returns the block.

    Attributes
    ----------
    n_passes, n_blocks : int
        That have begun.
    n_open : int
        Passes that have not been closed.
    """

    def __init__(self, X=TABLE, act=lambda number, block, X: X):
        self.X, self.act = X, act
        self.n_passes = self.n_blocks = self.n_open = 0

    def __call__(self):
        number, self.n_passes = self.n_passes, self.n_passes + 1
        self.n_open += 1
        try:
            for block in range(N_BLOCKS + 1):       # the last has no rows, unless some are added
                part = self.act(number, block, self.X[block * ROWS:(block + 1) * ROWS])
                if part is not None and (len(part) or block < N_BLOCKS):
                    self.n_blocks += 1
                    yield part
        finally:
            self.n_open -= 1


def source_of(name, act=lambda number, block, X: X):
    return Source(MODELS[name][1], act)


def at(number, block, do):
    """Do this to one block of one pass."""
    def act(n, b, X):
        return do(X) if (n, b) == (number, block) else X
    return act


def left(blocks, at):
    """A callable that gives the blocks, and fails at the block of that number among those of all
    passes."""
    n = []

    def source():
        for each in blocks:
            n.append(0)
            if len(n) == at:
                raise RuntimeError("left")
            yield each

    return source


def state_of(model):
    return {name: value for name, value in vars(model).items()
            if name.endswith("_") and not name.startswith("_")}


def agree(a, b, rtol=1e-10):
    """Two fits of K-means have the same end."""
    scale = np.abs(a.cluster_centers_).max()
    assert_allclose(a.cluster_centers_, b.cluster_centers_, rtol=0, atol=rtol * scale)
    assert_allclose(a.inertia_, b.inertia_, rtol=rtol)
    assert (a.n_iter_, a.converged_) == (b.n_iter_, b.converged_)
