"""K-means where rows have hundreds of columns, or clusters are thousands; its seeds, distances."""

import numpy as np

from emkernels import KMeans

from ._cases import embeddings, first_centers

SHAPES = {"60000x80 K=5000": (60_000, 80, 5000), "40000x768 K=200": (40_000, 768, 200),
          "20000x1536 K=64": (20_000, 1536, 64), "100000x32 K=32": (100_000, 32, 32)}
SEEDED = {"100000x100 K=200": (100_000, 100, 200), "20000x768 K=200": (20_000, 768, 200)}


def check(model, X):
    """Its labels are the nearest centres, by difference."""
    few = X[:200].astype(np.float64)
    squares = ((few[:, None] - model.cluster_centers_[None, :50]) ** 2).sum(axis=2)
    found = model.predict(X[:200])
    own = ((few - model.cluster_centers_[found]) ** 2).sum(axis=1)
    assert (own <= squares.min(axis=1) * (1 + 1e-4)).all()


class Lloyd:
    """Ten iterations from given centres."""

    params = [list(SHAPES), ["float32", "float64"]]
    param_names = ["shape", "dtype"]

    def setup(self, shape, dtype):
        n, d, k = SHAPES[shape]
        self.X = embeddings(n, d, k, dtype=np.dtype(dtype))
        self.model = KMeans(k, init=first_centers(self.X, k), n_init=1, tol=0, max_iter=10)
        check(self.model.fit(self.X), self.X)

    def time_fit(self, shape, dtype):
        self.model.fit(self.X)

    def time_transform(self, shape, dtype):
        self.model.transform(self.X[:4096])


class Seeds:
    """What init costs, and one iteration."""

    params = [list(SEEDED), ["k-means++", "k-means||", "coreset"], ["float32", "float64"]]
    param_names = ["shape", "init", "dtype"]

    def setup(self, shape, init, dtype):
        n, d, k = SEEDED[shape]
        self.X = embeddings(n, d, k, dtype=np.dtype(dtype))
        self.model = KMeans(k, init=init, n_init=1, max_iter=1, random_state=0)

    def time_fit(self, shape, init, dtype):
        self.model.fit(self.X)
