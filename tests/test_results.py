"""What every result has: a text, HTML and a frame, with the names of the columns."""

import importlib
import inspect
import pickle
import pkgutil
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import emkernels as ek
from emkernels._extras import MissingExtraError
from emkernels._results import NamedMatrix, Result, Table
from emkernels.models.candidates import Selection
from emkernels.models.factors.rotation import rotate

ODD = "<b>&"        # a name that HTML must not take for a tag
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(120, 1)) * [1.0, 1.2, 0.8, 1.1] + RNG.normal(size=(120, 4)),
                     columns=[ODD, "b", "c", "d"])
HOLES = FRAME.mask(RNG.random(FRAME.shape) < 0.1)
HIGH = RNG.random(120) < 0.5
ANSWERS = pd.DataFrame({name: np.where(RNG.random(120) < np.where(HIGH, 0.85, 0.15), "yes", "no")
                        for name in [ODD, "q2", "q3", "q4"]})


class Tags(HTMLParser):
    """Cells of tables; tags that do not end are an error."""

    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        assert tag in {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.cells.append(data)


def cells(html):
    parser = Tags()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser.cells


@pytest.fixture(scope="module")
def classes():
    return ek.LatentClassAnalysis(2, n_init=3, tol=1e-8, random_state=0).fit(ANSWERS)


MAKES = {
    "SelectionResult": lambda _: ek.select_mixture(FRAME, [1, 2], n_init=1, random_state=0),
    "FactorSelection": lambda _: ek.select_factors(FRAME, [1]),
    "ClassSelection": lambda _: ek.select_classes(ANSWERS, [1, 2], n_init=2, random_state=0),
    "ParallelAnalysis": lambda _: ek.parallel_analysis(FRAME, n_draws=5),
    "LittleTest": lambda _: ek.little_mcar_test(HOLES),
    "MissingDataSummary": lambda _: ek.missing_data_summary(HOLES),
    "PooledEstimates": lambda _: ek.pool(pd.DataFrame(
        [[1.0, 2.0], [1.1, 2.2]], columns=[ODD, "b"]), np.ones((2, 2))),
    "Uncertainty": lambda _: ek.GaussianImputer().fit(HOLES).standard_errors(HOLES),
    "StandardErrors": lambda _: ek.FactorAnalysis(1).fit(FRAME).standard_errors(FRAME),
    "ClassErrors": lambda model: model.standard_errors(ANSWERS),
    "NamedMatrix": lambda model: model.bivariate_residuals(ANSWERS),
    "ClassCovariates": lambda model: model.covariates(ANSWERS, FRAME[[ODD, "b"]]),
    "DistalOutcome": lambda model: model.distal(ANSWERS, ANSWERS[ODD]),
    "BootstrapTest": lambda _: ek.blrt(ANSWERS, 2, n_bootstrap=4, n_init=2),
    "Rotation": lambda _: rotate(
        pd.DataFrame(RNG.normal(size=(4, 2)), index=FRAME.columns), "oblimin"),
    "ClusteringComparison": lambda _: ek.compare_clusterings(FRAME, 2, random_state=0),
    "Segmentation": lambda _: ek.segment_image([[10, 12, 90, 91], [11, 9, 92, 89]], 2,
                                               random_state=0),
}
# with columns, of which the first has the odd name
NAMED = {"MissingDataSummary", "PooledEstimates", "Uncertainty", "StandardErrors", "ClassErrors",
         "NamedMatrix", "ClassCovariates", "Rotation"}


def made(name, classes):
    return MAKES[name](classes)


@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
@pytest.mark.parametrize("name", MAKES)
def test_result(name, classes, monkeypatch):
    result = made(name, classes)
    assert type(result).__name__ == name
    frames = result.to_pandas()
    first = frames[0] if isinstance(frames, tuple) else frames
    assert isinstance(first, pd.DataFrame) and len(first) > 0
    text, html = str(result), result._repr_html_()
    found = cells(html)
    for column in first.columns:
        assert str(column) in found
    assert len(text.splitlines()) >= 1 and len(text) > 20
    if name in NAMED:
        where = [*map(str, first.index.to_frame().to_numpy().ravel()), *map(str, first.columns)]
        assert any(ODD in each for each in where)
        assert ODD in text and ODD not in html and any(ODD in cell for cell in found)
    if name != "NamedMatrix":
        assert repr(result) == text
    again = pickle.loads(pickle.dumps(result)) if name != "Segmentation" else result
    assert str(again) == text
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"emkernels\[frames\]"):
        result.to_pandas()
    assert str(result) == text and result._repr_html_() == html


