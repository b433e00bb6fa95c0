"""What the C program of these tests calls by name."""

import multiprocessing
import os
import signal

begun = None


def begin(number):
    global begun
    begun = number
    if number < 0:
        raise ValueError("begin was told to fail")


class Nested:
    @staticmethod
    def method(x):
        return x * 2


def describe(items, keywords):
    return f"{items} {keywords}"


def worker():
    me = multiprocessing.current_process()
    return begun, me.name.rpartition("-")[0], multiprocessing.parent_process().pid == os.getppid()


def fails(text):
    raise RuntimeError(text)


def unsendable():
    return lambda: None


class NoText(Exception):
    def __str__(self):
        raise KeyError("no text")


def has_no_text():
    raise NoText


def not_described():
    """There is no memory to describe what it raises."""
    from prong import _core
    from prong._impl import worker

    def fails(*unused):
        _core._set_named(worker._run, worker._describe)
        raise MemoryError
    _core._set_named(worker._run, fails)
    raise ValueError


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def same(x):
    return x


def nested(method):
    """A pool, a manager and a process of a worker's own."""
    import prong
    context = prong.get_context(method)
    with context.Pool(2) as pool, context.Manager() as manager:
        items = manager.list(pool.map(same, range(5)))
        process = context.Process(target=items.append, args=(5,))
        process.start()
        process.join()
        return list(items)


def returns(code):
    return code


def echo(queue):
    queue.put(("echo", queue.get()))
    return type(queue).__name__


def make_queue():
    import prong
    queue = prong.Queue()
    queue.put({"from": "Python"})
    return queue
