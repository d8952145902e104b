"""Kernel of mixtures on a grid whose neighbours tend to be alike: a Potts prior by mean field."""

from operator import index
from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, log
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport (
    FIELD_DIMENSIONS, FULL, TIED, Field, Job, Rows, Table, second_size)
from emkernels.kernels.arrays cimport (
    address, as_centers, as_matrix, checked_sums, indices, is_double, output, rows_at, set_rows,
    shaped)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status, look_for_signal
from emkernels.kernels.gaussians cimport (
    add_statistics, as_factors, as_mixture_weights, covariance_code, empty_statistics,
    factor_shape, run_job, set_model)
from emkernels.kernels.threads cimport check_threads

MOST_SMOOTHNESS = 1e6       # far beyond what makes neighbours the same


class PottsStatistics(NamedTuple):
    """Moments under the mean field, free energy, likelihood and the sums of the priors.

    Attributes
    ----------
    counts : ndarray of shape (n_components,), float64
        Of the pixels that are known, as `first` and `second`.
    first : ndarray of shape (n_components, n_features), float64
    second : ndarray, float64
        Of the shape of the covariance type.
    free_energy : float
        Of all pixels; a sweep never lowers it.
    log_likelihood : float
        ``sum_i log sum_k prior_ik N(x_i | k)`` of known pixels.
    prior : ndarray of shape (n_components,), float64
        Sums of prior_ik over known pixels.

    See Also
    --------
    potts_statistics : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import potts_statistics
    >>> X, resp = np.array([[0.0], [0.1], [0.6], [0.0]]), np.full((4, 2), 0.5)
    >>> model = dict(weights=[0.5, 0.5], means=[[0.0], [1.0]],
    ...              precisions_cholesky=np.full((2, 1, 1), 3.0))
    >>> sweeps = [potts_statistics(X, **model, shape=(2, 2), smoothness=2.0, resp=resp)
    ...           for _ in range(3)]
    >>> sweeps[0].free_energy < sweeps[1].free_energy < sweeps[2].free_energy
    True
    """

    counts: np.ndarray
    first: np.ndarray
    second: np.ndarray
    free_energy: float
    log_likelihood: float
    prior: np.ndarray


# --- bodies ----------------------------------------------------------------------------

cdef Py_ssize_t make_grid(const Py_ssize_t *shape, const unsigned char *mask, int *order,
                          unsigned char *links, Py_ssize_t *n_present) noexcept nogil:
    """order (n_pixels,): the pixels that are there, the even ones of the checkerboard first;
    links (n_pixels,): which neighbours are there, bits 2a and 2a + 1 for the one before and
    the one behind along axis a. Returns the number of even ones."""
    cdef Py_ssize_t at[FIELD_DIMENSIONS]
    cdef Py_ssize_t step[FIELD_DIMENSIONS]
    cdef Py_ssize_t n_pixels = 1, n_even = 0, n = 0, i, axis, parity
    cdef unsigned char bits
    for axis in range(FIELD_DIMENSIONS - 1, -1, -1):
        step[axis] = n_pixels
        n_pixels *= shape[axis]
    for parity in range(2):
        memset(at, 0, sizeof(at))
        for i in range(n_pixels):
            if (at[0] + at[1] + at[2]) & 1 == parity:
                bits = 0
                if mask == NULL or mask[i]:
                    for axis in range(FIELD_DIMENSIONS):
                        if at[axis] > 0 and (mask == NULL or mask[i - step[axis]]):
                            bits |= 1 << (2 * axis)
                        if (at[axis] + 1 < shape[axis]
                                and (mask == NULL or mask[i + step[axis]])):
                            bits |= 2 << (2 * axis)
                    order[n] = <int>i
                    n += 1
                links[i] = bits
            at[2] += 1
            for axis in range(FIELD_DIMENSIONS - 1, 0, -1):
                if at[axis] == shape[axis]:
                    at[axis] = 0
                    at[axis - 1] += 1
        if parity == 0:
            n_even = n
    n_present[0] = n
    return n_even


