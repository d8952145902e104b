"""Hidden Markov models on real series: published values, and maxima found by a slow EM.

Likelihoods without a source are the best of at least 16 random starts of a Baum-Welch algorithm in
the log domain, written apart from the package (hmmlearn 0.3.3 with its priors off makes the same
steps); they stand to 1e-5.
"""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.datasets import load_iris

from emkernels import CategoricalHMM, GaussianHMM, MixtureHMM


def series(text):
    return np.array(text.split(), float)[:, None]


# Eruptions of Old Faithful of 1 to 15 August 1985: 0 below two minutes, 1 below three, 2 below
# four, 3 (R's MASS::geyser; Azzalini and Bowman, Applied Statistics 39, 1990). And minutes to wait
# for each.
LASTS = (
    "313331331303033031330313131332231313130313131303131303132223031313132131333032333032313130"
    "303030303030313131313203030313033313333223132323033333330303030303033333313031213230313133"
    "030333203130303230303033133133313030312303333333030303323033032313203033303033333133213031"
    "32030333333331303030303131331")
LASTS = np.array([int(each) for each in LASTS])
WAITING = series("""80 71 57 80 75 77 60 86 77 56 81 50 89 54 90 73 60 83 65 82 84 54 85 58 79 57
    88 68 76 78 74 85 75 65 76 58 91 50 87 48 93 54 86 53 78 52 83 60 87 49 80 60 92 43 89 60 84 69
    74 71 108 50 77 57 80 61 82 48 81 73 62 79 54 80 73 81 62 81 71 79 81 74 59 81 66 87 53 80 50 87
    51 82 58 81 49 92 50 88 62 93 56 89 51 79 58 82 52 88 52 78 69 75 77 53 80 55 87 53 85 61 93 54
    76 80 81 59 86 78 71 77 76 94 75 50 83 82 72 77 75 65 79 72 78 77 79 75 78 64 80 49 88 54 85 51
    96 50 80 78 81 72 75 78 87 69 55 83 49 82 57 84 57 84 73 78 57 79 57 90 62 87 78 52 98 48 78 79
    65 84 50 83 60 80 50 88 50 84 74 76 65 89 49 88 51 78 85 65 75 77 69 92 68 87 61 81 55 93 53 84
    70 73 93 50 87 77 74 72 82 74 80 49 91 53 86 49 79 89 87 76 59 80 89 45 93 72 71 54 79 74 65 78
    57 87 72 84 47 84 57 87 68 86 75 73 53 82 93 77 54 96 48 89 63 84 76 62 83 50 85 78 78 81 78 76
    74 81 66 84 48 93 47 87 51 78 54 87 52 85 58 88 79""")
# The Nile at Aswan 1871 to 1970, 1e8 m3 (Cobb, Biometrika 65, 1978; R's Nile).
NILE = series("""1120 1160 963 1210 1160 1160 813 1230 1370 1140 995 935 1110 994 1020 960 1180
    799 958 1140 1100 1210 1150 1250 1260 1220 1030 1100 774 840 874 694 940 833 701 916 692 1020
    1050 969 831 726 456 824 702 1120 1100 832 764 821 768 845 864 862 698 845 744 796 1040 759 781
    865 845 944 984 897 822 1010 771 676 649 846 812 742 801 1040 860 874 848 890 744 749 838 1050
    918 986 797 923 975 815 1020 906 901 1170 912 746 919 718 714 740""")
# Approval of presidents of the United States, quarters of 1945 to 1974, per cent (McNeil,
# Interactive Data Analysis, 1977; R's presidents).
APPROVAL = series("""nan 87 82 75 63 50 43 32 35 60 54 55 36 39 nan nan 69 57 57 51 45 37 46 39 36
    24 32 23 25 32 nan 32 59 74 75 60 71 61 71 57 71 68 79 73 76 71 67 75 79 62 63 57 60 49 48 52 57
    62 61 66 71 62 61 57 72 83 71 78 79 71 62 74 76 64 62 57 80 73 69 69 71 64 69 62 63 46 56 44 44
    52 38 46 36 49 35 44 59 65 65 56 66 53 61 52 51 48 54 49 49 61 nan nan 68 44 40 27 28 25 24
    24""")
