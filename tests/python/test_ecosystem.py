"""Libraries that are given prong's pools and executors, or use multiprocessing while prong is in its place; each where it is installed."""

import os
import socket
import subprocess
import sys
import time
import unittest

from support import METHODS, PROGRAM_TIME, SOON, ServerTest, main, needs, serves

# No `if __name__`, as with joblib's own back end: functions and classes of this file travel by value.
JOBLIB = """
import os, signal, sys
import joblib, prong, prong.joblib
from joblib import Parallel, delayed

class Own(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number

def fail(n):
    raise Own(n)

def die(n):
    os.kill(os.getpid(), signal.SIGKILL)

def own(n):
    return Own(n)

def begin(name):
    os.environ["BEGUN"] = name

with joblib.parallel_config("prong", n_jobs=2, method=sys.argv[1]):
    print(Parallel()(delayed(abs)(-n) for n in range(1000)) == list(range(1000)))
    print(Parallel()(delayed(lambda x: x + 1)(n) for n in range(3)))
    print([one.number for one in Parallel()(delayed(own)(n) for n in range(3))])
    for task, error in (fail, Own), (die, prong.WorkerDied):
        try:
            Parallel()(delayed(task)(n) for n in range(10))
        except error as raised:
            print(type(raised).__name__, type(raised.__cause__).__name__)
    pids = [set(Parallel()(delayed(os.getpid)() for _ in range(50))) for _ in range(2)]
    print(os.getpid() not in pids[0], bool(pids[0] & pids[1]))
    with Parallel() as parallel:
        print(parallel(delayed(abs)(n) for n in (-1, -2)), parallel(delayed(abs)(n) for n in (-3, -4)))
        try:
            parallel(delayed(fail)(n) for n in range(10))
        except Own:
            print(parallel(delayed(abs)(n) for n in (-5, -6)))
    unordered = "generator" if joblib.__version__ < "1.4" else "generator_unordered"
    print(sorted(Parallel(return_as=unordered)(delayed(abs)(n) for n in range(20))) == list(range(20)))
    print(Parallel()(delayed(abs)(-n) for n in range(3)))
with joblib.parallel_config("prong", n_jobs=2, method=sys.argv[1], initializer=begin, initargs=("begun",)):
    print(Parallel()(delayed(os.getenv)("BEGUN") for _ in range(2)))
with joblib.parallel_config("prong", n_jobs=2, method=sys.argv[1], initializer=fail, initargs=(1,)):
    try:
        Parallel()(delayed(abs)(n) for n in range(10))
    except prong.PoolBroken as broken:
        print(broken)
with joblib.parallel_config("prong", n_jobs=2, method=sys.argv[1]):
    print(Parallel()(delayed(abs)(-n) for n in range(3)))
"""

# joblib submits the next task in the callback of one: thousands of them, each in that of the one before, would be too deep.
JOBLIB_CALLBACKS = """
import sys, threading, traceback
import joblib, prong.joblib
from joblib import Parallel, delayed

depths = set()

def tasks():
    for n in range(5000):
        depths.add(len(traceback.extract_stack()))
        yield delayed(abs)(n)

with joblib.parallel_config("prong", n_jobs=2, method=sys.argv[1]):
    print(len(Parallel(batch_size=1)(tasks())), max(depths) < 50)
    for before in 0, 100:
        try:
            Parallel(batch_size=1)(delayed(id)(item) for item in [1] * before + [threading.Lock(), 1, 1])
        except TypeError as error:
            print(error)
"""

ARRAYS = """
import sys
import joblib, numpy, prong.joblib
from joblib import Parallel, delayed

def look(array):
    return type(array).__name__, array.flags.writeable, array.flags.f_contiguous, float(array.sum())

large, small = numpy.ones((1000, 1000)), numpy.ones(10)
with joblib.parallel_config("prong", n_jobs=2, method=sys.argv[1]):
    for array in large, small, numpy.asfortranarray(large), large[::2]:
        print(set(Parallel()(delayed(look)(array) for _ in range(4))))
    print(set(Parallel(mmap_mode="r+")(delayed(look)(large) for _ in range(2))))
    print(float(sum(Parallel()(delayed(lambda a: a * 2)(large) for _ in range(2))[1][0])))
"""

