# cython: wraparound=True
"""The rows of a table grouped by which of their values are missing, as an object."""

import math
import operator

import numpy as np


def _integers(values, name, dtype, shape):
    """A copy of integers, of a type that holds them all."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must hold integers, got {array.dtype}")
    if array.ndim != len(shape) or any(a != b for a, b in zip(array.shape, shape) if b is not None):
        wanted = str(shape).replace("None", "any")
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    limits = np.iinfo(dtype)
    if array.size and not (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
        raise ValueError(f"{name} must fit into {np.dtype(dtype)}")
    return np.array(array, dtype=dtype, order="C")


def _checked(n_features, order, offsets, bits, largest):
    """What MissingPatterns holds, copied; an error names what is not of one set of rows."""
    n_features, largest = int(operator.index(n_features)), float(largest)
    if n_features < 0:
        raise ValueError(f"n_features must not be negative, got {n_features}")
    if not 0 <= largest < math.inf:
        raise ValueError(f"largest must be a finite absolute value, got {largest}")
    order = _integers(order, "order", np.int32, (None,))
    offsets = _integers(offsets, "offsets", np.int64, (None,))
    n, n_patterns = len(order), len(offsets) - 1
    # compared and not subtracted: differences of what is far out wrap around
    rise = (offsets[1:] > offsets[:-1]).all()
    if n_patterns < 0 or offsets[0] != 0 or offsets[-1] != n or not rise:
        raise ValueError(f"offsets must rise from 0 to the {n} rows that order has")
    bits = _integers(bits, "bits", np.uint64, (n_patterns, max(1, -(-n_features // 64))))
    outside = (order < 0) | (order >= n)
    if outside.any():
        at = int(outside.argmax())
        raise ValueError(f"order must hold rows 0 to {n - 1}, got {order[at]} at index {at}")
    seen = np.zeros(n, bool)
    seen[order] = True
    if not seen.all():
        raise ValueError(f"order must hold every row once, row {int(seen.argmin())} is not there")
    falls = np.diff(order) <= 0
    falls[offsets[1:-1] - 1] = False
    if falls.any():
        raise ValueError(
            f"order must have the rows of a pattern in their order, at index {falls.argmax() + 1} "
            "it has not")
    used = n_features - 64 * (bits.shape[1] - 1)
    if used < 64 and (bits[:, -1] >> np.uint64(used)).any():
        raise ValueError(f"bits are set beyond the {n_features} columns")
    # by number of missing values, then by first row; and no pattern twice
    n_missing = np.bitwise_count(bits).sum(axis=1, dtype=np.int64)
    places = n_missing * n + order[offsets[:-1]]
    if (np.diff(places) <= 0).any():
        raise ValueError("bits must be sorted by the number that is set, then by first row")
    if len({row.tobytes() for row in bits}) < n_patterns:
        raise ValueError("bits must have every pattern once")
    return n_features, order, offsets, bits, largest


def _trusted_patterns(n_features, order, offsets, bits, largest=0.0):
    """Those of arrays that were made here, which become read-only."""
    made = object.__new__(MissingPatterns)
    made._set(n_features, order, offsets, bits, largest)
    return made


class MissingPatterns:
    """Rows grouped by which of their values are missing (see :func:`missing_patterns`).

    What is given by hand, or unpickled, is copied and checked: the kernels follow it without
    another look.

    Parameters
    ----------
    n_features : int
        Columns of the rows.
    order, offsets : array-like of int
        As the attributes.
    bits : array-like of shape (n_patterns, n_words), uint64
        Column j of pattern p is missing where bit ``j % 64`` of ``bits[p, j // 64]`` is set.
    largest : float
        The largest absolute value of the rows.

    Attributes
    ----------
    n_samples, n_features, n_patterns : int
    order : ndarray of shape (n_samples,), int32
        The rows, those of a pattern side by side and in their order.
    offsets : ndarray of shape (n_patterns + 1,), int64
        Pattern p has the rows ``order[offsets[p]:offsets[p + 1]]``.
    counts : ndarray of shape (n_patterns,), int64
        Rows of each pattern.
    n_missing : ndarray of shape (n_patterns,), int64
        Missing values in a row of each pattern; patterns are in this order, then in that of
        their first rows.
    largest : float
        The largest absolute value of the rows.
    n_missing_values : int
        Missing values in all rows.
    nbytes : int
        Memory that the arrays take.
    masks : ndarray of shape (n_patterns, n_features), bool
        True where missing; unpacked from bits when asked for.

    Raises
    ------
    ValueError, TypeError
        Arrays that are not of one set of rows, by name.

    See Also
    --------
    missing_patterns : Makes it of rows.
    incomplete_statistics : Takes it as `patterns`.
    emkernels.plotting.plot_missing_patterns : Picture of the patterns.

    Examples
    --------
    >>> from emkernels.kernels import MissingPatterns
    >>> patterns = MissingPatterns(2, [1, 0, 2], [0, 1, 3], [[0], [2]])
    >>> patterns.masks
    array([[False, False],
           [False,  True]])
    """

    __slots__ = ("n_features", "order", "offsets", "_bits", "_largest", "_schedules")

    def __init__(self, n_features, order, offsets, bits, largest=0.0):
        self._set(*_checked(n_features, order, offsets, bits, largest))

    def _set(self, *values):
        for name, value in zip(self.__slots__, (*values, {}), strict=True):
            object.__setattr__(self, name, value)
        for array in (self.order, self.offsets, self._bits):    # the kernels follow them
            array.flags.writeable = False

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} of MissingPatterns cannot be changed: make others")

    @property
    def nbytes(self):
        """Memory that the arrays take, those included that passes have left."""
        arrays = [self.order, self.offsets, self._bits]
        for kept in self._schedules.values():
            arrays += kept[:2]
        return sum(array.nbytes for array in arrays)

    @property
    def n_samples(self):
        """Number of rows."""
        return len(self.order)

    @property
    def n_patterns(self):
        """Number of patterns, that of complete rows included."""
        return len(self.offsets) - 1

    @property
    def counts(self):
        """Rows of each pattern, (n_patterns,) int64."""
        return np.diff(self.offsets)

    @property
    def n_missing(self):
        """Missing values in a row of each pattern, (n_patterns,) int64."""
        return np.bitwise_count(self._bits).sum(axis=1, dtype=np.int64)

    @property
    def masks(self):
        """True where missing, (n_patterns, n_features) bool; unpacked from bits when asked for."""
        return self.masks_of(slice(None))

    def masks_of(self, patterns):
        """The masks of some patterns, for many patterns of many columns.

        Parameters
        ----------
        patterns : slice, or ndarray of int or bool
            Which, by number.

        Returns
        -------
        ndarray of shape (n, n_features), bool
            True where missing.
        """
        packed = np.ascontiguousarray(self._bits[patterns], dtype="<u8").view(np.uint8)
        return np.unpackbits(packed, axis=-1, bitorder="little",
                             count=self.n_features).astype(bool)

    @property
    def largest(self):
        """The largest absolute value of X."""
        return self._largest

    @property
    def n_missing_values(self):
        """Missing values in all rows."""
        return int(self.n_missing @ self.counts)

    def __reduce__(self):
        return MissingPatterns, (self.n_features, self.order, self.offsets, self._bits,
                                 self._largest)

    def __repr__(self):
        return (f"MissingPatterns(n_samples={self.n_samples}, n_features={self.n_features}, "
                f"n_patterns={self.n_patterns})")
