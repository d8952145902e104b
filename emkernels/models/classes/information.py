"""Scores of rows and observed information of latent classes, in closed form.

The parameters are taken class by class: its weight, the probabilities of all levels of all items,
means, variances; each in a unit of its own, the root of a weight or a probability, the deviation,
``sqrt(2)`` times the variance. In these units the information is near a multiple of the identity.
With s_k the derivatives of ``log(weight_k density_k)`` of a row and h_k their derivatives, the
row's score is ``g = sum_k r_k s_k``, r being its posteriors, and its second derivatives are
``sum_k r_k (h_k + s_k s_k') - g g'`` (T. A. Louis, JRSS B 44, 1982). That sums are one is a matter
of the directions that are left, an orthonormal basis of which :func:`free_directions` gives:
constraints are linear, so the second derivatives along them are exact.
"""

import numpy as np

# numbers in a block of rows; bytes of the matrices of all parameters
BLOCK, LARGEST = 1 << 21, 1 << 31


class Layout:
    """Where the parameters of a number of classes are.

    Parameters
    ----------
    n_levels : sequence of int
        Of each item.
    n_classes, n_numbers : int

    Attributes
    ----------
    width : int
        Parameters of one class; class k has those from ``k * width``.
    """

    def __init__(self, n_levels, n_classes, n_numbers):
        self.n_levels, self.n_classes, self.n_numbers = list(n_levels), n_classes, n_numbers
        self.first = np.concatenate([[0], np.cumsum(self.n_levels)]).astype(np.intp)
        self.n_rows = int(self.first[-1])
        self.width = 1 + self.n_rows + 2 * n_numbers
        self.size = n_classes * self.width

    def check_size(self):
        if 40 * self.size**2 > LARGEST:
            raise ValueError(
                f"{self.n_classes} classes have {self.size} weights, probabilities, means and "
                f"variances, whose information would take {40 * self.size**2 / 2**30:.1f} GiB")

    def joined(self, weights, classes):
        """One vector of parameters of (C,), (R, C), (p, C), (p, C)."""
        return np.concatenate([weights[None], classes.probs, classes.means,
                               classes.variances]).T.ravel()

    def parted(self, vector):
        """The reverse, class after class: (C,), (C, R), (C, p), (C, p)."""
        table = vector.reshape(self.n_classes, self.width)
        cuts = [1, 1 + self.n_rows, 1 + self.n_rows + self.n_numbers]
        weights, probs, means, variances = np.split(table, cuts, axis=1)
        return weights[:, 0], probs, means, variances

    def units(self, weights, classes):
        """What each parameter is measured in."""
        return np.concatenate([
            np.sqrt(weights)[None], np.sqrt(classes.probs), np.sqrt(classes.variances),
            np.sqrt(2) * classes.variances]).T.ravel()

    def sums(self):
        """The parameters that sum to one: lists of positions, the weights first."""
        out = [np.arange(self.n_classes) * self.width]
        for k in range(self.n_classes):
            for a, b in zip(self.first[:-1], self.first[1:], strict=True):
                out.append(k * self.width + 1 + np.arange(a, b))
        return out


def one_hot(codes, n_levels):
    """(n, R) of codes (n, n_items): 1 where a row has a level, no level of a missing answer."""
    out = np.zeros((len(codes), int(np.sum(n_levels))))
    first = 0
    for j, n in enumerate(n_levels):
        seen = np.flatnonzero(codes[:, j] < n)
        out[seen, first + codes[seen, j].astype(np.intp)] = 1
        first += n
    return out


