"""The bytes of a file or a stream, read once however often they are looked at."""

import io
import os
import sys
import tempfile
import threading
import weakref

from emkernels.cli._messages import CommandError, why

# bytes that are kept in memory; of more, all are in a temporary file
MEMORY = 1 << 28
# bytes that are read at once
_PART = 1 << 22


class Held:
    """What is read from a stream is kept, and it is read no further than somebody has looked.

    Parameters
    ----------
    stream : binary file
    shown : str
        What messages call it.
    regular : bool
        It is a file, which is ours to close, has a size and should not change.
    """

    def __init__(self, stream, shown, *, regular):
        self._stream, self._shown = stream, shown
        self._store, self._n, self._ended, self._path = io.BytesIO(), 0, False, None
        self._stamp = _stamp(stream) if regular else None
        self._again, self._lock = False, threading.Lock()
        if regular:
            weakref.finalize(self, stream.close)

    @property
    def stored(self):
        """Whether a stream lies in a temporary file."""
        return self._path is not None

    def open(self):
        """A binary file of its own position, at the beginning."""
        return io.BufferedReader(_View(self))

    def read_again(self):
        """Keep nothing of a file any more; it must not change then."""
        if self._stamp is not None and not self._ended:
            self._again, self._store = True, io.BytesIO()

    def size(self):
        """Bytes in all. To know them, a stream is read to its end."""
        if self._stamp is not None:
            return self._stamp[0]
        self._read_up_to(sys.maxsize)
        return self._n

    def whole(self):
        """All bytes, or the path of a file that holds them."""
        self._read_up_to(sys.maxsize)
        return self._path or self._store.getvalue()

    def read_into(self, buffer, at):
        """Fill the buffer with the bytes from a position on; how many there were."""
        if self._again:
            self._check_same()
            with self._lock:
                self._stream.seek(at)
                return self._stream.readinto(buffer)
        self._read_up_to(at + len(buffer))
        self._store.seek(at)
        return self._store.readinto(buffer)

    def _read_up_to(self, stop):
        while self._n < stop and not self._ended:
            part = self._stream.read(_PART)
            self._ended = not part
            if self._n + len(part) > MEMORY and self._path is None:
                self._move()
            self._keep(part)
        if self._ended and self._stamp is not None and not self._stream.closed:
            self._check_same()
            self._stream.close()

    def _check_same(self):
        if _stamp(self._stream) != self._stamp:
            raise CommandError(f"{self._shown}: changed while it was being worked on")

    def _keep(self, part):
        try:
            self._store.seek(self._n)
            self._store.write(part)
            self._store.flush()
        except OSError as error:
            raise CommandError(f"{self._shown}: does not fit into {tempfile.gettempdir()} "
                               f"({why(error)}); TMPDIR names another folder") from error
        self._n += len(part)

    def _move(self):
        """From memory into a temporary file."""
        number, self._path = tempfile.mkstemp(prefix="emkernels-")
        before, self._store = self._store.getbuffer(), os.fdopen(number, "w+b")
        weakref.finalize(self, _remove, self._store, self._path)
        self._n = 0
        self._keep(before)


class _View(io.RawIOBase):
    """What reads held bytes from a position of its own."""

    def __init__(self, held):
        self._held, self._at = held, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        n = self._held.read_into(buffer, self._at)
        self._at += n
        return n

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=os.SEEK_SET):
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = (self._held.size() if start is None else start) + offset
        return self._at


def _stamp(stream):
    """Size and time of a file, which tell whether it is still the same."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns


def _remove(file, path):
    file.close()
    os.unlink(path)
