"""Classes by covariates: the third step with errors of classification."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels.models.classes.assigned import ThirdStep, p_value_of, wald
from emkernels.models.missing.tables import number_text, text_table

MAX_ITER = 200
# Newton's promise of log-likelihood, at which it is at the maximum
TOL = 1e-12
# Where there is no maximum Newton's steps go on moving a linear predictor by about 1 while their
# promise falls to nothing; at a maximum they move none, however large a covariate is in some row.
ENDLESS = 0.1


@dataclass(repr=False)
class ClassCovariates(Result):
    """Result of :meth:`emkernels.LatentClassAnalysis.covariates`.

    Attributes
    ----------
    coef : ndarray of shape (n_classes - 1, n_covariates + 1)
        Of ``log(P(class) / P(reference))``, the intercept first; a row for each of `classes`.
    standard_errors, z, p_values : ndarray of the shape of `coef`
        Robust (sandwich) errors, ``coef / standard_errors``, two-sided.
    covariance : ndarray of shape (coef.size, coef.size)
        Of `coef`, row after row.
    classes : ndarray of shape (n_classes - 1,)
    reference : int
    names : list of str
        What the columns of `coef` are of.
    tests : list of dict
        For each covariate the Wald test that it has no coefficient: name, statistic, df, p_value.
    log_likelihood : float
        Of the third step; of 'bch' a weighted sum that is no likelihood.
    method, assignment : str
    classification_errors : ndarray of shape (n_classes, n_classes)
        Probability that a row of a class (rows) is assigned to a class (columns).
    n_samples, n_left_out : int
        Rows that were used, and rows left out for missing covariates.

    See Also
    --------
    emkernels.LatentClassAnalysis : Whose `covariates` give it.
    emkernels.models.classes.distal.DistalOutcome : What classes say of an outcome.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import LatentClassAnalysis
    >>> rng = np.random.default_rng(0)
    >>> age = rng.normal(size=1000)
    >>> high = rng.random(1000) < 1 / (1 + np.exp(0.5 - age))
    >>> X = (rng.random((1000, 5)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> result = LatentClassAnalysis(2, random_state=0).fit(X).covariates(X, age)
    >>> result.coef.shape, bool(result.p_values[0, 1] < 0.001)
    ((1, 2), True)
    """

    coef: np.ndarray
    standard_errors: np.ndarray
    z: np.ndarray
    p_values: np.ndarray
    covariance: np.ndarray
    classes: np.ndarray
    reference: int
    names: list
    tests: list
    log_likelihood: float
    method: str
    assignment: str
    classification_errors: np.ndarray
    n_samples: int
    n_left_out: int

    def _tables(self):
        n, k = len(self.names), len(self.classes)
        tests = Table([(key, [test[key] for test in self.tests])
                       for key in ("name", "statistic", "df", "p_value")])
        return [Table([
            ("class", np.repeat(self.classes, n)), ("covariate", list(self.names) * k),
            ("coef", self.coef.ravel()), ("standard_error", self.standard_errors.ravel()),
            ("z", self.z.ravel()), ("p_value", self.p_values.ravel())], 2), tests]

    def _headline(self):
        return str(self).partition("\n")[0]

    def __str__(self):
        rows = [["class", "covariate", "coef", "std error", "z", "p"]]
        for r, k in enumerate(self.classes):
            for j, name in enumerate(self.names):
                rows.append([str(k), name, number_text(self.coef[r, j]),
                             number_text(self.standard_errors[r, j]), f"{self.z[r, j]:.2f}",
                             f"{self.p_values[r, j]:.4f}"])
        left = f", {self.n_left_out} left out" if self.n_left_out else ""
        return (f"Classes by covariates ({self.method}, {self.assignment} assignment, reference "
                f"class {self.reference}; {self.n_samples} rows{left})\n"
                + text_table(rows, left=(0, 1)))


def fit_covariates(assigned, first, Z, names, *, method, assignment, reference, n_left_out):
    """The :class:`ClassCovariates` of complete rows."""
    n_classes = assigned.shares.shape[1]
    centre, scale = Z.mean(axis=0), Z.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    A = np.column_stack([np.ones(len(Z)), (Z - centre) / scale])
    order = np.r_[reference, np.delete(np.arange(n_classes), reference)]
    with one_thread(n_classes * A.shape[1]):
        _check_rank(A * np.sqrt(assigned.weight)[:, None], names)
        step = (_Weighted if method == "bch" else _Expanded)(assigned, A, order)
        beta, value = _maximum(step, n_classes - 1, A.shape[1])
        _, _, scores, bread = step.at(beta)
        more = _direction(bread, step.weight @ scores)
        if more is None or np.abs(A @ more.reshape(beta.shape).T).max() > ENDLESS:
            raise ValueError(_no_maximum(method))
        covariance = ThirdStep(
            scores, bread, step.by_errors(beta), lambda: step.by_shares(beta),
            "the coefficients of the covariates").covariance(assigned, first)
    # to the units of the columns
    turn = np.eye(A.shape[1])
    turn[0, 1:] = -centre / scale
    turn[np.arange(1, len(turn)), np.arange(1, len(turn))] = 1 / scale
    whole = np.kron(np.eye(n_classes - 1), turn)
    coef, covariance = beta @ turn.T, whole @ covariance @ whole.T
    errors = np.sqrt(np.diagonal(covariance)).reshape(coef.shape)
    z = coef / errors
    tests = []
    for j in range(1, len(turn)):
        at = np.arange(n_classes - 1) * len(turn) + j
        statistic, df = wald(coef[:, j], covariance[np.ix_(at, at)])
        tests.append({"name": names[j], "statistic": statistic, "df": df,
                      "p_value": p_value_of(statistic, df)})
    return ClassCovariates(
        coef, errors, z, 2 * ndtr(-np.abs(z)), covariance, order[1:], reference, names, tests,
        value, method, assignment, assigned.errors, len(Z), n_left_out)


def _check_rank(A, names):
    triangle = np.abs(np.diagonal(np.linalg.qr(A, mode="r")))
    norms = np.linalg.norm(A, axis=0)
    if len(A) < A.shape[1]:
        raise ValueError(f"{len(A)} rows are too few for {A.shape[1] - 1} covariates")
    bad = np.flatnonzero(triangle <= 1e-9 * np.maximum(norms, 1e-300))
    if len(bad):
        raise ValueError(f"covariate {names[bad[0]]!r} is constant or a linear combination of "
                         "those before it: leave it out")


def _no_maximum(method):
    return ("the likelihood has no maximum: some covariates tell the classes apart without an "
            "error" + (", or the weights of 'bch', some of which are negative, ask for "
                       "probabilities outside of 0 .. 1 (method='ml' has no such weights)"
                       if method == "bch" else ""))


def _maximum(step, n_rows, n_columns):
    """Coefficients (C - 1, q) of the maximum, and the objective there, by Newton's steps; where
    the second derivatives do not curve down, by those of complete data."""
    beta = np.zeros((n_rows, n_columns))
    beta[:, 0] = step.start()
    value, logs, scores, bread = step.at(beta)
    for _ in range(MAX_ITER):
        gradient = step.weight @ scores
        direction = _direction(bread, gradient)
        if direction is None:
            direction = _direction(step.complete(logs), gradient)
        if direction is None:
            raise ValueError(_no_maximum(step.method))
        promise = float(gradient @ direction) / 2
        if promise < TOL * max(1.0, abs(value)):
            return beta, value
        length = 1.0
        while length > 1e-10:
            new = beta + length * direction.reshape(beta.shape)
            reached = step.at(new)
            if reached[0] >= value + 0.1 * length * promise:
                break
            length /= 2
        else:
            return beta, value      # nothing more to be had in this precision
        beta, (value, logs, scores, bread) = new, reached
    raise ValueError(_no_maximum(step.method))


def _direction(curvature, gradient):
    try:
        lower = np.linalg.cholesky((curvature + curvature.T) / 2)
    except np.linalg.LinAlgError:
        return None
    return np.linalg.solve(lower.T, np.linalg.solve(lower, gradient))


class _Step:
    """The objective of a third step: sums over rows of a function of linear predictors."""

    def __init__(self, assigned, A, order):
        self.assigned, self.A, self.order, self.weight = assigned, A, order, assigned.weight

    def start(self):
        """Intercepts as of the assigned shares."""
        counts = self.weight @ self.assigned.shares + 0.5
        return np.log(counts[self.order[1:]] / counts[self.order[0]])

    def _log_probabilities(self, beta):
        """Of the classes, the reference first, (n, C)."""
        eta = np.column_stack([np.zeros(len(self.A)), self.A @ beta.T])
        logs = eta - eta.max(axis=1, keepdims=True)
        return logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))

    def _curvature(self, blocks):
        """Sum over rows of ``blocks (n, C - 1, C - 1) (x) z z'``."""
        m, q = blocks.shape[1], self.A.shape[1]
        out = np.empty((m, q, m, q))
        for a in range(m):
            for b in range(a + 1):
                out[a, :, b] = out[b, :, a] = (
                    self.A * (self.weight * blocks[:, a, b])[:, None]).T @ self.A
        return out.reshape(m * q, m * q)

    def complete(self, logs):
        """Negative second derivatives as if the classes were known."""
        return self._curvature(_spread(np.exp(logs)[:, 1:]))

    def _scores(self, residuals):
        return (residuals[:, :, None] * self.A[:, None, :]).reshape(len(self.A), -1)


class _Weighted(_Step):
    """BCH: a logit whose rows are of every class, with weights some of which are negative."""

    method = "bch"

    def __init__(self, assigned, A, order):
        super().__init__(assigned, A, order)
        self.targets = assigned.corrected()[:, order]

    def at(self, beta):
        """The objective, log probabilities, scores of rows, negative second derivatives."""
        logs = self._log_probabilities(beta)
        p = np.exp(logs)[:, 1:]
        value = float(self.weight @ (self.targets * logs).sum(axis=1))
        return value, logs, self._scores(self.targets[:, 1:] - p), self._curvature(_spread(p))

    def by_errors(self, beta):
        """See :class:`emkernels.models.classes.assigned.ThirdStep`."""
        sums = (self.weight[:, None] * self.assigned.corrected()).T @ self.A
        return -np.einsum("su,tz->tsuz", self._undone(), sums).reshape(
            *self.assigned.errors.shape, -1)

    def by_shares(self, beta):
        return np.einsum("su,nz->nsuz", self._undone(), self.A).reshape(
            *self.assigned.shares.shape, -1)

    def _undone(self):
        return self.assigned.undone()[:, self.order[1:]]


class _Expanded(_Step):
    """ML: the assigned class is an answer whose probabilities are known."""

    method = "ml"

    def __init__(self, assigned, A, order):
        super().__init__(assigned, A, order)
        with np.errstate(divide="ignore"):
            self.log_errors = np.log(assigned.errors[order])

    def _each(self, logs):
        """For each class that rows are assigned to: the rows, their shares, the logarithms of
        their likelihoods, and of the posteriors of the classes less the errors."""
        shares = self.assigned.shares
        for s in range(shares.shape[1]):
            rows = np.flatnonzero(shares[:, s])
            joint = logs[rows] + self.log_errors[:, s]
            most = joint.max(axis=1, keepdims=True)
            norm = most + np.log(np.exp(joint - most).sum(axis=1, keepdims=True))
            yield s, rows, shares[rows, s], norm[:, 0], logs[rows] - norm

    def at(self, beta):
        logs = self._log_probabilities(beta)
        p = np.exp(logs)[:, 1:]
        value, residuals, blocks = 0.0, -p, _spread(p)
        for s, rows, share, norm, free in self._each(logs):
            value += float((self.weight[rows] * share) @ norm)
            q = np.exp(free + self.log_errors[:, s])[:, 1:]
            residuals[rows] += share[:, None] * q
            blocks[rows] -= share[:, None, None] * _spread(q)
        return value, logs, self._scores(residuals), self._curvature(blocks)

    def by_errors(self, beta):
        n = self.assigned.errors.shape[0]
        out = np.zeros((n, n, n - 1, self.A.shape[1]))
        for s, rows, share, _, free in self._each(self._log_probabilities(beta)):
            slopes = np.exp(free) * (self.weight[rows] * share)[:, None]
            q = np.exp(free + self.log_errors[:, s])[:, 1:]
            for u in range(n):
                moved = -q * slopes[:, u, None]
                if u:
                    moved[:, u - 1] += slopes[:, u]
                out[self.order[u], s] = moved.T @ self.A[rows]
        return out.reshape(n, n, -1)

    def by_shares(self, beta):
        logs = self._log_probabilities(beta)
        n = self.log_errors.shape[1]
        out = np.zeros((len(logs), n, n - 1, self.A.shape[1]))
        for s, rows, _, _, free in self._each(logs):
            q = np.exp(free + self.log_errors[:, s])[:, 1:]
            out[rows, s] = q[:, :, None] * self.A[rows, None, :]
        return out.reshape(len(logs), n, -1)


def _spread(p):
    """``diag(p) - p p'`` of each row."""
    out = -p[:, :, None] * p[:, None, :]
    at = np.arange(p.shape[1])
    out[:, at, at] += p
    return out
