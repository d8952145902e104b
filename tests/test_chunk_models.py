"""Imputers, Student mixtures and factor models of blocks of rows: those of the whole table."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from table_blocks import (
    MODELS,
    RESULTS,
    SIZES,
    agreement,
    assert_same,
    bits,
    cut,
    quiet,
    table,
    weights,
)

from emkernels import (
    FactorAnalysis,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
)
from emkernels.data import Chunks

# --- the fit of the whole table ----------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_blocks_are_the_table(model, missing):
    X = table(missing)
    expected, said = quiet(clone(model).fit, X)
    for sizes in SIZES:
        found, told = quiet(clone(model).fit_chunks, cut(X, sizes))
        assert_same(found, expected, agreement(model, missing))
        assert found.n_iter_ == expected.n_iter_ and told == said
        assert (found.n_blocks_, found.n_rows_) == (len(sizes), 600)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_weights_and_rows_without(model, missing):
    """Rows of weight 0 are as none, in blocks too in which there are no others."""
    X, weight = table(missing), weights()
    X[weight == 0] *= 50
    expected, said = quiet(clone(model).fit, X, sample_weight=weight)
    for sizes in SIZES[1:]:
        found, told = quiet(clone(model).fit_chunks, cut(X, sizes),
                            sample_weight=cut(weight, sizes))
        assert_same(found, expected, agreement(model, missing))
        assert found.n_iter_ == expected.n_iter_ and told == said
        assert found.n_rows_ == 600


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 5, 8, 11)], ids=str)
def test_far_from_zero(model, missing):
    """What a shift by 1e8 leaves of the numbers is what costs digits, and nothing else."""
    X = table(missing)
    X = X + 1e8
    expected, _ = quiet(clone(model).fit, X - 1e8)
    found, _ = quiet(clone(model).fit_chunks, cut(X, SIZES[1]))
    for name in RESULTS[type(model)][1:]:
        if name in ("location_", "means_", "mean_"):
            assert_allclose(getattr(found, name) - 1e8, getattr(expected, name), atol=3e-8)
        elif "cov" in name or "scatter" in name or "noise" in name:
            assert_allclose(getattr(found, name), getattr(expected, name), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 5, 8, 11)], ids=str)
def test_float32(model, missing):
    """Sums of float32 rows have its digits; parameters are as near to each other as that, and
    means of columns far from zero no farther."""
    X = (table(missing) + [0, 0, 3e3, 0, 0, 0]).astype(np.float32)
    expected, _ = quiet(clone(model).fit, X)
    found, _ = quiet(clone(model).fit_chunks, cut(X, SIZES[1]))
    assert_same(found, expected, rtol=2e-4)
    near, _ = quiet(clone(model).fit, X.astype(float))
    for name in ("location_", "means_", "mean_"):
        if hasattr(found, name):
            assert_allclose(getattr(found, name), getattr(near, name), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 5, 8, 11)], ids=str)
def test_blocks_of_one_row(model):
    X = table(True)[80:160]
    expected, said = quiet(clone(model).fit, X)
    found, told = quiet(clone(model).fit_chunks, list(X[:, None]))
    assert_same(found, expected, max(1e-9, agreement(model, True)))
    assert told == said and found.n_blocks_ == 80


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
def test_maxima_of_factors(missing):
    """Newton's method ends where rounding says so; the maximum is the same to its tolerance."""
    X = table(missing)
    expected, found = FactorAnalysis(2).fit(X), FactorAnalysis(2).fit_chunks(cut(X, SIZES[2]))
    assert found.converged_ and expected.converged_
    assert_allclose(found.components_, expected.components_, atol=5e-6)
    assert_allclose(found.noise_variance_, expected.noise_variance_, rtol=5e-6)
    assert_allclose(found.score(X), expected.score(X), rtol=1e-12)


# --- bits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 7, 8, 11)], ids=str)
def test_bits_depend_on_the_blocks_alone(model, missing, monkeypatch):
    """Threads, layouts and sources say nothing, nor whether functions, their arguments and what
    they return have been elsewhere."""
    model = clone(model).set_params(max_iter=3)
    X = np.concatenate([table(missing, seed) for seed in range(2)])
    parts = cut(X, [500, 300, 400])
    found = [quiet(clone(model).set_params(n_threads=n_threads).fit_chunks, source)[0]
             for n_threads, source in (
                 (1, parts), (2, parts), (2, [np.asfortranarray(part) for part in parts]),
                 (1, lambda: (part.copy() for part in parts)),
                 (1, [pd.DataFrame(part) for part in parts]))]

    def elsewhere(rows, function, *arguments):
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        return pickle.loads(pickle.dumps(function(rows, *arguments)))

    reduce = Chunks.reduce
    monkeypatch.setattr(Chunks, "reduce", lambda self, function, *arguments: reduce(
        self, elsewhere, function, *arguments))
    found.append(quiet(clone(model).fit_chunks, parts)[0])
    for other in found[1:]:
        assert bits(other) == bits(found[0])


