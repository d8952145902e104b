"""Fits and predictions of the estimators, tiny data, imports, memory of a fit."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture

import emkernels
from emkernels import GaussianMixture, KMeans, segment_image

from ._cases import TYPES, blobs

warnings.simplefilter("ignore", ConvergenceWarning)
SHAPES = {"100000x2 K=8": (100_000, 2, 8), "20000x16 K=8": (20_000, 16, 8),
          "5000x64 K=16": (5_000, 64, 16)}


def check_against_sklearn(X, k, **options):
    """The same start and iterations give the same parameters."""
    X = X[:2000].astype(np.float64)
    start = {"means_init": X[:k], "weights_init": np.full(k, 1 / k), "random_state": 0}
    options = options | start | {"max_iter": 3, "reg_covar": 1e-3}
    ours, theirs = (cls(k, **options).fit(X) for cls in (GaussianMixture, SklearnMixture))
    np.testing.assert_allclose(ours.means_, theirs.means_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.lower_bound_, theirs.lower_bound_, rtol=1e-8)


class Fit:
    """Ten iterations from given means."""

    params = [list(TYPES), list(SHAPES), ["float64", "float32"]]
    param_names = ["covariance_type", "shape", "dtype"]

    def setup(self, covariance_type, shape, dtype):
        n, d, k = SHAPES[shape]
        self.X = blobs(n, d, k, dtype=np.dtype(dtype))
        check_against_sklearn(self.X, k, covariance_type=covariance_type)
        self.model = GaussianMixture(
            k, covariance_type=covariance_type, tol=0, max_iter=10, means_init=self.X[:k],
            random_state=0, init_params="random_from_data", reg_covar=1e-3)
        if covariance_type == "full":
            # single rows have no covariance: begin with that of all rows
            precision = np.linalg.inv(np.cov(self.X.T.astype(np.float64)))
            self.model.set_params(precisions_init=np.repeat(precision[None], k, axis=0),
                                  weights_init=np.full(k, 1 / k))

    def time_fit(self, covariance_type, shape, dtype):
        self.model.fit(self.X)


class DefaultFit:
    """As most people call it: initialisation and all."""

    params = [list(SHAPES)]
    param_names = ["shape"]

    def setup(self, shape):
        n, d, self.k = SHAPES[shape]
        self.X = blobs(n, d, self.k)
        check_against_sklearn(self.X, self.k)

    def time_fit(self, shape):
        GaussianMixture(self.k, random_state=0).fit(self.X)

    def track_iterations(self, shape):
        return GaussianMixture(self.k, random_state=0).fit(self.X).n_iter_


class Initialisation:
    params = ["kmeans", "k-means++", "random", "random_from_data"]
    param_names = ["init_params"]

    def setup(self, init_params):
        self.X = blobs(100_000, 8, 8)
        self.model = GaussianMixture(8, max_iter=1, init_params=init_params, random_state=0)

    def time_one_iteration(self, init_params):
        self.model.fit(self.X)


class Acceleration:
    params = ["none", "squarem"]
    param_names = ["acceleration"]

    def setup(self, acceleration):
        self.X = blobs(20_000, 2, 4)
        self.model = GaussianMixture(
            4, tol=1e-6, max_iter=5000, random_state=0,
            acceleration=None if acceleration == "none" else acceleration)
        plain = GaussianMixture(4, tol=1e-6, max_iter=5000, random_state=0).fit(self.X)
        assert self.model.fit(self.X).lower_bound_ > plain.lower_bound_ - 1e-3

    def time_fit(self, acceleration):
        self.model.fit(self.X)

    def track_iterations(self, acceleration):
        return self.model.fit(self.X).n_iter_


class Separated:
    """Well separated components, where most of the work can be left out, and one heap,
    where none can."""

    params = [3.0, 1.0, 0.05]
    param_names = ["separation"]

    def setup(self, separation):
        self.X = blobs(20_000, 32, 32, separation)
        precision = np.linalg.inv(np.cov(self.X.T))
        self.model = GaussianMixture(
            32, tol=0, max_iter=8, weights_init=np.full(32, 1 / 32), means_init=self.X[:32],
            precisions_init=np.repeat(precision[None], 32, axis=0))

    def time_eight_iterations(self, separation):
        self.model.fit(self.X)


class Clusters:
    """K-means from given centres: a whole fit, and labels of rows."""

    params = [list(SHAPES), ["float64", "float32"]]
    param_names = ["shape", "dtype"]

    def setup(self, shape, dtype):
        n, d, k = SHAPES[shape]
        self.X = blobs(n, d, k, dtype=np.dtype(dtype))
        options = {"init": self.X[:k], "n_init": 1}
        head = self.X[:2000].astype(np.float64)
        ours, theirs = (cls(k, **options).fit(head) for cls in (KMeans, SklearnKMeans))
        np.testing.assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-10)
        self.model = KMeans(k, **options).fit(self.X)

    def time_fit(self, shape, dtype):
        self.model.fit(self.X)

    def time_predict(self, shape, dtype):
        self.model.predict(self.X)

    def time_transform(self, shape, dtype):
        self.model.transform(self.X)


class Segments:
    """A noisy image of a megapixel, as bytes and as floats."""

    params = [["uint8", "float32"], ["em", "kmeans", "smooth"]]
    param_names = ["dtype", "method"]

    def setup(self, dtype, method):
        truth = np.kron(np.arange(20).reshape(4, 5) % 4, np.ones((256, 200), int))
        image = 0.15 + 0.2 * truth + np.random.default_rng(0).normal(0, 0.04, truth.shape)
        self.image = image.clip(0, 1).astype(np.float32)
        if dtype == "uint8":
            self.image = np.rint(255 * self.image).astype(np.uint8)
        self.options = {"em": {}, "kmeans": {"method": "kmeans"}, "smooth": {"smoothness": 1.0}}
        self.options = self.options[method] | {"random_state": 0}
        labels = segment_image(self.image, 4, **self.options).labels
        assert np.mean(labels == truth) > 0.9

    def time_segment(self, dtype, method):
        segment_image(self.image, 4, **self.options)


class Rows:
    params = ["predict", "predict_proba", "score_samples"]
    param_names = ["method"]

    def setup(self, method):
        self.X = blobs(100_000, 8, 8)
        model = GaussianMixture(8, max_iter=5, random_state=0).fit(self.X)
        self.method = getattr(model, method)
        peer = SklearnMixture(8)
        for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
            setattr(peer, name, getattr(model, name))
        np.testing.assert_allclose(self.method(self.X[:500]),
                                   getattr(peer, method)(self.X[:500]), rtol=1e-6, atol=1e-9)

    def time_call(self, method):
        self.method(self.X)


class Tiny:
    def setup(self):
        self.X = blobs(200, 2, 2, 3.0)
        check_against_sklearn(self.X, 2)

    def time_fit(self):
        GaussianMixture(2, random_state=0).fit(self.X)

    def time_fit_sklearn(self):
        SklearnMixture(2, random_state=0).fit(self.X)


class Memory:
    """Peak of the whole process; `data` is what the rows take without a fit."""

    params = ["data", "given", "kmeans"]
    param_names = ["start"]

    def setup(self, start):
        self.X = blobs(500_000, 16, 8)
        self.model = GaussianMixture(8, max_iter=4, random_state=0)
        if start == "given":
            self.model.set_params(
                weights_init=np.full(8, 1 / 8), means_init=self.X[:8],
                precisions_init=np.repeat(np.eye(16)[None], 8, axis=0))

    def peakmem_fit(self, start):
        if start != "data":
            self.model.fit(self.X)


class Import:
    """In a fresh interpreter, its own start left out."""

    params = ["emkernels", "emkernels.kernels", "emkernels.models.mixture"]
    param_names = ["module"]
    unit = "ms"

    def track_import(self, module):
        # the package under test, wherever this process has it from
        root = str(Path(emkernels.__file__).resolve().parents[1])
        code = (f"import sys, time; sys.path.insert(0, {root!r}); start = time.perf_counter(); "
                f"import {module}; print(time.perf_counter() - start)")
        return 1e3 * min(
            float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                                 text=True).stdout) for _ in range(5))
