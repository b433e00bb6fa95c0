"""A back end for joblib: `import prong.joblib`, and then parallel_config("prong") or Parallel(backend="prong").

Its workers are a pool's, one that dies fails its own tasks, and they are kept for the next call. Functions and classes of the main module
and of a session travel by value, as with joblib's own back end, and large arrays lie in shared memory once, read-only.
"""

try:
    from joblib import cpu_count, register_parallel_backend
    from joblib._parallel_backends import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend
    _ = ParallelBackendBase.retrieve_result_callback
except (ImportError, AttributeError) as error:
    raise ImportError(f"prong.joblib needs joblib, 1.3 or later: {error}") from error

from ._impl.joblib_workers import Workers, keep, take

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["ProngBackend"]


def __dir__():
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def _in_worker():
    from multiprocessing.process import current_process
    return current_process().daemon


class ProngBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """joblib's interface for back ends.

    method: how workers start. "spawn", the default, gives them nothing of this process's threads and locks, and does not import the main
    module; "fork" starts them faster. initializer, initargs: what a worker calls first; Parallel takes them, too. idle_worker_timeout:
    seconds that idle workers are kept for. inner_max_num_threads: of libraries such as BLAS in a worker.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    uses_threads = False
    supports_sharedmem = False

    def __init__(
        self, nesting_level: "int | None" = None, inner_max_num_threads: "int | None" = None, *, method: str = "spawn",
        idle_worker_timeout: float = 300, initializer: "Callable[..., object] | None" = None, initargs: "tuple[Any, ...]" = ()
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        if method not in ("fork", "spawn", "forkserver"):
            raise ValueError(f"method must be 'fork', 'spawn' or 'forkserver', not {method!r}")
        self._method, self._idle_worker_timeout = method, idle_worker_timeout
        self._initial = initializer, tuple(initargs)
        self._workers: Workers | None = None
        self._large: int | None = None
        self._mode: str | None = None
        self._configured: dict[str, Any] = {}  # what configure() was given

    def effective_n_jobs(self, n_jobs: "int | None") -> int:
        """How many tasks run at once: 1 in a worker, whose tasks have no workers of their own."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        alone = ("in a process of multiprocessing's or prong's that is a daemon" if _in_worker()
                 else "below threads" if not (self.in_main_thread() or self.nesting_level == 0) else None)
        if alone:
            if n_jobs != 1:
                import warnings
                warnings.warn(f"prong's parallel loops cannot be nested {alone}, setting n_jobs=1", stacklevel=3)
            return 1
        return int(n_jobs) if n_jobs > 0 else max(int(cpu_count()) + 1 + n_jobs, 1)

    def configure(
        self, n_jobs: int = 1, parallel: "Any" = None, prefer: "Any" = None, require: "Any" = None, *, max_nbytes: "int | None" = None,
        mmap_mode: "str | None" = "r", initializer: "Callable[..., object] | None" = None, initargs: "tuple[Any, ...]" = (),
        **options: "Any"
    ) -> int:
        """Gets workers; how many. options: what joblib hands to all back ends, and this one has no use for."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._configured = {"n_jobs": n_jobs, "max_nbytes": max_nbytes, "mmap_mode": mmap_mode, "initializer": initializer,
                            "initargs": initargs}
        self._large, self._mode = (None if mmap_mode is None else max_nbytes), mmap_mode
        limits = tuple(sorted(self._prepare_worker_env(n_jobs=n_jobs).items()))
        initial = self._initial if initializer is None else (initializer, tuple(initargs))
        self._workers = take(n_jobs, self._method, limits, initial)
        return n_jobs

    def submit(self, func: "Callable[[], Any]", callback: "Callable[[Any], object]" = id) -> "Any":
        """Has a worker call it; callback is called with what retrieve_result_callback takes."""
        if self._workers is None:
            raise RuntimeError("the workers of this Parallel have been given back")
        return self._workers.submit(func, self._large, self._mode, callback)

    apply_async = submit  # as earlier versions of joblib call it

    def retrieve_result_callback(self, out: "Any") -> "Any":
        """What it returned, or raised."""
        return Workers.result(out)

    def terminate(self) -> None:
        """The workers are kept for the next call."""
        workers, self._workers = self._workers, None
        if workers is not None:
            keep(workers, self._idle_worker_timeout)
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Kills the workers, and the tasks with them."""
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.kill()
        if ensure_ready:
            self.configure(parallel=self.parallel, **self._configured)


register_parallel_backend("prong", ProngBackend)
