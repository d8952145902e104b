"""Tables as text: CSV and TSV, plain or compressed by gzip.

Cells stay the texts that they are, so that what is only carried along comes out as it came in.
Good files go through pyarrow; what is wrong with a bad one, and on which line, is found by reading
it again with the standard library.
"""

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import re
import zlib

import numpy as np

from emkernels._extras import optional
from emkernels._inputs import NotANumber
from emkernels.cli._held import MEMORY
from emkernels.cli._messages import CommandError, count, one_line, quoted
from emkernels.cli._pieces import TooLong, Utf8, pieces
from emkernels.cli._spellings import among_numbers, is_number

# cells that mean "missing", in any case of letters
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none")
# bytes that are parsed at once; a row must fit into them
_BLOCK = 1 << 22
_TOLD = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# lines that the guesses before reading look at
_SAMPLE = 1000


class CsvSource:
    """A table in a text file.

    Attributes
    ----------
    path, file : str
        As messages have it, and where it is.
    names : list of str
    """

    def __init__(self, stored, options, *, again=False):
        self.path, self.file, self._stored = stored.shown, stored.path, stored
        self.encoding, self.decimal = options.encoding, options.decimal
        told = [text.strip().lower() for text in options.missing_values]
        self._missing = (*MISSING, *told)
        # "none" may be an answer: no exercise
        self._no_answer = [text for text in self._missing if text != "none" or text in told]
        self._zipped, self._again, self._cells = stored.format.endswith(".gz"), again, None
        csv.field_size_limit(2**31 - 1)     # of the standard library, 128 kB unless told
        self._check_kind()
        with self._damage():
            told = self._told_separator()
            self._first = 1 if told is None else 2      # line of the first record
            self.sep = options.sep = options.sep or told
            self.sep = self.sep or separator(stored.format, None)
            first = next(self._records(), None)
        if first is None:
            raise CommandError(f"{self.path}: is empty; a table begins with a line of column names")
        self.names = first[1]
        if len(self.names) == 1:
            other = next((c for c in ";\t|," if c != self.sep and c in self.names[0]), None)
            if other:
                shown = "tab" if other == "\t" else f"'{other}'"
                raise CommandError(
                    f"{self.path}: line {first[0]} has one column, and {shown} in it; is that what "
                    f"stands between cells? --sep {shown}")
        self.headed = options.header is not False
        if not self.headed:
            self.names = [f"x{j}" for j in range(len(self.names))]
        elif not options.header and all(is_number(name, self.decimal) for name in self.names):
            raise CommandError(
                f"{self.path}: line {first[0]} has numbers and not the names of columns; say "
                "--no-header where the table has no names, or --header where they are names")

    # --- bytes and lines ---------------------------------------------------------------

    def _check_kind(self):
        with self._stored.held.open() as file:
            head = file.read(4)
        if head[:2] == b"\x1f\x8b" and not self._zipped:
            kind = self._stored.format.lstrip(".") + ".gz"
            raise CommandError(f"{self.path}: is compressed; {self._stored.should_be(kind)}")
        if head == b"PAR1":
            raise CommandError(
                f"{self.path}: is a Parquet file; {self._stored.should_be('parquet')}")
        if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") and "32" not in self.encoding:
            raise CommandError(f"{self.path}: is UTF-32 text; say --encoding utf-32")
        told = "16" in self.encoding or "32" in self.encoding
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") and not told:
            raise CommandError(f"{self.path}: is UTF-16 text; say --encoding utf-16")
        if head == b"PK\x03\x04":
            raise CommandError(
                f"{self.path}: is a spreadsheet or an archive; save the table as CSV")

    def _bytes(self):
        file = self._stored.held.open()
        return gzip.open(file) if self._zipped else file

    def _records(self):
        """(line it begins on, cells) of each record; empty lines are none where there are
        several columns."""
        encoding = "utf-8-sig" if self._is_utf8 else self.encoding
        width = None
        with self._bytes() as raw, io.TextIOWrapper(raw, encoding, newline="") as text:
            for _ in range(1, self._first):
                text.readline()
            reader, line = csv.reader(text, delimiter=self.sep, strict=True), self._first
            try:
                for cells in reader:
                    if cells or width == 1:
                        width = width or len(cells)
                        yield line, cells or [""]
                    line = reader.line_num + self._first
            except csv.Error as error:
                reason = ("a double quote is opened and not closed"
                          if "unexpected end" in str(error) else str(error))
                raise CommandError(f"{self.path}: line {line}: {reason}") from error

    def _told_separator(self):
        """What a first line as ``sep=;``, which spreadsheets write and obey, says, or None."""
        encoding = "utf-8-sig" if self._is_utf8 else self.encoding
        with self._bytes() as raw, io.TextIOWrapper(raw, encoding) as text:
            told = _TOLD.fullmatch(text.readline(16).rstrip("\n"))
        return told and told[1]

    @property
    def _is_utf8(self):
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")

    @contextlib.contextmanager
    def _damage(self):
        """Failures while reading, as messages."""
        try:
            yield
        except UnicodeDecodeError as error:
            raise CommandError(self._undecodable()) from error
        except UnicodeError as error:       # of utf-16 without a mark
            raise CommandError(f"{self.path}: is not {self.encoding} text: {error}") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CommandError(f"{self.path}: is damaged: {one_line(error)}") from error

    def _undecodable(self):
        """Which line is not in the encoding."""
        encoding = "utf-8" if self._is_utf8 else self.encoding
        decoder, line = codecs.getincrementaldecoder(encoding)(), 1
        with self._bytes() as raw:
            for part in iter(lambda: raw.read(1 << 16), b""):
                try:
                    line += decoder.decode(part).count("\n")
                except UnicodeDecodeError as error:
                    good = error.object[:error.start].decode(encoding, "replace")
                    line += good.count("\n")
                    byte = error.object[error.start]
                    return (f"{self.path}: line {line}: byte 0x{byte:02x} is not {encoding} text; "
                            "try --encoding cp1252 (or latin-1)")
        return f"{self.path}: ends in the middle of a character of {encoding}"

    def place(self, row):
        """Where the row is: ``line 18``. The first line of the file is 1, as in an editor."""
        with self._damage():
            line, _ = next(itertools.islice(self._records(), row + self.headed, None))
        return f"line {line}"

    # --- columns -----------------------------------------------------------------------

    def usual(self):
        """Positions of the columns to use by default, so far as the header tells: those with
        a name. (Row names have none.)"""
        return [j for j, name in enumerate(self.names) if name.strip()]

    def estimate(self):
        """Rows, and which columns seem to be numbers, from the first lines."""
        with self._damage():
            records = list(itertools.islice(self._records(), self.headed, self.headed + _SAMPLE))
            size, ratio = self._stored.held.size(), 1.0
            if self._zipped:
                with self._bytes() as file:
                    ratio = len(file.read(1 << 20)) / max(1, file.fileobj.tell())
        if not records:
            raise CommandError(f"{self.path}: has a header and no rows")
        width = len(",".join(itertools.chain(*[cells for _, cells in records])))
        rows = len(records)
        if rows == _SAMPLE:
            rows = int(size * max(ratio, 1.0) / (width / rows)) + 1
        numbers = [j for j in range(len(self.names)) if all(
            is_number(cells[j], self.decimal) or cells[j].strip().lower() in self._missing
            for _, cells in records if j < len(cells))]
        return rows, numbers

    def batches(self, positions):
        """Columns at some positions, batch by batch, as arrays of texts.

        The first time all columns are kept, where they are wanted again and are not too large.
        """
        if self._cells is not None:
            yield from ([columns[j] for j in positions] for columns in self._cells)
            return
        if not self._again:
            yield from self._parsed(positions)
            return
        cells, size = [], 0
        for columns in self._parsed(range(len(self.names))):
            size += sum(column.nbytes for column in columns)
            if size <= MEMORY:
                cells.append(columns)
            else:
                cells.clear()
            yield [columns[j] for j in positions]
        if size <= MEMORY:
            self._cells = cells

    def read_again(self):
        """Every pass reads the file, and nothing of it is kept."""
        self._again = False
        self._stored.held.read_again()

    @property
    def stored(self):
        """Whether a stream lies in a temporary file."""
        return self._stored.held.stored

    def forget(self):
        """Let go of the text: no line of it will be asked for, and its cells are there."""
        if self._cells is not None or not self._again:
            self._stored = None

    def _parsed(self, positions):
        pa, reading = optional("pyarrow", "a table", "cli"), optional(
            "pyarrow.csv", "a table", "cli")
        columns = [f"f{j}" for j in range(len(self.names))]
        most = max(_BLOCK, 32 * sum(len(name) + 1 for name in self.names))
        parsing = reading.ParseOptions(delimiter=self.sep, newlines_in_values=True,
                                       ignore_empty_lines=len(columns) > 1)
        converting = reading.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=[columns[j] for j in positions])
        skipped = {"skip_rows": self._first - 1, "skip_rows_after_names": int(self.headed)}
        with self._damage(), self._bytes() as raw:
            stream = Utf8(raw, None if self._is_utf8 else self.encoding)
            try:
                for piece in pieces(stream, self.sep, _BLOCK, most):
                    if parsing.ignore_empty_lines and not piece.strip(b"\r\n"):
                        continue
                    owned = pa.allocate_buffer(len(piece))
                    np.frombuffer(owned, np.uint8)[:] = np.frombuffer(piece, np.uint8)
                    table = reading.read_csv(
                        pa.BufferReader(owned), parse_options=parsing,
                        convert_options=converting, read_options=reading.ReadOptions(
                            column_names=columns, block_size=len(piece) + 1, use_threads=False,
                            **skipped))
                    skipped = {}
                    for batch in table.to_batches():
                        if batch.num_rows:
                            yield batch.columns
            except (pa.ArrowInvalid, TooLong) as error:
                self._look_for_fault()
                if isinstance(error, TooLong):
                    error = f"a row is longer than {most} bytes"
                raise CommandError(f"{self.path}: {one_line(error)}") from None
        if stream.n_quotes % 2:     # pyarrow takes a file that ends within quotes
            self._look_for_fault()

    def _look_for_fault(self):
        """CommandError naming the line of the first fault, if the standard library sees one."""
        with self._damage():
            for line, cells in self._records():
                if len(cells) != len(self.names):
                    raise CommandError(
                        f"{self.path}: line {line} has {count(len(cells), 'cell')}, and " + (
                            f"the header has {count(len(self.names), 'name')}" if self.headed else
                            f"line {self._first} has {len(self.names)}"))

    def to_numbers(self, texts):
        """float64 with NaN where a value is missing; NotANumber for another text."""
        pa, pc = optional("pyarrow", "a table", "cli"), optional(
            "pyarrow.compute", "a table", "cli")
        texts = pc.utf8_trim_whitespace(texts)
        gaps = self.gaps(texts)
        numbers = pc.if_else(gaps, pa.scalar(None, pa.string()), texts)
        if self.decimal != ".":
            # a point is no decimal mark then: 1.234 may be a thousand
            numbers = pc.replace_substring(numbers, ".", "_")
            numbers = pc.replace_substring(numbers, self.decimal, ".")
        try:
            return pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            pass
        texts, gaps = texts.to_pylist(), gaps.to_pylist()
        bad = [i for i, (text, gap) in enumerate(zip(texts, gaps))
               if not gap and not is_number(text, self.decimal)]
        at, hint, n_strange = among_numbers([texts[i] for i in bad], self.decimal)
        text = texts[bad[at]]
        raise NotANumber(f"{quoted(text)} is not a number", bad[at],
                         2 * n_strange < len(texts) - sum(gaps), hint, text)

    def single(self, positions):
        """Whether numbers are read as float32."""
        return False

    def gaps(self, texts, *, of_answers=False):
        """Where a cell stands for a missing value; `of_answers`: in a column of texts."""
        pa, pc = optional("pyarrow", "a table", "cli"), optional(
            "pyarrow.compute", "a table", "cli")
        return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(texts)),
                        value_set=pa.array(self._no_answer if of_answers else self._missing))


