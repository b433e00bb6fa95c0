"""Functions that a worker cannot import (lambdas, closures, those of a session) as what they are made of, by cloudpickle."""

__all__ = ["by_value"]


class by_value:
    """by_value(function): the same function, which can be a task's or a Process's, wherever it was defined. Needs cloudpickle.

    What it refers to is copied with it: what one call changes there is not seen by the next.
    """

    def __init__(self, function):
        import cloudpickle  # noqa: F401  (say so at once when it is not installed)
        self._function = function

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __repr__(self):
        return f"by_value({self._function!r})"

    def __reduce__(self):
        import cloudpickle
        return _restored, (cloudpickle.dumps(self._function),)


def _restored(data):
    import pickle
    restored = by_value.__new__(by_value)
    restored._function = pickle.loads(data)
    return restored