def scores_by_class(layout, weights, classes, answers, numbers):
    """The derivatives s_k of each row for one class after another, in units.

    Yields (n, width) for each class, and the sums of which h_k is made: (n, p) of e, the number
    less its mean in deviations, NaN where missing (None without numbers).
    """
    n, R, p = len(answers), layout.n_rows, layout.n_numbers
    for k in range(layout.n_classes):
        out = np.empty((n, layout.width))
        out[:, 0] = 1 / np.sqrt(weights[k]) if weights[k] > 0 else 0
        probs = classes.probs[:, k]
        inverse = np.zeros(R)
        inverse[probs > 0] = 1 / np.sqrt(probs[probs > 0])
        np.multiply(answers, inverse, out=out[:, 1:1 + R])
        e = None
        if p:
            e = (numbers - classes.means[:, k]) / np.sqrt(classes.variances[:, k])
            out[:, 1 + R:1 + R + p] = np.nan_to_num(e)
            out[:, 1 + R + p:] = np.nan_to_num((e * e - 1) / np.sqrt(2))
        yield out, e


def row_scores(layout, weights, classes, codes, numbers, resp):
    """Scores of rows, in units, (n, size)."""
    answers = one_hot(codes, layout.n_levels)
    each = scores_by_class(layout, weights, classes, answers, numbers)
    return np.concatenate([resp[:, k, None] * s for k, (s, _) in enumerate(each)], axis=1)


def information(layout, weights, classes, codes, numbers, resp, sample_weight):
    """Sum of the scores and observed information, in units.

    Parameters
    ----------
    layout : Layout
    weights : ndarray of shape (C,)
    classes : Classes
    codes : uint8 ndarray of shape (n, n_items)
        255 where missing.
    numbers : ndarray of shape (n, p) or None
    resp : ndarray of shape (n, C)
    sample_weight : ndarray of shape (n,)

    Returns
    -------
    gradient : ndarray of shape (size,)
    matrix : ndarray of shape (size, size)
    """
    layout.check_size()
    R, p, width, size = layout.n_rows, layout.n_numbers, layout.width, layout.size
    gradient, matrix = np.zeros(size), np.zeros((size, size))
    n_block = max(64, BLOCK // size)
    for begin in range(0, len(codes), n_block):
        part = slice(begin, begin + n_block)
        answers = one_hot(codes[part], layout.n_levels)
        values = None if numbers is None else numbers[part]
        r, w = resp[part], sample_weight[part]
        all_ = np.empty((len(answers), size))
        for k, (s, e) in enumerate(
                scores_by_class(layout, weights, classes, answers, values)):
            at = slice(k * width, (k + 1) * width)
            wr = w * r[:, k]
            np.multiply(r[:, k, None], s, out=all_[:, at])
            block = (wr[:, None] * s).T @ s
            # of weights and probabilities h_k is -s_k^2 on the diagonal, and nothing else
            simplex = np.arange(1 + R)
            block[simplex, simplex] = 0
            if p:
                seen = wr @ ~np.isnan(e)
                e = np.nan_to_num(e)
                first, second = wr @ e, wr @ (e * e)
                m, v = np.arange(1 + R, 1 + R + p), np.arange(1 + R + p, width)
                block[m, m] -= seen
                block[m, v] -= np.sqrt(2) * first
                block[v, m] -= np.sqrt(2) * first
                block[v, v] += seen - 2 * second
            matrix[at, at] -= block
        gradient += w @ all_
        matrix += (w[:, None] * all_).T @ all_
    return gradient, matrix


def free_directions(layout, vector, units, free):
    """An orthonormal basis, (size, q), of the directions in units that keep the sums.

    Parameters
    ----------
    layout : Layout
    vector, units : ndarray of shape (size,)
    free : ndarray of shape (size,), bool
        What is not held where it is. A sum with one free probability holds it.
    """
    held, columns = ~free, []
    for group in layout.sums():
        inside = group[free[group]]
        held[group] = True
        if len(inside) < 2:
            continue
        normal = units[inside]      # sum of (unit times step) is zero
        basis = np.linalg.qr((normal / np.linalg.norm(normal))[:, None], mode="complete")[0][:, 1:]
        for column in basis.T:
            columns.append((inside, column))
    for at in np.flatnonzero(~held):        # means and variances
        columns.append((np.array([at]), np.ones(1)))
    out = np.zeros((layout.size, len(columns)))
    for j, (at, column) in enumerate(columns):
        out[at, j] = column
    return out
