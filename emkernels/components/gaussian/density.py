"""Gaussian components: their E-step by the fused kernels, and their M-step."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.gaussian.moments import seen, statistics_of
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.reference import (
    SORT_COMPONENTS,
    SORT_FEATURES,
    SORT_SHARE,
    next_reference,
)
from emkernels.components.gaussian.structures import Structure, structure_of
from emkernels.data.checks import check_known
from emkernels.kernels import passes

# M-steps in a row with a variance at the floor after which EM ends: the likelihood has no
# maximum there, and what steps do to the other directions is done. Few where there are no more
# rows than columns, as then nothing else was to be expected.
AT_FLOOR = 100
AT_FLOOR_WIDE = 10


@dataclass(frozen=True)
class GaussianComponents:
    """Gaussian components of a structure, as :class:`emkernels.em.protocol.Components`.

    Attributes
    ----------
    structure : Structure
    fixed : frozenset of {'means', 'covariances'}
        What an M-step leaves as it is.
    in_blocks : bool
        Whether rows come in blocks, of which nothing need be kept from pass to pass, see
        :mod:`emkernels.components.gaussian.reference`.
    sorts_blocks : bool
        Whether these may be sorted.
    """

    structure: Structure
    fixed: frozenset = frozenset()
    in_blocks: bool = False
    sorts_blocks: bool = False

    def mixed(self, rows, weights, parameters, *, noise=None):
        """Statistics of the rows under a mixture of the components: the fused E-step. `noise`:
        log (weight times density) of noise beside them, of one value or one for each row."""
        X, name = rows.X, self.structure.kernel
        # the moments are about the means as the kernels see them
        centers = np.ascontiguousarray(seen(parameters.means, rows))
        weights, factors = as_read(weights, parameters.precisions_cholesky, centers, rows, name)
        if rows.patterns is not None:
            # a row without any value says nothing, unless its component is known
            counts, first, second, log_likelihood, _, in_noise = passes.incomplete_pass(
                X, weights, centers, factors, name, rows.sample_weight, rows.patterns,
                known=rows.known, leave_empty_out=rows.known is None, noise=noise,
                n_threads=rows.n_threads)
            return _with_noise(noise, in_noise, statistics_of(
                rows, name, centers, counts, first, second, log_likelihood), rows)
        centre = scatter = None
        kept, reference = rows.kept.get(("sorted", len(weights)), {}), parameters.reference
        if self.in_blocks:
            kept = {}
            if reference is not None and self.structure.keeps_scatter and noise is None:
                centre, scatter = reference.scatter(rows)
            elif reference is not None and self.structure.sorts:
                kept = {"order": reference.order(rows, name)}
        elif self.structure.keeps_scatter and noise is None:
            # the scatter of all rows is the same in every iteration
            if "scatter" not in rows.kept:
                centre = seen(centers.mean(axis=0), rows)
                rows.kept["scatter"] = centre, passes.total_scatter(
                    X, centre, rows.sample_weight, rows.n_threads)
            centre, scatter = rows.kept["scatter"]
        counts, first, second, log_likelihood, pairs, in_noise = passes.em_pass(
            X, weights, centers, factors, name, rows.sample_weight, known=rows.known,
            **kept, centre=centre, scatter=scatter, noise=noise, n_threads=rows.n_threads)
        if self.structure.sorts and not self.in_blocks:
            reorder(rows, pairs, len(counts))
        out = statistics_of(rows, name, centers, counts, first, second, log_likelihood)
        if self.in_blocks:
            out.pairs = pairs
        return _with_noise(noise, in_noise, out, rows)

    def maximise(self, statistics, parameters):
        """The likeliest components under the prior; DegenerateFitError where one collapsed."""
        new = self._maximise(statistics, parameters)
        if self.in_blocks and parameters is not None:
            new.reference = next_reference(self, statistics, parameters)
        return new

    def _maximise(self, statistics, parameters):
        counts = statistics.positive_counts()
        offsets = statistics.first / counts[:, None]
        stay = "means" in self.fixed
        means = parameters.means if stay else statistics.centers + offsets
        if "covariances" in self.fixed:
            return Gaussians(self.structure, means, parameters._covariances,
                             parameters.precisions_cholesky)
        # about the new mean: S - n d d', and back to a mean that stays elsewhere
        residual = statistics.centers + offsets - means if stay else None
        # (a start has no parameters before)
        before = None if parameters is None else parameters.precisions_cholesky
        covariances, factors, lifted = self.structure.maximise(
            statistics, counts, offsets, means, residual, previous=before)
        n_floored = parameters.n_floored + 1 if lifted and parameters is not None else 0
        return Gaussians(self.structure, means, covariances, factors, n_floored)

    def log_prior(self, parameters):
        """Log density of the prior of the covariances, without its normaliser."""
        if self.structure.prior is None:
            return 0.0
        return self.structure.log_prior(parameters.precisions_cholesky, parameters.means.shape[1])

    def endless(self, parameters, source):
        """Whether EM has long been where the likelihood has no maximum."""
        if self.structure.prior is not None or parameters.n_floored < AT_FLOOR_WIDE:
            return False
        return source.n_positive <= source.n_features or parameters.n_floored >= AT_FLOOR

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        """Means, and factors with a log diagonal: every vector stands for components."""
        return [parameters.means.ravel(),
                *self.structure.to_vector(parameters.precisions_cholesky)]

    def from_vector(self, vector, like):
        """The components of a vector, shaped as `like`; None where one overflows."""
        structure, size = self.structure, like.means.size
        means = vector[:size].reshape(like.means.shape).copy()
        factors = structure.from_vector(vector[size:], like.precisions_cholesky.shape)
        if factors is None:
            return None
        covariances = None
        if "means" in self.fixed:
            means = like.means
        if "covariances" in self.fixed:
            covariances, factors = like._covariances, like.precisions_cholesky
        elif structure.floor:
            covariances, factors = structure.raised(factors)
            if factors is None:
                return None
        return Gaussians(structure, means, covariances, factors, like.n_floored, like.reference)

    def relative_change(self, old, new):
        """Largest change of any parameter in its own unit: of a mean in standard deviations, of
        a covariance relative to the two variances."""
        a, b = old.covariances, new.covariances
        deviations, units = self.structure.deviations(b)
        return max(np.max(np.abs(b - a) / units),
                   np.max(np.abs(new.means - old.means) / deviations))


def _with_noise(noise, weight, statistics, rows):
    """Statistics that know the weight of the noise."""
    if noise is not None:
        statistics.noise = weight * rows.unit
    return statistics


def as_read(weights, factors, centers, rows, kernel):
    """Weights and factors as the kernels read them, unchecked: a start may be anyone's."""
    weights, factors = np.ascontiguousarray(weights, float), np.asarray(factors, float, order="C")
    if centers.ndim != 2 or centers.shape[1] != rows.n_features:
        raise ValueError(f"means must have shape (n_components, {rows.n_features}), "
                         f"got {centers.shape}")
    expected = structure_of(kernel).shape(*centers.shape)
    for name, values, shape in (("weights", weights, centers.shape[:1]),
                                ("precisions_cholesky", factors, expected)):
        if values.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    check_known(rows, len(centers))
    return weights, factors


def reorder(rows, pairs, n_components):
    """Visit the rows sorted by component from the next pass on, where that saves work."""
    n_rows, n_features = rows.X.shape
    if (n_features < SORT_FEATURES or n_components < SORT_COMPONENTS or rows.known is not None
            or n_rows >= 2**31):
        return
    key = "sorted", n_components        # labels of one mixture mean nothing to another
    kept = rows.kept.get(key)
    if kept is not None:
        order = passes.order_by_label(kept["labels"], n_components, kept.get("order"))
        rows.kept[key] = {"labels": kept["labels"], "order": order}
    elif pairs < SORT_SHARE * n_components * n_rows:
        rows.kept[key] = {"labels": np.zeros(n_rows, np.int32)}
