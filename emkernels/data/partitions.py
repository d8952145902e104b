"""Rows in the blocks of a Dask collection, read where they are."""

import contextlib
import copy
import itertools
import threading
import time
import uuid
import weakref

from emkernels._inputs import whole
from emkernels._words import some
from emkernels.data.collections import Loading, dask_module
from emkernels.data.memory import Memory
from emkernels.data.source import Source
from emkernels.data.survey import Tables
from emkernels.data.work import Machine, Work, places_of, share_of
from emkernels.em.tree import Tree

# Tasks are of sixteen blocks where there are so many of them for each thread of the cluster.
GROUPS_A_THREAD = 10
# Seconds that a graph is to take where its results are kept by a checkpoint.
PORTION = 20.0
# Seconds between two looks whether blocks that are waited for can come at all.
LOOK_FOR_LOST = 10.0
# Fits of which a worker keeps something of its blocks, the last in use, and which share of the
# memory that it may have one of them takes at most.
FITS_KEPT, MEMORY_SHARE = 4, 0.05


class Partitions(Source):
    """Blocks of a Dask array, or partitions of a Dask data frame, as one source.

    A pass is one graph, with the loading of blocks in it: statistics are made where a block is
    read, merged on the workers by the tree that :class:`Chunks` has, and one of them comes back. So
    the bits are those of the same blocks in one process, whoever works on which, and whoever is
    lost meanwhile. Workers keep the small things that :class:`Chunks` keeps of blocks, until the
    source is left as a context; a block that comes to another worker has them made again. With a
    journal a long pass is several graphs, so that what they give can be kept.

    Parameters
    ----------
    collection : dask.array.Array or dask.dataframe.DataFrame
    sample_weight : dask.array.Array, or name of a column, optional
    columns : sequence of str or int, optional
    n_threads : int, optional
        Of the kernels in a task, at most a worker's share of its CPUs.
    door : optional
        What makes rows of a block, ``emkernels.data.survey.Tables`` where None.
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
        self.loading = Loading(collection, sample_weight, columns)
        if not self.loading.n_blocks:
            raise ValueError("there is no block in the source")
        here = Machine.here()
        self.level = here.level_with(
            _machines(self.client), None if journal is None else journal.level)
        self.work = Work(here, self.level, Tables() if door is None else door,
                         n_threads, self.loading.split)
        self.room, self.rate = 0, None
        with contextlib.nullcontext() if progress is None else progress.one(0):
            (survey,) = self._computed(self.work, places_of(None, self.loading.n_blocks))
            self._tell(survey)
        if survey is None or survey.dtype is None:
            raise ValueError("there is no block with a row in the source")
        self._describe(survey, n_threads)
        self.blocks, self.room = places_of(survey), survey.largest_block
        if journal is not None:
            journal.begin(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing of the blocks stays on the workers."""
        async def forget():
            await self.client.run(_forget, self.run, on_error="ignore")

        if self.n_passes:       # of a worker that is gone, nothing is left
            with contextlib.suppress(Exception):
                self.client.sync(forget, callback_timeout=LOOK_FOR_LOST)

    def _pass(self, function, *arguments):
        work = self.work.of_pass(self.survey, self.n_passes, function, arguments)
        if self.journal is None:
            (out,) = self._computed(work, self.blocks)
            self._tell(self.survey)
            return out
        tree = self._tree()
        if tree.levels and self._group_size() > 1:      # tasks are of whole groups
            tree.levels[0] = [None, 0]
            tree.first = tree.n_blocks
        while (first := tree.n_blocks) < self.n_blocks:
            began, (last, level) = time.monotonic(), self._portion(first)
            parts = self._computed(work, self.blocks[first:last], level)
            self.rate = (last - first) / (time.monotonic() - began)
            if level is None:
                (out,) = parts
                self._tell(self.survey)
                return out
            for part in parts:
                tree.add(part, level)
        return tree.total()

    def _portion(self, first):
        """Where the graph ends that begins with a block, and of which level its results are; of
        all blocks together None."""
        n_threads = max(1, sum(self.client.nthreads().values()))
        least = n_threads * (Tree.ARITY if self.n_blocks >= Tree.ARITY * n_threads else 1)
        wanted = least if self.rate is None else max(least, int(self.rate * PORTION))
        if not first and self.rate is not None and wanted >= self.n_blocks:
            return self.n_blocks, None
        level = int(self._group_size() > 1)
        # sixteen results and more, so that graphs may end at many places
        while Tree.ARITY**(level + 2) <= wanted and first % Tree.ARITY**(level + 1) == 0:
            level += 1
        unit = Tree.ARITY**level
        return min(first + -(-wanted // unit) * unit, self.n_blocks), level

    def _tell(self, survey):
        if self.progress is not None and survey is not None:
            self.progress.reached(survey.n_rows, survey.n_rows)

    def _computed(self, work, places, level=None):
        """What the work makes of blocks, by one graph: the sum of all, or those of the groups of a
        level of the tree; nothing of it stays behind."""
        dask = dask_module("dask")
        distributed = dask_module("distributed")
        graph, keys = self._graph(work, places, level)
        with dask.annotate(retries=0):      # an error of the data is one in every try
            futures = self.client.get(graph, keys, sync=False)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    distributed.wait(futures, timeout=LOOK_FOR_LOST)
                    break
                self._say_lost(None)
            return self.client.gather(futures)
        except (distributed.CancelledError, distributed.KilledWorker) as error:
            self._say_lost(error)
            raise
        finally:
            for future in futures:
                future.release()
            self._wait_until_forgotten(keys)

    def _wait_until_forgotten(self, keys):
        """Until the scheduler has let the pass go: what follows finds nothing of it."""
        with contextlib.suppress(OSError):      # the scheduler is gone itself
            for _ in range(1000):
                if not any(self._states(keys).values()):
                    break
                time.sleep(0.002)

    def _states(self, keys):
        """What the scheduler says of keys; None of those that it does not know."""
        return self.client.sync(self.client.scheduler.get_task_status, keys=list(keys))

    def _graph(self, work, places, level=None):
        """The graph of a pass, or of part of one, and the keys of its results."""
        spec = dask_module("dask._task_spec")
        name = f"{self.run}-{self.n_passes}-{places[0].number}"
        dumps = dask_module("distributed.protocol.pickle").dumps
        parameters = f"parameters-{name}"
        # as bytes: arrays that move between workers may arrive unaligned
        graph = {parameters: spec.Task(parameters, bytes, dumps((work, self.run, self.room)))}
        size, keys = self._group_size(), []
        for first in range(0, len(places), size):
            key = f"statistics-{name}", first // size
            graph[key] = self.loading.task(
                key, _statistics, spec.TaskRef(parameters), places[first:first + size])
            keys.append(key)
        graph.update(self.loading.shared)
        plan = self._plan(keys, None if level is None else [
            each.number for each in places[::size]])
        at = int(size > 1)
        while len(keys) > 1 and at != level:
            at += 1
            groups = [keys[i:i + Tree.ARITY] for i in range(0, len(keys), Tree.ARITY)]
            keys = []
            for i, group in enumerate(groups):
                # neighbours of one worker are summed there, and their sum moves to the next
                total = []
                for j, (worker, run) in enumerate(itertools.groupby(group, plan.get)):
                    key = f"merged-{name}", at, i, j
                    graph[key] = spec.Task(key, _merged, *map(spec.TaskRef, [*total, *run]))
                    total = [key]
                    if worker is not None:
                        plan[key] = worker
                keys += total
        return _annotated(graph, plan), keys

    def _plan(self, keys, numbers=None):
        """Which worker is asked first for what: neighbours are with one. (Idle ones may steal.)
        Of part of a pass, by the numbers of the blocks, so that all have part of every part."""
        if self.loading.elsewhere or "workers" in dask_module("dask").get_annotations():
            return {}       # by where blocks are; by who says so
        threads = [each for worker, n in sorted(self.client.nthreads().items())
                   for each in [worker] * n]
        if not threads:
            return {}
        if numbers is None:
            return {key: threads[i * len(threads) // len(keys)] for i, key in enumerate(keys)}
        run = Tree.ARITY if self.n_blocks >= Tree.ARITY * len(threads) else 1
        return {key: threads[number // run % len(threads)]
                for key, number in zip(keys, numbers, strict=True)}

    def _group_size(self):
        """Blocks of a task: one, or a group of the tree where there are plenty."""
        n_threads = max(1, sum(self.client.nthreads().values()))
        many = self.loading.n_blocks >= Tree.ARITY * GROUPS_A_THREAD * n_threads
        return Tree.ARITY if self.work.door.joins or (
            many and not self.loading.elsewhere) else 1

    def _say_lost(self, error):
        """RuntimeError for blocks that nobody has any more, and nobody can make again."""
        if not self.loading.elsewhere:
            return
        state = self._states(set().union(*self.loading.needed))
        lost = [number for number, keys in enumerate(self.loading.needed)
                if any(state[key] in (None, "released", "forgotten") for key in keys)]
        if lost:
            raise RuntimeError(
                f"block{'s' * (len(lost) > 1)} {some([*map(str, lost)], 20)} "
                f"{'were' if len(lost) > 1 else 'was'} in the memory of a lost worker; give a "
                "collection that can be computed again") from error


# --- on the workers ---------------------------------------------------------------------------

_memories, _lock = weakref.WeakKeyDictionary(), threading.Lock()


def _memory_of(worker, run, n_bytes):
    """What a worker keeps of the blocks of a fit, at most so many bytes."""
    limit = worker.memory_manager.memory_limit
    with _lock:
        runs = _memories.setdefault(worker, {})
        memory = runs[run] = runs.pop(run, None) or Memory(
            min(n_bytes, MEMORY_SHARE * limit) if limit else n_bytes)
        while len(runs) > FITS_KEPT:    # those that have ended first, then the longest unused
            del runs[min(runs, key=lambda run: runs[run].n_bytes > 0)]
        return memory


def _forget(run, dask_worker):
    """Free what is kept of a fit; a task of it that is still to begin finds no room."""
    with _lock:
        runs = _memories.get(dask_worker, {})
        if run in runs:
            runs[run] = Memory(0)


def _statistics(sent, told, names, *inputs):
    work, run, room = dask_module("distributed.protocol.pickle").loads(told)
    worker = dask_module("distributed").get_worker()
    return _known(work.of(
        sent.read(dict(zip(names, inputs))), name=f"worker {worker.address}",
        n_side_by_side=worker.state.nthreads,
        memory=None if work.survey is None else _memory_of(worker, run, room)))


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
        worker = dask_module("distributed").get_worker()
    except ValueError:
        return 1 if n_threads is None else n_threads
    return share_of(n_threads, worker.state.nthreads)


def _known(part):
    """The part, Dask being told how large its like are."""
    register_size(type(part))
    return part


def register_size(kind):
    """Tell Dask that objects of a class are as large as what they hold."""
    sizeof = dask_module("dask.sizeof").sizeof
    if kind.__module__.split(".")[0] == "emkernels":
        sizeof.register(kind, _size)


def _size(part):
    sizeof = dask_module("dask.sizeof").sizeof
    slots = [name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ())]
    values = [getattr(part, name, None) for name in slots] + list(
        getattr(part, "__dict__", {}).values())
    return 64 + sum(map(sizeof, values))


# --- at the caller ----------------------------------------------------------------------------

def _annotated(graph, plan):
    """A graph whose tasks prefer the workers of the plan."""
    layers = dask_module("dask.highlevelgraph")
    asked = {"workers": plan.get, "allow_other_workers": True} if plan else None
    return layers.HighLevelGraph(
        {"pass": layers.MaterializedLayer(graph, annotations=asked)}, {"pass": set()})


def current_client():
    """The client in use; ValueError where there is none."""
    try:
        return dask_module("distributed").Client.current()
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
