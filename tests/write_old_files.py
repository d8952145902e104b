"""Writes the files of tests/data, and says what is asked of them when they are read.

The files there were written by emkernels 0.1.0, and are there to show that later versions read
what it has written. They are NOT to be written again: a change that cannot read them is a change
that breaks people's files. Files of a later format get a folder of their own beside them:

    python tests/write_old_files.py tests/data/VERSION
"""

import dataclasses
import json
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np

from emkernels import (
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    Segmentation,
    SufficientStatistics,
    compare_clusterings,
    em,
    kernels,
    little_mcar_test,
    missing_data_summary,
    pool,
    segment_image,
    select_mixture,
)

TYPES = ("full", "tied", "diag", "spherical")


# --- what is asked ------------------------------------------------------------------------------


def attributes(thing):
    """Public names of what a fit or a result holds, wall times left out."""
    if dataclasses.is_dataclass(thing):
        names = [field.name for field in dataclasses.fields(thing)]
    elif hasattr(thing, "_fields"):
        names = thing._fields
    elif isinstance(thing, Segmentation):
        names = ("labels", "n_segments", "n_nodata", "colors", "sizes", "fractions", "posteriors",
                 "model", "method", "smoothness", "selection", "n_iter", "converged",
                 "lower_bounds", "limits", "lines", "without_data")
    elif isinstance(thing, kernels.MissingPatterns):
        names = ("n_features", "order", "offsets", "counts", "n_missing", "masks", "largest",
                 "n_missing_values")
    elif isinstance(thing, SufficientStatistics):
        names = ("covariance_type", "centers", "counts", "first", "second", "log_likelihood")
    elif hasattr(thing, "get_params"):
        names = sorted(name for name in {*dir(type(thing)), *vars(thing)}
                       if name.endswith("_") and not name.startswith("_"))
    else:
        return None
    return [name for name in names
            if not name.endswith("_seconds") and hasattr(thing, name)]


def asked(thing, inputs):
    """What methods answer."""
    X, gaps = inputs["X"], inputs["gaps"]
    if isinstance(thing, GaussianMixture) and not hasattr(thing, "means_"):
        return {"parameters": repr(thing)}
    if isinstance(thing, GaussianMixture):
        d = thing.means_.shape[1]
        few, holes = X[:5, :d].copy(), gaps[:5, :d].copy()
        few, holes = few.astype(thing.means_.dtype), holes.astype(thing.means_.dtype)
        out = {"resp": thing.predict_proba(few), "density": thing.score_samples(holes),
               "labels": thing.predict(holes), "imputed": thing.impute(holes),
               "bic": thing.bic(few), "icl": thing.icl(few)}
        if d > 1:
            out["regressed"] = thing.regress([0], few[:2, :1])
            out["given"] = thing.condition([1], [0.5]).means_
            out["marginal"] = thing.marginal([1, 0]).covariances_
        return out
    if isinstance(thing, KMeans):
        few = X[:5].astype(thing.cluster_centers_.dtype)
        return {"labels": thing.predict(few), "distances": thing.transform(few),
                "score": thing.score(few)}
    if isinstance(thing, (GaussianImputer, GaussianMixtureImputer)):
        # as the fit has them
        gaps = np.where(np.isnan(gaps), thing.missing_values, gaps)
        holes = gaps[:5]
        out = {"filled": thing.transform(holes), "density": thing.score_samples(holes),
               "names": list(thing.get_feature_names_out())}
        if isinstance(thing, GaussianImputer):
            out["errors"] = thing.standard_errors(gaps)
        return out
    if isinstance(thing, SufficientStatistics):
        return {"means": thing.means(), "covariances": thing.covariances(),
                "added": (thing + thing).counts}
    if isinstance(thing, Segmentation):
        return {"text": repr(thing), "recolored": thing.recolored()[3:5, 3:5],
                "overlay": thing.overlay()[1:4, 1]}
    if hasattr(thing, "remarks"):       # of a selection
        return {"text": str(thing), "chosen": thing.chosen, "best": asked(thing.best, inputs)}
    if hasattr(thing, "plot"):          # a comparison
        return {"text": str(thing), "kmeans": asked(thing.kmeans, inputs)}
    if isinstance(thing, kernels.MissingPatterns):
        return {"moments": kernels.incomplete_statistics(
            inputs["gaps"], [1.0], np.zeros((1, 3)), np.eye(3)[None], patterns=thing)}
    if isinstance(thing, BaseException):
        return {"text": f"{type(thing).__name__}: {thing}"}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, em.EMState):
        return {"text": str(thing)}
    return {}


