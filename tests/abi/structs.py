#!/usr/bin/env python3
"""Public structs can grow, and each one's size is asserted.

structs.py: every struct of the public headers is a handle, is one of those that stay as they are, or ends with a reserved
tail; and sizes.c has it. structs.py --write CC ...: makes the table in sizes.c anew.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "..", "..", "include")
SIZES = os.path.join(HERE, "sizes.c")
# Plain bytes, a value, lent memory, and a handle that is sent in messages.
FINAL = {"prong_bytes", "prong_message", "prong_output", "prong_pickle", "prong_pickle_buffer", "prong_proxy", "prong_value"}
HANDLE = re.compile(r"uint64_t offset, generation;")
TAIL = re.compile(r"void \*reserved\[\d+\];$")


def structs():
    """Of each: its name, and its members without comments, in one line."""
    for header in sorted(glob.glob(os.path.join(INCLUDE, "prong", "*.h"))):
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
        for name, members in re.findall(r"^typedef struct (prong_\w+) \{(.*?)^\} \1;", text, re.DOTALL | re.MULTILINE):
            yield name, " ".join(members.split())


def faults():
    with open(SIZES, encoding="utf-8") as file:
        listed = set(re.findall(r"^SIZE\((\w+), \d+\)$", file.read(), re.MULTILINE))
    found = dict(structs())
    if len(found) < 40:
        yield "only %d structs found in %s" % (len(found), INCLUDE)
    for name, members in sorted(found.items()):
        if not (HANDLE.fullmatch(members) or name in FINAL or TAIL.search(members)):
            yield "%s: no reserved tail at its end" % name
        if name in FINAL and "reserved" in members:
            yield "%s: has a reserved tail, and is listed as one that stays" % name
    for name in sorted(set(found) ^ listed):
        yield "%s: %s" % (name, "is not in sizes.c" if name in found else "is in sizes.c alone")


def write(compiler):
    names = sorted(name for name, _ in structs())
    prints = "".join('printf("SIZE(%s, %%zu)\\n", sizeof(%s));' % (name, name) for name in names)
    source = "#include <prong/prong.h>\n#include <stdio.h>\nint main(void) { %s return 0; }" % prints
    with tempfile.TemporaryDirectory() as work:
        program = os.path.join(work, "sizes")
        subprocess.run(compiler + ["-I", INCLUDE, "-x", "c", "-", "-o", program], input=source, check=True,
                       universal_newlines=True)
        table = subprocess.run([program], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    with open(SIZES, encoding="utf-8") as file:
        text = file.read()
    with open(SIZES, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(?:^SIZE\(.*\n)+", table, text, flags=re.MULTILINE))


if sys.argv[1:2] == ["--write"]:
    write(sys.argv[2:] or ["cc"])
else:
    found = list(faults())
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
