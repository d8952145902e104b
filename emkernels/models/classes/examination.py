"""What there is to say of fitted latent classes: whether rows determine them, what collapsed."""

import numpy as np

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.categorical import Classes
from emkernels.data.items import Items
from emkernels.em import DegenerateWarning, EMWarning
from emkernels.models.classes.information import one_hot

EDGE = 1e-5             # probabilities so near to 0 or 1 are taken as held there
AT_REST = 1e-5          # factors of steps so near to one are one
BLOCK = 1 << 21         # numbers in a block of rows
RANK = 1e-12            # eigenvalues of the Gram matrix below that share of the largest are zero
# parameters of whose Jacobian a rank is had where levels leave no doubt, and where they do
LARGE, LARGEST = 300, 2000
MORE = 200              # rows beside three for each parameter
# levels of an item that are not all whole: more of them, or than a quarter of the rows, are numbers
FEW, MANY = 5, 20


def say(items, components, weights, classes, total):
    """Warn of what a fit is not; whether the rows determine its parameters. `items` may be some of
    the rows, `total` is the weight of all."""
    collapsed = components.spikes(classes)
    if collapsed.any():
        parts = [f"class {k} in column {items.column_names[items.continuous[j]]}"
                 for j, k in np.argwhere(collapsed)]
        warn(f"{len(parts)} variance{'s' * (len(parts) > 1)} of the numbers collapsed to what "
             f"reg_covar adds ({some(parts, 3)}): a class sits on one value. Fewer classes, a "
             "larger reg_covar or more starts (n_init)", DegenerateWarning)
    rank, free = jacobian_rank(items, components, weights, classes, total)
    held = classes.probs <= EDGE
    if rank is not None and rank == free and held.any():
        resting = _resting(items, components, weights, classes, held)
        if resting.any():       # the fit has ended at one end of many maxima
            more = jacobian_rank(
                items, components, weights, _let_go(resting, classes, components), total)
            rank, free = (rank, free) if more[0] is None else more
    if rank is None or rank < free:
        why = ("for so many classes items have too few levels" if rank is None else
               f"the Jacobian of the probabilities of the rows has rank {rank}, and {free} "
               f"parameter{'s are' if free > 1 else ' is'} free")
        warn(f"the rows do not determine the classes: {why}. Other parameters have the same "
             "likelihood: take fewer classes", EMWarning)
        return False
    return True


def say_numbers(items):
    """Warn of items that look like numbers: values that are not whole, and many of them."""
    found = []
    for j, levels in zip(items.items, items.levels, strict=True):
        many = len(levels) > MANY or len(levels) > max(FEW, items.n_positive / 4)
        if many and levels.dtype.kind == "f" and (levels != np.rint(levels)).any():
            found.append(f"column {items.column_names[j]} has {len(levels)} levels")
    if found:
        warn(f"{some(found, 3)} in {items.n_positive} rows, not all of them whole numbers, and "
             "each is an answer of its own: for numbers name the column in continuous=", EMWarning)


def jacobian_rank(items, components, weights, classes, total=None):
    """The rank of the derivatives of the log probabilities of rows, and the number of the
    parameters that are free, those at the boundary being held there.

    The rows are all that can be, where these are few, else some drawn at random, with answers
    missing where the items' rows have them missing; at random a matrix is not of lower rank than
    with all. Of many parameters it is looked at only where the items may have too few levels, and
    is None where it takes too long.

    In log probabilities, of which there is one too many for every sum of one, column (k, j, l) is
    ``r_ik (1[x_ij = l] - p_jkl)``, zero where the answer is missing: L. A. Goodman, Biometrika 61,
    1974, section 5, whose matrix has the probabilities themselves.
    """
    n_levels, C = items.n_levels, len(weights)
    R, p = sum(n_levels), len(classes.means)
    alive = weights > EDGE / max(items.total if total is None else total, 1)
    inside = (classes.probs > EDGE) & (classes.probs < 1 - EDGE) & alive
    first = components.first
    free = max(int(alive.sum()) - 1, 0) + 2 * p * int(alive.sum())
    if R:
        free += int(np.maximum(np.add.reduceat(inside, first, axis=0, dtype=np.intp) - 1, 0).sum())
    size = C + int(inside.sum()) + 2 * p * C
    if size > LARGE and generic(n_levels, C):
        return free, free
    if size > LARGEST:
        return None, free
    rows = _rows_like(items, 3 * size + MORE, weights, classes)
    r = components.rows(rows, weights, classes, "resp")["resp"]
    answers = one_hot(rows.codes, n_levels)
    seen = np.add.reduceat(answers, first, axis=1) if R else answers
    blocks = [r - weights]
    for k in np.flatnonzero(alive):
        own = inside[:, k]
        blocks.append(r[:, k, None] * (
            answers[:, own] - seen[:, components.item[own]] * classes.probs[own, k]))
        if p:
            e = (rows.numbers - classes.means[:, k]) / np.sqrt(classes.variances[:, k])
            blocks += [r[:, k, None] * np.nan_to_num(part) for part in (e, e * e - 1)]
    table = np.concatenate(blocks, axis=1)
    sizes = np.sqrt((table * table).sum(axis=0))
    table = table[:, sizes > 0] / sizes[sizes > 0]
    if not table.size:
        return 0, free
    with one_thread(len(table.T)):
        values = np.linalg.eigvalsh(table.T @ table)
    return min(int((values > RANK * values[-1]).sum()), free), free


