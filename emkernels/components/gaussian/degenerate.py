"""Components that describe no group of rows: spikes, dead ones, twins; and what to say of them."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import eigh

from emkernels._words import some

# A component is a spike where its variance in a direction is so small: in multiples of
# reg_covar, or of the data's rounding; and as a share of the data's variance there.
NEAR_REGULARISATION = 10.0
SHARE, LEAST_SHARE = 1e-2, 1e-6
# reg_covar is not small where it is more of a column's variance than this.
MUCH = 1e-2
# A component is dead when it has less than this of a row, and two are twins when no parameter
# differs by more than this, in standard deviations.
DEAD, TWINS = 1e-2, 1e-3


@dataclass(frozen=True)
class Spikes:
    """Whether a mixture of these rows ended with spikes, see :func:`find_spikes`.

    Attributes
    ----------
    rows : Rows
    structure : Structure
    """

    rows: object
    structure: object

    def __call__(self, parameters):
        return any(True for _ in _spikes(parameters, lambda: self.least))

    @property
    def least(self):
        """Variances that only a spike has in a column: ten times what is added to them, or that
        of the steps. Where what is added is that of the steps, a value is as likely as it should
        be, and nothing but the precision is too small; so too where a prior bounds the
        likelihood."""
        rounding, reg_covar = self.rows.rounding(), self.structure.reg_covar
        steps = rounding.steps if self.structure.prior is None else 0.0
        small = np.maximum(NEAR_REGULARISATION * reg_covar, steps)
        honest = (rounding.steps > 0) & (reg_covar >= (1 - 1e-6) * rounding.steps)
        return np.maximum(np.where(honest, 0.0, small), rounding.precision)


def total_covariance_of(parameters):
    """Covariance of the whole mixture, (n_features, n_features): after an M-step that of the
    rows, plus reg_covar."""
    weights, means = parameters.own_weights, parameters.means
    weights = weights / weights.sum()
    gaps = means - weights @ means
    between = (weights[:, None] * gaps).T @ gaps
    own = between + parameters.structure.within(weights, parameters.covariances, len(between))
    noise = parameters.noise
    if noise is None:
        return own
    share = parameters.weights[-1] / parameters.weights.sum()
    gap = noise.centre - weights @ means
    return (1 - share) * own + share * (noise.covariance + (1 - share) * np.outer(gap, gap))


@dataclass
class Examination:
    """What is wrong with the components of a mixture.

    Attributes
    ----------
    reg_covar : float or ndarray of shape (n_features,)
    spikes : dict of int to list of int
        Components without extent in some direction, and the columns of that direction, the
        most important first.
    deviations : dict of int to float
        Their standard deviations in that direction, as a share of the data's.
    few_rows : int or None
        Rows of positive weight, where these are fewer than components.
    dead : list of int
        Components without a row.
    twins : list of (int, int)
        Components that are the same.
    drowned : list of int
        Columns of which `reg_covar` is not small against the variance.
    constant : list of int
        Columns without variance, but for `reg_covar`.
    """

    reg_covar: float | np.ndarray = 0.0
    spikes: dict = field(default_factory=dict)
    deviations: dict = field(default_factory=dict)
    few_rows: int | None = None
    dead: list = field(default_factory=list)
    twins: list = field(default_factory=list)
    drowned: list = field(default_factory=list)
    constant: list = field(default_factory=list)

    def reordered(self, order):
        """The same of a mixture whose component i is this one's ``order[i]``."""
        new = {int(old): i for i, old in enumerate(order)}
        return replace(
            self, spikes={new[k]: columns for k, columns in self.spikes.items()},
            deviations={new[k]: share for k, share in self.deviations.items()},
            dead=sorted(new[k] for k in self.dead),
            twins=sorted(tuple(sorted((new[i], new[j]))) for i, j in self.twins))

    def texts(self, names, has_prior=True):
        """What there is to say, one text for each kind; `names` are those of the columns,
        `has_prior`: whether a prior is to be had."""
        texts = []
        prior = "covariance_prior='empirical', " if has_prior else ""
        if self.spikes:
            parts = [f"component {k} in {_columns(columns, names)} (its deviation there is "
                     f"{self.deviations[k]:.1g} of the data's)"
                     for k, columns in sorted(self.spikes.items())]
            texts.append(
                f"collapsed: {some(parts, 3)}. A spike on one value, or on a line or plane: "
                f"likelihood, BIC and AIC grow by it for nothing. Use fewer components, {prior}"
                "or leave the column out")
        few = "" if self.few_rows is None else (
            f" (only {self.few_rows} rows have a positive weight)")
        if self.dead:
            texts.append(f"{_components(self.dead)} without a row{few}: use fewer components, or "
                         "another start")
        elif few:
            texts.append(f"more components than rows of positive weight, {self.few_rows}: "
                         "use fewer components")
        if self.twins:
            pairs = [f"{i} and {j}" for i, j in self.twins]
            texts.append(f"the components {some(pairs)} are the same: use fewer components, or "
                         "another start (init_params, n_init)")
        if self.drowned:
            largest = np.max(self.reg_covar)
            texts.append(
                f"reg_covar={largest:.3g} is not small against the variance of "
                f"{_columns(self.drowned, names)}: what is narrower than its root, "
                f"{np.sqrt(largest):.2g}, cannot be told apart. Use reg_covar='auto', or rescale")
        if self.constant:
            texts.append(f"{_columns(self.constant, names)} with one value only: all of the "
                         "variance there is reg_covar; leave out what does not vary")
        return texts


