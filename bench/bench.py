"""Measures prong in turn with its peers and with what the machine allows: bench.py PROGRAM [NAME ...]

Each measurement has processes of its own. How the rounds go, and the JSON form, stand in run.py.
"""
import functools
import os
import subprocess
import sys
import tempfile

import run

DOCUMENTS = {"tuple": "a small tuple", "request": "a manager's request", "json": "nested dicts and lists, 50 users",
             "ints": "262,144 ints", "floats": "131,072 floats", "strs": "60,000 strs", "bytes": "1 MiB of bytes"}
IPC = ["pipe", "unix_socket", "posix_mq", "boost_mq", "zmq_ipc"]
LOCKS = ["robust_mutex", "shared_mutex", "sem_t"]
SERVERS = ["cpython_server", "cpython"]


WHAT = {
    "queue_oneway_8B": "messages from one process to another by a queue",
    "queue_oneway_1KiB": "the same, copied in and out",
    "queue_oneway_64KiB": "the same, copied in and out",
    "queue_oneway_1MiB": "the same, in place; a peer without that copies in and out",
    "queue_oneway_copied_1MiB": "the same, copied in and out",
    "queue_mpmc_8B": "two processes put into a queue, two get from it",
    "pipe_rtt_8B": "a message there and one back by a pipe",
    "queue_rtt_8B": "a message there and one back by two queues",
    "wait_rtt_8B": "the same by pipes, after waiting on two for one that is ready",
    "pipe_rtt_8B_one_core": "there and back by a pipe, both processes on one core",
    "pipe_rtt_1KiB": "there and back, copied in and out twice",
    "pipe_rtt_64KiB": "there and back, copied in and out twice",
    "pipe_rtt_1MiB": "there and back, copied in and out twice",
    "pool_map_chunk1": "a pool's map of 200,000 tasks that do nothing, one at a time",
    "pool_apply": "one task that does nothing: submitted, run, its end known",
    "pool_inline": "what a task of a pool without workers takes more than the call of its function",
    "pool_share": "what a task of a share, which it opens and closes, takes more than one of a number",
    "pool_journal": "what a task of a run with a journal takes more than one without",
    "pool_map_doubles": "10 M doubles, in the arena, each multiplied and added to",
    "start_fork": "start of a process that does nothing, and its end, by fork",
    "start_spawn": "the same by spawn",
    "start_forkserver": "the same by the fork server",
    "start_forkserver_1GiB": "the same, from a parent of 1 GiB",
    "start_spawn_1GiB": "by spawn, from a parent of 1 GiB",
    "subprocess_start": "start of another program, small and static, and its end",
    "subprocess_start_1GiB": "the same, from a parent of 1 GiB",
    "communicate_256MiB": "256 MiB through `cat` and back",
    "communicate_memory_256MiB": "the most memory for that, input and output included",
    "lock_pair": "a lock taken and released, without contention",
    "lock_contended_2": "two processes take and release a lock, nothing done under it",
    "lock_contended_8": "the same with eight processes",
    "semaphore_contended_2": "two processes acquire and release a semaphore of one unit, nothing done under it",
    "semaphore_contended_8": "the same with eight processes",
    "lock_longest_wait_8": "eight processes, 10 µs of work under the lock: the longest wait over the mean",
    "event_handover": "a turn handed over by an event, both sides busy on a core each",
    "condition_handover": "the same by a condition",
    "event_handover_blocked": "the same by an event; the receiver sleeps",
    "condition_handover_blocked": "the same by a condition; the receiver sleeps",
    "value_add": "one added to a shared value, by its handle",
    "idle_wakeups_100": "wake-ups of 100 members that wait for what does not come",
    "idle_wakeups_poll_100": "the same for members that also wait for a descriptor",
    "idle_private_KiB": "private memory, the most of a parent and its four idle workers",
    "queue_empty_KiB": "shared memory of an empty queue",
    "pipe_empty_KiB": "shared memory of an empty pipe",
    "manager_dict_c_client": "set and get by a Unix socket, the mean of a request",
    "manager_dict_py_client": "the same by an unmodified Python client",
    "manager_family_call": "the same by a member of the server's family",
    "manager_queue": "put and get of a manager's queue",
    "manager_1_clients": "set and get of one process",
    "manager_4_clients": "set and get of four processes at a time",
    "manager_64_clients": "set and get of 64 processes at a time",
    "manager_64_clients_p99": "their 99th percentile",
    "manager_100k_entries_KiB": "by how much a server grows when a dict gets 100,000 entries",
}


