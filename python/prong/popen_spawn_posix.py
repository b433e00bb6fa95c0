"""multiprocessing.popen_spawn_posix, which serves prong as it is."""

import sys
import multiprocessing.popen_spawn_posix as _std

sys.modules[__name__] = _std
