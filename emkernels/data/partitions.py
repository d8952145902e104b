"""Rows in the blocks of a Dask collection, read where they are."""

import contextlib
import copy
import time
import uuid

import numpy as np

from emkernels import _extras
from emkernels._inputs import whole
from emkernels._words import some
from emkernels.data.source import Source
from emkernels.data.survey import Tables
from emkernels.data.work import Machine, Work, places_of, share_of
from emkernels.em.tree import Tree

# Tasks are of sixteen blocks where there are so many of them for each thread of the cluster.
GROUPS_A_THREAD = 10
# What several blocks need is sent with each of them where it has no more bytes than this.
SMALL = 65536


def is_collection(source):
    """Whether it is a collection of Dask, in which case Dask is there."""
    return callable(getattr(type(source), "__dask_graph__", None))


def is_frame(collection):
    """Whether a collection of Dask is a data frame. (Of a Delayed, an object has any attribute.)"""
    return hasattr(type(collection), "npartitions") and hasattr(type(collection), "columns")


def is_array(collection):
    """Whether a collection of Dask is an array."""
    return hasattr(type(collection), "numblocks")


class Partitions(Source):
    """Blocks of a Dask array, or partitions of a Dask data frame, as one source.

    A pass is one graph, with the loading of blocks in it: statistics are made where a block is
    read, merged on the workers by the tree that :class:`Chunks` has, and one of them comes back. So
    the bits are those of the same blocks in one process, whoever works on which, and whoever is
    lost meanwhile.

    Parameters
    ----------
    collection : dask.array.Array or dask.dataframe.DataFrame
    sample_weight : dask.array.Array, or name of a column, optional
    columns : sequence of str or int, optional
    n_threads : int, optional
        Of the kernels in a task, at most a worker's share of its CPUs.
    door : optional
        What makes rows of a block, :class:`emkernels.data.survey.Tables` where None.
    journal : Journal, optional
        Of a fit, where what its passes return is kept.
    progress : Passes, optional
        Who is told of passes.

    Notes
    -----
    The client is the current one.
    """

    def __init__(self, collection, *, sample_weight=None, columns=None, n_threads=None, door=None,
                 journal=None, progress=None):
        if n_threads is not None and n_threads != -1:
            whole(n_threads, "n_threads")
        self.client = current_client()
        self.run, self.journal, self.progress = uuid.uuid4().hex[:12], journal, progress
        self.loading = Loading(*_parts_of(collection, sample_weight, columns))
        if not self.loading.n_blocks:
            raise ValueError("there is no block in the source")
        here = Machine.here()
        self.level = here.level_with(
            _machines(self.client), None if journal is None else journal.level)
        self.work = Work(here, self.level, Tables() if door is None else door,
                         n_threads, self.loading.split)
        with contextlib.nullcontext() if progress is None else progress.one(0):
            survey = self._computed(self.work, places_of(None, self.loading.n_blocks))
            self._tell(survey)
        if survey is None or survey.dtype is None:
            raise ValueError("there is no block with a row in the source")
        self._describe(survey, n_threads)
        self.blocks = places_of(survey)
        if journal is not None:
            journal.begin(self)

    def _pass(self, function, *arguments):
        out = self._computed(
            self.work.of_pass(self.survey, self.n_passes, function, arguments), self.blocks)
        self._tell(self.survey)
        return out

    def _tell(self, survey):
        if self.progress is not None and survey is not None:
            self.progress.reached(survey.n_rows, survey.n_rows)

    def _computed(self, work, places):
        """What the work makes of all blocks, by one graph; nothing of it stays behind."""
        dask = _dask("dask")
        distributed = _dask("distributed")
        graph, key = self._graph(work, places)
        with dask.annotate(retries=0):      # an error of the data is one in every try
            future = self.client.get(graph, key, sync=False)
        try:
            return future.result()
        except (distributed.CancelledError, distributed.KilledWorker) as error:
            self._say_lost(error)
            raise
        finally:
            future.release()
            self._wait_until_forgotten(key)

    def _wait_until_forgotten(self, key):
        """Until the scheduler has let the pass go: what follows finds nothing of it."""
        with contextlib.suppress(OSError):      # the scheduler is gone itself
            for _ in range(1000):
                if self.client.sync(
                        self.client.scheduler.get_task_status, keys=[key])[key] is None:
                    break
                time.sleep(0.002)

    def _graph(self, work, places):
        """The graph of a pass, and the key of its result."""
        spec = _dask("dask._task_spec")
        name = f"{self.run}-{self.n_passes}"
        dumps = _dask("distributed.protocol.pickle").dumps
        parameters = f"parameters-{name}"
        graph = {parameters: spec.Task(parameters, _loads, dumps(work))}
        size, keys = self._group_size(), []
        for first in range(0, len(places), size):
            key = f"statistics-{name}", first // size
            graph[key] = self.loading.task(
                key, spec.TaskRef(parameters), places[first:first + size])
            keys.append(key)
        graph.update(self.loading.shared)
        level = 0
        while len(keys) > 1:
            level += 1
            groups = [keys[i:i + Tree.ARITY] for i in range(0, len(keys), Tree.ARITY)]
            keys = [(f"merged-{name}", level, i) for i in range(len(groups))]
            for key, group in zip(keys, groups):
                graph[key] = spec.Task(key, _merged, *map(spec.TaskRef, group))
        return graph, keys[0]

    def _group_size(self):
        """Blocks of a task: one, or a group of the tree where there are plenty."""
        n_threads = max(1, sum(self.client.nthreads().values()))
        many = self.loading.n_blocks >= Tree.ARITY * GROUPS_A_THREAD * n_threads
        return Tree.ARITY if many and not self.loading.elsewhere else 1

    def _say_lost(self, error):
        """RuntimeError for blocks that nobody has any more, or that nobody can read."""
        there = self.client.who_has()
        lost = [number for number, keys in enumerate(self.loading.needed)
                if any(not there.get(key) for key in keys)]
        if lost:
            raise RuntimeError(
                f"block{'s' * (len(lost) > 1)} {some([*map(str, lost)], 20)} "
                f"{'were' if len(lost) > 1 else 'was'} in the memory of a lost worker; give a "
                "collection that can be computed again") from error


