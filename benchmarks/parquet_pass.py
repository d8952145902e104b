"""A pass over a Parquet file against the same pass over its blocks in memory, and reading alone.

    python benchmarks/parquet_pass.py [rows of a row group] [row groups]

Seconds of the clock, and of the CPU; on a busy machine the latter are what to compare. With as
many threads as there are CPUs reading takes its share of them.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emkernels import GaussianMixture
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.data import Chunks
from emkernels.latent.mixture import Mixture
from emkernels.models.mixture.fitted import parameters_of

K, D = 32, 16


def seconds(function):
    """Of the clock and of the CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    function()
    return np.array([time.perf_counter() - clock, time.process_time() - cpu])


def main(n_rows, n_groups):
    rng = np.random.default_rng(0)
    blocks = [np.asfortranarray(rng.normal(size=(n_rows, D)) + 1.5 * rng.integers(
        0, K, size=(n_rows, 1))) for _ in range(n_groups)]
    path = Path(tempfile.mkdtemp()) / "rows.parquet"
    schema = pa.schema([(f"c{j}", pa.float64()) for j in range(D)])
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for block in blocks:
            writer.write_table(pa.table(list(block.T), schema=schema), row_group_size=n_rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = GaussianMixture(K, random_state=0, max_iter=3).fit(
            np.vstack([block[:1 + 20_000 // n_groups] for block in blocks]))
    parameters = parameters_of(fitted)
    model = Mixture(GaussianComponents(parameters.structure))
    print(f"{n_groups} row groups of {n_rows} x {D}, {K} components; best of 5: clock, CPU")
    for n_threads in (1, 2):
        memory, file = (Chunks(each, n_threads=n_threads) for each in (blocks, path))
        tasks = {"in memory": lambda: memory.reduce(model.accumulate, parameters),
                 "file": lambda: file.reduce(model.accumulate, parameters),
                 "reading": lambda: [None for _ in file.reader.blocks()]}
        best = {name: np.min([seconds(task) for _ in range(5)], axis=0)
                for name, task in tasks.items()}
        texts = [f"{name} {clock:.3f} {cpu:.3f}" for name, (clock, cpu) in best.items()]
        ratios = best["file"] / best["in memory"]
        print(f"{n_threads} threads: {', '.join(texts)}; ratio {ratios[0]:.2f} {ratios[1]:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or (100_000, 16)))
