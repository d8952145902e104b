"""What a pass does with a block, such as can be sent to where the blocks are."""

import copy
import os
import sys
from dataclasses import dataclass, field, replace

import emkernels
from emkernels.data.changed import Changed
from emkernels.data.memory import Memory
from emkernels.em.tree import Tree
from emkernels.kernels.dispatch import available_levels, own_simd_level, simd_level
from emkernels.kernels.threads import effective_n_threads


@dataclass(frozen=True)
class Place:
    """Which block it is, and what the survey knows of it: None before."""

    number: int
    first_row: int = 0
    block: object = None


@dataclass(frozen=True)
class Machine:
    """What must be alike, or be known, of the processes that share a fit.

    Attributes
    ----------
    version : str
        Of emkernels.
    byteorder : str
    level : str
        The SIMD level in use.
    levels : tuple of str
        Those that can be used, best first.
    """

    version: str
    byteorder: str
    level: str
    levels: tuple

    @classmethod
    def here(cls):
        return cls(emkernels.__version__, sys.byteorder, simd_level(), tuple(available_levels()))

    def level_with(self, others, level=None):
        """The best SIMD level that all use or could go down to; RuntimeError where they cannot
        work together.

        Parameters
        ----------
        others : dict of Machine
            By the name of the machine.
        level : str, optional
            The one that it must be.
        """
        if level is not None:
            for name, other in others.items():
                self.check(name, other, level)
            return level
        usable = []
        for name, other in {"this process": self, **others}.items():
            self.check(name, other)
            usable.append(other.levels[other.levels.index(other.level):])
        return next(level for level in usable[0] if all(level in levels for levels in usable))

    def check(self, name, other, level="baseline"):
        """RuntimeError where another cannot take part at a SIMD level, with its name."""
        if other.version != self.version:
            raise RuntimeError(f"{name} has emkernels {other.version}, and the fit is of "
                               f"{self.version}: install the same version everywhere")
        if other.byteorder != self.byteorder:
            raise RuntimeError(f"{name} is {other.byteorder}-endian, and the fit is "
                               f"{self.byteorder}-endian: use machines of one kind")
        if level not in other.levels:
            raise RuntimeError(
                f"{name} cannot run the SIMD level {level!r} of the fit, only "
                f"{', '.join(other.levels)}: begin the fit while it is there, or set "
                f"EMKERNELS_SIMD={other.levels[0]} for all")


@dataclass(frozen=True)
class Work:
    """A pass over blocks, for any process that has some of them.

    Attributes
    ----------
    machine : Machine
        The one that the fit is of.
    level : str
        The SIMD level of the fit.
    door
        What makes rows of a block.
    n_threads : int or None
    split : tuple or None
        Names of columns of values, and of the column of weights, where they come in one frame.
    survey : Survey or None
        Without its blocks; None: this is the survey.
    n_pass : int
    function, arguments
        ``function(rows, *arguments)`` of each block.
    """

    machine: Machine
    level: str
    door: object
    n_threads: int | None = None
    split: tuple | None = None
    survey: object = None
    n_pass: int = 0
    function: object = None
    arguments: tuple = field(default=())

    def of_pass(self, survey, n_pass, function, arguments):
        """The same with something to do."""
        head = copy.copy(survey)
        head.blocks = ()
        return replace(self, survey=head, n_pass=n_pass, function=function, arguments=arguments)

    def of(self, blocks, *, name, n_side_by_side=1, memory=None):
        """The sum over consecutive blocks, of a group of the tree or of its beginning.

        Parameters
        ----------
        blocks : iterable of (values, weight, Place)
            Each is let go before the next is asked for.
        name : str
            What messages call this process.
        n_side_by_side : int
            Tasks that share its CPUs.
        memory : Memory, optional
            Of the same source in this process.
        """
        self.machine.check(name, Machine.here(), self.level)
        tree, memory = Tree(), Memory(0) if memory is None else memory
        with own_simd_level(self.level):
            if self.survey is None:
                for values, weight, place in self._split(blocks):
                    tree.add(self.door.survey(values, weight, place.number, True))
                    values = weight = None
                return tree.total()
            n_threads = share_of(self.n_threads, n_side_by_side)
            for rows, n_blocks in self.door.together(self._rows(blocks, n_threads, memory)):
                if rows is None:
                    tree.add(None, n_parts=n_blocks)
                    continue
                tree.add(self.function(rows, *self.arguments), n_parts=n_blocks)
                if rows.lasting:
                    memory.keep(rows.block, rows.lasting)
                rows = None
        return tree.total()

    def _split(self, blocks):
        """Values and weights apart, where they come in one frame."""
        for values, weight, place in blocks:
            if self.split is not None:
                columns, weights = self.split
                of_arrow = hasattr(type(values), "column_names")
                values, weight = (values.select(columns) if of_arrow else values[columns],
                                  values[weights])
            yield values, weight, place
            values = weight = None

    def _rows(self, blocks, n_threads, memory):
        """The number and the rows of each block; None for those without."""
        survey = copy.copy(self.survey)
        for values, weight, place in self._split(blocks):
            survey.blocks = {place.number: place.block}
            try:
                rows = self.door.rows(values, weight, place.number, survey, n_threads,
                                      memory.take(place.number))
            except Changed as error:
                raise ValueError(
                    f"the source has changed: block {place.number} in pass {self.n_pass}: {error}. "
                    "Every pass must read the same rows") from None
            if rows is not None:
                rows.first_row = place.first_row
            yield place.number, rows
            rows = values = weight = None


def places_of(survey, n_blocks=None):
    """The :class:`Place` of every block; before the survey, of so many."""
    if survey is None:
        return [Place(number) for number in range(n_blocks)]
    return [Place(number, int(first), block) for number, (first, block) in enumerate(
        zip(survey.first_rows, survey.blocks))]


def share_of(n_threads, n_side_by_side):
    """Threads of the kernels where so many tasks run side by side in this process.

    None are those that this process may use, -1 all CPUs: both are shared out.
    """
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = max(1, (effective_n_threads() if n_threads is None else n_cpus) // n_side_by_side)
    return share if n_threads in (None, -1) else min(n_threads, share)
