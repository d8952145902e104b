"""What estimators that have `partial_fit` share."""

from numbers import Real

import numpy as np

from emkernels import _inputs
from emkernels.data import checks
from emkernels.data.checks import Interval

BOUNDS = 1000       # of the latest batches
STEPS = {
    "step_exponent": [Interval(Real, 0.5, 1, closed="right")],
    "step_offset": [Interval(Real, 0, None, closed="left")],
}


def weighed_batch(estimator, rows, sample_weight):
    """The rows that say something, with their weights; None where there are none."""
    checks.check_magnitude_of(rows)
    checks.check_labelled(estimator, rows, sample_weight)
    if sample_weight is not None:
        values = np.asarray(_inputs.as_rows(sample_weight, "sample_weight"))
        if values.shape == (len(rows),) and not np.any(values != 0):
            return None
    elif not rows.n_positive:
        return None
    rows = rows.weighed(sample_weight, rows.largest)
    if rows.has_missing and rows.known is None and (empty := rows.empty).any():
        if empty.all():
            return None
        rows = rows.take(~empty)
    return rows.with_(n_threads=estimator.n_threads) if rows.n_positive else None


def bounds_behind(estimator, stream):
    """The objectives behind the latest batches, of which the stream has the last."""
    before = estimator.lower_bounds_ if "_stream" in vars(estimator) else []
    return [*before, stream.bound][-BOUNDS:]


def remember_batch(estimator, rows, stream):
    """The stream, how far it is, what its first batch says of columns, and that no blocks were
    fitted to. (Parameters that are set take the stream of before away.)"""
    if "n_features_in_" not in vars(estimator):
        checks.remember_columns(estimator, rows)
    for name in ("n_blocks_", "n_rows_"):
        vars(estimator).pop(name, None)
    estimator.n_iter_, estimator.converged_ = stream.pace.n_batches, False
    estimator._stream = stream