class Loading:
    """How the blocks of a collection are read.

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

    def __init__(self, values, weights, split):
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
        sizeof = _dask("dask.sizeof").sizeof
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

    def task(self, key, parameters, places):
        """The task of consecutive blocks, which reads them one after the other."""
        spec = _dask("dask._task_spec")
        numbers = [place.number for place in places]
        inputs = list(dict.fromkeys(key for n in numbers for key in self.inputs[n]))
        blocks = [(self.own[n], self.values[n], self.weights[n]) for n in numbers]
        return spec.Task(key, _statistics, Sent(key, blocks, places), parameters,
                         tuple(inputs), *map(spec.TaskRef, inputs))


class Sent:
    """What a task says as it is, without Dask looking for tasks in it."""

    def __init__(self, key, blocks, places):
        self.key, self.blocks, self.places = key, blocks, places

    def __dask_tokenize__(self):
        return self.key

    def read(self, inputs):
        """One block after the other; none is held here while the next is read."""
        spec = _dask("dask._task_spec")
        given = {key: spec.DataNode(key, value) for key, value in inputs.items()}
        for (graph, values, weight), place in zip(self.blocks, self.places):
            keys = [values] if weight is None else [values, weight]
            got = spec.execute_graph({**given, **graph}, keys=keys)
            yield got.pop(values), None if weight is None else got.pop(weight), place


# --- on the workers ---------------------------------------------------------------------------

def _statistics(sent, work, names, *inputs):
    worker = _dask("distributed").get_worker()
    return _known(work.of(
        sent.read(dict(zip(names, inputs))), name=f"worker {worker.address}",
        n_side_by_side=worker.state.nthreads))


def _merged(*parts):
    """The sum from the left; the parts stay as they are, for who may need them again."""
    parts = [part for part in parts if part is not None]
    tree = Tree()
    for part in [*copy.deepcopy(parts[:1]), *parts[1:]]:
        tree.add(part)
    return _known(tree.total())


def share_here(n_threads):
    """Threads of the kernels in a task of Dask: a worker's share; elsewhere, where tasks run side
    by side in threads, one unless a number was asked for."""
    try:
        worker = _dask("distributed").get_worker()
    except ValueError:
        return 1 if n_threads is None else n_threads
    return share_of(n_threads, worker.state.nthreads)


def _loads(data):
    return _dask("distributed.protocol.pickle").loads(data)


def _known(part):
    """The part, Dask being told how large its like are."""
    register_size(type(part))
    return part


def register_size(kind):
    """Tell Dask that objects of a class are as large as what they hold."""
    sizeof = _dask("dask.sizeof").sizeof
    if kind.__module__.split(".")[0] == "emkernels":
        sizeof.register(kind, _size)


def _size(part):
    sizeof = _dask("dask.sizeof").sizeof
    slots = [name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ())]
    values = [getattr(part, name, None) for name in slots] + list(
        getattr(part, "__dict__", {}).values())
    return 64 + sum(map(sizeof, values))


# --- at the caller ----------------------------------------------------------------------------

def _dask(module):
    return _extras.optional(module, "a fit on a cluster", "distributed")


def current_client():
    """The client in use; ValueError where there is none."""
    try:
        return _dask("distributed").Client.current()
    except ValueError:
        raise ValueError(
            "there is no Dask client, and blocks of a Dask collection are read on its workers: "
            "make one, client = distributed.Client() for this machine or "
            "distributed.Client('tcp://scheduler:8786') for a cluster") from None


def _machines(client):
    """What the workers are like, by name; RuntimeError where one cannot say."""
    found = {}
    for address, machine in client.run(Machine.here, on_error="return").items():
        if isinstance(machine, BaseException):
            raise RuntimeError(f"worker {address} cannot import emkernels: install the same "
                               "version everywhere") from machine
        found[f"worker {address}"] = machine
    return found


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
        collection = collection[:, list(columns)]
    if collection.numblocks[1] > 1:
        collection = collection.rechunk({1: -1})
    return collection, _weights_of(sample_weight, collection.chunks[0]), None


def _parts_of_frame(frame, sample_weight, columns):
    names = list(frame.columns)
    wanted = names if columns is None else [
        names[each] if each not in names and isinstance(each, (int, np.integer)) else each
        for each in columns]
    for name in wanted:
        if name not in names:
            raise ValueError(f"columns: there is no column {name!r}; there are "
                             f"{some([*map(repr, names)])}")
    if sample_weight is None or is_collection(sample_weight):
        chunks = (np.nan,) * frame.npartitions
        return (frame if columns is None else frame[wanted],
                _weights_of(sample_weight, chunks), None)
    if not isinstance(sample_weight, str) or sample_weight not in names:
        raise ValueError("sample_weight must be a Dask array or the name of a column; there is no "
                         f"column {sample_weight!r}, there are {some([*map(repr, names)])}")
    if columns is None:
        wanted = [name for name in names if name != sample_weight]
    both = list(dict.fromkeys([*wanted, sample_weight]))
    return frame[both], None, (wanted, sample_weight)


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
    base, spec = _dask("dask.base"), _dask("dask._task_spec")
    expression = base.collections_to_expr([collection]).optimize()
    keys = list(_dask("dask.core").flatten(expression.__dask_keys__()))
    graph = dict(expression.__dask_graph__())
    future = _dask("distributed").Future
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

