"""Queues and pipes: what they hold when a process dies, what travels through them, and what they tell."""

import os
import queue
import signal
import sys
import threading
import time
import unittest

import prong
from support import InMethod, Interrupted, descriptors, for_each_method, in_thread, on_alarm

SOON = 30


def die(signal_number=9):
    os.kill(os.getpid(), signal_number)
    time.sleep(SOON)


def generator():
    return (n for n in range(3))


def get_one(q, told):
    told.set()
    q.get()


def put_and_die(q):
    q.put("said before")
    die()


def take_and_die(q):
    q.get()
    die()


def send_end(connection):
    with connection.recv() as end:
        end.send("through an end that was sent")


def queue_in_queue(q):
    inner = q.get(timeout=SOON)
    inner.put("hello")


def die_if_told(connection):
    connection.send("ready")
    connection.recv()


def put_much(q):
    q.put(b"x" * 10000000)


class Queues(InMethod):
    """In each start method."""

    def test_joining_a_producer_before_reading(self):
        q = self.context.Queue()
        process = self.start(put_much, q)
        process.join(SOON)
        self.assertEqual(process.exitcode, 0)
        self.assertEqual(len(q.get(timeout=SOON)), 10000000)

    def test_what_was_put_before_a_death_is_there(self):
        q = self.context.Queue()
        process = self.start(put_and_die, q)
        self.assertEqual(q.get(timeout=SOON), "said before")
        process.join(SOON)
        self.assertEqual(process.exitcode, -9)

    def test_a_killed_getter_holds_up_nobody(self):
        q, told = self.context.Queue(), self.context.Event()
        process = self.start(get_one, q, told)
        self.assertTrue(told.wait(SOON))
        time.sleep(0.2)
        process.kill()
        process.join(SOON)
        q.put(1)
        self.assertEqual(q.get(timeout=SOON), 1)

    def test_what_a_dead_process_had_taken_counts_as_done(self):
        q = self.context.JoinableQueue()
        q.put(1)
        process = self.start(take_and_die, q)
        process.join(SOON)
        with self.assertWarns(prong.OwnerDiedWarning):
            self.assertTrue(q.join(SOON))

    def test_batches(self):
        q = self.context.Queue(maxsize=5)
        self.assertEqual(q.put_many(range(10), timeout=0.05), 5)
        self.assertEqual(q.get_many(3), [0, 1, 2])
        self.assertEqual(q.get_many(), [3, 4])
        with self.assertRaises(queue.Empty):
            q.get_many(timeout=0.05)

    def test_a_connection_that_was_not_sent_is_nobodys(self):
        full, strict = self.context.Queue(1), self.context.Queue(strict=True)
        full.put(1)
        to_nobody, nobody = self.context.Pipe()
        nobody.close()
        frame = sys._getframe()  # which cannot be pickled
        for failure, send in ((queue.Full, lambda end: full.put(end, timeout=0.05)),
                              (BaseException, lambda end: strict.put((end, lambda: frame))),
                              (BaseException, lambda end: strict.put([end, {"a": end, "b": sys.stdout}])),
                              (OSError, to_nobody.send)):
            ours, theirs = self.context.Pipe()
            self.assertRaises(failure, send, theirs)
            theirs.send("still open")
            theirs.close()
            self.assertTrue(ours.poll(SOON))
            self.assertEqual(ours.recv(), "still open")
            self.assertTrue(ours.poll(SOON), "the end is not seen")
            self.assertRaises(EOFError, ours.recv)

    def test_queues_and_connections_travel(self):
        outer, inner = self.context.Queue(), self.context.Queue()
        self.start(queue_in_queue, outer)
        outer.put(inner)
        self.assertEqual(inner.get(timeout=SOON), "hello")
        ours, theirs = self.context.Pipe()
        process = self.start(send_end, theirs)
        reader, writer = self.context.Pipe(duplex=False)
        ours.send(writer)
        writer.close()
        self.assertTrue(reader.poll(SOON))
        self.assertEqual(reader.recv(), "through an end that was sent")
        process.join(SOON)
        with self.assertRaises(EOFError):
            reader.recv()

    def test_a_dead_peer_is_the_end(self):
        ours, theirs = self.context.Pipe()
        process = self.start(die_if_told, theirs)
        theirs.close()
        self.assertEqual(ours.recv(), "ready")
        process.kill()
        self.assertTrue(ours.poll(SOON))
        with self.assertRaises(EOFError):
            ours.recv()
        with self.assertRaises(BrokenPipeError):
            ours.send(1)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Queues)


class UnreadableError(Exception):
    """What an Unreadable's reader gets."""


