"""How the blocks of collections of Dask are read."""

import numpy as np

from emkernels import _extras
from emkernels._words import some
from emkernels.data.readers.picking import check_chosen

# What several blocks need is sent with each of them where it has no more bytes than this.
SMALL = 65536


def dask_module(module):
    """A module of Dask; MissingExtraError where it is not installed."""
    return _extras.optional(module, "a fit on a cluster", "distributed")


def is_collection(source):
    """Whether it is a collection of Dask, in which case Dask is there."""
    return callable(getattr(type(source), "__dask_graph__", None))


def is_frame(collection):
    """Whether a collection of Dask is a data frame. (Of a Delayed, an object has any attribute.)"""
    return hasattr(type(collection), "npartitions") and hasattr(type(collection), "columns")


def is_array(collection):
    """Whether a collection of Dask is an array."""
    return hasattr(type(collection), "numblocks")


class Loading:
    """How the blocks of a collection of Dask are read.

    Parameters
    ----------
    collection : dask.array.Array or dask.dataframe.DataFrame
    sample_weight : dask.array.Array, or name of a column, optional
    columns : sequence of str or int, optional

    Attributes
    ----------
    n_blocks : int
    split : tuple or None
    needed : list of set
        For each block the keys of what is kept on the cluster.
    elsewhere : bool
        Whether there are any.
    shared : dict
        Tasks of what several blocks need.
    """

    def __init__(self, collection, sample_weight=None, columns=None):
        values, weights, split = _parts_of(collection, sample_weight, columns)
        graph, self.values = _graph_of(values)
        self.split, self.n_blocks = split, len(self.values)
        self.weights = [None] * self.n_blocks
        if weights is not None:
            more, self.weights = _graph_of(weights)
            graph.update(more)
        owner = {}
        for number, keys in enumerate(zip(self.values, self.weights)):
            for key in _ancestors(graph, keys):
                owner[key] = number if key not in owner else -1
        sizeof = dask_module("dask.sizeof").sizeof
        small = {key for key, n in owner.items() if n < 0 and key in graph
                 and not graph[key].dependencies and sizeof(graph[key]) <= SMALL}
        self.shared = {key: graph[key] for key, n in owner.items()
                       if n < 0 and key in graph and key not in small}
        self.own, self.needed, self.inputs = [], [], []
        for keys in zip(self.values, self.weights):
            found = _ancestors(graph, keys, self.shared)
            self.own.append({key: graph[key] for key in found
                             if key in graph and key not in self.shared})
            self.inputs.append([key for key in found if key not in self.own[-1]])
            self.needed.append({key for key in _ancestors(graph, keys) if key not in graph})
        self.elsewhere = any(self.needed)

    def task(self, key, function, parameters, places):
        """The task of consecutive blocks: ``function(sent, parameters, names, *inputs)``, to
        which ``sent.read(inputs by name)`` gives one block after the other."""
        spec = dask_module("dask._task_spec")
        numbers = [place.number for place in places]
        inputs = list(dict.fromkeys(key for n in numbers for key in self.inputs[n]))
        blocks = [(self.own[n], self.values[n], self.weights[n]) for n in numbers]
        return spec.Task(key, function, Sent(key, blocks, places), parameters,
                         tuple(inputs), *map(spec.TaskRef, inputs))


class Sent:
    """What a task says as it is, without Dask looking for tasks in it."""

    def __init__(self, key, blocks, places):
        self.key, self.blocks, self.places = key, blocks, places

    def __dask_tokenize__(self):
        return self.key

    def read(self, inputs):
        """One block after the other; none is held here while the next is read."""
        spec = dask_module("dask._task_spec")
        given = {key: spec.DataNode(key, value) for key, value in inputs.items()}
        for (graph, values, weight), place in zip(self.blocks, self.places):
            keys = [values] if weight is None else [values, weight]
            got = spec.execute_graph({**given, **graph}, keys=keys)
            yield got.pop(values), None if weight is None else got.pop(weight), place


def _parts_of(collection, sample_weight, columns):
    """The collections of values and weights, and how to split a frame that has both."""
    if is_frame(collection):
        return _parts_of_frame(collection, sample_weight, columns)
    if not is_array(collection):
        raise TypeError("source must be a Dask array or data frame, got "
                        f"{type(collection).__name__}")
    if collection.ndim != 2:
        raise ValueError(f"source must be a 2-d array, got {collection.ndim} dimension(s)")
    if columns is not None:
        collection = collection[:, check_chosen(list(columns), None, None, collection.shape[1])]
    if collection.numblocks[1] > 1:
        collection = collection.rechunk({1: -1})
    return collection, _weights_of(sample_weight, collection.chunks[0]), None


def _parts_of_frame(frame, sample_weight, columns):
    names = list(frame.columns)
    wanted = check_chosen(None if columns is None else list(columns), names)
    if sample_weight is None or is_collection(sample_weight):
        chunks = (np.nan,) * frame.npartitions
        return (frame if columns is None else frame[wanted],
                _weights_of(sample_weight, chunks), None)
    if not isinstance(sample_weight, str):
        raise TypeError("sample_weight must be a Dask array or series, in the blocks of the rows, "
                        f"or the name of a column; got {type(sample_weight).__name__}")
    if sample_weight not in names:
        raise ValueError("sample_weight must be a Dask array or the name of a column; there is no "
                         f"column {sample_weight!r}, there are {some([*map(repr, names)])}")
    wanted = check_chosen(None if columns is None else wanted, names, sample_weight)
    return frame[[*wanted, sample_weight]], None, (wanted, sample_weight)


def _weights_of(weight, chunks):
    """The weights, in the blocks of the rows."""
    if weight is None:
        return None
    if not is_collection(weight) or getattr(weight, "ndim", 0) != 1:
        raise TypeError("sample_weight must be a Dask array of one dimension, in the blocks of "
                        f"the rows, got {type(weight).__name__}")
    own = weight.chunks[0] if is_array(weight) else (np.nan,) * weight.npartitions
    if len(own) != len(chunks) or any(a != b for a, b in zip(own, chunks)
                                      if a == a and b == b):
        raise ValueError(f"sample_weight must have the blocks of the rows: {_blocks(own)}, and "
                         f"the rows have {_blocks(chunks)}; rechunk it")
    return weight


def _blocks(chunks):
    rows = some(["unknown" if n != n else str(n) for n in chunks])
    return f"{len(chunks)} blocks of {rows} rows"


def _graph_of(collection):
    """The tasks of a collection, optimised, and the keys of its blocks."""
    base, spec = dask_module("dask.base"), dask_module("dask._task_spec")
    expression = base.collections_to_expr([collection]).optimize()
    keys = list(dask_module("dask.core").flatten(expression.__dask_keys__()))
    graph = dict(expression.__dask_graph__())
    future = dask_module("distributed").Future
    kept = {key: value for key, value in graph.items() if isinstance(value, future)}
    out = spec.convert_legacy_graph(
        {key: value for key, value in graph.items() if key not in kept})
    out.update((key, spec.Alias(key, value.key)) for key, value in kept.items()
               if key != value.key)
    return out, keys


def _ancestors(graph, keys, stop=()):
    """What these keys need, themselves included; nothing behind those in `stop`."""
    found, todo = [], [key for key in keys if key is not None]
    seen = set()
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        found.append(key)
        if key in graph and key not in stop:
            todo.extend(graph[key].dependencies)
    return found