# Gas in the United Kingdom, quarters of 1960 to 1986 (Durbin and Koopman, Time Series Analysis by
# State Space Methods, 2001; R's UKgas); ten times the changes of its logarithm.
GAS = 10 * np.diff(np.log(series("""
    160.1 129.7 84.8 120.1 160.1 124.9 84.8 116.9 169.7 140.9 89.7 123.3 187.3 144.1 92.9 120.1
    176.1 147.3 89.7 123.3 185.7 155.3 99.3 131.3 200.1 161.7 102.5 136.1 204.9 176.1 112.1 140.9
    227.3 195.3 115.3 142.5 244.9 214.5 118.5 153.7 244.9 216.1 188.9 142.5 301 196.9 136.1 267.3
    317 230.5 152.1 336.2 371.4 240.1 158.5 355.4 449.9 286.6 179.3 403.4 491.5 321.8 177.7 409.8
    593.9 329.8 176.1 483.5 584.3 395.4 187.3 485.1 669.2 421 216.1 509.1 827.7 467.5 209.7 542.7
    840.5 414.6 217.7 670.8 848.5 437 209.7 701.2 925.3 443.4 214.5 683.6 917.3 515.5 224.1 694.8
    989.4 477.1 233.7 730 1087 534.7 281.8 787.6 1163.9 613.1 347.4 782.8""")), axis=0)
# H. influenzae in children of a trial, 1: found, weeks 0, 2, 4, 6, 11 (R's MASS::bacteria).
CHILDREN = """1111 1101 11111 11111 11111
    1111 10001 01111 11111 11 11111 10011 11111 110 11111 11011 11101 11000 11010 1111 11111 11111
    01010 11100 0100 100 1111 11100 1110 1111 11011 11111 11 1000 111 111 11111 11111 11010 01 01101
    1111 11111 11111 11110 111 11111 1100 11100 11101"""
BACTERIA = [np.array([[int(each)] for each in child]) for child in CHILDREN.split()]
FLOWERS = load_iris().data


