"""Rows far out: mixtures of Student t, and noise, beside mixtures of normal distributions."""

from functools import partial

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns

BUDGET = 1.0
HARDLY = 0.25       # outlier weight below which a row hardly counts
CAREFUL = {"n_init": 10, "init_params": ("kmeans", "k-means++", "random_from_data"),
           "reg_covar": "auto", "acceleration": "squarem"}


def outliers(_, seed, n_threads):
    """The same rows by a mixture of normal distributions, one with noise, and one of Student t."""
    from sklearn.datasets import load_breast_cancer, load_linnerud
    from sklearn.metrics import adjusted_rand_score

    options = {**CAREFUL, "random_state": seed, "n_threads": n_threads}
    normal = {**options, "init_scaling": "standard", "max_iter": 1000}
    tumours, men = load_breast_cancer(as_frame=True), load_linnerud(as_frame=True).target
    columns = ["mean radius", "area error"]
    rows, records, fits = [], [], {}
    for data, X, truth, k in (
            (f"breast cancer: {' and '.join(columns)}", tumours.data[columns], tumours.target, 2),
            ("20 men: weight, waist, pulse", men, None, 1)):
        models = {
            "normal": emkernels.GaussianMixture(k, **normal),
            "normal and noise": emkernels.GaussianMixture(k, noise=True, **normal),
            "Student t": emkernels.StudentTMixture(k, **options)}
        if truth is None:
            del models["normal and noise"]
        seconds, fitted, n_rounds = take_turns(
            [partial(model.fit, X) for model in models.values()], BUDGET)
        for (name, model), took in zip(models.items(), seconds):
            fits[k, name] = model
            record = {"data": data, "rows": len(X), "model": name, "components": k,
                      "parameters": model.n_parameters_, "bic": model.bic(X),
                      "adjusted_rand": None if truth is None else adjusted_rand_score(
                          truth, model.predict(X)),
                      "far_out": None, "seconds": took, "rounds": n_rounds}
            if name != "normal":
                record["far_out"] = int((
                    model.predict(X) < 0 if name != "Student t"
                    else model.outlier_weight(X) < HARDLY).sum())
            records.append(record)
            rows.append([data, str(len(X)), name, str(record["parameters"]),
                         f"{record['bic']:.1f}",
                         "" if truth is None else f"{record['adjusted_rand']:.3f}",
                         "" if record["far_out"] is None else str(record["far_out"]),
                         duration(took)])
    best = [min((r for r in records if r["components"] == k), key=lambda r: r["bic"])["model"]
            for k in (2, 1)]
    return Section(
        "outliers", "Rows far out",
        "Two groups of tumours by two of their columns, one of which has a long tail; and the "
        "physiology of twenty men, two of whom are unlike the others. A Student t distribution "
        "lets rows far out count less; noise is a component that is everywhere. BIC: the lower "
        "the better. ARI: agreement with the diagnosis (1 is the same, 0 chance). Far out: rows "
        f"that are noise, or have less than {HARDLY} of the weight of a usual row. Times: the "
        f"shortest of {rounds_said([r['rounds'] for r in records])} in turn.",
        ["data", "rows", "model", "parameters", "BIC", "ARI", "far out", "time"],
        rows, records, left=(0, 2),
        verdict=f"BIC chooses {best[0]} for the tumours, and {best[1]} for the men.",
        pictures=[("outliers.png", "The tumours by Student t (solid) and by normal distributions "
                   "(dashed), the rows by how much they count; and which rows are noise to a "
                   "mixture of normal distributions that has such a component.",
                   _picture(fits, tumours.data[columns]))])


def _picture(fits, X):
    figure = new_figure(12.5, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    emkernels.plotting.plot_outliers(fits[2, "Student t"], X, fits[2, "normal"], ax=left)
    emkernels.plotting.plot_mixture(fits[2, "normal and noise"], X, ax=right)
    return figure
