"""Celery's workers: pools of prong's in their tasks, and prong.celery, which has tasks run in prong's processes."""

import os
import queue
import select
import threading

from support import METHODS, SOON, ServerTest, main, needs

# A broker and results in files. Celery's write a file that is read meanwhile: here it is there once it is whole.
CELERY = """
import os, time, uuid
import celery
from celery.backends.filesystem import FilesystemBackend
from kombu.transport.filesystem import Channel
from kombu.utils.json import dumps

folder = os.environ["TASKS_FOLDER"]
app = celery.Celery("tasks", broker="filesystem://", backend="file://" + folder)
app.conf.broker_transport_options = {"polling_interval": 0.05, "data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}

def write(name, text):
    path = os.path.join(folder, os.fsdecode(name))
    with open(path + ".part", "w") as file:
        file.write(os.fsdecode(text))
    os.rename(path + ".part", path)

Channel._put = lambda channel, queue, message, **_: write(f"{time.monotonic_ns()}_{uuid.uuid4()}.{queue}.msg", dumps(message))
FilesystemBackend.set = lambda backend, key, value: write(backend._filename(key), value)
"""

TASKS = CELERY + """
import prong

def square(n):
    return n * n

@app.task
def total(count):
    with prong.Pool(2) as pool:
        return sum(pool.map(square, range(count)))
"""

CALL_TASKS = """
import tasks
print([result.get(timeout=60) for result in [tasks.total.delay(n) for n in range(4)]])
"""

# For prong.celery, which runs them.
LIMITED_TASKS = CELERY + """
import signal, time
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_shutdown

app.conf.update(task_track_started=True, task_acks_late=True, worker_pool_restarts=True, worker_prefetch_multiplier=2,
                worker_pool_start_method=os.environ["METHOD"])

@app.task
def number():
    return os.getpid()

@app.task
def fail():
    raise KeyError(1)

@app.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@app.task(soft_time_limit=0.2)
def be_soft():
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        return "soft"

@app.task(time_limit=0.2)
def be_hard():
    time.sleep(60)

@app.task
def nap(seconds):
    time.sleep(seconds)
    return seconds

@worker_process_shutdown.connect
def tell(pid, **_):
    with open(os.path.join(folder, "ended"), "a") as file:
        print(pid, file=file)
"""

CALL_LIMITED_TASKS = """
import os, signal, sys, time
import tasks

def outcome(result):
    try:
        return result.get(timeout=60)
    except Exception as error:
        return type(error).__name__

def start(seconds):
    result = tasks.nap.delay(seconds)
    while result.state != "STARTED":
        time.sleep(0.02)
    return result

print(*(outcome(task.delay()) for task in (tasks.fail, tasks.be_soft, tasks.be_hard, tasks.die)))
for name in "SIGKILL", "SIGTERM":
    held = start(60)
    held.revoke(terminate=True, signal=name)
    print(outcome(held))
print(len({outcome(tasks.number.delay()) for _ in range(6)}) > 2)  # each worker has two tasks
print([list(answer.values()) for call in (tasks.app.control.pool_grow, tasks.app.control.pool_shrink, tasks.app.control.pool_restart)
       for answer in call(reply=True)])
running = [start(5), start(5)]  # longer than the worker takes to look for signals
waiting = tasks.nap.delay(1)
time.sleep(0.5)
os.kill(int(sys.argv[1]), signal.SIGTERM)  # no further task begins
print([outcome(result) for result in running], waiting.state)
"""


@needs("celery")
class CeleryTest(ServerTest):
    def test_pools_in_celerys_workers(self):
        self.write("tasks.py", TASKS)
        server = self.started("-W", "ignore", "-m", "celery", "-A", "tasks", "worker", "--pool=prefork", "-c", "2", "-l", "warning",
                              TASKS_FOLDER=self.directory)
        ran = self.run_program(CALL_TASKS, TASKS_FOLDER=self.directory)
        self.assertEqual(ran.stdout, "[0, 0, 1, 5]\n", ran.stderr)
        self.assertNotIn("_worker_ends", self.ended(*server))

    def in_celery(self, program, method):
        """What the program prints, run beside a Celery worker whose pid it is given; that worker, as started() has it."""
        folder = os.path.join(self.directory, method)
        os.mkdir(folder)
        self.write("tasks.py", LIMITED_TASKS)
        environment = {"TASKS_FOLDER": folder, "METHOD": method, "CELERY_CUSTOM_WORKER_POOL": "prong.celery:TaskPool"}
        server = self.started("-W", "ignore", "-m", "celery", "-A", "tasks", "worker", "--pool=custom", "-c", "2", "--max-tasks-per-child=2",
                              "-l", "warning", **environment)
        ran = self.run_program(program, str(server[0].pid), **environment)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout, server

    def test_celerys_tasks_in_prongs_workers(self):
        for method in METHODS[:2]:  # which are those that it knows
            with self.subTest(method):
                printed, (process, log) = self.in_celery(CALL_LIMITED_TASKS, method)
                self.assertEqual(printed, "KeyError soft TimeLimitExceeded WorkerLostError\nTaskRevokedError\nTaskRevokedError\nTrue\n"
                                          "[[{'ok': 'pool will grow'}], [{'ok': 'pool will shrink'}], [{'ok': 'reload started'}]]\n"
                                          "[5, 5] PENDING\n")
                process.wait(SOON)
                with open(os.path.join(self.directory, method, "ended")) as file:
                    self.assertGreater(len(set(file)), 2)  # each in order, and those of the end
                self.assertNotIn("_worker_ends", self.ended(process, log))

    def test_a_callback_that_raises_or_submits_harms_no_other_task(self):
        from prong.celery import Pool
        pool, told = Pool(1, int, on_process_exit=max), queue.Queue()
        self.addCleanup(pool.join)
        self.addCleanup(pool.terminate)

        def accepted(pid, begun):
            pool.apply_async(abs, (threading.Lock(),), error_callback=lambda info: told.put("cannot be pickled"))
            raise KeyError("accepted")
        with self.assertLogs("prong.celery", "ERROR") as log:
            pool.apply_async(abs, (-1,), callback=told.put, accept_callback=accepted)
            self.assertEqual([told.get(timeout=SOON) for _ in range(2)], ["cannot be pickled", 1])
        self.assertIn("accepted", log.output[0])
        pool.apply_async(abs, (-2,), callback=told.put)
        self.assertEqual(told.get(timeout=SOON), 2)
        pool._workers.close()
        self.assertRaises(ValueError, pool.apply_async, abs, (-3,))
        self.assertEqual(pool._tasks, {})

    def test_celerys_death_ends_prongs_workers(self):
        for method in METHODS[:2]:
            with self.subTest(method):
                number, (process, _) = self.in_celery("import tasks; print(tasks.number.delay().get(timeout=60))", method)
                worker = os.pidfd_open(int(number))
                self.addCleanup(os.close, worker)
                process.kill()
                self.assertTrue(select.select([worker], [], [], SOON)[0])


if __name__ == "__main__":
    main()
