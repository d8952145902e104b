"""Where output goes that comes block by block."""

import contextlib
import os
import secrets
from pathlib import Path

import numpy as np

from emkernels._extras import optional


def writer_of(out, names, overwrite):
    """What writes blocks of output: a context, in which ``write(block)`` is called for each.

    Parameters
    ----------
    out : array, or path that ends in .parquet or .npy
    names : callable
        ``names(n_columns)``, what a file calls the columns.
    overwrite : bool
        Whether a file that is there may be written over.
    """
    if isinstance(out, np.ndarray):
        if not out.flags.writeable:
            raise ValueError("out may not be written to: it is a read-only array (a memory map of "
                             "mode 'r+' can be)")
        return ArrayWriter(out)
    if not isinstance(out, (str, os.PathLike)):
        raise TypeError("out must be None, an array or memory map, or a path that ends in .parquet "
                        f"or .npy; got {type(out).__name__}")
    path = Path(out)
    kinds = {".parquet": ParquetWriter, ".npy": NpyWriter}
    if path.suffix.lower() not in kinds:
        raise ValueError(f"out={str(path)!r} must end in .parquet or .npy, which says what is "
                         "written")
    check_target(path, overwrite)
    return kinds[path.suffix.lower()](path, names, overwrite)


def check_target(path, overwrite):
    """An OSError where a file cannot be put there, or must not."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{path} exists; overwrite=True writes over it")


class ArrayWriter:
    """Into rows of an array."""

    def __init__(self, out):
        self.out, self.first = out, 0

    def __enter__(self):
        return self

    def check_rows(self, n_rows):
        """ValueError, before any work, where there is no room for so many rows, or too much."""
        if len(self.out) != n_rows:
            raise ValueError(f"out has {len(self.out)} rows, and the source {n_rows}")

    def write(self, block):
        if block.dtype != self.out.dtype or block.shape[1:] != self.out.shape[1:]:
            raise ValueError(
                f"out is of {self.out.dtype} and the shape {self.out.shape}, and what is written "
                f"of {block.dtype} and the shape {('n_rows', *block.shape[1:])}".replace("'", ""))
        last = self.first + len(block)
        if last > len(self.out):
            raise ValueError(f"out has {len(self.out)} rows, and the source more")
        self.out[self.first:last] = block
        self.first = last

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.check_rows(self.first)
            if isinstance(self.out, np.memmap):
                self.out.flush()


class FileWriter:
    """Into a file beside the one that is wanted, which it becomes when all is written."""

    def __init__(self, path, names, overwrite):
        self.path, self.names, self.overwrite = path, names, overwrite
        self.temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        self.like = None

    @contextlib.contextmanager
    def naming(self):
        """Errors of the system say of which file they are: those of writing do not."""
        try:
            yield
        except OSError as error:
            if error.errno is None or error.filename is not None:
                raise
            raise OSError(error.errno, f"out cannot be written: {error.strerror}",
                          str(self.path)) from error

    def check_rows(self, n_rows):
        """Any number will do."""

    def leave(self):
        """The file is about to be closed, whatever has happened."""

    def __enter__(self):
        self.file = open(self.temporary, "xb")      # closed in __exit__
        return self

    def write(self, block):
        if self.like is None:
            self.like = block[:0].copy()
            with self.naming():
                self.begin(block)
        if (block.dtype, block.shape[1:]) != (self.like.dtype, self.like.shape[1:]):
            raise ValueError(
                f"what is written of a block is of {block.dtype} and {block.shape[1:]} columns, "
                f"and was of {self.like.dtype} and {self.like.shape[1:]} before")
        if len(block):
            with self.naming():
                self.append(block)

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                with self.naming():
                    self.end()
                    self.file.flush()
                    os.fsync(self.file.fileno())
                    self.file.close()
                check_target(self.path, self.overwrite)     # others may have written it meanwhile
                os.replace(self.temporary, self.path)
        finally:
            self.leave()
            with contextlib.suppress(OSError):
                self.file.close()
            with contextlib.suppress(OSError):
                os.unlink(self.temporary)


class NpyWriter(FileWriter):
    """An array of NumPy, for ``numpy.load(path, mmap_mode="r")``."""

    def begin(self, block):
        self.n_rows = 0
        self._header()
        self.start = self.file.tell()

    def _header(self):
        # it has room for any number of rows
        np.lib.format.write_array_header_1_0(self.file, {
            "descr": np.lib.format.dtype_to_descr(self.like.dtype), "fortran_order": False,
            "shape": (self.n_rows, *self.like.shape[1:])})

    def append(self, block):
        self.file.write(np.ascontiguousarray(block).data)
        self.n_rows += len(block)

    def end(self):
        self.file.seek(0)
        self._header()
        if self.file.tell() != self.start:
            raise RuntimeError("the header of the array has outgrown its room")


class ParquetWriter(FileWriter):
    """A table, of which a block is a row group."""

    table = None

    def begin(self, block):
        self.pa = pa = optional("pyarrow", "Parquet", "parquet")
        width = 1 if block.ndim == 1 else block.shape[1]
        self.schema = pa.schema(list(zip(
            self.names(width), [pa.from_numpy_dtype(block.dtype)] * width)))
        self.table = optional("pyarrow.parquet", "Parquet", "parquet").ParquetWriter(
            self.file, self.schema)

    def append(self, block):
        columns = block.reshape(len(block), -1).T
        table = self.pa.Table.from_arrays(
            [self.pa.array(np.ascontiguousarray(column)) for column in columns],
            schema=self.schema)
        self.table.write_table(table, row_group_size=len(block))

    def end(self):
        table, self.table = self.table, None
        table.close()

    def leave(self):
        if self.table is not None:      # it would write the end of a table once more
            with contextlib.suppress(OSError, self.pa.ArrowException):
                self.table.close()
