"""The fused E-step against rows, features, components and threads; memory of the kernels."""

import os

from ._cases import CASES, Problem

CASE = CASES["em_statistics"]


class _Scaling:
    shape = (50_000, 16, 16)
    axis = 0
    rounds = 3

    def setup(self, value):
        shape = list(self.shape)
        shape[self.axis] = value
        problem = Problem(*shape)
        CASE.check(problem)
        self.call = CASE.call(problem)

    def time_em_statistics(self, value):
        self.call()


class Rows(_Scaling):
    params, param_names, axis = [1_000, 10_000, 100_000, 1_000_000], ["n_samples"], 0


class Features(_Scaling):
    params, param_names, axis = [1, 2, 4, 5, 8, 16, 32, 64, 128], ["n_features"], 1
    shape = (20_000, 0, 8)


class Components(_Scaling):
    params, param_names, axis = [1, 2, 8, 32, 128], ["n_components"], 2
    shape = (20_000, 8, 0)


class Threads:
    params = [[n for n in (1, 2, 4, 8, 16, 32) if n <= (os.cpu_count() or 1)],
              ["em_statistics", "e_step", "kmeans_statistics", "kmeans_plusplus"]]
    param_names = ["n_threads", "kernel"]

    def setup(self, n_threads, name):
        problem = Problem(100_000, 16, 16)
        CASES[name].check(problem)
        self.call = CASES[name].call(problem, n_threads=n_threads)

    def time_call(self, n_threads, name):
        self.call()


class LargeThreads:
    """Threads that share panels of rows."""

    params = [n for n in (1, 2, 4, 8, 16, 32) if n <= (os.cpu_count() or 1)]
    param_names = ["n_threads"]

    def setup(self, n_threads):
        problem = Problem(20_000, 64, 128)
        CASE.check(problem)
        self.call = CASE.call(problem, n_threads=n_threads)

    def time_em_statistics(self, n_threads):
        self.call()


class Memory:
    """Peak of the whole process; `data` is what the rows take without any kernel."""

    params = ["data", "em_statistics", "e_step_labels", "kmeans_statistics", "kmeans_plusplus"]
    param_names = ["kernel"]

    def setup(self, name):
        problem = Problem(500_000, 16, 16)
        self.call = problem.X.sum
        if name != "data":
            CASES[name].check(problem)
            self.call = CASES[name].call(problem)

    def peakmem_call(self, name):
        self.call()
