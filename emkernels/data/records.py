"""A file of records that is there whole or not at all, and who may write it."""

import contextlib
import os
import re
import secrets
import struct
import zlib
from pathlib import Path

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None

MAGIC = b"EMKCKPT\1"
HEAD, SUM = struct.Struct("<c20sQ"), struct.Struct("<I")
END = b"Z"
PIECE = 2**20       # bytes that are read together
NO_KEY = bytes(20)


def checked_path(path):
    """A path that a checkpoint can be written to, whole; else ValueError or TypeError."""
    try:
        text = os.fspath(path)
        path = Path(os.fsdecode(text)).resolve()
    except TypeError:
        raise TypeError(f"checkpoint must be a path, got {type(path).__name__}") from None
    except ValueError as error:
        raise ValueError(f"the checkpoint {text!r} is no path: {error}") from None
    if not path.parent.is_dir():
        raise ValueError(f"the checkpoint {path} cannot be written: there is no folder "
                         f"{path.parent}")
    if path.is_dir():
        raise ValueError(f"the checkpoint {path} is a folder, and should be a file")
    return path


class Damaged(ValueError):
    """A file that is not what was written."""

    def __init__(self, path, why):
        super().__init__(f"{path} is no checkpoint of emkernels, or it is damaged: {why}. "
                         "Name another file for a new fit")


class RecordFile:
    """Records of a kind, a key of 20 bytes and bytes, each with a checksum; an end says how many.

    The records that a file begins with stay; what comes behind them is written with a copy of
    these, beside the file, which it then replaces. None of them is held.

    Attributes
    ----------
    path : Path
    kept : int
        Where the records end that stay.
    n_kept : int
    """

    def __init__(self, path):
        self.path = Path(path)
        self.forget()

    def scan(self, stays):
        """Look through the file: (kind, key, place) of every record. `stays(kind)`: whether one
        is written again."""
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(len(MAGIC)) != MAGIC:
                raise Damaged(self.path, "it begins otherwise")
            n = 0
            while True:
                head = file.read(HEAD.size)
                if len(head) < HEAD.size:
                    raise Damaged(self.path, "it is cut short")
                kind, key, length = HEAD.unpack(head)
                place = file.tell(), length
                if length > size - file.tell() - SUM.size:
                    raise Damaged(self.path, "it is cut short")
                found, left = zlib.crc32(head), length
                while left:
                    piece = file.read(min(left, PIECE))
                    if not piece:
                        raise Damaged(self.path, "it is cut short")
                    found, left = zlib.crc32(piece, found), left - len(piece)
                if file.read(SUM.size) != SUM.pack(found):
                    raise Damaged(self.path, f"record {n} has another checksum")
                if kind == END:
                    break
                yield kind, key, place
                n += 1
                if stays(kind):
                    self.kept, self.n_kept = file.tell(), n
            if self.read(place) != struct.pack("<Q", n) or file.tell() != size:
                raise Damaged(self.path, "its end is not where it was")

    def forget(self):
        """Nothing of the file stays when it is written again."""
        self.kept, self.n_kept = len(MAGIC), 0

    def clear(self):
        """Remove what somebody who was killed has begun to write; nobody else may be writing."""
        begun = re.compile(re.escape(self.path.name) + r"\.\d+-[0-9a-f]{8}\.part")
        for other in self.path.parent.iterdir():
            if begun.fullmatch(other.name):
                other.unlink(missing_ok=True)

    def read(self, place):
        """The bytes of a record."""
        with open(self.path, "rb") as file:
            file.seek(place[0])
            return file.read(place[1])

    def extend(self, records, others=()):
        """Write `records` behind those that stay, which they then are too, and `others` behind
        them, which are not; the places of the former.

        The file is replaced when all is on the disk; OSError where that cannot be, and the file
        is as it was.
        """
        temporary = self.path.with_name(
            f"{self.path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
        places, n = [], self.n_kept
        try:
            with open(temporary, "xb") as file:
                self._copy(file)
                for kind, key, data in records:
                    places.append((file.tell() + HEAD.size, len(data)))
                    _put(file, kind, key, data)
                kept = file.tell()
                for record in others:
                    _put(file, *record)
                n += len(records)
                _put(file, END, NO_KEY, struct.pack("<Q", n + len(others)))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except OSError as error:
            raise OSError(
                error.errno, "the checkpoint cannot be written, and stays as it was: "
                f"{error.strerror}", str(self.path)) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        self.kept, self.n_kept = kept, n
        _sync_folder(self.path.parent)
        return places

    def _copy(self, file):
        """What stays of the file, or the beginning of a new one."""
        if not self.n_kept:
            file.write(MAGIC)
            return
        with open(self.path, "rb") as old:
            left = self.kept
            while left:
                piece = old.read(min(left, PIECE))
                if not piece:
                    raise Damaged(self.path, "it was cut while it was in use")
                file.write(piece)
                left -= len(piece)


def _put(file, kind, key, data):
    head = HEAD.pack(kind, key, len(data))
    file.write(head)
    file.write(data)
    file.write(SUM.pack(zlib.crc32(data, zlib.crc32(head))))


def _sync_folder(folder):
    """That a new name of a file is on the disk."""
    with contextlib.suppress(OSError):      # not every system has this
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Lock:
    """That nobody else writes a file meanwhile: a lock on another one beside it.

    The lock ends with the process, so one that was killed is in nobody's way.
    """

    def __init__(self, path):
        self.path, self.handle = path.with_name(f"{path.name}.lock"), None
        while self.handle is None:
            self.handle = self._locked(path)

    def _locked(self, path):
        """The lock; None where another has just removed it."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OSError(error.errno, f"the checkpoint cannot be written: {error.strerror}",
                          str(path)) from error
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(self.path)):
                    return handle
        except BlockingIOError:
            os.close(handle)
            raise ValueError(
                f"the checkpoint {path} is in use by another fit: let it end, or give each its "
                "own") from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None

    def release(self):
        if self.handle is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
            os.close(self.handle)
            self.handle = None
