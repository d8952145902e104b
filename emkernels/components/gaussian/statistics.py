"""Additive sufficient statistics: what an M-step sees of the data."""


import numpy as np

from emkernels import _inputs, kernels
from emkernels.components.gaussian.statistics_bytes import ARRAYS, SCALARS, read, written
from emkernels.components.gaussian.structures import kernel_structure
from emkernels.data import Rows
from emkernels.data.available import divisors
from emkernels.data.checks import patterns_where_missing
from emkernels.data.patterns import weights_of_observed


class SufficientStatistics:
    """Counts, first and second moments about given centres, and a log-likelihood.

    With weights r_ik: ``counts_k = sum_i r_ik``, ``first_k = sum_i r_ik (x_i - center_k)``,
    ``second_k = sum_i r_ik (x_i - center_k)(x_i - center_k)'`` (summed over k for 'tied',
    its diagonal for 'diag', its trace for 'spherical').

    Statistics of parts of the data add up to the statistics of the whole, so one machine,
    a stream of chunks and a cluster run the same M-step. They can be added (``a + b``,
    ``a += b``), scaled (``a * 0.9``) and sent (:meth:`to_bytes`, pickle).

    Parameters
    ----------
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which says the shape of `second`.
    centers : array-like of shape (n_components, n_features)
        What the moments are about.
    counts : array-like of shape (n_components,), optional
        Sums of the weights r_ik.
    first : array-like of shape (n_components, n_features), optional
        About `centers`.
    second : array-like, optional
        Of the shape of the covariance type. Moments left out are zero.
    log_likelihood : float
        ``sum_i w_i log p(x_i)`` of the same rows.

    Attributes
    ----------
    total : float or None
        The weight of all rows that were looked at, which the objective is for one unit of; the
        counts lack rows that are in no component. None where not known: then that of the counts.
    n_rows : float or None
        How many rows were looked at; None where not known.
    noise : float or None
        The weight of rows in no component but noise; None without noise.
    pairs : float or None
        Pairs of a row and a component with a responsibility above 1e-19, where a pass has counted
        them.
    n_threads : int or None
        What the pass had, and the M-step has; None, as after a journey: the default.

    Raises
    ------
    ValueError
        Wrong shapes, NaN or infinity, an unknown covariance type.

    See Also
    --------
    emkernels.kernels.em_statistics : The pass that makes such sums of an array.
    GaussianMixture.fit_chunks : A fit by the sums of blocks of rows.
    GaussianMixture.partial_fit : A fit that goes on with each batch.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import SufficientStatistics
    >>> X = np.array([[0.0], [2.0], [4.0]])
    >>> model = dict(weights=[1.0], means=[[2.0]], precisions_cholesky=np.ones((1, 1, 1)))
    >>> parts = [SufficientStatistics.from_data(chunk, **model) for chunk in (X[:1], X[1:])]
    >>> total = parts[0] + parts[1]
    >>> total.counts, total.covariances().ravel().round(4)
    (array([3.]), array([2.6667]))
    """

    __slots__ = ("centers", "counts", "covariance_type", "first", "log_likelihood", "n_rows",
                 "n_threads", "noise", "pairs", "second", "total")
    _sums = ("counts", "first", "second")       # what adds up

    def __init__(self, covariance_type, centers, counts=None, first=None, second=None,
                 log_likelihood=0.0):
        self.covariance_type = covariance_type
        self.centers = _array(centers, "centers", None)
        if self.centers.ndim != 2 or not self.centers.size:
            raise ValueError("centers must be a 2-d array of at least one component and one column,"
                             f" got shape {self.centers.shape}")
        n_components, n_features = self.centers.shape
        shape = kernel_structure(covariance_type).shape(n_components, n_features)
        self.counts = _array(counts, "counts", (n_components,))
        self.first = _array(first, "first", (n_components, n_features))
        self.second = _array(second, "second", shape)
        self.log_likelihood = float(log_likelihood)
        if np.isnan(self.log_likelihood):
            raise ValueError("log_likelihood is NaN")
        self.total = self.n_rows = self.noise = self.pairs = self.n_threads = None

    @classmethod
    def trusted(cls, covariance_type, centers, counts, first, second, log_likelihood, total=None,
                n_rows=None):
        """What the kernels have returned, about centres as they saw them: not looked at again.

        Parameters
        ----------
        covariance_type : {'full', 'tied', 'diag', 'spherical'}
            Which says the shape of `second`.
        centers, counts, first, second : ndarray
            In float64 and contiguous, of the shapes of the class.
        log_likelihood : float
            Of the same rows.
        total : float, optional
            The weight of all rows that were looked at.
        n_rows : float, optional
            How many these are.

        Returns
        -------
        SufficientStatistics
            With these arrays, which are not copied.
        """
        out = cls.__new__(cls)
        out.covariance_type, out.centers = covariance_type, centers
        out.counts, out.first, out.second = counts, first, second
        out.log_likelihood, out.total, out.n_rows = log_likelihood, total, n_rows
        out.noise = out.pairs = out.n_threads = None
        return out

    @classmethod
    def zeros(cls, covariance_type, centers):
        """Statistics of no data about `centers`: the neutral element of addition.

        Parameters
        ----------
        covariance_type : {'full', 'tied', 'diag', 'spherical'}
            Which says the shape of `second`.
        centers : array-like of shape (n_components, n_features)
            What the moments are about.

        Returns
        -------
        SufficientStatistics
            All sums being zero.
        """
        out = cls(covariance_type, centers)
        out.total, out.n_rows = 0.0, 0
        return out

    @classmethod
    def from_data(cls, X, weights, means, precisions_cholesky, covariance_type="full",
                  sample_weight=None, *, n_threads=None):
        """Statistics of the rows of X under a model, about its means.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64, or Rows
            NaN where missing. :class:`emkernels.data.Rows` are not looked through again, and their
            weights count where `sample_weight` is None.
        weights : array-like of shape (n_components,)
            Mixing proportions, not negative.
        means : array-like of shape (n_components, n_features)
            Of the components, in the units of X.
        precisions_cholesky : array-like
            Upper triangular factors of the precisions, as :func:`emkernels.kernels.log_density`
            takes them.
        covariance_type : {'full', 'tied', 'diag', 'spherical'}
            Which precisions are the same, or zero.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.
        n_threads : int, optional
            The result has the same bits for every number of threads.

        Returns
        -------
        SufficientStatistics
            Its centres are the means, rounded to the precision of X. Rows with nothing observed
            are left out: they say nothing of the parameters.

        Raises
        ------
        ValueError, TypeError
            As :func:`emkernels.kernels.em_statistics`.
        """
        if isinstance(X, Rows):
            rows = X.weighed(sample_weight)
            X, sample_weight, patterns = rows.X, rows.weight_given, rows.patterns
        else:
            rows, patterns = None, None
            _inputs.check_names(means, _inputs.names_of(X), "means", "X")
            X = _inputs.as_rows(X)
        model, nothing = (weights, means, precisions_cholesky, covariance_type), False
        if rows is None:
            patterns = patterns_where_missing(X)[0]
        if patterns is None:
            moments = kernels.em_statistics(
                X, *model, sample_weight, n_threads=n_threads, check_finite=False)
        else:
            sample_weight, nothing = weights_of_observed(patterns, X.shape, sample_weight)
            moments = kernels.incomplete_statistics(
                X, *model, sample_weight, patterns=patterns, n_threads=n_threads)
        centers = np.asarray(_inputs.as_rows(means, "means"), dtype=X.dtype)
        out = cls(covariance_type, centers, *moments)
        return out.scale(0) if nothing else out

    @property
    def n_components(self):
        """Number K of components."""
        return self.centers.shape[0]

    @property
    def n_features(self):
        """Number of columns."""
        return self.centers.shape[1]

    @property
    def weight(self):
        """Total weight of the rows, the sum of the counts."""
        return float(self.counts.sum())

    def positive_counts(self):
        """Counts that nothing is divided by zero with: more by what is nothing beside a row.

        Returns
        -------
        ndarray of shape (n_components,)
            The same, up to rounding, where there are any.
        """
        row = 1.0
        if self.n_rows:
            row = (self.weight if self.total is None else self.total) / self.n_rows
        limits = np.finfo(np.float64)
        return self.counts + max(10 * limits.eps * row, limits.tiny)

    def copy(self):
        """An independent copy.

        Returns
        -------
        SufficientStatistics
            The same numbers in arrays of its own.
        """
        out = self.trusted(
            self.covariance_type, self.centers.copy(), None, None, None, self.log_likelihood,
            self.total, self.n_rows)
        out.noise, out.pairs, out.n_threads = self.noise, self.pairs, self.n_threads
        for name in self._sums:
            setattr(out, name, getattr(self, name).copy())
        return out

    def merge(self, other):
        """Add the statistics of other rows to these, in place.

        Parameters
        ----------
        other : SufficientStatistics
            About the same centres, of the same covariance type.

        Returns
        -------
        self
            With the sums of both.

        Raises
        ------
        TypeError
            When `other` is something else.
        ValueError
            Another covariance type, other shapes or other centres. These statistics then
            stay as they were.
        """
        if not isinstance(other, SufficientStatistics) or other._sums != self._sums:
            raise TypeError(f"cannot merge with {type(other).__name__}")
        if other.covariance_type != self.covariance_type:
            raise ValueError(f"cannot merge statistics of type {other.covariance_type!r} into "
                             f"{self.covariance_type!r}")
        if other.centers.shape != self.centers.shape:
            raise ValueError(f"cannot merge statistics of {other.centers.shape} centres into "
                             f"{self.centers.shape}")
        if not np.array_equal(self.centers, other.centers):
            component = int((self.centers != other.centers).any(axis=1).argmax())
            raise ValueError(
                "cannot merge statistics made about different centres; "
                f"component {component} is the first that differs"
            )
        for name in self._sums:
            mine = getattr(self, name)
            mine += getattr(other, name)
        self.log_likelihood += other.log_likelihood
        for name in ("total", "n_rows", "pairs"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, None if mine is None or theirs is None else mine + theirs)
        if other.noise is not None:
            self.noise = other.noise + (self.noise or 0.0)
        return self

    def scale(self, factor):
        """Multiply everything by a factor, in place.

        Parameters
        ----------
        factor : float
            Finite and not negative.

        Returns
        -------
        self
            With all sums multiplied.
        """
        factor = float(factor)
        if not 0 <= factor < np.inf:
            raise ValueError(f"factor must be finite and not negative, got {factor}")
        for name in self._sums:
            mine = getattr(self, name)
            mine *= factor
        # nothing times an infinite log-likelihood is nothing
        self.log_likelihood = self.log_likelihood * factor if factor else 0.0
        if self.total is not None:
            self.total *= factor
        if self.noise is not None:
            self.noise *= factor
        return self

    def recentred(self, centers):
        """The same statistics about other centres.

        ``sum r (x - b)(x - b)' = sum r (x - m)(x - m)' + n (m - b)(m - b)'``, m being the mean
        of the rows, costs the covariances no digits (Chan, Golub, LeVeque, COMPSTAT 1982).

        Parameters
        ----------
        centers : array-like of shape (n_components, n_features)
            What the moments are about then.

        Returns
        -------
        SufficientStatistics
            New ones, which can be merged with others about these centres.

        Raises
        ------
        ValueError
            Centres of another shape, not finite, or so far away that squares overflow.

        Examples
        --------
        >>> from emkernels import SufficientStatistics
        >>> about_one = SufficientStatistics(
        ...     "diag", [[0.0]], [2.0], [[4.0]], [[10.0]]).recentred([[1.0]])
        >>> about_one.first, about_one.second, about_one.covariances()
        (array([[2.]]), array([[4.]]), array([[1.]]))
        """
        centers = _array(np.nan if centers is None else centers, "centers", self.centers.shape)
        out, structure, sizes = self.copy(), kernel_structure(self.covariance_type), self._sizes
        left = (offsets := self._offsets()) - (centers - self.centers)      # to the new centres
        out.centers, out.first = centers, sizes[:, None] * left
        with np.errstate(over="ignore", invalid="ignore"):
            out.second = structure.about_means(self.second, sizes, offsets) + (
                structure.between(sizes, left))
        if not np.isfinite(out.second).all():
            raise ValueError("centers are too far away: squares overflow")
        return out

    def __iadd__(self, other):
        return self.merge(other)

    def __add__(self, other):
        if not isinstance(other, SufficientStatistics):
            return NotImplemented
        return self.copy().merge(other)

    def __mul__(self, factor):
        return self.copy().scale(factor)

    __rmul__ = __mul__

    def means(self):
        """Weighted means.

        Returns
        -------
        ndarray of shape (n_components, n_features)
            The centre where a count is zero.
        """
        return self.centers + self._offsets()

    def covariances(self):
        """Weighted covariances about the means.

        Returns
        -------
        ndarray
            Of the shape of the covariance type; zero where a count is zero.
        """
        sizes = self._sizes
        return kernel_structure(self.covariance_type).central(
            self.second, sizes, divisors(sizes), self._offsets())

    @property
    def _sizes(self):
        """What first and second moments are of, weights of the components."""
        return self.counts

    def _offsets(self):
        return self.first / divisors(self._sizes)[:, None]

    def to_bytes(self):
        """The statistics as bytes, for :meth:`from_bytes` on any machine.

        Returns
        -------
        bytes
            A JSON header and little-endian float64 arrays, with a checksum.
        """
        return written(self)

    @classmethod
    def from_bytes(cls, data):
        """Statistics from :meth:`to_bytes`.

        Parameters
        ----------
        data : bytes-like
            As :meth:`to_bytes` has made them.

        Returns
        -------
        SufficientStatistics
            With the bits of those that were written.

        Raises
        ------
        ValueError
            The bytes are foreign, cut short or damaged: nothing in them is run, and what they say
            is checked.
        TypeError
            `data` are no bytes.
        """
        found = read(data)
        try:
            out = cls(*(found[name] for name in ("covariance_type", *ARRAYS, "log_likelihood")))
        except ValueError as error:
            raise ValueError(f"the sufficient statistics are damaged: {error}") from error
        for name in SCALARS:
            setattr(out, name, found[name])
        return out

    def __reduce__(self):
        return SufficientStatistics.from_bytes, (self.to_bytes(),)

    # for those that ask for a state and make the object themselves, as skops

    def __getstate__(self):
        return {"data": self.to_bytes()}

    def __setstate__(self, state):
        other = SufficientStatistics.from_bytes(state["data"])
        for name in SufficientStatistics.__slots__:
            setattr(self, name, getattr(other, name))

    def __eq__(self, other):
        if not isinstance(other, SufficientStatistics):
            return NotImplemented
        return (
            self.covariance_type == other.covariance_type
            and self.log_likelihood == other.log_likelihood
            and self.noise == other.noise
            and self._sums == other._sums
            and all(np.array_equal(getattr(self, n), getattr(other, n))
                    for n in ("centers", *self._sums))
        )

    __hash__ = None

    def __repr__(self):
        return (f"SufficientStatistics({self.covariance_type!r}, n_components={self.n_components}, "
                f"n_features={self.n_features}, weight={self.weight:.6g})")


def _array(value, name, shape):
    """A float64 array of the given shape; zeros for None."""
    if value is None:
        return np.zeros(shape)
    value = np.array(_inputs.as_rows(value, name, missing=False), dtype=np.float64, order="C")
    if shape is not None and value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} contains NaN or infinity")
    return value
