"""The uniform component of a mixture: noise, of constant density."""

from dataclasses import dataclass

import numpy as np

from emkernels._words import some
from emkernels.components.gaussian.degenerate import along
from emkernels.components.gaussian.moments import total_covariance
from emkernels.data import Rows
from emkernels.data.source import Ranges

# Edges of the box along principal axes that are less, in the longest, are rounding.
FLAT = 1e-12


@dataclass(frozen=True)
class Uniform:
    """A density that is the same everywhere, and the box that it is of.

    Attributes
    ----------
    box : ndarray of shape (2, n_features)
        The lower and the upper corner. Its volume is that of the density; along some columns
        the density is that of their edges.
    log_density : float
        Of complete rows.
    """

    box: np.ndarray
    log_density: float

    @property
    def centre(self):
        return self.box[0] + (self.box[1] - self.box[0]) / 2

    @property
    def covariance(self):
        """The variances of the columns, on the diagonal of a matrix; at most what has a square."""
        return np.diag(np.minimum(self.box[1] - self.box[0], 1e150) ** 2 / 12)

    def log_densities(self, rows):
        """Log density of the observed values: one number (1,), or one for each row."""
        if rows.patterns is None:
            return np.array([self.log_density])
        patterns, logs = rows.patterns, np.log(self.box[1] - self.box[0])
        # (corners far from zero are rounded)
        logs += (-self.log_density - logs.sum()) / len(logs)
        out = np.empty(rows.n_rows)
        out[patterns.order] = np.repeat(-(~patterns.masks @ logs), patterns.counts)
        return out

    def in_units(self, center, scale):
        """The same of columns that were shifted and divided."""
        return Uniform((self.box - center) / scale, self.log_density + np.log(scale).sum())

    def sample(self, n_samples, random_state):
        """Rows drawn in the box, (n_samples, n_features)."""
        share = random_state.uniform(size=(n_samples, self.box.shape[1]))
        return self.box[0] + share * (self.box[1] - self.box[0])


def uniform_of(rows, density=None):
    """The noise of rows: by its density, or by mclust's rule.

    The volume is that of the smaller of two boxes about the rows of positive weight, one along
    the axes and one along the principal axes of their covariance; where values are missing, of
    the first, about the observed values. The box of the result lies along the axes, shrunk or
    stretched about its centre to that volume (with a given density, columns of one value have
    edges as long as those of the others are on average).

    Parameters
    ----------
    rows : Rows
    density : float, optional

    Returns
    -------
    Uniform

    Raises
    ------
    ValueError
        Without a density: columns of one value, or that determine each other.

    References
    ----------
    J. D. Banfield, A. E. Raftery, Model-based Gaussian and non-Gaussian clustering, Biometrics
    49, 1993.
    C. Fraley, A. E. Raftery, Model-based clustering, discriminant analysis, and density
    estimation, JASA 97, 2002.
    """
    if isinstance(rows, Rows):
        box = _ranges(_weighed(rows))
    else:
        summary = rows.summary()
        box = np.array([summary.low, summary.high])
    widths = box[1] - box[0]
    varies = widths > 0
    if density is None and not varies.all():
        flat = [rows.column_names[j] for j in np.flatnonzero(~varies)]
        raise _without_volume(f"{some(flat)} without two different values", len(flat))
    logs = np.log(np.where(varies, widths, 1))
    logs[~varies] = logs[varies].mean() if varies.any() else 0
    log_volume = wanted = logs.sum()
    if density is not None:
        wanted = -float(np.log(density))
    elif not rows.has_missing and rows.n_features > 1:
        wanted = min(log_volume, _principal_log_volume(rows, box))
    if wanted == log_volume and varies.all():
        return Uniform(box, -log_volume)
    half = np.exp(logs + (wanted - log_volume) / len(logs)) / 2
    centre = box[0] + widths / 2
    half = np.maximum(half, np.spacing(np.abs(centre)))     # so that there are two corners
    return Uniform(np.array([centre - half, centre + half]), -wanted)


def _weighed(rows):
    """The rows of positive weight."""
    return rows.X if rows.n_positive == rows.n_rows else rows.X[rows.sample_weight > 0]


def _ranges(X):
    """Smallest and largest values of the columns, (2, n_features), float64; NaN where there is
    none."""
    return np.array([np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)], dtype=np.float64)


def _without_volume(what, n):
    return ValueError(
        "noise=True spreads noise evenly over a box about the data, and theirs has no volume: "
        f"column{'s' * (n > 1)} {what}. Leave out what the others determine, or give the density "
        "of the noise, one over a volume (noise=0.01)")


def _principal_log_volume(rows, box):
    """Log volume of the box along the principal axes; infinite where the columns are of so
    different scales that it cannot be told."""
    widths = box[1] - box[0]
    edges, axes = _edges(rows, box[0], np.full(len(widths), widths.max()))
    if edges.min() > FLAT * edges.max():
        return np.log(edges).sum() + len(widths) * np.log(widths.max())
    edges, axes = _edges(rows, box[0], widths)
    flat = edges <= FLAT * edges.max()
    if flat.any():
        names = along(axes[:, flat].T, rows.column_names)
        raise _without_volume(f"{some(names)} determine each other", len(names))
    return np.inf


def _edges(rows, origin, unit):
    """Lengths of the edges of the box along the principal axes of columns in given units, and
    the axes, in columns."""
    axes = np.linalg.eigh(total_covariance(rows) / np.outer(unit, unit))[1]
    ends = rows.reduce(_along, origin, unit, axes)
    return ends.high - ends.low, axes


def _along(rows, origin, unit, axes):
    """How far the rows reach along some axes, about a corner, so that a shift costs no digits."""
    X = _weighed(rows)
    low, high = np.full(len(axes), np.inf), np.full(len(axes), -np.inf)
    for first in range(0, len(X), 65536):
        place = ((X[first:first + 65536].astype(np.float64) - origin) / unit) @ axes
        low, high = np.minimum(low, place.min(axis=0)), np.maximum(high, place.max(axis=0))
    return Ranges(rows.n_positive, low, high)
