"""CPython's own tests of what a manager gives, run against a prong server in place of Python's: the classes that its suite
builds "WithManager". Skipped where this Python has no test package. Usage: cpython_suite.py SERVER-TOOL [start method]

Left out, with reasons:
  Pool: the server has no Pool type (a pool of its own program is prong_pool).
  test_barrier action tests: an action is code, which the server does not run.
"""
import inspect
import multiprocessing
import os
import subprocess
import sys
import unittest
from multiprocessing.managers import SyncManager

server_tool = sys.argv[1]
method = sys.argv[2] if len(sys.argv) > 2 else "fork"
try:
    import test._test_multiprocessing as suite
except ImportError:
    print("skipped: this Python has no test package")
    sys.exit(77)

KEY = b"of the tests"


class RemoteManager(SyncManager):
    """Connected to a prong server that it starts, and ends."""

    def __init__(self):
        allow = ["md5"] if sys.version_info < (3, 12) else []
        self.server = subprocess.Popen([server_tool, f"@prong-suite-{os.getpid()}-{id(self)}", KEY.decode(), *allow],
                                       stdout=subprocess.PIPE, text=True)
        address = "\0" + self.server.stdout.readline().strip()[1:]
        super().__init__(address, authkey=KEY)
        self.connect()

    def shutdown(self):
        from multiprocessing.managers import dispatch
        conn = self._Client(self._address, authkey=self._authkey)
        dispatch(conn, None, "shutdown")
        conn.close()
        assert self.server.wait(20) == 0

    def join(self, timeout=None):
        self.server.stdout.close()


def without(cls, *names):
    for name in names:
        if hasattr(cls, name):
            setattr(cls, name, unittest.skip("not on this server")(getattr(cls, name)))


multiprocessing.current_process().authkey = KEY
multiprocessing.Manager = RemoteManager
without(suite._TestBarrier, "test_action", "test_wait_return", "test_barrier_action")
# Children need them under this name, too. Debian 12's suite knows no choice; its other classes are not run (see main).
only = {"only_type": "manager"} if "only_type" in inspect.signature(suite.install_tests_in_module_dict).parameters else {}
suite.install_tests_in_module_dict(globals(), method, **only)


def main():
    setUpModule()
    loader, whole = unittest.TestLoader(), unittest.TestSuite()
    for name, cls in sorted(globals().items()):
        if name.startswith("WithManager") and "Pool" not in name:
            whole.addTests(loader.loadTestsFromTestCase(cls))
    result = unittest.TextTestRunner(verbosity=1, stream=sys.stderr).run(whole)
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
