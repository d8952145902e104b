"""Sources that cannot be read, that are others than before, or that fail: what is said of them."""

import os
import sys

import numpy as np
import pytest
from read_tables import (  # noqa: F401
    NAMES,
    SIZE,
    TABLE,
    W,
    X,
    blocks_of,
    ds,
    folder_of_tables,
    no_thread_is_left,
    pa,
    parts,
    pq,
    rng,
    weights,
)

from emkernels import GaussianMixture
from emkernels._extras import MissingExtraError
from emkernels.data import Chunks
from emkernels.data.readers import parquet as parquet_reader
from emkernels.data.readers import reader_of
from emkernels.data.survey import print_of


@pytest.mark.parametrize("columns, words", [
    (["c0", "other"], "no column 'other'"), (["c0", "c1", "c0"], "'c0' is there twice"),
    (["c0", "w"], "'w' is sample_weight"), ([], "names no column"), ([0], "no column 0"),
])
def test_columns_that_cannot_be(columns, words, folder):
    for source in (folder / "all.parquet", TABLE, TABLE.to_pandas()):
        with pytest.raises(ValueError, match=words):
            Chunks(source, columns=columns, sample_weight="w")


@pytest.mark.parametrize("columns, words", [
    ([0, 7], "no column 7"), ([0, 1, 0], "0 is there twice"), (["a"], "no column 'a'.*positions"),
])
def test_positions_that_cannot_be(columns, words):
    for source in (X, [X], lambda: iter([X])):
        with pytest.raises(ValueError, match=words):
            Chunks(source, columns=columns)


def test_a_text_is_no_list_of_columns():
    with pytest.raises(TypeError, match="must be a list"):
        Chunks(TABLE, columns="c0")


def test_what_can_be_read_once_is_refused_with_a_remedy():
    reader = TABLE.to_reader()
    for source in (iter([X]), (x for x in [X]), reader):
        with pytest.raises(TypeError, match="read once.*callable"):
            GaussianMixture().fit_chunks(source)
    with pytest.raises(TypeError, match="array of|iterator of tables"):
        Chunks(lambda: X)
    with pytest.raises(TypeError, match="must be a callable.*got int"):
        Chunks(3)


def test_files_of_other_formats_are_refused_with_a_remedy(tmp_path):
    text, array = tmp_path / "rows.csv", tmp_path / "rows.npy"
    text.write_text("a,b\n1,2\n")
    np.save(array, X)
    for path, remedy in ((text, "pandas.read_csv"), (array, "numpy.load")):
        with pytest.raises(ValueError, match=f"{path.name} is no Parquet file.*{remedy}"):
            Chunks(path)
    with pytest.raises(FileNotFoundError, match="a pattern.*glob"):
        Chunks(tmp_path / "*.parquet")
    with pytest.raises(TypeError, match="list of paths and of tables: pass all of one kind"):
        Chunks([text, X])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: there is no Parquet file in the folder"):
        Chunks(tmp_path / "empty")


@pytest.mark.parametrize("first", [True, False])
def test_folders_of_other_files_say_which_and_what_to_pass(first, tmp_path):
    pq.write_table(TABLE, tmp_path / "m.parquet")
    other = tmp_path / ("a.csv" if first else "z.csv")
    other.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=f"{other.name}.*Parquet files of the folder alone.*glob"):
        Chunks(tmp_path, columns=NAMES)
    other.unlink()
    path = other.with_suffix(".parquet")
    pq.write_table(pa.table({"label": [1, 2]}), path)
    words = ("column .c0., .* in .*{}; there are .label." if first else "{} has no column .c0.")
    with pytest.raises(ValueError, match=words.format(path.name)):
        Chunks(tmp_path, columns=NAMES)
    pq.write_table(pa.table({name: ["x", "y"] for name in NAMES}), path)
    with pytest.raises(ValueError, match=f"{path.name}: column 'c0' is of type string") as caught:
        Chunks(tmp_path, columns=NAMES)
    assert "columns=" not in str(caught.value)


def test_a_callable_that_gives_no_new_iterator_is_told_what_to_return():
    frame = TABLE.to_pandas()
    for made in (X, frame, TABLE):
        with pytest.raises(TypeError, match=r"an iterator of tables.*return \[table\]"):
            Chunks(lambda made=made: made)
    with pytest.raises(TypeError, match="returns NoneType, where an iterator of tables"):
        Chunks(lambda: None)
    same = iter(parts())
    with pytest.raises(ValueError, match="block 0 in pass 1: .* return a new iterator each time"):
        GaussianMixture(2, random_state=0).fit_chunks(lambda: same)


