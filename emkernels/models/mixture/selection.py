"""Choosing a mixture by an information criterion."""

import copy

import numpy as np

from emkernels._callers import listening, warn
from emkernels._words import some
from emkernels.components.gaussian.structures import (
    COVARIANCE_TYPES,
    LETTERED,
    is_within,
    same_as,
)
from emkernels.data import Rows, checks
from emkernels.data.source import Source
from emkernels.em import DegenerateFitError, DegenerateWarning, EMWarning
from emkernels.models.candidates import check_sizes, is_below
from emkernels.models.jobs import Seeded, check_n_jobs, fitted
from emkernels.models.mixture.candidates import SelectionResult
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.mixture.fitted import examination_of, parameters_of, renamed

CRITERIA = ("bic", "aic", "icl")

# How a mixture is fitted where a number of components is to be chosen, or a result to be looked
# at: a criterion compares maxima, so they are looked for with care, and units do not matter.
CAREFUL = {
    "n_init": 30, "short_iter": 10, "init_params": ("kmeans", "k-means++", "random_from_data"),
    "init_scaling": "standard", "reg_covar": "auto", "convergence": "distance", "tol": 1e-3,
    "max_iter": 1000, "acceleration": "squarem",
}
# Most passes where there are no more rows than columns: only reg_covar keeps the likelihood from
# growing without end, and there is nothing to converge to.
WIDE = 100
STARTS = ("weights_init", "means_init", "precisions_init")


