"""Hidden Markov models from blocks that are sequences, against all sequences in memory."""

import csv
from pathlib import Path

import numpy as np
import pytest
from chunk_models import left

import emkernels
from emkernels import CategoricalHMM, GaussianHMM, MixtureHMM
from emkernels.data import Chunks, sequence_blocks
from emkernels.data.sequence_blocks import SequenceTables, rows_of, sample_sequences

pytestmark = pytest.mark.filterwarnings("ignore:.* did not converge")
DEMO = Path(emkernels.__file__).parent / "cli" / "_demo"


def sequences_of(seed, lengths, n_columns=2, missing=0.0, dtype=np.float64):
    """Sequences of three states; values missing in every second."""
    rng, out = np.random.RandomState(seed), []
    for s, n in enumerate(lengths):
        state = np.cumsum(rng.rand(n) < 0.1) % 3
        X = rng.standard_normal((n, n_columns)) + 3 * state[:, None]
        if s % 2:
            X[rng.random_sample(X.shape) < missing] = np.nan
        out.append(X.astype(dtype))
    return out


def start_of(n_mix=None):
    means = np.array([[-0.5, 0.5], [2.0, 3.5], [6.0, 7.0]])
    covars = np.array([1.5 * np.eye(2)] * 3)
    out = {"startprob_init": [0.5, 0.3, 0.2],
           "transmat_init": np.full((3, 3), 0.1) + 0.7 * np.eye(3)}
    if n_mix:
        out["weights_init"] = [[0.6, 0.4]] * 3
        means = np.stack([means - 0.4, means + 0.4], axis=1)
        covars = np.stack([covars, covars], axis=1)
    return {**out, "means_init": means, "covars_init": covars}


def parameters_of(model):
    return {name: getattr(model, f"{name}_") for name in model._names}


def assert_near(model, other, tolerance=1e-10):
    for name, value in parameters_of(model).items():
        np.testing.assert_allclose(value, parameters_of(other)[name], rtol=tolerance,
                                   atol=tolerance, err_msg=name)
    np.testing.assert_allclose(model.lower_bounds_, other.lower_bounds_, rtol=tolerance)


def assert_same_bits(model, other):
    for name, value in parameters_of(model).items():
        assert np.array_equal(value, parameters_of(other)[name]), name
    assert model.lower_bounds_ == other.lower_bounds_


LENGTHS = [40, 1, 90, 33, 7, 60, 60, 25, 80, 12, 50, 44, 61, 35, 28, 90, 11, 70, 30]


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [
    {}, {"covariance_type": "full", "acceleration": "squarem"},
    {"covariance_type": "tied", "covariance_prior": "empirical"},
    {"covariance_type": "spherical", "reg_covar": "auto", "transmat_concentration": 1.5},
    {"n_mix": 2}, {"fixed": ("means",)}], ids=str)
def test_blocks_are_the_sequences_of_a_fit(options, weighted, missing):
    X = sequences_of(0, LENGTHS, missing=missing)
    weight = np.random.RandomState(1).rand(len(X)) + 0.5 if weighted else None
    if weighted:
        weight[3] = 0
    kind = MixtureHMM if "n_mix" in options else GaussianHMM
    options = {**start_of(options.get("n_mix")), "max_iter": 7, "tol": 0, **options}
    whole = kind(3, **options).fit(X, sample_weight=weight)
    parts = kind(3, **options).fit_chunks(X, sample_weight=weight)
    assert_near(parts, whole)
    assert (parts.n_blocks_, parts.n_rows_) == (len(X), sum(LENGTHS))
    assert parts.n_features_in_ == 2


@pytest.mark.parametrize("weighted", [False, True])
def test_symbols(weighted):
    rng = np.random.RandomState(0)
    X = [rng.choice(5, (n, 1), p=[0.4, 0.3, 0.1, 0.1, 0.1]).astype(float) for n in LENGTHS]
    X[7][3] = 6         # seen once, in one block
    X[4][:] = np.nan
    weight = rng.rand(len(X)) + 0.1 if weighted else None
    options = {"random_state": 0, "n_init": 3, "max_iter": 9, "tol": 0}
    whole = CategoricalHMM(2, **options).fit(X, sample_weight=weight)
    parts = CategoricalHMM(2, **options).fit_chunks(lambda: iter(X), sample_weight=weight)
    assert parts.emissionprob_.shape == (2, 7)
    assert_near(parts, whole)
    assert CategoricalHMM(2, n_symbols=9, **options).fit_chunks(X).emissionprob_.shape == (2, 9)


