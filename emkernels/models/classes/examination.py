"""What there is to say of fitted latent classes: whether rows determine them, what collapsed."""

import numpy as np

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.categorical import Classes
from emkernels.em import DegenerateWarning, EMWarning
from emkernels.models.classes.information import one_hot

EDGE = 1e-5             # probabilities so near to 0 or 1 are taken as held there
RANK = 1e-12            # eigenvalues of the Gram matrix below that share of the largest are zero
LARGEST = 2000          # parameters of whose Jacobian a rank is had
FLOPS = 2e9             # of the Gram matrix; then some of the rows do


def say(items, components, weights, classes, resp):
    """Warn of what a fit is not; whether the rows determine its parameters."""
    collapsed = components.spikes(classes)
    if collapsed.any():
        parts = [f"class {k} in column {items.column_names[items.continuous[j]]}"
                 for j, k in np.argwhere(collapsed)]
        warn(f"{len(parts)} variance{'s' * (len(parts) > 1)} of the numbers collapsed to what "
             f"reg_covar adds ({some(parts, 3)}): a class sits on one value. Fewer classes, a "
             "larger reg_covar or more starts (n_init)", DegenerateWarning)
    rank, free = jacobian_rank(items, weights, classes, resp)
    if rank < free:
        warn(f"the rows do not determine the classes: the Jacobian of the probabilities of the "
             f"rows has rank {rank}, and {free} parameters are free. Others have the same "
             "likelihood: take fewer classes", EMWarning)
    return rank >= free


def jacobian_rank(items, weights, classes, resp):
    """The rank of the derivatives of the log probabilities of the distinct rows, and the number of
    the parameters that are free, those at the boundary being held there.

    In log probabilities, of which there is one too many for every sum of one, column (k, j, l) is
    ``r_ik (1[x_ij = l] - p_jkl)``, zero where the answer is missing: L. A. Goodman, Biometrika 61,
    1974, section 5, whose matrix has the probabilities themselves.
    """
    n_levels, C = items.n_levels, len(weights)
    R, p = sum(n_levels), len(classes.means)
    alive = weights > EDGE / max(items.total, 1)
    inside = (classes.probs > EDGE) & (classes.probs < 1 - EDGE) & alive
    first = np.concatenate([[0], np.cumsum(n_levels)]).astype(np.intp)[:-1]
    free = max(int(alive.sum()) - 1, 0) + 2 * p * int(alive.sum())
    if R:
        free += int(np.maximum(np.add.reduceat(inside, first, axis=0, dtype=np.intp) - 1, 0).sum())
    size = C + int(inside.sum()) + 2 * p * C
    if size > LARGEST:
        return (free if generic(n_levels, C) or p else 0), free
    some_rows = slice(0, max(3 * size, int(FLOPS / (2 * size * size))))
    codes, r = items.codes[some_rows], resp[some_rows]
    answers = one_hot(codes, n_levels)
    seen = np.add.reduceat(answers, first, axis=1) if R else answers
    item = np.repeat(np.arange(len(n_levels)), n_levels)
    blocks = [r - weights]
    for k in range(C):
        own = inside[:, k]
        blocks.append(r[:, k, None] * (
            answers[:, own] - seen[:, item[own]] * classes.probs[own, k]))
        if p:
            e = (items.numbers[some_rows] - classes.means[:, k]) / np.sqrt(classes.variances[:, k])
            blocks += [r[:, k, None] * np.nan_to_num(part) for part in (e, e * e - 1)]
    table = np.concatenate(blocks, axis=1)
    sizes = np.sqrt((table * table).sum(axis=0))
    table = table[:, sizes > 0] / sizes[sizes > 0]
    if not table.size:
        return 0, free
    with one_thread(len(table.T)):
        values = np.linalg.eigvalsh(table.T @ table)
    return min(int((values > RANK * values[-1]).sum()), free), free


def generic(n_levels, n_classes):
    """Whether almost all parameters of so many classes are determined: items can be parted in
    three whose levels are enough (E. S. Allman, C. Matias, J. A. Rhodes, Annals of Statistics 37,
    2009, theorem 4)."""
    parts = [1, 1, 1]
    for n in sorted(n_levels, reverse=True):
        at = parts.index(min(parts))
        parts[at] = min(parts[at] * n, n_classes)
    return sum(parts) >= 2 * n_classes + 2


def check_possible(items, components, given, n_classes):
    """ValueError where a row cannot be under the start that was given."""
    weights = np.full(n_classes, 1 / n_classes) if given.weights is None else given.weights
    if given.probs is None or ((given.probs > 0).all() and (weights > 0).all()):
        return
    p = len(items.continuous)
    norms = components.rows(
        items, weights, Classes(given.probs, np.zeros((p, n_classes)), np.ones((p, n_classes))),
        "log_prob_norm")["log_prob_norm"]
    bad = np.flatnonzero(np.isneginf(norms))
    if len(bad):
        raise ValueError(f"row {items.row_of(bad[0])} of X has probability 0 under the start that "
                         "is given (weights_init, response_probs_init), whose zeros stay")