def test_every_result_is_here():
    """Whatever inherits from Result, wherever it is."""
    for module in pkgutil.walk_packages(ek.__path__, "emkernels."):
        if module.name.startswith(("emkernels.models", "emkernels.image", "emkernels.comparison")):
            importlib.import_module(module.name)
    found, seen = list(Result.__subclasses__()), set()
    while found:
        each = found.pop()
        seen.add(each.__name__)
        found += each.__subclasses__()
    assert seen - {Selection.__name__} | {"NamedMatrix"} == MAKES.keys()


def test_values_of_frames(classes):
    table = ek.select_mixture(FRAME, [1, 2], n_init=1, random_state=0)
    frame = table.to_pandas()
    assert frame["bic"].tolist() == [row["bic"] for row in table.table]
    assert frame.loc[frame["chosen"], "n_components"].tolist() == [table.best.n_components]
    errors = classes.standard_errors(ANSWERS)
    frame = errors.to_pandas()["standard_error"].sort_index()
    assert_array_equal(frame[(0, "weight", "", "")], errors.weights[0])
    assert_array_equal(frame.loc[1, "response_prob", "q3"].to_numpy(), errors.response_probs[2][1])
    weights, *_ = errors        # still a tuple
    assert weights is errors.weights
    imputer = ek.GaussianImputer().fit(HOLES)
    for found in (imputer.standard_errors(HOLES), imputer.missing_information(HOLES)):
        frame = found.to_pandas()
        assert frame.index.tolist() == list(HOLES.columns)
        assert_array_equal(frame.iloc[:, 1:].to_numpy(), found.covariance)
    assert imputer.fit(HOLES.to_numpy()).standard_errors(HOLES.to_numpy()).names == [
        "x0", "x1", "x2", "x3"]
    draws = ek.parallel_analysis(FRAME, n_draws=5)
    assert draws.to_pandas()["kept"].sum() == draws.n_components
    covariates = classes.covariates(ANSWERS, FRAME[[ODD]])
    assert covariates.to_pandas().loc[(covariates.classes[0], ODD), "coef"] == (
        covariates.coef[0, 1])
    distal = classes.distal(ANSWERS, FRAME["b"])
    assert_array_equal(distal.to_pandas()["mean"], distal.means)


def test_a_matrix_with_names_is_an_array():
    matrix = NamedMatrix.of([[1.0, np.nan], [2.0, 3.0]], ["a", "b"])
    assert repr(matrix) == "array([[ 1., nan],\n       [ 2.,  3.]])"
    for part in (matrix[0], matrix > 1, matrix * 2, np.abs(matrix), matrix[:1, :1]):
        assert type(part) is np.ndarray
    assert matrix[1, 1] == 3 and np.nanmax(matrix) == 3 and isinstance(matrix.sum(), float)
    assert matrix.copy().names is None and "x1" in matrix.copy().to_pandas().columns
    assert matrix.to_pandas().loc["b", "a"] == 2
    assert str(matrix).split() == ["a", "b", "a", "1", "nan", "b", "2", "3"]


def test_tables():
    table = Table([("a", ["x", "y"]), ("v", np.array([1.5, 2.0])), ("v", [None, [1, 2]])])
    frame = table.to_pandas()
    assert frame.columns.tolist() == ["v", "v"] and frame.index.tolist() == ["x", "y"]
    assert table.texts() == [["a", "v", "v"], ["x", "1.5", ""], ["y", "2", "1, 2"]]
    long = Table([("n", np.arange(100))], 0).to_html()
    assert long.count("<tr>") == 62 and "40 rows more" in long


def test_every_public_result_says_so():
    """A public function that returns an object of this package gives one of these, or a model."""
    for name in ek.__all__:
        item = getattr(ek, name)
        if inspect.isclass(item) and name.endswith(("Result", "Selection", "Comparison",
                                                    "Segmentation")):
            assert issubclass(item, Result)
