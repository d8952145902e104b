"""Blocks of which other processes make the parts, one by one."""

from abc import abstractmethod

from emkernels.data.source import Source
from emkernels.data.work import Machine, Work, places_of
from emkernels.em.tree import Tree


class Elsewhere(Source):
    """A source whose blocks are worked on one by one where somebody else puts the work.

    A subclass gives :meth:`_parts`. The SIMD level is that of this process, which whoever works
    must have.

    Parameters
    ----------
    n_blocks : int
    door
        What makes rows of a block.
    n_threads : int or None
    split : tuple, optional
        Names of the columns of values, and of that of weights.
    """

    def __init__(self, n_blocks, door, n_threads=None, split=None):
        if door.joins:
            raise TypeError("models of sequences are fitted here, or to a collection of Dask")
        if not n_blocks:
            raise ValueError("there is no block in the source")
        here = Machine.here()
        self.door, self.level = door, here.level
        self.work = Work(here, self.level, door, n_threads, split)
        survey = self._sum(self.work, places_of(None, n_blocks))
        if survey.dtype is None:
            raise ValueError("there is no block with a row in the source")
        self._describe(survey, n_threads)

    def _pass(self, function, *arguments):
        return self._sum(self.work.of_pass(self.survey, self.n_passes, function, arguments),
                         places_of(self.survey))

    def _sum(self, work, places):
        tree = Tree()
        for part in self._parts(work, places):
            tree.add(part)
        return tree.total()

    @abstractmethod
    def _parts(self, work, places):
        """``work.of([(values, weight, place)], name=...)`` of each block, in their order."""
