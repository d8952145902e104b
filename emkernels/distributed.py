"""Fits and predictions of Dask arrays and data frames, where their blocks are.

A fit reads the blocks on the workers of a cluster, in every iteration, and brings back their
statistics alone; it has the same bits as ``model.fit_chunks`` of the same blocks in one process, on
any number of workers, whichever of them are lost on the way. Predictions are lazy Dask arrays.

Examples
--------
>>> import dask.array as da
>>> from distributed import Client
>>> from emkernels import GaussianMixture, distributed
>>> X = da.random.default_rng(0).normal(size=(2000, 3), chunks=(500, 3))
>>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"):
...     model = distributed.fit(GaussianMixture(2, random_state=0), X)
>>> model.n_blocks_
4
>>> distributed.predict(model, X)
dask.array<predict, shape=(2000,), dtype=int64, chunksize=(500,), chunktype=numpy.ndarray>
"""

import contextlib
import copy

import numpy as np

from emkernels import _extras
from emkernels.data.collections import is_array, is_collection, is_frame
from emkernels.data.partitions import share_here
from emkernels.models.containers import plain

__all__ = ["fit", "impute", "predict", "predict_proba", "score_samples", "transform"]


def fit(model, X, *, client=None, sample_weight=None):
    """Fit an estimator to the blocks of a Dask collection, on its workers.

    Parameters
    ----------
    model : estimator
        One with ``fit_chunks``. A `callback` and `verbose` are for this process and stay in it.
    X : dask.array.Array or dask.dataframe.DataFrame, (n_samples, n_features)
        A block of rows of the array, or a partition of the frame, is a block of the fit; lengths
        need not be known, and some may be empty. Each is loaded in every pass and let go, unless
        it was persisted.
    client : distributed.Client, optional
        The current one where None.
    sample_weight : dask.array.Array of shape (n_samples,), or str, optional
        In the blocks of X; or the name of a column of the frame, which then holds no values.

    Returns
    -------
    model
        The same object, fitted, with ``n_blocks_`` and ``n_rows_``.

    Raises
    ------
    ValueError
        No client; bad parameters or data, by block, row and column. The model then is as it was.
    TypeError
        X is no such collection; the model has no fit of blocks.
    RuntimeError
        A worker has another version of emkernels, or a processor too different; blocks were in
        the memory of a worker that was lost, and there is no way to read them again.

    See Also
    --------
    emkernels.GaussianMixture.fit_chunks : The same fit in one process.
    predict : Predictions where the blocks are.
    emkernels.ray.fit : The same on Ray.
    emkernels.spark.fit : The same on Spark.

    Notes
    -----
    Starts are made of a sample of the rows, as in ``fit_chunks``. A worker that is lost is made up
    for, and changes no bit of the result. Workers are asked for even shares of the blocks, or for
    those that they hold, and whoever is idle helps the others; each keeps labels and the like of
    its blocks until the fit ends, in at most a twentieth of the memory that it may have.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from emkernels import KMeans, distributed
    >>> X = da.random.default_rng(0).normal(size=(2000, 3), chunks=(500, 3))
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"):
    ...     model = distributed.fit(KMeans(2, random_state=0), X)
    >>> model.n_blocks_, model.n_rows_
    (4, 2000)
    """
    if not hasattr(model, "fit_chunks"):
        raise TypeError(f"{type(model).__module__}.{type(model).__name__} has no fit of blocks "
                        "(fit_chunks), as estimators of emkernels have")
    _check_collection(X)
    _check_client(client)
    with contextlib.nullcontext() if client is None else client.as_current():
        return model.fit_chunks(X, sample_weight=sample_weight)


