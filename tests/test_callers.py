"""Warnings name the line of whoever called the package, by whatever way it was called."""

import threading
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emkernels import (
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    little_mcar_test,
    segment_image,
    select_mixture,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
GAPS = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
SINGULAR = np.column_stack([GAPS, 2 * GAPS[:, 0]])
EMPTY = np.column_stack([GAPS, np.full(60, np.nan)])
TWICE = np.repeat([[1.0, 2.0], [3.0, 4.0]], 5, axis=0)
IMAGE = RNG.normal(size=(20, 20))


def short(**more):
    return GaussianMixture(2, max_iter=1, tol=1e-9, random_state=0, **more)


def falling():
    return GaussianMixture(3, reg_covar=0.5, max_iter=300, tol=1e-9, random_state=0)


CALLS = {
    "fit": lambda: short().fit(X),
    "fit_predict": lambda: short().fit_predict(X),
    "rows with gaps": lambda: short().fit(GAPS),
    "in a pipeline": lambda: make_pipeline(StandardScaler(), short()).fit(X),
    "in a search": lambda: GridSearchCV(short(), {"n_components": [2]}, cv=2).fit(X),
    "an objective that falls": lambda: falling().fit(X),
    "it falls in fit_predict": lambda: falling().fit_predict(X),
    "select_mixture": lambda: select_mixture(X, [2], random_state=0, max_iter=1, tol=1e-9),
    "K-means": lambda: KMeans(5).fit(TWICE),
    "K-means, fit_predict": lambda: KMeans(5).fit_predict(TWICE),
    "K-means, fit_transform": lambda: KMeans(5).fit_transform(TWICE),
    "K-means from centres": lambda: KMeans(2, init=TWICE[4:6], n_init=3).fit_predict(TWICE),
    "imputer": lambda: GaussianImputer().fit(SINGULAR),
    "imputer, fit_transform": lambda: GaussianImputer().fit_transform(SINGULAR),
    "imputer, few passes": lambda: GaussianImputer(max_iter=1).fit_transform(GAPS),
    "a column without values": lambda: GaussianImputer().fit_transform(EMPTY),
    "mixture imputer": lambda: GaussianMixtureImputer(
        2, max_iter=1, random_state=0).fit_transform(GAPS),
    "random copies": lambda: GaussianImputer().fit(SINGULAR).sample(SINGULAR, 2, random_state=0),
    "standard errors": lambda: GaussianImputer(max_iter=2).fit(GAPS).standard_errors(GAPS),
    "Little's test": lambda: little_mcar_test(GAPS, max_iter=1),
    "segments": lambda: segment_image(IMAGE, 2, max_iter=1, random_state=0),
    "how many segments": lambda: segment_image(IMAGE, range(1, 3), max_iter=1, random_state=0),
    "smoothed segments": lambda: segment_image(
        IMAGE, 2, smoothness=1.0, max_iter=1, random_state=0),
}


@pytest.mark.parametrize("name", CALLS)
def test_warnings_name_the_line_of_the_caller(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name]()
    assert caught
    assert {warning.filename for warning in caught} == {__file__}


def test_threads_do_not_silence_each_other():
    """What is chosen among is fitted without a word, and the filters of the process stay as they
    are: put back by whoever ends last, they would be those of another thread."""
    filters, show = list(warnings.filters), warnings._showwarnmsg_impl
    inside, outside = threading.Event(), threading.Event()

    def wait(state):
        inside.set()
        return not outside.wait(10)

    def choose():
        select_mixture(X, [2], random_state=0, callback=wait)

    first = threading.Thread(target=choose)
    first.start()
    assert inside.wait(10)
    assert warnings.filters == filters and warnings._showwarnmsg_impl is show
    with pytest.warns(match="did not converge"):
        short().fit(X)
    outside.set()
    first.join()
    assert warnings.filters == filters and warnings._showwarnmsg_impl is show
