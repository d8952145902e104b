"""Rows are looked through once, their parts know what is missing, and chunks are a source."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris

from emkernels import (
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    SufficientStatistics,
    compare_clusterings,
    kernels,
    little_mcar_test,
    missing_data_summary,
    segment_image,
    select_mixture,
)
from emkernels.components.gaussian import GaussianComponents, Gaussians, structure_of
from emkernels.data import Chunks, Rows
from emkernels.data.patterns import complete_patterns, pattern_of_rows, take_patterns
from emkernels.em import run_em
from emkernels.latent import Mixture, MixtureParameters
from emkernels.models.mixture.fitted import parameters_of
from emkernels.starts.observed import observed_seeds
from emkernels.starts.sampled import draw_rows

TYPES = ("full", "tied", "diag", "spherical")


def gaps(shape, share=0.2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=shape) + 4 * rng.integers(0, 2, (shape[0], 1))
    X[rng.random(shape) < share] = np.nan
    return X


# --- patterns of parts --------------------------------------------------------------------

def assert_same_patterns(found, expected):
    assert found.n_features == expected.n_features
    for name in ("order", "offsets", "n_missing", "masks"):
        mine, theirs = getattr(found, name), getattr(expected, name)
        assert mine.dtype == theirs.dtype, name
        assert_array_equal(mine, theirs, err_msg=name)


@pytest.mark.parametrize("n_features", [1, 5, 64, 65, 130])
def test_patterns_of_a_part_are_those_that_a_look_finds(n_features):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = gaps((int(rng.integers(1, 200)), n_features), rng.choice([0.0, 0.05, 0.5, 0.9]), seed)
        patterns = kernels.missing_patterns(X)
        rows = rng.permutation(len(X))[:rng.integers(1, len(X) + 1)]
        columns = np.flatnonzero(rng.random(n_features) < 0.6)
        of_rows = pattern_of_rows(patterns)
        assert_same_patterns(take_patterns(patterns, of_rows[rows]),
                             kernels.missing_patterns(X[rows]))
        if len(columns):
            assert_same_patterns(take_patterns(patterns, of_rows[rows], columns),
                                 kernels.missing_patterns(X[rows][:, columns]))
        complete = kernels.missing_patterns(np.zeros(X.shape))
        assert_same_patterns(complete_patterns(*X.shape), complete)


def test_parts_take_their_company_with_them():
    X = gaps((300, 4)).astype(np.float32)
    weight, known = np.linspace(1, 300, 300), np.arange(300, dtype=np.int32) % 3
    rows = Rows.read(X).with_(sample_weight=weight, known=known)
    part = rows.take(np.arange(5, 300, 7), np.array([0, 3]))
    assert_array_equal(part.X, X[5::7][:, [0, 3]])
    assert_array_equal(part.weight_given, weight[5::7])
    assert_array_equal(part.known, known[5::7])
    assert part.total == weight[5::7].sum() and rows.total == weight.sum()
    assert_same_patterns(part.patterns, kernels.missing_patterns(X[5::7][:, [0, 3]]))
    complete = rows.take(np.flatnonzero(~np.isnan(X).any(axis=1)))
    assert complete.patterns is None
    assert_array_equal(rows.empty, np.isnan(X).all(axis=1))
    blocks = list(rows.blocks(64))
    assert [len(block) for block in blocks] == [64] * 4 + [44]
    assert_array_equal(np.concatenate([block.X for block in blocks]), X)
    assert_array_equal(np.concatenate([block.weight_given for block in blocks]), weight)


def test_columns_in_any_order():
    X = gaps((40, 4))
    rows = Rows.read(X)
    for columns in ([3, 2, 1, 0], [1, 0], [0, 2], [3, 0], [2], [0, 0, 1], [0, 1, 2, 3]):
        part = rows.take(columns=np.array(columns))
        assert_array_equal(part.X, X[:, columns])
        if len(set(columns)) == len(columns):
            assert_same_patterns(part.all_patterns, kernels.missing_patterns(X[:, columns]))


def test_rows_are_not_copied():
    for X in (np.zeros((50_000, 4)), np.zeros((4, 50_000), np.float32).T):
        assert Rows.read(X).X is X
        rows = Rows.read(X)
        assert Rows.read(rows) is rows
        assert rows.take(slice(10, 20)).X.base is not None
        assert rows.take() is rows and rows.take(columns=np.arange(4)) is rows
        tracemalloc.start()
        rows.take(columns=np.array([0, 2])), rows.with_(n_threads=1), Rows.read(X)
        assert tracemalloc.get_traced_memory()[1] < X.nbytes / 20
        tracemalloc.stop()


@pytest.mark.parametrize("imputer", [GaussianImputer(), GaussianMixtureImputer(2)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_complete_table_is_not_what_an_imputer_returns(imputer, order):
    X = np.array(np.random.default_rng(0).normal(size=(40, 3)), order=order)
    for table in X, Rows.read(X):
        for out in imputer.fit_transform(table), imputer.transform(table):
            assert not np.shares_memory(out, X)
            assert_array_equal(out, X)


# --- one look -------------------------------------------------------------------------------

def calls(X):
    """What is done to incomplete rows, by name."""
    return {
        "mixture": lambda: GaussianMixture(2, random_state=0).fit(X),
        "labels": lambda: GaussianMixture(2, random_state=0).fit_predict(X),
        "cheap starts": lambda: GaussianMixture(
            2, random_state=0, n_init=4, short_iter=3, init_scaling="standard").fit(X),
        "automatic": lambda: GaussianMixture(
            2, random_state=0, reg_covar="auto", covariance_prior="empirical").fit(X),
        "selection": lambda: select_mixture(X, range(1, 5), TYPES, n_init=3, random_state=0),
        "imputer": lambda: GaussianImputer().fit_transform(X),
        "imputer of mixture": lambda: GaussianMixtureImputer(
            2, n_init=2, random_state=0).fit_transform(X),
        "Little": lambda: little_mcar_test(X),
        "summary": lambda: missing_data_summary(X),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", calls(None))
def test_rows_are_looked_through_once(looks, name):
    X = gaps((400, 3))
    calls(X)[name]()
    # whether anything is missing, and, where it is likely, at once what
    expected = [("patterns", X.shape)]
    if name in ("mixture", "labels", "cheap starts", "automatic", "selection"):
        expected = [("finite", X.shape), *expected]
    assert looks == expected


@pytest.mark.filterwarnings("ignore")
def test_rows_that_were_read_are_not_looked_through_again(looks):
    X = gaps((400, 3))
    rows = Rows.read(X)
    looks.clear()
    for call in calls(rows).values():
        call()
    model, imputer = GaussianMixture(2, random_state=0).fit(rows), GaussianImputer().fit(rows)
    results = (model.predict_proba(rows), model.score_samples(rows), model.bic(rows),
               model.impute(rows), imputer.transform(rows), imputer.score(rows),
               imputer.sample(rows, 2, random_state=0), imputer.standard_errors(rows).location)
    assert not looks
    expected = (model.predict_proba(X), model.score_samples(X), model.bic(X), model.impute(X),
                imputer.transform(X), imputer.score(X), imputer.sample(X, 2, random_state=0),
                imputer.standard_errors(X).location)
    for mine, theirs in zip(results, expected, strict=True):
        assert_array_equal(mine, theirs)


def test_complete_rows_are_looked_through_once(looks):
    X = np.random.default_rng(0).normal(size=(300, 2))
    KMeans(2, random_state=0).fit_transform(X)
    assert looks == [("finite", X.shape)]
    looks.clear()
    compare_clusterings(X, 2, random_state=0)
    assert looks == [("finite", X.shape)]
    looks.clear()
    image = (np.random.default_rng(0).random((30, 20, 3)) * 255).astype(np.uint8)
    assert segment_image(image, 2, random_state=0, max_iter=500).n_segments == 2
    assert len(looks) == 1


def test_a_column_that_is_left_out_costs_no_second_look(looks):
    X = gaps((300, 4))
    X[:, 1] = np.where(np.isnan(X[:, 1]), np.nan, 7.0)
    with pytest.warns(UserWarning, match="one value only"):
        imputer = GaussianImputer().fit(X)
    assert looks == [("patterns", X.shape)]
    assert imputer.n_patterns_ == kernels.missing_patterns(X[:, [0, 2, 3]]).n_patterns


def test_rows_of_another_table_are_refused():
    rows = Rows.read(gaps((50, 3)))
    model = GaussianMixture(2, random_state=0).fit(rows)
    with pytest.raises(ValueError, match="2 features"):
        model.predict(rows.take(columns=np.array([0, 1])))
    with pytest.raises(ValueError, match="K-means needs complete rows"):
        KMeans(2).fit(rows)
    with pytest.raises(ValueError, match="missing_values is -9"):
        GaussianImputer(missing_values=-9).fit(rows)
    marked = Rows.read(np.where(np.isnan(rows.X), -9, rows.X))
    assert_array_equal(GaussianImputer(missing_values=-9).fit_transform(marked),
                       GaussianImputer().fit_transform(rows))


def test_names_go_with_the_rows():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(gaps((60, 3)), columns=["a", "b", "c"], index=range(5, 65))
    rows = Rows.read(frame)
    assert rows.names == ("a", "b", "c") and rows.take(columns=np.array([2])).names == ("c",)
    model = GaussianMixture(2, random_state=0).fit(rows)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert_array_equal(model.predict(frame), model.predict(rows))
    with pytest.raises(ValueError, match="index of sample_weight"):
        GaussianMixture().fit(rows, sample_weight=pandas.Series(np.ones(60)))
    with pytest.raises(ValueError, match="'a', 'b', 'c', not 'c', 'b', 'a'"):
        model.predict(Rows.read(frame[["c", "b", "a"]]))
    part = rows.take(np.arange(40, 50), np.array([2, 0]))
    assert part.feature_names.tolist() == ["c", "a"] and list(part.index) == list(range(45, 55))
    assert GaussianMixture().fit(part).feature_names_in_.tolist() == ["c", "a"]
    with pytest.raises(ValueError, match="row 0 is 0, that of X 45"):
        GaussianMixture().fit(part, sample_weight=pandas.Series(np.ones(10)))


def test_rows_of_some_columns_are_regressed_on():
    pandas = pytest.importorskip("pandas")
    X = gaps((60, 3))
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=[f"row {i}" for i in range(60)])
    model = GaussianMixture(2, random_state=0).fit(frame)
    for part in frame[["c", "a"]], X[:, [2, 0]]:
        for found, expected in zip(model.regress(["c", "a"], Rows.read(part)),
                                   model.regress(["c", "a"], part), strict=True):
            assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="'a' is in the place of 'c'"):
        model.regress(["c", "a"], Rows.read(frame[["a", "c"]]))


@pytest.mark.parametrize("estimator", [GaussianMixture(2), KMeans(2), GaussianImputer()])
def test_what_has_names_of_features_and_is_no_table_is_refused(estimator):
    data = load_iris()      # itself, not its table
    estimator = clone(estimator).fit(data.data)
    use = estimator.transform if hasattr(estimator, "transform") else estimator.predict
    with pytest.raises(TypeError, match=r"dtype object \(Bunch\)"):
        use(data)


# --- weights in rows --------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_in_the_rows_are_those_of_the_fit(dtype):
    X, weight = gaps((200, 3)).astype(dtype), np.linspace(0, 5000, 200)
    rows = Rows.read(X).weighed(weight)
    mine = GaussianMixture(2, random_state=0).fit(rows)
    theirs = GaussianMixture(2, random_state=0).fit(X, sample_weight=weight)
    assert_array_equal(mine.means_, theirs.means_)
    assert mine.score(rows) == theirs.score(X, sample_weight=weight)
    assert_array_equal(rows.weight_given, weight)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("missing", [False, True])
def test_statistics_of_rows(covariance_type, missing):
    X = gaps((300, 3), 0.2 if missing else 0.0)
    weight = np.linspace(1, 2, 300)
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X)
    arguments = model.weights_, model.means_, model.precisions_cholesky_, covariance_type
    rows = Rows.read(X).weighed(weight)
    assert SufficientStatistics.from_data(rows, *arguments) == SufficientStatistics.from_data(
        X, *arguments, weight)


# --- chunks -----------------------------------------------------------------------------------

@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_chunks_go_through_the_loop_of_the_estimator(covariance_type, missing, acceleration):
    X = gaps((900, 3), 0.15 if missing else 0.0)
    start = GaussianMixture(2, covariance_type=covariance_type, random_state=0,
                            callback=lambda state: True).fit(X)
    given = {"weights_init": start.weights_, "means_init": start.means_,
             "precisions_init": start.precisions_}
    whole = GaussianMixture(2, covariance_type=covariance_type, tol=1e-10, max_iter=200,
                            acceleration=acceleration, **given).fit(X)
    mixture = Mixture(GaussianComponents(structure_of(covariance_type, reg_covar=1e-6)))

    def fit(parts, **options):
        return run_em(mixture, Chunks(parts, **options), lambda i: parameters_of(start),
                      max_iter=200, tol=1e-10, acceleration=acceleration)

    parts = np.array_split(X, [100, 130, 700])
    result, again = fit(parts), fit([part.copy(order="F") for part in parts], n_threads=1)
    assert result.converged and result.n_iter == whole.n_iter_
    assert_allclose(result.history, whole.lower_bounds_, rtol=1e-12)
    assert_allclose(result.parameters.means, whole.means_, rtol=1e-9)
    assert_allclose(result.parameters.covariances, whole.covariances_, rtol=1e-7, atol=1e-9)
    # in memory, of another layout, by other threads: the same bits
    assert_array_equal(result.parameters.means, again.parameters.means)
    assert result.history == again.history
    # one chunk is the whole
    rows = run_em(mixture, Rows.read(X), lambda i: parameters_of(start), max_iter=200, tol=1e-10,
                  acceleration=acceleration)
    assert_array_equal(fit([X]).parameters.means, rows.parameters.means)


def test_chunks_weigh_what_their_rows_weigh():
    X, weight = gaps((400, 2), 0.0), np.linspace(0, 3, 400)
    whole = GaussianMixture(2, random_state=0, max_iter=8, tol=0).set_params(
        callback=lambda state: state.n_iter == 8).fit(X, sample_weight=weight)
    start = GaussianMixture(2, random_state=0, callback=lambda state: True).fit(
        X, sample_weight=weight)
    chunks = Chunks([Rows.read(X[:150]).weighed(weight[:150]),
                     Rows.read(X[150:]).weighed(weight[150:])])
    assert chunks.n_rows == 400 and chunks.n_positive == 399
    assert chunks.total == pytest.approx(weight.sum())
    result = run_em(Mixture(GaussianComponents(structure_of("full", reg_covar=1e-6))), chunks,
                    lambda i: parameters_of(start), max_iter=7, tol=0)
    assert_allclose(result.parameters.means, whole.means_, rtol=1e-10)
    assert_allclose(result.history, whole.lower_bounds_[1:], rtol=1e-12)


def test_what_is_no_sequence_of_chunks_is_refused():
    for parts in (iter([np.zeros((3, 2))]), Rows.read([[1.0]]), None, 3):
        with pytest.raises(TypeError, match="source"):
            Chunks(parts)
    for n_threads in (-3, 0, 1.5, True):
        with pytest.raises((TypeError, ValueError), match="n_threads"):
            Chunks([np.zeros((3, 2))], n_threads=n_threads)


def test_chunks_that_do_not_go_together_are_refused():
    X = np.zeros((5, 2))
    for parts, match in (([], "no block"), ([X, np.zeros((3, 3))], "block 1 has 3 columns"),
                         ([X, X.astype(np.float32)], "block 1 has 2 columns of float32"),
                         ([X, np.full((2, 2), np.inf)], "infinity, first at block 1, row 0, col"),
                         ([X, [["a", "b"]]], "block 1"), ([X[:0]], "no block with a row")):
        with pytest.raises(ValueError, match=match):
            Chunks(parts)


def test_columns_come_in_the_order_asked_for():
    X = np.arange(12.0).reshape(3, 4)
    for columns in ([1, 0, 3, 2], [3, 2, 1], [2, 1, 0], [1, 1], [0, 2], [0, 1, 2, 3]):
        np.testing.assert_array_equal(
            Rows.read(X).take(columns=np.array(columns)).X, X[:, columns])


def test_a_part_is_not_refused_for_a_value_elsewhere():
    X = np.random.default_rng(0).normal(size=(40, 2))
    X[30, 1] = 1e200
    part = Rows.read(X).take(slice(0, 20))
    np.testing.assert_array_equal(
        GaussianMixture(random_state=0).fit(part).means_,
        GaussianMixture(random_state=0).fit(X[:20]).means_)


def test_the_loop_knows_its_options():
    for option in ({"acceleration": "squared"}, {"n_init": 0}):
        with pytest.raises(ValueError, match=next(iter(option))):
            run_em(None, None, None, **option)


def test_every_second_row_keeps_its_own_label_and_weight():
    X = np.random.default_rng(0).normal(size=(60, 2))
    known, weight = np.repeat(np.array([0, 1], np.int32), 30), np.linspace(1, 3, 60)
    half = Rows.read(X).weighed(weight).labelled(known).take(slice(0, None, 2))
    model = GaussianMixture(2, random_state=0).fit(half)
    for k in (0, 1):
        own = known[::2] == k
        assert_allclose(model.means_[k], np.average(X[::2][own], axis=0, weights=weight[::2][own]))


def test_weights_in_the_rows_count_where_an_imputer_is_judged():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(60, 2)), rng.uniform(0.5, 3, 60)
    X[::4, 1] = np.nan
    rows, imputer = Rows.read(X).weighed(weight), GaussianImputer().fit(X, sample_weight=weight)
    assert imputer.score(rows) == imputer.score(X, sample_weight=weight)
    assert_array_equal(imputer.standard_errors(rows).location,
                       imputer.standard_errors(X, sample_weight=weight).location)


def test_labels_in_rows_are_of_any_whole_type_and_of_components():
    X = np.random.default_rng(0).normal(size=(60, 2))
    known = np.repeat([0, 1], 30)
    model = GaussianMixture(2, random_state=0).fit(Rows.read(X).labelled(known))
    assert_allclose(model.means_[1], X[30:].mean(axis=0))
    given = {"weights_init": [1.0], "means_init": [[0, 0]], "precisions_init": [np.eye(2)]}
    with pytest.raises(ValueError, match=r"labels in the rows must lie in -1 \.\. 0"):
        GaussianMixture(1, **given).fit(Rows.read(X).labelled(known))


def test_chunks_whose_columns_are_in_another_order_are_refused():
    pandas = pytest.importorskip("pandas")
    X = np.arange(6.0).reshape(3, 2)
    first, other = pandas.DataFrame(X, columns=["a", "b"]), pandas.DataFrame(X, columns=["b", "a"])
    assert Chunks([first, first, X]).n_rows == 9
    with pytest.raises(ValueError, match="block 1 has the columns 'b', 'a', block 0 'a', 'b'"):
        Chunks([first, other])


def test_columns_as_numpy_counts_them():
    X = np.arange(20.0).reshape(4, 5)
    X[1, 4] = X[2, 0] = np.nan
    rows = Rows.read(pytest.importorskip("pandas").DataFrame(X, columns=list("abcde")))
    for columns in ([-1, 2], [-1, 0], [True, False, True, False, False], [0, 1], [-1, -2]):
        part = rows.take(columns=np.array(columns))
        assert_array_equal(part.X, X[:, np.array(columns)])
        assert part.names == tuple(np.array(list("abcde"))[np.array(columns)])
    assert_array_equal(rows.take(np.array([True, False, False, True]), np.array([-1])).X,
                       X[[0, 3]][:, [4]])
    with pytest.raises(IndexError):
        rows.take(columns=np.array([5]))


def test_company_is_read_as_the_kernels_do():
    X = np.random.default_rng(0).normal(size=(1000, 2))
    weight = np.arange(1000) % 7
    rows = Rows.read(X)
    for given in (weight.astype(np.float32), weight, weight.tolist(), np.repeat(weight, 2)[::2]):
        assert rows.with_(sample_weight=given).sample_weight.dtype == np.float64
        assert_array_equal(rows.with_(sample_weight=given).sample_weight, weight)
    known = np.where(weight == 3, 1, -1)
    assert_array_equal(rows.labelled(known.tolist()).known, known)
    for name, bad in (("sample_weight", weight[1:]), ("known", known[1:]), ("known", known + 0.5),
                      ("known", known + 2**32)):
        with pytest.raises(ValueError, match=name):
            rows.with_(**{name: bad})


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_a_label_beyond_the_components_is_refused(covariance_type, missing):
    X = np.random.default_rng(0).normal(size=(100, 2))
    X[::5, 0] = np.nan if missing else 0
    structure = structure_of(covariance_type)
    factors = structure.factors(structure.repeated(np.eye(2), 2))
    start = MixtureParameters(np.full(2, 0.5), Gaussians(structure, X[1:3], None, factors))
    rows = Rows.read(X).labelled(np.where(np.arange(100) == 7, 2, -1))
    for source in (rows, Chunks([rows, X])):
        with pytest.raises(ValueError, match=r"must lie in -1 \.\. 1, got 2"):
            run_em(Mixture(GaussianComponents(structure)), source, lambda i: start)
    with pytest.raises(ValueError, match=r"must lie in -1 \.\. 1, got 2"):
        GaussianMixtureImputer(2).fit(rows)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_labels_in_some_chunks_are_those_of_one_table(covariance_type):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 2)) + 3 * (np.arange(60) % 2)[:, None]
    X[rng.random(X.shape) < 0.3] = np.nan
    assert np.isnan(X[:30]).all(axis=1).any()      # rows that only labels can say something of
    known = np.where(np.arange(60) >= 30, np.arange(60) % 4 // 2 * 2 - 1, -1).clip(-1, 1)
    structure = structure_of(covariance_type, reg_covar=1e-6)
    factors = structure.factors(structure.repeated(np.eye(2), 2))
    means = np.array([[0.0, 0.0], [3.0, 3.0]])
    start = MixtureParameters(np.full(2, 0.5), Gaussians(structure, means, None, factors))

    def fitted(source):
        return run_em(Mixture(GaussianComponents(structure)), source, lambda i: start, max_iter=3,
                      tol=0).parameters

    whole = fitted(Rows.read(X).labelled(known))
    parts = fitted(Chunks([X[:20], Rows.read(X[20:30]), Rows.read(X[30:]).labelled(known[30:])]))
    for name in ("weights", "means", "covariances"):
        assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10)


def test_chunks_without_weight():
    X = np.random.default_rng(0).normal(size=(100, 2))
    weight = np.where(np.arange(100) < 40, 0.0, 1.0)
    rows = Rows.read(X)
    idle = rows.take(slice(0, 40)).with_(sample_weight=weight[:40])
    chunks = Chunks([idle, rows.take(slice(40, 100)).with_(sample_weight=weight[40:])])
    assert chunks.total == chunks.n_positive == 60
    structure = structure_of("full")
    start = MixtureParameters(np.ones(1), Gaussians(structure, np.zeros((1, 2)), None,
                                                    np.eye(2)[None]))
    mixture = Mixture(GaussianComponents(structure))
    found = run_em(mixture, chunks, lambda i: start).parameters
    assert_allclose(found.means[0], X[40:].mean(axis=0), rtol=1e-12)
    assert_allclose(found.covariances[0], np.cov(X[40:].T, bias=True), rtol=1e-12)
    with pytest.raises(ValueError, match="all blocks are zero"):
        Chunks([idle, idle])
    with pytest.raises(ValueError, match="all rows are zero"):
        run_em(mixture, idle, lambda i: start)
    with pytest.raises(ValueError, match="all zero"):
        GaussianMixture().fit(idle)


@pytest.mark.parametrize("missing", [False, True])
def test_starts_keep_no_column_of_indices(missing):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100_000, 20))
    if missing:
        X[rng.random(X.shape) < 0.01] = np.nan
    rows = Rows.read(X)
    tracemalloc.start()
    draw_rows(rows, np.random.RandomState(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * X.nbytes       # indices of all rows, a few times


def test_seeds_of_incomplete_rows_keep_distances_of_one_draw_only():
    X = gaps((60_000, 20), share=0.05)
    rows = Rows.read(X)
    assert rows.patterns is not None
    tracemalloc.start()
    observed_seeds(rows, 8, np.zeros(20), np.random.RandomState(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 4 candidates for each row: their distances, and some columns of one number for each row
    assert peak < 60_000 * 8 * (4 + 6)