def test_the_start_of_a_few_rows_is_that_of_a_fit():
    """All of the rows are looked at, in memory and in blocks."""
    X = sequences_of(3, LENGTHS)
    whole = GaussianHMM(3, random_state=5, n_init=6).fit(X)
    assert_near(GaussianHMM(3, random_state=5, n_init=6).fit_chunks(X), whole, 1e-8)


def test_nile_as_one_block():
    with (DEMO / "nile.csv").open() as file:
        flow = np.array([[float(row[-1])] for row in list(csv.reader(file))[1:]])
    whole = GaussianHMM(2, random_state=0).fit(flow)
    parts = GaussianHMM(2, random_state=0).fit_chunks(flow)     # an array is one sequence
    assert parts.n_blocks_ == 1
    assert_near(parts, whole, 1e-9)


def test_an_array_in_sequences_of_one_length():
    X = np.concatenate(sequences_of(2, [50] * 6))
    whole = GaussianHMM(3, **start_of(), max_iter=4, tol=0).fit(X, lengths=[50] * 6)
    parts = GaussianHMM(3, **start_of(), max_iter=4, tol=0).fit_chunks(X, chunk_rows=50)
    assert parts.n_blocks_ == 6
    assert_near(parts, whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_for_every_reader_and_number_of_threads(dtype):
    X = sequences_of(4, LENGTHS * 2, missing=0.1, dtype=dtype)
    weight = np.arange(len(X)) % 5 / 3
    fits = [GaussianHMM(3, random_state=2, n_init=3, max_iter=8, n_threads=n).fit_chunks(
        source, sample_weight=w) for n in (1, 2) for source, w in (
            (X, weight), (lambda: iter(X), list(weight)), (tuple(X), lambda: iter(weight)),
            ([np.asfortranarray(each) for each in X],
             [np.full(len(each), w) for each, w in zip(X, weight, strict=True)]))]
    for other in fits[1:]:
        assert_same_bits(fits[0], other)


def test_starts_look_at_some_of_many_rows():
    X = sequences_of(5, [900] * 70)
    source = Chunks(X, door=SequenceTables())
    some = sample_sequences(source, 20_000, False, np.random.RandomState(0))
    assert 20_000 <= some.n_rows < 22_000 and (some.lengths == 900).all()
    again = sample_sequences(
        Chunks(np.concatenate(X), chunk_rows=900, door=SequenceTables()), 20_000, False,
        np.random.RandomState(0))
    assert np.array_equal(some.rows.X, again.rows.X)
    other = sample_sequences(source, 20_000, False, np.random.RandomState(1))
    assert not np.array_equal(some.rows.X, other.rows.X)
    whole = GaussianHMM(3, random_state=0, n_init=4).fit(X)
    parts = GaussianHMM(3, random_state=0, n_init=4).fit_chunks(X)
    assert abs(whole.lower_bound_ - parts.lower_bound_) < 1e-7


def test_a_sample_has_something_of_every_column():
    X = sequences_of(6, [1000] * 40)
    for each in X:
        each[:, 1] = np.nan
    X[33][900:905, 1] = [1.0, 2.0, 3.0, 4.0, 5.0]
    some = sample_sequences(
        Chunks(X, door=SequenceTables()), 20_000, False, np.random.RandomState(3))
    assert np.count_nonzero(~np.isnan(some.rows.X[:, 1])) == 5


def test_what_columns_are_like():
    X, weight = sequences_of(7, LENGTHS, missing=0.3), np.arange(len(LENGTHS)) / 4
    source = Chunks(X, sample_weight=weight, door=SequenceTables())
    joined, rows = np.concatenate(X), rows_of(source)
    w = np.repeat(weight, LENGTHS)[:, None] * ~np.isnan(joined)
    means = (w * np.nan_to_num(joined)).sum(axis=0) / w.sum(axis=0)
    np.testing.assert_allclose(rows.summary().means, means, rtol=1e-12)
    assert source.total == pytest.approx(weight @ LENGTHS, rel=1e-14)
    assert source.n_positive == sum(LENGTHS[1:])


# --- bad input ----------------------------------------------------------------------------------

GOOD = [np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 3.0]]), np.array([[5.0, 1.0], [2.0, 4.0]])]


