"""Checkpoints: what passes over blocks have given, in a file, so that a fit can be run again.

A fit is a function of what its passes return. So the file holds these, by what was asked, and a
fit that is resumed is run from its beginning; passes that are in the file are not made again.
"""

import contextlib
import copy
import dataclasses
import time

import numpy as np

from emkernels import __version__, _inputs
from emkernels.data.packing import Unpackable, digest, packed, unpacked
from emkernels.data.records import NO_KEY, Damaged, Lock, RecordFile, checked_path
from emkernels.em.tree import Tree
from emkernels.kernels.dispatch import available_levels, simd_level

FORMAT = 1
# Seconds: sums of part of a pass are kept so often, and whatever there is at least so often.
# Writing takes one twentieth of the time, where that is not rarer.
PART, LATEST, SHARE = 20.0, 40.0, 20
MOST_PENDING = 2**26    # bytes of results that are not in the file yet
HEADER, RESULT, PARTIAL = b"H", b"R", b"P"
# parameters that change nothing of what a pass returns, or only which passes there are
FREE = ("max_iter", "tol", "n_threads", "verbose", "verbose_interval", "callback")


class Journal:
    """The results of the passes of one fit, in a file.

    Parameters
    ----------
    path : path
        Of the file, which is made where there is none.
    estimator : estimator
        Whose fit it is, as it is before.
    resume : bool
        Whether a file that is there is gone on with; where one is, ValueError else.

    Attributes
    ----------
    level : str or None
        The SIMD level of the fit in the file; None without a file.
    rng : RandomState or None
        The global one as it was when the fit began, where it is used and the fit is resumed.
    trusted : bool
        Whether the survey in the file stands for one of these rows, until a pass has seen them
        all: to look at every cell before may take as long as the work that was saved.

    See Also
    --------
    Chunks : Whose passes are kept.
    emkernels.GaussianMixture.fit_chunks : Makes one of `checkpoint` and `resume`.

    Examples
    --------
    What ``fit_chunks(..., checkpoint=path, resume=True)`` does, with `Chunks` of one's own:

    >>> import os, tempfile
    >>> import numpy as np
    >>> from emkernels import GaussianMixture
    >>> from emkernels.data import Chunks, Journal
    >>> folder, model = tempfile.TemporaryDirectory(), GaussianMixture(random_state=0)
    >>> with Journal(os.path.join(folder.name, "fit"), model, resume=True) as journal:
    ...     model = model.fit_chunks(Chunks([np.eye(3), -np.eye(3)], journal=journal))
    >>> os.listdir(folder.name), model.n_rows_
    (['fit'], 6)
    >>> folder.cleanup()
    """

    def __init__(self, path, estimator, resume):
        _inputs.switch(resume, "resume")
        self.path = checked_path(path)
        self.random_state = getattr(estimator, "random_state", None)
        self.header, self.found, self.rng, self.level = _described(estimator), None, None, None
        self.file, self.places, self.partial = RecordFile(self.path), {}, None
        self.before, self.looked, self.trusted, self.refused = None, b"", False, False
        self.pending, self.n_pending, self.state = {}, 0, None
        self.written, self.cost = time.monotonic(), 0.0
        self.lock = Lock(self.path)
        try:
            self._open(resume)
        except BaseException:
            self.lock.release()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        """Write what is not in the file yet; a file that was refused stays as it is."""
        try:
            if not self.refused:
                self._write()
        except OSError as failure:
            if error is None:
                raise
            if str(failure) != str(error):
                error.add_note(str(failure))
        finally:
            self.lock.release()

    # --- the file that is there --------------------------------------------------------------

    def _open(self, resume):
        self.file.clear()
        if not self.path.exists():
            return
        if not resume:
            raise ValueError(f"there is a checkpoint {self.path} already, and it is not "
                             "overwritten: go on with it by resume=True, or name another")
        for kind, key, place in self.file.scan(lambda kind: kind != PARTIAL):
            if kind == HEADER:
                self.found = self._checked(self._read(place))
            elif kind == RESULT:
                self.places[key] = place
            elif kind == PARTIAL:
                self.partial = key, place
        if self.found is None:
            raise Damaged(self.path, "nothing says of what it is")
        self.level, self.before = self.found["level"], self.found["survey"]
        if self.before is None:         # it was left while that was being made
            self.looked, self.partial = self.file.read(self.partial[1]), None
            self.file.forget()
            tree = Tree()
            tree.levels = self._levels()
            self.before = _facts(tree.total())

    def _read(self, place):
        try:
            return unpacked(self.file.read(place))
        except ValueError as error:
            raise Damaged(self.path, error) from None

    def _checked(self, found):
        """That the file is of this fit, as far as can be told without the rows."""
        ours = self.header
        for name in ("version", "format"):
            if found[name] != ours[name]:
                self._refuse(f"has {name} {found[name]}, that of this emkernels is {ours[name]}")
        if found["class"] != ours["class"]:
            self._refuse(f"is of {found['class']}, and this is {ours['class']}")
        # in the order in which they are declared: what says most is first
        for name in dict.fromkeys([*ours["parameters"], *found["parameters"]]):
            (mine, now), (other, then) = (
                each["parameters"].get(name, (b"", "nothing")) for each in (ours, found))
            if mine != other:
                self._refuse(f"is of a fit with {name}={then}, and now it is "
                             f"{'another' if now == then else now}; only {', '.join(FREE)} may "
                             "differ")
        if found["level"] not in available_levels():
            self._refuse(f"is of a fit at SIMD level {found['level']}, and this machine offers "
                         f"{', '.join(available_levels())}: other levels give other bits")
        if found["before"] != ours["before"]:
            self._refuse("is of a fit that went on, by warm_start, from another one")
        return found

    def _refuse(self, what):
        self.refused = True
        if self.looked and self.cost:       # a survey went on from that of other rows
            self.file.forget()
            with contextlib.suppress(OSError):
                self._put([], [(HEADER, NO_KEY, packed(self.found)),
                               (PARTIAL, NO_KEY, self.looked)])
        raise ValueError(f"the checkpoint {self.path} {what}. Name another file for a new fit")

    # --- the rows ----------------------------------------------------------------------------

    def survey(self, reader):
        """The survey in the file, or None, and where it was left while it was being made, the
        levels of its tree; where the reader says that it reads the same, or every pass sees
        whether it does. Else None for both: the file stays until the rows are compared."""
        identity = _identity(reader)
        self._head(identity, simd_level())
        if self.found is None:
            return None, []
        self.trusted = identity is None and reader.volatile
        if not self.trusted and (identity is None or self.found["identity"] != identity):
            return None, None
        if self.looked:
            return None, self._levels()
        return _survey_of(self.before), []

    def _levels(self):
        try:
            return [[facts and _survey_of(facts), n] for facts, n in unpacked(self.looked)]
        except ValueError as error:
            raise Damaged(self.path, error) from None

    def looks(self, tree):
        """The survey has come so far."""
        if self._is_due(PART):
            self._put([], [(HEADER, NO_KEY, packed(self.header)), (PARTIAL, NO_KEY, packed(
                [[survey and _facts(survey), n] for survey, n in tree.levels]))])

    def verify(self, survey):
        """That the rows, by a survey of them, are those of the file."""
        self._compare(self.before, _facts(survey))
        self.trusted = False

    def refuse_rows(self, number, what):
        """The rows are not those of the file."""
        self._refuse(f"is of other rows: block {number}: {what}")

    def begin(self, source, reader=None):
        """The rows are there: that they are those of the file, and the random state as it was
        when the fit began."""
        facts = _facts(source.survey)
        if self.before is not None:
            self._compare(self.before, facts, whole=not self.looked)
            self._restore(self.found["random_state"])
        self._head(_identity(reader), source.level, facts)
        self.before = facts

    def _head(self, identity, level, survey=None):
        self.header |= {
            "identity": identity, "level": level, "survey": survey, "random_state": (
                _state_of(self.random_state) if self.found is None
                else self.found["random_state"])}

    def compare_columns(self, survey):
        """That the columns, by a survey of some rows, are those of the file."""
        then, now = self.before["rest"], survey
        if then.dtype is None:      # it was left before the first block with a row
            return
        for words in ([f"{each.n_features} columns of {each.dtype}" for each in (then, now)],
                      [f"the columns {each.labels.names}" for each in (then, now)]):
            if words[0] != words[1]:
                self._refuse(f"is of rows with {words[0]}, and these have {words[1]}")

    def _compare(self, theirs, ours, whole=True):
        self.compare_columns(ours["rest"])
        then, now = theirs["blocks"], ours["blocks"]
        counts = [len(each["n_rows"]) for each in (then, now)]
        for number in range(min(counts)):
            rows = [int(each["n_rows"][number]) for each in (then, now)]
            if rows[0] != rows[1]:
                self._refuse(f"is of other blocks: block {number} had {rows[0]} rows, and now "
                             f"it has {rows[1]}")
            if any(each[number] != now[name][number] for name, each in then.items()):
                self._refuse(f"is of other rows: block {number} has other values or weights")
        if not whole and counts[0] <= counts[1]:
            return
        if counts[0] != counts[1]:
            self._refuse(f"is of {counts[0]} blocks, and now there are {counts[1]}: block "
                         f"{min(counts)} is one too {'many' if counts[1] > counts[0] else 'few'}")
        if digest(theirs) != digest(ours):
            self._refuse("is of other rows: the first pass over the blocks found something else")

    def _restore(self, state):
        given = self.random_state
        if isinstance(given, np.random.RandomState):
            given.set_state(state)
        elif isinstance(given, np.random.Generator):
            given.bit_generator.state = state
        elif given is None:
            self.rng = np.random.RandomState()
            self.rng.set_state(state)

    # --- passes ------------------------------------------------------------------------------

    def __contains__(self, key):
        return key in self.pending or key in self.places

    def result(self, key):
        """What a pass has returned."""
        if key in self.pending:
            return unpacked(self.pending[key])
        return self._read(self.places[key])

    def keep(self, key, result):
        """A pass is over."""
        self.pending[key] = packed(result)
        self.n_pending += len(self.pending[key])
        self.state = self.partial = None
        if self.n_pending > MOST_PENDING or self._is_due(0.0):
            self._write()

    def begun(self, key):
        """The levels of the tree of a pass that was left in the middle; else none."""
        if self.partial is not None and self.partial[0] == key:
            return self._read(self.partial[1])
        return []

    def reached(self, key, tree):
        """A pass has come so far, and this is kept where it is left. (None: its sums change.)"""
        self.state = None if tree is None else (key, tree)
        if tree is not None and self._is_due(PART):
            self._write()

    def _is_due(self, least):
        return time.monotonic() - self.written >= min(max(least, self.cost * SHARE), LATEST)

    def _write(self):
        """The file anew, with what is not in it yet."""
        records, others = [(RESULT, key, data) for key, data in self.pending.items()], []
        if self.state is not None:
            key, tree = self.state
            others.append((PARTIAL, key, packed(tree.levels)))
        if not records and not others:
            return
        first = [] if self.file.n_kept else [(HEADER, NO_KEY, packed(self.header))]
        places = self._put(first + records, others)
        self.places.update(zip(self.pending, places[len(first):], strict=True))
        self.pending, self.n_pending, self.state, self.partial = {}, 0, None, None

    def _put(self, records, others):
        began = time.monotonic()
        places = self.file.extend(records, others)
        self.written = time.monotonic()
        self.cost = self.written - began
        return places


