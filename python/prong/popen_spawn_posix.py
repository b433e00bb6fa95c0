"""multiprocessing.popen_spawn_posix, which serves prong as it is."""

import multiprocessing.popen_spawn_posix as _std
import sys

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from multiprocessing.popen_spawn_posix import *  # noqa: F403
    from typing import Any

    def __getattr__(name: str) -> Any: ...  # what it has beside its public names

sys.modules[__name__] = _std
