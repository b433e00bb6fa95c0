"""The family's memory, within limits: each program is run as a file, in a process of its own."""

import os
import subprocess
import sys
import tempfile
import unittest

import prong
from support import METHODS

SOON = 120
# AddressSanitizer reserves terabytes of addresses for itself: no limit of the address space leaves it room.
limits_addresses = unittest.skipIf("libasan" in os.environ.get("LD_PRELOAD", ""), "AddressSanitizer has no room under a limit")


class Programs(unittest.TestCase):
    def run_program(self, text, *arguments, **environment):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "program.py")
            with open(path, "w") as file:
                file.write(text)
            done = subprocess.run(
                [sys.executable, "-W", "ignore", path, *arguments], capture_output=True, text=True, timeout=SOON, cwd=directory,
                env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(prong.__file__)), **environment},
            )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_a_program_chooses_the_size_of_the_arena(self):
        program = """if True:
        import prong, sys
        def size():
            found = 0
            with open("/proc/self/maps") as maps:
                for line in maps:
                    if "/memfd:prong" in line:
                        low, high = line.split()[0].split("-")
                        found += int(high, 16) - int(low, 16)
            return found >> 20
        prong.set_arena_size(256 << 20)
        def child(queue):
            queue.put(size())
        if __name__ == "__main__":
            prong.set_start_method(sys.argv[1])
            queue = prong.SimpleQueue()
            process = prong.Process(target=child, args=(queue,))
            process.start()
            print(size(), queue.get())
            process.join()
            print(process.exitcode)
            try:
                prong.set_arena_size(1 << 30)
            except prong.ProcessError as error:
                print("family" in str(error))
        """
        for method in METHODS:
            self.assertEqual(self.run_program(program, method), ["256", "256", "0", "True"])

    def test_sizes_that_are_none_are_refused(self):
        for size, error in ((0, ValueError), (1 << 20, ValueError), (-1, OverflowError), (1 << 64, OverflowError), ("1", TypeError)):
            with self.subTest(size), self.assertRaises(error):
                prong.set_arena_size(size)

    def test_the_environment_chooses_the_size_of_the_arena(self):
        program = "import prong; lock = prong.Lock(); print('memfd:prong' in open('/proc/self/maps').read())"
        self.assertEqual(self.run_program(program, PRONG_ARENA_SIZE="128M"), ["True"])
        program = "import prong\ntry: prong.Lock()\nexcept ValueError as error: print('PRONG_ARENA_SIZE' in str(error))"
        self.assertEqual(self.run_program(program, PRONG_ARENA_SIZE="much"), ["True"])

    @limits_addresses
    def test_a_worker_that_limits_its_address_space_has_some(self):
        program = """if True:
        import resource, sys, prong
        def limit(): resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
        def take(): return len(bytearray(50 << 20))
        if __name__ == "__main__":
            prong.set_start_method(sys.argv[1])
            with prong.Pool(1, limit) as pool: print(pool.apply(take))
        """
        for method in METHODS:
            self.assertEqual(self.run_program(program, method), [str(50 << 20)])

    @limits_addresses
    def test_a_process_that_limits_its_address_space_makes_room(self):
        program = """if True:
        import resource, sys, prong
        def work(queue):
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
            prong.fit_address_space()
            queue.put(len(bytearray(50 << 20)))
        if __name__ == "__main__":
            prong.set_start_method(sys.argv[1])
            queue = prong.Queue()
            process = prong.Process(target=work, args=(queue,))
            process.start()
            print(queue.get(), queue.empty())
            process.join()
        """
        for method in METHODS:
            self.assertEqual(self.run_program(program, method), [str(50 << 20), "True"])

    def test_files_of_a_daemon_that_closed_all_descriptors_stay_untouched(self):
        program = """if True:
        import os, prong
        lock = prong.Lock()
        os.closerange(3, 1000)
        mine = [open(f"mine.{n}", "w+") for n in range(30)]
        queue = prong.Queue()
        queue.put(b"x" * 5_000_000)
        queue.get()
        print({os.fstat(file.fileno()).st_size for file in mine})
        """
        self.assertEqual(self.run_program(program), ["{0}"])

    def test_a_limit_on_the_size_of_files_is_respected(self):
        program = """if True:
        import resource, prong
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, resource.RLIM_INFINITY))
        queue = prong.Queue()
        queue.put(b"x" * 5_000_000)
        print(len(queue.get()))
        """
        self.assertEqual(self.run_program(program), ["5000000"])
        program = """if True:
        import resource, prong
        resource.setrlimit(resource.RLIMIT_FSIZE, (60 << 20, resource.RLIM_INFINITY))
        try: prong.Lock()
        except MemoryError as error: print("RLIMIT_FSIZE" in str(error))
        """
        self.assertEqual(self.run_program(program), ["True"])


if __name__ == "__main__":
    unittest.main()
