"""What blocks are read from: kinds of sources, columns, weights, and what is said of bad ones."""

import os
import sys
import threading
import warnings

import numpy as np
import pytest

import emkernels
from emkernels import GaussianMixture
from emkernels._extras import MissingExtraError
from emkernels.data import Chunks
from emkernels.data.readers import parquet as parquet_reader
from emkernels.data.readers import reader_of
from emkernels.data.survey import print_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ds = pytest.importorskip("pyarrow.dataset")

rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 3)) + 4.0 * rng.integers(0, 3, size=(1000, 1))
W = rng.uniform(0.5, 2.0, size=1000)
SIZE = 300
CUTS = range(0, 1000, SIZE)
TABLE = pa.table({**{f"c{j}": X[:, j] for j in range(3)}, "w": W})
NAMES = ["c0", "c1", "c2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    pq.write_table(TABLE, path / "all.parquet", row_group_size=SIZE)
    (path / "parts").mkdir()
    for i, first in enumerate(CUTS):
        pq.write_table(TABLE.slice(first, SIZE), path / "parts" / f"{i}.parquet")
    pq.write_table(TABLE.select(["w"]), path / "w.parquet", row_group_size=SIZE)
    return path


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert [each for each in threading.enumerate() if each.name == "emkernels-reader"] == []


def blocks_of(source, **options):
    """The arrays that are read, copied, and their weights."""
    out = []
    for values, weight in reader_of(source, **options).blocks():
        values = getattr(values, "X", values)
        out.append((np.array(values), None if weight is None else np.array(weight)))
    return out


def parts():
    return [X[first:first + SIZE] for first in CUTS]


def weights():
    return [W[first:first + SIZE] for first in CUTS]


SOURCES = {
    "array": lambda folder: (X, {"chunk_rows": SIZE, "sample_weight": W}),
    "fortran": lambda folder: (np.asfortranarray(X), {"chunk_rows": SIZE, "sample_weight": W}),
    "list": lambda folder: (parts(), {"sample_weight": weights()}),
    "callable": lambda folder: (lambda: iter(parts()), {"sample_weight": weights}),
    "frames of a callable": lambda folder: (
        lambda: (TABLE.slice(first, SIZE).to_pandas() for first in CUTS), {"sample_weight": "w"}),
    "arrow": lambda folder: (TABLE, {"chunk_rows": SIZE, "sample_weight": "w"}),
    "batch": lambda folder: (
        TABLE.combine_chunks().to_batches()[0], {"chunk_rows": SIZE, "sample_weight": "w"}),
    "pandas": lambda folder: (TABLE.to_pandas(), {"chunk_rows": SIZE, "sample_weight": "w"}),
    "path": lambda folder: (folder / "all.parquet", {"sample_weight": "w"}),
    "text": lambda folder: (str(folder / "all.parquet"), {"sample_weight": "w"}),
    "folder": lambda folder: (folder / "parts", {"sample_weight": "w"}),
    "paths": lambda folder: (
        [folder / "parts" / f"{i}.parquet" for i in range(4)], {"sample_weight": "w"}),
    "dataset": lambda folder: (ds.dataset(folder / "parts"), {"sample_weight": "w"}),
    "dataset in memory": lambda folder: (
        ds.dataset(TABLE), {"chunk_rows": SIZE, "sample_weight": "w"}),
    "weights of a file": lambda folder: (
        folder / "all.parquet", {"columns": NAMES, "sample_weight": str(folder / "w.parquet")}),
    "weights of all rows": lambda folder: (
        folder / "all.parquet", {"columns": NAMES, "sample_weight": W}),
    "by columns": lambda folder: (folder / "all.parquet", {"sample_weight": "w"}),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_gives_the_same_blocks_and_bits(kind, folder, monkeypatch):
    if kind == "by columns":
        monkeypatch.setattr(parquet_reader, "SMALL_GROUP", 0)
    source, options = SOURCES[kind](folder)
    for _ in range(2):      # and again
        found = blocks_of(source, **options)
        assert [len(values) for values, _ in found] == [300, 300, 300, 100]
        np.testing.assert_array_equal(np.vstack([values for values, _ in found]), X)
        np.testing.assert_array_equal(np.concatenate([weight for _, weight in found]), W)
    reader = reader_of(source, **options)
    late = list(reader.blocks(2))
    assert [len(values) for values, _ in late] == [300, 100]
    expected = GaussianMixture(2, random_state=0).fit_chunks(X, sample_weight=W, chunk_rows=SIZE)
    model = GaussianMixture(2, random_state=0).fit_chunks(source, **options)
    assert (model.means_ == expected.means_).all() and model.n_iter_ == expected.n_iter_
    assert (model.n_blocks_, model.n_rows_) == (4, 1000)
    named = source is not X and kind not in ("fortran", "list", "callable")
    assert hasattr(model, "feature_names_in_") == named
    if named:
        assert list(model.feature_names_in_) == NAMES


def test_polars_and_memory_maps_and_stored_arrays(tmp_path):
    polars = pytest.importorskip("polars")
    found = blocks_of(polars.from_arrow(TABLE), chunk_rows=SIZE, sample_weight="w")
    np.testing.assert_array_equal(np.concatenate([weight for _, weight in found]), W)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(np.vstack([v for v, _ in blocks_of(mapped, chunk_rows=99)]), X)
    zarr = pytest.importorskip("zarr")
    stored = zarr.create_array(str(tmp_path / "z"), shape=X.shape, chunks=(128, 3), dtype="f8")
    stored[:] = X
    found = blocks_of(stored, columns=[2, 0])
    assert np.array_equal(np.vstack([v for v, _ in found]), X[:, [2, 0]])
    assert blocks_of(stored, chunk_rows=100)[0][0].shape == (100, 3)


def test_columns_by_name_and_by_position(folder):
    wanted = X[:, [2, 0]]
    path = folder / "all.parquet"
    for source in (path, TABLE, TABLE.to_pandas(), ds.dataset(path),
                   lambda: iter([TABLE.slice(0, 10), TABLE.slice(10)])):
        found = blocks_of(source, columns=["c2", "c0"])
        assert np.array_equal(np.vstack([values for values, _ in found]), wanted)
    for source in (X, [X[:10], X[10:]], lambda: iter([X[:10], X[10:]])):
        found = blocks_of(source, columns=[2, 0])
        assert np.array_equal(np.vstack([values for values, _ in found]), wanted)


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


def test_blocks_of_no_rows_are_allowed(tmp_path):
    blocks = [X[:0], X[:400], X[:0], X[400:], X[:0]]
    model = GaussianMixture(2, random_state=0).fit_chunks(blocks)
    again = GaussianMixture(2, random_state=0).fit_chunks(
        lambda: iter(blocks), sample_weight=lambda: (np.ones(len(b)) for b in blocks))
    np.testing.assert_allclose(model.means_, again.means_, rtol=1e-9)
    assert model.n_blocks_ == 5
    for i, block in enumerate(blocks):
        table = pa.table({f"c{j}": block[:, j] for j in range(3)})
        pq.write_table(table, tmp_path / f"{i}.parquet")
    model = GaussianMixture(2, random_state=0).fit_chunks(tmp_path)
    np.testing.assert_allclose(model.means_, again.means_, rtol=1e-9)
    assert model.n_rows_ == 1000


def test_types_of_parquet(tmp_path):
    pc = pytest.importorskip("pyarrow.compute")
    n = 50
    ints = pa.array([None if i % 7 == 0 else i for i in range(n)], pa.int32())
    decimals = pc.cast(pa.array(np.arange(n) / 4), pa.decimal128(10, 2))
    table = pa.table({"i": ints, "d": decimals, "f": pa.array(np.arange(n), pa.float32())})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=20)
    found = np.vstack([values for values, _ in blocks_of(path)])
    assert found.dtype == np.float64
    expected = np.column_stack([
        np.where(np.arange(n) % 7 == 0, np.nan, np.arange(n)), np.arange(n) / 4, np.arange(n)])
    np.testing.assert_array_equal(found, expected)
    halves = pa.table({"f": table["f"], "h": pc.cast(table["f"], pa.float16())})
    pq.write_table(halves, path, row_group_size=20)
    assert blocks_of(path)[0][0].dtype == np.float32
    for column, words in ((pa.array(["x"] * n), "string"), (pa.array([True] * n), "bool")):
        pq.write_table(halves.append_column("odd", column), path)
        with pytest.raises(ValueError, match=rf"column 'odd' is of type {words}.*columns=\['f'"):
            reader_of(path)
        assert blocks_of(path, columns=["f"])[0][0].shape == (n, 1)
    frame = TABLE.to_pandas().set_index("w")
    frame.to_parquet(path)
    assert reader_of(path).columns == NAMES
    (tmp_path / "no.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no.parquet is no Parquet file"):
        reader_of(tmp_path / "no.parquet")
    with pytest.raises(FileNotFoundError):
        reader_of(tmp_path / "nowhere.parquet")


def test_datasets_with_conditions_and_columns_of_the_folder(tmp_path):
    for year in (2020, 2021):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(TABLE.select(["c0"]), tmp_path / f"year={year}" / "x.parquet",
                       row_group_size=SIZE)
    found = np.vstack([values for values, _ in blocks_of(tmp_path)])
    np.testing.assert_array_equal(found, np.column_stack(
        [np.tile(X[:, 0], 2), np.repeat([2020, 2021], 1000)]))
    some = ds.dataset(tmp_path, partitioning="hive").filter(
        (ds.field("c0") > 4) & (ds.field("year") == 2021))
    found = np.vstack([values for values, _ in blocks_of(some, columns=["c0"])])
    np.testing.assert_array_equal(found[:, 0], X[X[:, 0] > 4, 0])


def test_large_row_groups_are_split(folder, monkeypatch):
    path = folder / "all.parquet"
    found = blocks_of(path, columns=NAMES, chunk_rows=128)
    assert [len(v) for v, _ in found] == [128, 128, 44] * 3 + [100]
    np.testing.assert_array_equal(np.vstack([v for v, _ in found]), X)
    late = [len(v) for v, _ in reader_of(path, columns=NAMES, chunk_rows=128).blocks(4)]
    assert late == [128, 44, 128, 128, 44, 100]
    monkeypatch.setattr(parquet_reader, "LARGEST_GROUP", 200 * 24)
    monkeypatch.setattr(parquet_reader, "PART_BYTES", 150 * 24)
    assert [len(v) for v, _ in blocks_of(path, columns=NAMES)] == [150] * 6 + [100]
    # a block that is a sequence is not cut where nobody has said so
    model = emkernels.GaussianHMM(random_state=0)
    for weight in (None, [1.0, 2.0, 1.0, 1.0]):
        assert model.fit_chunks(path, columns=NAMES, sample_weight=weight).n_blocks_ == 4
    assert model.fit_chunks(path, columns=NAMES, chunk_rows=150).n_blocks_ == 7


def test_two_blocks_at_most_are_there(folder, monkeypatch):
    """The reader waits for the memory of the block before the last."""
    monkeypatch.setattr(parquet_reader, "SMALL_GROUP", 0)
    seen = set()
    for values, _ in reader_of(folder / "all.parquet").blocks():
        seen.add(values.X.__array_interface__["data"][0])
    assert len(seen) == 2


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


def test_callables_are_called_in_the_thread_of_the_caller():
    threads = set()

    def source():
        for first in CUTS:
            threads.add(threading.current_thread())
            yield X[first:first + SIZE]
    Chunks(source)
    assert threads == {threading.current_thread()}


def test_identities(folder):
    import json
    reader = reader_of(folder / "all.parquet", sample_weight="w")
    identity = json.loads(json.dumps(reader.identity()))
    assert identity == reader_of(str(folder / "all.parquet"), sample_weight="w").identity()
    assert identity["columns"] == NAMES and identity["files"][0][2] == [300, 300, 300, 100]
    assert identity != reader_of(folder / "all.parquet", columns=NAMES[:2]).identity()
    assert reader_of(X).identity() is None


def test_masked_cells_are_missing():
    masked = np.ma.masked_array(X, mask=np.zeros(X.shape, bool))
    masked[5, 1] = np.ma.masked
    survey = Chunks(masked, chunk_rows=SIZE).survey
    assert [block.has_missing for block in survey.blocks] == [True, False, False, False]


CLASSES = sorted(name for name in emkernels.__all__ if hasattr(
    getattr(emkernels, name), "fit_chunks"))


@pytest.mark.parametrize("name", CLASSES)
def test_every_estimator_fits_files_as_it_fits_arrays(name, tmp_path, monkeypatch):
    """Though the memory that a block was read into is used again."""
    monkeypatch.setattr(parquet_reader, "SMALL_GROUP", 0)
    kind, path = getattr(emkernels, name), tmp_path / "t.parquet"
    parameters, values = kind._get_param_names(), X
    if name in ("CategoricalHMM", "LatentClassAnalysis"):
        values = (X > 2).astype(float)
        values = values[:, :1] if name == "CategoricalHMM" else np.hstack([values, values[::-1]])
    if "Imputer" in name:
        values = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    options = {p: 2 for p in ("n_components", "n_clusters", "n_classes") if p in parameters}
    options |= {p: 1 for p in ("n_factors", "random_state") if p in parameters}
    options |= {"max_iter": 3}
    names = [f"c{j}" for j in range(values.shape[1])]
    pq.write_table(pa.table({n: values[:, j] for j, n in enumerate(names)}), path,
                   row_group_size=100)
    blocks = [pa.table({n: values[i:i + 100, j] for j, n in enumerate(names)})
              for i in range(0, 1000, 100)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = kind(**options).fit_chunks(blocks)
        model = kind(**options).fit_chunks(path)
    for attribute, value in vars(expected).items():
        if attribute.endswith("_") and isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(model, attribute), value, err_msg=attribute)
    assert model.n_blocks_ == 10 and list(model.feature_names_in_) == names


def test_answers_in_files_may_be_texts(tmp_path):
    answers = {f"q{j}": np.where(X[:, j % 3] + rng.normal(size=1000) > 4, "yes", "no")
               for j in range(5)}
    table = pa.table(answers)
    table = table.set_column(0, "q0", table["q0"].dictionary_encode())
    for options in ({"row_group_size": 100}, {"row_group_size": 1000}):
        pq.write_table(table, tmp_path / "t.parquet", **options)
        first, expected = (emkernels.LatentClassAnalysis(2, random_state=0) for _ in range(2))
        model = first.fit_chunks(tmp_path / "t.parquet")
        expected.fit_chunks(table, chunk_rows=100)
        np.testing.assert_allclose(model.weights_, expected.weights_, rtol=1e-6)
        parts = list(model.predict_proba_chunks(tmp_path / "t.parquet", chunk_rows=100))
        assert len(parts) == 10
        np.testing.assert_allclose(
            np.concatenate(parts), model.predict_proba(table.to_pandas()), rtol=1e-12)


def test_identities_tell_conditions_and_folders_apart(tmp_path):
    (tmp_path / "y=1").mkdir()
    pq.write_table(pa.table({"k": np.arange(300), "x": X[:300, 0]}), tmp_path / "y=1" / "f.parquet")

    def identity(chosen=None):
        data = ds.dataset(tmp_path, partitioning="hive")
        return reader_of(data if chosen is None else data.filter(ds.field("k").isin(chosen)),
                         columns=["x", "y"]).identity()
    ends = list(range(10)), list(range(90, 100))        # what the text of a long list shows
    some, others = ([*ends[0], *range(a, a + 80), *ends[1]] for a in (10, 110))
    assert identity(some) == identity(list(some)) != identity(others)
    before = identity()
    assert before == identity()
    os.rename(tmp_path / "y=1", tmp_path / "y=2")
    assert identity() != before


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


def test_float16_is_what_it_is_in_memory(tmp_path):
    table = pa.table({name: X[:, j].astype(dtype) for j, (name, dtype) in enumerate(
        {"h": np.float16, "i": np.float16, "s": np.float32}.items())})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=SIZE)
    for columns in (["h", "i"], ["h", "s"]):
        memory, file = (GaussianMixture(2, random_state=0).fit_chunks(source, columns=columns, **k)
                        for source, k in ((table, {"chunk_rows": SIZE}),
                                          (tmp_path / "t.parquet", {})))
        assert memory.means_.dtype == file.means_.dtype
        np.testing.assert_array_equal(memory.means_, file.means_)


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


