"""multiprocessing.shared_memory, which serves prong as it is."""

import sys
import multiprocessing.shared_memory as _std

sys.modules[__name__] = _std
