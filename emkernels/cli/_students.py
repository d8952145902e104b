"""Mixtures of Student t for `emkernels cluster --method t`: one for each number of clusters and
shape."""

import warnings

import numpy as np

import emkernels
from emkernels._words import some
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
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")     # the table says it of each
                    try:
                        model = emkernels.StudentTMixture(k, type_, **parameters).fit(rows)
                    except DegenerateFitError as error:
                        row["error"] = str(error)
                        continue
                collapsed = model.degenerate_components_.tolist()
                remarks = [f"collapsed: {some([str(c) for c in collapsed])}"] * bool(collapsed)
                row.update(
                    parameters=model.n_parameters_, iterations=model.n_iter_,
                    log_likelihood=model.score(rows) * len(rows), bic=model.bic(rows),
                    aic=model.aic(rows), icl=model.icl(rows), converged=model.converged_,
                    collapsed=collapsed, remarks="; ".join(remarks))
                fits.append((row, model))
    if not fits:
        raise CommandError(f"{options.input}: no mixture could be fitted; the last: "
                           f"{candidates[-1]['error']}")
    sound = [each for each in fits if not each[0]["collapsed"]] or fits
    _, best = min(sound, key=lambda each: each[0][criterion])
    best.set_params(callback=None)
    if not best.converged_:
        console.warn(f"{options.input}: EM with {count(best.n_components, 'cluster')} did not "
                     f"converge in {count(best.n_iter_, 'iteration')}: a larger --max-iter gives "
                     "it more")
    if len(best.degenerate_components_):
        console.warn(f"{options.input}: every candidate has collapsed clusters, so the criterion "
                     "does not tell how many there are")
    return best, candidates
