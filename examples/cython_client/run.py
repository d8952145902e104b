"""Build em_step.pyx in a folder, and fit a mixture of irises with the kernel that it calls."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

from emkernels import GaussianMixture

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
source = Path(__file__).resolve().parent / "em_step.pyx"
if source.parent != folder:
    shutil.copy(source, folder)
# what `cythonize -i em_step.pyx` does: the .pxd files are found where emkernels is installed
subprocess.run([sys.executable, "-m", "Cython.Build.Cythonize", "-i", source.name], cwd=folder,
               check=True)
sys.path.insert(0, str(folder))
import em_step  # noqa: E402

X = load_iris().data
# from a rough start, every pass over the rows in em_step.pyx
start = GaussianMixture(3, random_state=0, tol=10).fit(X)
weights, means, factors = start.weights_, start.means_, start.precisions_cholesky_
n_components, n_features = means.shape
for n_iter in range(1, 201):
    counts = np.zeros(n_components)
    first = np.zeros((n_components, n_features))
    second = np.zeros((n_components, n_features, n_features))
    log_likelihood = em_step.statistics(X, weights, means, factors, counts, first, second)
    offsets = first / counts[:, None]
    covariances = (second / counts[:, None, None] - offsets[:, :, None] * offsets[:, None]
                   + 1e-6 * np.eye(n_features))
    weights, means = counts / len(X), means + offsets
    factors = np.ascontiguousarray(
        np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1))
fitted = GaussianMixture(3, random_state=0, tol=1e-12, max_iter=1000).fit(X)
print(f"log-likelihood after {n_iter} passes: {log_likelihood:.9f}, by GaussianMixture: "
      f"{fitted.score(X) * len(X):.9f}")
