from collections.abc import Callable
from typing import Any

__all__ = ["Handle"]

def Handle(kind: str, offset: int, generation: int, restore: Callable[..., Any] | None = ..., *rest: Any) -> Any: ...
