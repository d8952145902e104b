"""Values as bytes, and keys of them."""

import contextlib
import pickle
import threading

import numpy as np
import pytest
from checkpointed import (
    RNG,
)
from numpy.testing import assert_array_equal

from emkernels import SufficientStatistics
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import structure_of
from emkernels.data.packing import Unpackable, digest, packed, unpacked
from emkernels.data.source import Sums

VALUES = [
    None, True, False, 0, -3, 2**70, 0.1, float("-inf"), -0.0, 2 - 1j, "é\udc80", b"\0x", (),
    (1, [2]), {"a": {3, 4}, 5: frozenset(["b"])}, np.float32(2.5), np.int64(-1), np.bool_(True),
    np.dtype("float32"), np.array(3.0), np.zeros((0, 4)), np.array(["ab", "c"]),
    np.array([[True], [False]]), np.array(["a", None, 1.5], object),
    np.array(["2020-01-01"], "datetime64[D]"), np.arange(3, dtype=">i4"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_as_bytes(value):
    back = unpacked(packed(value))
    assert type(back) is type(value)
    assert digest(back) == digest(value)
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and back.shape == value.shape
        assert_array_equal(back, value)
    else:
        assert back == value and repr(back) == repr(value)


def test_values_that_differ_have_other_keys():
    values = [*VALUES, 0.0, -1, 1, 1.0, "1", [1], [[1]], [[], 1], np.float64(0.1), np.zeros((4, 0)),
              np.arange(3, dtype="<i4"), np.zeros(2), np.zeros(2, np.float32), np.zeros((2, 1)),
              np.array([0.0, -0.0]), ("a", "b"), ("ab", ""), {"a": 1}, {"a": 2}, np.add,
              np.subtract, digest, packed, Sums, Sums(a=1).merge, Sums(a=2).merge, Sums(b=1).merge]
    assert len({digest(value) for value in values}) == len(values)


def test_layouts_stay_and_keys_do_not_ask_for_them():
    cube = RNG.normal(size=(2, 3, 4))
    for array in (cube, cube.transpose(2, 0, 1), np.asfortranarray(cube[0]), cube[::-1, :, ::2],
                  np.broadcast_to(cube[:1], (5, 3, 4))):
        back = unpacked(packed(array))
        assert_array_equal(back, array)
        assert back.flags.writeable and back.flags.aligned
        assert digest(array) == digest(back) == digest(np.ascontiguousarray(array))
    assert unpacked(packed(np.asfortranarray(cube[0]))).flags.f_contiguous
    back = unpacked(packed(cube.transpose(2, 0, 1)))
    assert back.strides == cube.transpose(2, 0, 1).strides


def test_objects():
    statistics = SufficientStatistics("full", np.zeros((2, 3)), log_likelihood=2.0)
    back = unpacked(packed(statistics))
    assert type(back) is SufficientStatistics and back.log_likelihood == 2.0
    assert back.noise is None
    assert digest(back.merge) == digest(statistics.merge) == digest(
        pickle.loads(pickle.dumps(statistics)).merge)
    sums = unpacked(packed(Sums(a=np.ones(2), b=3)))
    assert_array_equal(sums.a, 1)
    assert sums.b == 3


def test_what_is_made_when_asked_for_is_in_no_key():
    structure = structure_of("full")
    one, two = (Gaussians(structure, np.zeros((1, 2)), None, np.eye(2)[None]) for _ in range(2))
    key = digest(one)
    assert two.covariances.shape == (1, 2, 2)
    assert digest(two) == key
    two.means = np.ones((1, 2))
    assert digest(two) != key


class Own:
    pass


def test_what_has_no_form_is_refused():
    cycle = []
    cycle.append(cycle)
    for value in (object(), threading.Lock(), iter([]), cycle, np.ma.masked_array([1.0]),
                  np.zeros(1, [("a", float)]), memoryview(b"")):
        with pytest.raises(Unpackable):
            packed(value)
        with pytest.raises(Unpackable):
            digest(value)
    for value in (digest, np.add, Own, np.random.RandomState(0), statistics_of_nobody):
        with pytest.raises(Unpackable):
            packed(value)
    with pytest.raises(Unpackable):
        digest(lambda: 0)
    # what others have made counts in a key, and is not made from a file
    assert digest(Own()) == digest(Own())
    with pytest.raises(ValueError):
        unpacked(packed(Own()))


def statistics_of_nobody():
    pass


@pytest.mark.parametrize("name", [
    "os:system", "builtins:eval", "subprocess:Popen", "emkernels.data.packing:digest",
    "emkernels.data.packing:sys", "emkernels.data.source:np.ndarray", "emkernels.nowhere:Sums",
    "emkernels.data.source:Rows", "emkernels:", ":", "emkernels.data.source:__builtins__"])
def test_files_make_objects_of_this_package_alone(name):
    data = packed(Sums(a=1)).replace(b"emkernels.data.source:Sums", b"")
    data = data[:1] + len(name).to_bytes(8, "little") + name.encode() + data[9:]
    with pytest.raises(ValueError):
        unpacked(data)


def test_bytes_that_are_no_value():
    data = packed((Sums(a=np.ones((2, 3)), b={"x": (1, 2.0)}), np.float32(2), "text", b"bytes"))
    assert isinstance(unpacked(data)[0], Sums)
    for end in range(len(data)):
        with pytest.raises(ValueError):
            unpacked(data[:end])
    with pytest.raises(ValueError):
        unpacked(data + b"N")
    for _ in range(2000):       # anything but a crash, or memory of the size that is said
        damaged = bytearray(data)
        damaged[RNG.integers(len(data))] = RNG.integers(256)
        with contextlib.suppress(ValueError):
            unpacked(bytes(damaged))