def messages():
    rate = functools.partial(run.row, unit="msg/s", better="higher")
    trip = functools.partial(run.row, unit="us", better="lower")
    return [
        rate("queue_oneway_8B", peers=IPC + ["cpython"], limit="limit_ring_8B", goals=[("limit_ring_8B", 0.4), ("boost_mq", 3)]),
        rate("queue_oneway_1KiB", peers=IPC, limit="limit_ring_1KiB", goals=[("limit_ring_1KiB", 0.5), ("boost_mq", 3)]),
        rate("queue_oneway_64KiB", peers=IPC, limit="limit_ring_64KiB", goals=[("limit_ring_64KiB", 0.6), ("boost_mq", 3)]),
        rate("queue_oneway_1MiB", peers=IPC, limit="limit_ring_8B", goals=[("boost_mq", 10), ("zmq_ipc", 10), ("pipe", 10)],
             note="the limit is handing over a word"),
        rate("queue_oneway_copied_1MiB", peers=IPC, limit="limit_ring_1MiB", goals=[("limit_ring_1MiB", 0.9), ("boost_mq", 3)]),
        rate("queue_mpmc_8B", peers=["boost_mq"], limit="limit_ring_8B", goals=[("boost_mq", 4)],
             note="the limit is of one each"),
        trip("pipe_rtt_8B", peers=IPC + ["cpython"], limit="limit_spin", goals=[("limit_spin", 0.5), ("pipe", 20)]),
        trip("queue_rtt_8B", peers=IPC, limit="limit_spin", goals=[("limit_spin", 0.5), ("pipe", 20)]),
        trip("wait_rtt_8B", peers=["pipe_poll"], limit="limit_spin"),
        trip("pipe_rtt_8B_one_core", peers=["pipe", "unix_socket", "limit_futex"], limit="limit_yield", goals=[("pipe", 1)]),
        trip("pipe_rtt_1KiB", peers=IPC, limit="limit_rtt_1KiB"),
        trip("pipe_rtt_64KiB", peers=IPC, limit="limit_rtt_64KiB"),
        trip("pipe_rtt_1MiB", peers=IPC, limit="limit_rtt_1MiB"),
    ]


def processes():
    time = functools.partial(run.row, unit="us", better="lower")
    return [
        run.row("pool_map_chunk1", "tasks/s", "higher", ["cpython"], limit="limit_ring_8B", goals=[("cpython", 20)]),
        time("pool_apply", peers=["cpython"], limit="limit_spin", goals=[("limit_spin", 0.25), ("cpython", 30)]),
        time("pool_inline", peers=[], goals=[(None, 1)]),
        time("pool_share", peers=[], goals=[(None, 1)]),
        time("pool_journal", peers=[], goals=[(None, 5)], note="the file is in /tmp, and written through to the disk at its end"),
        run.row("pool_map_doubles", "ms", "lower", ["openmp"], limit="openmp", goals=[("openmp", 0.8)]),
        time("start_fork", peers=["limit_vfork", "cpython"], limit="raw_fork"),
        time("start_spawn", peers=["posix_spawn", "vfork_exec", "cpython"], limit="posix_spawn_same", goals=[("posix_spawn_same", 0.8)],
             note="posix_spawn_same starts the same image, which ends at the head of main"),
        time("start_forkserver", peers=["limit_vfork", "cpython"], limit="raw_fork"),
        time("start_forkserver_1GiB", peers=["raw_fork_1GiB"], limit="raw_fork_small", goals=[("raw_fork_small", 0.8)]),
        time("start_spawn_1GiB", peers=["posix_spawn", "vfork_exec", "raw_fork_1GiB"], limit="posix_spawn_same"),
        time("subprocess_start", peers=["posix_spawn", "libuv", "cpython"], limit="vfork_exec"),
        time("subprocess_start_1GiB", peers=["posix_spawn", "libuv", "cpython"], limit="vfork_exec", goals=[("vfork_exec", 0.95)]),
        run.row("communicate_256MiB", "MiB/s", "higher", ["cpython"], goals=[("cpython", 1)]),
        run.row("communicate_memory_256MiB", "MiB", "lower", ["cpython"], limit=512, goals=[("cpython", 1)]),
    ]


