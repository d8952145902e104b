"""Fitted mixtures as the pictures need them, whoever fitted them: marginals and ellipses."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from emkernels import _inputs, kernels
from emkernels.components.gaussian.structures import STRUCTURES, Full, structure_of
from emkernels.data.tables import as_table
from emkernels.models.mixture.fitted import fitted_type
from emkernels.plotting._canvas import ink, mpl


class Gaussians(NamedTuple):
    """A mixture over few directions: (k,), (k, q) and (k, q, q), float64; the weight of noise; of
    Student t with their scale matrices and degrees of freedom (k,)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    noise: float | None = None
    dfs: np.ndarray | None = None


def has_noise(model):
    """Whether one weight more than there are components is that of noise."""
    return len(model.weights_) > len(model.means_)


def check_mixture(model):
    """NotFittedError or TypeError for what has no parameters of a mixture."""
    for name in ("covariance_type", "weights_", "means_", "covariances_"):
        if not hasattr(model, name):
            if hasattr(model, "covariance_type") and hasattr(model, "fit"):
                raise NotFittedError(
                    f"this {type(model).__name__} is not fitted yet: call fit first")
            raise TypeError(
                "model must be a fitted GaussianMixture or StudentTMixture, got "
                f"{type(model).__name__} without {name}")
    if fitted_type(model) not in STRUCTURES:
        raise ValueError(f"model has an unknown covariance_type {model.covariance_type!r}")


def table_for(model, X):
    """X as float rows and the names of its columns; without X the names that the model knows."""
    n_features = np.shape(model.means_)[1]
    known = getattr(model, "feature_names_in_", None)
    if X is None:
        if known is not None and len(known) == n_features:
            return None, tuple(known)
        return None, tuple(f"x{j}" for j in range(n_features))
    values, names = as_table(X)
    if values.shape[1] != n_features:
        raise ValueError(
            f"X has {values.shape[1]} columns, the model was fitted to {n_features}")
    if known is not None:
        _inputs.check_names(X, known, "X")
        names = tuple(known)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise ValueError(f"X has an infinity at row {row}, column {names[column]!r}")
    return values, names


def responsibilities(model, rows):
    """Posterior probabilities of the components, (n_samples, n_components), and in a last column
    of noise; NaN in rows is a missing value also for models that do not take it themselves."""
    incomplete = np.isnan(rows).any()
    if hasattr(model, "predict_proba") and (
            not incomplete or get_tags(model).input_tags.allow_nan):
        with warnings.catch_warnings():     # the names were compared before
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            return np.asarray(model.predict_proba(rows), dtype=np.float64)
    structure = structure_of(fitted_type(model))
    covariances = structure.inner(np.ascontiguousarray(model.covariances_, dtype=np.float64))
    e_step = kernels.incomplete_e_step if incomplete else kernels.e_step
    return e_step(rows, model.weights_, model.means_, structure.factors(covariances),
                  structure.kernel, want=["resp"])[0].astype(np.float64)


def projected(model, directions):
    """The mixture of ``directions' x``: means ``directions' mean`` and covariances
    ``directions' covariance directions``, exact for every covariance type.

    directions : ndarray of shape (n_features, q)
    """
    scatters, dfs = getattr(model, "scatters_", None), getattr(model, "dfs_", None)
    weights, means, covariances = [
        np.asarray(array, dtype=np.float64) for array in (
            model.weights_, model.means_, model.covariances_ if scatters is None else scatters)]
    structure = structure_of(fitted_type(model)) if scatters is None else Full()
    spread = structure.projected(structure.inner(covariances), directions)
    shape = (len(means), directions.shape[1], directions.shape[1])
    return Gaussians(weights[:len(means)], means @ directions, np.broadcast_to(spread, shape),
                     float(weights[-1]) if has_noise(model) else None, dfs)


def kind_of(model):
    """What a title calls a mixture."""
    return "Student t mixture" if hasattr(model, "scatters_") else "Gaussian mixture"


def selecting(columns, n_features):
    """Directions that are some of the columns."""
    directions = np.zeros((n_features, len(columns)))
    directions[columns, np.arange(len(columns))] = 1
    return directions


