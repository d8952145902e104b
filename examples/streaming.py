"""A mixture fitted to a file of rows block by block, killed on the way, and predictions into
another file: neither is in memory at once."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_sample_image

from emkernels import GaussianMixture
from emkernels.plotting import plot_history

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

with tempfile.TemporaryDirectory() as place:
    # the pixels of two photographs in one file
    pixels = np.concatenate([load_sample_image(name).reshape(-1, 3)
                             for name in ("china.jpg", "flower.jpg")])
    np.save(Path(place, "pixels.npy"), (pixels / 255).astype(np.float32))
    X = np.load(Path(place, "pixels.npy"), mmap_mode="r")
    options = {"tol": 1e-5, "max_iter": 200, "random_state": 0}

    # every pass reads 50,000 rows after the other
    model = GaussianMixture(4, **options).fit_chunks(X, chunk_rows=50_000)
    print(f"{model.n_rows_} rows in {model.n_blocks_} blocks, {model.n_iter_} iterations: "
          f"log-likelihood {model.lower_bound_:.6f} a row")

    # a fit that is ended in its middle goes on from its checkpoint, to the same bits
    class Killed(Exception):
        pass

    def kill(state):
        if state.n_iter == 10:
            raise Killed

    checkpoint = Path(place, "fit.checkpoint")
    try:
        GaussianMixture(4, callback=kill, **options).fit_chunks(
            X, chunk_rows=50_000, checkpoint=checkpoint)
    except Killed:
        again = GaussianMixture(4, **options).fit_chunks(
            X, chunk_rows=50_000, checkpoint=checkpoint, resume=True)
    print(f"killed and resumed: the same bits {np.array_equal(again.means_, model.means_)}")

    # the same start, all rows in memory
    few = GaussianMixture(4, random_state=0).fit(X[::1000])
    start: dict[str, Any] = {"weights_init": few.weights_, "means_init": few.means_,
                             "precisions_init": few.precisions_}
    whole = GaussianMixture(4, **options, **start).fit(X)
    parts = GaussianMixture(4, **options, **start).fit_chunks(X, chunk_rows=50_000)
    print(f"the same in one go: means differ by {abs(whole.means_ - parts.means_).max():.0e}")

    # labels, block by block, into a file
    model.predict_chunks(X, Path(place, "labels.npy"), chunk_rows=50_000)
    counts = np.bincount(np.load(Path(place, "labels.npy"), mmap_mode="r"))
    print(f"pixels of each component: {', '.join(map(str, counts))}")
plot_history({"blocks": model}).figure.savefig(folder / "streaming.png")
