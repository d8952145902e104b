"""Fits to the partitions of a Spark data frame, by ``mapInArrow``.

The fit has the bits of ``model.fit_chunks`` of the same partitions in one process.

>>> from emkernels.spark import fit
>>> model = fit(model, spark.read.parquet("rows.parquet"), sample_weight="w")   # doctest: +SKIP
"""

import functools
import pickle

from emkernels import _extras
from emkernels.data.elsewhere import Elsewhere
from emkernels.models.chunked import door_of

__all__ = ["fit"]


def fit(model, frame, *, sample_weight=None):
    """Fit an estimator to a Spark data frame where its partitions are.

    Parameters
    ----------
    model : estimator
        One with ``fit_chunks``, not of sequences.
    frame : pyspark.sql.DataFrame
        Of numbers; a null is a missing value.
    sample_weight : str, optional
        The name of the column that has weights.

    Returns
    -------
    model
        The same object, fitted.

    Raises
    ------
    ModuleNotFoundError
        PySpark is not installed (the extra ``spark``).
    ValueError, TypeError
        As ``model.fit_chunks``, by partition, row and column.

    See Also
    --------
    emkernels.GaussianMixture.fit_chunks : The same fit in one process.
    emkernels.distributed.fit : The same on Dask.
    emkernels.ray.fit : The same on Ray.

    Examples
    --------
    >>> from emkernels import GaussianMixture                       # doctest: +SKIP
    >>> from emkernels.spark import fit                             # doctest: +SKIP
    >>> frame = spark.read.parquet("rows.parquet")                  # doctest: +SKIP
    >>> model = fit(GaussianMixture(3, random_state=0), frame, sample_weight="w")   # doctest: +SKIP
    """
    return model.fit_chunks(Partitions(frame, sample_weight, door_of(model), model.n_threads))


class Partitions(Elsewhere):
    """Partitions of a Spark data frame, by number and not by when they are done."""

    def __init__(self, frame, weight, door, n_threads):
        split = weight and ([name for name in frame.columns if name != weight], weight)
        self.frame, arrow = frame, _extras.optional("pyspark.sql.pandas.types", "Spark", "spark")
        self.schema = arrow.to_arrow_schema(frame.schema)
        super().__init__(frame.rdd.getNumPartitions(), door, n_threads, split)

    def _parts(self, work, places):
        part = functools.partial(_part, pickle.dumps((work, places)), self.schema)
        found = self.frame.mapInArrow(part, "number int, part binary").collect()
        yield from (pickle.loads(row.part) for row in sorted(found, key=lambda row: row.number))


def _part(sent, schema, batches):
    """The part of a partition, on the executor that has it."""
    arrow, spark = (_extras.optional(each, "Spark", "spark") for each in ("pyarrow", "pyspark"))
    (work, places), number = pickle.loads(sent), spark.TaskContext.get().partitionId()
    table = arrow.Table.from_batches(batches, schema)
    part = work.of([(table, None, places[number])], name="a Spark executor")
    yield arrow.RecordBatch.from_pydict({
        "number": arrow.array([number], arrow.int32()), "part": [pickle.dumps(part)]})
