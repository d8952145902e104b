"""Standard errors of a factor model, from the observed information."""

from typing import NamedTuple

import numpy as np

from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels.components.factors.updates import covariance_of
from emkernels.models.imputation.information import observed_inverses, pattern_moments

# bytes of the matrix of all parameters
LARGEST = 1 << 31


class _Errors(NamedTuple):
    mean: np.ndarray
    components: np.ndarray
    noise_variance: np.ndarray | float


class StandardErrors(Result, _Errors):
    """Standard errors of a factor analysis.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
    components : ndarray of shape (n_components, n_features)
    noise_variance : ndarray of shape (n_features,), or float
        A number where the noise is isotropic; NaN at the bound (`heywood_`).
    names : list of str, or None
        Of the columns.

    See Also
    --------
    emkernels.FactorAnalysis : Whose `standard_errors` give it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import FactorAnalysis
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 1)) * [1.0, 2.0, 0.5, 1.5] + rng.normal(size=(400, 4))
    >>> errors = FactorAnalysis().fit(X).standard_errors(X)
    >>> errors.components.shape, bool((errors.mean < 0.15).all())
    ((1, 4), True)
    """

    names = None

    def _tables(self):
        n = len(self.mean)
        names = [f"x{j}" for j in range(n)] if self.names is None else self.names
        return [Table([
            ("column", names), ("mean", self.mean),
            *((f"factor{k}", values) for k, values in enumerate(self.components)),
            ("noise_variance", np.broadcast_to(self.noise_variance, n))])]

    def _headline(self):
        return "Standard errors of the means, the loadings and the noise variances"


def standard_errors(model, rows):
    """The :class:`StandardErrors` of a fitted model, of rows of the columns that vary."""
    v, D = model._varying, len(model.mean_)
    unit = np.sqrt(np.diagonal(model.get_covariance()))[v]
    isotropic = model._isotropic
    q = len(model.components_)
    if isotropic:
        unit = np.full(len(v), np.sqrt((unit**2).mean()))
    fixed = np.isin(v, model.heywood_)
    with one_thread(len(v)):
        found = _deviations(rows, model.mean_[v], model.components_[:, v] / unit,
                            model._noise[v] / unit**2, unit, isotropic, fixed)
    n = len(v)
    mean, components = np.full(D, np.nan), np.full((q, D), np.nan)
    mean[v] = found[:n] * unit
    components[:, v] = found[n:n + n * q].reshape(q, n) * unit
    if isotropic:
        return StandardErrors(mean, components, float(found[-1] * unit[0] ** 2))
    noise = np.full(D, np.nan)
    noise[v] = found[n + n * q:] * unit**2
    return StandardErrors(mean, components, noise)


def information(rows, mean, components, noise, unit):
    """Negative second derivatives of the log-likelihood of what is observed, at any parameters.

    In units of the columns, ordered: the D means, the loadings factor by factor, the D noise
    variances. With G the inverse of the covariance of a pattern's observed columns, r and S the
    sum and scatter of its rows of weight n, ``u = G r``, ``W = G S G``, ``T = W - n G / 2``, and E
    and F derivatives of the covariance in two parameters, they are the sums over patterns of

        mean j, mean k         n G_jk
        mean j, along E        (G E u)_j
        along E, along F       tr(E G F T) - tr((W - n G) D) / 2

    D being the second derivative, of two loadings of one factor only.

    Parameters
    ----------
    rows : Rows
    mean : ndarray of shape (n_features,)
    components, noise : ndarray of shape (n_factors, n_features), (n_features,)
        In units of the columns.
    unit : ndarray of shape (n_features,)

    Returns
    -------
    ndarray of shape (p, p), p = 2 n_features + n_factors n_features
    """
    q, D = components.shape
    size = 2 * D + q * D
    covariance = covariance_of(components, noise)
    out = np.zeros((size, size))
    L = slice(D, D + q * D)
    P = slice(D + q * D, size)
    gradient = np.zeros((D, D))         # of the log-likelihood in Sigma, symmetric
    for _, observed, weights, sums, scatters in pattern_moments(
            rows.X, mean, unit, rows.all_patterns, rows.weight_given):
        G = observed_inverses(covariance, observed)
        u = np.einsum("pjk,pk->pj", G, sums)
        W = G @ scatters @ G
        T = W - 0.5 * weights[:, None, None] * G
        gradient += 0.5 * (W - weights[:, None, None] * G).sum(axis=0)
        Gl, Tl = G @ components.T, T @ components.T           # (p, D, q)
        out[:D, :D] += np.einsum("p,pjk->jk", weights, G)
        ul = u @ components.T
        # E of loading (m, k): e_k l_m' + l_m e_k'
        cross = _sum("pjk,pm->jmk", G, ul) + _sum("pjm,pk->jmk", Gl, u)
        out[:D, L] += cross.reshape(D, q * D)
        out[:D, P] += np.einsum("pjk,pk->jk", G, u)
        lGl = components @ Gl                                  # (p, q, q)
        lTl = components @ Tl
        # tr(E G F T), E of (m, j), F of (n, k)
        block = _sum("pkm,pjn->mjnk", Gl, Tl)
        block += _sum("pmn,pkj->mjnk", lGl, T)
        block += _sum("pjk,pnm->mjnk", G, lTl)
        block += _sum("pjn,pkm->mjnk", Gl, Tl)
        block = block.reshape(q * D, q * D)
        out[L, L] += (block + block.T) / 2
        # F of noise k: e_k e_k'
        mixed = _sum("pkm,pjk->mjk", Gl, T) + _sum("pjk,pkm->mjk", G, Tl)
        out[L, P] += mixed.reshape(q * D, D)
        out[P, P] += np.einsum("pjk,pjk->jk", G, T)
    # second derivatives of Sigma: of two loadings of one factor, e_j e_k' + e_k e_j'
    for m in range(q):
        part = slice(D + m * D, D + (m + 1) * D)
        out[part, part] -= 2 * gradient
    out[L, :D], out[P, :D], out[P, L] = out[:D, L].T, out[:D, P].T, out[L, P].T
    return out


