"""Loadings that can be read: the same fit on other axes."""

from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkernels import _inputs
from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels.components.factors import rotations
from emkernels.components.factors.oblimin import oblimin
from emkernels.em import EMWarning

# of orthomax
GAMMAS = {"varimax": 1.0, "promax": 1.0, "quartimax": 0.0}
OBLIQUE = ("promax", "oblimin")
ROTATIONS = ("varimax", "quartimax", "promax", "oblimin")
# rows of one length before the search, as R does it: stats::varimax and promax, GPArotation's
# quartimax and oblimin
KAISER = {"varimax": True, "promax": True, "quartimax": False, "oblimin": False}
POWER = 4


@dataclass(repr=False)
class Rotation(Result):
    """Result of :func:`rotate`.

    Attributes
    ----------
    loadings : ndarray of shape (D, q)
        ``L* = L inv(T')``.
    matrix : ndarray of shape (q, q)
        T: factors z become ``T' z``, and scores in rows ``Z T``.
    correlation : ndarray of shape (q, q)
        ``T'T``, of the rotated factors; the identity where they are orthogonal.
    method : str
    kaiser : bool
    criterion : float
        Of the loadings as they were searched, rows of length 1 where `kaiser`: the larger the
        better for varimax, quartimax and promax (that of its varimax), the smaller for oblimin.
    n_init, n_best : int
        How many starts there were, and how many of them ended as well as the best.
    converged : bool
    names : list of str, or None
        Of the columns, where the loadings had them: a data frame with a row for each.

    See Also
    --------
    rotate : What makes it.
    emkernels.FactorAnalysis : Rotates by its parameter `rotation`.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.models.factors.rotation import rotate
    >>> L = np.array([[0.6, 0.6], [0.5, 0.5], [0.6, -0.6], [0.4, -0.4]])
    >>> result = rotate(L, "oblimin")
    >>> abs(result.correlation.round(2))
    array([[1., 0.],
           [0., 1.]])
    """

    loadings: np.ndarray
    matrix: np.ndarray
    correlation: np.ndarray
    method: str
    kaiser: bool
    criterion: float
    n_init: int
    n_best: int
    converged: bool
    names: list | None = None

    def _tables(self):
        factors = [f"factor{j}" for j in range(self.loadings.shape[1])]
        names = [f"x{j}" for j in range(len(self.loadings))] if self.names is None else self.names
        tables = [Table([("column", names), *zip(factors, self.loadings.T)])]
        if self.method in OBLIQUE:
            tables.append(Table([("correlation", factors), *zip(factors, self.correlation)]))
        return tables

    def _headline(self):
        state = "" if self.converged else ", not converged"
        return (f"{self.method} of {len(self.loadings)} columns, criterion {self.criterion:.6g} "
                f"({self.n_best} of {self.n_init} starts{state})")