@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 5, 8, 11)], ids=str)
def test_checkpoints(model, tmp_path):
    """What passes leave can be kept: a fit that is had from the file has the same bits."""
    parts, path = cut(table(True), SIZES[1]), tmp_path / "fit"
    expected, _ = quiet(clone(model).fit_chunks, parts)
    for resume in (False, True):
        found, _ = quiet(clone(model).fit_chunks, parts, checkpoint=path, resume=resume)
        assert bits(found) == bits(expected)


# --- columns, errors, state ----------------------------------------------------------------------


@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 5, 8, 11)], ids=str)
def test_columns_are_named_as_in_a_fit(model):
    """Columns of one value, gaps in these alone, names in warnings."""
    X = table(False)
    X[:, 2] = 0.1
    X[450:, 2] = np.nan
    frame = pd.DataFrame(X, columns=[f"col{j}" for j in range(6)])
    expected, said = quiet(clone(model).fit, frame)
    found, told = quiet(clone(model).fit_chunks, [frame[:70], frame[70:500], frame[500:]])
    assert_same(found, expected)
    assert told == said and any("'col2'" in text for text in told)
    assert list(found.feature_names_in_) == list(frame)
    quiet(found.fit, X)
    assert not hasattr(found, "n_blocks_") and not hasattr(found, "feature_names_in_")


@pytest.mark.parametrize("model", [MODELS[i] for i in (0, 2, 5, 8, 11)], ids=str)
def test_a_fit_that_fails_changes_nothing(model):
    X = table(True)
    fitted, _ = quiet(clone(model).fit_chunks, cut(X, SIZES[1]))
    before = pickle.dumps(fitted)
    infinite = X.copy()
    infinite[417, 4] = np.inf
    with pytest.raises(ValueError, match="infinity.*block 4, row 17, column 4"):
        fitted.fit_chunks(cut(infinite, SIZES[1]))
    wide = cut(X, SIZES[1])
    wide[3] = wide[3][:, :4]
    with pytest.raises(ValueError, match="block 3 has 4 columns"):
        fitted.fit_chunks(wide)

    passes = []

    def fails():
        passes.append(None)
        yield X[:300]
        if len(passes) > 3:
            raise RuntimeError("the disk has gone")
        yield X[300:]

    with pytest.raises(RuntimeError, match="the disk has gone"):
        fitted.fit_chunks(fails)
    with pytest.raises(TypeError, match="callable"):
        fitted.fit_chunks(iter(cut(X, SIZES[1])))
    assert pickle.dumps(fitted) == before


@pytest.mark.parametrize("model", [MODELS[i] for i in (5, 8, 11)], ids=str)
def test_blocks_that_cannot_be_fitted(model):
    X = table(True)
    X[:, 1] = np.nan
    parts = [pd.DataFrame(part, columns=list("abcdef")) for part in cut(X, [300, 300])]
    with pytest.raises(ValueError, match="no observed value in column 'b'"):
        clone(model).fit_chunks(parts)
    with pytest.raises(ValueError, match="the source has 1 row"):
        clone(model).fit_chunks([X[:1, 2:]])
    with pytest.raises(ValueError, match="the source has 1 row"):
        clone(model).fit_chunks([X[:3, 2:]], sample_weight=[np.array([0, 1.0, 0])])
    X = np.ones((30, 3))
    if not isinstance(model, StudentTMixture):
        with pytest.raises(ValueError, match="no column of X varies"):
            clone(model).fit_chunks([X[:10], X[10:]])
    X[17, 2] = 1e200
    with pytest.raises(ValueError, match="too large for float64.*block 1"):
        clone(model).fit_chunks([X[:10], X[10:]])


@pytest.mark.parametrize("model", [MODELS[i] for i in (2, 5, 11)], ids=str)
def test_starts_of_many_rows(model):
    """More rows than a start looks at: it sees some of them, whatever the blocks are."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(21_000, 3)) + np.where(rng.random((21_000, 1)) < 0.3, 9.0, 0.0)
    X[::50, 1] = np.nan
    weight = np.ones(len(X))
    weight[::70] = 0
    options = {"max_iter": 3}
    if isinstance(model, MixtureOfFactorAnalyzers):
        options["n_factors"] = 1
    found = [quiet(clone(model).set_params(**options).fit_chunks, np.array_split(X, n),
                   sample_weight=np.array_split(weight, n))[0] for n in (3, 11)]
    for each in found:
        assert_allclose(np.sort(each.weights_), [0.3, 0.7], atol=0.02)
        assert_allclose(np.sort(each.means_[:, 0]), [0, 9], atol=0.1)
    assert_same(found[0], found[1], rtol=1e-9)