def select_mixture(X, n_components=range(1, 10), covariance_types=("full",), criterion="bic", *,
                   sample_weight=None, allow_degenerate=False, n_jobs=None, progress=False,
                   **parameters):
    """Fit a mixture for every number of components and covariance type, keep the best.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or Chunks
        Of :class:`emkernels.data.Chunks`, all candidates are fitted to the same blocks.
    n_components : int or iterable of int
        Numbers above that of the rows are left out, as their rows of the table say.
    covariance_types : str or iterable of str
        Those of :class:`GaussianMixture`. 'all': the fourteen of three letters, as mclust's
        Mclust. Where types are the same, as all of one component whose matrices are of one kind,
        one fit stands for them, and the first of them is chosen.
    criterion : {'bic', 'aic', 'icl'}
        The lower the better.
    sample_weight : array-like of shape (n_samples,), optional
        The criteria take a weight for a number of rows, so that its unit matters to them.
    allow_degenerate : bool, default=False
        Choose among the mixtures, and the starts, with collapsed components too (see
        `GaussianMixture.degenerate_components_`). Their criterion is low for nothing, a spike
        in the data being as likely as one likes, so they are marked in the table, and by
        default not chosen unless there is no other.
    n_jobs : int, optional
        Candidates that are fitted side by side, each in a process of joblib's; -1: as many as
        there are processors. The result has the same bits for every number. A `callback` is
        called in those processes, unseen by this one, which a warning says. Not with Chunks.
        None: one after the other, in all threads.
    progress : bool or callable, default=False
        True: a bar in a notebook (with tqdm), a line on a terminal, else a line for each
        candidate. A function is called with (done, total, text).
    **parameters
        Further parameters of :class:`GaussianMixture`. Not all defaults are those of the class:
        ``n_init=30, short_iter=10, init_params=('kmeans', 'k-means++', 'random_from_data'),
        init_scaling='standard', reg_covar='auto', convergence='distance', tol=1e-3,
        max_iter=1000, acceleration='squarem'``: maxima are compared, so they are looked for
        with more care, and the units of the columns do not matter. Where there are no more rows
        than columns, and so no maximum, ``max_iter=100``, unless `covariance_prior` is set.

    Returns
    -------
    SelectionResult
        The best mixture, and a table of all.

    Raises
    ------
    ValueError
        An unknown criterion, no candidate, or no candidate that could be fitted.

    Warns
    -----
    DegenerateWarning
        Candidates with collapsed components have a lower criterion than the one chosen, or there
        is no other.
    EMWarning
        The number chosen is the largest or the smallest (above 1) that was tried. What the fit
        of the chosen one warned about comes as well.

    See Also
    --------
    GaussianMixture : The model, whose `degenerate_components_` say what has collapsed.
    SelectionResult : What is returned.
    emkernels.plotting.plot_selection : The criteria of the table, drawn.

    References
    ----------
    L. Scrucca, M. Fop, T. B. Murphy, A. E. Raftery, mclust 5: clustering, classification and
    density estimation using Gaussian finite mixture models, The R Journal 8, 2016 (all types).
    G. Schwarz, Annals of Statistics 6, 1978 (BIC); C. Biernacki, G. Celeux, G. Govaert, IEEE
    Trans. PAMI 22, 2000 (ICL).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_mixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 8])
    >>> result = select_mixture(X, range(1, 5), random_state=0)
    >>> result.best.n_components
    2
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    sizes, types = _check_candidates(n_components, covariance_types)
    rows = X
    if not isinstance(X, Source):
        rows = Rows.read(X, GaussianMixture())
        checks.check_labelled(GaussianMixture(), rows, sample_weight)
        rows = rows.weighed(sample_weight, rows.largest)
    elif sample_weight is not None:
        raise ValueError("the weights of blocks are those of their source: leave sample_weight out")
    elif check_n_jobs(n_jobs) > 1:
        raise ValueError("n_jobs is for rows in memory: fits of blocks go over them one after the "
                         "other, in n_threads threads")
    n_rows = len(rows)
    few = [size for size in sizes if size <= n_rows]
    options = {**CAREFUL, **parameters}
    if n_rows <= rows.n_features and options.get("covariance_prior") is None:
        options["max_iter"] = parameters.get("max_iter", WIDE)
    wanted = [size for size in sizes if not few or size <= n_rows]
    seeded, tasks = Seeded(options), {}
    for type_ in types:
        for size in wanted:
            same = same_as(type_, size, rows.n_features), size
            if same not in tasks:
                tasks[same] = size, type_, seeded.next()
    fits, table, done = [], [], {}
    with fitted(fit_candidate, list(tasks.values()), (rows, not allow_degenerate), n_jobs=n_jobs,
                progress=progress, told=_told, callback=parameters.get("callback")) as results:
        for type_ in types:
            for size in sizes:
                row = _empty_row(size, type_)
                table.append(row)
                if size not in wanted:
                    row["error"] = f"more components than the {n_rows} rows"
                    continue
                same = same_as(type_, size, rows.n_features), size
                if same in done:
                    done[same] = _named(done[same], row)
                else:
                    found = next(results)
                    done[same] = found if isinstance(found, str) else Candidate(
                        row, seeded.restore(found[0]), *found[1:], rows, not allow_degenerate)
                if isinstance(done[same], str):
                    row["error"] = done[same]
                else:
                    fits.append(done[same])
            # what has a prior is not the likeliest
            if all(options.get(name) is None
                   for name in ("covariance_prior", "weight_concentration")):
                own = [fit for fit in fits if fit.row["covariance_type"] == type_]
                _raise_to_narrower(own, fits, options)
                _raise_falls(own, options)
    if not fits:
        raise DegenerateFitError(f"no candidate could be fitted; the last: {table[-1]['error']}")
    if rows.weighted:
        _warn_about_unit(rows)
    if isinstance(X, Source):
        X.verify()
    return _chosen(fits, table, criterion, allow_degenerate, few, n_rows)


def _check_candidates(n_components, covariance_types):
    """The numbers of components and the types, each once."""
    sizes = check_sizes(n_components, "n_components")
    types = [covariance_types]
    if hasattr(covariance_types, "__iter__") and not isinstance(covariance_types, str):
        types = list(covariance_types)
    if "all" in types:
        at = types.index("all")
        types[at:at + 1] = LETTERED
    for type_ in types:
        if type_ not in COVARIANCE_TYPES:
            raise ValueError(f"covariance_types must be some of {', '.join(COVARIANCE_TYPES)}, or "
                             f"'all', got {type_!r}")
    if not types:
        raise ValueError("covariance_types must name at least one type")
    return sizes, list(dict.fromkeys(types))


def _empty_row(size, type_):
    return {"n_components": size, "covariance_type": type_, "n_parameters": 0,
            "log_likelihood": -np.inf, "bic": np.inf, "aic": np.inf, "icl": np.inf,
            "converged": False, "n_iter": 0, "error": None, "degenerate": [],
            "degenerate_columns": [], "below": None}


def fit_candidate(rows, avoid_spikes, size, type_, parameters):
    """A fit, what it had to say of itself, for the chosen one to say, and what its row of the table
    says; or why there is none."""
    try:
        return _fit(GaussianMixture(size, covariance_type=type_, **parameters), rows, avoid_spikes)
    except DegenerateFitError as error:
        return str(error)


def _fit(model, rows, avoid_spikes):
    with listening() as heard:
        model._fit(rows, None, None, avoid_spikes=avoid_spikes)
    columns = {j for some_ in examination_of(model).spikes.values() for j in some_}
    return model, heard, {
        "n_parameters": model._n_parameters(), **model._criteria(rows, None, entropy=True),
        "converged": model.converged_, "n_iter": model.n_iter_,
        "degenerate": model.degenerate_components_.tolist(),
        "degenerate_columns": [rows.column_names[j] for j in sorted(columns)]}


def _told(found):
    """What progress says of a candidate."""
    if isinstance(found, str):
        return found
    model, _, facts = found
    return (f"n_components {model.n_components}, {model.covariance_type}: BIC {facts['bic']:.3f}"
            + ("" if facts["converged"] else ", not converged"))


class Candidate:
    """A candidate that was fitted, its row of the table, and what the fit warned about."""

    def __init__(self, row, model, said, facts, rows, avoid_spikes):
        self.row, self.rows, self.avoid_spikes = row, rows, avoid_spikes
        self._take(model, said, facts)

    def _take(self, model, said, facts):
        self.model, self.said = model, said
        self.row.update(facts)

    def go_on_from(self, other, options):
        """Take what EM makes of the components of another fit, some of them split where it has
        fewer, where that is likelier, and has not collapsed."""
        start = split_components(other.model, self.row["n_components"])
        model = GaussianMixture(
            self.row["n_components"], covariance_type=self.row["covariance_type"],
            **{**options, **start, "n_init": 1, "short_iter": None, "init_scaling": None})
        try:
            model, said, facts = _fit(model, self.rows, self.avoid_spikes)
        except ValueError:      # it collapsed, or its precisions were lost in rounding before
            return
        # a spike is likely for nothing, and would cost the candidate a sound fit
        collapsed_now = (self.avoid_spikes and not self.row["degenerate"]
                         and len(model.degenerate_components_))
        if model.lower_bound_ > self.model.lower_bound_ and not collapsed_now:
            self._take(model, said, facts)


def _named(done, row):
    """A candidate that another type stands for, or its error, in a row of its own."""
    if isinstance(done, str):
        return done
    out = copy.copy(done)
    out.model = renamed(done.model, row["covariance_type"])
    row.update({**done.row, "covariance_type": row["covariance_type"]})
    out.row = row
    return out


def split_components(model, n_components):
    """Start values of a larger mixture: the heaviest components in two halves each, beside each
    other along their longest axis.

    Parameters
    ----------
    model : GaussianMixture
        Fitted.
    n_components : int
        More than the model has.

    Returns
    -------
    dict
        weights_init, means_init, precisions_init.
    """
    parameters = parameters_of(model)
    structure, weights = parameters.structure, parameters.own_weights.copy()
    means = parameters.means.copy()
    # those of float32 would be indefinite where columns nearly depend on each other
    precisions = structure.precisions(parameters.precisions_cholesky)
    origin = np.arange(len(weights))
    while len(weights) < n_components:
        k = int(weights.argmax())
        values, vectors = np.linalg.eigh(parameters.covariance(origin[k]))
        step = 0.5 * np.sqrt(values[-1]) * vectors[:, -1]
        weights[k] /= 2
        weights, origin = np.append(weights, weights[k]), np.append(origin, origin[k])
        means = np.vstack([means, means[k] + step])
        means[k] -= step
    weights = np.append(weights, parameters.weights[len(parameters.means):])    # of noise
    return {"weights_init": weights / weights.sum(), "means_init": means,
            "precisions_init": structure.outer(
                structure.reordered(precisions, origin), *means.shape)}


def _raise_to_narrower(own, fits, options):
    """A family that has all the covariances of another is never less likely: a fit below that of
    the other goes on from it."""
    if any(options.get(name) is not None for name in STARTS):
        return
    for fit in own:
        likelier = [
            other for other in fits
            if other.row["n_components"] == fit.row["n_components"]
            and is_within(other.row["covariance_type"], fit.row["covariance_type"])
            and not other.row["degenerate"] and is_below(fit.row, other.row)]
        if likelier:
            fit.go_on_from(max(likelier, key=lambda other: other.row["log_likelihood"]), options)


def _raise_falls(fits, options):
    """More components are never less likely: a fit below a smaller one has missed the maximum, and
    goes on from that. What stays below says so in its row."""
    best = None
    for fit in sorted(fits, key=lambda fit: fit.row["n_components"]):
        if (best is not None and best.row["n_components"] < fit.row["n_components"]
                and is_below(fit.row, best.row)):
            if all(options.get(name) is None for name in STARTS):
                fit.go_on_from(best, options)
            if is_below(fit.row, best.row):
                fit.row["below"] = best.row["n_components"]
        # a spike is likely for nothing
        if not fit.row["degenerate"] and (best is None or not is_below(fit.row, best.row)):
            best = fit


def _warn_about_unit(rows):
    """Weights that are shares, not numbers of rows: nothing is left of the penalty."""
    total, n_rows = rows.total, rows.n_positive
    if total < 0.1 * n_rows:
        warn(
            f"sample_weight sums to {total:.6g} for {n_rows} rows: the criteria take it for a "
            "number of rows, and so few bear no penalty, or a negative one. Scale the weights to "
            "sum to the number of rows", EMWarning)


def _chosen(fits, table, criterion, allow_degenerate, sizes, n_rows):
    """The result, and what has to be said of the choice."""
    lowest = min(fits, key=lambda fit: fit.row[criterion])
    sound = fits if allow_degenerate else [fit for fit in fits if not fit.row["degenerate"]]
    chosen = min(sound or fits, key=lambda fit: fit.row[criterion])
    row = chosen.row
    degenerate, notes = [], []
    if not sound and len(table) > 1:    # of a single one its fit says it
        degenerate.append(
            "every candidate has collapsed components, so the criterion does not tell how many "
            "there are; fewer components, covariance_prior='empirical', or fewer columns may")
    elif sound and lowest is not chosen and not allow_degenerate:
        columns = sorted({name for fit in fits for name in fit.row["degenerate_columns"]})
        better = sum(fit.row[criterion] < row[criterion] for fit in fits)
        own = f"{row['n_components']} component{'s' * (row['n_components'] > 1)}"
        degenerate.append(
            f"{better} of {len(fits)} candidates {'has' if better == 1 else 'have'} a lower "
            f"{criterion} than the chosen one of {own}, but collapsed components (in "
            f"{some(columns)}), for which it says nothing: not chosen. "
            "covariance_prior='empirical', or leaving out columns of few values, keeps components "
            "from collapsing")
    if sound and len(sizes) > 1 and row["n_components"] == max(sizes) < n_rows:
        notes.append(f"the number of components chosen, {max(sizes)}, is the largest that was "
                     "tried: there may be more")
    elif sound and len(sizes) > 1 and row["n_components"] == min(sizes) > 1:
        notes.append(f"the number of components chosen, {min(sizes)}, is the smallest that was "
                     "tried: there may be fewer")
    for texts, category in ((degenerate, DegenerateWarning), (notes, EMWarning)):
        for text in texts:
            warn(text, category)
    for text, category in chosen.said:
        warn(text, category)
    return SelectionResult(chosen.model, criterion, table)
