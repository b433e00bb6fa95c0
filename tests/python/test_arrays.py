"""Arrays, whose memory travels beside the pickle."""

import gc
import os
import pickle
import select
import unittest

import prong

SOON = 30


class Array:
    """What travels as an array does: its buffer beside the pickle."""

    def __init__(self, buffer):
        self.bytes = memoryview(buffer).cast("B")

    def __reduce_ex__(self, protocol):
        return Array, (pickle.PickleBuffer(self.bytes),)


def echo(item):
    return item


def twice(array):
    return array * 2


class ArrayTest(unittest.TestCase):
    """Arrays as their receiver finds them, and as its forked children do."""

    def test_arrays_are_received_where_they_lie(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        q, array = prong.Queue(), numpy.arange(1000000, dtype="int64").reshape(1000, 1000)
        q.put(array)
        received = q.get()
        self.assertTrue((received == array).all())
        base = received
        while getattr(base, "base", None) is not None:
            base = base.base
        self.assertIsInstance(getattr(base, "obj", base), prong._core.Message)
        received[0, 0] = -1
        self.assertEqual(array[0, 0], 0)
        with prong.Pool(2) as pool:
            self.assertTrue((pool.apply_async(twice, (array,)).get(SOON) == array * 2).all())

    def received_arrays(self, size):
        """One by each way that there is, of bytes that are 1."""
        q, (reader, writer) = prong.Queue(), prong.Pipe(False)
        q.put(Array(bytearray(b"\1" * size)))
        yield q.get(timeout=SOON)
        writer.send(Array(bytearray(b"\1" * size)))
        yield reader.recv()
        with prong.Pool(1) as pool:
            yield pool.apply_async(echo, (Array(bytearray(b"\1" * size)),)).get(SOON)

    def test_a_received_array_is_a_forked_childs_own(self):
        for size in (20000, 100000, 3000001):
            for array in self.received_arrays(size):
                forked, changed, pid = os.pipe(), os.pipe(), os.fork()
                if pid == 0:
                    code = 1
                    try:
                        array.bytes[:5000] = b"\2" * 5000
                        os.write(forked[1], b"!")
                        select.select(changed[:1], [], [], SOON)
                        code = 0 if array.bytes[:5001] == b"\2" * 5000 + b"\1" and array.bytes[-1] == 1 else 2
                    finally:
                        os._exit(code)
                os.read(forked[0], 1)
                self.assertEqual(bytes(array.bytes), b"\1" * size)
                array.bytes[5000:] = b"\3" * (size - 5000)
                os.write(changed[1], b"!")
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
                self.assertEqual(bytes(array.bytes), b"\1" * 5000 + b"\3" * (size - 5000))
                for descriptor in forked + changed:
                    os.close(descriptor)

    def test_a_received_array_outlives_its_parents_in_a_forked_child(self):
        q, ready = prong.Queue(), os.pipe()
        q.put(Array(bytearray(b"\1" * 300000)))
        array = q.get(timeout=SOON)
        pid = os.fork()
        if pid == 0:
            select.select(ready[:1], [], [], SOON)
            os._exit(0 if bytes(array.bytes) == b"\1" * 300000 else 1)
        del array
        gc.collect()
        for _ in range(20):  # would take its memory
            q.put(Array(bytearray(b"\2" * 300000)))
            q.get(timeout=SOON)
        os.write(ready[1], b"!")
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(ready[0])
        os.close(ready[1])


if __name__ == "__main__":
    unittest.main()
