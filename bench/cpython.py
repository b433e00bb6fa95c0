"""cpython.py NAME: the same measurement with CPython's multiprocessing, which prints its figure."""
import multiprocessing as mp
import sys
import time


def empty(_=None):
    return None


def produce(queue, count):
    for i in range(count):
        queue.put(i)


def echo(connection, count):
    for _ in range(count):
        connection.send_bytes(connection.recv_bytes())


def queue_oneway_8B():
    count, queue = 100000, mp.Queue()
    child = mp.Process(target=produce, args=(queue, count))
    child.start()
    queue.get()
    start = time.perf_counter()
    for _ in range(count - 1):
        queue.get()
    rate = count / (time.perf_counter() - start)
    child.join()
    return rate


def pipe_rtt_8B():
    count = 10000
    ours, theirs = mp.Pipe()
    child = mp.Process(target=echo, args=(theirs, count + 100))
    child.start()
    data = b"12345678"
    for i in range(count + 100):
        if i == 100:
            start = time.perf_counter()
        ours.send_bytes(data)
        ours.recv_bytes()
    took = time.perf_counter() - start
    child.join()
    return took * 1e6 / count


def pool_map_chunk1():
    count = 20000
    with mp.Pool() as pool:
        pool.map(empty, range(100), chunksize=1)
        start = time.perf_counter()
        pool.map(empty, range(count), chunksize=1)
        return count / (time.perf_counter() - start)


def pool_apply():
    count = 3000
    with mp.Pool() as pool:
        for _ in range(100):
            pool.apply(empty)
        start = time.perf_counter()
        for _ in range(count):
            pool.apply(empty)
        return (time.perf_counter() - start) * 1e6 / count


def start(method, count):
    context = mp.get_context(method)

    def one():
        child = context.Process(target=empty)
        child.start()
        child.join()

    one()
    begin = time.perf_counter()
    for _ in range(count):
        one()
    return (time.perf_counter() - begin) * 1e6 / count


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Clean", "Private_Dirty")))


def idle_private_KiB():
    with mp.Pool(4) as pool:
        pool.map(empty, range(100))
        time.sleep(0.2)
        import os
        return max(private_kib(pid) for pid in [os.getpid()] + [worker.pid for worker in pool._pool])


BENCHES = {
    "queue_oneway_8B": queue_oneway_8B,
    "pipe_rtt_8B": pipe_rtt_8B,
    "pool_map_chunk1": pool_map_chunk1,
    "pool_apply": pool_apply,
    "start_fork": lambda: start("fork", 100),
    "start_spawn": lambda: start("spawn", 10),
    "start_forkserver": lambda: start("forkserver", 40),
    "idle_private_KiB": idle_private_KiB,
}

if __name__ == "__main__":
    print(BENCHES[sys.argv[1]]() if sys.argv[1] in BENCHES else "-")
