"""Fits that are killed while they look at their rows for the first time, and go on."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from emkernels import GaussianHMM, GaussianMixture, KMeans, LatentClassAnalysis, select_mixture
from emkernels.data import Chunks, Journal
from emkernels.data import journal as journals
from emkernels.data.survey import Tables

X = np.random.default_rng(6).normal(size=(1200, 3)) + np.repeat([[0.0], [4.0], [8.0]], 400, axis=0)
ROWS, N_BLOCKS, AT = 50, 24, 19


def mixture():
    return GaussianMixture(3, random_state=0, max_iter=4, tol=0)


def callable_of(X, folder):
    return lambda: (X[i:i + ROWS] for i in range(0, len(X), ROWS))


def parquet_of(X, folder):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(dict(zip("abcd", X.T))), folder / "rows.parquet",
                        row_group_size=ROWS)
    return folder / "rows.parquet"


def map_of(X, folder):
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r")


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = [callable_of, map_of, parquet_of]


class Surveyed:
    """Which blocks are looked at; the machine fails at one of them."""

    def __init__(self, monkeypatch):
        self.numbers, self.fails, plain = [], None, Tables.survey

        def survey(door, values, weight, number, *others):
            if number == self.fails:
                raise KeyboardInterrupt
            self.numbers.append(number)
            return plain(door, values, weight, number, *others)

        monkeypatch.setattr(Tables, "survey", survey)


@pytest.fixture
def surveyed(monkeypatch):
    return Surveyed(monkeypatch)


@pytest.fixture
def left(tmp_path, surveyed, monkeypatch):
    """A file of a fit that was left while it was looking."""
    def made(source, model):
        path = tmp_path / "fit.ckpt"
        surveyed.fails = AT
        with monkeypatch.context() as always, pytest.raises(KeyboardInterrupt):
            always.setattr(journals, "PART", 0.0)
            always.setattr(journals, "SHARE", 0.0)
            model.fit_chunks(source, checkpoint=path, **options(source))
        assert [path] == [*tmp_path.glob("fit.ckpt*")]
        surveyed.fails, surveyed.numbers = None, []
        return path
    return made


def options(source):
    return {"chunk_rows": ROWS} if isinstance(source, np.ndarray) else {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [mixture, lambda: KMeans(3, random_state=None)])
def test_it_goes_on(kind, model, left, tmp_path, surveyed):
    source = kind(X, tmp_path)
    np.random.seed(3)
    path = left(source, model())
    resumed = model().fit_chunks(source, checkpoint=path, resume=True, **options(source))
    rest = [*range(AT, N_BLOCKS)]
    # what can change unseen is looked at: the columns first
    assert surveyed.numbers == rest if kind is parquet_of else [0, *rest]
    np.random.seed(3)
    expected = model().fit_chunks(source, **options(source))
    for name in ("means_", "n_rows_", "n_blocks_", "n_iter_") if model is mixture else (
            "cluster_centers_", "inertia_"):
        assert_array_equal(getattr(resumed, name), getattr(expected, name), err_msg=name)
    surveyed.numbers = []
    again = model().fit_chunks(source, checkpoint=path, resume=True, **options(source))
    assert vars(again).keys() == vars(resumed).keys()
    assert surveyed.numbers == {parquet_of: []}.get(kind, [0, *range(N_BLOCKS)])


def test_categories_that_were_seen(left, tmp_path, surveyed):
    """A survey that holds more than numbers of rows."""
    codes = np.floor(np.abs(X)).astype(int)
    # no block but the first has all
    codes[ROWS:] = np.minimum(codes[ROWS:], 3)
    source = callable_of(codes, tmp_path)

    def model():
        return LatentClassAnalysis(2, random_state=0, max_iter=3)

    plain, numbers = type(model()._door()).survey, []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        def survey(door, values, weight, number, *others):
            if number == AT:
                raise KeyboardInterrupt
            return plain(door, values, weight, number, *others)

        patch.setattr(type(model()._door()), "survey", survey)
        patch.setattr(journals, "PART", 0.0)
        patch.setattr(journals, "SHARE", 0.0)
        model().fit_chunks(source, checkpoint=tmp_path / "fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model()._door()), "survey", lambda *given: (
            numbers.append(given[3]), plain(*given))[1])
        resumed = model().fit_chunks(source, checkpoint=tmp_path / "fit", resume=True)
    assert numbers == [0, *range(AT, N_BLOCKS)]
    expected = model().fit_chunks(source)
    for a, b in zip(resumed.response_probs_, expected.response_probs_, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change, match", [
    (lambda X: np.where(np.arange(len(X))[:, None] == 330, 9.0, X), "block 6"),
    (lambda X: X[:, :2], "3 columns of float64, and these have 2"),
    (lambda X: X.astype(np.float32), "3 columns of float64, and these have 3 columns of float32"),
    (lambda X: X[:10 * ROWS], "block 10"),
    (lambda X: X[10:], "block 0"),
], ids=range(5))
@pytest.mark.parametrize("often", [0.0, 20.0])
def test_rows_that_have_changed(kind, change, match, often, left, tmp_path, monkeypatch):
    path = left(kind(X, tmp_path), mixture())
    written = path.read_bytes()
    monkeypatch.setattr(journals, "PART", often)
    source = kind(np.ascontiguousarray(change(X)), tmp_path)
    model = mixture()
    before = dict(vars(model))
    with pytest.raises(ValueError, match=match) as caught:
        model.fit_chunks(source, checkpoint=path, resume=True, **options(source))
    assert "checkpoint" in str(caught.value)
    assert path.read_bytes() == written and vars(model) == before


def test_later_rows_may_be_mended(left, tmp_path):
    """A fit that was left at a block that cannot be read goes on when it can be."""
    path = left(callable_of(X, tmp_path), mixture())
    bad, good = X.copy(), X.copy()
    bad[ROWS * (AT + 2), 1] = np.inf
    good[ROWS * (AT + 2), 1] = 0.5
    with pytest.raises(ValueError, match=f"block {AT + 2}, row 0"):
        mixture().fit_chunks(callable_of(bad, tmp_path), checkpoint=path, resume=True)
    resumed = mixture().fit_chunks(callable_of(good, tmp_path), checkpoint=path, resume=True)
    assert_array_equal(resumed.means_, mixture().fit_chunks(callable_of(good, tmp_path)).means_)


def test_rows_that_are_refused_leave_no_file(tmp_path):
    bad = X.copy()
    bad[700, 1] = np.inf
    with pytest.raises(ValueError, match="block 14, row 0, column 1"):
        mixture().fit_chunks(callable_of(bad, tmp_path), checkpoint=tmp_path / "fit")
    assert not [*tmp_path.iterdir()]


def list_of(X, folder):
    return [X[i:i + ROWS] for i in range(0, len(X), ROWS)]


def moved(X, folder):
    """Files of which nothing says that they are those of before."""
    path = parquet_of(X, folder)
    os.utime(path, (1, 1))
    return path


@pytest.mark.parametrize("kind", [list_of, moved])
def test_a_survey_that_is_made_anew_leaves_the_file(kind, tmp_path, surveyed, monkeypatch):
    """What the passes have given stays, whether the look at the rows ends, or refuses them."""
    path, model = tmp_path / "fit", mixture()
    model.fit_chunks((list_of if kind is list_of else parquet_of)(X, tmp_path), checkpoint=path)
    written = path.read_bytes()
    monkeypatch.setattr(journals, "PART", 0.0)
    monkeypatch.setattr(journals, "SHARE", 0.0)
    surveyed.fails = AT
    with pytest.raises(KeyboardInterrupt):
        mixture().fit_chunks(kind(X, tmp_path), checkpoint=path, resume=True)
    assert path.read_bytes() == written
    surveyed.fails, other = None, X.copy()
    other[330] = 9.0
    with pytest.raises(ValueError, match="the checkpoint .* block 6 has other values"):
        mixture().fit_chunks(kind(other, tmp_path), checkpoint=path, resume=True)
    assert path.read_bytes() == written
    resumed = mixture().fit_chunks(kind(X, tmp_path), checkpoint=path, resume=True)
    assert_array_equal(resumed.means_, model.means_)


def selected(source):
    return select_mixture(source, [2], max_iter=4, random_state=0)


@pytest.mark.parametrize("fit", [lambda source: mixture().fit_chunks(source), selected])
def test_rows_of_chunks_are_looked_at_in_the_end(fit, tmp_path):
    """Where all that is asked for is in the file, no pass sees that they are others."""
    other = X.copy()
    other[330] = 9.0
    with Journal(tmp_path / "fit", mixture(), False) as journal:
        fit(Chunks(callable_of(X, tmp_path), journal=journal))
    with Journal(tmp_path / "fit", mixture(), True) as journal, pytest.raises(
            ValueError, match="the checkpoint .* block 6 has other values"):
        fit(Chunks(callable_of(other, tmp_path), journal=journal))


def test_blocks_without_rows_are_seen_first(tmp_path, surveyed):
    """A fit that is left before it has seen a row knows no columns yet."""
    def source():
        yield X[:0]
        yield X[:0]
        yield X

    path, surveyed.fails = tmp_path / "fit", 2
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(journals, "PART", 0.0)
        patch.setattr(journals, "SHARE", 0.0)
        mixture().fit_chunks(source, checkpoint=path)
    surveyed.fails = None
    resumed = mixture().fit_chunks(source, checkpoint=path, resume=True)
    assert_array_equal(resumed.means_, mixture().fit_chunks(source).means_)


@pytest.mark.parametrize("then, now", [
    (0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (2.0, 1.0), (None, 2.0), (2.0, None)])
def test_weights_of_sequences_that_have_changed(then, now, tmp_path, monkeypatch):
    """Those of sequences without weight, too, and where none were given."""
    def fit(value, **options):
        weight = None
        if value is not None:
            weight = [1.0] * N_BLOCKS
            weight[7] = value
        return GaussianHMM(2, max_iter=3, tol=0, random_state=0, **options).fit_chunks(
            callable_of(X, tmp_path), checkpoint=tmp_path / "fit", resume=True,
            sample_weight=None if weight is None else lambda: iter(weight))

    def stop(state):
        if state.n_iter == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(then, callback=stop)
    with pytest.raises(ValueError, match="the checkpoint .* block 7: .*weight"):
        fit(now)


@pytest.mark.parametrize("value, weight", [(np.inf, 1.0), (0.5, -1.0)])
def test_answers_that_have_become_unusable(value, weight, tmp_path):
    codes, weights = np.floor(np.abs(X)), np.ones(len(X))
    model = LatentClassAnalysis(2, continuous=[2], max_iter=3, tol=0, random_state=0)

    def fit(model):
        return model.fit_chunks(
            callable_of(codes, tmp_path), sample_weight=callable_of(weights, tmp_path),
            checkpoint=tmp_path / "fit", resume=True)

    def stop(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(LatentClassAnalysis(**{**model.get_params(), "callback": stop}))
    codes[330, 2], weights[330] = value, weight
    with pytest.raises(ValueError, match="the checkpoint .* is of other rows: block 6: .* row 30"):
        fit(model)