@pytest.mark.parametrize("source, weight, error, text", [
    ([GOOD[0], np.zeros((3, 3))], None, ValueError, "block 1 has 3 columns"),
    ([GOOD[0], np.array([[1.0, 2.0], [np.inf, 0.0]])], None, ValueError,
     "block 1, row 1, column 0"),
    ([], None, ValueError, "no block"),
    ([np.zeros((0, 2))], None, ValueError, "no block"),
    (iter(GOOD), None, TypeError, "callable"),
    (GOOD, [1.0], ValueError, "no weight|1 weights"),
    (GOOD, [1.0, 2.0, 3.0], ValueError, "more weights than the 2 blocks"),
    (GOOD, [1.0, -1.0], ValueError, "block 1: sample_weight must be finite and not negative"),
    (GOOD, [1.0, np.nan], ValueError, "block 1"),
    (GOOD, [1.0, 1e308], ValueError, "block 1: sample_weight is too large"),
    ([GOOD[0] * 1e200, GOOD[1]], [0.5, 0.5], ValueError, "X is too large"),
    (GOOD, [0.0, 0.0], ValueError, "weights of all blocks are zero"),
    (GOOD, [1.0, [1.0, 2.0]], ValueError, "block 1: its rows have several weights"),
    (GOOD, iter([1.0, 2.0]), TypeError, "callable"),
    (GOOD, 2.0, ValueError, "a weight for each block"),
    ([np.full((3, 2), np.nan)], None, ValueError, "no observed value in column 0"),
    ([np.array([["a", 1]], object)], None, ValueError, "column 0 .* at block 0, row 0"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_bad_blocks(source, weight, error, text):
    model = GaussianHMM(1).fit(np.concatenate(GOOD))
    before = dict(vars(model))
    with pytest.raises(error, match=text):
        model.fit_chunks(source, sample_weight=weight)
    assert vars(model) == before


@pytest.mark.parametrize("code, text", [(-1, "negative"), (0.5, "no whole number")])
def test_bad_codes(code, text):
    with pytest.raises(ValueError, match=f"{code} at block 1, row 1.*{text}"):
        CategoricalHMM(1).fit_chunks([np.zeros((3, 1)), np.array([[0], [code]])])


def test_a_symbol_that_there_is_not():
    with pytest.raises(ValueError, match=r"symbol 4 at block 1, row 1, .*n_symbols=3"):
        CategoricalHMM(1, n_symbols=3).fit_chunks([np.zeros((3, 1)), np.array([[0.0], [4.0]])])
    with pytest.raises(ValueError, match="block 0, row 0, column 0.*numpy.unique"):
        CategoricalHMM(1).fit_chunks([np.array([["a"]])])


def test_an_impossible_block_is_named():
    with pytest.raises(ValueError, match="^block 1 is impossible"):
        CategoricalHMM(2, emissionprob_init=[[1, 0], [1, 0]]).fit_chunks(
            [np.zeros((3, 1)), np.array([[0.0], [1.0]])])


def test_a_source_that_changes():
    calls = []

    def source():
        calls.append(0)
        yield GOOD[0]
        yield GOOD[1] + (len(calls) > 3)

    with pytest.raises(ValueError, match="the source has changed: block 1 in pass"):
        GaussianHMM(1).fit_chunks(source)


def test_empty_blocks_and_blocks_of_no_weight_are_absent():
    X = [GOOD[0], np.zeros((0, 2)), GOOD[1]]
    whole = GaussianHMM(1).fit(GOOD)
    assert_near(GaussianHMM(1).fit_chunks(X), whole)
    again = GaussianHMM(1).fit_chunks([*X, 1e3 + GOOD[0]], sample_weight=[1, 1, 1, 0])
    assert_near(again, whole)


def test_what_is_said_of_states_is_said():
    """A column that does not vary is named as in memory."""
    X = [np.column_stack([each[:, 0], np.ones(len(each))]) for each in sequences_of(0, LENGTHS)]

    def said(fit):
        with pytest.warns(Warning) as found:
            fit()
        return [str(each.message) for each in found]

    model = GaussianHMM(2, random_state=0, n_init=2)
    assert said(lambda: model.fit(X)) == said(lambda: model.fit_chunks(X))


def test_a_fit_of_rows_forgets_the_blocks():
    model = GaussianHMM(1).fit_chunks(GOOD)
    assert model.n_blocks_ == 2
    assert not hasattr(model.fit(GOOD), "n_blocks_")


@pytest.mark.parametrize("kind", [GaussianHMM, CategoricalHMM])
def test_a_checkpoint_and_output_of_blocks(kind, tmp_path):
    X = sequences_of(9, [30, 50, 20], 1)
    if kind is CategoricalHMM:
        X = [(each > 2).astype(float) for each in X]
    options = {"random_state": 0, "n_init": 3, "max_iter": 6}
    parts = kind(2, **options).fit_chunks(X, checkpoint=tmp_path / "fit")
    assert_same_bits(parts, kind(2, **options).fit_chunks(X))
    assert_same_bits(parts, kind(2, **options).fit_chunks(
        X, checkpoint=tmp_path / "fit", resume=True))
    for name in ("predict", "predict_proba"):
        for found, block in zip(getattr(parts, f"{name}_chunks")(X), X, strict=True):
            assert np.array_equal(found, getattr(parts, name)(block))
    assert not hasattr(parts, "score_samples_chunks")


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_sequences_that_are_worked_on_together(missing, monkeypatch):
    """The kernels take several at once; statistics are those of one after the other."""
    X = sequences_of(11, LENGTHS * 3, missing=missing)
    weight = np.random.RandomState(0).rand(len(X))
    weight[20] = 0
    options = {**start_of(), "max_iter": 5, "tol": 0}
    joined = GaussianHMM(3, **options).fit_chunks(X, sample_weight=weight)
    seen = []

    def counting(held):
        seen.append([one.block for _, one in held])
        return join(held)

    join = sequence_blocks._joined
    monkeypatch.setattr(sequence_blocks, "_joined", counting)
    monkeypatch.setattr(sequence_blocks, "TOGETHER", 400)
    some = GaussianHMM(3, **options).fit_chunks(X, sample_weight=weight)
    assert_near(some, joined, 1e-11)
    for blocks in seen:
        assert blocks == list(range(blocks[0], blocks[0] + len(blocks)))
        assert blocks[0] // 16 == blocks[-1] // 16 and 20 not in blocks
        assert sum(X[b].size for b in blocks) <= 400
        assert len({bool(np.isnan(X[b]).any()) for b in blocks}) == 1
    assert max(map(len, seen)) > (3 if not missing else 1)
    monkeypatch.setattr(sequence_blocks, "TOGETHER", 0)
    assert_near(GaussianHMM(3, **options).fit_chunks(X, sample_weight=weight), joined, 1e-11)


@pytest.mark.parametrize("at", [60, 67, 75, 130, 190])
def test_left_in_the_middle_of_a_pass(at, tmp_path, always):
    X = sequences_of(12, LENGTHS * 3)

    def fit(source, **more):
        return GaussianHMM(3, **start_of(), max_iter=4, tol=0).fit_chunks(source, **more)

    with pytest.raises(RuntimeError, match="left"):
        fit(left(X, at), checkpoint=tmp_path / "fit")
    assert_same_bits(fit(lambda: iter(X), checkpoint=tmp_path / "fit", resume=True), fit(X))


def test_chunks_are_fitted_to_as_they_are():
    X = sequences_of(13, LENGTHS)
    parts = GaussianHMM(3, **start_of(), max_iter=3).fit_chunks(Chunks(X, door=SequenceTables()))
    assert_same_bits(parts, GaussianHMM(3, **start_of(), max_iter=3).fit_chunks(X))
    for model in (GaussianHMM(2), CategoricalHMM(2), emkernels.LatentClassAnalysis(2)):
        with pytest.raises(TypeError, match="these Chunks have blocks of another kind"):
            model.fit_chunks(Chunks(X))