def plain(value):
    """A value as JSON has it."""
    names = attributes(value)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": list(value.shape),
                "values": [plain(item) for item in value.ravel().tolist()]}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, BaseException):
        return {}
    # as many digits as tests compare
    return float(f"{value:.12g}") if isinstance(value, float) else value


def answers(thing, inputs):
    """All that a thing holds and answers, for JSON."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        warnings.filterwarnings("ignore", message="Skipping features without any observed")
        return {"holds": plain(thing), "answers": plain(asked(thing, inputs))}


# --- what is written ----------------------------------------------------------------------------


def make_inputs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) @ [[1.0, 0.6, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 0.5]]
    X[:25] += [4.0, -2.0, 1.0]
    gaps = X.copy()
    gaps[rng.random(X.shape) < 0.15] = np.nan
    gaps[3] = np.nan
    image = rng.normal(60, 8, (8, 10, 3))
    image[2:, 4:] += [18, 8, 20]
    return {"X": X.round(3), "gaps": gaps.round(3), "weights": rng.uniform(0.5, 2, 40).round(2),
            "image": np.clip(image, 0, 255).astype(np.uint8)}


def make_things(inputs):
    """What is pickled, by name."""
    import pandas

    X, gaps, weights, image = (inputs[name] for name in ("X", "gaps", "weights", "image"))
    frame = pandas.DataFrame(X, columns=["height", "width", "depth"])
    texts = np.array(["oak"] * 5 + [None] * 30 + ["ash"] * 5, object)
    seeds = np.full((8, 10), -1)        # one of them among pixels of the other segment
    seeds[0, :3], seeds[5, 5:], seeds[7, 0] = 0, 1, 1
    things, common = {}, {"random_state": 0}
    for type_ in TYPES:
        mixture = GaussianMixture(2, covariance_type=type_, **common).fit(X)
        things[f"mixture-{type_}"] = mixture
        start = mixture.weights_, mixture.means_, mixture.precisions_cholesky_, type_
        things[f"statistics-{type_}"] = SufficientStatistics.from_data(gaps, *start, weights)
    seen = []
    things |= {
        "mixture-unfitted": GaussianMixture(
            3, covariance_prior=(5, 1.0), init_params=("kmeans", "random"), **common),
        "mixture-float32-nan": GaussianMixture(
            2, acceleration="squarem", convergence="distance", callback=None, **common).fit(
                gaps.astype(np.float32)),
        "mixture-labels": GaussianMixture(2, **common).fit(X, labels=texts),
        "mixture-frame": GaussianMixture(
            2, reg_covar="auto", init_scaling="standard", n_init=3, short_iter=3, **common).fit(
                frame, sample_weight=weights),
        "mixture-prior": GaussianMixture(
            2, covariance_prior=(6, np.eye(3)), weight_concentration=[2.0, 3.0],
            means_init=X[[0, 39]], fixed=("means",), **common).fit(X),
        "mixture-warm": GaussianMixture(2, warm_start=True, **common).fit(X),
        "mixture-degenerate": GaussianMixture(2, **common).fit(
            np.where(np.arange(40)[:, None] < 25, [[1.0, 2.0, 3.0]], X)),
        "mixture-unfinished": GaussianMixture(2, max_iter=1, **common).fit(X),
        # methods go by the fit, whatever was set since
        "mixture-set-since": GaussianMixture(2, fixed=("weights",), weights_init=[0.4, 0.6],
                                             **common).fit(X).set_params(
            n_components=3, covariance_type="diag", weights_init=None, fixed=()),
        "imputer-set-since": GaussianImputer(min_value=0.0, prior="ridge").fit(gaps).set_params(
            min_value=2.0, prior=None, add_indicator=True),
        "kmeans": KMeans(3, **common).fit(X),
        "kmeans-float32": KMeans(2, init=X[[0, 39]], n_init=1).fit(
            X.astype(np.float32), sample_weight=weights),
        "kmeans-frame": KMeans(2, **common).fit(frame),
        "imputer": GaussianImputer().fit(gaps),
        "imputer-float32": GaussianImputer(random_state=3).fit(
            gaps.astype(np.float32), sample_weight=weights),
        "imputer-prior": GaussianImputer(
            prior=("ridge", 2.0), min_value=[-2, -3, 0], max_value=3.0, add_indicator=True).fit(
                gaps),
        "imputer-scale": GaussianImputer(prior=(4, [1.0, 2.0, 1.0]), acceleration=None).fit(gaps),
        "imputer-constant": GaussianImputer(add_indicator=True, keep_empty_features=True).fit(
            np.where(np.isnan(gaps), np.nan, gaps * [1, 0, 1] + [0, 7, 0])),
        "imputer-empty": GaussianImputer().fit(gaps * [1, 1, np.nan]),
        "imputer-number": GaussianImputer(missing_values=-9).fit(
            np.where(np.isnan(gaps), -9, gaps)),
        "mixture-imputer": GaussianMixtureImputer(2, **common).fit(gaps),
        "mixture-imputer-diag": GaussianMixtureImputer(
            2, covariance_type="diag", prior="ridge", add_indicator=True, **common).fit(gaps),
        "selection": select_mixture(gaps, [1, 2], ("full", "diag"), n_init=2, **common),
        "comparison": compare_clusterings(frame, 2, sample_weight=weights, **common),
        "pooled": pool([1.0, 1.2, 0.9], [0.2, 0.25, 0.2], complete_df=30),
        "pooled-several": pool(
            pandas.DataFrame([[1.0, 2.0], [1.1, 2.3]], columns=["a", "b"]), [np.eye(2)] * 2),
        "little": little_mcar_test(gaps),
        "summary": missing_data_summary(gaps),
        "uncertainty": GaussianImputer().fit(gaps).standard_errors(gaps),
        "segmentation": segment_image(image, 2, **common),
        "segmentation-kmeans": segment_image(image[..., 0], 2, "kmeans", **common),
        "segmentation-smoothed": segment_image(
            np.where(image > 90, np.nan, image / 255), 2, smoothness=0.5, **common),
        "segmentation-range": segment_image(
            image, [1, 2], mask=image[..., 0] < 85, n_init=2, **common),
        "segmentation-labels": segment_image(
            image, 2, labels=seeds, coordinates=0.2, **common),
        "patterns": kernels.missing_patterns(gaps),
        "error": em.DegenerateFitError("every start collapsed"),
        "warning": em.DegenerateWarning("collapsed: component 0"),
    }
    GaussianMixture(2, callback=lambda state: seen.append(state) or len(seen) == 2, **common).fit(X)
    things["state"] = seen[-1]
    start = np.array([1.0]), np.zeros((1, 3)), np.eye(3)[None]
    resp = np.full((80, 2), 0.5)
    things["kernel-results"] = [
        kernels.em_statistics(X, *start),
        kernels.weighted_moments(X, np.ones((40, 1)), np.zeros((1, 3))),
        kernels.conditional_moments(gaps[:3], *start[1:], covariances=True),
        kernels.kmeans_statistics(X[:4], X[:2]),
        kernels.potts_statistics(
            image.reshape(-1, 3) / 255, [0.5, 0.5], np.array([[0.2] * 3, [0.8] * 3]),
            np.array([np.eye(3) * 5] * 2), shape=(8, 10), smoothness=0.5, resp=resp)]
    return things


SAVED = (*(f"mixture-{type_}" for type_ in TYPES), "mixture-float32-nan", "mixture-labels",
         "mixture-frame", "mixture-prior", "mixture-degenerate")


def read(path):
    """What a file holds."""
    if path.suffix == ".npz":
        return GaussianMixture.load(path)
    if path.suffix == ".bytes":
        return SufficientStatistics.from_bytes(path.read_bytes())
    return pickle.loads(path.read_bytes())


def inputs_of(folder):
    found = json.loads((folder / "inputs.json").read_text())
    return {name: np.array(item["values"], item["dtype"]).reshape(item["shape"])
            for name, item in found.items()}


def write(folder):
    folder.mkdir(parents=True)      # never over what is there
    inputs = make_inputs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        things = make_things(inputs)
    for name, thing in things.items():
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(thing, protocol=4))
        if name in SAVED:
            thing.save(folder / f"{name}.npz")
        if isinstance(thing, SufficientStatistics):
            (folder / f"{name}.bytes").write_bytes(thing.to_bytes())
    (folder / "inputs.json").write_text(json.dumps(plain(inputs)) + "\n")
    lines = [f"{json.dumps(name)}: " + json.dumps(answers(thing, inputs), separators=(",", ":"))
             for name, thing in things.items()]
    (folder / "answers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
