"""Output of blocks: the bits of the methods of rows, whole files or none."""

import errno
import os
import threading

import numpy as np
import pytest

import emkernels
from emkernels import GaussianMixture
from emkernels.models.chunked_output import ChunkedOutput

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 3)) + 4.0 * rng.integers(0, 3, size=(1000, 1))
GAPS = np.where(rng.random(X.shape) < 0.1, np.nan, X)
SIZE = 300
CUTS = range(0, 1000, SIZE)
NAMES = ["c0", "c1", "c2"]
METHODS = ["predict", "predict_proba", "score_samples", "transform", "impute"]
CLASSES = sorted(name for name in emkernels.__all__
                 if isinstance(getattr(emkernels, name), type)
                 and issubclass(getattr(emkernels, name), ChunkedOutput))


def table_of(values):
    return pa.table({name: values[:, j] for j, name in enumerate(NAMES)})


@pytest.fixture(scope="module")
def model():
    return GaussianMixture(3, random_state=0).fit(X)


@pytest.fixture
def path(tmp_path):
    pq.write_table(table_of(GAPS), tmp_path / "in.parquet", row_group_size=SIZE)
    return tmp_path / "in.parquet"


def expected(model, name, values=GAPS):
    return np.concatenate([getattr(model, name)(values[i:i + SIZE]) for i in CUTS])


def exists(model, name):
    return hasattr(model, f"{name}_chunks")


