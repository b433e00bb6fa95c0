"""Arrays of NumPy whose own pickle has their bytes in it: here they go beside the pickle, as those of other arrays do. Imported with the
first message after NumPy."""

import numpy

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

_LEAST = 16 << 10  # bytes; as BUFFER_LEAST of codec.c


def _rebuild(array: "numpy.ndarray[Any, Any]", as_what: "Any") -> "numpy.ndarray[Any, Any]":
    return array.view(as_what)


def _reduce(array):
    """Dates have no buffers, so they go as integers. Of what is not in one piece, a copy goes: its own pickle makes one, too."""
    if array.nbytes < _LEAST or array.dtype.hasobject:
        return array.__reduce_ex__(5)
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = array.copy()
    if array.dtype.kind in "mM":
        return _rebuild, (array.view("i8"), array.dtype)
    return array.__reduce_ex__(5)


def _reduce_mapped(array):
    """Memory that is mapped from a file; its receiver has a copy."""
    return _rebuild, (numpy.asarray(array), numpy.memmap)


reducers = {numpy.ndarray: _reduce, numpy.memmap: _reduce_mapped}
