"""Sources of blocks: the order of sums, samples, random numbers, places."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emkernels.data import Chunks, Rows
from emkernels.data.sampling import uniforms
from emkernels.em.tree import Tree


def test_nothing_is_kept_of_more_rows_than_there_is_room_for():
    chunks = Chunks(lambda: iter([np.zeros((40, 2)), np.zeros((60, 2))]))
    assert chunks.memory.n_bytes == 240
    assert chunks.may_keep(2) and not chunks.may_keep(3)
    assert chunks.may_keep(9, share=1.0) and chunks.memory.n_bytes == 900
    # of an array no block takes room itself
    assert Chunks(np.zeros((100, 2)), chunk_rows=40).memory.n_bytes == 640


class Sum:
    def __init__(self, value):
        self.value = value

    def merge(self, other):
        self.value += other.value
        return self


def summed(values):
    """Groups of sixteen, and groups of these, by recursion."""
    while len(values) > 1:
        groups = [values[i:i + 16] for i in range(0, len(values), 16)]
        values = []
        for group in groups:
            total = group[0]
            for value in group[1:]:
                total = total + value
            values.append(total)
    return values[0]


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 255, 256, 257, 4097])
def test_the_tree_adds_in_one_order(n):
    values = np.random.default_rng(n).normal(size=n).tolist()
    tree = Tree()
    for value in values:
        tree.add(Sum(value))
    assert tree.total().value == summed(values)
    # groups that were summed elsewhere
    tree = Tree()
    for first in range(0, n, 16):
        group = values[first:first + 16]
        if len(group) == 16:
            tree.add(Sum(summed(group)), level=1)
        else:
            for value in group:
                tree.add(Sum(value))
    assert tree.total().value == summed(values)


def test_blocks_of_no_rows_are_none():
    tree = Tree()
    for part in (None, Sum(1.0), None):
        tree.add(part)
    assert tree.total().value == 1
    tree.add(None)
    assert tree.total() is None


def test_samples():
    X = np.arange(50000.0)[:, None]
    weight = np.ones(len(X))
    weight[123] = 5000
    chunks = Chunks(X, sample_weight=weight, chunk_rows=999)
    drawn = chunks.sample(1000, np.random.RandomState(0))
    assert len(drawn) == 1000
    again = Chunks(X, sample_weight=weight, chunk_rows=20000).sample(
        1000, np.random.RandomState(0))
    assert_array_equal(drawn.X, again.X)
    assert_array_equal(drawn.sample_weight, again.sample_weight)
    # the heavy row is there with its weight, the others stand for all
    assert drawn.sample_weight[drawn.X[:, 0] == 123] == 5000
    assert drawn.total == pytest.approx(weight.sum(), rel=0.05)
    assert_allclose(drawn.X.mean(), X.mean(), rtol=0.05)
    even = Chunks(X, sample_weight=weight * 0 + 3, chunk_rows=999).sample(
        1000, np.random.RandomState(0))
    plain = Chunks(X, chunk_rows=999).sample(1000, np.random.RandomState(0))
    assert_array_equal(even.X, plain.X)
    assert plain.sample_weight is None and even.sample_weight is None


def test_samples_see_columns_that_few_rows_have():
    X = np.random.default_rng(0).normal(size=(50000, 2))
    X[:, 1] = np.nan
    X[[7, 40000], 1] = 1, 2
    drawn = Chunks(X, chunk_rows=7000).sample(500, np.random.RandomState(1))
    assert sorted(drawn.X[~np.isnan(drawn.X[:, 1]), 1]) == [1, 2]
    assert len(drawn) in (501, 502)


def test_random_numbers_of_rows():
    u = uniforms(5, 0, 200000)
    assert_array_equal(u[1000:1010], uniforms(5, 1000, 10))
    assert u.min() > 0 and u.max() < 1
    assert len(np.unique(u)) == len(u)
    counts = np.histogram(u, 50, (0, 1))[0]
    assert ((counts - 4000) ** 2 / 4000).sum() < 95      # chi-squared, 49 degrees of freedom
    assert abs(np.corrcoef(u, uniforms(6, 0, 200000))[0, 1]) < 0.01


def test_rows_know_which_block_they_are():
    chunks = Chunks(np.zeros((25, 2)), chunk_rows=10)
    assert chunks.reduce(_places).value == [(0, 0, 10), (1, 10, 10), (2, 20, 5)]
    assert (Rows.read(np.zeros((2, 1))).block, Rows.read(np.zeros((2, 1))).first_row) == (0, 0)


def _places(rows):
    return Sum([(rows.block, rows.first_row, len(rows))])