def separator(format_, sep):
    """What stands between the cells of a file of this format."""
    return sep or ("\t" if format_.startswith((".tsv", ".tab")) else ",")


class CsvWriter:
    """Rows of texts and numbers into a binary file."""

    def __init__(self, file, path, format_, names, options):
        self._path, self._decimal = path, options.decimal
        self._encoding, self._zip = options.encoding, None
        if format_.endswith(".gz"):
            # no time and no name in it: the same rows give the same bytes
            self._zip = file = gzip.GzipFile("", "wb", 6, file, mtime=0)
        self._text = io.TextIOWrapper(file, options.encoding, newline="", write_through=False)
        form = {"delimiter": separator(format_, options.sep), "lineterminator": "\n"}
        self._writer = csv.writer(self._text, **form)
        # Python before 3.13 leaves a cell with a lone carriage return without quotes
        self._quoting = csv.writer(self._text, quoting=csv.QUOTE_ALL, **form)
        if names is not None:
            self._write([names], any("\r" in name for name in names))

    def write(self, arrays):
        """One batch of columns."""
        pc = optional("pyarrow.compute", "a table", "cli")
        texts = [as_text(array, self._decimal) for array in arrays]
        returns = any(pc.any(pc.match_substring(column, "\r")).as_py() for column in texts)
        self._write(zip(*[column.to_pylist() for column in texts]), returns)

    def _write(self, rows, returns):
        try:
            if not returns:
                self._writer.writerows(rows)
                return
            for row in rows:
                quoting = any("\r" in cell for cell in row)
                (self._quoting if quoting else self._writer).writerow(row)
        except UnicodeEncodeError as error:
            raise CommandError(
                f"{self._path}: {quoted(error.object[error.start:error.end])} does not exist in "
                f"{self._encoding}; leave --encoding out for utf-8") from error

    def close(self):
        self._text.flush()
        self._text.detach()
        if self._zip is not None:
            self._zip.close()


def as_text(array, decimal="."):
    """Cells as texts: numbers as short as they can be read back, nothing for a null."""
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_string(array.type):
        texts = array
    elif pa.types.is_floating(array.type):
        # NaN is nothing, and -0 a zero
        numbers = array.to_numpy(zero_copy_only=False) + 0
        texts = pc.cast(pa.array(numbers, mask=np.isnan(numbers)), pa.string())
        if decimal != ".":
            texts = pc.replace_substring(texts, ".", decimal)
    elif pa.types.is_decimal(array.type):
        texts = pc.replace_substring(pc.cast(array, pa.string()), ".", decimal)
    else:
        # lists and structures, which Arrow has no text for, as Python writes them
        try:
            texts = pc.cast(array, pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            texts = pa.array([None if v is None else str(v) for v in array.to_pylist()],
                             pa.string())
    return pc.fill_null(texts, "")
