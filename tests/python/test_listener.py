"""Listener and Client: what prong's have beyond multiprocessing's."""

import os
import queue
import socket
import struct
import sys
import time
import unittest
from multiprocessing import connection as theirs

import prong
from prong.connection import AuthenticationError, Client, Listener
from support import descriptors, in_thread

SOON = 30
KEY = b"the key"


def send_hello(address, key=KEY, client=Client):
    with client(address, authkey=key) as connection:
        connection.send("hello")


def accept_all(listener, count):
    """Until 60 have been served by all who do so."""
    while count.value < 60:
        try:
            connection = listener.accept(0.05)
        except prong.TimeoutError:
            continue
        with connection:
            connection.recv()
        with count.get_lock():
            count.value += 1


def receive(caller):
    """A message on a socket."""
    size, = struct.unpack("!i", caller.recv(4, socket.MSG_WAITALL))
    return caller.recv(size, socket.MSG_WAITALL)


def send(caller, message):
    caller.sendall(struct.pack("!i", len(message)) + message)


def forged_challenge(caller):
    """What one who does not know the key can do with a client: it is challenged in turn."""
    send(caller, b"#CHALLENGE#{sha256}" + b"A" * 40 if sys.version_info >= (3, 12) else b"#CHALLENGE#" + b"A" * 20)
    receive(caller)
    send(caller, b"#WELCOME#")
    return receive(caller)


