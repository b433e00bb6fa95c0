"""check_commands.py: what the documentation has a reader type exists: files of the repository, and ./run's own commands.

The first word of each command is looked at, after its assignments. A program that is not installed is reported only if it is
neither a well-known one nor made by an earlier line.
"""
import os
import re
import subprocess
import sys

import blocks

# what a reader has, or gets by what the page says: a test's machine need not have them all
KNOWN = set("apt-get cc gcc cd git pip python3 man export cp sudo cmake meson ninja kill celery".split())


def commands(block):
    """Lines that a reader types: all of sh, those behind a prompt of console."""
    for line in block.code.splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        yield from re.split(r"&&|\|\|?|;", line.split(" #")[0])


def problem(command):
    words = [word for word in command.split() if not re.match(r"[A-Z_]+=", word)]
    if not words or words[0].startswith("#"):
        return ""
    first = words[0]
    if first == "./run":
        return run_problem(words[1:])
    if first.startswith("./") or "/" in first:
        made = first.startswith(("env/", "./a.out")) or re.fullmatch(r"\./[a-z_]+", first)
        return "" if made or os.path.exists(os.path.join(blocks.ROOT, first)) else f"there is no {first}"
    return "" if first in KNOWN else f"nobody knows {first}"


def run_problem(words):
    usage = subprocess.run([os.path.join(blocks.ROOT, "run"), "help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^\./run ([\w-]+)", usage, re.M)) | {"help"}
    return "" if words and words[0] in known else f"./run has no command {' '.join(words)}"


def main():
    tried, failed = 0, 0
    for block in blocks.all_blocks("sh", "console"):
        for command in commands(block):
            tried += 1
            error = problem(command)
            if error:
                failed += 1
                print(f"{block.where()}: {command.strip()}: {error}")
    print(f"{tried - failed} passed, {failed} failed")
    sys.exit(bool(failed) or not tried)


if __name__ == "__main__":
    main()
