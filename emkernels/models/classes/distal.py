"""An outcome by class: the third step with errors of classification."""

from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels._words import some
from emkernels.components.categorical import Classes
from emkernels.em import EMWarning
from emkernels.models.classes.assigned import ThirdStep, p_value_of, wald
from emkernels.models.classes.information import (
    Layout,
    free_directions,
    information,
    one_hot,
    scores_by_class,
)
from emkernels.models.missing.tables import number_text, text_table

MAX_ITER, TOL = 100_000, 1e-13
BOUNDARY = 1e-6
# smallest variance, to that of all rows
LEAST_VARIANCE = 1e-8


@dataclass(repr=False)
class DistalOutcome(Result):
    """Result of :meth:`emkernels.LatentClassAnalysis.distal`.

    Attributes
    ----------
    means : ndarray of shape (n_classes,), or None
        Of a continuous outcome.
    variances : ndarray of shape (n_classes,), or None
        Of a continuous outcome; divisor is the weight.
    probs : ndarray of shape (n_classes, n_levels), or None
        Of a categorical outcome.
    levels : ndarray of shape (n_levels,), or None
    standard_errors : ndarray of the shape of `means` or `probs`
        Robust (sandwich) errors; NaN for probabilities at 0 or 1 of 'ml'.
    covariance : ndarray
        Of `means`, or of `probs` row after row.
    statistic, df, p_value : float, int, float
        Wald test that all classes have the same mean or probabilities.
    pairwise : list of dict
        For each two classes: classes (a tuple), difference (of the means, second less first; None
        where categorical), statistic, df, p_value (not adjusted for their number).
    method, assignment : str
    classification_errors : ndarray of shape (n_classes, n_classes)
    n_samples, n_left_out : int
        Rows that were used, and rows left out for a missing outcome.

    See Also
    --------
    emkernels.LatentClassAnalysis : Whose `distal` gives it.
    emkernels.models.classes.covariates.ClassCovariates : What says which class a row is of.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import LatentClassAnalysis
    >>> rng = np.random.default_rng(0)
    >>> high = rng.random(1000) < 0.4
    >>> X = (rng.random((1000, 5)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> income = np.where(high, 3.0, 1.0) + rng.normal(size=1000)
    >>> result = LatentClassAnalysis(2, random_state=0).fit(X).distal(X, income)
    >>> result.df, bool(result.p_value < 0.001)
    (1, True)
    """

    means: np.ndarray | None
    variances: np.ndarray | None
    probs: np.ndarray | None
    levels: np.ndarray | None
    standard_errors: np.ndarray
    covariance: np.ndarray
    statistic: float
    df: int
    p_value: float
    pairwise: list
    method: str
    assignment: str
    classification_errors: np.ndarray
    n_samples: int
    n_left_out: int

    def _tables(self):
        k = np.arange(len(self.standard_errors))
        if self.probs is None:
            found = Table([("class", k), ("mean", self.means),
                           ("standard_error", self.standard_errors), ("variance", self.variances)])
        else:
            n = len(self.levels)
            found = Table([("class", np.repeat(k, n)), ("level", list(self.levels) * len(k)),
                           ("probability", self.probs.ravel()),
                           ("standard_error", self.standard_errors.ravel())], 2)
        return [found, Table([(key, [pair[key] for pair in self.pairwise])
                              for key in ("classes", "difference", "statistic", "df", "p_value")])]

    def _headline(self):
        lines = str(self).splitlines()
        return f"{lines[0]}. {lines[-1]}"

    def __str__(self):
        if self.probs is None:
            rows = [["class", "mean", "std error", "variance"]]
            rows += [[str(k), *map(number_text, each)] for k, each in enumerate(
                zip(self.means, self.standard_errors, self.variances, strict=True))]
        else:
            rows = [["class", *(str(level) for level in self.levels)]]
            rows += [[str(k), *(f"{p:.4f} ({e:.4f})" for p, e in zip(*each, strict=True))]
                     for k, each in enumerate(
                         zip(self.probs, self.standard_errors, strict=True))]
        left = f", {self.n_left_out} left out" if self.n_left_out else ""
        return (f"Outcome by class ({self.method}, {self.assignment} assignment; {self.n_samples} "
                f"rows{left})\n{text_table(rows)}\nWald test of no difference: "
                f"{self.statistic:.4f}, df = {self.df}, p = {self.p_value:.4g}")


