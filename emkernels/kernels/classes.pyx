"""Latent classes, fused: log probabilities of answers by lookups, posteriors, sums of an M-step."""

import numpy as np

from libc.math cimport log
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from emkernels._simd.table cimport Classes, Job
from emkernels.kernels.arrays cimport address, pointer, shaped
from emkernels.kernels.driver cimport (
    CLASSES, Plan, check_status, free_plan, make_plan, run)
from emkernels.kernels.threads cimport check_threads

cdef enum:
    WIDEST = 8          # lanes of float64 of any level

# The logarithm of a probability of zero: many of them still add up to a finite number.
cdef double NOTHING = -1e300


cdef inline double logarithm(double p) noexcept nogil:
    return log(p) if p > 0 else NOTHING


cdef class _Layout:
    """Items, the groups they are looked up in, and which lanes there are.

    Parameters
    ----------
    n_levels : sequence of int
        Of each item.
    ends : sequence of int
        The item behind the last of each group; groups are consecutive.
    n_classes, n_starts : int
    """

    cdef readonly Py_ssize_t n_items, n_groups, n_codes, n_rows, n_classes, n_starts, n_lanes
    cdef readonly Py_ssize_t n_padded
    cdef object n_levels_, ends_, first_, item_

    def __init__(self, n_levels, ends, n_classes, n_starts=1):
        n_levels = np.asarray(n_levels, np.intp)
        ends = np.asarray(ends, np.intp)
        self.n_items, self.n_groups = len(n_levels), len(ends)
        self.n_classes, self.n_starts = n_classes, n_starts
        self.n_padded = 1 if n_starts == 1 else -(-n_starts // WIDEST) * WIDEST
        self.n_lanes = (-(-n_classes // WIDEST) * WIDEST if n_starts == 1
                        else n_classes * self.n_padded)
        begins = np.concatenate([[0], ends]).astype(np.intp)[:len(ends)]
        sizes = np.array([np.prod(n_levels[a:b] + 1) for a, b in zip(begins, ends, strict=True)],
                         np.intp)
        self.n_codes, self.n_rows = int(sizes.sum()), int(n_levels.sum())
        self.n_levels_, self.ends_ = n_levels, ends
        self.first_ = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        self.item_ = np.concatenate([[0], np.cumsum(n_levels)]).astype(np.intp)


cdef void fill(_Layout layout, const double *values, Py_ssize_t n_values, double *out,
               bint logs, double other) noexcept:
    """out (n_values, n_lanes) of values (n_values, n_classes[, n_starts]): their logarithms where
    `logs`; `other` in lanes of nothing."""
    cdef Py_ssize_t C = layout.n_classes, S = layout.n_starts, P = layout.n_padded, i, c, s
    cdef Py_ssize_t W = layout.n_lanes
    cdef double x
    for i in range(n_values):
        for c in range(W):
            out[i * W + c] = other
        for c in range(C):
            for s in range(S):
                x = values[(i * C + c) * S + s]
                out[i * W + c * P + s] = logarithm(x) if logs else x


cdef void read_out(_Layout layout, const double *lanes, Py_ssize_t n_values,
                   double *out) noexcept:
    """The reverse of `fill`, added to `out`."""
    cdef Py_ssize_t C = layout.n_classes, S = layout.n_starts, P = layout.n_padded, i, c, s
    cdef Py_ssize_t W = layout.n_lanes
    for i in range(n_values):
        for c in range(C):
            for s in range(S):
                out[(i * C + c) * S + s] += lanes[i * W + c * P + s]


cdef void spread(const Py_ssize_t *n_levels, const Py_ssize_t *ends, const Py_ssize_t *first_code,
                 const Py_ssize_t *first_row, Py_ssize_t n_groups, Py_ssize_t W, double *items,
                 double *tables, bint gather) noexcept nogil:
    """tables (n_codes, W) = sums over the items of a group, of items (n_rows, W), a missing answer
    being zero; or where `gather` the reverse: items += what each level has of the tables."""
    cdef Py_ssize_t g, code, rest, j, begin, digit, w, n
    cdef double *row
    cdef double *item
    for g in range(n_groups):
        begin = ends[g - 1] if g > 0 else 0
        for code in range(first_code[g + 1] - first_code[g]):
            row = tables + (first_code[g] + code) * W
            rest = code
            for j in range(ends[g] - 1, begin - 1, -1):
                n = n_levels[j]
                digit = rest % (n + 1)
                rest //= n + 1
                if digit == n:
                    continue
                item = items + (first_row[j] + digit) * W
                if gather:
                    for w in range(W):
                        item[w] += row[w]
                else:
                    for w in range(W):
                        row[w] += item[w]


def _class_pass(layout, codes, weights, probs, sample_weight=None, *, numbers=None, means=None,
                variances=None, want=None, n_threads=None):
    """One pass over checked rows of answers and numbers.

    Parameters
    ----------
    layout : _Layout
    codes : uint8 ndarray of shape (n_samples, n_groups)
        Contiguous, see :class:`emkernels.data.items.Groups`.
    weights : float64 ndarray of shape (n_classes[, n_starts])
    probs : float64 ndarray of shape (n_rows, n_classes[, n_starts])
        Probabilities of the levels, item after item.
    sample_weight : float64 ndarray of shape (n_samples,), optional
    numbers : float64 ndarray of shape (n_samples, n_numbers), optional
        NaN where missing.
    means, variances : float64 ndarray of shape (n_numbers, n_classes[, n_starts])
    want : sequence of {'resp', 'log_prob_norm', 'labels'}, optional
        With one start: a dict of these for each row. None: counts (n_classes[, n_starts]), sums
        (n_rows, n_classes[, n_starts]), of the numbers the sums of r, r e and r e^2, e being the
        number less the mean (n_numbers, 3, n_classes[, n_starts]), and log-likelihoods
        (n_starts,), a start without a probability for a row having -inf.
    """
    cdef _Layout lay = layout
    cdef Classes m
    cdef Job job
    cdef Plan plan
    cdef Py_ssize_t n = codes.shape[0], W = lay.n_lanes, C = lay.n_classes, R = lay.n_rows
    cdef Py_ssize_t p = 0 if numbers is None else numbers.shape[1], i, length, n_total
    cdef int threads = check_threads(n_threads), status
    cdef char *memory = NULL
    cdef double *at
    cdef double *items = NULL

    cdef const Py_ssize_t *levels = <const Py_ssize_t*>address(lay.n_levels_)
    cdef const Py_ssize_t *ends = <const Py_ssize_t*>address(lay.ends_)
    cdef const Py_ssize_t *first_code = <const Py_ssize_t*>address(lay.first_)
    cdef const Py_ssize_t *first_row = <const Py_ssize_t*>address(lay.item_)
    memset(&m, 0, sizeof(Classes))
    memset(&job, 0, sizeof(Job))
    shape = np.shape(weights)
    if shape != (C, lay.n_starts) and (lay.n_starts > 1 or shape != (C,)):
        raise ValueError(f"weights has shape {shape}, and {(C,)} is needed")
    n_total = W * (1 + R + lay.n_codes + 3 * p)
    memory = <char*>calloc(8 * n_total + 64, 1)
    if memory == NULL:
        raise MemoryError("not enough memory for the kernel's buffers")
    try:
        at = <double*>((<uintptr_t>memory + 63) // 64 * 64)
        fill(lay, pointer(weights), 1, at, True, NOTHING)
        m.log_weights, at = at, at + W
        items, at = at, at + R * W
        fill(lay, shaped(probs, "probs", (R, *shape)), R, items, True, 0)
        m.tables = at
        spread(levels, ends, first_code, first_row, lay.n_groups, W, items, at, False)
        at += lay.n_codes * W
        if p > 0:
            m.n_numbers, m.numbers = p, shaped(numbers, "numbers", (n, p))
            m.means = at
            fill(lay, shaped(means, "means", (p, *shape)), p, at, False, 0)
            at += p * W
            scales = 1 / np.sqrt(variances)
            m.scales = at
            fill(lay, shaped(scales, "variances", (p, *shape)), p, at, False, 1)
            at += p * W
            scales = np.log(scales) - 0.5 * np.log(2 * np.pi)
            m.log_scales = at
            fill(lay, pointer(scales), p, at, False, 0)
        m.n_classes, m.n_starts, m.n_lanes = C, lay.n_padded, W
        m.n_groups, m.n_codes = lay.n_groups, lay.n_codes
        m.first_code = first_code
        m.codes = <const unsigned char*>address(codes)
        job.rows.n_samples = n
        job.rows.sample_weight = pointer(sample_weight)
        job.classes = &m
        job.gaussians.n_components = W      # what a row costs, for the driver
        job.gaussians.n_features = lay.n_groups + p
        out = {}
        length = 0
        if want is None:
            job.first_moments = True
            length = lay.n_padded + W * (1 + lay.n_codes + 3 * p)
        else:
            if "resp" in want:
                out["resp"] = np.empty((n, C))
                job.resp_out = <char*>address(out["resp"])
            if "log_prob_norm" in want:
                out["log_prob_norm"] = np.empty(n)
                job.log_prob_norm_out = <char*>address(out["log_prob_norm"])
            if "labels" in want:
                out["labels"] = np.empty(n, np.int32)
                job.labels_out = <int*>address(out["labels"])
        status = make_plan(&plan, &job, True, CLASSES, length, threads)
        if status == 0:
            try:
                with nogil:
                    status = run(&plan, True)
                if status == 0 and want is None:
                    counts, sums = np.zeros(shape), np.zeros((R, *shape))
                    of_numbers = np.zeros((p, 3, *shape))
                    log_likelihood = np.zeros(lay.n_starts)
                    at = plan.accumulators
                    for i in range(lay.n_starts):
                        (<double*>address(log_likelihood))[i] = at[i]
                    at += lay.n_padded
                    read_out(lay, at, 1, <double*>address(counts))
                    at += W
                    memset(items, 0, R * W * 8)
                    spread(levels, ends, first_code, first_row, lay.n_groups, W, items, at, True)
                    read_out(lay, items, R, <double*>address(sums))
                    at += lay.n_codes * W
                    if p > 0:
                        read_out(lay, at, 3 * p, <double*>address(of_numbers))
            finally:
                free_plan(&plan)
        check_status(status)
    finally:
        free(memory)
    if want is None:
        log_likelihood[log_likelihood < -1e290] = -np.inf
        return counts, sums, of_numbers, log_likelihood
    if "log_prob_norm" in out:
        norms = out["log_prob_norm"]
        norms[norms < -1e290] = -np.inf
    return out