class ReflectionTest(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.results = queue.SimpleQueue()

    def connect(self):
        def client():
            try:
                Client(self.server.getsockname(), authkey=KEY, timeout=SOON).close()
                self.results.put(None)
            except (AuthenticationError, EOFError, OSError) as error:
                self.results.put(error)
        thread = in_thread(client)
        caller, _ = self.server.accept()
        self.addCleanup(caller.close)
        return thread, caller

    def test_a_client_does_not_answer_another_ones_challenge(self):
        first, second = self.connect(), self.connect()
        challenge = forged_challenge(first[1])
        self.assertTrue(challenge.startswith(b"#CHALLENGE#"))
        send(second[1], challenge)
        self.assertEqual(second[1].recv(100), b"")  # it hangs up without a word
        self.assertRegex(str(self.results.get(timeout=SOON)), "reflection")
        first[1].close()
        self.assertIsInstance(self.results.get(timeout=SOON), (EOFError, OSError))
        # a handshake that is over leaves nothing behind
        third = self.connect()
        send(third[1], challenge)
        receive(third[1])
        third[1].close()
        self.assertNotRegex(str(self.results.get(timeout=SOON)), "reflection")

    def test_a_peer_that_dribbles_is_dropped(self):
        with Listener(family="AF_INET", authkey=KEY, handshake_timeout=0.3) as listener:
            with socket.create_connection(listener.address) as slow:
                slow.sendall(b"\0\0")
                with self.assertRaisesRegex(AuthenticationError, "handshake in the time"):
                    listener.accept(SOON)


class ListenerTest(unittest.TestCase):
    def test_accept_gives_up(self):
        for key in (None, KEY):
            with Listener(authkey=key) as listener:
                with self.assertRaises(prong.TimeoutError):
                    listener.accept(0.05)
                thread = in_thread(send_hello, listener.address, key)
                with listener.accept(SOON) as connection:
                    self.assertEqual(connection.recv(), "hello")
                thread.join(SOON)

    def test_with_multiprocessings_own(self):
        for family in ("AF_UNIX", "AF_INET"):
            with Listener(family=family, authkey=KEY) as listener:
                in_thread(send_hello, listener.address, KEY, theirs.Client)
                self.assertEqual(listener.accept().recv(), "hello")
            with theirs.Listener(family=family, authkey=KEY) as listener:
                in_thread(lambda: Client(listener.address, authkey=KEY, timeout=SOON).send("hi"))
                self.assertEqual(listener.accept().recv(), "hi")

    def test_who_stalls_holds_up_nobody(self):
        with Listener(family="AF_INET", backlog=10, authkey=KEY, handshake_timeout=SOON) as listener:
            silent = [socket.create_connection(listener.address) for _ in range(5)]
            in_thread(send_hello, listener.address)
            with listener.accept(SOON) as connection:
                self.assertEqual(connection.recv(), "hello")
            self.assertEqual(listener.last_accepted[0], "127.0.0.1")
            for caller in silent:
                caller.close()

    def test_who_stalls_is_dropped(self):
        with Listener(family="AF_INET", authkey=KEY, handshake_timeout=0.1) as listener:
            with socket.create_connection(listener.address) as silent:
                with self.assertRaisesRegex(AuthenticationError, "handshake in the time"):
                    listener.accept(SOON)
                silent.settimeout(SOON)
                while silent.recv(1000):
                    pass

    def test_wrong_keys(self):
        def call(key):
            try:
                send_hello(listener.address, key)
            except (AuthenticationError, EOFError, OSError):
                pass
        with Listener(authkey=KEY) as listener:
            thread = in_thread(call, b"another")
            with self.assertRaises((AuthenticationError, EOFError)):
                listener.accept(SOON)
            thread.join(SOON)
            in_thread(call, KEY)
            self.assertEqual(listener.accept(SOON).recv(), "hello")
        with self.assertRaises(TypeError):
            Listener(authkey="text")

    def test_an_empty_key(self):
        with Listener(authkey=b"") as listener:  # is one from 3.13 on, as with multiprocessing
            in_thread(send_hello, listener.address, b"" if sys.version_info >= (3, 13) else None)
            self.assertEqual(listener.accept(SOON).recv(), "hello")

    def test_many_clients(self):
        with Listener(authkey=KEY, backlog=50) as listener:
            threads = [in_thread(send_hello, listener.address) for _ in range(100)]
            for _ in threads:
                with listener.accept(SOON) as connection:
                    self.assertEqual(connection.recv(), "hello")
            for thread in threads:
                thread.join(SOON)

    def test_closed_within_a_handshake(self):
        listener = Listener(family="AF_INET", authkey=KEY, handshake_timeout=0.2)
        before = descriptors()
        with socket.create_connection(listener.address):
            with self.assertRaises(prong.TimeoutError):
                listener.accept(0.01)
            listener.close()
            time.sleep(0.4)
        with self.assertRaisesRegex(OSError, "closed"):
            listener.accept()
        self.assertLess(descriptors(), before)

    def test_a_client_gives_up(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            begin = time.monotonic()
            with self.assertRaises((prong.TimeoutError, AuthenticationError)):
                Client(silent.getsockname(), authkey=KEY, timeout=0.1)
            self.assertLess(time.monotonic() - begin, SOON)
            connection = Client(silent.getsockname(), timeout=0.1)
            connection.close()
        with self.assertRaises(OSError):
            Client("/no/such/socket", timeout=0.1)

    def test_forked_processes_accept_side_by_side(self):
        with Listener(authkey=KEY, backlog=100) as listener:
            thread = in_thread(send_hello, listener.address)
            listener.accept(SOON).close()  # so that there is something to be inherited
            thread.join(SOON)
            count = prong.Value("i", 0)
            children = [prong.get_context("fork").Process(target=accept_all, args=(listener, count)) for _ in range(2)]
            for child in children:
                child.start()
            callers = [in_thread(send_hello, listener.address) for _ in range(60)]
            accept_all(listener, count)
            for each in callers + children:
                each.join(SOON)
            self.assertEqual([child.exitcode for child in children], [0, 0])
            self.assertEqual(count.value, 60)

    def without_a_directory(self, **options):
        """A listener where no directory can be written to."""
        config = prong.current_process()._config
        before = config.get("tempdir")
        config["tempdir"] = "/proc/nowhere"
        try:
            return Listener(**options)
        finally:
            config["tempdir"] = before

    def test_no_directory_for_temporary_files_is_needed(self):
        for client in (Client, theirs.Client):
            for key in (None, KEY):
                with self.without_a_directory(authkey=key) as listener:
                    thread = in_thread(send_hello, listener.address, key, client)
                    with listener.accept(SOON) as connection:
                        self.assertEqual(connection.recv(), "hello")
                    thread.join(SOON)
        with self.assertRaises(OSError):
            self.without_a_directory(address="/proc/nowhere/socket")

    @unittest.skipIf(os.getuid(), "only root can be another user")
    def test_other_users_reach_no_listener_without_a_key(self):
        with self.without_a_directory() as listener:
            pid = os.fork()
            if pid == 0:
                os.setuid(65534)
                try:
                    send_hello(listener.address, None)
                finally:
                    os._exit(0)
            with self.assertRaises(prong.TimeoutError):
                listener.accept(0.5)
            os.waitpid(pid, 0)
            in_thread(send_hello, listener.address, None)
            with listener.accept(SOON) as connection:
                self.assertEqual(connection.recv(), "hello")

    def test_a_client_waits_for_a_listener_that_is_busy(self):
        with Listener(backlog=1) as listener:
            waiting = []
            try:
                for _ in range(100):
                    waiting.append(Client(listener.address, timeout=0.1))
            except prong.TimeoutError:
                pass
            self.assertLess(len(waiting), 100)
            thread = in_thread(send_hello, listener.address, None, lambda *args, **options: Client(*args, timeout=SOON, **options))
            for connection in waiting:
                listener.accept(SOON).close()
                connection.close()
            self.assertEqual(listener.accept(SOON).recv(), "hello")
            thread.join(SOON)


if __name__ == "__main__":
    unittest.main()