cdef int run_potts(const Rows *rows, bint double_, const Py_ssize_t *shape, const int *order,
                   Py_ssize_t n_even, Py_ssize_t n_present, const unsigned char *links,
                   double smoothness, const double *weights, const double *means,
                   const double *precisions_cholesky, Py_ssize_t K, int type_, char *resp,
                   double *counts, double *first, double *second,
                   double *free_energy, double *log_likelihood, double *prior, int n_threads,
                   bint interruptible) noexcept nogil:
    """One sweep: the even pixels, then the odd ones, each given its neighbours. log_likelihood
    and prior (K,) may be NULL."""
    cdef Py_ssize_t D = rows.n_features, k, axis, step = 1, tail_at, length, half
    cdef const Table *table = table_of(double_)
    cdef Job job
    cdef Field field
    cdef double tail[2]
    cdef double *log_weights = <double*>malloc(K * sizeof(double))
    cdef double *factors = NULL
    cdef double *sums = NULL
    cdef int status = 0
    memset(&job, 0, sizeof(Job))
    memset(&field, 0, sizeof(Field))
    job.rows = rows[0]
    job.field = &field
    job.resp_out = resp
    job.first_moments = True
    job.second_moments = True
    field.smoothness = smoothness
    field.links = links
    for axis in range(FIELD_DIMENSIONS - 1, -1, -1):
        field.offsets[2 * axis] = -step
        field.offsets[2 * axis + 1] = step
        step *= shape[axis]
    if log_weights == NULL:
        return OUT_OF_MEMORY
    for k in range(K):
        log_weights[k] = log(weights[k]) if weights[k] > 0 else -INFINITY
    if type_ == TIED:
        # unknown pixels are in no scatter that could be had beforehand: as many factors
        factors = <double*>malloc(K * D * D * sizeof(double))
        if factors == NULL:
            free(log_weights)
            return OUT_OF_MEMORY
        for k in range(K):
            memcpy(factors + k * D * D, precisions_cholesky, D * D * sizeof(double))
        precisions_cholesky = factors
    status = set_model(&job, table, FULL if type_ == TIED else type_, K, log_weights, means,
                       precisions_cholesky, n_threads)
    tail_at = K + K * D + second_size(&job.gaussians)
    length = tail_at + 2 + 1 + K
    for half in range(2):
        job.rows.order = order if half == 0 else order + n_even
        job.rows.n_samples = n_even if half == 0 else n_present - n_even
        if status != 0 or job.rows.n_samples == 0:
            continue
        field.first_half = half == 0
        status = run_job(&job, double_, length, &sums, n_threads, interruptible)
        if status == 0:
            tail[0] = tail[1] = 0
            add_statistics(&job.gaussians, type_, sums, counts, first, second, tail, n_threads)
            free_energy[0] += tail[0] + sums[tail_at + 2]
            if log_likelihood != NULL:
                log_likelihood[0] += tail[0]
            for k in range(K if prior != NULL else 0):
                prior[k] += sums[tail_at + 3 + k]
            free(sums)
            if interruptible:
                status = look_for_signal()
    free(job.gaussians.packed)
    free(factors)
    free(log_weights)
    return status


# --- the Python faces --------------------------------------------------------------------