def fit_distal(assigned, first, y, levels, *, method, assignment, n_left_out):
    """The :class:`DistalOutcome` of rows without a missing outcome: of numbers, or of codes of the
    `levels`."""
    fit = _weighted if method == "bch" else _expanded
    n_classes = assigned.shares.shape[1]
    with one_thread(n_classes * (1 if levels is None else len(levels))):
        found, variances, covariance = fit(assigned, first, y, levels)
    kept = np.isfinite(np.diagonal(covariance)).reshape(found.shape)
    errors = np.where(kept, np.sqrt(np.abs(np.diagonal(covariance)).reshape(found.shape)), np.nan)
    table = found.reshape(n_classes, -1)
    filled = np.nan_to_num(covariance)
    statistic, df = _test(table, filled, range(n_classes))
    pairwise = []
    for a in range(n_classes):
        for b in range(a + 1, n_classes):
            value, degrees = _test(table, filled, (a, b))
            pairwise.append({
                "classes": (a, b), "difference": None if levels is not None else float(
                    found[b] - found[a]),
                "statistic": value, "df": degrees, "p_value": p_value_of(value, degrees)})
    return DistalOutcome(
        found if levels is None else None, variances, None if levels is None else found, levels,
        errors, covariance, statistic, df, p_value_of(statistic, df), pairwise, method,
        assignment, assigned.errors, len(y), n_left_out)


def _test(table, covariance, classes):
    """Wald test that the rows of the table of these classes are equal."""
    width = table.shape[1]
    first, *others = classes
    contrast = np.zeros((len(others) * width, table.size))
    for r, k in enumerate(others):
        for j in range(width):
            contrast[r * width + j, k * width + j] = 1
            contrast[r * width + j, first * width + j] = -1
    if not len(contrast):
        return 0.0, 0
    return wald(contrast @ table.ravel(), contrast @ covariance @ contrast.T)


def _weighted(assigned, first, y, levels):
    """BCH: weighted means, some weights being negative."""
    weights = assigned.corrected() * assigned.weight[:, None]
    counts = weights.sum(axis=0)
    if not (counts > 0).all():
        raise ValueError(f"the weights of class {int(counts.argmin())} do not add up to a positive "
                         "number: too few of its rows have an outcome (method='ml' has no such "
                         "weights)")
    answers = y[:, None] if levels is None else np.eye(len(levels))[y]
    centre = answers.mean(axis=0)
    shares = weights / counts
    found = centre + shares.T @ (answers - centre)
    residuals = answers[:, None, :] - found             # (n, C, L)
    variances = None
    if levels is None:
        variances = (shares * residuals[:, :, 0] ** 2).sum(axis=0)
        bad, what = np.flatnonzero(variances < 0), "variance of class"
    else:
        bad = np.flatnonzero(((found < 0) | (found > 1)).any(axis=1))
        what = "probabilities of class"
    if len(bad):
        warn(f"the {what} {some([str(k) for k in bad])} "
             + ("is negative" if levels is None else "are not within 0 .. 1")
             + ": some weights of 'bch' are negative; method='ml' has none", EMWarning)
    own = np.where(assigned.weight[:, None] > 0, assigned.corrected(), 0)
    q = found.size
    undone = assigned.undone()
    step = ThirdStep(
        (own[:, :, None] * residuals).reshape(len(y), q),
        np.diag(np.repeat(counts, found.shape[1])),
        -np.einsum("su,nt,nul->tsul", undone, weights, residuals, optimize=True).reshape(
            *undone.shape, q),
        lambda: np.einsum("su,nul->nsul", undone, residuals).reshape(len(y), len(undone), q),
        "the outcome of the classes")
    return (found[:, 0] if levels is None else found), variances, step.covariance(assigned, first)


