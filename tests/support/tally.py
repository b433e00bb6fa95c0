"""Counts the checks of a program of tests, for programs that try every Python of the machine."""
import sys

from pythons import pythons

counts = {True: 0, False: 0}


def check(name, good, detail=""):
    counts[bool(good)] += 1
    if not good:
        print(f"FAIL {name}: {detail}")


def end():
    """Prints the counts, and exits: 77 for a skip."""
    if not pythons():
        print("skipped: there is no Python to talk to")
        sys.exit(77)
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(1 if counts[False] else 0)
