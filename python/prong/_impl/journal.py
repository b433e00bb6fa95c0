"""map and imap with a journal: what is recorded is not run, and what was run is recorded as it comes."""

import functools
import hashlib
import os
import types
import warnings

from .. import _core
from ..errors import JournalStoppedWarning
from .imap import IMapIterator, IMapUnorderedIterator, Raised, _Item, chunks
from .results import failure
from .seeds import Seeded
from .task_options import no_room, submitted

# --- which function: another one is not to be given the results of this one ---


def _code_parts(code):
    """What a function's code does: not the lines or the file where it stands."""
    yield from (code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
                code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    for constant in code.co_consts:
        yield from _constant_parts(constant)


def _constant_parts(constant):
    if isinstance(constant, types.CodeType):
        yield from _code_parts(constant)
    elif isinstance(constant, tuple):
        for part in constant:
            yield from _constant_parts(part)
    elif isinstance(constant, frozenset):  # whose order is another in another process
        yield sorted(map(repr, constant))
    else:
        yield constant


def _pickled(value):
    """Of a default, or of what a closure refers to."""
    try:
        return _core.dumps(value)
    except Exception:
        return type(value).__qualname__


def _function_parts(function):
    yield from _code_parts(function.__code__)
    cells = [_pickled(cell.cell_contents) for cell in function.__closure__ or ()]
    yield from (_pickled(function.__defaults__), _pickled(function.__kwdefaults__), cells)


def _parts(function):
    """What a callable is made of; the first is its name."""
    if isinstance(function, functools.partial):
        yield "partial of " + next(_parts(function.func))
        yield from _parts(function.func)
        yield _pickled((function.args, function.keywords))
    elif isinstance(function, Seeded):
        yield "seeded " + next(_parts(function.function))
        yield from _parts(function.function)
        yield f"{function.seed} {function.spread}"
    elif isinstance(function, types.MethodType):
        yield from _parts(function.__func__)
        yield _pickled(function.__self__)
    elif isinstance(function, types.FunctionType):
        yield f"{function.__module__}.{function.__qualname__}"
        yield from _function_parts(function)
    elif isinstance(getattr(function, "_function", None), types.FunctionType):  # by_value
        yield from _parts(function._function)
    elif hasattr(function, "__qualname__"):  # a class, or built in
        yield f"{function.__module__}.{function.__qualname__}"
        yield from (part for method in _methods(function, "__new__", "__init__") for part in _function_parts(method))
    else:
        yield f"{type(function).__module__}.{type(function).__qualname__}"
        yield from (part for method in _methods(type(function), "__call__") for part in _function_parts(method))
        yield _pickled(function)


def _methods(cls, *names):
    found = (getattr(cls, name, None) for name in names)
    return [method for method in found if isinstance(method, types.FunctionType)]


def identity(function, star):
    """A text for the journal's header."""
    if isinstance(function, str):
        return f"'{function}'" + (" (starmap)" if star else "")
    name, *parts = _parts(function)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return f"'{name[:300]}' with code {digest}" + (" (starmap)" if star else "")


# --- the journal of one call ---


def _open(path, function, star):
    return _core.Journal(os.fsencode(path), identity(function, star))


def _tell(journal, level):
    """In the caller's thread."""
    news = journal.news()
    if news is not None:
        warnings.warn(JournalStoppedWarning(news), stacklevel=level)


class _Journaled:
    """What both iterators do otherwise: tasks are chunks of items, of which those that are recorded are not submitted."""

    _stays = False  # who drops it may go on with its journal

    def __init__(self, journal, single, *args):
        self._journal, self._single, self._first = journal, single, 0
        super().__init__(*args)

    def _submit(self, chunk, options):
        _tell(self._journal, 4)
        try:
            items = self._journal.items(self._first, chunk, self._single)
        except Exception:
            self._exhaust()  # what was submitted goes on, and is recorded
            raise
        if isinstance(items, Exception):  # one that cannot be pickled is the error of its own result
            items = Raised(items)
        elif items.missing:
            items = self._begin(items, chunk, options)
        if items is False:
            return False
        self._first += len(chunk)
        self._add(items)
        return True

    def _begin(self, items, chunk, options):
        """Submits what is missing; what stands for it in imap's order. False where the pool had no room."""
        data = chunk[0] if self._single else [chunk[i] for i in items.missing]
        try:
            task = self._pool._core.call(_Item, self._pool, self._function, self._form, data, None, options)
        except Exception as error:
            return Raised(error)
        if submitted(task) is False:
            return False
        items.begin(task)
        return items

    def _end(self):
        self._journal.close()
        _tell(self._journal, 4)


class JournaledIterator(_Journaled, IMapIterator):
    """imap's iterator with a journal."""

    __module__ = "prong.pool"


class JournaledUnorderedIterator(_Journaled, IMapUnorderedIterator):
    """imap_unordered's iterator with a journal."""

    __module__ = "prong.pool"


def maker(path):
    """For imap.iterate: what makes an iterator with that journal."""

    def make(pool, ordered, function, iterable, chunksize, *more):
        cls, single = JournaledIterator if ordered else JournaledUnorderedIterator, chunksize == 1
        journal = _open(path, function, False)
        try:
            tasks = zip(iterable) if single else chunks(iter(iterable), chunksize)
            return cls(journal, single, pool, function, _core.ITEM if single else _core.MAP, tasks, not single, *more)
        except BaseException:
            journal.close()
            raise
    return make


# --- map ---

_BATCH = 256  # results that are recorded at once, at most


def _outcome(job, index):
    """None: the task has not ended."""
    try:
        return job.outcome(index, 0)
    except Exception as error:  # a result that pickles, and does not unpickle
        return _core.TASK_FAILED, error, 0, 1


def _as_they_end(job):
    """Lists of (index, outcome) of the job's tasks, which begin in their order, and end in any."""
    running, following, known = [], 0, 0
    while known < job.count:
        job.wait_more(known, None)
        done = min(job.progress()[0], known + _BATCH)
        ended, candidates, running = [], running, []
        while candidates or (known < done and following < job.count):
            if candidates:
                index = candidates.pop()
            else:
                index, following = following, following + 1
            outcome = _outcome(job, index)
            if outcome is None:
                running.append(index)
            else:
                ended.append((index, outcome))
                known += 1
        yield ended


class _Run:
    """A map with a journal: its results, and the first error that came."""

    def __init__(self, journal, pool, items, bar):
        self._pool, self._items, self._bar, self.error = pool, items, bar, None
        self._recorded = journal.items(0, tuple(items), False)
        if isinstance(self._recorded, Exception):
            raise self._recorded
        self.results, self._missing = self._recorded.values, self._recorded.missing
        self._show(len(items) - len(self._missing))

    def _show(self, count):
        if self._bar is not None:
            self._bar.update(count)

    def run(self, function, forms, chunksize, options):
        """Runs the items that are not recorded."""
        form, chunk = (forms[0], 0) if chunksize == 1 else (forms[1], chunksize)
        tasks = [self._items[i] for i in self._missing]
        most = chunksize if self._pool._inlined else len(tasks)  # of a job: one that is inlined has ended when it is submitted
        for first in range(0, len(tasks), most or 1):
            job = self._pool._submit(function, form, tasks[first:first + most], chunk, options, None)
            if submitted(job) is False:
                raise no_room()
            for ended in _as_they_end(job):
                self._take(ended, first, chunksize, chunk != 0)

    def _take(self, ended, first, chunksize, chunked):
        made = []
        for index, outcome in ended:
            begin = first + index * chunksize
            positions = self._missing[begin:begin + chunksize]
            if outcome[0] != _core.OK:
                self.error = self.error or failure(begin // chunksize, outcome, self._pool)
                continue
            for position, value in zip(positions, outcome[1] if chunked else outcome[1:2]):
                self.results[position] = value
            made += positions
        self._recorded.record(made)
        self._show(len(made))


def run(pool, function, forms, items, chunksize, options, progress, path):
    """Pool.map, and starmap."""
    from .progress import bar_of
    journal = _open(path, function, forms[0] == _core.STAR)
    bar = bar_of(len(items)) if progress else None
    try:
        run = _Run(journal, pool, items, bar)
        run.run(function, forms, max(chunksize, 1), options)
    finally:
        journal.close()
        if bar is not None:
            bar.close()
    _tell(journal, 4)
    if run.error is not None:
        raise run.error
    return run.results
