"""Ways to read blocks again and again."""

import os

import numpy as np

from emkernels._words import some
from emkernels.data.readers.files import are_files, is_path
from emkernels.data.readers.memory import PartsReader, SlicesReader
from emkernels.data.readers.parquet import ParquetReader
from emkernels.data.readers.streams import CallableReader
from emkernels.data.readers.weights import Weighted

__all__ = ["reader_of"]

KINDS = ("a callable that returns an iterator of tables, an array or memory map, a data frame or "
         "Arrow table, Parquet files (paths, a folder or a pyarrow.dataset.Dataset), or a list of "
         "tables")


def reader_of(source, sample_weight=None, columns=None, chunk_rows=None, *, raw=False,
              whole=False):
    """The reader of a source; TypeError for what cannot be read again.

    A reader gives ``blocks(start)``, an iterator of pairs of values and weights (None without)
    from block `start` on. It says by ``volatile`` whether what it reads may change unseen, and by
    ``resident`` whether that is in memory, or mapped, anyway; ``identity()`` is a description of
    what it reads that fits in JSON, None where there is none. What it has read is valid until the
    next block is asked for: the memory is used again.

    Parameters
    ----------
    source : callable, array, memory map, data frame, table, path, paths, dataset or list
    sample_weight : of the same kind, or the name of a column, optional
    columns : sequence of str (frames, tables, files) or int (arrays), optional
    chunk_rows : int, optional
        Of arrays, frames and tables. The row groups of Parquet files are split by it.
    raw : bool
        Whether blocks of files are tables of Arrow, of any values, instead of numbers.
    whole : bool
        Whether row groups are not split without `chunk_rows`, however large they are.
    """
    if isinstance(columns, (str, bytes)) or (columns is not None and not np.iterable(columns)):
        raise TypeError(f"columns must be a list of names or positions, got {columns!r}")
    columns = None if columns is None else list(columns)
    if columns is not None and not columns:
        raise ValueError("columns names no column")
    name = sample_weight if isinstance(sample_weight, str) else None
    reader = _reader(source, columns, name, chunk_rows, raw, whole)
    if sample_weight is None or reader.weight_name is not None:
        return reader
    return Weighted(reader, _weights(source, sample_weight, chunk_rows, reader), sample_weight)


def _reader(source, columns, weight_name, chunk_rows, raw, whole):
    if type(source).__name__ == "InMemoryDataset":      # of pyarrow
        source = source.to_table()
    if are_files(source):
        return ParquetReader(source, columns, weight_name, chunk_rows, raw, whole)
    if hasattr(source, "__dask_graph__"):
        # their blocks are where the cluster has them: no reader
        raise TypeError(f"source is a collection of dask ({type(source).__name__}): "
                        "emkernels.distributed.fit fits to it where its blocks are")
    if isinstance(source, (list, tuple)):
        if any(map(is_path, source)):
            raise TypeError("source is a list of paths and of tables: pass all of one kind")
        return PartsReader(source, columns, weight_name, chunk_rows)
    if SlicesReader.reads(source):
        return SlicesReader(source, columns, weight_name, chunk_rows)
    if callable(source):
        return CallableReader(source, columns, weight_name, chunk_rows)
    if hasattr(source, "__next__"):
        raise TypeError(
            f"source is an iterator ({type(source).__name__}), which can be read once, and EM "
            "reads the rows in every pass: pass a callable that returns a new iterator, as the "
            "function that made this one, or lambda: (load(name) for name in names)")
    raise TypeError(f"source must be {KINDS}; got {type(source).__name__}"
                    + (", of which lambda: iter(source) is a callable"
                       if hasattr(source, "__iter__") else ""))


def _weights(source, sample_weight, chunk_rows, reader):
    """What is read beside the blocks of a reader."""
    if isinstance(sample_weight, str) and not os.path.exists(sample_weight):
        schema = getattr(reader, "schema", None)
        raise ValueError(f"sample_weight={sample_weight!r} is neither a column of the source nor "
                         "a file" + ("" if schema is None else
                                     f"; there are {some([*map(repr, schema.names)])}"))
    if hasattr(sample_weight, "__next__"):
        raise TypeError("sample_weight is an iterator, which can be read once: pass a callable "
                        "that returns a new one")
    if callable(source) and not SlicesReader.reads(source):
        if not callable(sample_weight):
            raise TypeError("source is a callable, and so sample_weight must be one: it returns an "
                            f"iterator of arrays, a weight for each row of each block; got "
                            f"{type(sample_weight).__name__}")
        return CallableReader(sample_weight, None, None, None, "sample_weight")
    if isinstance(reader, PartsReader):
        if not isinstance(sample_weight, (list, tuple)):
            raise TypeError("source is a list of tables, and so sample_weight must be a list of "
                            f"arrays, got {type(sample_weight).__name__}")
        return PartsReader(sample_weight, None, None, None)
    if callable(sample_weight) and not SlicesReader.reads(sample_weight):
        raise TypeError("sample_weight is a callable, and source is none: pass an array of a "
                        "weight for each row, or the name of a column")
    if isinstance(reader, ParquetReader) and are_files(sample_weight):
        return ParquetReader(sample_weight, None, None, chunk_rows, False)
    return reader.weights_of(sample_weight)