def check_n_std(n_std):
    """Positive numbers, the largest first so that smaller ellipses lie on top."""
    values = np.atleast_1d(n_std)
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not (
            np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"n_std must hold positive numbers, got {n_std!r}")
    return np.sort(values)[::-1]


def draw_ellipses(ax, gaussians, colors, n_std, **options):
    """The points at n_std standard deviations (Mahalanobis distance) of each component."""
    ellipse = mpl(".patches").Ellipse
    for mean, covariance, color in zip(gaussians.means, gaussians.covariances, colors):
        variances, vectors = np.linalg.eigh(covariance)
        minor, major = np.sqrt(np.maximum(variances, 0))
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        for n in n_std:
            ax.add_patch(ellipse(mean, 2 * n * major, 2 * n * minor, angle=angle, **{
                "zorder": 3, "facecolor": (*color, 0.12), "edgecolor": color, "linewidth": 1.5,
                **options}))
    ax.autoscale_view()


def draw_centres(ax, centres, colors, *, numbered):
    """Crosses, or the numbers of the components where a legend would be too long."""
    if not numbered:
        ax.scatter(*centres.T, marker="X", s=60, c=colors, edgecolors="white", linewidths=0.9,
                   zorder=4)
        return
    for k, centre in enumerate(centres):
        ax.annotate(
            str(k), centre, ha="center", va="center", fontsize="small", color="black", zorder=4,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": colors[k], "alpha": 0.85})


def check_spread(gaussians, names):
    """ValueError for a component that has no density over the drawn columns."""
    for k, covariance in enumerate(gaussians.covariances):
        if not np.linalg.eigvalsh(covariance)[0] > 0:
            raise ValueError(
                f"component {k} has no density over {' and '.join(map(repr, names))}: its "
                "variance there is 0")


def draw_contours(ax, gaussians, n_levels=8, n_cells=200):
    """Contours of the density of the mixture, a factor of sqrt(10) between them."""
    limits = ax.get_xlim(), ax.get_ylim()
    x, y = (np.linspace(*limit, n_cells) for limit in limits)
    cells = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    factors = Full().factors(np.ascontiguousarray(gaussians.covariances))
    model, want = (gaussians.weights, gaussians.means, factors), {"want": ["log_prob_norm"]}
    if gaussians.dfs is None:
        log_density = kernels.e_step(cells, *model, "full", **want)[0]
    else:
        log_density = kernels.student_e_step(cells, *model, gaussians.dfs, "full", **want)[0]
    levels = log_density.max() - np.log(10) / 2 * (np.arange(n_levels)[::-1] + 0.5)
    ax.contour(x, y, log_density.reshape(n_cells, n_cells), levels=levels, colors=ink(),
               linewidths=0.7, linestyles="solid", alpha=0.6, zorder=2)
    ax.set(xlim=limits[0], ylim=limits[1])


def draw_curves(ax, gaussians, colors):
    """Densities of the components, times their weights, and of the mixture, over one column."""
    means, deviations = gaussians.means[:, 0], np.sqrt(gaussians.covariances[:, 0, 0])
    # each component gets points of its own, however narrow it is
    near = means[:, None] + deviations[:, None] * np.linspace(-5, 5, 201)
    x = np.unique(np.concatenate([near.ravel(), np.linspace(near.min(), near.max(), 401)]))
    total = np.zeros(len(x))
    dfs = np.full(len(means), np.inf) if gaussians.dfs is None else gaussians.dfs
    for weight, mean, deviation, df, color in zip(
            gaussians.weights, means, deviations, dfs, colors):
        unit, z = 1 / (deviation * np.sqrt(2 * np.pi)), (x - mean) / deviation
        density = weight * unit * np.exp(-0.5 * z**2)
        if gaussians.dfs is not None:
            density = weight * stats.t.pdf(z, df) / deviation
        total += density
        ax.plot(x, density, color=color, linewidth=1.8, zorder=3)
    ax.plot(x, total, color=ink(), linewidth=1.2, linestyle="--", zorder=4)