def predict(model, X):
    """``model.predict`` of every block, a lazy Dask array.

    Parameters
    ----------
    model : fitted estimator
        Its methods are applied to each block.
    X : dask.array.Array or dask.dataframe.DataFrame, (n_samples, n_features)
        Lengths of blocks need not be known, and blocks may be empty.

    Returns
    -------
    dask.array.Array
        In the blocks of X, of the dtype that the model gives. The model is sent once, without its
        `callback`. Any scheduler of Dask computes it.

    Raises
    ------
    TypeError
        X is no such collection; the model has no `predict`.
    NotFittedError
        The model is not fitted.

    See Also
    --------
    fit : The fit where the blocks are.
    predict_proba : Posterior probabilities.
    transform : Scores, or distances.

    Examples
    --------
    >>> import dask.array as da
    >>> from emkernels import KMeans, distributed
    >>> model = KMeans(2, random_state=0).fit([[0.0], [1.0], [8.0], [9.0]])
    >>> X = da.from_array([[0.5], [8.5], [7.0]], chunks=(2, 1))
    >>> labels = distributed.predict(model, X)
    >>> labels
    dask.array<predict, shape=(3,), dtype=int32, chunksize=(2,), chunktype=numpy.ndarray>
    >>> (labels.compute() == model.predict(X.compute())).all()
    np.True_
    """
    return _lazy(model, X, "predict")


def predict_proba(model, X):
    """Posterior probabilities of every block, by ``model.predict_proba``, a lazy Dask array.

    Parameters
    ----------
    model : fitted estimator
        Its methods are applied to each block.
    X : dask.array.Array or dask.dataframe.DataFrame, (n_samples, n_features)
        As of :func:`predict`.

    Returns
    -------
    dask.array.Array of shape (n_samples, n_components)
        In the blocks of X.

    Raises
    ------
    TypeError
        X is no such collection; the model has no `predict_proba`.

    See Also
    --------
    predict : The most probable components.
    score_samples : Log densities.

    Examples
    --------
    >>> import dask.array as da
    >>> from emkernels import GaussianMixture, distributed
    >>> model = GaussianMixture(2, random_state=0).fit([[0.0], [1.0], [8.0], [9.0]])
    >>> X = da.from_array([[0.5], [8.5], [7.0]], chunks=(2, 1))
    >>> distributed.predict_proba(model, X).compute().round().sum(axis=0)
    array([2., 1.])
    """
    return _lazy(model, X, "predict_proba")


def score_samples(model, X):
    """Log density of every row, by ``model.score_samples`` of every block, a lazy Dask array.

    Parameters
    ----------
    model : fitted estimator
        Its methods are applied to each block.
    X : dask.array.Array or dask.dataframe.DataFrame, (n_samples, n_features)
        As of :func:`predict`.

    Returns
    -------
    dask.array.Array of shape (n_samples,)
        In the blocks of X.

    Raises
    ------
    TypeError
        X is no such collection; the model has no `score_samples`.

    See Also
    --------
    predict : The most probable components.
    predict_proba : Their probabilities.

    Examples
    --------
    >>> import dask.array as da
    >>> from emkernels import GaussianMixture, distributed
    >>> model = GaussianMixture(random_state=0).fit([[-1.0], [1.0]])
    >>> X = da.from_array([[0.0], [1.0]], chunks=(1, 1))
    >>> distributed.score_samples(model, X).compute().round(4)
    array([-0.9189, -1.4189])
    """
    return _lazy(model, X, "score_samples")


def transform(model, X):
    """Scores of factors, or distances to centres, by ``model.transform`` of every block.

    Parameters
    ----------
    model : fitted estimator
        Its methods are applied to each block.
    X : dask.array.Array or dask.dataframe.DataFrame, (n_samples, n_features)
        As of :func:`predict`.

    Returns
    -------
    dask.array.Array of shape (n_samples, n_columns)
        Lazy, in the blocks of X.

    Raises
    ------
    TypeError
        X is no such collection; the model has no `transform`.

    See Also
    --------
    impute : The same of imputers.
    predict : The most probable components.

    Examples
    --------
    >>> import dask.array as da
    >>> from emkernels import KMeans, distributed
    >>> model = KMeans(2, random_state=0).fit([[0.0], [8.0]])
    >>> X = da.from_array([[1.0], [2.0]], chunks=(1, 1))
    >>> distributed.transform(model, X).compute().min(axis=1)
    array([1., 2.])
    """
    return _lazy(model, X, "transform")