def synchronization():
    time = functools.partial(run.row, unit="us", better="lower")
    pairs = functools.partial(run.row, unit="pairs/s", better="higher", limit="limit_atomics")
    return [
        run.row("lock_pair", "ns", "lower", LOCKS + ["cpython"], limit="limit_atomics", goals=[("robust_mutex", 0.8)],
                note="the limit is two locked instructions on a word that no other core uses"),
        pairs("lock_contended_2", peers=LOCKS + ["cpython"], goals=[("robust_mutex", 1)]),
        pairs("lock_contended_8", peers=LOCKS, goals=[("robust_mutex", 0.8)]),
        pairs("semaphore_contended_2", peers=["sem_t"]),
        pairs("semaphore_contended_8", peers=["sem_t"]),
        run.row("lock_longest_wait_8", "longest/mean", "lower", LOCKS, limit=1, goals=[(None, 100)]),
        time("event_handover", peers=["raw_futex", "cpython"], limit="limit_handover", goals=[("raw_futex", 10)]),
        time("condition_handover", peers=["raw_futex", "pthread_cond", "cpython"], limit="limit_handover", goals=[("raw_futex", 10)]),
        time("event_handover_blocked", peers=[], limit="raw_futex", goals=[("raw_futex", 0.9)]),
        time("condition_handover_blocked", peers=["pthread_cond"], limit="raw_futex", goals=[("raw_futex", 0.9)]),
        run.row("value_add", "ns", "lower", ["prong_lock", "robust_mutex_lock", "cpython"], limit="c11_atomic",
                goals=[("c11_atomic", 0.67)]),
        run.row("idle_wakeups_100", "1/s", "lower", [], limit=0, goals=[(None, 10)],
                note="voluntary context switches a second of 100 sleeping members, over 6 s in each round"),
        run.row("idle_wakeups_poll_100", "1/s", "lower", [], limit=0, goals=[(None, 10)]),
        run.row("idle_private_KiB", "KiB", "lower", ["cpython"], goals=[(None, 2048)]),
        run.row("queue_empty_KiB", "KiB", "lower", [], goals=[(None, 4)]),
        run.row("pipe_empty_KiB", "KiB", "lower", []),
    ]


def values():
    codec = functools.partial(run.row, unit="us", better="lower", peers=["cpython", "msgpack"], limit="limit_copy")
    beside = {"loads_json": [("msgpack", 1)], "loads_strs": [("msgpack", 0.8)]}
    bytes_goals = {"dumps_bytes": [("cpython", 1)], "loads_bytes": [(None, 1048)]}
    rows = []
    for name in [f"{way}_{kind}" for way in ("dumps", "loads") for kind in DOCUMENTS]:
        usual = [] if name in bytes_goals else [("cpython", 1.5)]
        rows.append(codec(name, goals=usual + beside.get(name, []) + bytes_goals.get(name, [])))
    return rows


def managers():
    time = functools.partial(run.row, unit="us", better="lower")
    rate = functools.partial(run.row, unit="requests/s", better="higher", peers=SERVERS)
    return [
        time("manager_dict_c_client", peers=SERVERS, limit="limit_socket", goals=[("cpython", 2)]),
        time("manager_dict_py_client", peers=[], limit="limit_socket", goals=[("cpython", 1.2)]),
        time("manager_family_call", peers=["cpython"], limit="limit_spin", goals=[("cpython", 10)]),
        time("manager_queue", peers=SERVERS, limit="limit_socket", note="put and get are two requests"),
        rate("manager_1_clients"),
        rate("manager_4_clients"),
        rate("manager_64_clients", goals=[("cpython", 5)]),
        time("manager_64_clients_p99", peers=SERVERS),
        run.row("manager_100k_entries_KiB", "KiB", "lower", ["cpython"], goals=[("cpython", 1)]),
    ]


def all_rows():
    rows = messages() + processes() + synchronization() + values() + managers()
    for row in rows:
        row["what"] = WHAT.get(row["id"]) or described_codec(row["id"])
    return rows


def described_codec(name):
    way, kind = name.split("_")
    return f"{'writing' if way == 'dumps' else 'reading'} a pickle of {DOCUMENTS[kind]}"


def command_for(program, name, peer):
    if peer == "cpython":
        return [sys.executable, os.path.join(run.HERE, "cpython.py"), name]
    if name == "manager_dict_py_client" and peer == "prong":  # a Python client in any case: of our server
        return [sys.executable, os.path.join(run.HERE, "cpython.py"), name, program]
    lean = "-lean" if name.startswith(("start_", "idle_", "communicate_", "queue_empty_", "pipe_empty_")) else ""
    return [program + lean, name, peer]


def measure(program, documents, name, peer):
    environment = dict(os.environ, BENCH_NOTHING=os.path.join(os.path.dirname(program), "nothing"),
                       BENCH_CPYTHON=os.path.join(run.HERE, "cpython.py"), BENCH_DOCUMENTS=documents)
    return run.figure_of(command_for(program, name, peer), 60, environment)


def main():
    called = run.options(__doc__, seconds=440)
    rows = run.chosen(all_rows(), called.names, "bench")
    with tempfile.TemporaryDirectory() as documents:
        if any(row["id"].startswith(("dumps_", "loads_")) for row in rows):
            subprocess.run([sys.executable, os.path.join(run.HERE, "cpython.py"), "documents", documents], check=True)
        return run.report("bench", rows, functools.partial(measure, called.program, documents), called)


if __name__ == "__main__":
    sys.exit(main())
