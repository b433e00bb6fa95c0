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
    count, queue = 30000, mp.Queue()
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
    count = 3000
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
    count = 5000
    with mp.Pool() as pool:
        pool.map(empty, range(100), chunksize=1)
        start = time.perf_counter()
        pool.map(empty, range(count), chunksize=1)
        return count / (time.perf_counter() - start)


def pool_apply():
    count = 500
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


SECONDS = 0.3


def contend(lock, ready, total):
    ready.wait()
    count, end = 0, time.perf_counter() + SECONDS
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
    return total.value / SECONDS


def take_turns_by_event(ours, theirs, count):
    for _ in range(count):
        ours.wait()
        ours.clear()
        theirs.set()


def event_handover():
    count, one, other = 2000, mp.Event(), mp.Event()
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
    count, condition, turn = 2000, mp.Condition(), mp.Value("i", lock=False)
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
    for _ in range(60):
        subprocess.run([program])
    took = time.perf_counter() - start
    del nothing
    return took * 1e6 / 60


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


# --- values and managers ---

def documents():
    """What dumps_* and loads_* measure; made anew the same way each time.

    The bytes are random: bytes(N) is memory that nobody has written to, for which the kernel shows one page of zeros again
    and again, so that CPython alone would read from the processor's nearest cache."""
    import random
    chosen = random.Random(1)
    address = lambda i: {"city": "Berlin", "zip": str(10000 + i)}
    return {
        "tuple": (1, "two", 3.0),
        "request": ("7f0000000010", "__setitem__", ("key", [1, 2]), {}),
        "json": {"users": [{"id": i, "name": f"user {i}", "email": f"u{i}@example.org", "tags": ["a", "b", "c"],
                            "score": i * 1.5, "active": i % 2 == 0, "address": address(i)} for i in range(50)]},
        "ints": [chosen.randrange(1 << 30) for _ in range(262144)],
        "floats": [chosen.random() for _ in range(131072)],
        "strs": [f"string number {i}" for i in range(60000)],
        "bytes": chosen.randbytes(1 << 20),
    }


def write_documents(directory):
    import pickle
    for name, document in documents().items():
        with open(os.path.join(directory, name + ".pickle"), "wb") as file:
            file.write(pickle.dumps(document, 5))


def pickled(kind, writes):
    import pickle
    document = documents()[kind]
    data = pickle.dumps(document, 5)
    count = 40000 if len(data) < 1000 else 2000 if len(data) < 20000 else 8
    best = 1e30
    for _ in range(5):
        start = time.perf_counter()
        if writes:
            for _ in range(count):
                pickle.dumps(document, 5)
        else:
            for _ in range(count):
                pickle.loads(data)
        best = min(best, time.perf_counter() - start)
    return best * 1e6 / count


KEY = b"bench"


def sync_manager(address):
    from multiprocessing.managers import SyncManager
    mp.current_process().authkey = KEY
    return SyncManager(address, authkey=KEY)


def serve(address):
    sync_manager(address).get_server().serve_forever()


def in_background(command, address):
    import atexit
    import signal
    server = subprocess.Popen(command)
    atexit.register(lambda: (server.kill(), server.wait(), os.path.exists(address) and os.unlink(address)))
    while not os.path.exists(address):
        time.sleep(0.02)
    time.sleep(0.2)
    return server


def own_address():
    return f"/tmp/prong-bench-py-{os.getpid()}"


def dict_pairs(manager, count=2000):
    d = manager.dict()
    for i in range(count // 10):
        d["key"] = i
    start = time.perf_counter()
    for i in range(count):
        d["key"] = i
        d["key"]
    return (time.perf_counter() - start) * 1e6 / (2 * count)


def connected_to_python():
    address = own_address()
    server = in_background([sys.executable, os.path.abspath(__file__), "serve", address], address)
    manager = sync_manager(address)
    manager.connect()
    return manager, server


def manager_dict():
    return dict_pairs(connected_to_python()[0])


def manager_dict_py_client_of(program):
    address = own_address()
    in_background([program, "serve", address], address)
    manager = sync_manager(address)
    manager.connect()
    return dict_pairs(manager)


def manager_queue():
    queue = connected_to_python()[0].Queue()
    start = time.perf_counter()
    for i in range(2000):
        queue.put(i)
        queue.get()
    return (time.perf_counter() - start) * 1e6 / 2000


def manager_family_call():
    mp.set_start_method("fork")
    with mp.Manager() as manager:
        return dict_pairs(manager)


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def manager_100k_entries_KiB():
    manager, server = connected_to_python()
    d = manager.dict()
    before = resident_kib(server.pid)
    for i in range(0, 100000, 1000):
        d.update({f"key {k}": f"value {k}" for k in range(i, i + 1000)})
    return resident_kib(server.pid) - before


def one_of_many(address, count, ready, gate, latencies, place):
    manager = sync_manager(address)
    manager.connect()
    d = manager.dict()
    d["key"] = 1
    ready.release()
    gate.wait()
    for i in range(count):
        start = time.perf_counter()
        d["key"] = i
        middle = time.perf_counter()
        d["key"]
        latencies[place + 2 * i] = middle - start
        latencies[place + 2 * i + 1] = time.perf_counter() - middle


def manager_clients(clients, percentile=False):
    count = 50 if clients > 8 else 1000
    manager, _ = connected_to_python()
    context = mp.get_context("fork")
    gate, ready = context.Event(), context.Semaphore(0)
    latencies = context.RawArray("d", 2 * count * clients)
    children = [context.Process(target=one_of_many, args=(manager._address, count, ready, gate, latencies, 2 * count * i))
                for i in range(clients)]
    for child in children:
        child.start()
    for _ in children:
        assert ready.acquire(timeout=120)
    start = time.perf_counter()
    gate.set()
    for child in children:
        child.join()
        assert child.exitcode == 0
    took = time.perf_counter() - start
    return sorted(latencies)[len(latencies) * 99 // 100] * 1e6 if percentile else 2 * count * clients / took


KINDS = ["tuple", "request", "json", "ints", "floats", "strs", "bytes"]

BENCHES = {
    **{f"dumps_{kind}": lambda kind=kind: pickled(kind, True) for kind in KINDS},
    **{f"loads_{kind}": lambda kind=kind: pickled(kind, False) for kind in KINDS},
    "manager_dict_c_client": manager_dict,
    "manager_dict_py_client": manager_dict,
    "manager_family_call": manager_family_call,
    "manager_1_clients": lambda: manager_clients(1),
    "manager_4_clients": lambda: manager_clients(4),
    "manager_64_clients": lambda: manager_clients(64),
    "manager_64_clients_p99": lambda: manager_clients(64, True),
    "manager_queue": manager_queue,
    "manager_100k_entries_KiB": manager_100k_entries_KiB,
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
    "start_fork": lambda: start("fork", 40),
    "start_spawn": lambda: start("spawn", 5),
    "start_forkserver": lambda: start("forkserver", 20),
    "idle_private_KiB": idle_private_KiB,
}

if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    if sys.argv[1] == "documents":
        write_documents(sys.argv[2])
        sys.exit()
    if len(sys.argv) > 2:
        print(manager_dict_py_client_of(sys.argv[2]))
        sys.exit()
    print(BENCHES[sys.argv[1]]() if sys.argv[1] in BENCHES else "-")
