# Components without correlations, or none after whitening: densities and moments of the types
# diag, spherical and tied.
#
# Both go by a centre c that the components share, where a component is near it. A form is
# |p (x - c) + o|^2 with o = -p (m - c), rounded once: its error is that of p (x - m) times
# |p (m - c)|. Moments of many components are made together, sums of r y and r y^2 with
# y = x - c, and moved to the means in float64, which costs the square of |p (m - c)| of their
# digits. So a component that is farther than NEAR, or a feature of it than CLOSE, goes by
# differences, as does all where p says nothing about the rows.

cdef enum:
    NEAR_PLACE = 8          # in the header of a component: whether it is near the centre
    AXIS_STRIP = 64         # features whose sums are moved to the means together
    SHARE_STRIDE = CHUNK_TILES * VECTORS + 1    # in which weights do not fall on the same lines
    TOGETHER_CAREFULLY = 4
    SQUARE_TILES = 64       # of a block, of which squares of rows are kept


cdef inline real near_limit() noexcept nogil:
    return 64 if IS_DOUBLE else 8


cdef inline real close_limit() noexcept nogil:
    return 8 if IS_DOUBLE else 2


cdef void set_centre(const Gaussians *g, real *centre) noexcept nogil:
    """The mean of the means, as the kernels see it."""
    cdef Py_ssize_t D = g.n_features, k, d
    cdef double value
    for d in range(D):
        value = 0
        for k in range(g.n_components):
            value += g.means[k * D + d] / g.n_components
        centre[d] = <real>value


cdef void set_offsets(const Gaussians *g, const real *centre, real *out) noexcept nogil:
    """Behind mean and scale of a packed component: o; in its header, whether it is near."""
    cdef Py_ssize_t D = g.n_features, n = padded(D), d
    cdef const real *mean = out + HEADER
    cdef real value
    cdef bint near = True
    for d in range(D):
        value = <real>(-<double>mean[n + d] * (<double>mean[d] - <double>centre[d]))
        out[HEADER + 2 * n + d] = value
        near &= fabs(value) <= near_limit()
    out[NEAR_PLACE] = near


cdef inline bint are_near(const real *header, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        if header[k * stride + NEAR_PLACE] == 0:
            return False
    return True


cdef void axis_densities(const Gaussians *g, const Panels *p, Py_ssize_t t, vec *best,
                         vec *out) noexcept nogil:
    """out (K, TILE) = log weight + log N(x | k) of all components, -inf where it overflows, or the
    forms of Student t components; best log densities are raised to them."""
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), k, v, d
    cdef Py_ssize_t stride = component_stride(g), size
    cdef const real *header = <const real*>g.packed
    cdef const real *centre = header + K * stride
    cdef const real *mean
    cdef const vec *x = p.x + t * n * VECTORS
    cdef bint ready = False
    cdef vec constant
    if g.covariance_type == TIED:
        whiten(centre, x, p.diff, n, p.whitened)
        axis_forms(header + HEADER + n, NULL, stride, p.whitened, D, K, NULL, out)
    k = 0
    while k < K and g.covariance_type != TIED:
        size = min(<Py_ssize_t>4, K - k)
        mean = header + k * stride + HEADER
        # fewer components than these are not worth the differences to the centre
        if K < 4 or not are_near(mean - HEADER, stride, size):
            axis_forms(mean, mean + n, stride, x, D, size, NULL, out + k * VECTORS)
        else:
            if not ready:
                ready = True
                for d in range(D):
                    for v in range(VECTORS):
                        p.diff[d * VECTORS + v] = x[d * VECTORS + v] - splat(centre[d])
            near_forms(mean + n, mean + 2 * n, stride, p.diff, D, <int>size, out + k * VECTORS)
        k += size
    for k in range(K):
        p.active[t * K + k] = True
    if g.dfs != NULL:
        power_law(p, g, t, 0, K, out, best)
        return
    for k in range(K):
        constant = splat(header[k * stride])
        for v in range(VECTORS):
            out[k * VECTORS + v] = constant - splat(0.5) * out[k * VECTORS + v]
            best[v] = vmax(out[k * VECTORS + v], best[v])


