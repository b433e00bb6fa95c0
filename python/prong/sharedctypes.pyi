from multiprocessing.sharedctypes import *
from multiprocessing.sharedctypes import (
    Synchronized as Synchronized,
)
from multiprocessing.sharedctypes import (
    SynchronizedArray as SynchronizedArray,
)
from multiprocessing.sharedctypes import (
    SynchronizedBase as SynchronizedBase,
)
from multiprocessing.sharedctypes import (
    SynchronizedString as SynchronizedString,
)
from typing import Any

def __getattr__(name: str) -> Any: ...  # what it has beside its public names