def potts_statistics(X, weights, means, precisions_cholesky, covariance_type="full", *, shape,
                     smoothness, resp, mask=None, n_threads=None, check_finite=True):
    """A mean-field sweep under a Potts prior, fused with the statistics of EM.

    The pixels of a grid have labels z with the prior ``p(z)`` proportional to ``prod_i
    weights[z_i] exp(smoothness * number of neighbouring pairs with equal labels)``; neighbours
    share a face. Their posterior is approximated by independent ``resp``. First the even
    pixels of the checkerboard, then the odd ones get ``resp[i, k]`` proportional to
    ``weights_k N(x_i | k) exp(smoothness * sum of resp[j, k] over the neighbours j of i)``,
    which never lowers the free energy ``sum_ik resp_ik (log(weights_k N(x_i | k)) - log
    resp_ik) + smoothness sum_(i, j) sum_k resp_ik resp_jk``.

    Parameters
    ----------
    X : array-like of shape (n_pixels, n_features), float32 or float64
        Pixels of the grid in C order, in any layout, read in place. A row with a NaN is an
        unknown pixel: weights and neighbours alone say what it is.
    weights : array-like of shape (n_components,)
        Of the prior of a pixel without neighbours; none negative.
    means : array-like of shape (n_components, n_features)
        Of the components, in the units of X.
    precisions_cholesky : array-like
        Of the shape of the covariance type.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    shape : tuple of 1 to 3 ints
        Of the grid.
    smoothness : float
        What a like neighbour adds to the log probability, from 0 to 1e6.
    resp : ndarray of shape (n_pixels, n_components), dtype of X, C-contiguous
        The mean field, read and overwritten; memory of its own. Rows of pixels that the mask
        leaves out are neither.
    mask : array-like of bool of shape (n_pixels,) or `shape`, optional
        False: there is no pixel here.
    n_threads : int, optional
        The result has the same bits for every number of threads.
    check_finite : bool
        False skips the look for NaN and infinity in X.

    Returns
    -------
    PottsStatistics
        counts, first and second moments about the means as in :func:`em_statistics`, of the
        pixels that are known; free_energy, of all; log_likelihood, ``sum_i log sum_k prior_ik
        N(x_i | k)`` of known pixels, prior_ik proportional to ``weights_k exp(smoothness * sum
        of resp[j, k] over the neighbours j of i)`` at the time that i was visited; and prior
        (n_components,), the sum of prior_ik over known pixels.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`; an infinity in X; a shape that does not have n_pixels; resp
        of another shape or dtype, or with rows that are no probabilities. When the sums overflow,
        resp was overwritten.

    See Also
    --------
    em_statistics : Pixels without neighbours.
    emkernels.segment_image : The segmentation that is smoothed by it.

    References
    ----------
    G. Celeux, F. Forbes, N. Peyrard, EM procedures using mean field-like approximations for
    Markov model-based image segmentation, Pattern Recognition 36, 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import potts_statistics
    >>> X, resp = np.array([[0.0], [0.1], [0.6], [0.0]]), np.full((4, 2), 0.5)
    >>> model = dict(weights=[0.5, 0.5], means=[[0.0], [1.0]],
    ...              precisions_cholesky=np.full((2, 1, 1), 3.0))
    >>> for _ in range(5):
    ...     statistics = potts_statistics(X, **model, shape=(2, 2), smoothness=2.0, resp=resp)
    >>> resp.argmax(axis=1)
    array([0, 0, 0, 0])
    """
    cdef int code = covariance_code(covariance_type)
    X = as_matrix(X, "X", True)
    means = as_centers(means, "means", X)
    means = means.astype(X.dtype).astype(np.float64)
    weights = as_mixture_weights(weights, means.shape[0])
    precisions_cholesky = as_factors(precisions_cholesky, code, means.shape[0], X.shape[1])
    if (not isinstance(smoothness, (int, float, np.number)) or isinstance(smoothness, bool)
            or not 0 <= smoothness <= MOST_SMOOTHNESS):
        raise ValueError(
            f"smoothness must be a number from 0 to {MOST_SMOOTHNESS:.0e}, got {smoothness!r}")
    if resp is None:
        raise TypeError("resp must be a numpy array, got None")
    resp = output(resp, (X.shape[0], means.shape[0]), X.dtype, "resp",
                  {"X": X, "weights": weights, "precisions_cholesky": precisions_cholesky})
    grid = _potts_grid(shape, mask, X.shape[0])
    if check_finite:
        _refuse_infinity(X)
        rows = resp if mask is None else resp[np.asarray(mask, dtype=bool).reshape(-1)]
        for first in range(0, len(rows), 65536):
            part = rows[first : first + 65536]
            if not (part.min() >= 0 and np.abs(part.sum(axis=1) - 1).max() <= 1e-4):
                raise ValueError("the rows of resp must hold probabilities, which sum to one")
    sums = PottsStatistics(*_potts_pass(
        X, weights, means, precisions_cholesky, covariance_type, grid, float(smoothness), resp,
        n_threads=n_threads))
    return checked_sums(sums) if check_finite else sums


