"""A table with missing values: its rows as numbers, moments of its columns, ML estimates."""

import numpy as np

from emkernels import _inputs
from emkernels._callers import listening
from emkernels.models._arguments import numbers
from emkernels.models._information import observed_inverses, pattern_moments
from emkernels.models._standardised import along, at_floor
from emkernels.models._words import some
from emkernels.models.imputers import FLOOR, GaussianImputer


def check_information(patterns, names):
    """ValueError where it is certain before any work that the likelihood has no maximum.

    A hyperplane goes through as many rows as there are columns; and through those that observe a
    column, where they are no more than the columns that all of them observe.
    """
    observed = ~patterns.masks
    counts = np.where(observed.any(axis=1), patterns.counts, 0)
    n_rows, n_features = int(counts.sum()), len(names)
    if n_rows <= n_features:
        raise ValueError(
            f"Little's test needs more rows than columns: {n_rows} rows have a value, and there "
            f"are {n_features} columns; use fewer columns")
    for j, name in enumerate(names):
        seen = observed[:, j]
        n_seen, known = int(counts[seen].sum()), int(observed[seen].all(axis=0).sum()) - 1
        if n_seen <= known + 1:
            raise ValueError(
                f"column {name!r} has a value in {n_seen} rows only, in all of which "
                f"{known} other column{'s are' if known > 1 else ' is'} known: Little's test needs "
                f"{known + 2} such rows, or leave the column out")


def estimate(X, tol, max_iter):
    """ML location and covariance of one normal distribution, and whether EM converged."""
    with listening():       # the caller says what they mean for the test
        imputer = GaussianImputer(tol=tol, max_iter=max_iter).fit(X)
    return imputer.location_, imputer.covariance_, imputer.converged_


def distance_of_means(X, patterns, location, covariance, names):
    """Little's sum over patterns of ``n_p (mean_p - mu_p)' Sigma_p^-1 (mean_p - mu_p)``;
    ValueError, with the columns, where the covariance is singular."""
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / scale[:, None] / scale
    # a likelihood without a maximum was kept from it by the floor of the variances
    combinations = at_floor(correlation, 2 * FLOOR[X.dtype])
    if len(combinations):
        columns = some([repr(name) for name in along(combinations, names)])
        raise ValueError(
            f"the covariance of the columns {columns} is singular: they determine each other, or "
            "too few rows have all of them. Little's test needs some of them left out")
    total = 0.0
    for _, observed, weights, sums, _ in pattern_moments(X, location, scale, patterns):
        inverses = observed_inverses(correlation, observed)
        products = np.einsum("pi,pij,pj->p", sums, inverses, sums, optimize=True)
        total += float((products / weights).sum())
    return total


def p_text(p, equal=""):
    """A p-value in words; a number cannot say how far below its range one is."""
    return f"{equal}{p:.4g}" if p >= 1e-300 else "< 1e-300"


def as_table(X, name="X"):
    """Rows as a float array with NaN where a value is missing, and the names of the columns.

    An array of float32 or float64 is returned as it is; for what else is taken see
    :func:`emkernels._inputs.as_table`.
    """
    values, names = _inputs.as_table(X, name)
    if values.ndim != 2:
        raise ValueError(f"{name} must be a 2-d table, got {values.ndim} dimension(s)")
    if 0 in values.shape:
        raise ValueError(f"{name} is empty: {values.shape[0]} rows, {values.shape[1]} columns")
    return values, tuple(f"x{j}" for j in range(values.shape[1])) if names is None else names


def finite(values, name):
    """Values as float64, refusing NaN and infinity."""
    values = numbers(values, name)
    if not np.isfinite(values).all():
        where = _inputs.place(np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{name} contains NaN or infinity, first at {where}")
    return values


def names_of_all(tables, name, wanted=None):
    """The names of a frame, or of every one of a list of series or frames, which must agree with
    each other and with those wanted; None where there are none."""
    parts = list(tables) if isinstance(tables, (list, tuple)) else [tables]
    for i, part in enumerate(parts):
        title = name if part is tables else f"{name}[{i}]"
        own = _inputs.names_of(part)
        if own is None or (part is tables and getattr(part, "ndim", 2) == 1):
            continue        # one series is one parameter, and its index the imputations
        _inputs.check_names(part, wanted, title, "the estimates")
        wanted = own
    return wanted


def text_table(rows, left=(0,)):
    """Rows of texts in columns; those in `left` begin at the left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        text.ljust(width) if at in left else text.rjust(width)
        for at, (text, width) in enumerate(zip(row, widths))).rstrip() for row in rows)