# Some components, whose sums over a chunk of tiles are made together.
ctypedef struct Axes:
    const Job *job
    Py_ssize_t first            # of the components
    Py_ssize_t n
    const real *centre
    bint known_scale            # whether precisions say how far a mean is
    Py_ssize_t n_tiles
    Py_ssize_t at[CHUNK_TILES]  # where the tiles are
    double count[AXES]
    vec share[AXES * SHARE_STRIDE]              # weights
    Py_ssize_t tile[CHUNK_TILES]
    bint squared
    vec square[SQUARE_TILES * VECTORS]          # |x - centre|^2 of every row, when it was asked for


cdef void axis_moments(const Panels *p, const Job *job, Py_ssize_t first, Py_ssize_t end,
                       double *accumulators) noexcept nogil:
    """Components first .. end - 1, S_k kept to its diagonal, or not at all."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, k, t, n, any_, both, pairs, parts
    cdef Axes axes
    axes.job = job
    axes.squared = False
    axes.centre = <const real*>g.packed + K * component_stride(g)
    axes.known_scale = not (job.resp != NULL or job.labels != NULL or job.all_ones)
    while first < end:
        parts = (end - first + AXES - 1) // AXES
        n = (end - first + parts - 1) // parts
        both = pairs = 0
        for t in range(p.n_tiles):
            any_ = 0
            for k in range(first, first + n):
                any_ += p.active[t * K + k] != 0
            both += any_ > 0
            pairs += any_
        # a tile that matters to one component only is not visited for the others
        if 2 * pairs >= n * both:
            chunks_of(p, &axes, first, n, accumulators)
        else:
            for k in range(first, first + n):
                chunks_of(p, &axes, k, 1, accumulators)
        first += n


cdef void chunks_of(const Panels *p, Axes *axes, Py_ssize_t first, Py_ssize_t n,
                    double *accumulators) noexcept nogil:
    """Components first .. first + n - 1 over the tiles that matter to any of them."""
    cdef const Gaussians *g = &axes.job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, t, k, v, any_, c
    cdef double *sums = accumulators + K + first * D
    cdef double *squares = accumulators + K + K * D + first * D
    cdef const vec *r
    cdef const vec *w
    cdef vec *share
    cdef vec total
    axes.first, axes.n, axes.n_tiles = first, n, 0
    if not axes.job.second_moments or g.covariance_type == TIED:
        squares = NULL
    for t in range(p.n_tiles + 1):
        if axes.n_tiles == CHUNK_TILES or (t == p.n_tiles and axes.n_tiles > 0):
            for k in range(n):
                share = axes.share + k * SHARE_STRIDE
                total = splat(0)
                for v in range(axes.n_tiles * VECTORS):
                    total = total + share[v]
                axes.count[k] = lanes(&total)
                accumulators[first + k] += axes.count[k]
            add_axes(p, axes, sums, squares)
            axes.n_tiles = 0
        if t == p.n_tiles:
            return
        any_ = 0
        for k in range(first, first + n):
            any_ |= p.active[t * K + k]
        if not any_:
            continue
        c = axes.n_tiles
        axes.n_tiles += 1
        axes.at[c] = t * padded(D) * VECTORS
        axes.tile[c] = t
        w = p.weight + t * VECTORS
        for k in range(n):
            r = p.resp + (t * K + first + k) * VECTORS
            share = axes.share + k * SHARE_STRIDE + c * VECTORS
            for v in range(VECTORS):
                share[v] = r[v] * w[v] if p.active[t * K + first + k] else splat(0)


cdef void offsets_of(const Axes *axes, Py_ssize_t first, Py_ssize_t n,
                     real *largest) noexcept nogil:
    """How far the features first .. first + n - 1 of these components are from the centre, the
    farthest in its deviations; infinity where those are not known."""
    cdef const Gaussians *g = &axes.job.gaussians
    cdef Py_ssize_t D = g.n_features, stride = component_stride(g), k, d
    cdef const real *mean = <const real*>g.packed + axes.first * stride + HEADER + first
    cdef real offset
    if axes.known_scale and g.covariance_type != TIED:
        largest_offsets(mean + 2 * padded(D), stride, <int>axes.n, n, largest)
        return
    for d in range(n):
        largest[d] = 0 if axes.known_scale else INFINITY
        for k in range(axes.n if axes.known_scale else 0):
            offset = fabs((mean[k * stride + d] - axes.centre[first + d])
                          * <real>g.precisions_cholesky[(first + d) * (D + 1)])
            largest[d] = largest[d] if offset <= largest[d] else offset


cdef void add_axes(const Panels *p, Axes *axes, double *sums,
                   double *squares) noexcept nogil:
    """The sums of a chunk; `squares` may be NULL."""
    cdef const Gaussians *g = &axes.job.gaussians
    cdef Py_ssize_t D = g.n_features, stride = component_stride(g), n = axes.n
    cdef Py_ssize_t k, i, d = 0, first = 0, size
    cdef const real *mean = <const real*>g.packed + axes.first * stride + HEADER
    cdef real out[2 * AXES]
    cdef real largest[AXIS_STRIP]
    cdef real strips[2 * AXES * AXIS_STRIP]
    cdef unsigned char bad[AXIS_STRIP]
    cdef bint centred[AXIS_STRIP]
    cdef double gap[AXIS_STRIP]
    cdef double total[AXES]
    # one variance needs but the squares of whole rows
    cdef bint whole = (squares != NULL and g.covariance_type == SPHERICAL and n > 1
                       and p.n_tiles <= SQUARE_TILES and all_close(axes)
                       and row_squares(p, axes, total))
    cdef Py_ssize_t n_sums = n if whole else 2 * n
    if n == 1:
        while d + 4 <= D:
            four_sums(p.x + d * VECTORS, axes.at, axes.n_tiles, axes.share, mean + d, out)
            for i in range(4):
                sums[d + i] += out[i]
                if squares != NULL:
                    squares[d + i] += out[4 + i]
            d += 4
        first = d
    while first < D:
        size = min(<Py_ssize_t>AXIS_STRIP, D - first)
        offsets_of(axes, first, size, largest)
        for d in range(size):
            centred[d] = n > 1 and largest[d] <= close_limit()
            if centred[d]:
                centred_sums(p.x + (first + d) * VECTORS, axes.at, axes.n_tiles, axes.share,
                             SHARE_STRIDE, axes.centre[first + d], <int>n, not whole, out)
            else:
                add_carefully(p, axes, first + d, False, out)
            for i in range(n_sums):
                strips[i * AXIS_STRIP + d] = out[i]
        not_finite(strips, <int>n_sums, AXIS_STRIP, size, bad)
        for d in range(size):
            if not bad[d] or not centred[d]:
                continue
            centred[d] = add_carefully(p, axes, first + d, True, out) or whole
            if not centred[d]:
                add_carefully(p, axes, first + d, False, out)
            for i in range(n_sums):
                strips[i * AXIS_STRIP + d] = out[i]
        for k in range(n):
            for d in range(size):
                gap[d] = (<double>mean[k * stride + first + d] - <double>axes.centre[first + d]
                          if centred[d] else 0)
            move_sums(strips + k * AXIS_STRIP, strips + (n + k) * AXIS_STRIP, gap,
                      axes.count[k], size, sums + k * D + first,
                      squares + k * D + first if squares != NULL and not whole else NULL)
            for d in range(size if whole else 0):
                total[k] -= gap[d] * (2 * <double>strips[k * AXIS_STRIP + d]
                                      - axes.count[k] * gap[d])
        first += AXIS_STRIP
    for k in range(n if whole else 0):
        squares[k * D] += total[k]


cdef bint all_close(const Axes *axes) noexcept nogil:
    cdef Py_ssize_t D = axes.job.gaussians.n_features, first = 0, size, d
    cdef real largest[AXIS_STRIP]
    while first < D:
        size = min(<Py_ssize_t>AXIS_STRIP, D - first)
        offsets_of(axes, first, size, largest)
        for d in range(size):
            if not largest[d] <= close_limit():
                return False
        first += AXIS_STRIP
    return True


cdef void square_rows(const Panels *p, Axes *axes) noexcept nogil:
    """Of all tiles; parts of AXIS_STRIP features are added up, which keeps digits."""
    cdef Py_ssize_t D = axes.job.gaussians.n_features, t, d, v, first, end
    cdef const vec *x
    cdef vec part[VECTORS]
    cdef vec c, y
    for t in range(p.n_tiles):
        x = p.x + t * padded(D) * VECTORS
        for v in range(VECTORS):
            axes.square[t * VECTORS + v] = splat(0)
        first = 0
        while first < D:
            end = min(first + AXIS_STRIP, D)
            for v in range(VECTORS):
                part[v] = splat(0)
            for d in range(first, end):
                c = splat(axes.centre[d])
                for v in range(VECTORS):
                    y = x[d * VECTORS + v] - c
                    part[v] = part[v] + y * y
            for v in range(VECTORS):
                axes.square[t * VECTORS + v] = axes.square[t * VECTORS + v] + part[v]
            first = end
    axes.squared = True


cdef bint row_squares(const Panels *p, Axes *axes, double *total) noexcept nogil:
    """total (n,) = sum_i r_i |x_i - centre|^2, of rows that have a weight for any component;
    whether they are finite."""
    cdef Py_ssize_t n = axes.n, t, v, k
    cdef const vec *share
    cdef vec sums[AXES]
    cdef vec square, most
    cdef double check = 0
    if not axes.squared:
        square_rows(p, axes)
    for k in range(n):
        sums[k] = splat(0)
    for t in range(axes.n_tiles):
        share = axes.share + t * VECTORS
        for v in range(VECTORS):
            most = splat(0)
            for k in range(n):
                most = vmax(most, share[k * SHARE_STRIDE + v])
            square = keep_if_ge(axes.square[axes.tile[t] * VECTORS + v], most,
                                splat(<real>(5e-324 if IS_DOUBLE else 1.5e-45)))
            for k in range(n):
                sums[k] = sums[k] + share[k * SHARE_STRIDE + v] * square
    for k in range(n):
        total[k] = lanes(&sums[k])
        check += total[k] * 0
    return check == 0


cdef bint add_carefully(const Panels *p, const Axes *axes, Py_ssize_t d, bint masked,
                        real *out) noexcept nogil:
    """The sums of one feature, some components at a time: about the centre without what has no
    weight, or by differences. Whether nothing overflows."""
    cdef Py_ssize_t stride = component_stride(&axes.job.gaussians), k = 0, i, m
    cdef const real *mean = (<const real*>axes.job.gaussians.packed + axes.first * stride + HEADER
                             + d)
    cdef real about[TOGETHER_CAREFULLY]
    cdef real some[2 * TOGETHER_CAREFULLY]
    cdef real total = 0
    while k < axes.n:
        m = min(<Py_ssize_t>TOGETHER_CAREFULLY, axes.n - k)
        for i in range(m):
            about[i] = axes.centre[d] if masked else mean[(k + i) * stride]
        careful_sums(p.x + d * VECTORS, axes.at, axes.n_tiles, axes.share + k * SHARE_STRIDE,
                     SHARE_STRIDE, about, <int>m, masked, some)
        for i in range(m):
            out[k + i] = some[i]
            out[axes.n + k + i] = some[m + i]
            total += some[i] * 0 + some[m + i] * 0
        k += m
    return total == 0
