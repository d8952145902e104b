"""Student t components: their E-step by the fused kernels, their M-step, degrees of freedom."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.gaussian.density import as_read, reorder
from emkernels.components.gaussian.moments import seen
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import Structure
from emkernels.kernels import passes

# Of degrees of freedom that are estimated. With fewer the likelihood may be unbounded where rows
# coincide; at the upper bound the component is a normal one to six digits.
LEAST_DF, MOST_DF = 0.3, 1e6
# Degrees of freedom matter by their inverse where there are many: a change of them counts
# relative to themselves, less by SCALE_DF / (SCALE_DF + df).
SCALE_DF = 10.0


class Students(Gaussians):
    """Parameters of Student t components: means, scale matrices (as `covariances`, with their
    factors), and `dfs`, degrees of freedom (n_components,)."""

    __slots__ = ("dfs",)

    def __init__(self, structure, means, scatters, precisions_cholesky, dfs):
        super().__init__(structure, means, scatters, precisions_cholesky)
        self.dfs = dfs

    def __reduce__(self):
        return Students, (self.structure, self.means, self.known_covariances,
                          self.precisions_cholesky, self.dfs)


class StudentStatistics(SufficientStatistics):
    """Sufficient statistics of Student t components, see
    :func:`emkernels.kernels.student_statistics`; first and second moments are weighted by u too.

    Attributes
    ----------
    pulls : ndarray of shape (n_components,)
        Sums of responsibility times u.
    sizes : ndarray of shape (n_components, n_features + 1)
        Sums of responsibility, by how many values of the row are observed.
    bends : ndarray of shape (n_components,)
        Sums of responsibility times ``log u - u + 1``.
    """

    __slots__ = ("bends", "pulls", "sizes")
    _sums = (*SufficientStatistics._sums, "pulls", "sizes", "bends")

    def positive_pulls(self):
        """Pulls that nothing is divided by zero with, see :meth:`positive_counts`."""
        return self.pulls + (self.positive_counts() - self.counts)

    @property
    def _sizes(self):
        return self.pulls

    def __reduce__(self):
        return _with_pulls, (self.to_bytes(), self.pulls, self.sizes, self.bends)


def _with_pulls(data, pulls, sizes, bends):
    out = StudentStatistics.from_bytes(data)
    out.pulls, out.sizes, out.bends = pulls, sizes, bends
    return out


@dataclass(frozen=True)
class StudentComponents:
    """Student t components of a structure, as :class:`emkernels.em.protocol.Components`.

    The density of a row is ``t(x | mean_k, scatter_k, df_k)``: a normal one of covariance
    ``scatter_k / tau``, tau being hidden and distributed as chi-squared over its df. A row at the
    squared distance q has tau of mean ``u = (df + o) / (df + q)``, o being how many of its values
    are observed.

    Attributes
    ----------
    structure : Structure
        Of the scale matrices.
    dfs : ndarray of shape (n_components,) or None
        Degrees of freedom that stay as they are.
    shared : bool
        Whether the estimated ones are the same for all components.

    Notes
    -----
    The M-step maximises a minorant of the log-likelihood that is separable in means and scale
    matrices on the one hand and degrees of freedom on the other: linear in q, it is the tightest
    of these, tighter than what the conditional expectation of log tau makes (so that the degrees
    of freedom go further in a step), and the log-likelihood cannot fall. Where components have
    volumes of their own, scale matrices are divided by the mean of u: EM of a model in which tau
    has a scale besides, whose steps are longer (PX-EM). No step needs more than the sums of one
    pass, so parts of data add up.

    C. Liu, D. B. Rubin, D. K. Rubin, Parameter expansion to accelerate EM, Biometrika 85, 1998;
    J. T. Kent, D. E. Tyler, Y. Vardi, Communications in Statistics - Simulation 23, 1994;
    M. Hasannasab, J. Hertrich, F. Laus, G. Steidl, Alternatives to the EM algorithm for ML
    estimation of location, scatter matrix, and degree of freedom of the Student t distribution,
    Numerical Algorithms 87, 2021.
    """

    structure: Structure
    dfs: np.ndarray | None = None
    shared: bool = False

    def mixed(self, rows, weights, parameters):
        """Statistics of the rows under a mixture of the components: the fused E-step."""
        name = self.structure.kernel
        # the moments are about the means as the kernels see them
        centers = np.ascontiguousarray(seen(parameters.means, rows))
        weights, factors = as_read(weights, parameters.precisions_cholesky, centers, rows, name)
        kept = {}
        if rows.patterns is None:
            kept = rows.kept.get(("sorted", len(weights)), {})
        pulls, first, second, sizes, bends, log_likelihood, pairs = passes.student_pass(
            rows.X, weights, centers, factors, parameters.dfs, name, rows.sample_weight,
            rows.patterns, leave_empty_out=True, n_threads=rows.n_threads, **kept)
        if self.structure.sorts and rows.patterns is None:
            reorder(rows, pairs, len(pulls))
        out = StudentStatistics.trusted(
            name, centers, sizes.sum(axis=1), first, second, log_likelihood)
        out.pulls, out.sizes, out.bends = pulls, sizes, bends
        if rows.unit != 1:
            out.scale(rows.unit)
        out.total, out.n_rows, out.n_threads = rows.total, rows.n_rows, rows.n_threads
        return out

    def maximise(self, statistics, parameters):
        """The components that maximise the minorant; DegenerateFitError where one collapsed."""
        structure = self.structure
        counts, pulls = statistics.positive_counts(), statistics.positive_pulls()
        with np.errstate(invalid="ignore"):     # all rows out of reach: NaN, which is refused
            offsets = statistics.first / pulls[:, None]
        means = statistics.centers + offsets
        scatters, factors, _ = structure.maximise(
            statistics, pulls, offsets, means, sizes=counts,
            previous=parameters.precisions_cholesky)
        if structure.own_volumes:
            mean_pulls = (pulls / counts).reshape(-1, *[1] * (factors.ndim - 1))
            scatters /= mean_pulls      # (both are new)
            factors *= np.sqrt(mean_pulls)
        return Students(structure, means, scatters, factors,
                        self._new_dfs(statistics, counts, pulls, parameters.dfs))

    def _new_dfs(self, statistics, counts, pulls, dfs):
        if self.dfs is not None:
            return self.dfs
        bends = statistics.bends.copy()
        if self.structure.own_volumes:      # about the mean of u, which the scatter takes
            more = (pulls - counts) / counts
            far = more < -0.5       # the start is far from all rows, and more may be -1
            bends += counts * (more - np.where(
                far, np.log(pulls / counts), np.log1p(np.where(far, 0, more))))
        sizes = statistics.sizes
        # one without rows keeps what it has
        lost = counts - statistics.counts > 1e-3 * counts
        if self.shared:
            new = df_roots(sizes.sum(axis=0)[None], bends.sum()[None], dfs[:1])
            return np.repeat(new, len(dfs))
        return np.where(lost, dfs, df_roots(sizes, bends, dfs))

    def log_prior(self, parameters):
        """There is none."""
        return 0.0

    def endless(self, parameters, source):
        """EM goes on to the end that it is given."""
        return False

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        """Means, factors with a log diagonal, log degrees of freedom where they are estimated."""
        return [parameters.means.ravel(),
                *self.structure.to_vector(parameters.precisions_cholesky),
                np.log(parameters.dfs[:self.n_dfs(len(parameters.dfs))])]

    def n_dfs(self, n_components):
        """How many degrees of freedom are estimated."""
        if self.dfs is not None:
            return 0
        return 1 if self.shared else n_components

    def from_vector(self, vector, like):
        """The components of a vector, shaped as `like`; None where one overflows."""
        size, n_dfs = like.means.size, self.n_dfs(len(like.dfs))
        factors = self.structure.from_vector(
            vector[size:len(vector) - n_dfs], like.precisions_cholesky.shape)
        if factors is None:
            return None
        dfs = like.dfs
        if n_dfs:
            logs = np.clip(vector[len(vector) - n_dfs:], np.log(LEAST_DF), np.log(MOST_DF))
            dfs = np.clip(np.exp(np.broadcast_to(logs, dfs.shape)), LEAST_DF, MOST_DF)
        return Students(self.structure, vector[:size].reshape(like.means.shape).copy(), None,
                        factors, dfs)

    def relative_change(self, old, new):
        """Largest change of any parameter in its own unit: of a mean in scales of the columns, of
        a scale matrix relative to the two variances, of degrees of freedom relative to
        themselves, less where there are many."""
        a, b = old.covariances, new.covariances
        deviations, units = self.structure.deviations(b)
        change = max(np.max(np.abs(b - a) / units),
                     np.max(np.abs(new.means - old.means) / deviations))
        if self.dfs is not None:
            return change
        dfs = np.abs(new.dfs - old.dfs) / new.dfs * (SCALE_DF / (SCALE_DF + new.dfs))
        return max(change, np.max(dfs))


def df_roots(sizes, bends, start):
    """Degrees of freedom that maximise the minorant: the roots of ``sum_o sizes_o (g((df + o) / 2)
    - g(df / 2)) + bends``, with g = digamma - log, between the bounds.

    Parameters
    ----------
    sizes : ndarray of shape (n, n_features + 1)
        Weights of rows by how many values are observed.
    bends : ndarray of shape (n,)
    start : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        A bound where the root lies beyond it.
    """
    return passes.df_roots(sizes, bends, start, LEAST_DF, MOST_DF)
