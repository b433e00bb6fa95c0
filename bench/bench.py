"""bench.py PROGRAM [NAME] [--json]: runs the benchmarks interleaved with their peers, and reports medians and spread.

Each figure is the median of the rounds; in each round every peer is measured once, each in processes of its own, one
after the other. A ratio of 3.00 means that prong is three times as good, whichever way better lies.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 5
KINDS = ["tuple", "request", "json", "ints", "floats", "strs", "bytes"]
IPC = ["pipe", "unix_socket", "posix_mq", "boost_mq", "zmq_ipc"]
BENCHES = {  # id: (unit, better, peers, what it must reach: peer and ratio)
    "queue_oneway_8B": ("msg/s", "higher", IPC + ["cpython"], ("boost_mq", 3)),
    "queue_oneway_1KiB": ("msg/s", "higher", IPC, None),
    "queue_oneway_64KiB": ("msg/s", "higher", IPC, None),
    "queue_oneway_1MiB": ("msg/s", "higher", IPC, (("boost_mq", "zmq_ipc", "pipe"), 10)),
    "queue_oneway_copied_1MiB": ("msg/s", "higher", IPC, None),
    "queue_mpmc_8B": ("msg/s", "higher", ["boost_mq"], ("boost_mq", 2)),
    "pipe_rtt_8B": ("us", "lower", IPC + ["cpython"], ("pipe", 20)),
    "queue_rtt_8B": ("us", "lower", IPC, ("pipe", 20)),
    "wait_rtt_8B": ("us", "lower", ["pipe_poll"], None),
    "pipe_rtt_8B_one_core": ("us", "lower", ["pipe", "unix_socket"], ("pipe", 1)),
    "pipe_rtt_1KiB": ("us", "lower", IPC, None),
    "pipe_rtt_64KiB": ("us", "lower", IPC, None),
    "pipe_rtt_1MiB": ("us", "lower", IPC, None),
    "pool_map_chunk1": ("tasks/s", "higher", ["cpython"], ("cpython", 20)),
    "pool_apply": ("us", "lower", ["cpython"], ("cpython", 30)),
    "pool_map_doubles": ("ms", "lower", ["openmp"], ("openmp", 0.8)),
    "start_fork": ("us", "lower", ["raw_fork", "cpython"], None),
    "start_spawn": ("us", "lower", ["posix_spawn", "vfork_exec", "cpython"], None),
    "start_forkserver": ("us", "lower", ["raw_fork", "cpython"], None),
    "start_forkserver_1GiB": ("us", "lower", ["raw_fork_small", "raw_fork_1GiB"], ("raw_fork_small", 0.67)),
    "start_spawn_1GiB": ("us", "lower", ["posix_spawn", "vfork_exec", "raw_fork_1GiB"], None),
    "lock_pair": ("ns", "lower", ["robust_mutex", "shared_mutex", "sem_t", "cpython"], ("robust_mutex", 0.8)),
    "lock_contended_2": ("pairs/s", "higher", ["robust_mutex", "shared_mutex", "sem_t", "cpython"], ("robust_mutex", 1)),
    "lock_contended_8": ("pairs/s", "higher", ["robust_mutex", "shared_mutex", "sem_t"], None),
    "lock_longest_wait_8": ("longest/mean", "lower", ["robust_mutex", "shared_mutex", "sem_t"], ("limit", 100)),
    "event_handover": ("us", "lower", ["raw_futex", "cpython"], ("raw_futex", 10)),
    "condition_handover": ("us", "lower", ["raw_futex", "pthread_cond", "cpython"], ("raw_futex", 10)),
    "event_handover_blocked": ("us", "lower", ["raw_futex"], ("raw_futex", 0.9)),
    "condition_handover_blocked": ("us", "lower", ["raw_futex", "pthread_cond"], ("raw_futex", 0.9)),
    "value_add": ("ns", "lower", ["c11_atomic", "prong_lock", "robust_mutex_lock", "cpython"], ("c11_atomic", 0.67)),
    "subprocess_start": ("us", "lower", ["vfork_exec", "posix_spawn", "libuv", "cpython"], None),
    "subprocess_start_1GiB": ("us", "lower", ["vfork_exec", "posix_spawn", "libuv", "cpython"], ("vfork_exec", 0.95)),
    "communicate_256MiB": ("MiB/s", "higher", ["cpython"], ("cpython", 1)),
    "communicate_memory_256MiB": ("MiB", "lower", ["cpython"], ("cpython", 1)),
    **{f"dumps_{kind}": ("us", "lower", ["cpython", "msgpack"], ("limit", 1048) if kind == "bytes" else ("cpython", 1.5)) for kind in KINDS},
    **{f"loads_{kind}": ("us", "lower", ["cpython", "msgpack"], ("limit", 1048) if kind == "bytes" else ("cpython", 1.5)) for kind in KINDS},
    "manager_dict_c_client": ("us", "lower", ["cpython_server", "cpython"], ("cpython", 2)),
    "manager_dict_py_client": ("us", "lower", ["cpython"], ("cpython", 1.2)),
    "manager_family_call": ("us", "lower", ["cpython"], ("cpython", 10)),
    "manager_queue": ("us", "lower", ["cpython_server", "cpython"], None),
    "manager_1_clients": ("requests/s", "higher", ["cpython_server", "cpython"], None),
    "manager_4_clients": ("requests/s", "higher", ["cpython_server", "cpython"], None),
    "manager_64_clients": ("requests/s", "higher", ["cpython_server", "cpython"], ("cpython", 5)),
    "manager_64_clients_p99": ("us", "lower", ["cpython_server", "cpython"], None),
    "manager_100k_entries_KiB": ("KiB", "lower", ["cpython"], ("cpython", 1)),
    "idle_private_KiB": ("KiB", "lower", ["cpython"], ("limit", 2048)),
}


def lean(name):
    return "-lean" if name.startswith(("start_", "idle_", "communicate_")) else ""


def measure(program, name, peer):
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, os.path.join(here, "cpython.py"), name] if peer == "cpython" else [program + lean(name), name, peer]
    if name == "manager_dict_py_client" and peer == "prong":  # a Python client in any case: of our server
        command = [sys.executable, os.path.join(here, "cpython.py"), name, program]
    environment = os.environ | {"BENCH_NOTHING": os.path.join(os.path.dirname(program), "nothing"),
                                "BENCH_CPYTHON": os.path.join(here, "cpython.py"), "BENCH_DOCUMENTS": DOCUMENTS.name}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    if done.returncode != 0:
        sys.exit(f"bench: {name} {peer} failed: {done.stderr.strip()}")
    text = done.stdout.strip()
    return None if text == "-" else float(text)


DOCUMENTS = tempfile.TemporaryDirectory()


def run(program, name):
    peers = ["prong"] + BENCHES[name][2]
    values = {peer: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer in peers:
            value = measure(program, name, peer)
            if value is not None:
                values[peer].append(value)
    return {peer: v for peer, v in values.items() if v}


def ratio(name, medians, peer):
    ours, theirs = medians["prong"], medians[peer]
    return ours / theirs if BENCHES[name][1] == "higher" else theirs / ours


def verdict(name, medians):
    goal = BENCHES[name][3]
    if goal is None:
        return ""
    peer, wanted = goal
    if peer == "limit":
        reached, text = medians["prong"] < wanted, f"< {wanted}"
    else:
        peers = [p for p in (peer if isinstance(peer, tuple) else (peer,)) if p in medians]
        if not peers:
            return ""
        reached = min(ratio(name, medians, p) for p in peers) >= wanted
        text = f"{wanted} x {' and '.join(peers)}"
    return f"   goal {text}: {'reached' if reached else 'MISSED'}"


def show(name, values, medians):
    unit, better, _, _ = BENCHES[name]
    print(f"{name} ({unit}, {better} is better){verdict(name, medians)}")
    for peer, figures in values.items():
        spread = f"{min(figures):.4g} .. {max(figures):.4g}"
        beside = "" if peer == "prong" else f"prong is {ratio(name, medians, peer):.2f} x"
        print(f"  {peer:14} {medians[peer]:>12.5g}   [{spread:^26}]   {beside}")
    sys.stdout.flush()


def main():
    arguments = [a for a in sys.argv[2:] if a != "--json"]
    as_json = "--json" in sys.argv
    names = [n for n in BENCHES if not arguments or any(a in n for a in arguments)]
    if not names:
        sys.exit(f"bench: no benchmark's name holds {' or '.join(arguments)}; there are: {' '.join(BENCHES)}")
    if any(name.startswith(("dumps_", "loads_")) for name in names):
        here = os.path.dirname(os.path.abspath(__file__))
        subprocess.run([sys.executable, os.path.join(here, "cpython.py"), "documents", DOCUMENTS.name], check=True)
    for name in names:
        values = run(sys.argv[1], name)
        medians = {peer: statistics.median(v) for peer, v in values.items()}
        if as_json:
            unit, better, _, _ = BENCHES[name]
            peers = {peer: m for peer, m in medians.items() if peer != "prong"}
            print(json.dumps({"id": name, "unit": unit, "better": better, "prong": medians["prong"], "peers": peers}), flush=True)
        else:
            show(name, values, medians)


if __name__ == "__main__":
    main()
