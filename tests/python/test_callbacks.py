"""What waits within a pool: callbacks of results, and tasks for their own pool."""

import os
import signal
import subprocess
import sys
import unittest

import prong
from support import InMethod, for_each_method

SOON = 30
own_pool = []


def wait_for_own_pool():
    try:
        return own_pool[0].apply(same, (1,))
    except prong.Deadlock as error:
        return str(error)


def same(x):
    return x


class Callbacks(InMethod):
    """In each start method."""

    def test_a_task_that_waits_for_its_own_full_pool_is_told(self):
        with prong.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
            own_pool.append(pool)
            pool.apply(same, (1,))  # the next worker has been forked after that
            self.assertIn("would wait", pool.apply_async(wait_for_own_pool).get(30))
        own_pool.clear()

    def test_a_callback_may_terminate_its_pool_and_not_join_it(self):
        seen = []

        def end(value):
            pool.close()
            try:
                pool.join()
            except prong.Deadlock as error:
                seen.append(error)
            pool.terminate()
            seen.append(value)

        pool = prong.Pool(2)
        pool.apply_async(same, (1,), callback=end).wait(20)
        pool.join()
        self.assertIsInstance(seen[0], RuntimeError)
        self.assertIn("callbacks", str(seen[0]))
        self.assertEqual(seen[1:], [1])

    def test_a_pool_may_be_dropped_by_its_callback(self):
        script = """if True:
            import gc, sys, time, prong
            import os
            done = []
            def drop(value):
                holder.clear()
                gc.collect()
                done.append(value)
            if __name__ == "__main__":
                holder = [prong.Pool(1)]
                holder[0].apply_async(os.getpid, callback=drop)
                while not done:
                    time.sleep(0.01)
            """
        ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=60, stderr=subprocess.PIPE)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))

    def test_an_exit_does_not_wait_for_a_callback_that_waits_forever(self):
        script = """if True:
            import os, threading, prong
            begun = threading.Event()
            def wait(value):
                begun.set()
                threading.Event().wait()
            if __name__ == "__main__":
                pool, other = prong.Pool(1), prong.Pool(1)
                pool.apply_async(os.getpid, callback=wait)
                begun.wait()
            """
        ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=60, stderr=subprocess.PIPE)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))

    def test_a_worker_is_replaced_while_a_callback_waits_for_it(self):
        seen = []

        def wait(value):
            try:
                pool.apply(os.kill, (value, signal.SIGKILL))
            except prong.WorkerDied as died:
                seen.append(died.exitcode)
            seen.append(pool.apply(same, (3,)))

        with prong.Pool(1) as pool:
            result = pool.apply_async(os.getpid, callback=wait)
            result.wait(20)
        self.assertEqual(seen, [-signal.SIGKILL, 3])

    def test_a_callback_that_raises_harms_nobody(self):
        with self.context.Pool(1) as pool:
            hook, sys.excepthook = sys.excepthook, lambda *args: None
            try:
                result = pool.apply_async(same, (1,), callback=lambda value: 1 / 0)
                self.assertEqual(result.get(SOON), 1)
            finally:
                sys.excepthook = hook
            self.assertEqual(pool.apply_async(same, (2,)).get(SOON), 2)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Callbacks)


if __name__ == "__main__":
    unittest.main()
