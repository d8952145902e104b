"""Probabilities along the last axis: their M-step, priors and vectors."""

import numpy as np

LEAST = 1e-300      # of a sum that something is divided by
LEAST_LOG = -690.0  # of a probability that a leap may lead to, beside the largest


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
