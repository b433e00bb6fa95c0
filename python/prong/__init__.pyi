# What multiprocessing has, typed as there; and what is new.
from multiprocessing import freeze_support as freeze_support, reducer as reducer
from multiprocessing.process import (
    active_children as active_children,
    current_process as current_process,
    parent_process as parent_process,
)

from . import (
    connection as connection,
    context as context,
    dummy as dummy,
    forkserver as forkserver,
    heap as heap,
    managers as managers,
    pool as pool,
    process as process,
    queues as queues,
    reduction as reduction,
    resource_sharer as resource_sharer,
    resource_tracker as resource_tracker,
    shared_memory as shared_memory,
    sharedctypes as sharedctypes,
    spawn as spawn,
    synchronize as synchronize,
    util as util,
)
from ._by_value import by_value as by_value
from .context import (
    AuthenticationError as AuthenticationError,
    BufferTooShort as BufferTooShort,
    Process as Process,
    ProcessError as ProcessError,
    TimeoutError as TimeoutError,
)
from .errors import (
    Deadlock as Deadlock,
    OwnerDiedWarning as OwnerDiedWarning,
    PoolBroken as PoolBroken,
    TaskCancelled as TaskCancelled,
    TaskFailed as TaskFailed,
    TaskTimeout as TaskTimeout,
    WorkerDied as WorkerDied,
)
from .executor import ProcessPoolExecutor as ProcessPoolExecutor
from .handles import Handle as Handle
from ._install import install as install, uninstall as uninstall
from .native import CPool as CPool

# Functions at runtime, that give objects of these classes: so that they can be annotations, as with multiprocessing.
from .queues import JoinableQueue as JoinableQueue, Queue as Queue, SimpleQueue as SimpleQueue

__version__: str

Array = context._default_context.Array
Barrier = context._default_context.Barrier
BoundedSemaphore = context._default_context.BoundedSemaphore
Condition = context._default_context.Condition
Event = context._default_context.Event
Lock = context._default_context.Lock
Manager = context._default_context.Manager
Pipe = context._default_context.Pipe
Pool = context._default_context.Pool
RLock = context._default_context.RLock
RawArray = context._default_context.RawArray
RawValue = context._default_context.RawValue
Semaphore = context._default_context.Semaphore
Value = context._default_context.Value
allow_connection_pickling = context._default_context.allow_connection_pickling
cpu_count = context._default_context.cpu_count
get_all_start_methods = context._default_context.get_all_start_methods
get_context = context._default_context.get_context
get_logger = context._default_context.get_logger
get_start_method = context._default_context.get_start_method
log_to_stderr = context._default_context.log_to_stderr
set_executable = context._default_context.set_executable
set_forkserver_preload = context._default_context.set_forkserver_preload
set_start_method = context._default_context.set_start_method

def report() -> str: ...
def usable_cpu_count() -> int: ...
def set_arena_size(size: int, /) -> None: ...
def fit_address_space(size: int = ..., /) -> None: ...
