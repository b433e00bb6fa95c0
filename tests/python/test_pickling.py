"""The core's pickling: plain objects, damaged data, and objects that run code as they are pickled."""

import os
import pickle
import random
import tempfile
import unittest
import unittest.mock

import prong
from support import ProgramTest


class PicklingTest(ProgramTest):
    """In one process."""

    def test_plain_objects_are_what_pickle_makes_of_them(self):
        shared = ["s"]
        objects = [None, True, 0, 255, 256, 65536, -1, 2**31, -2**63, 2**64, 1.5, float("inf"), "", "x" * 300, "\udc80", "ä",
                   b"", b"x" * 300, (), (1,), (1, 2, 3, (4, (5, 6, 7, 8), "x")), [], [1, "a", (2, 3, 4, 5)], {}, {"a": 1, 2: (3,)},
                   list(range(-100, 1000)), [2**40, -2**63, 1.5] * 50, [1] * 100 + [2**64], [1.5] * 100 + ["x"], [True] * 100,
                   ((1, "a"), {}), [{}, {}], {"a": {}}, [[1], [2]], [shared, shared], {1: [2]}, {1, 2}, 1j, object, len, range(5)]
        for item in objects:
            data = prong._core.dumps(item)
            self.assertEqual(pickle.loads(data), item)
            self.assertEqual(prong._core.loads(data), item)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                self.assertEqual(prong._core.loads(pickle.dumps(item, protocol)), item)
        for part in (shared, {}):
            one, two = prong._core.loads(prong._core.dumps([part, part]))
            self.assertIs(one, two)

    PICKLED = [1, "a", (2, 3, 4, 5)], {"a": 1.5}, bytearray(100000), list(range(1000))

    def test_what_is_cut_short_is_an_error(self):
        for item in self.PICKLED:
            data = prong._core.dumps(item)
            for end in random.Random(1).choices(range(len(data)), k=300):
                with self.assertRaises((EOFError, pickle.UnpicklingError, ValueError), msg=(data[:end][:80], end)):
                    prong._core.loads(data[:end])

    def test_what_is_corrupt_is_read_as_pickle_reads_it(self):
        """An error, or what pickle makes of it."""
        chance = random.Random(1)
        for item in self.PICKLED:
            data = prong._core.dumps(item)
            for _ in range(300):
                bad = bytearray(data)
                for _ in range(chance.randint(1, 3)):  # not LONG_BINPUT: pickle then makes room for up to 2**32 objects
                    bad[chance.randrange(len(bad))] = chance.choice([byte for byte in range(256) if byte != ord("r")])
                with self.subTest(bad=bytes(bad[:80])):
                    self.assertEqual(self.outcome(prong._core.loads, bytes(bad)), self.outcome(pickle.loads, bytes(bad)))

    @staticmethod
    def outcome(loads, data):
        try:
            return repr(loads(data))
        except Exception:
            return "an error"

    def test_what_is_pickled_may_go_meanwhile(self):
        program = ("import pickle, prong\n"
                   "class Lends:\n"
                   "    def __reduce_ex__(self, protocol):\n"
                   "        Lends.buffer = pickle.PickleBuffer(bytearray(b'1' * 100000))\n"
                   "        return bytes, (Lends.buffer,)\n"
                   "class Releases:\n"
                   "    def __reduce_ex__(self, protocol):\n"
                   "        Lends.buffer.release()\n"
                   "        return int, ()\n"
                   "q = prong.Queue()\n"
                   "q.put([Lends(), Releases()])\n"
                   "assert q.get(timeout=5) == [b'1' * 100000, 0]\n"
                   "class Clears:\n"
                   "    def __reduce__(self):\n"
                   "        items.clear()\n"
                   "        return self.after, ()\n"
                   "    @property\n"
                   "    def after(self):\n"
                   "        return int\n"
                   "class Submits:\n"
                   "    def __init__(self, function):\n"
                   "        self.function = function\n"
                   "    def __reduce__(self):\n"
                   "        others.append(pool.apply_async(self.function, (b'2' * 600,)))\n"
                   "        return bytes, (b'1',)\n"
                   "with prong.Pool(1) as pool:\n"
                   "    items = [Clears(), Clears()]\n"
                   "    try:\n"
                   "        pool.map(abs, items, 1)\n"
                   "    except RuntimeError:\n"
                   "        pass\n"
                   "    others = []\n"
                   "    assert pool.map(len, [Submits(bytes), Submits(hash), Submits(bytearray)], 1) == [1, 1, 1]\n"
                   "    assert [other.get(5) for other in others] == [b'2' * 600, hash(b'2' * 600), b'2' * 600]\n"
                   "print('good')\n")
        with unittest.mock.patch.dict(os.environ, PYTHONMALLOC="debug", PYTHONHASHSEED="0"):
            self.says_good("-c", program)

    def test_a_connection_closed_while_its_message_is_pickled(self):
        reader, writer = os.pipe()
        connection = prong.connection.Connection(writer, readable=False)
        with tempfile.TemporaryFile() as file:
            class Closes:
                def __reduce__(self):
                    connection.close()
                    os.dup2(file.fileno(), writer)  # its number is another file's
                    return int, ()

                def __index__(self):
                    return self.__reduce__() and 0
            for send in (lambda: connection.send(Closes()), lambda: connection.send_bytes(b"text", Closes())):
                connection.__init__(writer, readable=False)
                self.assertRaises(OSError, send)
                self.assertEqual(os.fstat(file.fileno()).st_size, 0)
        os.close(writer)
        os.close(reader)


if __name__ == "__main__":
    unittest.main()
