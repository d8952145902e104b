"""Fits that are killed and go on: the same bits, or a refusal that says what differs."""

import contextlib
import errno
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import chunk_models
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import emkernels
from emkernels import GaussianMixture, SufficientStatistics
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows, records
from emkernels.data import journal as journals
from emkernels.data.packing import Unpackable, digest, packed, unpacked
from emkernels.data.source import Source, Sums
from emkernels.kernels import dispatch

RNG = np.random.default_rng(5)
X = np.concatenate([RNG.normal(size=(400, 3)) + 2.5 * k for k in range(3)])
RNG.shuffle(X)
ROWS = 100
N_BLOCKS = len(X) // ROWS


class Counted:
    """A source that counts what is read of it."""

    def __init__(self, X=X, rows=ROWS):
        self.X, self.rows, self.n_blocks, self.n_passes = X, rows, 0, 0

    def __call__(self):
        self.n_passes += 1
        for first in range(0, len(self.X), self.rows):
            self.n_blocks += 1
            yield self.X[first:first + self.rows]


def mixture(**options):
    return GaussianMixture(**{"n_components": 3, "random_state": 3, "tol": 1e-5, "max_iter": 30,
                              "acceleration": "squarem", "n_init": 2, **options})


def state_of(model):
    return {name: np.asarray(value) for name, value in vars(model).items()
            if name.endswith("_") and not name.startswith("_")}


def assert_same(a, b):
    a, b = state_of(a), state_of(b)
    assert a.keys() == b.keys()
    for name in a:
        assert_array_equal(a[name], b[name], err_msg=name)


@pytest.fixture(scope="module")
def expected():
    return mixture().fit_chunks(Counted())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.ckpt"


def only(path):
    """That nothing but the file is in its folder."""
    return os.listdir(path.parent) == [path.name]


# --- values as bytes -----------------------------------------------------------------------

