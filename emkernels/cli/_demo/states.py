"""States of a river: when its flow changed, with and without gaps."""

import csv
from functools import partial
from importlib.resources import files

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns

BUDGET = 1.0
STATES = (1, 2, 3)
HIDDEN = 0.25


def flows_of_the_nile():
    """Years, 1871 to 1970, and the flow of the Nile at Aswan in each, in 1e8 cubic metres, (n, 1).

    G. W. Cobb, The problem of the Nile: conditional solution to a changepoint problem, Biometrika
    65, 1978.
    """
    text = files("emkernels.cli._demo").joinpath("nile.csv").read_text(encoding="utf-8")
    numbers = np.array(list(csv.reader(text.splitlines()[1:])), dtype=np.float64)
    return numbers[:, 0], numbers[:, 1:]


def states_of_a_river(_, seed, n_threads):
    """GaussianHMM of the Nile, and of what is left of it."""
    years, flow = flows_of_the_nile()
    rng = np.random.default_rng(seed)
    gaps = rng.random(flow.shape) < HIDDEN
    rows, records, models = [], [], {}
    for name, X in (("all years", flow), ("with gaps", np.where(gaps, np.nan, flow))):
        for k in STATES:
            model = emkernels.GaussianHMM(k, n_init=10, tol=1e-8, max_iter=1000,
                                          random_state=seed, n_threads=n_threads)
            seconds, (model,), n_rounds = take_turns([partial(model.fit, X)], BUDGET / 6)
            models[name, k] = model
            path = model.decode(X)[1]
            changes = [int(years[at + 1]) for at in np.flatnonzero(np.diff(path))]
            record = {"data": name, "missing": int(np.isnan(X).sum()), "states": k,
                      "bic": model.bic(X), "means": model.means_[:, 0].tolist(),
                      "changes": changes, "seconds": seconds[0], "rounds": n_rounds}
            records.append(record)
            rows.append([name, str(record["missing"]), str(k), f"{record['bic']:.1f}",
                         ", ".join(f"{mean:.0f}" for mean in record["means"]),
                         ", ".join(map(str, changes[:3])) + (", ..." if len(changes) > 3 else ""),
                         duration(seconds[0])])
    best = {name: min((r for r in records if r["data"] == name), key=lambda r: r["bic"])
            for name in ("all years", "with gaps")}
    verdict = " ".join(
        f"{name.capitalize()}: by BIC {record['states']} of {max(STATES)} states, "
        + (f"and another from {' and '.join(map(str, record['changes']))} on."
           if record["changes"] else "and no change.") for name, record in best.items())
    return Section(
        "states", "States of a river",
        "The flow of the Nile at Aswan, 1871 to 1970 (Cobb, 1978), by hidden Markov models with "
        "normal distributions; then with a quarter of the years lost. Changes: years in which "
        "the likeliest path comes into another state. Times: the shortest of "
        f"{rounds_said([r['rounds'] for r in records])}.",
        ["data", "missing", "states", "BIC", "means", "changes", "time"], rows, records,
        left=(0, 4, 5), verdict=verdict,
        pictures=[("states.png", "The flow of the Nile on the colours of its states, and their "
                   "means.", _picture(models["all years", 2], flow, years))])


def _picture(model, flow, years):
    figure = new_figure(10, 3.4)
    ax = emkernels.plotting.plot_states(model, flow, times=years, ax=figure.subplots())
    ax.set(xlabel="year", ylabel="flow, 1e8 cubic metres")
    return figure
