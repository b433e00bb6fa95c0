"""multiprocessing.util, which serves prong as it is."""

import sys
import multiprocessing.util as _std

sys.modules[__name__] = _std
