"""EM over a memory map, chunk by chunk: statistics add up, so no chunk sees another."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

from emkernels import GaussianMixture, SufficientStatistics
from emkernels.plotting import plot_history

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
n_components, n_chunks, n_iterations = 4, 20, 25


def factors(covariances):
    """Upper triangles U of the precisions U U'."""
    return np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1)


with tempfile.TemporaryDirectory() as place:
    # the pixels of two photographs in one file
    pixels = np.concatenate([load_sample_image(name).reshape(-1, 3)
                             for name in ("china.jpg", "flower.jpg")])
    np.save(Path(place, "pixels.npy"), (pixels / 255).astype(np.float32))
    X = np.load(Path(place, "pixels.npy"), mmap_mode="r")
    chunks = np.array_split(np.arange(len(X)), n_chunks)
    rows = [slice(chunk[0], chunk[-1] + 1) for chunk in chunks]

    # a start from a few rows; then every pass is one sum over the chunks
    model = GaussianMixture(n_components, random_state=0).fit(X[::1000])
    weights, means, covariances = model.weights_, model.means_, model.covariances_
    history = []
    for _ in range(n_iterations):
        precisions_cholesky = factors(covariances.astype(float))
        total = SufficientStatistics.zeros("full", means.astype(np.float32))
        for part in rows:
            # what is added could come from another process or machine: to_bytes, from_bytes
            total += SufficientStatistics.from_data(X[part], weights, means, precisions_cholesky)
        weights, means = total.counts / total.weight, total.means()
        covariances = total.covariances() + 1e-6 * np.eye(X.shape[1])
        history.append(total.log_likelihood / total.weight)
    print(f"{len(X)} rows in {n_chunks} chunks, {n_iterations} passes: "
          f"log-likelihood {history[-1]:.6f} a row")

    # GaussianMixture reads the map in place, too, and takes the same steps
    start = {"weights_init": model.weights_, "means_init": model.means_,
             "precisions_init": model.precisions_}
    whole = GaussianMixture(n_components, tol=0, max_iter=n_iterations, **start)
    whole.set_params(callback=lambda state: state.n_iter == n_iterations).fit(X)
    print(f"the same in one go: {whole.lower_bounds_[-1]:.6f}, means differ by "
          f"{abs(whole.means_ - means).max():.0e}")
plot_history({"chunks": history}).figure.savefig(folder / "streaming.png")
