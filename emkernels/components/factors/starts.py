"""Where the search of uniquenesses begins: log noise variances from second moments.

The likelihood has several maxima. Many have a factor that is nearly a column, or two that are
nearly equal, and are far from where squared multiple correlations lead.
"""

import numpy as np
from scipy.linalg import lapack

from emkernels.components.factors.moments import SMALL

# Least shares of the variance that starts have for what is a factor, and for what is not.
FACTOR, OTHER = 2e-3, 5e-2


def start(moments, n_factors, i, rng):
    """Log noise variances of start i: from squared multiple correlations, columns, pairs of
    columns, and then drawn evenly between a tenth and all of the columns' variances. (Of many
    columns: from principal components, pairs, and at random.)

    Parameters
    ----------
    moments : Dense or Wide
        Of :mod:`emkernels.components.factors.moments`.
    n_factors : int
    i : int
    rng : RandomState

    Returns
    -------
    ndarray of shape (n_features,)
    """
    kinds = [of_multiple_correlations, of_columns, of_pairs]
    if moments.matrix is None:
        kinds = [of_halves]
    elif moments.size > SMALL:
        kinds = [of_principal_components, of_pairs]
    if i < len(kinds):
        return kinds[i](moments, n_factors)
    return np.log(rng.uniform(0.1, 1.0, moments.size) * moments.diagonal)


def of_multiple_correlations(moments, n_factors):
    """What each column has not in common with the others, ``(1 - q / 2D) / diag S^-1``, as
    Joreskog has it; the matrix is shrunk where it is singular, or nearly."""
    share = 1 - min(n_factors / (2 * moments.size), 0.5)
    correlation = _correlation(moments)
    for shrink in (0.0, 0.05):
        mixed = (1 - shrink) * correlation
        mixed[np.diag_indices(len(mixed))] += shrink
        factor, info = lapack.dpotrf(mixed, lower=1)
        if info == 0:
            unique = share / np.diagonal(lapack.dpotri(factor, lower=1)[0])
            if unique.min() > 1e-3 or shrink:
                break
    return np.log(np.maximum(unique, 5e-3) * moments.diagonal)


def of_halves(moments, n_factors):
    """Half of each variance."""
    return np.log(0.5 * moments.diagonal)


def of_principal_components(moments, n_factors):
    """What probabilistic principal components of the correlations leave of each column."""
    k = min(n_factors, moments.size - 1)
    values, vectors = moments.pairs(1 / np.sqrt(moments.diagonal), k, residual=1e-3)
    values, vectors = values[:k], vectors[:, :k]
    noise = max(0.0, (moments.size - values.sum()) / (moments.size - k))
    unique = 1 - vectors**2 @ np.maximum(values - noise, 0)
    return np.log(np.clip(unique, OTHER, 1.0) * moments.diagonal)


def of_columns(moments, n_factors):
    """Factors that are columns, one after the other those that explain the others best: with the
    least sum of the logarithms of what is left."""
    left = _correlation(moments)
    size, chosen = len(left), []
    for _ in range(min(n_factors, size - 1)):
        variance = np.diagonal(left).copy()
        usable = variance > 1e-6
        usable[chosen] = False
        if not usable.any():
            break
        after = np.log(np.maximum(
            variance - left**2 / np.where(usable, variance, 1.0)[:, None], 1e-3))
        after[:, chosen] = 0
        total = after.sum(axis=1) - np.diagonal(after)
        total[~usable] = np.inf
        best = int(total.argmin())
        chosen.append(best)
        left -= np.outer(left[best], left[best]) / left[best, best]
    unique = np.clip(np.diagonal(left), OTHER, 1.0)
    unique[chosen] = FACTOR
    return np.log(unique * moments.diagonal)


def of_pairs(moments, n_factors):
    """Factors that are sums of two columns, one after the other those that are correlated most."""
    left = _correlation(moments)
    for _ in range(n_factors):
        variance = np.diagonal(left)
        usable = variance > 1e-3
        unit = 1 / np.sqrt(np.where(usable, variance, np.inf))
        sizes = np.abs(left) * unit * unit[:, None]
        np.fill_diagonal(sizes, 0)
        i, j = np.unravel_index(sizes.argmax(), sizes.shape)
        if not sizes[i, j] > 0:
            break
        loading = left[i] * unit[i] + np.sign(left[i, j]) * left[j] * unit[j]
        loading /= np.sqrt(2 + 2 * sizes[i, j])
        left -= np.outer(loading, loading)
    return np.log(np.clip(np.diagonal(left), FACTOR, 1.0) * moments.diagonal)


def _correlation(moments):
    unit = np.sqrt(moments.diagonal)
    return moments.matrix / unit / unit[:, None]