def _refuse_infinity(X):
    """ValueError naming the first infinity of X; NaN may stay."""
    cdef Rows rows
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t D = X.shape[1], chunk = 65536 // D + 1, first = 0, found = -1
    cdef double largest = 0
    cdef unsigned long long *bits = <unsigned long long*>malloc(chunk * ((D + 63) // 64) * 8)
    if bits == NULL:
        raise MemoryError("not enough memory for the kernel's buffers")
    set_rows(&rows, X)
    with nogil:
        while first < rows.n_samples and found < 0:
            found = table_of(double_).missing_bits(
                &rows, first, min(chunk, rows.n_samples - first), bits, &largest)
            first += chunk
        free(bits)
    if found >= 0:
        raise ValueError(f"X contains infinity, first at row {found // D}, column {found % D}")


def _potts_grid(shape, mask, Py_ssize_t n_pixels):
    """(shape, order, n_even, links) of a grid, checked; mask None: every pixel is there."""
    cdef Py_ssize_t size[FIELD_DIMENSIONS]
    cdef Py_ssize_t n_even, n_present, i
    cdef const unsigned char *there = NULL
    cdef int *position
    cdef unsigned char *link
    try:
        shape = tuple([index(n) for n in shape])
    except TypeError:
        raise TypeError(f"shape must be a tuple of integers, got {shape!r}") from None
    if not 1 <= len(shape) <= FIELD_DIMENSIONS or min(shape) < 1:
        raise ValueError(f"shape must have 1 to {FIELD_DIMENSIONS} positive numbers, got {shape}")
    whole = (1,) * (FIELD_DIMENSIONS - len(shape)) + shape
    if int(np.prod(whole, dtype=object)) != n_pixels:
        raise ValueError(f"X has {n_pixels} rows, a grid of shape {shape} has not")
    if n_pixels >= 2**31:
        raise ValueError(f"a grid may have 2^31 - 1 pixels at most, got {n_pixels}")
    for i in range(FIELD_DIMENSIONS):
        size[i] = whole[i]
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape not in (shape, (n_pixels,)):
            raise ValueError(
                f"mask must be boolean of shape {shape} or ({n_pixels},), got {mask.dtype} of "
                f"shape {mask.shape}"
            )
        mask = np.ascontiguousarray(mask)
        there = <const unsigned char*>address(mask)
    order, links = np.empty(n_pixels, np.int32), np.empty(n_pixels, np.uint8)
    position, link = <int*>address(order), <unsigned char*>address(links)
    with nogil:
        n_even = make_grid(size, there, position, link, &n_present)
    return whole, order[:n_present], n_even, links


def _potts_pass(X, weights, means, precisions_cholesky, covariance_type, grid,
                double smoothness, resp, known=None, n_threads=None):
    """potts_statistics for the EM loop: every array already checked and contiguous, the grid
    from _potts_grid. known (n_pixels,) int32 has the components of pixels that keep theirs, -1
    for the others."""
    cdef Rows rows
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = means.shape[0], n_even = grid[2], n_present = len(grid[1]), i
    cdef Py_ssize_t size[FIELD_DIMENSIONS]
    cdef const double *w = shaped(weights, "weights", (K,))
    cdef const double *mean = shaped(means, "means", (K, X.shape[1]))
    cdef const double *factor = shaped(
        precisions_cholesky, "precisions_cholesky", factor_shape(code, K, X.shape[1]))
    cdef const int *order = <const int*>address(grid[1])
    cdef const unsigned char *links = <const unsigned char*>address(grid[3])
    cdef char *q = <char*>address(resp)
    cdef double *c
    cdef double *f
    cdef double *s
    cdef double *priors
    cdef double free_energy = 0, log_likelihood = 0
    for i in range(FIELD_DIMENSIONS):
        size[i] = grid[0][i]
    set_rows(&rows, X)
    rows.known = indices(known)
    counts, first, second = empty_statistics(code, K, X.shape[1], threads)
    prior = np.zeros(K)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    priors = <double*>address(prior)
    with nogil:
        status = run_potts(&rows, double_, size, order, n_even, n_present, links, smoothness, w,
                           mean, factor, K, code, q, c, f, s, &free_energy, &log_likelihood,
                           priors, threads, True)
    check_status(status)
    return counts, first, second, free_energy, log_likelihood, prior


# --- the faces for cimport: see potts.pxd --------------------------------------------------

cdef int run_grid(Rows rows, bint double_, const Py_ssize_t *shape, const unsigned char *mask,
                  double smoothness, const double *weights, const double *means,
                  const double *precisions_cholesky, Py_ssize_t n_components,
                  int covariance_type, char *resp, double *counts, double *first, double *second,
                  double *free_energy, int n_threads) noexcept nogil:
    cdef Py_ssize_t n_even, n_present
    cdef int *order = <int*>malloc(rows.n_samples * sizeof(int))
    cdef unsigned char *links = <unsigned char*>calloc(rows.n_samples, 1)
    cdef int status = OUT_OF_MEMORY
    if order != NULL and links != NULL:
        n_even = make_grid(shape, mask, order, links, &n_present)
        status = run_potts(&rows, double_, shape, order, n_even, n_present, links, smoothness,
                           weights, means, precisions_cholesky, n_components, covariance_type,
                           resp, counts, first, second, free_energy, NULL, NULL, n_threads, False)
    free(order)
    free(links)
    return status


cdef int potts_statistics_f64(
        const double *X, const Py_ssize_t *shape, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const unsigned char *mask, double smoothness,
        const double *weights, const double *means, const double *precisions_cholesky,
        Py_ssize_t n_components, int covariance_type, double *resp, double *counts,
        double *first, double *second, double *free_energy, int n_threads) noexcept nogil:
    return run_grid(
        rows_at(<const char*>X, shape[0] * shape[1] * shape[2], n_features, row_stride,
                column_stride, sizeof(double), NULL),
        True, shape, mask, smoothness, weights, means, precisions_cholesky, n_components,
        covariance_type, <char*>resp, counts, first, second, free_energy, n_threads)


cdef int potts_statistics_f32(
        const float *X, const Py_ssize_t *shape, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const unsigned char *mask, double smoothness,
        const double *weights, const double *means, const double *precisions_cholesky,
        Py_ssize_t n_components, int covariance_type, float *resp, double *counts,
        double *first, double *second, double *free_energy, int n_threads) noexcept nogil:
    return run_grid(
        rows_at(<const char*>X, shape[0] * shape[1] * shape[2], n_features, row_stride,
                column_stride, sizeof(float), NULL),
        False, shape, mask, smoothness, weights, means, precisions_cholesky, n_components,
        covariance_type, <char*>resp, counts, first, second, free_energy, n_threads)
