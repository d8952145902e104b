"""Latent class analysis on published tables: maxima that others print, or that a slow EM finds.

The counts are printed in the sources named; likelihoods without a source are the best of 40 random
starts of an EM in the log domain, written apart from the package, of 8,000 steps.
"""

import numpy as np
import pytest
import reference
from sklearn.datasets import load_iris

from emkernels import LatentClassAnalysis
from emkernels.em import EMWarning


def table(shape, counts):
    """Rows of a table of counts, the last item varying fastest."""
    cells = np.array(np.unravel_index(np.arange(len(counts)), shape)).T
    return np.repeat(cells, counts, axis=0)


# Seven pathologists on 118 slides: Agresti, Categorical Data Analysis, 2002, table 13.1.
PATTERNS = """0000000 0000100 0100000 0100001 0100100 0100101 1000000 1010101 1100000 1100001
    1100100 1100101 1100111 1101001 1101101 1101111 1110101 1110111 1111101 1111111"""
CARCINOMA = np.repeat(
    np.array([list(map(int, each)) for each in PATTERNS.split()]),
    [34, 2, 6, 1, 4, 5, 2, 1, 2, 1, 2, 7, 1, 1, 2, 3, 13, 5, 10, 16], axis=0)
# Role conflict: Stouffer and Toby, American Journal of Sociology 56, 1951.
VALUES = table((2,) * 4, [42, 23, 6, 25, 6, 24, 7, 38, 1, 4, 1, 6, 2, 9, 2, 20])
# Cheating among students: Dayton, Latent Class Scaling Analysis, 1998.
CHEATING = table((2,) * 4, [207, 46, 7, 5, 13, 4, 1, 2, 10, 3, 1, 2, 11, 4, 1, 2])
# Law School Admission Test, section 6: Bock and Lieberman, Psychometrika 35, 1970.
LSAT = table((2,) * 5, [3, 6, 2, 11, 1, 1, 3, 4, 1, 8, 0, 16, 0, 3, 2, 15,
                        10, 29, 14, 81, 3, 28, 15, 80, 16, 56, 21, 173, 11, 61, 28, 298])
# Hair, eyes and sex of students: Snee, American Statistician 28, 1974 (R's HairEyeColor).
HAIR = table((2, 4, 4), [32, 53, 10, 3, 11, 50, 10, 30, 10, 25, 7, 5, 3, 15, 7, 8,
                         36, 66, 16, 4, 9, 34, 7, 64, 5, 29, 7, 5, 2, 14, 7, 8])
# People on the Titanic by survival, age, sex and class: Dawson, J. Statistics Education 3, 1995.
TITANIC = table((2, 2, 2, 4), [
    0, 0, 35, 0, 0, 0, 17, 0, 118, 154, 387, 670, 4, 13, 89, 3,
    5, 11, 13, 0, 1, 13, 14, 0, 57, 14, 75, 192, 140, 80, 76, 20])
TABLES = {"carcinoma": CARCINOMA, "values": VALUES, "cheating": CHEATING, "lsat": LSAT,
          "hair": HAIR, "titanic": TITANIC}
OPTIONS = {"random_state": 0, "n_threads": 1}
# More parameters than the cells of the table tell.
UNDETERMINED = [("values", 3), ("cheating", 3)]


def fitted(X, n_classes, told=None, **options):
    """A fit by the defaults; `told`: what it has to warn of."""
    model = LatentClassAnalysis(n_classes, **OPTIONS, **options)
    if told is None:
        return model.fit(X)
    with pytest.warns(EMWarning, match=told):
        return model.fit(X)


@pytest.mark.parametrize(("name", "n_classes", "maximum"), [
    # poLCA 1.4 prints these five (Linzer and Lewis, J. Statistical Software 42(10), 2011)
    ("carcinoma", 2, -317.2568), ("carcinoma", 3, -293.7050), ("carcinoma", 4, -289.2858),
    ("values", 2, -504.4677), ("cheating", 2, -440.0271),
    ("values", 1, -543.6498), ("values", 3, -503.3011), ("cheating", 3, -436.2356),
    ("lsat", 1, -2493.4367), ("lsat", 2, -2467.4055), ("lsat", 3, -2464.6504),
    ("hair", 2, -1830.0811), ("hair", 3, -1818.7989),
    ("titanic", 2, -5327.3273), ("titanic", 3, -5202.7741), ("titanic", 4, -5171.7035),
])
def test_maximum_of_published_tables(name, n_classes, maximum):
    X = TABLES[name]
    model = fitted(X, n_classes, "the rows do not determine the classes"
                   if (name, n_classes) in UNDETERMINED else None)
    assert abs(model.score(X) * len(X) - maximum) < 1e-3
    assert 1 <= model.n_best_ <= 50
    n_free = n_classes - 1 + n_classes * sum(len(np.unique(item)) - 1 for item in X.T)
    assert model.n_parameters_ == n_free
    np.testing.assert_allclose(model.bic(X), -2 * maximum + n_free * np.log(len(X)), atol=4e-3)
    np.testing.assert_allclose(model.abic(X), -2 * maximum + n_free * np.log((len(X) + 2) / 24),
                               atol=4e-3)
    np.testing.assert_allclose(model.caic(X), -2 * maximum + n_free * (np.log(len(X)) + 1),
                               atol=4e-3)


