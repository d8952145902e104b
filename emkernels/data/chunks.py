"""Rows in blocks that are read one after the other: statistics add up, so no block sees another."""

import contextlib

from emkernels._inputs import whole
from emkernels.data.changed import Changed
from emkernels.data.memory import Memory
from emkernels.data.source import KEPT, Source
from emkernels.data.survey import Tables
from emkernels.em.tree import Tree
from emkernels.kernels.dispatch import own_simd_level, simd_level


class Chunks(Source):
    """Blocks of rows as one source for :func:`emkernels.em.run_em`.

    Statistics are merged by a tree that the blocks fix, so the same blocks give the same bits;
    other borders may round otherwise. One block is in work, and at most one more is read.

    Parameters
    ----------
    source : callable, array, memory map or sequence of tables
        A callable returns a new iterator of tables in every pass.
    sample_weight : of the same kind, optional
        Weights of the rows of each block, or the name of a column.
    columns : sequence, optional
        Names or positions of those that are read; all where None.
    chunk_rows : int, optional
        Rows of a block, of an array.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all.
    door : optional
        What makes rows of a block, ``emkernels.data.survey.Tables`` where None.
    journal : Journal, optional
        Of a fit, where what its passes return is kept.
    progress : Passes, optional
        Who is told how far a pass is.

    See Also
    --------
    Rows : Rows in memory, looked through once.
    Journal : Where the passes of a fit are kept.
    emkernels.GaussianMixture.fit_chunks : The fit of an estimator to blocks.
    emkernels.em.run_em : The loop that reads such a source.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.data import Chunks
    >>> chunks = Chunks([np.zeros((3, 2)), np.ones((2, 2))])
    >>> chunks.n_rows, chunks.n_features
    (5, 2)
    """

    def __init__(self, source, *, sample_weight=None, columns=None, chunk_rows=None,
                 n_threads=None, door=None, journal=None, progress=None):
        if n_threads is not None and n_threads != -1:
            whole(n_threads, "n_threads")
        self.door = Tables() if door is None else door
        self.reader = self.door.reader(source, sample_weight, columns, chunk_rows)
        self.level, self.journal, self.progress = simd_level(), journal, progress
        survey, levels = None, None
        if journal is not None:
            survey, levels = journal.survey(self.reader)
            if journal.trusted:
                journal.compare_columns(self._look(only_first=True))
        self._describe(self._look(levels) if survey is None else survey, n_threads)
        # blocks that are there anyway take no room themselves
        self.memory = Memory((1.0 if self.reader.resident else KEPT) * self.survey.largest_block)
        if journal is not None:
            journal.begin(self, self.reader)

    def may_keep(self, n_bytes, share=KEPT):
        """Whether so many bytes a row take no more than a share of the largest block.

        The answer is the same wherever the blocks are.

        Parameters
        ----------
        n_bytes : int
            Of one row.
        share : float
            Of the bytes of the largest block.

        Returns
        -------
        bool
            Whether there is room.
        """
        may = super().may_keep(n_bytes, share)
        if may:
            self.memory.widen(n_bytes * self.n_rows)
        return may

    def _look(self, levels=None, *, only_first=False):
        """The survey: a pass of its own, which looks at every cell, or at the first rows only.
        `levels`: of the tree of one that was left, which the journal keeps; None if it does not.
        """
        tree = Tree()
        tree.levels = [] if levels is None else levels
        n_rows, number = sum(each.n_rows for each, _ in tree.levels if each), tree.n_blocks - 1
        with_print = self.reader.volatile or self.journal is not None
        progress = None if only_first else self.progress    # it is no pass
        with contextlib.nullcontext() if progress is None else progress.one(0):
            for values, weight in self._blocks(number + 1):
                number += 1
                found = self.door.survey(values, weight, number, with_print)
                if progress is not None:
                    n_rows += found.n_rows
                    progress.reached(n_rows, n_rows)
                tree.add(found)
                if levels is not None:
                    self.journal.looks(tree)
                values = weight = None      # before the next is read
                if only_first and found.dtype is not None:
                    break
        survey = tree.total()
        if survey is None or survey.dtype is None:
            raise ValueError("there is no block in the source" if survey is None else
                             "there is no block with a row in the source")
        return survey

    def _blocks(self, start=0):
        """What the reader reads; it is closed whatever happens."""
        with contextlib.closing(self.reader.blocks(start)) as blocks:
            try:
                yield from blocks
            except Changed as error:
                raise self._changed(error.block, error) from None

    def _pass(self, function, *arguments):
        tree = self._tree()
        with own_simd_level(self.level):
            for rows, n_blocks in self.door.together(self._rows(tree.first)):
                if rows is None:
                    tree.add(None, n_parts=n_blocks)
                    continue
                tree.add(function(rows, *arguments), n_parts=n_blocks)
                if rows.lasting:
                    self.memory.keep(rows.block, rows.lasting)
                rows = None     # before the next is read
        if tree.first == 0 and self.journal is not None:
            self.journal.trusted = False        # all rows were seen
        return tree.total()

    def verify(self):
        """That the rows are those of the journal, where no pass has seen them all."""
        if self.journal is not None and self.journal.trusted:
            self.journal.verify(self._look())

    def _rows(self, first):
        """The number and the rows of each block from the first; None for those without."""
        number = first - 1
        for values, weight in self._blocks(first):      # enumerate would hold the last block
            number += 1
            if number >= self.n_blocks:
                raise self._changed(number, f"there were {self.n_blocks} blocks")
            try:
                rows = self.door.rows(values, weight, number, self.survey, self.n_threads,
                                      self.memory.take(number))
            except Changed as error:
                raise self._changed(number, error) from None
            if rows is not None:
                rows.first_row = int(self.first_rows[number])
            yield number, rows
            rows = values = weight = None
        if number + 1 < self.n_blocks:
            raise self._changed(number + 1, f"it is not there, and there were {self.n_blocks} "
                                            "blocks")

    def _changed(self, number, what):
        if self.journal is not None and self.journal.trusted:
            self.journal.refuse_rows(number, what)
        return ValueError(f"the source has changed: block {number} in pass {self.n_passes}: "
                          f"{what}. Every pass must read the same rows"
                          + (", and a callable return a new iterator each time"
                             if self.n_passes and not number and self.reader.volatile else ""))
