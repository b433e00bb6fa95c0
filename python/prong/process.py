"""multiprocessing.process, which serves prong as it is."""

import sys
import multiprocessing.process as _std

sys.modules[__name__] = _std