def _described(estimator):
    """What a fit depends on beside the rows."""
    parameters = {}
    for name, value in estimator.get_params(deep=False).items():
        if name not in FREE:
            value = _plain(value)
            try:
                parameters[name] = digest(value), _in_words(value)
            except Unpackable as error:
                raise TypeError(f"{name} is of a kind that a checkpoint cannot hold: {error}"
                                ) from None
    before = None
    if getattr(estimator, "warm_start", False):
        before = digest({name: value for name, value in vars(estimator).items()
                         if name.endswith("_") and not name.startswith("_")})
    kind = type(estimator)
    return {"format": FORMAT, "version": __version__, "before": before, "parameters": parameters,
            "class": f"{kind.__module__}.{kind.__qualname__}"}


def _plain(value):
    """The same for values that mean the same to an estimator."""
    if isinstance(value, (np.random.RandomState, np.random.Generator)):
        return f"{type(value).__name__} of {_state_of(value)['bit_generator']}"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return np.asarray(value) if hasattr(value, "__array__") else value


def _in_words(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _identity(reader):
    identity = getattr(reader, "identity", None)
    identity = None if identity is None else identity()
    return None if identity is None else digest(identity)


def _state_of(random_state):
    if isinstance(random_state, np.random.Generator):
        return random_state.bit_generator.state
    if random_state is None:
        random_state = np.random.mtrand._rand
    if isinstance(random_state, np.random.RandomState):
        return random_state.get_state(legacy=False)
    return None


def _facts(survey):
    """A survey, its blocks as arrays: there may be millions."""
    rest = type(survey).__new__(type(survey))
    vars(rest).update(vars(survey), blocks=survey.blocks[:1])
    names = [field.name for field in dataclasses.fields(survey.blocks[0])]
    return {"rest": rest, "blocks": {
        name: _column([getattr(block, name) for block in survey.blocks]) for name in names}}


def _column(values):
    for kind, dtype in ((bool, bool), (int, np.uint64), (float, np.float64)):
        if all(isinstance(value, kind) for value in values):
            return np.array(values, dtype)
    return list(values)


def _survey_of(facts):
    survey = copy.copy(facts["rest"])
    kind, columns = type(survey.blocks[0]), facts["blocks"]
    values = zip(*(each if isinstance(each, list) else each.tolist()
                   for each in columns.values()))
    survey.blocks = [kind(**dict(zip(columns, each))) for each in values]
    return survey