def rotate(loadings, method, *, kaiser=None, scale=None, n_init=10, random_state=0):
    """Rotate the loadings of factors to simple ones, without any change of the fit.

    Loadings L (D, q) of uncorrelated factors become ``L* = L inv(T')`` of factors with the
    correlations ``Phi = T'T``, so that ``L* Phi L*' = L L'``. T is orthogonal, and L* = L T, for
    varimax and quartimax. With l_ij of L*,

    - varimax maximises ``sum_ij l_ij^4 - sum_j (sum_i l_ij^2)^2 / D``,
    - quartimax maximises ``sum_ij l_ij^4``,
    - oblimin minimises ``sum_{j<k} sum_i l_ij^2 l_ik^2`` (direct quartimin: gamma 0, the default
      of R's GPArotation and of factor_analyzer),
    - promax regresses varimax's loadings on their fourth powers, with signs, as R's `promax` does:
      the varimax with Kaiser's normalisation, the powers those of the loadings themselves
      (factor_analyzer takes powers of the normalised ones, and differs by that).

    These have local optima: the search begins at L and at random axes, and the best end is kept.

    Parameters
    ----------
    loadings : array-like of shape (D, q)
        Of D columns on q factors, scikit-learn's ``components_.T``. Rows of zeros, and fewer
        independent columns than q, are no obstacle: factors without loadings stay so and are last.
    method : {'varimax', 'quartimax', 'promax', 'oblimin'}
        The criterion; the first two keep factors uncorrelated.
    kaiser : bool, optional
        Whether every row is divided by its length, the root of the column's communality, for the
        search, so that all columns count the same, whatever their communalities and units (Kaiser's
        normalisation). None is what R and factor_analyzer do: True for varimax and promax, False
        for quartimax and oblimin. SPSS has True for all, scikit-learn False.
    scale : array-like of shape (D,), optional
        Standard deviations of the columns: the search and the order of the factors are those of
        L / scale, the loadings of standardised columns, so that units do not matter, and what comes
        back is in the units of L. Zeros count as 1.
    n_init : int, default=10
        Starts; two factors need one for varimax and quartimax.
    random_state : int, RandomState, Generator or None, default=0
        For the random starts.

    Returns
    -------
    Rotation
        Factors in the order of their sums of squared loadings (of L / scale), largest first, equal
        ones in the order of the columns that they load most; signs so that a factor's loadings (as
        they come back) add up to 0 or more.

    Raises
    ------
    ValueError, TypeError
        Loadings that are no finite numbers in two dimensions; scales that are negative or not of
        that many columns; an unknown method.

    Warns
    -----
    ConvergenceWarning
        The search ended before the criterion was level.
    EMWarning
        Promax had no oblique axes, and those of varimax are returned.

    See Also
    --------
    emkernels.FactorAnalysis : Rotates by its parameter `rotation`.
    Rotation : What is returned.

    References
    ----------
    H. F. Kaiser, Psychometrika 23, 1958 (varimax); J. O. Neuhaus, C. Wrigley, British Journal of
    Statistical Psychology 7, 1954 (quartimax); A. E. Hendrickson, P. O. White, ibid. 17, 1964
    (promax); R. I. Jennrich, P. F. Sampson, Psychometrika 31, 1966 (oblimin); R. I. Jennrich,
    Psychometrika 67, 2002 (its algorithm).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.models.factors.rotation import rotate
    >>> L = np.array([[0.6, 0.6], [0.5, 0.5], [0.6, -0.6], [0.4, -0.4]])
    >>> abs(rotate(L, "varimax").loadings.round(2))
    array([[0.85, 0.  ],
           [0.71, 0.  ],
           [0.  , 0.85],
           [0.  , 0.57]])
    """
    given, names = _checked(loadings), _row_names(loadings)
    kaiser = check_rotation(method, kaiser)
    n_init = _inputs.whole(n_init, "n_init")
    random = _inputs.as_random_state(random_state)
    L = given / _scales(scale, len(given))
    q = L.shape[1]
    T = np.eye(q)
    with one_thread(max(L.shape)):
        basis, rank = _basis(_of_one_size(L, True))
        axes = rotations.Axes(T[:rank, :rank], 0.0)
        if rank:
            A = (_of_one_size(L, kaiser) @ basis)[:, :rank]
            axes = _search(A, method, rotations.random_starts(rank, n_init, random))
            if method == "promax":
                _to_promax(axes, (L @ basis)[:, :rank])
        T[:rank, :rank] = axes.matrix
        rotated = np.zeros_like(L)
        rotated[:, :rank] = np.linalg.solve(axes.matrix, (given @ basis)[:, :rank].T).T
    correlation = np.eye(q)
    if method in OBLIQUE:
        correlation = T.T @ T
        np.fill_diagonal(correlation, 1.0)
    if not axes.converged:
        warn(f"{method} did not converge: its loadings may be less simple than they could be",
             ConvergenceWarning)
    order, signs = canonical(rotated, scale)
    return Rotation(
        rotated[:, order] * signs, (basis @ T)[:, order] * signs,
        correlation[np.ix_(order, order)] * np.outer(signs, signs), method, kaiser,
        axes.criterion, n_init, axes.n_best, axes.converged, names)


def check_rotation(method, kaiser):
    """Whether rows are normalised; ValueError or TypeError for what is no method or no switch."""
    if not isinstance(method, str) or method not in ROTATIONS:
        raise ValueError(f"rotation must be one of {', '.join(ROTATIONS)}, got {method!r}")
    if kaiser is None:
        return KAISER[method]
    if not isinstance(kaiser, (bool, np.bool_)):
        raise TypeError(f"kaiser must be True, False or None, got {kaiser!r}")
    return bool(kaiser)


