"""Values as bytes and back, and as keys.

This is no pickle: what is read calls nothing and makes instances of this package's classes alone,
by setting their attributes.
"""

import functools
import hashlib
import re
import struct
import sys
import types

import numpy as np

DEEPEST = 64        # values within values
PLAIN_DTYPE = re.compile(r"[<>|=][biufcSUmM]\d+(\[\w+\])?")
OWN = __name__.partition(".")[0]
HEAP_TYPE = 1 << 9  # of the flags of a class: one that a statement has made
CONSTANTS = {None: b"N", True: b"T", False: b"F"}
COLLECTIONS = {tuple: b"t", list: b"l", set: b"e", frozenset: b"E"}


class Unpackable(TypeError):
    """A value that has no form as bytes."""


def packed(value):
    """The bytes of a value: numbers, texts, arrays, collections and objects of these."""
    parts = []
    _Writer(parts.append, False).write(value)
    return b"".join(parts)


def unpacked(data):
    """The value of :func:`packed`; ValueError for bytes that are none. Arrays are new, with axes in
    the order in memory that they had."""
    reader = _Reader(data)
    try:
        value = reader.read()
    except (struct.error, UnicodeDecodeError, OverflowError, MemoryError, TypeError, KeyError,
            AttributeError) as error:
        raise ValueError(f"bytes that stand for nothing: {error}") from error
    if reader.at != len(reader.data):
        raise ValueError("bytes behind the end of a value")
    return value


def digest(*values):
    """A key of 20 bytes that other values do not share: by what they are and not where, and
    whatever the layout of arrays. Functions count by their names, methods by what they are of."""
    found = hashlib.blake2b(digest_size=20)
    _Writer(found.update, True).write(values)
    return found.digest()


class _Writer:
    """Puts values; for keys (`as_key`) also what cannot be read again."""

    def __init__(self, put, as_key):
        self.put, self.as_key, self.depth = put, as_key, 0

    def write(self, value):
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unpackable("a value within itself, or within very many others")
        kind = type(value)
        if value is None or kind is bool:
            self.put(CONSTANTS[value])
        elif kind in _PLAIN:
            _PLAIN[kind](self, value)
        elif kind in COLLECTIONS:
            self.put(COLLECTIONS[kind])
            self._items(sorted(value, key=digest) if kind in (set, frozenset) else value)
        elif isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
            self._array(value)
        elif isinstance(value, np.generic):
            self._numbers(b"g", np.asarray(value))
        elif isinstance(value, np.dtype):
            self._text(b"y", _plain_dtype(value))
        elif isinstance(value, tuple):
            self._text(b"n", _name_of(kind))
            self._items(value)
        elif not (self.as_key and self._key(value)):
            self._object(value)
        self.depth -= 1

    def _bytes(self, tag, data):
        self.put(tag + struct.pack("<Q", len(data)))
        self.put(data)

    def _text(self, tag, text):
        self._bytes(tag, text.encode("utf-8", "surrogatepass"))

    def _items(self, values):
        self.put(struct.pack("<Q", len(values)))
        for each in values:
            self.write(each)

    def _dict(self, value):
        self.put(b"d")
        self._items([each for pair in value.items() for each in pair])

    def _array(self, array):
        if array.dtype == object:
            self.put(b"O")
            self.write(array.shape)
            self._items(array.ravel().tolist())
            return
        axes = list(range(array.ndim))
        if not self.as_key and not array.flags.c_contiguous:
            axes = axes[::-1] if array.flags.f_contiguous else sorted(
                axes, key=lambda axis: -abs(array.strides[axis]))
        self._numbers(b"a", array.transpose(axes), axes)

    def _numbers(self, tag, array, axes=()):
        self._text(tag, _plain_dtype(array.dtype))
        self.put(struct.pack(f"<Q{2 * len(axes)}Q", len(axes), *array.shape, *axes))
        data = np.ascontiguousarray(array).reshape(-1)
        self._bytes(b"", memoryview(data.view(np.uint8)) if data.nbytes else b"")

    def _object(self, value):
        self._text(b"o", _name_of(type(value)))
        state = sorted(self._state(value), key=lambda pair: pair[0])
        self._items([each for pair in state for each in pair])

    def _state(self, value):
        """Names and values of the attributes; of a key not what was made when asked for."""
        kind = type(value)
        for name in _names(value):
            seen = getattr(kind, name[1:], None) if self.as_key and name[:1] == "_" else None
            if isinstance(seen, property):
                yield name, getattr(value, name[1:])
            elif not callable(seen):
                yield name, getattr(value, name)

    # --- of keys alone ----------------------------------------------------------------------

    def _key(self, value):
        """Whether this was something that only keys have."""
        if isinstance(value, type):
            self._text(b"k", _name_of(value))
        elif isinstance(value, functools.partial):
            self.put(b"p")
            self.write((value.func, value.args, value.keywords))
        elif isinstance(value, np.random.RandomState):
            self.put(b"r")
            self.write(value.get_state(legacy=False))
        elif isinstance(value, np.random.Generator):
            self.put(b"r")
            self.write(value.bit_generator.state)
        elif isinstance(getattr(value, "__self__", None), types.ModuleType):
            self._text(b"m", f"{value.__self__.__name__}.{value.__name__}")
        elif getattr(value, "__self__", None) is not None and hasattr(value, "__func__"):
            self._text(b"M", value.__name__)
            self.write(value.__self__)
        elif isinstance(value, np.ufunc):
            self._text(b"m", f"numpy.{value.__name__}")
        elif callable(value) and hasattr(value, "__qualname__"):
            self._text(b"m", _name_of(value))
        else:
            return False
        return True


