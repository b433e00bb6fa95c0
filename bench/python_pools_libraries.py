"""The pools that python_pools_peer.py measures, each by its own calls. A library is imported when its pool is made.

A pool here has: one_by_one(function, items), a task for each item by the call that takes one task; map(function, items), in the
library's default chunks; begin(function, *arguments) and get(task, seconds), for one task; with_array(function, array, count), where
task N is function(array, N); and close(). A library whose processes outlive its pools
has finish().
"""


class ByApply:
    """What has multiprocessing's Pool's calls."""

    def __init__(self, pool):
        self.pool = pool

    def one_by_one(self, function, items):
        apply_async = self.pool.apply_async
        results = [apply_async(function, (item,)) for item in items]
        return [result.get() for result in results]

    def map(self, function, items):
        return self.pool.map(function, items)

    def begin(self, function, *arguments):
        return self.pool.apply_async(function, arguments)

    def get(self, task, seconds):
        return task.get(seconds)

    def with_array(self, function, array, count):
        return self.pool.starmap(function, [(array, n) for n in range(count)])

    def close(self):
        self.pool.terminate()
        self.pool.join()


class BySubmit:
    """What has concurrent.futures' Executor's calls."""

    def __init__(self, pool):
        self.pool = pool

    def one_by_one(self, function, items):
        submit = self.pool.submit
        futures = [submit(function, item) for item in items]
        return [future.result() for future in futures]

    def map(self, function, items):
        return list(self.pool.map(function, items))

    def begin(self, function, *arguments):
        return self.pool.submit(function, *arguments)

    def get(self, task, seconds):
        return task.result(seconds)

    def with_array(self, function, array, count):
        return [future.result() for future in [self.pool.submit(function, array, n) for n in range(count)]]

    def close(self):
        self.pool.shutdown()


class Pebble(BySubmit):
    def one_by_one(self, function, items):
        schedule = self.pool.schedule
        futures = [schedule(function, (item,)) for item in items]
        return [future.result() for future in futures]

    def map(self, function, items):
        return list(self.pool.map(function, items).result())

    def begin(self, function, *arguments):
        return self.pool.schedule(function, arguments)

    def close(self):
        self.pool.stop()
        self.pool.join()


class Joblib:
    """It has no call for one task: a list of them goes in batches."""

    def __init__(self, workers):
        import joblib
        self.pool, self.delayed = joblib.Parallel(workers), joblib.delayed

    def one_by_one(self, function, items):
        delayed = self.delayed(function)
        return self.pool(delayed(item) for item in items)

    map = one_by_one

    def with_array(self, function, array, count):
        delayed = self.delayed(function)
        return self.pool(delayed(array, n) for n in range(count))

    def close(self):
        from joblib.externals.loky import get_reusable_executor
        get_reusable_executor().shutdown()


class Mpire(ByApply):
    def __init__(self, workers, method=None):
        from mpire import WorkerPool
        super().__init__(WorkerPool(workers, start_method=method or "fork", keep_alive=True))

    def with_array(self, function, array, count):
        """Shared objects are given to a pool as it is made."""
        from mpire import WorkerPool
        with WorkerPool(self.pool.pool_params.n_jobs, shared_objects=array) as pool:
            return pool.map(function, range(count), chunk_size=1)

    def close(self):
        self.pool.terminate()


class Ray(ByApply):
    def __init__(self, workers):
        import ray
        from ray.util.multiprocessing import Pool
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
                 ignore_reinit_error=True)
        super().__init__(Pool(workers))

    def with_array(self, function, array, count):
        import ray
        reference, remote = ray.put(array), ray.remote(function).remote
        return ray.get([remote(reference, n) for n in range(count)])

    def close(self):
        self.pool.terminate()

    @staticmethod
    def finish():
        """Ends Ray's own processes, which would outlive this one."""
        import ray
        ray.shutdown()


class ProngShare(ByApply):
    def with_array(self, function, array, count):
        import prong
        with prong.share(array) as shared:
            return self.pool.starmap(function, [(shared, n) for n in range(count)])


def prong(workers, method=None):
    import prong
    return ByApply(prong.get_context(method).Pool(workers))


prong_pool = prong_spawn = prong


def prong_share(workers):
    import prong
    return ProngShare(prong.Pool(workers))


def prong_executor(workers, method=None):
    import prong
    return BySubmit(prong.ProcessPoolExecutor(workers, prong.get_context(method)))


def multiprocessing(workers, method=None):
    import multiprocessing
    return ByApply(multiprocessing.get_context(method).Pool(workers))


def billiard(workers):
    import billiard
    return ByApply(billiard.Pool(workers))


def concurrent_futures(workers, method=None):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    return BySubmit(ProcessPoolExecutor(workers, multiprocessing.get_context(method)))


def threads(workers):
    from concurrent.futures import ThreadPoolExecutor
    return BySubmit(ThreadPoolExecutor(workers))


def loky(workers):
    from loky import ProcessPoolExecutor
    return BySubmit(ProcessPoolExecutor(workers))


def loky_reusable(workers):
    from loky import get_reusable_executor
    return BySubmit(get_reusable_executor(workers))


def pebble(workers, method=None):
    import multiprocessing

    from pebble import ProcessPool
    return Pebble(ProcessPool(workers, context=multiprocessing.get_context(method)))


joblib, mpire, ray = Joblib, Mpire, Ray
