"""Factors of a psychology table with gaps, beside what people do without a model of gaps."""

import csv
import warnings
from functools import partial
from importlib.resources import files

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns

BUDGET = 1.0
FACTORS = 3
SHARES = (0.02, 0.1, 0.2)


def psychology_table():
    """Nine tests of ability of 301 pupils, and the names of the tests.

    K. J. Holzinger, F. Swineford, A study in factor analysis: the stability of a bi-factor
    solution, Supplementary Educational Monographs 48, University of Chicago, 1939.
    """
    text = files("emkernels.cli._demo").joinpath("holzinger.csv").read_text(encoding="utf-8")
    head, *lines = csv.reader(text.splitlines())
    return np.array([line[1:] for line in lines], dtype=np.float64), head[1:]


def factors(_, seed, n_threads):
    """FactorAnalysis of what is left of a table, beside complete rows only and means filled in."""
    from sklearn.decomposition import FactorAnalysis as Peer

    X, names = psychology_table()
    options = {"rotation": "varimax", "random_state": seed, "n_threads": n_threads}
    whole = emkernels.FactorAnalysis(FACTORS, **options).fit(X)
    rng, rows, records = np.random.default_rng(seed), [], []
    for share in SHARES:
        table = np.where(rng.random(X.shape) < share, np.nan, X)
        complete = table[~np.isnan(table).any(axis=1)]
        filled = np.where(np.isnan(table), np.nanmean(table, axis=0), table)
        ours = emkernels.FactorAnalysis(FACTORS, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # few complete rows leave columns without noise
            seconds, (ours, few, means), n_rounds = take_turns(
                [partial(ours.fit, table),
                 partial(emkernels.FactorAnalysis(FACTORS, **options).fit, complete),
                 partial(Peer(FACTORS, rotation="varimax", tol=1e-8, max_iter=10000).fit, filled)],
                BUDGET)
        errors = {name: distance(model.components_, whole.components_)
                  for name, model in (("emkernels", ours), ("complete", few), ("means", means))}
        records.append({"missing": int(np.isnan(table).sum()), "complete_rows": len(complete),
                        "error": errors, "iterations": ours.n_iter_, "seconds": seconds[0],
                        "rounds": n_rounds})
        rows.append([f"{100 * share:.0f} %", str(len(complete)),
                     *(f"{errors[name]:.3f}" for name in ("emkernels", "complete", "means")),
                     str(ours.n_iter_), duration(seconds[0])])
    won = sum(min(r["error"], key=r["error"].get) == "emkernels" for r in records)
    return Section(
        "factors", "Factors of a psychology table with gaps",
        f"Nine tests of {len(X)} pupils (Holzinger and Swineford, 1939), {FACTORS} factors, "
        "varimax. Cells are taken out at random; error: root mean square difference of the "
        "loadings from those of the whole table, in points of the tests. FactorAnalysis goes by "
        "the likelihood of what is left; beside it the rows that are left complete, and means "
        f"filled in (scikit-learn). Times: the shortest of "
        f"{rounds_said([r['rounds'] for r in records])} in turn.",
        ["missing", "complete rows", "error: ours", "complete rows", "means", "steps", "time"],
        rows, records,
        verdict=f"The smallest error is that of the likelihood on {won} of {len(records)} tables.",
        pictures=[("factors.png", "What the tests load on, from the whole table, and how many "
                   "factors it has more of than chance.", _picture(X, names, seed, options))])


def distance(loadings, others):
    """Root mean square difference of loadings (q, D), factors matched and signs turned."""
    from scipy.optimize import linear_sum_assignment

    products = loadings @ others.T
    of_ours, of_theirs = linear_sum_assignment(-np.abs(products))
    signs = np.sign(products[of_ours, of_theirs])
    return float(np.sqrt(np.mean((signs[:, None] * loadings[of_ours] - others[of_theirs]) ** 2)))


def _picture(X, names, seed, options):
    import pandas as pd

    figure = new_figure(11, 4.6)
    left, right = figure.subplots(1, 2)
    table = pd.DataFrame(X, columns=names)
    model = emkernels.FactorAnalysis(FACTORS, **options).fit(table)
    emkernels.plotting.plot_loadings(model, ax=left)
    emkernels.plotting.plot_scree(
        emkernels.parallel_analysis(table, random_state=seed), ax=right)
    return figure