VALUES = [
    None, True, False, 0, -3, 2**70, 0.1, float("-inf"), -0.0, 2 - 1j, "é\udc80", b"\0x", (),
    (1, [2]), {"a": {3, 4}, 5: frozenset(["b"])}, np.float32(2.5), np.int64(-1), np.bool_(True),
    np.dtype("float32"), np.array(3.0), np.zeros((0, 4)), np.array(["ab", "c"]),
    np.array([[True], [False]]), np.array(["a", None, 1.5], object),
    np.array(["2020-01-01"], "datetime64[D]"), np.arange(3, dtype=">i4"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_as_bytes(value):
    back = unpacked(packed(value))
    assert type(back) is type(value)
    assert digest(back) == digest(value)
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and back.shape == value.shape
        assert_array_equal(back, value)
    else:
        assert back == value and repr(back) == repr(value)


def test_values_that_differ_have_other_keys():
    values = [*VALUES, 0.0, -1, 1, 1.0, "1", [1], [[1]], [[], 1], np.float64(0.1), np.zeros((4, 0)),
              np.arange(3, dtype="<i4"), np.zeros(2), np.zeros(2, np.float32), np.zeros((2, 1)),
              np.array([0.0, -0.0]), ("a", "b"), ("ab", ""), {"a": 1}, {"a": 2}, np.add,
              np.subtract, digest, packed, Sums, Sums(a=1).merge, Sums(a=2).merge, Sums(b=1).merge]
    assert len({digest(value) for value in values}) == len(values)


def test_layouts_stay_and_keys_do_not_ask_for_them():
    cube = RNG.normal(size=(2, 3, 4))
    for array in (cube, cube.transpose(2, 0, 1), np.asfortranarray(cube[0]), cube[::-1, :, ::2],
                  np.broadcast_to(cube[:1], (5, 3, 4))):
        back = unpacked(packed(array))
        assert_array_equal(back, array)
        assert back.flags.writeable and back.flags.aligned
        assert digest(array) == digest(back) == digest(np.ascontiguousarray(array))
    assert unpacked(packed(np.asfortranarray(cube[0]))).flags.f_contiguous
    back = unpacked(packed(cube.transpose(2, 0, 1)))
    assert back.strides == cube.transpose(2, 0, 1).strides


def test_objects():
    statistics = SufficientStatistics("full", np.zeros((2, 3)), log_likelihood=2.0)
    back = unpacked(packed(statistics))
    assert type(back) is SufficientStatistics and back.log_likelihood == 2.0
    assert back.noise is None
    assert digest(back.merge) == digest(statistics.merge) == digest(
        pickle.loads(pickle.dumps(statistics)).merge)
    sums = unpacked(packed(Sums(a=np.ones(2), b=3)))
    assert_array_equal(sums.a, 1)
    assert sums.b == 3


def test_what_is_made_when_asked_for_is_in_no_key():
    structure = structure_of("full")
    one, two = (Gaussians(structure, np.zeros((1, 2)), None, np.eye(2)[None]) for _ in range(2))
    key = digest(one)
    assert two.covariances.shape == (1, 2, 2)
    assert digest(two) == key
    two.means = np.ones((1, 2))
    assert digest(two) != key


class Own:
    pass


def test_what_has_no_form_is_refused():
    cycle = []
    cycle.append(cycle)
    for value in (object(), threading.Lock(), iter([]), cycle, np.ma.masked_array([1.0]),
                  np.zeros(1, [("a", float)]), memoryview(b"")):
        with pytest.raises(Unpackable):
            packed(value)
        with pytest.raises(Unpackable):
            digest(value)
    for value in (digest, np.add, Own, np.random.RandomState(0), statistics_of_nobody):
        with pytest.raises(Unpackable):
            packed(value)
    with pytest.raises(Unpackable):
        digest(lambda: 0)
    # what others have made counts in a key, and is not made from a file
    assert digest(Own()) == digest(Own())
    with pytest.raises(ValueError):
        unpacked(packed(Own()))


def statistics_of_nobody():
    pass


@pytest.mark.parametrize("name", [
    "os:system", "builtins:eval", "subprocess:Popen", "emkernels.data.packing:digest",
    "emkernels.data.packing:sys", "emkernels.data.source:np.ndarray", "emkernels.nowhere:Sums",
    "emkernels.data.source:Rows", "emkernels:", ":", "emkernels.data.source:__builtins__"])
def test_files_make_objects_of_this_package_alone(name):
    data = packed(Sums(a=1)).replace(b"emkernels.data.source:Sums", b"")
    data = data[:1] + len(name).to_bytes(8, "little") + name.encode() + data[9:]
    with pytest.raises(ValueError):
        unpacked(data)


def test_bytes_that_are_no_value():
    data = packed((Sums(a=np.ones((2, 3)), b={"x": (1, 2.0)}), np.float32(2), "text", b"bytes"))
    assert isinstance(unpacked(data)[0], Sums)
    for end in range(len(data)):
        with pytest.raises(ValueError):
            unpacked(data[:end])
    with pytest.raises(ValueError):
        unpacked(data + b"N")
    for _ in range(2000):       # anything but a crash, or memory of the size that is said
        damaged = bytearray(data)
        damaged[RNG.integers(len(data))] = RNG.integers(256)
        with contextlib.suppress(ValueError):
            unpacked(bytes(damaged))


# --- a fit and its file --------------------------------------------------------------------

def test_a_checkpoint_changes_no_bit_and_gives_the_fit_again(path, expected):
    source = Counted()
    model = mixture().fit_chunks(source, checkpoint=path)
    assert_same(model, expected)
    assert only(path)
    written, source = path.read_bytes(), Counted()
    assert_same(mixture().fit_chunks(source, checkpoint=path, resume=True), expected)
    assert source.n_passes == 2     # a look at the first rows, and in the end one at all
    assert path.read_bytes() == written and only(path)


def test_paths(tmp_path, expected, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for path in ("relative", os.fsencode(tmp_path / "bytes").decode(), tmp_path / "link"):
        assert_same(mixture().fit_chunks(Counted(), checkpoint=path), expected)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there").stat().st_size > 1000
    assert sorted(os.listdir()) == ["bytes", "link", "relative", "there"]


@pytest.mark.parametrize("options", [
    {"max_iter": 7}, {"tol": 1e-1}, {"n_threads": 3}, {"verbose": 2, "verbose_interval": 3},
    {"callback": lambda state: None}], ids=lambda options: ",".join(options))
@pytest.mark.filterwarnings("ignore:Best performing")
def test_what_may_differ(path, options, capsys):
    """And the passes that there were are not made again."""
    same = {"max_iter": 4, "tol": 0.0, "init_params": "random_from_data"}
    mixture(**same).fit_chunks(Counted(), checkpoint=path)
    source, other = Counted(), Counted()
    model = mixture(**{**same, **options}).fit_chunks(source, checkpoint=path, resume=True)
    assert_same(model, mixture(**{**same, **options}).fit_chunks(other))
    if "max_iter" in options:       # three more of each of the starts
        assert source.n_passes == 1 + 6 < other.n_passes - 6     # and a look at the first rows
    else:
        assert source.n_passes == 2


def test_callbacks_see_all_iterations_again(path):
    seen = []
    for resume in (False, True):
        mixture(callback=lambda state: seen.append((state.init, state.n_iter, state.lower_bound))
                ).fit_chunks(Counted(), checkpoint=path, resume=resume)
    assert seen[:len(seen) // 2] == seen[len(seen) // 2:]


class Failing(Counted):
    """A source that fails once at a block."""

    def __init__(self, at):
        super().__init__()
        self.fails = at

    def __call__(self):
        for block in super().__call__():
            if self.n_blocks == self.fails:
                raise RuntimeError("the disk has been pulled out")
            yield block


@pytest.mark.parametrize("at", [N_BLOCKS + 1, 2 * N_BLOCKS + 7, 8 * N_BLOCKS, 9 * N_BLOCKS + 5])
def test_left_in_the_middle_of_a_pass(path, at, expected, always):
    with pytest.raises(RuntimeError, match="pulled out"):
        mixture().fit_chunks(Failing(at), checkpoint=path)
    assert only(path) or not path.exists()
    whole, source = Counted(), Counted()
    assert_same(mixture().fit_chunks(whole), expected)
    assert_same(mixture().fit_chunks(source, checkpoint=path, resume=True), expected)
    if at > N_BLOCKS + 1:
        # a callable is read from its beginning, but passes that were there are not
        # (a look at the first rows; and one at all where the last pass was begun before)
        assert source.n_passes == (whole.n_passes - at // N_BLOCKS + (at % N_BLOCKS == 0) + 1
                                   + (at == 9 * N_BLOCKS + 5))


def test_no_block_is_added_twice(path, always, monkeypatch):
    """A pass goes on at the block where it was left."""
    with pytest.raises(RuntimeError):
        mixture().fit_chunks(Failing(6 * N_BLOCKS + 8), checkpoint=path)
    seen, plain = [], emkernels.data.survey.Tables.rows

    def rows(self, values, weight, number, *others):
        seen.append(number)
        return plain(self, values, weight, number, *others)

    monkeypatch.setattr(emkernels.data.survey.Tables, "rows", rows)
    mixture().fit_chunks(Counted(), checkpoint=path, resume=True)
    assert seen[:N_BLOCKS - 6] == [*range(7, N_BLOCKS), 0]


def test_results_are_not_held(path, always, monkeypatch):
    """What is in the file is not in memory."""
    pending, plain = [], journals.Journal.keep

    def keep(self, *arguments):
        plain(self, *arguments)
        pending.append(len(self.pending))

    monkeypatch.setattr(journals.Journal, "keep", keep)
    mixture().fit_chunks(Counted(), checkpoint=path)
    assert len(pending) > 5 and not any(pending)


def test_writing_takes_little_of_the_time(path, monkeypatch):
    """A file that takes a second is written every twenty, or at the latest after forty."""
    now, written = [0.0], []

    def clock():
        return now[0]

    def extend(self, new, others=()):
        written.append(now[0])
        now[0] += cost
        self.n_kept += 1
        return [(0, 0)] * len(new)

    monkeypatch.setattr(journals.time, "monotonic", clock)
    monkeypatch.setattr(records.RecordFile, "extend", extend)
    for cost, longest in ((0.01, 0.2), (1.0, 20.0), (10.0, 40.0)):
        now[0], written[:] = 0.0, []
        with journals.Journal(path, mixture(), False) as journal:
            for i in range(20000):
                now[0] += 0.05
                journal.keep(i, None)
            between = np.diff(written) - cost
            assert longest <= between.max() <= longest + 0.1 and len(written) > 5
            journal.state = None
        # of a long pass
        now[0], written[:] = 0.0, []
        tree = emkernels.em.tree.Tree()
        with journals.Journal(path, mixture(), False) as journal:
            for i in range(20000):
                now[0] += 0.05
                journal.reached(b"", tree)
            longest = max(longest, 20.0)
            between = np.diff(written) - cost
            assert longest <= between.max() <= longest + 0.1 and len(written) > 5


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", chunk_models.NAMES)
def test_every_model(name, path, always):
    """No bit changes by a checkpoint, a fit that ended is had without a pass, and one that was left
    goes on."""
    def same(a, b):
        a, b = chunk_models.state_of(a), chunk_models.state_of(b)
        assert a.keys() == b.keys()
        for key in a:
            assert digest(a[key]) == digest(b[key]), key

    whole = chunk_models.source_of(name)
    expected = chunk_models.model_of(name).fit_chunks(chunk_models.source_of(name))
    same(chunk_models.model_of(name).fit_chunks(whole, checkpoint=path), expected)
    source = chunk_models.source_of(name)
    same(chunk_models.model_of(name).fit_chunks(source, checkpoint=path, resume=True), expected)
    assert source.n_passes == 2

    def fail(X):
        raise RuntimeError("pulled out")

    path.unlink()
    number = whole.n_passes - 2     # 0: in the survey
    with pytest.raises(RuntimeError, match="pulled out"):
        chunk_models.model_of(name).fit_chunks(
            chunk_models.source_of(name, chunk_models.at(number, 3, fail)), checkpoint=path)
    source = chunk_models.source_of(name)
    same(chunk_models.model_of(name).fit_chunks(source, checkpoint=path, resume=True), expected)
    assert source.n_passes == 1 + whole.n_passes - number


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", chunk_models.NAMES)
def test_keys_are_the_same_after_a_pass(name, path, monkeypatch):
    """What passes and callbacks make of parameters when they look at them is in no key."""
    plain, n = Source.reduce, [0]

    def reduce(self, function, *arguments):
        if self.journal is None:
            return plain(self, function, *arguments)
        key = digest(function, arguments)
        out = plain(self, function, *arguments)
        assert digest(function, arguments) == key
        n[0] += 1
        return out

    monkeypatch.setattr(Source, "reduce", reduce)
    chunk_models.model_of(name).fit_chunks(chunk_models.source_of(name), checkpoint=path)
    assert n[0]


def test_parquet_files_that_are_the_same_need_no_survey(path, tmp_path_factory, monkeypatch):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = tmp_path_factory.mktemp("rows")

    def write(X):
        parquet.write_table(pyarrow.table(dict(zip("abc", X.T))), folder / "rows.parquet",
                            row_group_size=ROWS)

    write(X)
    expected = mixture().fit_chunks(folder / "rows.parquet")
    for resume in (False, True):
        assert_same(mixture().fit_chunks(folder / "rows.parquet", checkpoint=path, resume=resume),
                    expected)
    looked, plain = [0], emkernels.data.survey.Tables.survey

    def survey(self, *arguments):
        looked[0] += 1
        return plain(self, *arguments)

    monkeypatch.setattr(emkernels.data.survey.Tables, "survey", survey)
    assert_same(mixture().fit_chunks(folder / "rows.parquet", checkpoint=path, resume=True),
                expected)
    assert looked == [0]
    # written again they are looked at; and other values are seen
    write(X)
    os.utime(folder / "rows.parquet", (1e9, 1e9))
    assert_same(mixture().fit_chunks(folder / "rows.parquet", checkpoint=path, resume=True),
                expected)
    assert looked == [N_BLOCKS]
    write(np.where(np.arange(len(X))[:, None] == 730, 0.0, X))
    refused(path, "block 7 has other values", folder / "rows.parquet")


# --- the generator of random numbers -----------------------------------------------------------

@pytest.mark.parametrize("kind", ["global", "RandomState", "Generator"])
def test_the_random_state_is_as_it_was_at_the_beginning(path, kind, always):
    def state(seed):
        if kind == "global":
            np.random.seed(seed)
            return None
        if kind == "RandomState":
            return np.random.RandomState(seed)
        return np.random.default_rng(seed)

    options = {"init_params": "random_from_data", "tol": 1e-2}
    before = np.random.get_state()
    try:
        expected = mixture(random_state=state(11), **options).fit_chunks(Counted())
        with pytest.raises(RuntimeError):
            mixture(random_state=state(11), **options).fit_chunks(
                Failing(6 * N_BLOCKS), checkpoint=path)
        again = state(12)
        model = mixture(random_state=again, **options).fit_chunks(
            Counted(), checkpoint=path, resume=True)
        assert_same(model, expected)
    finally:
        np.random.set_state(before)


# --- refusals --------------------------------------------------------------------------------

@pytest.fixture
def left(path, monkeypatch):
    """A file of a fit that was left in the middle."""
    with monkeypatch.context() as always, pytest.raises(RuntimeError):
        always.setattr(journals, "PART", 0.0)
        always.setattr(journals, "SHARE", 0.0)
        mixture().fit_chunks(Failing(7 * N_BLOCKS + 3), checkpoint=path)
    return path


def refused(path, match, source=None, model=None, **options):
    """The call is refused, changes nothing and says why."""
    written, model = path.read_bytes(), mixture() if model is None else model
    before = dict(vars(model))
    source = Counted() if source is None else source
    with pytest.raises(ValueError, match=match) as caught:
        model.fit_chunks(source, **{"checkpoint": path, "resume": True, **options})
    assert "checkpoint" in str(caught.value) and str(path) in str(caught.value)
    assert "ame another" in str(caught.value)
    assert path.read_bytes() == written and only(path)
    assert vars(model) == before
    return source


def test_no_file_is_overwritten(left):
    assert refused(left, "resume=True", resume=False).n_passes == 0


@pytest.mark.parametrize("options, match", [
    ({"n_components": 2}, "n_components=3, and now it is 2"),
    ({"random_state": 4}, "random_state=3, and now it is 4"),
    ({"random_state": None}, "random_state=3, and now it is None"),
    ({"random_state": np.random.RandomState(3)}, "now it is 'RandomState of MT19937'"),
    ({"covariance_type": "diag"}, "covariance_type='full', and now it is 'diag'"),
    ({"n_init": 3}, "n_init=2, and now it is 3"),
    ({"acceleration": None}, "acceleration='squarem', and now it is None"),
    ({"means_init": np.zeros((3, 3))}, r"None, and now it is an array of shape \(3, 3\)"),
    ({"convergence": "parameters"}, "convergence"),
    ({"init_params": ("random", "kmeans")}, "init_params"),
], ids=lambda value: "" if isinstance(value, str) else next(iter(value)))
def test_other_parameters(left, options, match):
    assert refused(left, match, model=mixture(**options)).n_passes == 0


def test_numbers_that_are_the_same(left, expected):
    model = mixture(n_components=np.int64(3), reg_covar=np.float64(1e-6), fixed=[])
    assert_same(model.fit_chunks(Counted(), checkpoint=left, resume=True), expected)


def test_another_class(left):
    class Other(GaussianMixture):
        pass

    refused(left, "GaussianMixture, and this is .*Other", model=Other(**mixture().get_params()))


@pytest.mark.parametrize("change, match", [
    (lambda X: X[:, :2], "3 columns of float64, and these have 2"),
    (lambda X: X.astype(np.float32), "float64, and these have 3 columns of float32"),
    (lambda X: X[:-1], r"block 11: it had 100 rows, .*now has the shape \(99, 3\)"),
    (lambda X: X[:-ROWS], "block 11: it is not there, and there were 12 blocks"),
    (lambda X: np.concatenate([X, X[:2]]), "block 12: there were 12 blocks"),
    (lambda X: np.concatenate([X[:550], X[550:] + 1e-9]), "block 5: its values are others"),
    (lambda X: np.where(np.arange(len(X))[:, None] == 730, np.nan, X),
     "block 7: its values are others"),
], ids=range(7))
def test_other_rows(left, change, match):
    refused(left, match, Counted(change(X)))


def test_other_weights_and_columns(path):
    pandas = pytest.importorskip("pandas")
    frames = [pandas.DataFrame(X[i:i + ROWS], columns=list("abc"))
              for i in range(0, len(X), ROWS)]
    weights = [np.full(ROWS, 2.0) for _ in frames]
    mixture().fit_chunks(frames, sample_weight=weights, checkpoint=path)
    model = mixture().fit_chunks(frames, sample_weight=weights, checkpoint=path, resume=True)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    refused(path, "block 0 has other values or weights", frames)
    weights[4] = weights[4] * 1.5
    refused(path, "block 4 has other values or weights", frames, sample_weight=weights)
    named = [frame.rename(columns={"b": "x"}) for frame in frames]
    refused(path, r"\('a', 'b', 'c'\), and these have .*'x'", named, sample_weight=weights)


def test_rows_of_which_some_are_known_or_weigh(path):
    """Each by itself: blocks need not have the same company."""
    known = np.where(X[:, 0] > 6, 2, -1)

    def parts(known):
        return [X[:200], Rows.read(X[200:500]).labelled(known[200:500]),
                Rows.read(X[500:]).weighed(np.full(len(X) - 500, 1.5))]

    model = mixture(init_params="random_from_data")
    expected = mixture(init_params="random_from_data").fit_chunks(parts(known))
    for resume in (False, True):
        assert_same(model.fit_chunks(parts(known), checkpoint=path, resume=resume), expected)
    refused(path, "block 1 has other values", parts(-np.ones(len(X), int)),
            model=mixture(init_params="random_from_data"))


def test_another_version(left, monkeypatch):
    monkeypatch.setattr(journals, "__version__", "99.1")
    refused(left, "has version .*, that of this emkernels is 99.1")


def test_what_went_on_from_another_fit(path):
    warm = mixture(warm_start=True).fit_chunks(Counted())
    warm.fit_chunks(Counted(), checkpoint=path)
    refused(path, "warm_start", model=mixture(warm_start=True))


def test_damaged_files(left):
    written = left.read_bytes()
    places = sorted({*range(40), *RNG.integers(len(written), size=60).tolist(),
                     *range(len(written) - 50, len(written))})
    for at in places:
        damaged = bytearray(written)
        damaged[at] ^= 1 << int(RNG.integers(8))
        left.write_bytes(damaged)
        refused(left, "no checkpoint of emkernels, or it is damaged")
    for end in [*range(0, 100, 7), *RNG.integers(len(written), size=40).tolist(),
                len(written) - 1]:
        left.write_bytes(written[:end])
        refused(left, "damaged")
    for foreign in (written + b"\0", b"", b"PK\3\4" * 100, pickle.dumps([1, 2]), written * 2):
        left.write_bytes(foreign)
        assert refused(left, "damaged").n_passes == 0


@pytest.mark.parametrize("path, kind, match", [
    ("nowhere/fit.ckpt", ValueError, "checkpoint .* no folder"),
    (".", ValueError, "checkpoint .* is a folder"), (3, TypeError, "checkpoint must be a path"),
    (True, TypeError, "checkpoint must be a path"),
    ("x\0", ValueError, "the checkpoint .* is no path"),
    ("", ValueError, "checkpoint .* is a folder")])
def test_paths_that_cannot_be(tmp_path, monkeypatch, path, kind, match):
    monkeypatch.chdir(tmp_path)
    source = Counted()
    with pytest.raises(kind, match=match):
        mixture().fit_chunks(source, checkpoint=path)
    assert source.n_passes == 0 and os.listdir(tmp_path) == []


def test_resume_needs_a_path_and_no_file(path, expected):
    with pytest.raises(ValueError, match="resume=True goes on with a checkpoint"):
        mixture().fit_chunks(Counted(), resume=True)
    assert_same(mixture().fit_chunks(Counted(), checkpoint=path, resume=True), expected)
    assert only(path)


@pytest.mark.parametrize("resume", ["no", 1, None])
def test_resume_is_true_or_false(resume, left):
    with pytest.raises(TypeError, match="resume must be True or False, got"):
        mixture().fit_chunks(Counted(), resume=resume)
    written = left.read_bytes()
    with pytest.raises(TypeError, match="resume must be True or False, got"):
        mixture().fit_chunks(Counted(), checkpoint=left, resume=resume)
    assert left.read_bytes() == written and only(left)
    with pytest.raises(TypeError, match="resume must be True or False, got"):
        journals.Journal(left, mixture(), resume)


def test_a_fit_that_cannot_begin_leaves_no_file(path):
    for source, options in ((Counted(X[:2]), {}), (Counted(), {"means_init": np.zeros((2, 2))}),
                            (lambda: iter(()), {}), (Counted(X * np.inf), {})):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError):
            mixture(**options).fit_chunks(source, checkpoint=path)
        assert os.listdir(path.parent) == []


# --- two at once, full disks --------------------------------------------------------------------

def test_two_fits_of_one_file(path, expected):
    refusals = []

    def second(state):
        for resume in (False, True):
            with pytest.raises(ValueError, match="checkpoint .* is in use by another fit"):
                mixture().fit_chunks(Counted(), checkpoint=path, resume=resume)
            refusals.append(state.n_iter)

    assert_same(mixture(callback=second).fit_chunks(Counted(), checkpoint=path), expected)
    assert len(refusals) > 4 and only(path)


def test_what_the_dead_have_left(path, expected):
    path.with_name(path.name + ".lock").write_bytes(b"")
    path.with_name(path.name + ".123-0123abcd.part").write_bytes(b"half a file")
    others = [f"{path.name}{end}" for end in (
        ".part", ".1-0123abcdef.part", ".1-0123ABCD.part", "2.1-0123abcd.part")]
    for name in others:
        path.with_name(name).write_bytes(b"of somebody else")
    assert_same(mixture().fit_chunks(Counted(), checkpoint=path), expected)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *others])


def test_many_threads_of_one_file(path, expected):
    """One of them at a time, and none is lost."""
    ended, barrier = [], threading.Barrier(4)

    def fit():
        barrier.wait()
        for _ in range(20):
            try:
                ended.append(mixture().fit_chunks(Counted(), checkpoint=path, resume=True))
                return
            except ValueError as error:
                assert "in use by another fit" in str(error)
                threading.Event().wait(0.05)

    threads = [threading.Thread(target=fit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended and only(path)
    for model in ended:
        assert_same(model, expected)


def test_a_full_disk(left, expected):
    """The file stays as it was, the one beside it goes, and the fit ends with an error."""
    resource = pytest.importorskip("resource")
    model, written = mixture(), left.read_bytes()
    before, limits = dict(vars(model)), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(written) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="the checkpoint cannot be written") as caught:
            model.fit_chunks(Counted(), checkpoint=left, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(left) in str(caught.value) and caught.value.errno == errno.EFBIG
    assert left.read_bytes() == written and only(left) and vars(model) == before
    assert_same(model.fit_chunks(Counted(), checkpoint=left, resume=True), expected)


def test_a_disk_that_is_full_at_the_end(path, expected, monkeypatch):
    """What is written when the last pass is over."""
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journals, "SHARE", np.inf)      # nothing between the first and the last
    monkeypatch.setattr(journals, "LATEST", np.inf)

    def last(state):
        monkeypatch.setattr(os, "fsync", full)

    model = mixture(callback=last)
    before = dict(vars(model))
    with pytest.raises(OSError, match="the checkpoint cannot be written") as caught:
        model.fit_chunks(Counted(), checkpoint=path)
    assert caught.value.errno == errno.ENOSPC and str(path) in str(caught.value)
    assert vars(model) == before and only(path)
    monkeypatch.undo()
    assert_same(mixture().fit_chunks(Counted(), checkpoint=path, resume=True), expected)


def test_a_full_disk_does_not_hide_what_went_wrong(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the checkpoint cannot be written"):
        mixture().fit_chunks(Counted(), checkpoint=path)
    monkeypatch.undo()
    monkeypatch.setattr(journals, "SHARE", np.inf)
    monkeypatch.setattr(journals, "LATEST", np.inf)
    source = Failing(9 * N_BLOCKS)

    def last(state):
        monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(RuntimeError, match="pulled out") as caught:
        mixture(callback=last).fit_chunks(source, checkpoint=path)
    assert any("the checkpoint cannot be written" in note for note in caught.value.__notes__)


# --- SIMD levels -----------------------------------------------------------------------------

LEVELS = dispatch.available_levels()


@pytest.fixture
def process_level():
    before = dispatch.simd_level()
    yield dispatch.set_simd_level
    dispatch.set_simd_level(before)


@pytest.mark.skipif(len(LEVELS) < 2, reason="one level only")
def test_a_fit_keeps_the_level_that_it_began_with(process_level, path):
    fits = {}
    for level in LEVELS:
        process_level(level)
        fits[level] = mixture().fit_chunks(Counted())
    assert any((fits[LEVELS[0]].means_ != fits[level].means_).any() for level in LEVELS[1:])
    for level in LEVELS:
        other = LEVELS[level == LEVELS[0]]
        process_level(level)
        # it changes in the middle, of which a callback is not part
        model = mixture(callback=lambda state: process_level(other)).fit_chunks(Counted())
        assert dispatch.simd_level() == other
        assert_same(model, fits[level])
        # and a file goes on at its own
        process_level(level)
        with pytest.raises(RuntimeError):
            mixture().fit_chunks(Failing(8 * N_BLOCKS), checkpoint=path)
        process_level(other)
        assert_same(mixture().fit_chunks(Counted(), checkpoint=path, resume=True), fits[level])
        path.unlink()


def test_a_level_that_this_machine_lacks(left, monkeypatch):
    monkeypatch.setattr(journals, "available_levels", lambda: ["baseline*"])
    refused(left, "SIMD level .*, and this machine offers baseline*")


@pytest.mark.skipif(len(LEVELS) < 2, reason="one level only")
def test_threads_have_levels_of_their_own():
    rows = RNG.normal(size=(4000, 5))
    model = np.full(4, 0.25), rows[:4], np.array([np.eye(5)] * 4)

    def statistics():
        return emkernels.kernels.em_statistics(rows, *model, n_threads=2)

    expected, ready, found = {}, threading.Barrier(2), {}
    for level in LEVELS[:2]:
        with dispatch.own_simd_level(level):
            assert dispatch.simd_level() == level
            expected[level] = statistics()
    before = dispatch.simd_level()

    def run(level):
        with dispatch.own_simd_level(level):
            found[level] = []
            for _ in range(20):
                ready.wait()
                found[level].append(statistics())
                assert dispatch.simd_level() == level
            with dispatch.own_simd_level(LEVELS[0]), dispatch.own_simd_level(LEVELS[1]):
                pass
            assert dispatch.simd_level() == level
        assert dispatch.simd_level() == before

    threads = [threading.Thread(target=run, args=(level,)) for level in LEVELS[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dispatch.simd_level() == before
    for level in LEVELS[:2]:
        assert len(found[level]) == 20
        for each in found[level]:
            for a, b in zip(each, expected[level]):
                assert_array_equal(a, b)
    assert any((np.asarray(a) != np.asarray(b)).any()
               for a, b in zip(*(expected[level] for level in LEVELS[:2])))


# --- killed ----------------------------------------------------------------------------------

KILLED = """
    import hashlib, json, os, random, signal, sys, threading, time, warnings
    import numpy as np
    import emkernels
    from emkernels.data import journal

    journal.PART, journal.SHARE = 0.01, 1.0
    warnings.simplefilter("ignore")
    path, name, n_seeds, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), eval(sys.argv[4])
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(size=(400, 3)) + 2.5 * k for k in range(3)])
    rng.shuffle(X)
    if "Imputer" in name:
        X[rng.random(X.shape) < 0.1] = np.nan

    def source():
        for first in range(0, len(X), 50):
            time.sleep(0.0005)
            yield X[first:first + 50]

    def kill(seed):
        delay = random.Random(seed).random() * 0.15
        while not os.path.exists(path):
            time.sleep(0.0005)
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGKILL)

    def fitted(**checkpoint):
        model = getattr(emkernels, name)(n_threads=1, **options)
        model.fit_chunks(source, **checkpoint)
        state = sorted((k, v) for k, v in vars(model).items() if k[-1] == "_" and k[0] != "_")
        return hashlib.sha256(b"".join(
            k.encode() + np.asarray(v).tobytes() for k, v in state)).hexdigest()

    def in_child(work):
        # what it prints, None where it was killed
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(there, work().encode())
            finally:
                os._exit(0)
        os.close(there)
        with os.fdopen(here) as file:
            text = file.read()
        os.waitpid(child, 0)
        return text or None

    def alone():
        np.random.seed(1)
        return fitted()

    expected = in_child(alone)
    n_killed = 0
    for seed in range(n_seeds):
        for attempt in range(5):
            def work():
                np.random.seed(1 if attempt == 0 else 2)
                if attempt < 4:
                    threading.Thread(target=kill, args=(100 * seed + attempt,), daemon=True).start()
                return fitted(checkpoint=path, resume=attempt > 0)
            found = in_child(work)
            if found is not None:
                break
            n_killed += 1
            assert os.path.exists(path)
        assert found == expected, (seed, attempt)
        assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
        os.remove(path)
    print(n_killed)
"""
SUBJECTS = {
    "GaussianMixture": {"n_components": 3, "n_init": 2, "acceleration": "squarem", "tol": 1e-6,
                        "init_params": "random_from_data", "max_iter": 8},
    "KMeans": {"n_clusters": 3, "n_init": 2},
    "GaussianImputer": {},
    "GaussianMixtureImputer": {"n_components": 2, "max_iter": 20},
}


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("name, n_seeds", [
    ("GaussianMixture", 1),
    *(pytest.param(name, 5, marks=pytest.mark.slow) for name in SUBJECTS)])
def test_killed_at_any_moment(name, n_seeds, tmp_path):
    """`random_state` is None: what the killed fit has drawn is drawn again."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "fit.ckpt"), name,
         str(n_seeds), repr(SUBJECTS[name])], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2 * n_seeds      # else it was not tried
