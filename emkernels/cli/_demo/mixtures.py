"""Gaussian mixtures of real data beside scikit-learn: the same likelihood, the time of both."""

import math
from functools import partial

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns, times

# seconds for the rounds of one fit
BUDGET = 2.0


def mixtures(photograph, seed, n_threads):
    """Whole fits of both libraries from the same seed."""
    from sklearn.datasets import load_iris, load_wine
    from sklearn.mixture import GaussianMixture as Peer

    iris, wine = load_iris(as_frame=True).data, load_wine().data
    pixels = photograph[::2, ::2].reshape(-1, 3) / 255.0
    fits, rows, records = {}, [], []
    for data, X, n_components, type_ in (
            ("iris", iris.to_numpy(), 3, "full"), ("iris", iris.to_numpy(), 3, "tied"),
            ("wine", wine, 3, "full"), ("wine", wine, 3, "diag"),
            ("china.jpg", pixels, 8, "full"), ("china.jpg", pixels, 8, "diag")):
        options = {"covariance_type": type_, "random_state": seed}
        ours = emkernels.GaussianMixture(n_components, n_threads=n_threads, **options)
        seconds, (ours, peer), n_rounds = take_turns(
            [partial(ours.fit, X), partial(Peer(n_components, **options).fit, X)], BUDGET)
        fits[data, type_] = ours
        record = {
            "data": data, "rows": X.shape[0], "columns": X.shape[1], "components": n_components,
            "covariance_type": type_, "iterations": ours.n_iter_,
            "scikit_learn_iterations": peer.n_iter_, "log_likelihood": ours.score(X),
            "difference": abs(ours.score(X) - peer.score(X)), "seconds": seconds[0],
            "scikit_learn_seconds": seconds[1], "ratio": seconds[1] / seconds[0],
            "rounds": n_rounds}
        records.append(record)
        rows.append([
            data, f"{X.shape[0]} x {X.shape[1]}", str(n_components), type_, str(ours.n_iter_),
            f"{record['log_likelihood']:.5f}", f"{record['difference']:.0e}",
            duration(seconds[0]), duration(seconds[1]), times(record["ratio"])])
    ratio = math.exp(np.mean(np.log([record["ratio"] for record in records])))
    return Section(
        "mixtures", "Gaussian mixtures beside scikit-learn",
        "Whole fits with their K-means start, from the same seed; china.jpg: every second pixel of "
        "every second line. Log-likelihood of a row, and how far apart those of the libraries are. "
        f"Times: the shortest of {rounds_said([r['rounds'] for r in records])} in turn.",
        ["data", "rows", "K", "type", "steps", "log-likelihood", "apart", "emkernels",
         "scikit-learn", "faster"], rows, records, left=(0, 1, 3),
        verdict=f"The same fits to {max(r['difference'] for r in records):.0e}, "
                f"{times(ratio)} as fast in the geometric mean.",
        pictures=[("iris.png", "Iris: three components, as ellipses at one and two standard "
                   "deviations, and how sure the component of each flower is.",
                   _picture(fits["iris", "full"], iris))])


def _picture(model, iris):
    plotting = emkernels.plotting
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    model = emkernels.GaussianMixture(**model.get_params()).fit(iris)   # with names of columns
    plotting.plot_mixture(model, iris, columns=(2, 3), density=True, ax=left)
    plotting.plot_responsibilities(model, iris, columns=(2, 3), ax=right)
    return figure
