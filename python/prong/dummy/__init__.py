"""multiprocessing.dummy, which serves prong as it is: the same names, on threads."""

import multiprocessing.dummy as _std
import sys

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from multiprocessing.dummy import *  # noqa: F403
    from typing import Any

    def __getattr__(name: str) -> Any: ...  # what it has beside its public names

sys.modules[__name__] = _std
