"""EM over a memory map, chunk by chunk: statistics add up, so no chunk sees another."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

from emkernels import GaussianMixture
from emkernels.components.gaussian import GaussianComponents, Gaussians, structure_of
from emkernels.data import Chunks
from emkernels.em import run_em
from emkernels.latent import Mixture, MixtureParameters
from emkernels.plotting import plot_history

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

with tempfile.TemporaryDirectory() as place:
    # the pixels of two photographs in one file
    pixels = np.concatenate([load_sample_image(name).reshape(-1, 3)
                             for name in ("china.jpg", "flower.jpg")])
    np.save(Path(place, "pixels.npy"), (pixels / 255).astype(np.float32))
    X = np.load(Path(place, "pixels.npy"), mmap_mode="r")

    # a start from a few rows, then the loop that every estimator runs, on chunks
    few = GaussianMixture(4, random_state=0).fit(X[::1000])
    full = structure_of("full", reg_covar=1e-6)
    mixture, chunks = Mixture(GaussianComponents(full)), Chunks(np.array_split(X, 20))
    start = MixtureParameters(few.weights_.astype(float), Gaussians(
        full, few.means_.astype(float), few.covariances_.astype(float),
        few.precisions_cholesky_.astype(float)))
    result = run_em(mixture, chunks, lambda i: start, max_iter=25, tol=0)
    print(f"{chunks.n_rows} rows in {len(chunks.parts)} chunks, {result.n_iter} passes: "
          f"log-likelihood {result.lower_bound:.6f} a row")

    # GaussianMixture reads the map in place, too, and takes the same steps
    whole = GaussianMixture(
        4, tol=0, max_iter=25, weights_init=few.weights_, means_init=few.means_,
        precisions_init=few.precisions_, callback=lambda state: state.n_iter == 25).fit(X)
    print(f"the same in one go: {whole.lower_bounds_[-1]:.6f}, means differ by "
          f"{abs(whole.means_ - result.parameters.means).max():.0e}")
plot_history({"chunks": result.history}).figure.savefig(folder / "streaming.png")