@np.errstate(over="ignore")      # rows far from a class of little variance
def _resting(items, components, weights, classes, held):
    """Of probabilities held at zero those that could as well be larger: a step of EM would change
    them, were they a little larger, by a factor of one (of less than one, where they belong there).

    The factor of level l of item j in class k is ``sum_i w_i 1[x_ij = l] p(x_i without item j | k)
    / p(x_i) / sum_i w_i``.
    """
    logs = np.log(np.where(held, 1.0, classes.probs))
    factors = np.zeros(held.shape)
    norm = components.rows(items, weights, classes, "log_prob_norm")["log_prob_norm"]
    step = max(1, BLOCK // len(held))
    for first in range(0, len(norm), step):
        part = slice(first, first + step)
        answers = one_hot(items.codes[part], items.n_levels)
        others = answers @ logs - norm[part, None]
        for j in range(len(classes.means)):
            e = items.numbers[part, j, None] - classes.means[j]
            others += np.nan_to_num(
                -0.5 * (e * e / classes.variances[j] + np.log(2 * np.pi * classes.variances[j])))
        alone = answers @ held == 1     # another zero makes the row impossible in that class
        share = np.where(alone, np.exp(np.minimum(others, 700)), 0.0)
        factors += answers.T @ (share * items.sample_weight[part, None])
    return held & (np.abs(factors / items.sample_weight.sum() - 1) < AT_REST)


def _let_go(resting, classes, components):
    """The classes with some of their zeros larger."""
    item = components.item
    n_levels = np.array(components.n_levels)[item, None]
    gain = np.where(resting, 0.1 / n_levels, 0.0)
    left = 1 - np.add.reduceat(gain, components.first)[item]
    return Classes(classes.probs * left + gain, classes.means, classes.variances)


def _rows_like(items, n, weights, classes):
    """Rows that have answers and numbers where some of the items' rows have them."""
    rng = np.random.RandomState(0)
    origin = rng.choice(len(items.codes), n, p=items.sample_weight / items.sample_weight.sum())
    codes = items.codes[origin]
    n_levels = np.array(items.n_levels, np.intp)
    missing = items.codes == 255
    if items.numbers is None and not missing.any() and 0 < np.prod(n_levels.astype(float)) <= n:
        return Items(np.indices(n_levels).reshape(len(n_levels), -1).T.astype(np.uint8),
                     items.levels, n_threads=1)
    drawn = (rng.random_sample(codes.shape) * n_levels).astype(np.uint8)
    codes = np.where(codes == 255, 255, drawn).astype(np.uint8)
    numbers = None
    if items.numbers is not None:
        k = rng.choice(len(weights), n, p=weights / weights.sum())
        normals = rng.standard_normal((n, len(classes.means)))
        numbers = classes.means[:, k].T + np.sqrt(classes.variances[:, k].T) * normals
        numbers = np.where(np.isnan(items.numbers[origin]), np.nan, numbers)
    return Items(codes, items.levels, numbers, n_threads=1)


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
    bad = items.reduce(_first_impossible, components, weights, Classes(
        given.probs, np.zeros((p, n_classes)), np.ones((p, n_classes)))).row
    if bad is not None:
        raise ValueError(f"{items.place(bad)} of X has probability 0 under the start that is "
                         "given (weights_init, response_probs_init), whose zeros stay")


class _First:
    """The number of the first row, None where there is none."""

    def __init__(self, row):
        self.row = row

    def merge(self, other):
        self.row = other.row if self.row is None else self.row
        return self


def _first_impossible(items, components, weights, classes):
    norms = components.rows(items, weights, classes, "log_prob_norm")["log_prob_norm"]
    bad = np.flatnonzero(np.isneginf(norms))
    return _First(items.row_of(bad[0]) if len(bad) else None)
