"""What fileno() of pipes and queues gives, to programs that poll it by themselves."""

import asyncio
import os
import select
import time
import unittest

import prong
from support import METHODS, descriptors

SOON = 30


def send_numbers(writer, ready, start):
    ready.release()
    start.acquire()
    for number in range(100):
        writer.send(number)


def readable(source, seconds=0):
    """Whether the descriptor is, as a program sees it that knows nothing of prong."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def take_by_descriptor(reader, ready, taken):
    ready.release()
    if readable(reader, SOON):
        taken.put(reader.recv())


def take_in_turn(reader, lock, ready, taken):
    """As pool libraries do: whoever has the lock asks the descriptor, and then receives, which may wait."""
    ready.release()
    while True:
        with lock:
            if not readable(reader, 0.01):
                continue
            try:
                message = reader.recv()
            except EOFError:
                return
        if message is None:
            return
        taken.put(message)
        time.sleep(0.01)


def take_the_inherited(number, reader, taken):
    taken.put(readable(number, SOON))
    taken.put((number == reader.fileno(), reader.recv()))
    taken.put(readable(number))


class Readiness(unittest.TestCase):
    """What fileno() of pipes and queues gives, to programs that poll it by themselves."""

    def each(self):
        for method in METHODS:
            with self.subTest(method=method):
                yield prong.get_context(method)

    def test_a_message_that_another_process_took_leaves_no_descriptor_readable(self):
        for context in self.each():
            reader, writer = context.Pipe(False)
            ready, taken = context.Semaphore(0), context.Queue()
            self.assertFalse(readable(reader))
            child = context.Process(target=take_by_descriptor, args=(reader, ready, taken))
            child.start()
            self.assertTrue(ready.acquire(timeout=SOON))
            writer.send("one")
            self.assertEqual(taken.get(timeout=SOON), "one")
            child.join()
            self.assertFalse(readable(reader))
            writer.send("two")
            self.assertTrue(readable(reader))
            self.assertEqual(reader.recv(), "two")
            self.assertFalse(readable(reader))

    def test_twenty_processes_poll_one_end(self):
        for context in self.each():
            reader, writer = context.Pipe(False)
            lock, ready, taken = context.Lock(), context.Semaphore(0), context.Queue()
            children = [context.Process(target=take_in_turn, args=(reader, lock, ready, taken)) for _ in range(20)]
            for child in children:
                child.start()
            for _ in children:
                self.assertTrue(ready.acquire(timeout=SOON))
            for number in range(60):
                writer.send(number)
            self.assertEqual(sorted(taken.get(timeout=SOON) for _ in range(60)), list(range(60)))
            for _ in children:
                writer.send(None)
            for child in children:
                child.join(SOON)
                self.assertEqual(child.exitcode, 0)

    def test_workers_that_come_and_go_find_a_descriptor(self):
        for context in self.each():
            for method in "join", "kill":
                for _ in range(10):
                    reader, writer = context.Pipe(False)
                    ready, taken = context.Semaphore(0), context.Queue()
                    children = [context.Process(target=take_by_descriptor, args=(reader, ready, taken)) for _ in range(2)]
                    for child in children:
                        child.start()
                    for _ in children:
                        self.assertTrue(ready.acquire(timeout=SOON))
                    for child in children:
                        if method == "kill":
                            child.kill()
                        else:
                            writer.send(0)
                    for child in children:
                        child.join(SOON)
                    reader.close()
                    writer.close()
            queue = context.Queue()
            self.assertFalse(readable(queue._reader))
            queue.put(1)
            self.assertTrue(readable(queue._reader, SOON))

    def test_asyncio_reads_a_pipe_that_other_processes_write(self):
        for context in self.each():
            reader, writer = context.Pipe(False)
            start, ready = context.Semaphore(0), context.Semaphore(0)
            child = context.Process(target=send_numbers, args=(writer, ready, start))
            child.start()
            self.assertTrue(ready.acquire(timeout=SOON))
            writer.close()

            async def gather():
                loop, got, end = asyncio.get_running_loop(), [], asyncio.Event()

                def come():
                    try:
                        got.append(reader.recv())
                    except EOFError:
                        loop.remove_reader(reader)
                        end.set()

                loop.add_reader(reader, come)
                start.release()
                await asyncio.wait_for(end.wait(), SOON)
                return got

            self.assertEqual(asyncio.run(gather()), list(range(100)))
            child.join()

    def test_a_number_held_across_a_fork_is_good_in_both(self):
        reader, writer = prong.Pipe(False)
        taken = prong.Queue()
        number = reader.fileno()
        child = os.fork()
        if child == 0:
            try:
                take_the_inherited(number, reader, taken)
            finally:
                os._exit(0)
        time.sleep(0.05)
        writer.send("x")
        self.assertTrue(taken.get(timeout=SOON))
        self.assertEqual(taken.get(timeout=SOON), (True, "x"))
        self.assertFalse(taken.get(timeout=SOON))
        self.assertFalse(readable(number))
        os.waitpid(child, 0)
        writer.send("y")
        self.assertTrue(readable(number))

    def test_a_closed_end_gives_its_descriptors_back(self):
        reader, writer = prong.Pipe(False)
        reader.fileno()
        reader.close()
        writer.close()
        before = descriptors()
        for _ in range(50):
            reader, writer = prong.Pipe(False)
            reader.fileno()
            reader.close()
            writer.close()
        self.assertEqual(descriptors(), before)


if __name__ == "__main__":
    unittest.main()
