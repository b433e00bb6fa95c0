"""The tasks of python_pools_peer.py. They are in a module of their own, so that every library finds them by their names."""

import os
import signal
import time

PARTS = 8


def same(x):
    return x


def sum_of_part(array, part):
    size = len(array) // PARTS
    return float(array[part * size:(part + 1) * size].sum())


def first_of(table, _):
    return table[0]


def note(directory, name):
    with open(os.path.join(directory, str(name)), "w", encoding="ascii"):
        pass


def wait_for(directory, count, seconds=10):
    """Returns when so many files are there."""
    end = time.monotonic() + seconds
    while len(os.listdir(directory)) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds} s {len(os.listdir(directory))} of {count} workers ran at once")
        time.sleep(0.0005)


def run_at_once(directory, count):
    """Ends when so many workers run this at the same time."""
    note(directory, os.getpid())
    wait_for(directory, count)


def run_until_death(directory, count, number):
    """Task 0 kills its worker as soon as so many tasks run; the others end when its death is known."""
    running, killed, known = (os.path.join(directory, name) for name in ("running", "killed", "known"))
    note(running, number)
    if number == 0:
        wait_for(running, count)
        note(killed, time.monotonic_ns())
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(known, 1)
    return number
