"""What prong does not import before it is used."""

import os
import subprocess
import sys
import tempfile
import unittest

SOON = 120


class LaterTest(unittest.TestCase):
    """What takes long to import is imported when it is used, and is then what it always was."""

    def check(self, program):
        ran = subprocess.run([sys.executable, "-c", program + "\nprint('good')"], capture_output=True, text=True, timeout=SOON)
        self.assertEqual(ran.stdout, "good\n", ran.stderr)

    def test_importing_prong_imports_little(self):
        self.check("import sys; before = set(sys.modules); import prong\n"
                   "slow = {'pickle', 'socket', 're', 'subprocess', 'selectors', 'tempfile', 'multiprocessing.util'}\n"
                   "assert not slow & (set(sys.modules) - before), slow & set(sys.modules)")

    def test_a_module_is_itself_however_it_is_first_used(self):
        for use in ("import multiprocessing.reduction as r", "from multiprocessing import reduction as r",
                    "import multiprocessing; r = multiprocessing.reduction",
                    "import multiprocessing.context; r = multiprocessing.context.reduction",
                    "import prong; r = prong.get_context().reducer",
                    "import importlib; r = importlib.import_module('multiprocessing.reduction')"):
            self.check(f"import prong, sys\n{use}\n"
                       "assert r is sys.modules['multiprocessing.reduction'] is sys.modules['multiprocessing'].reduction\n"
                       "assert 'socket' not in sys.modules\n"
                       "assert 'ForkingPickler' in dir(r) and 'socket' in sys.modules\n"
                       "from types import ModuleType\n"
                       "assert type(r) is ModuleType and r.__spec__.name == r.__name__ and r.__file__\n"
                       "assert prong._core.PipeConnection in r.ForkingPickler._extra_reducers")

    def test_a_name_is_never_that_of_a_module(self):
        """A module that is imported takes its name in the package: so no module of ours bears that of a function or class."""
        self.check("import pkgutil, prong, importlib\n"
                   "before = {name: getattr(prong, name) for name in prong.__all__}\n"
                   "for found in pkgutil.iter_modules(prong.__path__):\n"
                   "    if found.name not in ('_core', 'celery', 'joblib'): importlib.import_module('prong.' + found.name)\n"
                   "changed = [name for name in prong.__all__ if getattr(prong, name) is not before[name]]\n"
                   "assert not changed and 'install' in before, changed")

    def test_what_is_set_before_its_first_use_stays(self):
        self.check("import prong, multiprocessing.reduction as r\nr.mine = 5\nassert r.mine == 5 and r.ForkingPickler and r.mine == 5")

    def test_threads_that_use_it_at_once_find_it_whole(self):
        self.check("import prong, threading, multiprocessing.reduction as r\n"
                   "found = []\n"
                   "threads = [threading.Thread(target=lambda: found.append(r.ForkingPickler)) for _ in range(16)]\n"
                   "for thread in threads: thread.start()\n"
                   "for thread in threads: thread.join()\n"
                   "assert len(found) == 16 and len(set(found)) == 1")

    def test_an_import_that_fails_is_tried_again(self):
        self.check("import prong, sys, multiprocessing.reduction as r\n"
                   "class Refuses:\n"
                   "    def find_spec(self, name, *rest):\n"
                   "        if name == 'socket': raise ImportError('refused')\n"
                   "sys.meta_path.insert(0, Refuses())\n"
                   "try: r.ForkingPickler\n"
                   "except ImportError as error: assert 'refused' in str(error)\n"
                   "else: assert False\n"
                   "del sys.meta_path[0]\n"
                   "assert r.ForkingPickler")

    def test_sockets_and_registered_types_are_pickled(self):
        self.check("import prong, sys\n"
                   "class Mine: pass\n"
                   "q = prong.Queue(); q.put({1: Mine}); assert q.get() == {1: Mine}\n"
                   "assert 'socket' not in sys.modules\n"
                   "import socket\n"
                   "a, b = socket.socketpair()\n"
                   "q.put(a); c = q.get(); c.sendall(b'hello'); assert b.recv(5) == b'hello'\n"
                   "from multiprocessing.reduction import ForkingPickler\n"
                   "ForkingPickler.register(Mine, lambda mine: (str, ('reduced',)))\n"
                   "q.put(Mine()); assert q.get() == 'reduced'")

    def test_the_family_has_one_resource_tracker(self):
        """Which can be stopped while the fork server lives; another is begun for the next child."""
        path = os.path.join(tempfile.mkdtemp(), "program.py")
        with open(path, "w") as file:
            file.write("import os, prong, sys\n"
                       "def look(q):\n"
                       "    from multiprocessing import resource_tracker\n"
                       "    from multiprocessing.shared_memory import SharedMemory\n"
                       "    memory = SharedMemory(create=True, size=64); memory.close(); memory.unlink()\n"
                       "    q.put((os.fstat(resource_tracker._resource_tracker._fd).st_ino, resource_tracker._resource_tracker._pid))\n"
                       "if __name__ == '__main__':\n"
                       "    from multiprocessing import resource_tracker\n"
                       "    for method in ('spawn', 'forkserver', 'forkserver'):\n"
                       "        c = prong.get_context(method); q = c.Queue(); p = c.Process(target=look, args=(q,)); p.start()\n"
                       "        assert q.get(timeout=60) == (os.fstat(resource_tracker._resource_tracker._fd).st_ino, None)\n"
                       "        p.join(); assert p.exitcode == 0\n"
                       "        resource_tracker._resource_tracker._stop()\n"  # as from 3.13.5 on an interpreter does at its end
                       "    print('good')\n")
        ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=SOON)
        self.assertEqual(ran.stdout, "good\n", ran.stderr)


if __name__ == "__main__":
    unittest.main()
