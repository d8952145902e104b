"""Where K-means begins, and which of several starts is kept."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from emkernels import _inputs
from emkernels._callers import warn
from emkernels.data import Rows, checks
from emkernels.starts.coresets import of_coreset
from emkernels.starts.kmeans import drawing, plusplus, seen_by_callable
from emkernels.starts.lloyd import lloyd
from emkernels.starts.lloyd_blocks import lloyd_of_blocks
from emkernels.starts.oversampling import oversampled

SEEDS = {"k-means++": plusplus, "k-means||": oversampled, "coreset": of_coreset}


class KMeansStarts:
    """The starts of K-means, to be inherited from."""

    def _best(self, rows):
        """The best of the starts, with a warning where it has fewer clusters."""
        iterate = lloyd if isinstance(rows, Rows) else lloyd_of_blocks
        start, n_init = self._starts(rows, rows.random_state(self.random_state))
        report = print if self.verbose else None
        best = None
        for i in range(n_init):
            centers = start()
            if report:
                report(f"Initialization complete ({i + 1} of {n_init})")
            found = iterate(rows, centers, max_iter=self.max_iter, tol=self.tol, report=report)
            # the same clustering again is no better for its rounding
            if best is None or (found.inertia < best.inertia and not found.is_same(best)):
                best = found
        if best.n_found < self.n_clusters:
            warn(
                f"Number of distinct clusters ({best.n_found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
            )
        return best

    def _starts(self, rows, random_state):
        """A function of no arguments that makes the centres of a start, and how many starts."""
        k, init, n_init = self.n_clusters, self.init, self.n_init
        if isinstance(init, str) and init != "random":
            seeds = SEEDS[init]

            def start():
                return seeds(rows, k, random_state)
        elif isinstance(init, str):
            draw = drawing(rows, k)

            def start():
                return draw(random_state)
        elif callable(init):
            X = seen_by_callable(rows, k, random_state)

            def start():
                return _check_centers(init(X, k, random_state=random_state), rows, k)
        else:
            centers = _check_centers(init, rows, k)
            if n_init not in ("auto", 1):
                warn(
                    "Explicit initial center position passed: performing only one init in "
                    f"{type(self).__name__} instead of n_init={n_init}.",
                    RuntimeWarning,
                )
            return lambda: centers, 1
        if n_init == "auto":
            n_init = 1 if isinstance(init, str) and init != "random" else 10
        return start, n_init


def _check_centers(centers, rows, n_clusters):
    """Centres in the precision of the rows, finite, of the right shape."""
    centers = _inputs.as_rows(centers, "init", missing=False)
    centers = check_array(centers, dtype=rows.dtype, order="C", input_name="init")
    for size, expected, what in (
            (centers.shape[0], n_clusters, "number of clusters"),
            (centers.shape[1], rows.n_features, "number of features of the data")):
        if size != expected:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the {what} "
                f"{expected}."
            )
    checks.check_magnitude(centers, np.abs(centers).max(), "init", len(rows))
    return centers
