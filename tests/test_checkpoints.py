"""Fits that are killed and go on: the same bits, or a refusal that says what differs."""

import os

import chunk_models
import numpy as np
import pytest
from checkpointed import (  # noqa: F401
    N_BLOCKS,
    ROWS,
    Counted,
    Failing,
    X,
    assert_same,
    mixture,
    only,
    path_of_a_file,
    refused,
    the_fit,
)

import emkernels
from emkernels.data import journal as journals
from emkernels.data import records
from emkernels.data.packing import digest
from emkernels.data.source import Source

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
