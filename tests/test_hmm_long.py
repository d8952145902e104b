"""One sequence of ten million rows: no overflow, the memory of a block, the bits of any threads."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from emkernels import GaussianHMM

ROOT = os.environ.get("PYTHONPATH", "")


def forward(X, model):
    """The log-likelihood of a sequence of one column, step by step."""
    deviation = np.sqrt(model.covars_[:, 0, 0])
    densities = np.exp(-0.5 * ((X - model.means_[:, 0]) / deviation) ** 2) / (
        deviation * np.sqrt(2 * np.pi))
    alpha, total = model.startprob_, 0.0
    for row in densities:
        alpha = alpha * row
        c = alpha.sum()
        total += np.log(c)
        alpha = alpha / c @ model.transmat_
    return total


def model_of():
    model = GaussianHMM(4, tol=0, max_iter=2)
    model.startprob_ = np.full(4, 0.25)
    model.transmat_ = np.full((4, 4), 0.02) + 0.92 * np.eye(4)
    model.means_ = np.array([[-3.0], [-1.0], [1.0], [3.0]])
    model.covars_ = np.ones((4, 1, 1))
    return model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:GaussianHMM did not converge")
def test_ten_million_rows_in_one_sequence():
    model = model_of()
    X, _ = model.sample(100_000, random_state=0)
    X = np.tile(X, (100, 1))
    assert model.score(X[:2_000_000]) == pytest.approx(forward(X[:2_000_000], model), rel=1e-11)
    assert model.score(X) == pytest.approx(5 * model.score(X[:2_000_000]), rel=1e-6)
    fits = [GaussianHMM(
        4, startprob_init=model.startprob_, transmat_init=model.transmat_, n_threads=n, tol=0,
        means_init=model.means_, covars_init=model.covars_, max_iter=1).fit(X) for n in (1, 2)]
    assert np.array_equal(fits[0].transmat_, fits[1].transmat_)
    assert np.array_equal(fits[0].means_, fits[1].means_)
    assert fits[0].lower_bounds_[0] == pytest.approx(model.score(X) / len(X), rel=1e-12)
    np.testing.assert_allclose(fits[0].means_, model.means_, atol=0.02)
    np.testing.assert_allclose(fits[0].transmat_, model.transmat_, atol=0.01)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_memory_of_a_block():
    code = """
        import warnings
        import numpy as np
        from test_hmm_long import model_of
        from emkernels import GaussianHMM

        def peak():
            with open("/proc/self/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

        model = model_of()
        warnings.simplefilter("ignore")
        given = dict(startprob_init=model.startprob_, transmat_init=model.transmat_,
                     means_init=model.means_, covars_init=model.covars_, max_iter=2)
        X = np.random.default_rng(0).normal(size=(10_000_000, 1))
        GaussianHMM(4, **given).fit(X[:10_000]).score(X[:10_000])
        before = peak()
        GaussianHMM(4, **given).fit(X).score(X)
        print(peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), ROOT])})
    assert done.returncode == 0, done.stderr
    # kilobytes; posteriors of all rows would be 320,000
    assert int(done.stdout) < 40_000
