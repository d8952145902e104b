"""Multiple imputation: completed copies that differ as much as is not known."""

import os
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from emkernels import _inputs
from emkernels._one_thread import one_thread
from emkernels.components.gaussian.structures import Full, structure_of
from emkernels.kernels import passes
from emkernels.models.containers import framed, kind_of
from emkernels.models.imputation import posterior
from emkernels.models.imputation.gaps import without_empty


def seed_sequence(random_state):
    """A SeedSequence from whatever people call a random state."""
    if random_state is None or isinstance(random_state, (int, np.integer)):
        return np.random.SeedSequence(random_state)
    if isinstance(random_state, np.random.SeedSequence):
        return random_state
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(random_state.integers(2**32, size=8).tolist())
    state = check_random_state(random_state)
    return np.random.SeedSequence(state.randint(0, 2**32, size=8, dtype=np.uint64).tolist())


def in_threads(function, items, n_threads):
    """``[function(item) for item in items]`` in a few threads; the kernels release the GIL."""
    if n_threads is None:
        n_threads = passes.effective_n_threads()
    elif n_threads == -1:
        n_threads = os.cpu_count() or 1
    items = list(items)
    workers = min(n_threads, len(items))
    if workers <= 1:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(workers)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


class MultipleImputation:
    """The part of an imputer that draws."""

    def sample(self, X, n_imputations=5, *, method="bootstrap", random_state=None,
               training_data=None, sample_weight=None, burn_in=200, thinning=None):
        """Completed copies of X that differ as much as is not known: multiple imputation.

        Each copy has its own parameters, drawn with their uncertainty, and its missing cells
        are drawn given those and the observed cells. Analyse each copy and pool: with
        estimates q_i of variances u_i, the pooled variance of their mean is
        ``mean(u) + (1 + 1 / m) var(q)``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        n_imputations : int, default=5
            How many copies are wanted.
        method : {'bootstrap', 'augmentation'}, default='bootstrap'
            'bootstrap': the parameters are those of EM on resampled rows, begun at the
            fitted ones. 'augmentation': those of a Markov chain that draws missing cells and
            parameters in turn, under the estimator's prior (Jeffreys' where it has none);
            not for mixtures.
        random_state : int, SeedSequence, Generator, RandomState or None, default=None
            None: the estimator's. The copies have the same bits for every number of threads.
        training_data : array-like of shape (n_rows, n_features), default=None
            The rows that the parameters are learnt from: those of the fit. None: X itself,
            which is then best all of the rows of the fit. The estimator keeps no rows.
        sample_weight : array-like, default=None
            What the rows of `training_data` (or X) count.
        burn_in : int, default=200
            Steps of a chain before its first parameters are used.
        thinning : int or None, default=None
            None: each imputation has a chain of its own, side by side in threads. A number:
            one chain, with so many steps from one imputation to the next.

        Returns
        -------
        ndarray of shape (n_imputations, n_samples, n_features_out)
            Or a list of the containers of `set_output`, with the index of X.

        Raises
        ------
        ValueError
            Bad arguments, or too few rows to draw parameters from.

        References
        ----------
        D. B. Rubin, Multiple Imputation for Nonresponse in Surveys, 1987.
        J. Honaker, G. King, M. Blackwell, Amelia II, Journal of Statistical Software 45(7), 2011.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import GaussianImputer
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(100, 2)) @ [[1.0, 0.8], [0.0, 0.6]]
        >>> X[::3, 1] = np.nan
        >>> copies = GaussianImputer().fit(X).sample(X, 10, random_state=0)
        >>> copies.shape
        (10, 100, 2)
        >>> estimates, variances = copies[:, :, 1].mean(axis=1), copies[:, :, 1].var(axis=1) / 100
        >>> total = variances.mean() + (1 + 1 / 10) * estimates.var(ddof=1)
        >>> bool(total > variances.mean())
        True
        """
        rows = self._read(X)
        _inputs.check_same_rows(
            X if training_data is None else training_data, sample_weight, "sample_weight")
        for name, value, low in (("n_imputations", n_imputations, 1), ("burn_in", burn_in, 1),
                                 ("thinning", 1 if thinning is None else thinning, 1)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
                raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}")
        if method not in ("bootstrap", "augmentation"):
            raise ValueError(f"method must be 'bootstrap' or 'augmentation', got {method!r}")
        if method == "augmentation" and (
                not isinstance(structure_of(self._fitted_type), Full)
                or len(self._raw().weights) > 1):
            raise ValueError(
                "method='augmentation' is for one Gaussian with a full covariance, not for a "
                "mixture or another covariance_type")
        inner = self._inner(rows)
        completed = [inner.X] * n_imputations
        if inner.patterns is not None:
            basis = inner if training_data is None else self._inner(self._read(training_data))
            completed = self._draws(
                inner, basis.weighed(sample_weight), n_imputations, method,
                self.random_state if random_state is None else random_state, burn_in, thinning)
        out = [self._finish(rows.X, part) for part in completed]
        if kind_of(self) == "default":
            return np.stack(out)
        names = self.get_feature_names_out()
        return [framed(self, part, X, names=names) for part in out]

    def _draws(self, inner, basis, m, method, random_state, burn_in, thinning):
        """`inner` completed m times."""
        scaling, prior = self._scaling, self._fitted.prior
        bare = structure_of(self._fitted_type)
        model = self._standardised(bare, scaling, prior, basis.dtype)
        start = model.to_standard(self._raw())
        seeds = seed_sequence(random_state).spawn(m + 1)
        basis = basis.with_(n_threads=1)
        parameters = [None] * m
        if method == "bootstrap":
            source = posterior.Bootstrap(
                model, basis, start, self._fitted.max_iter, self._fitted.acceleration)
        else:
            source = posterior.Augmentation(model, without_empty(basis), start)
            if thinning is not None:
                rng, last = np.random.default_rng(seeds[m]), None
                with one_thread(len(scaling.scale)):
                    for i in range(m):
                        last = source.chain(rng, burn_in if i == 0 else thinning, last)
                        parameters[i] = last

        def one(i):
            rng, drawn = np.random.default_rng(seeds[i]), parameters[i]
            if drawn is None:
                drawn = source.parameters(rng) if method == "bootstrap" else source.chain(
                    rng, burn_in)
            return posterior.draw(inner, model.to_raw(drawn), rng)

        with one_thread(len(scaling.scale)):
            return in_threads(one, range(m), self.n_threads)
