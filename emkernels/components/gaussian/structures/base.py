"""Families of covariances: what each shares, and all that differs between them.

A family is a :class:`Structure`: shapes, the M-step with prior, ridge and floor, factors, and
parameters as vectors. Nothing above this file asks which family it has.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.data.checks import check_numbers_finite
from emkernels.em import DegenerateFitError
from emkernels.kernels import passes


def ill_defined(what):
    """The error of a collapsed component; its first sentence is what callers of
    scikit-learn's mixture look for."""
    return DegenerateFitError(
        "Fitting the mixture model failed because some components have ill-defined empirical "
        "covariance (for instance caused by singleton or collapsed samples). Try to decrease "
        f"the number of components, increase reg_covar, or scale the input data. Here {what} is "
        "not positive definite in float64; a covariance_prior, where the model takes one, "
        "makes it so"
    )


def below_floor(factors, floor):
    """Whether an eigenvalue may be at the floor or below: no trace of a precision is smaller
    than the inverse of the smallest eigenvalue, so most covariances need no second look."""
    squares = np.square(factors)
    traces = squares.sum(axis=(-2, -1)) if factors.ndim > 1 else squares
    return not np.max(traces) * floor < 1


@dataclass(frozen=True, eq=False)
class Structure(ABC):
    """A family of covariances, and how its M-step is kept away from collapse.

    With counts n_k, means mu_k and scatters S_k about them, the M-step has ``Sigma_k = S_k / n_k
    + diag(reg_covar)``, or ``(S_k + scale) / (n_k + dof + d + 1) + diag(reg_covar)`` under a prior
    (d columns in a matrix; for variances, ``S / (n + dof + 2)`` each).

    Attributes
    ----------
    reg_covar : float or ndarray of shape (n_features,)
        Added to the variances; one for each column where these differ.
    prior : CovariancePrior or None
    floor : float
        Smallest variance of a combination of columns of length one; 0: none. The M-step takes
        the likeliest covariances above it, which have the eigenvalues ``max(eigenvalue, floor)``;
        so the objective does not fall, and columns that depend linearly on others have a limit.
    rounding : float
        Relative rounding of values, below whose square a variance has collapsed. Where values are
        missing it never arrives at zero: each step leaves a share of it. 0: not looked at.
    """

    name: ClassVar[str]
    kernel: ClassVar[str]               # whose factors the kernels take, and whose sums they make
    shared: ClassVar[bool] = False      # one covariance for all components
    diagonal: ClassVar[bool] = False    # variances, no matrices
    n_axes: ClassVar[int] = 2           # of columns, in one covariance
    keeps_scatter: ClassVar[bool] = False   # the scatter of all rows stands for the second moments
    sorts: ClassVar[bool] = False       # rows sorted by component save work
    own_volumes: ClassVar[bool] = False     # a multiple of any one covariance is in it too
    # single rows as seeds begin with the ridge alone, as in scikit-learn, where there is one
    seeds_alone: ClassVar[bool] = True
    # matrices that columns of units of their own would take out of the family
    one_unit: ClassVar[bool] = False

    reg_covar: float | np.ndarray = 0.0
    prior: CovariancePrior | None = None
    floor: float = 0.0
    rounding: float = 0.0

    @property
    def bare(self):
        """The family without prior, ridge and floor."""
        return type(self)()

    def with_(self, **changes):
        """The same with other attributes."""
        return replace(self, **changes)

    # --- what a family says of itself ---------------------------------------------------

    def shape(self, n_components, n_features):
        """Of covariances, their factors and second moments."""
        own = (n_features,) * self.n_axes
        return own if self.shared else (n_components, *own)

    @abstractmethod
    def n_parameters(self, n_components, n_features):
        """Free parameters of the covariances."""

    def each(self, values):
        """Covariances or factors one by one, a shared one once."""
        return values[None] if self.shared else values

    def reordered(self, values, order):
        """Covariances or factors of the components in another order, or repeated."""
        return values if self.shared else values[order]

    @abstractmethod
    def of_matrix(self, matrix):
        """One matrix as the family has it: itself, its diagonal, or the diagonal's mean."""

    def repeated(self, matrix, n_components):
        """The covariances of components that all have this one."""
        one = self.of_matrix(matrix)
        return one if self.shared else np.repeat(one[None], n_components, axis=0)

    @abstractmethod
    def matrix(self, covariances, component, n_features):
        """The (n_features, n_features) covariance of one component."""

    @abstractmethod
    def select(self, values, columns):
        """Covariances of some columns."""

    @abstractmethod
    def projected(self, covariances, directions):
        """Covariances of ``directions' x``, directions being (n_features, q)."""

    def marginal(self):
        """The family of covariances of some columns."""
        return self.bare

    def conditional(self):
        """The family of covariances of some columns given others."""
        return self.bare

    @abstractmethod
    def embed(self, values, inside, n_columns):
        """Covariances of some columns among zeros for the others."""

    @abstractmethod
    def within(self, weights, covariances, n_features):
        """Mean of the covariances by weight, (n_features, n_features)."""

    # --- as users see them --------------------------------------------------------------

    def outer_shape(self, n_components, n_features):
        """Of covariances, precisions and their factors as users see them."""
        return self.shape(n_components, n_features)

    def outer(self, values, n_components, n_features):
        """Covariances, precisions or factors as users see them."""
        return values

    def inner(self, values):
        """The inverse of :meth:`outer`, contiguous where `values` are."""
        return values

    # --- M-step -------------------------------------------------------------------------

    def covariances(self, statistics, counts, offsets, residual=None, sizes=None, previous=None):
        """What the M-step makes of second moments about other centres.

        Parameters
        ----------
        statistics : SufficientStatistics
        counts : ndarray of shape (n_components,)
            None zero.
        offsets : ndarray of shape (n_components, n_features)
            Means of the rows, less the centres.
        residual : ndarray of shape (n_components, n_features), optional
            Means of the rows, less the means that stay, where these do.
        sizes : ndarray of shape (n_components,), optional
            What scatters are divided by, where moments have other weights than `counts`.
        previous : ndarray, optional
            Factors of the covariances before, where the step goes on from these.
        """
        scatter = self.scatter(statistics.second, counts, offsets, residual)
        sizes = counts if sizes is None else sizes
        scatter, divisor, extra = self.divided(scatter, sizes, offsets.shape[1])
        if self.prior is not None:
            scatter, divisor = scatter + self.prior.scale, divisor + self.prior.dof + extra
        return self.imposed(scatter, divisor, offsets.shape[1], previous)

    def imposed(self, scatter, divisor, n_features, previous=None):
        """The family's covariances for scatters, which need not be kept, and what divides them,
        the prior in both; with the ridge."""
        covariances = np.divide(scatter, divisor, out=scatter)
        covariances[self.variances(n_features)] += self.reg_covar
        return covariances

    def scatter(self, second, counts, offsets, residual=None):
        """Second moments about the means, or `residual` away from them, in an array of its own;
        matrices symmetric to the bit."""
        scatter = self.about_means(second, counts, offsets)
        return scatter if residual is None else scatter + self.between(counts, residual)

    @abstractmethod
    def about_means(self, second, counts, offsets):
        """Second moments about the means, from those about centres that are `offsets` away."""

    @abstractmethod
    def between(self, counts, residual):
        """What second moments gain that are taken `residual` away from the means."""

    @abstractmethod
    def divided(self, scatter, counts, n_features):
        """The scatter, what divides it, and what a prior adds to that beside its dof."""

    @abstractmethod
    def variances(self, n_features):
        """Index of the variances among the covariances."""

    @abstractmethod
    def lost(self, covariances, rounding):
        """Where a variance is at most what rounding leaves, (n_components, n) bool."""

    @abstractmethod
    def check_definite(self, precisions):
        """ValueError for precisions that are not positive definite."""

    @abstractmethod
    def central(self, second, counts, safe, offsets):
        """Second moments about the means, over counts (`safe`: 1 where they are 0)."""

    def maximise(self, statistics, counts, offsets, means, residual=None, sizes=None,
                 previous=None):
        """Covariances, their factors and whether the floor had to lift any; DegenerateFitError
        where one collapsed. See :meth:`covariances`."""
        with passes.own_n_threads(statistics.n_threads):
            return self._maximised(statistics, counts, offsets, means, residual, sizes, previous)

    def _maximised(self, statistics, counts, offsets, means, residual, sizes, previous):
        covariances = self.covariances(statistics, counts, offsets, residual, sizes, previous)
        if self.floor:
            return self._above_floor(covariances, statistics)
        if self.rounding and not np.any(self.reg_covar) and self.prior is None:
            lost = self.lost(covariances, (self.rounding * means) ** 2)
            if lost.any():
                raise ill_defined(f"the variance of component {int(lost.any(axis=1).argmax())}")
        return covariances, self.factors(covariances), False

    def _above_floor(self, covariances, statistics):
        try:
            factors = self.factors(covariances)
            if not below_floor(factors, self.floor):
                return covariances, factors, False
        except DegenerateFitError:
            if not np.isfinite(statistics.second).all():
                raise
        lifted = self.lift(covariances)
        return lifted, self.factors(lifted), lifted is not covariances

    def raised(self, factors):
        """Covariances (None where they need not be known) and factors, above the floor; None
        twice where there are none."""
        if not below_floor(factors, self.floor):
            return None, factors
        covariances = self.lift(self.from_factors(factors))
        try:
            return covariances, self.factors(covariances)
        except DegenerateFitError:
            return None, None

    @abstractmethod
    def lift(self, covariances):
        """Covariances with every eigenvalue at least the floor."""

    @abstractmethod
    def log_prior(self, factors, n_features):
        """Log density of the prior, without its normaliser, summed over the covariances."""

    @abstractmethod
    def least_dof(self, n_features):
        """With fewer degrees of freedom a prior has no divisor."""

    @abstractmethod
    def second_of(self, spreads):
        """Second moments of components whose own are given, (n_components, n_features,
        n_features)."""

    @abstractmethod
    def second_of_all(self, counts, covariance):
        """Second moments of components that all have the covariance of all rows."""

    # --- factors ------------------------------------------------------------------------

    @abstractmethod
    def factors(self, covariances):
        """scikit-learn's ``precisions_cholesky_`` of covariances, C-contiguous float64."""

    @abstractmethod
    def from_factors(self, factors):
        """Covariances from ``precisions_cholesky``."""

    @abstractmethod
    def precisions(self, factors):
        """Precisions U U' from ``precisions_cholesky``."""

    @abstractmethod
    def from_precisions(self, precisions):
        """``precisions_cholesky`` from checked precisions."""

    def check_precisions(self, precisions, n_components, n_features):
        """Start precisions: finite, of the right shape, symmetric, positive definite."""
        precisions = np.array(precisions, dtype=np.float64)
        shape = self.outer_shape(n_components, n_features)
        if precisions.shape != shape:
            raise ValueError(
                f"The parameter '{self.name} precision' should have the shape of {shape}, "
                f"but got {precisions.shape}"
            )
        check_numbers_finite(precisions, "precisions_init")
        self.check_definite(precisions)
        return precisions

    def start_factors(self, precisions, weights):
        """Factors that a start with these checked precisions begins with; `weights` are None
        where they are not given."""
        return self.from_precisions(precisions)

    # --- units --------------------------------------------------------------------------

    @abstractmethod
    def units(self, scale):
        """What a covariance is divided by when the columns are divided by `scale`."""

    def variance_units(self, scale):
        """The same of what is added to variances."""
        return scale**2

    @abstractmethod
    def factors_to_raw(self, factors, scale):
        """Factors of raw columns from those of columns divided by `scale`."""

    def pooled(self, variances):
        """Variances of columns as the family can tell them apart."""
        return variances

    def common_scale(self, scale):
        """Units of columns as the family allows them: one for all columns where it has one
        variance."""
        return scale

    @abstractmethod
    def deviations(self, covariances):
        """Standard deviations of the columns, to be set against means; and the units of the
        entries of the covariances that belong to them."""

    # --- vectors, for acceleration ------------------------------------------------------

    @abstractmethod
    def to_vector(self, factors):
        """Factors as unconstrained numbers: logarithms of the diagonal, then the rest."""

    @abstractmethod
    def from_vector(self, vector, shape):
        """Factors of that shape from :meth:`to_vector`; None where one overflows."""
