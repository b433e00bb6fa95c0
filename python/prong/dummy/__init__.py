"""multiprocessing.dummy, which serves prong as it is: the same names, on threads."""

import sys
import multiprocessing.dummy as _std

sys.modules[__name__] = _std
