"""multiprocessing.popen_fork, which serves prong as it is."""

import sys
import multiprocessing.popen_fork as _std

sys.modules[__name__] = _std
