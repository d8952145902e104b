"""A file that is larger than what a fit may take of memory."""

import subprocess
import sys

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

D, ROWS = 16, 500_000       # of a row group: 64 MB
BLOCK = D * ROWS * 8 / 2**20
MOST = 600

FIT = """
import sys, threading, time, warnings
import numpy as np, pyarrow, pyarrow.dataset, pyarrow.parquet
from emkernels import GaussianMixture
warnings.simplefilter("ignore")

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))

# what is loaded in the course of any fit
GaussianMixture(2, max_iter=2, random_state=0).fit_chunks([np.random.rand(30_000, 16)] * 2)
before, peak, ended = anonymous(), [0.0], threading.Event()

def watch():
    while not ended.wait(0.002):
        peak[0] = max(peak[0], anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
model = GaussianMixture(2, max_iter=2, tol=0, random_state=0, n_threads=2).fit_chunks(sys.argv[1])
fitted, peak[0] = peak[0], 0.0
model.predict_proba_chunks(sys.argv[1], sys.argv[2])
ended.set()
watcher.join()
print(model.n_rows_, before, fitted, peak[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("gigabytes", [1, 4])
def test_a_fit_takes_three_blocks_of_memory_whatever_the_size_of_the_file(gigabytes, tmp_path):
    X = np.random.default_rng(0).normal(size=(ROWS, D))
    table = pa.table({f"c{j}": X[:, j] for j in range(D)})
    n_groups = round(gigabytes * 1024 / BLOCK)
    with pq.ParquetWriter(tmp_path / "in.parquet", table.schema, use_dictionary=False,
                          compression="none") as writer:
        for _ in range(n_groups):
            writer.write_table(table, row_group_size=ROWS)
    del X, table
    assert (tmp_path / "in.parquet").stat().st_size > 0.95 * gigabytes * 2**30
    run = subprocess.run(
        [sys.executable, "-c", FIT, str(tmp_path / "in.parquet"), str(tmp_path / "out.npy")],
        capture_output=True, text=True, check=True)
    n_rows, *sizes = run.stdout.split()
    before, fitted, written = map(float, sizes)
    assert int(n_rows) == n_groups * ROWS
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == (n_groups * ROWS, 2)
    assert fitted < MOST and fitted - before < 3 * BLOCK, run.stdout
    assert written < MOST and written - before < 3 * BLOCK, run.stdout
