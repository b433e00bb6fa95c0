"""multiprocessing.popen_forkserver, which serves prong as it is."""

import sys
import multiprocessing.popen_forkserver as _std

sys.modules[__name__] = _std
