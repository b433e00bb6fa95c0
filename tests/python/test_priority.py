"""priority= of a pool's tasks."""

import os
import unittest

import prong
from support import SOON, InMethod, for_each_method

TURNS = ("low", "normal", "high", "normal", "high", "low")


def wait_for(event):
    return event.wait(SOON)


def note(order, number):
    order.put(number)


class Turn:
    def __init__(self, order):
        self.order = order

    def __call__(self, number):
        note(self.order, number)


class Priorities(InMethod):
    """One worker, which is busy while tasks are submitted."""

    def setUp(self):
        self.order, self.go = self.context.Queue(), self.context.Event()
        self.pool = self.context.Pool(1)
        self.addCleanup(self.pool.terminate)
        self.busy = self.pool.apply_async(wait_for, (self.go,))

    def expect(self, *expected):
        self.go.set()
        self.assertEqual([self.order.get(timeout=SOON) for _ in expected], list(expected))
        self.pool.close()
        self.pool.join(SOON)

    def test_the_most_urgent_is_first_and_of_these_the_oldest(self):
        for number, priority in enumerate(TURNS):
            self.pool.apply_async(note, (self.order, number), priority=priority)
        self.expect(2, 4, 1, 3, 0, 5)

    def test_of_each_form(self):
        turn, order = Turn(self.order), self.order
        self.pool.map_async(turn, [1], priority="low")
        self.pool.starmap_async(note, [(order, 2)])
        first = self.pool.imap(turn, [3, 4], priority="high")
        second = self.pool.imap_unordered(turn, [5], priority="high")
        self.expect(3, 4, 5, 2, 1)
        self.assertEqual([list(first), list(second)], [[None, None], [None]])

    def test_those_that_wait(self):
        self.go.set()
        turn = Turn(self.order)
        self.pool.apply(note, (self.order, 1), priority="high")
        self.pool.map(turn, [2], priority="low")
        self.pool.starmap(note, [(self.order, 3)], priority="normal")
        self.expect(1, 2, 3)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Priorities)


class RefusalTest(unittest.TestCase):
    def refuse(self, pool):
        for priority in ("urgent", 1, None, []):
            for method, *arguments in (("apply", abs, (-1,)), ("apply_async", abs, (-1,)), ("map", abs, [-1]), ("map_async", abs, []),
                                       ("starmap", abs, [(-1,)]), ("starmap_async", abs, [(-1,)]), ("imap", abs, [-1]),
                                       ("imap_unordered", abs, [-1])):
                with self.subTest(method=method), self.assertRaisesRegex(ValueError, "must be 'high', 'normal' or 'low', not"):
                    getattr(pool, method)(*arguments, priority=priority)

    def test_what_is_none_is_named(self):
        with prong.Pool(1) as pool:
            self.refuse(pool)
            with self.assertRaisesRegex(ValueError, "not 'urgent'"):
                pool.apply(abs, (-1,), priority="urgent")

    def test_a_pool_without_workers_takes_it(self):
        with prong.Pool(prong.INLINE) as pool:
            self.refuse(pool)
            self.assertEqual(pool.apply(os.getpid, priority="low"), os.getpid())
            self.assertEqual(list(pool.imap(abs, [-1], priority="high")), [1])

    def test_a_native_pool_has_it(self):
        with prong.NativePool(1) as pool, self.assertRaisesRegex(ValueError, "not 'urgent'"):
            pool.map_into("library.so:squares", bytes(8), bytearray(8), priority="urgent")


if __name__ == "__main__":
    unittest.main()