def canonical(loadings, scale=None):
    """The order of factors (largest sum of squares first) and the sign of each, in that order.

    Equal sums are those that differ by rounding only; the factor whose largest loading is of an
    earlier column comes first then. The sign makes the loadings add up to 0 or more, and where
    they add up to 0, the largest positive.

    Parameters
    ----------
    loadings : ndarray of shape (D, q)
    scale : array-like of shape (D,), optional
        As :func:`rotate` has it: of the order, not of the signs.

    Returns
    -------
    order : ndarray of int of shape (q,)
    signs : ndarray of shape (q,)
        1 or -1.
    """
    L = loadings / _scales(scale, len(loadings))
    L /= np.abs(L).max() or 1.0
    explained = np.square(L).sum(axis=0)
    explained = np.round(explained / (explained.sum() or 1.0), 11)
    order = np.lexsort((np.abs(L).argmax(axis=0), -explained))
    L = loadings / (np.abs(loadings).max() or 1.0)
    highest = np.abs(L).argmax(axis=0)
    sums, sizes = L.sum(axis=0), np.abs(L).sum(axis=0)
    level = np.abs(sums) <= 1e-11 * sizes
    sums[level] = L[highest[level], np.flatnonzero(level)]
    return order, np.where(sums < 0, -1.0, 1.0)[order]


def _checked(loadings):
    """Loadings as an array of float64."""
    try:
        L = np.array(loadings, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("loadings must be numbers in two dimensions, (columns, factors)") from None
    if L.ndim != 2 or 0 in L.shape:
        raise ValueError("loadings must be numbers in two dimensions, (columns, factors), got the "
                         f"shape {L.shape}")
    if not np.isfinite(L).all():
        row, factor = np.argwhere(~np.isfinite(L))[0]
        raise ValueError(f"loadings must be finite, got {L[row, factor]} in row {row}, "
                         f"factor {factor}")
    return L


def _row_names(loadings):
    """Of a frame of pandas whose rows have texts for names, else None."""
    index = getattr(loadings, "index", None)
    names = list(index) if hasattr(index, "equals") else []
    return names if names and all(isinstance(name, str) for name in names) else None


def _scales(scale, n_columns):
    """Scales to divide rows of loadings by, (D, 1) or 1."""
    if scale is None:
        return 1.0
    scale = np.asarray(scale, dtype=np.float64)
    if scale.shape != (n_columns,) or not (np.isfinite(scale) & (scale >= 0)).all():
        raise ValueError(f"scale must be {n_columns} finite numbers of 0 or more, one for each row "
                         "of the loadings")
    return np.where(scale > 0, scale, 1.0)[:, None]


def _of_one_size(L, kaiser):
    """The loadings near 1: all divided by the largest, with `kaiser` each row by its length."""
    if not kaiser:
        return L / (np.abs(L).max() or 1.0)
    largest = np.abs(L).max(axis=1, keepdims=True)
    A = L / np.where(largest > 0, largest, 1.0)
    length = np.sqrt(np.square(A).sum(axis=1, keepdims=True))
    return A / np.where(length > 0, length, 1.0)


def _basis(A):
    """An orthogonal B and the rank of A, whose columns A B are 0 beyond; rows of one length."""
    _, values, Vt = np.linalg.svd(A)
    rank = int((values > max(A.shape) * np.finfo(np.float64).eps * values[0]).sum())
    return np.eye(rank) if rank == A.shape[1] else Vt.T, rank


def _search(A, method, starts):
    if method == "oblimin":
        return oblimin(A, starts)
    return rotations.orthomax(A, GAMMAS[method], starts)


def _to_promax(axes, L):
    """Turn varimax's axes into promax's, in place."""
    found = rotations.promax(L / np.abs(L).max(), axes.matrix, POWER)
    if found is None:
        warn("promax has no oblique axes here, since the powers of the loadings depend on each "
             "other: those of varimax are kept", EMWarning)
    else:
        axes.matrix = found