def test_columns_of_weights_that_cannot_be(folder, tmp_path):
    with pytest.raises(ValueError, match="sample_weight='wt' is neither.*there are 'c0', .*'w'"):
        Chunks(folder / "all.parquet", sample_weight="wt")
    path = tmp_path / "text.parquet"
    pq.write_table(TABLE.append_column("kind", pa.array(["a"] * 1000)), path)
    with pytest.raises(ValueError, match="'kind' is of type string.*named as sample_weight"):
        Chunks(path, sample_weight="kind")
    for source in (folder / "all.parquet", X):
        with pytest.raises(TypeError, match="sample_weight is a callable, and source is none"):
            Chunks(source, sample_weight=lambda: iter(()))


def test_rows_of_a_block_mean_nothing_where_blocks_are_given():
    for source in (lambda: iter([X]), [X]):
        with pytest.raises(ValueError, match="chunk_rows means nothing"):
            Chunks(source, chunk_rows=10)
    with pytest.raises(TypeError, match="chunk_rows"):
        Chunks(X, chunk_rows=1.5)


def test_weights_of_other_lengths_name_the_block():
    blocks, short = [X[:5], X[5:12]], [W[:5], W[5:10]]
    with pytest.raises(ValueError, match=r"^block 1 has 5 weights and 7 rows"):
        Chunks(blocks, sample_weight=short)
    with pytest.raises(ValueError, match=r"^block 1 has 5 weights and 7 rows"):
        Chunks(lambda: iter(blocks), sample_weight=lambda: iter(short))
    for more in ([W[:5]], [W[:5], W[5:12], W[:2]]):
        with pytest.raises(ValueError, match=r"has a block [12], and"):
            Chunks(blocks, sample_weight=more)
    with pytest.raises(ValueError, match="shape"):
        Chunks(X, sample_weight=W[:-1], chunk_rows=100)
    with pytest.raises(TypeError, match="callable"):
        Chunks(lambda: iter(blocks), sample_weight=W)
    with pytest.raises(ValueError, match="names a column"):
        Chunks(X, sample_weight="w")


def test_bad_weights_are_named_by_block_and_row():
    for value in (np.nan, np.inf, -1.0):
        bad = W.copy()
        bad[617] = value
        with pytest.raises(ValueError, match="block 2, row 17"):
            Chunks(X, sample_weight=bad, chunk_rows=SIZE)
    with pytest.raises(TypeError, match="sample_weight.*callable"):
        Chunks(lambda: iter(parts()), sample_weight=iter(weights()))


def test_cells_are_named_by_block_row_and_column(folder, tmp_path):
    bad = X.copy()
    bad[317, 2] = np.inf
    table = pa.table({f"c{j}": bad[:, j] for j in range(3)})
    pq.write_table(table, tmp_path / "bad.parquet", row_group_size=SIZE)
    for source, options, column in (
            (bad, {"chunk_rows": SIZE}, "2"), (tmp_path / "bad.parquet", {}, "'c2'"),
            (table, {"chunk_rows": SIZE}, "'c2'")):
        with pytest.raises(ValueError, match=f"block 1, row 17, column {column}"):
            GaussianMixture().fit_chunks(source, **options)
    bad[317, 2] = 1e200
    pq.write_table(pa.table({f"c{j}": bad[:, j] for j in range(3)}), tmp_path / "bad.parquet",
                   row_group_size=SIZE)
    for source, options, column in (
            (bad, {"chunk_rows": SIZE}, "2"), (tmp_path / "bad.parquet", {}, "'c2'")):
        with pytest.raises(ValueError, match=f"too large.*block 1, row 17, column {column}"):
            GaussianMixture().fit_chunks(source, **options)
    with pytest.raises(ValueError, match="block 1"):
        Chunks([X[:5], X[5:9, :2]])
    with pytest.raises(ValueError, match="block 1"):
        Chunks([X[:5], X[5:9].astype(np.float32)])
    for empty in ([], lambda: iter([])):
        with pytest.raises(ValueError, match="no block"):
            Chunks(empty)


def test_a_file_that_was_written_again_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path, row_group_size=SIZE)
    chunks = Chunks(path)
    chunks.reduce(_nothing)
    pq.write_table(TABLE.slice(1), path, row_group_size=SIZE)
    with pytest.raises(ValueError, match="source has changed: block 0 in pass 2.*written again"):
        chunks.reduce(_nothing)
    os.unlink(path)
    with pytest.raises(ValueError, match="source has changed: block 0 in pass 3.*not there"):
        chunks.reduce(_nothing)


def test_a_map_that_was_written_to_is_found(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, X.shape)
    mapped[:] = X
    chunks = Chunks(mapped, chunk_rows=SIZE)
    chunks.reduce(_nothing)
    mapped[700, 1] += 1
    with pytest.raises(ValueError, match="source has changed: block 2 in pass 2"):
        chunks.reduce(_nothing)


def _swap_columns(X, w):
    X[:, [0, 1]] = X[:, [1, 0]]


def _swap_rows(X, w):
    X[[2, 3]] = X[[3, 2]]


def _swap_cells(X, w):
    X[5, 0], X[5, 2] = X[5, 2], X[5, 0]


