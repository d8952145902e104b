"""What hidden Markov models refuse, and how they say it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from emkernels import CategoricalHMM, GaussianHMM, MixtureHMM
from emkernels.data.sequences import Sequences
from emkernels.em import DegenerateWarning

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 2)) + 5 * (np.arange(12) % 2)[:, None]
CODES = np.array([0, 1, 2, 0, 1, 1])[:, None]


def ready(**changes):
    """A model put in by hand."""
    model = GaussianHMM()
    values = {"startprob_": [0.5, 0.5], "transmat_": [[0.9, 0.1], [0.2, 0.8]],
              "means_": [[0, 0], [5.0, 5]], "covars_": [np.eye(2), np.eye(2)], **changes}
    for name, value in values.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize(("lengths", "error", "text"), [
    ([5, 6], ValueError, "lengths sum to 11, but X has 12 rows"),
    ([13], ValueError, "lengths sum to 13, but X has 12 rows"),
    ([6, 0, 6], ValueError, "positive whole numbers, got 0 for sequence 1"),
    ([-1, 13], ValueError, "positive whole numbers, got -1 for sequence 0"),
    ([6.5, 5.5], ValueError, "positive whole numbers, got 6.5 for sequence 0"),
    ([np.nan, 12], ValueError, "positive whole numbers, got nan for sequence 0"),
    ([], ValueError, "lengths must have one axis and not be empty"),
    ([[6, 6]], ValueError, r"lengths must have one axis .* shape \(1, 2\)"),
    (12, TypeError, "lengths must be a sequence of whole numbers.* got 12"),
    ("12", TypeError, "lengths must be a sequence of whole numbers.* got '12'"),
    (["a", "b"], TypeError, "lengths"),
    (np.ones(12, bool), ValueError, "positive whole numbers"),
    ([True] * 12, ValueError, "positive whole numbers"),
])
def test_lengths(lengths, error, text):
    with pytest.raises(error, match=text):
        GaussianHMM(2).fit(X, lengths=lengths)
    model = ready()
    for method in (model.score, model.score_samples, model.decode, model.predict,
                   model.predict_proba, model.aic, model.bic):
        with pytest.raises(error, match=text):
            method(X, lengths)


@pytest.mark.parametrize("lengths", [(5, 7), np.array([5, 7], "u1"), pd.Series([5, 7]),
                                     pd.Series([5, 7], dtype="Int64"), np.array([5.0, 7.0])])
def test_lengths_of_any_container(lengths):
    assert ready().score(X, lengths) == ready().score([X[:5], X[5:]])


def test_lengths_in_the_place_of_y():
    with pytest.raises(ValueError, match="second argument of fit is y.*pass lengths="):
        GaussianHMM(2).fit(X, [5, 7])
    GaussianHMM(2, random_state=0).fit(X, np.arange(12))
    GaussianHMM(2, random_state=0).fit(X, [5, 7], lengths=[5, 7])


def test_lists_of_sequences():
    model = ready()
    parts = [X[:5], X[5:]]
    frames = [pd.DataFrame(part, columns=["a", "b"]) for part in parts]
    value = model.score(X, [5, 7])
    assert model.score(tuple(parts)) == model.score(frames) == value
    assert model.score([part.tolist() for part in parts]) == value
    assert model.score([X]) == model.score(X) != value
    assert model.score([X[:5].astype("f4"), X[5:]]) != value        # float64 then
    assert_array_equal(model.predict(parts), model.predict(X, [5, 7]))
    fitted = GaussianHMM(2, random_state=0).fit(frames)
    assert list(fitted.feature_names_in_) == ["a", "b"] and fitted.n_features_in_ == 2
    with pytest.raises(ValueError, match="lengths must be None where X is a list"):
        model.score(parts, [5, 7])
    with pytest.raises(ValueError, match="sequence 1 of X has 1 columns, and sequence 0 has 2"):
        GaussianHMM(2).fit([X[:5], X[5:, :1]])
    with pytest.raises(ValueError, match="sequence 1 of X: .*infinity.*row 2"):
        GaussianHMM(2).fit([X[:5], np.where(np.arange(7)[:, None] == 2, np.inf, X[5:])])
    with pytest.raises(ValueError, match="sequence 1 of X: "):
        GaussianHMM(2).fit([X[:5], X[:0]])
    with pytest.raises(ValueError, match="columns of sequence 1 of X have other names"):
        GaussianHMM(2).fit([frames[0], frames[1].rename(columns={"a": "c"})])


@pytest.mark.parametrize(("weight", "text"), [
    ([1.0, 2, 3], "one weight for each of the 2 sequences of X, got 3"),
    (np.ones(12), "one weight for each of the 2 sequences of X, got 12"),
    ([1, -1], "sample_weight must not be negative, got -1 for sequence 1"),
    ([0, 0], "sample_weight"), ([1, np.nan], "sample_weight"),
    ([1e308, 1], "sample_weight is too large")])
def test_weights(weight, text):
    with pytest.raises(ValueError, match=text):
        GaussianHMM(2).fit(X, lengths=[5, 7], sample_weight=weight)


SPD = np.repeat(np.eye(2)[None], 2, axis=0)


@pytest.mark.parametrize(("options", "text"), [
    ({"startprob_init": [0.5, 0.4]}, "startprob_init must sum to one, got 0.9"),
    ({"startprob_init": [1.5, -0.5]}, r"startprob_init must not be negative, got -0.5 at \(1,\)"),
    ({"startprob_init": [1.0]}, r"startprob_init must have shape \(2,\), got \(1,\)"),
    ({"startprob_init": [np.nan, 1]}, "startprob_init contains NaN or infinity"),
    ({"transmat_init": [[0.5, 0.5], [0.5, 0.6]]},
     "every row of transmat_init must sum to one, got 1.1 in row 1"),
    ({"transmat_init": [0.5, 0.5]}, r"transmat_init must have shape \(2, 2\)"),
    ({"transmat_init": [[0, 0], [0, 1]]}, "transmat_init must sum to one, got 0 in row 0"),
    ({"means_init": [[0, 0]]}, r"means_init must have shape \(2, 2\), got \(1, 2\)"),
    ({"means_init": [[0, 0], [np.inf, 0]]}, "means_init contains NaN or infinity"),
    ({"covars_init": np.ones((2, 2))}, r"covars_init must have shape \(2, 2, 2\), whatever"),
    ({"covars_init": SPD * [[[1]], [[-1]]]}, "positive definite, and that of state 1 is not"),
    ({"covars_init": SPD + [[0, 1], [0, 0]]}, "covars_init must be symmetric"),
    ({"covars_init": SPD + 0.5}, "must be diagonal with covariance_type='diag'"),
    ({"covars_init": SPD * [1, 2], "covariance_type": "spherical"}, "multiples of the identity"),
    ({"covars_init": SPD * [[[1]], [[2]]], "covariance_type": "tied"}, "the same for all states"),
    ({"fixed": ("weights",)}, "fixed may name 'startprob', 'transmat', 'means', 'covars', got "
                              "'weights'"),
    ({"fixed": "mean"}, "fixed may name .* got 'mean'"),
    ({"fixed": ("emissionprob",)}, "got 'emissionprob'"),
    ({"startprob_concentration": 0.5}, "startprob_concentration"),
    ({"transmat_concentration": [1, 2, 3]}, r"transmat_concentration must be a number or have "
                                            r"shape \(2, 2\)"),
    ({"covariance_prior": (2, [1, 2, 3])}, "the scale of covariance_prior"),
    ({"covariance_type": "VVV"}, "covariance_type"), ({"n_components": 0}, "n_components"),
    ({"n_components": 20}, "Expected n_samples >= 20"), ({"max_iter": -1}, "max_iter"),
    ({"tol": -1}, "tol"), ({"random_state": "a"}, "random_state"),
])
def test_parameters(options, text):
    model = GaussianHMM(**{"n_components": 2, **options})
    with pytest.raises(ValueError, match=text):
        model.fit(X)
    assert not hasattr(model, "startprob_")


@pytest.mark.parametrize(("options", "text"), [
    ({"weights_init": [[0.5, 0.5], [1, 0.5]]}, "weights_init must sum to one, got 1.5 in row 1"),
    ({"weights_init": [0.5, 0.5]}, r"weights_init must have shape \(2, 2\)"),
    ({"means_init": [[0, 0], [0, 0]]}, r"means_init must have shape \(2, 2, 2\)"),
    ({"covars_init": SPD}, r"covars_init must have shape \(2, 2, 2, 2\)"),
    ({"covars_init": np.array([SPD, [np.eye(2), -np.eye(2)]])}, "that of state 1, 1 is not"),
    ({"fixed": ("emissionprob",)}, "fixed may name .*'weights'.* got 'emissionprob'"),
])
def test_parameters_of_mixtures(options, text):
    with pytest.raises(ValueError, match=text):
        MixtureHMM(2, 2, **options).fit(X)


@pytest.mark.parametrize(("codes", "text"), [
    (np.eye(3), r"one column, of whole codes from 0, got 3 columns.*argmax\(axis=1\)"),
    ([[0], [-1], [1]], "the code -1 at row 1, which is negative"),
    ([[0], [0.5], [1]], "the code 0.5 at row 1, which is no whole number"),
    ([[0], [np.inf], [1]], "infinity"), ([["a"], ["b"]], "numeric"),
    ([0, 1, 1], "2D array"), ([[np.nan], [np.nan]], "no observed value in column 0"),
    ([[0], [10**9]], "the code 1000000000 at row 1.*n_symbols")])
def test_symbols(codes, text):
    with pytest.raises(ValueError, match=text):
        CategoricalHMM(2).fit(codes)


def test_more_parameters_than_values_are_told():
    few = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.warns(DegenerateWarning, match="111 free parameters are more than the 60 values"):
        GaussianHMM(8, random_state=0).fit(few)
    with pytest.warns(DegenerateWarning, match="17 free parameters are more than the 6 values"):
        CategoricalHMM(3, n_symbols=4, n_init=1, random_state=0).fit(CODES)
    GaussianHMM(2, random_state=0).fit(few)     # 19, which is said to nobody


def test_numbers_of_symbols():
    codes = np.tile(CODES, (3, 1))
    model = CategoricalHMM(2, n_symbols=3, random_state=0).fit(codes)
    assert model.emissionprob_.shape == (2, 3)
    text = r"the symbol 3 at row 1, but the model knows those from 0 to 2 \(n_symbols=3\)"
    with pytest.raises(ValueError, match=text):
        model.score([[0], [3]])
    with pytest.raises(ValueError, match=text):
        CategoricalHMM(2, n_symbols=3).fit([[0], [3]])
    with pytest.raises(ValueError, match=text):
        CategoricalHMM(2, emissionprob_init=np.full((2, 3), 1 / 3)).fit([[0], [3]])
    with pytest.raises(ValueError, match=r"emissionprob_init must have shape \(2, 4\)"):
        CategoricalHMM(2, n_symbols=4, emissionprob_init=np.full((2, 3), 1 / 3)).fit(codes)
    assert CategoricalHMM(2, n_symbols=5, random_state=0).fit(codes).emissionprob_.shape == (2, 5)
    assert CategoricalHMM(2, random_state=0).fit(codes).emissionprob_.shape == (2, 3)
    wide = CategoricalHMM(1, n_symbols=4).fit(codes)
    assert wide.emissionprob_[0, 3] == 0 and wide.score([[3]]) == -np.inf
    assert wide.score([[np.nan]]) == 0


def test_missing_codes_say_nothing():
    model = CategoricalHMM(2, random_state=0).fit([[0], [np.nan], [1], [1], [0], [0]])
    assert_array_equal(np.round(model.emissionprob_.sum(axis=1), 12), 1)
    both = [model.score([[0], [k], [1]]) for k in (0, 1)]
    np.testing.assert_allclose(np.exp(model.score([[0], [np.nan], [1]])), np.exp(both).sum())


@pytest.mark.parametrize(("changes", "text"), [
    ({"startprob_": [0.5, 0.4]}, "startprob_ must sum to one, got 0.9"),
    ({"transmat_": [[1, 0], [1, 1]]}, "every row of transmat_ must sum to one, got 2 in row 1"),
    ({"transmat_": np.eye(3)},
     r"transmat_ must have shape \(2, 2\), a row .* startprob_, got \(3, 3\)"),
    ({"means_": [[0, 0]]}, r"means_ must have shape \(2, n_features\), got \(1, 2\)"),
    ({"means_": [[0, np.nan], [1, 1]]}, "means_ contains NaN"),
    ({"covars_": np.ones((2, 2))}, r"covars_ must have shape \(2, 2, 2\)"),
    ({"covars_": [np.eye(2), np.zeros((2, 2))]}, "positive definite, and that of state 1 is not"),
    ({"covars_": [np.eye(2) + 0.1, np.eye(2)]}, "diagonal with covariance_type='diag'"),
])
def test_attributes_put_in_by_hand_are_checked(changes, text):
    model = ready(**changes)
    for method in (model.score, model.decode, model.predict_proba, model.bic):
        with pytest.raises(ValueError, match=text):
            method(X)
    with pytest.raises(ValueError, match=text):
        model.sample(3)


def test_without_parameters():
    with pytest.raises(NotFittedError, match="not fitted"):
        GaussianHMM().score(X)
    model = GaussianHMM()
    model.means_ = [[0, 0]]
    with pytest.raises(NotFittedError, match="this GaussianHMM has no startprob_: fit it, or set "
                                             "startprob_, transmat_, means_, covars_"):
        model.sample(2)
    with pytest.raises(ValueError, match="X has 1 features, but GaussianHMM is expecting 2"):
        ready().score(X[:, :1])


def test_a_changed_attribute_has_effect():
    model = GaussianHMM(2, random_state=0).fit(X)
    before = model.score(X)
    model.means_ = model.means_ + 1
    assert model.score(X) < before
    model.means_ -= 1
    assert abs(model.score(X) - before) < 1e-9
    model.transmat_[0] = [1, 0]
    assert model.score(X) != before


def test_lengths_and_codes_are_read_once():
    sequences = Sequences.read(CODES, [2, 4])
    assert sequences.symbols() is not sequences.symbols()       # tuples
    assert sequences.symbols()[0] is sequences.symbols(7)[0]
    assert repr(sequences) == "Sequences(2 of Rows(6 x 1, float64, 0 missing))"


@pytest.mark.parametrize(("table", "text"), [
    ([["a"], ["b"]], "'a' at row 0; symbols are whole codes from 0, as numpy.unique"),
    (np.array([["a"], ["b"]]), "symbols are whole codes from 0, as numpy.unique"),
    (pd.DataFrame({"s": pd.Categorical(["a", "b"])}), "column 's' of X.*as numpy.unique"),
    (np.eye(3), "got 3 columns; of one-hot rows take the position"),
    (CODES.T, r"got 6 columns; a sequence goes down a column, reshape\(-1, 1\)"),
    (np.c_[CODES, CODES], "got 2 columns$"),
])
def test_what_is_no_column_of_codes_is_told_how_to_be_one(table, text):
    with pytest.raises(ValueError, match=text):
        CategoricalHMM(2).fit(table)


@pytest.mark.parametrize("model", [GaussianHMM(2), CategoricalHMM(2)])
def test_sequences_without_columns_are_told_how_to_have_one(model):
    with pytest.raises(ValueError, match="row 1 has shape .2,.*make each a table, as by reshape"):
        model.fit([CODES[:4, 0], CODES[4:, 0]])
    with pytest.raises(ValueError, match=r"not rectangular.*reshape\(-1, 1\)"):
        model.fit([[0, 1, 2], [0, 1]])


@pytest.mark.parametrize("fixed", ["covars", ("covars",)])
def test_one_name_that_is_fixed_is_not_read_letter_by_letter(fixed):
    narrow, covars = 1e-4 * X, 1e-8 * np.array([np.eye(2)] * 2)
    model = GaussianHMM(2, means_init=narrow[:2], covars_init=covars, fixed=fixed)
    # nothing to warn of: where covariances are fixed, no reg_covar drowns the columns
    assert_array_equal(model.fit(narrow).covars_, covars)
