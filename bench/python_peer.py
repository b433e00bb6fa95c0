"""One measurement of one library, in an interpreter of its own: python_peer.py LIBRARY BENCHMARK -> seconds for one operation."""

import functools
import importlib
import os
import sys
import time

LIBRARY = sys.argv[1]
now = time.perf_counter


def library():
    return importlib.import_module("multiprocessing" if LIBRARY == "faster_fifo" else LIBRARY)


def make_queue(m):
    if LIBRARY == "faster_fifo":
        import faster_fifo
        return faster_fifo.Queue(64 << 20)
    return m.Queue()


def get_all(q, count):
    for _ in range(count):
        q.get(timeout=60)


def put_all(q, count):
    for n in range(count):
        q.put(n)


def echo(connection, count):
    for _ in range(count):
        connection.send(connection.recv())


def same(x):
    return x


def nothing():
    pass


def queue_of(m, item, count):
    q = make_queue(m)
    reader = m.Process(target=get_all, args=(q, count))
    reader.start()
    q.put(item)
    time.sleep(0.2)
    began = now()
    for _ in range(count - 1):
        q.put(item)
    reader.join()
    return (now() - began) / (count - 1)


def py_queue_int(m):
    return queue_of(m, 7, 60000)


def py_queue_1MiB(m):
    return queue_of(m, b"x" * (1 << 20), 200)


def py_queue_array(m):
    import numpy
    return queue_of(m, numpy.zeros(1 << 17), 200)


def py_queue_many(m):
    q, count = make_queue(m), 20000
    processes = [m.Process(target=target, args=(q, count)) for target in (get_all, get_all, put_all, put_all)]
    began = now()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return (now() - began) / (2 * count)


def there_and_back(connection, item, count):
    connection.send(item)
    connection.recv()
    began = now()
    for _ in range(count - 1):
        connection.send(item)
        connection.recv()
    return (now() - began) / (count - 1)


def py_pipe_rtt(m):
    ours, theirs = m.Pipe()
    count = 40000  # long enough for the system to give each a core of its own
    process = m.Process(target=echo, args=(theirs, count))
    process.start()
    took = there_and_back(ours, (1, "two", 3.0), count)
    process.join()
    return took


def submodule(m, name):
    return importlib.import_module(f"{m.__name__}.{name}")


def call_and_echo(m, address, count):
    with submodule(m, "connection").Client(address, authkey=b"key") as connection:
        echo(connection, count)


def by_socket(m, address, item, count):
    with submodule(m, "connection").Listener(address, authkey=b"key") as listener:
        process = m.Process(target=call_and_echo, args=(m, listener.address, count))
        process.start()
        with listener.accept() as connection:
            took = there_and_back(connection, item, count)
        process.join()
    return took


def py_unix_rtt(m):
    return by_socket(m, None, (1, "two", 3.0), 10000)


def py_tcp_rtt(m):
    return by_socket(m, ("127.0.0.1", 0), (1, "two", 3.0), 10000)


def py_tcp_1MiB(m):
    return by_socket(m, ("127.0.0.1", 0), bytes(1 << 20), 300)


def py_lock(m):
    lock = m.Lock()
    acquire, release = lock.acquire, lock.release
    began = now()
    for _ in range(300000):
        acquire()
        release()
    return (now() - began) / 300000


def py_pool_map_chunk1(m):
    with m.Pool(2) as pool:
        pool.map(same, range(10))
        began = now()
        pool.map(same, range(20000), 1)
        return (now() - began) / 20000


def py_pool_apply(m):
    with m.Pool(2) as pool:
        pool.apply(same, (1,))
        began = now()
        for n in range(2000):
            pool.apply(same, (n,))
        return (now() - began) / 2000


def py_pool_map(m):
    items = list(range(1000000))
    with m.Pool(2) as pool:
        pool.map(same, range(10))
        began = now()
        pool.map(same, items)
        return now() - began


def started(m, method, count):
    context = m.get_context(method)
    process = context.Process(target=nothing)
    process.start()
    process.join()
    began = now()
    for _ in range(count):
        process = context.Process(target=nothing)
        process.start()
        process.join()
    return (now() - began) / count


