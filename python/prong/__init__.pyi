# What multiprocessing has, typed as there; and what is new.
from multiprocessing import freeze_support as freeze_support
from multiprocessing import reducer as reducer
from multiprocessing.process import (
    active_children as active_children,
)
from multiprocessing.process import (
    current_process as current_process,
)
from multiprocessing.process import (
    parent_process as parent_process,
)

from . import (
    connection as connection,
)
from . import (
    context as context,
)
from . import (
    dummy as dummy,
)
from . import (
    forkserver as forkserver,
)
from . import (
    heap as heap,
)
from . import (
    managers as managers,
)
from . import (
    pool as pool,
)
from . import (
    process as process,
)
from . import (
    queues as queues,
)
from . import (
    reduction as reduction,
)
from . import (
    resource_sharer as resource_sharer,
)
from . import (
    resource_tracker as resource_tracker,
)
from . import (
    shared_memory as shared_memory,
)
from . import (
    sharedctypes as sharedctypes,
)
from . import (
    spawn as spawn,
)
from . import (
    synchronize as synchronize,
)
from . import (
    util as util,
)
from ._impl.by_value import by_value as by_value
from ._impl.executor import ProcessPoolExecutor as ProcessPoolExecutor
from ._impl.handles import Handle as Handle
from ._impl.install import install as install
from ._impl.install import uninstall as uninstall
from ._impl.native import NativePool as NativePool
from .context import (
    AuthenticationError as AuthenticationError,
)
from .context import (
    BufferTooShort as BufferTooShort,
)
from .context import (
    Process as Process,
)
from .context import (
    ProcessError as ProcessError,
)
from .context import (
    TimeoutError as TimeoutError,
)
from .errors import (
    Deadlock as Deadlock,
)
from .errors import (
    OwnerDiedWarning as OwnerDiedWarning,
)
from .errors import (
    PoolBroken as PoolBroken,
)
from .errors import (
    TaskCancelled as TaskCancelled,
)
from .errors import (
    TaskFailed as TaskFailed,
)
from .errors import (
    TaskTimeout as TaskTimeout,
)
from .errors import (
    WorkerDied as WorkerDied,
)

# Functions at runtime, that give objects of these classes: so that they can be annotations, as with multiprocessing.
from .queues import JoinableQueue as JoinableQueue
from .queues import Queue as Queue
from .queues import SimpleQueue as SimpleQueue

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

def deadlock_report() -> str: ...
def usable_cpu_count() -> int: ...
def set_arena_size(bytes: int, /) -> None: ...
def fit_address_space(bytes: int = ..., /) -> None: ...

# Old names, which warn, for one release.
CPool = NativePool
report = deadlock_report