def impute(model, X):
    """Completed rows of every block, by ``model.impute``, or ``model.transform`` of an imputer.

    Parameters
    ----------
    model : fitted estimator
        Its methods are applied to each block.
    X : dask.array.Array or dask.dataframe.DataFrame, (n_samples, n_features)
        As of :func:`predict`; NaN where missing.

    Returns
    -------
    dask.array.Array of shape (n_samples, n_features_out)
        Lazy, in the blocks of X.

    Raises
    ------
    TypeError
        X is no such collection; the model has neither.

    See Also
    --------
    transform : Of models that are no imputers.
    emkernels.GaussianImputer : The usual one.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from emkernels import GaussianImputer, distributed
    >>> model = GaussianImputer().fit([[0.0, 0.0], [1.0, 2.0], [2.0, 4.5], [3.0, 5.5]])
    >>> X = da.from_array([[1.0, np.nan], [2.0, 4.0]], chunks=(1, 2))
    >>> distributed.impute(model, X).compute().round(2)
    array([[1.  , 2.05],
           [2.  , 4.  ]])
    """
    name = "impute" if hasattr(model, "impute") else "transform"
    return _lazy(model, X, name, called="impute")


def _check_collection(X):
    if not is_collection(X) or not (is_frame(X) or is_array(X)):
        raise TypeError(f"X must be a Dask array or data frame, got {type(X).__name__}; what is "
                        "in memory or in files goes to the model's own methods")


def _check_client(client):
    """TypeError for what is no client, ValueError for one that has been closed."""
    if client is None:
        return
    kind = _extras.optional("distributed", "a fit on a cluster", "distributed").Client
    if not isinstance(client, kind):
        raise TypeError(f"client must be a distributed.Client, got {type(client).__name__}")
    if client.status != "running":
        raise ValueError(f"client is {client.status}: make another one, or leave it out")


def _lazy(model, X, name, called=None):
    """A method of every block."""
    _check_collection(X)
    if not hasattr(model, name):
        raise TypeError(f"{type(model).__name__} has no {called or name}")
    array, delayed = (_extras.optional(f"dask.{module}", "a prediction of Dask collections",
                                       "distributed") for module in ("array", "delayed"))
    model = copy.copy(plain(model))
    for own, value in (("callback", None), ("verbose", 0)):
        if hasattr(model, own):
            setattr(model, own, value)
    empty = _look_of(model, X, name)
    sent = delayed.delayed(model, name=f"model-{delayed.tokenize(model)}", traverse=False)
    if not is_frame(X):
        if X.ndim != 2:
            raise ValueError(f"X must be a 2-d array, got {X.ndim} dimension(s)")
        X = X if X.numblocks[1] == 1 else X.rechunk({1: -1})
        chunks = X.chunks[0], *((n,) for n in empty.shape[1:])
        more = {"drop_axis": 1} if empty.ndim == 1 else {}
        return X.map_blocks(_of_block, model=sent, method=name, empty=empty, token=called or name,
                            chunks=chunks, dtype=empty.dtype, meta=empty, **more)
    of_block = delayed.delayed(_of_block, name=called or name, pure=True)
    parts = [array.from_delayed(of_block(part, sent, name, empty), (np.nan, *empty.shape[1:]),
                                meta=empty) for part in X.to_delayed()]
    return array.concatenate(parts, allow_unknown_chunksizes=True)


def _look_of(model, X, name):
    """What the method makes of rows, as an array without any; the errors of a model that is not
    fitted, or to other columns, are raised here."""
    if is_frame(X):
        meta = _extras.optional("dask.dataframe.dispatch", "a prediction of Dask collections",
                                "distributed").meta_nonempty(X._meta)
        tries = [meta]
    else:       # zeros, which may be no level of a categorical column, but NaN is missing there
        tries = [np.zeros((1, X.shape[1]), X.dtype), np.full((1, X.shape[1]), np.nan)]
    made, failure = None, None
    for few in tries:
        try:
            made = np.asarray(getattr(model, name)(few))
            break
        except ValueError as error:
            failure = failure or error
    if made is None:
        raise failure
    return np.empty((0, *made.shape[1:]), made.dtype)


def _of_block(block, model, method, empty):
    if not len(block):
        return empty
    if hasattr(model, "n_threads"):
        model = copy.copy(model)
        model.n_threads = share_here(model.n_threads)
    return np.asarray(getattr(model, method)(block)).astype(empty.dtype, copy=False)
