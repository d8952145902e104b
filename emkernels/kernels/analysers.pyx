"""The fused pass of a mixture of factor analysers over rows that were checked."""

import numpy as np

from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport DIAG, FACTOR_CHUNK, Factors, Job, Rows, Table
from emkernels.kernels.arrays cimport address, indices, is_double, pointer, set_rows
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport (
    FACTORS, OUT_OF_MEMORY, Plan, check_status, free_plan, make_plan, run)
from emkernels.kernels.threads cimport check_threads


cdef int run_factors(Job *job, bint double_, const Rows *rows, const double *means,
                     const Factors *factors, Py_ssize_t n_components, double *counts,
                     double *second, double *sums, double *tail, int n_threads,
                     bint interruptible) noexcept nogil:
    """The pass of a job whose outputs are set; counts (K,), second (K, q, q), its lower triangles,
    sums (K, q + 2, D) and tail (2,) are added to where `job.first_moments`."""
    cdef const Table *table = table_of(double_)
    cdef Plan plan
    cdef Py_ssize_t K = n_components, q = factors.n_factors, D = rows.n_features, k, i, d, length
    cdef Py_ssize_t width = (D + FACTOR_CHUNK - 1) // FACTOR_CHUNK * FACTOR_CHUNK
    cdef const double *a
    cdef char *memory
    cdef int status
    job.rows = rows[0]
    job.factors = factors
    job.gaussians.covariance_type = DIAG
    job.gaussians.n_components = K
    job.gaussians.n_features = D
    job.gaussians.means = means
    memory = <char*>malloc(table.factor_bytes(job) + 64)
    if memory == NULL:
        return OUT_OF_MEMORY
    job.gaussians.packed = <char*>((<uintptr_t>memory + 63) // 64 * 64)
    table.prepare_factors(job)
    length = K + K * q * q + K * (q + 2) * width + 2
    status = make_plan(&plan, job, double_, FACTORS, length, n_threads)
    if status == 0:
        status = run(&plan, interruptible)
        if status == 0 and job.first_moments:
            a = plan.accumulators
            for k in range(K):
                counts[k] += a[k]
            a += K
            for i in range(K * q * q):
                second[i] += a[i]
            a += K * q * q
            for i in range(K * (q + 2)):
                for d in range(D):
                    sums[i * D + d] += a[i * width + d]
        if status == 0:
            a = plan.accumulators + length - 2
            tail[0] += a[0]
            tail[1] += a[1]
        free_plan(&plan)
    free(memory)
    return status


def _factor_pass(X, means, model, sample_weight=None, *, order=None, labels=None, views=None,
                 want=None, n_threads=None):
    """One pass over checked rows.

    means (K, D): float64, as the rows' precision has them. model: attributes `deviations`,
    `loadings`, `whiteners`, `constants` (float64), `chunks`, `ends` (int32), `stiff` (uint8), as
    Factors has them, contiguous. order (int32): in which the rows are visited. labels (int32):
    the component that each row is looked for first in, then its most probable one. views: the rows
    along a few directions (n_samples, n_views), of their dtype, and means (K, n_views) and
    whiteners (K, n_views, n_views) of the components there. want: names of 'log_prob_norm',
    'resp', 'labels', which are returned for each row; None: the counts, sums of z z' (K, q, q;
    lower triangles), sums of e^2, e and e z (K, q + 2, D) in units of the deviations, the
    log-likelihood, and how many pairs of a row and a component mattered.
    """
    cdef Rows rows
    cdef Job job
    cdef Factors factors
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = means.shape[0], D = means.shape[1], q = model.loadings.shape[1]
    cdef const double *mean = pointer(means)
    cdef double *c = NULL
    cdef double *s = NULL
    cdef double *m = NULL
    cdef double tail[2]
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    rows.order = indices(order)
    memset(&job, 0, sizeof(Job))
    memset(&factors, 0, sizeof(Factors))
    factors.n_factors = q
    factors.n_checks = model.ends.shape[0]
    factors.ends = <const int*>address(model.ends)
    factors.chunks = <const int*>address(model.chunks)
    factors.deviations = pointer(model.deviations)
    factors.loadings = pointer(model.loadings)
    factors.whiteners = pointer(model.whiteners)
    factors.constants = pointer(model.constants)
    factors.stiff = <const unsigned char*>address(model.stiff)
    job.skip = K > 1
    if views is not None:
        seen, view_means, view_whiteners = views
        factors.n_views = seen.shape[1]
        factors.views = <const char*>address(seen)
        factors.view_means = pointer(view_means)
        factors.view_whiteners = pointer(view_whiteners)
    out = {}
    if want is None:
        job.first_moments = True
        counts, second, sums = np.zeros(K), np.zeros((K, q, q)), np.zeros((K, q + 2, D))
        c, s, m = <double*>address(counts), <double*>address(second), <double*>address(sums)
    else:
        for name, shape, dtype in (("log_prob_norm", (rows.n_samples,), X.dtype),
                                   ("resp", (rows.n_samples, K), X.dtype),
                                   ("labels", (rows.n_samples,), np.int32)):
            if name in want:
                out[name] = np.empty(shape, dtype)
        if "log_prob_norm" in out:
            job.log_prob_norm_out = <char*>address(out["log_prob_norm"])
        if "resp" in out:
            job.resp_out = <char*>address(out["resp"])
        labels = out.get("labels")
        if labels is not None:
            labels[:] = 0
    if labels is not None:
        job.labels = <const int*>address(labels)
        job.labels_out = <int*>address(labels)
    tail[0] = 0
    tail[1] = 0
    with nogil:
        status = run_factors(&job, double_, &rows, mean, &factors, K, c, s, m, tail, threads, True)
    check_status(status)
    if want is not None:
        return out
    return counts, second, sums, tail[0], tail[1]
