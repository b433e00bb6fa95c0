"""multiprocessing.resource_sharer, which serves prong as it is."""

import sys
import multiprocessing.resource_sharer as _std

sys.modules[__name__] = _std
