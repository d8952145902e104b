"""Values knocked out of real tables, and how well they are restored."""

import warnings
from functools import partial

import numpy as np

import emkernels
from emkernels.cli._demo._section import Section, new_figure
from emkernels.cli._timing import duration, rounds_said, take_turns, times

BUDGET = 2.0
MISSING = 0.2
NAMES = {"emkernels": "emkernels", "mean": "mean", "knn": "kNN", "iterative": "IterativeImputer"}


def gaps(_, seed, n_threads):
    """GaussianImputer beside scikit-learn's imputers, with their defaults."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401  (what it is for)
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    rows, records, restored = [], [], {}
    for data, load in (("breast cancer", load_breast_cancer), ("diabetes", load_diabetes),
                       ("wine", load_wine)):
        truth = load(as_frame=True).data
        lost = rng.random(truth.shape) < MISSING
        table = truth.mask(lost)
        imputers = {
            "emkernels": emkernels.GaussianImputer(n_threads=n_threads), "mean": SimpleImputer(),
            # distances mean nothing before columns are of one scale
            "knn": make_pipeline(StandardScaler(), KNNImputer()),
            "iterative": IterativeImputer(random_state=seed)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # it stops after its ten rounds, and says so
            seconds, filled, n_rounds = take_turns(
                [partial(imputer.fit_transform, table.to_numpy())
                 for imputer in imputers.values()], BUDGET)
        filled = dict(zip(imputers, filled))
        filled["knn"] = imputers["knn"][0].inverse_transform(filled["knn"])
        seconds = dict(zip(imputers, seconds))
        errors = {name: error_of(values, truth.to_numpy(), lost)
                  for name, values in filled.items()}
        restored[data] = truth, table, filled, lost
        records.append({"data": data, "rows": len(truth), "columns": truth.shape[1],
                        "missing": int(lost.sum()), "error": errors, "seconds": seconds,
                        "rounds": n_rounds})
        rows.append([data, f"{truth.shape[0]} x {truth.shape[1]}"]
                    + [f"{errors[name]:.3f}" for name in NAMES]
                    + [duration(seconds[name]) for name in ("emkernels", "knn", "iterative")])
    return Section(
        "imputation", "Missing values restored",
        f"{100 * MISSING:.0f} % of all values are taken out at random and filled in again. Error: "
        "root mean square over them, in standard deviations of their columns. Times: the shortest "
        f"of {rounds_said([r['rounds'] for r in records])} in turn.",
        ["data", "rows", "error: ours", "mean", "kNN", "Iterative", "time: ours", "kNN",
         "Iterative"],
        rows, records, left=(0, 1),
        verdict=_verdict(records),
        pictures=[("imputation.png", "Breast cancer: every value that was taken out, beside what "
                   "was put in its place; and two columns, filled in.",
                   _picture(*restored["breast cancer"]))])


def error_of(filled, truth, lost):
    """Root mean square error of the lost cells in standard deviations of their columns."""
    return float(np.sqrt(np.mean((((filled - truth) / truth.std(axis=0))[lost]) ** 2)))


def _verdict(records):
    best = [min(r["error"], key=r["error"].get) for r in records]
    won = best.count("emkernels")
    speed = [r["seconds"]["iterative"] / r["seconds"]["emkernels"] for r in records]
    text = (f"The smallest error is that of emkernels on {won} of {len(records)} tables; it takes "
            f"1/{times(min(speed))[:-1]} to 1/{times(max(speed))[:-1]} of the time of "
            "IterativeImputer.")
    for record, name in zip(records, best):
        if name != "emkernels":
            text += f" On {record['data']} it is that of {NAMES[name]}."
    return text


def _picture(truth, table, filled, lost):
    plotting = emkernels.plotting
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    scaled = (truth - truth.mean()) / truth.std()
    for name, color in zip(("mean", "emkernels"), plotting.component_colors(2)[::-1]):
        values = (filled[name] - truth.mean().to_numpy()) / truth.std().to_numpy()
        left.plot(scaled.to_numpy()[lost], values[lost], ".", color=color, markersize=2,
                  alpha=0.5, label={"mean": "mean of the column"}.get(name, name))
    limits = np.percentile(scaled.to_numpy()[lost], [0.1, 99.9])
    left.plot(limits, limits, color="grey", linewidth=1)
    left.set(xlim=limits, ylim=limits, xlabel="value taken out (standard deviations)",
             ylabel="value filled in")
    left.set_title("Restored against true", fontsize="medium")
    left.legend(loc="upper left", markerscale=6, fontsize="small")
    plotting.plot_imputed(table, filled["emkernels"], columns=("mean radius", "worst perimeter"),
                          ax=right)
    return figure
