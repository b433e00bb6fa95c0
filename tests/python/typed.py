"""What type checkers are to make of the package: read by mypy, not run. "# is TYPE" is what they say of reveal_type on that line,
"# error: …" what they find there."""
import multiprocessing as std
from concurrent import futures

import prong
import prong as multiprocessing
from prong.connection import Client, Connection, Listener, wait
from prong.managers import BaseManager, SyncManager
from prong.pool import AsyncResult, Pool, ThreadPool
from prong.queues import Queue
from prong.shared_memory import ShareableList, SharedMemory
from prong.sharedctypes import Synchronized


def double(x: int) -> int:
    return 2 * x


def takes_theirs(queue: "std.queues.Queue[int]", end: std.connection.Connection, lock: std.synchronize.Lock,
                 context: std.context.BaseContext, executor: futures.Executor) -> None:
    """A library's function, which knows multiprocessing."""


class Worker(multiprocessing.Process):
    def run(self) -> None:
        print(self.name, self.exitcode)


def processes_and_channels() -> None:
    worker = Worker(daemon=True)
    worker.start()
    worker.interrupt()
    prong.get_context("fork").Process(target=double).interrupt()
    queue: "multiprocessing.Queue[int]" = multiprocessing.Queue(3, strict=True)
    queue.put_many([1, 2], timeout=1.5)
    reveal_type(queue.get_many(5))  # is builtins.list[builtins.int]
    queue.put("text")  # error: incompatible type
    queue.shutdown()
    joinable = prong.get_context("spawn").JoinableQueue()
    reveal_type(joinable.join(3))  # is builtins.bool
    ours, theirs = multiprocessing.Pipe()
    reveal_type(ours)  # is prong.connection.PipeConnection
    connection: Connection = ours
    ready = wait([connection, theirs], 3)
    takes_theirs(queue, ours, multiprocessing.Lock(), prong.get_context("fork"), prong.ProcessPoolExecutor(2))
    with Listener(authkey=b"key", handshake_timeout=3) as listener:
        reveal_type(listener.accept(3))  # is prong.connection.Connection
    Client(("host", 1), timeout=3.0).send(ready)


def locks_and_shared_state() -> None:
    lock = multiprocessing.Lock()
    with lock:
        reveal_type(lock.owner_died)  # is Union[builtins.str, None]
    multiprocessing.Semaphore(3, recover=True).acquire(timeout=1)
    with multiprocessing.Condition(lock) as held:
        print(held)
    prong.Value("i", 3)
    prong.RawArray("d", 3)
    SharedMemory(create=True, size=3, track=False).close()
    ShareableList([1, 2])
    with prong.Manager() as manager:
        manager.dict(a=1)
        manager.Lock().acquire()
        reveal_type(manager.set([1, 2]).union([3]))  # is builtins.set[builtins.int]


def pools() -> None:
    with multiprocessing.Pool(2) as pool:
        reveal_type(pool)  # is prong.pool.Pool
        reveal_type(pool.map(double, [1], timeout=3.0, retries=2, progress=True))  # is builtins.list[builtins.int]
        result = pool.apply_async(double, (1,), retries=1, priority="high")
        result.cancel(force=True)
        print(result.progress()[0], pool.deaths())
        for value in pool.imap(double, [1], buffersize=3):
            reveal_type(value)  # is builtins.int
        pool.map(double, ["text"])  # error: incompatible type
        pool.map(double, [1], priority="urgent")  # error: incompatible type
        pool.close()
        reveal_type(pool.join(3))  # is builtins.bool
        with prong.share([1]) as shared:
            reveal_type(shared)  # is prong._impl.share.Share[builtins.list[builtins.int]]
            reveal_type(shared.get())  # is builtins.list[builtins.int]
            pool.starmap(double, [(shared,)])
    multiprocessing.Pool(workers=3)  # error: Unexpected keyword argument
    prong.NativePool(2).map_into("library.so:squares", bytes(8), bytearray(8))
    with prong.ProcessPoolExecutor(3, max_tasks_per_child=10) as executor:
        reveal_type(executor.submit(double, 1).result())  # is builtins.int
    try:
        prong.install()
    except prong.WorkerDied as died:
        reveal_type(died.exitcode)  # is Union[builtins.int, None]


async def asynchronously(pool: Pool) -> int:
    async for value in pool.imap(double, [1]):
        reveal_type(value)  # is builtins.int
    pending: AsyncResult[int] = pool.apply_async(double, (1,))
    return await pending
