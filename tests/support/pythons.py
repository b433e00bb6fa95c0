"""The CPythons of this machine, one of each minor version from 3.8 on: the one that runs this first."""
import glob
import os
import re
import subprocess
import sys


def pythons():
    found = {sys.version_info[:2]: sys.executable}
    candidates = glob.glob("/usr/bin/python3.*") + glob.glob("/usr/local/bin/python3.*")
    for root in {os.environ.get("PYENV_ROOT", ""), os.path.expanduser("~/.pyenv")} - {""}:
        candidates += glob.glob(os.path.join(root, "versions", "*", "bin", "python3"))
    for path in candidates:
        if not re.search(r"python3(\.\d+)?$", path):
            continue
        try:
            version = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True,
                                     text=True, timeout=20).stdout.split()
            version = tuple(map(int, version))
        except Exception:
            continue
        if version >= (3, 8):
            found.setdefault(version, path)
    return {f"{a}.{b}": path for (a, b), path in sorted(found.items())}


if __name__ == "__main__":
    for version, path in pythons().items():
        print(version, path)
