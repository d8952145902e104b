"""The files of fitted estimators: a zip of arrays as NumPy stores them and one JSON text.

Nothing of a file is unpickled, evaluated or inflated. Members are stored as they are, so that what
is read takes no more memory than the file; sizes are compared with what the members' own heads say
before anything is made of them.
"""

import contextlib
import errno
import json
import math
import os
import re
import secrets
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

# of an array as numpy.save writes it
_MAGIC = b"\x93NUMPY"
_HEAD = re.compile(
    rb"\{'descr': '([<>|=][biufUS]\d{1,9}|[<>|=][mM]8\[\w{1,8}\])', "
    rb"'fortran_order': (True|False), 'shape': \(((?:\d{1,18}, ?)*\d{0,18},?)\), ?\} *\n?")
_NAME = re.compile(r"([A-Za-z_]\w{0,63})\.npy")
_HEADER = "header"
# bytes of the JSON text; what is made of them takes up to thirty times as much
_TEXT = 1 << 24
# what zipfile says of bytes that are no archive; it trusts some of them
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, TypeError,
           NotImplementedError, RuntimeError, OverflowError, AttributeError, IndexError, OSError,
           MemoryError)


def write_archive(path, header, arrays):
    """A header and arrays in one file, written beside `path` and then renamed.

    Raises
    ------
    ValueError
        The header is longer than it may be on reading.
    OSError
        The file cannot be written, or something that is no file has its name.
    """
    target = Path(os.path.realpath(os.fsdecode(path)))      # a link stays one
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", os.fsdecode(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EEXIST, "not a regular file", os.fsdecode(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no folder", str(target.parent))
    text = json.dumps(header).encode()
    if len(text) > _TEXT:
        raise ValueError(f"names and other values of {len(text)} bytes, and a file has room for "
                         f"{_TEXT}")
    arrays = {**arrays, _HEADER: np.frombuffer(text, dtype=np.uint8)}
    temporary = target.with_name(f".emkernels-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())     # else a name may come to stand for nothing, at a power cut
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):      # where the folder is none
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # of the file that was asked for
            raise OSError(error.errno, error.strerror, os.fsdecode(path)) from error
        raise


def read_archive(path):
    """The header, a dict, and the arrays of a file.

    Raises
    ------
    ValueError
        The bytes are not those of :func:`write_archive`; it says what is wrong with them, and not
        which file it is.
    OSError
        There is no such file, or it cannot be opened.
    """
    with open(os.fspath(path), "rb") as file:
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if file.read(len(_MAGIC)) == _MAGIC:
                raise ValueError("it holds one array")
            with zipfile.ZipFile(file) as archive:
                arrays = {name: _array(archive, info) for name, info in _members(archive, size)}
        except _BROKEN as error:
            raise ValueError(str(error) or type(error).__name__) from error
    if _HEADER not in arrays:
        raise ValueError("it has no header")
    return _header(arrays.pop(_HEADER)), arrays


def _members(archive, size):
    """Names and places of the members, looked through before any is read."""
    infos, seen = archive.infolist(), set()
    if sum(info.file_size for info in infos) > size:
        raise ValueError("its members are larger than the file")
    for info in infos:
        name = _NAME.fullmatch(info.filename)
        if not name or info.filename in seen or info.flag_bits & 1:
            raise ValueError(f"it has a member {info.filename[:80]!r}, which no such file has")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ValueError(f"{info.filename} is compressed, which these files are not")
        seen.add(info.filename)
        yield name[1], info


def _array(archive, info):
    """One member, its size being what its head says."""
    with archive.open(info) as member:
        data = member.read()        # checks the checksum
    if len(data) != info.file_size or data[:len(_MAGIC)] != _MAGIC or len(data) < 12:
        raise ValueError(f"{info.filename} is no array, or it is cut short")
    start, form = (10, "<H") if data[6] == 1 else (12, "<I")
    end = start + struct.unpack(form, data[8:start])[0]
    head = _HEAD.fullmatch(data[start:end])
    if not head or data[6] not in (1, 2) or end > len(data):
        raise ValueError(f"{info.filename} is no array of numbers or texts")
    dtype = np.dtype(head[1].decode())
    shape = tuple(int(n) for n in head[3].replace(b" ", b"").split(b",") if n)
    if math.prod(shape) * dtype.itemsize != len(data) - end or len(shape) > 32 or not (
            dtype.itemsize or not math.prod(shape)):
        raise ValueError(f"{info.filename} has another size than its shape {shape} says")
    order = "F" if head[2] == b"True" else "C"
    return np.frombuffer(data, dtype, offset=end).reshape(shape, order=order).copy(order)


def _header(values):
    """The JSON text of a file."""
    if values.dtype != np.uint8 or values.ndim != 1:
        raise ValueError("its header is no text")
    if len(values) > _TEXT:
        raise ValueError(f"its header has {len(values)} bytes, and {_TEXT} at most are read")
    try:
        header = json.loads(values.tobytes(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is no JSON text: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return header


def _refuse(constant):
    raise ValueError(f"{constant} is no JSON")