def test_the_classes_of_goodman():
    """Universalistic and particularistic values: Goodman, Biometrika 61, 1974, table 4."""
    model = fitted(VALUES, 2)
    np.testing.assert_allclose(model.weights_, [0.721, 0.279], atol=6e-4)
    # universalistic answers to the four questions
    np.testing.assert_allclose([each[1, 0] for each in model.response_probs_],
                               [0.993, 0.940, 0.927, 0.769], atol=6e-4)
    np.testing.assert_allclose([each[0, 0] for each in model.response_probs_],
                               [0.714, 0.330, 0.354, 0.132], atol=6e-4)
    # G2 of the fit is 2.720 with 6 degrees of freedom (the same table)
    cells, counts = np.unique(VALUES, axis=0, return_counts=True)
    expected = np.exp(model.score_samples(cells)) * len(VALUES)
    np.testing.assert_allclose(2 * (counts * np.log(counts / expected)).sum(), 2.720, atol=6e-4)


def test_three_classes_of_pathologists():
    """Shares of Agresti, Categorical Data Analysis, 2002, section 13.1, and of poLCA."""
    model = fitted(CARCINOMA, 3)
    np.testing.assert_allclose(model.weights_, [0.4447, 0.3736, 0.1817], atol=1e-4)
    np.testing.assert_allclose(
        [each[:, 1] for each in model.response_probs_],
        [[1, 0.057, 0.513], [0.981, 0.138, 1], [0.858, 0, 0], [0.586, 0, 0.058],
         [1, 0.055, 0.751], [0.476, 0, 0], [1, 0, 0.631]], atol=6e-4)


@pytest.mark.parametrize(("n_classes", "maximum", "weights"), [
    (2, -305.390266, [0.506051, 0.493949]), (3, -283.800485, [0.450049, 0.376188, 0.173764])])
def test_maximum_with_gaps(n_classes, maximum, weights):
    X = CARCINOMA.astype(float)
    rows = np.arange(0, 118, 4)
    X[rows, 3 * rows % 7] = np.nan
    X[5] = np.nan
    model = fitted(X, n_classes)
    np.testing.assert_allclose(model.score(X) * 118, maximum, atol=1e-5)
    np.testing.assert_allclose(model.weights_, weights, atol=2e-4)
    np.testing.assert_allclose(model.predict_proba(X)[5], model.weights_)
    # a row without an answer has likelihood 1 and adds nothing
    rest = fitted(np.delete(X, 5, axis=0), n_classes)
    np.testing.assert_allclose(rest.score(np.delete(X, 5, axis=0)) * 117, maximum, atol=1e-5)


def test_maximum_under_a_prior():
    model = fitted(CARCINOMA, 2, response_concentration=2)
    np.testing.assert_allclose(model.lower_bound_ * 118, -360.837642, atol=1e-5)
    np.testing.assert_allclose(model.score(CARCINOMA) * 118, -322.584447, atol=1e-3)
    assert min(each.min() for each in model.response_probs_) > 0.01


@pytest.mark.parametrize(("gaps", "n_classes", "maximum", "mean", "variance"), [
    (False, 2, -455.500078, [5.006, 3.428, 1.462, 0.246], [0.121764, 0.140816, 0.029556, 0.010884]),
    (False, 3, -325.645561, [5.006, 3.428, 1.462, 0.246], [0.121764, 0.140816, 0.029556, 0.010884]),
    (True, 2, -430.680430, [4.995744, 3.436170, 1.458333, 0.243750],
     [0.125939, 0.137202, 0.030347, 0.010794]),
    (True, 3, -317.680455, [4.995745, 3.436170, 1.458333, 0.243750],
     [0.125939, 0.137202, 0.030347, 0.010794]),
])
def test_species_beside_measurements(gaps, n_classes, maximum, mean, variance):
    X, species = load_iris(return_X_y=True)
    species = species.astype(float)
    if gaps:
        rows = np.arange(0, 150, 5)
        X[rows, rows // 5 % 4] = np.nan
        species[np.arange(150) % 7 == 3] = np.nan
    X = np.column_stack([X[:, :2], species, X[:, 2:]])
    model = fitted(X, n_classes, continuous=[0, 1, 3, 4], reg_covar=0)
    np.testing.assert_allclose(model.score(X) * 150, maximum, atol=1e-4)
    setosa = model.means_[:, 2].argmin()
    np.testing.assert_allclose(model.means_[setosa], mean, atol=1e-4)
    np.testing.assert_allclose(model.variances_[setosa], variance, atol=1e-4)
    assert model.n_parameters_ == n_classes - 1 + n_classes * (2 + 8)
    # the posterior of every row, by a way of its own
    codes = np.where(np.isnan(species), -1, species).astype(int)[:, None]
    joint = reference.class_rows(codes, model.weights_, model.response_probs_,
                                 np.delete(X, 2, axis=1), model.means_, model.variances_)
    resp, log_density = reference.responsibilities(joint)
    np.testing.assert_allclose(model.predict_proba(X), resp, atol=1e-9)
    np.testing.assert_allclose(model.score_samples(X), log_density, rtol=1e-10)
    entropy = -(resp * np.log(np.maximum(resp, 1e-300))).sum()
    np.testing.assert_allclose(model.entropy_, 1 - entropy / (150 * np.log(n_classes)), rtol=1e-6)


def test_the_answers_that_are_missing():
    """The level of the largest posterior probability, and the mean given what is seen."""
    X = TITANIC.astype(float)[::7]
    X[::3, 0] = np.nan
    X[::4, 3] = np.nan
    model = fitted(X, 3)
    resp = model.predict_proba(X)
    filled = model.impute(X)
    for j, probs in enumerate(model.response_probs_):
        missing = np.isnan(X[:, j])
        expected = model.categories_[j][(resp @ probs).argmax(axis=1)]
        np.testing.assert_array_equal(filled[:, j], np.where(missing, expected, X[:, j]))
