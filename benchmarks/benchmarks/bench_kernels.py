"""Every kernel of the registry, in both precisions."""

import numpy as np

from emkernels import SufficientStatistics
from emkernels.components.gaussian import GaussianComponents, structure_of

from ._cases import CASES, TYPES, Problem

SHAPES = {"100000x2 K=8": (100_000, 2, 8), "20000x16 K=16": (20_000, 16, 16),
          "5000x64 K=32": (5_000, 64, 32)}
DTYPES = {"float64": np.float64, "float32": np.float32}
TYPED = [f"{name}/{type_}" for name, case in CASES.items() if case.typed for type_ in TYPES]
UNTYPED = [name for name, case in CASES.items() if not case.typed]


class Kernels:
    params = [TYPED + UNTYPED, list(SHAPES), list(DTYPES)]
    param_names = ["kernel", "shape", "dtype"]

    def setup(self, name, shape, dtype):
        name, _, type_ = name.partition("/")
        problem = Problem(*SHAPES[shape], type_ or "full", DTYPES[dtype])
        CASES[name].check(problem)
        self.call = CASES[name].call(problem)

    def time_call(self, name, shape, dtype):
        self.call()


class Large:
    """Models whose threads share panels of rows, wide ones by bands of their triangles."""

    params = [["10000x64 K=128/full", "5000x128 K=64/full", "20000x64 K=1024/diag",
               "3000x512 K=12/full", "4000x390 K=1/full"], list(DTYPES)]
    param_names = ["shape", "dtype"]

    def setup(self, shape, dtype):
        sizes, _, type_ = shape.partition("/")
        n, d, k = (int(each) for each in sizes.replace(" K=", "x").split("x"))
        problem = Problem(n, d, k, type_, DTYPES[dtype])
        # the plain answer takes rows times components times squared columns
        few = problem.head(max(2, 2**24 // (k * d * d)))
        CASES["em_statistics"].check(few)
        self.call = CASES["em_statistics"].call(problem)

    def time_em_statistics(self, shape, dtype):
        self.call()


class Overhead:
    """Calls on ten rows: all of it is validation and set-up."""

    params = [TYPED + UNTYPED]
    param_names = ["kernel"]

    def setup(self, name):
        name, _, type_ = name.partition("/")
        problem = Problem(10, 2, 2, type_ or "full")
        CASES[name].check(problem)
        # an integer would be turned into a new generator in every call
        more = {"random_state": np.random.RandomState(0)} if name == "kmeans_plusplus" else {}
        self.call = CASES[name].call(problem, **more)

    def time_ten_rows(self, name):
        self.call()


class Layouts:
    """The same rows in other layouts: all are read in place."""

    params = [["C", "F", "strided"]]
    param_names = ["layout"]

    def setup(self, layout):
        problem = Problem(50_000, 16, 8)
        if layout == "F":
            problem.X = np.asfortranarray(problem.X)
        elif layout == "strided":
            problem.X = np.repeat(problem.X, 2, axis=1)[:, ::2]
        CASES["em_statistics"].check(problem)
        self.call = CASES["em_statistics"].call(problem)

    def time_em_statistics(self, layout):
        self.call()


class MSteps:
    """Means, covariances and factors from statistics, without a row."""

    params = [["10x784", "8x512", "256x128", "256x64", "32x16", "8x2"], [1, 2]]
    param_names = ["components x columns", "n_threads"]

    def setup(self, shape, n_threads):
        k, d = map(int, shape.split("x"))
        rng = np.random.default_rng(0)
        means = rng.normal(size=(k, d))
        second = np.empty((k, d, d))
        for each in second:
            rows = rng.normal(size=(d + 50, d))
            each[:] = rows.T @ rows
        counts = np.full(k, d + 50.0)
        self.statistics = SufficientStatistics.trusted(
            "full", means, counts, 1e-3 * rng.normal(size=(k, d)), second, 0.0)
        self.statistics.n_threads = n_threads
        self.components = GaussianComponents(structure_of("full", reg_covar=1e-6))

    def time_m_step(self, shape, n_threads):
        self.components.maximise(self.statistics, None)
