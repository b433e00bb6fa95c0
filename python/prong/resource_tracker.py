"""multiprocessing.resource_tracker, which serves prong as it is."""

import sys
import multiprocessing.resource_tracker as _std

sys.modules[__name__] = _std