def unreadable():
    raise UnreadableError


class Unreadable:
    def __reduce__(self):
        return unreadable, ()


class QueueTest(unittest.TestCase):
    """In one process."""

    def test_strict_queues_raise_and_others_call_the_hook(self):
        with self.assertRaises(TypeError):
            prong.Queue(strict=True).put(generator())

        class Telling(prong.queues.Queue):
            def _on_queue_feeder_error(self, error, obj):
                told.append((type(error), obj))
        told, item = [], generator()
        Telling(ctx=prong.get_context()).put(item)
        self.assertEqual(told, [(TypeError, item)])

    def test_a_queue_says_what_is_in_it(self):
        q = prong.Queue(2)
        self.assertTrue(q.empty())
        q.put(1)
        self.assertEqual((q.empty(), q.qsize(), q.full()), (False, 1, False))
        q.put(2)
        self.assertTrue(q.full())
        with self.assertRaises(queue.Full):
            q.put_nowait(obj=3)
        for arguments in ((), (3, 4)):
            with self.assertRaises(TypeError):
                q.put_nowait(*arguments)
        self.assertEqual((q.get_nowait(), q.get_nowait()), (1, 2))
        with self.assertRaises(queue.Empty):
            q.get_nowait()

    def test_a_queue_that_was_shut_down(self):
        q = prong.Queue()
        q.put(1)
        q.shutdown()
        with self.assertRaises(OSError):
            q.put(2)
        self.assertEqual(q.get(timeout=SOON), 1)
        with self.assertRaises(OSError):
            q.get(timeout=SOON)

    def test_a_message_that_a_signals_handler_broke_in_upon_goes_back(self):
        def full_while_it_comes():
            q.put(item)
            putter.append(in_thread(q.put, "next"))  # it waits for the place of the first
            raise Interrupted

        for maxsize, item in ((1, "small"), (1, b"large" * 1000000), (0, "small")):
            q, putter = prong.JoinableQueue(maxsize), []
            with self.subTest(maxsize=maxsize, size=len(item)), on_alarm(full_while_it_comes):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with self.assertRaises(Interrupted):
                    q.get(timeout=SOON)
                self.assertCountEqual([q.get(timeout=SOON), q.get(timeout=SOON)], [item, "next"])
                putter[0].join(SOON)
                q.task_done()
                self.assertFalse(q.join(0))
                q.task_done()
                self.assertTrue(q.join(SOON))
                self.assertRaises(ValueError, q.task_done)

    def test_a_message_goes_back_into_a_queue_that_was_shut_down(self):
        def shut_down_as_it_comes():
            q.put("last")
            q.shutdown()
            raise Interrupted

        q = prong.Queue()
        with on_alarm(shut_down_as_it_comes):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with self.assertRaises(Interrupted):
                q.get(timeout=SOON)
        self.assertEqual(q.get(timeout=SOON), "last")
        self.assertRaises(OSError, q.get, timeout=SOON)

    def test_an_error_behind_the_first_of_a_batch_loses_nothing(self):
        q = prong.Queue()
        q.put_many([1, Unreadable(), 2, 3])
        q.shutdown()
        self.assertEqual(q.get_many(timeout=SOON), [1])
        self.assertRaises(UnreadableError, q.get_many, timeout=SOON)
        self.assertEqual(q.get_many(timeout=SOON), [2, 3])
        self.assertRaises(OSError, q.get_many, timeout=SOON)
        self.assertRaises(OSError, q.get, timeout=SOON)

    def test_waiting_for_queues_and_connections(self):
        q, (reader, writer) = prong.Queue(), prong.Pipe(duplex=False)
        self.assertEqual(prong.connection.wait([q, reader], 0.05), [])
        q.put(1)
        self.assertEqual(prong.connection.wait([q, reader], SOON), [q])
        writer.send(2)
        self.assertEqual(prong.connection.wait([q, reader], SOON), [q, reader])

    def test_queues_cost_no_descriptors(self):
        prong.Queue().put(1)
        before = descriptors()
        kept = [prong.Queue() for _ in range(100)] + [prong.Pipe() for _ in range(100)] + [prong.Lock() for _ in range(100)]
        self.assertEqual(descriptors(), before)
        del kept

    def test_other_threads_run_while_one_waits(self):
        q, came = prong.Queue(), []
        thread = threading.Thread(target=lambda: came.append(q.get()))
        thread.start()
        time.sleep(0.1)
        q.put(1)
        thread.join(SOON)
        self.assertEqual(came, [1])


if __name__ == "__main__":
    unittest.main()
