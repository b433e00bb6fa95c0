"""Measures prong in turn with its peers and with what the machine allows: bench.py PROGRAM [NAME ...]

Each measurement has processes of its own. How the rounds go, and the JSON form, stand in run.py.
"""
import functools
import os
import subprocess
import sys
import tempfile

import run

KINDS = ["tuple", "request", "json", "ints", "floats", "strs"]
IPC = ["pipe", "unix_socket", "posix_mq", "boost_mq", "zmq_ipc"]
LOCKS = ["robust_mutex", "shared_mutex", "sem_t"]
SERVERS = ["cpython_server", "cpython"]


def messages():
    rate = functools.partial(run.row, unit="msg/s", better="higher")
    trip = functools.partial(run.row, unit="us", better="lower")
    return [
        rate("queue_oneway_8B", peers=IPC + ["cpython"], limit="limit_ring_8B", goals=[("limit_ring_8B", 0.4), ("boost_mq", 3)]),
        rate("queue_oneway_1KiB", peers=IPC, limit="limit_ring_1KiB", goals=[("limit_ring_1KiB", 0.5), ("boost_mq", 3)]),
        rate("queue_oneway_64KiB", peers=IPC, limit="limit_ring_64KiB", goals=[("limit_ring_64KiB", 0.6), ("boost_mq", 3)]),
        rate("queue_oneway_1MiB", peers=IPC, limit="limit_ring_8B", goals=[("boost_mq", 10), ("zmq_ipc", 10), ("pipe", 10)],
             note="in place: the limit is handing over a word"),
        rate("queue_oneway_copied_1MiB", peers=IPC, limit="limit_ring_1MiB", goals=[("limit_ring_1MiB", 0.9), ("boost_mq", 3)]),
        rate("queue_mpmc_8B", peers=["boost_mq"], limit="limit_ring_8B", goals=[("boost_mq", 4)],
             note="two producers and two consumers; the limit is of one each"),
        trip("pipe_rtt_8B", peers=IPC + ["cpython"], limit="limit_spin", goals=[("limit_spin", 0.5), ("pipe", 20)]),
        trip("queue_rtt_8B", peers=IPC, limit="limit_spin", goals=[("limit_spin", 0.5), ("pipe", 20)]),
        trip("wait_rtt_8B", peers=["pipe_poll"], limit="limit_spin"),
        trip("pipe_rtt_8B_one_core", peers=["pipe", "unix_socket"], limit="limit_futex", goals=[("pipe", 1)]),
        trip("pipe_rtt_1KiB", peers=IPC, limit="limit_spin", note="the limit has no copy"),
        trip("pipe_rtt_64KiB", peers=IPC),
        trip("pipe_rtt_1MiB", peers=IPC),
    ]


def processes():
    time = functools.partial(run.row, unit="us", better="lower")
    return [
        run.row("pool_map_chunk1", "tasks/s", "higher", ["cpython"], limit="limit_ring_8B", goals=[("cpython", 20)]),
        time("pool_apply", peers=["cpython"], limit="limit_spin", goals=[("limit_spin", 0.25), ("cpython", 30)]),
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
        run.row("lock_longest_wait_8", "longest/mean", "lower", LOCKS, limit=1, goals=[(None, 100)]),
        time("event_handover", peers=["raw_futex", "cpython"], limit="limit_handover", goals=[("raw_futex", 10)]),
        time("condition_handover", peers=["raw_futex", "pthread_cond", "cpython"], limit="limit_handover", goals=[("raw_futex", 10)]),
        time("event_handover_blocked", peers=[], limit="raw_futex", goals=[("raw_futex", 0.9)]),
        time("condition_handover_blocked", peers=["pthread_cond"], limit="raw_futex", goals=[("raw_futex", 0.9)]),
        run.row("value_add", "ns", "lower", ["prong_lock", "robust_mutex_lock", "cpython"], limit="c11_atomic", goals=[("c11_atomic", 0.67)]),
        run.row("idle_wakeups_100", "1/s", "lower", [], goals=[(None, 10)],
                note="voluntary context switches a second of 100 sleeping members, over 6 s in each round"),
        run.row("idle_private_KiB", "KiB", "lower", ["cpython"], goals=[(None, 2048)]),
        run.row("queue_empty_KiB", "KiB", "lower", [], goals=[(None, 4)]),
        run.row("pipe_empty_KiB", "KiB", "lower", []),
    ]


def values():
    codec = functools.partial(run.row, unit="us", better="lower", peers=["cpython", "msgpack"], limit="limit_copy")
    beside = {"loads_json": [("msgpack", 1)], "loads_strs": [("msgpack", 0.8)]}
    rows = []
    for way in ("dumps", "loads"):
        for kind in KINDS:
            name = f"{way}_{kind}"
            rows.append(codec(name, goals=[("cpython", 1.5)] + beside.get(name, [])))
        rows.append(codec(f"{way}_bytes", goals=[("cpython", 1)] if way == "dumps" else [(None, 1048)]))
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
    return messages() + processes() + synchronization() + values() + managers()


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