def with_gaps():
    X, i = FLOWERS.copy(), np.arange(0, 150, 5)
    X[i, i // 5 % 4] = np.nan
    X[17] = np.nan
    return X


def test_the_geyser_of_zucchini_and_macdonald():
    """Long (1) and short (0) eruptions, two states that begin stationary: -log L = 127.31 with
    transitions (0, 1; 0.827, 0.173) and probabilities 0.225 and 1 of a long one (Zucchini and
    MacDonald, Hidden Markov Models for Time Series, 2009)."""
    X = (LASTS > 1)[:, None].astype(int)
    model = CategoricalHMM(2)
    model.transmat_ = np.array([[0, 1], [0.827, 0.173]])
    model.startprob_ = np.array([0.827, 1]) / 1.827
    model.emissionprob_ = np.array([[0.775, 0.225], [0, 1]])
    assert round(-model.score(X), 2) == 127.31
    # with a start that is estimated; the stationary one costs log 0.547
    fitted = CategoricalHMM(2, random_state=0, tol=1e-10).fit(X)
    assert abs(fitted.score(X) + 126.707762) < 1e-5
    short = fitted.emissionprob_[:, 1].argmin()
    np.testing.assert_allclose(fitted.emissionprob_[short, 1], 0.225069, atol=1e-4)
    np.testing.assert_allclose(fitted.transmat_[1 - short, short], 0.828700, atol=1e-4)
    stationary = np.linalg.solve(
        np.vstack([fitted.transmat_.T[0] - [1, 0], [1, 1]]), [0, 1])
    fitted.startprob_ = stationary
    np.testing.assert_allclose(fitted.score(X), -127.31137, atol=1e-3)


@pytest.mark.parametrize(("codes", "lengths", "n_states", "maximum"), [
    ([0, 1, 1, 2], None, 2, -227.686015), ([0, 0, 1, 1], None, 2, -126.707762),
])
def test_maximum_of_eruptions(codes, lengths, n_states, maximum):
    X = np.array(codes)[LASTS][:, None]
    model = CategoricalHMM(n_states, random_state=0, tol=1e-10).fit(X, lengths=lengths)
    assert abs(model.score(X) - maximum) < 1e-4


def test_maximum_of_children():
    lengths = [len(child) for child in BACTERIA]
    model = CategoricalHMM(2, random_state=0, tol=1e-9, max_iter=5000).fit(BACTERIA)
    assert abs(model.score(np.concatenate(BACTERIA), lengths) + 98.186113) < 1e-4
    assert abs(model.score(BACTERIA) + 98.186113) < 1e-4
    # who has lost them does not find them again, in the likelihood's view
    healthy = model.emissionprob_[:, 0].argmax()
    np.testing.assert_allclose(model.transmat_[1 - healthy, healthy], 0.157860, atol=1e-3)
    assert model.transmat_[healthy, 1 - healthy] < 1e-4
    # a child twice is a weight of 2
    twice = CategoricalHMM(2, random_state=0, tol=1e-9, max_iter=5000).fit(
        BACTERIA + BACTERIA[:10])
    weights = np.r_[np.full(10, 2.0), np.ones(len(BACTERIA) - 10)]
    weighted = CategoricalHMM(2, random_state=0, tol=1e-9, max_iter=5000).fit(
        BACTERIA, sample_weight=weights)
    np.testing.assert_allclose(weighted.lower_bound_, twice.lower_bound_, rtol=1e-7)


@pytest.mark.parametrize(("X", "n_states", "covariance_type", "maximum"), [
    (NILE, 2, "full", -629.804456), (NILE, 2, "tied", -629.909175),
    (WAITING, 2, "diag", -1092.399468),
    (APPROVAL, 2, "full", -437.387878), (APPROVAL, 2, "tied", -439.632601),
    (APPROVAL, 3, "full", -418.497870),
    (GAS, 3, "full", -267.353562), (GAS, 2, "diag", -319.106453),
    (FLOWERS, 3, "full", -33.387412), (FLOWERS, 3, "diag", -171.061993),
    (FLOWERS, 3, "tied", -108.215750), (FLOWERS, 3, "spherical", -262.976853),
    (FLOWERS, 2, "full", -123.780167),
    (with_gaps(), 3, "full", -36.771571), (with_gaps(), 3, "diag", -165.877066),
    (with_gaps(), 3, "tied", -107.558172), (with_gaps(), 3, "spherical", -252.020194),
])
def test_maximum_of_series(X, n_states, covariance_type, maximum):
    model = GaussianHMM(n_states, covariance_type, random_state=0, tol=1e-10).fit(X)
    assert abs(model.score(X) - maximum) < 1e-4
    d = X.shape[1]
    n_covariances = {"full": n_states * d * (d + 1) / 2, "tied": d * (d + 1) / 2,
                     "diag": n_states * d, "spherical": n_states}[covariance_type]
    p = n_states - 1 + n_states * (n_states - 1) + n_states * d + n_covariances
    np.testing.assert_allclose(model.aic(X), 2 * p - 2 * maximum, atol=1e-3)
    np.testing.assert_allclose(model.bic(X), p * np.log(len(X)) - 2 * maximum, atol=1e-3)


@pytest.mark.parametrize(("covariance_type", "maximum"), [
    ("full", -46.279783), ("diag", -183.929651), ("tied", -121.107646),
    ("spherical", -275.452066)])
def test_maximum_of_sequences(covariance_type, maximum):
    parts = [FLOWERS[0::3], FLOWERS[1::3], FLOWERS[2::3]]
    model = GaussianHMM(3, covariance_type, random_state=0, tol=1e-10).fit(parts)
    assert abs(model.score(parts) - maximum) < 1e-4
    assert abs(model.score(np.concatenate(parts), [50, 50, 50]) - maximum) < 1e-4
    # each begins with a setosa
    setosa = model.means_[:, 2].argmin()
    np.testing.assert_allclose(model.startprob_, np.eye(3)[setosa], atol=1e-9)


def test_maximum_of_a_mixture_with_gaps():
    model = MixtureHMM(2, 2, covariance_type="tied", random_state=0, n_init=20, tol=1e-10).fit(
        with_gaps())
    assert abs(model.score(with_gaps()) + 139.686912) < 1e-4


def test_the_dam_on_the_nile():
    """A chain that cannot go back finds the change after 1898 (Cobb, Biometrika 65, 1978)."""
    model = GaussianHMM(2, startprob_init=[1, 0], transmat_init=[[0.9, 0.1], [0, 1]],
                        random_state=0, tol=1e-10).fit(NILE)
    np.testing.assert_array_equal(model.predict(NILE), np.repeat([0, 1], [28, 72]))
    assert abs(model.score(NILE) + 629.804456) < 1e-5
    np.testing.assert_allclose(model.means_[:, 0], [1097.1525, 850.7565], atol=1e-3)
    np.testing.assert_allclose(model.covars_[:, 0, 0], [17888.52, 15486.89], atol=0.1)
    np.testing.assert_allclose(model.transmat_[0, 1], 0.035917, atol=1e-5)
    assert model.startprob_[1] == 0 and model.transmat_[1, 0] == 0 and model.transmat_[1, 1] == 1


def test_quarters_without_a_poll():
    """Every path of the quarters around the gaps, the missing ones with density 1."""
    model = GaussianHMM(3, "full", random_state=0).fit(APPROVAL)
    X = APPROVAL[8:18]
    assert np.isnan(X).sum() == 2
    with np.errstate(divide="ignore"):
        start, trans = np.log(model.startprob_), np.log(model.transmat_)
        # from any state: the first of the whole series is known
        model.startprob_ = np.full(3, 1 / 3)
        start[:] = np.log(1 / 3)
    variances = model.covars_[:, 0, 0]
    log_b = -0.5 * (np.log(2 * np.pi * variances) + (X - model.means_[:, 0]) ** 2 / variances)
    log_b[np.isnan(X[:, 0])] = 0
    paths = np.array(list(itertools.product(range(3), repeat=10)))
    joint = start[paths[:, 0]] + log_b[np.arange(10), paths].sum(axis=1)
    joint += trans[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    np.testing.assert_allclose(model.score(X), logsumexp(joint), rtol=1e-12)
    share = np.exp(joint - logsumexp(joint))
    posteriors = np.array([[share[paths[:, t] == k].sum() for k in range(3)] for t in range(10)])
    np.testing.assert_allclose(model.predict_proba(X), posteriors, atol=1e-12)
    log_prob, path = model.decode(X)
    np.testing.assert_allclose(log_prob, joint.max(), rtol=1e-12)
    np.testing.assert_array_equal(path, paths[joint.argmax()])


def test_likelihoods_below_every_float():
    """Densities of exp(-1e6) and transitions of 1e-200, in 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    model = GaussianHMM(2)
    model.startprob_ = np.array([1.0, 0.0])
    model.transmat_ = np.array([[1 - 1e-16, 1e-200], [1e-150, 1.0]])
    model.means_ = np.array([[0.0], [1000.0]])
    model.covars_ = np.ones((2, 1, 1))
    X = np.array([1000.0, 0, 1000, 1000, 3, 1001, -2, 500])[:, None]
    with mpmath.workdps(60):
        a = [mpmath.mpf(1), mpmath.mpf(0)]
        root = mpmath.sqrt(2 * mpmath.pi)
        for t, x in enumerate(X[:, 0]):
            if t:
                a = [sum(a[i] * mpmath.mpf(model.transmat_[i, k]) for i in range(2))
                     for k in range(2)]
            a = [a[k] * mpmath.exp(-(mpmath.mpf(x) - mpmath.mpf(model.means_[k, 0])) ** 2 / 2)
                 / root for k in range(2)]
        expected = float(mpmath.log(sum(a)))
        last = [float(each / sum(a)) for each in a]
    np.testing.assert_allclose(model.score(X), expected, rtol=1e-13)
    np.testing.assert_allclose(model.predict_proba(X)[-1], last, rtol=1e-9, atol=1e-300)
    assert np.isfinite(model.predict_proba(X)).all()
