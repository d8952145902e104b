"""What the commands compute: the same as the classes do from Python."""

import sys
import warnings
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import tifffile
from cli_files import air_quality, complaint, iris, read_csv, result, run
from PIL import Image
from sklearn.datasets import load_sample_image
from sklearn.exceptions import ConvergenceWarning

from emkernels import (
    GaussianImputer,
    GaussianMixtureImputer,
    KMeans,
    StudentTMixture,
    little_mcar_test,
    segment_image,
    select_mixture,
)
from emkernels.cli import _images, _students, bench, cluster, segment
from emkernels.components.gaussian.structures import COVARIANCE_TYPES, LETTERED
from emkernels.data import Rows
from emkernels.em import EMWarning

# --- impute and describe -------------------------------------------------------------------

def test_copies_are_those_of_the_class(tmp_path, capsys):
    frame = air_quality(tmp_path / "air.csv")
    found = result(capsys, "impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "-m", "3",
                   "--seed", "7")
    out = read_csv(tmp_path / "out.csv")
    assert list(out[".imp"]) == [i for i in (1, 2, 3) for _ in range(len(frame))]
    assert list(out[".id"]) == 3 * list(range(1, len(frame) + 1))
    assert (out["place"] == "New York").all()
    imputer = GaussianImputer().fit(frame)
    for i, seed in enumerate(np.random.SeedSequence(7).spawn(3)):
        np.testing.assert_array_equal(
            out.loc[out[".imp"] == i + 1, list(frame.columns)],
            imputer.sample(frame, 1, random_state=seed)[0])
    gaps = np.tile(frame["ozone"].isna(), 3)
    ozone = found["columns"][0]
    assert ozone["missing"] == 37
    assert ozone["imputed_mean"] == pytest.approx(out.loc[gaps, "ozone"].mean())
    assert ozone["observed_mean"] == pytest.approx(frame["ozone"].mean())


def test_a_mixture_fills_in(tmp_path, capsys):
    frame = air_quality(tmp_path / "air.csv")
    found = result(capsys, "impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--model",
                   "mixture", "-k", "3", "--seed", "5", "--clip")
    imputer = GaussianMixtureImputer(
        3, random_state=5, min_value=frame.min(), max_value=frame.max()).fit(frame)
    np.testing.assert_array_equal(
        read_csv(tmp_path / "out.csv")[list(frame.columns)], imputer.transform(frame))
    assert (found["components"], found["iterations"]) == (3, imputer.n_iter_)
    for option in "-k", "--starts":
        assert f"{option} is for --model mixture" in complaint(
            capsys, "impute", tmp_path / "air.csv", "-o", tmp_path / "no.csv", option, "3")


def test_impute_begins_several_times_and_ends_by_tol(tmp_path, capsys):
    frame = air_quality(tmp_path / "air.csv")
    found = result(capsys, "impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--model",
                   "mixture", "-k", "2", "--starts", "4", "--tol", "1e-3")
    imputer = GaussianMixtureImputer(2, n_init=4, tol=1e-3, random_state=0).fit(frame)
    assert found["log_likelihood"] == imputer.log_likelihood_
    assert imputer.log_likelihood_ > GaussianMixtureImputer(
        2, tol=1e-3, random_state=0).fit(frame).log_likelihood_
    assert (found["starts"], found["tol"], found["iterations"]) == (4, 1e-3, imputer.n_iter_)
    found = result(capsys, "impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--force",
                   "--tol", "0.1")
    assert (found["starts"], found["tol"]) == (1, 0.1)
    assert found["iterations"] == GaussianImputer(tol=0.1).fit(frame).n_iter_ < (
        GaussianImputer().fit(frame).n_iter_)


