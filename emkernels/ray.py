"""Fits to blocks in the memory of a Ray cluster, a task a block.

The fit has the bits of ``model.fit_chunks`` of the same blocks in one process.

>>> from emkernels.ray import fit
>>> model = fit(model, [ray.put(block) for block in blocks])        # doctest: +SKIP
"""

from emkernels import _extras
from emkernels.data.elsewhere import Elsewhere
from emkernels.models.chunked import door_of

__all__ = ["fit"]


def fit(model, blocks, *, sample_weight=None):
    """Fit an estimator to blocks that Ray holds.

    Parameters
    ----------
    model : estimator
        One with ``fit_chunks``.
    blocks : list of ray.ObjectRef, or ray.data.Dataset
        Each of a table of rows.
    sample_weight : list of ray.ObjectRef, or str, optional
        Weights of the rows of each block; or the name of a column of the data set.

    Returns
    -------
    model
        The same object, fitted.

    Raises
    ------
    ModuleNotFoundError
        Ray is not installed (the extra ``ray``).
    ValueError, TypeError
        As ``model.fit_chunks``, by block, row and column.

    See Also
    --------
    emkernels.GaussianMixture.fit_chunks : The same fit in one process.
    emkernels.distributed.fit : The same on Dask.
    emkernels.spark.fit : The same on Spark.

    Examples
    --------
    >>> import numpy as np                                          # doctest: +SKIP
    >>> import ray                                                  # doctest: +SKIP
    >>> from emkernels import GaussianMixture                       # doctest: +SKIP
    >>> from emkernels.ray import fit                               # doctest: +SKIP
    >>> blocks = [ray.put(np.random.default_rng(i).normal(size=(500, 2)))
    ...           for i in range(4)]                                # doctest: +SKIP
    >>> fit(GaussianMixture(random_state=0), blocks).n_blocks_      # doctest: +SKIP
    4
    """
    return model.fit_chunks(Objects(blocks, sample_weight, door_of(model), model.n_threads))


class Objects(Elsewhere):
    """Blocks in the memory of a Ray cluster."""

    def __init__(self, blocks, sample_weight, door, n_threads):
        self.ray, split = _extras.optional("ray", "a fit on Ray", "ray"), None
        if hasattr(blocks, "to_arrow_refs"):
            names, blocks = blocks.columns(), blocks.to_arrow_refs()
            if sample_weight is not None:
                split, sample_weight = ([n for n in names if n != sample_weight],
                                        sample_weight), None
        self.blocks, self.weights = list(blocks), sample_weight or [None] * len(blocks)
        self.part = self.ray.remote(_part)
        super().__init__(len(self.blocks), door, n_threads, split)

    def _parts(self, work, places):
        sent = self.ray.put(work)       # once a pass
        parts = [self.part.remote(sent, *each)
                 for each in zip(self.blocks, self.weights, places, strict=True)]
        try:
            yield from map(self.ray.get, parts)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None


def _part(work, values, weight, place):
    return work.of([(values, weight, place)], name="a Ray worker")