LEARN = """
import sys
import prong
prong.install()
import joblib, prong.joblib
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

def search():
    found = GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=3, n_jobs=2).fit(*data)
    return found.best_params_, found.best_score_

if __name__ == "__main__":
    data = make_classification(2000, 30, random_state=0)
    with joblib.parallel_config("threading"):
        expected = search()
    for backend, options in (("prong", {"method": sys.argv[1]}), ("multiprocessing", {}), ("loky", {})):
        with joblib.parallel_config(backend, **options):
            print(backend, search() == expected)
"""

PANDAS = """
import sys
import pandas, prong

def total(frame):
    return frame.groupby("key").value.sum()

def put(queue, frame):
    queue.put(frame.assign(value=frame.value * 2))

if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    frame = pandas.DataFrame({"key": [n % 7 for n in range(100000)], "value": range(100000), "text": "x"})
    parts = [frame.iloc[n::4] for n in range(4)]
    expected = total(frame)
    with context.Pool(2) as pool:
        print(sum(pool.map(total, parts)).equals(expected), sum(pool.imap(total, parts)).equals(expected))
    with prong.ProcessPoolExecutor(2, context) as executor:
        print(sum(executor.map(total, parts, buffersize=2)).equals(expected))
    queue = context.Queue()
    process = context.Process(target=put, args=(queue, frame))
    process.start()
    print(queue.get(timeout=60).value.equals(frame.value * 2))
    process.join()
"""

DASK = """
import sys
import prong
prong.install()
import dask, dask.bag

def add(x):
    return x + 1

def fail(x):
    raise KeyError(x)

if __name__ == "__main__":
    print(dask.compute(*[dask.delayed(add)(n) for n in range(5)], scheduler="processes", num_workers=2))
    with prong.ProcessPoolExecutor(2, prong.get_context(sys.argv[1])) as executor:
        with dask.config.set(pool=executor, scheduler="processes"):
            print(dask.bag.from_sequence(range(100), npartitions=10).map(add).sum().compute())
            try:
                dask.delayed(fail)(1).compute()
            except KeyError as error:
                print(type(error).__name__)
"""

TORCH = """
import os, sys
import prong
prong.install()
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 100

    def __getitem__(self, n):
        return torch.tensor([n * n, os.getpid()])

def double(source, target):
    for _ in range(3):
        target.put(source.get() * 2)
    source.get()  # tensors that are sent are in memory of their sender's

if __name__ == "__main__":
    method = sys.argv[1]
    for context in method, prong.get_context(method):
        for persistent in False, True:
            loader = DataLoader(Squares(), batch_size=10, num_workers=2, multiprocessing_context=context, persistent_workers=persistent)
            epochs = [torch.cat(list(loader)) for _ in range(2)]
            pids = [set(epoch[:, 1].tolist()) for epoch in epochs]
            print([int(epoch[:, 0].sum()) for epoch in epochs], len(pids[0]), pids[0] == pids[1])
    context = torch.multiprocessing.get_context(method)
    source, target = context.Queue(), context.Queue()
    process = context.Process(target=double, args=(source, target))
    process.start()
    for n in range(3):
        source.put(torch.full((1000,), n))
    print([int(target.get(timeout=60).sum()) for _ in range(3)])
    source.put(None)
    process.join()
"""

WEB = """
import os
import prong

pools = {}
shared = prong.Value("i", 0)  # made before the workers are forked

def square(n):
    return n * n

def application(environ, start_response):
    pool = pools.setdefault(os.getpid(), None) or prong.Pool(2)
    pools[os.getpid()] = pool
    with shared.get_lock():
        shared.value += 1
    body = f"{shared.value} {sum(pool.map(square, range(100)))}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

# Django's runner shares out its tests among multiprocessing's pool.
DJANGO = """
import sys
import prong
prong.install()
import django
from django.conf import settings
from django.test.runner import DiscoverRunner

settings.configure(INSTALLED_APPS=[], DATABASES={})
django.setup()