def _swap_weights(X, w):
    w[[7, 8]] = w[[8, 7]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("change", [_swap_columns, _swap_rows, _swap_cells, _swap_weights])
def test_the_same_values_in_other_places_are_found(change, dtype):
    values, weight = X.astype(dtype), W.copy()

    def blocks():
        return iter([values[:300], np.asfortranarray(values[300:])])
    chunks = Chunks(blocks, sample_weight=lambda: iter([weight[:300], weight[300:]]))
    chunks.reduce(_nothing)
    change(values[300:], weight[300:])
    with pytest.raises(ValueError, match="source has changed: block 1 in pass 2"):
        chunks.reduce(_nothing)


def test_small_whole_numbers_in_other_places_are_found():
    """Their bits are few, and upper ones."""
    values, seen = rng.integers(0, 3, size=(40, 4)).astype(float), set()
    for _ in range(200):
        rng.shuffle(values.reshape(-1))
        seen.add((values.tobytes(), print_of(values, None), print_of(values, values[:, 0].copy())))
    assert len({p for _, p, _ in seen}) == len({p for _, _, p in seen}) == len(
        {b for b, _, _ in seen})


def test_prints_do_not_depend_on_the_layout():
    values = rng.normal(size=(20_000, 5))
    prints = {print_of(each, None) for each in (
        values, np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2],
        values[::-1].copy()[::-1])}
    assert len(prints) == 1
    assert print_of(values, np.ones(20_000)) not in prints


def _nothing(rows):
    return None


class Broken(Exception):
    pass


def _broken(rows):
    if rows.block == 1:
        raise Broken
    return None


def test_no_thread_is_left_whatever_happens(folder, monkeypatch):
    chunks = Chunks(folder / "all.parquet")
    with pytest.raises(Broken):
        chunks.reduce(_broken)
    chunks.reduce(_nothing)     # and it can go on
    blocks = chunks.reader.blocks()
    next(blocks)
    blocks.close()
    blocks = chunks.reader.blocks()
    next(blocks)
    del blocks

    def interrupted(rows):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        chunks.reduce(interrupted)
    error = Broken()

    def fails(*_):
        raise error
    monkeypatch.setattr(parquet_reader, "_put", fails)
    with pytest.raises(Broken) as caught:
        chunks.reduce(_nothing)
    assert caught.value is error


def test_what_a_source_raises_passes_through():
    error, closed = ValueError("at row 3 of the disk"), []

    def source():
        try:
            yield X[:100]
            raise error
        finally:
            closed.append(True)
    model = GaussianMixture(2)
    with pytest.raises(ValueError) as caught:
        model.fit_chunks(source)
    assert caught.value is error and closed == [True] and not hasattr(model, "means_")


def test_a_checkpoint_of_a_folder_that_was_renamed_is_refused(tmp_path):
    for year in (1, 2):
        (tmp_path / "t" / f"y={year}").mkdir(parents=True)
        pq.write_table(TABLE.select(["c0"]), tmp_path / "t" / f"y={year}" / "f.parquet")
    GaussianMixture().fit_chunks(tmp_path / "t", checkpoint=tmp_path / "fit")
    os.rename(tmp_path / "t" / "y=2", tmp_path / "t" / "y=7")
    with pytest.raises(ValueError, match="checkpoint .* is of other rows: block 1"):
        GaussianMixture().fit_chunks(tmp_path / "t", checkpoint=tmp_path / "fit", resume=True)


def test_names_are_compared_behind_blocks_without():
    frame = TABLE.select(NAMES).to_pandas()
    blocks = [X[:300], frame[300:600], frame[600:][NAMES[::-1]]]
    with pytest.raises(ValueError, match="block 2 has the columns 'c2', .*block 1 'c0'"):
        GaussianMixture().fit_chunks(lambda: iter(blocks))
    model = GaussianMixture().fit_chunks([X[:300], frame[300:]])
    np.testing.assert_allclose(model.means_[0], X.mean(axis=0))


def test_files_of_other_columns_are_refused(tmp_path):
    paths = [tmp_path / "t" / name for name in ("a.parquet", "b.parquet")]
    (tmp_path / "t").mkdir()
    for (first, second), words in (
            ((["c0", "c1"], ["c0", "c1", "c2"]), "b.parquet has the column 'c2', which is not in"),
            ((["c0", "c1", "c2"], ["c1", "c0"]), "b.parquet has no column 'c2'")):
        pq.write_table(TABLE.select(first), paths[0])
        pq.write_table(TABLE.select(second), paths[1])
        for source in (paths, paths[0].parent):
            with pytest.raises(ValueError, match=words):
                reader_of(source)
            assert len(blocks_of(source, columns=["c0", "c1"])) == 2
        assert len(blocks_of(ds.dataset(tmp_path / "t"))) == 2      # as its schema says


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    for name in ("pyarrow", "pyarrow.dataset"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"Parquet needs pyarrow: .*emkernels\[parquet\]"):
        GaussianMixture().fit_chunks("rows.parquet")
