"""Blocks of Parquet files: their row groups."""

import hashlib
import pickle

import numpy as np

from emkernels import _inputs
from emkernels.data.readers.files import arrow, files_of, opened
from emkernels.data.readers.picking import check_chosen
from emkernels.data.readers.prefetch import prefetched
from emkernels.data.readers.weights import ArrayWeights

# Bytes of a row group that is read as one block, and of the blocks of a larger one.
LARGEST_GROUP = 2**28
PART_BYTES = 2**26
# Bytes of row groups that are read at once: by columns they would take less memory, and longer.
SMALL_GROUP = 2**21
# Pieces that are read until Arrow gives back what it holds for the next column: after each it would
# cost a fifth of the reading, and after all of them memory grows by half a block.
RELEASED = 4


class ParquetReader:
    """Row groups of files, the next of which is read while the last is in work.

    A row group is read a column at a time into one of two arrays, of which a block is the
    transpose. Those of more than 256 MB, as numbers, are blocks of `chunk_rows` rows, 64 MB where
    that is None (but if they are to be `whole`); with `chunk_rows`, all that have more rows.
    """

    volatile = resident = False     # the files are looked at

    def __init__(self, source, columns=None, weight_name=None, chunk_rows=None, raw=False,
                 whole=False):
        if chunk_rows is not None:
            _inputs.whole(chunk_rows, "chunk_rows")
        self.chunk_rows, self.raw, self.whole = chunk_rows, raw, whole
        self.files, self.schema, self.condition = files_of(source)
        if self.condition is not None and chunk_rows is not None:
            raise ValueError("chunk_rows means nothing for a dataset that is filtered: its blocks "
                             "are what is left of the row groups")
        names = [] if self.schema is None else self.schema.names
        # else it may be a file of weights
        self.weight_name = weight_name if weight_name in names else None
        if columns is None and names:
            index = _inputs.pandas_index(self.schema)
            columns = [name for name in names if name not in (*index, self.weight_name)]
            self._check_alike(names)
        self.columns = [] if not names else check_chosen(
            columns, names, self.weight_name,
            where=self.files[0].path if len(self.files) > 1 else "source")
        self.names = [*self.columns, *([] if self.weight_name is None else [self.weight_name])]
        kinds = [kind for file in self.files for kind in self._kinds(file)]
        single = not raw and _inputs.are_single_types(kinds)
        self.dtype = np.dtype(np.float32 if single else np.float64)
        self._slots = None

    def _check_alike(self, names):
        """ValueError where a file has a column of which the others know nothing."""
        for file in self.files:
            new = [] if file.may_lack else [name for name in file.schema.names if name not in (
                *names, *_inputs.pandas_index(file.schema))]
            if new:
                raise ValueError(f"{file.path} has the column {new[0]!r}, which is not in "
                                 f"{self.files[0].path}. Name the columns to use: columns=[...]")

    def _kinds(self, file):
        """Types of the columns of a file; ValueError where one is missing, or holds no numbers."""
        out = []
        for name in self.names:
            kind = file.type_of(name, self.schema)
            if not self.raw or name == self.weight_name:
                try:
                    _inputs.check_number_type(kind)
                except _inputs.NotANumber as error:
                    raise ValueError(f"{file.path}: column {name!r} {error}{error.hint}"
                                     + self._instead(name, file)) from None
            if name != self.weight_name:
                out.append(kind)
        return out

    def _instead(self, name, file):
        """What to do about a column that holds no numbers."""
        if name == self.weight_name:
            return ". It was named as sample_weight"
        usable = [each for each in self.columns
                  if _inputs.is_number_type(file.type_of(each, self.schema))]
        return f". Name the columns to use: columns={usable}" if usable else ""

    def identity(self):
        return {"columns": list(self.columns), "weight": self.weight_name,
                "chunk_rows": self.chunk_rows,
                "filter": None if self.condition is None else _bytes_of(self.condition),
                "files": [[file.size, file.mtime, [n for _, n in file.groups],
                           sorted((name, str(value)) for name, value in file.constants.items())]
                          for file in self.files]}

    # --- blocks -------------------------------------------------------------------------------

    def _sizes(self, n_rows):
        """Rows of the blocks of a row group."""
        row, size = max(1, len(self.columns)) * self.dtype.itemsize, self.chunk_rows
        splits = not self.whole and self.condition is None
        if size is None and n_rows * row > LARGEST_GROUP and splits:
            size = max(1, PART_BYTES // row)
        if size is None or n_rows <= size:
            return [n_rows]
        return [min(size, n_rows - first) for first in range(0, n_rows, size)]

    @property
    def n_rows(self):
        """Of all blocks, None where that is not known."""
        if self.condition is not None:
            return None
        return sum(n for file in self.files for _, n in file.groups)

    def weights_of(self, sample_weight):
        if self.condition is not None:
            raise TypeError("source is a dataset that is filtered, of an unknown number of rows: "
                            "sample_weight must be the name of a column")
        return ArrayWeights(sample_weight, (
            size for file in self.files for _, n in file.groups for size in self._sizes(n)))

    def blocks(self, start=0):
        slots, self._slots = self._slots or (Slot(), Slot()), None
        try:
            pieces = prefetched(lambda take: self._read(start, take), slots)
            for number, several in enumerate(pieces):
                yield from several
                several = None
                if number % RELEASED == RELEASED - 1:
                    _release()
        finally:
            self._slots = slots
            _release()

    def _read(self, start, take):
        """Lists of blocks, and the memory that they are in."""
        number = 0
        for file in self.files:
            units = self._units(file)
            n_blocks = sum(len(sizes) for _, sizes in units)
            if number + n_blocks <= start:
                number += n_blocks
                continue
            file.check(number)
            with opened(file) as source:
                for groups, sizes in units:
                    if number + len(sizes) <= start:
                        number += len(sizes)
                        continue
                    for lengths, read in self._parts(file, source, groups, sizes):
                        late = max(0, start - number)
                        if late < len(lengths):
                            slot = take()
                            yield self._blocks(file, read(), lengths, slot)[late:], slot
                        else:
                            read()
                        number += len(lengths)
            file.check(number - 1)

    def _units(self, file):
        """Row groups that are read together, and the rows of the blocks that they are: one large
        one, in parts perhaps, or some small ones, each a block."""
        out, room = [], -1
        for group, n_rows in file.groups:
            sizes = self._sizes(n_rows)
            size = n_rows * len(self.names) * self.dtype.itemsize
            if room >= size and len(sizes) == 1 and self.condition is None:
                out[-1][0].append(group)
                out[-1][1].append(n_rows)
                room -= size
            else:
                out.append(([group], sizes))
                room = SMALL_GROUP - size if len(sizes) == 1 else -1
        return out

    def _parts(self, file, source, groups, sizes):
        """Rows of blocks, and a function that reads these blocks; each is to be called once."""
        stored = [name for name in self.names if name in file.schema.names]
        if self.condition is not None:
            subset = file.fragment.subset(row_group_ids=groups)
            yield [None], lambda: subset.to_table(
                schema=file.own_schema(self.schema), columns=self.names, filter=self.condition,
                use_threads=False)
        elif len(groups) == 1 and len(sizes) > 1:
            batches = source.iter_batches(
                sizes[0], row_groups=groups, columns=stored, use_threads=False)
            for size in sizes:
                yield [size], lambda size=size: _joined(batches, size)
        elif self.raw or sum(sizes) * len(self.names) * self.dtype.itemsize <= SMALL_GROUP:
            yield sizes, lambda: source.read_row_groups(
                groups, columns=stored, use_threads=False)
        else:
            yield sizes, lambda: ByColumns(source, groups[0], sizes[0])

    def _blocks(self, file, table, lengths, slot):
        """Pairs of values and weights."""
        n_rows, weight = table.num_rows, None
        lengths = [n_rows] if lengths == [None] else lengths
        cuts = [slice(sum(lengths[:i]), sum(lengths[:i + 1])) for i in range(len(lengths))]
        if self.weight_name is not None:
            weight = np.empty(n_rows)
            _put(table, self.weight_name, file, weight)
        weights = [None if weight is None else weight[cut] for cut in cuts]
        if self.raw:
            table = self._completed(table, file)
            return [(table.slice(cut.start, n), each)
                    for cut, n, each in zip(cuts, lengths, weights)]
        out = slot.columns(len(self.columns), n_rows, self.dtype)
        for name, column in zip(self.columns, out):
            _put(table, name, file, column)
        return [(_inputs.NamedTable(out[:, cut].T, tuple(self.columns)), each)
                for cut, each in zip(cuts, weights)]

    def _completed(self, table, file):
        """With the columns of the folder."""
        for name in self.columns:
            if name not in table.schema.names:
                pa, value = arrow(), file.constants.get(name)
                kind = self.schema.field(name).type
                table = table.append_column(
                    name, pa.repeat(pa.scalar(value, kind), table.num_rows))
        return table.select(self.columns)


def _release():
    arrow().default_memory_pool().release_unused()


def _joined(batches, n_rows):
    """The next so many rows."""
    parts = [next(batches)]
    while sum(map(len, parts)) < n_rows:    # texts may come in several
        parts.append(next(batches))
    return arrow().Table.from_batches(parts)


def _put(table, name, file, out):
    """A column as numbers into an array."""
    if name not in table.schema.names:
        out[:] = file.constant(name)
        return
    column, first = table.column(name), 0
    for part in getattr(column, "chunks", [column]):
        out[first:first + len(part)] = _inputs.arrow_numbers(part)
        first += len(part)


def _bytes_of(condition):
    """All of a condition as a text: its str leaves out the middle of long lists."""
    return hashlib.sha256(pickle.dumps(condition, protocol=4)).hexdigest()


class ByColumns:
    """A row group, of which a column is read when it is asked for."""

    def __init__(self, source, group, num_rows):
        self.source, self.group, self.num_rows = source, group, num_rows
        self.schema = source.schema_arrow

    def column(self, name):
        return self.source.read_row_group(
            self.group, columns=[name], use_threads=False).column(name)


class Slot:
    """Memory for a block, used again."""

    def __init__(self):
        self.room = np.empty(0, np.uint8)

    def columns(self, n_columns, n_rows, dtype):
        """An array of that shape, C-contiguous."""
        wanted = n_columns * n_rows * dtype.itemsize
        if len(self.room) < wanted:
            self.room = None            # before there is more
            self.room = np.empty(wanted, np.uint8)
        return self.room[:wanted].view(dtype).reshape(n_columns, n_rows)
