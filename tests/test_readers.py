"""What blocks are read from: kinds of sources, columns, types, weights."""

import os
import threading
import warnings

import numpy as np
import pytest
from read_tables import (  # noqa: F401
    CUTS,
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

import emkernels
from emkernels import GaussianMixture
from emkernels.data import Chunks
from emkernels.data.readers import parquet as parquet_reader
from emkernels.data.readers import reader_of

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
