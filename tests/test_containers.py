"""Frames out of models: index, names and types."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal

import emkernels as ek
from emkernels._extras import MissingExtraError

pl = pytest.importorskip("polars")

NAMES = ["length", "width", "depth"]
RNG = np.random.default_rng(0)
VALUES = 1.2 * RNG.normal(size=(80, 1)) + RNG.normal(size=(80, 3)) + 2
HOLES = VALUES.copy()
HOLES[::7, 1] = np.nan
INDEX = [f"row {i}" for i in range(80)]
FRAME = pd.DataFrame(HOLES, columns=NAMES, index=INDEX)
IMPUTING = [ek.GaussianMixture(2, random_state=0), ek.StudentTMixture(1, random_state=0),
            ek.FactorAnalysis(1, random_state=0),
            ek.MixtureOfFactorAnalyzers(1, 1, random_state=0)]
IDS = [type(model).__name__ for model in IMPUTING]


def drawn(model, n):
    out = model.sample(n)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("model", IMPUTING, ids=IDS)
def test_pandas(model):
    model = sklearn.clone(model).fit(FRAME)
    imputed, sample = model.impute(FRAME), drawn(model, 5)
    assert type(imputed) is type(sample) is np.ndarray
    assert model.set_output(transform="pandas") is model
    frame = model.impute(FRAME)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(imputed, columns=NAMES, index=INDEX))
    pd.testing.assert_frame_equal(drawn(model, 5), pd.DataFrame(sample, columns=NAMES))
    # rows that lack nothing, and rows that were read before
    assert model.impute(FRAME.fillna(1.0)).index.tolist() == INDEX
    assert model.impute(ek.data.Rows.read(FRAME)).index.tolist() == INDEX
    assert type(model.score_samples(FRAME)) is np.ndarray
    for name in ("predict", "predict_proba"):
        assert not hasattr(model, name) or type(getattr(model, name)(FRAME)) is np.ndarray
    # clones and pickles know
    copies = sklearn.clone(model).fit(FRAME), pickle.loads(pickle.dumps(model))
    for each in copies:
        assert each.impute(FRAME).columns.tolist() == NAMES
    model.set_output(transform=None)
    assert isinstance(model.impute(FRAME), pd.DataFrame)
    model.set_output(transform="default")
    assert_array_equal(model.impute(FRAME), imputed)
    assert isinstance(copies[0].impute(FRAME), pd.DataFrame)


@pytest.mark.parametrize("model", IMPUTING, ids=IDS)
def test_polars(model):
    X = pl.DataFrame(FRAME.reset_index(drop=True))
    model = sklearn.clone(model).fit(X)
    imputed = model.impute(X)
    frame = model.set_output(transform="polars").impute(X)
    assert isinstance(frame, pl.DataFrame) and frame.columns == NAMES
    assert_array_equal(frame.to_numpy(), imputed)
    assert drawn(model, 4).columns == NAMES


def test_names_where_there_were_none_and_narrow_numbers():
    model = ek.GaussianMixture(random_state=0).fit(HOLES.astype(np.float32))
    frame = model.set_output(transform="pandas").impute(HOLES.astype(np.float32))
    assert frame.columns.tolist() == ["x0", "x1", "x2"] and (frame.dtypes == np.float32).all()
    assert frame.index.equals(pd.RangeIndex(80))


def test_the_configuration_of_scikit_learn_counts():
    model = ek.GaussianMixture(random_state=0).fit(FRAME)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(model.impute(FRAME), pd.DataFrame)
        assert type(sklearn.clone(model).set_output(transform="default").fit(FRAME)
                    .impute(FRAME)) is np.ndarray
        assert len(list(model.impute_chunks(FRAME))) == 1
        assert isinstance(next(model.impute_chunks(FRAME)), np.ndarray)
    assert type(model.impute(FRAME)) is np.ndarray


def test_what_is_no_container():
    model = ek.GaussianMixture()
    for bad in ("numpy", 3):
        with pytest.raises(ValueError, match="default, pandas, polars"):
            model.set_output(transform=bad)


def test_without_the_library(monkeypatch):
    model = ek.GaussianMixture(random_state=0).fit(HOLES).set_output(transform="pandas")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"emkernels\[frames\]"):
        model.impute(HOLES)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_multiple_imputation(kind):
    imputer = ek.GaussianImputer(add_indicator=True, random_state=0).fit(FRAME)
    arrays = imputer.sample(FRAME, 3)
    tables = imputer.set_output(transform=kind).sample(FRAME, 3)
    assert len(tables) == 3
    for array, table in zip(arrays, tables):
        assert list(table.columns) == [*NAMES, "missingindicator_width"]
        assert_array_equal(table.to_numpy(), array)
        if kind == "pandas":
            assert table.index.tolist() == INDEX
    rows = ek.data.Rows.read(FRAME)
    assert kind == "polars" or imputer.sample(rows, 1)[0].index.tolist() == INDEX
    transformed = imputer.transform(FRAME)
    assert list(transformed.columns) == list(table.columns)


def test_hidden_markov():
    X = FRAME.fillna(2.0)
    model = ek.GaussianHMM(2, random_state=0, n_init=1, max_iter=5, tol=1).fit(X)
    array, states = model.sample(6, random_state=1)
    frame, again = model.set_output(transform="pandas").sample(6, random_state=1)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(array, columns=NAMES))
    assert_array_equal(states, again)
    assert type(model.predict(X)) is np.ndarray


# --- answers ---------------------------------------------------------------------------------

def answers():
    rng = np.random.default_rng(1)
    high = rng.random(60) < 0.5
    grade = np.where(rng.random(60) < np.where(high, 0.9, 0.2), "good", "bad")
    X = pd.DataFrame({
        "grade": pd.Categorical(grade, ["bad", "fair", "good"], ordered=True),
        "town": pd.Categorical(np.where(high, "A", "B"), ["B", "A"]),
        "text": np.where(high, "yes", "no"),
        "code": pd.array(np.where(high, 3, 1), dtype="Int64"),
        "flag": pd.array(high, dtype="boolean"),
        "height": np.where(high, 1.8, 1.6) + rng.normal(size=60) * 0.05,
    }, index=range(100, 160))
    for j, name in enumerate(X.columns):
        X.loc[100 + 7 * j, name] = None
    return X


def classes(X):
    return ek.LatentClassAnalysis(2, n_init=3, random_state=0, continuous=["height"]).fit(X)


def test_answers_keep_their_types():
    X = answers()
    model = classes(X)
    array = model.impute(X)
    frame = model.set_output(transform="pandas").impute(X)
    assert frame.dtypes.to_dict() == X.dtypes.to_dict()
    assert frame.index.equals(X.index) and not frame.isna().any().any()
    assert_array_equal(frame.astype(object).to_numpy(), array)
    observed = X.notna()
    assert (frame[observed] == X[observed])[observed].sum().sum() == observed.sum().sum()
    sample, labels = model.sample(20)
    assert type(labels) is np.ndarray
    for name in ("grade", "town"):      # the categories of the fit, seen or not
        assert sample[name].dtype == X[name].dtype
    assert sample["text"].isin(["yes", "no"]).all() and sample["code"].dtype == np.float64
    assert sample["height"].dtype == np.float64


def test_levels_that_the_categories_of_x_do_not_have():
    X = answers()
    model = classes(X).set_output(transform="pandas")
    few = X[X["town"] == "A"].assign(town=lambda x: x["town"].cat.remove_unused_categories())
    few = few.assign(town=few["town"].where(np.arange(len(few)) > 2))
    model.response_probs_[1][:] = [1.0, 0.0]        # all that lack one are of B
    imputed = model.impute(few)["town"]
    assert imputed.iloc[0] == "B" and imputed.cat.categories.tolist() == ["A", "B"]


def test_answers_of_polars():
    X = answers().reset_index(drop=True)
    X = pl.DataFrame({
        "grade": pl.Series(X["grade"].astype(object).where(X["grade"].notna(), None).tolist(),
                           dtype=pl.Enum(["bad", "fair", "good"])),
        "town": pl.Series(X["town"].astype(object).where(X["town"].notna(), None).tolist(),
                          dtype=pl.Categorical),
        "code": pl.Series(X["code"].astype(object).where(X["code"].notna(), None).tolist(),
                          dtype=pl.Int16),
        "height": pl.Series(X["height"].tolist(), dtype=pl.Float32).fill_nan(None)})
    model = classes(X).set_output(transform="polars")
    frame = model.impute(X)
    assert frame.schema == X.schema and frame.null_count().sum_horizontal().item() == 0
    sample = model.sample(30)[0]
    assert sample.schema["grade"] == X.schema["grade"] and sample.schema["town"] == pl.Categorical
    # the other library makes categories of them, too
    other = model.set_output(transform="pandas").sample(30)[0]
    assert other["grade"].cat.ordered and other["grade"].cat.categories.tolist() == [
        "bad", "fair", "good"]


def test_types_outlive_a_file(tmp_path):
    X = answers().drop(columns=["flag"])
    model = classes(X)
    model.save(tmp_path / "model.npz")
    loaded = ek.LatentClassAnalysis.load(tmp_path / "model.npz").set_output(transform="pandas")
    assert loaded.sample(5)[0]["grade"].dtype == X["grade"].dtype
    for kinds in (3, [(0, True)], [(9, True, None)], [(0, 1, None)], [(0, True, ("a", "a"))],
                  [(0, False, ["a"])]):
        model._kinds = kinds
        with pytest.raises(ValueError, match="categories"):
            model.save(tmp_path / "bad.npz")
            ek.LatentClassAnalysis.load(tmp_path / "bad.npz")


def test_chunks_and_arrays_stay_arrays():
    X = answers().drop(columns=["flag"])
    model = classes(X).set_output(transform="pandas")
    block = next(model.impute_chunks(X))
    assert type(block) is np.ndarray and block.shape == X.shape
