"""A table of rows with weights, in memory and in files, and what readers make of it."""

import threading

import numpy as np
import pytest

from emkernels.data.readers import reader_of

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


@pytest.fixture(scope="module", name="folder")
def folder_of_tables(tmp_path_factory):
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
