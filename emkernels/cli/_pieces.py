"""A text file in pieces of UTF-8 that end where a record does.

Arrow parses what is handed to it in memory of its own. A stream in Python must not be handed to
its threads: the last of them lets go of it when it likes, and needs Python's lock for that; where
the interpreter ends in that moment, the process is aborted.
"""

import codecs
import re

import numpy as np

_MARK = codecs.BOM_UTF8


class TooLong(Exception):
    """A record that does not fit into a piece."""


class Utf8:
    """The bytes of a file as UTF-8 without a mark at the beginning, double quotes counted."""

    def __init__(self, raw, encoding):
        self._raw, self.n_quotes, self._begun = raw, 0, False
        self._decoder = codecs.getincrementaldecoder(encoding)() if encoding else None

    def read(self, size):
        part = self._raw.read(size)
        if self._decoder is not None:
            text = self._decoder.decode(part, final=not part)
            while part and not text:        # no whole character yet
                part = self._raw.read(size)
                text = self._decoder.decode(part, final=not part)
            part = text.encode()
        if not self._begun:
            self._begun, part = True, part.removeprefix(_MARK) or self._raw.read(size)
        self.n_quotes += part.count(b'"')
        return part


def pieces(stream, sep, size, most):
    """Whole records, about `size` bytes at a time; TooLong for one of more than `most` bytes."""
    sep = sep.encode()
    strict = re.compile(
        b'(?<![^' + re.escape(sep) + b'\r\n])"(?:[^"]|"")*+("|\\Z)')
    rest = b""
    while part := stream.read(size):
        piece = rest + part
        end = _end(piece, sep, strict)
        if end:
            yield piece[:end]
        elif len(piece) > most:
            raise TooLong
        rest = piece[end:]
    if rest:
        yield rest


def _end(piece, sep, strict):
    """Where the last whole record of some that begin a piece ends, or 0."""
    end = _break(piece, len(piece))
    if piece.find(b'"', 0, end) < 0:
        return end
    # quoted cells lie between two double quotes, if each first one begins a cell (or goes on
    # with one, as the second of two); where a cell has some in its middle, a closer look tells
    quotes = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord('"'))
    first, last = quotes[::2], quotes[1::2]
    before = np.frombuffer(b"\n" + piece, np.uint8)[first]
    if not np.isin(before, np.frombuffer(sep + b'\r\n"', np.uint8)).all():
        cells = list(strict.finditer(piece))
        first = np.array([cell.start() for cell in cells], np.intp)
        last = np.array([cell.start(1) for cell in cells if cell[1]], np.intp)
    while end:
        at = int(np.searchsorted(first, end)) - 1
        if at < 0 or (at < len(last) and last[at] < end):
            return end
        end = _break(piece, int(first[at]))     # the line break was within quotes
    return 0


def _break(piece, stop):
    """After the last line break before `stop`; one that may be the first half of two is none."""
    return max(piece.rfind(b"\n", 0, stop),
               piece.rfind(b"\r", 0, min(stop, len(piece) - 1))) + 1