if __name__ == "__main__":
    prong.set_start_method(sys.argv[1])
    before = prong._core.calls()["pool"]
    print(DiscoverRunner(verbosity=0, parallel=2).run_tests(["django_cases"]), prong._core.calls()["pool"] > before)
"""

DJANGO_CASES = """
from django.test import SimpleTestCase

class FirstTest(SimpleTestCase):
    def test_holds(self):
        self.assertEqual(1, 1)

class SecondTest(SimpleTestCase):
    def test_holds(self):
        self.assertEqual(2, 2)
"""

XDIST = """
import prong, pytest

def square(n):
    return n * n

@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"] * 2)
def test_pool(method):
    with prong.get_context(method).Pool(2) as pool:
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
"""


class EcosystemTest(ServerTest):
    @unittest.skipUnless(serves("joblib"), "no joblib, or one older than 1.3")
    def test_joblibs_parallel(self):
        self.check(JOBLIB, "True\n[1, 2, 3]\n[0, 1, 2]\nOwn RemoteTraceback\nWorkerDied NoneType\nTrue True\n[1, 2] [3, 4]\n[5, 6]\nTrue\n"
                           "[0, 1, 2]\n['begun', 'begun']\nthe pool's initializer failed\n[0, 1, 2]\n")

    @unittest.skipUnless(serves("joblib"), "no joblib, or one older than 1.3")
    def test_what_joblibs_callbacks_submit(self):
        self.check(JOBLIB_CALLBACKS, "5000 True\n" + "cannot pickle '_thread.lock' object\n" * 2)

    @unittest.skipUnless(serves("joblib"), "no joblib, or one older than 1.3")
    @needs("numpy")
    def test_joblibs_large_arrays(self):
        self.check(ARRAYS, "{('ndarray', False, False, 1000000.0)}\n{('ndarray', True, True, 10.0)}\n{('ndarray', False, True, 1000000.0)}\n"
                           "{('ndarray', False, False, 500000.0)}\n{('ndarray', True, False, 1000000.0)}\n2000.0\n")

    @needs("sklearn")
    def test_scikit_learns_grid_search(self):
        self.check(LEARN, "prong True\nmultiprocessing True\nloky True\n")

    @needs("pandas")
    def test_pandas_frames(self):
        self.check(PANDAS, "True True\nTrue\nTrue\n")

    @needs("dask")
    def test_dasks_scheduler(self):
        self.check(DASK, "(1, 2, 3, 4, 5)\n5050\nKeyError\n")

    @needs("torch")
    def test_torchs_loader_and_queues(self):
        self.check(TORCH, "[328350, 328350] 2 False\n[328350, 328350] 2 True\n" * 2 + "[0, 2000, 4000]\n")

    @needs("django")
    def test_djangos_parallel_tests(self):
        self.write("django_cases.py", DJANGO_CASES)
        self.check(DJANGO, "System check identified no issues (0 silenced).\n0 True\n", METHODS[:2])  # which are those that it knows

    def ask(self, path):
        end = time.monotonic() + SOON
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(SOON)
                try:
                    client.connect(path)
                except OSError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)
                    continue
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return b"".join(iter(lambda: client.recv(4096), b"")).rpartition(b"\r\n")[2].decode()

    @needs("gunicorn")
    def test_pools_in_gunicorns_workers(self):
        self.write("web.py", WEB)
        path = os.path.join(self.directory, "socket")
        for options in ((), ("--preload",)):
            with self.subTest(options):
                server = self.started("-m", "gunicorn", "-w", "2", *options, "-b", f"unix:{path}", "web:application", HOME=self.directory)
                answers = [self.ask(path).split() for _ in range(8)]
                self.assertEqual({answer[1] for answer in answers}, {"328350"})
                if options:  # the workers are one family
                    self.assertEqual([int(answer[0]) for answer in answers], list(range(1, 9)))
                self.assertNotIn("Traceback", self.ended(*server))

    @needs("xdist", "pytest")
    def test_pools_beside_xdists_workers(self):
        path = self.write("test_pools.py", XDIST)
        ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-c", os.devnull, path],
                             capture_output=True, text=True, timeout=PROGRAM_TIME)
        self.assertIn("6 passed", ran.stdout, ran.stdout + ran.stderr)


if __name__ == "__main__":
    main()
