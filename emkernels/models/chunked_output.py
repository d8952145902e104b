"""Output of blocks of rows, of any number."""

import contextlib
import os
from pathlib import Path

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from emkernels.data.readers.files import are_files
from emkernels.data.readers.picking import names_in
from emkernels.data.survey import Tables, located
from emkernels.data.writers import writer_of
from emkernels.models.containers import plain

_TEXT = """{what} of blocks of rows, which need not fit in memory together.

        The same bits as of :meth:`{name}` with a block as X, one block after the other{extra}.

        Parameters
        ----------
        source : callable, array, memory map, data frame, table, path, paths, dataset or list
            As of :meth:`fit_chunks`; an iterator will do here too.
        out : path, array or memory map, optional
            A path that ends in .parquet: a table, of which a block is a row group{columns}. One
            that ends in .npy: an array, which ``numpy.load(path, mmap_mode="r")`` maps. A file is
            written beside its name and renamed when it is whole. An array of the shape and dtype
            of the output is filled. None: an iterator of arrays, one for each block.
        columns : sequence of str or int, optional
            Those to read. None: those of the fit, where it and the source have names.
        chunk_rows : int, optional
            Rows of a block, of arrays and tables.
        overwrite : bool, default=False
            Whether a file that is there may be written over.

        Returns
        -------
        iterator of ndarray where `out` is None, else `out`

        Raises
        ------
        ValueError, TypeError
            As of :meth:`{name}`; block, row within it and column are named, from 0. An array
            `out` may then have the output of the blocks before.
        OSError
            `out` cannot be written, or exists (FileExistsError).
        """


def of_blocks(name, what, columns, extra=""):
    """A method that gives the output of another, block by block."""
    def is_there(model):
        return name not in model._not_of_blocks and hasattr(model, name)

    def method(self, source, out=None, *, columns=None, chunk_rows=None, overwrite=False):
        return _written(self, name, source, out, (columns, chunk_rows, overwrite))
    method.__name__ = method.__qualname__ = f"{name}_chunks"
    method.__doc__ = _TEXT.format(name=name, what=what, columns=columns, extra=extra)
    return available_if(is_there)(method)


class ChunkedOutput:
    """An estimator whose methods of rows work on blocks of rows too, to be inherited from."""

    _not_of_blocks: tuple = ()      # methods whose output is no array with a row for each row

    predict_chunks = of_blocks(
        "predict", "What :meth:`predict` says", ", with the column label")
    predict_proba_chunks = of_blocks(
        "predict_proba", "Posterior probabilities",
        ", with the columns probability_0, probability_1, ...")
    score_samples_chunks = of_blocks(
        "score_samples", "Log densities", ", with the column log_density")
    transform_chunks = of_blocks(
        "transform", "What :meth:`transform` makes",
        ", its columns named by ``get_feature_names_out()``")
    impute_chunks = of_blocks(
        "impute", "The rows with what is missing filled in,", ", its columns named as they are "
        "(else x0, x1, ...)")


def _written(model, name, source, out, options):
    columns, chunk_rows, overwrite = options
    check_is_fitted(model)
    model = plain(model)
    fitted = getattr(model, "feature_names_in_", None)
    named = are_files(source) or names_in(source) is not None
    if columns is None and fitted is not None and named:
        columns = list(fitted)
    if hasattr(source, "__next__"):     # read once is enough
        once = source

        def source():
            return once
    reader = (model._door() or Tables()).reader(source, None, columns, chunk_rows)
    outputs = _outputs(model, name, reader)
    if out is None:
        return outputs
    _check_not_within(source, out)
    writer = writer_of(out, lambda n: _names(model, name, columns, n), overwrite)
    n_rows = getattr(reader, "n_rows", None)        # where it is known
    if n_rows is not None:
        writer.check_rows(n_rows)
    with writer, contextlib.closing(outputs):
        for block in outputs:
            writer.write(block)
            block = None        # before the next is read
    return os.fspath(out) if isinstance(out, os.PathLike) else out


def _check_not_within(source, out):
    """ValueError where the output would be one more file of the folder that is read."""
    if all(isinstance(each, (str, os.PathLike)) for each in (source, out)):
        folder = Path(source).resolve()
        if folder.is_dir() and Path(out).resolve().is_relative_to(folder):
            raise ValueError(f"out={os.fspath(out)!r} is in the folder that is read, and would be "
                             "taken for one of its files: name another place")


def _outputs(model, name, reader):
    """The output of each block."""
    method, empty, like, number = getattr(model, name), 0, None, -1
    blocks = reader.blocks()
    try:
        for values, _ in blocks:        # enumerate would hold the last
            number += 1
            if not (values.shape[0] if hasattr(values, "shape") else len(values)):
                if like is None:
                    empty += 1      # of what width is not known yet
                else:
                    yield like.copy()
                continue
            with located(number):
                block = np.asarray(method(values))
            values = None
            if like is None:
                like = block[:0].copy()
                yield from (like.copy() for _ in range(empty))
            yield block
            block = None            # before the next is read
    finally:
        blocks.close()
    if like is None:
        raise ValueError("there is no block in the source" if number < 0 else
                         "there is no block with a row in the source")


def _names(model, name, columns, n_columns):
    """What a table calls the columns of output."""
    if name == "transform" and hasattr(model, "get_feature_names_out"):
        return list(map(str, model.get_feature_names_out()))
    if name == "predict":
        return ["label"]
    if name == "score_samples":
        return ["log_density"]
    if name == "predict_proba":
        return [f"probability_{k}" for k in range(n_columns)]
    names = getattr(model, "feature_names_in_", columns)
    if names is None or len(names) != n_columns or not isinstance(names[0], str):
        return [f"x{j}" for j in range(n_columns)]
    return list(map(str, names))