def _sum(subscripts, *arrays):
    """Over patterns, by matrix products."""
    return np.einsum(subscripts, *arrays, optimize=True)


def conditions(components, noise, isotropic):
    """Derivatives of the off-diagonal elements of ``L' psi^-1 L`` (``L' L``) in the parameters,
    (q (q - 1) / 2, p)."""
    q, D = components.shape
    weight = np.ones(D) if isotropic else 1 / noise
    out = []
    for m in range(q):
        for n in range(m + 1, q):
            row = np.zeros(2 * D + q * D)
            row[D + m * D:D + (m + 1) * D] = components[n] * weight
            row[D + n * D:D + (n + 1) * D] = components[m] * weight
            if not isotropic:
                row[D + q * D:] = -components[m] * components[n] * weight**2
            out.append(row / (np.abs(row).max() or 1.0))
    return np.array(out).reshape(-1, 2 * D + q * D)


def _deviations(rows, mean, components, noise, unit, isotropic, fixed):
    """Standard errors in units of the columns, NaN for what is fixed."""
    q, D = components.shape
    size = 2 * D + q * D
    if 8 * 4 * size**2 > LARGEST:
        raise ValueError(f"{D} columns and {q} factors have {size} parameters, whose information "
                         f"would take {32 * size**2 / 2**30:.1f} GiB")
    matrix = information(rows, mean, components, noise, unit)
    border = conditions(components, noise, isotropic)
    # factors without loadings have no error, and no condition
    empty = ~(components != 0).any(axis=1)
    keep = np.ones(size, bool)
    keep[D:D + q * D] = ~np.repeat(empty, D)
    if isotropic:
        sum_ = np.zeros((size, 2 * D + q * D - D + 1))
        sum_[:D + q * D, :D + q * D] = np.eye(D + q * D)
        sum_[D + q * D:, -1] = 1
        matrix, border = sum_.T @ matrix @ sum_, border @ sum_
        keep = np.r_[keep[:D + q * D], not fixed.any()]
    else:
        keep[D + q * D:] = ~fixed
    border = border[:, keep]
    border = border[(border != 0).any(axis=1)]          # (of factors without loadings)
    inner = matrix[np.ix_(keep, keep)]
    diagonal = np.abs(np.diagonal(inner))
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    border = border * (scale / scale.max())
    border /= np.abs(border).max(axis=1, keepdims=True)
    out = np.full(len(keep), np.nan)
    out[keep] = scale * np.sqrt(_diagonal(inner * scale * scale[:, None], border))
    return out


def _diagonal(matrix, border):
    """Diagonal of the upper left block of the inverse of a bordered matrix, by a basis of what
    the conditions leave free."""
    if len(border):
        basis = np.linalg.qr(border.T, mode="complete")[0][:, len(border):]
    else:
        basis = np.eye(len(matrix))
    inner = basis.T @ matrix @ basis
    if not inner.size:
        return np.full(len(matrix), np.nan)
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    if not values[0] > 1e-13 * len(values) * values[-1]:
        raise ValueError(
            "the observed information is not positive definite: the estimates are not at a "
            "maximum of the likelihood, or the rows do not determine them (too many factors, or "
            "columns that are never observed together)")
    half = basis @ (vectors / np.sqrt(values))
    return (half**2).sum(axis=1)