@pytest.mark.parametrize("model", ["gaussian", "mixture"])
def test_a_constant_column_is_filled_with_its_value_where_all_are_clipped(model, tmp_path, capsys):
    frame = air_quality(tmp_path / "air.csv").assign(one=2.5)
    frame.loc[[3, 7, 60], "one"] = np.nan
    frame.to_csv(tmp_path / "in.csv", index=False)
    found = result(capsys, "impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--clip",
                   "--model", model)
    out = read_csv(tmp_path / "out.csv")
    assert (out["one"] == 2.5).all() and found["constant"] == ["one"]
    for name in frame:
        assert out[name].between(frame[name].min(), frame[name].max()).all()


def test_options_of_imputing(tmp_path, capsys):
    frame = air_quality(tmp_path / "air.csv")
    command = ("impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--force")
    for options, parameters in (
            (["--prior", "ridge"], {"prior": "ridge"}),
            (["--prior", "ridge:25"], {"prior": ("ridge", 25.0)}),
            (["--max-iter", "4"], {"max_iter": 4})):
        found = result(capsys, *command, *options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            imputer = GaussianImputer(**parameters).fit(frame)
        assert found["iterations"] == imputer.n_iter_
        assert found["log_likelihood"] == imputer.log_likelihood_
        np.testing.assert_array_equal(
            read_csv(tmp_path / "out.csv")[list(frame.columns)], imputer.transform(frame))


def test_describe_counts_and_tests(tmp_path, capsys):
    frame = air_quality(tmp_path / "air.csv")
    found = result(capsys, "describe", tmp_path / "air.csv")
    assert [column["missing"] for column in found["columns"]] == list(frame.isna().sum())
    assert [column["std"] for column in found["columns"]] == pytest.approx(list(frame.std()))
    assert (found["rows"], found["complete_rows"]) == (153, len(frame.dropna()))
    rows = {tuple(p["missing"]): p["rows"] for p in found["patterns"]}
    assert rows == {(): 111, ("ozone",): 35, ("solar_r",): 5, ("ozone", "solar_r"): 2}
    little = little_mcar_test(frame)
    assert found["little"]["p_value"] == little.p_value
    assert found["little"]["statistic"] == little.statistic
    assert found["text"] == [{"name": "place", "missing": 0}]
    frame.dropna().to_csv(tmp_path / "whole.csv", index=False)
    assert run("describe", tmp_path / "whole.csv") == 0
    assert "Little's test could not be done: it has nothing to compare" in capsys.readouterr().out


# --- cluster -------------------------------------------------------------------------------

def test_all_covariances_are_tried(tmp_path, capsys):
    assert set(cluster.COVARIANCES) == {*COVARIANCE_TYPES, "all"}
    iris(tmp_path / "iris.csv")
    found = result(capsys, "cluster", tmp_path / "iris.csv", "-k", "1,2", "--covariance",
                   "tied,all,VEV", "--starts", "3")
    assert [(c["covariance"], c["k"]) for c in found["candidates"]] == [
        (name, k) for name in ("tied", *LETTERED) for k in (1, 2)]
    assert (found["k"], found["covariance"]) == (2, "VEV")


@pytest.mark.filterwarnings("ignore:the number of components chosen, 2, is the smallest")
def test_clusters_are_those_of_the_class(tmp_path, capsys):
    frame = iris(tmp_path / "iris.csv")
    types = ["full", "diag"]
    found = result(capsys, "cluster", tmp_path / "iris.csv", "-k", "2:4", "--covariance",
                   ",".join(types), "--criterion", "icl", "--seed", "3", "-o", tmp_path / "o.csv")
    selection = select_mixture(frame, [2, 3, 4], types, "icl", random_state=3)
    assert [c["icl"] for c in found["candidates"]] == [row["icl"] for row in selection.table]
    best, out = selection.best, read_csv(tmp_path / "o.csv")
    assert (found["k"], found["covariance"]) == (best.n_components, best.covariance_type)
    np.testing.assert_array_equal(out["cluster"], best.predict(frame))
    resp = out[[f"cluster_{c}" for c in range(best.n_components)]]
    np.testing.assert_array_equal(resp, best.predict_proba(frame))
    np.testing.assert_array_equal(out.iloc[:, :4], frame)
    assert list(out.columns[4:6]) == ["species", "cluster"]
    assert found["sizes"] == list(out["cluster"].value_counts(sort=False).sort_index())
    assert found["kept"]["text"] == ["species"]


def test_the_criterion_that_is_asked_for_chooses(tmp_path, capsys):
    # of such overlapping clusters the three criteria see three numbers
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + [3, 0],
                        0.6 * rng.normal(size=(20, 2)) + [1.5, 2]])
    pd.DataFrame(X, columns=["x", "y"]).to_csv(tmp_path / "t.csv", index=False)
    chosen = {}
    for criterion in ("aic", "bic", "icl"):
        found = result(capsys, "cluster", tmp_path / "t.csv", "-k", "1:3", "--criterion", criterion)
        candidates = found["candidates"]
        for c in candidates:
            p = 6 * c["k"] - 1
            assert c["parameters"] == p
            assert c["aic"] == pytest.approx(2 * p - 2 * c["log_likelihood"])
            assert c["bic"] == pytest.approx(p * np.log(140) - 2 * c["log_likelihood"])
            assert c["icl"] >= c["bic"] - 1e-9
        chosen[criterion] = found["k"]
        assert found["k"] == min(candidates, key=lambda c: c[criterion])["k"]
        assert found["criterion"] == criterion and len(found["shares"]) == found["k"]
    assert chosen == {"aic": 3, "bic": 2, "icl": 1}


