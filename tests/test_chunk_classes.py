"""Latent classes from blocks of answers, against all rows in memory."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chunk_models import left

import emkernels
from emkernels import LatentClassAnalysis
from emkernels.data import Chunks, item_blocks
from emkernels.data.item_blocks import ItemBlocks, ItemTables
from emkernels.starts.classes import marginals

pytestmark = pytest.mark.filterwarnings("ignore:.* did not converge")
DEMO = Path(emkernels.__file__).parent / "cli" / "_demo"


@pytest.fixture
def streamed(monkeypatch):
    """No pattern is counted: every pass reads the blocks."""
    monkeypatch.setattr(item_blocks, "PATTERN_BYTES", 0)


def votes():
    with (DEMO / "votes.csv").open() as file:
        head, *rows = csv.reader(file)
    return pd.DataFrame([[cell or None for cell in row] for row in rows], columns=head)


def carcinoma():
    """Seven pathologists, A. Agresti, Categorical Data Analysis, table 13.1."""
    counts = {"0000000": 34, "0000100": 2, "0100000": 6, "0100001": 1, "0100100": 4,
              "0100101": 5, "1000000": 2, "1010101": 1, "1100000": 2, "1100001": 1,
              "1100100": 2, "1100101": 7, "1100111": 1, "1101000": 1, "1101101": 2,
              "1101111": 3, "1110101": 13, "1110111": 5, "1111101": 10, "1111111": 16}
    return np.array([[int(c) for c in row] for row, n in counts.items() for _ in range(n)])


def parted(X, size):
    return [X[first:first + size] for first in range(0, len(X), size)]


def mixed(n=600):
    """Four items and two columns of numbers, of two classes, with gaps."""
    rng = np.random.RandomState(3)
    k = rng.randint(2, size=n)
    items = rng.randint(3, size=(n, 4)) * (rng.random_sample((n, 4)) < 0.4 + 0.5 * k[:, None])
    X = np.column_stack([items, 4 * k + rng.standard_normal(n), 1e6 + rng.standard_normal(n)])
    X[rng.random_sample(X.shape) < 0.1] = np.nan
    return X


def start_of(n_levels, n_classes):
    rng = np.random.RandomState(0)
    return [rng.dirichlet(np.ones(n), n_classes) for n in n_levels]


def assert_near(model, other, tolerance=1e-10):
    for name in ("weights_", "means_", "variances_", "lower_bounds_", "entropy_"):
        np.testing.assert_allclose(getattr(model, name), getattr(other, name), rtol=tolerance,
                                   atol=tolerance, err_msg=name)
    for mine, theirs in zip(model.response_probs_, other.response_probs_, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    for mine, theirs in zip(model.categories_, other.categories_, strict=True):
        assert mine.tolist() == theirs.tolist() and mine.dtype == theirs.dtype
    assert (model.n_best_, model.identified_) == (other.n_best_, other.identified_)


def assert_same_bits(model, other):
    for name in ("weights_", "means_", "variances_"):
        assert np.array_equal(getattr(model, name), getattr(other, name)), name
    assert all(map(np.array_equal, model.response_probs_, other.response_probs_))
    assert model.lower_bounds_ == other.lower_bounds_
    assert (model.entropy_, model.n_best_) == (other.entropy_, other.n_best_)


# --- the same as in memory ------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore:.* do not determine")
@pytest.mark.parametrize("n_classes", [1, 2, 4])
@pytest.mark.parametrize("size", [37, 500])
def test_counted_answers_have_the_bits_of_a_fit(n_classes, size):
    X = votes()
    options = {"random_state": 0, "n_init": 8}
    whole = LatentClassAnalysis(n_classes, **options).fit(X)
    parts = LatentClassAnalysis(n_classes, **options).fit_chunks(parted(X, size))
    assert_same_bits(parts, whole)
    assert_near(parts, whole)
    assert list(parts.feature_names_in_) == list(X.columns)
    assert (parts.n_blocks_, parts.n_rows_) == (-(-len(X) // size), len(X))


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [
    {}, {"response_concentration": 1.2}, {"acceleration": "squarem", "max_iter": 12},
    {"acceleration": "auto", "max_iter": 70}], ids=str)
def test_from_a_given_start(options, weighted, counted, request):
    if not counted:
        request.getfixturevalue("streamed")
    X, weight = carcinoma(), None
    if weighted:
        weight = np.random.RandomState(1).rand(len(X))
        weight[::6] = 0
        weight[:30] = 0     # a block of nothing
    options = {"response_probs_init": start_of([2] * 7, 3), "acceleration": None, "max_iter": 9,
               "tol": 0, **options}
    whole = LatentClassAnalysis(3, **options).fit(X, sample_weight=weight)
    parts = LatentClassAnalysis(3, **options).fit_chunks(
        parted(X, 30), sample_weight=None if weight is None else parted(weight, 30))
    # the last Newton steps are along a ridge, where rounding moves parameters
    assert_near(parts, whole, 1e-10 if options["acceleration"] != "auto" else 1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [{}, {"reg_covar": 0.01}, {"variances_init": np.ones((2, 2))}],
                         ids=str)
def test_numbers_beside_answers(options, weighted):
    X = mixed()
    weight = np.random.RandomState(1).rand(len(X)) * (np.arange(len(X)) % 4 > 0)
    weight = weight if weighted else None
    options = {"continuous": [4, 5], "response_probs_init": start_of([3] * 4, 2), "max_iter": 12,
               "means_init": [[0, 1e6], [3, 1e6]], "tol": 0, "acceleration": None, **options}
    whole = LatentClassAnalysis(2, **options).fit(X, sample_weight=weight)
    parts = LatentClassAnalysis(2, **options).fit_chunks(
        X, chunk_rows=47, sample_weight=weight)
    assert_near(parts, whole)
    assert parts.continuous_ == [4, 5]


@pytest.mark.filterwarnings("ignore:.* do not determine")
def test_from_starts_of_their_own(streamed):
    """As many rows as starts look at: those of a fit in memory."""
    for X, options, size in ((votes(), {}, 50), (mixed(), {"continuous": [4, 5]}, 100)):
        whole = LatentClassAnalysis(2, random_state=1, n_init=8, **options).fit(X)
        parts = LatentClassAnalysis(2, random_state=1, n_init=8, **options).fit_chunks(
            parted(X, size))
        assert_near(parts, whole, 1e-8)


def test_a_sample_of_many_rows_leads_to_the_same_maximum(streamed, monkeypatch):
    monkeypatch.setattr(item_blocks, "SAMPLE_ROWS", 300)
    X = np.concatenate([carcinoma()] * 20)[np.random.RandomState(0).permutation(2360)]
    X = np.column_stack([X, np.arange(len(X)) % 2])
    X[2300, 7] = 5          # an answer that one row of a late block gives
    options = {"random_state": 1, "n_init": 10, "max_iter": 300}
    whole = LatentClassAnalysis(2, **options).fit(X)
    parts = LatentClassAnalysis(2, **options).fit_chunks(X, chunk_rows=190)
    assert parts.categories_[7].tolist() == [0, 1, 5]
    assert abs(parts.lower_bound_ - whole.lower_bound_) < 1e-8
    np.testing.assert_allclose(parts.weights_, whole.weights_, atol=1e-4)
    other = LatentClassAnalysis(2, **options).fit_chunks(X, chunk_rows=1000)
    assert abs(other.lower_bound_ - whole.lower_bound_) < 1e-8


def test_a_sample_does_not_depend_on_the_blocks(monkeypatch):
    monkeypatch.setattr(item_blocks, "SAMPLE_ROWS", 100)
    X = np.random.RandomState(0).randint(3, size=(900, 4))
    weight = np.random.RandomState(1).rand(900) * (np.arange(900) % 3 > 0)
    drawn = [ItemBlocks(Chunks(X, chunk_rows=size, sample_weight=weight, door=ItemTables())).sample(
        np.random.RandomState(5)) for size in (7, 400)]
    assert np.array_equal(drawn[0].codes, drawn[1].codes)
    assert np.array_equal(drawn[0].sample_weight, drawn[1].sample_weight)
    # the weights estimate that of all
    assert drawn[0].total == pytest.approx(weight.sum(), rel=0.15)
    for row in drawn[0].codes:
        assert (X[weight > 0] == row).all(axis=1).any()


def test_marginals_are_those_of_all_rows():
    X = mixed()
    source = ItemBlocks(Chunks(X, chunk_rows=91, door=ItemTables([4, 5])))
    mean, variance = marginals(source)
    np.testing.assert_allclose(mean, np.nanmean(X[:, 4:], axis=0), rtol=1e-13)
    np.testing.assert_allclose(variance, np.nanvar(X[:, 4:], axis=0), rtol=1e-9)


@pytest.mark.parametrize("counted", [True, False])
def test_bits_for_every_reader_and_number_of_threads(counted, request):
    if not counted:
        request.getfixturevalue("streamed")
    X = mixed().round()
    options = {"random_state": 2, "n_init": 3, "max_iter": 8} | (
        {} if counted else {"continuous": [4]})
    X[:, 5] -= 1e6
    weight = np.arange(len(X)) % 5 / 3
    fits = [LatentClassAnalysis(2, n_threads=n, **options).fit_chunks(source, sample_weight=w)
            for n in (1, 2) for source, w in (
                (parted(X, 80), parted(weight, 80)),
                (lambda: iter(parted(np.asfortranarray(X), 80)), lambda: iter(parted(weight, 80))),
                ([pd.DataFrame(each) for each in parted(X, 80)], parted(weight, 80)))]
    for other in fits[1:]:
        assert_same_bits(fits[0], other)


# --- levels ---------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore:.* do not determine")
@pytest.mark.parametrize("values", [
    [3, 1, 2, 3, 7, 1], [3.5, np.nan, 1.0, 3.5, -2.0, 1.0], [True, False, True, False, True, True],
    ["b", "a", "c", None, "z", "a"], ["b", 2, 1, "a", None, 2.5], [(1, 2), "a", (0, 1), "b", 1, 1],
    [70000, 1, 2, 3, -7, 1], [np.nan, np.nan, 2.0, np.nan, 1.0, 2.0]], ids=str)
def test_levels_are_those_of_all_rows(values):
    column = np.empty(len(values), object)
    column[:] = values
    if not any(isinstance(value, (str, tuple)) or value is None for value in values):
        column = np.array(values)
    X = pd.DataFrame({"a": column, "b": [0, 1, 0, 1, 0, 1]})
    whole = LatentClassAnalysis(2, random_state=0, n_init=3, max_iter=5).fit(X)
    for size in (1, 2, 4):
        parts = LatentClassAnalysis(2, random_state=0, n_init=3, max_iter=5).fit_chunks(
            parted(X, size))
        assert_near(parts, whole, 1e-9)


@pytest.mark.filterwarnings("ignore:.* do not determine")
def test_categories_keep_their_order():
    order = pd.CategoricalDtype(["low", "middle", "high", "none"])
    X = pd.DataFrame({"a": pd.Series(["high", "low", None, "high", "middle", "low"], dtype=order),
                      "b": [0, 1, 0, 1, 0, 1]})
    parts = LatentClassAnalysis(2, random_state=0, n_init=3, max_iter=5).fit_chunks(parted(X, 2))
    assert parts.categories_[0].tolist() == ["low", "middle", "high"]
    # of other categories in each block, as of frames that are joined: sorted
    own = [each.assign(a=each["a"].astype(str).astype("category")) for each in parted(X, 3)]
    joined = pd.concat(own)
    whole = LatentClassAnalysis(2, random_state=0, n_init=3, max_iter=5).fit(joined)
    parts = LatentClassAnalysis(2, random_state=0, n_init=3, max_iter=5).fit_chunks(own)
    assert_near(parts, whole, 1e-9)


def test_rows_of_no_weight_have_no_levels():
    X = np.array([[0, 0], [1, 1], [9, 0], [0, 1], [1, 0], [1, 1]])
    parts = LatentClassAnalysis(1).fit_chunks(parted(X, 2), sample_weight=[[1, 1], [0, 1], [1, 1]])
    assert parts.categories_[0].tolist() == [0, 1]


# --- bad input ------------------------------------------------------------------------------------

ZEROS = np.zeros((3, 2))


@pytest.mark.parametrize("source, options, error, text", [
    ([ZEROS, np.zeros((3, 3))], {}, ValueError, "block 1 has 3 columns"),
    ([ZEROS, np.array([[0, 1], [0, np.inf]])], {}, ValueError, "block 1, row 1, column 1"),
    ([ZEROS, np.array([[0, 1], [0, np.inf]])], {"continuous": [1]}, ValueError,
     "block 1, row 1, column 1"),
    ([ZEROS, np.array([[0, 1], [0, "a"]], object)], {"continuous": [1]}, ValueError,
     "column 1 of X is not numeric: 'a' at block 1, row 1"),
    ([ZEROS, np.array([[0, 1], [0, [3]]], object)], {}, ValueError,
     "column 1 of X holds .* at block 1, row 1"),
    (parted(np.arange(600).reshape(300, 2), 200), {}, ValueError, "column 0 of X has 300 levels"),
    ([np.full((3, 2), np.nan)], {}, ValueError, "no observed value in column 0"),
    ([], {}, ValueError, "no block"), ([np.zeros((0, 2))], {}, ValueError, "no block"),
    (iter([ZEROS]), {}, TypeError, "callable"),
    ([ZEROS], {"continuous": [2]}, ValueError, "column 2 of X, which has 2"),
    ([ZEROS], {"continuous": ["a"]}, ValueError, "no column of X"),
    ([np.array([[0], [0]]), np.array([[0], [1]])],
     {"response_probs_init": [[[1, 0], [1, 0]]]}, ValueError,
     "^block 1, row 1 of X has probability 0"),
    ([pd.DataFrame({"a": [0, 1]}), pd.DataFrame({"b": [0, 1]})], {}, ValueError, "block 1.*'b'"),
], ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("counted", [True, False])
def test_bad_blocks(source, options, error, text, counted, request):
    if not counted:
        request.getfixturevalue("streamed")
    model = LatentClassAnalysis(1).fit(np.array([[0, 1], [1, 0], [1, 1]]))
    model.set_params(n_classes=2, **options)
    before = dict(vars(model))
    with pytest.raises(error, match=text):
        model.fit_chunks(source)
    assert vars(model) == before


@pytest.mark.parametrize("weight, text", [
    ([[1, 1, 1]], "sample_weight"), ([[1, 1, 1], [1, 1]], "block 1"),
    ([[1, 1, 1], [1, -1, 1]], "block 1, row 1"), ([[0, 0, 0], [0, 0, 0]], "are zero")])
def test_bad_weights(weight, text):
    with pytest.raises(ValueError, match=text):
        LatentClassAnalysis(1).fit_chunks([ZEROS, ZEROS], sample_weight=weight)


@pytest.mark.parametrize("change", ["value", "text", "rows", "blocks"])
def test_a_source_that_changes(change):
    calls = []

    def source():
        calls.append(0)
        late = len(calls) > 1
        yield pd.DataFrame({"a": ["x", "y", "x"], "b": [0.0, 1.0, 2.0]})
        yield pd.DataFrame({
            "a": ["x", "x" if late and change == "text" else "y", "x", "y"][:4 - (
                late and change == "rows")],
            "b": [0.0, 1.0, 2.0, 5.0 if late and change == "value" else 3.0][:4 - (
                late and change == "rows")]})
        if late and change == "blocks":
            yield pd.DataFrame({"a": ["x"], "b": [1.0]})

    with pytest.raises(ValueError, match="the source has changed: block "
                       f"{2 if change == 'blocks' else 1} in pass"):
        LatentClassAnalysis(1, continuous=["b"]).fit_chunks(source)


@pytest.mark.filterwarnings("ignore:.* do not determine")
def test_empty_blocks():
    X = carcinoma()
    whole = LatentClassAnalysis(2, random_state=0, n_init=6).fit(X)
    parts = LatentClassAnalysis(2, random_state=0, n_init=6).fit_chunks(
        [X[:50], X[:0], X[50:], pd.DataFrame(X[:0])])
    assert_same_bits(parts, whole)
    assert parts.n_blocks_ == 4
    assert not hasattr(parts.fit(X), "n_blocks_")


# --- files, checkpoints, output -------------------------------------------------------------------

def test_answers_in_files_with_a_checkpoint_and_output(tmp_path):
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"a": rng.choice(["x", "y", None], 300), "b": rng.choice(list("uvw"), 300),
                      "n": rng.standard_normal(300), "w": rng.random_sample(300)})
    path, saved = tmp_path / "answers.parquet", tmp_path / "fit"
    X.to_parquet(path, row_group_size=80)
    options = {"continuous": ["n"], "random_state": 0, "n_init": 4, "max_iter": 8}
    whole = LatentClassAnalysis(2, **options).fit(X.drop(columns="w"), sample_weight=X["w"])
    parts = LatentClassAnalysis(2, **options).fit_chunks(
        path, sample_weight="w", checkpoint=saved)
    assert_near(parts, whole)
    assert list(parts.feature_names_in_) == ["a", "b", "n"]
    again = LatentClassAnalysis(2, **options).fit_chunks(
        path, sample_weight="w", checkpoint=saved, resume=True)
    assert_same_bits(again, parts)
    blocks = parted(X.drop(columns="w"), 80)
    for name in ("predict", "predict_proba", "score_samples", "impute"):
        for found, block in zip(getattr(parts, f"{name}_chunks")(path), blocks, strict=True):
            assert (found == getattr(parts, name)(block)).all()


@pytest.mark.filterwarnings("ignore:.* do not determine")
@pytest.mark.parametrize("counted, at", [(True, 7), (True, 10), (False, 12), (False, 33)])
def test_left_in_the_middle_of_a_pass(counted, at, tmp_path, always, request):
    if not counted:
        request.getfixturevalue("streamed")
    X = parted(votes().to_numpy(object), 80)

    def fit(source, **more):
        return LatentClassAnalysis(2, random_state=0, n_init=3, max_iter=5).fit_chunks(
            source, **more)

    with pytest.raises(RuntimeError, match="left"):
        fit(left(X, at), checkpoint=tmp_path / "fit")
    assert_same_bits(fit(lambda: iter(X), checkpoint=tmp_path / "fit", resume=True), fit(X))
