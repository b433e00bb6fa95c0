from multiprocessing.dummy import *
from typing import Any

def __getattr__(name: str) -> Any: ...  # what it has beside its public names
