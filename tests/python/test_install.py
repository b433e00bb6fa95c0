"""install(), which puts prong in multiprocessing's place for other libraries."""

import os
import tempfile
import unittest

from support import METHODS, ProgramTest


class InstallTest(ProgramTest):
    """Programs that call it."""

    def test_install_serves_other_libraries(self):
        program = ("import prong; prong.install()\n"
                   "import multiprocessing, multiprocessing.pool\n"
                   "assert multiprocessing.Queue().__class__ is prong.queues.Queue\n"
                   "assert multiprocessing.pool.Pool is prong.pool.Pool\n"
                   "from concurrent.futures import ProcessPoolExecutor\n"
                   "if __name__ == '__main__':\n"
                   "    with ProcessPoolExecutor(2) as executor:\n"
                   "        assert list(executor.map(abs, [-1, -2])) == [1, 2]\n"
                   "    with multiprocessing.Manager() as manager:\n"
                   "        assert 2 in manager.set([2])\n"
                   "    assert prong._core.calls()['queue'] > 0\n"
                   "    try:\n"
                   "        from joblib import Parallel, delayed, parallel_backend\n"
                   "    except ImportError:\n"
                   "        pass\n"
                   "    else:\n"
                   "        with parallel_backend('multiprocessing'):\n"
                   "            assert Parallel(n_jobs=2)(delayed(abs)(-n) for n in range(10)) == list(range(10))\n"
                   "    print('good')\n")
        self.says_good("-W", "ignore", "-c", program)

    def test_what_was_made_before_install_works_on(self):
        program = ("import multiprocessing, prong\n"
                   "from multiprocessing import Process\n"
                   "from multiprocessing.queues import Queue\n"
                   "class OwnQueue(Queue):\n"
                   "    pass\n"
                   "class OwnProcess(Process):\n"
                   "    def run(self):\n"
                   "        self._args[0].put(self.name)\n"
                   "if __name__ == '__main__':\n"
                   "    multiprocessing.set_start_method('fork')  # other children cannot be handed what was made before\n"
                   "    pool, queue, simple = multiprocessing.Pool(2), multiprocessing.Queue(), multiprocessing.SimpleQueue()\n"
                   "    pool.map(abs, [-1])\n"
                   "    prong.install()\n"
                   "    assert pool.map(abs, [-1, -2]) == pool.starmap(abs, [(-1,), (-2,)]) == list(pool.imap(abs, [-1, -2])) == [1, 2]\n"
                   "    assert pool.apply_async(abs, (-3,)).get(10) == 3\n"
                   "    before = prong._core.calls()['process']\n"
                   "    for made in queue, multiprocessing.Queue(), OwnQueue(ctx=multiprocessing.get_context()):\n"
                   "        process = OwnProcess(args=(made,), name='own')\n"
                   "        process.start()\n"
                   "        assert made.get(timeout=10) == 'own'\n"
                   "        process.join(10)\n"
                   "        assert process.exitcode == 0\n"
                   "    assert prong._core.calls()['process'] == before + 3\n"
                   "    simple.put(1)\n"
                   "    assert simple.get() == 1\n"
                   "    prong.uninstall()\n"
                   "    assert pool.map(abs, [-4]) == [4]\n"
                   "    pool.close()\n"
                   "    pool.join()\n"
                   "    print('good')\n")
        self.says_good("-c", program)

    def test_classes_derived_before_install_are_the_same_in_children(self):
        program = ("import multiprocessing, sys, prong\n"
                   "from multiprocessing.queues import SimpleQueue\n"
                   "from concurrent.futures.process import ProcessPoolExecutor\n"
                   "class OwnQueue(SimpleQueue):\n"
                   "    pass\n"
                   "def base(queue):\n"
                   "    queue.put(OwnQueue.__base__ is prong.queues.SimpleQueue)\n"
                   "if __name__ == '__main__':\n"
                   "    multiprocessing.set_start_method(sys.argv[1])\n"
                   "    prong.install()\n"
                   "    assert multiprocessing.get_start_method() == sys.argv[1]\n"
                   "    with ProcessPoolExecutor(2) as executor:\n"
                   "        assert list(executor.map(abs, [-1, -2])) == [1, 2]\n"
                   "    queue = OwnQueue(ctx=multiprocessing.get_context())\n"
                   "    if sys.argv[0] != '-c':\n"
                   "        process = multiprocessing.Process(target=base, args=(queue,))\n"
                   "        process.start()\n"
                   "        assert queue.get() is False\n"
                   "        process.join()\n"
                   "    print('good')\n")
        with tempfile.TemporaryDirectory() as directory:
            script = os.path.join(directory, "script.py")
            with open(script, "w") as file:
                file.write(program)
            for method in METHODS:
                with self.subTest(method=method):
                    self.says_good("-W", "ignore", script, method)
                    self.says_good("-W", "ignore", "-c", program, method)

    def test_the_standard_executor_ends_when_what_is_left_was_cancelled(self):
        program = ("import prong; prong.install()\n"
                   "import sys; sys.setswitchinterval(0.05)\n"
                   "from concurrent.futures import ProcessPoolExecutor\n"
                   "if __name__ == '__main__':\n"
                   "    for i in range(50):\n"
                   "        with ProcessPoolExecutor(1) as executor:\n"
                   "            executor.submit(pow, 2, 3).result()\n"
                   "            executor.submit(pow, 2, 3).cancel()\n"
                   "    prong.uninstall()\n"
                   "    print('good')\n")
        for first in ("", "import concurrent.futures.process\n"):
            self.says_good("-c", first + program)


if __name__ == "__main__":
    unittest.main()
