"""What a service manager (systemd) is told: by supervisors, and by managers' servers."""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
import unittest

import prong
import prong.managers
from support import METHODS, SOON

VARIABLES = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


@contextlib.contextmanager
def environment(**values):
    """It has these of the service manager's variables, and no others."""
    before = {name: os.environ.pop(name, None) for name in VARIABLES}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def service(path=None, **values):
    """The manager's socket: at a path, or abstract."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        name = path or f"@prong-notify-{os.getpid()}"
        sock.bind(name.replace("@", "\0", 1) if path is None else path)
        sock.settimeout(SOON)
        with environment(NOTIFY_SOCKET=name, **values):
            yield sock


def heard(sock, beginning):
    """The next message that is not the watchdog's; how many of those came before."""
    for count in range(100000):
        text = sock.recv(1000).decode()
        if text != "WATCHDOG=1":
            if not text.startswith(beginning):
                raise AssertionError(text)
            return count
    raise AssertionError("nothing else than the watchdog's messages")


def exit_orderly(*_):
    sys.exit(0)


def serve(address, notify, variables):
    os.environ.update(variables)  # a fork server has those of its own start
    signal.signal(signal.SIGTERM, exit_orderly)
    prong.managers.SyncManager(address=address, authkey=b"key").get_server().serve_forever(notify=notify)


def serve_and_watch():
    serve(None, True, {"WATCHDOG_PID": str(os.getpid())})  # as systemd sets it for the service's own process


class ManagerTest(unittest.TestCase):
    def test_a_server_tells_ready_and_stopping(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in None, f"{folder}/notify":
                for method in METHODS:
                    with self.subTest(method=method, path=path), service(path) as sock:
                        self.check_server(prong.get_context(method), f"{folder}/{method}", sock)
                    if path:
                        os.unlink(path)

    def check_server(self, ctx, address, sock):
        server = ctx.Process(target=serve, args=(address, True, dict(os.environ)))
        server.start()
        heard(sock, f"READY=1\nSTATUS=serves at {address}")
        manager = prong.managers.SyncManager(address=address, authkey=b"key")
        manager.connect()
        self.assertEqual(len(manager.list([1, 2])), 2)
        server.terminate()
        heard(sock, "STOPPING=1")
        server.join(SOON)
        self.assertEqual(server.exitcode, 0)

    def test_it_feeds_the_watchdog(self):
        with service(WATCHDOG_USEC="40000") as sock:
            server = prong.Process(target=serve_and_watch)
            server.start()
            heard(sock, "READY=1")
            for _ in range(3):
                self.assertEqual(sock.recv(1000), b"WATCHDOG=1")
            server.terminate()
            heard(sock, "STOPPING=1")
            server.join(SOON)

    def test_it_tells_nothing_unasked(self):
        with service() as sock:
            sock.settimeout(0.3)
            server = prong.Process(target=serve, args=(None, False, {}))
            server.start()
            with self.assertRaises(socket.timeout):
                sock.recv(1000)
            server.terminate()
            server.join(SOON)

    def test_a_wrong_socket_is_named_before_it_serves(self):
        server = prong.managers.SyncManager(authkey=b"key").get_server()
        for address, error in ("nonsense", ValueError), ("/no/such/socket", FileNotFoundError):
            with environment(NOTIFY_SOCKET=address), self.assertRaisesRegex(error, address):
                server.serve_forever(notify=True)


class SupervisorTest(unittest.TestCase):
    def supervisor(self, **options):
        supervisor = prong.Supervisor([prong.Child(program=["sleep", str(SOON * 4)])], notify=True, **options)
        self.addCleanup(supervisor.close)
        self.addCleanup(supervisor.stop, SOON)
        return supervisor

    def test_ready_stopping_and_the_watchdog(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in None, f"{folder}/notify":
                with self.subTest(path=path), service(path, WATCHDOG_USEC="40000", WATCHDOG_PID=str(os.getpid())) as sock:
                    supervisor = self.supervisor()
                    end = time.monotonic() + 0.3
                    while time.monotonic() < end:
                        self.assertFalse(supervisor.run(0.1))
                    heard(sock, "READY=1")
                    self.assertEqual(sock.recv(1000), b"WATCHDOG=1")
                    self.assertTrue(supervisor.stop(SOON))
                    heard(sock, "STOPPING=1")

    def test_a_watchdog_that_is_wrong_is_not_told(self):
        for values in {"WATCHDOG_USEC": "nonsense"}, {"WATCHDOG_USEC": "-5"}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}:
            with self.subTest(values=values), service(**values) as sock:
                supervisor = self.supervisor()
                self.assertFalse(supervisor.run(0.2))
                self.assertTrue(supervisor.stop(SOON))
                self.assertEqual(heard(sock, "READY=1") + heard(sock, "STOPPING=1"), 0)

    def test_a_wrong_socket_is_named_and_nothing_starts(self):
        for address, error in ("nonsense", ValueError), ("@", ValueError), ("/no/such/socket", FileNotFoundError):
            with self.subTest(address=address), environment(NOTIFY_SOCKET=address):
                supervisor = self.supervisor()
                with self.assertRaisesRegex(error, "NOTIFY_SOCKET"):
                    supervisor.run(0)
                self.assertEqual(supervisor.children()[0].phase, "down")


if __name__ == "__main__":
    unittest.main()
