"""What fitted latent classes can do."""

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels._results import NamedMatrix
from emkernels.components.categorical import ClassComponents, Classes
from emkernels.data import checks
from emkernels.data.items import Items
from emkernels.models.base import LatentModel
from emkernels.models.classes.frames import check_kinds, columns_of
from emkernels.models.classes.inference import ClassInference
from emkernels.models.classes.residuals import bivariate_residuals
from emkernels.models.containers import framed
from emkernels.models.encoding import count, number
from emkernels.models.likelihood import weighted_sum
from emkernels.models.loaded import check_values, check_weights
from emkernels.models.mixtures import MixtureMethods


class FittedClasses(ClassInference, MixtureMethods, LatentModel):
    """The part of :class:`emkernels.LatentClassAnalysis` that does not fit."""

    _saved = ("_continuous", "_columns", "_reg_covar", "_concentration", "_kinds")
    _kinds = ()     # columns that were categories, which older files do not say
    _elsewhere = {
        **MixtureMethods._elsewhere,
        "probs_": "the probabilities of the levels are response_probs_",
        "class_weights_": "the weights of the classes are weights_",
        "covariances_": "classes have a variance for each number: variances_",
    }

    @property
    def _components(self):
        return ClassComponents([len(each) for each in self.categories_])

    @property
    def _classes(self):
        n = len(self.weights_)
        probs = np.concatenate([each.T for each in self.response_probs_] or [np.zeros((0, n))])
        return Classes(*(_inputs.float64(each) for each in (
            probs, self.means_.T, self.variances_.T)))

    @property
    def continuous_(self):
        """Positions of the columns of numbers of the fit, whatever `continuous` is now."""
        check_is_fitted(self)
        return list(self._continuous)

    def _n_parameters(self):
        n = len(self.weights_)
        return (n - 1 + n * sum(len(each) - 1 for each in self.categories_)
                + 2 * n * self.means_.shape[1])

    def _read(self, X):
        return self._read_weighed(X, None)

    def _read_weighed(self, X, sample_weight):
        check_is_fitted(self)
        return Items.read_again(X, self, self.categories_, self._continuous, self._columns,
                                sample_weight=sample_weight)

    def _rows(self, items, *want):
        """Outputs of the E-step for each of the distinct rows."""
        weights = _inputs.float64(self.weights_)
        return self._components.rows(items, weights, self._classes, *want)

    def _each(self, items, *want):
        """Outputs of the E-step for each row."""
        out = self._rows(items, *want)
        out = [out[name][items.inverse] for name in want]
        return out[0] if len(want) == 1 else out

    def _log_likelihood(self, X, sample_weight):
        """The log-likelihood of the rows and their weight."""
        items = self._read_weighed(X, sample_weight)
        values = self._rows(items, "log_prob_norm")["log_prob_norm"]
        return weighted_sum(values, items.sample_weight), items.total

    def _criteria(self, X, sample_weight, *, entropy=False):
        items = self._read_weighed(X, sample_weight)
        total, n = self._log_likelihood(items, None)
        p = self._n_parameters()
        out = self._criteria_of(total, n) | {
            "abic": -2 * total + p * math.log((n + 2) / 24),
            "caic": -2 * total + p * (math.log(n) + 1)}
        if entropy:
            out["icl"] = out["bic"] + 2 * entropy_of(self._rows(
                items, "resp")["resp"], items.sample_weight)
        return out

    def abic(self, X, *, sample_weight=None):
        """BIC adjusted to the sample size, ``-2 log L + p log((n + 2) / 24)``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            As :meth:`fit` takes it.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        float
            Of the log-likelihood L of the n rows, with p free parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.

        References
        ----------
        S. L. Sclove, Psychometrika 52, 1987.
        """
        return self._criteria(X, sample_weight)["abic"]

    def caic(self, X, *, sample_weight=None):
        """Consistent Akaike criterion, ``-2 log L + p (log n + 1)``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            As :meth:`fit` takes it.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        float
            Of the log-likelihood L of the n rows, with p free parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.

        References
        ----------
        H. Bozdogan, Psychometrika 52, 1987.
        """
        return self._criteria(X, sample_weight)["caic"]

    def bivariate_residuals(self, X, *, sample_weight=None):
        """What pairs of items have in common beyond their classes.

        For items i and j the Pearson statistic of their two-way table over the rows in which both
        are seen, ``sum_ab (O_ab - E_ab)^2 / E_ab``, with the expected counts ``E_ab = sum_k
        N_k probs_i[k, a] probs_j[k, b]``, N_k being the sum of the posteriors of class k over
        these rows, divided by ``(levels_i - 1) (levels_j - 1)``. Values well above one, as of 4
        and more, say that the pair is not independent within the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            As :meth:`fit` takes it.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ndarray of shape (n_items, n_items)
            Symmetric, in the order of the items. NaN on the diagonal, where no row has both, and
            for items of one level; inf where what was observed has no probability. Its `names`
            are those of the items, by which it prints and makes a frame (`to_pandas()`).

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.

        References
        ----------
        J. K. Vermunt, J. Magidson, Technical guide for Latent GOLD, 2005, section 7.5.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import LatentClassAnalysis
        >>> X = np.repeat([[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], 5, axis=0)
        >>> LatentClassAnalysis(1).fit(X).bivariate_residuals(X).round(6)
        array([[nan, 20.,  0.],
               [20., nan,  0.],
               [ 0.,  0., nan]])
        """
        items = self._read_weighed(X, sample_weight)
        resp = self._rows(items, "resp")["resp"]
        titles = checks.titles_of_fit(self)
        return NamedMatrix.of(bivariate_residuals(
            items.codes, items.sample_weight, resp, self.response_probs_),
            [titles[j] for j in items.items])

    def sample(self, n_samples=1):
        """Draw rows from the classes.

        Parameters
        ----------
        n_samples : int
            How many rows are wanted.

        Returns
        -------
        X : ndarray of shape (n_samples, n_columns), or the container of `set_output`
            Of objects where a level is no number, or has more digits than float64, else of
            float64. Grouped by class; drawn with `random_state`. Columns of a frame are of the
            types of the fit.
        y : ndarray of shape (n_samples,)
            Their classes.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            A number of rows that is not whole, or below 1.
        """
        check_is_fitted(self)
        if _inputs.whole(n_samples, "n_samples", least=None) < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples}")
        rng = _inputs.as_random_state(self.random_state)
        counts = rng.multinomial(n_samples, self.weights_ / self.weights_.sum())
        out = np.empty((n_samples, self.n_features_in_), self._dtype())
        first = 0
        items = [j for j in range(self.n_features_in_) if j not in self._continuous]
        for k, n in enumerate(counts):
            part = slice(first, first + n)
            first += n
            for j, levels, probs in zip(items, self.categories_, self.response_probs_, strict=True):
                out[part, j] = levels[rng.choice(len(levels), n, p=probs[k] / probs[k].sum())]
            for at, j in enumerate(self._continuous):
                out[part, j] = rng.normal(
                    self.means_[k, at], math.sqrt(self.variances_[k, at]), n)
        return (framed(self, out, columns=columns_of(self, out)),
                np.repeat(np.arange(len(counts)), counts))

    def _dtype(self):
        """float64 where that has all levels, digit by digit."""
        numeric = all(each.dtype.kind in "biuf" for each in self.categories_) and all(
            float(value) == value for each in self.categories_ for value in each.tolist())
        return np.float64 if numeric else object

    def impute(self, X):
        """X with missing answers and numbers replaced, given what the row has.

        An answer by the level of the largest posterior probability ``sum_k resp_k probs_k`` (the
        first of equal ones), a number by its posterior mean ``sum_k resp_k mean_k``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            As :meth:`fit` takes it.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), or the container of `set_output`
            A copy: of float64 where all levels are numbers that it can hold, else of objects.
            Columns of a frame are of the types of X.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        items = self._read(X)
        resp = self._each(items, "resp")
        codes = items.codes[items.inverse]
        out = np.empty((len(resp), self.n_features_in_), self._dtype())
        for at, (j, levels) in enumerate(zip(items.items, self.categories_, strict=True)):
            code = codes[:, at].astype(np.intp)
            missing = np.flatnonzero(code == 255)
            code[missing] = (resp[missing] @ self.response_probs_[at]).argmax(axis=1)
            out[:, j] = levels[code]
        for at, j in enumerate(items.continuous):
            x = items.numbers[:, at]
            out[:, j] = np.where(np.isnan(x), resp @ self.means_[:, at], x)
        return framed(self, out, X, columns=columns_of(self, out, X))

    def save(self, path):
        """Write the parameters and the fit to one file (npz with JSON, no pickle).

        The file is written beside `path` and then renamed. A `callback` is not saved; a
        `random_state` only where it is an integer.

        Parameters
        ----------
        path : str or path-like
            Where the file goes; one that is there is replaced.

        Raises
        ------
        TypeError
            Levels are no texts, numbers or bool, nor tuples of these. Nothing is written.
        sklearn.exceptions.NotFittedError
            There is no fit.
        """
        check_is_fitted(self)
        items = [j for j in range(self.n_features_in_) if j not in self._continuous]
        for j, levels in zip(items, self.categories_, strict=True):
            for level in levels.tolist():
                if not isinstance(level, (str, bool, int, float, tuple)):
                    name = j if self._columns is None else repr(self._columns[j])
                    raise TypeError(
                        f"column {name} has levels of type {type(level).__name__}, which a file "
                        "does not hold: fit texts instead (astype(str)), or use pickle")
        super().save(path)

    def _check_loaded(self):
        n, p, probs = len(self.weights_), len(self._continuous), self.response_probs_
        check_values(self, shapes={"weights_": (n,), "means_": (n, p), "variances_": (n, p)},
                     positive=("variances_",))
        check_weights(self.weights_)
        if not isinstance(self.categories_, list) or not isinstance(probs, list) or not all(
                isinstance(each, np.ndarray) and each.ndim == 1 and 0 < len(each) < 256
                for each in self.categories_):
            raise ValueError("categories_ are not those of a fit")
        for each in self.categories_:
            if len(set(each.tolist())) != len(each) or (each.dtype.kind in "biuf" and not (
                    np.isfinite(each).all())):
                raise ValueError("categories_ are not those of a fit")
        shapes = [(n, len(each)) for each in self.categories_]
        if [np.shape(each) for each in probs] != shapes:
            raise ValueError("its arrays have shapes that do not fit together")
        for each in probs:
            if not isinstance(each, np.ndarray) or each.dtype != np.float64:
                raise ValueError("response_probs_ are no probabilities")
            check_weights(each, "response_probs_")
        D, columns = self.n_features_in_, self._columns
        if not isinstance(self._continuous, list) or not all(
                count(j) and j < D for j in self._continuous) or (
                len(set(self._continuous)) != p or len(shapes) + p != D):
            raise ValueError("its columns of numbers are none of its columns")
        if columns is not None and not (isinstance(columns, tuple) and len(columns) == D):
            raise ValueError("its columns are not those of a fit")
        if not number(self._concentration) or np.shape(self._reg_covar) != (p,):
            raise ValueError("what it says of the fit is not what a fit says")

    def _try_out(self):
        for name in (*self._saved, "n_iter_", "converged_", "lower_bounds_"):
            getattr(self, name)
        check_kinds(self._kinds, self.n_features_in_)


def entropy_of(resp, weight):
    """``-sum_i w_i sum_k r_ik log r_ik``."""
    return float(-(weight @ (resp * np.log(np.where(resp > 0, resp, 1))).sum(axis=1)))
