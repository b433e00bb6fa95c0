"""What a frozen program needs of prong: modules that are imported by name when they are first used, and the workers of a NativePool."""

import os

from PyInstaller.utils.hooks import collect_submodules

import prong

hiddenimports = [name for package in ("prong", "multiprocessing", "concurrent.futures") for name in collect_submodules(package)
                 if "_pyinstaller" not in name and "win32" not in name]
hiddenimports += collect_submodules("cloudpickle")
_worker = os.path.join(os.path.dirname(prong.__file__), "prong-worker")
binaries = [(_worker, "prong")] if os.path.exists(_worker) else []
