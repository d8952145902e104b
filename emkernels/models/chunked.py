"""Fits to blocks of rows, of any number."""

import contextlib

from sklearn.base import _fit_context

from emkernels import _inputs
from emkernels.data import Chunks
from emkernels.data.collections import is_collection
from emkernels.data.journal import Journal
from emkernels.data.partitions import Partitions
from emkernels.data.source import Source
from emkernels.data.survey import Tables
from emkernels.em.progress import Passes
from emkernels.kernels.dispatch import own_simd_level, simd_level
from emkernels.models.chunked_output import ChunkedOutput


class ChunkedFit(ChunkedOutput):
    """An estimator that is fitted to blocks of rows as to rows, to be inherited from.

    A subclass gives ``_fit_source(source)``, which fits to a :class:`emkernels.data.source.Source`
    and sets its attributes when nothing can fail any more. It asks the rows for nothing but what a
    source has: passes (``reduce``), what the columns are like, and a sample to begin with. What it
    does between passes depends on what they return, on its parameters and on
    ``source.random_state`` alone: so a fit that is resumed does it again.
    """

    def _door(self):
        """What makes rows of blocks; None: ``emkernels.data.survey.Tables``."""
        return None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_chunks(self, source, *, sample_weight=None, columns=None, chunk_rows=None,
                   checkpoint=None, resume=False):
        """Estimate the parameters from blocks of rows, which need not fit in memory together.

        Every pass reads the blocks one after the other, and adds up what an iteration needs to
        know of them: the fit is the one of all rows in memory but for rounding, from the same
        start. Starts are made of a sample of the rows.

        Parameters
        ----------
        source : callable, array, memory map, table, Parquet files, list of tables, or of Dask
            What is read in every pass. A callable returns a new iterator of tables of shape
            (n_rows, n_features), each of them a block: whatever `fit` takes as X. Of an array, a
            memory map, a data frame or an Arrow table `chunk_rows` rows are a block. Of Parquet
            files (a path, paths, a folder, a ``pyarrow.dataset.Dataset``) a row group is one, or
            `chunk_rows` of its rows. Of a list each table is one. Of models of sequences a block
            is a sequence. :class:`emkernels.data.Chunks` are fitted to as they are, without the
            other arguments. Arrays and data frames of Dask are read on the workers of the current
            client, see :func:`emkernels.distributed.fit`. An iterator is refused, as it can be
            read once: pass the function that made it.
        sample_weight : of the kind of `source`, or str, optional
            Weights, block by block; or the name of the column that has them.
        columns : sequence of str or int, optional
            Those to fit to, by name or, of arrays, by position; all where None.
        chunk_rows : int, optional
            Rows of a block, see `source`; about two million values of an array where None.
        checkpoint : path, optional
            A file that is written in the course of the fit, see Notes.
        resume : bool, default=False
            Go on with the fit in that file. Where there is no file yet, begin.

        Returns
        -------
        self
            With the attributes of `fit`, but for those of every row, and `n_blocks_` and
            `n_rows_`, how many blocks and rows there were.

        Raises
        ------
        ValueError, TypeError
            As `fit`; block, row within it and column are named, from 0. Where there is no block,
            or a pass reads other rows than the first did: the block and the pass are named, 0
            being the survey. A checkpoint that cannot be gone on with, see Notes.
        OSError
            The checkpoint cannot be written, as where the disk is full; the file that was there
            stays, and so does the estimator.
        KeyboardInterrupt
            Ctrl-C, as in `fit`; the passes that were complete are in the checkpoint.
        Exception
            What `source` raises passes through. The estimator stays as it was.

        Notes
        -----
        **What decides the bits.** The blocks: their sums are added in an order that the numbers
        of the blocks fix. The same blocks give the same bits for every `n_threads`, kind of
        source and layout; other borders may round otherwise. Machines of other SIMD levels round
        otherwise, too: a fit has the level that its thread has when it begins, to its end.

        **Memory.** One block is in work while another is read; what passes leave has the size of
        the parameters, and a start sees 20,000 rows. Blocks of ten thousands of rows or more keep
        what a block costs beside its rows small.

        **Rows.** The first pass is a survey: it looks at every cell, and notes how many rows a
        block has and, of sources that may change unseen, what its values are. Later passes see
        that these are the same. A block may be empty.

        **Checkpoints.** The file has what every pass has returned, and the sums of the pass that
        is being made, about every twenty seconds and never less often than every forty; it is
        written beside its name and renamed, and writing takes about a twentieth of the time. A
        resumed fit is run from its beginning, but passes that are in the file are not made
        again, nor is the survey, the first look at every cell, or as much of it as was made:
        whether the rows of a callable are those of the file is seen by the next pass (or by a
        look at them in the end, where there is none). The bits are those of a fit that was never
        stopped, and of one without a checkpoint; `callback` and `verbose` see all iterations
        again. `random_state` None, or a generator, is again as it was when the fit began; so is
        the SIMD level. Only `max_iter`, `tol`, `n_threads`, `verbose`, `verbose_interval` and
        `callback` may differ, so a fit that has ended can go on to a smaller `tol`. The file
        stays after the fit: resumed, it gives the fit.

        A file that is there is not overwritten without `resume`; one of another class or other
        parameters, of other columns or blocks, of another version, or damaged, is refused with
        what differs; so is one that another fit is writing (``checkpoint.lock`` is beside it
        meanwhile). What is read from the file is numbers and texts: it runs nothing.

        **Progress.** With `verbose`, how far a pass is and rows a second are shown on long work,
        and at the end what all passes came to. ``emkernels.em.progress.watching`` tells a
        function instead.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import GaussianMixture
        >>> def blocks():
        ...     for seed in range(10):
        ...         yield np.random.default_rng(seed).normal(size=(1000, 2))
        >>> model = GaussianMixture(random_state=0).fit_chunks(blocks)
        >>> model.n_blocks_, model.n_rows_
        (10, 10000)

        A fit that may be stopped at any time, and is gone on with by the same line:

        >>> import os, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = os.path.join(folder.name, "fit.ckpt")
        >>> for _ in range(2):
        ...     again = GaussianMixture(random_state=0).fit_chunks(
        ...         blocks, checkpoint=path, resume=True)
        >>> (again.means_ == model.means_).all()
        np.True_
        >>> folder.cleanup()
        """
        _inputs.switch(resume, "resume")
        if isinstance(source, Source):      # whoever made it keeps its journal
            if any(given is not None for given in (sample_weight, columns, chunk_rows, checkpoint)):
                raise ValueError("weights, columns, rows of a block and the checkpoint are those "
                                 "that the Chunks were made with: leave the arguments out")
            check_door(source, self._door())
            with self._as_before_if_it_fails(), own_simd_level(source.level or simd_level()):
                self._fit_source(source)
                source.verify()
            return self
        if resume and checkpoint is None:
            raise ValueError("resume=True goes on with a checkpoint: give its path, checkpoint=...")
        if is_collection(source) and chunk_rows is not None:
            raise ValueError("chunk_rows is of arrays in memory: the blocks of a Dask collection "
                             "are its own, see its rechunk or repartition")
        # the last look at the rows, or writing of the checkpoint, may still fail
        with self._as_before_if_it_fails(), contextlib.ExitStack() as stack:
            journal, level = None, simd_level()
            if checkpoint is not None:
                journal = stack.enter_context(Journal(checkpoint, self, resume))
                level = journal.level or level
            progress = Passes.wanted(self.verbose)
            if progress is not None:
                stack.enter_context(progress)
            # levels round differently: that of the fit holds between its passes, too
            stack.enter_context(own_simd_level(level))
            options = {"sample_weight": sample_weight, "columns": columns,
                       "n_threads": self.n_threads, "door": self._door(),
                       "journal": journal, "progress": progress}
            if is_collection(source):
                blocks = stack.enter_context(Partitions(source, **options))
                stack.enter_context(own_simd_level(blocks.level))
            else:
                blocks = Chunks(source, chunk_rows=chunk_rows, **options)
            self._fit_source(blocks)
            blocks.verify()
        return self

    @contextlib.contextmanager
    def _as_before_if_it_fails(self):
        before = dict(vars(self))
        try:
            yield
        except Exception:   # whoever stops a fit keeps the last iteration
            vars(self).clear()
            vars(self).update(before)
            raise


def check_door(source, door):
    """TypeError for blocks that were made to be something else than what the model fits to."""
    door = Tables() if door is None else door
    if type(getattr(source, "door", door)) is not type(door):
        raise TypeError(f"these {type(source).__name__} have blocks of another kind than the model "
                        f"fits to: make them with door={type(door).__name__}, or pass what they "
                        "were made of")


def door_of(model):
    """What makes rows of the blocks that a model fits to; TypeError where it has no such fit."""
    if not isinstance(model, ChunkedFit):
        raise TypeError(f"{type(model).__module__}.{type(model).__name__} has no fit of blocks "
                        "(fit_chunks), as estimators of emkernels have")
    door = model._door()
    return Tables() if door is None else door
