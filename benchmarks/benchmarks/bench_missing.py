"""Missing values: the pass by share and shape, patterns, mixtures and imputers."""

import numpy as np

from emkernels import GaussianImputer, GaussianMixture, kernels

from ._cases import Problem, blobs

SHAPES = {"200000x16 K=16": (200_000, 16, 16), "20000x20 K=1": (20_000, 20, 1),
          "2000x200 K=1": (2_000, 200, 1)}


def knocked_out(X, share):
    out = X.copy()
    out[np.random.default_rng(0).random(X.shape) < share] = np.nan
    return out


class Pass:
    """One E-step with statistics; 0 % is what complete rows cost."""

    params = [list(SHAPES), [0.0, 0.02, 0.1, 0.3], ["float64", "float32"]]
    param_names = ["shape", "share", "dtype"]

    def setup(self, shape, share, dtype):
        problem = Problem(*SHAPES[shape], "full", np.dtype(dtype).type)
        self.X = knocked_out(problem.X, share)
        self.model = problem.model
        if share:
            self.options = {"patterns": kernels.missing_patterns(self.X)}
            self.kernel = kernels.incomplete_statistics
        else:
            self.options, self.kernel = {}, kernels.em_statistics

    def time_pass(self, shape, share, dtype):
        self.kernel(self.X, *self.model, **self.options)


class Patterns:
    params = [[(1_000_000, 20), (100_000, 200), (5_000, 5_000)]]
    param_names = ["shape"]

    def setup(self, shape):
        self.X = knocked_out(np.zeros(shape), 0.1)

    def time_missing_patterns(self, shape):
        kernels.missing_patterns(self.X)


class Estimators:
    def setup(self):
        rng = np.random.default_rng(0)
        mixed = rng.normal(size=(20_000, 4)) @ rng.normal(size=(4, 20))
        self.X = knocked_out(mixed + 0.5 * rng.normal(size=mixed.shape), 0.1)
        self.imputer = GaussianImputer().fit(self.X)
        assert self.imputer.converged_
        self.blobs = knocked_out(blobs(20_000, 8, 4, 3.0), 0.1)

    def time_imputer_fit(self):
        GaussianImputer().fit(self.X)

    def time_imputer_transform(self):
        self.imputer.transform(self.X)

    def time_imputer_sample(self):
        self.imputer.sample(self.X[:2000], 5, random_state=0)

    def time_mixture_fit(self):
        GaussianMixture(4, random_state=0).fit(self.blobs)

    def peakmem_imputer_fit(self):
        GaussianImputer().fit(self.X)
