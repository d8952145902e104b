"""Observed information of one multivariate normal with missing values.

The parameters are ordered: the D means, then the lower triangle of the covariance row by row,
(0, 0), (1, 0), (1, 1), (2, 0), ...: q = D + D (D + 1) / 2 of them; an off-diagonal covariance is
one parameter.

Patterns of missing values are what :func:`emkernels.kernels.missing_patterns` returns. For the
rows of a pattern p with weight n, G is the inverse of the covariance of its observed columns with
zeros where a column is missing, r and S are the weighted sum and scatter of ``x - location``
there. With ``u = G r`` and ``W = G S G`` the negative second derivatives of the log-likelihood are

    location j, location k     sum_p n G_jk
    location j, along E        sum_p (G E u)_j
    along E, along F           sum_p tr(E G F (W - n G / 2))

where E and F are the symmetric directions of one covariance each. So everything is a sum over
patterns of products of an element of G with an element of W - n G / 2, of u or n: one matrix
product of the stacked triangles. Nothing but n, r and S of a pattern is needed of its rows.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from emkernels import kernels
from emkernels._results import Result, Table

_LARGEST = 1 << 31      # bytes of the matrices of all parameters that are held at once
_STACK = 1 << 21        # numbers in a stack of pattern matrices, or in a block of rows


class _Uncertainty(NamedTuple):
    location: np.ndarray
    covariance: np.ndarray


class Uncertainty(Result, _Uncertainty):
    """What is said of every mean and every covariance: its standard error, or the share it lost.

    Attributes
    ----------
    location : ndarray of shape (n_features,)
    covariance : ndarray of shape (n_features, n_features)
        Symmetric.
    names : list of str, or None
        Of the columns.
    what : str
        Standard errors, or fractions of missing information.

    See Also
    --------
    emkernels.GaussianImputer : Whose `standard_errors` and `missing_information` give it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianImputer
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> X[:100, 1] = np.nan
    >>> lost = GaussianImputer().fit(X).missing_information(X)
    >>> lost.location.round(1)
    array([0. , 0.5])
    """

    names, what = None, "Uncertainty"

    def _tables(self):
        names = [f"x{j}" for j in range(len(self.location))] if self.names is None else self.names
        return [Table([("column", names), ("location", self.location),
                       *((f"covariance with {name}", values)
                         for name, values in zip(names, self.covariance))])]

    def _headline(self):
        return f"{self.what} of the means and the covariances"


def stacks(n_patterns, n_features):
    """Patterns that are worked on together: slices."""
    n_stack = max(1, _STACK // n_features**2)
    for begin in range(0, n_patterns, n_stack):
        yield slice(begin, min(begin + n_stack, n_patterns))


def pattern_moments(X, centre, scale, patterns, sample_weight=None):
    """Weights, sums and scatters of z = (x - centre) / scale by pattern, a stack at a time.

    Yields ``part, observed, weights, sums, scatters``: a slice of the patterns, what they observe
    (n, D), and the moments (n,), (n, D) and (n, D, D), zero where a column is missing. X is read a
    block of rows of one pattern at a time.
    """
    n_features = patterns.n_features
    order, offsets = patterns.order, patterns.offsets
    n_block = max(1, _STACK // n_features)
    for part in stacks(patterns.n_patterns, n_features):
        begin = part.start
        observed = ~patterns.masks_of(part)
        n = len(observed)
        first, counts = offsets[begin:begin + n], np.diff(offsets[begin:begin + n + 1])
        weights, sums = np.zeros(n), np.zeros((n, n_features))
        scatters = np.zeros((n, n_features, n_features))
        # there may be as many patterns as rows: patterns of one row go together
        single = np.flatnonzero(counts == 1)
        rows = order[first[single]]
        w = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        z = np.where(observed[single], (np.asarray(X[rows], np.float64) - centre) / scale, 0.0)
        weights[single], sums[single] = w, w[:, None] * z
        scatters[single] = sums[single][:, :, None] * z[:, None, :]
        for p in np.flatnonzero(counts > 1):
            columns = np.flatnonzero(observed[p])
            for row in range(first[p], first[p] + counts[p], n_block):
                rows = order[row:min(row + n_block, first[p] + counts[p])]
                w = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
                weights[p] += w.sum()
                z = np.asarray(X[np.ix_(rows, columns)], np.float64)
                z = (z - centre[columns]) / scale[columns]
                sums[p, columns] += w @ z
                scatters[p][np.ix_(columns, columns)] += (w[:, None] * z).T @ z
        yield part, observed, weights, sums, scatters


def observed_inverses(covariance, observed):
    """Inverses of the blocks of `covariance` that each row of `observed` picks, in a stack of
    whole matrices with zeros elsewhere."""
    both = observed[:, :, None] & observed[:, None, :]
    blocks = np.where(both, covariance, 0.0)
    diagonal = np.einsum("pii->pi", blocks)
    diagonal[~observed] = 1
    lower = np.linalg.inv(np.linalg.cholesky(blocks))
    return np.where(both, np.swapaxes(lower, 1, 2) @ lower, 0.0)


def observed_information(X, location, covariance, patterns, sample_weight=None):
    """Negative matrix of second derivatives of the log-likelihood of what is observed.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        NaN where a value is missing.
    location : array-like of shape (n_features,)
    covariance : array-like of shape (n_features, n_features)
    patterns : result of :func:`emkernels.kernels.missing_patterns`
    sample_weight : array-like of shape (n_samples,), optional

    Returns
    -------
    ndarray of shape (q, q)
        Exact at any parameters, in the order that the head of this module states.

    Raises
    ------
    ValueError
        Wrong shapes, a covariance that is not positive definite, or so many columns that the
        matrices of all parameters would not fit.

    References
    ----------
    R. J. A. Little, D. B. Rubin, Statistical Analysis with Missing Data, Wiley, 2002, section 9.1;
    M. G. Kenward, G. Molenberghs, Statistical Science 13, 1998 (why the observed, not the
    expected information: the latter is not valid where values are only missing at random).
    """
    information, units, _, _ = _scaled_information(X, location, covariance, patterns, sample_weight)
    information /= units[:, None]
    information /= units
    return information


def complete_information(covariance, total):
    """Information of `total` complete rows: total Sigma^-1 for the location, for the covariance
    ``total tr(E Sigma^-1 F Sigma^-1) / 2``. At the maximum of the likelihood this is the
    expected information of the completed rows.

    Parameters
    ----------
    covariance : array-like of shape (n_features, n_features)
    total : float
        Sum of the weights of the rows.

    Returns
    -------
    ndarray of shape (q, q)
    """
    _, scale, correlation = _check_parameters(None, covariance)
    _check_size(len(scale))
    triangle = np.tril_indices(len(scale))
    inverse = observed_inverses(correlation, np.ones((1, len(scale)), bool))[0][triangle]
    products = np.outer(inverse, np.r_[total / 2 * inverse, np.zeros(len(scale)), total])
    information = _assemble(products, len(scale))
    units = _units(scale)
    return information / units[:, None] / units


def standard_errors(X, location, covariance, patterns, sample_weight=None, *, names=None):
    """Standard errors of the ML estimates: square roots of the diagonal of the inverse of the
    observed information.

    Parameters
    ----------
    X, location, covariance, patterns, sample_weight
        As :func:`observed_information`; location and covariance are the ML estimates.
    names : sequence of str, optional
        Of the columns, for the errors.

    Returns
    -------
    Uncertainty

    Raises
    ------
    ValueError
        As :func:`observed_information`, and when the information is singular: two columns never
        observed together are named, otherwise the parameter where the inverse fails.
    """
    return uncertainty(X, location, covariance, patterns, sample_weight, names=names)[0]


def missing_information(X, location, covariance, patterns, sample_weight=None, *, names=None):
    """Share of the information on each parameter that the missing values took: one minus the
    variance that complete rows would give over the variance that the observed values give.

    Rows with nothing observed count as rows that could have been complete.

    Parameters
    ----------
    X, location, covariance, patterns, sample_weight, names
        As :func:`standard_errors`.

    Returns
    -------
    Uncertainty

    References
    ----------
    T. Orchard, M. A. Woodbury, Proceedings of the Sixth Berkeley Symposium 1, 1972.
    """
    return uncertainty(X, location, covariance, patterns, sample_weight, names=names)[1]


def uncertainty(X, location, covariance, patterns, sample_weight=None, *, names=None):
    """Both :func:`standard_errors` and :func:`missing_information`, for the price of one."""
    information, units, together, total = _scaled_information(
        X, location, covariance, patterns, sample_weight)
    n_features = patterns.n_features
    columns = [str(j) if names is None else repr(str(names[j])) for j in range(n_features)]
    _check_determined(together, columns)
    variances = _inverse_diagonal(information, columns)
    _, _, correlation = _check_parameters(location, covariance)
    complete = np.r_[np.ones(n_features), 1 + correlation[np.tril_indices(n_features)] ** 2] / total
    # 0 where nothing is missing of the columns of a parameter, whatever that is rounded to
    whole = (together >= (1 - 1e-12) * total)[np.tril_indices(n_features)]
    whole = np.r_[np.diag(together) >= (1 - 1e-12) * total, whole]
    lost = np.where(whole, 0.0, np.maximum(1 - complete / variances, 0.0))
    out = []
    for what, values in (("Standard errors", units * np.sqrt(variances)),
                         ("Fractions of missing information", lost)):
        found = Uncertainty(values[:n_features], _symmetric(values[n_features:], n_features))
        found.what = what
        if names is not None:
            found.names = [name if isinstance(name, str) else f"x{name}" for name in names]
        out.append(found)
    return tuple(out)


def _check_parameters(location, covariance):
    """Location, standard deviations and correlations."""
    covariance = np.asarray(covariance, dtype=np.float64)
    n_features = len(covariance)
    if covariance.shape != (n_features, n_features):
        raise ValueError(f"covariance must be a square matrix, got shape {covariance.shape}")
    location = np.zeros(n_features) if location is None else np.asarray(location, np.float64)
    if location.shape != (n_features,):
        raise ValueError(f"location must have shape ({n_features},), got {location.shape}")
    if not (np.isfinite(location).all() and np.isfinite(covariance).all()):
        raise ValueError("location or covariance contains NaN or infinity")
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=1e-9 * np.abs(covariance).max()):
        raise ValueError("covariance is not symmetric")
    variances = np.diag(covariance)
    if not (variances > 0).all():
        column = int((variances <= 0).argmax())
        raise ValueError(f"the variance of column {column} is {variances[column]:g}: not positive")
    scale = np.sqrt(variances)
    correlation = covariance / scale[:, None] / scale
    correlation = (correlation + correlation.T) / 2
    if lapack.dpotrf(correlation, lower=1)[1] != 0:
        raise ValueError("covariance is not positive definite")
    return location, scale, correlation


def _check_size(n_features):
    def memory(n_features):
        return 4 * 8 * (n_features * (n_features + 3) // 2) ** 2

    if memory(n_features) > _LARGEST:
        most = next(d for d in range(n_features, 0, -1) if memory(d) <= _LARGEST)
        q = n_features * (n_features + 3) // 2
        raise ValueError(
            f"{n_features} columns have {q} means and covariances, whose information would take "
            f"{memory(n_features) / 2**30:.1f} GiB; at most {most} columns are possible"
        )


def _units(scale):
    """Units of the parameters: theta = units * theta of the standardised columns."""
    rows, columns = np.tril_indices(len(scale))
    return np.r_[scale, scale[rows] * scale[columns]]


def _scaled_information(X, location, covariance, patterns, sample_weight):
    """The information of standardised columns, the units, the weight of the rows that observe
    each pair of columns, and the total weight."""
    location, scale, correlation = _check_parameters(location, covariance)
    n_features = len(scale)
    shape = (patterns.n_samples, patterns.n_features)
    if not hasattr(X, "dtype"):
        X = np.asarray(X)
    if X.shape != shape or n_features != shape[1]:
        raise ValueError(
            f"X has shape {X.shape} and covariance {covariance.shape}, but patterns are of {shape}")
    if sample_weight is not None:
        sample_weight = kernels.check_sample_weight(sample_weight, shape[0])
    _check_size(n_features)
    rows, columns = np.tril_indices(n_features)
    products = np.zeros((len(rows), len(rows) + n_features + 1))
    together, total = np.zeros((n_features, n_features)), 0.0
    for _, observed, weights, sums, scatters in pattern_moments(
            X, location, scale, patterns, sample_weight):
        together += (weights[:, None] * observed).T @ observed
        total += weights.sum()
        inverses = observed_inverses(correlation, observed)
        shifts = (inverses @ sums[:, :, None])[:, :, 0]
        spread = inverses @ scatters @ inverses
        spread -= weights[:, None, None] / 2 * inverses
        right = np.concatenate([spread[:, rows, columns], shifts, weights[:, None]], axis=1)
        products += inverses[:, rows, columns].T @ right
    return _assemble(products, n_features), _units(scale), together, total


def _assemble(products, n_features):
    """The information from sums over patterns of (triangle of G) times (triangle of
    W - n G / 2, u, n)."""
    i, j = np.tril_indices(n_features)
    n_triangle = len(i)
    at = np.empty((n_features, n_features), dtype=np.intp)
    at[i, j] = at[j, i] = np.arange(n_triangle)
    half = np.where(i == j, 0.5, 1.0)   # e_i e_j' + e_j e_i' is twice the direction of a variance
    information = np.empty((n_features + n_triangle,) * 2)
    information[:n_features, :n_features] = products[at, -1]
    shifts = products[:, n_triangle:-1]
    cross = (shifts[at[:, i], j] + shifts[at[:, j], i]) * half
    information[:n_features, n_features:] = cross
    information[n_features:, :n_features] = cross.T
    block = information[n_features:, n_features:]
    n_rows = max(1, _STACK // n_triangle)
    for begin in range(0, n_triangle, n_rows):
        part = slice(begin, begin + n_rows)
        k, m = i[part, None], j[part, None]
        sums = products[at[m, i], at[j, k]]
        sums += products[at[m, j], at[i, k]]
        sums += products[at[k, i], at[j, m]]
        sums += products[at[k, j], at[i, m]]
        block[part] = sums * half * half[part, None]
    block += block.T
    block *= 0.5
    return information


def _check_determined(together, columns):
    never = np.flatnonzero(np.diag(together) <= 0)
    if len(never):
        raise ValueError(
            f"column {columns[never[0]]} is never observed: the observed information is singular")
    never = np.argwhere(np.triu(together <= 0))
    if len(never):
        first, second = (columns[j] for j in never[0])
        raise ValueError(
            f"columns {first} and {second} are never observed together: nothing determines their "
            "covariance, and the observed information is singular"
        )


def _inverse_diagonal(information, columns):
    """Diagonal of the inverse; `information` is overwritten."""
    size = len(information)
    diagonal = np.diag(information).copy()
    failed = None if (diagonal > 0).all() else int((diagonal <= 0).argmax())
    if failed is None:
        root = np.sqrt(diagonal)
        information /= root[:, None]
        information /= root
        norm = np.abs(information).sum(axis=0).max()
        # symmetric, so the transpose is the same matrix in Fortran order: no copy
        factor, info = lapack.dpotrf(information.T, lower=1, overwrite_a=1)
        if info == 0 and lapack.dpocon(factor, norm, uplo="L")[0] > size * np.finfo(float).eps:
            inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
            return np.diag(inverse) / diagonal
        failed = info - 1 if info else int(np.diag(factor).argmin())
    n_features = len(columns)
    if failed < n_features:
        what = f"the mean of column {columns[failed]}"
    else:
        first, second = (index[failed - n_features] for index in np.tril_indices(n_features))
        what = (f"the variance of column {columns[first]}" if first == second
                else f"the covariance of columns {columns[second]} and {columns[first]}")
    raise ValueError(
        f"the observed information is not positive definite, first at {what}: the estimates are "
        "not at a maximum of the likelihood, or the observed values do not determine them"
    )


def _symmetric(triangle, n_features):
    out = np.empty((n_features, n_features))
    rows, columns = np.tril_indices(n_features)
    out[rows, columns] = out[columns, rows] = triangle
    return out
