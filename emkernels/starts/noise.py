"""Where EM begins with noise: from all rows, or without those whose neighbours are far."""

import numpy as np
from scipy.spatial import cKDTree

from emkernels.components.gaussian.degenerate import Spikes
from emkernels.em import DegenerateFitError, run_em

# The neighbour whose distance is looked at, among so many rows at most, and the rounds of EM
# that tell long distances from short ones.
NEIGHBOUR = 12
ROWS = 3000
ROUNDS = 50
# The share that noise begins with where none is known of, and the most rows that are left out.
SHARE, MOST = 0.05, 0.9
# Two starts are compared after so many iterations, on so many rows.
TRIAL, TRIAL_ROWS = 10, 20_000


def start_with_noise(start, rows, mixture, random_state):
    """The likelier, after ten iterations, of a start made of all rows and one made of those that
    :func:`cleaned` leaves; ``start(rows, share)`` makes them, `share` is the weight of noise."""
    clean, share = cleaned(rows, random_state)
    first = start(rows, SHARE)
    if clean is None or clean.n_positive <= len(first.means):
        return first
    if rows.n_positive > TRIAL_ROWS:
        some = np.arange(len(rows)) if rows.sample_weight is None else np.flatnonzero(
            rows.sample_weight)
        rows = rows.take(np.sort(random_state.choice(some, TRIAL_ROWS, replace=False)))
    starts = [first]
    try:
        starts.append(start(clean, share))
    except DegenerateFitError:      # too few rows are left
        return first
    return max(starts, key=lambda parameters: _rank(mixture, rows.with_(), parameters))


def _rank(mixture, rows, parameters):
    """Whether there is no spike, and the objective, of a start after a few iterations."""
    try:
        result = run_em(mixture, rows, lambda i: parameters, max_iter=TRIAL, tol=0.0)
    except DegenerateFitError:
        return False, -np.inf
    if result.interrupted:
        raise KeyboardInterrupt
    spikes = Spikes(rows, mixture.components.structure)
    return not spikes(result.parameters), result.lower_bound


def cleaned(rows, random_state):
    """The rows without those that are likely to be noise, and the share of these; None and 0
    where there are no such rows, or hardly others.

    In units of the ranges of the columns, D log d is the logarithm of the volume that a
    row's neighbours take, d being the distance to the twelfth of them. Where rows are dense or
    sparse these volumes have one of two gamma distributions, which EM finds; rows that are
    sparse rather than dense get no weight. Of many rows, 3,000 that are drawn are looked at, and
    the start is made of them; rows with missing values, and rows whose component is known, stay
    as they are.

    S. Byers, A. E. Raftery, Nearest-neighbor clutter removal for estimating features in spatial
    point processes, JASA 93, 1998.

    Parameters
    ----------
    rows : Rows
    random_state : numpy.random.RandomState

    Returns
    -------
    rows : Rows or None
        Some have no weight.
    share : float
    """
    weight = np.ones(len(rows)) if rows.sample_weight is None else rows.weight_given
    usable = weight > 0
    if rows.patterns is not None:
        usable &= ~np.isnan(rows.X).any(axis=1)
    if rows.known is not None:
        usable &= rows.known < 0
    at = np.flatnonzero(usable)
    if len(at) > ROWS:
        at = np.sort(random_state.choice(at, ROWS, replace=False))
        sparse = _sparse(rows.X[at])
    elif len(at) > 4:
        if "sparse" not in rows.kept:       # the same for every start
            rows.kept["sparse"] = _sparse(rows.X[at])
        sparse = rows.kept["sparse"]
    else:
        return None, 0.0
    share = float(weight[at[sparse]].sum() / weight[at].sum())
    if not 0 < share <= MOST:
        return None, 0.0
    kept = weight if len(at) == np.count_nonzero(usable) else np.where(usable, 0, weight)
    kept = kept.copy()
    kept[at] = np.where(sparse, 0, weight[at])
    return rows.with_(sample_weight=kept), share


def _sparse(X):
    """Whether the neighbours of each row are far rather than near, (n_rows,) bool."""
    n_neighbours = min(NEIGHBOUR, len(X) // 4)
    points = X.astype(np.float64) - X[0]
    widths = points.max(axis=0) - points.min(axis=0)
    points /= np.where(widths > 0, widths, 1)
    distance = cKDTree(points).query(points, n_neighbours + 1)[0][:, -1]
    with np.errstate(divide="ignore"):
        logs = X.shape[1] * np.log(distance)
    found = np.isfinite(logs)
    if not found.any():
        return np.zeros(len(distance), bool)
    volume = np.exp(np.clip(logs - np.median(logs[found]), -200, 200))
    far = volume > np.quantile(volume, 0.9)
    for _ in range(ROUNDS):
        share = far.mean()
        if not 0 < share < 1:
            return np.zeros(len(distance), bool)
        rates = n_neighbours * np.array([(far * 1.0).sum() / (far * volume).sum(),
                                         (1.0 - far).sum() / ((1.0 - far) * volume).sum()])
        odds = (np.log(share / (1 - share)) + n_neighbours * np.log(rates[0] / rates[1])
                - (rates[0] - rates[1]) * volume)
        far = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
    return far > 0.5
