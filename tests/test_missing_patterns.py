"""Rows grouped by which of their values are missing."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incomplete_problems import DESIGNS, incomplete, missing_mask
from numpy.testing import assert_array_equal
from problems import LAYOUTS

from emkernels import kernels
from emkernels.kernels import MissingPatterns, missing_patterns

DTYPES = ("f4", "f8")


def expected_patterns(mask):
    """Masks by number of missing values, then by first row; order, offsets and counts."""
    masks, first, index, counts = np.unique(
        mask, axis=0, return_index=True, return_inverse=True, return_counts=True)
    by = np.lexsort((first, masks.sum(axis=1)))
    order = np.concatenate([np.flatnonzero(index.ravel() == i) for i in by])
    return masks[by], order, np.concatenate([[0], np.cumsum(counts[by])]), counts[by]


def assert_patterns(found, mask):
    masks, order, offsets, counts = expected_patterns(mask)
    assert (found.n_samples, found.n_features) == mask.shape
    assert found.n_patterns == len(masks)
    assert_array_equal(found.order, order)
    assert_array_equal(found.offsets, offsets)
    assert_array_equal(found.counts, counts)
    assert_array_equal(found.masks, masks)
    assert_array_equal(found.n_missing, masks.sum(axis=1))
    assert found.n_missing_values == mask.sum()
    some = slice(0, None, 2)
    assert_array_equal(found.masks_of(some), masks[some])
    assert (found.order.dtype, found.offsets.dtype, found.masks.dtype) == ("i4", "i8", "?")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", [1, 2, 63, 64, 65, 127, 128, 129, 200, 1500])
@pytest.mark.parametrize("design", DESIGNS)
def test_patterns(simd, design, D, dtype):
    rng = np.random.default_rng(D)
    mask = missing_mask(300, D, design, 0.1 if D < 100 else 0.01, rng)
    X = np.where(mask, np.nan, rng.normal(size=mask.shape)).astype(dtype)
    found = missing_patterns(X)
    assert_patterns(found, mask)
    assert found.largest == np.nanmax(np.abs(X), initial=0)


@pytest.mark.parametrize("D", [1, 64, 65, 200])
def test_single_bits_of_every_word(simd, D):
    """One column missing in each row, then one column left."""
    mask = np.concatenate([np.eye(D, dtype=bool), ~np.eye(D, dtype=bool)])[::-1]
    assert_patterns(missing_patterns(np.where(mask, np.nan, 1.0)), mask)


@pytest.mark.parametrize("n, D", [(1, 1), (1, 70), (500, 1), (500, 5), (500, 130)])
@pytest.mark.parametrize("share", [0, 1])
def test_all_complete_and_all_missing(simd, n, D, share):
    mask = np.full((n, D), bool(share))
    found = missing_patterns(np.where(mask, np.nan, -2.0))
    assert_patterns(found, mask)
    assert found.n_patterns == 1
    assert found.largest == (0 if share else 2)


def test_as_many_patterns_as_rows():
    """The table of patterns grows, past its first 1024."""
    n = 5000
    mask = (np.arange(n)[::-1, None] >> np.arange(13)) & 1 == 1
    assert_patterns(missing_patterns(np.where(mask, np.nan, 0.0)), mask)


def test_more_rows_than_one_look():
    """Rows are read some thousands at a time."""
    rng = np.random.default_rng(0)
    mask = rng.random((70_001, 3)) < 0.3
    assert_patterns(missing_patterns(np.where(mask, np.nan, 0.0)), mask)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("D", [3, 65])
def test_layouts(simd, layout, D, dtype, tmp_path):
    X = incomplete(203, D, 1, "spherical", dtype).X
    laid_out = LAYOUTS[layout](X, tmp_path)
    before = laid_out.tobytes()
    assert_patterns(missing_patterns(laid_out), np.isnan(X))
    assert laid_out.tobytes() == before


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.parametrize("row, column", [(0, 0), (17, 64), (39, 69)])
def test_the_first_infinity_is_named(simd, dtype, bad, row, column, tmp_path):
    X = np.where(np.random.default_rng(0).random((40, 70)) < 0.3, np.nan, 1.0).astype(dtype)
    X[row, column] = bad
    X[row + 1:, 0] = np.inf
    for layout in ("fortran", "backwards", "unaligned", "read-only", "both"):
        with pytest.raises(ValueError, match=rf"X .*infinity.*row {row}, column {column}$"):
            missing_patterns(LAYOUTS[layout](X, tmp_path))


def test_an_infinity_in_a_long_array():
    X = np.zeros((70_001, 3))
    X[5::7] = np.nan
    X[70_000, 2] = -np.inf
    with pytest.raises(ValueError, match=r"row 70000, column 2$"):
        missing_patterns(X)


def test_every_kind_of_nan_is_missing(simd):
    for dtype, words in (("f8", [0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 1, 0x7FF4 << 48]),
                         ("f4", [0x7FC00000, 0xFFC00000, 0x7FC00001, 0x7FA00000])):
        X = np.zeros((40, 4), dtype)
        X[7] = np.array(words, "u8" if dtype == "f8" else "u4").view(dtype)
        assert_patterns(missing_patterns(X), np.isnan(X))


@pytest.mark.parametrize("bad, error, message", [
    (np.zeros(3), ValueError, "X must be a 2-d array"),
    (np.zeros((0, 3)), ValueError, "at least one row"),
    (np.zeros((3, 0)), ValueError, "at least one row"),
    (np.zeros((3, 2), complex), TypeError, "X must hold real numbers"),
    ([[None, {}]], TypeError, "column 1 of X is not numeric: {} at row 0"),
    ([["a", "b"]], TypeError, "column 0 of X is not numeric: 'a' at row 0"),
], ids=repr)
def test_not_a_matrix(bad, error, message):
    with pytest.raises(error, match=message):
        missing_patterns(bad)


def test_too_many_rows():
    """2^31 rows without the memory for them."""
    X = np.broadcast_to(np.zeros((1, 1)), (2**31, 1))
    with pytest.raises(ValueError, match=r"2\^31 rows"):
        missing_patterns(X)


def test_integers_and_lists():
    assert_patterns(missing_patterns([[1, 2], [3, 4]]), np.zeros((2, 2), bool))
    assert_patterns(missing_patterns([[1.0, np.nan]]), np.array([[False, True]]))


def test_pickle_and_copy(simd):
    p = incomplete(203, 13, 3)
    found = missing_patterns(p.X)
    kernels.incomplete_statistics(*p[:4], patterns=found)      # keeps a schedule
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
        assert_patterns(other, np.isnan(p.X))
        assert other.largest == found.largest
        for a, b in zip(kernels.incomplete_statistics(*p[:4], patterns=found),
                        kernels.incomplete_statistics(*p[:4], patterns=other)):
            assert_array_equal(a, b)
    assert repr(found) == (
        f"MissingPatterns(n_samples=203, n_features=13, n_patterns={found.n_patterns})")
    assert isinstance(found, MissingPatterns)


def test_what_patterns_hold_is_read_only():
    """The kernels follow `order` and `offsets`."""
    found = missing_patterns(incomplete(203, 13, 3).X)
    for patterns in (found, pickle.loads(pickle.dumps(found))):
        for array in (patterns.order, patterns.offsets):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 10**6


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 200), st.integers(1, 140), st.floats(0, 1), st.booleans(),
       st.integers(0, 2**32 - 1))
def test_any_mask(n, D, share, by_columns, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((n, D)) < share
    if by_columns:
        mask &= rng.random(D) < 0.2
    X = np.where(mask, np.nan, rng.normal(size=(n, D)))
    assert_patterns(missing_patterns(X), mask)
