"""The start methods, and which of them is in force. Modules that need the default context ask here, and import nothing for it:
prong.context, which makes the contexts, imports them."""

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

NUMBERS = {"fork": 1, "spawn": 2, "forkserver": 3}  # as the core has them

contexts: "dict[str, Any]" = {}  # by start method; prong.context fills it
default: "Any" = None  # the context that prong's own names belong to; set by prong.context


class Family:
    """What all of prong's contexts are: their processes are members of one family."""


def in_force(ctx=None):
    """The context itself; None: that of the start method in force, which is fixed by this."""
    return default.get_context() if ctx is None else ctx


def force(method):
    """In a child of this start method: it is the default there. None: nothing changes."""
    if method is not None:
        default._actual_context = contexts[method]