def find_spikes(parameters, least, total=None):
    """Components that are spikes: {component: (columns, deviation as a share of the data's)}.

    Component k is one if there is a direction v with ``v' S_k v <= 0.01 v' S v``, S being the
    covariance of the whole mixture, and at most ``v' diag(least) v``; or with ``v' S_k v <=
    1e-6 v' S v``.

    Parameters
    ----------
    parameters : MixtureParameters
    least : ndarray of shape (n_features,), or callable
        From :attr:`Spikes.least`, or what gives that, which is asked only where it matters.
    total : ndarray of shape (n_features, n_features), optional
        Of :func:`total_covariance_of`, where it is known.
    """
    found = {k: (columns, share) for k, columns, share in _spikes(parameters, least, total)}
    if parameters.structure.shared and found:
        found = dict.fromkeys(range(len(parameters.means)), found[0])
    return found


def _spikes(parameters, least, total=None):
    """The same one by one, as who asks for any needs no more than the first: component, columns,
    deviation. A shared covariance is that of component 0."""
    if len(parameters.means) == 1 and parameters.noise is None:
        return
    total = total_covariance_of(parameters) if total is None else total
    variances = np.maximum(np.diagonal(total), 1e-300)
    structure, covariances = parameters.structure, parameters.covariances

    def bound():
        return np.maximum(least() if callable(least) else least, 1e-290)

    if structure.diagonal:
        own = structure.by_column(covariances)
        shares = own / variances
        if shares.min() > SHARE:
            return
        narrow = ((own <= bound()) & (shares <= SHARE)) | (shares <= LEAST_SHARE)
        for k in np.flatnonzero(narrow.any(axis=1)).tolist():
            columns = [int(j) for j in np.argsort(shares[k], kind="stable") if narrow[k, j]]
            yield k, columns, float(np.sqrt(shares[k].min()))
        return
    covariances = structure.each(covariances)
    factors = structure.each(parameters.precisions_cholesky)
    # a trace of a product with the precision is at least the inverse of the smallest
    # eigenvalue: most components need no second look
    traces = np.array([(factor * (total @ factor)).sum() for factor in factors])
    if (traces < 1 / SHARE).all():
        return
    bound = bound()
    tiny = traces >= 1 / LEAST_SHARE
    suspects = tiny | ((traces >= 1 / SHARE) & ((factors**2).sum(axis=2) @ bound >= 1))
    for k in np.flatnonzero(suspects).tolist():
        direction = _narrow_direction(covariances[k], factors[k], total, bound, tiny[k])
        if direction is not None:
            parts = np.abs(direction) * np.sqrt(variances)
            columns = [int(j) for j in np.argsort(-parts, kind="stable")
                       if parts[j] > 0.3 * parts.max()]
            own = direction @ covariances[k] @ direction
            yield k, columns, float(
                np.sqrt(max(own, 0.0) / (direction @ total @ direction)))


def _narrow_direction(covariance, factor, total, bound, tiny):
    """A direction in which a covariance, of this factor of its inverse, is too small, or None;
    `tiny`: whether it may be by LEAST_SHARE."""
    if _all_below_one(SHARE * (factor.T @ total @ factor)):
        return None     # the data have too little everywhere
    scale, best = np.sqrt(np.maximum(np.diagonal(total), 1e-300)), None
    # the precision in units of the bounds: in those of the covariance, what is narrow drowns
    # beside columns whose bounds are smaller by many orders
    scaled = np.sqrt(bound)[:, None] * factor
    precision = scaled @ scaled.T
    if not _all_below_one(precision):
        values, vectors = np.linalg.eigh(precision)
        few = scale[:, None] * (factor @ (scaled.T @ vectors[:, values >= 1]))
        few = few / np.abs(few).max(axis=0) / scale[:, None]    # of a size that can be squared
        if few.shape[1]:        # among these, where the data have the most
            share, direction = _smallest_share(covariance, total, few)
            if share <= SHARE:
                best = direction
    if not tiny:
        return best
    share, direction = _smallest_share(covariance, total, np.diag(1 / scale))
    return direction if share <= LEAST_SHARE else best