_PLAIN = {
    int: lambda writer, value: writer._text(b"i", str(value)),
    float: lambda writer, value: writer.put(b"f" + struct.pack("<d", value)),
    complex: lambda writer, value: writer.put(b"c" + struct.pack("<dd", value.real, value.imag)),
    str: lambda writer, value: writer._text(b"s", value),
    bytes: lambda writer, value: writer._bytes(b"b", value),
    dict: _Writer._dict,
}


def _plain_dtype(dtype):
    if not PLAIN_DTYPE.fullmatch(dtype.str) or dtype.names is not None:
        raise Unpackable(f"numbers of type {dtype}")
    return dtype.str


def _name_of(thing):
    name = f"{thing.__module__}:{thing.__qualname__}"
    if "<" in name:
        raise Unpackable(f"{name}, which is made inside a function")
    return name


def _names(value):
    """The attributes of an object of a class that was written in Python."""
    kind, names = type(value), list(getattr(value, "__dict__", ()))
    for each in kind.__mro__[:-1] or kind.__mro__:
        if not each.__flags__ & HEAP_TYPE or ("__slots__" not in vars(each) and not any(
                "__dict__" in vars(base) for base in each.__mro__)):
            raise Unpackable(f"a {kind.__module__}.{kind.__qualname__}")
        slots = vars(each).get("__slots__", ())
        slots = [slots] if isinstance(slots, str) else slots
        names += [name for name in slots if name not in ("__dict__", "__weakref__")
                  and hasattr(value, name)]
    return names


class _Reader:
    """Takes values from bytes, none beyond their end."""

    def __init__(self, data):
        self.data, self.at, self.depth = memoryview(data), 0, 0

    def _take(self, n):
        if n > len(self.data) - self.at:
            raise ValueError("bytes end within a value")
        self.at += n
        return self.data[self.at - n:self.at]

    def _numbers(self, form):
        return struct.unpack(form, self._take(struct.calcsize(form)))

    def _bytes(self):
        return self._take(self._numbers("<Q")[0])

    def _text(self):
        return bytes(self._bytes()).decode("utf-8", "surrogatepass")

    def _items(self):
        n, = self._numbers("<Q")
        if n > len(self.data) - self.at:        # each has a byte at least
            raise ValueError("bytes end within a value")
        return [self.read() for _ in range(n)]

    def _array(self):
        dtype = self._dtype()
        n_axes, = self._numbers("<Q")
        if n_axes > DEEPEST:
            raise ValueError(f"an array of {n_axes} axes")
        numbers = self._numbers(f"<{2 * n_axes}Q")
        shape, axes = numbers[:n_axes], numbers[n_axes:]
        data = self._bytes()
        if sorted(axes) != list(range(n_axes)):
            raise ValueError("axes that are none")
        size = dtype.itemsize
        for n in shape:
            size *= n
        if size != len(data):
            raise ValueError("an array of another size than its shape")
        out = np.empty(shape, dtype)
        if size:
            out.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
        return out.transpose(np.argsort(axes)) if n_axes else out

    def _dtype(self):
        text = self._text()
        if not PLAIN_DTYPE.fullmatch(text):
            raise ValueError(f"numbers of type {text!r}")
        return np.dtype(text)

    def _class(self):
        """A class of this package, which has been imported."""
        module, _, path = self._text().partition(":")
        found = sys.modules.get(module) if module.partition(".")[0] == OWN else None
        for name in path.split("."):
            found = vars(found).get(name) if found is not None else None
        if not isinstance(found, type) or found.__module__ != module:
            raise ValueError(f"an object of {module}.{path}")
        return found

    def _object(self):
        kind = self._class()
        out, items = object.__new__(kind), self._items()
        for name, value in zip(items[::2], items[1::2], strict=True):
            slot = getattr(kind, name, None)
            if isinstance(slot, types.MemberDescriptorType):
                slot.__set__(out, value)
            else:
                out.__dict__[name] = value
        return out

    def _dict(self):
        items = self._items()
        return dict(zip(items[::2], items[1::2], strict=True))

    def _objects(self):
        shape, items = self.read(), self._items()
        out = np.empty(len(items), object)
        out[:] = items
        return out.reshape(shape)

    def read(self):
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError("values within very many others")
        tag = bytes(self._take(1))
        if tag not in _READ:
            raise ValueError(f"no value begins with {tag!r}")
        value = _READ[tag](self)
        self.depth -= 1
        return value


_READ = {
    **{tag: lambda reader, value=value: value for value, tag in CONSTANTS.items()},
    **{tag: lambda reader, kind=kind: kind(reader._items()) for kind, tag in COLLECTIONS.items()},
    b"i": lambda reader: int(reader._text()),
    b"f": lambda reader: reader._numbers("<d")[0],
    b"c": lambda reader: complex(*reader._numbers("<dd")),
    b"s": _Reader._text,
    b"b": lambda reader: bytes(reader._bytes()),
    b"d": _Reader._dict,
    b"a": _Reader._array,
    b"g": lambda reader: reader._array()[()],
    b"y": _Reader._dtype,
    b"O": _Reader._objects,
    b"n": lambda reader: tuple.__new__(reader._class(), reader._items()),
    b"o": _Reader._object,
}
