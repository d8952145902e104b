"""Rows in blocks: fits beside those in memory, Parquet, streams, merging."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emkernels import GaussianImputer, GaussianMixture, KMeans, SufficientStatistics
from emkernels.data import Chunks

from ._cases import Problem, blobs

N, D, K, BLOCK = 400_000, 16, 16, 100_000


class Mixtures:
    """Five iterations from one start."""

    params = ["fit", "blocks", "parquet"]
    param_names = ["source"]

    def setup(self, source):
        self.X = blobs(N, D, K)
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name, "rows.parquet"))
        pq.write_table(pa.table({f"x{j}": self.X[:, j] for j in range(D)}), self.path,
                       row_group_size=BLOCK, compression="none")
        problem = Problem(N, D, K, X=self.X)
        weights, means, factors, _ = problem.model
        self.options = {"weights_init": weights, "means_init": means,
                        "precisions_init": factors @ np.swapaxes(factors, 1, 2), "max_iter": 5,
                        "tol": 0.0, "callback": lambda state: state.n_iter == 5}

    def teardown(self, source):
        self.folder.cleanup()

    def time_iterations(self, source):
        model = GaussianMixture(K, **self.options)
        if source == "fit":
            model.fit(self.X)
        elif source == "blocks":
            model.fit_chunks(self.X, chunk_rows=BLOCK)
        else:
            model.fit_chunks(self.path)


class Others:
    def setup(self):
        self.X = blobs(N, D, K)
        self.holes = self.X[:100_000].copy()
        self.holes[np.random.default_rng(0).random(self.holes.shape) < 0.1] = np.nan
        self.init = self.X[:K]

    def time_survey(self):
        Chunks(self.X, chunk_rows=BLOCK)

    def time_sample(self):
        Chunks(self.X, chunk_rows=BLOCK).sample(20_000, np.random.RandomState(0))

    def time_kmeans(self):
        KMeans(K, init=self.init, n_init=1, max_iter=10).fit_chunks(self.X, chunk_rows=BLOCK)

    def time_imputer(self):
        GaussianImputer(max_iter=20, tol=1e-3).fit_chunks(self.holes, chunk_rows=25_000)

    def time_partial_fit(self):
        model = GaussianMixture(K, random_state=0)
        for batch in np.array_split(self.X[:100_000], 50):
            model.partial_fit(batch)


class Merging:
    """Statistics of 32 components of 16 columns."""

    def setup(self):
        problem = Problem(1000, 16, 32)
        weights, means, factors, _ = problem.model
        self.parts = [SufficientStatistics.from_data(problem.X, weights, means, factors)
                      for _ in range(2)]

    def time_merge(self):
        self.parts[0].merge(self.parts[1])

    def time_bytes(self):
        SufficientStatistics.from_bytes(self.parts[0].to_bytes())
