"""Fits to blocks of rows, of any number."""

from sklearn.base import _fit_context

from emkernels.data import Chunks
from emkernels.data.partitions import Partitions, is_collection
from emkernels.kernels.dispatch import own_simd_level
from emkernels.models.chunked_output import ChunkedOutput


class ChunkedFit(ChunkedOutput):
    """An estimator that is fitted to blocks of rows as to rows, to be inherited from.

    A subclass gives ``_fit_source(source)``, which fits to a :class:`emkernels.data.source.Source`
    and sets its attributes when nothing can fail any more. It asks the rows for nothing but what a
    source has: passes (``reduce``), what the columns are like, and a sample to begin with.
    """

    def _door(self):
        """What makes rows of blocks; None: :class:`emkernels.data.survey.Tables`."""
        return None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_chunks(self, source, *, sample_weight=None, columns=None, chunk_rows=None,
                   checkpoint=None, resume=False):
        """Estimate the parameters from blocks of rows, which need not fit in memory together.

        Parameters
        ----------
        source : callable, array, memory map, sequence of tables or collection of Dask
            A callable returns a new iterator of tables in every pass. Arrays and data frames of
            Dask are read on the workers of the current client, see
            :func:`emkernels.distributed.fit`.
        sample_weight : of the same kind, optional
        columns : sequence of str or int, optional
        chunk_rows : int, optional
        checkpoint : path, optional
        resume : bool

        Returns
        -------
        self
        """
        options = {"sample_weight": sample_weight, "columns": columns,
                   "n_threads": self.n_threads, "door": self._door()}
        if is_collection(source):
            if chunk_rows is not None:
                raise ValueError("chunk_rows is of arrays in memory: the blocks of a Dask "
                                 "collection are its own, see its rechunk or repartition")
            blocks = Partitions(source, **options)
        else:
            blocks = Chunks(source, chunk_rows=chunk_rows, **options)
        with own_simd_level(blocks.level):      # what is not in passes, as a start of a sample
            self._fit_source(blocks)
        return self
