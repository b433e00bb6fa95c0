"""Connection: over sockets and pipes of any kind, with any multiprocessing's at the other end."""

import array
import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import weakref
from multiprocessing import connection as theirs

import prong
from prong.connection import Client, Connection, Listener, wait
from support import METHODS, Interrupted, descriptors, in_thread, interrupt, on_alarm

SOON = 30
SIZES = (0, 1, 511, 512, 513, 70000, 3 << 20)


def pair(first=Connection, second=Connection):
    """Two connections over a pair of sockets."""
    one, two = socket.socketpair()
    return first(one.detach()), second(two.detach())


def echo(connection):
    with connection:
        while True:
            try:
                connection.send(connection.recv())
            except EOFError:
                return


def echo_once(connection):
    with connection:
        connection.send(connection.recv())


def half_and_die(connection):
    os.write(connection.fileno(), b"\0\0\0\5he")
    os.kill(os.getpid(), signal.SIGKILL)


class Odd:
    """What only the pickle module can write."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number


class ConnectionTest(unittest.TestCase):
    def test_what_is_one(self):
        for end in prong.Pipe():
            self.assertIsInstance(end, Connection)
        with self.assertRaisesRegex(TypeError, "Pipe"):
            prong.connection.PipeConnection(3)
        with self.assertRaisesRegex(ValueError, "invalid handle"):
            Connection(-1)
        with self.assertRaisesRegex(ValueError, "readable"):
            Connection(0, False, False)
        with self.assertRaises(TypeError):
            Connection("3")

    def test_objects_of_every_size_and_kind(self):
        objects = [None, 1, -2**70, 2.5, "text", b"bytes", (1, (2, "3")), [1, 2], {"a": [1]}, list(range(1000)), Odd(3),
                   {"buffer": bytearray(100000)}, "\udcff", [bytes(size) for size in SIZES]]
        for mine, other in (pair(), pair(Connection, theirs.Connection), pair(theirs.Connection, Connection)):
            thread = in_thread(echo, other)
            for thing in objects:
                mine.send(thing)
                self.assertEqual(mine.recv(), thing)
            mine.close()
            thread.join(SOON)

    def test_send_takes_its_argument_by_name(self):
        first, second = prong.Pipe()
        first.send(obj=5)
        self.assertEqual(second.recv(), 5)
        for arguments, named in (((), {}), ((1, 2), {}), ((), {"x": 1}), ((1,), {"obj": 1})):
            with self.assertRaises(TypeError):
                first.send(*arguments, **named)
        self.assertFalse(second.poll())

    def test_bytes_of_every_size(self):
        for mine, other in (pair(), pair(Connection, theirs.Connection), pair(theirs.Connection, Connection)):
            with mine, other:
                for size in SIZES:
                    data = os.urandom(size)
                    thread = in_thread(mine.send_bytes, data)
                    self.assertEqual(other.recv_bytes(), data)
                    thread.join(SOON)
                    room = bytearray(size + 3)
                    thread = in_thread(mine.send_bytes, data)
                    self.assertEqual(other.recv_bytes_into(room, 3), size)
                    self.assertEqual(room[3:], data)
                    thread.join(SOON)

    def test_parts_of_buffers(self):
        with pair()[0] as mine:
            for arguments, message in (((b"abc", -1), "offset is negative"), ((b"abc", 4), "buffer length < offset"),
                                       ((b"abc", 0, -2), "size is negative"), ((b"abc", 2, 2), r"offset \+ size")):
                with self.assertRaisesRegex(ValueError, message):
                    mine.send_bytes(*arguments)
        mine, other = pair()
        with mine, other:
            mine.send_bytes(array.array("i", [1, 2, 3]), 4, 4)
            self.assertEqual(other.recv_bytes(), array.array("i", [2]).tobytes())
            mine.send_bytes(size=2, offset=1, buf=b"abcd")
            self.assertTrue(other.poll(timeout=SOON))
            self.assertEqual(other.recv_bytes(maxlength=None), b"bc")
            mine.send_bytes(b"abcd", 2, size=None)
            self.assertEqual(other.recv_bytes(maxlength=2), b"cd")
            for call, arguments, names in ((mine.send_bytes, (), {}), (mine.send_bytes, (b"", 0, 0, 0), {}),
                                           (mine.send_bytes, (b"",), {"buf": b""}), (other.poll, (1, 2), {}),
                                           (mine.send_bytes, (b"", "0"), {}), (other.recv_bytes, (), {"size": 1})):
                with self.assertRaises(TypeError):
                    call(*arguments, **names)
            mine.send_bytes(b"longer")
            with self.assertRaises(prong.BufferTooShort) as caught:
                other.recv_bytes_into(bytearray(5))
            self.assertEqual(caught.exception.args, (b"longer",))
            mine.send_bytes(bytes(5000))
            with self.assertRaises(prong.BufferTooShort) as caught:
                other.recv_bytes_into(bytearray(600))
            self.assertEqual(caught.exception.args, (bytes(5000),))
            mine.send_bytes(b"next")
            self.assertEqual(other.recv_bytes(4), b"next")

    def test_too_long(self):
        for size in (10, 1000):
            mine, other = pair()
            with mine, other:
                mine.send_bytes(bytes(size))
                with self.assertRaisesRegex(OSError, "bad message length"):
                    other.recv_bytes(size - 1)
                with self.assertRaisesRegex(OSError, "write-only"):
                    other.recv_bytes()
                other.send("still")
                self.assertEqual(mine.recv(), "still")
        reader, writer = os.pipe()
        with Connection(reader, writable=False) as other, Connection(writer, readable=False) as mine:
            mine.send_bytes(b"long")
            self.assertRaises(OSError, other.recv_bytes, 1)
            self.assertTrue(other.closed)
            self.assertRaises(BrokenPipeError, mine.send, 1)

    def test_one_way(self):
        reader, writer = (Connection(end, *way) for end, way in zip(os.pipe(), ((True, False), (False, True))))
        with reader, writer:
            self.assertFalse(reader.poll())
            thread = in_thread(writer.send, [bytes(300000)])
            self.assertTrue(reader.poll(SOON))
            self.assertEqual(wait([reader], SOON), [reader])
            self.assertEqual(reader.recv(), [bytes(300000)])
            thread.join(SOON)
            with self.assertRaisesRegex(OSError, "read-only"):
                reader.send(1)
            with self.assertRaisesRegex(OSError, "write-only"):
                writer.poll()

    def test_non_blocking_descriptors_wait(self):
        one, two = socket.socketpair()
        one.setblocking(False)
        two.setblocking(False)
        with Connection(one.detach()) as mine, Connection(two.detach()) as other:
            thread = in_thread(mine.send_bytes, bytes(3 << 20))
            time.sleep(0.05)
            self.assertEqual(len(other.recv_bytes()), 3 << 20)
            thread.join(SOON)

    def test_the_end(self):
        mine, other = pair()
        mine.send("last")
        mine.close()
        self.assertEqual(other.recv(), "last")
        self.assertTrue(other.poll())
        self.assertRaises(EOFError, other.recv)
        self.assertRaises(BrokenPipeError, other.send, 1)
        for call in (mine.recv, mine.fileno, mine.poll):
            with self.assertRaisesRegex(OSError, "handle is closed"):
                call()
        mine.close()
        other.close()

    def test_bad_messages(self):
        for raw, error in ((b"\0\0", "end of file during message"), (b"\0\0\0\5he", "end of file during message"),
                           (b"\xff\xff\xff\xfe", "bad message length"), (b"\0\0\4\0" + bytes(100), "end of file during message")):
            one, two = socket.socketpair()
            with Connection(two.detach()) as other:
                one.sendall(raw)
                one.close()
                with self.assertRaisesRegex(OSError, error):
                    other.recv()
        one, two = socket.socketpair()
        with one, Connection(two.detach()) as other:
            one.sendall(b"\xff\xff\xff\xff\x7f" + bytes(7))
            self.assertRaises(MemoryError, other.recv_bytes)
            self.assertRaises(OSError, other.recv_bytes)
            one.close()
        mine, other = pair()
        with mine, other:
            mine.send_bytes(b"no pickle")
            self.assertRaises(pickle.UnpicklingError, other.recv)
            mine.send("good")
            self.assertEqual(other.recv(), "good")
            self.assertRaises((pickle.PicklingError, AttributeError, TypeError), mine.send, lambda: 0)
            mine.send("as well")
            self.assertEqual(other.recv(), "as well")

    def test_a_peer_killed_within_a_message(self):
        for method in METHODS:
            mine, other = pair()
            child = prong.get_context(method).Process(target=half_and_die, args=(other,))
            child.start()
            other.close()
            with self.assertRaisesRegex(OSError, "end of file during message"):
                mine.recv()
            mine.close()
            child.join(SOON)
            self.assertEqual(child.exitcode, -signal.SIGKILL)

    def test_children_get_them(self):
        for method in METHODS:
            context = prong.get_context(method)
            mine, other = pair()
            child = context.Process(target=echo_once, args=(other,))
            child.start()
            other.close()
            with mine:
                mine.send(method)
                self.assertEqual(mine.recv(), method)
            child.join(SOON)
            self.assertEqual(child.exitcode, 0)

    def test_they_go_through_pipes_queues_and_one_another(self):
        first, second = prong.Pipe()
        queue = prong.Queue()
        carrier, carried = pair()
        for send, receive in ((first.send, second.recv), (queue.put, queue.get), (carrier.send, carried.recv)):
            mine, other = pair()
            send(other)
            got = receive()
            other.close()
            with mine, got:
                mine.send("through")
                self.assertEqual(got.recv(), "through")
                self.assertTrue(got.readable and got.writable)
        self.assertRaises(RuntimeError, carrier.send, prong.Lock())  # who is at the other end may be of no family

    def test_closed_while_a_thread_waits(self):
        mine, other = pair()
        failures = []

        def receive():
            try:
                failures.append(mine.recv())
            except (OSError, EOFError) as error:
                failures.append(error)
        thread = in_thread(receive)
        time.sleep(0.1)
        number = mine.fileno()
        mine.close()
        fresh = os.dup(other.fileno())  # the number is not yet anybody's
        self.assertNotEqual(fresh, number)
        other.close()
        os.close(fresh)
        thread.join(SOON)
        self.assertIsInstance(failures[0], EOFError)
        self.assertFalse(os.path.exists(f"/proc/self/fd/{number}"))

    def test_one_thread_sends_while_another_receives(self):
        mine, other = pair()
        with mine, other:
            back = in_thread(echo, other)
            feeder = in_thread(lambda: [mine.send(bytes(i * 10)) for i in range(2000)])
            for i in range(2000):
                self.assertEqual(len(mine.recv()), i * 10)
            feeder.join(SOON)
            mine.close()
            back.join(SOON)

    def test_an_interrupt_loses_no_message(self):
        mine, other = pair()
        with on_alarm(interrupt):
            for call in (other.recv, other.recv_bytes, lambda: other.poll(SOON), lambda: wait([other], SOON)):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                self.assertRaises(Interrupted, call)
            mine.send("still")
            self.assertEqual(other.recv(), "still")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(Interrupted):  # nobody receives
                mine.send_bytes(bytes(3 << 20))
            self.assertFalse(mine.writable)
            os.write(other.fileno(), b"\0\0\0\5he")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            self.assertRaises(Interrupted, mine.recv)
            with self.assertRaisesRegex(OSError, "write-only"):  # what comes now cannot be told from the rest
                mine.recv()

    def test_signals_that_raise_nothing_do_not_end_a_wait(self):
        mine, other = pair()
        seen = []
        with on_alarm(lambda: seen.append("alarm")):
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            threading.Timer(0.2, mine.send, ("late",)).start()
            self.assertEqual(other.recv(), "late")
        self.assertGreater(len(seen), 2)

    def test_they_are_objects_as_others(self):
        mine, other = pair()
        mine.note = ["mine", mine]  # a cycle
        gone = weakref.ref(mine)
        number = mine.fileno()
        self.assertEqual(mine._handle, number)
        del mine
        gc.collect()
        self.assertIsNone(gone())
        self.assertRaises(EOFError, other.recv)
        other._handle = None  # as programs do to keep the descriptor
        self.assertTrue(other.closed)

        class Mine(Connection):
            """One of a program's own."""

            def __init__(self, name, descriptor):
                super().__init__(descriptor)
                self.name = name
        one, two = pair(lambda descriptor: Mine("one", descriptor), lambda descriptor: Mine("two", descriptor))
        with one, two:
            one.send(two.name)
            self.assertEqual(two.recv(), "two")
        never = Connection.__new__(Connection)
        self.assertTrue(never.closed)
        self.assertRaises(OSError, never.recv)

    def test_nothing_is_left(self):
        def use():
            mine, other = pair()
            with mine, other:
                for size in (10, 5000, 100000):
                    mine.send(bytes(size))
                    other.recv()
                    mine.send_bytes(bytes(size))
                    other.recv_bytes()
        use()
        before = descriptors()
        for _ in range(200):
            use()
        self.assertEqual(descriptors(), before)

    def test_clients_of_multiprocessing_in_another_program(self):
        program = ("import sys, multiprocessing.connection as c\n"
                   "with c.Client(sys.argv[1], authkey=b'key') as k:\n"
                   "    while True:\n"
                   "        try: k.send(k.recv())\n"
                   "        except EOFError: break\n")
        with Listener(authkey=b"key") as listener:
            peer = subprocess.Popen([sys.executable, "-c", program, listener.address])
            with listener.accept(SOON) as mine:
                for thing in (1, "text", list(range(5000)), {"large": bytes(2 << 20)}):
                    mine.send(thing)
                    self.assertEqual(mine.recv(), thing)
            self.assertEqual(peer.wait(SOON), 0)

    def test_small_messages_go_at_once(self):
        with Listener(("127.0.0.1", 0)) as listener:
            with Client(listener.address) as mine, listener.accept(SOON) as other:
                for connection in (mine, other):
                    end = socket.socket(fileno=os.dup(connection.fileno()))
                    with end:
                        self.assertTrue(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


if __name__ == "__main__":
    unittest.main()
