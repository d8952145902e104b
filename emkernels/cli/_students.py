"""Mixtures of Student t for `emkernels cluster --method t`: one for each number of clusters and
shape."""

import warnings

import numpy as np

import emkernels
from emkernels._words import some
from emkernels.cli import _blocks as blocks
from emkernels.cli._fits import Fits
from emkernels.cli._messages import CommandError, count
from emkernels.em import DegenerateFitError

# Starts, and their kinds, where nothing is said: outliers rule some of them.
STARTS, KINDS = 10, ("kmeans", "k-means++", "random_from_data")


def students(options, console, rows, types, parameters):
    """The best of all candidates, and these as the command's JSON has them.

    Parameters
    ----------
    options : argparse.Namespace
    console : Console
    rows : Rows
    types : list of str
        Families of scale matrices.
    parameters : dict
        Of the mixtures.

    Returns
    -------
    best : StudentTMixture
    candidates : list of dict
    """
    criterion = options.criterion or "bic"
    parameters = {"n_init": STARTS, "init_params": KINDS, "reg_covar": "auto",
                  "acceleration": "squarem", **parameters}
    fits, candidates = [], []
    with console.progress("fitting", total=len(types) * len(options.clusters)) as bar:
        if bar.callback is not None:
            parameters["callback"] = Fits(
                bar, lambda of: f"{len(of.means)} {of.structure.name}")
        for type_ in types:
            for k in options.clusters:
                row = {"k": k, "covariance": type_, "parameters": 0, "iterations": 0,
                       "log_likelihood": -np.inf, "bic": np.inf, "aic": np.inf, "icl": np.inf,
                       "converged": False, "error": None, "collapsed": [],
                       "collapsed_columns": [], "below": None, "remarks": ""}
                candidates.append(row)
                try:
                    model = _fit(k, type_, parameters, rows)
                except DegenerateFitError as error:
                    row["error"] = str(error)
                    continue
                _describe(row, model, rows)
                fits.append((row, model))
    fits = _raised(fits, parameters, rows)
    if not fits:
        raise CommandError(f"{options.input}: no mixture could be fitted; the last: "
                           f"{candidates[-1]['error']}")
    sound = [each for each in fits if not each[0]["collapsed"]]
    row, best = min(sound or fits, key=lambda each: each[0][criterion])
    better = sum(other[criterion] < row[criterion] for other, _ in fits)
    if sound and better:
        console.warn(f"{options.input}: {better} of {len(fits)} candidates "
                     f"{'has' if better == 1 else 'have'} a lower {criterion} than the chosen one "
                     f"of {count(row['k'], 'cluster')}, but collapsed clusters, for which it says "
                     "nothing: not chosen")
    edge = {max(options.clusters): "largest that was tried: there may be more",
            min(options.clusters): "smallest that was tried: there may be fewer"}.get(row["k"])
    if sound and edge and len(set(options.clusters)) > 1 and row["k"] > 1:
        console.warn(f"{options.input}: the number of clusters chosen, {row['k']}, is the {edge}")
    best.set_params(callback=None)
    if not best.converged_:
        console.warn(f"{options.input}: EM with {count(best.n_components, 'cluster')} did not "
                     f"converge in {count(best.n_iter_, 'iteration')}: a larger --max-iter gives "
                     "it more")
    if len(best.degenerate_components_):
        console.warn(f"{options.input}: every candidate has collapsed clusters, so the criterion "
                     "does not tell how many there are")
    return best, candidates


def _fit(k, type_, parameters, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # the table says it of each
        return blocks.fitted(emkernels.StudentTMixture(k, type_, **parameters), rows)


def _describe(row, model, rows):
    """What the table says of a fit."""
    collapsed = model.degenerate_components_.tolist()
    row.update(
        parameters=model.n_parameters_, iterations=model.n_iter_,
        **model.criteria(rows), converged=model.converged_, collapsed=collapsed,
        remarks=f"collapsed: {some([str(c) for c in collapsed])}" if collapsed else "")


def _raised(fits, parameters, rows):
    """More clusters are never less likely: a fit below a smaller one has missed the maximum, and
    goes on from that, its heaviest clusters in halves. What stays below says so in its row."""
    out, best = [], {}
    for row, model in sorted(fits, key=lambda fit: fit[0]["k"]):
        smaller = best.get(row["covariance"])
        if smaller is not None and smaller[0]["k"] < row["k"] and _is_below(row, smaller[0]):
            try:
                other = _fit(row["k"], row["covariance"],
                             {**parameters, "callback": None, "n_init": 1,
                              **_split(smaller[1], row["k"])}, rows)
            except ValueError:      # it collapsed
                other = model
            if (other.lower_bound_ > model.lower_bound_
                    and not len(other.degenerate_components_) > len(row["collapsed"])):
                model = other
                _describe(row, model, rows)
            if _is_below(row, smaller[0]):
                row["below"] = smaller[0]["k"]
                row["remarks"] = "; ".join(
                    [row["remarks"]] * bool(row["remarks"])
                    + [f"a poor maximum: likelier with {row['below']}"])
        out.append((row, model))
        if not row["collapsed"] and (smaller is None or not _is_below(row, smaller[0])):
            best[row["covariance"]] = row, model
    return out


def _is_below(row, other):
    mine, theirs = row["log_likelihood"], other["log_likelihood"]
    return mine < theirs - 1e-3 - 1e-9 * abs(theirs)


def _split(model, k):
    """Start values of k clusters: the heaviest of fewer in two halves each, beside each other."""
    weights, means, scatters = (
        getattr(model, name).copy() for name in ("weights_", "means_", "scatters_"))
    while len(weights) < k:
        at = int(weights.argmax())
        values, vectors = np.linalg.eigh(scatters[at])
        step = 0.5 * np.sqrt(values[-1]) * vectors[:, -1]
        weights[at] /= 2
        weights, scatters = np.append(weights, weights[at]), np.append(
            scatters, scatters[at][None], axis=0)
        means = np.vstack([means, means[at] + step])
        means[at] -= step
    return {"weights_init": weights / weights.sum(), "means_init": means, "scatters_init": scatters}
