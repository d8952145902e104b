"""Probabilities along the last axis: checks of them, their M-step, priors and vectors."""

import numpy as np

from emkernels.data.checks import check_parameter

LEAST = 1e-300      # of a sum that something is divided by
LEAST_LOG = -690.0  # of a probability that a leap may lead to, beside the largest
# How far sums of probabilities may be from one, the rounding of float32; what is further than the
# second is taken out where they are computed with.
ROUNDING, NOISE = 1e-6, 1e-12


def check_probabilities(values, name, shape):
    """Probabilities along the last axis, a float64 array of that shape; None for None. They are
    refused where they do not sum to one, not made to."""
    array = check_parameter(values, name, shape)
    if array is None:
        return None
    if (array < 0).any():
        at = tuple(map(int, np.argwhere(array < 0)[0]))
        raise ValueError(f"{name} must not be negative, got {array[at]:.6g} at {at}")
    sums = array.sum(axis=-1)
    off = np.abs(sums - 1) > ROUNDING
    if off.any():
        if array.ndim == 1:
            raise ValueError(f"{name} must sum to one, got {sums:.10g}")
        row = int(np.argmax(off))
        raise ValueError(f"every row of {name} must sum to one, got {sums[row]:.10g} in row {row}")
    return array


def exact(probabilities):
    """Checked probabilities without the rounding of their sums, which a fit would gain or lose at
    every row; None for None."""
    if probabilities is None:
        return None
    sums = probabilities.sum(axis=-1, keepdims=True)
    return np.where(np.abs(sums - 1) > NOISE, probabilities / sums, probabilities)


def shares(counts, before, concentration=None):
    """The likeliest probabilities for expected counts under a Dirichlet prior, if any. What was
    zero stays zero, and a row without a count stays as it is."""
    if concentration is not None:
        counts = counts + np.where(before > 0, concentration - 1, 0.0)
    total = counts.sum(axis=-1, keepdims=True)
    seen = total > LEAST
    out = counts / np.where(seen, total, 1.0)
    return out if seen.all() else np.where(seen, out, before)


def log_dirichlet(probabilities, concentration):
    """Log density of Dirichlet priors of what is not zero, without their normalisers."""
    if concentration is None:
        return 0.0
    inside = (probabilities > 0) & (concentration > 1)
    return float(((concentration - 1)[inside] * np.log(probabilities[inside])).sum())


def logs(probabilities):
    """Logarithms, of zero that of a very small number."""
    return np.log(np.maximum(probabilities, LEAST))


def from_logs(values, like):
    """Probabilities of such logarithms; what is impossible in `like` stays so."""
    raw = np.where(like > 0, values, -np.inf)
    raw = np.maximum(raw - raw.max(axis=-1, keepdims=True), LEAST_LOG)
    raw = np.where(like > 0, np.exp(raw), 0.0)
    return raw / raw.sum(axis=-1, keepdims=True)
