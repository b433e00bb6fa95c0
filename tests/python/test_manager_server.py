"""Managers whose server is not started by start(), or has an address of the user's."""

import os
import signal
import sys
import tempfile
import threading
import unittest
from multiprocessing import managers as their_managers

import prong
import prong.managers
from support import Interrupted, interrupt, on_alarm

SOON = 30


class ServerTest(unittest.TestCase):
    """Servers that are not started by start()."""

    def test_get_server(self):
        manager = prong.managers.SyncManager(authkey=b"key")
        server = manager.get_server()
        thread = threading.Thread(target=lambda: self.assertRaises(SystemExit, server.serve_forever), daemon=True)
        thread.start()
        client = prong.managers.SyncManager(address=server.address, authkey=b"key")
        client.connect()
        items = client.list([1, 2])
        self.assertEqual(items[1], 2)
        del items
        server.stop_event.set()
        thread.join(SOON)
        self.assertFalse(thread.is_alive())

    def test_a_manager_in_the_same_process_is_reached(self):
        server = prong.managers.SyncManager(authkey=b"key").get_server()
        thread = threading.Thread(target=lambda: self.assertRaises(SystemExit, server.serve_forever), daemon=True)
        thread.start()
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for _ in range(100):
                connected = []

                def connect():
                    client = prong.managers.SyncManager(address=server.address, authkey=b"key")
                    client.connect()
                    connected.append(client)
                threads = [threading.Thread(target=connect) for _ in range(4)]
                for each in threads:
                    each.start()
                for each in threads:
                    each.join(SOON)
                self.assertEqual(len(connected), 4)
        finally:
            sys.setswitchinterval(before)
            server.stop_event.set()
            thread.join(SOON)

    def test_wrong_states(self):
        manager = prong.Manager()
        with self.assertRaises(prong.ProcessError):
            manager.get_server()
        manager.shutdown()
        with self.assertRaises(prong.ProcessError):
            manager.start()

    def test_a_call_by_socket_that_was_broken_off(self):
        with prong.managers.SyncManager(address=("127.0.0.1", 0)) as manager:
            queue, lock = manager.Queue(), manager.RLock()
            with lock, on_alarm(interrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                with self.assertRaises(Interrupted):
                    queue.get()
                self.assertEqual((queue.qsize(), queue.empty()), (0, True))
                queue.put("mine")
                self.assertEqual(queue.get(timeout=SOON), "mine")
            self.assertRaises(RuntimeError, lock.release)

    def test_addresses_of_the_users(self):
        with tempfile.TemporaryDirectory() as directory:
            for address in (("127.0.0.1", 0), os.path.join(directory, "socket")):
                with prong.managers.SyncManager(address=address) as manager:
                    self.assertEqual(manager.list([1, 2])[1], 2)

    def test_a_long_temporary_directory(self):
        from multiprocessing import process
        config = process.current_process()._config
        before = config.get("tempdir")
        with tempfile.TemporaryDirectory() as directory:
            config["tempdir"] = os.path.join(directory, "x" * (85 - len(directory)))
            os.mkdir(config["tempdir"])
            try:
                with prong.Manager() as manager:
                    self.assertEqual(manager.list([1, 2])[1], 2)
            finally:
                config["tempdir"] = before

    def test_multiprocessings_own_managers_go_on(self):
        manager = their_managers.SyncManager()
        manager.start()
        self.addCleanup(manager.shutdown)
        mapping = manager.dict()
        mapping["x"] = 1
        self.assertEqual(mapping["x"], 1)

    def test_shared_memory_manager(self):
        with prong.managers.SharedMemoryManager() as manager:
            shared = manager.ShareableList([1, "two"])
            self.assertEqual(shared[1], "two")
            shared.shm.close()

    def test_threads_have_lines_of_their_own(self):
        with prong.Manager() as manager:
            mapping, errors = manager.dict(), []

            def work(n):
                try:
                    for i in range(100):
                        mapping[n] = i
                        assert mapping[n] == i
                        assert manager.list([i])[0] == i
                except BaseException as error:
                    errors.append(error)
            threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SOON)
            self.assertEqual(errors, [])
            self.assertEqual(mapping.copy(), dict.fromkeys(range(5), 99))


if __name__ == "__main__":
    unittest.main()