def py_start_fork(m):
    return started(m, "fork", 100)


def py_start_spawn(m):
    return started(m, "spawn", 15)


def py_start_forkserver(m):
    return started(m, "forkserver", 30)


def py_pool_start(m):
    began = now()
    pool = m.get_context("fork").Pool(8)
    pool.map(same, range(8), 1)
    took = now() - began
    pool.terminate()
    pool.join()
    return took


def py_executor_submit(m):
    if LIBRARY == "prong":
        executor = m.ProcessPoolExecutor(2)
    else:
        from concurrent.futures import ProcessPoolExecutor
        executor = ProcessPoolExecutor(2)
    with executor:
        executor.submit(same, 1).result()
        began = now()
        futures = [executor.submit(same, n) for n in range(10000)]
        for future in futures:
            future.result()
        return (now() - began) / 10000


def look_up(manager):
    mapping = manager.dict(a=1)
    mapping["a"]
    began = now()
    for _ in range(5000):
        mapping["a"]
    return (now() - began) / 5000


def py_manager_get(m):
    with m.Manager() as manager:
        return look_up(manager)


def py_manager_lock(m):
    with m.Manager() as manager:
        lock = manager.Lock()
        lock.acquire()
        lock.release()
        began = now()
        for _ in range(3000):
            lock.acquire()
            lock.release()
        return (now() - began) / 3000


def py_manager_tcp(m):
    """By its address, as from another computer."""
    with submodule(m, "managers").SyncManager(("127.0.0.1", 0), b"key") as manager:
        return look_up(manager)


def py_manager_proxy(m):
    with m.Manager() as manager:
        manager.dict(a=1)["a"]
        began = now()
        for _ in range(200):
            manager.dict(a=1)["a"]
        return (now() - began) / 200


# --- functions of a C library: prong's NativePool against workers that call them by ctypes ---


def by_ctypes(a, b):
    return tasks().add_plain(a, b)


def squares_by_ctypes(part):
    import ctypes

    import numpy
    out = numpy.empty_like(part)
    pointer = ctypes.POINTER(ctypes.c_double)
    tasks().squares(part.ctypes.data_as(pointer), out.ctypes.data_as(pointer), ctypes.c_size_t(len(part)))
    return out


@functools.lru_cache()
def tasks():
    import ctypes
    return ctypes.CDLL(os.environ["PRONG_BENCH_TASKS"] + "-ctypes.so")


def c_pool(m, processes):
    """A pool, and what it is given as the function to add."""
    if LIBRARY == "prong":
        return m.NativePool(processes), os.environ["PRONG_BENCH_TASKS"] + ".so:add"
    return m.get_context("fork").Pool(processes), by_ctypes


def py_c_call(m):
    pool, add = c_pool(m, 2)
    with pool:
        pool.starmap(add, [(1, 2)])
        began = now()
        pool.starmap(add, [(n, 1) for n in range(20000)], 1)
        return (now() - began) / 20000


def py_c_array(m):
    import numpy
    numbers = numpy.arange(4e6)
    pool, add = c_pool(m, 2)
    with pool:
        pool.starmap(add, [(1, 2)])
        began = now()
        if LIBRARY == "prong":
            out = numpy.empty_like(numbers)
            pool.map_into(os.environ["PRONG_BENCH_TASKS"] + ".so:squares", numbers, out)
        else:
            out = numpy.concatenate(pool.map(squares_by_ctypes, numpy.array_split(numbers, 8), 1))
        took = now() - began
    assert out[3] == 9
    return took


def py_c_start(m):
    began = now()
    pool, add = c_pool(m, 8)
    pool.starmap(add, [(n, 1) for n in range(8)], 1)
    took = now() - began
    pool.terminate()
    pool.join()
    return took


if __name__ == "__main__":
    try:
        print(globals()[sys.argv[2]](library()))
    except ModuleNotFoundError as error:  # of a peer, or of NumPy
        if (error.name or "").split(".")[0] == "prong":
            raise
        print("-", error)
