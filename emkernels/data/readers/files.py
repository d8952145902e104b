"""Which Parquet files there are, and which of their row groups."""

import contextlib
import os
from dataclasses import dataclass, field

import numpy as np

from emkernels._extras import optional
from emkernels.data.changed import Changed

# What reads files of other formats.
TEXT = "a callable, lambda: pandas.read_csv(path, chunksize=100_000)"
INSTEAD = {".csv": TEXT, ".csv.gz": TEXT, ".tsv": TEXT, ".tsv.gz": TEXT, ".txt": TEXT,
           ".npy": "the array in it, numpy.load(path, mmap_mode='r')"}
ONLY = "the Parquet files of the folder alone, sorted(glob.glob(...))"


def arrow(module="pyarrow"):
    return optional(module, "Parquet", "parquet")


def is_path(source):
    return isinstance(source, (str, os.PathLike))


def are_files(source):
    """Whether it names files, or is a dataset of them."""
    if isinstance(source, (list, tuple)):
        return bool(source) and all(map(is_path, source))
    return is_path(source) or (hasattr(source, "get_fragments") and hasattr(source, "to_batches"))


@dataclass
class File:
    """A file, and what was found of it at first.

    Attributes
    ----------
    path : str
    system : pyarrow.fs.FileSystem
    fragment : pyarrow.dataset.ParquetFileFragment or None
    schema : pyarrow.Schema
        Of the columns in it.
    groups : list of (int, int)
        Numbers and rows of the row groups that are read.
    constants : dict
        Values of columns that the folder has and not the file.
    size, mtime : int
    may_lack : bool
        Whether columns of the schema of all that it has not are missing in all its rows, and
        others left out: in a dataset that was made so.
    """

    path: str
    system: object
    fragment: object = None
    schema: object = None
    groups: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    size: int = 0
    mtime: int = 0
    may_lack: bool = False

    def stat(self):
        """The size and the time of the last change; OSError where there is no file."""
        info = self.system.get_file_info(self.path)
        if info.type.name == "NotFound":
            raise FileNotFoundError(2, "No such file or folder" + (
                " (a pattern? pass the paths, sorted(glob.glob(...)))"
                if any(each in self.path for each in "*?[") else ""), self.path)
        return info.size, info.mtime_ns or 0

    def look(self):
        """Note what it is like."""
        self.size, self.mtime = self.stat()
        with opened(self) as source:
            metadata, self.schema = source.metadata, source.schema_arrow
            self.groups = [(i, metadata.row_group(i).num_rows)
                           for i in range(metadata.num_row_groups)]
        if self.fragment is not None:
            wanted = {group.id for group in self.fragment.row_groups}
            self.groups = [group for group in self.groups if group[0] in wanted]
            self.constants = arrow("pyarrow.dataset").get_partition_keys(
                self.fragment.partition_expression)
        return self

    def check(self, block):
        """Changed where it is no longer what it was."""
        try:
            now = self.stat()
        except FileNotFoundError:
            raise Changed(f"{self.path} is not there any more", block) from None
        if now != (self.size, self.mtime):
            raise Changed(f"{self.path} was written again", block)

    def type_of(self, name, schema):
        """The type of a column; ValueError where there is none of that name."""
        if name in self.schema.names:
            return self.schema.field(name).type
        if not self.may_lack and name not in self.constants:
            raise ValueError(f"{self.path} has no column {name!r}")
        return schema.field(name).type

    def own_schema(self, schema):
        """The schema of all, with the types of its own columns: those of others may round."""
        return arrow().schema([self.schema.field(each.name) if each.name in self.schema.names
                               else each for each in schema])

    def constant(self, name):
        """The value of a column that is not in the file, in every row."""
        value = self.constants.get(name)
        return np.nan if value is None else value


@contextlib.contextmanager
def opened(file):
    """The open file; ValueError where it is none of Parquet."""
    pa = arrow()
    try:
        source = arrow("pyarrow.parquet").ParquetFile(
            file.path, filesystem=file.system, pre_buffer=False, buffer_size=1 << 16)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{file.path} is no Parquet file, or a damaged one: " + (
            _instead(file) or str(error))) from error
    with source:
        yield source


def _instead(file):
    """What to pass instead of a file of another format; None where it is not known."""
    ending = next((each for each in INSTEAD if file.path.lower().endswith(each)), None)
    if ending is None:
        return None
    return f"pass {INSTEAD[ending] if file.fragment is None else ONLY}"


def files_of(source):
    """The files of paths or of a dataset, the schema of all (None without files), and the
    condition that rows must meet (None without one)."""
    ds, schema, condition = arrow("pyarrow.dataset"), None, None
    if not is_path(source) and not isinstance(source, (list, tuple)):
        schema, condition = source.schema, getattr(source, "_scan_options", {}).get("filter")
        if condition is not None:       # its own fragments are not to be had
            source = ds.UnionDataset(schema, [source])
        found = _fragments(source, condition)
        for file in found:
            file.may_lack = True
    else:
        found = []
        for path in [source] if is_path(source) else source:
            system, path = _located(os.fspath(path))
            if system.get_file_info(path).type.name == "Directory":
                folder = _dataset(path, system)
                schema = folder.schema if schema is None else schema
                found += _fragments(folder, None)
            else:
                found.append(File(path, system))
    if not found and is_path(source):
        raise ValueError(f"{path}: there is no Parquet file in the folder")
    for file in found:
        file.look()
        schema = file.schema if schema is None else schema
    return found, schema, condition


def _dataset(path, system):
    try:
        return arrow("pyarrow.dataset").dataset(
            path, format="parquet", filesystem=system, partitioning="hive")
    except arrow().ArrowInvalid as error:       # of the first file, which it names
        raise ValueError(f"{path} is no folder of Parquet files, or one of them is damaged: "
                         f"{error}. Pass {ONLY}") from error


def _located(path):
    fs = arrow("pyarrow.fs")
    if "://" in path:
        return fs.FileSystem.from_uri(path)
    return fs.LocalFileSystem(), os.path.abspath(path)


def _fragments(dataset, condition):
    """Its files; those that no row of which can meet the condition are left out."""
    out = []
    for fragment in dataset.get_fragments(filter=condition):
        if not isinstance(getattr(fragment, "format", None),
                          arrow("pyarrow.dataset").ParquetFileFormat):
            raise TypeError("source is a dataset that is not of Parquet files: pass its "
                            "to_table(), or lambda: dataset.to_batches()")
        out.append(File(fragment.path, fragment.filesystem, fragment))
    return out