def _expanded(assigned, first, y, levels):
    """ML: the assigned class is an answer whose probabilities are known, the outcome another."""
    n_classes = assigned.shares.shape[1]
    row, class_, share = assigned.expanded()
    weight = assigned.weight[row] * share
    errors = assigned.errors[:, class_].T               # (rows, C)
    unit = 1.0
    if levels is None:
        # in deviations: where EM has converged does not depend on units
        centre = weight @ y[row] / weight.sum()
        unit = np.sqrt(weight @ (y[row] - centre) ** 2 / weight.sum()) or 1.0
        y = (y - centre) / unit
        layout = Layout([n_classes], n_classes, 1)
        codes, numbers = class_[:, None], y[row, None]
        step = _Normal(numbers[:, 0])
    else:
        layout = Layout([n_classes, len(levels)], n_classes, 0)
        codes, numbers = np.column_stack([class_, y[row]]), None
        step = _Levels(y[row], len(levels))
    pi, resp = _em(step, errors, weight)
    none = np.zeros((0, n_classes))
    classes = Classes(assigned.errors.T, step.means[None], step.variances[None]) if (
        levels is None) else Classes(np.concatenate([assigned.errors.T, step.probs.T]), none, none)
    _, matrix = information(layout, pi, classes, codes, numbers, resp, weight)
    vector, units = layout.joined(pi, classes), layout.units(pi, classes)
    free = vector > BOUNDARY
    table = free.reshape(n_classes, layout.width)
    table[:, 1:1 + n_classes] = False                   # the errors of classification are given
    if levels is None:
        table[:, 1 + n_classes:] = True
    basis = free_directions(layout, vector, units, free)
    answers = one_hot(codes, layout.n_levels)
    own = [s @ basis[k * layout.width:(k + 1) * layout.width] for k, (s, _) in enumerate(
        scores_by_class(layout, pi, classes, answers, numbers))]        # (rows, q) of each class
    of_rows = sum(resp[:, k, None] * s for k, s in enumerate(own))
    scores = np.zeros((len(y), basis.shape[1]))
    np.add.at(scores, row, share[:, None] * of_rows)
    by_errors = np.zeros((n_classes, n_classes, basis.shape[1]))
    for k, s in enumerate(own):     # posterior by error: of an error of 0 there is none
        slope = weight * np.where(errors[:, k] > 0, resp[:, k], 0) / np.where(
            errors[:, k] > 0, errors[:, k], 1)
        np.add.at(by_errors[k], class_, slope[:, None] * (s - of_rows))

    def by_shares():
        out = np.zeros((len(y), n_classes, basis.shape[1]))
        out[row, class_] = of_rows
        return out

    covariance = basis @ ThirdStep(
        scores, basis.T @ matrix @ basis, by_errors, by_shares,
        "the outcome of the classes").covariance(assigned, first) @ basis.T
    covariance *= units * units[:, None]
    moved = (basis != 0).any(axis=1)
    covariance[~moved], covariance[:, ~moved] = np.nan, np.nan
    wide = 1 if levels is None else len(levels)
    at = (np.arange(n_classes)[:, None] * layout.width + 1 + n_classes
          + np.arange(wide)).ravel()
    covariance = covariance[np.ix_(at, at)] * unit**2
    if levels is None:
        return centre + unit * step.means, unit**2 * step.variances, covariance
    return step.probs, None, covariance


def _em(step, errors, weight):
    """EM of weights and outcome; weights and posteriors at its end."""
    total = weight.sum()
    resp = errors / errors.sum(axis=1, keepdims=True)
    before = -np.inf
    for _ in range(MAX_ITER):
        counts = weight @ resp
        pi = counts / total
        step.maximise(weight[:, None] * resp, counts)
        with np.errstate(divide="ignore"):
            joint = np.log(pi * errors) + step.log_density()
        most = joint.max(axis=1, keepdims=True)
        norm = most + np.log(np.exp(joint - most).sum(axis=1, keepdims=True))
        resp = np.exp(joint - norm)
        value = float(weight @ norm[:, 0])
        if value - before < TOL * max(1.0, abs(value)):
            return pi, resp
        before = value
    warn(f"the outcome of the classes did not converge in {MAX_ITER} iterations",
         ConvergenceWarning)
    return pi, resp


class _Normal:
    """A normal outcome, in deviations, with a mean and a variance for each class."""

    def __init__(self, y):
        self.y = y

    def maximise(self, weights, counts):
        counts = np.maximum(counts, 1e-300)
        self.means = self.y @ weights / counts
        self.variances = (weights * (self.y[:, None] - self.means) ** 2).sum(axis=0) / counts
        if (self.variances <= LEAST_VARIANCE).any():
            raise ValueError(
                f"the outcome of class {int(self.variances.argmin())} has no variance: its "
                "likelihood has no maximum (method='bch', or categorical=True where it has few "
                "values)")

    def log_density(self):
        return -0.5 * (np.log(2 * np.pi * self.variances)
                       + (self.y[:, None] - self.means) ** 2 / self.variances)


class _Levels:
    """An outcome of levels."""

    def __init__(self, codes, n_levels):
        self.codes, self.n_levels = codes, n_levels

    def maximise(self, weights, counts):
        sums = np.zeros((self.n_levels, weights.shape[1]))
        np.add.at(sums, self.codes, weights)
        self.probs = (sums / np.maximum(counts, 1e-300)).T

    def log_density(self):
        with np.errstate(divide="ignore"):
            return np.log(self.probs.T[self.codes])