@pytest.mark.parametrize("options, parameters", [
    (["--prior", "empirical"], {"covariance_prior": "empirical"}),
    (["--noise"], {"noise": True}),
    (["--reg-covar", "0.3"], {"reg_covar": 0.3}),
    (["--starts", "1"], {"n_init": 1}),
    (["--tol", "0.3"], {"tol": 0.3}),
    (["--max-iter", "2"], {"max_iter": 2}),
    (["--seed", "5", "--starts", "2"], {"random_state": 5, "n_init": 2}),
])
def test_options_of_clustering(options, parameters, tmp_path, capsys):
    frame = iris(tmp_path / "iris.csv")
    found = result(capsys, "cluster", tmp_path / "iris.csv", "-k", "4", *options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, usual = (select_mixture(frame, [4], **{"random_state": 0, **more}).best
                         for more in (parameters, {}))
    assert found["candidates"][0]["iterations"] == wanted.n_iter_
    np.testing.assert_array_equal(found["centers"], wanted.means_)
    np.testing.assert_array_equal(found["shares"], wanted.weights_[:4])
    assert (found["noise"] is None) == ("noise" not in parameters)
    assert (wanted.means_ != usual.means_).any()        # the option is seen


def test_rows_that_are_noise(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 6,
                        rng.uniform(-10, 16, size=(30, 2))])
    frame = pd.DataFrame(X, columns=["x", "y"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    more = ["-k", "1:3", "--noise", "-o", tmp_path / "o.csv"]
    found = result(capsys, "cluster", tmp_path / "t.csv", *more)
    model = select_mixture(frame, range(1, 4), noise=True, random_state=0).best
    out = read_csv(tmp_path / "o.csv")
    assert list(out.columns) == ["x", "y", "cluster", "cluster_0", "cluster_1", "cluster_noise"]
    np.testing.assert_array_equal(out["cluster"], model.predict(frame))
    np.testing.assert_allclose(out.iloc[:, 3:], model.predict_proba(frame), rtol=1e-12)
    noise = found["noise"]
    assert noise["rows"] == (out["cluster"] == -1).sum() > 20
    assert noise["rows"] + sum(found["sizes"]) == 230 and len(found["sizes"]) == 2
    assert noise["share"] == model.weights_[-1]
    assert noise["log_density"] == model.noise_log_density_
    assert found["candidates"][1]["parameters"] == 13
    assert run("cluster", tmp_path / "t.csv", *more, "--force") == 0
    line, = (line for line in capsys.readouterr().out.splitlines() if line.startswith("noise"))
    assert line.split() == ["noise", str(noise["rows"]), f"{100 * noise['share']:.1f}", "%"]
    # what cannot be
    assert complaint(capsys, "cluster", tmp_path / "t.csv", "-k", "2", "--noise", "--method",
                     "kmeans") == "--noise is for --method em, mclust"
    frame.assign(cluster_noise=1).to_csv(tmp_path / "n.csv", index=False)
    assert 'has a column "cluster_noise" already' in complaint(
        capsys, "cluster", tmp_path / "n.csv", *more, "--force")
    frame.assign(z=frame.x - frame.y).to_csv(tmp_path / "z.csv", index=False)
    line = complaint(capsys, "cluster", tmp_path / "z.csv", "-k", "2", "--noise")
    assert "--noise spreads noise evenly" in line and line.endswith("what the others determine")


@pytest.mark.parametrize("options, parameters", [
    (["--starts", "7"], {"n_init": 7}), (["--max-iter", "2"], {"max_iter": 2}),
    (["--tol", "0.5"], {"tol": 0.5}), (["--seed", "4"], {"random_state": 4})])
def test_options_of_kmeans(options, parameters, tmp_path, capsys):
    X = np.random.default_rng(0).random((400, 3)).round(4)
    pd.DataFrame(X, columns=list("abc")).to_csv(tmp_path / "t.csv", index=False)
    found = result(capsys, "cluster", tmp_path / "t.csv", "-k", "9", "--method", "kmeans", *options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        wanted, usual = (KMeans(9, **{"random_state": 0, **more}).fit(X)
                         for more in (parameters, {}))
    assert found["inertia"] == wanted.inertia_ != usual.inertia_
    np.testing.assert_array_equal(found["centers"], wanted.cluster_centers_)


@pytest.mark.parametrize("method", ["em", "kmeans"])
def test_a_constant_column_that_is_asked_for_stays_where_it_is(method, tmp_path, capsys):
    frame = iris(tmp_path / "iris.csv").assign(one=7.0)
    frame.to_csv(tmp_path / "t.csv", index=False)
    names = [*frame.columns[:2], "one"]
    found = result(capsys, "cluster", tmp_path / "t.csv", "-k", "2", "--method", method,
                   "--standardize", "--columns", ",".join(names))
    assert found["columns"] == names
    np.testing.assert_allclose(np.array(found["centers"])[:, 2], 7.0, rtol=1e-12)
    alone = result(capsys, "cluster", tmp_path / "t.csv", "-k", "2", "--method", method,
                   "--standardize", "--columns", ",".join(names[:2]))
    if method == "kmeans":
        assert found["sizes"] == alone["sizes"]
        assert found["inertia"] == pytest.approx(alone["inertia"])
    # the means of what is known, of all rows by their shares
    np.testing.assert_allclose(
        np.array(found["shares"]) @ np.array(found["centers"]), frame[names].mean(), rtol=1e-6)


def test_rows_without_a_value_are_counted(tmp_path, capsys):
    frame = iris(tmp_path / "iris.csv")
    frame.iloc[[3, 70], :] = np.nan
    frame.iloc[[9, 11, 90], 1] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = result(capsys, "cluster", tmp_path / "t.csv", "-k", "2", "-o", tmp_path / "o.csv")
    assert found["rows_without_values"] == 2
    assert len(read_csv(tmp_path / "o.csv", skip_blank_lines=False)) == 150


def test_kmeans_of_standardized_columns(tmp_path, capsys):
    frame = iris(tmp_path / "iris.csv")
    found = result(capsys, "cluster", tmp_path / "iris.csv", "-k", "3", "--method", "kmeans",
                   "--standardize", "-o", tmp_path / "o.csv", "--only-labels", "--name", "kind")
    X = (frame - frame.mean()) / frame.std(ddof=0)
    model = KMeans(3, random_state=0).fit(X)
    out = read_csv(tmp_path / "o.csv")
    assert list(out.columns) == ["kind"] and list(out["kind"]) == list(model.labels_)
    assert found["inertia"] == pytest.approx(model.inertia_)
    np.testing.assert_allclose(
        found["centers"], frame.groupby(out["kind"]).mean(), rtol=1e-10)


def test_clusters_with_long_tails(tmp_path, capsys):
    """The command gives the labels, probabilities and criteria of the class."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(np.concatenate([
        rng.standard_t(3, size=(150, 2)), rng.normal(size=(150, 2)) + [12, 0]]), columns=["x", "y"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = result(capsys, "cluster", tmp_path / "t.csv", "-k", "1:3", "--method", "t", "-o",
                   tmp_path / "o.csv", "--covariance", "full,VII")
    assert (found["k"], found["noise"]) == (2, None)
    model = StudentTMixture(
        2, found["covariance"], n_init=10, reg_covar="auto", random_state=0,
        init_params=("kmeans", "k-means++", "random_from_data"),
        acceleration="squarem").fit(frame)
    assert found["degrees_of_freedom"] == list(model.dfs_)
    assert 2 < min(model.dfs_) < 6
    out = read_csv(tmp_path / "o.csv")
    np.testing.assert_array_equal(out["cluster"], model.predict(frame))
    np.testing.assert_allclose(out.iloc[:, 3:], model.predict_proba(frame), rtol=1e-12)
    assert len(found["candidates"]) == 6
    row, = (row for row in found["candidates"]
            if (row["k"], row["covariance"]) == (2, found["covariance"]))
    assert row["bic"] == pytest.approx(model.bic(frame)) == min(
        each["bic"] for each in found["candidates"])
    assert row["parameters"] == model.n_parameters_
    assert run("cluster", tmp_path / "t.csv", "-k", "2", "--model", "t") == 0     # its other name
    assert " freedom " in capsys.readouterr().out
    # mclust: every family, one of which is chosen
    found = result(capsys, "cluster", tmp_path / "t.csv", "-k", "2", "--method", "mclust",
                   "--starts", "3")
    assert len(found["candidates"]) == 14
    best = min(found["candidates"], key=lambda each: each["bic"])
    assert (best["covariance"], found["method"]) == (found["covariance"], "mclust")
    for more in (["--model", "t"], ["--model", "mclust", "--noise"]):
        named = result(capsys, "cluster", tmp_path / "t.csv", "-k", "2", *more)
        assert named["method"] == more[1]
    for more in (["--method", "t", "--noise"], ["--method", "t", "--prior", "empirical"],
                 ["--method", "mclust", "--covariance", "full"]):
        assert "is for --method em" in complaint(
            capsys, "cluster", tmp_path / "t.csv", "-k", "2", *more)


def test_long_tails_say_when_there_may_be_more(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 2)) + 9 * at for at in range(4)])
    pd.DataFrame(X, columns=["x", "y"]).to_csv(tmp_path / "t.csv", index=False)
    for sizes, end in (("1:3", "3, is the largest that was tried: there may be more"),
                       ("4:5", "4, is the smallest that was tried: there may be fewer")):
        found = result(capsys, "cluster", tmp_path / "t.csv", "-k", sizes, "--method", "t")
        assert found["warnings"] == [
            f"{tmp_path / 't.csv'}: the number of clusters chosen, {end}"]
    assert result(capsys, "cluster", tmp_path / "t.csv", "-k", "3:5", "--method", "t")[
        "warnings"] == []


def test_long_tails_of_more_clusters_are_not_less_likely():
    """A fit below a smaller one goes on from that, or is said to be poor."""
    X = np.concatenate([np.random.default_rng(0).standard_t(4, size=(100, 2)) + [9 * at, 0]
                        for at in range(3)])
    rows, fits = Rows.read(X), []
    for k, more in ((2, {}), (3, {"means_init": [[50, 50], [60, 50], [50, 60]], "max_iter": 1})):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = StudentTMixture(k, random_state=0, **more).fit(X)
        row = {"k": k, "covariance": "full", "below": None}
        _students._describe(row, model, rows)
        fits.append((row, model))
    before = [row["log_likelihood"] for row, _ in fits]
    assert before[1] < before[0]
    given = {"means_init": [[9e9, 0], [9e9, 1], [9e9, 2]]}      # splitting replaces it
    (few, _), (many, model) = _students._raised(fits, given, rows)
    assert many["log_likelihood"] > few["log_likelihood"] + 10 and many["below"] is None
    assert many["log_likelihood"] == pytest.approx(300 * model.score(X), rel=1e-12)
    assert many["converged"] and many["bic"] == pytest.approx(model.bic(X))


def test_clusters_that_cannot_be(tmp_path, capsys):
    path = tmp_path / "iris.csv"
    iris(path)

    def line(*arguments):
        return complaint(capsys, "cluster", path, *arguments)

    assert line("-k", "151").endswith("-k 151 is more than the 150 rows of the table")
    assert line("-k", "2:3", "--method", "kmeans").startswith("--method kmeans takes one -k")
    assert line("-k", "2", "--method", "kmeans", "--criterion", "aic") == (
        "--criterion is for --method em, mclust, t")
    assert line("-k", "2", "--only-labels") == "--only-labels needs -o OUT"
    assert 'has a column "species" already' in line(
        "-k", "2", "--name", "species", "-o", tmp_path / "o.csv")
    air_quality(tmp_path / "air.csv")
    assert 'column "ozone" has missing values' in complaint(
        capsys, "cluster", tmp_path / "air.csv", "-k", "2", "--method", "kmeans")
    assert run("cluster", path, "-k", "2", "--max-iter", "1", "--quiet") == 0
    assert "did not converge in 1 iteration:" in capsys.readouterr().err


# --- segment -------------------------------------------------------------------------------

@pytest.fixture
def flower(tmp_path):
    """A small photograph, and its pixels."""
    pixels = np.ascontiguousarray(load_sample_image("flower.jpg")[150:300:4, 200:400:4])
    Image.fromarray(pixels).save(tmp_path / "flower.png")
    return tmp_path / "flower.png", pixels


def opened(path):
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.parametrize("more, options", [
    ([], {}),
    (["--method", "kmeans"], {"method": "kmeans"}),
    (["--smoothness", "1", "--coordinates", "0.5"], {"smoothness": 1.0, "coordinates": 0.5}),
    (["--color-space", "lab"], {"color_space": "lab"}),
])
def test_segments_are_those_of_the_function(more, options, flower, tmp_path, capsys):
    path, pixels = flower
    wanted = segment_image(pixels, 3, random_state=2, **options)
    found = result(capsys, "segment", path, "-k", "3", "--seed", "2", *more, "-o",
                   tmp_path / "o.png", "--view", "labels")
    np.testing.assert_array_equal(opened(tmp_path / "o.png"), wanted.labels)
    assert [s["pixels"] for s in found["segments"]] == list(np.bincount(wanted.labels.ravel()))
    np.testing.assert_array_equal([s["color"] for s in found["segments"]], wanted.colors)
    for view, shown in (("recolored", wanted.recolored()), ("overlay", wanted.overlay())):
        assert run("segment", path, "-k", "3", "--seed", "2", *more, "-o", tmp_path / "v.png",
                   "--view", view, "--force", "--quiet") == 0
        np.testing.assert_array_equal(opened(tmp_path / "v.png"), shown)


@pytest.mark.filterwarnings("ignore:the number of components chosen, 4, is the largest")
def test_how_many_segments(flower, tmp_path, capsys):
    path, pixels = flower
    found = result(capsys, "segment", path, "-k", "2:4", "-o", tmp_path / "o.tif")
    with pytest.warns(EMWarning, match="4, is the largest"):
        wanted = segment_image(pixels, [2, 3, 4], random_state=0)
    assert found["warnings"] == ["the number of components chosen, 4, is the largest that was "
                                 "tried: there may be more"]
    assert [c["bic"] for c in found["candidates"]] == [row["bic"] for row in wanted.selection.table]
    assert [c["below"] for c in found["candidates"]] == [None] * 3
    worse = {"error": None, "converged": False, "below": 9}
    assert segment._remark(worse, True) == (
        "chosen, not converged, a poor maximum: likelier with 9")
    assert segment._remark({**worse, "below": 1}, False).endswith("likelier with 1")
    assert found["k"] == len(wanted.fractions)
    np.testing.assert_array_equal(opened(tmp_path / "o.tif"), wanted.recolored())


def test_masks(flower, tmp_path, capsys):
    path, pixels = flower
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[5:20, 10:40] = 255
    Image.fromarray(mask).convert("RGBA").save(tmp_path / "mask.png")
    arguments = ["segment", path, "-o", tmp_path / "o.png", "--view", "labels", "--mask"]
    found = result(capsys, *arguments, tmp_path / "mask.png")
    labels = opened(tmp_path / "o.png")
    assert ((labels == 255) == (mask == 0)).all() and found["outside"] == (mask == 0).sum()
    np.testing.assert_array_equal(
        labels[mask > 0], segment_image(pixels, 5, mask=mask > 0, random_state=0).labels[mask > 0])
    arguments[3] = tmp_path / "new.png"
    Image.fromarray(mask[1:]).save(tmp_path / "small.png")
    assert "the mask has 50 x 37 pixels, and the picture 50 x 38" in complaint(
        capsys, *arguments, tmp_path / "small.png")
    Image.fromarray(0 * mask).save(tmp_path / "black.png")
    assert "black everywhere" in complaint(capsys, *arguments, tmp_path / "black.png")
    assert not (tmp_path / "new.png").exists()


def test_modes_of_pictures(flower, tmp_path, capsys):
    _, pixels = flower
    image = Image.fromarray(pixels)
    grey = np.array(image.convert("L"))
    images = {
        "grey.png": (image.convert("L"), grey), "sixteen.png": (
            Image.fromarray(grey.astype(np.uint16) * 257), grey.astype(np.uint16) * 257),
        "float.tif": (Image.fromarray(grey / np.float32(255)), grey / np.float32(255)),
        "palette.png": (image.quantize(16), np.array(image.quantize(16).convert("RGB"))),
        "alpha.png": (image.convert("RGBA"), np.array(image.convert("RGBA"))),
        "print.tif": (image.convert("CMYK"), np.array(image.convert("CMYK").convert("RGB"))),
    }
    for name, (picture, expected) in images.items():
        picture.save(tmp_path / name)
        assert run("segment", tmp_path / name, "-k", "3", "--quiet", "--force", "-o",
                   tmp_path / "o.png", "--view", "labels") == 0
        np.testing.assert_array_equal(
            opened(tmp_path / "o.png"), segment_image(expected, 3, random_state=0).labels)
    image.save(tmp_path / "many.gif", save_all=True, append_images=[image.rotate(180)])
    found = result(capsys, "segment", tmp_path / "many.gif", "-o", tmp_path / "gif.png")
    assert found["warnings"] == [f"{tmp_path / 'many.gif'}: the first of 2 pictures is used; "
                                 "--page N takes another, --stack volume all of them"]
    turned = Image.Exif()
    turned[274] = 6
    image.save(tmp_path / "turned.jpg", exif=turned)
    found = result(capsys, "segment", tmp_path / "turned.jpg", "-o", tmp_path / "turned.png")
    assert (found["width"], found["height"]) == (38, 50)


def test_pictures_that_cannot_be(flower, tmp_path, capsys):
    path, pixels = flower
    Image.fromarray(pixels).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()

    def line(name, content=None, *more, output="o.png"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        return complaint(capsys, "segment", tmp_path / name, "-o", tmp_path / output, *more)

    for name, part in (("half.jpg", content[:900]), ("tiny.jpg", content[:30])):
        assert line(name, part).startswith(f"{tmp_path / name}: is damaged: ")
    assert line("text.png", b"hello").endswith("is not a picture in a format that Pillow knows")
    assert line("no.png").endswith("no.png: No such file or directory")
    assert line("flower.png", None, "--force", output="flower.png").endswith("never overwritten")
    assert line("flower.png", None, "--view", "labels", output="o.jpg").endswith("write a .png")
    assert "unknown format .gif" in line("flower.png", output="o.gif")
    Image.fromarray(pixels[:1, :1]).save(tmp_path / "one.png")
    assert "all pixels that take part are the same" in line("one.png")
    nan = pixels.astype(np.float32)
    nan[3, 4, 1] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", nan, photometric="rgb")
    assert "NaN at pixel (3, 4), channel 1" in (said := line("nan.tif", None, "--method", "kmeans"))
    assert "--method em can" in said
    nan[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", nan, photometric="rgb")
    # a pixel without data takes no part, by K-means either
    assert run("segment", tmp_path / "nan.tif", "-o", tmp_path / "k.png", "--method", "kmeans") == 0
    capsys.readouterr()
    with mock.patch.object(_images, "check_fits", side_effect=MemoryError("9 TB")):
        assert line("flower.png").startswith("not enough memory (9 TB)")
    assert not (tmp_path / "o.png").exists()


def test_posteriors_that_do_not_fit(flower, tmp_path, capsys, monkeypatch):
    path, pixels = flower
    size = pixels.shape[0] * pixels.shape[1]
    monkeypatch.setattr("emkernels.cli._memory.available_bytes", lambda: 150 * size)
    arguments = ["segment", path, "-k", "7", "-o", tmp_path / "o.png", "--smoothness"]
    line = complaint(capsys, *arguments, "1")
    assert f"needs about {size * (100 + 8 * 7) / 1000:.3g} kB of memory" in line
    assert run(*arguments, "0", "--quiet") == 0


# --- bench and progress --------------------------------------------------------------------

def test_bench(monkeypatch, capsys):
    monkeypatch.setattr(bench, "MIXTURES", ((300, 2, 2, "full"), (300, 2, 2, "diag")))
    monkeypatch.setattr(bench, "CLUSTERS", ((300, 2, 3),))
    monkeypatch.setattr(bench, "IMPUTED", ((100, 4),))
    monkeypatch.setattr(bench, "BUDGET", 0.0)
    rows = result(capsys, "bench", "--threads", "1")["rows"]
    assert [row["task"].split(",")[0] for row in rows] == [
        "mixture", "mixture", "K-means", "imputation"]
    assert all(row["emkernels"] > 0 and row["scikit_learn"] > 0 for row in rows)
    assert all(row["difference"] < 1e-8 for row in rows[:3]) and rows[3]["difference"] < 0.3
    assert [row["rounds"] for row in rows] == [2, 2, 2, 2]
    assert run("bench") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Times: the shortest of 2 rounds in turn; " in out
    assert "x as fast in the geometric mean" in out


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_only(terminal, tmp_path, monkeypatch, capsys):
    air_quality(tmp_path / "air.csv")
    monkeypatch.setenv("TERM", "xterm")
    with mock.patch.object(sys.stderr, "isatty", lambda: terminal):
        assert run("impute", tmp_path / "air.csv", "-o", tmp_path / "o.csv", "-m", "2") == 0
    out, err = capsys.readouterr()
    assert ("filling in" in err) == terminal and (err == "") != terminal
    assert "filling in" not in out and "2 copies" in out


def test_the_same_json_from_every_number_of_threads(tmp_path, capsys):
    air_quality(tmp_path / "air.csv")
    found = [result(capsys, "cluster", tmp_path / "air.csv", "-k", "1:3", "--covariance", "diag",
                    "--threads", n) for n in (1, 2)]
    assert found[0] == found[1] and found[0]["rows"] == 153
