"""How far pairs of items are from independence within classes."""

import numpy as np


def bivariate_residuals(codes, weight, resp, probs):
    """(n_items, n_items): Pearson's statistic of each pair divided by its degrees of freedom.

    Parameters
    ----------
    codes : uint8 ndarray of shape (n, n_items)
        255 where missing.
    weight : ndarray of shape (n,)
    resp : ndarray of shape (n, n_classes)
        Posteriors of the rows.
    probs : list of ndarray of shape (n_classes, n_levels)

    Notes
    -----
    Of the rows in which both are seen, the observed table is ``sum_i w_i [a and b]``, the expected
    ``sum_i w_i sum_k r_ik p_ka p_kb``; see the method of the estimator.
    """
    J = len(probs)
    out = np.full((J, J), np.nan)
    seen = codes != 255
    for j in range(J):
        for i in range(j):
            both = seen[:, i] & seen[:, j]
            w = weight[both]
            a, b = probs[i], probs[j]
            n_a, n_b = a.shape[1], b.shape[1]
            freedom = (n_a - 1) * (n_b - 1)
            if freedom == 0 or not w.sum() > 0:
                continue
            cells = codes[both, i].astype(np.intp) * n_b + codes[both, j]
            observed = np.bincount(cells, w, minlength=n_a * n_b).reshape(n_a, n_b)
            expected = (a * (w @ resp[both])[:, None]).T @ b
            inside = expected > 0
            if observed[~inside].any():
                out[i, j] = out[j, i] = np.inf
                continue
            off = observed[inside] - expected[inside]
            out[i, j] = out[j, i] = (off * off / expected[inside]).sum() / freedom
    return out