def test_names_with_dots_beside_structures(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_reader, "SMALL_GROUP", 0)
    inner = pa.array([{"b": float(value)} for value in X[:, 1]])
    pq.write_table(pa.table({"a": inner, "a.b": X[:, 0]}), tmp_path / "t.parquet")
    (found, _), = blocks_of(tmp_path / "t.parquet", columns=["a.b"])
    np.testing.assert_array_equal(found[:, 0], X[:, 0])


def test_conditions_leave_the_types_of_each_file(tmp_path):
    for i, kind in enumerate((pa.int32(), pa.float32(), pa.float64())):
        values = np.arange(20) if i == 0 else np.arange(20) + 1e8 + 0.1
        pq.write_table(pa.table({"a": pa.array(values).cast(kind, safe=False),
                                 "k": np.arange(20)}), tmp_path / f"{i}.parquet")
    data = ds.dataset(tmp_path)
    for (found, _), (expected, _) in zip(
            blocks_of(data.filter(ds.field("k") > 4), columns=["a"]),
            blocks_of(data, columns=["a"]), strict=True):
        np.testing.assert_array_equal(found, expected[5:])
    found = blocks_of(data.filter(ds.field("a") > 50), columns=["a"])
    assert [len(values) for values, _ in found] == [0, 20, 20]


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    for name in ("pyarrow", "pyarrow.dataset"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"Parquet needs pyarrow: .*emkernels\[parquet\]"):
        GaussianMixture().fit_chunks("rows.parquet")
