"""multiprocessing.dummy.connection, which serves prong as it is."""

import sys
import multiprocessing.dummy.connection as _std

sys.modules[__name__] = _std
