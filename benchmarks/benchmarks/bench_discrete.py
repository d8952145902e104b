"""Latent classes and hidden Markov models."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkernels import LatentClassAnalysis

warnings.simplefilter("ignore", ConvergenceWarning)


def answers(n, n_items, n_levels, n_classes, *, missing=0.0, seed=0):
    """Codes of answers by classes that are well apart, NaN for the share that is missing."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(n_levels, 0.7), size=(n_classes, n_items))
    kind = rng.integers(n_classes, size=n)
    uniform = rng.random((n, n_items, 1))
    X = (uniform > np.cumsum(probs, axis=2)[kind][:, :, :-1]).sum(axis=2).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def sticky(k, stay):
    """Transition probabilities of states that last."""
    return np.full((k, k), (1 - stay) / max(1, k - 1)) + np.eye(k) * (
        stay - (1 - stay) / max(1, k - 1) if k > 1 else 0)


def _paths(n_sequences, length, k, rng):
    """States of sequences, one after the other: most steps stay, the others go anywhere."""
    n = n_sequences * length
    jump = rng.random(n) < 0.1
    jump[::length] = True
    drawn = rng.integers(k, size=n)
    return drawn[np.maximum.accumulate(np.where(jump, np.arange(n), 0))]


def gaussian_sequences(n_sequences, length, d, k, seed=0):
    """Rows of sequences whose states have means of their own, and their lengths."""
    rng = np.random.default_rng(seed)
    path = _paths(n_sequences, length, k, rng)
    means = 1.5 * rng.normal(size=(k, d))
    X = means[path] + rng.normal(size=(len(path), d)) * rng.uniform(0.5, 1.5, (k, d))[path]
    return X, np.full(n_sequences, length)


def symbol_sequences(n_sequences, length, n_symbols, k, seed=0):
    """Codes of symbols (n, 1) of sequences, and their lengths."""
    rng = np.random.default_rng(seed)
    path = _paths(n_sequences, length, k, rng)
    probs = np.cumsum(rng.dirichlet(np.full(n_symbols, 0.3), size=k), axis=1)
    X = (rng.random((len(path), 1)) > probs[path][:, :-1]).sum(axis=1)
    X[:n_symbols] = np.arange(n_symbols)        # every symbol occurs
    return X[:, None], np.full(n_sequences, length)


class Classes:
    """Twenty iterations of latent classes from a given start, and fifty random starts."""

    params = [[0.0, 0.1]]
    param_names = ["missing"]

    def setup(self, missing):
        rng, c = np.random.default_rng(1), 5
        self.X = answers(20_000, 30, 4, c, missing=missing)
        probs = list(rng.dirichlet(np.ones(4), size=(30, c)))
        self.model = LatentClassAnalysis(
            c, n_init=1, weights_init=np.full(c, 1 / c), response_probs_init=probs, tol=0,
            max_iter=20, acceleration=None)
        self.few = answers(2_000, 8, 4, 3, missing=missing)

    def time_fit(self, missing):
        self.model.fit(self.X)

    def time_starts(self, missing):
        LatentClassAnalysis(3, n_init=50, random_state=0).fit(self.few)


class Chains:
    """Ten iterations of hidden Markov models of normal distributions from a given start."""

    params = [["100x1000x4 K=8", "1x1000000x1 K=4"], ["full", "diag"]]
    param_names = ["shape", "covariance_type"]

    def setup(self, shape, covariance_type):
        from emkernels import GaussianHMM

        n, length, d, k = (100, 1000, 4, 8) if shape.startswith("100x") else (1, 1_000_000, 1, 4)
        self.X, self.lengths = gaussian_sequences(n, length, d, k)
        covars = np.repeat(np.diag(self.X.var(axis=0))[None], k, axis=0)
        self.model = GaussianHMM(
            k, covariance_type=covariance_type, tol=0, max_iter=10,
            startprob_init=np.full(k, 1 / k), transmat_init=sticky(k, 0.8),
            means_init=self.X[:16 * k].reshape(k, 16, d).mean(axis=1), covars_init=covars)
        self.fitted = GaussianHMM(**self.model.get_params()).set_params(max_iter=2).fit(
            self.X, lengths=self.lengths)

    def time_fit(self, shape, covariance_type):
        self.model.fit(self.X, lengths=self.lengths)

    def time_decode(self, shape, covariance_type):
        self.fitted.decode(self.X, self.lengths)


class Symbols:
    """Ten iterations of a hidden Markov model of twenty symbols."""

    def setup(self):
        from emkernels import CategoricalHMM

        k = 16
        self.X, self.lengths = symbol_sequences(200, 500, 20, k)
        self.model = CategoricalHMM(
            k, tol=0, max_iter=10, startprob_init=np.full(k, 1 / k), transmat_init=sticky(k, 0.8),
            emissionprob_init=np.random.default_rng(0).dirichlet(np.full(20, 5.0), k))

    def time_fit(self):
        self.model.fit(self.X, lengths=self.lengths)