@pytest.mark.parametrize("name", ["predict", "predict_proba", "score_samples", "impute"])
def test_every_kind_of_output_has_the_bits_of_the_method(name, model, path, tmp_path):
    wanted, method = expected(model, name), getattr(model, f"{name}_chunks")
    # rows with gaps may round otherwise beside others: blocks are as the method has them
    np.testing.assert_allclose(wanted, getattr(model, name)(GAPS), rtol=1e-12)
    whole = np.concatenate(list(method(X, chunk_rows=SIZE)))
    np.testing.assert_array_equal(whole, getattr(model, name)(X))
    parts = list(method(GAPS, chunk_rows=SIZE))
    assert [len(part) for part in parts] == [300, 300, 300, 100]
    np.testing.assert_array_equal(np.concatenate(parts), wanted)
    for source in (path, lambda: (GAPS[i:i + SIZE] for i in CUTS),
                   (GAPS[i:i + SIZE] for i in CUTS)):
        np.testing.assert_array_equal(np.concatenate(list(method(source))), wanted)
    out = np.empty_like(wanted)
    assert method(path, out) is out
    np.testing.assert_array_equal(out, wanted)
    mapped = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", wanted.dtype, wanted.shape)
    method(path, mapped)
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), wanted)
    method(path, tmp_path / "o.npy")
    found = np.load(tmp_path / "o.npy", mmap_mode="r")
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)
    method(path, str(tmp_path / "o.parquet"))
    file = pq.ParquetFile(tmp_path / "o.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(4)] == [300, 300, 300, 100]
    table = file.read()
    found = np.column_stack([column.to_numpy() for column in table.columns])
    np.testing.assert_array_equal(found, wanted.reshape(1000, -1))
    assert table.column_names == {
        "predict": ["label"], "score_samples": ["log_density"],
        "predict_proba": ["probability_0", "probability_1", "probability_2"],
        "impute": ["x0", "x1", "x2"]}[name]
    assert sorted(os.listdir(tmp_path)) == ["in.parquet", "m.npy", "o.npy", "o.parquet"]


def test_names_of_the_fit_choose_the_columns(path, tmp_path):
    pq.write_table(table_of(GAPS).append_column("w", pa.array(np.ones(1000))), path)
    model = GaussianMixture(2, random_state=0).fit_chunks(path, columns=["c2", "c0"])
    model.impute_chunks(path, tmp_path / "o.parquet")
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.column_names == ["c2", "c0"]
    np.testing.assert_array_equal(
        np.column_stack([c.to_numpy() for c in table.columns]),
        np.concatenate([model.impute(table_of(GAPS).to_pandas()[["c2", "c0"]])]))
    with pytest.raises(ValueError, match="names should match"):
        next(model.predict_chunks(path, columns=["c0", "c2"]))


def test_methods_are_there_where_those_of_rows_are(model):
    assert {name for name in METHODS if exists(model, name)} == {
        "predict", "predict_proba", "score_samples", "impute"}
    with pytest.raises(AttributeError):
        model.transform_chunks(X)
    assert "predict_chunks" in dir(model) and "impute" in model.impute_chunks.__doc__


@pytest.mark.parametrize("name", CLASSES)
def test_every_estimator_that_fits_blocks_gives_output_of_blocks(name):
    kind = getattr(emkernels, name)
    data = rng.integers(0, 2, size=(200, 5)) if "Class" in name else X[:200]
    if name == "CategoricalHMM":
        data = rng.integers(0, 2, size=(200, 1))
    size = 100
    model = kind(**{p: 2 for p in ("n_components", "n_clusters", "n_classes", "n_factors")
                    if p in kind._get_param_names()} | ({"random_state": 0} if "random_state" in
                    kind._get_param_names() else {}))
    with np.errstate(all="ignore"):
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(data)
    for method in METHODS:
        if not exists(model, method):
            continue
        parts = list(getattr(model, f"{method}_chunks")([data[:size], data[size:]]))
        assert len(parts) == 2
        for part, rows in zip(parts, (data[:size], data[size:])):
            np.testing.assert_array_equal(part, getattr(model, method)(rows))


def test_nothing_is_half_written(model, path, tmp_path):
    bad = GAPS.copy()
    bad[617, 1] = np.inf

    def broken():
        yield GAPS[:300]
        raise KeyboardInterrupt
    for name in ("o.npy", "o.parquet"):
        out = tmp_path / name
        for source, kind, words in (
                ([bad[i:i + SIZE] for i in CUTS], ValueError, "block 2, row 17, column 1"),
                (broken, KeyboardInterrupt, None)):
            with pytest.raises(kind, match=words):
                model.impute_chunks(source, out)
            assert os.listdir(tmp_path) == ["in.parquet"]
        out.write_text("old")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            model.impute_chunks(path, out)
        with pytest.raises(KeyboardInterrupt):
            model.impute_chunks(broken, out, overwrite=True)
        assert out.read_text() == "old"
        model.impute_chunks(path, out, overwrite=True)
        assert out.stat().st_size > 10_000
        out.unlink()
    assert [each for each in threading.enumerate() if each.name == "emkernels-reader"] == []


def test_output_is_not_one_more_file_of_the_input(model, path, tmp_path):
    (tmp_path / "parts").mkdir()
    path.rename(tmp_path / "parts" / "0.parquet")
    for out in (tmp_path / "parts" / "o.parquet", f"{tmp_path}/parts/../parts/0.parquet"):
        with pytest.raises(ValueError, match="is in the folder that is read"):
            model.predict_chunks(tmp_path / "parts", out, overwrite=True)
    assert os.listdir(tmp_path / "parts") == ["0.parquet"]
    model.predict_chunks(tmp_path / "parts", tmp_path / "o.parquet")


@pytest.mark.parametrize("name", ["o.npy", "o.parquet"])
def test_a_full_disk_is_said_with_the_file(name, model, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"out cannot be written: No space.*{name}") as caught:
        model.impute_chunks(GAPS, tmp_path / name)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_the_input_can_be_written_over(model, path):
    wanted = expected(model, "impute")
    model.impute_chunks(path, path, overwrite=True)
    table = pq.read_table(path)
    np.testing.assert_array_equal(np.column_stack([c.to_numpy() for c in table.columns]), wanted)
    own = GAPS.copy()
    model.impute_chunks(own, own, chunk_rows=SIZE)
    np.testing.assert_array_equal(own, wanted)


@pytest.mark.parametrize("out, kind, words", [
    ("o.csv", ValueError, "must end in .parquet or .npy"), (3, TypeError, "out must be None"),
    (np.empty(999, np.int64), ValueError, "999 rows, and the source 1000"),
    (np.empty(1000, np.int32), ValueError, "int32"),
    (np.empty((1000, 2), np.int64), ValueError, "shape"),
    ("nowhere/o.npy", FileNotFoundError, "no folder"), (".", ValueError, "must end in"),
])
def test_outputs_that_cannot_be(out, kind, words, model):
    with pytest.raises(kind, match=words):
        model.predict_chunks(X, out)
    fixed = np.empty(1000, np.int64)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        model.predict_chunks(X, fixed)
    for length, words in ((999, "the source more"), (1001, "the source 1000")):
        with pytest.raises(ValueError, match=words):
            model.predict_chunks(lambda: iter([X]), np.empty(length, np.int64))


def test_blocks_of_no_rows(model, tmp_path):
    blocks = [X[:0], X[:10], X[:0], X[10:30]]
    found = list(model.predict_proba_chunks(blocks))
    assert [part.shape for part in found] == [(0, 3), (10, 3), (0, 3), (20, 3)]
    model.predict_proba_chunks(blocks, tmp_path / "o.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), model.predict_proba(X[:30]))
    model.predict_proba_chunks(blocks, tmp_path / "o.parquet")
    assert pq.read_table(tmp_path / "o.parquet").num_rows == 30
    for source, words in (([], "no block"), ([X[:0]], "no block with a row")):
        with pytest.raises(ValueError, match=words):
            model.predict_chunks(source, tmp_path / "p.npy")
    assert not (tmp_path / "p.npy").exists()


def test_what_comes_out_is_not_the_memory_that_is_read_into(tmp_path):
    """It is used again for the block after the next."""
    path = tmp_path / "in.parquet"
    pq.write_table(table_of(X), path, row_group_size=100)
    for kind in (GaussianMixture, emkernels.GaussianImputer):
        model = kind().fit(X)
        name = "impute" if kind is GaussianMixture else "transform"
        if not exists(model, name):
            continue
        parts = list(getattr(model, f"{name}_chunks")(path))
        np.testing.assert_array_equal(np.concatenate(parts), X)
