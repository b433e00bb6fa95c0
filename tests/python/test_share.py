"""Shares, and large buffers of tasks, which are in memory once."""

import functools
import gc
import os
import pickle
import resource
import signal
import threading
import time
import unittest
import unittest.mock
import weakref

import prong
from support import SOON, InMethod, ProgramTest, for_each_method, main

SIZE = 4 << 20
LEFT = SIZE // 4  # more than anything else here takes


class Array:
    """What travels as an array does: its buffer beside the pickle."""

    def __init__(self, buffer):
        self.bytes = memoryview(buffer).cast("B")

    def __reduce_ex__(self, protocol):
        return Array, (pickle.PickleBuffer(self.bytes),)


class Growing:
    """Unpickled, it is the number of items that it has added to the arguments."""

    arguments = {}

    def __reduce__(self):
        return Growing.grow, ()

    @staticmethod
    def grow():
        Growing.arguments.update(zip(range(100), range(100)))
        return 100


def make_array(byte=b"\1", size=SIZE):
    return Array(bytearray(byte * size))


def used():
    """Bytes of the family's memory."""
    return prong._core.memory_state()[2]


def anonymous():
    """Bytes that this process has for itself."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon:"))


def is_made_of(array, byte):
    return bytes(array.bytes) == byte * len(array.bytes)


# --- tasks ---


def look(array):
    return os.getpid(), id(array), array.bytes.readonly, is_made_of(array, b"\1")


def look_at_both(array, number):
    return look(array)[2:] + (number,)


def read_all(array):
    before = anonymous()
    whole = sum(array.bytes[::1024]) == len(array.bytes) // 1024
    return whole, anonymous() - before


def write_to_it(array, byte):
    good = is_made_of(array, b"\1")
    array.bytes[:] = byte * len(array.bytes)
    return good and is_made_of(array, byte)


def write_and_keep(array, byte):
    kept.append(array)
    return write_to_it(array, byte)


def write_to_pages(array):
    for at in range(0, SIZE, 4096):
        array.bytes[at] += 1
    return sum(array.bytes[::4096]) // 2


def first_of_kept():
    return [bytes(array.bytes[:1]) for array in kept]


def read_and_write_one(first, second):
    """Two arrays that are equal: what is written to one is not in the other."""
    first.bytes[0] = 2
    return bytes(second.bytes[:1])


def faults_to_read(array):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    sum(array.bytes[::4096])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def memory_in_use(array):
    time.sleep(0.01)
    return used() if is_made_of(array, b"\1") else None


def bytes_of(array):
    return bytes(array.bytes)


def with_array(array, number):
    return is_made_of(array, b"\1"), number


kept = []


def keep(array):
    kept.append(memoryview(array.bytes)[1:])


def look_at_kept():
    return [bytes(view) == b"\1" * (SIZE - 1) for view in kept]


def set_kept(array, more):
    kept.extend((array, more))


def what_was_set():
    return [is_made_of(array, b"\1") for array in kept]


def die_once(array, queue):
    if queue.get(timeout=SOON) == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return is_made_of(array, b"\1")


def tell_later(array, ready, told):
    ready.get(timeout=SOON)
    told.put(is_made_of(array, b"\1"))


# --- processes ---


def tell(array, queue, more=None):
    queue.put((array.bytes.readonly, is_made_of(array, b"\1"), more is None or is_made_of(more, b"\1")))


def hold(queue, ready):
    array = queue.get(timeout=SOON)
    ready.put(is_made_of(array, b"\1"))
    time.sleep(600)


def make(queue):
    share = prong.share(make_array())
    queue.put(share)
    time.sleep(600)


class ShareTests(InMethod):
    def setUp(self):
        gc.collect()
        self.before = used()

    def assert_freed(self):
        """What is not in use is free at once, or when idle workers have given it up."""
        end = time.monotonic() + SOON
        while used() > self.before + LEFT and time.monotonic() < end:
            time.sleep(0.01)
        self.assertLess(used(), self.before + LEFT)

    def pool(self, processes=2, **options):
        pool = self.context.Pool(processes, **options)
        self.addCleanup(pool.join, SOON)
        self.addCleanup(pool.terminate)
        return pool

    def test_tasks_get_the_object_itself_read_only(self):
        pool = self.pool(1)
        with prong.share(make_array()) as shared:
            for results in (pool.map(look, [shared] * 4, chunksize=1), pool.map(look, [shared] * 4, chunksize=2),
                            [pool.apply(look, (shared,)), pool.apply(look, kwds={"array": shared})]):
                self.assertEqual({result[2:] for result in results}, {(True, True)})
            self.assertEqual(pool.starmap(look_at_both, [(shared, n) for n in range(3)]), [(True, True, n) for n in range(3)])
            same = pool.map(look, [shared] * 8, chunksize=1)
            self.assertEqual(len(set(same)), 1)
        self.assert_freed()

    def test_processes_and_queues_get_the_object(self):
        queue, share = self.context.Queue(), prong.share(make_array())
        self.start(tell, share, queue)
        self.assertEqual(queue.get(timeout=SOON), (True, True, True))
        process = self.context.Process(target=tell, args=(share, queue), kwargs={"more": share})
        process.start()
        self.assertEqual(queue.get(timeout=SOON), (True, True, True))
        process.join(SOON)
        queue.put(share)
        received = queue.get(timeout=SOON)
        self.assertTrue(received.bytes.readonly and is_made_of(received, b"\1"))
        share.close()
        self.assertTrue(is_made_of(received, b"\1"))
        del received
        self.assert_freed()

    def test_an_initializer_gets_the_object(self):
        with prong.share(make_array()) as shared:
            pool = self.pool(1, initializer=set_kept, initargs=(shared, shared))
            self.assertEqual(pool.apply(what_was_set), [True, True])
        self.assertEqual(pool.apply(what_was_set), [True, True])

    def test_what_a_worker_keeps_stays(self):
        pool = self.pool(1)
        with prong.share(make_array()) as shared:
            pool.apply(keep, (shared,))
        with prong.share(make_array(b"\2")) as other:  # would take its memory
            self.assertFalse(pool.apply(look, (other,))[3])
            self.assertEqual(pool.apply(look_at_kept), [True])
        pool.terminate()
        pool.join(SOON)
        self.assert_freed()

    def test_a_worker_does_not_collect_closed_shares(self):
        pool = self.pool(1)
        for _ in range(8):  # the last one is kept, and the one before it is given up for it
            with prong.share(make_array()) as shared:
                self.assertTrue(pool.apply(look, (shared,))[3])
                self.assertLess(used(), self.before + 2 * SIZE + LEFT)
        self.assert_freed()

    def test_a_killed_reader_gives_it_back(self):
        queue, ready = self.context.Queue(), self.context.Queue()
        share = prong.share(make_array())
        reader = self.start(hold, queue, ready)
        queue.put(share)
        self.assertTrue(ready.get(timeout=SOON))
        share.close()
        self.assertGreater(used(), self.before + LEFT)
        reader.kill()
        reader.join(SOON)
        self.assert_freed()

    def test_it_outlives_its_killed_maker_with_its_reader(self):
        queue = self.context.Queue()
        maker = self.start(make, queue)
        array = queue.get(timeout=SOON)
        maker.kill()
        maker.join(SOON)
        self.assertTrue(is_made_of(array, b"\1"))
        del array
        self.assert_freed()

    def test_a_task_is_run_again_when_its_worker_is_killed(self):
        pool, queue = self.pool(2), self.context.Manager()
        self.addCleanup(queue.shutdown)
        words = queue.Queue()
        for word in ("die", "live", "die", "live"):
            words.put(word)
        with prong.share(make_array()) as shared:
            self.assertTrue(pool.apply(die_once, (shared, words), retries=1))
        self.assertTrue(pool.apply(die_once, (make_array(), words), retries=1))
        self.assert_freed()

    def test_workers_have_no_memory_of_their_own_for_it(self):
        size = 64 << 20
        with prong.share(make_array(size=size)) as shared:
            for whole, grown in self.pool(2).map(read_all, [shared] * 4, chunksize=1):
                self.assertTrue(whole)
                self.assertLess(grown, size // 20)

    # --- large buffers of tasks ---

    def test_tasks_of_one_call_have_a_large_buffer_once(self):
        array, pool = make_array(), self.pool(2)
        most = self.before + SIZE + LEFT
        for results in (pool.map(memory_in_use, [array] * 6, chunksize=1), list(pool.map(memory_in_use, [array] * 6)),
                        pool.map_async(memory_in_use, (array,) * 6, 3).get(SOON)):
            self.assertLess(max(results), most)
        self.assertEqual(pool.map(functools.partial(with_array, array), range(6), 1), [(True, n) for n in range(6)])
        self.assert_freed()

    def test_each_task_may_write_to_its_own(self):
        array, pool = make_array(), self.pool(2)
        tasks = [(array, bytes([n])) for n in range(2, 8)]
        self.assertEqual(pool.starmap(write_to_it, tasks, 1), [True] * 6)
        self.assertEqual([pool.apply(write_to_it, task) for task in tasks[:2]], [True] * 2)
        self.assertTrue(is_made_of(array, b"\1"))
        arrays = [make_array(bytes([n])) for n in (1, 2, 1, 3)]
        self.assertEqual([good for _, _, _, good in pool.map(look, arrays, 1)], [True, False, True, False])
        self.assert_freed()

    def test_calls_that_follow_one_another_have_an_equal_buffer_once(self):
        array, pool = make_array(), self.pool(2)
        most = self.before + SIZE + LEFT
        results = [pool.apply_async(memory_in_use, (array,)) for _ in range(6)]
        self.assertLess(max(result.get(SOON) for result in results), most)
        self.assertLess(max(pool.imap(memory_in_use, [array] * 6)), most)
        self.assert_freed()

    def test_a_buffer_that_has_changed_is_written_again(self):
        array, pool = make_array(), self.pool(2)
        for at in (0, SIZE // 2, SIZE - 1):
            before = pool.apply_async(bytes_of, (array,))
            array.bytes[at] = 2
            after = pool.apply_async(bytes_of, (array,))
            self.assertEqual((before.get(SOON)[at], after.get(SOON)[at]), (1, 2))
            self.assertEqual(pool.apply(bytes_of, (array,)), bytes(array.bytes))
        self.assert_freed()

    @unittest.skipUnless(os.access("/proc/self/pagemap", os.R_OK), "no /proc/self/pagemap")
    def test_a_worker_maps_a_buffer_once_for_all_its_tasks(self):
        array = make_array()
        faults = self.pool(1).map(faults_to_read, [array] * 4, chunksize=1)
        self.assertLess(max(faults[1:]), max(faults[0] // 2, 8), faults)

    def test_what_a_task_has_written_is_not_kept(self):
        array, pool = make_array(), self.pool(1)
        before = pool.apply(anonymous)
        self.assertEqual(pool.map(write_to_pages, [array] * 3, 1), [SIZE // 4096] * 3)
        self.assertLess(pool.apply(anonymous), before + LEFT)

    def test_an_array_that_a_task_keeps_is_its_own(self):
        array, pool = make_array(), self.pool(1)
        self.assertEqual(pool.starmap(write_and_keep, [(array, bytes([n])) for n in (2, 3, 4)], 1), [True] * 3)
        self.assertEqual(pool.apply(first_of_kept), [b"\2", b"\3", b"\4"])

    def test_two_arrays_of_a_task_are_two(self):
        array, pool = make_array(), self.pool(1)
        pairs = [(array, Array(array.bytes))] * 3
        self.assertEqual(pool.starmap(read_and_write_one, pairs, 1), [b"\1"] * 3)

    def test_it_stays_for_a_task_whose_result_nobody_wants(self):
        pool, ready, told = self.pool(1), self.context.Manager(), None
        self.addCleanup(ready.shutdown)
        go, told = ready.Queue(), ready.Queue()
        pool.apply_async(tell_later, (make_array(), go, told))
        with prong.share(make_array()) as shared:
            pool.apply_async(tell_later, (shared, go, told))
            pool.apply_async(tell_later, (prong.share(make_array()), go, told))
            gc.collect()
            for _ in range(3):
                go.put("go")
                self.assertTrue(told.get(timeout=SOON))
        pool.apply(os.getpid)
        pool.apply(os.getpid)
        self.assert_freed()


ForkTest, SpawnTest, ForkServerTest = for_each_method(ShareTests)


class OneProcessTest(unittest.TestCase):
    def test_a_circle_through_what_get_gave_is_collected(self):
        share = prong.Share([[]])
        share.get().append(share)
        gone = weakref.ref(share)
        del share
        gc.collect()
        self.assertIsNone(gone())

    def test_arguments_may_change_while_they_are_resolved(self):
        arguments = {"share": prong.share(Growing()), "last": 1}
        with unittest.mock.patch.object(Growing, "arguments", arguments):
            self.assertEqual(prong._core._resolved(arguments), {"share": 100, "last": 1})

    def test_get_gives_the_object_as_others_see_it(self):
        array = make_array()
        share = prong.share({"array": array, "name": "x"})
        got = share.get()
        self.assertIs(share.get(), got)
        self.assertEqual(got["name"], "x")
        self.assertTrue(got["array"].bytes.readonly and is_made_of(got["array"], b"\1"))
        self.assertGreater(share.nbytes, SIZE)
        self.assertIn(str(share.nbytes), repr(share))
        before = used()
        share.close()
        self.assertTrue(is_made_of(got["array"], b"\1"))  # kept by who uses it
        self.assertGreater(used(), before - LEFT)
        del got
        gc.collect()
        self.assertLess(used(), before - LEFT)

    def test_a_pool_without_workers_opens_shares(self):
        with prong.Pool(prong.INLINE) as pool, prong.share(make_array()) as shared:
            self.assertEqual(pool.starmap(look_at_both, [(shared, 1), (shared, 2)]), [(True, True, 1), (True, True, 2)])
            self.assertTrue(pool.map(look, [shared], 1)[0][3] and pool.apply(look, kwds={"array": shared})[3])

    def test_a_closed_share_is_refused(self):
        share = prong.share([1, 2, 3])
        self.assertEqual(share.get(), [1, 2, 3])
        message = prong._core.dumps((share, 1))
        self.assertEqual(prong._core.loads(message), ([1, 2, 3], 1))
        self.assertFalse(share.closed)
        share.close()
        share.close()
        self.assertTrue(share.closed)
        self.assertIn("closed", repr(share))
        for call in (share.get, lambda: prong._core.dumps(share), lambda: prong._core.dumps([share, share])):
            self.assertRaisesRegex(ValueError, "the share is closed", call)
        self.assertRaisesRegex(ValueError, "the object is gone", prong._core.loads, message)

    def test_it_goes_to_members_of_the_family_alone(self):
        with prong.share([1]) as share:
            self.assertRaisesRegex(RuntimeError, "Share objects should only be shared", pickle.dumps, share)

    def test_what_cannot_be_pickled_is_an_error(self):
        before = used()
        self.assertRaises(TypeError, prong.share, [threading.Lock(), make_array()])
        self.assertLess(used(), before + LEFT)

    def test_shares_are_in_messages_in_any_place(self):
        first, second = prong.share([1]), prong.share((2, b"two"))
        for message, wanted in ((first, [1]), ((first, 5), ([1], 5)), ({"a": first}, {"a": [1]}), ([first, [second]], [[1], [(2, b"two")]]),
                                ((first, first, second), ([1], [1], (2, b"two"))), (prong.share([first]), [[1]])):
            self.assertEqual(prong._core.loads(prong._core.dumps(message)), wanted)

    def test_a_buffer_is_shared_as_a_read_only_view(self):
        with prong.share(memoryview(bytearray(b"\1" * SIZE))) as share:
            view = share.get()
            self.assertTrue(view.readonly)
            self.assertEqual(bytes(view), b"\1" * SIZE)
            del view

    def test_arrays_of_numpy_are_read_where_they_are(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        array = numpy.arange(1000000).reshape(1000, 1000)
        with prong.share({"a": array, "b": array.T}) as share:
            got = share.get()
            self.assertTrue((got["a"] == array).all() and (got["b"] == array.T).all())
            self.assertFalse(got["a"].flags.writeable)
            with self.assertRaises(ValueError):
                got["a"][0, 0] = 1


PROGRAM = """
import prong

def total(values, factor):
    return sum(values) * factor

if __name__ == "__main__":
    prong.set_start_method(__import__("sys").argv[1])
    shared = prong.share(list(range(100)))
    with prong.Pool(2) as pool:
        print(pool.starmap(total, [(shared, n) for n in range(3)]))
        with prong.ProcessPoolExecutor(2) as executor:
            print(list(executor.map(total, [shared] * 2, (1, 2))), executor.submit(total, shared, 3).result())
"""


class ShareProgramTest(ProgramTest):
    def test_a_program_may_leave_its_shares_open(self):
        self.check(PROGRAM, "[0, 4950, 9900]\n[4950, 9900] 14850\n")


if __name__ == "__main__":
    main()
