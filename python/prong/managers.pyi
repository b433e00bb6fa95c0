from multiprocessing.managers import *
from multiprocessing.managers import DictProxy as DictProxy, ListProxy as ListProxy, Namespace as Namespace, ValueProxy as ValueProxy
from typing import Any

def __getattr__(name: str) -> Any: ...  # what it has beside its public names
