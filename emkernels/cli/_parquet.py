"""Tables in Parquet files."""

import contextlib
import json

import numpy as np

from emkernels._extras import optional
from emkernels._inputs import (
    arrow_numbers,
    is_number_type,
    is_single_type,
    pandas_index,
    pandas_metadata,
)
from emkernels.cli._formats import STREAM
from emkernels.cli._messages import CommandError, one_line

# bytes of a file that is read whole before its rows are wanted
SMALL = 1 << 24


def _arrow(module="pyarrow"):
    return optional(module, "Parquet", "cli")


class ParquetSource:
    """A table in a Parquet file; what :class:`CsvSource` has, typed.

    Attributes
    ----------
    path, file : str
        As messages have it, and where it is.
    names : list of str
    schema : pyarrow.Schema
    """

    headed = True

    def __init__(self, stored, options, *, again=False):
        self.path, self.file, self._stored = stored.shown, stored.path, stored
        # of a file whose rows are wanted once only the columns used are read
        self._again = again or stored.path == STREAM
        # what is held of a large one is read when it is known that it is to be held
        large = stored.path != STREAM and stored.held.size() > SMALL
        self._opened = self._open(self._again and not large)
        self.schema, self.n_rows = self._opened.schema_arrow, self._opened.metadata.num_rows
        if self._again and large:
            self._opened = None
        self.names = list(self.schema.names)
        if len(set(self.names)) < len(self.names):
            raise CommandError(f"{self.path}: several columns have the same name")

    def _open(self, held):
        pa, content = _arrow(), self._stored.held.whole() if held else self.file
        with self._damage():
            return _arrow("pyarrow.parquet").ParquetFile(
                pa.BufferReader(content) if isinstance(content, bytes) else content)

    @contextlib.contextmanager
    def _damage(self):
        pa = _arrow()
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise CommandError(
                f"{self.path}: is no Parquet file, or a damaged one: {one_line(error, 120)}"
            ) from error

    def read_again(self):
        """Every pass reads the file, and nothing of it is kept."""
        self._again = self._stored.path == STREAM
        if not self._again:
            self._opened = self._stored = None

    @property
    def stored(self):
        """Whether a stream lies in a temporary file."""
        return self._stored is not None and self._stored.held.stored

    def forget(self):
        """Nothing is held for messages."""

    def place(self, row):
        """Where the row is: ``row 17``, the first being row 1."""
        return f"row {row + 1}"

    def usual(self):
        """Positions of the columns to use by default: all but the index of a data frame."""
        index = pandas_index(self.schema)
        return [j for j, name in enumerate(self.names) if name not in index]

    def estimate(self):
        """Rows, and which columns are numbers."""
        if self.n_rows == 0:
            raise CommandError(f"{self.path}: has columns and no rows")
        return self.n_rows, [
            j for j, field in enumerate(self.schema) if is_number_type(field.type)]

    def single(self, positions):
        """Whether all of these columns are of no more precision than float32."""
        return all(is_single_type(self.schema.field(j).type) for j in positions)

    def batches(self, positions):
        """Columns at some positions, batch by batch."""
        names = [self.names[j] for j in positions]
        file, self._opened = self._opened or self._open(self._again), None
        with self._damage(), file:
            # by row groups: a reader of batches holds what it has read of the file to its end
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=names)
                for batch in table.to_batches(1 << 16):
                    if batch.num_rows:
                        yield [batch.column(name) for name in names]
                table = batch = None

    def to_numbers(self, array):
        """Floats with NaN where a value is missing; NotANumber for an array of something else."""
        return arrow_numbers(array)

    def gaps(self, array, *, of_answers=False):
        """Where a cell is null, or NaN; a text stands for no missing value."""
        return array.is_null(nan_is_null=True)


class ParquetWriter:
    """Batches of columns into a binary file."""

    def __init__(self, file, schema):
        self._schema = schema
        self._writer = _arrow("pyarrow.parquet").ParquetWriter(file, schema)

    def write(self, arrays):
        """One batch of columns."""
        self._writer.write_batch(_arrow().RecordBatch.from_arrays(arrays, schema=self._schema))

    def close(self):
        self._writer.close()


def output_schema(schema, changed):
    """The schema with columns that became floats, or are new; notes of pandas follow.

    Parameters
    ----------
    schema : pyarrow.Schema
    changed : dict of str to pyarrow.DataType
    """
    pa = _arrow()
    fields = [pa.field(f.name, changed[f.name]) if f.name in changed else f for f in schema]
    fields += [pa.field(name, kind) for name, kind in changed.items()
               if name not in schema.names]
    notes, metadata = pandas_metadata(schema), dict(schema.metadata or {})
    if notes:
        for column in notes.get("columns", []):
            kind = changed.get(column.get("field_name"))
            if kind is not None:
                name = str(np.dtype(kind.to_pandas_dtype()))
                column.update(pandas_type=name, numpy_type=name, metadata=None)
        metadata[b"pandas"] = json.dumps(notes).encode()
    return pa.schema(fields, metadata=metadata or None)
