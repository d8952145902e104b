"""Latent classes of votes with gaps: how many, and answers restored."""

import csv
from functools import partial
from importlib.resources import files

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns

BUDGET = 1.0
CLASSES = (1, 2, 3, 4, 5, 6)
STARTS = 20
HIDDEN = 0.1


def table_of_votes():
    """Sixteen votes of 435 members of the House in 1984, None where nobody knows, the names of the
    bills, and the members' parties.

    Congressional Quarterly Almanac 40, 1985; given by J. Schlimmer to the UCI Machine Learning
    Repository, 1987 (CC BY 4.0).
    """
    text = files("emkernels.cli._demo").joinpath("votes.csv").read_text(encoding="utf-8")
    head, *lines = csv.reader(text.splitlines())
    votes = np.array([[cell or None for cell in line[1:]] for line in lines], dtype=object)
    return votes, head[1:], np.array([line[0] for line in lines])


def latent_classes(_, seed, n_threads):
    """LatentClassAnalysis of the votes, and of what is left when a tenth of them is hidden."""
    from sklearn.metrics import adjusted_rand_score

    votes, names, party = table_of_votes()
    known = votes != np.array(None)
    hidden = known & (np.random.default_rng(seed).random(votes.shape) < HIDDEN)
    left = np.where(hidden, None, votes)
    usual = [max(("no", "yes"), key=list(column).count) for column in left.T]
    plain = float((np.broadcast_to(usual, votes.shape)[hidden] == votes[hidden]).mean())
    rows, records = [], []
    for k in CLASSES:
        model = emkernels.LatentClassAnalysis(
            k, n_init=STARTS, random_state=seed, n_threads=n_threads)
        seconds, (model,), n_rounds = take_turns(
            [partial(model.fit, votes)], BUDGET / len(CLASSES))
        other = emkernels.LatentClassAnalysis(
            k, n_init=STARTS, random_state=seed, n_threads=n_threads).fit(left)
        right = float((other.impute(left)[hidden] == votes[hidden]).mean())
        records.append({
            "classes": k, "parameters": model.n_parameters_, "bic": model.bic(votes),
            "entropy": model.entropy_, "adjusted_rand": adjusted_rand_score(
                party, model.predict(votes)),
            "restored": right, "restored_by_majority": plain, "hidden": int(hidden.sum()),
            "seconds": seconds[0], "rounds": n_rounds})
        rows.append([str(k), str(model.n_parameters_), f"{records[-1]['bic']:.1f}",
                     f"{model.entropy_:.3f}", f"{records[-1]['adjusted_rand']:.3f}",
                     f"{100 * right:.1f} %", duration(seconds[0])])
    best = min(records, key=lambda record: record["bic"])
    return Section(
        "classes", "Classes of members by their votes",
        f"Sixteen votes of {len(votes)} members of the House of Representatives in 1984, "
        f"{int((~known).sum())} of them unknown; latent classes, {STARTS} random starts each. BIC: "
        "the lower the better. Entropy: 1 where every member is sure of the class. ARI: agreement "
        "with the parties. Restored: a tenth of the votes is hidden, and told by the class "
        f"(by the majority of all: {100 * plain:.1f} %). Times: the shortest of "
        f"{rounds_said([r['rounds'] for r in records])}.",
        ["classes", "parameters", "BIC", "entropy", "ARI", "restored", "time"], rows, records,
        verdict=f"BIC chooses {best['classes']} classes; two are nearly the parties. Knowing the "
                f"class tells {100 * best['restored']:.0f} % of the hidden votes.",
        pictures=[("classes.png", "What members of three classes vote, the bills that tell them "
                   "apart best first.", _picture(votes, names, seed, n_threads))])


def _picture(votes, names, seed, n_threads):
    import pandas as pd

    model = emkernels.LatentClassAnalysis(
        3, n_init=STARTS, random_state=seed, n_threads=n_threads).fit(
            pd.DataFrame(votes, columns=names))
    figure = new_figure(9, 6.2)
    emkernels.plotting.plot_response_probs(model, sort=True, ax=figure.subplots())
    return figure
