"""Runs one of CPython's own test modules in this interpreter, in which a .pth file has put prong in multiprocessing's place.

usage: run_suite.py MODULE [--shard I/N] [--only TEXT] [--list FILE]

Each case has a time limit; where every thread and process of one that takes longer is, is said before it is interrupted. What fails
must be in the list of exceptions. The last lines say how much of the core's work each group of cases asked for."""

import argparse
import collections
import faulthandler
import fnmatch
import importlib
import os
import signal
import sys
import time
import unittest

import stacks

LIMIT = 60  # seconds for a case, and for what it does to clean up


class TooLong(BaseException):
    pass


def too_long(number, frame):
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.dump_traceback(sys.stdout)
    stacks.print_descendants()
    limit_time()
    raise TooLong(f"the case took longer than {LIMIT} s")


def limit_time():
    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, LIMIT, LIMIT)


class Result(unittest.TextTestResult):
    def __init__(self, *args):
        super().__init__(*args)
        self.groups = collections.Counter()
        self.counts = collections.defaultdict(collections.Counter)
        self.passed = []
        self.failed = []

    def startTest(self, test):
        import prong
        super().startTest(test)
        self.before = prong._core.calls()
        self.began = time.monotonic()
        limit_time()

    def stopTest(self, test):
        import prong
        limit_time()  # for what comes before the next, or after the last
        group = type(test).__name__
        self.groups[group] += 1
        for name, count in prong._core.calls().items():
            self.counts[group][name] += count - self.before[name]
        super().stopTest(test)
        took = time.monotonic() - self.began
        if took > 20:
            print(f"slow: {test.id()} {took:.1f} s", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed.append(test.id())

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note_failure(test, error)

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.note_failure(test, error)

    def note_failure(self, test, error):
        self.failed.append(test.id())
        print("FAIL", test.id(), "\n" + self._exc_info_to_string(error, test), flush=True)


def cases(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            yield test


def selected(module, options):
    """The suites of the module's classes, those of this shard."""
    by_class = collections.OrderedDict()
    for test in cases(unittest.defaultTestLoader.loadTestsFromModule(module)):
        if not options.only or options.only in test.id():
            by_class.setdefault(type(test), []).append(test)
    place, shards = (int(part) for part in options.shard.split("/"))
    suite = unittest.TestSuite()
    for index, tests in enumerate(by_class.values()):
        if index % shards == place:
            suite.addTests(tests)
    return suite


def in_range(text):
    """Whether this version of Python is in a range: "3.12", "3.12 -", "- 3.10" or "3.10 - 3.12"."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    least, most = (tuple(map(int, part.split("."))) if part else None for part in (first, last if dash else first))
    version = sys.version_info[:2]
    return (least is None or least <= version) and (most is None or version <= most)


def entries(path):
    """The name and reason on each line of a list that are about this version: after a line with a range in brackets, just those in it."""
    holds = True
    with open(path) as file:
        for line in map(str.strip, file):
            if line.startswith("["):
                holds = in_range(line.strip("[]"))
            elif line and not line.startswith("#") and holds:
                yield line.split(None, 1)


def exceptions(path):
    found = {}
    for name, reason in entries(path):
        module, _, case = name.rpartition(":")
        if not module or module in sys.argv[1]:
            found[case] = reason
    return found


def without_core(exceptions_path):
    """The groups that need not ask anything of the core: the list lies beside that of the exceptions."""
    if not exceptions_path:
        return ["*"]
    path = os.path.join(os.path.dirname(exceptions_path), "without_core.txt")
    return [name for name, _ in entries(path)]


def except_case(test, reason):
    def skip():
        raise unittest.SkipTest("exception: " + reason)
    test.setUp = skip


def short(name):
    return name.split(".", 2)[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--only")
    parser.add_argument("--list")
    options = parser.parse_args()
    from prong._impl import install
    if not install.installed:
        sys.exit("prong is not in multiprocessing's place in this interpreter")
    module = importlib.import_module("test." + options.module)
    accepted = exceptions(options.list) if options.list else {}
    suite = selected(module, options)
    if accepted:
        for test in cases(suite):
            for name, reason in accepted.items():
                if short(test.id()) == name or test.id().endswith("." + name):
                    except_case(test, reason)
    runner = unittest.TextTestRunner(stream=open("/dev/null", "w"), resultclass=Result, verbosity=0)
    result = runner.run(suite)
    idle = without_core(options.list)
    for group, counts in sorted(result.counts.items()):
        used = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        print(f"{group}: {result.groups[group]} cases,", used or "none of the core")
        if not used and not any(fnmatch.fnmatch(group, pattern) for pattern in idle):
            result.failed.append(group)
            print("FAIL", group, "\nnone of its cases asked anything of the core, and it is not in without_core.txt")
    signal.setitimer(signal.ITIMER_REAL, 0)
    for test, reason in result.skipped:
        if "exception: " not in reason:
            print("skip", test.id().replace(" ", "_"), reason.replace("\n", " "))
    excepted = sum("exception: " in reason for test, reason in result.skipped)
    print(f"{options.module} {options.shard}: {len(result.passed)} passed, {len(set(result.failed))} failed, "
          f"{len(result.skipped) - excepted} skipped, {excepted} excepted", flush=True)
    return bool(result.failed)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.exit(code)
