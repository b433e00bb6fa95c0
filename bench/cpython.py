"""cpython.py NAME: the same measurement with CPython's multiprocessing, which prints its figure."""
import multiprocessing as mp
import os
import resource
import subprocess
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
        return max(private_kib(pid) for pid in [os.getpid()] + [worker.pid for worker in pool._pool])


def lock_pair():
    lock, count = mp.Lock(), 300000
    start = time.perf_counter()
    for _ in range(count):
        lock.acquire()
        lock.release()
    return (time.perf_counter() - start) * 1e9 / count


def contend(lock, ready, total):
    ready.wait()
    count, end = 0, time.perf_counter() + 1
    while time.perf_counter() < end:
        for _ in range(100):
            lock.acquire()
            lock.release()
        count += 100
    with total.get_lock():
        total.value += count


def lock_contended_2():
    lock, ready, total = mp.Lock(), mp.Barrier(2), mp.Value("q")
    children = [mp.Process(target=contend, args=(lock, ready, total)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return total.value


def take_turns_by_event(ours, theirs, count):
    for _ in range(count):
        ours.wait()
        ours.clear()
        theirs.set()


def event_handover():
    count, one, other = 10000, mp.Event(), mp.Event()
    child = mp.Process(target=take_turns_by_event, args=(other, one, count))
    child.start()
    one.set()
    start = time.perf_counter()
    take_turns_by_event(one, other, count)
    took = time.perf_counter() - start
    child.join()
    return took * 1e6 / count / 2


def take_turns_by_condition(condition, turn, me, count):
    for _ in range(count):
        with condition:
            while turn.value != me:
                condition.wait()
            turn.value = 1 - me
            condition.notify()


def condition_handover():
    count, condition, turn = 5000, mp.Condition(), mp.Value("i", lock=False)
    child = mp.Process(target=take_turns_by_condition, args=(condition, turn, 1, count))
    child.start()
    start = time.perf_counter()
    take_turns_by_condition(condition, turn, 0, count)
    took = time.perf_counter() - start
    child.join()
    return took * 1e6 / count / 2


def value_add():
    value, count = mp.Value("q"), 300000
    start = time.perf_counter()
    for _ in range(count):
        with value.get_lock():
            value.value += 1
    return (time.perf_counter() - start) * 1e9 / count


def subprocess_start(mebibytes):
    nothing = bytearray(b"x") * (mebibytes << 20)
    program = os.environ["BENCH_NOTHING"]
    subprocess.run([program])
    start = time.perf_counter()
    for _ in range(300):
        subprocess.run([program])
    took = time.perf_counter() - start
    del nothing
    return took * 1e6 / 300


def communicate_256MiB():
    data = b"x" * (256 << 20)
    start = time.perf_counter()
    output = subprocess.run(["cat"], input=data, capture_output=True).stdout
    took = time.perf_counter() - start
    assert len(output) == len(data)
    return 256 / took


def communicate_memory_256MiB():
    communicate_256MiB()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


BENCHES = {
    "lock_pair": lock_pair,
    "lock_contended_2": lock_contended_2,
    "event_handover": event_handover,
    "condition_handover": condition_handover,
    "value_add": value_add,
    "subprocess_start": lambda: subprocess_start(0),
    "subprocess_start_1GiB": lambda: subprocess_start(1024),
    "communicate_256MiB": communicate_256MiB,
    "communicate_memory_256MiB": communicate_memory_256MiB,
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