def _all_below_one(matrix):
    """Whether every eigenvalue is: a factorisation takes a tenth of the time of eigenvectors."""
    try:
        root = np.linalg.cholesky(np.eye(len(matrix)) - matrix)
    except np.linalg.LinAlgError:
        return False
    return np.isfinite(root).all()


def _smallest_share(covariance, total, basis):
    """Smallest ``v' covariance v / v' total v`` for v in a basis, and v."""
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = basis.T @ covariance @ basis, basis.T @ total @ basis
    if not np.isfinite(a).all():        # far wider than the data, as beside very dense noise
        return np.inf, basis[:, 0]
    # the inverse ratio, as the covariance is definite and the total need not be
    try:
        a, b = (a + a.T) / 2, (b + b.T) / 2
        values, vectors = eigh(b, a, subset_by_index=[len(a) - 1, len(a) - 1])
        if not len(values):     # bisection finds none of several that are equal
            values, vectors = eigh(b, a)
    except np.linalg.LinAlgError:       # rounding is all that is left of its smallest variance
        direction = np.linalg.eigh((a + a.T) / 2)[1][:, 0]
        own = max(direction @ a @ direction, 0.0)
        return own / max(direction @ b @ direction, 1e-300), basis @ direction
    return 1 / max(values[-1], 1e-300), basis @ vectors[:, -1]


def examine(parameters, reg_covar, least, n_rows, *, fixed=frozenset()):
    """The :class:`Examination` of a fitted mixture of `n_rows` rows of positive weight."""
    found, total = Examination(reg_covar), total_covariance_of(parameters)
    variances = np.diagonal(total)
    weights = parameters.own_weights / parameters.weights.sum()
    if len(weights) > n_rows:
        found.few_rows = n_rows
    if "weights" not in fixed:
        found.dead = [int(k) for k in np.flatnonzero(weights * n_rows < DEAD)]
    dead = set(found.dead)
    for k, (columns, share) in find_spikes(parameters, least, total).items():
        if k not in dead:
            found.spikes[k], found.deviations[k] = columns, share
    found.twins = [pair for pair in _twins(parameters, variances)
                   if not dead & set(pair)]
    if np.any(reg_covar) and not {"covariances", "means"} & fixed:
        raw = parameters.structure.pooled(variances) - reg_covar
        part = np.broadcast_to(reg_covar, len(raw))
        found.constant = [int(j) for j in np.flatnonzero(raw <= 1e-9 * part)]
        found.drowned = [int(j) for j in np.flatnonzero((part > MUCH * raw) & (raw > 1e-9 * part))]
    return found


def _components(numbers):
    word = "component" if len(numbers) == 1 else "components"
    return f"{word} {some([str(k) for k in numbers])}"


def _columns(columns, names):
    word = "column" if len(columns) == 1 else "the columns"
    return f"{word} {some([names[j] for j in columns])}"


def _twins(parameters, variances):
    """Pairs of components next to each other that agree in mean and covariance."""
    means, n_components = parameters.means, len(parameters.means)
    if n_components == 1:
        return []
    n_features = means.shape[1]
    deviations = np.sqrt(np.where(variances > 0, variances, 1))
    # along a direction that has nothing to do with the columns, equal ones are neighbours
    line = (means / deviations) @ np.sqrt(np.arange(2, n_features + 2))
    order, pairs = np.argsort(line, kind="stable"), []
    near = (np.abs(np.diff(means[order], axis=0)) <= TWINS * deviations).all(axis=1)
    if not near.any():
        return []
    for i, j in zip(order[:-1][near], order[1:][near]):
        a, b = parameters.covariance(i), parameters.covariance(j)
        own = np.sqrt(np.diagonal(b))
        if (np.abs(means[i] - means[j]) <= TWINS * own).all() and (
                np.abs(a - b) <= TWINS * np.outer(own, own)).all():
            pairs.append((int(min(i, j)), int(max(i, j))))
    return sorted(pairs)


def at_floor(covariance, floor):
    """Combinations (n, n_features), of length one, whose variance is at the floor."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors[:, values <= floor * (1 + 1e-3)].T


def along(combinations, names):
    """Names of the columns that combinations are of, those that weigh most first."""
    largest = np.abs(combinations).max(axis=0)
    return [names[j] for j in np.argsort(-largest, kind="stable") if largest[j] > 0.05]
