from multiprocessing.sharedctypes import *
from multiprocessing.sharedctypes import (
    Synchronized as Synchronized,
    SynchronizedArray as SynchronizedArray,
    SynchronizedBase as SynchronizedBase,
    SynchronizedString as SynchronizedString,
)
from typing import Any

def __getattr__(name: str) -> Any: ...  # what it has beside its public names
