"""Arguments of the Python faces, checked; where arrays lie, as the block kernels see them."""

from libc.string cimport memcpy

from emkernels._simd.table cimport Rows

cdef object as_matrix(object array, str name, bint missing=*)
cdef object as_centers(object centers, str name, object X)
cdef object as_packed(object array, object dtype)
cdef object as_float64(object array, str name, tuple shape)
cdef object as_weights(object sample_weight, Py_ssize_t n_samples)
cpdef tuple weights_in_unit(object sample_weight, object dtype)
cdef object in_unit(object sums, double unit)
cdef object as_labels(object labels, Py_ssize_t n_samples, Py_ssize_t n_components, str name)
cdef object output(object out, tuple shape, object dtype, str name, dict read)
cdef object checked_sums(object sums)
cdef void *address(object array) except? NULL
cdef const double *pointer(object array) except? NULL
cdef const int *indices(object array) except? NULL
cdef const double *shaped(object array, str name, tuple shape) except? NULL
cdef Py_ssize_t length_of(object array) except -1
cdef int set_rows(Rows *rows, object X) except -1
cdef double check_rows_finite(const Rows *rows, bint is_double, str name,
                              object n_threads=*) except -1
cdef bint is_double(object X) except -1
cdef Rows rows_at(const char *X, Py_ssize_t n_samples, Py_ssize_t n_features,
                  Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t itemsize,
                  const double *sample_weight) noexcept nogil


cdef inline double stored(double value, bint double_) noexcept nogil:
    """The value as the block kernels see it, in the precision of the rows."""
    return value if double_ else <double>(<float>value)


cdef inline double real_at(const char *at, bint double_) noexcept nogil:
    """A value of X, which may be unaligned."""
    cdef double wide
    cdef float narrow
    if double_:
        memcpy(&wide, at, sizeof(double))
        return wide
    memcpy(&narrow, at, sizeof(float))
    return narrow
